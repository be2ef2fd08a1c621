"""The AI SDK's UI message stream: its chats over HTTP and WebSocket, for clients of versions 5, 6 and 7."""
