"""The offline model's answers without a script: a turn generated from the request alone.

It says that it is not a language model, calls the tools in the request, and quotes their results. Pure: the same
request gets the same answer. Fixed sentences only; nothing here may pretend to have understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from headwater.backends.offline.schema_samples import sample
from headwater.backends.offline.script import Act, Call, Finish, Say, Think
from headwater.events.messages import Text, ToolResult

if TYPE_CHECKING:
    from headwater.events.messages import Message
    from headwater.providers.request import Request, ToolSpec

__all__ = ("SHAPES", "Shape", "answer")

Shape: TypeAlias = Literal["prose", "markdown", "poem"]
"""The form of an answer: paragraphs; headings, a list and a block of code; short lines."""

SHAPES: tuple[Shape, ...] = ("prose", "markdown", "poem")
"""What the offline model can answer with: `offline/markdown` is a model's name."""

# The most characters quoted from a task or a result: enough to recognize it.
QUOTED_TOPIC = 80
QUOTED_RESULT = 400

_ASKS_FOR: tuple[tuple[Shape, re.Pattern[str]], ...] = (
    ("poem", re.compile(r"\b(?:haiku|lyrics|poem|poetry|rhyme|song|sonnet|verse)", re.IGNORECASE)),
    (
        "markdown",
        re.compile(
            r"\b(?:article|bullet|code|document|essay|function|guide|heading|list|markdown|outline|plan|python|readme"
            r"|report|script|steps|table|tutorial)s?\b",
            re.IGNORECASE,
        ),
    ),
)


def answer(request: Request, shape: Shape | None = None, seed: int = 0) -> Sequence[Act]:
    """Returns the turn that answers `request`; with `shape` None the task's words choose one, `seed` picks among
    phrasings."""
    task, results = _since_the_task(request.messages)
    if request.settings.seed is not None:
        seed = request.settings.seed
    turn: list[Act] = []
    if request.settings.reasoning not in (None, False, 0, "none"):
        turn.append(Think(f"The task is {_sentence(_quoted(task))} I cannot think about it: my text is fixed."))
    calls = _calls(request, task)
    if calls and request.output is not None and calls[0].name == request.output.tool:
        turn += calls
    elif calls:
        names = _listed([f"`{call.name}`" for call in calls])
        turn += [Say(f"{_pick(_BEFORE_CALLS, seed)} {names} first."), *calls]
    elif request.output is not None:
        turn.append(Say(json.dumps(sample(request.output.schema, task, matching=True), ensure_ascii=False)))
    else:
        text = _WRITERS[shape or _shape_for(task)](task, _asked(request.messages), results, seed)
        turn.append(Say(_as_long_as(text, request.settings.verbosity)))
    return _stopped(turn, request.settings.stop or ())


def _since_the_task(messages: Sequence[Message]) -> tuple[str, list[ToolResult]]:
    """The last user message's text, and the tool results since."""
    results: list[ToolResult] = []
    for message in reversed(messages):
        if message.role == "user":
            return message.text, results
        results[:0] = [part for part in message.content if isinstance(part, ToolResult)]
    return "", results


def _asked(messages: Sequence[Message]) -> list[str]:
    """What the user said, message by message. Of several in a row it is the first: the others are what a workflow
    passes on."""
    asked: list[str] = []
    last = ""
    for message in messages:
        if message.role == "user" != last:
            asked.append(message.text)
        last = message.role
    return asked


def _calls(request: Request, task: str) -> list[Call]:
    """Returns a call of each tool that was not called since the task, as far as the tool choice allows.

    Calls since the task satisfy a choice that requires a call, so that a run that keeps it ends. The tool that takes
    the answer comes last.
    """
    called: set[str] = set()
    for message in reversed(request.messages):
        if message.role == "user":
            break
        called.update(call.name for call in message.tool_calls)
    choice = request.settings.tool_choice or "auto"
    offered: Sequence[ToolSpec] = () if choice == "none" else request.tools
    if choice not in ("auto", "none", "required"):
        offered = [tool for tool in offered if tool.name == choice]
    waiting = [tool for tool in offered if tool.name not in called]
    answers_by = request.output.tool if request.output is not None else ""
    waiting = [tool for tool in waiting if tool.name != answers_by] or waiting
    if request.settings.parallel_tool_calls is False:
        waiting = waiting[:1]
    return [Call(tool.name, _arguments(tool, task, matching=tool.name == answers_by)) for tool in waiting]


def _arguments(tool: ToolSpec, task: str, *, matching: bool) -> dict[str, Any]:
    made = sample({"type": "object", **tool.parameters}, task, matching=matching)
    return made if isinstance(made, dict) else {}


def _stopped(turn: list[Act], stop: Sequence[str]) -> list[Act]:
    """Returns the turn up to the first stop sequence in its text; without the sequence itself, as with providers."""
    for place, act in enumerate(turn):
        if isinstance(act, Say) and isinstance(act.text, str):
            ends = [end for word in stop if word and (end := act.text.find(word)) >= 0]
            if ends:
                return [*turn[:place], Say(act.text[: min(ends)]), Finish("stop", "stop_sequence")]
    return turn


# --- the sentences

_BEFORE_CALLS = ("Let me call", "I will call", "Before anything else I call")
_NO_MODEL = (
    "I am headwater's offline model. I am not a language model: I stream fixed sentences.",
    "This is the offline model of headwater. It is not a language model: it streams sentences that never change.",
    "There is not a language model here: this is headwater's offline model, which streams fixed sentences.",
)
_WHAT_A_MODEL_DOES = (
    "A real model would answer here; I can only show how its answer would arrive, one token after the other.",
    "I cannot say what a real model would answer, but it would reach you just like this, token by token.",
)
_HOW_TO_GO_ON = 'Name a model and set its key, and the same program streams a real answer: model="openai/gpt-5.4".'


def _prose(task: str, asked: Sequence[str], results: Sequence[ToolResult], seed: int) -> str:
    paragraphs = [_pick(_NO_MODEL, seed), f"You asked: {_sentence(_quoted(task))} {_pick(_WHAT_A_MODEL_DOES, seed)}"]
    paragraphs += [*_remembered(asked[:-1]), *(_came_back(result) for result in results)]
    return "\n\n".join([*paragraphs, _HOW_TO_GO_ON])


def _markdown(task: str, asked: Sequence[str], results: Sequence[ToolResult], seed: int) -> str:
    title = _shortened(asked[-1] if asked else "", QUOTED_TOPIC)
    parts = [f"# {title or 'Nothing was asked'}", _pick(_NO_MODEL, seed), *_remembered(asked[:-1])]
    if results:
        parts += ["## Tool results", "\n".join(f"- {_came_back(result)}" for result in results)]
    parts += [
        "## What you see here",
        "- **Streaming**: each token is shown as it arrives.\n"
        "- **Tools**: each available one is called *once*.\n"
        "- **Usage**: tokens are counted, and cost nothing.",
        "## How to get a real answer",
        "1. Set the key of a provider.\n2. Name one of its models.\n3. Run the same program again.",
        "```python\n"
        "from headwater import Agent\n\n"
        'agent = Agent(model="openai/gpt-5.4")\n'
        f"print(agent.run({json.dumps(_shortened(task, QUOTED_TOPIC), ensure_ascii=False)}))\n"
        "```",
    ]
    return "\n\n".join(parts)


def _poem(task: str, asked: Sequence[str], results: Sequence[ToolResult], seed: int) -> str:
    verses = [
        "I'm not a language model,\nno weights, no mind, no dream:\n"
        "the same few lines for everyone,\ntoken by token, a stream.",
        f"You asked me:\n{_quoted(task)},\nand all that I can show\n"
        "is how an answer comes along,\nnot what it ought to know.",
    ]
    if seed % 2:
        verses.reverse()
    return "\n\n".join([*verses, *_remembered(asked[:-1]), *(_came_back(result) for result in results), _HOW_TO_GO_ON])


def _remembered(before: Sequence[str]) -> list[str]:
    """A paragraph about the conversation; none for its first message."""
    if not before:
        return []
    said = _sentence(_quoted(before[-1]))
    return [f"This is message {len(before) + 1} of our conversation. The one before was: {said}"]


_WRITERS = {"prose": _prose, "markdown": _markdown, "poem": _poem}


def _shape_for(task: str) -> Shape:
    return next((shape for shape, asking in _ASKS_FOR if asking.search(task)), "prose")


def _as_long_as(text: str, verbosity: str | None) -> str:
    """Low verbosity keeps the first paragraph; the others the whole text."""
    return text.partition("\n\n")[0] if verbosity == "low" and not text.startswith("#") else text


def _came_back(result: ToolResult) -> str:
    if isinstance(result.content, str):
        said = result.content
    else:
        said = " ".join(part.text if isinstance(part, Text) else f"[{part.media_type}]" for part in result.content)
    said = _shortened(said, QUOTED_RESULT)
    return f"`{result.name}` {'failed' if result.error else 'returned'}: {said or '(nothing)'}"


def _quoted(task: str) -> str:
    return f"“{_shortened(task, QUOTED_TOPIC) or '(nothing)'}”"


def _sentence(quoted: str) -> str:
    """Words in quotation marks as a sentence's end, with one full stop at most."""
    return quoted if quoted[-2:-1] in (".", "!", "?", "…") else f"{quoted}."


def _shortened(text: str, most: int) -> str:
    """One line of at most `most` characters, cut between words if possible."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    return f"{cut.rpartition(' ')[0] or cut}…"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _pick(phrases: Sequence[str], seed: int) -> str:
    return phrases[seed % len(phrases)]
