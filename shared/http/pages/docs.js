// Swagger UI on this service's OpenAPI document. It asks nobody else: no validator, no other origin.
"use strict";

window.ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  validatorUrl: null,
  queryConfigEnabled: false,  // no address makes this page show another document
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
});
