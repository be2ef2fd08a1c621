from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import pytest

from headwater import MCP, Agent, Thread
from headwater.events import Event, ToolFinished
from headwater.providers.request import Request, ToolSpec
from headwater.testing import Call, ScriptedModel, check_log
from headwater.tools.mcp.search import DEFER_ABOVE, MAX_FOUND, SearchTool, ranked, words_of
from tests.support.mcp_server import server

SPECS = [
    ToolSpec(name="create_issue", description="Open a new issue in a repository."),
    ToolSpec(name="listPullRequests", description="List the pull requests of a repository."),
    ToolSpec(name="send_mail", description="Send a message.", parameters={"properties": {"recipient": {}}}),
]


def names(query: str) -> list[str]:
    return [spec.name for spec in ranked(query, SPECS)]


def test_words_of_names_and_sentences() -> None:
    assert words_of("listPullRequests", "read_file-now") == {"list", "pull", "requests", "read", "file", "now"}


@pytest.mark.parametrize(
    ("query", "best"),
    [("open an issue", "create_issue"), ("pull request", "listPullRequests"), ("recipients", "send_mail")],
)
def test_the_best_comes_first(query: str, best: str) -> None:
    assert names(query)[0] == best


def test_rare_words_and_names_count_more() -> None:
    assert names("repository issue")[0] == "create_issue"
    assert names("weather") == []


def test_a_query_is_a_text() -> None:
    search = SearchTool("search", "git", SPECS)
    for arguments in ({}, {"query": " "}, "x"):
        with pytest.raises(ValueError, match="query"):
            search.validate(arguments)


class Seen:
    """A model that says these turns, and the names of the tools in each request to it."""

    def __init__(self, *turns: Any) -> None:
        self.tools: list[list[str]] = []
        self._turns = iter(turns)
        self.model = ScriptedModel(self._answer)

    def _answer(self, request: Request) -> Any:
        self.tools.append([tool.name for tool in request.tools])
        return next(self._turns)


def test_with_many_tools_the_model_gets_a_search_and_what_it_finds() -> None:
    seen = Seen([Call("search_big", {"query": "extra 7"})], [Call("extra_7", {})], ["done"])
    log = list(Agent(model=seen.model, tools=[MCP(server(extra=200), name="big")]).run_stream("go").events())
    check_log(log)
    assert seen.tools[0] == ["search_big"]
    assert seen.tools[1][:2] == ["search_big", "extra_7"]
    assert len(seen.tools[1]) == 1 + MAX_FOUND
    assert [event.result for event in log if isinstance(event, ToolFinished)][1] == "x"


def test_a_few_tools_are_all_described_unless_you_say_otherwise() -> None:
    few, deferred, many = Seen(["done"]), Seen(["done"]), Seen(["done"])
    Agent(model=few.model, tools=[MCP(server())]).run("go")
    Agent(model=deferred.model, tools=[MCP(server(), name="few", defer=True)]).run("go")
    Agent(model=many.model, tools=[MCP(server(extra=200), defer=False)]).run("go")
    assert "add" in few.tools[0]
    assert deferred.tools == [["search_few"]]
    assert len(many.tools[0]) > 200
    assert DEFER_ABOVE == 40


def test_what_was_found_is_offered_in_the_next_run_of_the_conversation() -> None:
    thread, one = Thread(), MCP(server(), name="few", defer=True)
    first, second = Seen([Call("search_few", {"query": "add numbers"})], ["done"]), Seen(["done"])
    Agent(model=first.model, tools=[one]).run("go", thread=thread)
    Agent(model=second.model, tools=[one]).run("on", thread=thread)
    assert "add" in second.tools[0]


TURNS: Final = ([Call("search_few", {"query": "add numbers"})], [Call("add", {"a": 1, "b": 2})], ["done"])


def test_what_was_found_is_offered_after_resuming_anywhere() -> None:
    async def main() -> None:
        one = MCP(server(), name="few", defer=True)
        log: list[Event] = [
            event async for event in Agent(model=Seen(*TURNS).model, tools=[one]).run_stream("go").events()
        ]
        for cut in range(1, len(log)):
            past = log[:cut]
            seen = Seen(*TURNS[sum(event.type == "step.finished" for event in past) :])
            resumed = Agent(model=seen.model, tools=[one]).resume(past)
            whole = [*past, *[event async for event in resumed.events()]]
            check_log(whole)
            assert [event.result for event in whole if isinstance(event, ToolFinished) and event.name == "add"] == ["3"]

    asyncio.run(main())


def test_the_tools_of_two_hundred_cost_a_twentieth_at_most() -> None:
    def size(defer: bool) -> int:
        sent: list[int] = []

        def answer(request: Request) -> list[str]:
            sent.append(sum(len(json.dumps([one.name, one.description, one.parameters])) for one in request.tools))
            return ["done"]

        Agent(model=ScriptedModel(answer), tools=[MCP(server(extra=200), defer=defer)]).run("hello")
        return sent[0]

    assert size(True) * 20 <= size(False)
