"""What people are asked in a run, and what they answer: as values, for whoever shows a question or answers one.

A question stands in the log as `approval.asked` or `input.asked`; `Question` is both in one shape. Nothing here waits:
that is `runtime.people`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from headwater.events.types import ApprovalAsked, InputAsked

__all__ = ("Answer", "Question")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person is asked: whether a tool may run ("approval"), or what a tool at work wants to know.

    `id` is what an answer names. `path` are the runs from the outermost to the one that asks, `agent` that one's name.
    Of an approval there are the `arguments` and the `reason`; of an input the `message`, the JSON `schema` of what is
    to be given, or the `url` to open. `until` (Unix seconds) is when it lapses.
    """

    id: str
    kind: Literal["approval", "input"]
    run: str = ""
    path: tuple[str, ...] = ()
    tool: str = ""
    call: str = ""
    arguments: dict[str, Any] = {}
    reason: str = ""
    message: str = ""
    schema: dict[str, Any] = {}
    url: str = ""
    until: float | None = None

    @classmethod
    def of(cls, event: ApprovalAsked | InputAsked, run: str = "", path: tuple[str, ...] = ()) -> Question:
        """The question that the event tells of; `run` and `path` where the event does not bear them yet."""
        place: dict[str, Any] = {"run": event.run or run, "path": event.path or path}
        told: dict[str, Any] = {"tool": event.name, "call": event.call, "until": event.until, **place}
        if isinstance(event, ApprovalAsked):
            return cls(id=event.approval, kind="approval", arguments=event.arguments, reason=event.reason, **told)
        return cls(id=event.input, kind="input", message=event.message, schema=event.schema, url=event.url, **told)

    @property
    def agent(self) -> str:
        """Who asks."""
        return self.path[-1] if self.path else ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a person answers.

    To an approval: whether it is `allowed`, with which `arguments` (None: the model's), and whether that holds
    `for_run`, for every further call of the tool in the run. To an input: the `content`, or `action` "decline" or
    "cancel". `note` is for the model to read, `by` who answers.
    """

    allowed: bool = True
    arguments: Mapping[str, Any] | None = None
    for_run: bool = False
    content: Any = None
    action: Literal["accept", "decline", "cancel"] = "accept"
    note: str = ""
    by: str = ""
