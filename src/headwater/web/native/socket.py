"""`/ws`: start, read and stop runs, and send them messages, over one WebSocket.

A request is `{"id", "op", …}`, with the same fields as the native routes; the response is `{"id", "ok"}` or
`{"id", "error"}`. Events of attached runs arrive as `{"run", "event"}` in between. Owns these messages. Losing the
socket counts as a disconnect from all attached runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket

from headwater.web.http.bodies import Answering, Approving, Attaching, Saying, Starting, fitting, parsed
from headwater.web.http.site import Site
from headwater.web.http.socket_talk import SocketTalk
from headwater.web.native.routes import outline
from headwater.web.native.wire import socket_wire
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions, choice_of
from headwater.web.runs.live_run import LiveRun

__all__ = ("GRACE", "Conversation")

GRACE: Final = 30.0
"""Seconds in which a client that lost its socket can reconnect to its runs."""


class Conversation(SocketTalk):
    """One socket of `/ws`."""

    def __init__(self, site: Site, websocket: WebSocket, caller: str | None, *, actions: Actions) -> None:
        super().__init__(site, websocket, caller)
        self._actions = actions

    async def hear(self, data: bytes) -> None:
        """See the base class."""
        await self.send(await self._answered(data))

    async def _answered(self, data: bytes) -> dict[str, Any]:
        """Returns the response to a message."""
        number: Any = None
        try:
            asked = parsed(data)
            number = asked.pop("id", None)
            if not isinstance(number, (str, int)):
                number = None
                raise Problem("bad_request", "id is missing.", hint='Send {"id": …, "op": …}.', param="id")
            op = asked.pop("op", None)
            if not isinstance(op, str) or op not in _OPS:
                raise Problem("bad_request", "The op is unknown.", hint=f"There are {', '.join(_OPS)}.", param="op")
            return {"id": number, "ok": await _OPS[op](self, asked)}
        except Problem as problem:
            return {"id": number, **problem.body()}
        except Exception:
            return {"id": number, **self.site.broken(self.socket).body()}

    async def _run(self, asked: dict[str, Any]) -> LiveRun:
        run = asked.pop("run", None)
        if not isinstance(run, str):
            raise Problem("bad_request", "run is missing.", hint='Send {"run": its id}.', param="run")
        return await self.manager.find(run, self.caller)

    async def _start(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.check_room()
        live = self._actions.start(fitting(asked, Starting), self.caller, GRACE)
        self._attach(live, Attaching())
        return outline(live)

    async def _attach_to(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = await self._run(asked)
        wanted = fitting(asked, Attaching)
        if live.id in self.telling:
            raise Problem("bad_request", "The run is already attached.", hint="Detach it first.", param="run")
        self.check_room()
        reset = wanted.after is not None and wanted.after >= live.visible
        self._attach(live, msgspec.structs.replace(wanted, after=None) if reset else wanted)
        return {**outline(live), **({"reset": True} if reset else {})}

    async def _detach(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = await self._run(asked)
        fitting(asked, _Nothing)
        task = self.telling.pop(live.id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return outline(live)

    async def _cancel(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = await self._run(asked)
        fitting(asked, _Nothing)
        live.cancel()
        return outline(live)

    async def _steer(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = await self._run(asked)
        self._actions.say(live, fitting(asked, Saying), self.caller)
        return outline(live)

    async def _approve(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = await self._run(asked)
        self._actions.approve(live, fitting(asked, Approving), self.caller)
        return outline(live)

    async def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = await self._run(asked)
        self._actions.answer(live, fitting(asked, Answering), self.caller)
        return outline(live)

    def _attach(self, live: LiveRun, wanted: Attaching) -> None:
        agent = [wanted.agent] if isinstance(wanted.agent, str) else list(wanted.agent or ())
        wire = socket_wire(live.id, choice_of(agent, wanted.depth, wanted.final_only))
        self.tell(live.id, self.manager.read(live, wire, 0 if wanted.after is None else wanted.after + 1))


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request without further fields."""


_OPS: Final[dict[str, Callable[[Conversation, dict[str, Any]], Awaitable[dict[str, Any]]]]] = {
    "start": Conversation._start,
    "attach": Conversation._attach_to,
    "detach": Conversation._detach,
    "cancel": Conversation._cancel,
    "steer": Conversation._steer,
    "approve": Conversation._approve,
    "answer": Conversation._answer,
}
