"""The text of notes about a run, and of calls.

Owns only the text: the views decide which notes are shown, where, and in what style. Pure. Text of a model or a tool
passes unchanged, also hostile text: `render` removes control characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    CallRejected,
    ErrorInfo,
    FileMade,
    Handoff,
    InputAnswered,
    InputAsked,
    RunFailed,
    RunWaiting,
    Warned,
)
from headwater.events.messages import AnyPart, Text

__all__ = (
    "CANCELLED_IN_PANEL",
    "CUT_SHORT",
    "CUT_SHORT_IN_PANEL",
    "approval_answered",
    "approval_asked",
    "attempt_failed",
    "brief",
    "call_phrase",
    "call_rejected",
    "cancelled",
    "failed",
    "file_made",
    "handed_over",
    "input_answered",
    "input_asked",
    "replaced",
    "result_text",
    "retry_reason",
    "run_by",
    "tried",
    "waiting",
    "warned",
)

PHRASE_VALUE: Final = 40
"""Maximum characters of one argument or progress value: enough to distinguish two calls."""

CUT_SHORT: Final = {
    "length": "The answer was cut: the token limit was reached.",
    "content_filter": "The answer was cut by the provider's content filter.",
}
"""What is said of an answer that ended before it was whole, by its finish reason."""

CUT_SHORT_IN_PANEL: Final = {
    "length": "Cut: the token limit was reached.",
    "content_filter": "Cut by the provider's content filter.",
    "refusal": "The model refused.",
}
"""The same under the agent's own name, where nothing else tells a refusal from an answer."""

CANCELLED_IN_PANEL: Final = {
    "deadline": "Out of time.",
    "shutdown": "Cancelled: shutting down.",
}
"""Why an agent was cancelled, where its state already says that it was."""

_WHY_CANCELLED: Final = {
    "deadline": ": out of time",
    "parent": " with the run it belongs to",
    "shutdown": ": shutting down",
}
_BROKE: Final = {
    "ConnectionFailed": "no connection",
    "IncompleteStream": "connection lost",
    "ConnectTimeout": "no connection",
    "FirstTokenTimeout": "no answer",
    "IdleTimeout": "no answer",
    "StepTimeout": "no answer",
    "Overloaded": "overloaded",
    "RateLimited": "too many requests",
    "ServerError": "server error",
}
_THEN: Final[Mapping[str, str]] = {
    "fallback": "asking another model",
    "guard": "asking again",
    "restart": "starting this answer again",
    "resume": "starting this answer again",
}


def attempt_failed(event: AttemptFailed) -> str:
    """Describes what failed, and what happens next."""
    when = f" in {event.wait:.1f} s" if event.wait >= 0.05 else ""
    message = event.error.message.removesuffix(".")
    return f"{event.error.type}: {message} ({_THEN.get(event.then, 'trying again')}{when})"


def retry_reason(error: ErrorInfo) -> str:
    """Describes in the fewest words what failed."""
    return str(error.status) if error.status else _BROKE.get(error.type, error.type)


def failed(event: RunFailed) -> str:
    """Describes the error that ended the run."""
    return f"{event.error.type}: {_sentence(event.error.message, event.error.hint)}"


def cancelled(by: str) -> str:
    """That the run was cancelled, and why."""
    return f"Cancelled{_WHY_CANCELLED.get(by, '')}"


def warned(event: Warned) -> str:
    """A warning, with what to do about it."""
    return _sentence(event.message, event.hint)


def replaced(count: int) -> str:
    """How many texts guards replaced."""
    return f"Guards replaced {count:,} texts." if count > 1 else "A guard replaced a text."


def file_made(event: FileMade) -> str:
    """Describes a new file."""
    named = event.name or event.url or event.ref or ""
    return f"A file was made: {f'{named} ' if named else ''}({event.media_type or 'unknown type'})"


def approval_asked(event: ApprovalAsked) -> str:
    """Describes a call that waits for approval, and the reason."""
    reason = f": {event.reason}" if event.reason else ""
    return f"Waiting for approval to run {call_phrase(event.name, event.arguments)}{reason}"


def approval_answered(event: ApprovalAnswered, name: str) -> str:
    """Describes the person's decision; `name` is the tool, whose changed arguments are shown."""
    if not event.allowed:
        return "Denied" + (f": {event.note}" if event.note else "")
    return "Approved" + (f" as {call_phrase(name, event.arguments)}" if event.arguments is not None else "")


def input_asked(event: InputAsked) -> str:
    """Describes a tool's question to a person."""
    return f"{event.name} asks: {event.message or event.url}"


def input_answered(event: InputAnswered) -> str:
    """Describes the person's answer, or that they declined."""
    if event.action != "accept":
        return "Not answered" + (" (declined)" if event.action == "decline" else "")
    return f"Answered: {brief(event.content, bare=True)}" if event.content is not None else "Answered"


def waiting(event: RunWaiting) -> str:
    """Describes what the run waits for."""
    return f"Waiting for {event.on}"


def handed_over(event: Handoff) -> str:
    """Names the agent that has the conversation now."""
    return f"Handed to {event.to}" + (f": {event.note}" if event.note else "")


def result_text(result: str | tuple[AnyPart, ...]) -> str:
    """A tool's result as text: what else there is of it, by its kind."""
    if isinstance(result, str):
        return result
    parts = (part.text if isinstance(part, Text) else f"[{type(part).__name__.lower()}]" for part in result)
    return "\n".join(parts)


def call_rejected(event: CallRejected) -> str:
    """Describes why a call was not run."""
    return f"{event.name} was not run: {event.error}"


def run_by(phrase: str, by: str) -> str:
    """A call that is run elsewhere: its result is part of the provider's own answer, or the client's business."""
    return f"{phrase}, run by the {by}"


def tried(phrase: str, number: int) -> str:
    """A tool's call, with how often it has been tried."""
    return f"{phrase} (try {number})" if number > 1 else phrase


def call_phrase(name: str, arguments: dict[str, Any] | str) -> str:
    """Returns a short form of a call: `search(query="tides", limit=3)`."""
    if isinstance(arguments, str):
        return f"{name}({brief(arguments)})"
    return f"{name}({', '.join(f'{key}={brief(value)}' for key, value in arguments.items())})"


def brief(value: Any, *, bare: bool = False) -> str:
    """A JSON value in at most a few words; `bare` leaves a string without its quotes."""
    if isinstance(value, str):
        text = value if len(value) <= PHRASE_VALUE else value[: PHRASE_VALUE - 1] + "…"
        return text if bare else f'"{text}"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        if not bare:
            return "{…}" if value else "{}"
        return ", ".join(f"{key} {brief(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "[…]" if value else "[]"
    return str(value)


def _sentence(message: str, hint: str) -> str:
    return f"{message} {hint}" if hint else message
