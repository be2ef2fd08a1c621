"""Ollama's own API: `request` encodes, `response` decodes. Pure."""

from headwater.providers.ollama.request import encode
from headwater.providers.ollama.response import Decoder

__all__ = ("Decoder", "encode")
