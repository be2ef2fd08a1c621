"""Byte grammars: bytes in, frames out. No JSON, no events, no I/O."""
