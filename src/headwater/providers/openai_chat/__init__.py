"""The Chat Completions API of OpenAI and compatible servers: `request` encodes, `response` decodes. Pure.

`servers` lists how the compatible servers differ.
"""

from headwater.providers.openai_chat.request import encode
from headwater.providers.openai_chat.response import Decoder
from headwater.providers.openai_chat.servers import QUIRKS

__all__ = ("QUIRKS", "Decoder", "encode")
