"""OpenAI's Responses API: `request` encodes, `response` decodes. Pure."""

from headwater.providers.openai_responses.request import QUIRKS, encode
from headwater.providers.openai_responses.response import Decoder

__all__ = ("QUIRKS", "Decoder", "encode")
