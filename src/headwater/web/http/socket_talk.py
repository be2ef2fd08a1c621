"""The base of all WebSocket endpoints: messages are handled one by one, runs are streamed in their own tasks.

Owns the start, limits and end of the socket. Subclasses own what a message means and how a run is streamed.
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
from headwater.web.runs.manager import Manager

__all__ = ("GONE", "MAX_TOLD", "SocketTalk", "serve_socket")

GONE: Final = 1001
"""The close code when the server shuts down, after everything was sent."""

TOO_BIG: Final = 1009

MAX_TOLD: Final = 100
"""Maximum number of runs streamed over one socket at once."""

TalkT = TypeVar("TalkT", bound="SocketTalk")


class SocketTalk:
    """One socket, from accept to close."""

    def __init__(self, site: Site, websocket: WebSocket, caller: str | None) -> None:
        self.site = site
        self.manager: Manager = site.manager
        self.socket = websocket
        self.caller = caller
        self.telling: dict[str, asyncio.Task[None]] = {}
        """The tasks that stream runs, by the name of the stream."""
        self._sending = asyncio.Lock()

    # --- for subclasses to implement

    async def hear(self, data: bytes) -> None:
        """Handles a message."""
        raise NotImplementedError

    # --- for subclasses to use

    async def run(self) -> None:
        """Receives messages until the socket is lost, or the server has stopped and everything is sent."""
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
        """Handles the loss of the socket: detaches from every run streamed over it."""
        tasks = [*self.telling.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _hear(self) -> None:
        most = self.site.limits.socket_message_bytes
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # Starlette raises it for a closed socket
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
        """Raises Problem if the socket already streams the maximum number of runs."""
        self.manager.check_readers()
        if len(self.telling) >= MAX_TOLD:
            raise Problem(
                "too_many_readers", f"{MAX_TOLD} runs are attached to this socket.", hint="Detach some.", retry_after=5
            )

    def tell(self, name: str, reading: Reading) -> None:
        """Starts streaming a run under that name, line by line."""
        reading.on_stall = self._cut_off
        self.telling[name] = asyncio.create_task(self._tell(name, reading), name=f"headwater socket tells {name}")

    async def told(self, name: str, line: bytes) -> bool:
        """Sends a line of the named stream. Returns False after the last one."""
        await self.send_text(line.decode())
        return True

    async def all_told(self, name: str) -> None:
        """Called when the named stream has ended."""

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
            pass  # the socket is lost; the receiving task detects that too
        finally:
            self.manager.leave(reading)
            if self.telling.get(name) is asyncio.current_task():
                del self.telling[name]

    def _cut_off(self) -> None:
        """Stops receiving from the socket."""
        if abort := (self.socket.scope.get("extensions") or {}).get(ABORT):
            abort()
        for task in self.telling.values():
            task.cancel()

    async def send(self, value: Any) -> None:
        """Sends a value as a message."""
        await self.send_text(msgspec.json.encode(value, enc_hook=str).decode())

    async def send_text(self, text: str) -> None:
        """Sends a message."""
        async with self._sending:
            await self.socket.send({"type": "websocket.send", "text": text})


async def serve_socket(site: Site, websocket: WebSocket, talk: type[TalkT], **more: Any) -> None:
    """Serves one WebSocket with the given class until it ends; `more` are further arguments of the class."""
    site.hear()
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
