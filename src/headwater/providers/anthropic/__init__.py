"""Anthropic's Messages API: `request` writes it, `response` reads it. Pure."""

from headwater.providers.anthropic.request import encode
from headwater.providers.anthropic.response import Decoder

__all__ = ("Decoder", "encode")
