"""The native wire: every event unchanged, as server-sent events, lines of JSON or over a WebSocket; and its routes."""
