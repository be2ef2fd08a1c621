"""Models behind `/v1`, over real sockets on both sides; official clients of them are in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from headwater import Timeouts
from headwater.backends.offline import Call, Cut, Fail, Say, Think, Wait
from headwater.testing import ProviderSimulator
from headwater.web.gateway.routing import gateway_router
from headwater.web.limits import Limits
from tests.support.served import Served, sent_events, served
from tests.web.gateway.names import ASK, name

CHAT = "/v1/chat/completions"
PICK = {"type": "function", "function": {"name": "pick", "parameters": {"type": "object", "properties": {}}}}


def against(*models: Any, test: Callable[[Served], Awaitable[None]], limits: Limits | None = None) -> None:
    async def main() -> None:
        async with served(gateway_router(*models, limits=limits)) as server:
            await test(server)

    asyncio.run(main())


def read(answer: httpx.Response) -> list[Any]:
    """The chunks of a stream, which ends with its mark."""
    events = [event.data for event in sent_events(answer.text)]
    assert events[-1] == "[DONE]"
    return [json.loads(data) for data in events[:-1]]


def words(chunks: list[Any], field: str = "content") -> str:
    return "".join(chunk["choices"][0]["delta"].get(field) or "" for chunk in chunks if chunk.get("choices"))


def told(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["type"], error["code"]


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"])
def test_every_api_is_answered_for_in_either_of_openais(api: str) -> None:
    turn: list[Any] = [Think("Hm."), Say("Found "), Say("two.")]
    with ProviderSimulator(lambda asked: turn) as provider:

        async def test(server: Served) -> None:
            stream = {"stream": True, "stream_options": {"include_usage": True}}
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "max_tokens": 99, **stream})
            chunks = read(answer)
            assert (words(chunks), words(chunks, "reasoning_content")) == ("Found two.", "Hm.")
            assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
            assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
            assert chunks[-1]["usage"]["completion_tokens"] > 0
            assert {chunk["model"] for chunk in chunks} == {"fast"}
            assert answer.headers["headwater-model"].endswith(provider.model(api).backend.model)
            whole = (await server.client.post(CHAT, json={"model": "fast", **ASK})).json()
            assert whole["choices"][0]["message"]["content"] == "Found two."
            assert whole["usage"]["total_tokens"] > 0
            response = (await server.client.post("/v1/responses", json={"model": "fast", "input": "Hi"})).json()
            assert [item["type"] for item in response["output"]] == ["reasoning", "message"]

        against(name("fast", provider.model(api)), test=test)
        assert provider.requests[0].json
        assert not provider.problems


@pytest.mark.parametrize("api", ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"])
def test_the_clients_tools_go_both_ways(api: str) -> None:
    with ProviderSimulator([[Call("pick", {"among": ["a", "b"]}), Call("pick", {})], "You said b."]) as provider:

        async def test(server: Served) -> None:
            ask: dict[str, Any] = {"model": "fast", "tools": [PICK], "messages": [*ASK["messages"]]}
            first = (await server.client.post(CHAT, json=ask)).json()["choices"][0]
            assert first["finish_reason"] == "tool_calls"
            one, two = first["message"]["tool_calls"]
            assert json.loads(one["function"]["arguments"]) == {"among": ["a", "b"]}
            results = [{"role": "tool", "tool_call_id": call["id"], "content": "b"} for call in (one, two)]
            ask["messages"] += [first["message"], *results]
            second = (await server.client.post(CHAT, json=ask)).json()["choices"][0]
            assert (second["message"]["content"], second["finish_reason"]) == ("You said b.", "stop")

        against(name("fast", provider.model(api)), test=test)
        assert not provider.problems


def test_arguments_are_streamed_as_they_are_generated() -> None:
    turn: list[Any] = [Say("Pick. "), Call("pick", ['{"among"', ":[1", "]}"]), Call("pick", ["{", "}"])]
    with ProviderSimulator(lambda asked: turn) as provider:

        async def test(server: Served) -> None:
            ask = {"model": "fast", **ASK, "tools": [PICK], "stream": True}
            chunks = read(await server.client.post(CHAT, json=ask))
            pieces = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
            assert [piece["index"] for piece in pieces] == sorted(piece["index"] for piece in pieces)
            first = [piece for piece in pieces if piece["index"] == 0]
            assert (first[0]["function"]["name"], first[0]["type"]) == ("pick", "function")
            assert [piece["function"]["arguments"] for piece in first if piece["function"]["arguments"]] == [
                '{"among"',
                ":[1",
                "]}",
            ]
            assert len({piece["id"] for piece in pieces if "id" in piece}) == 2
            assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
            ask = {"model": "fast", "input": "Hi", "stream": True, "tools": [{"type": "function", "name": "pick"}]}
            events = read(await server.client.post("/v1/responses", json=ask))
            assert [event["sequence_number"] for event in events] == [*range(len(events))]
            deltas = [one["delta"] for one in events if one["type"] == "response.function_call_arguments.delta"]
            assert deltas == ['{"among"', ":[1", "]}", "{", "}"]
            items = events[-1]["response"]["output"]
            assert [item["type"] for item in items] == ["message", "function_call", "function_call"]
            assert items[1]["arguments"] == '{"among":[1]}'

        against(name("fast", provider.model()), test=test)


def test_what_was_thought_goes_back_with_the_calls_result() -> None:
    turn: list[Any] = [Think("Hm.", signature="sig-1"), Call("pick", {})]
    with ProviderSimulator([turn, "Done."]) as provider:

        async def test(server: Served) -> None:
            ask: dict[str, Any] = {"model": "fast", "tools": [PICK], "max_tokens": 99, "messages": [*ASK["messages"]]}
            message = (await server.client.post(CHAT, json=ask)).json()["choices"][0]["message"]
            del message["reasoning_content"]  # as clients send it
            result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "b"}
            ask["messages"] += [message, result]
            assert (await server.client.post(CHAT, json=ask)).status_code == 200

        against(name("fast", provider.model("anthropic")), test=test)
        (_, assistant, _) = provider.requests[1].json["messages"]
        assert assistant["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"}


def test_settings_shapes_and_pictures_reach_the_provider() -> None:
    with ProviderSimulator(lambda asked: "{}") as provider:

        async def test(server: Served) -> None:
            picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
            schema = {"name": "port", "strict": True, "schema": {"type": "object"}}
            ask = {
                "model": "fast",
                "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [picture]}],
                "temperature": 0.3,
                "max_completion_tokens": 77,
                "stop": ["END"],
                "seed": 7,
                "logit_bias": {"5": 1},
                "response_format": {"type": "json_schema", "json_schema": schema},
            }
            assert (await server.client.post(CHAT, json=ask)).status_code == 200
            refused = await server.client.post(CHAT, json={"model": "strict", **ASK, "seed": 7})
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "seed")

        against(name("fast", provider.model()), name("strict", provider.model("anthropic")), test=test)
        (asked,) = provider.requests
        assert asked.json["temperature"] == 0.3
        assert asked.json["stop"] == ["END"]
        assert (asked.json["seed"], asked.json["logit_bias"]) == (7, {"5": 1})
        assert asked.json["response_format"]["json_schema"]["name"] == "port"
        system, user = asked.json["messages"]
        assert "Be kind." in str(system)
        assert user["content"][0]["image_url"] == {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}


# --- what goes wrong upstream


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
def test_a_refusal_has_its_providers_status(stream: bool, path: str) -> None:
    script: list[Any] = [
        Fail(500, "broken"),
        Fail(401, "who?"),
        [Wait(0.01), Cut()],
        Fail(429, "slow down", retry_after=7),  # the last: what comes after it waits for so long
    ]
    with ProviderSimulator(script) as provider:

        async def test(server: Served) -> None:
            ask = {"model": "fast", "stream": stream, "input": "Hi", **ASK}
            assert told(await server.client.post(path, json=ask)) == (500, "server_error", "ServerError")
            assert told(await server.client.post(path, json=ask)) == (401, "authentication_error", "invalid_api_key")
            assert told(await server.client.post(path, json=ask)) == (502, "server_error", "IncompleteStream")
            answer = await server.client.post(path, json=ask)
            assert told(answer) == (429, "rate_limit_error", "rate_limit_exceeded")
            assert answer.headers["retry-after"] == "7"
            assert answer.headers["headwater-model"]
            assert "slow down" in answer.json()["error"]["message"]

        against(name("fast", provider.model(), retries=0), test=test)
        assert not provider.problems


def test_the_next_of_a_chain_answers_where_one_fails_before_its_first_word() -> None:
    with ProviderSimulator([Fail(429, retry_after=50), "Here."]) as provider, ProviderSimulator(["There."]) as other:

        async def test(server: Served) -> None:
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})
            assert words(read(answer)) == "There."
            assert answer.headers["headwater-model"].startswith("anthropic/")

        against(name("fast", provider.model(), other.model("anthropic")), test=test)
        assert (len(provider.requests), len(other.requests)) == (1, 1)


def test_a_missing_first_token_falls_back_to_the_next_model() -> None:
    with ProviderSimulator([[Wait(60), "Late."]]) as provider, ProviderSimulator(["There."]) as other:

        async def test(server: Served) -> None:
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})
            assert words(read(answer)) == "There."

        timeouts = Timeouts(first_token=0.2)
        against(name("fast", provider.model(), other.model(), timeouts=timeouts), test=test)
        assert provider.requests[0].wait_gone()


def test_a_first_token_that_no_model_sends_in_time_is_a_timeout() -> None:
    with ProviderSimulator([[Wait(60), "Late."]]) as provider:

        async def test(server: Served) -> None:
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})
            assert told(answer) == (504, "server_error", "FirstTokenTimeout")

        against(name("fast", provider.model(), retries=0, timeouts=Timeouts(first_token=0.2)), test=test)


@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
def test_an_answer_that_breaks_off_ends_with_an_error(path: str) -> None:
    with ProviderSimulator([["Half ", Cut()], "Not asked."]) as provider:

        async def test(server: Served) -> None:
            ask = {"model": "fast", "stream": True, "input": "Hi", **ASK}
            answer = await server.client.post(path, json=ask)
            assert answer.status_code == 200
            chunks = read(answer)
            if path == CHAT:
                assert words(chunks) == "Half "
                assert chunks[-1]["error"]["code"] == "IncompleteStream"
                assert not any(chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1])
            else:
                assert chunks[-1]["type"] == "response.failed"
                assert "was interrupted" in chunks[-1]["response"]["error"]["message"]

        against(name("fast", provider.model(), provider.model()), test=test)
        assert len(provider.requests) == 1  # what was said cannot be taken back, so nobody else is asked


def test_an_answer_that_may_be_restarted_is_held_until_it_is_complete() -> None:
    with ProviderSimulator([["Half ", Cut()], "Whole."]) as provider:

        async def test(server: Served) -> None:
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})
            assert words(read(answer)) == "Whole."

        against(name("fast", provider.model(), provider.model("anthropic"), on_interrupted="restart"), test=test)
        assert [request.api for request in provider.requests] == ["openai-chat", "anthropic"]


def test_no_text_is_kept_if_every_model_breaks_off() -> None:
    with ProviderSimulator([["Half ", Cut()], Fail(503, "full")]) as provider:

        async def test(server: Served) -> None:
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})
            assert told(answer) == (503, "server_error", "Overloaded")

        against(name("fast", provider.model(), provider.model(), on_interrupted="restart"), test=test)


@pytest.mark.parametrize("turn", [["One ", Wait(60), "two."], [Wait(60), "One."]])
@pytest.mark.parametrize("stream", [True, False])
def test_disconnecting_closes_the_providers_connection(turn: list[Any], stream: bool) -> None:
    with ProviderSimulator(lambda asked: turn) as provider:

        async def test(server: Served) -> None:
            ask = {"model": "fast", **ASK, "stream": stream}
            asking = asyncio.create_task(server.client.post(CHAT, json=ask))
            assert await asyncio.to_thread(provider.wait_requests, 1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(provider.requests[0].wait_gone)

        against(name("fast", provider.model()), test=test)


def test_a_long_silence_gets_a_comment_and_a_later_failure_is_in_the_stream() -> None:
    with ProviderSimulator([[Wait(0.5), Fail(500, "broken")]]) as provider:

        async def test(server: Served) -> None:
            answer = await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})
            assert answer.text.startswith(": keep-alive\n\n")
            assert read(answer)[-1]["error"]["code"] == "ServerError"

        limits = Limits(heartbeat_seconds=0.1)
        against(name("fast", provider.model(), retries=0), test=test, limits=limits)


# --- the rest


def test_names_are_models() -> None:
    with ProviderSimulator([]) as provider:

        async def test(server: Served) -> None:
            models = (await server.client.get("/v1/models")).json()["data"]
            assert [model["id"] for model in models] == ["fast", "a/b"]
            assert (await server.client.get("/v1/models/a/b")).json()["id"] == "a/b"
            missing = await server.client.get("/v1/models/c")
            assert told(missing) == (404, "invalid_request_error", "model_not_found")
            for path in (CHAT, "/v1/responses"):
                answer = await server.client.post(path, json={"model": "c", "input": "Hi", **ASK})
                assert told(answer) == (404, "invalid_request_error", "model_not_found")
                assert "There are fast, a/b." in answer.json()["error"]["message"]
                assert answer.json()["error"]["param"] == "model"

        against(name("fast", provider.model()), name("a/b", provider.model()), test=test)


def test_responses_are_continued_and_read_again() -> None:
    with ProviderSimulator(["One.", "Two.", "Three."]) as provider:

        async def test(server: Served) -> None:
            first = (await server.client.post("/v1/responses", json={"model": "fast", "input": "Hi"})).json()
            ask = {"model": "fast", "input": "And?", "previous_response_id": first["id"], "background": True}
            second = (await server.client.post("/v1/responses", json=ask)).json()
            assert second["previous_response_id"] == first["id"]
            async with asyncio.timeout(20):
                while second["status"] != "completed":
                    second = (await server.client.get(f"/v1/responses/{second['id']}")).json()
            assert second["output"][0]["content"][0]["text"] == "Two."
            assert (await server.client.get("/v1/responses/resp_none")).status_code == 404

        against(name("fast", provider.model()), test=test)
        assert [message["role"] for message in provider.requests[1].json["messages"]] == ["user", "assistant", "user"]


def test_each_request_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with ProviderSimulator(["One.", Fail(500, "broken")]) as provider:

        async def test(server: Served) -> None:
            for _ in range(2):
                await server.client.post(CHAT, json={"model": "fast", **ASK, "stream": True})

        with caplog.at_level(logging.INFO, "headwater.web"):
            against(name("fast", provider.model(), retries=0), test=test)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("fast: ")]
    assert len(lines) == 2
    assert "first word after" in lines[0]
    assert "tokens in" in lines[0]
    assert "failed with ServerError" in lines[1]
