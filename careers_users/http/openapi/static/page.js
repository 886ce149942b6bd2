// Starts Swagger UI on this service's own description. A file of its own, since the
// page's Content-Security-Policy lets no script stand inside the page.
"use strict";

window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: -1,
  defaultModelExpandDepth: 3,
  // Tokens stay in the page: a reload forgets them.
  persistAuthorization: false,
  // Nobody else is asked whether the description is valid.
  validatorUrl: null,
});
