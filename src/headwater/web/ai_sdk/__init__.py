"""The AI SDK's UI message stream: chats over HTTP and WebSocket, for client versions 5, 6 and 7."""
