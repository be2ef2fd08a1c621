"""OpenAI's client for Python against a server of ours: any of its major versions, in an environment of its own.

    python tests/system/clients/openai_program.py http://127.0.0.1:8000

It needs nothing but `openai`. What the client gives is asserted; the first difference ends it.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

import openai

client: Any = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0, timeout=30)
ASK: Any = [{"role": "user", "content": "Hi"}]
PICK = {"type": "object", "properties": {"among": {"type": "array", "items": {"type": "string"}}}}


def chat(model: str, messages: Any = ASK, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=messages, **more)


def streamed(model: str, messages: Any = ASK, **more: Any) -> tuple[str, str | None, list[Any]]:
    """The text of a streamed completion, why it stopped, and its chunks."""
    chunks = [*chat(model, messages, stream=True, **more)]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    return text, choices[-1].finish_reason, chunks


def raises(kind: type[Exception], call: Any) -> Any:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was to be raised")


def models() -> None:
    names = [model.id for model in client.models.list()]
    assert {"plain", "sequence", "both"} <= {*names}, names
    assert client.models.retrieve("plain").id == "plain"
    raises(openai.NotFoundError, lambda: client.models.retrieve("nobody"))


def completions() -> None:
    whole = chat("plain")
    assert whole.choices[0].message.content == "Found two."
    assert whole.choices[0].message.model_dump()["reasoning_content"] == "Hm. Well."
    assert (whole.choices[0].finish_reason, whole.object) == ("stop", "chat.completion")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    text, reason, chunks = streamed("plain", stream_options={"include_usage": True})
    assert (text, reason) == ("Found two.", "stop")
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
    assert not chunks[-1].choices
    assert len({chunk.id for chunk in chunks}) == 1
    thought = "".join(chunk.choices[0].delta.model_dump().get("reasoning_content") or "" for chunk in chunks[:-1])
    assert thought == "Hm. Well."
    assert all(chunk.usage is None for chunk in streamed("plain")[2])


def completions_of_every_kind() -> None:
    assert streamed("tools")[:2] == ("I look. \n\nFound two.", "stop")
    assert chat("tools").choices[0].message.tool_calls is None
    assert streamed("long")[:2] == ("Too long", "length")
    assert streamed("restarts")[:2] == ("Right now.", "stop")
    assert streamed("sequence")[:2] == ("Found two.", "stop")
    assert streamed("both")[:2] == ("## a\n\nA.\n\n## b\n\nB.", "stop")
    message = chat("refuses").choices[0].message
    assert (message.refusal, message.content) == ("I cannot.", "")
    chunks = streamed("refuses")[2]
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == "I cannot."


def completions_that_fail() -> None:
    got: list[Any] = []

    def read() -> None:
        got.extend(chunk.choices[0].delta.content for chunk in chat("fails", stream=True))

    error = raises(openai.APIError, read)
    assert "gone" in error.message, error.message
    assert "".join(text or "" for text in got) == "Half "
    error = raises(openai.InternalServerError, lambda: chat("fails"))
    assert error.status_code == 500
    error = raises(openai.NotFoundError, lambda: chat("nobody"))
    assert (error.code, error.param) == ("model_not_found", "model"), (error.code, error.param)
    for name, value in (("n", 2), ("logprobs", True), ("response_format", {"type": "json_object"})):
        error = raises(openai.BadRequestError, partial(chat, "plain", **{name: value}))
        assert error.param == name, error.param
    assert chat("plain", temperature=0.3, seed=7, user="ann", n=1).choices[0].message.content == "Found two."


def completions_with_the_clients_tools() -> None:
    tool = {"type": "function", "function": {"name": "pick", "description": "Pick one.", "parameters": PICK}}
    text, reason, chunks = streamed("client", tools=[tool])
    assert (text, reason) == ("Pick one. ", "tool_calls")
    (call,) = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert (call.function.name, call.function.arguments) == ("pick", '{"among":["a","b"]}')
    first = chat("client", tools=[tool]).choices[0]
    assert first.finish_reason == "tool_calls"
    answer = {"role": "tool", "tool_call_id": first.message.tool_calls[0].id, "content": "b"}
    talk = [*ASK, first.message.model_dump(exclude_none=True), answer]
    assert chat("client", talk, tools=[tool]).choices[0].message.content == "You said b."
    assert chat("client", tools=[tool], tool_choice="none").choices[0].message.content.startswith("There is nothing")


def conversations() -> None:
    talk: Any = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Aha."},
        {"role": "user", "content": [{"type": "text", "text": "Two"}]},
    ]
    assert chat("echo", talk).choices[0].message.content == "system: Be kind. | user: One | assistant: Aha. | user: Two"
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert "Image" in chat("echo", [{"role": "user", "content": [picture]}]).choices[0].message.content


def leaving_a_completion() -> None:
    stream = chat("slow", stream=True)
    run = stream.response.headers["headwater-run"]
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    for _ in range(200):
        state = client.get(f"/../runs/{run}", cast_to=object)["state"]
        if state == "cancelled":
            return
        time.sleep(0.02)
    raise AssertionError(f"the run is {state}")


def helper_of_completions() -> None:
    if not hasattr(client.chat.completions, "stream"):
        return  # it came with a later 1.x, and stood under beta before
    with client.chat.completions.stream(model="plain", messages=ASK) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Found two."


def responses() -> None:
    whole = client.responses.create(model="plain", input="Hi")
    assert (whole.status, whole.output_text) == ("completed", "Found two.")
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert whole.usage.total_tokens > 0
    events = [*client.responses.create(model="plain", input="Hi", stream=True)]
    assert [event.sequence_number for event in events] == [*range(len(events))]
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "Found two."
    with client.responses.stream(model="plain", input="Hi") as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "Found two."
    assert "response.output_text.delta" in types


def last_of(model: str, **more: Any) -> Any:
    return [*client.responses.create(model=model, input="Hi", stream=True, **more)][-1]


def responses_of_every_kind() -> None:
    tools = last_of("tools").response
    assert [item.type for item in tools.output] == ["reasoning", "message", "mcp_call", "reasoning", "message"], (
        tools.output
    )
    call = tools.output[2]
    assert (call.name, call.arguments, call.output, call.server_label) == (
        "search",
        '{"query":"tides"}',
        "2 hits for tides",
        "tools",
    )
    failed = last_of("broken").response.output[0]
    assert failed.type == "mcp_call"
    assert failed.error
    assert last_of("restarts").response.output_text == "Right now."
    assert last_of("sequence").response.output_text == "Found two."
    assert last_of("both").response.output_text == "## a\n\nA.\n\n## b\n\nB."
    long = last_of("long")
    assert (long.type, long.response.incomplete_details.reason) == ("response.incomplete", "max_output_tokens")
    refused = last_of("refuses").response.output[0].content[0]
    assert (refused.type, refused.refusal) == ("refusal", "I cannot.")
    fails = last_of("fails")
    assert fails.type == "response.failed"
    assert "gone" in fails.response.error.message


def responses_with_the_clients_tools() -> None:
    tool: Any = {"type": "function", "name": "pick", "parameters": PICK, "strict": False}
    first = client.responses.create(model="client", input="Hi", tools=[tool])
    call = first.output[-1]
    assert (call.type, call.name, call.arguments) == ("function_call", "pick", '{"among":["a","b"]}')
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "b"}
    by_id = client.responses.create(model="client", previous_response_id=first.id, input=[result], tools=[tool])
    assert by_id.output_text == "You said b.", by_id.output_text
    assert by_id.previous_response_id == first.id
    talk: Any = [{"role": "user", "content": "Hi"}, *(item.model_dump() for item in first.output), result]
    assert client.responses.create(model="client", input=talk, tools=[tool]).output_text == "You said b."


def responses_that_go_on() -> None:
    first = client.responses.create(model="echo", input="One", instructions="Be kind.")
    assert first.output_text == "system: Be kind. | user: One"
    second = client.responses.create(model="echo", input="Two", previous_response_id=first.id)
    assert second.output_text.endswith("| user: Two"), second.output_text
    assert "assistant: system: Be kind." in second.output_text
    raises(
        openai.NotFoundError, lambda: client.responses.create(model="echo", input="x", previous_response_id="resp_x")
    )


def responses_that_ask() -> None:
    """A person's approval is an item of one response, and its answer begins the next one."""
    server: Any = {"type": "mcp", "server_label": "approval", "server_url": sys.argv[1], "require_approval": "always"}
    for approve, output in ((True, "sent to ann"), (False, None)):
        first = client.responses.create(model="approval", input="Hi", tools=[server])
        (request,) = first.output
        assert (request.type, request.name, request.server_label) == ("mcp_approval_request", "send", "approval")
        answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve}
        more: Any = {"model": "approval", "input": [answer], "tools": [server], "previous_response_id": first.id}
        with client.responses.stream(**more) as stream:
            for _ in stream:
                pass
            second = stream.get_final_response()
        assert [item.type for item in second.output] == ["mcp_call", "message"], second.output
        assert (second.output[0].output, second.output_text) == (output, "Done."), second.output


def responses_in_the_background() -> None:
    begun = client.responses.create(model="slow", input="Hi", background=True)
    assert begun.status == "in_progress"
    read = []
    stream = client.responses.create(model="plain", input="Hi", stream=True, background=True)
    for event in stream:
        read.append(event)
        if len(read) == 6:
            break
    stream.close()
    rest = [*client.responses.retrieve(read[0].response.id, stream=True, starting_after=5)]
    assert [event.sequence_number for event in (*read, *rest)] == [*range(len(read) + len(rest))]
    assert rest[-1].response.output_text == "Found two."
    assert client.responses.retrieve(read[0].response.id).output_text == "Found two."
    cancelled = client.responses.cancel(begun.id)
    assert cancelled.status == "cancelled"
    assert client.responses.retrieve(begun.id).status == "cancelled"
    last = [*client.responses.retrieve(begun.id, stream=True)][-1]
    assert (last.type, last.response.incomplete_details.reason) == ("response.incomplete", "cancelled")


CHECKS = [
    models,
    completions,
    completions_of_every_kind,
    completions_that_fail,
    completions_with_the_clients_tools,
    conversations,
    leaving_a_completion,
    helper_of_completions,
    responses,
    responses_of_every_kind,
    responses_with_the_clients_tools,
    responses_that_go_on,
    responses_that_ask,
    responses_in_the_background,
]

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("as it should be:", check.__name__.replace("_", " "))
    print(f"openai {openai.__version__} reads all of it.")
