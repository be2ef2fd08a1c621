"""What goes on over any WebSocket of ours: messages heard one by one, runs told in tasks of their own, one end.

Owns the socket's beginning, bounds and end. What a message means, and how a run is told, is the subclass's.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from headwater.web.http.answers import ABORT, problem_answer
from headwater.web.http.site import LOG, Site
from headwater.web.problems import Problem
from headwater.web.runs.live_run import Reading

__all__ = ("GONE", "MAX_TOLD", "SocketTalk", "serve_socket")

GONE: Final = 1001
"""The close code of a server that stops, after all was said."""

TOO_BIG: Final = 1009

MAX_TOLD: Final = 100
"""Runs that are told over one socket at once."""

TalkT = TypeVar("TalkT", bound="SocketTalk")


class SocketTalk:
    """One socket, from its acceptance to its end."""

    def __init__(self, site: Site, websocket: WebSocket, caller: str | None) -> None:
        self.site = site
        self.manager = site.manager
        self.socket = websocket
        self.caller = caller
        self.telling: dict[str, asyncio.Task[None]] = {}
        """The tasks that tell of runs, each by the name under which it is told of."""
        self._sending = asyncio.Lock()

    # --- what a subclass does

    async def hear(self, data: bytes) -> None:
        """A message has come."""
        raise NotImplementedError

    # --- what it has

    async def run(self) -> None:
        """Hear what is said until the socket is lost, or the server has stopped and all is told."""
        stopped = asyncio.create_task(self.manager.stopped.wait(), name="headwater server stops")
        hearing = asyncio.create_task(self._hear(), name="headwater socket")
        try:
            await asyncio.wait({stopped, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done():
                if self.telling:
                    await asyncio.wait(self.telling.values(), timeout=self.site.limits.stall_seconds)
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await self.socket.close(GONE)
        finally:
            stopped.cancel()
            if not hearing.done():
                hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing

    async def close(self) -> None:
        """The socket is lost: every run that was told over it is left."""
        tasks = [*self.telling.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _hear(self) -> None:
        most = self.site.limits.socket_message_bytes
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # Starlette's word for a socket that is closed
            while True:
                message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                data = text.encode("utf-8", "replace") if text is not None else message.get("bytes") or b""
                if len(data) > most:
                    await self.socket.close(TOO_BIG)
                    return
                await self.hear(data)

    def check_room(self) -> None:
        """Raises Problem where one run more is too many."""
        self.manager.check_readers()
        if len(self.telling) >= MAX_TOLD:
            raise Problem("too_many_readers", f"{MAX_TOLD} runs are told here.", hint="Detach some.", retry_after=5)

    def tell(self, name: str, reading: Reading) -> None:
        """Tell a run under that name, line by line, from now on."""
        reading.on_stall = self._cut_off
        self.telling[name] = asyncio.create_task(self._tell(name, reading), name=f"headwater socket tells {name}")

    async def told(self, name: str, line: bytes) -> bool:
        """A line of what is told under the name; False where that was the last one."""
        await self.send_text(line.decode())
        return True

    async def all_told(self, name: str) -> None:
        """Nothing more is told under the name."""

    async def _tell(self, name: str, reading: Reading) -> None:
        rest = b""
        try:
            async for data in reading:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if not await self.told(name, line):
                        break
                else:
                    continue
                break
            await self.all_told(name)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the socket is lost, which whoever hears it knows too
        finally:
            self.manager.leave(reading)
            if self.telling.get(name) is asyncio.current_task():
                del self.telling[name]

    def _cut_off(self) -> None:
        """Nothing is taken from the socket any more."""
        if abort := (self.socket.scope.get("extensions") or {}).get(ABORT):
            abort()
        for task in self.telling.values():
            task.cancel()

    async def send(self, value: Any) -> None:
        """Send a value as a message."""
        await self.send_text(msgspec.json.encode(value, enc_hook=str).decode())

    async def send_text(self, text: str) -> None:
        """Send a message."""
        async with self._sending:
            await self.socket.send({"type": "websocket.send", "text": text})


async def serve_socket(site: Site, websocket: WebSocket, talk: type[TalkT], **more: Any) -> None:
    """Serve one WebSocket, to its end, as such a talk; `more` is what its class takes beside."""
    site.hear_signals()
    try:
        site.guard.check(site.asked(websocket))
        caller = await site.caller(websocket)
    except (Problem, HTTPException) as refused:
        problem = refused if isinstance(refused, Problem) else Problem("unauthorized", str(refused.detail))
        LOG.info("WebSocket refused: %s", problem.code)
        if "websocket.http.response" in websocket.scope.get("extensions", {}):
            await websocket.send_denial_response(problem_answer(problem))
        else:
            await websocket.close(1008)
        return
    await websocket.accept(site.guard.protocol(websocket.scope.get("subprotocols", ())))
    begun = talk(site, websocket, caller, **more)
    try:
        await begun.run()
    finally:
        await begun.close()
