"""Approvals in the Responses API: which part of a run each response has, and who answers its questions.

A run that waits for people goes on in another response. A client is asked only if it declares the agent as an MCP
server, as with OpenAI's own servers: others would take the response for the answer. Owns what is kept of that with the
run; `responses` formats it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from headwater.web.http.bodies import Approving
from headwater.web.openai.asked import Approved
from headwater.web.openai.responses import Part, approval_of
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import NOW, Manager
from headwater.web.wires.questions import waits_before_answers, waits_of

__all__ = ("answered", "asks", "goes_on", "notes_of", "part_of", "told_by")

_TOLD: Final = "responses"
_APPROVERS: Final = "approvers"
_PARTS: Final = "responses that continue"
_ENDS: Final = "responses that ask"


def notes_of(told: dict[str, Any], approvers: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns the notes of a run whose first response repeats the fields `told`."""
    notes = {_TOLD: told, _APPROVERS: {"names": sorted(approvers)} if approvers else {}}
    return {name: value for name, value in notes.items() if value}


def goes_on(live: LiveRun, begin: int, told: dict[str, Any], approvers: Iterable[str]) -> None:
    """Keeps the same of the response that follows the wait `begin`."""
    live.notes.setdefault(_PARTS, {})[str(begin)] = told
    live.notes[_APPROVERS] = {"names": sorted(approvers)}


def told_by(live: LiveRun, begin: int) -> dict[str, Any]:
    """Returns the fields that the response repeats."""
    told: dict[str, Any] = live.notes.get(_PARTS, {}).get(str(begin), {}) if begin else live.notes.get(_TOLD, {})
    return told


def part_of(live: LiveRun, begin: int) -> Part:
    """Returns the part of the run that the response has."""
    ends = [wait for wait in live.notes.get(_ENDS, {}).get("waits", ()) if wait > begin]
    return Part(begin, min(ends, default=None), frozenset(live.notes.get(_APPROVERS, {}).get("names", ())))


def asks(live: LiveRun, begin: int) -> bool:
    """Whether the response ends now, because the run waits and the client can answer; it stays ended."""
    part = part_of(live, begin)
    if part.end is not None:
        return True
    open_now = live.unattended if live.needs_answers else ()
    known = part.approvers
    if not open_now or not all(
        one.kind == "approval" and (one.agent in known or live.agent in known) for one in open_now
    ):
        return False
    waits = waits_of(live.log)
    if waits > begin:
        live.notes.setdefault(_ENDS, {"waits": []})["waits"].append(waits)
    return waits > begin


async def answered(
    manager: Manager, actions: Actions, approved: Iterable[Approved], caller: str | None
) -> tuple[LiveRun, int]:
    """Answers the questions of a run; returns the run, and the wait that its next response follows. Raises Problem."""
    given: dict[str, Approving] = {}
    runs = set()
    for one in approved:
        run, approval = approval_of(one.request)
        runs.add(run)
        given[approval] = Approving(approval=approval, allowed=one.allowed, note=one.note)
    try:
        (run,) = runs
        live = await manager.find(run, caller, position=NOW)
    except (ValueError, Problem):
        said = "There is no run that asked for these approvals."
        raise Problem("unknown_run", said, hint="Answer the requests of one response.", param="input") from None
    still_open = {question.id for question in live.pending}
    new = given.keys() & still_open
    if not new:  # sent once more
        waits = waits_before_answers(live.log, given)
        if waits is None:
            raise Problem("unknown_question", "The run does not wait for these approvals.", param="input")
        return live, waits
    if missing := still_open - given.keys():
        said = f"The run waits for more answers: {', '.join(sorted(missing))}."
        raise Problem("bad_request", said, hint="Answer all requests at once.", param="input")
    waits = waits_of(live.log)
    for approval in new:
        actions.approve(live, given[approval], caller)
    while not live.over and new & {question.id for question in live.pending}:
        await live.news()  # a run that is driven elsewhere has the answer once it is in its log
    return live, waits
