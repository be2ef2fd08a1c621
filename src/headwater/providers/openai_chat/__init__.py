"""Chat Completions, as OpenAI and compatible servers speak it: `request` writes it, `response` reads it. Pure.

`servers` says how the compatible servers differ.
"""

from headwater.providers.openai_chat.request import encode
from headwater.providers.openai_chat.response import Decoder
from headwater.providers.openai_chat.servers import QUIRKS

__all__ = ("QUIRKS", "Decoder", "encode")
