"""What people are asked in a run, as MCP's elicitation, and what they answer. Pure: values in the protocol's JSON form.

A form of the protocol is flat: a question whose answer is nested is not asked there, nor one that the client cannot
show. Such a run is answered over the other routes, which `elsewhere` tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from headwater.events.questions import Question
from headwater.web.http.bodies import Answering, Approving
from headwater.web.runs.live_run import LiveRun

__all__ = ("answer_of", "can_be_asked", "elicitation", "elsewhere")

_APPROVAL: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean", "title": "Allow it"},
        "note": {"type": "string", "title": "Note", "description": "For the model to read."},
    },
    "required": ["approved"],
}
"""What an approval is answered with."""

_FLAT: Final = ("string", "number", "integer", "boolean")


def can_be_asked(question: Question, modes: Iterable[str]) -> bool:
    """Whether a client that knows these modes ("form", "url") can ask it."""
    if question.kind == "approval":
        return "form" in modes
    if question.url:
        return "url" in modes
    fields = question.schema.get("properties", {})
    return "form" in modes and all(field.get("type") in _FLAT for field in fields.values())


def elicitation(question: Question) -> dict[str, Any]:
    """A question as the parameters of `elicitation/create`."""
    if question.kind == "approval":
        arguments = json.dumps(question.arguments, ensure_ascii=False, default=str)
        why = f" {question.reason}" if question.reason else ""
        message = f"{question.agent} wants to run {question.tool} with {arguments}.{why} Allow it?"
        return {"mode": "form", "message": message, "requestedSchema": _APPROVAL}
    if question.url:
        return {"mode": "url", "message": question.message, "url": question.url, "elicitationId": question.id}
    schema = {"type": "object", "properties": {}, **question.schema}
    schema = {name: schema[name] for name in ("type", "properties", "required") if name in schema}
    return {"mode": "form", "message": question.message, "requestedSchema": schema}


def answer_of(question: Question, action: str, content: Mapping[str, Any] | None) -> Approving | Answering:
    """What a person has answered, as our own routes take it. Whoever closes the form refuses an approval."""
    if question.kind == "approval":
        given = content or {}
        if action != "accept":
            note = "The person declined." if action == "decline" else "Nobody decided."
            return Approving(approval=question.id, allowed=False, note=note)
        return Approving(question.id, given.get("approved") is True, note=str(given.get("note") or ""))
    if action not in ("accept", "decline"):
        action = "cancel"
    return Answering(question.id, action, content if action == "accept" else None)  # type: ignore[arg-type]


def elsewhere(live: LiveRun, why: str) -> str:
    """What to do about a run that waits for people whom this client cannot ask."""
    asked = "; ".join(
        f"POST /runs/{live.id}/approve for {one.id}, a call of {one.tool}"
        if one.kind == "approval"
        else f"POST /runs/{live.id}/answer for {one.id}: {one.message}"
        for one in live.pending
    )
    return f"The run {live.id} waits for a person. {why} Answer it there: {asked}. Then read GET /runs/{live.id}."
