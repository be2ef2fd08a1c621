"""OpenAI's Responses API: `request` writes it, `response` reads it. Pure."""

from headwater.providers.openai_responses.request import QUIRKS, encode
from headwater.providers.openai_responses.response import Decoder

__all__ = ("QUIRKS", "Decoder", "encode")
