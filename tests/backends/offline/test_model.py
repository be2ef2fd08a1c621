"""The offline model: what it answers, what a script makes it say, when, and that nothing of it is left to chance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.backends.offline import (
    SHAPES,
    Call,
    Cut,
    Fail,
    Finish,
    Item,
    OfflineModel,
    Say,
    ScriptedModel,
    Shape,
    Think,
    Wait,
    from_name,
    sample,
)
from headwater.backends.offline.exchange import OfflineExchange
from headwater.backends.offline.performance import TOKENS_A_PULL
from headwater.backends.offline.tokenizer import count, split
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    SourceFound,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
)
from headwater.events.messages import (
    File,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from headwater.providers.decoder import Place
from headwater.providers.request import OutputSpec, Request, Settings, ToolSpec
from tests.support.recordings import check_grammar
from tests.support.virtual import run_virtual

BOUNDED = settings(max_examples=100, deadline=None)

WEATHER = ToolSpec(
    name="weather",
    parameters={
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
    },
)
CLOCK = ToolSpec(name="clock", parameters={"type": "object", "properties": {}})


def ask(
    task: str = "What is the weather in Paris?",
    *after: Message,
    tools: tuple[ToolSpec, ...] = (),
    output: dict[str, Any] | None = None,
    **given: Any,
) -> Request:
    spec = OutputSpec(name="answer", schema=output) if output is not None else None
    return Request(
        model="offline",
        messages=(Message.user(task), *after),
        tools=tools,
        output=spec,
        settings=Settings(**given),
    )


class Answer:
    """All that came of one exchange: the events, when each batch of them came, and what ended it."""

    def __init__(self, exchange: OfflineExchange) -> None:
        self.decoder = exchange.decoder
        self.batches: list[tuple[float, list[Event]]] = []
        self.error: BaseException | None = None

    @property
    def events(self) -> list[Event]:
        return [event for _, batch in self.batches for event in batch]

    @property
    def tokens(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, TextDelta)]

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def calls(self) -> dict[str, Any]:
        return {event.name: event.arguments for event in self.events if isinstance(event, CallReady)}

    @property
    def times(self) -> list[float]:
        return [time for time, batch in self.batches for event in batch if isinstance(event, TextDelta)]


async def drain(exchange: OfflineExchange) -> Answer:
    answer = Answer(exchange)
    loop = asyncio.get_running_loop()
    try:
        while batch := await exchange.pull():
            answer.batches.append((loop.time(), batch))
    except Exception as error:
        answer.error = error
    return answer


def answer_to(model: OfflineModel, request: Request | None = None, place: Place | None = None) -> Answer:
    answer, _ = run_virtual(drain(model.open(request or ask(), place or Place())))
    check_grammar(answer.events)
    return answer


def say(*items: Item) -> Answer:
    return answer_to(ScriptedModel([list(items)]))


def only(kind: type[Event], answer: Answer) -> Any:
    found = [event for event in answer.events if isinstance(event, kind)]
    assert len(found) == 1, found
    return found[0]


# --- tokens


@BOUNDED
@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    tokens = split(text)
    assert "".join(tokens) == text
    assert all(tokens)
    assert count(text) == len(tokens)


def test_tokens_are_words_with_the_space_before_them() -> None:
    assert split("So it is, internationalisation!\n") == [
        "So",
        " it",
        " is",
        ",",
        " internationa",
        "lisation",
        "!",
        "\n",
    ]


# --- without a script


@pytest.mark.parametrize("shape", [None, *SHAPES])
@pytest.mark.parametrize("seed", range(3))
def test_it_says_that_it_is_no_language_model(shape: Shape | None, seed: int) -> None:
    answer = answer_to(OfflineModel(shape=shape, seed=seed), ask("Who are you?"))
    assert "no language model" in answer.text.lower()
    assert "Who are you?" in answer.text
    assert answer.decoder.complete
    assert answer.decoder.finish_reason == answer.decoder.provider_finish_reason == "stop"
    assert answer.decoder.model == "offline"
    assert len(answer.tokens) == count(answer.text) > 20


def test_the_same_request_has_the_same_answer() -> None:
    request = ask("Write a poem about 3 rivers", tools=(WEATHER, CLOCK), reasoning="low")
    assert answer_to(OfflineModel()).events == answer_to(OfflineModel()).events
    assert answer_to(OfflineModel(rate=50), request).events == answer_to(OfflineModel(), request).events


def test_the_seed_picks_among_phrasings() -> None:
    assert answer_to(OfflineModel(seed=1)).text != answer_to(OfflineModel(seed=0)).text
    assert answer_to(OfflineModel(), ask(seed=1)).text == answer_to(OfflineModel(seed=1)).text


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        ("Why is the sky blue?", "prose"),
        ("Write a POEM about rivers", "poem"),
        ("Write a python function that sorts", "markdown"),
        ("List the planets", "markdown"),
        ("A listless scripture", "prose"),
        ("", "prose"),
    ],
)
def test_the_shape_follows_the_task(task: str, shape: Shape) -> None:
    assert answer_to(OfflineModel(), ask(task)).text == answer_to(OfflineModel(shape=shape), ask(task)).text


def test_markdown_has_headings_a_list_and_code() -> None:
    task = 'Compare "a" and `b`\nin code'
    lines = answer_to(OfflineModel(shape="markdown"), ask(task)).text.splitlines()
    assert lines[0] == '# Compare "a" and `b` in code'
    assert any(line.startswith("## ") for line in lines)
    assert any(line.startswith("- **") for line in lines)
    assert any(line.startswith("1. ") for line in lines)
    code = lines[lines.index("```python") + 1 : lines.index("```")]
    compile("\n".join(code), "answer", "exec")


@pytest.mark.parametrize(
    ("name", "shape"), [("offline", None), ("offline/markdown", "markdown"), ("offline:poem", "poem")]
)
def test_a_name_can_say_the_shape(name: str, shape: Shape | None) -> None:
    model = from_name(name, rate=50)
    assert (model.model, model.shape, model.rate) == (name, shape, 50)


@pytest.mark.parametrize("name", ["offline/limerick", "offline/", "online"])
def test_a_name_that_leads_nowhere(name: str) -> None:
    with pytest.raises(errors.UnknownModel, match="offline/poem"):
        from_name(name)


def test_a_long_task_is_quoted_in_part() -> None:
    text = answer_to(OfflineModel(), ask("river " * 1000)).text
    assert "river…" in text
    assert len(text) < 1000


def test_without_a_user_there_is_nothing_to_quote() -> None:
    request = Request(model="offline", messages=(Message.system("Be brief."),))
    assert "“(nothing)”" in answer_to(OfflineModel(), request).text
    assert answer_to(OfflineModel(shape="markdown"), request).text.startswith("# Nothing was asked")


def test_low_verbosity_is_the_first_paragraph() -> None:
    whole = answer_to(OfflineModel(), ask()).text
    assert answer_to(OfflineModel(), ask(verbosity="low")).text == whole.partition("\n\n")[0]


def test_reasoning_is_said_first_and_counted() -> None:
    answer = answer_to(OfflineModel(), ask(reasoning="low"))
    kinds = [type(event) for event in answer.events]
    assert kinds.index(ReasoningEnded) < kinds.index(TextStarted)
    reasoned = sum(isinstance(event, ReasoningDelta) for event in answer.events)
    usage = answer.decoder.usage
    assert usage is not None
    assert usage.reasoning_tokens == reasoned > 0
    assert usage.output_tokens == reasoned + len(answer.tokens)
    assert not [
        event for event in answer_to(OfflineModel(), ask(reasoning=False)).events if isinstance(event, ReasoningDelta)
    ]


def test_each_tool_is_called_once_then_quoted() -> None:
    model, request = OfflineModel(), ask(tools=(WEATHER, CLOCK))
    first = answer_to(model, request)
    assert first.calls == {"weather": {"city": "Paris", "unit": "celsius"}, "clock": {}}
    assert first.text == "Let me ask `weather` and `clock` first."
    assert first.decoder.finish_reason == "tool_calls"

    called = Message.assistant(*(ToolCall(id=name, name=name, arguments=args) for name, args in first.calls.items()))
    back = Message.tool(
        ToolResult(id="weather", name="weather", content="Sunny,\n21 °C"),
        ToolResult(id="clock", name="clock", content="It stood still.", error=True),
    )
    second = answer_to(model, ask("What is the weather in Paris?", called, back, tools=(WEATHER, CLOCK)))
    assert not second.calls
    assert "`weather` gave back: Sunny, 21 °C" in second.text
    assert "`clock` failed: It stood still." in second.text
    assert second.decoder.finish_reason == "stop"

    third = answer_to(model, ask("Hm.", called, back, Message.user("And now?"), tools=(WEATHER,)))
    assert set(third.calls) == {"weather"}


def test_results_of_parts_and_long_ones_are_quoted_too() -> None:
    parts = (Text(text="See"), Image(url="https://example.com/x.png", media_type="image/png"))
    back = Message.tool(
        ToolResult(id="1", name="look", content=parts),
        ToolResult(id="2", name="read", content="word " * 1000),
        ToolResult(id="3", name="wait", content=""),
    )
    text = answer_to(OfflineModel(shape="poem"), ask("So?", back)).text
    assert "`look` gave back: See [image/png]" in text
    assert "`wait` gave back: (nothing)" in text
    assert "word…" in text
    assert len(text) < 1500


def test_one_tool_a_step_where_calls_are_not_parallel() -> None:
    answer = answer_to(OfflineModel(), ask(tools=(WEATHER, CLOCK), parallel_tool_calls=False))
    assert list(answer.calls) == ["weather"]


@pytest.mark.parametrize(
    ("choice", "called"),
    [("auto", {"weather", "clock"}), ("none", set()), ("required", {"weather", "clock"}), ("clock", {"clock"})],
)
def test_the_tool_choice_is_honoured(choice: str, called: set[str]) -> None:
    request = ask(tools=(WEATHER, CLOCK), tool_choice=choice)
    assert set(answer_to(OfflineModel(), request).calls) == called


@pytest.mark.parametrize(("choice", "tools"), [("required", ()), ("sundial", (CLOCK,))])
def test_a_tool_choice_that_can_not_be(choice: str, tools: tuple[ToolSpec, ...]) -> None:
    with pytest.raises(errors.ConfigurationError, match="tool_choice"):
        OfflineModel().open(ask(tools=tools, tool_choice=choice), Place())


@pytest.mark.parametrize("limit", [1, 5, 20])
def test_max_tokens_cuts_the_answer(limit: int) -> None:
    answer = answer_to(OfflineModel(), ask(max_tokens=limit))
    assert len(answer.tokens) == limit
    assert answer_to(OfflineModel()).text.startswith(answer.text)
    assert answer.decoder.complete
    assert answer.decoder.finish_reason == "length"
    assert answer.decoder.usage is not None
    assert answer.decoder.usage.output_tokens == limit


def test_an_answer_of_just_max_tokens_is_whole() -> None:
    whole = answer_to(OfflineModel())
    answer = answer_to(OfflineModel(), ask(max_tokens=len(whole.tokens)))
    assert (answer.text, answer.decoder.finish_reason) == (whole.text, "stop")


def test_a_call_that_max_tokens_cuts_is_rejected() -> None:
    before = count("Let me ask `weather` first.")
    answer = answer_to(OfflineModel(), ask(tools=(WEATHER,), max_tokens=before + 3))
    rejected = only(CallRejected, answer)
    assert rejected.raw == "".join(event.json for event in answer.events if isinstance(event, CallDelta))
    assert rejected.raw.startswith('{"')
    assert answer.decoder.finish_reason == "length"


def test_a_stop_sequence_ends_the_answer() -> None:
    whole = answer_to(OfflineModel()).text
    answer = answer_to(OfflineModel(), ask(stop=("nowhere in it", "language", "model")))
    assert answer.text == whole[: min(whole.index("language"), whole.index("model"))]
    assert (answer.decoder.finish_reason, answer.decoder.provider_finish_reason) == ("stop", "stop_sequence")
    assert answer_to(OfflineModel(), ask(tools=(CLOCK,), stop=("ask",))).calls == {}


def test_the_output_is_json_of_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "score": {"type": "number", "maximum": 1},
            "tags": {"type": "array"},
        },
        "required": ["title", "score", "tags"],
    }
    answer = answer_to(OfflineModel(), ask("Rate Casablanca 0.5 times", output=schema))
    assert json.loads(answer.text) == {"title": "Casablanca", "score": 0.5, "tags": ["Rate"]}
    jsonschema.validate(json.loads(answer.text), schema)


def test_usage_counts_what_was_asked_and_said() -> None:
    short = answer_to(OfflineModel(), ask("Hello there, friend")).decoder.usage
    assert short is not None
    assert short.input_tokens == 4
    longer = answer_to(
        OfflineModel(), ask("Hello there, friend", tools=(WEATHER,), output={"type": "string"})
    ).decoder.usage
    assert longer is not None
    assert (longer.input_tokens or 0) > 20


# --- when it says it


def test_the_rate_is_tokens_a_second() -> None:
    model = OfflineModel(rate=10)
    answer, seconds = run_virtual(drain(model.open(ask(), Place())))
    assert answer.times == pytest.approx([place / 10 for place in range(len(answer.tokens))])
    assert seconds == pytest.approx(len(answer.tokens) / 10)
    assert all(len([event for event in batch if isinstance(event, TextDelta)]) <= 1 for _, batch in answer.batches)


def test_a_high_rate_is_kept_with_few_timers() -> None:
    text = "word " * 2000
    answer, seconds = run_virtual(drain(ScriptedModel(text, rate=2000).open(ask(), Place())))
    assert seconds == pytest.approx(len(answer.tokens) / 2000, abs=0.01)
    assert len(answer.batches) == pytest.approx(len(answer.tokens) / 10, abs=2)


@pytest.mark.parametrize("rate", [None, 0])
def test_without_a_rate_no_time_passes_and_tokens_come_together(rate: float | None) -> None:
    model = ScriptedModel("word " * 1000, rate=rate)
    answer, seconds = run_virtual(drain(model.open(ask(), Place())))
    assert seconds == 0
    assert len(answer.batches) == len(answer.tokens) // TOKENS_A_PULL + 1


@pytest.mark.parametrize("rate", [-1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        OfflineModel(rate=rate)


def test_a_shape_that_is_none() -> None:
    with pytest.raises(ValueError, match="prose"):
        OfflineModel(shape="limerick")  # type: ignore[arg-type]


def test_others_run_while_an_answer_without_pauses_comes() -> None:
    async def both() -> list[str]:
        order: list[str] = []

        async def read(name: str) -> None:
            exchange = ScriptedModel("word " * 500).open(ask(), Place())
            while await exchange.pull():
                order.append(name)

        await asyncio.gather(read("a"), read("b"))
        return order

    order, _ = run_virtual(both())
    assert order[:4] == ["a", "b", "a", "b"]


def test_waiting() -> None:
    answer, seconds = run_virtual(drain(ScriptedModel([["a", Wait(2), "b", Wait(0.5)]]).open(ask(), Place())))
    assert list(zip(answer.tokens, answer.times, strict=True)) == [("a", 0.0), ("b", 2.0)]
    assert seconds == 2.5


def test_abort_ends_a_wait_at_once() -> None:
    async def main() -> tuple[list[Event], list[Event]]:
        exchange = ScriptedModel([["a", Wait(3600), "b"]]).open(ask(), Place())
        await exchange.pull()
        pulling = asyncio.create_task(exchange.pull())
        await asyncio.sleep(1)
        exchange.shut()  # nothing is on the other side: it changes nothing
        exchange.abort()
        exchange.abort()
        return await pulling, await exchange.pull()

    assert run_virtual(main()) == (([], []), 1.0)


def test_abort_before_and_between_and_after() -> None:
    async def main() -> None:
        for pulls in range(3):
            exchange = ScriptedModel([["a", Wait(0), "b", Fail(RuntimeError("never seen"))]]).open(ask(), Place())
            for _ in range(pulls):
                await exchange.pull()
            exchange.abort()
            assert await exchange.pull() == []

    run_virtual(main())


def test_a_cancelled_pull_is_cancelled_and_leaves_no_timer() -> None:
    async def main() -> None:
        exchange = ScriptedModel([[Wait(3600), "a"]]).open(ask(), Place())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await exchange.pull()
        exchange.abort()
        assert await exchange.pull() == []

    assert run_virtual(main())[1] == 1.0


def test_abort_after_its_loop_has_closed() -> None:
    exchange = ScriptedModel([[Wait(3600), "a"]]).open(ask(), Place())

    async def main() -> Coroutine[Any, Any, list[Event]]:
        pulling = exchange.pull()
        for _ in range(2):  # as far as the timer
            pulling.send(None)
        return pulling

    loop = asyncio.new_event_loop()
    pulling = loop.run_until_complete(main())
    loop.close()
    exchange.abort()
    pulling.close()


# --- with a script


def test_turns_are_handed_out_in_order() -> None:
    model = ScriptedModel(["one", ["two", " and a half"], lambda request: f"{request.messages[-1].text}!"])
    assert [answer_to(model, ask(task)).text for task in ("a", "b", "c")] == ["one", "two and a half", "c!"]
    assert [request.messages[0].text for request in model.requests] == ["a", "b", "c"]


def test_a_turn_is_taken_by_the_first_pull() -> None:
    model = ScriptedModel(["one", "two"])
    model.open(ask(), Place()).abort()
    assert model.requests == ()
    assert answer_to(model).text == "one"


def test_running_past_the_script() -> None:
    model = ScriptedModel("only this")
    assert answer_to(model).text == "only this"
    error = answer_to(model).error
    assert isinstance(error, errors.UsageError)
    assert not error.retryable
    assert "has 1 turn and was asked for number 2" in str(error)
    assert len(model.requests) == 2


def test_a_function_answers_a_thousand_at_once() -> None:
    model = ScriptedModel(lambda request: [request.messages[0].text, Wait(1), "."])

    async def main() -> list[Answer]:
        return await asyncio.gather(*(drain(model.open(ask(str(n)), Place())) for n in range(1000)))

    answers, seconds = run_virtual(main())
    assert [answer.text for answer in answers] == [f"{n}." for n in range(1000)]
    assert seconds == 1
    assert len(model.requests) == 1000


def test_a_function_that_fails_is_heard() -> None:
    def turn(request: Request) -> str:
        assert request.tools, "no tools were offered"
        return "fine"

    assert isinstance(answer_to(ScriptedModel(turn)).error, AssertionError)


@pytest.mark.parametrize("script", [[1], [["a", None]], [{"text": "a"}]])
def test_what_is_no_script(script: Any) -> None:
    with pytest.raises(TypeError, match="can not stand in a script"):
        ScriptedModel(script)


def test_text_comes_by_words_or_by_the_chunks_given() -> None:
    assert say("one two three").tokens == ["one", " two", " three"]
    assert say(Say(["on", "", "e two"]), " three").tokens == ["on", "e two", " three"]
    assert [type(event) for event in say("a", "b").events if not isinstance(event, UsageReported)] == [
        TextStarted,
        TextDelta,
        TextDelta,
        TextEnded,
    ]


@BOUNDED
@given(st.lists(st.text() | st.lists(st.text()).map(Say), max_size=5))
def test_what_was_said_is_the_text(said: list[str | Say]) -> None:
    expected = "".join("".join(item.text) if isinstance(item, Say) else item for item in said)
    assert say(*said).text == expected


def test_reasoning_refusals_and_signatures() -> None:
    answer = say(
        Think("Hm. ", kind="summary", signature="s1"),
        Think(redacted="…"),
        Say("No.", refusal=True, signature="s2"),
    )
    first, second = (event for event in answer.events if isinstance(event, ReasoningEnded))
    assert (first.signature, first.redacted, second.redacted) == ("s1", None, "…")
    assert only(TextStarted, answer).kind == "refusal"
    assert only(TextEnded, answer).signature == "s2"


def test_calls_and_their_arguments() -> None:
    answer = say(
        "Looking.",
        Call("weather", {"city": "Köln"}, id="c1"),
        Call("clock", by="provider"),
        Call("weather", ['{"ci', 'ty": "Rome"}']),
        Call("sql", "select 1", custom=True),
    )
    ready = [event for event in answer.events if isinstance(event, CallReady)]
    assert [event.arguments for event in ready] == [{"city": "Köln"}, {}, {"city": "Rome"}, "select 1"]
    assert (ready[0].call, ready[1].by, ready[3].custom) == ("c1", "provider", True)
    deltas = [event.json for event in answer.events if isinstance(event, CallDelta) and event.call == ready[2].call]
    assert deltas == ['{"ci', 'ty": "Rome"}']
    assert len({event.call for event in ready}) == 4
    assert answer.decoder.finish_reason == "tool_calls"


def test_a_call_of_the_providers_own_does_not_stop_the_answer() -> None:
    assert say(Call("search", by="provider"), "Found.").decoder.finish_reason == "stop"


def test_arguments_that_are_no_json_are_rejected() -> None:
    rejected = only(CallRejected, say(Call("weather", '{"city": ')))
    assert (rejected.raw, rejected.error) == ('{"city": ', "The arguments are not a JSON object.")


@pytest.mark.parametrize("end", [Cut(), Fail(RuntimeError("x")), Fail("overloaded_error")])
def test_a_call_right_before_the_break_is_unfinished(end: Cut | Fail) -> None:
    answer = say(Call("clock"), Call("weather", {"city": "Rome"}), end)
    assert list(answer.calls) == ["clock"]
    assert only(CallRejected, answer).error == "The arguments were cut off."
    assert not answer.decoder.complete


def test_sources_files_and_items_pass_as_they_are() -> None:
    span = (0, 1)
    answer = say(
        "x",
        Source(url="https://example.com", title="T", quote="Q", span=span),
        File(id="f1", name="a.pdf", media_type="application/pdf"),
        ProviderItem(api="openai-responses", item={"type": "reasoning"}),
    )
    found = only(SourceFound, answer)
    assert (found.url, found.title, found.quote, found.span) == ("https://example.com", "T", "Q", span)
    assert (only(FileMade, answer).ref, only(FileMade, answer).name) == ("f1", "a.pdf")
    assert only(ProviderItemMade, answer).api == "openai-responses"
    assert only(FileMade, say(Image(data=b"GIF8"))).media_type == "image/gif"


def test_an_assistants_message_is_a_turn() -> None:
    message = Message.assistant(Reasoning(text="Hm."), "Hello", ToolCall(id="c", name="clock", arguments={}))
    answer = answer_to(ScriptedModel([message]))
    assert answer.text == "Hello"
    assert only(CallReady, answer).call == "c"
    assert [event.text for event in answer.events if isinstance(event, ReasoningDelta)] == ["Hm", "."]


def test_usage_is_counted_or_as_given() -> None:
    assert only(UsageReported, say("one two")).usage.output_tokens == 2
    given_ = Usage(input_tokens=7, output_tokens=5, cached_input_tokens=3)
    assert only(UsageReported, say("one two", given_)).usage == given_
    assert say("one two", Usage()).decoder.usage is None


def test_finishing() -> None:
    decoder = say("No", Finish("content_filter", "SAFETY")).decoder
    assert (decoder.finish_reason, decoder.provider_finish_reason) == ("content_filter", "SAFETY")
    decoder = say("So", Finish(None)).decoder
    assert (decoder.complete, decoder.finish_reason, decoder.provider_finish_reason) == (True, None, None)


def test_a_cut_answer_is_not_complete() -> None:
    answer = say("So it", Cut(), "never said")
    assert answer.text == "So it"
    assert not answer.decoder.complete
    assert answer.decoder.finish_reason is None
    assert answer.error is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.AuthenticationFailed),
        (429, errors.RateLimited),
        (503, errors.Overloaded),
    ],
)
def test_failing_with_a_status(status: int, kind: type[errors.ProviderError]) -> None:
    error = say(Fail(status, "no luck", retry_after=2)).error
    assert type(error) is kind
    assert isinstance(error, errors.ProviderError)
    assert (error.status, error.retry_after, error.provider) == (status, 2, "offline")
    assert "no luck" in error.message


def test_failing_after_something_was_said() -> None:
    failure = ZeroDivisionError("a bug")
    answer = say("So it", Fail(failure))
    assert answer.text == "So it"
    assert isinstance(answer.events[-1], TextEnded)
    assert answer.error is failure


@pytest.mark.parametrize(("before", "kind"), [((), errors.ConnectionFailed), (("So it",), errors.IncompleteStream)])
def test_a_broken_connection(before: tuple[str, ...], kind: type[errors.ConnectionFailed]) -> None:
    failure = ConnectionResetError("gone")
    error = say(*before, Fail(failure)).error
    assert type(error) is kind
    assert error.__cause__ is failure
    assert "gone" in str(error)


@pytest.mark.parametrize(
    "fail", [Fail("overloaded_error"), Fail(errors.Overloaded("busy"), in_band=True), Fail(529, in_band=True)]
)
def test_failing_inside_the_stream(fail: Fail) -> None:
    answer = say("So it", fail)
    assert answer.text == "So it"
    assert answer.error is None
    assert isinstance(answer.decoder.error, errors.Overloaded)


def test_only_errors_of_ours_fail_in_band() -> None:
    with pytest.raises(TypeError, match="in band"):
        Fail(ValueError("x"), in_band=True)


def test_the_place_of_the_step_is_kept() -> None:
    place = Place(step=3, attempt=2, part=5, lead="\n\n", call_prefix="run7", calls={"c1"})
    answer = answer_to(ScriptedModel([["Hi", Call("clock", id="c1"), Call("clock")]]), place=place)
    started = only(TextStarted, answer)
    assert (started.step, started.part, started.lead) == (3, 5, "\n\n")
    assert [event.call for event in answer.events if isinstance(event, CallReady)] == ["c1#2", "run7_1"]
    assert only(UsageReported, answer).attempt == 2


def test_a_script_honours_nothing_but_itself() -> None:
    model = ScriptedModel("one two three", model="gpt", provider="openai", api="openai-chat")
    answer = answer_to(model, ask(max_tokens=1, stop=("two",), tool_choice="required"))
    assert (answer.text, answer.decoder.finish_reason, answer.decoder.model) == ("one two three", "stop", "gpt")
    assert (model.model, model.provider, model.api) == ("gpt", "openai", "openai-chat")


def test_it_shows_what_it_is() -> None:
    assert repr(OfflineModel()) == "OfflineModel(model='offline')"
    assert repr(ScriptedModel(["a", "b"])) == "OfflineModel(<2 turns>, model='offline')"
    assert repr(ScriptedModel(lambda request: "a")) == "OfflineModel(<function>, model='offline')"


# --- values made from a schema


def valid(value: Any, schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    validator.validate(value)


def numbers(kind: Literal["integer", "number"]) -> st.SearchStrategy[dict[str, Any]]:
    def bounded(low: int, room: int, keys: tuple[str, str]) -> dict[str, Any]:
        return {"type": kind, keys[0]: low, keys[1]: low + room}

    keys = st.tuples(st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"]))
    return st.one_of(
        st.builds(bounded, st.integers(-100, 100), st.integers(2, 50), keys),
        st.builds(lambda key, bound: {"type": kind, key: bound}, keys.flatmap(st.sampled_from), st.integers(-99, 99)),
        st.builds(
            lambda low, step: {"type": kind, "minimum": low, "multipleOf": step},
            st.integers(-99, 99),
            st.integers(1, 9),
        ),
        st.just({"type": kind}),
    )


def strings() -> st.SearchStrategy[dict[str, Any]]:
    lengths = st.builds(
        lambda low, room: {"type": "string", "minLength": low, "maxLength": low + room},
        st.integers(0, 60),
        st.integers(0, 9),
    )
    formats = st.sampled_from(
        ["date", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "time", "duration", "hostname"]
    )
    patterns = st.sampled_from(["^[A-Z]{3}$", r"^\d{5}$", "^[a-z]+$", r"^#[0-9a-f]{6}$", r"^\d{4}-\d{2}-\d{2}$"])
    return st.one_of(
        st.just({"type": "string"}),
        lengths,
        formats.map(lambda name: {"type": "string", "format": name}),
        patterns.map(lambda pattern: {"type": "string", "pattern": pattern}),
    )


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    plain: st.SearchStrategy[dict[str, Any]] = st.one_of(
        numbers("integer"),
        numbers("number"),
        strings(),
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.just({}),
        st.lists(st.integers() | st.text() | st.none(), min_size=1).map(lambda values: {"enum": values}),
        (st.integers() | st.text() | st.booleans()).map(lambda value: {"const": value}),
        st.lists(st.sampled_from(["string", "integer", "null", "object"]), min_size=1, unique=True).map(
            lambda k: {"type": k}
        ),
    )
    return st.recursive(plain, compound, max_leaves=8)


def compound(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def object_(properties: dict[str, Any], required: int) -> dict[str, Any]:
        names = list(properties)[:required]
        return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}

    names = st.sampled_from(["city", "query", "amount", "when", "tags", "näme"])
    return st.one_of(
        st.builds(object_, st.dictionaries(names, inner, max_size=4), st.integers(0, 4)),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        inner.map(lambda one: {"$defs": {"One": one}, "allOf": [one]}),
        inner.map(lambda one: {"type": "array", "prefixItems": [one, {"type": "boolean"}], "items": False}),
        inner.map(lambda one: {"type": "object", "additionalProperties": one, "minProperties": 2}),
    )


@settings(max_examples=200, deadline=None)
@given(schemas(), st.sampled_from(["", "Add 2 and 3.5", "the weather in Paris, 17 times", "ünïcode 🎉"]))
def test_a_sample_is_valid(schema: dict[str, Any], task: str) -> None:
    value = sample(schema, task)
    valid(value, schema)
    assert sample(schema, task) == value


TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "left": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name", "left", "children"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "task", "value"),
    [
        (TREE, "grow", {"name": "grow", "left": None, "children": []}),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}], "default": None}, "7 seas", 7),
        ({"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True}, "", [1, 2, 3]),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True}, "x", ["x", "x0"]),
        ({"type": "array", "items": {"type": "integer", "maximum": 1}, "minItems": 2, "uniqueItems": True}, "", [1, 0]),
        ({"type": "string", "default": "en"}, "French", "en"),
        ({"type": "string", "examples": ["BER"]}, "", "BER"),
        (
            {"allOf": [{"$ref": "#/$defs/A"}, {"required": ["b"]}], "$defs": {"A": {"required": ["a"]}}},
            "x",
            {"a": "x", "b": "x"},
        ),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, "", 0.25),
        ({"type": "integer", "maximum": -3, "minimum": -8, "multipleOf": 5}, "", -5),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}}, "", 1),
        ({"$ref": "#/oneOf/0", "oneOf": [{"const": 1}]}, "", 1),
        ({"$ref": "https://example.com/elsewhere"}, "", {}),
        ({"$ref": "#"}, "", {}),
        ({"type": "string", "pattern": "("}, "x", "x"),
    ],
)
def test_samples_worth_knowing(schema: dict[str, Any], task: str, value: Any) -> None:
    assert sample(schema, task) == value


@pytest.mark.parametrize(
    "parts",
    [
        ({"minimum": 3}, {"minimum": 5, "type": "integer"}),
        ({"maximum": -3, "type": "number"}, {"maximum": -5, "type": ["string", "integer"]}),
        ({"minLength": 3, "type": "string"}, {"maxLength": 9, "minLength": 5}),
        ({"enum": [1, "b", "cc"]}, {"enum": ["b", "cc"], "type": "string"}, {"minLength": 2}),
        ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 9}, "b": {}}}),
        ({"allOf": [{"type": "array", "minItems": 2}]}, {"allOf": [{"items": {"type": "boolean"}}]}),
        ({"$ref": "#/$defs/Short", "minLength": 2}, True),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"description": "either"}),
    ],
)
def test_a_sample_is_valid_for_all_of_several(parts: tuple[Any, ...]) -> None:
    schema = {"allOf": list(parts), "$defs": {"Short": {"type": "string", "maxLength": 3}}}
    valid(sample(schema, "somewhat longer words"), schema)


@pytest.mark.parametrize(
    "items",
    [
        {"type": "boolean"},
        {"type": "integer", "multipleOf": 3, "maximum": 9},
        {"type": "number"},
        {"type": "string", "maxLength": 1},
        {"enum": ["a", 1, True]},
        True,
    ],
)
def test_unique_items_are_unique(items: Any) -> None:
    schema = {"type": "array", "items": items, "minItems": 2, "uniqueItems": True}
    valid(sample(schema, "x"), schema)


def test_what_can_not_be_met_is_left_out() -> None:
    assert sample({"type": "array", "items": False}) == []
    assert sample({"type": "array", "items": False, "minItems": 1}) == {}
    assert sample({"allOf": [False]}) == {}
    assert sample({"type": "object", "properties": {"a": False, "b": {"const": 1}}, "minProperties": 1}) == {"b": 1}
    assert sample({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}) == {}
    assert sample({"type": "integer", "minimum": 1, "maximum": 0}) == {}


def test_words_and_numbers_of_the_task_are_used_in_order() -> None:
    properties = {
        "a": {"type": "integer"},
        "b": {"type": "integer"},
        "c": {"type": "integer"},
        "query": {"type": "string"},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    assert sample(schema, "Add 2 and 3") == {"a": 2, "b": 3, "c": 1, "query": "Add 2 and 3"}


def test_schemas_that_refer_to_each_other_end() -> None:
    names = [f"S{number}" for number in range(12)]
    everyone = [{"$ref": f"#/$defs/{name}"} for name in names]
    node = {"type": "object", "properties": {"next": {"anyOf": everyone}}, "required": ["next"]}
    schema = {"$ref": "#/$defs/S0", "$defs": dict.fromkeys(names, node)}
    assert sample(schema) == {}


# --- the virtual clock itself


def test_the_virtual_clock_jumps() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def later(seconds: int) -> None:
            await asyncio.sleep(seconds)
            order.append(seconds)

        await asyncio.gather(later(3600), later(60), asyncio.to_thread(order.append, 0))
        return order

    assert run_virtual(main()) == ([0, 60, 3600], 3600)


def test_a_deadlock_under_the_virtual_clock_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.virtual.THREADS_SECONDS", 0.0)

    async def main() -> None:
        await asyncio.Event().wait()

    runner: Callable[[], object] = lambda: run_virtual(main())  # noqa: E731
    with pytest.raises(RuntimeError, match="Deadlock"):
        runner()
