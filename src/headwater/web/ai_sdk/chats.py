"""The chats of the AI SDK's clients: whose they are, which run answers each, and from where it is told.

Owns the bound on how many are known. How an answer gets to a client, by HTTP or over a socket, is the routes'.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from headwater.web.ai_sdk.asked import Chat, asked_of_chat
from headwater.web.ai_sdk.wire import waits_for_approval
from headwater.web.http.bodies import Approving
from headwater.web.http.site import Site
from headwater.web.limits import WORK_SECONDS
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.live_run import LiveRun

__all__ = ("GRACE", "PATIENCE", "Answer", "Chats")

GRACE: Final = 30.0
"""Seconds in which a page that was left, or lost its network, may come back to its run."""

PATIENCE: Final = WORK_SECONDS
"""The same while a person is asked for approval, for which these clients end the stream."""


class Answer(NamedTuple):
    """A run that answers a chat, and which part of it is told: see `ai_sdk.wire`."""

    live: LiveRun
    skip: int = 0
    stop: int = 1


class Chats:
    """The chats of one server."""

    def __init__(self, site: Site) -> None:
        self._manager = site.manager
        self._most = site.limits.threads
        self._actions = Actions(site.manager, site.on_disconnect)
        self._known: OrderedDict[tuple[str | None, str], str] = OrderedDict()
        """The id of the last run of each chat, the one that was used least recently first: its log is the manager's."""

    def answer(self, agent: str | None, body: Mapping[str, Any], caller: str | None) -> Answer:
        """Have a chat's message answered, or go on where people have approved. Raises Problem."""
        chat = asked_of_chat(body)
        going = self._last(chat.id, caller)
        if chat.approved:
            return self._goes_on(going, chat, caller)
        if going is not None and not going.over:
            said = "The last message of this chat is still being answered."
            raise Problem("thread_busy", said, hint="Wait for the answer, or stop it.")
        live = self._manager.start(
            agent, chat.task, owner=caller, on_disconnect=self._actions.then(None, GRACE), history=chat.history
        )
        self._known[caller, chat.id] = live.id
        self._known.move_to_end((caller, chat.id))
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return Answer(live)

    def _last(self, chat: str, caller: str | None) -> LiveRun | None:
        """The last run of a chat, if it is known still."""
        try:
            return self._manager.get(self._known.get((caller, chat), ""), caller)
        except Problem:
            return None

    def _goes_on(self, live: LiveRun | None, chat: Chat, caller: str | None) -> Answer:
        if live is None or live.over:
            raise Problem("run_ended", "The run that asked is over.", hint="Ask again.")
        waited = _waits(live)
        still_open = {question.id for question in live.pending}
        for one in chat.approved:
            if one.approval in still_open:  # others were answered before, and stand in the message for ever
                given = Approving(approval=one.approval, allowed=one.allowed, note=one.note)
                self._actions.approve(live, given, caller)
        live.on_disconnect = self._actions.then(None, GRACE)
        return Answer(live, waited, waited + 1)

    def going(self, chat: str, caller: str | None) -> Answer | None:
        """The answer that is being given in a chat, from its beginning; None where none is."""
        live = self._last(chat, caller)
        if live is None or live.over:
            return None
        return Answer(live, 0, max(1, _waits(live) + (0 if live.state == "waiting" else 1)))

    def stop(self, chat: str, caller: str | None) -> None:
        """Stop the answer that is being given in a chat."""
        live = self._last(chat, caller)
        if live is not None:
            live.cancel()

    def told_to_the_end(self, live: LiveRun) -> None:
        """All of a stream was told; where its run goes on, a person is waited for, and that is no leaving."""
        if not live.over and live.on_disconnect == GRACE:
            live.on_disconnect = PATIENCE


def _waits(live: LiveRun) -> int:
    """How often the run has waited for approval by now."""
    return sum(waits_for_approval(event, live.id) for event in live.log)
