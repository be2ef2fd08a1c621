"""`/ai-sdk`: the AI SDK's `useChat` against the agents here, with streams that are resumed and stopped.

Owns which run a chat's is. What a chat asks is `ai_sdk_asked`'s, what a run looks like `wires.ai_sdk`'s. Refusals are
plain text, for clients show the body as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from headwater.web.actions import Actions
from headwater.web.ai_sdk_asked import Approved, asked_of_chat
from headwater.web.answers import StreamAnswer, problem_headers
from headwater.web.bodies import Approving, parsed
from headwater.web.limits import WORK_SECONDS
from headwater.web.live_run import LiveRun
from headwater.web.problems import Problem
from headwater.web.site import Handler, Site
from headwater.web.wires.ai_sdk import VERSIONS, Version, ai_sdk_wire, waits_for_approval

__all__ = ("GRACE", "AISDKRoutes", "refusal")

GRACE: Final = 30.0
"""Seconds in which a page that was left, or lost its network, may come back to its run."""

PATIENCE: Final = WORK_SECONDS
"""The same while a person is asked for approval, for which these clients end the stream."""

_HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1"}


def refusal(problem: Problem) -> Response:
    """A refusal as the words that a page shows."""
    said = f"{problem.message} {problem.hint}".strip()
    return Response(said, problem.status, problem_headers(problem), "text/plain")


class AISDKRoutes:
    """The handlers of `/ai-sdk`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._manager = site.manager
        self._actions = Actions(site.manager, site.on_disconnect)
        self._chats: OrderedDict[tuple[str | None, str], LiveRun] = OrderedDict()
        """The last run of each chat, the one that was used least recently first."""

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """Each path's handlers, by method."""
        return {
            "/ai-sdk/chat": {"POST": self.chat},
            "/ai-sdk/chat/{agent}": {"POST": self.chat},
            "/ai-sdk/chat/{chat}/stream": {"GET": self.resume},
            "/ai-sdk/chat/{agent}/{chat}/stream": {"GET": self.resume},
            "/ai-sdk/chat/{chat}/stop": {"POST": self.stop},
            "/ai-sdk/chat/{agent}/{chat}/stop": {"POST": self.stop},
        }

    async def chat(self, request: Request, caller: str | None) -> Response:
        """A message of a chat, and the answer as it comes."""
        version = _version(request)
        asked = asked_of_chat(parsed(await self._site.body(request)))
        self._manager.check_readers()
        going = self._chats.get((caller, asked.id))
        if asked.approved:
            return self._answered(version, going, asked.approved, caller)
        if going is not None and not going.over:
            said = "The last message of this chat is still being answered."
            raise Problem("thread_busy", said, hint="Wait for the answer, or stop it.")
        live = self._manager.start(
            request.path_params.get("agent"),
            asked.task,
            owner=caller,
            on_disconnect=self._actions.then(None, GRACE),
            history=asked.history,
        )
        self._chats[caller, asked.id] = live
        self._chats.move_to_end((caller, asked.id))
        while len(self._chats) > self._site.limits.threads:
            self._chats.popitem(last=False)
        return _Answer(self._manager, live, ai_sdk_wire(version), headers=_HEADERS)

    def _answered(
        self, version: Version, live: LiveRun | None, answers: Sequence[Approved], caller: str | None
    ) -> Response:
        """People have answered: the run goes on, and so does its message."""
        if live is None or live.over:
            raise Problem("run_ended", "The run that asked is over.", hint="Ask again.")
        waited = _waits(live)
        open_ones = {question.id for question in live.pending}
        for one in answers:
            if one.approval in open_ones:  # others were answered before, and stand in the message for ever
                given = Approving(approval=one.approval, allowed=one.allowed, note=one.note)
                self._actions.approve(live, given, caller)
        live.on_disconnect = self._actions.then(None, GRACE)
        return _Answer(self._manager, live, ai_sdk_wire(version, skip=waited, stop=waited + 1), headers=_HEADERS)

    async def resume(self, request: Request, caller: str | None) -> Response:
        """The answer that is being given in a chat, from its beginning; 204 where none is."""
        version = _version(request)
        live = self._chats.get((caller, request.path_params["chat"]))
        if live is None or live.over:
            return Response(status_code=204)
        self._manager.check_readers()
        stop = max(1, _waits(live) + (0 if live.state == "waiting" else 1))
        return _Answer(self._manager, live, ai_sdk_wire(version, stop=stop), headers=_HEADERS)

    async def stop(self, request: Request, caller: str | None) -> Response:
        """Stop the answer that is being given in a chat; closing its stream only leaves it."""
        await self._site.body(request)
        live = self._chats.get((caller, request.path_params["chat"]))
        if live is not None:
            live.cancel()
        return Response(status_code=204)


class _Answer(StreamAnswer):
    """A stream that may end before its run does."""

    def left(self, *, complete: bool) -> None:
        """See the base class: a run that waits for a person is not left."""
        live = self._live
        if complete and not live.over and live.on_disconnect == GRACE:
            live.on_disconnect = PATIENCE


def _version(request: Request) -> Version:
    """The version of the client. Raises Problem."""
    given = request.query_params.get("v", "5")
    for version in VERSIONS:
        if given == str(version):
            return version
    raise Problem(
        "bad_request", f"v={given} is no version that is spoken here.", hint="There are 5, 6 and 7.", param="v"
    )


def _waits(live: LiveRun) -> int:
    """How often the run has waited for approval by now."""
    return sum(waits_for_approval(event, live.id) for event in live.log)
