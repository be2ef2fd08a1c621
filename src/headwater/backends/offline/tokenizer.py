"""The offline model's tokenizer: how text is split, and how requests are counted.

Pure and deterministic: a test can contain its counts. It is not a provider's tokenizer, and must never be used to
estimate costs.
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

# A word with the space before it, as in common tokenizers; long words are split, punctuation is grouped.
_TOKEN = re.compile(r"\s*\w{1,12}|\s*[^\w\s]{1,4}|\s+")


def split(text: str) -> list[str]:
    """Splits `text` into tokens; joined they are the text again."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Returns the number of tokens in `text`."""
    return len(_TOKEN.findall(text))


def count_request(request: Request) -> int:
    """Returns the number of tokens in a request: its messages' text, calls and results, its tools and its output
    schema."""
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
    return 1  # images, files and so on: a constant
