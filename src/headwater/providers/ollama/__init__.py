"""Ollama's own API: `request` writes it, `response` reads it. Pure."""

from headwater.providers.ollama.request import encode
from headwater.providers.ollama.response import Decoder

__all__ = ("Decoder", "encode")
