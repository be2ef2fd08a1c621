"""The faces that every workflow has, and who may stand in one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import (
    Agent,
    AgentStream,
    ConcurrentWorkflow,
    GraphWorkflow,
    Response,
    SequentialWorkflow,
    Thread,
    Timeouts,
    ToolContext,
)
from headwater.backends.offline import Call, Say
from headwater.errors import ConfigurationError, LoopMisuse, RunTimeout, ToolCallInvalid, UnsupportedSetting
from headwater.events import Event, RunFinished, TextDelta, ToolFinished
from headwater.workflows.base import Workflow
from tests.support.members import asked, checked, ends, log_of, paced, parts, said, speaker, spoken, texts
from tests.support.virtual import run_virtual

KINDS: list[Any] = [SequentialWorkflow, ConcurrentWorkflow, GraphWorkflow]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


# --- running


@each_kind
def test_run_blocks_in_sync_code_and_is_awaitable_in_a_loop(kind: Any) -> None:
    workflow = kind([speaker("a")])
    assert str(workflow.run("Go.")) == str(workflow.run_sync("Go.")) == "a says hi there."

    async def main() -> None:
        assert str(await workflow.run("Go.")) == str(await workflow.arun("Go.")) == "a says hi there."
        with pytest.raises(LoopMisuse, match=r"await workflow\.run"):
            workflow.run_sync("Go.")
        with pytest.raises(LoopMisuse, match="async for"):
            iter(workflow.run_stream("Go."))
        both = await asyncio.gather(workflow.run("Go."), asyncio.create_task(workflow.run("Go.")))
        assert str(both[0]) == str(both[1])

    asyncio.run(main())


@each_kind
def test_a_workflow_has_no_per_run_state(kind: Any) -> None:
    async def main() -> None:
        workflow = kind([paced("a", 3), paced("b", 3)])
        results = await asyncio.gather(*(workflow.arun("Go.") for _ in range(20)))
        assert len({str(result) for result in results}) == 1
        assert len({result.run_id for result in results}) == 20

    run_virtual(main())


def test_repr_names_its_members() -> None:
    assert repr(SequentialWorkflow([speaker("a"), speaker("b")], name="pair")) == "SequentialWorkflow('pair', a, b)"


# --- who may stand in it


class Impostor:
    name = "impostor"


@each_kind
@pytest.mark.parametrize(
    ("agents", "said"),
    [
        ([], "has no agents"),
        ("ab", "agents= is str"),
        (None, "agents= is NoneType"),
        ({"a": 1}, "agents= is dict"),
        ([Impostor()], "cannot be a member of the workflow"),
        (["a"], "'a' cannot be a member of the workflow"),
    ],
)
def test_an_invalid_member_is_rejected_at_once(kind: Any, agents: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        kind(agents)


@each_kind
def test_members_names_are_unique_and_the_error_names_duplicates(kind: Any) -> None:
    agents = [speaker(name) for name in ("a", "b", "a", "c", "b")]
    with pytest.raises(ConfigurationError, match="In the workflow 'w' more than one member is named 'a', 'b'"):
        kind(agents, name="w")


@each_kind
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"max_concurrency": 0}, "max_concurrency is 0"),
        ({"streaming_callback": "print"}, "streaming_callback is 'print'"),
        ({"on_event": 3}, "on_event is 3"),
        ({"timeouts": 3}, "timeouts is 3"),
    ],
)
def test_a_wrong_argument_is_rejected_at_once(kind: Any, options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        kind([speaker("a")], **options)


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_loops_are_counted_from_one(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_loops is 0"):
        kind([speaker("a")], max_loops=0)


class Polite:
    """A member of one's own: a name, and a stream that is another agent's."""

    def __init__(self, name: str, agent: Agent[Any, Any]) -> None:
        self.name = name
        self._agent = agent

    def run_stream(self, message: Any, /, *, context: Any = None) -> AgentStream[Any]:
        return self._agent.run_stream([*message, "Please."], context=context)


@each_kind
def test_a_custom_member_runs_under_its_own_name(kind: Any) -> None:
    async def main() -> None:
        shared = speaker("shared")
        stream = kind([Polite("p", shared), Polite("q", shared)]).run_stream("Go.")
        events = await log_of(stream)
        result = await stream.result()
        assert texts(result) == {"p": "shared says hi there.", "q": "shared says hi there."}
        assert {event.agent for event in events[1:-1]} <= {"p", "q", events[0].agent}
        assert all("Please." in parts(request)[-1] for request in asked(shared))
        assert result.members["p"].agent == "p"

    run_virtual(main())


@each_kind
def test_five_deep(kind: Any) -> None:
    async def main() -> None:
        inner: Any = paced("leaf", 3)
        for level in range(5, 0, -1):
            inner = kind([speaker(f"before{level}"), inner], name=f"level{level}")
        stream = inner.run_stream("Go.")
        events = await log_of(stream)
        deepest = ("level1", "level2", "level3", "level4", "level5", "leaf")
        assert said(events)["/".join(deepest)] == "leaf0 leaf1 leaf2 "
        result: Any = await stream.result()
        for level in range(2, 6):
            result = result.members[f"level{level}"]
        assert result.members["leaf"] == "leaf0 leaf1 leaf2 "
        finish = ends(events)
        assert finish["level1"].usage.output_tokens == sum(  # type: ignore[attr-defined]
            end.usage.output_tokens  # type: ignore[attr-defined]
            for path, end in finish.items()
            if path.rpartition("/")[2].startswith(("leaf", "before"))
        )

    run_virtual(main())


# --- as an agent's tool


@each_kind
def test_a_workflow_is_an_agents_tool(kind: Any) -> None:
    async def main() -> None:
        team = kind([speaker("p"), speaker("q")], name="my team", description="Ask the team.")
        boss = speaker("boss", ["I ask. ", Call("my_team", {"task": "Do it."})], "Done.", tools=[team])
        stream = boss.run_stream("Go.")
        events = await log_of(stream)
        result = await stream.result()
        assert result == "Done."
        assert asked(boss)[0].tools[0].description == "Ask the team."
        assert parts(asked(team.agents[0])[0]) == ["Do it."]
        finished = next(event for event in events if isinstance(event, ToolFinished))
        assert finished.result == str(await team.arun("Do it."))
        own = result.usage.output_tokens or 0
        assert own > (await speaker("x", "I ask. Done.").arun("x")).usage.output_tokens  # type: ignore[operator]
        # What the team says is the team's: it shows in events and nowhere else.
        assert "".join([text async for text in speaker("b", "x", tools=[team]).run_stream("Go.").text()]) == "x"

    run_virtual(main())


def test_a_workflow_as_a_tool_is_called_as_declared() -> None:
    async def main() -> None:
        team = SequentialWorkflow([speaker("p")], name="team")
        wrong = [[Call("team", {"work": "Do it."})], [Call("team", {"task": " "})], [Call("team", "[]")]]
        with pytest.raises(ToolCallInvalid):
            await speaker("boss", *wrong, tools=[team]).arun("Go.")

    run_virtual(main())


# --- context


@each_kind
def test_context_reaches_every_members_tools_and_instructions(kind: Any) -> None:
    seen: list[Any] = []

    async def where(ctx: ToolContext[dict[str, str]]) -> str:
        """Say where."""
        seen.append(ctx.context)
        return ctx.context["port"]

    def instructions(context: dict[str, str]) -> str:
        return f"You are in {context['port']}."

    async def main() -> None:
        members = [
            speaker(name, [Call("where")], f"{name} knows.", tools=[where], instructions=instructions) for name in "ab"
        ]
        context = {"port": "Brest"}
        stream = kind([*members[:1], kind(members[1:], name="inner")]).run_stream("Go.", context=context)
        await log_of(stream)
        assert len(seen) == 2
        assert all(one is context for one in seen)
        for member in members:
            assert parts(asked(member)[0])[0] == "You are in Brest."

    run_virtual(main())


# --- callbacks


@each_kind
def test_a_callback_with_one_parameter_gets_the_tokens(kind: Any) -> None:
    tokens: list[str] = []
    result = kind([speaker("a"), speaker("b")]).run("Go.", streaming_callback=tokens.append)
    assert sorted("".join(tokens)) == sorted("".join(texts(result).values()))


@each_kind
@pytest.mark.parametrize("waits", [False, True], ids=["plain", "async"])
def test_a_callback_with_two_parameters_gets_the_agents_name(kind: Any, waits: bool) -> None:
    heard: dict[str, str] = {}

    def hear(name: str, token: str) -> None:
        heard[name] = heard.get(name, "") + token

    async def hear_later(name: str, token: str) -> None:
        await asyncio.sleep(0)
        hear(name, token)

    workflow = kind([speaker("a"), speaker("b")], streaming_callback=hear_later if waits else hear)
    assert texts(workflow.run("Go.")) == heard


@each_kind
def test_a_callback_with_three_parameters_gets_each_members_end(kind: Any) -> None:
    heard: list[tuple[str, str, bool]] = []

    def hear(name: str, token: str, is_final: bool) -> None:
        heard.append((name, token, is_final))

    result = kind([speaker("a"), speaker("b")]).run("Go.", streaming_callback=hear)
    for name, text in texts(result).items():
        mine = [(token, final) for who, token, final in heard if who == name]
        assert mine[-1] == ("", True)
        assert [final for _, final in mine].count(True) == 1
        assert "".join(token for token, _ in mine) == text
    assert {name for name, _, _ in heard} == {"a", "b"}


@each_kind
def test_a_callbacks_exception_is_counted_and_the_run_continues(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(token: str) -> None:
        raise ValueError(token)

    workflow = kind([speaker("a", streaming_callback=fail), speaker("b")], print_on=False)
    stream = workflow.run_stream("Go.", streaming_callback=fail, on_event=fail)
    tokens = list(stream.text())
    result = stream.response
    assert texts(result) == {"a": "a says hi there.", "b": "b says hi there."}
    if isinstance(result, Response):
        mine = result.members["a"].callback_errors
        assert mine == len(tokens) / 2
        assert result.callback_errors > len(tokens) + mine
    capsys.readouterr()


@each_kind
def test_a_members_own_callbacks_are_called_too(kind: Any) -> None:
    tokens: list[str] = []
    events: list[Event] = []
    member = speaker("a", streaming_callback=tokens.append, on_event=events.append)
    kind([member, speaker("b")]).run("Go.")
    assert "".join(tokens) == "a says hi there."
    assert {event.agent for event in events} == {"a"}
    assert (events[0].type, events[-1].type) == ("run.started", "run.finished")


@each_kind
def test_on_event_receives_the_whole_log(kind: Any) -> None:
    events: list[Event] = []
    kind([speaker("a"), speaker("b")], on_event=events.append).run("Go.")
    checked(events)


@each_kind
def test_stream_gives_callbacks_details(kind: Any) -> None:
    told: list[tuple[str, Any]] = []
    workflow = kind([speaker("a"), speaker("b")], stream=True, name="w")
    workflow.run("Go.", streaming_callback=lambda name, details: told.append((name, details)))
    content = "".join(details.get("content", "") for name, details in told if name == "a")
    assert content == "a says hi there."
    assert told[-1][0] == "w"
    assert told[-1][1]["finish_reason"] == "stop"
    assert told[-1][1]["usage"]


# --- costs and times


@each_kind
def test_who_cost_what_and_took_how_long(kind: Any) -> None:
    workflow = kind([speaker("a", "One."), speaker("b", "One two three four five.")])
    stream = workflow.run_stream("Go.")
    events = list(stream.events())
    result = stream.response
    members = result.members.values()
    assert all((member.usage.output_tokens or 0) > 0 for member in members)
    assert result.members["b"].usage.output_tokens > result.members["a"].usage.output_tokens
    assert result.usage.output_tokens == sum(member.usage.output_tokens for member in members)
    assert isinstance(events[-1], RunFinished)
    assert events[-1].usage.output_tokens == result.usage.output_tokens
    for member in members:
        assert 0 <= member.time_to_first_token <= member.duration <= result.duration


@each_kind
def test_the_runs_clock_ends_all(kind: Any) -> None:
    async def main() -> None:
        stream = kind([paced("a", 100), paced("b", 100)], timeouts=Timeouts(run=3.5)).run_stream("Go.")
        with pytest.raises(RunTimeout) as raised:
            await log_of(stream)
        assert texts(raised.value.response)["a"] == "a0 a1 a2 "
        assert raised.value.response.partial

    _, seconds = run_virtual(main())
    assert seconds == 3.5


def test_members_inherit_the_deadline() -> None:
    async def main() -> None:
        seen: list[float] = []

        async def ask(ctx: ToolContext[Any]) -> str:
            """Ask."""
            seen.append(ctx.deadline or 0)
            return "well"

        inner = SequentialWorkflow([speaker("a", [Call("ask")], "So.", tools=[ask])], name="inner")
        await SequentialWorkflow([inner], timeouts=Timeouts(run=60)).arun("Go.")
        assert seen[0] > 0

    run_virtual(main())


# --- chunks


def test_chunks_name_the_agent_and_report_each_end() -> None:
    async def main() -> None:
        workflow = ConcurrentWorkflow([paced("a", 2), speaker("b", [Say("Half "), Call("x")], "Whole.", tools=[])])
        chunks = [chunk async for chunk in workflow.run_stream("Go.")]
        assert [(c.agent, c.finish_reason) for c in chunks if c.finish_reason] == [
            ("b", "tool_calls"),
            ("b", "stop"),
            ("a", "stop"),
            ("concurrent-workflow", "stop"),
        ]
        assert chunks[-1].metadata is not None
        assert chunks[-1].metadata["tokens"]["output_tokens"] > 0

    run_virtual(main())


def test_a_workflow_accepts_any_iterable() -> None:
    made: Workflow[Any] = ConcurrentWorkflow(speaker(name) for name in "ab")
    assert [member.name for member in made.agents] == ["a", "b"]
    events = list(made.run_stream("Go.").events())
    assert spoken(events) == [(f"concurrent-workflow/{name}", f"{name} says hi there.") for name in "ab"]
    assert any(isinstance(event, TextDelta) for event in events)


@pytest.mark.parametrize(
    ("made", "ran", "said"),
    [
        ({"show_dashbord": True}, {}, r"Unknown argument show_dashbord=\. Did you mean show_dashboard=\?$"),
        ({}, {"thred": Thread()}, r"Unknown argument thred=\.$"),
        ({"dashboard": True}, {}, "Write show_dashboard=True"),
        ({"max_workers": 3}, {}, "Write max_concurrency="),
        ({}, {"img": "a.png"}, r"Image\(url="),
        ({}, {"thread": Thread()}, "does not keep a conversation"),
        ({}, {"temperature": 1}, "belongs to the agents"),
        ({}, {"show_dashboard": True}, "belongs to the workflow"),
    ],
)
def test_an_invalid_argument_is_reported_clearly(made: dict[str, Any], ran: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedSetting, match=said):
        ConcurrentWorkflow([speaker("a")], **made).run("x", **ran)
