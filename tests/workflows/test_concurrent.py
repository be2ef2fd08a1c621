"""All at once: the order of the results, what runs side by side, rounds."""

from __future__ import annotations

import random

import pytest

from headwater import Agent, ConcurrentWorkflow, Results
from headwater.backends.offline import Fail, Item, Say, ScriptedModel, Wait
from headwater.events import RunStarted, TextDelta
from tests.support.members import asked, log_of, paced, parts, speaker, texts
from tests.support.virtual import run_virtual


@pytest.mark.parametrize("seed", range(5))
def test_results_are_in_the_agents_order_whichever_ends_first(seed: int) -> None:
    names = [f"agent{number}" for number in range(12)]
    dice = random.Random(seed)
    agents = [paced(name, dice.randint(1, 9), dice.choice([0.1, 1, 3])) for name in names]

    async def main() -> Results:
        return await ConcurrentWorkflow(agents).arun("Go.")

    results, _ = run_virtual(main())
    assert [response.agent for response in results] == names
    assert list(results.names) == list(results.members) == list(results.to_dict()) == names
    assert all(text.startswith(name) for name, text in texts(results).items())


def test_all_are_at_work_at_once() -> None:
    async def main() -> None:
        events = await log_of(
            ConcurrentWorkflow([paced("a", 5, 1), paced("b", 2, 2.25), speaker("c")]).run_stream("Go.")
        )
        begun = [event.agent for event in events if isinstance(event, RunStarted)]
        assert begun == ["concurrent-workflow", "a", "b", "c"]
        words = [event.text for event in events if isinstance(event, TextDelta) and event.agent != "c"]
        assert "".join(words) == "a0 a1 b0 a2 a3 b1 a4 "

    _, seconds = run_virtual(main())
    assert seconds == 5


def test_everyone_gets_the_task_alone() -> None:
    agents = [speaker(name) for name in "abc"]
    ConcurrentWorkflow(agents).run("Tell.")
    assert [parts(asked(agent)[0]) for agent in agents] == [["Tell."]] * 3


def test_a_further_round_gets_everyones_answers() -> None:
    a, b = speaker("a", "a1", "a2"), speaker("b", "b1", "b2")
    results = ConcurrentWorkflow([a, b], max_loops=2).run("Tell.")
    for agent in (a, b):
        assert parts(asked(agent)[1]) == ["Tell.", "a has answered:\n\na1\n\nb has answered:\n\nb1"]
    assert texts(results) == {"a": "a2", "b": "b2"}
    assert sum(member.usage.output_tokens or 0 for member in results) == results.usage.output_tokens
    assert results.usage.output_tokens == 4 * (speaker("x", "a1").run("x").usage.output_tokens or 0)


def test_the_next_round_gets_no_partial_answers() -> None:
    a, b = speaker("a", "a1", "a2"), speaker("b", [Say("Half of "), Fail(500)], "b2", retries=0)
    results = ConcurrentWorkflow([a, b], max_loops=2, on_error="collect").run("Tell.")
    assert parts(asked(a)[1]) == ["Tell.", "a has answered:\n\na1"]
    assert texts(results) == {"a": "a2", "b": "b2"}
    assert results.errors == {}


@pytest.mark.parametrize("most", [1, 2, 3, 7, 20])
def test_no_more_are_at_work_than_max_concurrency(most: int) -> None:
    at_work = peak = 0

    async def main() -> None:
        nonlocal at_work, peak
        agents = [paced(f"agent{number}", 3) for number in range(10)]
        async for event in ConcurrentWorkflow(agents, max_concurrency=most).run_stream("Go.").events():
            at_work += (event.type == "child.started") - (event.type == "child.finished")
            peak = max(peak, at_work)

    _, seconds = run_virtual(main())
    assert peak == min(most, 10)
    assert seconds == 3 * -(-10 // most)


def test_a_thousand_agents() -> None:
    turn: list[Item] = [Wait(1), "Yes.", Wait(1)]
    model = ScriptedModel(lambda request: turn)

    async def main() -> Results:
        return await ConcurrentWorkflow([Agent(name=f"a{n}", model=model) for n in range(1000)]).arun("Go.")

    results, seconds = run_virtual(main())
    assert set(results) == {"Yes."}
    assert seconds == 2


def test_a_failed_member_keeps_its_slot() -> None:
    async def main() -> None:
        agents = [paced("a"), speaker("b", [Say("Half of "), Fail("overloaded_error")], retries=0), paced("c")]
        results = await ConcurrentWorkflow(agents, on_error="collect").arun("Go.")
        assert texts(results) == {"a": "a0 a1 a2 a3 a4 ", "b": "Half of ", "c": "c0 c1 c2 c3 c4 "}
        assert list(results.errors) == ["b"]
        assert results["b"].error is results.errors["b"]
        assert results["b"].partial
        assert not results.partial

    _, seconds = run_virtual(main())
    assert seconds == 5
