"""The calls in FastAPI, with async SQLAlchemy, under uvicorn."""
