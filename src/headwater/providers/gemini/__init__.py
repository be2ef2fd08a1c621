"""Google's Gemini API: `request` writes it, `response` reads it. Pure."""

from headwater.providers.gemini.request import encode
from headwater.providers.gemini.response import Decoder

__all__ = ("Decoder", "encode")
