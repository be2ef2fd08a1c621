"""Selecting a part of a stream: by agent, by depth, and only the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import (
    Agent,
    AgentStream,
    ConcurrentWorkflow,
    GraphWorkflow,
    Response,
    SequentialWorkflow,
    StreamChunk,
)
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Wait
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.events import Event, Retracted, TextDelta, TextEnded, TextStarted
from headwater.readers.selection import Choice
from tests.support.effort import tries
from tests.support.members import SHAPES, Shape, as_tool, nested, paced, speaker
from tests.support.virtual import run_virtual


async def look() -> str:
    """Look."""
    await asyncio.sleep(2)
    return "seen"


def joined(chunks: list[StreamChunk]) -> str:
    return "".join(chunk.content for chunk in chunks)


async def chosen(stream: AgentStream[Any, Any], **choice: Any) -> list[StreamChunk]:
    chunks = [chunk async for chunk in stream.select(**choice)]
    assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    return chunks


async def timed(stream: AgentStream[Any, Any], **choice: Any) -> list[tuple[float, str]]:
    loop = asyncio.get_running_loop()
    return [(loop.time(), chunk.content) async for chunk in stream.select(**choice) if chunk.content]


# --- the choice itself


@pytest.mark.parametrize(
    ("choice", "path", "covered"),
    [
        ({}, "a/b/c", True),
        ({"agent": "c"}, "a/b/c", True),
        ({"agent": "b"}, "a/b/c", True),
        ({"agent": "b"}, "a", False),
        ({"agent": "b"}, "a/bb", False),
        ({"agent": ("b", "c")}, "a/b/c", True),
        ({"agent": ("b", "c")}, "a/b/c/d", True),
        ({"agent": ("a", "c")}, "a/b/c", False),
        ({"agent": ["b"]}, "a/b", True),
        ({"depth": 0}, "a", True),
        ({"depth": 0}, "a/b", False),
        ({"depth": 2}, "a/b/c", True),
        ({"depth": 1, "agent": "b"}, "a/b", True),
        ({"depth": 1, "agent": "b"}, "a/b/c", False),
    ],
)
def test_what_a_choice_includes(choice: Any, path: str, covered: bool) -> None:
    made = Choice.of(True, choice.get("agent"), choice.get("depth"))
    assert made is not None
    assert made.covers(tuple(path.split("/"))) is covered


@pytest.mark.parametrize(
    "choice", [{"agent": ""}, {"agent": []}, {"agent": [1]}, {"depth": -1}, {"depth": 1.5}, {"depth": True}]
)
def test_an_invalid_choice_is_refused_at_once(choice: Any) -> None:
    for name in ("select", "events"):
        with pytest.raises(ConfigurationError, match=next(iter(choice))):
            getattr(speaker("a").run_stream("Go."), name)(**choice)


# --- the answer only


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_answer_only_is_the_responses_text(shape: Shape) -> None:
    async def main() -> None:
        stream = shape().run_stream("Go.")
        chunks = await chosen(stream, final_only=True)
        result = await stream.result()
        if isinstance(result, Response):
            assert joined(chunks) == result.text
        else:
            for name, text in result.to_dict().items():
                assert joined([chunk for chunk in chunks if chunk.agent == name]) == text
        assert chunks[-1].metadata

        events = [event async for event in shape().run_stream("Go.").events(final_only=True)]
        assert events[-1].type == "run.finished"
        assert {type(event) for event in events[:-1]} == {TextStarted, TextDelta, TextEnded}
        deltas = [event.text for event in events if isinstance(event, TextDelta)]
        assert deltas == [chunk.content for chunk in chunks if chunk.content]

    run_virtual(main())


def test_only_the_last_members_text_is_streamed() -> None:
    async def main() -> None:
        workflow = SequentialWorkflow([paced("a", 3), paced("b", 3)], max_loops=2)
        assert await timed(workflow.run_stream("Go."), final_only=True) == [
            (at, text) for at, word in ((10.0, "b0"), (11.0, "b1"), (12.0, "b2")) for text in (word, " ")
        ]

    run_virtual(main())


def test_with_tools_text_is_held_until_it_is_known_to_be_the_answer() -> None:
    async def main() -> None:
        turns = [["I look. ", Call("look")], ["I look again. ", Call("look")], ["It ", Wait(1), "is ", Wait(1), "so."]]
        agent = speaker("a", *turns, tools=[look])
        stream = agent.run_stream("Go.")
        got = await timed(stream, final_only=True)
        assert "".join(text for _, text in got) == "It is so." == (await stream.result()).text
        assert {at for at, _ in got} == {6.0}

    run_virtual(main())


def test_text_before_a_call_is_the_answer_if_nothing_follows() -> None:
    async def main() -> None:
        stream = speaker("a", ["It is so.", Call("look")], [Say([])], tools=[look]).run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "It is so." == (await stream.result()).text

    run_virtual(main())


def test_an_invalid_answer_is_not_shown_before_it_is_corrected() -> None:
    async def main() -> None:
        agent: Agent[Any, int] = Agent(name="a", model=ScriptedModel(["three", "3"]), output_type=int)
        stream = agent.run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "3"

    run_virtual(main())


def test_of_several_loops_the_last_is_the_answer() -> None:
    async def main() -> None:
        agent = speaker("a", ["1 ", Wait(1)], ["2 ", Wait(1)], [Wait(1), "3", Wait(1), "!"], max_loops=3)
        assert await timed(agent.run_stream("Go."), final_only=True) == [(3.0, "3"), (4.0, "!")]

        silent = speaker("a", "1", [Say([])], max_loops=2)
        stream = silent.run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "1" == (await stream.result()).text

    run_virtual(main())


def test_text_along_with_an_answer_tool_call_is_not_the_answer() -> None:
    turn = [Say("I know."), Call("final_answer", {"result": 7})]

    async def main() -> None:
        chunks = await chosen(
            speaker("a", turn, output_type=int, output_mode="tool").run_stream("Go."), final_only=True
        )
        assert joined(chunks) == ""
        cut = speaker("a", [*turn, Wait(1)], output_type=int, output_mode="tool").run_stream("Go.")
        asyncio.get_running_loop().call_later(0.5, cut.cancel)
        assert joined(await chosen(cut, final_only=True)) == ""

    run_virtual(main())


def test_a_lead_is_not_part_of_the_answer() -> None:
    async def main() -> None:
        stream = speaker("a", "One.", "Two.", max_loops=2).run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "Two."
        assert stream.response.transcript == "One.\n\nTwo."

    run_virtual(main())


def test_a_refusal_is_not_text() -> None:
    async def main() -> None:
        stream = speaker("a", [Say("Well. "), Say("I will not.", refusal=True)]).run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "Well. " == stream.response.text
        looping = speaker("a", "Well. ", [Say("I will not.", refusal=True)], max_loops=2).run_stream("Go.")
        assert joined(await chosen(looping, final_only=True)) == "Well. " == looping.response.text

    run_virtual(main())


def test_retractions_are_reported_only_for_shown_text() -> None:
    async def main() -> None:
        def agent(**options: Any) -> Agent[Any, Any]:
            return speaker("a", ["Half ", Cut()], "Whole.", on_interrupted="restart", **options)

        shown = await chosen(agent().run_stream("Go."), final_only=True)
        assert [chunk.finish_reason for chunk in shown if chunk.finish_reason] == ["retracted", "stop"]
        held = await chosen(agent(tools=[look]).run_stream("Go."), final_only=True)
        assert joined(held) == "Whole."
        assert [chunk.finish_reason for chunk in held if chunk.finish_reason] == ["stop"]

    run_virtual(main())


def test_text_before_a_call_of_an_unknown_tool_is_retracted_unless_nothing_follows() -> None:
    async def main() -> None:
        for last, shown in (("Sunny.", "Sunny."), (Say("No.", refusal=True), "Let me look.")):
            agent = Agent(model=ScriptedModel([["Let me look.", Call("look")], [last]]))
            stream = agent.run_stream("Go.")
            said = ""
            for chunk in await chosen(stream, final_only=True):
                if isinstance(chunk.event, Retracted):
                    said = said[: len(said) - chunk.event.chars]
                said += chunk.content
            assert said == shown == stream.response.text

    run_virtual(main())


def test_text_before_a_retracted_step_is_the_answer_if_nothing_follows() -> None:
    async def main() -> None:
        again: list[Any] = ["I looked.", Cut()]
        model = ScriptedModel([["Let me look.", Call("look")], again, [Say("No.", refusal=True)]])
        stream = Agent(model=model, tools=[look], on_interrupted="restart").run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "Let me look." == stream.response.text

    run_virtual(main())


def test_text_of_a_failed_member_of_a_graph_is_not_the_answer_if_another_has_one() -> None:
    async def main() -> None:
        broken = Agent(name="b", model=ScriptedModel([["So far ", Cut()]]), retries=0)
        graph = GraphWorkflow(
            [speaker("a", "One."), broken, speaker("c", "Two.")], edges=[("a", "c")], on_error="collect"
        )
        stream = graph.run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "Two." == stream.response.text
        chain = GraphWorkflow([paced("a", 2), paced("b", 2)], edges=[("a", "b")], on_error="collect")
        at = await timed(chain.run_stream("Go."), final_only=True)
        assert [round(when - at[0][0]) for when, _ in at] == [0, 0, 1, 1], "the only end is shown as it comes"

    run_virtual(main())


def test_a_retraction_counts_the_delivered_text_without_its_lead() -> None:
    async def main() -> None:
        model = ScriptedModel([["First."], ["Half ", Cut()], ["Whole."]])
        stream = Agent(model=model, max_loops=2, on_interrupted="restart").run_stream("Go.")
        back = [chunk.event for chunk in await chosen(stream, final_only=True) if chunk.finish_reason == "retracted"]
        assert [event.chars for event in back if isinstance(event, Retracted)] == [len("Half ")]

    run_virtual(main())


def test_text_is_held_while_a_route_may_lead_back_to_its_node() -> None:
    async def main() -> None:
        members = [paced("a", 3), speaker("b", "Too early.", "Now.")]
        graph = GraphWorkflow(members, routes={"a": lambda said: "b"}, start=["a", "b"])
        stream = graph.run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "Now." == stream.response.text

    run_virtual(main())


def test_the_words_of_a_member_that_failed_are_the_answer_where_its_error_is_collected() -> None:
    async def main() -> None:
        broken = Agent(name="b", model=ScriptedModel([["So far ", "so good", Cut()]]), retries=0)
        inner = GraphWorkflow([speaker("a", "One."), broken], edges=[("a", "b"), ("b", "a")], start="a", name="inner")
        stream = SequentialWorkflow([inner], on_error="collect").run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "So far so good" == stream.response.text

        stream = inner.run_stream("Go.")
        with pytest.raises(HeadwaterError):
            await chosen(stream, final_only=True)

    run_virtual(main())


def test_of_a_graph_the_ends_are_the_answer() -> None:
    async def main() -> None:
        agents = [paced("a", 2), paced("b", 2), paced("c", 2), speaker("d")]
        ways: list[Any] = [("a", "b"), ("a", "c"), ("c", "d", lambda said: False)]
        got = [
            (chunk.agent, chunk.content)
            for chunk in await chosen(GraphWorkflow(agents, edges=ways).run_stream("Go."), final_only=True)
        ]
        assert "".join(text for name, text in got if name == "b") == "b0 b1 "
        assert "".join(text for name, text in got if name == "c") == "c0 c1 "
        assert {name for name, _ in got} == {"b", "c", "graph-workflow"}
        # From b no way leads on, so that its words came as they were said; c's were held to the end.
        at = await timed(GraphWorkflow(agents, edges=ways).run_stream("Go."), final_only=True)
        assert [text for _, text in at] == ["b0", " ", "b1", " ", "c0", " ", "c1", " "]
        assert [round(when - at[0][0]) for when, _ in at] == [0, 0, 1, 1, 1, 1, 1, 1]

    run_virtual(main())


def test_of_a_cycle_the_last_round_is_the_answer() -> None:
    async def main() -> None:
        writer, critic = speaker("writer", "draft 1", "draft 2"), speaker("critic", "no", "yes")
        ways: list[Any] = [("writer", "critic"), ("critic", "writer", lambda said: said == "no")]
        stream = GraphWorkflow([writer, critic], edges=ways, start="writer").run_stream("Go.")
        assert joined(await chosen(stream, final_only=True)) == "yes" == (await stream.result()).text

    run_virtual(main())


@pytest.mark.parametrize("end", [Fail(500), Cut()])
def test_a_missing_answer_is_not_shown(end: Any) -> None:
    async def main() -> None:
        stream = speaker("a", ["Half ", Call("look"), end], tools=[look], retries=0).run_stream("Go.")
        chunks = []
        with pytest.raises(HeadwaterError):
            chunks += [chunk async for chunk in stream.select(final_only=True)]
        assert chunks == []
        assert stream.response.text == "Half "

    run_virtual(main())


# --- by place


def test_one_member_alone() -> None:
    async def main() -> None:
        chunks = await chosen(nested().run_stream("Go."), agent="y")
        assert joined(chunks) == "y says hi there."
        assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop", "stop"]
        assert joined(await chosen(nested().run_stream("Go."), agent=("deep", "y"))) == "y says hi there."
        assert joined(await chosen(nested().run_stream("Go."), agent=("in", "y"))) == ""
        assert joined(await chosen(nested().run_stream("Go."), agent="nobody")) == ""

    run_virtual(main())


def test_a_workflow_in_it_is_all_its_members() -> None:
    async def main() -> None:
        assert joined(await chosen(nested().run_stream("Go."), agent="deep")) == "y says hi there.z says hi there."
        # Of what was chosen, the answer is what that came to.
        answer = await chosen(nested().run_stream("Go."), agent="deep", final_only=True)
        assert joined(answer) == "z says hi there."

    run_virtual(main())


def test_how_deep() -> None:
    async def main() -> None:
        for depth, said in enumerate(["", "a b ", "a x b ", "a x y z b "]):
            chunks = await chosen(nested().run_stream("Go."), depth=depth)
            speakers = dict.fromkeys(chunk.agent for chunk in chunks if chunk.content)
            assert sorted(speakers) == sorted(said.split())
        events = [event async for event in nested().run_stream("Go.").events(depth=1)]
        assert max(len(event.path) for event in events) == 2
        assert events[0].type == "run.started"

    run_virtual(main())


def test_an_agent_called_as_a_tool_is_shown_where_it_is_chosen() -> None:
    async def main() -> None:
        assert joined(await chosen(as_tool().run_stream("Go."), agent="q")) == "q says hi there." * 2
        assert "q says" not in joined([chunk async for chunk in as_tool().run_stream("Go.")])
        everyone = await chosen(as_tool().run_stream("Go."), depth=2)
        assert {chunk.agent for chunk in everyone if chunk.content} == {"top", "p", "q"}

    run_virtual(main())


def test_events_of_one_member_are_its_whole_log() -> None:
    async def main() -> None:
        events: list[Event] = [event async for event in nested().run_stream("Go.").events(agent="x")]
        assert events[0].type == "run.started"
        assert [event.type for event in events][-2:] == ["run.finished"] * 2
        assert {event.agent for event in events} == {"x", "top"}
        seqs = [event.seq for event in events]
        assert seqs == sorted(seqs)

    run_virtual(main())


def test_no_selection_is_everything() -> None:
    async def main() -> None:
        whole = [(chunk.agent, chunk.content) async for chunk in nested().run_stream("Go.")]
        assert [(c.agent, c.content) for c in await chosen(nested().run_stream("Go."))] == whole

    run_virtual(main())


# --- reading and leaving


def test_sync_code_reads_it_too() -> None:
    stream = nested(0).run_stream("Go.")
    assert joined(list(stream.select(final_only=True))) == "b says hi there." == stream.result_sync()
    assert [event.type for event in nested(0).run_stream("Go.").events(depth=0)][-1] == "run.finished"


def make_async(stream: AgentStream[Any, Any]) -> Any:
    return stream.select(agent="a")


def make_events(stream: AgentStream[Any, Any]) -> Any:
    return stream.events(agent="a")


@pytest.mark.parametrize("make", [make_async, make_events])
def test_leaving_a_selection_leaves_the_run(make: Callable[[AgentStream[Any, Any]], Any]) -> None:
    async def main() -> None:
        stream = ConcurrentWorkflow([paced("a", 100), paced("b", 100)]).run_stream("Go.")
        async for _ in make(stream):
            break
        assert stream.response.partial
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

        stream = ConcurrentWorkflow([paced("a", 100), paced("b", 100)]).run_stream("Go.")
        view = aiter(make(stream))
        await anext(view)
        await view.aclose()
        assert stream.response.partial
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtual(main())
    stream = ConcurrentWorkflow([paced("a", 100, 0), paced("b", 100, 0)]).run_stream("Go.")
    for _ in make(stream):
        break
    assert stream.response.partial


# --- any tree at all


def trees() -> st.SearchStrategy[Any]:
    """A tree of workflows as nested lists: its leaves are how many words an agent says, 0 for none at all."""
    kinds = st.sampled_from([SequentialWorkflow, ConcurrentWorkflow, "chain"])
    return st.recursive(
        st.integers(0, 3),
        lambda below: st.tuples(kinds, st.lists(below, min_size=1, max_size=3), st.integers(1, 2)),
        max_leaves=8,
    )


def grown(tree: Any, name: str) -> Any:
    if isinstance(tree, int):
        return paced(name, tree, 0.5)
    kind, below, loops = tree
    members = [grown(one, f"{name}{number}") for number, one in enumerate(below)]
    if kind == "chain":
        names = [member.name for member in members]
        return GraphWorkflow(members, edges=list(pairwise(names)), name=name)
    return kind(members, max_loops=loops, name=name)


@settings(max_examples=tries(15, 60), deadline=None)
@given(trees())
def test_in_any_tree_the_answer_only_is_the_answer(tree: Any) -> None:
    async def main() -> None:
        stream = grown(tree, "m").run_stream("Go.")
        chunks = await chosen(stream, final_only=True)
        for name, text in answers(await stream.result(), "m").items():
            assert joined([chunk for chunk in chunks if chunk.agent == name]) == text
        assert {chunk.agent for chunk in chunks if chunk.content} <= answers(await stream.result(), "m").keys()

    def answers(result: Any, name: str) -> dict[str, str]:
        """The text of each agent that the answer is made of: all of Results, the last of anything else."""
        if not result.members:
            return {name: result.text}
        members = list(result.members.items())
        if not isinstance(result, Response) or _is_concurrent(result):
            return {leaf: text for key, one in members for leaf, text in answers(one, key).items()}
        key, one = members[-1]
        return answers(one, key)

    def _is_concurrent(result: Response[Any]) -> bool:
        at: Any = ("m", tree)
        for digit in result.agent[1:]:
            at = (at[0] + digit, at[1][1][int(digit)])
        return at[1][0] is ConcurrentWorkflow

    run_virtual(main())


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("wrtier", "No agent of this run is named 'wrtier', so nothing of it was selected. Did you mean 'writer'?"),
        (("team", "nobody"), "There were 'team', 'writer', 'editor'."),
        ("writer", ""),
    ],
)
def test_a_name_that_nobody_had_is_told_at_the_end(agent: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    members = [Agent(name=name, model=ScriptedModel(["Hi."])) for name in ("writer", "editor")]
    with caplog.at_level("WARNING", "headwater"):
        chunks = [*SequentialWorkflow(members, name="team").run_stream("q").select(agent=agent)]
    assert ("".join(chunk.content for chunk in chunks) == "Hi.") == (not said)
    assert (said in caplog.text) if said else not caplog.text
