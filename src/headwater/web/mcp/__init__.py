"""MCP: every agent is a tool at `/mcp`. Needs the extra `mcp`."""
