"""Requests of every kind: all settings, tools, kinds of content, and histories that models of every API wrote.

Owns the strategies. What a model said is not made up here: its answer is written as its API writes it, decoded and
folded, so that signatures and items are those that a server would get back.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st

from headwater.backends.offline.performance import Pace
from headwater.backends.offline.script import Act, Call, Say, Think
from headwater.events import RunStarted, StepStarted
from headwater.events.fold import Fold
from headwater.events.messages import AnyPart, File, Image, Message, Reasoning, Source, Text, ToolCall, ToolResult
from headwater.providers import openai_responses
from headwater.providers.openai_chat import QUIRKS
from headwater.providers.registry import load_api
from headwater.providers.request import Endpoint, OutputSpec, Quirks, Request, Secret, Settings, ToolSpec
from headwater.testing.served_answer import write
from headwater.testing.wires import WIRES
from headwater.testing.wires.base import Unspeakable

__all__ = ("APIS", "ENDPOINTS", "MODELS", "any_request", "message_of")

APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")

MODELS: Mapping[str, tuple[str, ...]] = {
    "openai-chat": ("gpt-5.4", "gpt-4.1", "some/model"),
    "openai-responses": ("gpt-5.4", "gpt-4.1", "o4-mini"),
    "anthropic": ("claude-opus-5", "claude-sonnet-4-5", "claude-3-5-haiku-latest", "claude-opus-4-6", "elsewhere-1"),
    "gemini": ("gemini-3-pro", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash", "learnlm"),
    "ollama": ("qwen3:8b",),
}
"""A model of each family that is asked in a way of its own."""

ENDPOINTS: Mapping[str, Endpoint] = {
    **{
        f"openai-chat at {server}": Endpoint(
            provider=server,
            api="openai-chat",
            base_url="https://host.example/v1",
            key=Secret("sk-1"),
            quirks=QUIRKS.get(server, Quirks()),
        )
        for server in (*QUIRKS, "another")
    },
    **{
        f"{api} at {server}": Endpoint(
            provider=server, api=api, base_url="https://host.example", key=Secret("sk-1"), quirks=quirks
        )
        for api, server, quirks in (
            ("openai-responses", "openai", openai_responses.QUIRKS["openai"]),
            ("openai-responses", "another", Quirks()),
            ("anthropic", "anthropic", Quirks()),
            ("gemini", "gemini", Quirks()),
            ("ollama", "ollama", Quirks()),
        )
    },
}
"""Where requests go: each server that speaks Chat Completions in its own way, and the other APIs."""

ids = st.text("abcXYZ019_-.:|", min_size=1, max_size=12) | st.sampled_from(["call_0", "x" * 90, "", "a b", "ü"])
texts = st.text(max_size=20) | st.sampled_from(["", " ", "\n", "\ud83c", "🌊", "Error: no", '{"a": 1}', "Hello."])
words = st.text("abc_-", min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=3,
)
objects = st.dictionaries(words, json_values, max_size=2)

PNG = b"\x89PNG\r\n\x1a\n"

images = st.one_of(
    st.builds(
        Image,
        data=st.sampled_from([PNG, b"\xff\xd8\xff", b"GIF89a", b"RIFF0000WEBP", b"?"]),
        detail=st.sampled_from([None, "low", "high", "auto"]),
        cache=st.booleans(),
    ),
    st.builds(
        Image,
        url=st.sampled_from(["https://host.example/a.png", "data:image/png;base64,iVBORw0KGgo="]),
        detail=st.sampled_from([None, "low", "high", "auto"]),
        cache=st.booleans(),
    ),
)

_KINDS = ("", "application/pdf", "text/plain", "application/json", "audio/wav", "audio/mpeg", "audio/ogg", "video/mp4")

files = st.one_of(
    st.builds(
        File,
        data=st.sampled_from([b"%PDF-1.7", b"a,b\n", b"ID3", b"OggS", b"RIFF0000WAVE", PNG, b"\xff\xfe"]),
        name=st.sampled_from(["", "a.pdf", "ü b.txt"]),
        media_type=st.sampled_from([*_KINDS, "image/png"]),
        cache=st.booleans(),
    ),
    st.builds(
        File,
        url=st.just("https://host.example/a"),
        name=st.sampled_from(["", "a.pdf"]),
        media_type=st.sampled_from([*_KINDS, "image/png"]),
        cache=st.booleans(),
    ),
    st.builds(
        File,
        id=st.sampled_from(["file-1", "files/1"]),
        media_type=st.sampled_from([*_KINDS, "image/png"]),
        cache=st.booleans(),
    ),
)

said = st.builds(Text, text=texts, cache=st.booleans())
told = st.lists(said | images | files, min_size=1, max_size=3).map(tuple)

# --- what a model said, as it comes back from its API

written = st.sampled_from(['{"a": ', "", "[1]", "no", '{"a": 1} '])
arguments = objects | written
sayable = st.dictionaries(words, st.integers(-5, 5) | st.text("ü🌊a ", max_size=4), max_size=2)
"""Arguments that a server can say: no half of a surrogate pair, which no body holds."""
acts: st.SearchStrategy[list[Act]] = st.lists(
    st.one_of(
        st.builds(Say, st.text(min_size=1, max_size=12), refusal=st.booleans()),
        st.builds(Think, st.text(min_size=1, max_size=12), kind=st.sampled_from(["full", "summary"])),
        st.builds(Think, st.just("Hm."), signature=st.just("c2ln")),
        st.builds(Think, redacted=st.just("eHh4")),
        st.builds(
            Call,
            words,
            sayable | arguments.filter(lambda one: isinstance(one, str)),
            id=st.none() | ids,
            custom=st.booleans(),
        ),
    ),
    max_size=4,
)


def _decoded(api: str, turn: list[Act]) -> Message | None:
    """The turn as a message that this API's decoder makes of it; None where the API cannot say it."""
    wire = WIRES[api]("m", {"stream": True, "messages": [], "input": []})
    try:
        answer = write(turn, wire, pace=Pace(None), input_tokens=3)
    except Unspeakable:
        return None
    return message_of(api, b"".join(step for step in answer.steps if isinstance(step, bytes)))


def message_of(api: str, body: bytes) -> Message:
    """What this API's decoder makes of a body, as the message that stands in the history."""
    decoder = load_api(api).Decoder()
    folded = Fold()
    for event in (RunStarted(), StepStarted(step=1), *decoder.feed(body), *decoder.finish()):
        folded.add(event)
    return folded.message(api, "m")


@st.composite
def _by_a_server(draw: st.DrawFn) -> Message:
    api = draw(st.sampled_from(APIS))
    turn = draw(acts)
    return _decoded(api, turn) or Message.assistant("I cannot say that.")


parts: st.SearchStrategy[AnyPart] = st.one_of(
    st.builds(Text, text=texts, refusal=st.booleans(), cache=st.booleans()),
    st.builds(Reasoning, text=texts, kind=st.sampled_from(["full", "summary"])),
    st.builds(Source, url=st.just("https://host.example"), title=texts),
    images,
    st.builds(
        ToolCall,
        id=ids,
        name=words,
        arguments=arguments,
        custom=st.booleans(),
        by=st.sampled_from(["agent", "client", "provider"]),
    ),
)
by_hand = st.builds(
    Message,
    role=st.just("assistant"),
    content=st.lists(parts, max_size=3).map(tuple),
    api=st.sampled_from(["", *APIS]),
)

results = st.one_of(texts, st.lists(said | images | files, max_size=2).map(tuple))


@st.composite
def _turns(draw: st.DrawFn) -> list[Message]:
    """What is asked, what was answered, and what the tools gave back that it called."""
    asked = Message(role="user", content=draw(told), name=draw(st.sampled_from(["", "ann", "Ann B."])))
    answer = draw(_by_a_server() | by_hand)
    turns = [asked, answer]
    calls = [call for call in answer.tool_calls if call.by != "provider"]
    if calls:
        given = tuple(
            ToolResult(
                id=call.id,
                name=call.name,
                content=draw(results),
                error=draw(st.booleans()),
                custom=call.custom,
                cache=draw(st.booleans()),
            )
            for call in calls
        )
        together = draw(st.booleans())
        turns += [Message.tool(*given)] if together else [Message.tool(one) for one in given]
    return turns


histories = st.builds(
    lambda told, turns, last: (*told, *(one for turn in turns for one in turn), Message(role="user", content=last)),
    st.lists(st.builds(Message.system, texts), max_size=2),
    st.lists(_turns(), max_size=3),
    told,
)

# --- what else is asked

SCHEMAS: tuple[dict[str, Any], ...] = (
    {},
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]},
    {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "$defs": {"A": {"type": "object", "properties": {"c": {"type": "array", "items": {"type": "number"}}}}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    {"type": "object", "additionalProperties": {"type": "string"}},
)
tools = st.lists(
    st.builds(
        ToolSpec,
        name=words,
        description=st.sampled_from(["", "Looks."]),
        parameters=st.sampled_from(SCHEMAS),
        strict=st.sampled_from([None, None, False]),
    ),
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)

outputs = st.none() | st.builds(
    OutputSpec,
    name=st.sampled_from(["Tide", "list[Tide]", "x" * 80]),
    schema=st.sampled_from(SCHEMAS[1:]),
    strict=st.booleans(),
    description=st.sampled_from(["", "A tide."]),
    in_words=st.booleans(),
)

_VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0, 0.5, 1, 1.0]),
    "top_p": st.sampled_from([0.1, 1]),
    "top_k": st.sampled_from([1, 40]),
    "max_tokens": st.sampled_from([1, 2000, 50_000]),
    "stop": st.sampled_from([(), ("a",), ("a", "b")]),
    "seed": st.just(7),
    "presence_penalty": st.just(0.5),
    "frequency_penalty": st.just(-0.5),
    "reasoning": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", True, False, 0, 2048]),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "tool_choice": st.sampled_from(["auto", "none", "required", "a"]),
    "parallel_tool_calls": st.booleans(),
    "service_tier": st.sampled_from(["auto", "flex", "priority", "standard_only", "default", "on_demand", "standard"]),
    "user": st.just("ann"),
    "cache": st.booleans(),
    "store": st.booleans(),
    "background": st.booleans(),
}


@st.composite
def _settings(draw: st.DrawFn, refused: frozenset[str]) -> Settings:
    names = sorted(set(_VALUES) - refused)
    chosen = draw(st.lists(st.sampled_from(names), max_size=4, unique=True))
    return Settings(**{name: draw(_VALUES[name]) for name in chosen})


@functools.cache
def any_request(server: str) -> st.SearchStrategy[Request]:
    """Any request that may be meant for the server; what it refuses outright is not asked of it."""
    endpoint = ENDPOINTS[server]
    return st.builds(
        Request,
        model=st.sampled_from(MODELS[endpoint.api]),
        messages=histories,
        tools=tools,
        output=outputs,
        settings=_settings(endpoint.quirks.unsupported),
    )


assert set(_VALUES) | {"extra"} == set(msgspec.structs.asdict(Settings())), "a setting is tried by nothing"
