"""A2A 1.0: every agent at `/a2a/{agent}`, by JSON-RPC and by HTTP+JSON; a run is a task."""
