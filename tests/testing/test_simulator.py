"""The provider simulator over its socket: read by headwater, by the vendors' own clients, and by nobody to the end.

The vendors' packages take seconds to import. Each process of pytest collects this file: the tests that use them do it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, Model, Timeouts, tool
from headwater.errors import (
    ConfigurationError,
    ConnectionFailed,
    FirstTokenTimeout,
    HeadwaterError,
    IdleTimeout,
    IncompleteStream,
    InvalidRequest,
    MalformedResponse,
    ServerError,
)
from headwater.events.messages import Image, Message, Text
from headwater.testing import (
    Body,
    Call,
    CloseIdle,
    Compressed,
    Cut,
    Endlessly,
    Fail,
    Faulty,
    Finish,
    Flip,
    Garbage,
    HangUp,
    Headers,
    Item,
    ProviderSimulator,
    Received,
    Recorder,
    Reset,
    ServedTurn,
    SlowHead,
    Split,
    Stall,
    Think,
    Truncate,
    Wait,
    read_recording,
)

APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
EVERYONE = (*APIS, "azure", "groq", "deepseek")

PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-flash-latest:streamGenerateContent",
    "ollama": "/api/chat",
    "azure": "/openai/v1/chat/completions",
    "groq": "/openai/v1/chat/completions",
    "deepseek": "/v1/chat/completions",
}


ASKED: Any = [{"role": "user", "content": "x"}]


@tool
def weather(city: str) -> str:
    """What the weather is like."""
    return f"sunny in {city}"


def ask(provider: ProviderSimulator, api: str = "openai-chat", **options: Any) -> str:
    options.setdefault("retries", 0)
    return ask_with(provider.model(api, **options))


def ask_with(model: Model) -> str:
    return str(Agent(model=model).run_sync("How is it?"))


# --- every API


@pytest.mark.parametrize("api", EVERYONE)
def test_an_agent_with_tools_runs_against_every_api(api: str) -> None:
    turns: list[ServedTurn] = [
        [Think("Paris, then."), "Let me look.", Call("weather", {"city": "Paris"})],
        ["It is ", "sunny."],
    ]
    with ProviderSimulator(turns) as provider:
        response = Agent(model=provider.model(api), tools=[weather]).run_sync("How is Paris?")
        assert str(response) == "It is sunny."
        assert response.transcript == "Let me look.\n\nIt is sunny."
        assert response.reasoning == "Paris, then."
        assert [call.arguments for call in response.tool_calls] == [{"city": "Paris"}]
        assert response.provider == ("openai" if api.startswith("openai") else api)
        assert [received.path for received in provider.requests] == [PATHS[api]] * 2
        assert "sunny in Paris" in json.dumps(provider.requests[1].json)
        assert provider.connections == 1, "the connection is kept alive between the two"
        assert all(received.wait_over() and not received.gone for received in provider.requests)
        assert provider.problems == []


def test_it_serves_in_async_code() -> None:
    async def main() -> None:
        async with ProviderSimulator(["Hi."]) as provider:
            assert str(await Agent(model=provider.model()).arun("Hello")) == "Hi."

    asyncio.run(main())


def test_the_dated_path_of_azure_names_the_model() -> None:
    import openai

    with ProviderSimulator(["Hi."]) as provider:
        client = openai.AzureOpenAI(
            azure_endpoint=provider.url("azure"), api_key="key", api_version="2024-10-21", max_retries=0
        )
        chunks = client.chat.completions.create(model="my-model", messages=ASKED, stream=True)
        assert {chunk.model for chunk in chunks} == {"my-model"}
        client.close()
        assert provider.requests[0].path == "/openai/deployments/my-model/chat/completions"


# --- the vendors' own clients read it

SPOKEN: list[Item] = ["Let me ", "look.", Call("weather", {"city": "Paris"}), Call("tides")]


def test_openais_own_client_reads_chat_completions() -> None:
    import openai

    with ProviderSimulator(
        [[Think("Hm."), *SPOKEN], ["So ", Finish("length")], Fail(429, "Slow down.", retry_after=7), ["A", Fail(500)]]
    ) as it:
        client = openai.OpenAI(base_url=it.url("openai-chat"), api_key="key", max_retries=0)

        def create() -> Any:
            return client.chat.completions.create(
                model="m",
                messages=ASKED,
                stream=True,
                stream_options={"include_usage": True},
            )

        with client.chat.completions.stream(
            model="m", messages=ASKED, stream_options={"include_usage": True}
        ) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        message = final.choices[0].message
        assert message.content == "Let me look."
        assert [(call.function.name, call.function.arguments) for call in message.tool_calls or ()] == [
            ("weather", '{"city": "Paris"}'),
            ("tides", "{}"),
        ]
        assert final.choices[0].finish_reason == "tool_calls"
        assert final.usage is not None
        assert [chunk.choices[0].finish_reason for chunk in create() if chunk.choices][-1] == "length"
        with pytest.raises(openai.RateLimitError, match="Slow down") as refused:
            create()
        assert refused.value.response.headers["retry-after"] == "7"
        with pytest.raises(openai.APIError):
            list(create())
        client.close()


def test_openais_own_client_reads_responses() -> None:
    import openai

    with ProviderSimulator([[Think("Hm."), *SPOKEN], ["A", Fail(500, "It broke.")]]) as provider:
        client = openai.OpenAI(base_url=provider.url("openai-responses"), api_key="key", max_retries=0)
        with client.responses.stream(model="m", input="x") as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
        assert final.output_text == "Let me look."
        assert [item.type for item in final.output] == ["reasoning", "message", "function_call", "function_call"]
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        with pytest.raises(openai.APIError, match="It broke"):
            list(client.responses.create(model="m", input="x", stream=True))
        client.close()


def test_anthropics_own_client_reads_messages() -> None:
    import anthropic

    turns: list[ServedTurn] = [[Think("Hm.", signature="sig"), *SPOKEN], Fail(529, "Busy."), ["A", Fail(529)]]
    with ProviderSimulator(turns) as provider:
        client = anthropic.Anthropic(base_url=provider.url("anthropic"), api_key="key", max_retries=0)

        def stream() -> Any:
            return client.messages.stream(model="m", max_tokens=9, messages=ASKED)

        with stream() as first:
            final = first.get_final_message()
        kinds = [block.type for block in final.content]
        assert kinds == ["thinking", "text", "tool_use", "tool_use"]
        assert final.content[0].signature == "sig"
        assert final.content[1].text == "Let me look."
        assert final.content[2].input == {"city": "Paris"}
        assert final.stop_reason == "tool_use"
        with pytest.raises(anthropic.APIStatusError, match=r"Busy\."), stream():
            pass
        with pytest.raises(anthropic.APIStatusError), stream() as broken:
            broken.get_final_message()
        client.close()


# --- faults, as a run meets them


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("split", [Split(1), Split((3, 1, 50)), Split(seed=5)], ids=["bytes", "sizes", "random"])
def test_any_split_says_the_same(api: str, split: Split) -> None:
    with ProviderSimulator([Faulty("Voilà: 🌊 and more.", split)]) as provider:
        assert ask(provider, api) == "Voilà: 🌊 and more."
        if split.sizes == 1:
            assert provider.requests[0].wait_over()
            assert provider.requests[0].pieces == provider.requests[0].sent


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("cut", [Truncate(-1), Truncate(150), HangUp(150), Reset(150)], ids=str)
def test_a_broken_answer_is_incomplete_and_keeps_a_true_prefix(api: str, cut: Any) -> None:
    said = "One two three four five six seven eight nine ten. " * 3
    with ProviderSimulator([Faulty([said, Cut()] if cut == Truncate(-1) else said, cut)]) as provider:
        with pytest.raises(IncompleteStream) as broken:
            ask(provider, api)
        assert said.startswith(str(broken.value.response or ""))
        assert provider.requests[0].wait_over()
        assert not provider.requests[0].gone, "it was the provider who broke it"


@pytest.mark.parametrize("api", APIS)
def test_words_of_a_script_that_break_a_connection(api: str) -> None:
    with ProviderSimulator([["Hello ", Fail(ConnectionResetError())], ["Hello ", Cut()]]) as provider:
        for _ in range(2):
            with pytest.raises(IncompleteStream) as broken:
                ask(provider, api)
            assert str(broken.value.response) == "Hello "


@pytest.mark.parametrize("place", ["head", 0])
def test_a_stall_before_the_first_token_is_met_by_its_clock(place: Any) -> None:
    with ProviderSimulator([Faulty("Hello.", Stall(place))]) as provider:
        with pytest.raises(FirstTokenTimeout):
            ask(provider, timeouts=Timeouts(first_token=0.05))
        assert provider.requests[0].wait_gone()


def test_a_stall_in_the_middle_is_met_by_the_idle_clock() -> None:
    with ProviderSimulator([Faulty("One two three four.", Stall(600))]) as provider:
        with pytest.raises(IdleTimeout) as stalled:
            ask(provider, timeouts=Timeouts(idle=0.05))
        assert str(stalled.value.response) == "One two"
        assert provider.requests[0].wait_gone()


def test_a_slow_head_and_a_pace_are_slow() -> None:
    with ProviderSimulator([Faulty(["a", "b", "c"], SlowHead(0.1))], rate=100) as provider:
        begun = time.monotonic()
        assert ask(provider) == "abc"
        assert time.monotonic() - begun > 0.12


def test_garbage_is_an_error_of_ours() -> None:
    turn = Faulty("Hello.", Garbage(300, b'data: {"choices": [}\n\n'))
    with ProviderSimulator([turn]) as provider, pytest.raises(MalformedResponse):
        ask(provider)


def test_a_flipped_byte_reaches_the_reader() -> None:
    with ProviderSimulator([Faulty(["Hallo"], Flip(-1, 0))], faults=[Split(7)]) as provider:
        assert ask(provider) == "Hallo"
    body = b'data: {"choices":[{"index":0,"delta":{"content":"Hallo"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    with ProviderSimulator([Faulty(Body(body), Flip(body.index(b"a", 40), 0x04))]) as provider:
        assert ask(provider) == "Hello"


def test_a_wrong_content_type_is_named() -> None:
    turn = Faulty(Body(b"<html>Sign in</html>"), Headers({"Content-Type": "text/html"}))
    with ProviderSimulator([turn]) as provider, pytest.raises(MalformedResponse, match="web page"):
        ask(provider)


@pytest.mark.parametrize("body", [b"", b"<html><title>Bad Gateway</title></html>", b"not json", b'{"error": "no"}'])
def test_http_errors_of_any_body(body: bytes) -> None:
    with ProviderSimulator([Body(body, status=502, headers={"Content-Type": "text/html"})]) as provider:
        with pytest.raises(ServerError) as refused:
            ask(provider)
        assert refused.value.status == 502


def test_retry_after_is_honored_and_then_it_works() -> None:
    with ProviderSimulator([Fail(429, retry_after=0.1), "Hello."]) as provider:
        begun = time.monotonic()
        assert ask(provider, retries=1) == "Hello."
        assert time.monotonic() - begun >= 0.1
        assert [received.status for received in provider.requests] == [429, 200]


def test_a_stale_connection_is_replaced_unseen() -> None:
    with ProviderSimulator([Faulty("One.", CloseIdle()), "Two."]) as provider:
        model = provider.model(retries=0)
        assert [str(Agent(model=model).run_sync("x")) for _ in range(2)] == ["One.", "Two."]
        assert provider.connections == 2


def test_a_compressed_answer_is_read_although_it_was_not_requested() -> None:
    with ProviderSimulator([Faulty("Hello there.", Compressed())]) as provider:
        assert ask(provider) == "Hello there."
        assert provider.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("api", APIS)
def test_an_endless_answer_ends_when_its_reader_leaves(api: str) -> None:
    with ProviderSimulator([Faulty("On and on. ", Endlessly())]) as provider:
        chunks = []
        for chunk in Agent(model=provider.model(api)).run_stream("Go"):
            chunks.append(chunk.content)
            if len(chunks) > 50:
                break
        assert "".join(chunks).startswith("On and on. On and on. ")
        assert provider.requests[0].wait_gone()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("what", ["line", "event"])
def test_an_endless_line_says_nothing_and_is_left(api: str, what: Any) -> None:
    with ProviderSimulator([Faulty("Hello.", Endlessly(what))]) as provider:
        with pytest.raises(HeadwaterError):
            ask(provider, api, timeouts=Timeouts(idle=0.3, step=1.0))
        assert provider.requests[0].wait_gone()
        assert provider.requests[0].sent > 65_536


def test_an_error_before_a_pause_waits_first() -> None:
    with ProviderSimulator([[Wait(0.1), Fail(500)]]) as provider:
        begun = time.monotonic()
        with pytest.raises(ServerError):
            ask(provider)
        assert time.monotonic() - begun >= 0.1


def test_a_reset_before_the_head_says_that_no_answer_came() -> None:
    with ProviderSimulator([Faulty("Hello.", Reset("head"))]) as provider:
        with pytest.raises(ConnectionFailed) as failed:
            ask(provider)
        assert not isinstance(failed.value, IncompleteStream)


@pytest.mark.parametrize("api", APIS)
def test_two_calls_with_one_id_are_two_calls(api: str) -> None:
    calls = [Call("weather", {"city": city}, id="x") for city in ("Paris", "Brest")]
    with ProviderSimulator([calls, "Done."]) as provider:
        response = Agent(model=provider.model(api), tools=[weather]).run_sync("How is it?")
        assert [call.arguments for call in response.tool_calls] == [{"city": "Paris"}, {"city": "Brest"}]
        told = json.dumps(provider.requests[1].json)
        assert "sunny in Paris" in told
        assert "sunny in Brest" in told


def test_recorded_bytes_are_served_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ProviderSimulator(["It is sunny."]) as provider, Recorder(path) as recorder:
        ask_with(provider.model("anthropic").recorded(recorder))
    (exchange,) = read_recording(path)
    with ProviderSimulator([Faulty(Body(exchange.body), Split(1))]) as provider:
        assert ask(provider, "anthropic") == "It is sunny."


# --- what it is asked


def test_a_function_answers_any_number_of_requests() -> None:
    def echo(received: Received) -> ServedTurn:
        said = received.json["messages"][-1]["content"]
        return Faulty(f"You said {said}.", Split(1)) if received.model == "gpt-5.4" else Fail(404)

    with ProviderSimulator(echo) as provider:
        agent = Agent(model=provider.model())
        assert [str(agent.run_sync(word)) for word in ("a", "b")] == ["You said a.", "You said b."]
        with pytest.raises(HeadwaterError):
            ask(provider, "openai-chat/other")


def test_a_turn_may_be_a_function_or_a_message() -> None:
    with ProviderSimulator(
        [lambda received: received.api, Message(role="assistant", content=(Text(text="Hi."),))]
    ) as it:
        assert ask(it, "gemini") == "gemini"
        assert ask(it, "gemini") == "Hi."


def test_a_script_that_has_ended_says_so() -> None:
    with ProviderSimulator("Hello.") as provider:
        ask(provider)
        with pytest.raises(InvalidRequest, match="has 1 turn and was asked for number 2"):
            ask(provider)
        assert provider.problems == ["The script has 1 turn and was asked for number 2"]


def test_what_cannot_be_said_is_refused_and_kept_in_problems() -> None:
    with ProviderSimulator([[Image(data=b"\x89PNG")], [Call("f", "[1]")]]) as provider:
        with pytest.raises(InvalidRequest, match="serve recorded bytes with Body"):
            ask(provider)
        with pytest.raises(InvalidRequest, match="not an object"):
            ask(provider, "ollama")
        assert len(provider.problems) == 2


def test_an_invalid_turn_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="is not allowed in a script"):
        ProviderSimulator([Faulty(3)])
    with pytest.raises(HeadwaterError, match="No provider 'nobody' is simulated"):
        ProviderSimulator(["Hi."]).url("nobody")
    for ask in (ProviderSimulator(["Hi."]).url, ProviderSimulator(["Hi."]).model):
        with pytest.raises(ConfigurationError, match="not running, so it has no URL yet"):
            ask()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/models", b"", 404),
        ("POST", "/v1/other", b"{}", 404),
        ("POST", "/v1/chat/completions", b'{"stream": false}', 400),
        ("POST", "/v1/chat/completions", b"not json", 400),
    ],
)
def test_what_is_not_served_is_refused(method: str, path: str, body: bytes, status: int) -> None:
    with ProviderSimulator(["Hi."]) as provider:
        connection = http.client.HTTPConnection("127.0.0.1", provider.port)
        connection.request(method, path, body)
        assert connection.getresponse().status == status
        connection.close()
