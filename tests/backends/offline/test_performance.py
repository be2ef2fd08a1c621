"""Performing a turn: its events, the rate of its tokens, and its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import errors
from headwater.backends.offline import (
    Call,
    Cut,
    Fail,
    Finish,
    OfflineModel,
    Say,
    ScriptedModel,
    Think,
)
from headwater.backends.offline.performance import TOKENS_A_PULL
from headwater.backends.offline.tokenizer import count
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    FileMade,
    ProviderItemMade,
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
    ProviderItem,
    Source,
    Usage,
)
from headwater.providers.decoder import Place
from tests.backends.offline.answers import BOUNDED, WEATHER, answer_to, ask, drain, only, say
from tests.support.virtual import run_virtual


@pytest.mark.parametrize("limit", [1, 5, 20])
def test_max_tokens_cuts_the_answer(limit: int) -> None:
    answer = answer_to(OfflineModel(), ask(max_tokens=limit))
    assert len(answer.tokens) == limit
    assert answer_to(OfflineModel()).text.startswith(answer.text)
    assert answer.decoder.complete
    assert answer.decoder.finish_reason == "length"
    assert answer.decoder.usage is not None
    assert answer.decoder.usage.output_tokens == limit


def test_an_answer_of_exactly_max_tokens_is_complete() -> None:
    whole = answer_to(OfflineModel())
    answer = answer_to(OfflineModel(), ask(max_tokens=len(whole.tokens)))
    assert (answer.text, answer.decoder.finish_reason) == (whole.text, "stop")


def test_a_call_that_max_tokens_cuts_is_rejected() -> None:
    before = count("Let me call `weather` first.")
    answer = answer_to(OfflineModel(), ask(tools=(WEATHER,), max_tokens=before + 3))
    rejected = only(CallRejected, answer)
    assert rejected.raw == "".join(event.json for event in answer.events if isinstance(event, CallDelta))
    assert rejected.raw.startswith('{"')
    assert answer.decoder.finish_reason == "length"


def test_usage_counts_request_and_answer() -> None:
    short = answer_to(OfflineModel(), ask("Hello there, friend")).decoder.usage
    assert short is not None
    assert short.input_tokens == 4
    longer = answer_to(
        OfflineModel(), ask("Hello there, friend", tools=(WEATHER,), output={"type": "string"})
    ).decoder.usage
    assert longer is not None
    assert (longer.input_tokens or 0) > 20


def test_the_rate_is_tokens_per_second() -> None:
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
def test_an_invalid_rate(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        OfflineModel(rate=rate)


def test_text_is_streamed_by_words_or_in_the_given_chunks() -> None:
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
def test_the_streamed_text_is_the_text(said: list[str | Say]) -> None:
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


def test_a_provider_side_call_does_not_end_the_answer() -> None:
    assert say(Call("search", by="provider"), "Found.").decoder.finish_reason == "stop"


def test_arguments_that_are_not_json_are_rejected() -> None:
    rejected = only(CallRejected, say(Call("weather", '{"city": ')))
    assert (rejected.raw, rejected.error) == ('{"city": ', "The arguments are not a JSON object.")


@pytest.mark.parametrize("end", [Cut(), Fail(RuntimeError("x")), Fail("overloaded_error")])
def test_a_call_right_before_a_cut_is_unfinished(end: Cut | Fail) -> None:
    answer = say(Call("clock"), Call("weather", {"city": "Rome"}), end)
    assert list(answer.calls) == ["clock"]
    assert only(CallRejected, answer).error == "The arguments were cut off."
    assert not answer.decoder.complete


def test_sources_files_and_items_are_passed_on() -> None:
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


def test_failing_after_some_output() -> None:
    failure = ZeroDivisionError("a bug")
    answer = say("So it", Fail(failure))
    assert answer.text == "So it"
    assert isinstance(answer.events[-1], TextEnded)
    assert answer.error is failure


@pytest.mark.parametrize(
    "fail", [Fail("overloaded_error"), Fail(errors.Overloaded("busy"), in_band=True), Fail(529, in_band=True)]
)
def test_failing_inside_the_stream(fail: Fail) -> None:
    answer = say("So it", fail)
    assert answer.text == "So it"
    assert answer.error is None
    assert isinstance(answer.decoder.error, errors.Overloaded)
