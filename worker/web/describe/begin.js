// Begins the description; acts by a browser's session repeat its secret, which only a page of this site can read.
let secret = null;

async function unforged(request) {
  if (!["GET", "HEAD"].includes(request.method) && !request.headers.Authorization) {
    if (secret === null) {
      const session = await fetch("/api/v1/session");
      secret = session.ok ? (await session.json()).csrf_token : null;
    }
    if (secret !== null) request.headers["X-CSRF-Token"] = secret;
  }
  return request;
}

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: unforged,
  presets: [SwaggerUIBundle.presets.apis],
});
