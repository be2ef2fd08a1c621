"""An answer's data while it is generated: partials, items and arguments, live, from a log, and after a restart."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace
from pydantic import BaseModel, Field

from headwater import Agent, AgentStream, ConcurrentWorkflow, GraphWorkflow, Partial, RunFile, SequentialWorkflow
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel
from headwater.errors import ConfigurationError, HeadwaterError, ItemsRestarted, OutputInvalid
from headwater.events import Event, MessageAdded, StepFinished
from headwater.events.checker import check_log
from headwater.runtime.played import Played
from tests.support.members import asked
from tests.support.virtual import run_virtual


class Tide(BaseModel):
    port: str
    hour: int = Field(ge=0, le=23)


class Report(BaseModel):
    title: str
    tides: list[Tide]


REPORT = '{"title": "Brest", "tides": [{"port": "Brest", "hour": 6}, {"port": "Le Conquet", "hour": 18}]}'
INVALID = '{"title": "x", "tides": [{"port": "a", "hour": 6}, {"port": "b", "hour": 99}, {"port": "c", "hour": 1}]}'


def letters(text: str) -> Say:
    """Text that arrives letter by letter, in as many reads."""
    return Say([*text])


def model(*turns: Any) -> ScriptedModel:
    """A model whose every piece is a read of its own: at this rate there is a pause after each."""
    return ScriptedModel(list(turns), rate=200)


def agent(*turns: Any, output_type: Any = Report, **options: Any) -> Agent[Any, Any]:
    return Agent(model=model(*turns), output_type=output_type, **options)


def in_a_workflow(*turns: Any) -> SequentialWorkflow:
    """An agent without an output type in a workflow, whose members may have one."""
    return SequentialWorkflow([agent(*turns, output_type=None)])


Seen = tuple[Any, tuple[Any, ...], str, bool]


def copied(partial: Partial) -> Seen:
    """A copy, since the value is live."""
    return copy.deepcopy(partial.value), partial.done, partial.appended, partial.restarted


async def every(view: Any) -> list[Any]:
    return [item async for item in view]


async def every_copy(view: Any) -> list[Seen]:
    return [copied(partial) async for partial in view]


def seen(stream: AgentStream[Any, Any], **options: Any) -> list[Seen]:
    """The partials that a reader gets."""
    return run_virtual(every_copy(stream.partials(**options)))[0]


def items_of(stream: AgentStream[Any, Any], *path: Any, **options: Any) -> list[Any]:
    return run_virtual(every(stream.items(*path, **options)))[0]


# --- partials


def test_the_data_grows_and_the_last_partial_is_the_answer() -> None:
    stream = agent([letters(REPORT)]).run_stream("q")
    partials = seen(stream)
    assert partials[-1][:2] == (json.loads(REPORT), ((),))
    assert stream.response.output == Report.model_validate_json(REPORT)
    titles = [value["title"] for value, _, appended, _ in partials if value and appended]
    assert titles[:5] == ["B", "Br", "Bre", "Bres", "Brest"]
    done = [path for _, paths, _, _ in partials for path in paths]
    assert done[:3] == [("title",), ("tides", 0, "port"), ("tides", 0, "hour")]
    assert done[-3:] == [("tides", 1), ("tides",), ()]
    assert not any(restarted for *_, restarted in partials)


def test_at_most_one_partial_a_read_and_none_without_news() -> None:
    partials = seen(agent([Say(['{"title": ', '"a', '", "tides"', ":", " [", "]", "} "])]).run_stream("q"))
    assert [(value, done, appended) for value, done, appended, _ in partials] == [
        ({}, (), ""),
        ({"title": "a"}, (), "a"),
        ({"title": "a"}, (("title",),), ""),
        ({"title": "a", "tides": []}, (), ""),
        ({"title": "a", "tides": []}, (("tides",),), ""),
        ({"title": "a", "tides": []}, ((),), ""),
    ]


def test_what_arrives_in_one_read_is_one_partial() -> None:
    whole = Agent(model=ScriptedModel([[letters(REPORT)]]), output_type=Report)
    (partial,) = seen(whole.run_stream("q"))[-1:]
    assert len(partial[1]) == 5
    assert partial[0] == json.loads(REPORT)


def test_sync_code_reads_the_same() -> None:
    said = '{"result": ["ab", "c"]}'
    live = seen(agent([letters(said)], output_type=list[str]).run_stream("q"))
    stream = agent([letters(said)], output_type=list[str]).run_stream("q")
    assert [copied(partial) for partial in stream.partials()] == live
    items = agent([letters(said)], output_type=list[str]).run_stream("q").items()
    assert next(items) == "ab"
    assert [*items] == ["c"]


def test_what_is_appended_has_a_place() -> None:
    partials = run_virtual(every(agent([letters(REPORT)]).run_stream("q").partials()))[0]
    assert {one.path for one in partials if one.appended} == {("title",), ("tides", 0, "port"), ("tides", 1, "port")}


def test_a_partial_is_live_and_an_earlier_answers_is_not_touched_by_the_next() -> None:
    kept = run_virtual(every(agent([letters('{"title": 1}')], [letters(REPORT)]).run_stream("q").partials()))[0]
    assert kept[1].value == {"title": 1}
    assert kept[-1].value == json.loads(REPORT)
    assert "restarted" in repr(next(one for one in kept if one.restarted))


@pytest.mark.parametrize(
    ("output_type", "said", "value"),
    [
        (list[int], '{"result": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (Report, f"Here:\n```json\n{REPORT}\n```\nAnything else?", json.loads(REPORT)),
        (dict[str, int] | int, '{"result": 5}', 5),
        (Literal["calm", "rough"], '{"result": "calm"}', "calm"),
    ],
)
def test_fences_and_the_wrapper_are_as_in_the_answer(output_type: Any, said: str, value: Any) -> None:
    for text in (Say([said]), letters(said)):
        partials = seen(agent([text], output_type=output_type).run_stream("q"))
        assert partials[-1][0] == value
        assert any(() in done for _, done, _, _ in partials)
        assert not any(restarted for *_, restarted in partials)


def test_an_answer_given_by_a_call_is_read_from_its_arguments() -> None:
    turn = ["Let me see [1].", Call("final_answer", [*REPORT])]
    stream = agent(turn, output_mode="tool").run_stream("q")
    partials = seen(stream)
    assert partials[-1][:2] == (json.loads(REPORT), ((),))
    assert stream.response.output == Report.model_validate_json(REPORT)


def test_without_an_output_type_the_text_decides() -> None:
    assert seen(in_a_workflow([letters('So: {"result": [1]}')]).run_stream("q"))[-1][0] == [1]
    assert seen(in_a_workflow(["Just words."]).run_stream("q")) == []


# --- what starts again


def answers(partials: list[Seen]) -> list[Any]:
    """The last value of each answer that was begun."""
    found: list[Any] = []
    for value, _, _, restarted in partials:
        if restarted or not found:
            found.append(value)
        else:
            found[-1] = value
    return found


def test_after_a_repair_everything_begins_anew() -> None:
    invalid = '{"title": "x", "tides": 5}'
    partials = seen(agent([letters(invalid)], [letters(REPORT)]).run_stream("q"))
    assert answers(partials) == [json.loads(invalid), json.loads(REPORT)]
    assert [one for one in partials if one[3]] == [(None, (), "", True)]


def test_after_a_retraction_everything_begins_anew() -> None:
    turns = ([letters('{"title": "Br'), Cut()], [letters(REPORT)])
    partials = seen(agent(*turns, on_interrupted="restart").run_stream("q"))
    assert answers(partials) == [{"title": "Br"}, json.loads(REPORT)]


def test_a_retry_before_any_text_restarts_nothing() -> None:
    partials = seen(agent(Fail(503), [letters(REPORT)]).run_stream("q"))
    assert answers(partials) == [json.loads(REPORT)]


def test_text_before_tools_restarts_only_what_was_shown() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    words = seen(agent(["Let me look.", Call("look")], [letters(REPORT)], tools=[look]).run_stream("q"))
    assert answers(words) == [json.loads(REPORT)]
    data = seen(agent([letters("[1]"), Call("look")], [letters(REPORT)], tools=[look]).run_stream("q"))
    assert answers(data) == [[1], json.loads(REPORT)]


def member(name: str, said: str, output_type: Any = None) -> Agent[Any, Any]:
    return agent([letters(said)], name=name, output_type=output_type)


def test_in_a_sequence_it_is_the_answer_of_whoever_speaks() -> None:
    flow = SequentialWorkflow([member("a", '{"result": [1]}', list[int]), member("b", "[2]", list[int])])
    assert answers(seen(flow.run_stream("q"))) == [[1], [2]]


def test_a_handoff_gives_the_answer_to_the_other_agent() -> None:
    expert = member("expert", "[2]", list[int])
    first = Agent(name="first", model=model(["[1] ", Call("transfer_to_expert")]), handoffs=[expert])
    assert answers(seen(first.run_stream("q")))[-1] == [2]


def test_one_of_several_agents_is_chosen_by_its_name() -> None:
    def together() -> ConcurrentWorkflow:
        return ConcurrentWorkflow([member(name, f'["{name}", {{"x": "{name * 9}"}}]') for name in ("a", "b")])

    for name in ("a", "b"):
        assert answers(seen(together().run_stream("q"), agent=name)) == [[name, {"x": name * 9}]]
        assert items_of(together().run_stream("q"), agent=name) == [name, {"x": name * 9}]


# --- items


def test_each_element_comes_once_validated_as_it_is_completed() -> None:
    stream = agent([letters(REPORT)]).run_stream("q")

    async def read() -> None:
        items = stream.items("tides")
        assert await anext(items) == Tide(port="Brest", hour=6)
        with pytest.raises(HeadwaterError, match="not ended"):
            assert stream.response
        assert [item async for item in items] == [Tide(port="Le Conquet", hour=18)]

    run_virtual(read())
    assert stream.response.output.tides == [Tide(port="Brest", hour=6), Tide(port="Le Conquet", hour=18)]


def test_leaving_items_closes_the_request() -> None:
    stream = agent([letters('{"result": [1, 2, 3]}')], output_type=list[int]).run_stream("q")
    for item in stream.items():
        assert item == 1
        break
    assert stream.response.finish_reason == "cancelled"


def test_items_equal_those_of_the_answer() -> None:
    class Prices(BaseModel):
        prices: list[Decimal | None]
        far: list[float]

    said = '{"prices": [0.1234567890123456789012345, "1.50", null], "far": [1e400, -Infinity]}'
    for path in ("prices", "far"):
        stream = agent([letters(said)], output_type=Prices).run_stream("q")
        assert items_of(stream, path) == getattr(stream.response.output, path)


def test_items_of_a_schema_are_plain_data() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    assert items_of(agent([letters('{"result": [1, 2]}')], output_type=schema).run_stream("q")) == [1, 2]


def test_a_list_inside_a_list() -> None:
    stream = agent([letters('{"result": [[1, 2], [3]]}')], output_type=list[list[float]]).run_stream("q")
    assert items_of(stream, (1,)) == [3.0]


def test_what_is_not_a_list_has_no_items() -> None:
    """Where the type is not known, as of a run from a log."""
    for path in ("title", (), "nothing"):
        assert items_of(in_a_workflow([letters(REPORT)]).run_stream("q"), path) == []


@pytest.mark.parametrize("options", [{}, {"agent": "a"}, {"output_type": str}])
def test_an_agent_without_an_output_type_is_refused_before_anything_is_sent(options: Any) -> None:
    writer = agent([letters(REPORT)], [letters(REPORT)], name="a", output_type=None)
    for read in (seen, lambda stream, **more: items_of(stream, "tides", **more)):
        with pytest.raises(ConfigurationError, match="The answer of 'a' is text: the agent has no output_type"):
            read(writer.run_stream("q"), **options)
    assert not asked(writer)
    assert len(items_of(writer.run_stream("q"), "tides", output_type=Report)) == 2


def test_a_reader_whom_another_agent_answers_is_told_the_first_ones_name() -> None:
    """A workflow's agents speak in turn: without a name the items are those of each."""

    def flow() -> AgentStream[Any, Any]:
        members = [agent([letters(REPORT)], name=name) for name in ("triage", "writer")]
        return GraphWorkflow(members, edges=[("triage", "writer")]).run_stream("q")

    with pytest.raises(ItemsRestarted, match=r"(?s)'writer', after 2 items of 'triage'.*pass agent=\"triage\"; "):
        items_of(flow(), "tides")
    assert len(items_of(flow(), "tides", agent="triage")) == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tidse", "There is no list at 'tidse': the answer has no 'tidse'. Did you mean items('tides')?"),
        ((), "There is no list at (): the answer is an object. Did you mean items('tides')?"),
        (("tides", 0, "port"), "what is at ('tides', 0, 'port') is a string."),
    ],
)
def test_a_path_at_which_the_answer_has_no_list_is_refused_before_anything_is_sent(path: Any, said: str) -> None:
    writer = agent([letters(REPORT)])
    with pytest.raises(ConfigurationError) as raised:
        items_of(writer.run_stream("q"), path)
    assert said in str(raised.value)
    assert not asked(writer)
    played = in_a_workflow([letters(REPORT)]).run_stream("q")
    with pytest.raises(ConfigurationError, match="There is no list"):
        items_of(played, path, output_type=Report)


def test_another_agent_may_have_a_list_where_the_first_one_has_none() -> None:
    expert = member("expert", '{"ports": [2]}', dict[str, list[int]])
    first = Agent(name="first", model=model([Call("transfer_to_expert")]), handoffs=[expert], output_type=Report)
    assert items_of(first.run_stream("q"), "ports") == [2]
    both = ConcurrentWorkflow([member("a", REPORT, Report), member("b", '{"ports": [2]}', dict[str, list[int]])])
    assert items_of(both.run_stream("q"), "ports", agent="b") == [2]


REPEATED = '{"tides": [{"port": "a", "hour": 1}, {"port": "b", "hour": 2}], "title": "x", "tides": [], "title": "y"}'


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("mode", ["native", "tool"])
def test_a_name_that_comes_twice_starts_the_answer_again(mode: Any, early: bool) -> None:
    """The last one counts, and what was yielded of the first one is not in the answer."""

    def stream(said: Any) -> AgentStream[Any, Any]:
        turn = [Call("final_answer", said)] if mode == "tool" else [Say(said)]
        return agent(turn, output_mode=mode).run_stream("q")

    for said in ([REPEATED], [*REPEATED]):
        assert seen(stream(said), early=early)[-1][0] == {"tides": [], "title": "y"}
    assert items_of(stream([REPEATED]), "tides", early=early) == []
    with pytest.raises(ItemsRestarted, match="after 2 of its items"):
        items_of(stream([*REPEATED]), "tides", early=early)
    again = items_of(stream([*REPEATED]), "tides", early=early, restarts="again")
    assert [tide.hour for tide in again] == [1, 2]


def test_an_invalid_item_is_not_yielded_nor_what_follows_it() -> None:
    stream = agent([letters(INVALID)], [letters(REPORT)]).run_stream("q")
    found: list[Any] = []

    async def read() -> None:
        async for item in stream.items("tides"):
            found.append(item)  # noqa: PERF401  # what comes before the error is kept

    with pytest.raises(ItemsRestarted, match="after 1 of its items"):
        run_virtual(read())
    assert found == [Tide(port="a", hour=6)]


def test_items_come_again_if_that_is_asked_for() -> None:
    stream = agent([letters(INVALID)], [letters(REPORT)]).run_stream("q")
    assert [item.hour for item in items_of(stream, "tides", restarts="again")] == [6, 6, 18]


def test_a_restart_before_the_first_item_is_none() -> None:
    turns = ([letters('{"title": "x", "tides": [{"port"'), Cut()], [letters(REPORT)])
    stream = agent(*turns, on_interrupted="restart").run_stream("q")
    assert [item.hour for item in items_of(stream, "tides")] == [6, 18]


# --- early


def first_step(stream: AgentStream[Any, Any]) -> StepFinished:
    """The first step of a kept log, which is valid."""
    check_log(stream.log)
    return next(event for event in stream.log if isinstance(event, StepFinished))


def test_the_first_part_that_cannot_be_valid_ends_the_request_and_is_sent_back() -> None:
    writer = agent([letters(INVALID)], [letters(REPORT)], keep_log=True)
    stream = writer.run_stream("q")
    assert answers(seen(stream, early=True))[-1] == json.loads(REPORT)
    assert stream.response.output == Report.model_validate_json(REPORT)
    first = first_step(stream)
    assert first.finish_reason == "cancelled"
    assert first.message is not None
    assert first.message.text == INVALID[: INVALID.index("99") + 3]
    (added,) = (event for event in stream.log if isinstance(event, MessageAdded))
    assert added.cause == "repair"
    assert "- tides[1].hour: must be less than or equal to 23, got 99" in added.message.text
    assert len(asked(writer)) == 2


def test_early_items_begin_anew_after_the_repair() -> None:
    stream = agent([letters(INVALID)], [letters(REPORT)]).run_stream("q")
    assert [item.hour for item in items_of(stream, "tides", early=True, restarts="again")] == [6, 6, 18]


def test_early_counts_as_a_repair() -> None:
    stream = agent(*([letters(INVALID)] for _ in range(4)), keep_log=True).run_stream("q")
    with pytest.raises(OutputInvalid, match=r"tides\[1\]\.hour"):
        seen(stream, early=True)
    assert first_step(stream).finish_reason == "cancelled"


def test_a_complete_answer_is_sent_back_as_usual() -> None:
    writer = Agent(model=ScriptedModel([[INVALID], [REPORT]]), output_type=Report, keep_log=True)
    stream = writer.run_stream("q")
    assert seen(stream, early=True)[-1][0] == json.loads(REPORT)
    assert first_step(stream).finish_reason == "stop"


def test_early_cuts_an_answer_given_by_a_call() -> None:
    turns = ([Call("final_answer", [*INVALID])], [Call("final_answer", [*REPORT])])
    stream = agent(*turns, output_mode="tool", keep_log=True).run_stream("q")
    assert seen(stream, early=True)[-1][0] == json.loads(REPORT)
    assert stream.response.output == Report.model_validate_json(REPORT)
    assert first_step(stream).finish_reason == "cancelled"


def test_early_in_a_member_of_a_workflow() -> None:
    first = agent([letters(INVALID)], [letters(REPORT)], name="a")
    flow = SequentialWorkflow([first, member("b", REPORT, Report)])
    events: list[Event] = []
    stream = flow.run_stream("q", on_event=events.append)
    assert seen(stream, early=True)[-1][0] == json.loads(REPORT)
    check_log(events)
    assert next(event for event in events if isinstance(event, StepFinished)).finish_reason == "cancelled"


def test_early_needs_a_type() -> None:
    assert seen(in_a_workflow([letters("[1]")]).run_stream("q"), early=True)[-1][0] == [1]


# --- arguments


def note(text: str, tags: list[str] | None = None) -> str:
    """Note."""
    return "noted"


def test_the_arguments_of_calls_while_they_are_written() -> None:
    turn = [Call("note", [*'{"text": "abc", "tags": ["x"]}']), Call("note", {"text": "d"})]
    stream = agent(turn, ["Done."], output_type=None, tools=[note]).run_stream("q")

    async def read() -> list[Any]:
        copies = stream.arguments()
        return [(one.call, one.name, one.agent, copy.deepcopy(one.value), one.appended) async for one in copies]

    found = run_virtual(read())[0]
    calls = [call for call, *_ in found]
    assert len(set(calls)) == 2
    assert {(name, who) for _, name, who, *_ in found} == {("note", "agent")}
    first = [(value, appended) for call, _, _, value, appended in found if call == calls[0]]
    assert first[:4] == [({}, ""), ({"text": ""}, ""), ({"text": "a"}, "a"), ({"text": "ab"}, "b")]
    assert first[-1][0] == {"text": "abc", "tags": ["x"]}
    assert found[-1][3] == {"text": "d"}


def test_the_arguments_of_a_retracted_call_are_dropped() -> None:
    turns = ([Call("note", [*'{"text": "ab']), Cut()], [Call("note", [*'{"text": "c"}'])], ["Done."])
    stream = agent(*turns, output_type=None, tools=[note], on_interrupted="restart").run_stream("q")
    found = [(value, restarted) for value, _, _, restarted in run_virtual(every_copy(stream.arguments()))[0]]
    assert found.count((None, True)) == 1
    assert found[found.index((None, True)) - 1] == ({"text": "ab"}, False)
    assert found[-1] == ({"text": "c"}, False)


def test_the_arguments_of_a_step_that_arrives_with_the_next_one() -> None:
    writer = agent([Call("note", {"text": "d"})], ["Done."], output_type=None, tools=[note], keep_log=True)
    stream = writer.run_stream("q")
    run_virtual(every(stream))
    log = [replace(event, time=1.0) for event in stream.log]
    (arguments,) = AgentStream(lambda: Played(log)).arguments()
    assert (arguments.value, arguments.restarted) == ({"text": "d"}, False)


def test_the_arguments_of_one_agents_calls() -> None:
    stream = agent([Call("note", {"text": "d"})], ["Done."], output_type=None, tools=[note]).run_stream("q")
    assert run_virtual(every(stream.arguments(agent="other")))[0] == []


def test_a_call_that_answers_is_not_among_the_arguments() -> None:
    stream = agent([Call("final_answer", [*REPORT])], output_mode="tool").run_stream("q")
    assert run_virtual(every(stream.arguments()))[0] == []


# --- from the log alone

RUNS: dict[str, Callable[[], Agent[Any, Any]]] = {
    "plain": lambda: agent([letters(REPORT)], keep_log=True),
    "wrapped": lambda: agent([letters('{"result": [1, 2]}')], output_type=list[int], keep_log=True),
    "repaired": lambda: agent([letters(INVALID)], [letters(REPORT)], keep_log=True),
    "retracted": lambda: agent(
        [letters('{"title": "Br'), Cut()], [letters(REPORT)], on_interrupted="restart", keep_log=True
    ),
    "call": lambda: agent([Call("final_answer", [*REPORT])], output_mode="tool", keep_log=True),
    "fence": lambda: agent([letters(f"So:\n```json\n{REPORT}\n```")], keep_log=True),
}


def later(events: tuple[Event, ...]) -> AgentStream[Any, Any]:
    return AgentStream(lambda: Played(events))


def story(partials: list[Seen]) -> list[Any]:
    """What was read, however it was divided into reads."""
    told: list[Any] = []
    for _, done, _, restarted in partials:
        told += [*["restarted"] * restarted, *done]
    return [*told, answers(partials)[-1]]


@pytest.mark.parametrize("run", RUNS)
def test_a_saved_run_shows_the_same(run: str) -> None:
    stream = RUNS[run]().run_stream("q")
    live = seen(stream)
    assert story(seen(later(stream.log))) == story(live)


def test_a_run_file_has_every_shape(tmp_path: Path) -> None:
    async def saved() -> None:
        await agent([letters(REPORT)]).arun("q", save=tmp_path / "run.jsonl.gz")

    run_virtual(saved())
    file = RunFile(tmp_path / "run.jsonl.gz")
    assert [partial.value for partial in file.play(0).partials()][-1] == json.loads(REPORT)
    assert list(file.play(0).items("tides")) == json.loads(REPORT)["tides"]
    assert list(file.play(0).items("tides", output_type=Report)) == Report.model_validate_json(REPORT).tides
    assert list(file.play(0).arguments()) == []


def test_early_does_not_change_a_saved_run() -> None:
    stream = RUNS["repaired"]().run_stream("q")
    live = seen(stream)
    assert story(seen(later(stream.log), early=True, output_type=Report)) == story(live)


def test_a_resumed_run_shows_its_new_part() -> None:
    stream = RUNS["repaired"]().run_stream("q")
    seen(stream)
    cut = next(at for at, event in enumerate(stream.log) if isinstance(event, MessageAdded))
    assert answers(seen(agent([letters(REPORT)]).resume(stream.log[:cut]))) == [json.loads(REPORT)]


# --- arguments of the faces


class Odd:
    pass


def test_wrong_arguments_are_refused() -> None:
    stream = agent([letters(REPORT)]).run_stream("q")
    odd: Any = 5.5
    with pytest.raises(ConfigurationError, match=r"path is 5\.5"):
        stream.items(odd)
    with pytest.raises(ConfigurationError, match=r"restarts is 5\.5"):
        stream.items(restarts=odd)
    with pytest.raises(ConfigurationError, match="output type"):
        stream.partials(output_type=Odd)


def test_the_error_that_ends_the_run_comes_out_of_the_loop() -> None:
    stream = agent([letters('{"title": "Br'), Fail(400)]).run_stream("q")
    found: list[Seen] = []

    async def read() -> None:
        async for partial in stream.partials():
            found.append(copied(partial))  # noqa: PERF401  # what comes before the error is kept

    with pytest.raises(HeadwaterError):
        run_virtual(read())
    assert found[-1][0] == {"title": "Br"}
