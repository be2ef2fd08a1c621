"""`/ai-sdk/ws`: AI SDK chats over one WebSocket, in the protocol of `WebSocketChatTransport` (version 7).

A request is `send`, `resume` or `abort`, with its own id. The answer is `start`, chunks in order and `end`; or
`no-active`; or `error`. Owns these messages. Unlike a disconnect over HTTP, `abort` stops the run.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.websockets import WebSocket

from headwater.web.ai_sdk.chats import Answer, Chats
from headwater.web.ai_sdk.routes import version_of
from headwater.web.ai_sdk.wire import LAST_LINE, ai_sdk_lines
from headwater.web.http.bodies import parsed
from headwater.web.http.site import Site
from headwater.web.http.socket_talk import SocketTalk
from headwater.web.problems import Problem
from headwater.web.runs.latest import told_to_the_end

__all__ = ("ChatTalk",)


class ChatTalk(SocketTalk):
    """One socket; each request of the client is answered under its id."""

    def __init__(self, site: Site, websocket: WebSocket, caller: str | None, *, chats: Chats) -> None:
        super().__init__(site, websocket, caller)
        self._chats = chats
        self._answers: dict[str, Answer] = {}
        self._numbers: dict[str, int] = {}
        """The index of the next chunk of each request."""

    async def hear(self, data: bytes) -> None:
        """See the base class."""
        number = ""
        try:
            asked = parsed(data)
            number = asked.get("requestId")
            if not isinstance(number, str) or not number:
                number = ""
                raise Problem("bad_request", "requestId is missing.")
            await self._heard(number, asked)
        except Problem as problem:
            await self._error(number, f"{problem.message} {problem.hint}".strip())
        except Exception:
            await self._error(number, self.site.broken(self.socket).message)

    async def _error(self, number: str, text: str) -> None:
        await self.send({"type": "error", "requestId": number, "errorText": text})

    async def _heard(self, number: str, asked: dict[str, Any]) -> None:
        if number in self.telling and asked.get("type") != "abort":
            raise Problem("bad_request", "That requestId is in use.")
        match asked.get("type"):
            case "abort":
                if (answer := self._answers.get(number)) is not None:
                    answer.live.cancel()
            case "resume":
                chat = asked.get("id")
                answer = await self._chats.going(chat, self.caller) if isinstance(chat, str) else None
                if answer is None:
                    await self.send({"type": "no-active", "requestId": number})
                else:
                    await self._begin(number, answer)
            case "send":
                body = asked.get("body")
                agent = body.get("agent") if isinstance(body, dict) else None
                if agent is not None and not isinstance(agent, str):
                    raise Problem("bad_request", "body.agent must be the name of an agent.")
                self.check_room()
                await self._begin(number, await self._chats.answer(agent, asked, self.caller))
            case _:
                raise Problem("bad_request", "The type is unknown.", hint="Use send, resume or abort.")

    async def _begin(self, number: str, answer: Answer) -> None:
        self.check_room()
        version = version_of(self.socket.query_params.get("v"), 7)
        self._answers[number], self._numbers[number] = answer, 0
        await self.send({"type": "start", "requestId": number})
        wire = ai_sdk_lines(version, skip=answer.skip, stop=answer.stop)
        self.tell(number, self.manager.read(answer.live, wire))

    async def told(self, name: str, line: bytes) -> bool:
        """See the base class."""
        if line == LAST_LINE:
            return False
        sequence = self._numbers[name]
        self._numbers[name] = sequence + 1
        chunk = msgspec.Raw(line)
        await self.send({"type": "chunk", "requestId": name, "sequence": sequence, "chunk": chunk})
        return True

    async def all_told(self, name: str) -> None:
        """See the base class."""
        self._numbers.pop(name, None)
        if (answer := self._answers.pop(name, None)) is not None:
            told_to_the_end(answer.live)
        await self.send({"type": "end", "requestId": name})
