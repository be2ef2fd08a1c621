"""Our own wire: every event as it is, over server-sent events, lines of JSON or a WebSocket, and their routes."""
