"""Human loops from start to end, and the flow definitions and worker templates they are made from."""
