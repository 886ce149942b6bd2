"""The API explained to its callers: the OpenAPI document, and a page to try it."""
