"""The HTTP layer: access checks, request bodies, and how streams, sockets and errors are sent."""
