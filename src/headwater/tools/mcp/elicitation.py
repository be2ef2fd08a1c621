"""A server's questions to a person, as questions of the run, and the answers as the server wants them.

A server of the newer revision ends its answer with its questions and a state, and is asked again with both: the state
is kept in the question's event, so that any process can go on from it. An older one asks while the call is running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headwater.errors import AnswerInvalid
from headwater.events.questions import Answer
from headwater.schema.plain import to_plain
from headwater.schema.raw import mismatches
from headwater.schema.well_formed import all_well_formed, well_formed
from headwater.tools.work import Asked

if TYPE_CHECKING:
    from mcp_types import ElicitRequestParams, ElicitResult, InputRequiredResult

    from headwater.events import InputAsked

__all__ = ("Round", "asked_again", "question", "reply")

_OPEN = "Nothing was answered: the question is still open."

Ask = Callable[[Asked], Awaitable[Answer]]


def question(params: ElicitRequestParams, state: str = "") -> Asked:
    """Returns a server's question as one of the run."""
    url = str(getattr(params, "url", "") or "")
    schema: Any = {} if url else all_well_formed(to_plain(getattr(params, "requested_schema", None) or {}))
    return _asked(well_formed(params.message), schema, url, state)


def asked_again(event: InputAsked) -> Asked:
    """Returns a question of the log, to be put again."""
    return _asked(event.message, event.schema, event.url, event.state)


def _asked(message: str, schema: dict[str, Any], url: str, state: str) -> Asked:
    def check(answer: Answer) -> Answer:
        if answer.action != "accept" or url:
            return msgspec.structs.replace(answer, content=None)
        return msgspec.structs.replace(answer, content=_content(answer.content, schema))

    return Asked(message, schema, check, url=url, state=state)


def _content(given: Any, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the answer with defaults filled in. Raises AnswerInvalid."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    content = to_plain(given)
    if not isinstance(content, dict):
        if len(properties) != 1 or content is None:
            raise AnswerInvalid(f"The answer must be an object with {', '.join(properties) or 'no keys'}.", hint=_OPEN)
        content = {next(iter(properties)): content}
    for name, wanted in properties.items():
        if name not in content and isinstance(wanted, Mapping) and "default" in wanted:
            content[name] = wanted["default"]
    if problems := mismatches(content, schema):
        raise AnswerInvalid("; ".join(problems), hint=_OPEN)
    return content


def reply(answer: Answer) -> ElicitResult:
    """Returns a person's answer for the server."""
    from mcp_types import ElicitResult

    return ElicitResult(action=answer.action, content=answer.content if answer.action == "accept" else None)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The questions of one answer that a server could not give yet, by the server's keys, and its state."""

    keys: tuple[str, ...]
    state: str | None = None
    asked: tuple[Asked, ...] = ()

    @classmethod
    def of(cls, result: InputRequiredResult) -> Round | None:
        """Returns the round; None if the server wants something else than a person's answer."""
        from mcp_types import ElicitRequest

        requests = result.input_requests or {}
        keys, asked = tuple(requests), []
        for key, request in requests.items():
            if not isinstance(request, ElicitRequest):
                return None
            asked.append(question(request.params, _encoded(key, keys, result.request_state)))
        return cls(keys=keys, state=result.request_state, asked=tuple(asked))

    @classmethod
    def last_of(cls, past: Sequence[InputAsked]) -> tuple[Round | None, int]:
        """Returns the last round that a call's earlier questions belong to, and how many were before it.

        None if it is not complete: the call then starts again.
        """
        kept = _decoded(past[-1].state) if past else None
        if kept is None:
            return None, 0
        ours = past[-len(kept.keys) :]
        if tuple(one.key if (one := _decoded(event.state)) is not None else None for event in ours) != kept.keys:
            return None, 0
        return cls(keys=kept.keys, state=kept.state, asked=tuple(map(asked_again, ours))), len(past) - len(ours)

    async def answers(self, ask: Ask) -> dict[str, ElicitResult]:
        """Asks all of them at once, in their order, and returns the answers for the server."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_of(ask(one))) for one in self.asked]
        return {key: reply(task.result()) for key, task in zip(self.keys, tasks, strict=True)}


async def _of(answer: Awaitable[Answer]) -> Answer:
    return await answer


class _Kept(msgspec.Struct, frozen=True):
    key: str
    keys: tuple[str, ...]
    state: str | None = None


def _encoded(key: str, keys: tuple[str, ...], state: str | None) -> str:
    return msgspec.json.encode(_Kept(key, keys, state)).decode()


def _decoded(state: str) -> _Kept | None:
    try:
        return msgspec.json.decode(state, type=_Kept)
    except msgspec.DecodeError:
        return None
