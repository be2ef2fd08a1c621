"""A search over the tools of a server that has too many to describe all of them to a model.

What was found is read from the conversation: the tools that a search has named, or that were called, are offered from
then on, also in a resumed run or the next one of a conversation. Needs no connection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.events.messages import Message, ToolCall, ToolResult
from headwater.providers.request import ToolSpec
from headwater.schema.problems import ValidationFailed
from headwater.tools.outcome import ToolOutcome
from headwater.tools.work import Plain, Work

__all__ = ("DEFER_ABOVE", "SearchTool", "found_in")

DEFER_ABOVE: Final = 40
"""Tools of a server that are all described: with more, models choose worse, and each request costs thousands of
tokens."""

MAX_FOUND: Final = 8
"""Tools that one search finds."""

MAX_DESCRIPTION: Final = 200
"""Characters of a description in the result: the whole one follows with the tool itself."""

_NAME_COUNTS: Final = 3.0
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"query": {"type": "string", "description": "Words for what the tool does."}},
    "required": ["query"],
    "additionalProperties": False,
}


class _Tool(msgspec.Struct):
    name: str
    description: str = ""


class _Found(msgspec.Struct):
    """The result of a search, as JSON in the conversation."""

    tools: list[_Tool]
    note: str = ""


class SearchTool(Plain):
    """Finds tools by words; see `tools.work.Offered`. `tools` are the descriptions of all of them."""

    def __init__(self, name: str, server: str, tools: Sequence[ToolSpec]) -> None:
        self.name = name
        self._tools = tools
        self.spec: ToolSpec = ToolSpec(
            name=name,
            description=f"Search the {len(tools)} tools of {server}. You can call those that it finds afterwards.",
            parameters=_SCHEMA,
        )

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        """See `tools.work.Offered`."""
        query = arguments.get("query") if isinstance(arguments, Mapping) else None
        if not isinstance(query, str) or not query.strip():
            raise ValidationFailed("The arguments do not fit:", ["query: a non-empty string is expected"])
        return {"query": query}

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`."""
        try:
            query = self.validate(work.arguments)["query"]
        except ValidationFailed as problem:
            return ToolOutcome.failed(str(problem), invalid=True)
        best = ranked(query, self._tools)[:MAX_FOUND]
        found = [_Tool(spec.name, spec.description[:MAX_DESCRIPTION]) for spec in best]
        note = "You can call these tools now." if found else "Nothing was found. Search with other words."
        return ToolOutcome.of(msgspec.json.encode(_Found(found, note)).decode())


def found_in(said: Iterable[Message], search: str) -> dict[str, None]:
    """Returns the names that a search has found or that were called, in the order of the conversation."""
    names: dict[str, None] = {}
    for message in said:
        for part in message.content:
            if isinstance(part, ToolCall):
                names.setdefault(part.name)
            elif isinstance(part, ToolResult) and part.name == search and isinstance(part.content, str):
                names |= dict.fromkeys(_names(part.content))
    return names


def _names(result: str) -> list[str]:
    try:
        return [tool.name for tool in msgspec.json.decode(result, type=_Found).tools]
    except (msgspec.DecodeError, UnicodeEncodeError):
        return []


def ranked(query: str, tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """Returns the tools that have any word of the query, the best first: rare words and names count more."""
    documents = [
        (words_of(spec.name), words_of(spec.description, *spec.parameters.get("properties", ()))) for spec in tools
    ]
    wanted = words_of(query)
    rarity = {
        word: math.log(1 + len(tools) / (1 + sum(_has(n, word) + _has(d, word) for n, d in documents)))
        for word in wanted
    }
    scores = [
        sum(rarity[word] * (_NAME_COUNTS * _has(name, word) + _has(rest, word)) for word in wanted)
        for name, rest in documents
    ]
    order = sorted(range(len(tools)), key=lambda at: -scores[at])
    return [tools[at] for at in order if scores[at] > 0]


def words_of(*texts: str) -> set[str]:
    """Returns the words of names and sentences, in lower case: `readFile` and `read_file` have two."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", " ".join(texts))
    return {word for word in re.findall(r"[^\W_]+", split.lower()) if len(word) > 1 or word.isdigit()}


def _has(words: set[str], word: str) -> float:
    """How well a word is among them: itself, or another form of it."""
    if word in words:
        return 1.0
    stem = word[:-1] if len(word) > 3 and word.endswith("s") else word
    return (
        0.5
        if len(stem) > 2 and any(one.startswith(stem) or (len(one) > 3 and stem.startswith(one)) for one in words)
        else 0.0
    )
