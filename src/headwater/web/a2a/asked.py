"""What a message of A2A asks: a task in words, or the answer to what a run has asked. Pure.

An answer is a data part, `{"approved": true}` or the value that the question's schema describes, with the question's
`id` where several are open; or words, where they can only mean one thing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from headwater.events.questions import Question
from headwater.web.a2a.failures import Refused, no_push
from headwater.web.http.bodies import Answering, Approving

__all__ = ("Asked", "answers_of", "asked_of")

_WORDS: Final = {"yes": True, "allow": True, "approve": True, "no": False, "deny": False, "refuse": False}
_HOW: Final = 'Send a data part: {"approved": true or false, "note"?: "…"}, with "id" where several are open.'


class Asked(NamedTuple):
    """A message, and how its answer is wanted. `task` and `context` are "" where the client names none."""

    text: str
    data: tuple[Mapping[str, Any], ...]
    task: str
    context: str
    at_once: bool


def asked_of(params: Any) -> Asked:
    """The parameters of SendMessage and SendStreamingMessage. Raises Problem."""
    if not isinstance(params, Mapping) or not isinstance(message := params.get("message"), Mapping):
        raise Refused("invalid_params", "There is no message.", hint='Send {"message": {"role", "parts", …}}.')
    configuration = params.get("configuration") or {}
    if not isinstance(configuration, Mapping):
        raise Refused("invalid_params", "configuration is not an object.")
    if configuration.get("taskPushNotificationConfig"):
        raise no_push()
    texts, data = _parts(message.get("parts"))
    ids = [message.get(name) or "" for name in ("taskId", "contextId")]
    if not all(isinstance(one, str) for one in ids):
        raise Refused("invalid_params", "taskId and contextId must be strings.")
    return Asked("\n".join(texts), tuple(data), ids[0], ids[1], configuration.get("returnImmediately") is True)


def _parts(parts: Any) -> tuple[list[str], list[Mapping[str, Any]]]:
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise Refused("invalid_params", "The message has no parts.", hint='Send "parts": [{"text": "…"}].')
    texts: list[str] = []
    data: list[Mapping[str, Any]] = []
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, Mapping) and "data" in part:
            value = part["data"]
            data.append(value if isinstance(value, Mapping) else {"result": value})
        else:
            raise Refused("content_type", "Only text and data parts are supported.", hint="Leave out files and URLs.")
    return texts, data


def answers_of(asked: Asked, pending: Sequence[Question]) -> list[Approving | Answering]:
    """What a message answers of what is asked. Raises Problem where that cannot be told."""
    known = {one.id: one for one in pending}
    if not asked.data:
        return [_in_words(asked.text, _only(pending))]
    answers = []
    for value in asked.data:
        named = value.get("id")
        if isinstance(named, str) and named in known:
            question, given = known[named], {name: one for name, one in value.items() if name != "id"}
        else:
            question, given = _only(pending), dict(value)
        answers.append(_answer(question, given))
    return answers


def _only(pending: Sequence[Question]) -> Question:
    if len(pending) != 1:
        ids = ", ".join(one.id for one in pending)
        raise Refused("invalid_params", f"Several questions are open: {ids}.", hint='Name one: "id" in a data part.')
    return pending[0]


def _answer(question: Question, given: dict[str, Any]) -> Approving | Answering:
    if question.kind == "input":
        return Answering(question.id, "accept", given)
    if not isinstance(given.get("approved"), bool):
        raise Refused("invalid_params", "The answer does not say whether the call is approved.", hint=_HOW)
    return Approving(question.id, given["approved"], note=str(given.get("note") or ""))


def _in_words(text: str, question: Question) -> Approving | Answering:
    if question.kind == "approval":
        allowed = _WORDS.get(text.strip().strip(".!").lower())
        if allowed is None:
            raise Refused("invalid_params", "The text is neither yes nor no.", hint=_HOW)
        return Approving(question.id, allowed)
    fields = question.schema.get("properties", {})
    if len(fields) != 1:
        raise Refused("invalid_params", "The answer has several fields.", hint="Send a data part that fits the schema.")
    ((name, field),) = fields.items()
    if field.get("type") == "string":
        return Answering(question.id, "accept", {name: text})
    try:
        return Answering(question.id, "accept", {name: json.loads(text)})
    except (ValueError, RecursionError):
        hint = "Send a data part that fits the schema."
        raise Refused("invalid_params", f"{text[:80]!r} does not fit the question's schema.", hint=hint) from None
