"""`/ai-sdk`: the agents as a backend of the AI SDK's `useChat`, with streams that can be resumed and stopped.

`asked` parses requests, `chats` selects the run, `ai_sdk.wire` formats it. Errors are plain text, because clients show
the body unchanged.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from headwater.web.ai_sdk.chats import Answer, Chats
from headwater.web.ai_sdk.wire import VERSIONS, Version, ai_sdk_wire
from headwater.web.http.answers import AnswerThatWaits
from headwater.web.http.bodies import parsed
from headwater.web.http.site import Handler, Site
from headwater.web.problems import Problem

__all__ = ("AISDKRoutes", "version_of")

_HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1"}


class AISDKRoutes:
    """The handlers of `/ai-sdk`."""

    def __init__(self, site: Site, chats: Chats) -> None:
        self._site = site
        self._manager = site.manager
        self._chats = chats

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """Returns the handlers by path and method."""
        return {
            "/ai-sdk/chat": {"POST": self.chat},
            "/ai-sdk/chat/{agent}": {"POST": self.chat},
            "/ai-sdk/chat/{chat}/stream": {"GET": self.resume},
            "/ai-sdk/chat/{agent}/{chat}/stream": {"GET": self.resume},
            "/ai-sdk/chat/{chat}/stop": {"POST": self.stop},
            "/ai-sdk/chat/{agent}/{chat}/stop": {"POST": self.stop},
        }

    async def chat(self, request: Request, caller: str | None) -> Response:
        """Receives a message of a chat and streams the answer."""
        version = version_of(request.query_params.get("v"))
        body = parsed(await self._site.body(request))
        self._manager.check_readers()
        return self._told(version, await self._chats.answer(request.path_params.get("agent"), body, caller))

    async def resume(self, request: Request, caller: str | None) -> Response:
        """Streams the active answer of a chat from its start; 204 if there is none."""
        version = version_of(request.query_params.get("v"))
        answer = await self._chats.going(request.path_params["chat"], caller)
        if answer is None:
            return Response(status_code=204)
        self._manager.check_readers()
        return self._told(version, answer)

    async def stop(self, request: Request, caller: str | None) -> Response:
        """Stops the active answer of a chat; closing the stream only disconnects."""
        await self._site.body(request)
        await self._chats.stop(request.path_params["chat"], caller)
        return Response(status_code=204)

    def _told(self, version: Version, answer: Answer) -> Response:
        wire = ai_sdk_wire(version, skip=answer.skip, stop=answer.stop)
        return AnswerThatWaits(self._manager, answer.live, wire, headers=_HEADERS)


def version_of(given: str | None, otherwise: Version = 5) -> Version:
    """Parses the version of the client. Raises Problem."""
    for version in VERSIONS:
        if (given or str(otherwise)) == str(version):
            return version
    raise Problem("bad_request", f"v={given} is not supported.", hint="Use 5, 6 or 7.", param="v")
