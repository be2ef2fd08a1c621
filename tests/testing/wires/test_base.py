"""What every wire writes means what the script says: to our decoders and to an independent reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.backends.offline.script import Call, Cut, Fail, Finish, Say, Think
from headwater.errors import (
    Overloaded,
    ProviderError,
    RateLimited,
    ServerError,
)
from headwater.events.messages import Usage
from headwater.providers.failures import http_error
from headwater.providers.registry import load_api
from headwater.testing.wires import WIRES, Trouble, Unspeakable
from tests.support.effort import tries
from tests.support.recordings import check_grammar, decode, independent_reading, telling
from tests.testing.wires.writing import APIS, body_of, written

RECORDED_AS = {"anthropic": "anthropic-messages", "ollama": "ollama-chat"}


_words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


_arguments = st.dictionaries(_words, st.one_of(st.integers(-9, 9), _words, st.none(), st.booleans()), max_size=3)


_says = st.builds(Say, st.lists(_words, min_size=1, max_size=4).map(tuple))


_thinks = st.builds(Think, st.lists(_words, min_size=1, max_size=4).map(tuple))


_turns = st.tuples(
    st.lists(_thinks, max_size=1),
    st.lists(_says, max_size=2),
    st.lists(st.builds(Call, st.sampled_from(["weather", "tides"]), _arguments), max_size=3),
).map(lambda blocks: [block for kind in blocks for block in kind])


@pytest.mark.parametrize("api", APIS)
@given(acts=_turns)
@settings(max_examples=tries(15, 60), deadline=None)
def test_what_is_written_is_what_the_script_says(api: str, acts: list[Any]) -> None:
    body = body_of(written(api, acts))
    decoder = load_api(api).Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    told = telling(events)
    assert decoder.complete
    assert decoder.error is None
    assert told.text == "".join("".join(act.text) for act in acts if isinstance(act, Say))
    assert told.reasoning == "".join("".join(act.text) for act in acts if isinstance(act, Think))
    calls = [act for act in acts if isinstance(act, Call)]
    assert [(name, arguments) for _, name, arguments in told.calls] == [(call.name, call.arguments) for call in calls]
    assert decoder.finish_reason == ("tool_calls" if calls else "stop")
    assert decoder.model == "model-1"
    assert decoder.usage is not None
    assert decoder.usage.input_tokens == 7


@pytest.mark.parametrize("api", APIS)
@given(acts=_turns)
@settings(max_examples=tries(10, 30), deadline=None)
def test_an_independent_reader_reads_the_same(api: str, acts: list[Any]) -> None:
    told = independent_reading(
        RECORDED_AS.get(api, api), "ndjson" if api == "ollama" else "sse", body_of(written(api, acts))
    )
    assert told["text"] == "".join("".join(act.text) for act in acts if isinstance(act, Say))
    assert told["reasoning_text"] == "".join("".join(act.text) for act in acts if isinstance(act, Think))
    arguments = [call["arguments"] for call in told["tool_calls"]]
    assert [json.loads(one or "{}") if isinstance(one, str) else one for one in arguments] == [
        act.arguments for act in acts if isinstance(act, Call)
    ]
    assert told["error"] is None
    assert told["terminal"] or told["finish_reason"]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("reason", "word"), [("length", None), ("content_filter", None), (None, None), ("stop", "a-word-of-its-own")]
)
def test_the_reason_is_said_in_the_apis_words(api: str, reason: Any, word: str | None) -> None:
    decoder = load_api(api).Decoder()
    decode(decoder, [body_of(written(api, [Say("Hi."), Finish(reason, word)]))])
    if reason is None:
        expected = {"openai-responses": "stop"}.get(api)  # it has a status in any case
    elif word is not None:
        expected = {"openai-responses": "stop"}.get(api)  # other words have no common one
    else:
        expected = {("anthropic", "content_filter"): "refusal", ("ollama", "content_filter"): "stop"}.get(
            (api, reason), reason
        )
    assert decoder.finish_reason == expected
    assert decoder.complete == (api != "gemini" or reason is not None), "Gemini has no other end marker"
    if word is not None and api != "openai-responses":
        assert decoder.provider_finish_reason == word


@pytest.mark.parametrize("api", APIS)
def test_usage_is_reported_as_the_script_has_it(api: str) -> None:
    decoder = load_api(api).Decoder()
    said = Usage(input_tokens=100, output_tokens=20)
    decode(decoder, [body_of(written(api, [said, Say("Hi.")]))])
    assert decoder.usage is not None
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (100, 20)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, Overloaded), (500, ServerError)])
def test_errors_use_the_words_of_the_api(api: str, status: int, kind: type[ProviderError]) -> None:
    in_band = load_api(api).Decoder()
    decode(in_band, [body_of(written(api, [Say("Hi."), Fail(status, "No more.")]))])
    expected = ServerError if api == "ollama" else kind  # whose errors have no codes
    assert type(in_band.error) is expected
    assert "No more." in str(in_band.error)
    refused = written(api, [Fail(status, "No more.", retry_after=3)])
    assert refused.status == status
    headers = {name.lower(): value for name, value in refused.headers.items()}
    error = http_error(api, status, headers, body_of(refused))
    assert type(error) is kind
    assert "No more." in str(error)
    assert error.retry_after == 3


@pytest.mark.parametrize("api", APIS)
def test_an_error_is_sent_inside_the_stream_even_without_any_output(api: str) -> None:
    answer = written(api, [Fail("overloaded_error")])
    assert answer.status == 200
    decoder = load_api(api).Decoder()
    decode(decoder, [body_of(answer)])
    assert isinstance(decoder.error, ServerError if api == "ollama" else Overloaded)


@pytest.mark.parametrize("api", APIS)
def test_a_cut_leaves_the_end_marker_out_and_the_call_before_it_open(api: str) -> None:
    decoder = load_api(api).Decoder()
    events = decode(decoder, [body_of(written(api, [Say("Hi."), Call("weather", {"city": "Paris"}), Cut()]))])
    check_grammar(events)
    assert not decoder.complete
    assert telling(events).text == "Hi."
    assert not any(event.type == "call.ready" for event in events)


@pytest.mark.parametrize("api", APIS)
def test_what_an_api_has_no_place_for_is_refused(api: str) -> None:
    with pytest.raises(Unspeakable):
        written(api, [Call("search", by="provider")])


@pytest.mark.parametrize("wire", WIRES.values(), ids=APIS)
def test_an_error_of_any_status_has_a_body(wire: Any) -> None:
    for status in (400, 401, 403, 404, 418, 429, 500, 503, 504, 529, 599):
        assert "Why." in json.dumps(json.loads(wire.refusal(Trouble(status, None, "Why."))))
