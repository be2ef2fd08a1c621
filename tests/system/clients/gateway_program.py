"""OpenAI's client for Python against a gateway: any of its major versions, in an environment of its own.

    python tests/system/clients/gateway_program.py http://127.0.0.1:8000

It needs nothing but `openai`. What the client gives is asserted; the first difference ends it.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from typing import Any

import openai

client: Any = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0, timeout=30)
ASK: Any = [{"role": "user", "content": "Hi"}]
PICK = {"type": "object", "properties": {"among": {"type": "array", "items": {"type": "string"}}}}
TOOL: Any = {"type": "function", "function": {"name": "pick", "description": "Pick one.", "parameters": PICK}}
MODELS = ("plain", "claude", "thinker")


def chat(model: str, messages: Any = ASK, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=messages, **more)


def raises(kind: type[Exception], call: Any) -> Any:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was to be raised")


def names() -> None:
    found = [model.id for model in client.models.list()]
    assert {"plain", "chain", "slow"} <= {*found}, found
    assert client.models.retrieve("chain").id == "chain"
    error = raises(openai.NotFoundError, lambda: chat("nobody"))
    assert (error.code, error.param) == ("model_not_found", "model"), (error.code, error.param)
    assert "There are plain, claude" in error.message, error.message


def completions() -> None:
    for model in MODELS:
        whole = chat(model)
        message = whole.choices[0].message
        assert message.content == "Found two.", message
        assert message.model_dump()["reasoning_content"] == "Hm. Well.", message
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage.completion_tokens > 0
        chunks = [*chat(model, stream=True, stream_options={"include_usage": True})]
        choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
        assert "".join(choice.delta.content or "" for choice in choices) == "Found two."
        assert choices[-1].finish_reason == "stop"
        assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
        assert {chunk.model for chunk in chunks} == {model}


def completions_with_the_clients_tools() -> None:
    for model in ("tools", "tools-claude", "tools-thinker"):
        calls: dict[int, dict[str, str]] = {}
        pieces = 0
        for chunk in chat(model, tools=[TOOL], stream=True):
            for call in chunk.choices[0].delta.tool_calls or ():
                known = calls.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
                known["id"] += call.id or ""
                known["name"] += call.function.name or ""
                known["arguments"] += call.function.arguments or ""
                pieces += bool(call.function.arguments)
            reason = chunk.choices[0].finish_reason
        assert reason == "tool_calls", (model, reason)
        assert pieces == 3, (model, pieces)
        (streamed,) = calls.values()
        assert (streamed["name"], json.loads(streamed["arguments"])) == ("pick", {"among": ["a", "b"]}), streamed
        first = chat(model, tools=[TOOL], tool_choice="required").choices[0]
        assert (first.finish_reason, first.message.content) == ("tool_calls", "Pick one. "), first
        (call,) = first.message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": "b"}
        talk = [*ASK, first.message.model_dump(exclude_none=True), result]
        assert chat(model, talk, tools=[TOOL]).choices[0].message.content == "You said b."


def what_is_passed_on() -> None:
    schema = {"name": "port", "strict": True, "schema": {"type": "object", "properties": {}}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    talk = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [picture]}]
    answer = chat(
        "echo",
        talk,
        temperature=0.3,
        seed=7,
        stop=["END"],
        max_tokens=50,
        logit_bias={"5": 1},
        response_format={"type": "json_schema", "json_schema": schema},
        extra_body={"min_p": 0.1},
    )
    sent = json.loads(answer.choices[0].message.content)
    assert (sent["temperature"], sent["seed"], sent["stop"], sent["min_p"]) == (0.3, 7, ["END"], 0.1), sent
    assert 50 in (sent.get("max_tokens"), sent.get("max_completion_tokens")), sent
    assert sent["logit_bias"] == {"5": 1}
    assert sent["response_format"]["json_schema"]["name"] == "port"
    assert "Be kind." in json.dumps(sent["messages"][0])
    assert sent["messages"][1]["content"][0]["type"] == "image_url"
    error = raises(openai.BadRequestError, lambda: chat("claude", seed=7))
    assert error.param == "seed", error
    for name, value in (("n", 2), ("logprobs", True), ("functions", [{"name": "f"}])):
        error = raises(openai.BadRequestError, partial(chat, "plain", **{name: value}))
        assert error.param == name, error.param


def failures() -> None:
    for stream in (True, False):
        error = raises(openai.RateLimitError, partial(chat, "busy", stream=stream))
        assert (error.status_code, error.code) == (429, "rate_limit_exceeded"), error
        assert error.response.headers["retry-after"] == "3"
        assert "slow down" in error.message, error.message
        error = raises(openai.InternalServerError, partial(chat, "down", stream=stream))
        assert error.status_code == 500
    error = raises(openai.RateLimitError, lambda: client.responses.create(model="busy", input="Hi", stream=True))
    assert error.status_code == 429
    got: list[str] = []

    def read() -> None:
        got.extend(chunk.choices[0].delta.content or "" for chunk in chat("cut", stream=True))

    error = raises(openai.APIError, read)
    assert ("".join(got), error.code) == ("Half ", "IncompleteStream"), (got, error.code)
    assert raises(openai.InternalServerError, lambda: chat("cut")).status_code == 502


def the_next_of_a_chain() -> None:
    answer = client.chat.completions.with_raw_response.create(model="chain", messages=ASK)
    assert answer.headers["headwater-model"].startswith("anthropic/"), answer.headers
    assert answer.parse().choices[0].message.content == "Found two."


def responses() -> None:
    for model in MODELS:
        whole = client.responses.create(model=model, input="Hi", instructions="Be kind.", max_output_tokens=99)
        assert (whole.status, whole.output_text, whole.instructions) == ("completed", "Found two.", "Be kind.")
        assert [item.type for item in whole.output] == ["reasoning", "message"]
        assert whole.usage.output_tokens > 0
        with client.responses.stream(model=model, input="Hi") as stream:
            types = [event.type for event in stream]
            final = stream.get_final_response()
        assert final.output_text == "Found two."
        assert "response.reasoning_summary_text.delta" in types, types
        assert "response.output_text.delta" in types
    last = [*client.responses.create(model="cut", input="Hi", stream=True)][-1]
    assert last.type == "response.failed"
    assert "was interrupted" in last.response.error.message


def responses_with_the_clients_tools() -> None:
    tool: Any = {"type": "function", "name": "pick", "parameters": PICK, "strict": False}
    for model in ("tools", "tools-claude", "tools-thinker"):
        events = [*client.responses.create(model=model, input="Hi", tools=[tool], stream=True)]
        assert [event.sequence_number for event in events] == [*range(len(events))]
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert len(deltas) == 3, deltas
        first = events[-1].response
        call = first.output[-1]
        assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "pick", {"among": ["a", "b"]})
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "b"}
        second = client.responses.create(model=model, previous_response_id=first.id, input=[result], tools=[tool])
        assert second.output_text == "You said b.", second.output_text
        talk: Any = [{"role": "user", "content": "Hi"}, *(item.model_dump() for item in first.output), result]
        assert client.responses.create(model=model, input=talk, tools=[tool]).output_text == "You said b."


def leaving() -> None:
    stream = chat("slow", stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    for _ in range(200):
        gone = chat("left").choices[0].message.content
        if gone == "1":
            return
        time.sleep(0.02)
    raise AssertionError(f"{gone} connections to the provider were closed")


def what_is_not_there() -> None:
    for call in (
        lambda: client.embeddings.create(model="plain", input="Hi"),
        lambda: client.images.generate(model="plain", prompt="Hi"),
        lambda: client.moderations.create(input="Hi"),
        lambda: client.completions.create(model="plain", prompt="Hi"),
        lambda: client.audio.transcriptions.create(model="plain", file=("a.wav", b"RIFF")),
        lambda: client.files.list(),
    ):
        error = raises(openai.NotFoundError, call)
        assert error.code == "not_found", error
        assert "Chat Completions" in error.message, error.message


CHECKS = [
    names,
    completions,
    completions_with_the_clients_tools,
    what_is_passed_on,
    failures,
    the_next_of_a_chain,
    responses,
    responses_with_the_clients_tools,
    leaving,
    what_is_not_there,
]

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("as it should be:", check.__name__.replace("_", " "))
    print(f"openai {openai.__version__} reads all of it.")
