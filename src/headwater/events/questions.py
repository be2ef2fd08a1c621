"""Questions to people in a run, and their answers, as values.

The log has a question as `approval.asked` or `input.asked`; `Question` is one shape for both. Nothing here waits:
`runtime.people` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import msgspec

from headwater.errors import AnswerInvalid
from headwater.events.types import ApprovalAsked, InputAsked
from headwater.schema.arguments import Explained

__all__ = ("Answer", "Question")


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to a person: whether a tool may run ("approval"), or a running tool's request for input.

    An answer refers to it by `id`. `path` holds the runs from the outermost to the one that asks, `agent` that one's
    name. An approval has `arguments` and a `reason`; an input has a `message`, the JSON `schema` of the answer, or the
    `url` to open. It expires at `until` (Unix seconds).
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
        """Returns the event's question; pass `run` and `path` if the event is not stamped yet."""
        place: dict[str, Any] = {"run": event.run or run, "path": event.path or path}
        told: dict[str, Any] = {"tool": event.name, "call": event.call, "until": event.until, **place}
        if isinstance(event, ApprovalAsked):
            return cls(id=event.approval, kind="approval", arguments=event.arguments, reason=event.reason, **told)
        return cls(id=event.input, kind="input", message=event.message, schema=event.schema, url=event.url, **told)

    @property
    def agent(self) -> str:
        """The name of the run that asks."""
        return self.path[-1] if self.path else ""


class Answer(Explained, frozen=True, kw_only=True):
    """A person's answer.

    To an approval: whether it is `allowed`, with which `arguments` (None: the model's), and whether the answer applies
    to every further call of the tool in the run (`for_run`). To an input: the `content`, or `action` "decline" or
    "cancel". `note` goes to the model, `by` says who answers.
    """

    allowed: bool = True
    arguments: Mapping[str, Any] | None = None
    for_run: bool = False
    content: Any = None
    action: Literal["accept", "decline", "cancel"] = "accept"
    note: str = ""
    by: str = ""

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("", "approved", "allow", "approve", "decision"), "Answer(allowed=…)"),
        **dict.fromkeys(("reason", "comment"), "Answer(note=…)"),
        **dict.fromkeys(("value", "text", "answer"), "Answer(content=…)"),
    }

    def __post_init__(self) -> None:
        # A value of another type would make the log unreadable, and a tool must not run because "no" is true.
        for name, kinds, wants in _TYPES:
            if not isinstance(value := getattr(self, name), kinds):
                raise AnswerInvalid(f"{name} of an answer is {value!r}.", hint=f"Pass {wants}.")
        if self.action not in _ACTIONS:
            wants = ", ".join(f'"{one}"' for one in _ACTIONS)
            raise AnswerInvalid(f"action of an answer is {self.action!r}.", hint=f"Pass one of {wants}.")


_TYPES: Final[tuple[tuple[str, type | tuple[type, ...], str], ...]] = (
    ("allowed", bool, "True or False"),
    ("for_run", bool, "True or False"),
    ("note", str, "text"),
    ("by", str, "the name of the person as text"),
    ("arguments", (Mapping, type(None)), "the arguments by name, or None for the model's"),
)
_ACTIONS: Final = ("accept", "decline", "cancel")
