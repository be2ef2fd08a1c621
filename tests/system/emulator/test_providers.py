"""Each provider's requests and streams against the emulator: what was asked arrives, what is answered comes back.

The emulator has its own idea of some APIs. Where it leaves the vendor's, the test says so and asserts what is true of
both: the vendors' own bytes are tested by the recordings.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import pytest

from headwater import Agent, Model, errors
from headwater.events import AttemptFailed, CallReady, Event, TextDelta
from tests.system.emulator.answers import ANSWER, LABELS, LONG, REASONING, SLOW, TOOL_ANSWER, TOOL_RESULTS
from tests.system.emulator.conftest import Emulator

pytestmark = pytest.mark.xdist_group("emulator")  # one emulator for all

T = TypeVar("T")

KEY = "key-of-nobody-7c1f"


class Target(NamedTuple):
    """A way to reach the emulator: a model's name, and a base URL or the variables that the vendors' packages read."""

    model: str
    base_url: str = ""
    variables: tuple[tuple[str, str], ...] = ()


# The URL and its host without a scheme stand for themselves until the emulator is there.
TARGETS = {
    "openai-chat": Target("gpt-5.4", "{url}/v1"),
    "openai-responses": Target("openai-responses/gpt-5.4", "{url}/v1"),
    "anthropic": Target("anthropic/claude-sonnet-5", "{url}"),
    "gemini": Target("gemini/gemini-flash-latest", "{url}"),
    "groq": Target("groq/openai/gpt-oss-120b", variables=(("GROQ_BASE_URL", "{url}"), ("GROQ_API_KEY", KEY))),
    "ollama": Target("ollama/llama3.2:3b", variables=(("OLLAMA_HOST", "{host}"),)),
    "azure": Target(
        "azure/my-deployment", variables=(("AZURE_OPENAI_ENDPOINT", "{url}"), ("AZURE_OPENAI_API_KEY", KEY))
    ),
    "azure-dated": Target(
        "azure/my-deployment",
        variables=(
            ("AZURE_OPENAI_ENDPOINT", "{url}"),
            ("AZURE_OPENAI_API_KEY", KEY),
            ("OPENAI_API_VERSION", "2024-10-21"),
        ),
    ),
}


@dataclass
class City:
    name: str
    rivers: list[str]


THE_VENDORS = ("OPENAI_", "AZURE_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "GROQ_", "OLLAMA_", "HEADWATER_MODEL")

PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-flash-latest:streamGenerateContent?alt=sse",
    "groq": "/openai/v1/chat/completions",
    "ollama": "/api/chat",
    "azure": "/openai/v1/chat/completions",
    "azure-dated": "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21",
}


@pytest.fixture(params=LABELS)
def label(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def options(label: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What names the target to a Model or an Agent."""
    for variable in os.environ:
        if variable.startswith(THE_VENDORS):
            monkeypatch.delenv(variable)
    target = TARGETS[label]
    for variable, value in target.variables:
        monkeypatch.setenv(variable, value.format(url=emulator.url, host=emulator.host))
    named: dict[str, Any] = {"model": target.model, "retries": 0}
    if target.base_url:
        named |= {"base_url": target.base_url.format(url=emulator.url), "api_key": KEY}
    return named


@pytest.fixture
def model(options: dict[str, Any]) -> Callable[..., Model]:
    """Makes the target's Model, with further arguments."""

    def make(**given: Any) -> Model:
        named = {**options, **given}
        return Model(named.pop("model"), **named)

    return make


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 30))


def test_text(label: str, model: Callable[..., Model], emulator: Emulator) -> None:
    async def main() -> None:
        stream = model().stream(f"say hi, {label}.")
        chunks = [chunk async for chunk in stream]
        response = await stream.result()
        assert "".join(chunk.content for chunk in chunks) == response == ANSWER
        assert len([chunk for chunk in chunks if chunk.content]) > 2
        assert [chunk.is_final for chunk in chunks].count(True) == 1
        assert chunks[-1].is_final
        assert chunks[-1].finish_reason == response.finish_reason == "stop"
        assert not response.partial

    run(main())
    (asked,) = emulator.asked(f"say hi, {label}.")
    assert asked["path"] == PATHS[label]
    assert KEY not in str(asked["body"])


def test_text_as_strings(model: Callable[..., Model]) -> None:
    async def main() -> None:
        stream = model().stream("say hi")
        assert "".join([text async for text in stream.text()]) == ANSWER

    run(main())


def test_text_in_sync_code(model: Callable[..., Model]) -> None:
    assert "".join(chunk.content for chunk in model().stream("say hi")) == ANSWER


def test_reasoning(label: str, model: Callable[..., Model]) -> None:
    response = run(model().stream("think").result())
    # The emulator's Ollama says reasoning_content, where Ollama itself says thinking.
    assert response.reasoning == ("" if label == "ollama" else REASONING)
    assert response == ANSWER


def test_usage(label: str, model: Callable[..., Model]) -> None:
    usage = run(model().stream("count").result()).usage
    # The emulator counts nothing for Ollama: it sends zeros, which were reported and so are no None.
    assert (usage.input_tokens, usage.output_tokens) == ((0, 0) if label == "ollama" else (10, 5))


def test_an_answer_cut_by_the_limit(label: str, model: Callable[..., Model]) -> None:
    response = run(model().stream("be cut by the limit").result())
    assert response == LONG
    # The emulator's Ollama says stop whatever it was told to say.
    assert response.finish_reason == ("stop" if label == "ollama" else "length")


def test_tools(label: str, options: dict[str, Any], emulator: Emulator) -> None:
    ran: list[str] = []

    def weather(city: str, days: list[int]) -> str:
        """How the weather will be."""
        ran.append(f"weather {city} {days}")
        return TOOL_RESULTS[0]

    async def clock() -> str:
        """What time it is."""
        ran.append("clock")
        return TOOL_RESULTS[1]

    agent = Agent(tools=[weather, clock], print_on=False, **options)
    task = f"What is the weather, {label}?"
    response = run(agent.arun(task))
    assert sorted(ran) == ["clock", "weather Paris [1, 2]"]
    assert response == TOOL_ANSWER
    assert [call.name for call in response.tool_calls] == ["weather", "clock"]
    assert response.tool_calls[0].arguments == {"city": "Paris", "days": [1, 2]}
    first, second = emulator.asked(task)
    assert [tool["function"]["name"] for tool in first["body"]["tools"]] == ["weather", "clock"]
    results = [message for message in second["body"]["messages"] if message["role"] == "tool"]
    for message, result in zip(results, TOOL_RESULTS, strict=True):
        assert result in str(message["content"])


def test_a_stream_runs_no_tools(label: str, model: Callable[..., Model]) -> None:
    def weather(city: str) -> str:
        """How the weather will be."""
        raise AssertionError("it was run")

    async def main() -> list[Event]:
        return [event async for event in model().stream(f"weather for {label}", tools=[weather]).events()]

    events = run(main())
    assert [event.name for event in events if isinstance(event, CallReady)] == ["weather", "clock"]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Let me look."


def test_calls_before_and_between_the_text(model: Callable[..., Model]) -> None:
    response = run(model().stream("interleave").result())
    assert response == "Meanwhile, some text."
    assert [(call.name, call.arguments) for call in response.tool_calls] == [
        ("weather", {"city": "Paris", "days": [1, 2]}),
        ("clock", {}),
    ]


def test_structured_output(label: str, options: dict[str, Any], emulator: Emulator) -> None:
    agent = Agent(output_type=City, print_on=False, **options)
    response = run(agent.arun(f"structured, {label}"))
    assert response.output == City(name="Paris", rivers=["Seine"])


def test_slowed_down(model: Callable[..., Model]) -> None:
    with pytest.raises(errors.RateLimited, match="Slow down") as caught:
        run(model().stream("be slowed down").result())
    assert (caught.value.status, caught.value.retry_after) == (429, 7.0)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("task", "kind", "status"),
    [
        ("fall over", errors.ServerError, 500),
        ("be overloaded", errors.Overloaded, 529),
        ("lack a key", errors.AuthenticationFailed, 401),
        ("be too long", errors.ContextTooLong, 400),
    ],
)
def test_http_errors(model: Callable[..., Model], task: str, kind: type[errors.ProviderError], status: int) -> None:
    with pytest.raises(kind) as caught:
        run(model().stream(task).result())
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert KEY not in str(caught.value)
    assert caught.value.request_id is not None


def test_a_retry_recovers(label: str, model: Callable[..., Model]) -> None:
    async def main() -> list[Event]:
        stream = model(retries=1).stream(f"try again, {label}.")
        events: list[Event] = [event async for event in stream.events()]
        assert await stream.result() == ANSWER
        return events

    (failed,) = [event for event in run(main()) if isinstance(event, AttemptFailed)]
    assert (failed.error.type, failed.error.status, failed.then) == ("Overloaded", 503, "retry")


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        ("be garbled", (errors.IncompleteStream, errors.MalformedResponse)),
        ("hang up", (errors.ConnectionFailed,)),
    ],
)
def test_a_body_that_is_not_an_answer(
    model: Callable[..., Model], task: str, kinds: tuple[type[errors.HeadwaterError], ...]
) -> None:
    with pytest.raises(kinds) as caught:
        run(model().stream(task).result())
    assert type(caught.value) in kinds
    assert caught.value.response == ""


def test_a_broken_stream_is_not_an_answer(model: Callable[..., Model]) -> None:
    seen: list[str] = []

    async def main() -> None:
        async for chunk in model().stream("be broken off"):
            seen.append(chunk.content)  # noqa: PERF401 - what came before the error is what is asked about

    with pytest.raises(errors.IncompleteStream) as caught:
        run(main())
    shown = "".join(seen)
    assert shown
    assert LONG.startswith(shown)
    assert shown != LONG
    assert caught.value.response == shown
    assert caught.value.response.partial


def test_leaving_keeps_what_was_shown(label: str, model: Callable[..., Model]) -> None:
    async def main() -> None:
        stream = model().stream(f"trickle for {label}")
        shown = ""
        async for chunk in stream:
            shown += chunk.content
            if shown:
                break
        response = await stream.result()
        assert response == shown
        assert SLOW.startswith(shown)
        assert response.partial
        assert response.finish_reason == "cancelled"

    run(main())


def test_many_at_once(model: Callable[..., Model]) -> None:
    async def main() -> list[str]:
        one = model()
        return await asyncio.gather(*(one.stream("say hi").result() for _ in range(50)))

    assert run(main()) == [ANSWER] * 50
