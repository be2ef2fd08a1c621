"""OpenAI's two text APIs: their requests, and runs in their response formats."""
