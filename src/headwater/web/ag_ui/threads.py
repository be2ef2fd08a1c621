"""The threads of AG-UI clients: which run each request starts or resumes, and which part of it is streamed.

The protocol cannot reconnect to a stream, and stops a run only by disconnecting. So a thread whose run has no reader is
free: a new message cancels that run and starts another. Answers resume a run that waits for people; for any other
request, it repeats its open questions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from headwater.agents.agent import Agent
from headwater.web.ag_ui.asked import Asked, Resumed, asked_of_client
from headwater.web.ag_ui.wire import Exchange
from headwater.web.http.bodies import Answering, Approving, fitting
from headwater.web.http.site import Site
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.latest import GRACE, Latest
from headwater.web.runs.live_run import LiveRun
from headwater.web.wires.questions import waits_before_answers, waits_of

__all__ = ("Answer", "Threads")

LEAVING_SECONDS: Final = 1.0
"""How long a message waits for the previous reader to leave: a client that stops a run sends the next at once."""


class Answer(NamedTuple):
    """A run, and which part of it answers a request."""

    live: LiveRun
    exchange: Exchange


class Threads:
    """The threads of one server."""

    def __init__(self, site: Site) -> None:
        self._manager = site.manager
        self._actions = Actions(site.manager, site.on_disconnect)
        self._latest = Latest(site.manager, "ag-ui", site.limits.threads)

    async def answer(self, agent: str | None, body: Mapping[str, Any], caller: str | None) -> Answer:
        """Starts the requested run, or resumes a run with the request's answers. Raises Problem."""
        asked = asked_of_client(body)
        member = self._manager.member(agent)
        thread = (caller, member.name, asked.thread)
        going = await self._latest.get(thread)
        if asked.resume:
            return self._resumed(going, asked, caller)
        if going is not None and not going.over:
            if going.state == "waiting":
                return _says_again(going, asked)
            await _free(going)
            if await self._latest.get(thread) is not going:
                raise _busy()
        warnings, options = _offered(member, asked)
        live = await self._manager.begin(
            agent,
            asked.task,
            owner=caller,
            on_disconnect=self._actions.then(None, GRACE),
            history=asked.history,
            conversation=self._latest.named(thread),
            **options,
        )
        self._latest.put(thread, live)
        return Answer(live, _exchange(asked, warnings=warnings))

    # --- answers

    def _resumed(self, live: LiveRun | None, asked: Asked, caller: str | None) -> Answer:
        before = None if live is None else waits_before_answers(live.log, (one.id for one in asked.resume))
        if live is None or (live.over and before is None):
            raise Problem("run_ended", "The run that asked has ended.", hint="Send a message to start another.")
        pending = {question.id: question.kind for question in live.pending}
        answers = [_answer_of(one, pending[one.id]) for one in asked.resume if one.id in pending]
        waits = waits_of(live.log)
        for answer in answers:
            if isinstance(answer, Approving):
                self._actions.approve(live, answer, caller)
            else:
                self._actions.answer(live, answer, caller)
        if not answers and before is None:
            strangers = ", ".join(one.id for one in asked.resume)
            return _says_again(live, asked, f"No open interrupt has the id {strangers}.")
        live.on_disconnect = self._actions.then(None, GRACE)
        begin = waits if before is None else before
        waiting = not answers and live.state == "waiting"
        unknown = _unknown(live, asked, pending)
        return Answer(live, _exchange(asked, begin, max(begin, waits) if waiting else waits + 1, unknown))


def _says_again(live: LiveRun, asked: Asked, *warnings: str) -> Answer:
    """Returns only the run's open questions; if it no longer waits, its continuation."""
    waits = waits_of(live.log)
    return Answer(live, _exchange(asked, waits, waits if live.state == "waiting" else waits + 1, warnings))


def _unknown(live: LiveRun, asked: Asked, pending: Mapping[str, str]) -> tuple[str, ...]:
    strangers = [
        one.id for one in asked.resume if one.id not in pending and waits_before_answers(live.log, (one.id,)) is None
    ]
    return (f"No open interrupt has the id {', '.join(strangers)}.",) if strangers else ()


def _exchange(asked: Asked, skip: int = 0, stop: int = 1, warnings: tuple[str, ...] = ()) -> Exchange:
    return Exchange(asked.thread, asked.run, asked.modern, asked.messages, warnings, skip, stop)


def _offered(member: Any, asked: Asked) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Returns how to pass the client's tools. A workflow has none: a page may send the same tools to every member."""
    if not asked.tools:
        return (), {}
    if not isinstance(member, Agent):
        return (f"{member.name!r} is a workflow: the tools of the page are not offered to it.",), {}
    return (), {"client_tools": asked.tools}


async def _free(live: LiveRun) -> None:
    """Frees a thread for a new run: a run without readers is cancelled, unless it is set to continue alone.

    Raises Problem if the run has a reader.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LEAVING_SECONDS):
            while live.readings and not live.over:
                news = live.news()
                try:
                    await news
                finally:
                    live.no_news(news)
    if live.readings and not live.over:
        raise _busy()
    if live.on_disconnect != "continue":
        live.cancel("left")


def _busy() -> Problem:
    said = "The last message of this thread is still being answered."
    return Problem("thread_busy", said, hint="Wait for the answer, or stop it.")


# --- people's answers


def _answer_of(one: Resumed, kind: str) -> Approving | Answering:
    """Converts an answer to the form of the native routes. Raises Problem."""
    if kind == "approval":
        return _approving(one)
    if one.resolved:
        return Answering(input=one.id, action="accept", content=one.payload)
    return Answering(input=one.id, action="cancel")


def _approving(one: Resumed) -> Approving:
    if not one.resolved:
        return Approving(approval=one.id, allowed=False, note="Nobody decided.")
    payload = {"approved": one.payload} if isinstance(one.payload, bool) else one.payload
    if not isinstance(payload, Mapping) or not isinstance(payload.get("approved"), bool):
        hint = 'Send {"approved": true or false, "editedArgs"?: {…}, "reason"?: "…", "forRun"?: true}.'
        raise Problem("bad_request", f"The payload for {one.id} does not say whether it is approved.", hint=hint)
    given = {
        "approval": one.id,
        "allowed": payload["approved"],
        "note": payload.get("reason", ""),
        "arguments": payload.get("editedArgs"),
        "for_run": payload.get("forRun", False),
    }
    return fitting(given, Approving)
