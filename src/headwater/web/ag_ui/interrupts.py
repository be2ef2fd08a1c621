"""A run's questions to people as AG-UI has them: the interrupts with which it ends a run. Pure."""

from __future__ import annotations

import datetime
from typing import Any, Final

from headwater.events import ApprovalAsked, InputAsked

__all__ = ("interrupt_of",)

_APPROVAL: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "editedArgs": {"type": "object", "description": "All arguments, in place of the model's."},
        "reason": {"type": "string", "description": "For the model to read."},
        "forRun": {"type": "boolean", "description": "Whether this holds for every further call of the tool."},
    },
    "required": ["approved"],
}
"""The schema of the answer to an approval; the first two properties follow the protocol's recommendation."""


def interrupt_of(asked: ApprovalAsked | InputAsked, root: str, call: str) -> dict[str, Any]:
    """Converts a question to an interrupt; `call` is the id of its call, or "" if the client does not know one."""
    ours: dict[str, Any] = {"run": root, "agent": asked.agent, "tool": asked.name}
    told: dict[str, Any]
    if isinstance(asked, ApprovalAsked):
        message = asked.reason or f"May {asked.name} run?"
        told = {"id": asked.approval, "reason": "tool_call" if call else "confirmation", "message": message}
        schema, ours["arguments"] = _APPROVAL, asked.arguments
    else:
        told = {"id": asked.input, "reason": "input_required", "message": asked.message}
        schema, ours["url"] = asked.schema, asked.url
    told |= {"toolCallId": call, "responseSchema": schema, "expiresAt": _moment(asked.until)}
    if asked.run != root:
        told["subagentRunId"] = asked.run
    kept = {name: value for name, value in told.items() if value}
    return {**kept, "metadata": {"headwater": {name: value for name, value in ours.items() if value != ""}}}


def _moment(seconds: float | None) -> str:
    """Formats a time as ISO 8601; "" if it is out of range."""
    try:
        return "" if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
