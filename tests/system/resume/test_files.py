"""A run that is saved, loaded from its file and resumed into it, at any event: as if nothing had happened."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

import pytest

from headwater import Agent, AgentStream, Message, Response, RunFile
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import HeadwaterError, HistoryInvalid
from headwater.events import Event, RunWaiting, ToolFinished, encode, tree_response
from headwater.events.history import unanswered
from headwater.events.messages import ToolResult
from headwater.events.questions import Answer, Question
from headwater.providers.request import Request
from headwater.readers.run_file import RunWriter
from headwater.testing import check_log
from tests.support.effort import tries
from tests.support.streams import scripted
from tests.support.virtual import run_virtual
from tests.system.resume.kills import _messages
from tests.system.resume.people import answer
from tests.system.resume.scenarios import add, book, charge, done

PICK: Final = {"name": "pick", "description": "Pick a file.", "parameters": {"type": "object", "properties": {}}}


class Program:
    """A random run: some steps of calls to approve, calls that ask, plain, bad and unknown ones, and the client's."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        chance = random.Random(seed)
        self._steps = [[self._call(chance) for _ in range(chance.randint(1, 4))] for _ in range(chance.randint(1, 3))]
        last = self._steps[-1]
        for _ in range(chance.randint(1, 2)):
            last.insert(chance.randint(0, len(last)), Call("pick", {}))

    def _call(self, chance: random.Random) -> Call:
        n = chance.randint(0, 9)
        return chance.choice(
            [
                Call("charge", {"cents": n}),
                Call("add", {"a": n, "b": 1}),
                Call("book", {"city": f"city {n}"}),
                Call("charge", {"cents": "many"}),
                Call("nobody", {}),
                Call("add", '{"a": 1'),
            ]
        )

    def agent(self) -> Agent[Any, Any]:
        """The agent, declared anew."""

        def turn(request: Request) -> Any:
            return ["I call. ", *self._steps[sum(one.role == "assistant" for one in request.messages)]]

        return Agent(
            name="random", model=ScriptedModel(turn), tools=[charge, add, book], client_tools=[PICK], max_steps=9
        )

    def decide(self, question: Question) -> Answer:
        """What a person says, who says the same in each process."""
        chance = random.Random(f"{self.seed} {question.tool} {question.arguments} {question.message}")
        if question.kind == "input":
            value = chance.randint(1, 9) if "nights" in question.message else "Ann"
            return Answer(content=value) if chance.random() < 0.8 else Answer(action="decline")
        for_run = chance.random() < 0.3
        return Answer(
            allowed=chance.random() < 0.6, for_run=for_run, arguments={"cents": 7} if chance.random() < 0.3 else None
        )

    def go(self, stream: AgentStream[Any], log: list[Event]) -> str:
        """Reads the run to its end into the log; returns the name of its error, or its finish reason."""

        async def read() -> None:
            async for event in stream.events():
                log.append(event)
                if isinstance(event, RunWaiting):
                    for question in stream.pending:
                        answer(stream, question, self.decide(question))

        try:
            run_virtual(read())
        except HeadwaterError as error:
            return type(error).__name__
        return str(stream.response.finish_reason)


@pytest.mark.parametrize("seed", range(tries(4, 400)))
def test_client_calls_along_with_all_others(seed: int, tmp_path: Path) -> None:
    program, log = Program(seed), list[Event]()
    done.clear()
    end = program.go(program.agent().run_stream("go"), log)
    check_log(log)
    if end == "tool_calls":
        _goes_on_with_the_clients_results(log)
    chance = random.Random(seed)
    for at in chance.sample(range(1, len(log)), min(5, len(log) - 1)):
        path = tmp_path / f"{at}.jsonl{chance.choice(['', '.gz'])}"
        RunWriter(path, log[0].run, log[:at]).close()
        file = RunFile(path)
        assert (list(file), file.cut) == (log[:at], False)
        again = [*file]
        done.clear()
        assert program.go(program.agent().resume(file, save=path), again) == end
        check_log(again)
        assert _messages(again) == _messages(log)
        assert list(map(encode, RunFile(path))) == list(map(encode, again))
        finished = {f"{event.run}/{event.call}" for event in log[:at] if isinstance(event, ToolFinished)}
        assert not [line for line in done if line.split(" ")[0] in finished]


def _goes_on_with_the_clients_results(log: list[Event]) -> None:
    """Its messages are a history only together with the results of the client's calls, all of which are open."""
    response = tree_response(log)
    assert isinstance(response, Response)
    messages = response.messages
    ids = unanswered(messages, by=("agent", "client"))
    assert ids
    assert not unanswered(messages, by=("agent",))
    with pytest.raises(HistoryInvalid) as caught:
        scripted("Heard.").run("More.", history=messages)
    assert {*caught.value.ids} == {*ids}
    results = Message.tool(*(ToolResult(id=one, name="pick", content="a.txt") for one in ids))
    assert scripted("Heard.").run([results, "More."], history=messages) == "Heard."
