"""Runs of every kind, each the same whenever it is made: what a model says depends on what it is asked alone.

Owns the declarations, and the people who answer and speak in them; `kills` stops them at every event and goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headwater import Agent, AgentStream, ToolContext, tool
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Think, Turn, Wait
from headwater.errors import ConfigurationError
from headwater.events import Event
from headwater.events.questions import Answer, Question
from headwater.providers.request import Request, ToolSpec
from headwater.tools.outcome import ToolOutcome
from headwater.tools.work import OnUnknown, Work
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.streams import always
from tests.system.resume.people import Attending, People, Saying

__all__ = ("SCENARIOS", "Pace", "Scenario", "done")


class Done(list[str]):
    """What tools have done; where it is to outlive its process, each is written to the file `kept` at once."""

    kept: int | None = None

    def append(self, what: str) -> None:
        """A tool has done something."""
        super().append(what)
        if self.kept is not None:
            os.write(self.kept, what.encode() + b"\n")


done: Final = Done()
"""What tools have done, in order: `run/call name arguments`."""


@dataclass(frozen=True)
class Scenario:
    """A run that can be made again and again; calling it returns the declaration."""

    make: Callable[[], Any]
    people: Callable[[], Attending] = People
    """Who answers and speaks, anew for each process."""
    later: Callable[[], Any] | None = None
    """What it is declared as in a process that goes on with it, where that is something else."""
    ends: tuple[str, ...] = ()
    """The ends that are right, texts or the names of errors, where it depends on where it was stopped."""

    def __call__(self) -> Any:
        return self.make()


@tool
async def weather(city: str, ctx: ToolContext[Any]) -> str:
    """Tell the weather."""
    ctx.emit({"looking": city})
    done.append(f"{ctx.idempotency_key} weather {city}")
    return f"sunny in {city}"


@tool
async def add(a: int, b: int, ctx: ToolContext[Any]) -> int:
    """Add two numbers."""
    done.append(f"{ctx.idempotency_key} add {a} {b}")
    return a + b


class Pace:
    """Seconds before each piece of an answer, where a run is to last; no event tells of it."""

    seconds = 0.0


def by_step(*turns: Any, **more: Any) -> ScriptedModel:
    """A model that gives the turn of the step it is in, counted from the last message of a user."""

    def turn(request: Request) -> Any:
        answers = 0
        for message in reversed(request.messages):
            if message.role == "user":
                break
            answers += message.role == "assistant"
        pieces = turns[min(answers, len(turns) - 1)]
        return [one for piece in pieces for one in (Wait(Pace.seconds), piece)] if Pace.seconds else pieces

    return ScriptedModel(turn, **more)


def plain() -> Any:
    model = by_step(
        [Think("Hm, let me see."), "I will look. ", Call("weather", {"city": "Paris"}), Call("add", {"a": 1, "b": 2})],
        ["Then more. ", Call("weather", {"city": "Rome"})],
        ["All is well in Paris and Rome, the sum is three."],
    )
    return Agent(name="plain", tools=[weather, add], model=model)


def flaky() -> Any:
    asked = [0]

    def turn(request: Request) -> Turn:
        asked[0] += 1
        if asked[0] == 1:
            return [Fail(429, retry_after=0.001)]
        if asked[0] == 2:
            return ["A broken beginning", Cut()]
        if asked[0] == 3:
            return [Fail(500)]
        if request.messages[-1].role == "tool":
            return ["done, eleven."]
        return ["whole ", Call("add", {"a": 5, "b": 6})]

    spare = by_step(
        ["fallback says ", Call("add", {"a": 5, "b": 6})], ["fallback ends."], model="other", provider="other"
    )
    return Agent(
        name="flaky", tools=[add], model=ScriptedModel(turn), fallback=[spare], retries=2, on_interrupted="restart"
    )


def delegate() -> Any:
    helper = Agent(
        name="helper",
        description="Helps.",
        tools=[weather],
        model=by_step(["Helping: ", Call("weather", {"city": "Oslo"})], ["Oslo is fine."]),
    )
    model = by_step(
        ["I ask. ", Call("helper", {"task": "look"}), Call("add", {"a": 2, "b": 2})], ["The helper said it all."]
    )
    return Agent(name="boss", tools=[helper, add], model=model)


def handoff() -> Any:
    billing = Agent(
        name="billing",
        tools=[add],
        model=by_step(["(the one before)"], ["Billing here. ", Call("add", {"a": 7, "b": 1})], ["It is eight."]),
    )
    model = by_step(["Moment. ", Call("weather", {"city": "Bern"}), Call("transfer_to_billing", {"note": "please"})])
    return Agent(name="front", tools=[weather], handoffs=[billing], model=model)


@dataclass
class City:
    """A city."""

    name: str
    size: int


def repair() -> Any:
    answers = [
        '{"name": "Paris"}',
        '{"name": "Paris", "size": 3}',
        '{"name": "Rome", "siz": 3}',
        '{"name": "Rome", "size": 4}',
    ]
    model = ScriptedModel(lambda request: [answers[sum(one.role == "assistant" for one in request.messages)]])
    return Agent(name="repair", output_type=City, max_loops=2, model=model)


def bad_calls() -> Any:
    model = by_step(
        [Call("add", {"a": "x"}), Call("nobody", {})],
        [Call("add", {"a": "y", "b": 1}), Call("add", '{"a": 1')],
        ["ok ", Call("add", {"a": 1, "b": 1})],
        ["fine, two."],
    )
    return Agent(name="bad", tools=[add], model=model)


def bad_calls_only() -> Any:
    model = by_step([Call("add", {"a": "x"})], [Call("add", {"a": "y"})], [Call("add", {"a": "z"})], ["never."])
    return Agent(name="wrong", tools=[add], model=model)


def gives_up() -> Any:
    model = by_step(["say ", Call("add", {"a": 1, "b": 1})], ["half an answer", Cut()])
    return Agent(name="tired", tools=[add], model=model)


def too_many_steps() -> Any:
    model = by_step(*[[f"{n} ", Call("add", {"a": n, "b": 1})] for n in range(5)])
    return Agent(name="busy", tools=[add], model=model, max_steps=2)


def client_calls() -> Any:
    model = by_step(["mine and yours ", Call("add", {"a": 1, "b": 1}), Call("pick", {"n": 1}, by="client")])
    return Agent(name="front", tools=[add], model=model)


def _member(name: str, *turns: Any) -> Agent[Any, Any]:
    return Agent(name=name, tools=[weather, add], model=by_step(*turns))


def sequential() -> Any:
    return SequentialWorkflow(
        [
            _member("one", ["first ", Call("add", {"a": 1, "b": 1})], ["one is done"]),
            _member("two", ["two is done"]),
            _member("three", [Call("weather", {"city": "Rome"})], ["three is done"]),
        ]
    )


def concurrent() -> Any:
    return ConcurrentWorkflow(
        [
            _member("one", ["first ", Call("add", {"a": 1, "b": 1})], ["one is done"]),
            _member("two", ["two is done"]),
            _member("three", [Call("weather", {"city": "Rome"})], ["three is done"]),
        ],
        max_loops=2,
    )


def graph_with_a_cycle() -> Any:
    def drafts(request: Request) -> Any:
        told = sum("review has answered" in one.text for one in request.messages)
        return [f"draft after {told} reviews"]

    def reviews(request: Request) -> Any:
        return ["good" if "after 1" in request.messages[-1].text else "again, please"]

    return GraphWorkflow(
        [
            Agent(name="write", model=ScriptedModel(drafts)),
            Agent(name="review", model=ScriptedModel(reviews)),
            _member("publish", [Call("add", {"a": 1, "b": 1})], ["out it goes"]),
        ],
        edges=[
            ("write", "review"),
            ("review", "write", lambda response: "again" in response),
            ("review", "publish", lambda response: "good" in response),
        ],
        start="write",
    )


def nested() -> Any:
    broken = Agent(name="broken", model=always("half ", Fail(400)))
    inner = ConcurrentWorkflow([_member("left", ["left"]), broken], name="inner", on_error="collect")
    return SequentialWorkflow([inner, _member("last", [Call("add", {"a": 1, "b": 1})], ["last"])], name="outer")


def results_in_results() -> Any:
    inner = ConcurrentWorkflow([_member("left", ["left"]), _member("right", ["right"])], name="inner", max_loops=2)
    adds = _member("last", [Call("add", {"a": 1, "b": 1})], ["last"])
    return ConcurrentWorkflow([inner, SequentialWorkflow([inner, adds], name="then")], name="outer")


def results_by_a_call() -> Any:
    team = ConcurrentWorkflow([_member("left", ["left"]), one_asked()], name="team", description="A team.")
    turns = ["I ask. ", Call("team", {"task": "go"}), Call("add", {"a": 2, "b": 2})], ["They said it."]
    return Agent(name="boss", tools=[team, add], model=by_step(*turns))


def failing_member() -> Any:
    broken = Agent(name="broken", model=always(Say("half "), Fail(400)))
    return SequentialWorkflow([_member("one", ["one"]), broken, _member("never", ["never"])])


def cancelled_member() -> Any:
    """A workflow in another, one of whose members fails while another is at work, which is cancelled for it."""
    broken = Agent(name="broken", model=always("half ", Wait(1.0), Fail(400)))
    slow = Agent(name="slow", model=always("I think ", Wait(60.0), "so."))
    inner = ConcurrentWorkflow([slow, broken], name="inner")
    return SequentialWorkflow(
        [inner, _member("last", [Call("add", {"a": 1, "b": 1})], ["last"])], name="outer", on_error="collect"
    )


class _Unable:
    """A member that cannot begin."""

    name = "unable"

    def run_stream(self, message: Any, *, context: Any = None) -> AgentStream[Any]:
        raise ConfigurationError("There is no such thing.")


def unable_member() -> Any:
    inner = SequentialWorkflow([_Unable(), _member("next", ["next"])], name="inner", on_error="collect")
    return ConcurrentWorkflow([inner, _member("last", [Call("add", {"a": 1, "b": 1})], ["last"])], name="outer")


# --- people are asked


@tool(approval="It costs money.")
async def charge(cents: int, ctx: ToolContext[Any]) -> str:
    """Charge so many cents."""
    done.append(f"{ctx.idempotency_key} charge {cents}")
    return f"charged {cents}"


@tool
async def book(city: str, ctx: ToolContext[Any]) -> str:
    """Book a journey."""
    nights = await ctx.ask(f"How many nights in {city}?", int)
    name = await ctx.ask("In whose name?")
    done.append(f"{ctx.idempotency_key} book {city} {nights} {name}")
    return f"{nights} nights in {city} for {name}"


def asks(*turns: Any, **more: Any) -> Any:
    """An agent with a tool that is asked about, one that asks, and some that do not."""
    return Agent(tools=[charge, book, add, weather], model=by_step(*turns), **{"name": "asker", **more})


CHARGE_AND_ADD: Final = ["Both. ", Call("charge", {"cents": 5}), Call("add", {"a": 1, "b": 2})]


def one_asked() -> Any:
    return asks(CHARGE_AND_ADD, ["It is done."])


def two_asked() -> Any:
    return asks([Call("charge", {"cents": 5}), Call("charge", {"cents": 7}), Call("add", {"a": 1, "b": 1})], ["Done."])


def charges_twice() -> Any:
    return asks(
        [Call("charge", {"cents": 1})],
        ["And ", Call("charge", {"cents": 2}), Call("add", {"a": 1, "b": 2})],
        [Call("charge", {"cents": 3})],
        ["Charged."],
    )


def asks_two_things() -> Any:
    return asks([Call("book", {"city": "Oslo"}), Call("add", {"a": 1, "b": 2})], ["Booked."])


def _answers(question: Question) -> Answer:
    return Answer(content=3 if "nights" in question.message else "Ann", by="ann")


def deep(depth: int = 3) -> Any:
    agent = asks(CHARGE_AND_ADD, ["Deep down."], name="deep")
    for at in range(depth - 1, 0, -1):
        turns = ([f"{at} asks. ", Call(agent.name, {"task": "pay"}), Call("charge", {"cents": at})], [f"{at} is done."])
        agent = Agent(name=f"level{at}", tools=[agent, charge], model=by_step(*turns))
    return agent


def waiting_child() -> Any:
    helper = asks(CHARGE_AND_ADD, ["Helped."], name="helper")
    turns = ["I ask. ", Call("helper", {"task": "pay"}), Call("add", {"a": 2, "b": 2})], ["So it is."]
    return Agent(name="boss", tools=[helper, add], model=by_step(*turns))


def _asking_members(*names: str) -> list[Any]:
    return [asks(CHARGE_AND_ADD, [f"{name} is done."], name=name) for name in names]


def asking_sequence() -> Any:
    return SequentialWorkflow(_asking_members("one", "two"))


def asking_together() -> Any:
    return ConcurrentWorkflow([*_asking_members("one", "two"), _member("three", ["three is done"])])


def asking_graph() -> Any:
    members = [*_asking_members("one", "two", "three"), _member("end", ["the end"])]
    edges = [("one", "two"), ("one", "three"), ("two", "end"), ("three", "end")]
    return GraphWorkflow(members, edges=edges)


def asking_nested() -> Any:
    inner = ConcurrentWorkflow(_asking_members("one", "two"), name="inner")
    return SequentialWorkflow([inner, asks(CHARGE_AND_ADD, ["last."], name="last")], name="outer")


def asking_heir() -> Any:
    heir = asks(["(the one before)"], CHARGE_AND_ADD, ["The heir is done."], name="heir")
    turns = ["Moment. ", Call("charge", {"cents": 1}), Call("transfer_to_heir", {"note": "pay"})]
    return Agent(name="front", tools=[charge], handoffs=[heir], model=by_step(turns))


def client_call_and_questions() -> Any:
    pick = {"name": "pick", "description": "Pick a file.", "parameters": {"type": "object", "properties": {}}}
    calls = [Call("charge", {"cents": 5}), Call("pick", {}), Call("book", {"city": "Oslo"}), Call("add", '{"a": 1')]
    return asks(["All. ", *calls, Call("pick", {}), Call("add", {"a": 1, "b": 2})], client_tools=[pick])


def charging_heirs() -> Any:
    """Each is allowed to charge for the run, which ends with a handoff."""
    last = asks(*[["(those before)"]] * 3, CHARGE_AND_ADD, ["The last is done."], name="last")
    turns = ["(the one before)"], [Call("charge", {"cents": 2}), Call("transfer_to_last", {"note": "pay"})]
    heir = Agent(name="heir", tools=[charge], handoffs=[last], model=by_step(*turns))
    first = [Call("charge", {"cents": 1})], [Call("charge", {"cents": 1}), Call("transfer_to_heir", {"note": "pay"})]
    return Agent(name="front", tools=[charge], handoffs=[heir], model=by_step(*first))


def breaking() -> Any:
    """Its first model breaks in the middle of every answer, so that the fallback gives it."""
    spare = by_step(
        ["fallback says ", Call("add", {"a": 5, "b": 6})], ["fallback ends."], model="other", provider="other"
    )
    model = always("A broken beginning", Cut())
    return Agent(name="breaking", tools=[add], model=model, fallback=[spare], retries=1, on_interrupted="restart")


def every_call_asked() -> Any:
    return asks(CHARGE_AND_ADD, ["Done."], approval=lambda call: "add" if call.name == "add" else False)


class _Shell:
    """A tool whose input is a text, as `headwater.tools.work.Offered` has it."""

    name = "shell"
    spec = ToolSpec(name="shell", description="Run a command.", parameters={"type": "object"})
    approval = True
    on_unknown: OnUnknown = "retry"
    retries = on_error = None
    goes_on = False

    def as_tool(self) -> Any:
        return self

    def wants_log(self, seen: set[int]) -> bool:
        return True

    def validate(self, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
        if not isinstance(arguments, str) or not arguments:
            raise ValueError("The input is a text.")
        return {"input": arguments}

    async def call(self, work: Work) -> ToolOutcome:
        done.append(f"{work.idempotency_key} shell {work.arguments}")
        return ToolOutcome(result=f"ran {work.arguments}")


def custom_call() -> Any:
    turns = ["I run ", Call("shell", "rm -r x", custom=True), Call("add", {"a": 1, "b": 1})], ["It ran."]
    return Agent(name="sh", tools=[_Shell(), add], model=by_step(*turns))


# --- what had begun when its process ended


def _unsure(on_unknown: Any, **more: Any) -> Any:
    @tool(on_unknown=on_unknown, **more)
    async def send(to: str, ctx: ToolContext[Any]) -> str:
        """Send a letter."""
        ctx.emit("sending")
        done.append(f"{ctx.idempotency_key} send {to}")
        return f"sent to {to}"

    turns = ["I send. ", Call("send", {"to": "Ann"}), Call("add", {"a": 1, "b": 1})], ["It is on its way."]
    return Agent(name="sender", tools=[send, add], model=by_step(*turns))


def _without_weather() -> Any:
    later = plain()
    later.tools = [add]
    return later


# --- people speak


def hears() -> Any:
    """Says what it was told by the way, and before that runs tools in two steps."""

    def turn(request: Request) -> Turn:
        said = [one.text for one in request.messages if one.role == "user"][1:]
        ran = sum(one.role == "tool" for one in request.messages)
        if ran < 2:
            return [f"step {ran} ", Call("add", {"a": ran, "b": 1}), Call("weather", {"city": "Rome"})]
        return [f"At last, with {' and '.join(said) or 'nothing'}, ", Wait(1.0), "it is done."]

    return Agent(name="hears", tools=[add, weather], model=ScriptedModel(turn))


def hears_twice() -> Any:
    agent = hears()
    agent.max_loops = 2
    return agent


def heard_by_a_member() -> Any:
    return SequentialWorkflow([hears(), _member("two", ["two is done"])])


def heard_by_an_heir() -> Any:
    def turn(request: Request) -> Turn:
        said = [one.text for one in request.messages if one.role == "user"][1:]
        return [f"The heir heard {' and '.join(said) or 'nothing'}."]

    turns = ["Moment. ", Call("add", {"a": 1, "b": 1}), Call("transfer_to_heir", {})]
    heir = Agent(name="heir", model=ScriptedModel(turn))
    return Agent(name="front", tools=[add], handoffs=[heir], model=by_step(turns))


def _at(kind: str, **fields: Any) -> Callable[[Event], bool]:
    return lambda event: event.type == kind and all(getattr(event, name) == value for name, value in fields.items())


def _one(rule: Answer, **more: Any) -> Callable[[], People]:
    return lambda: People({"charge": lambda _: rule}, **more)


def _saying(*sayings: Saying) -> Callable[[], People]:
    return lambda: People(sayings=sayings)


def _first_denied(cents: int) -> Answer:
    return Answer(allowed=cents != 1, for_run=cents == 1)


SENT: Final = ("It is on its way.",)
"""What is said whatever became of the letter: what is known of it, the model reads."""

STOPPED: Final = ("At last, with stop, it is done.",)
"""What is said once the answer was cut, wherever that was."""

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "parallel tools": Scenario(plain),
    "retries and fallbacks": Scenario(flaky, ends=("done, eleven.", "fallback ends.")),
    "an agent as a tool": Scenario(delegate),
    "a handoff": Scenario(handoff),
    "repair and loops": Scenario(repair),
    "bad calls": Scenario(bad_calls),
    "bad calls only": Scenario(bad_calls_only),
    "giving up": Scenario(gives_up),
    "too many steps": Scenario(too_many_steps),
    "calls of the client": Scenario(client_calls),
    "sequential": Scenario(sequential),
    "concurrent": Scenario(concurrent),
    "a graph with a cycle": Scenario(graph_with_a_cycle),
    "nested, with a failed member": Scenario(nested),
    "nested, with a cancelled member": Scenario(cancelled_member),
    "a member that cannot begin": Scenario(unable_member),
    "results in results": Scenario(results_in_results),
    "a failing member": Scenario(failing_member),
    "allowed": Scenario(one_asked),
    "allowed at once": Scenario(one_asked, lambda: People(patient=False)),
    "denied": Scenario(one_asked, _one(Answer(allowed=False, note="too dear", by="ann"))),
    "changed arguments": Scenario(one_asked, _one(Answer(arguments={"cents": 2}, by="ann"))),
    "allowed for the run": Scenario(charges_twice, _one(Answer(for_run=True))),
    "denied for the run": Scenario(charges_twice, _one(Answer(allowed=False, for_run=True))),
    "denied for the run, and others would be allowed": Scenario(
        charges_twice, lambda: People({"charge": lambda question: _first_denied(question.arguments["cents"])})
    ),
    "two questions at once": Scenario(
        two_asked, lambda: People({"charge": lambda question: Answer(allowed=question.arguments["cents"] == 7)})
    ),
    "every call asked about": Scenario(every_call_asked),
    "a custom tool, changed": Scenario(
        custom_call, lambda: People({"shell": lambda _: Answer(arguments={"input": "ls"})})
    ),
    "a tool that asks": Scenario(asks_two_things, lambda: People({"book": _answers})),
    "a tool that is declined": Scenario(
        asks_two_things, lambda: People({"book": lambda _: Answer(action="decline", by="ann")})
    ),
    "three deep": Scenario(deep),
    "a waiting child": Scenario(waiting_child),
    "asked in a sequence": Scenario(asking_sequence),
    "asked side by side": Scenario(asking_together),
    "asked in a graph": Scenario(asking_graph),
    "asked in nested workflows": Scenario(asking_nested),
    "asked after a handoff": Scenario(asking_heir),
    "asked in a workflow that is a tool": Scenario(results_by_a_call),
    "calls of the client beside questions": Scenario(client_call_and_questions, lambda: People({"book": _answers})),
    "allowed for the run, before handoffs": Scenario(charging_heirs, _one(Answer(for_run=True))),
    "a broken model and a fallback": Scenario(breaking),
    "unknown: retry": Scenario(lambda: _unsure("retry")),
    "unknown: tell": Scenario(lambda: _unsure("tell"), ends=SENT),
    "unknown: ask": Scenario(lambda: _unsure("ask"), ends=SENT),
    "unknown: ask, refused": Scenario(
        lambda: _unsure("ask"), lambda: People({"send": lambda _: Answer(allowed=False)}), ends=SENT
    ),
    "unknown: ask, and approval": Scenario(lambda: _unsure("ask", approval=True), ends=SENT),
    "unknown: fail": Scenario(lambda: _unsure("fail"), ends=(*SENT, "ToolFailed")),
    "tools gone": Scenario(plain, later=_without_weather, ends=("All is well in Paris and Rome, the sum is three.",)),
    "steered while tools run": Scenario(hears, _saying(Saying("hurry", _at("tool.started", step=1)))),
    "steered twice": Scenario(
        hears,
        _saying(Saying("hurry", _at("step.started", step=1)), Saying("be kind", _at("tool.finished", step=2))),
    ),
    "steered during the last answer": Scenario(hears_twice, _saying(Saying("wait", _at("attempt.started", step=3)))),
    "steered now": Scenario(
        hears, _saying(Saying("stop", _at("text.started", step=3), now=True)), ends=("At last, with stop, it is done.",)
    ),
    "a member is steered": Scenario(
        heard_by_a_member, _saying(Saying("hurry", _at("tool.started", step=1), agent="hears"))
    ),
    "steered before a handoff": Scenario(heard_by_an_heir, _saying(Saying("hurry", _at("tool.started", step=1)))),
}
