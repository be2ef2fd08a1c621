"""The native routes: list agents; start, find, read, answer and stop runs, and send them messages.

Owns the responses of these routes. `bodies` owns the schemas of requests, `wires` the format of a run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from headwater.durable.asked import Asked
from headwater.errors import InvalidRecord
from headwater.events.messages import Message
from headwater.events.results import Results
from headwater.journal.run_log import RunInfo
from headwater.web.http.answers import StreamAnswer, json_answer
from headwater.web.http.bodies import (
    Answering,
    Approving,
    Saying,
    Starting,
    decoded,
    number,
    position,
)
from headwater.web.http.site import Site
from headwater.web.native.text import TEXT
from headwater.web.native.wire import NDJSON, RESET, SSE, native
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions, choice_of
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import Manager
from headwater.web.wires.wire import Wire

__all__ = ("NativeRoutes",)

STATES: Final = ("queued", "running", "waiting", "finished", "failed", "cancelled")

PAGE: Final = 50
"""Default number of runs in a list."""

MOST: Final = 500

TITLE: Final = 120
"""Maximum number of characters of a task in a list of runs."""

_WIRES: Final = {"text/event-stream": SSE, "application/x-ndjson": NDJSON, "text/plain": TEXT}


class NativeRoutes:
    """The handlers of the native routes; each gets the request and the caller's name."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.manager: Manager = site.manager
        self.actions: Actions = Actions(site.manager, site.on_disconnect)

    # --- agents and runs

    async def agents(self, request: Request, caller: str | None) -> Response:
        """Lists the agents and workflows."""
        return json_answer({"agents": [described(member) for member in self.manager.members.values()]})

    async def health(self, request: Request, caller: str | None) -> Response:
        """Reports whether the server accepts new runs."""
        draining = self.manager.draining
        return json_answer({"status": "draining" if draining else "ok"}, 503 if draining else 200)

    async def runs(self, request: Request, caller: str | None) -> Response:
        """Lists the caller's runs, newest first."""
        query = request.query_params
        state = query.get("state")
        if state is not None and state not in STATES:
            raise Problem("bad_request", f"state must be one of {', '.join(STATES)}.", param="state")
        limit = number("limit", query.get("limit"), PAGE, least=1, most=MOST) or PAGE
        agent, before = query.get("agent"), query.get("before")
        if (durable := self.manager.durable) is not None:
            found = await durable.listed(caller, agent=agent, state=state, before=before, limit=limit)
            return json_answer({"runs": [outline_of(info) for info in found]})
        here = [*self.manager.runs(caller, agent=agent, state=state)]  # type: ignore[arg-type]
        if before is not None:
            since = self.manager.get(before, caller).started_at
            here = [live for live in here if live.started_at < since]
        return json_answer({"runs": [outline(live) for live in here[:limit]]})

    # --- starting and reading

    async def start(self, request: Request, caller: str | None) -> Response:
        """Starts a run; streams it immediately if the Accept header asks for a stream."""
        asked = decoded(await self.site.body(request), Starting)
        wire = _accepted(request.headers.get("accept", ""))
        if wire is not None:
            self.manager.check_readers()
        live = self.actions.start(asked, caller, "cancel" if wire is TEXT else "continue")
        place = f"{request.url.path.rstrip('/')}/{live.id}"
        await self.manager.stored(live)
        if wire is not None:
            return StreamAnswer(self.manager, live, wire, headers={"location": place})
        begun = {"run_id": live.id, "agent": live.agent, "events": f"{place}/events", "state": live.state}
        return json_answer(begun, 201, {"location": place})

    async def _run(self, request: Request, caller: str | None, *, position: int = 0) -> LiveRun:
        return await self.manager.find(request.path_params["id"], caller, position=position)

    async def run(self, request: Request, caller: str | None) -> Response:
        """Returns the state and result of a run."""
        return json_answer(whole(await self._run(request, caller)))

    async def events(self, request: Request, caller: str | None) -> Response:
        """Streams a run's events until its end, from the start or after a given event."""
        query = request.query_params
        at = position(request.headers.get("last-event-id", query.get("after")))
        live = await self._run(request, caller, position=at)
        agent = query.getlist("agent")
        depth = number("depth", query.get("depth"), None, most=1000)
        final = query.get("final_only", "false")
        if final not in ("true", "false", "1", "0"):
            raise Problem("bad_request", "final_only must be true or false.", param="final_only")
        choice = choice_of(agent, depth, final in ("true", "1"))
        lines = _accepted(request.headers.get("accept", "")) is NDJSON
        wire = native(choice, lines=lines)
        if at > live.visible:
            at = 0
            if not lines:
                wire = msgspec.structs.replace(wire, hello=wire.hello + RESET)
        elif live.over and at == live.visible:
            return Response(status_code=204)  # with any other response, an EventSource reconnects forever
        self.manager.check_readers()
        return StreamAnswer(self.manager, live, wire, at)

    # --- control

    async def cancel(self, request: Request, caller: str | None) -> Response:
        """Stops a run."""
        await self.site.body(request)
        live = await self._run(request, caller)
        stopped = live.cancel()
        return json_answer({"run_id": live.id, "state": live.state}, 202 if stopped else 200)

    async def say(self, request: Request, caller: str | None) -> Response:
        """Sends messages to an active run, which are added before its next model request."""
        asked = decoded(await self.site.body(request), Saying)
        live = await self._run(request, caller)
        self.actions.say(live, asked, caller)
        return json_answer({"run_id": live.id, "state": live.state}, 202)

    async def answer(self, request: Request, caller: str | None) -> Response:
        """Answers a tool's question."""
        asked = decoded(await self.site.body(request), Answering)
        live = await self._run(request, caller)
        self.actions.answer(live, asked, caller)
        return json_answer({"run_id": live.id, "state": live.state}, 202)

    async def approve(self, request: Request, caller: str | None) -> Response:
        """Approves or denies a call that waits for approval."""
        asked = decoded(await self.site.body(request), Approving)
        live = await self._run(request, caller)
        self.actions.approve(live, asked, caller)
        return json_answer({"run_id": live.id, "state": live.state}, 202)


def _accepted(accept: str) -> Wire | None:
    """Returns the first wire in an Accept header; None for plain JSON."""
    for one in accept.lower().split(","):
        name = one.partition(";")[0].strip()
        if name in _WIRES:
            return _WIRES[name]
        if name in ("application/json", "*/*"):
            return None
    return None


# --- JSON forms


def described(member: Any) -> dict[str, Any]:
    """Describes an agent or a workflow."""
    below = getattr(member, "agents", ())
    return {
        "name": member.name,
        "kind": getattr(member, "kind", "") or "agent",
        "description": getattr(member, "description", "") or "",
        "members": [one.name for one in below],
    }


def outline(live: LiveRun) -> dict[str, Any]:
    """Describes a run in a list."""
    return {
        "run_id": live.id,
        "agent": live.agent,
        "state": live.state,
        "seq": live.visible - 1,
        "started": live.started_at,
        "ended": None if live.log.end is None else live.log.end.time,
        "title": _title(live),
    }


def outline_of(info: RunInfo) -> dict[str, Any]:
    """Describes a run of the journal in a list."""
    try:
        task = Asked.decode(bytes(info.request.body)).task
    except InvalidRecord:
        task = ()
    return {
        "run_id": info.run,
        "agent": info.request.agent,
        "state": info.state,
        "seq": info.end - 1,
        "started": info.created_at,
        "ended": info.ended_at,
        "title": _start_of(task),
    }


def _title(live: LiveRun) -> str:
    """Returns the start of the run's input."""
    return _start_of(live.log.started.input if live.log.started is not None else ())


def _start_of(asked: Sequence[Message]) -> str:
    return " ".join(" ".join(message.text for message in asked)[: 4 * TITLE].split())[:TITLE]


def whole(live: LiveRun) -> dict[str, Any]:
    """Describes a run and its result."""
    response = live.response
    told: dict[str, Any] = {
        **outline(live),
        "text": "" if response is None else response.text,
        "usage": {} if response is None else response.usage.to_dict(),
        "waiting": [msgspec.to_builtins(question) for question in live.pending],
        "unattended": [question.id for question in live.unattended],
    }
    if live.over and response is not None:
        with contextlib.suppress(InvalidRecord):  # leave out what cannot be encoded as JSON
            if isinstance(response, Results):
                told["response"] = {"members": {name: _json(one) for name, one in response.members.items()}}
            else:
                told["response"] = _json(response)
    return told


def _json(response: Any) -> msgspec.Raw:
    return msgspec.Raw(response.to_json().encode())
