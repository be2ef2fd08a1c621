"""One agent gives the conversation to another: alone, in a chain, and inside a workflow."""

from __future__ import annotations

import pytest

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow, Thread, Usage
from headwater.backends.offline import Call, Fail, Say, ScriptedModel, Wait
from headwater.errors import ConfigurationError, Overloaded
from headwater.events import Handoff, tree_response
from tests.support.members import asked, log_of, parts, speaker, texts
from tests.support.virtual import run_virtual


def pair(*heir_says: object) -> tuple[Agent, Agent]:
    heir = speaker("heir", list(heir_says) or "I take over.", instructions="You are the heir.")
    giver = speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {"note": "He is angry."})], handoffs=[heir])
    giver.instructions = "You are the giver."
    return giver, heir


def test_the_other_one_answers() -> None:
    async def main() -> None:
        giver, heir = pair()
        stream = giver.run_stream("Help!")
        events = await log_of(stream)
        result = await stream.result()
        assert result == result.text == "I take over."
        assert result.transcript == "Let me see.\n\nI take over."
        assert result.agent == "heir"
        assert texts(result) == {"giver": "Let me see.", "heir": "I take over."}
        assert sum((one.usage for one in result.members.values()), Usage()) == result.usage
        assert next(e for e in events if isinstance(e, Handoff)).note == "He is angry."
        assert events[-1].usage == result.usage  # type: ignore[attr-defined]
        # The heir has the whole conversation, and its own instructions.
        request = asked(heir)[0]
        assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool"]
        assert parts(request)[:2] == ["You are the heir.", "Help!"]
        assert [message.role for message in result.messages] == ["user", "assistant", "tool", "assistant"]

    run_virtual(main())


def test_chunks_name_their_agent_and_are_the_transcript() -> None:
    giver, _ = pair()
    chunks = list(giver.run_stream("Help!"))
    assert "".join(chunk.content for chunk in chunks) == "Let me see.\n\nI take over."
    speakers = [chunk.agent for chunk in chunks if chunk.content]
    assert (speakers[0], speakers[-1]) == ("giver", "heir")
    assert [chunk.is_final for chunk in chunks].count(True) == 1
    assert chunks[-1].agent == "giver"


def test_inside_a_workflow_the_next_member_gets_the_successors_answer() -> None:
    giver, _ = pair()
    last = speaker("last")
    result = SequentialWorkflow([giver, last]).run("Help!")
    assert parts(asked(last)[0])[-1] == "giver has answered:\n\nI take over."
    assert texts(result) == {"giver": "I take over.", "last": "last says hi there."}
    assert result.transcript == "Let me see.\n\nI take over.last says hi there."


def test_a_chain_of_five() -> None:
    agents: list[Agent] = []
    for number in range(5, 0, -1):
        heirs = agents[-1:]
        turn = [Say(f"I am {number}. ")] + [Call(f"transfer_to_a{number + 1}", {}) for _ in heirs]
        agents.append(speaker(f"a{number}", turn, handoffs=heirs))

    async def main() -> None:
        stream = agents[-1].run_stream("Go.")
        events = await log_of(stream)
        assert max(event.path for event in events) == ("a1", "a2", "a3", "a4", "a5")
        result = await stream.result()
        assert result == "I am 5. "
        assert result.transcript == "\n\n".join(f"I am {number}. " for number in range(1, 6))

    run_virtual(main())


def test_a_workflow_sees_the_successors_failure() -> None:
    async def main() -> None:
        giver, _ = pair(Say("I take "), Fail("overloaded_error"))
        giver.handoffs[0].retries = 0
        other = speaker("other", [Wait(5), "Later."])
        results = await ConcurrentWorkflow([giver, other], on_error="collect").arun("Help!")
        assert texts(results) == {"giver": "I take ", "other": "Later."}
        assert isinstance(results["giver"].error, Overloaded)
        assert results["giver"].transcript == "Let me see.\n\nI take "

    run_virtual(main())


def test_of_two_handoffs_in_one_step_the_first_is_taken() -> None:
    heirs = [speaker("x"), speaker("y")]
    giver = speaker("giver", [Call("transfer_to_y", {}), Call("transfer_to_x", {})], handoffs=heirs)

    async def main() -> None:
        stream = giver.run_stream("Go.")
        await log_of(stream)
        assert await stream.result() == "y says hi there."
        assert asked(heirs[0]) == []

    run_virtual(main())


def test_two_with_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="transfer_to_x"):
        speaker("giver", handoffs=[speaker("x"), speaker("x")])


def test_the_terminal_shows_both(capsys: pytest.CaptureFixture[str]) -> None:
    giver, _ = pair()
    giver.streaming_on = True
    response = giver.run("Help!")
    assert capsys.readouterr().out == f"{response.transcript}\n"
    giver, _ = pair()
    giver.print_on = True
    response = giver.run("Help!")
    assert capsys.readouterr().out == f"{response}\n"


# --- the next turn


def desk() -> tuple[Agent, Agent, Agent]:
    """A front desk, and two behind it: billing may pass on to refunds, and refunds back to the front."""
    refunds = speaker("refunds")
    billing = speaker("billing", handoffs=[refunds])
    front = speaker("front", [Say("One moment."), Call("transfer_to_billing", {})], "Front again.", handoffs=[billing])
    return front, billing, refunds


def test_the_agent_that_took_over_continues_the_conversation() -> None:
    front, billing, _ = desk()
    thread = Thread()
    first = front.run("I was charged twice.", thread=thread)
    assert (first.agent, thread.agent) == ("billing", "billing")
    second = front.run("In May.", thread=thread)
    assert second == "billing says hi there."
    assert (second.agent, dict(second.members)) == ("billing", {})
    assert len(asked(front)) == 1
    assert parts(asked(billing)[-1])[-1] == "In May."
    assert parts(asked(billing)[-1])[0] == "I was charged twice."
    assert len(thread) == 6


def test_the_log_of_the_next_turn_is_that_agents() -> None:
    async def main() -> None:
        front, *_ = desk()
        thread = Thread(agent="billing")
        stream = front.run_stream("In May.", thread=thread)
        events = await log_of(stream)
        assert {event.path for event in events} == {("billing",)}
        assert tree_response(events).agent == "billing"  # type: ignore[union-attr]

    run_virtual(main())


def test_a_chain_is_followed_to_the_last_agent() -> None:
    front, billing, refunds = desk()
    billing.model = ScriptedModel([["I see.", Call("transfer_to_refunds", {})]])
    thread = Thread()
    response = front.run("I was charged twice.", thread=thread)
    assert texts(response) == {
        "front": "One moment.",
        "billing": "I see.",
        "refunds": "refunds says hi there.",
    }
    assert (response.agent, thread.agent) == ("refunds", "refunds")
    assert front.run("Thank you.", thread=thread).agent == "refunds"
    assert len(asked(refunds)) == 2


def test_it_may_be_turned_off() -> None:
    front, *_ = desk()
    front.sticky = False
    thread = Thread()
    assert front.run("I was charged twice.", thread=thread).agent == "billing"
    assert front.run("In May.", thread=thread) == "Front again."
    assert thread.agent == "front"


def test_a_way_back_leads_back() -> None:
    front, billing, _ = desk()
    billing.handoffs = (front,)
    billing.model = ScriptedModel([["It was us."], [Call("transfer_to_front", {})]])
    thread = Thread()
    assert front.run("I was charged twice.", thread=thread) == "It was us."
    response = front.run("Something else.", thread=thread)
    assert (response, response.agent) == ("Front again.", "front")
    assert [*response.members] == ["billing", "front"]
    assert thread.agent == "front"


def test_an_unknown_agent_of_a_thread_is_ignored() -> None:
    front, *_ = desk()
    thread = Thread(agent="nobody here")
    assert front.run("Hello.", thread=thread).agent == "billing"
    thread = Thread()
    front, *_ = desk()
    front.run("I was charged twice.", thread=thread)
    thread.agent = ""
    assert front.run("In May.", thread=thread) == "Front again."


def test_both_callbacks_receive_the_next_turn_and_its_options_apply() -> None:
    front, billing, _ = desk()
    heard: list[str] = []
    front.streaming_callback = lambda agent, token: heard.append(f"front hears {agent}")
    billing.streaming_callback = lambda token: heard.append("billing hears itself")
    thread = Thread(agent="billing")
    assert front.run("In May.", thread=thread, instructions="Be kind.", seed=3)
    assert set(heard) == {"front hears billing", "billing hears itself"}
    (request,) = asked(billing)
    assert parts(request)[0] == "Be kind."
    assert request.settings.seed == 3


def test_a_run_that_was_left_before_it_started_changes_nothing() -> None:
    front, *_ = desk()
    thread = Thread(agent="billing")
    stream = front.run_stream("In May.", thread=thread)
    stream.cancel()
    stream.close()
    assert thread.agent == "billing"
    assert front.run("In May.", thread=thread).agent == "billing"


def test_a_conversation_in_the_terminal_stays_with_the_agent_that_took_over(monkeypatch: pytest.MonkeyPatch) -> None:
    front, billing, _ = desk()
    said = iter(["In May.", "exit"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(said))
    front.interactive = True
    assert front.run("I was charged twice.") == "billing says hi there."
    assert len(asked(front)) == 1
    assert len(asked(billing)) == 2
