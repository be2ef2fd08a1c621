"""The offline model's tokens: where text is split, and how what is asked is counted.

Pure, and the same every time: a count made here can be written into a test. It is no provider's tokenizer, and must
never be used to estimate one's bill.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from headwater.events.messages import Reasoning, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from headwater.events.messages import AnyPart
    from headwater.providers.request import Request

__all__ = ("count", "count_request", "split")

# A word with the space before it, as the common tokenizers have it; long words come in pieces, signs a few at a time.
_TOKEN = re.compile(r"\s*\w{1,12}|\s*[^\w\s]{1,4}|\s+")


def split(text: str) -> list[str]:
    """The tokens of `text`; joined they are the text again."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """How many tokens `text` has."""
    return len(_TOKEN.findall(text))


def count_request(request: Request) -> int:
    """How many tokens a request has: its messages' text, calls and results, its tools and its output schema."""
    total = sum(_count_part(part) for message in request.messages for part in message.content)
    for tool in request.tools:
        total += count(tool.name) + count(tool.description) + count(json.dumps(tool.parameters))
    if request.output is not None and not request.output.tool:
        total += count(json.dumps(request.output.schema))
    return total


def _count_part(part: AnyPart) -> int:
    if isinstance(part, (Text, Reasoning)):
        return count(part.text)
    if isinstance(part, ToolCall):
        written = part.arguments if isinstance(part.arguments, str) else json.dumps(part.arguments)
        return count(part.name) + count(written)
    if isinstance(part, ToolResult):
        if isinstance(part.content, str):
            return count(part.content)
        return sum(_count_part(inner) for inner in part.content)
    return 1  # pictures, files and the like: something, and the same every time
