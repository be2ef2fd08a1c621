"""`/a2a/{agent}`: agents for other agents, by A2A 1.0's two bindings over HTTP.

Owns which run a request is, and how it is answered. A task outlives its readers: it goes on without them, and is read
again by its id, which is the run's. What a message asks is `asked`'s, what a task looks like `tasks`'.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import inspect
import itertools
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from headwater.agents.agent import Agent
from headwater.events import Event
from headwater.version import __version__
from headwater.web.a2a.asked import Asked, answers_of, asked_of
from headwater.web.a2a.failures import Refused, http_error, kind_of, no_push, rpc_error
from headwater.web.a2a.tasks import STATES, task_of, task_wire
from headwater.web.http.answers import StreamAnswer, json_answer, problem_headers
from headwater.web.http.bodies import Answering, Saying, parsed
from headwater.web.http.site import Handler, Site
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.live_run import LiveRun, State
from headwater.web.runs.manager import NOW

__all__ = ("A2ARoutes", "card_of", "refusal")

VERSION: Final = "1.0"
CARD: Final = "/.well-known/agent-card.json"
MOST: Final = 100
"""Tasks in a page of a list."""

MOST_STORED: Final = 1000
"""Tasks of a journal that are listed, the newest: older ones are found by their ids."""


def refusal(problem: Problem) -> Response:
    """A refusal of HTTP+JSON, and of what does not come to be a request of either binding."""
    kind = kind_of(problem)
    status = problem.status if kind is None else kind.status
    return json_answer(http_error(problem), status, problem_headers(problem))


def card_of(member: Any, url: str, *, token: bool) -> dict[str, Any]:
    """The card of an agent that is asked at `url`; `token` says that the server wants one."""
    description = getattr(member, "description", "") or f"Ask {member.name}, and get the answer."
    modes = ["text/plain", "application/json"]
    bindings = ("JSONRPC", "HTTP+JSON")
    card: dict[str, Any] = {
        "name": member.name,
        "description": description,
        "version": __version__,
        "supportedInterfaces": [{"url": url, "protocolBinding": one, "protocolVersion": VERSION} for one in bindings],
        "capabilities": {"streaming": True, "pushNotifications": False, "extendedAgentCard": False},
        "defaultInputModes": modes,
        "defaultOutputModes": modes,
        "skills": [{"id": member.name, "name": member.name, "description": description, "tags": ["agent"]}],
    }
    if token:
        card["securitySchemes"] = {"token": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}}
        card["securityRequirements"] = [{"schemes": {"token": {"list": []}}}]
    return card


class A2ARoutes:
    """The handlers of `/a2a`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._manager = site.manager
        self._actions = Actions(site.manager, site.on_disconnect)
        self._number = itertools.count()

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """Each path's handlers, by method; the more exact paths first."""
        at = "/a2a/{agent}"
        return {
            CARD: {"GET": self.card},
            f"{at}{CARD}": {"GET": self.card},
            f"{at}/message:send": {"POST": self.send},
            f"{at}/message:stream": {"POST": self.stream},
            f"{at}/tasks/{{id}}:cancel": {"POST": self.cancel},
            f"{at}/tasks/{{id}}:subscribe": {"GET": self.subscribe, "POST": self.subscribe},
            f"{at}/tasks/{{id}}/pushNotificationConfigs/{{config}}": {"GET": self.no_push, "DELETE": self.no_push},
            f"{at}/tasks/{{id}}/pushNotificationConfigs": {"GET": self.no_push, "POST": self.no_push},
            f"{at}/tasks/{{id}}": {"GET": self.get},
            f"{at}/tasks": {"GET": self.list},
            f"{at}/extendedAgentCard": {"GET": self.no_extended_card},
            at: {"POST": self.rpc},
        }

    async def card(self, request: Request, caller: str | None) -> Response:
        """An agent's card; at the server's own place the first agent's."""
        name = request.path_params.get("agent")
        member = self._manager.member(name)
        base = str(request.url.replace(query="", fragment="")).removesuffix(CARD)
        url = base if name is not None else f"{base}/a2a/{quote(member.name, safe='')}"
        return json_answer(card_of(member, url, token=bool(self._site.guard.cookie)))

    # --- JSON-RPC

    async def rpc(self, request: Request, caller: str | None) -> Response:
        """A request of JSON-RPC."""
        number: Any = None
        try:
            body = _object(await self._site.body(request))
            if body.get("jsonrpc") != "2.0" or not isinstance(body.get("method"), str):
                raise Refused("invalid_request", "This is not a JSON-RPC 2.0 request.", hint="Send one at a time.")
            number = body.get("id")
            if number is not None and (isinstance(number, bool) or not isinstance(number, (str, int))):
                number = None
                raise Refused("invalid_request", "The id must be a string or a number.")
            return await self._call(request, body["method"], body.get("params") or {}, caller, (number,))
        except Problem as problem:
            if kind_of(problem) is None:
                raise
            return json_answer(rpc_error(problem, number))

    async def _call(self, request: Request, method: str, params: Any, caller: str | None, rpc: tuple[Any]) -> Response:
        if not isinstance(params, Mapping):
            raise Refused("invalid_params", "params is not an object.")
        if method == "SendStreamingMessage":
            return self._streamed(*await self._begun(request, params, caller), rpc)
        if method == "SubscribeToTask":
            live = await self._task(request, params.get("id"), caller)
            return self._subscribed(live, rpc)
        result: Any
        if method == "SendMessage":
            result = await self._sent(request, params, caller)
        elif method == "GetTask":
            result = self._told(await self._task(request, params.get("id"), caller))
        elif method == "CancelTask":
            result = await self._cancelled(await self._task(request, params.get("id"), caller))
        elif method == "ListTasks":
            result = await self._listed(request, params, caller)
        elif "PushNotificationConfig" in method:
            raise no_push()
        elif method == "GetExtendedAgentCard":
            raise _no_extended_card()
        else:
            hint = "A2A 1.0 has SendMessage, SendStreamingMessage, GetTask, ListTasks, CancelTask, SubscribeToTask."
            raise Refused("method", f"There is no method {method[:80]!r}.", hint=hint)
        return json_answer({"jsonrpc": "2.0", "id": rpc[0], "result": result})

    # --- HTTP+JSON

    async def send(self, request: Request, caller: str | None) -> Response:
        """A message, answered when its task rests."""
        params = parsed(await self._site.body(request))
        return json_answer(await self._sent(request, params, caller))

    async def stream(self, request: Request, caller: str | None) -> Response:
        """A message, answered as its task goes on."""
        params = parsed(await self._site.body(request))
        return self._streamed(*await self._begun(request, params, caller), None)

    async def get(self, request: Request, caller: str | None) -> Response:
        """A task as it is by now."""
        return json_answer(self._told(await self._task(request, request.path_params["id"], caller)))

    async def list(self, request: Request, caller: str | None) -> Response:
        """The caller's tasks of this agent, the newest first."""
        return json_answer(await self._listed(request, request.query_params, caller))

    async def cancel(self, request: Request, caller: str | None) -> Response:
        """Stop a task."""
        await self._site.body(request)
        return json_answer(await self._cancelled(await self._task(request, request.path_params["id"], caller)))

    async def subscribe(self, request: Request, caller: str | None) -> Response:
        """A task's updates from now on."""
        await self._site.body(request)
        return self._subscribed(await self._task(request, request.path_params["id"], caller), None)

    async def no_push(self, request: Request, caller: str | None) -> Response:
        """The configurations of push notifications, which this server does not send."""
        raise no_push()

    async def no_extended_card(self, request: Request, caller: str | None) -> Response:
        """A card for authenticated clients, which agents here do not have."""
        raise _no_extended_card()

    # --- what both do

    def _check_version(self, request: Request) -> None:
        asked = request.headers.get("a2a-version") or request.query_params.get("A2A-Version") or VERSION
        if asked.split(".")[:2] != VERSION.split("."):
            raise Refused("version", f"A2A {asked[:20]} is not supported.", hint=f"Ask for {VERSION}.")

    def _member(self, request: Request) -> Any:
        self._check_version(request)
        return self._manager.member(request.path_params["agent"])

    async def _task(self, request: Request, task: Any, caller: str | None) -> LiveRun:
        member = self._member(request)
        live = await self._manager.find(task if isinstance(task, str) else "", caller, position=NOW)
        if live.agent != member.name:
            raise Problem("unknown_run", f"There is no such task of {member.name}.")
        return live

    async def _begun(self, request: Request, params: Any, caller: str | None) -> tuple[LiveRun, int]:
        """The run of a message, and from which position on it is its answer. Raises Problem."""
        asked = asked_of(params)
        if asked.task:
            live = await self._task(request, asked.task, caller)
            if asked.context and asked.context != self._context(live):
                raise Refused("invalid_params", "The task belongs to another context.", hint="Leave out contextId.")
            position = live.visible
            self._go_on(live, asked, caller)
            return live, position
        member = self._member(request)
        self._manager.check_readers()
        words = [asked.text, *(_json(one) for one in asked.data)]
        context = asked.context or f"context_{secrets.token_hex(8)}"
        live = await self._manager.begin(
            member.name,
            "\n".join(word for word in words if word),
            owner=caller,
            on_disconnect=self._actions.then(None, "continue"),
            thread=context if isinstance(member, Agent) else None,
            notes={"a2a": {"context": context}},
        )
        return live, 0

    def _go_on(self, live: LiveRun, asked: Asked, caller: str | None) -> None:
        """Answer what the run has asked; while it works, say something to it."""
        if not live.pending:
            self._actions.say(live, Saying(input=asked.text), caller)
            return
        for answer in answers_of(asked, live.pending):
            if isinstance(answer, Answering):
                self._actions.answer(live, answer, caller)
            else:
                self._actions.approve(live, answer, caller)

    async def _sent(self, request: Request, params: Any, caller: str | None) -> dict[str, Any]:
        live, position = await self._begun(request, params, caller)
        if not asked_of(params).at_once:
            await self._rest(request, live, position)
        return {"task": self._told(live)}

    async def _rest(self, request: Request, live: LiveRun, position: int) -> None:
        """Wait until the run has ended or waits for people, or whoever asked has left."""
        wire = task_wire(next(self._number), self._told(live), None)
        reading = self._manager.read(live, wire, position)

        async def read() -> None:
            end = b""
            async for data in reading:
                end = (end + data)[-len(wire.last) :]
                if end == wire.last:
                    return

        async def listen() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        tasks = [asyncio.create_task(read()), asyncio.create_task(listen())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self._manager.leave(reading)

    def _streamed(self, live: LiveRun, position: int, rpc: tuple[Any] | None) -> Response:
        self._manager.check_readers()
        return StreamAnswer(self._manager, live, task_wire(next(self._number), self._told(live), rpc), position)

    def _subscribed(self, live: LiveRun, rpc: tuple[Any] | None) -> Response:
        if live.over:
            raise Refused("unsupported", "The task has ended.", hint="Read it with GetTask.")
        return self._streamed(live, live.visible, rpc)

    async def _cancelled(self, live: LiveRun) -> dict[str, Any]:
        if not live.cancel():
            raise Refused("not_cancelable", "The task has ended.")
        await asyncio.wait({live.task})
        return self._told(live)

    async def _listed(self, request: Request, params: Mapping[str, Any], caller: str | None) -> dict[str, Any]:
        member = self._member(request)
        size, first = _whole(params.get("pageSize"), 50), _whole(params.get("pageToken"), 0)
        size = min(max(size, 1), MOST)
        context, wanted, since = (
            params.get("contextId"),
            _states(params.get("status")),
            params.get("statusTimestampAfter"),
        )
        after = _moment(since) if since else None
        artifacts = params.get("includeArtifacts") in (True, "true")
        page: list[dict[str, Any]] = []
        found = 0
        for task in await self._tasks(caller, member.name):
            if task.state not in wanted or (context and task.context != context):
                continue
            shown = first <= found < first + size
            if shown or after is not None:  # each log is read once, and not for a count alone
                told = await task.told(artifacts=artifacts and shown)
                if after is not None and _changed(told) < after:
                    continue
                if shown:
                    page.append(told)
            found += 1
        return {
            "tasks": page,
            "nextPageToken": str(first + size) if first + size < found else "",
            "pageSize": size,
            "totalSize": found,
        }

    async def _tasks(self, caller: str | None, agent: str) -> Sequence[_Task]:
        """The caller's tasks, the newest first: of this server, or of the journal."""
        if (durable := self._manager.durable) is None:
            here = self._manager.runs(caller, agent=agent)
            return [_Task(one.id, one.state, _context(one.id, one.notes), one.log.__iter__) for one in here]
        infos = await durable.listed(caller, agent=agent, state=None, before=None, limit=MOST_STORED)
        return [
            _Task(
                info.run,
                info.state,
                _context(info.run, durable.notes_of(info)),
                functools.partial(durable.log_of, info.run),
            )
            for info in infos
        ]

    def _context(self, live: LiveRun) -> str:
        return _context(live.id, live.notes)

    def _told(self, live: LiveRun) -> dict[str, Any]:
        events = (live.log[position] for position in range(live.visible))
        return task_of(events, live.id, self._context(live))


class _Task(NamedTuple):
    """A task in a list; `log` returns its events."""

    id: str
    state: State
    context: str
    log: Callable[[], Iterable[Event] | Awaitable[Iterable[Event]]]

    async def told(self, *, artifacts: bool) -> dict[str, Any]:
        """The task as it is by now."""
        events = self.log()
        if inspect.isawaitable(events):
            events = await events
        return task_of(events, self.id, self.context, artifacts=artifacts)


def _context(run: str, notes: Mapping[str, Any]) -> str:
    return str(notes.get("a2a", {}).get("context", run))


def _changed(task: Mapping[str, Any]) -> datetime.datetime:
    """When a task's state last changed; a queued one has not changed yet."""
    told = task["status"].get("timestamp")
    return datetime.datetime.min.replace(tzinfo=datetime.UTC) if told is None else _moment(told)


def _no_extended_card() -> Refused:
    return Refused("no_extended_card", "This agent has no extended card.", hint=f"Get the one at {CARD}.")


def _json(value: Any) -> str:
    return bytes(json_answer(value).body).decode()


def _object(data: bytes) -> Mapping[str, Any]:
    """The object that a body is. Raises Problem."""
    try:
        body: Mapping[str, Any] = parsed(data)
    except Problem as problem:
        if problem.code == "bad_request":
            raise Refused("invalid_request", problem.message, hint="Send one request at a time.") from None
        raise
    return body


def _states(given: Any) -> set[str]:
    """The states of runs that a state of the protocol selects: all where none is given. Raises Problem."""
    if given in (None, "", "TASK_STATE_UNSPECIFIED"):
        return {*STATES}
    known = {*STATES.values(), "TASK_STATE_REJECTED", "TASK_STATE_AUTH_REQUIRED"}
    if not isinstance(given, str) or given not in known:
        hint = f"Send one of {', '.join(sorted(known))}."
        raise Refused("invalid_params", f"There is no state {str(given)[:40]!r}.", hint=hint)
    return {ours for ours, theirs in STATES.items() if theirs == given}


def _moment(given: Any) -> datetime.datetime:
    """A time in ISO 8601. Raises Problem."""
    try:
        moment = datetime.datetime.fromisoformat(given)
    except (TypeError, ValueError):
        hint = "Send it as in 2026-01-31T12:00:00Z."
        raise Refused("invalid_params", f"{str(given)[:40]!r} is not a time.", hint=hint) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _whole(given: Any, otherwise: int) -> int:
    """A whole number in a query or in JSON. Raises Problem."""
    if given in (None, ""):
        return otherwise
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused("invalid_params", f"{text[:40]!r} is not an integer.")
    return int(text)
