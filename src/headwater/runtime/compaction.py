"""Compactions: when a conversation is shortened, by whom, and where it is cut.

Owns the declaration, the sizes, and the choice of the messages that a summary replaces: never a call without its
result. `compacting` does it in a run. Nothing here asks a model, waits, or changes a conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from headwater.errors import ConfigurationError
from headwater.events.messages import Message, Text, last_compaction, tokens_of_bytes
from headwater.providers.pricing import input_bytes

__all__ = ("MIN_GAIN", "PROMPT", "Compaction", "Summarizer", "cut", "read_by", "tokens_of", "written")

PROMPT: Final = """\
The conversation above is getting too long, so your answer to this message will replace it. Write down what is needed to
continue without it:

- what the user asked for, with every condition; in the user's own words where the wording matters
- what was done, decided and found out, with the names, numbers, addresses, paths and code that are still needed
- what is still to be done, and the next step

Leave out what is of no use any more. Answer with this text alone, and call no tools."""
"""What a model is asked, after the messages that its answer replaces."""

HEADING: Final = "The conversation so far, as a summary that replaces its messages:"
TASK_HEADING: Final = "The task, as it was given:"

MIN_GAIN: Final = 4
"""A compaction replaces new messages of at least this fraction (1/4) of the threshold: otherwise each step of a run
whose instructions, tools or last messages take most of it would pay for another summary."""

Summarizer: TypeAlias = Callable[[tuple[Message, ...], Any], Any]
"""A function of the messages to replace and a ViewInfo that returns their summary, or an awaitable of it."""


class Compaction(msgspec.Struct, frozen=True):
    """When an agent's conversation is shortened, and by whom.

    Before a request of more than `at` tokens, the messages from the start are replaced by a summary; the last ones, of
    about `keep` tokens (a quarter of `at` by default), stay as they are. `by` is a function of these messages and a
    `ViewInfo` that returns the summary, plain or async; without it the agent's model writes it, asked with `prompt`.
    Raises ConfigurationError.
    """

    at: int
    keep: int | None = None
    by: Summarizer | None = None
    prompt: str = PROMPT

    def __post_init__(self) -> None:
        for name, value, least in (("at", self.at, 1), ("keep", self.keep, 0)):
            if (value is None and name == "keep") or (type(value) is int and value >= least):
                continue
            raise _wrong(name, value, f"Give a whole number of tokens, at least {least}.")
        if self.kept >= self.at:
            raise _wrong("keep", self.keep, f"Keep less than the {self.at} tokens at which the conversation is cut.")
        if self.by is not None and not callable(self.by):
            raise _wrong("by", self.by, "Give a function of the messages and a ViewInfo that returns the summary.")
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise _wrong("prompt", self.prompt, "Give a text that tells the model what to write.")

    @property
    def kept(self) -> int:
        """The tokens of the last messages that stay as they are."""
        return self.at // 4 if self.keep is None else self.keep


def _wrong(name: str, value: Any, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{name} of a Compaction is {value!r}.", hint=hint)


def tokens_of(messages: Sequence[Message], *more: Any) -> int:
    """Estimates the tokens of messages, and of other parts of a request."""
    return tokens_of_bytes(input_bytes(tuple(messages), *more))


def cut(messages: Sequence[Message], *, keep: int, most: int | None = None) -> int:
    """Returns how many messages to replace, from the start; 0 if none can be.

    The rest has about `keep` tokens, and at least the last message, if that is a result with its call. At most `most`
    tokens are replaced, so that a model can read them, but always one message more than before.
    """
    last, begin = last_compaction(messages)
    before = 0 if last is None else tokens_of((last,))
    places: list[tuple[int, int]] = []  # where a cut separates no result from its call; the tokens before it
    new = False
    for at in range(begin, len(messages)):
        message = messages[at]
        if message.replaces:
            continue
        if new and message.role != "tool":
            places.append((at, before))
        before += tokens_of((message,))
        new = True
    if not places:
        return 0
    chosen = next((number for number, place in enumerate(places) if before - place[1] <= keep), len(places) - 1)
    while most is not None and chosen and places[chosen][1] > most:
        chosen -= 1
    return places[chosen][0]


def read_by(messages: Sequence[Message], replaces: int) -> tuple[Message, ...]:
    """Returns what the first `replaces` messages come to: the last summary, and the messages since."""
    last, begin = last_compaction(messages)
    since = [message for message in messages[begin:replaces] if not message.replaces]
    return tuple(since) if last is None else (last, *since)


def written(summary: str, replaces: int, task: Sequence[Message] = ()) -> Message:
    """Returns the message that is sent in place of the first `replaces` messages; it repeats the `task`."""
    text = f"{HEADING}\n\n{summary.strip()}"
    parts: tuple[Any, ...] = tuple(part for message in task for part in message.content)
    content = (Text(text=f"{text}\n\n{TASK_HEADING}"), *parts) if parts else (Text(text=text),)
    return Message(role="user", content=content, replaces=replaces)
