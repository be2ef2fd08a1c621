"""Google's Gemini API: `request` encodes, `response` decodes. Pure."""

from headwater.providers.gemini.request import encode
from headwater.providers.gemini.response import Decoder

__all__ = ("Decoder", "encode")
