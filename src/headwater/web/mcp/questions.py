"""A run's questions to people as MCP elicitations, and their answers. Pure: values in the protocol's JSON format.

The protocol's forms are flat: a question with a nested answer, or in a mode that the client does not support, is not
sent. It is answered through the other routes, as `elsewhere` explains to the client.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from headwater.events.questions import Question
from headwater.web.http.bodies import Answering, Approving

__all__ = ("answer_of", "can_be_asked", "elicitation", "elsewhere")

_APPROVAL: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean", "title": "Allow it"},
        "note": {"type": "string", "title": "Note", "description": "For the model to read."},
    },
    "required": ["approved"],
}
"""The schema of the answer to an approval."""

_FLAT: Final = ("string", "number", "integer", "boolean")


def can_be_asked(question: Question, modes: Iterable[str]) -> bool:
    """Whether a client that supports these modes ("form", "url") can ask it."""
    if question.kind == "approval":
        return "form" in modes
    if question.url:
        return "url" in modes
    fields = question.schema.get("properties", {})
    return "form" in modes and all(field.get("type") in _FLAT for field in fields.values())


def elicitation(question: Question) -> dict[str, Any]:
    """Returns a question as the parameters of `elicitation/create`."""
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
    """Converts an answer to the form of the native routes. Closing the form denies an approval."""
    if question.kind == "approval":
        given = content or {}
        if action != "accept":
            note = "The person declined." if action == "decline" else "Nobody decided."
            return Approving(approval=question.id, allowed=False, note=note)
        return Approving(question.id, given.get("approved") is True, note=str(given.get("note") or ""))
    if action not in ("accept", "decline"):
        action = "cancel"
    return Answering(question.id, action, content if action == "accept" else None)  # type: ignore[arg-type]


def elsewhere(run: str, pending: Iterable[Question], why: str) -> str:
    """Returns instructions for answering the open questions of a run, which this client cannot ask."""
    asked = "; ".join(
        f"POST /runs/{run}/approve for {one.id}, a call of {one.tool}"
        if one.kind == "approval"
        else f"POST /runs/{run}/answer for {one.id}: {one.message}"
        for one in pending
    )
    return f"The run {run} waits for a person. {why} Answer it there: {asked}. Then read GET /runs/{run}."
