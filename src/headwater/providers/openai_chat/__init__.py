"""Chat Completions, as OpenAI and compatible servers speak it: `request` writes it, `response` reads it. Pure."""

from headwater.providers.openai_chat.request import encode
from headwater.providers.openai_chat.response import Decoder

__all__ = ("Decoder", "encode")
