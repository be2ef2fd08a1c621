from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any, TypedDict

import pydantic
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

from headwater import Agent, ConcurrentWorkflow
from headwater.adapters import LangGraph
from headwater.adapters.langgraph import _Voice
from headwater.adapters.told import ToldRun
from headwater.errors import ConfigurationError
from headwater.events import ChildStarted, RunStarted, ToolFinished
from headwater.events.answers import tree_response
from headwater.testing import Call, Fail, ProviderSimulator, Say, ScriptedModel, check_log
from tests.adapters.asking import CALLS, CONVERSATION, check_break, logged, text_of, weather
from tests.adapters.test_told import told

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
"""The frameworks keep their HTTP clients open until the process ends."""
APIS = ["openai-chat", "openai-responses"]


def model(server: ProviderSimulator, api: str = "openai-chat") -> Any:
    # Before Python 3.12 asyncio.wait_for, which the chunk timeout uses, can lose a cancellation.
    timeout = {} if sys.version_info >= (3, 12) else {"stream_chunk_timeout": 0}
    responses = api == "openai-responses"
    return ChatOpenAI(
        model="gpt-5.4",
        base_url=server.url(api),
        api_key="key",
        use_responses_api=responses,
        stream_usage=True,
        max_retries=0,
        **timeout,
    )


def asked(server: ProviderSimulator, api: str = "openai-chat", **options: Any) -> LangGraph:
    return LangGraph(create_agent(model(server, api), tools=[weather], name="pilot", **options))


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]
    report: str


def graph(*nodes: Any, edges: list[tuple[Any, str]]) -> Any:
    made: Any = StateGraph(State)
    for node in nodes:
        made.add_node(node.__name__, node)
    for begin, end in edges:
        made.add_edge(begin, end)
    return made.compile()


def speaker(name: str, server: ProviderSimulator) -> Any:
    async def say(state: State) -> Any:
        return {"messages": [await model(server).ainvoke(state["messages"])]}

    say.__name__ = name
    return say


@pytest.mark.parametrize("api", APIS)
def test_an_answer_with_a_tool(api: str) -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        log = logged(asked(server, api))
    response: Any = tree_response(log)
    assert response == "It is sunny."
    assert response.transcript == "Let me look. \n\nIt is sunny."
    assert (response.agent, response.model, response.provider) == ("pilot", "gpt-5.4", "openai")
    assert response.usage.output_tokens == 15
    ended = next(event for event in log if isinstance(event, ToolFinished))
    assert (ended.name, ended.result, ended.error) == ("weather", "sunny in Paris", None)
    assert [event.type for event in log].count("step.started") == 2


def test_an_answer_as_a_type() -> None:
    class City(pydantic.BaseModel):
        name: str
        size: int

    with ProviderSimulator(['{"name": "Paris", "size": 2}']) as server:
        response = asked(server, response_format=City).run("Where?")
    assert response.output == City(name="Paris", size=2)


def test_a_graph_without_tools_is_a_workflow_of_its_nodes() -> None:
    names = ("plan", "left", "right", "join")
    with ProviderSimulator([name.title() + " says so." for name in ("plan", "one", "two", "join")]) as server:
        nodes = [speaker(name, server) for name in names]
        edges = [(START, "plan"), ("plan", "left"), ("plan", "right"), (["left", "right"], "join"), ("join", END)]
        log = logged(LangGraph(graph(*nodes, edges=edges), name="report"))
    response: Any = tree_response(log)
    assert response == "Join says so."
    assert sorted([text_of(log, "left"), text_of(log, "right")]) == ["One says so.", "Two says so."]
    started = log[0]
    assert isinstance(started, RunStarted)
    assert started.workflow is not None
    assert started.workflow.members == names
    assert ("plan", "left") in started.workflow.edges
    assert {event.path for event in log} == {("report",), *(("report", name) for name in names)}


def test_a_subgraph_is_the_node_that_it_is() -> None:
    with ProviderSimulator(["A plan.", CALLS, "It is sunny."]) as server:
        research = create_agent(model(server), tools=[weather], name="research")
        made: Any = StateGraph(State)
        made.add_node("plan", speaker("plan", server))
        made.add_node("research", research)
        made.add_edge(START, "plan")
        made.add_edge("plan", "research")
        log = logged(LangGraph(made.compile(), name="report"))
    assert tree_response(log) == "It is sunny."
    assert {event.path for event in log} == {("report",), ("report", "plan"), ("report", "research")}
    assert next(event for event in log if isinstance(event, ToolFinished)).agent == "research"


def test_an_agent_in_a_tool_is_a_run_below_the_call() -> None:
    with ProviderSimulator([[Call("ask", {"task": "How?"}, id="call_b")], CALLS, "Sunny.", "It is sunny."]) as server:
        inner = create_agent(model(server), tools=[weather], name="helper")

        async def ask(task: str) -> str:
            """Asks the helper."""
            answer = await inner.ainvoke({"messages": [{"role": "user", "content": task}]})
            return str(answer["messages"][-1].text)

        log = logged(LangGraph(create_agent(model(server), tools=[ask], name="desk")))
    assert tree_response(log) == "It is sunny."
    below = [event for event in log if isinstance(event, ChildStarted)]
    assert [(event.name, event.role, event.call) for event in below] == [("helper", "tool", "call_b")]
    assert text_of(log, "helper") == "Let me look. Sunny."


def test_the_state_and_the_output_are_functions() -> None:
    def write(state: State) -> Any:
        return {"report": state["report"].upper()}

    made = graph(write, edges=[(START, "write"), ("write", END)])
    agent = LangGraph(made, name="writer", state=lambda said: {"report": said[-1].text}, output="report")
    response = agent.run("tides")
    assert (response, response.output) == ("TIDES", "TIDES")


def test_its_error_has_the_partial_answer() -> None:
    with ProviderSimulator([[Say("It is "), Fail(ConnectionResetError())]]) as server:
        with pytest.raises(Exception, match=r".") as caught:
            asked(server).run("How is Paris?")
        assert str(caught.value.response) == "It is "  # type: ignore[attr-defined]


def test_break_closes_the_connection() -> None:
    check_break(asked)


def test_it_is_given_a_conversation_with_images() -> None:
    with ProviderSimulator(["Ann."]) as server:
        assert asked(server).run(CONVERSATION) == "Ann."
        sent = server.requests[0].json["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [part["type"] for part in sent[2]["content"]] == ["image_url", "text"]


def test_it_works_beside_agents_of_headwater() -> None:
    with ProviderSimulator([CALLS, "It is sunny."]) as server:
        members: list[Any] = [asked(server), Agent(name="poet", model=ScriptedModel(["Roses."]))]
        results = ConcurrentWorkflow(members, print_on=False).run("How is Paris?")
    assert (str(results["pilot"]), str(results["poet"])) == ("It is sunny.", "Roses.")


def test_an_interrupt_is_an_error() -> None:
    def ask(state: State) -> Any:
        interrupt("May I?")

    agent = LangGraph(graph(ask, edges=[(START, "ask")]), name="asks")
    with pytest.raises(ConfigurationError, match="interrupted in 'ask'"):
        asyncio.run(_run(agent))


async def _run(agent: LangGraph) -> Any:
    return await agent.arun("Go")


def test_messages_that_overlap_in_one_run_come_one_after_the_other() -> None:
    def overlap(run: ToldRun) -> None:
        voice = _Voice(run)
        for key, content in (("a", "One "), ("b", "Two "), ("a", "more."), ("b", "too.")):
            last = content.endswith(".")
            voice.hear(AIMessageChunk(content=content, id=key, chunk_position="last" if last else None), {})
        voice.hear(AIMessage(content="Three.", id="c"), {})

    log = told(overlap)
    check_log(log)
    response: Any = tree_response(log)
    assert response.transcript == "One more.\n\nTwo too.\n\nThree."


def test_a_graph_is_compiled_first() -> None:
    with pytest.raises(ConfigurationError, match=r"graph\.compile"):
        LangGraph(StateGraph(State))
    with pytest.raises(ConfigurationError, match="compiled graph"):
        LangGraph("graph")
