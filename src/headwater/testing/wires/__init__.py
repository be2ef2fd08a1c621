"""Each API's encoding of an answer, for the provider simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headwater.testing.wires.anthropic import AnthropicWire
from headwater.testing.wires.base import Block, Trouble, Unspeakable, Wire, WireType
from headwater.testing.wires.gemini import GeminiWire
from headwater.testing.wires.ollama import OllamaWire
from headwater.testing.wires.openai_chat import OpenAIChatWire
from headwater.testing.wires.openai_responses import OpenAIResponsesWire

__all__ = ("WIRES", "Block", "Trouble", "Unspeakable", "Wire", "WireType")

WIRES: Final[Mapping[str, WireType]] = {
    wire.api: wire for wire in (OpenAIChatWire, OpenAIResponsesWire, AnthropicWire, GeminiWire, OllamaWire)
}
"""The wire of each API, by the API's name."""
