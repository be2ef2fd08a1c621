"""All six providers, through the public API, against an emulator that nobody here wrote (llmock, an npm package)."""
