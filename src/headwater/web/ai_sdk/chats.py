"""The chats of AI SDK clients: their owners, which run answers each, and which part of it is streamed.

The routes own how an answer is sent, over HTTP or a socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from headwater.web.ai_sdk.asked import Chat, asked_of_chat
from headwater.web.ai_sdk.wire import waits_for_approval
from headwater.web.http.bodies import Approving
from headwater.web.http.site import Site
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.latest import GRACE, Latest
from headwater.web.runs.live_run import LiveRun

__all__ = ("Answer", "Chats")


class Answer(NamedTuple):
    """A run that answers a chat, and which part of it is streamed: see `ai_sdk.wire`."""

    live: LiveRun
    skip: int = 0
    stop: int = 1


class Chats:
    """The chats of one server."""

    def __init__(self, site: Site) -> None:
        self._manager = site.manager
        self._actions = Actions(site.manager, site.on_disconnect)
        self._latest = Latest(site.manager, "ai-sdk", site.limits.threads)

    async def answer(self, agent: str | None, body: Mapping[str, Any], caller: str | None) -> Answer:
        """Starts a run for a chat's message, or resumes one with people's approvals. Raises Problem."""
        chat = asked_of_chat(body)
        going = await self._latest.get((caller, chat.id))
        if chat.approved:
            return self._goes_on(going, chat, caller)
        if going is not None and not going.over:
            said = "The last message of this chat is still being answered."
            raise Problem("thread_busy", said, hint="Wait for the answer, or stop it.")
        live = await self._manager.begin(
            agent,
            chat.task,
            owner=caller,
            on_disconnect=self._actions.then(None, GRACE),
            history=chat.history,
            conversation=self._latest.named((caller, chat.id)),
        )
        self._latest.put((caller, chat.id), live)
        return Answer(live)

    def _goes_on(self, live: LiveRun | None, chat: Chat, caller: str | None) -> Answer:
        if live is None or live.over:
            raise Problem("run_ended", "The run that asked has ended.", hint="Ask again.")
        waited = _waits(live)
        still_open = {question.id for question in live.pending}
        for one in chat.approved:
            if one.approval in still_open:  # earlier answers stay in the message
                given = Approving(approval=one.approval, allowed=one.allowed, note=one.note)
                self._actions.approve(live, given, caller)
        live.on_disconnect = self._actions.then(None, GRACE)
        return Answer(live, waited, waited + 1)

    async def going(self, chat: str, caller: str | None) -> Answer | None:
        """Returns the active answer of a chat, from its start; None if there is none. Raises Problem."""
        live = await self._latest.get((caller, chat))
        if live is None or live.over:
            return None
        return Answer(live, 0, max(1, _waits(live) + (0 if live.state == "waiting" else 1)))

    async def stop(self, chat: str, caller: str | None) -> None:
        """Stops the active answer of a chat. Raises Problem."""
        live = await self._latest.get((caller, chat))
        if live is not None:
            live.cancel()


def _waits(live: LiveRun) -> int:
    """Returns how often the run has waited for approval so far."""
    return sum(waits_for_approval(event, live.id) for event in live.log)
