"""One after the other: what each is asked, what comes back."""

from __future__ import annotations

from headwater import Agent, Message, SequentialWorkflow
from headwater.backends.offline import Fail, Finish, Say, Wait
from tests.support.members import asked, log_of, paced, parts, speaker, texts
from tests.support.virtual import run_virtual


def test_each_gets_the_task_and_the_answer_before_it() -> None:
    a, b, c = speaker("a"), speaker("b"), speaker("c")
    result = SequentialWorkflow([a, b, c]).run("Tell.")
    assert parts(asked(a)[0]) == ["Tell."]
    assert parts(asked(b)[0]) == ["Tell.", "a has answered:\n\na says hi there."]
    assert parts(asked(c)[0]) == ["Tell.", "b has answered:\n\nb says hi there."]
    assert result == "c says hi there."
    assert texts(result) == {name: f"{name} says hi there." for name in "abc"}
    assert result.transcript == "a says hi there.b says hi there.c says hi there."


def test_a_task_of_several_messages_is_passed_on_completely() -> None:
    a, b = speaker("a"), speaker("b")
    SequentialWorkflow([a, b]).run([Message.user("One."), Message.assistant("Two."), Message.user("Three.")])
    assert parts(asked(b)[0])[:3] == ["One.", "Two.", "Three."]
    assert [message.role for message in asked(b)[0].messages] == ["user", "assistant", "user", "user"]


def test_it_goes_round_with_the_last_output() -> None:
    a, b = speaker("a", "a1 ", "a2 "), speaker("b", "b1 ", "b2 ")
    workflow = SequentialWorkflow([a, b], max_loops=2)
    stream = workflow.run_stream("Tell.")
    chunks = list(stream)
    result = stream.response
    assert parts(asked(a)[1]) == ["Tell.", "b has answered:\n\nb1 "]
    assert texts(result) == {"a": "a2 ", "b": "b2 "}
    assert result.transcript == "a1 b1 a2 b2 " == "".join(chunk.content for chunk in chunks)
    # Each member's cost is that of all its rounds, so that theirs together are the whole's.
    assert sum(member.usage.output_tokens or 0 for member in result.members.values()) == result.usage.output_tokens
    assert result.members["a"].usage.output_tokens == 2 * (speaker("x", "a1 ").run("x").usage.output_tokens or 0)


def test_one_agent_alone_is_a_workflow_too() -> None:
    workflow = SequentialWorkflow([speaker("a")])
    assert workflow.run("Tell.") == "a says hi there."


def test_an_empty_answer_is_not_passed_on() -> None:
    a, b, c = speaker("a"), speaker("b", [Say([])]), speaker("c")
    result = SequentialWorkflow([a, b, c]).run("Tell.")
    assert parts(asked(c)[0]) == ["Tell.", "a has answered:\n\na says hi there."]
    assert texts(result)["b"] == ""


def test_what_broke_off_is_not_handed_on() -> None:
    a, c = speaker("a"), speaker("c")
    b = speaker("b", [Say("Half of "), Fail("overloaded_error")], retries=0)
    result = SequentialWorkflow([a, b, c], on_error="collect").run("Tell.")
    assert parts(asked(c)[0]) == ["Tell.", "a has answered:\n\na says hi there."]
    assert result == "c says hi there."
    assert result.error is None
    assert result.members["b"] == "Half of "
    assert type(result.members["b"].error).__name__ == "Overloaded"


def test_the_failure_of_the_last_member_is_reported() -> None:
    a, b = speaker("a"), speaker("b", [Say("Half of "), Fail(500)], retries=0)
    result = SequentialWorkflow([a, b], on_error="collect").run("Tell.")
    assert result == "Half of "
    assert type(result.error).__name__ == "ServerError"
    assert not result.partial  # the workflow itself came to its end


def test_the_response_is_the_last_members_with_the_whole_transcript() -> None:
    b = speaker("b", ["Cut sho", Finish("length")])

    async def main() -> None:
        stream = SequentialWorkflow([paced("a", 2), b], name="pair").run_stream("Tell.")
        events = await log_of(stream)
        result = await stream.result()
        assert result.finish_reason == "length"
        assert result.agent == "pair"
        assert result.run_id == events[0].run
        assert result.usage == events[-1].usage  # type: ignore[attr-defined]
        assert [message.role for message in result.messages] == ["user", "user", "assistant"]
        assert result.duration >= sum(member.duration for member in result.members.values()) - 1e-6

    run_virtual(main())


def test_only_one_member_runs_at_a_time() -> None:
    async def main() -> list[str]:
        return [event.agent for event in await log_of(SequentialWorkflow([paced("a"), paced("b")]).run_stream("x"))]

    order, seconds = run_virtual(main())
    assert "".join(dict.fromkeys(order)) == "sequential-workflowab"
    spoken = [name for name in order if name in "ab"]
    assert spoken == sorted(spoken)
    assert seconds == 10


def test_a_typed_last_answer_is_passed_on() -> None:
    b = Agent(name="b", model=speaker("b", "[1, 2]").model, output_type=list[int])
    assert SequentialWorkflow([speaker("a"), b]).run("Tell.").output == [1, 2]


def test_stopped_in_one_member_the_rest_never_runs() -> None:
    async def main() -> None:
        a, b = paced("a"), speaker("b", ["never", Wait(1)])
        stream = SequentialWorkflow([a, b]).run_stream("Tell.")
        async for event in stream.events():
            if event.type == "text.delta":
                stream.cancel()
        result = await stream.result()
        assert (result.partial, result.finish_reason) == (True, "cancelled")
        assert texts(result) == {"a": "a0 "}
        assert asked(b) == []

    run_virtual(main())
