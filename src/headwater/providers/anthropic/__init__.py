"""Anthropic's Messages API: `request` encodes, `response` decodes. Pure."""

from headwater.providers.anthropic.request import encode
from headwater.providers.anthropic.response import Decoder

__all__ = ("Decoder", "encode")
