from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Think, Wait
from headwater.events import Event, RunStarted, TextDelta
from headwater.testing import check_surface, sample_logs, shown_text
from headwater.web.wires.voice import Said, Voice
from tests.support.members import paced, speaker
from tests.support.streams import scripted
from tests.support.virtual import run_virtual


def heard(log: Sequence[Event]) -> list[Said]:
    voice = Voice()
    return [said for event in log for said in voice(event)]


def text(said: Sequence[Said], kind: str = "text") -> str:
    return "".join(one.text for one in said if one.kind == kind)


def logged(agent: Any, cancel_at: int | None = None) -> tuple[list[Event], str]:
    """A run's log, and the text of its Response."""

    async def main() -> tuple[list[Event], str]:
        stream = agent.run_stream("Go.")
        log = []
        try:
            async for event in stream.events():
                log.append(event)
                if len(log) == cancel_at:
                    stream.cancel()
        except Exception:
            assert log  # it stands in the log
        return log, str(stream.response)

    return run_virtual(main())[0]


def test_it_reads_every_log_and_changes_none() -> None:
    check_surface(Voice)


def test_an_agents_text_is_streamed_and_never_retracted() -> None:
    for name, log in sample_logs().items():
        first = log[0]
        if not isinstance(first, RunStarted) or first.workflow is not None or first.answer_tool:
            continue
        if any(event.type in ("child.started", "run.resumed") for event in log):
            continue
        if any(event.type == "attempt.failed" and getattr(event, "then", "") == "guard" for event in log):
            continue  # nothing said that this might be taken back
        voice, said = Voice(), ""
        for event in log:
            said += text(voice(event))
            assert shown_text(log).startswith(said), name
        if log[-1].run == first.run and log[-1].type in ("run.finished", "run.failed", "run.cancelled"):
            assert said == shown_text(log), name


def test_each_token_is_sent_at_once() -> None:
    log, _ = logged(scripted([Say(["a ", "b ", "c"])]))
    voice = Voice()
    at = [len(voice(event)) for event in log if isinstance(event, TextDelta) or not voice(event)]
    assert at.count(1) == 3


def restarting() -> Agent[Any, Any]:
    return scripted([Say(["wrong "]), Cut()], [Say(["right"])], on_interrupted="restart", retries=2)


def test_text_that_may_be_retracted_waits_for_the_end_of_its_step() -> None:
    log, answer = logged(restarting())
    assert "retracted" in [event.type for event in log]
    voice = Voice()
    when = {event.type for event in log if voice(event)}
    assert when == {"step.finished"}
    assert text(heard(log)) == answer == "right"


def test_a_sequence_streams_the_text_of_its_last_member() -> None:
    team = SequentialWorkflow([speaker("a"), paced("b", 3)], name="team")
    log, answer = logged(team)
    voice = Voice()
    said = [(event.path, one.text) for event in log for one in voice(event)]
    assert {path for path, _ in said} == {("team", "b")}
    assert [one for _, one in said] == ["b0", " ", "b1", " ", "b2", " "]
    assert answer == "b0 b1 b2 "
    nested, answer = logged(SequentialWorkflow([speaker("x"), team], name="top"))
    assert text(heard(nested)) == answer


@pytest.mark.parametrize(
    "team",
    [
        ConcurrentWorkflow([paced("a", 3), paced("b", 2, 0.7)], name="team"),
        GraphWorkflow([speaker("a"), speaker("b"), speaker("c")], edges=[("a", "b"), ("a", "c")], name="team"),
    ],
    ids=["concurrent", "graph"],
)
def test_concurrent_members_are_sent_at_the_end(team: Any) -> None:
    log, answer = logged(team)
    voice = Voice()
    *before, last = [voice(event) for event in log]
    assert not any(before)
    assert text(last) == answer
    assert "## " in answer


def test_a_cut_workflows_text_is_sent_at_its_end() -> None:
    log, answer = logged(ConcurrentWorkflow([paced("a", 30), paced("b", 20, 0.7)], name="team"), cancel_at=30)
    assert log[-1].type == "run.cancelled"
    assert text(heard(log)) == answer != ""


def test_the_agent_that_takes_over_continues() -> None:
    desk = scripted(Call("transfer_to_b"), name="a", handoffs=[speaker("b")])
    log, answer = logged(desk)
    assert "handoff" in [event.type for event in log]
    assert text(heard(log)).endswith(answer)
    assert answer == "b says hi there."


def test_an_agent_as_a_tool_is_not_sent() -> None:
    log, answer = logged(scripted(Call("b", {"task": "Go."}), [Say("Done.")], tools=[speaker("b")]))
    assert text(heard(log)) == answer == "Done."


def test_an_answer_tool_call_is_sent_at_the_end() -> None:
    def calls(request: Any) -> list[Any]:
        return ["Thinking aloud. ", Call(request.tools[-1].name, {"result": 7})]

    log, answer = logged(Agent(model=ScriptedModel(calls), output_type=int, output_mode="tool"))
    assert text(heard(log)) == answer


def test_reasoning_is_separate_and_so_are_its_parts() -> None:
    async def look() -> str:
        """Look."""
        return "seen"

    log, _ = logged(scripted([Think("Hm."), Call("look")], [Think("Aha."), Say("It is.")], tools=[look]))
    assert text(heard(log), "reasoning") == "Hm.\n\nAha."
    assert text(heard(log)) == "It is."


def test_a_refusal_is_sent_as_a_refusal() -> None:
    log = next(log for log in sample_logs().values() if any(getattr(event, "kind", "") == "refusal" for event in log))
    said = heard(log)
    assert text(said, "refusal")
    assert text(said) == shown_text(log)


def test_a_failure_adds_no_text() -> None:
    agent = Agent(model=ScriptedModel([[Say("Half "), Wait(1), Fail(OSError("gone"))]]), retries=0)
    log, _ = logged(agent)
    assert log[-1].type == "run.failed"
    assert text(heard(log)) == "Half "
