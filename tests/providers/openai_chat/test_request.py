"""Chat Completions requests: the encoding of each kind of message, part and setting, and what is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from headwater import errors
from headwater.events import CallReady, ProviderItemMade
from headwater.events.messages import File, Image, Message, ProviderItem, Reasoning, Source, Text, ToolCall, ToolResult
from headwater.providers.openai_chat import Decoder, encode
from headwater.providers.request import HTTPRequest, OutputSpec, Quirks, Request, Settings, ToolSpec
from tests.providers.openai_chat.asking import TOOL, VALUES, endpoint, written
from tests.support.recordings import decode

PNG = b"\x89PNG\r\n\x1a\nrest"
PNG_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()
CALL = ToolCall(id="c1", name="add", arguments={"a": 1})


def messages(*given: Message, server: str = "openai") -> list[Any]:
    found: list[Any] = written(*given, server=server)["messages"]
    return found


# --- the request itself


def test_the_least() -> None:
    request = encode(Request(model="m", messages=(Message.user("hi"),)), endpoint())
    assert request.method == "POST"
    assert request.url == "https://host/v1/chat/completions"
    assert request.headers == {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Authorization": "Bearer sk-1",
    }
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def at(**fields: Any) -> HTTPRequest:
    return encode(Request(model="m", messages=(Message.user("hi"),)), endpoint(**fields))


def test_url_and_headers() -> None:
    assert at(base_url="https://host/v1/").url == "https://host/v1/chat/completions"
    assert at(query={"api-version": "2024 a"}).url == "https://host/v1/chat/completions?api-version=2024+a"


def test_keys() -> None:
    assert "Authorization" not in at(key=None).headers
    assert "Authorization" not in at(key_header="api-key").headers
    assert at(key_header="api-key").headers["api-key"] == "sk-1"
    assert at(headers={"X-Title": "t"}).headers["X-Title"] == "t"
    assert "sk-1" not in repr(at())


# --- messages


def test_roles() -> None:
    given = (Message.system("be brief"), Message.user("hi"), Message.assistant("hello"), Message.user("a", "b"))
    assert messages(*given) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "a\n\nb"},
    ]


def test_the_system_role_is_the_servers() -> None:
    request = Request(model="m", messages=(Message.system("be brief"),))
    body = json.loads(encode(request, endpoint(quirks=Quirks(system_role="developer"))).body)
    assert body["messages"] == [{"role": "developer", "content": "be brief"}]


def test_names_are_sent_to_servers_that_accept_them() -> None:
    message = Message(role="user", content=(Text(text="hi"),), name="Ann Lee")
    assert messages(message) == [{"role": "user", "content": "hi", "name": "Ann_Lee"}]
    assert messages(message, server="groq") == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        (Image(data=PNG), {"type": "image_url", "image_url": {"url": PNG_URL}}),
        (
            Image(url="https://a/b.png", detail="low"),
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
        ),
        (File(data=b"ID3x"), {"type": "input_audio", "input_audio": {"data": "SUQzeA==", "format": "mp3"}}),
        (
            File(data=b"%PDF-x", name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi14"}},
        ),
        (File(id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
        (File(data=PNG, media_type="image/png"), {"type": "image_url", "image_url": {"url": PNG_URL}}),
        (
            File(url="https://a/b.png", media_type="image/png"),
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        ),
    ],
)
def test_a_users_images_and_files(part: Image | File, wanted: dict[str, Any]) -> None:
    assert messages(Message.user("look", part)) == [
        {"role": "user", "content": [{"type": "text", "text": "look"}, wanted]}
    ]


VIDEOS = [
    (File(data=b"x", media_type="video/mp4"), "data:video/mp4;base64,eA=="),
    (File(url="https://a/b.mp4", media_type="video/mp4"), "https://a/b.mp4"),
]


@pytest.mark.parametrize(("video", "url"), VIDEOS)
def test_a_video_is_sent_if_the_server_accepts_it(video: File, url: str) -> None:
    (message,) = messages(Message.user("look", video), server="vllm")
    assert message["content"][1] == {"type": "video_url", "video_url": {"url": url}}
    for server in ("openai", "azure", "groq", "llamacpp"):
        with pytest.raises(errors.UnsupportedSetting, match=f"{server} does not accept video"):
            messages(Message.user("look", video), server=server)


def test_audio_is_sent_in_the_servers_formats() -> None:
    sound = Message.user("listen", File(data=b"x", media_type="audio/flac"))
    wanted = {"type": "input_audio", "input_audio": {"data": "eA==", "format": "flac"}}
    assert messages(sound, server="vllm")[0]["content"][1] == wanted
    with pytest.raises(errors.UnsupportedSetting, match="openai does not accept audio/flac"):
        messages(sound)


@pytest.mark.parametrize(
    ("file", "what"),
    [
        (File(data=b"ID3x"), "audio"),
        (File(data=b"%PDF-1"), "application/pdf"),
        (File(id="file-1"), "files"),
        (File(url="https://a/b.pdf", media_type="application/pdf"), "application/pdf"),
    ],
)
def test_a_server_of_images_and_text_refuses_other_files(file: File, what: str) -> None:
    with pytest.raises(errors.UnsupportedSetting, match=f"groq does not accept {what}"):
        messages(Message.user("look", file), server="groq")
    for taken in (File(data=b"a", media_type="text/plain"), File(data=b"x", media_type="image/png")):
        assert messages(Message.user("look", taken), server="groq")


@pytest.mark.parametrize(
    ("server", "taken", "refused"),
    [("openai", "fast", "on_demand"), ("azure", "priority", "standard_only"), ("groq", "on_demand", "priority")],
)
def test_a_service_tier_is_one_of_the_servers_own(server: str, taken: str, refused: str) -> None:
    assert written(server=server, settings=Settings(service_tier=taken))["service_tier"] == taken
    with pytest.raises(errors.UnsupportedSetting, match=f"{server} does not support service_tier='{refused}'"):
        written(server=server, settings=Settings(service_tier=refused))


def test_generated_audio_leaves_a_placeholder() -> None:
    made = Message(
        role="assistant", api="gemini", content=(Text(text="Hear."), File(data=b"x", media_type="audio/wav"))
    )
    assert messages(made, server="groq")[1]["content"] == [{"type": "text", "text": "[audio/wav]"}]
    assert messages(made)[1]["content"][0]["type"] == "input_audio"


def test_a_text_file_is_text() -> None:
    (message,) = messages(Message.user("read", File(data=b"abc", name="a.txt", media_type="text/plain")))
    assert message["content"] == "read\n\na.txt:\n\nabc"


def test_a_file_by_url() -> None:
    message = Message.user(File(url="https://a/b.pdf", media_type="application/pdf"))
    with pytest.raises(errors.InvalidRequest, match="URL"):
        messages(message)
    (mistral,) = messages(message, server="mistral")
    assert mistral["content"] == [{"type": "document_url", "document_url": "https://a/b.pdf"}]
    (openrouter,) = messages(message, server="openrouter")
    assert openrouter["content"] == [{"type": "file", "file": {"filename": "file", "file_data": "https://a/b.pdf"}}]


def test_a_document_by_its_bytes_per_server() -> None:
    (message,) = messages(Message.user(File(data=b"%PDF-x", name="a.pdf")), server="mistral")
    assert message["content"] == [{"type": "document_url", "document_url": "data:application/pdf;base64,JVBERi14"}]


def test_cache_marks_are_sent_to_servers_that_accept_them() -> None:
    message = Message.user(Text(text="long", cache=True), "short")
    mark = {"cache_control": {"type": "ephemeral"}}
    assert messages(message) == [{"role": "user", "content": "long\n\nshort"}]
    assert messages(message, server="openrouter")[0]["content"] == [
        {"type": "text", "text": "long", **mark},
        {"type": "text", "text": "short"},
    ]
    given = (Message.system("be brief"), Message.user("hi"))
    body = written(*given, server="openrouter", settings=Settings(cache=True))
    assert body["messages"][0]["content"] == [{"type": "text", "text": "be brief", **mark}]
    assert written(*given, settings=Settings(cache=True))["messages"][0]["content"] == "be brief"
    marked = Message(role="assistant", content=(Text(text="so", cache=True),))
    assert messages(marked, server="openrouter")[0]["content"] == [{"type": "text", "text": "so", **mark}]
    result = Message.tool(ToolResult(id="c1", name="add", content="2", cache=True))
    assert messages(result, server="openrouter")[0]["content"] == [{"type": "text", "text": "2", **mark}]
    assert messages(result)[0]["content"] == "2"


# --- answers and tool results


BROKEN = '{"invalid_json":"{\\"a\\": "}'
"""The encoding of the invalid arguments `{"a": `: servers parse them."""


def test_calls_and_results() -> None:
    given = (
        Message.user("sum"),
        Message.assistant("Let me see.", CALL, ToolCall(id="c2", name="add", arguments='{"a": ')),
        Message.tool(
            ToolResult(id="c1", name="add", content="2"), ToolResult(id="c2", name="add", content="cut", error=True)
        ),
    )
    assert messages(*given)[1:] == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": BROKEN}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: cut"},
    ]


def test_calls_alone_have_null_content() -> None:
    assert messages(Message.assistant(CALL))[0]["content"] is None


def test_a_custom_call_is_its_text() -> None:
    call = ToolCall(id="c1", name="run", arguments="print(1)", custom=True)
    assert messages(Message.assistant(call))[0]["tool_calls"] == [
        {"id": "c1", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    ]


@pytest.mark.parametrize("text", ["print(1)", '{"a": 1}', ""])
def test_a_custom_call_becomes_a_function_call_if_needed(text: str) -> None:
    (call,) = messages(Message.assistant(ToolCall(id="c1", name="run", arguments=text, custom=True)), server="groq")[0][
        "tool_calls"
    ]
    assert (call["type"], call["function"]["name"]) == ("function", "run")
    assert json.loads(call["function"]["arguments"]) == {"input": text}


def test_content_of_other_apis_is_left_out() -> None:
    answer = Message.assistant(
        ToolCall(id="s1", name="web_search", arguments={}, by="provider"),
        ProviderItem(api="anthropic", item={"type": "thinking"}),
        Source(url="https://a"),
        Reasoning(text="hm"),
        "so",
    )
    assert messages(answer) == [{"role": "assistant", "content": "so"}]
    assert messages(Message.assistant(Reasoning(text="hm"))) == []


def test_a_refusal_is_sent_back() -> None:
    assert messages(Message.assistant(Text(text="I won't.", refusal=True))) == [
        {"role": "assistant", "content": "I won't."}
    ]


def test_images_of_tools_follow_in_a_user_message() -> None:
    given = (
        Message.assistant(CALL, ToolCall(id="c2", name="add", arguments={})),
        Message.tool(ToolResult(id="c1", name="plot", content=(Text(text="a plot"), Image(data=PNG)))),
        Message.tool(ToolResult(id="c2", name="add", content="2")),
        Message.user("thanks"),
    )
    _, first, second, shown, thanks = messages(*given)
    assert first == {
        "role": "tool",
        "tool_call_id": "c1",
        "content": "a plot\n[1 attached: see the next user message]",
    }
    assert second["role"] == "tool"
    assert shown["role"] == "user"
    assert shown["content"][1] == {"type": "image_url", "image_url": {"url": PNG_URL}}
    assert thanks == {"role": "user", "content": "thanks"}


def test_images_of_the_model_follow_in_a_user_message() -> None:
    answer = Message(role="assistant", content=(Text(text="here"), Image(data=PNG)))
    assert messages(answer) == [
        {"role": "assistant", "content": "here"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]},
    ]


@pytest.mark.parametrize(
    ("server", "ident", "same"),
    [("openai", "call_1", True), ("openai", "c" * 41, False), ("mistral", "abc123XYZ", True), ("mistral", "c1", False)],
)
def test_call_ids_fit_the_server(server: str, ident: str, same: bool) -> None:
    call = ToolCall(id=ident, name="f", arguments={})
    asked, answered = messages(
        Message.assistant(call), Message.tool(ToolResult(id=ident, name="f", content="x")), server=server
    )
    found = asked["tool_calls"][0]["id"]
    assert answered["tool_call_id"] == found
    assert (found == ident) is same
    assert len(found) <= 40
    if server == "mistral":
        assert len(found) == 9
        assert found.isalnum()


# --- sending reasoning back


def answer(*parts: Any, api: str = "openai-chat") -> Message:
    return Message(role="assistant", content=parts, api=api)


@pytest.mark.parametrize(
    ("server", "wanted"),
    [
        ("openai", {"content": "so"}),
        ("deepseek", {"content": "so", "reasoning_content": "hmm"}),
        ("ollama", {"content": "so", "reasoning": "hmm"}),
        (
            "mistral",
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]},
                    {"type": "text", "text": "so"},
                ]
            },
        ),
    ],
)
def test_reasoning_is_sent_back_to_servers_that_expect_it(server: str, wanted: dict[str, Any]) -> None:
    given = answer(Reasoning(text="hm"), Reasoning(text="m"), Text(text="so"))
    assert messages(given, server=server) == [{"role": "assistant", **wanted}]
    assert messages(answer(*given.content, api="anthropic"), server=server) == [{"role": "assistant", "content": "so"}]


def test_stored_fields_are_sent_back() -> None:
    details = [{"type": "reasoning.encrypted", "data": "d", "index": 0}]
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"s": 1}}}
    delta = {"reasoning_details": details, "tool_calls": [call], "audio": {"id": "a1", "transcript": "hey"}}
    data = b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\ndata: [DONE]\n\n"
    parts: list[Any] = []
    for event in decode(Decoder(), [data]):
        if isinstance(event, ProviderItemMade):
            parts.append(ProviderItem(api=event.api, item=event.item))
        elif isinstance(event, CallReady):
            parts.append(ToolCall(id="a", name="f", arguments=event.arguments, signature=event.signature))
    (back,) = messages(answer(*parts), server="openrouter")
    assert back == {
        "role": "assistant",
        "content": None,
        "reasoning_details": details,
        "audio": {"id": "a1"},
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"s": 1}},
            }
        ],
    }
    (elsewhere,) = messages(answer(*parts), server="groq")
    assert elsewhere.keys() == {"role", "content", "tool_calls"}
    assert elsewhere["tool_calls"][0].keys() == {"id", "type", "function"}
    (openais,) = messages(answer(*parts), server="openai")
    assert openais["audio"] == {"id": "a1"}
    (foreign,) = messages(answer(*parts, api="gemini"), server="groq")
    assert "extra_content" not in foreign["tool_calls"][0]


# --- tools and output


def test_tools() -> None:
    body = written(tools=(TOOL, ToolSpec(name="now")), settings=Settings(tool_choice="add", parallel_tool_calls=False))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "add",
                "description": "Adds.",
                "parameters": {"type": "object", "properties": {}},
                "strict": True,
            },
        },
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert body["parallel_tool_calls"] is False
    assert "strict" not in written(tools=(TOOL,), server="deepseek")["tools"][0]["function"]


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_tool_choice(choice: str) -> None:
    assert written(tools=(TOOL,), settings=Settings(tool_choice=choice))["tool_choice"] == choice


def test_tool_choice_without_tools() -> None:
    assert "tool_choice" not in written(settings=Settings(tool_choice="none", parallel_tool_calls=False))
    for choice in ("required", "add"):
        with pytest.raises(errors.UnsupportedSetting, match="without tools"):
            written(settings=Settings(tool_choice=choice))
    own = {"tools": [{"type": "web_search"}]}
    assert written(settings=Settings(tool_choice="required", extra=own))["tool_choice"] == "required"


def test_output_by_schema() -> None:
    output = OutputSpec(name="city", schema={"type": "object"}, description="A city.")
    assert written(output=output)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "city", "schema": {"type": "object"}, "strict": True, "description": "A city."},
    }


@pytest.mark.parametrize("told", [(), (Message.system("be brief"),)])
def test_output_schema_in_instructions_if_unsupported(told: tuple[Message, ...]) -> None:
    output = OutputSpec(name="city", schema={"type": "object"})
    body = written(*told, Message.user("hi"), server="deepseek", output=output)
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["role"] == "system"
    assert body["messages"][0]["content"].endswith('{"type":"object"}')
    assert body["messages"][0]["content"].startswith("be brief" if told else "Answer")
    assert body["messages"][1] == {"role": "user", "content": "hi"}


# --- settings


def test_settings_by_their_usual_names() -> None:
    given = Settings(
        temperature=0.5,
        top_p=0.9,
        max_tokens=5,
        stop=("a", "b"),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        verbosity="low",
        service_tier="flex",
        user="u",
        store=False,
        reasoning="low",
    )
    body = written(settings=given)
    for name in ("model", "messages", "stream", "stream_options"):
        del body[name]
    assert body == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 5,
        "stop": ["a", "b"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "verbosity": "low",
        "service_tier": "flex",
        "user": "u",
        "store": False,
        "reasoning_effort": "low",
    }


def test_settings_by_the_servers_names() -> None:
    body = written(server="mistral", settings=Settings(seed=7, max_tokens=5))
    assert body["random_seed"] == 7
    assert body["max_tokens"] == 5
    assert "stream_options" not in body


def test_extra_wins() -> None:
    settings = Settings(temperature=0.5, extra={"temperature": 1, "provider": {"order": ["x"]}})
    body = written(settings=settings)
    assert body["temperature"] == 1
    assert body["provider"] == {"order": ["x"]}


@pytest.mark.parametrize(
    ("server", "value", "wanted"),
    [
        ("openai", "high", {"reasoning_effort": "high"}),
        ("openai", True, {"reasoning_effort": "medium"}),
        ("openai", False, {"reasoning_effort": "none"}),
        ("openai", 0, {"reasoning_effort": "none"}),
        ("openai", 1024, None),
        ("groq", "low", {"reasoning_effort": "low"}),
        ("groq", False, {"reasoning_effort": "none"}),
        ("groq", "minimal", None),
        ("groq", "xhigh", None),
        ("openrouter", "high", {"reasoning": {"effort": "high"}}),
        ("openrouter", True, {"reasoning": {"enabled": True}}),
        ("openrouter", False, {"reasoning": {"enabled": False}}),
        ("openrouter", 1024, {"reasoning": {"max_tokens": 1024}}),
        ("deepseek", "none", {"thinking": {"type": "disabled"}}),
        ("deepseek", True, {"thinking": {"type": "enabled"}}),
        ("deepseek", "high", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", 1024, None),
        ("alibaba", False, {"enable_thinking": False}),
        ("alibaba", True, {"enable_thinking": True}),
        ("alibaba", 1024, {"enable_thinking": True, "thinking_budget": 1024}),
        ("alibaba", "high", None),
        ("vllm", False, {"chat_template_kwargs": {"enable_thinking": False}}),
        ("vllm", "low", {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "low"}),
        ("vllm", 1024, None),
    ],
)
def test_reasoning(server: str, value: Any, wanted: dict[str, Any] | None) -> None:
    if wanted is None:
        with pytest.raises(errors.UnsupportedSetting, match=f"reasoning={value!r}"):
            written(server=server, settings=Settings(reasoning=value))
        return
    body = written(server=server, settings=Settings(reasoning=value))
    bare = written(server=server)
    assert {name: item for name, item in body.items() if name not in bare} == wanted


def test_reasoning_without_a_field() -> None:
    request = Request(model="m", messages=(Message.user("hi"),), settings=Settings(reasoning=True))
    with pytest.raises(errors.UnsupportedSetting, match="reasoning"):
        encode(request, endpoint(quirks=Quirks(reasoning_field="none")))


def test_parallel_calls_without_a_field() -> None:
    assert "parallel_tool_calls" not in written(
        server="deepseek", tools=(TOOL,), settings=Settings(parallel_tool_calls=True)
    )
    with pytest.raises(errors.UnsupportedSetting, match="parallel_tool_calls"):
        written(server="deepseek", tools=(TOOL,), settings=Settings(parallel_tool_calls=False))


def test_every_setting_is_written_or_refused() -> None:
    """No setting is dropped: those without their own field are listed here, with the reason."""
    unwritten = {"cache": "OpenAI caches unasked", "extra": "it is the body's own"}
    values: dict[str, Any] = {
        **VALUES,
        **{"temperature": 1.0, "top_p": 0.5, "max_tokens": 5, "stop": ("a",), "reasoning": "low"},
        **{"tool_choice": "auto", "parallel_tool_calls": True, "background": True},
    }
    bare = written(tools=(TOOL,))
    for field in msgspec.structs.fields(Settings):
        if field.name in unwritten:
            continue
        try:
            body = written(tools=(TOOL,), settings=Settings(**{field.name: values[field.name]}))
        except errors.UnsupportedSetting:
            continue
        assert len(body) == len(bare) + 1, field.name
