"""`/ws`: runs begun, read, spoken to and stopped over one WebSocket.

What is asked is `{"id", "op", …}`, with the fields that our routes take; it is answered by `{"id", "ok"}` or
`{"id", "error"}`. Events of the runs that are attached come as `{"run", "event"}` in between. Owns these words, and one
task for each run that is attached; losing the socket is a disconnect of all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from headwater.web.actions import Actions, choice_of
from headwater.web.answers import ABORT, problem_answer
from headwater.web.bodies import Answering, Approving, Attaching, Saying, Starting, fitting, parsed
from headwater.web.live_run import LiveRun, Reading
from headwater.web.manager import Manager
from headwater.web.native_routes import outline
from headwater.web.problems import Problem
from headwater.web.site import LOG, Site
from headwater.web.wires.native import socket_wire

__all__ = ("GRACE", "Conversation", "serve_socket")

GRACE: Final = 30.0
"""Seconds in which whoever lost their socket may come back to their runs."""

GONE: Final = 1001
"""The close code of a server that stops, after all was said."""

TOO_BIG: Final = 1009

MAX_ATTACHED: Final = 100
"""Runs that one socket reads at once."""


async def serve_socket(site: Site, actions: Actions, websocket: WebSocket) -> None:
    """Serve one WebSocket, to its end."""
    site.hear_signals()
    try:
        site.guard.check(site.asked(websocket))
        caller = await site.caller(websocket)
    except Problem as problem:
        LOG.info("WebSocket refused: %s", problem.code)
        await refuse(websocket, problem)
        return
    await websocket.accept(site.guard.protocol(websocket.scope.get("subprotocols", ())))
    conversation = Conversation(site, actions, websocket, caller)
    try:
        await conversation.run()
    finally:
        await conversation.close()


async def refuse(websocket: WebSocket, problem: Problem) -> None:
    """Refuse a socket before it is one."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(problem_answer(problem))
    else:
        await websocket.close(1008)


class Conversation:
    """What goes on over one socket."""

    def __init__(self, site: Site, actions: Actions, websocket: WebSocket, caller: str | None) -> None:
        self._manager: Manager = site.manager
        self._actions = actions
        self._socket = websocket
        self._caller = caller
        self._most = site.limits.socket_message_bytes
        self._site = site
        self._attached: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Hear what is asked until the socket is lost, or the server has stopped and all is said."""
        stopped = asyncio.create_task(self._manager.stopped.wait(), name="headwater server stops")
        hearing = asyncio.create_task(self._hear(), name="headwater socket")
        try:
            await asyncio.wait({stopped, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done():
                if self._attached:
                    await asyncio.wait(self._attached.values(), timeout=self._site.limits.stall_seconds)
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await self._socket.close(GONE)
        finally:
            stopped.cancel()
            if not hearing.done():
                hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing

    async def close(self) -> None:
        """The socket is lost: every run that was attached is left."""
        tasks = [*self._attached.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- hearing

    async def _hear(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # Starlette's word for a socket that is closed
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                data = text.encode("utf-8", "replace") if text is not None else message.get("bytes") or b""
                if len(data) > self._most:
                    await self._socket.close(TOO_BIG)
                    return
                await self._send(await self._answered(data))

    async def _answered(self, data: bytes) -> dict[str, Any]:
        """What is answered to a message."""
        number: Any = None
        try:
            asked = parsed(data)
            number = asked.pop("id", None)
            if not isinstance(number, (str, int)):
                number = None
                raise Problem("bad_request", "There is no id.", hint='Send {"id": …, "op": …}.', param="id")
            op = asked.pop("op", None)
            if not isinstance(op, str) or op not in _OPS:
                raise Problem("bad_request", "There is no such op.", hint=f"There are {', '.join(_OPS)}.", param="op")
            return {"id": number, "ok": await _OPS[op](self, asked)}
        except Problem as problem:
            return {"id": number, **problem.body()}
        except Exception:
            return {"id": number, **self._site.broken(self._socket).body()}

    def _run(self, asked: dict[str, Any]) -> LiveRun:
        run = asked.pop("run", None)
        if not isinstance(run, str):
            raise Problem("bad_request", "There is no run.", hint='Send {"run": its id}.', param="run")
        return self._manager.get(run, self._caller)

    async def _start(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._check_room()
        live = self._actions.start(fitting(asked, Starting), self._caller, GRACE)
        self._attach(live, Attaching())
        return outline(live)

    async def _attach_to(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self._run(asked)
        wanted = fitting(asked, Attaching)
        if live.id in self._attached:
            raise Problem("bad_request", "That run is attached.", hint="Detach it first.", param="run")
        self._check_room()
        reset = wanted.after is not None and wanted.after >= live.visible
        self._attach(live, msgspec.structs.replace(wanted, after=None) if reset else wanted)
        return {**outline(live), **({"reset": True} if reset else {})}

    async def _detach(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self._run(asked)
        fitting(asked, _Nothing)
        task = self._attached.pop(live.id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return outline(live)

    async def _cancel(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self._run(asked)
        fitting(asked, _Nothing)
        live.cancel()
        return outline(live)

    async def _steer(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self._run(asked)
        self._actions.say(live, fitting(asked, Saying), self._caller)
        return outline(live)

    async def _approve(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self._run(asked)
        self._actions.approve(live, fitting(asked, Approving), self._caller)
        return outline(live)

    async def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        live = self._run(asked)
        self._actions.answer(live, fitting(asked, Answering), self._caller)
        return outline(live)

    # --- reading

    def _check_room(self) -> None:
        self._manager.check_readers()
        if len(self._attached) >= MAX_ATTACHED:
            raise Problem("too_many_readers", f"{MAX_ATTACHED} runs are attached.", hint="Detach some.", retry_after=5)

    def _attach(self, live: LiveRun, wanted: Attaching) -> None:
        agent = [wanted.agent] if isinstance(wanted.agent, str) else list(wanted.agent or ())
        wire = socket_wire(live.id, choice_of(agent, wanted.depth, wanted.final_only))
        reading = self._manager.read(live, wire, 0 if wanted.after is None else wanted.after + 1)
        task = asyncio.create_task(self._tell(live, reading), name=f"headwater socket reads {live.id}")
        reading.on_stall = self._cut_off
        self._attached[live.id] = task

    async def _tell(self, live: LiveRun, reading: Reading) -> None:
        """Send a run's events, a message each, until it ends."""
        rest = b""
        try:
            async for data in reading:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    await self._send_text(line.decode())
        except (WebSocketDisconnect, RuntimeError):
            pass  # the socket is lost, which whoever hears it knows too
        finally:
            self._manager.leave(reading)
            if self._attached.get(live.id) is asyncio.current_task():
                del self._attached[live.id]

    def _cut_off(self) -> None:
        """Nothing is taken from the socket any more."""
        if abort := (self._socket.scope.get("extensions") or {}).get(ABORT):
            abort()
        for task in self._attached.values():
            task.cancel()

    async def _send(self, answer: dict[str, Any]) -> None:
        await self._send_text(msgspec.json.encode(answer, enc_hook=str).decode())

    async def _send_text(self, text: str) -> None:
        async with self._sending:
            await self._socket.send({"type": "websocket.send", "text": text})


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """There is nothing more to say."""


_OPS: Final[dict[str, Callable[[Conversation, dict[str, Any]], Awaitable[dict[str, Any]]]]] = {
    "start": Conversation._start,
    "attach": Conversation._attach_to,
    "detach": Conversation._detach,
    "cancel": Conversation._cancel,
    "steer": Conversation._steer,
    "approve": Conversation._approve,
    "answer": Conversation._answer,
}
