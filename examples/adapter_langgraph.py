"""A graph of LangGraph as a workflow: its nodes are members. A model of LangChain's that needs no key answers."""

from typing import Annotated, Any, TypedDict

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from headwater.adapters import LangGraph

model = GenericFakeChatModel(messages=iter([AIMessage("Ask the almanac."), AIMessage("At 06:12.")]))


class State(TypedDict):
    """What the nodes share."""

    messages: Annotated[list[Any], add_messages]


async def plan(state: State) -> Any:
    """A node that asks a model."""
    return {"messages": [await model.ainvoke(state["messages"])]}


async def answer(state: State) -> Any:
    """Another one."""
    return {"messages": [await model.ainvoke(state["messages"])]}


graph = StateGraph(State).add_sequence([plan, answer]).add_edge(START, "plan").compile()

for chunk in LangGraph(graph, name="harbour").run_stream("When can we sail from Brest?"):
    if chunk.content:
        print(f"{chunk.agent}: {chunk.content}")
