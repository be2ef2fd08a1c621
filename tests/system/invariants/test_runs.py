"""The laws, tried on runs made up at random: what was shown, what was kept and what came of it agree."""

from __future__ import annotations

import asyncio
import gc
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings

from headwater import Agent, Timeouts
from headwater.backends.offline import Call, Fail, Say, ScriptedModel, Think
from headwater.errors import AuthenticationFailed, HeadwaterError
from headwater.events import Event, Retracted, RunCancelled, RunFailed, RunFinished, TextDelta, UsageReported
from headwater.events.answers import tree_response
from headwater.events.checker import check_log
from headwater.events.codec import decode, encode
from headwater.events.fold import Fold
from headwater.events.messages import Usage
from headwater.readers.chunks import StreamChunk
from headwater.workflows import ConcurrentWorkflow
from tests.support.effort import tries
from tests.support.logs import check_history, folds
from tests.support.virtual import run_virtual
from tests.system.invariants.late_reader import known
from tests.system.invariants.runs import Leave, Outcome, Part, Play, carried_out, plays


def _call(name: str) -> Call:
    return Call(name, ['{"n": 1, "task": "go"}'])


@pytest.mark.long
@settings(max_examples=tries(20, 200), deadline=None)
@given(plays())
def test_every_log_obeys_the_grammar(play: Play) -> None:
    outcome = carried_out(play)
    check_log(outcome.log)
    if play.way == "events":
        seen = len(outcome.read)
        assert outcome.read == outcome.log[:seen]
        assert seen == len(outcome.log) or not outcome.whole, "its reader gets all of it"


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays("chunks"))
def test_chunks_joined_are_the_transcript(play: Play) -> None:
    outcome = carried_out(play)
    if outcome.whole:
        shown = _less_retracted((chunk.event, chunk.content) for chunk in outcome.read)
        _check_shown(outcome, shown)
        for chunk in outcome.read:
            assert chunk.delta == chunk.content
            assert chunk.agent == chunk.event.agent


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays("chunks"))
def test_the_last_chunk_is_final_and_no_other(play: Play) -> None:
    outcome = carried_out(play)
    chunks: list[StreamChunk] = outcome.read
    final = [at for at, chunk in enumerate(chunks) if chunk.is_final]
    if not outcome.whole:
        assert final in ([], [len(chunks) - 1]), "its reader left, be it after the last one"
        return
    ended = outcome.error is None
    assert final == [len(chunks) - 1] * ended
    if ended:
        assert isinstance(chunks[-1].event, (RunFinished, RunCancelled))
        if play.shape != "concurrent":  # whose members each have a reason of their own
            assert chunks[-1].finish_reason == outcome.response.finish_reason


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays())
def test_tokens_passed_to_a_callback_are_the_transcript(play: Play) -> None:
    outcome = carried_out(play)
    assert "" not in outcome.tokens
    if play.shape != "concurrent":
        assert "".join(outcome.tokens) == outcome.response.transcript
    else:
        assert sorted("".join(outcome.tokens)) == sorted("".join(one.transcript for one in outcome.response))


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays("text"))
def test_text_is_the_transcript(play: Play) -> None:
    outcome = carried_out(play)
    if outcome.whole:
        whole = "".join(outcome.read)
        if play.shape != "concurrent":
            assert whole == outcome.response.transcript
        else:
            assert sorted(whole) == sorted("".join(one.transcript for one in outcome.response))


EVENTFUL = Part(
    turns=(
        ("Let me ", Fail(ConnectionResetError())),
        (Think("Hm."), Say(["I ", "ask."]), _call("below"), _call("telling"), _call("below")),
        (Say(["So."]), _call("transfer_to_heir")),
    ),
    below=Part(turns=((Say(["Wait ", "a ", "bit."]), _call("quick"), _call("slow")), (Say(["Here ", "it ", "is."]),))),
    heir=Part(turns=((Say(["Now ", "me."]),),)),
    restart=True,
)


@pytest.mark.parametrize("leave", ["break", "raise", "cancel"])
def test_a_run_can_be_left_after_any_event(leave: Leave) -> None:
    whole = carried_out(Play(part=EVENTFUL))
    assert whole.error is None
    for items in range(len(whole.log)):
        outcome = carried_out(Play(part=EVENTFUL, leave=leave, items=items))
        check_log(outcome.log)
        assert outcome.read == outcome.log[: len(outcome.read)]
        if leave == "cancel":
            assert outcome.read == outcome.log
        check_history(outcome.response.messages)


def test_a_timeout_at_the_last_token_changes_nothing() -> None:
    told = Part(turns=(("So.",),), clocks=Timeouts(run=0.5))
    outcome = carried_out(Play(part=told, way="chunks", pause=0.2))
    assert outcome.error is None
    assert outcome.read[-1].is_final
    assert not outcome.response.partial
    check_log(outcome.log)


def test_members_that_fail_together_cause_no_warning_of_the_event_loop() -> None:
    fails = [Agent(name=name, model=ScriptedModel([Fail(401)])) for name in ("one", "two", "three")]
    complaints: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        with pytest.raises(AuthenticationFailed):
            await ConcurrentWorkflow(fails).arun("Go.")
        gc.collect()  # a task says that nobody heard its error when it is let go of

    run_virtual(run())
    assert complaints == []


@pytest.mark.long
@settings(max_examples=tries(15, 150), deadline=None)
@given(plays())
def test_the_response_is_the_fold_of_the_events(play: Play) -> None:
    outcome = carried_out(play)
    response = outcome.response
    if not outcome.log:
        return  # never begun
    assert known(response) == known(tree_response(outcome.log))
    assert response.partial == (not isinstance(outcome.log[-1], RunFinished))
    if isinstance(outcome.error, HeadwaterError):
        assert isinstance(outcome.log[-1], RunFailed)
        assert outcome.error.response is not None
        assert known(outcome.error.response) == known(response)


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays())
def test_usage_is_the_last_report_of_each_attempt(play: Play) -> None:
    outcome = carried_out(play)
    last: dict[Any, Usage] = {}
    for event in outcome.log:
        if isinstance(event, UsageReported):
            last[event.run, event.step, event.attempt] = event.usage
    assert outcome.response.usage.to_dict() == sum(last.values(), start=Usage()).to_dict()


@pytest.mark.long
@settings(max_examples=tries(10, 100), deadline=None)
@given(plays())
def test_every_event_is_the_same_as_json_and_back(play: Play) -> None:
    for event in carried_out(play).log:
        assert decode(encode(event)) == event


# --- what is compared


def _less_retracted(told: Iterable[tuple[Event | None, str]]) -> dict[str, str]:
    """What each run has shown, less what it took back."""
    shown: dict[str, str] = defaultdict(str)
    for event, text in told:
        assert event is not None
        if isinstance(event, TextDelta):
            shown[event.run] += text
        elif isinstance(event, Retracted):
            shown[event.run] = shown[event.run][: len(shown[event.run]) - event.chars]
        else:
            assert not text
    return shown


def _check_shown(outcome: Outcome, shown: dict[str, str]) -> None:
    known: dict[str, Fold] = folds(outcome.log)
    for run, text in shown.items():
        assert text == known[run].transcript
    outermost, *below = known.values()
    assert outermost.started is not None
    # Who was not shown is an agent called as a tool, or has said nothing.
    for fold_ in (outermost, *below):
        started = fold_.started
        assert started is not None
        if started.run not in shown and started.call is None and not _in_a_tool(started.parent, known):
            assert fold_.transcript == ""


def _in_a_tool(run: str | None, known: dict[str, Fold]) -> bool:
    """Whether a run is called as a tool, or is part of one that is."""
    while run is not None and run in known:
        started = known[run].started
        assert started is not None
        if started.call is not None:
            return True
        run = started.parent
    return False
