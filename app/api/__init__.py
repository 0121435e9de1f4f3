"""HTTP: routers, schemas, content negotiation, problem responses."""
