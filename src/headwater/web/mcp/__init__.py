"""MCP: serves every agent as a tool at `/mcp`. Needs the extra `mcp`."""
