"""Conversations twenty times longer than a model reads, on each API over a real socket.

The server refuses a request past its limit, with the API's own words, and one in which a call and its result are not
next to each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from headwater import Agent, Compaction, Thread, tool
from headwater.backends.offline import Call
from headwater.backends.offline.tokenizer import count
from headwater.events import Event, MessageAdded
from headwater.runtime.compaction import HEADING, PROMPT
from headwater.testing import ProviderSimulator, check_log
from headwater.testing.received import Received
from headwater.testing.served_answer import text_of
from headwater.testing.simulator import Body

LIMIT = 500
"""Tokens that the server reads, by its own tokenizer."""

AT = 400
"""Below it: an estimate is not the server's own count."""

FACT = "The gauge at the old bridge stood at 4.12 meters when the ferry left, and the wind came from the west. " * 5


def _openai_chat(tokens: int) -> Body:
    said = (
        f"This endpoint's maximum context length is {LIMIT} tokens. However, you requested about {tokens} tokens"
        f" ({tokens} of text input). Please reduce the length of either one, or use the context-compression plugin to"
        " compress your prompt automatically."
    )
    return _refused({"error": {"message": said, "code": 400, "metadata": {"provider_name": None}}})


def _openai_responses(tokens: int) -> Body:
    """This API refuses inside the stream."""
    error = {
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
        "message": "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "param": "input",
    }
    data = json.dumps({"type": "error", "sequence_number": 2, "error": error})
    return Body(f"event: error\ndata: {data}\n\n".encode())


def _anthropic(tokens: int) -> Body:
    said = f"prompt is too long: {tokens} tokens > {LIMIT} maximum"
    return _refused({"type": "error", "error": {"type": "invalid_request_error", "message": said}})


def _gemini(tokens: int) -> Body:
    said = f"The input token count ({tokens}) exceeds the maximum number of tokens allowed ({LIMIT})."
    return _refused([{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}])


def _ollama(tokens: int) -> Body:
    said = f"request ({tokens} tokens) exceeds the available context size ({LIMIT} tokens), try increasing it"
    return _refused({"error": {"code": 400, "message": said, "type": "exceed_context_size_error"}})


def _refused(body: Any) -> Body:
    return Body(json.dumps(body).encode(), status=400, headers={"Content-Type": "application/json"})


REFUSALS: dict[str, Callable[[int], Body]] = {
    "openai-chat": _openai_chat,
    "openai-responses": _openai_responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "ollama": _ollama,
}


def messages_of(received: Received) -> list[Any]:
    """The messages of a request, without the system prompt."""
    asked = received.json
    listed: list[Any] = asked.get("messages") or asked.get("input") or asked.get("contents") or []
    return [one for one in listed if one.get("role") not in ("system", "developer")]


def unpaired(api: str, messages: list[Any]) -> str:
    """What is wrong with the calls and results of a request; empty if nothing is."""
    open_: list[str] = []
    for at, message in enumerate(messages):
        calls, results = _calls_and_results(api, message)
        for result in results:
            if result not in open_:
                return f"message {at} has a result without a call"
            open_.remove(result)
        if open_ and not results:
            return f"message {at} follows calls without results"
        open_ += calls
    return "the last calls have no results" if open_ else ""


def _calls_and_results(api: str, message: Any) -> tuple[list[str], list[str]]:
    match api:
        case "openai-chat":
            results = [message["tool_call_id"]] if message["role"] == "tool" else []
            return [call["id"] for call in message.get("tool_calls", ())], results
        case "openai-responses":
            kind, call = message.get("type"), message.get("call_id")
            return [call] * (kind == "function_call"), [call] * (kind == "function_call_output")
        case "anthropic":
            blocks = message["content"] if isinstance(message["content"], list) else []
            return (
                [block["id"] for block in blocks if block["type"] == "tool_use"],
                [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"],
            )
        case "gemini":
            return (
                [part["functionCall"]["name"] for part in message["parts"] if "functionCall" in part],
                [part["functionResponse"]["name"] for part in message["parts"] if "functionResponse" in part],
            )
        case _:
            results = [message["tool_name"]] if message["role"] == "tool" else []
            return [call["function"]["name"] for call in message.get("tool_calls", ())], results


class Reader:
    """A model that looks things up: a call for each question, then an answer. It reads at most `limit` tokens."""

    def __init__(self, api: str, limit: int) -> None:
        self.api = api
        self.limit = limit
        self.tokens: list[int] = []
        """The tokens of each request that it answered."""
        self.refused = 0
        self.summaries = 0
        self.problems: list[str] = []

    def __call__(self, received: Received) -> Any:
        messages = messages_of(received)
        tokens = count(text_of(received.json))
        if wrong := unpaired(self.api, messages):
            self.problems.append(wrong)
            return _refused({"error": {"message": wrong, "type": "invalid_request_error"}})
        if messages[0]["role"] != "user":
            self.problems.append("the first message is not the user's")
        if tokens > self.limit:
            self.refused += 1
            return REFUSALS[self.api](tokens)
        self.tokens.append(tokens)
        last = text_of(messages[-1])
        if PROMPT[:40] in last:
            self.summaries += 1
            return f"Summary {self.summaries}: the gauge was read {text_of(received.json).count('4.12')} times."
        if _calls_and_results(self.api, messages[-1])[1]:
            return f"It stands at 4.12 meters. {FACT}"
        return Call("look", {"at": "the old bridge"})


@tool
def look(at: str) -> str:
    """Look at the gauge."""
    return FACT


def conversation(api: str, reader: Reader, rounds: int, **options: Any) -> tuple[list[Received], list[Event]]:
    """The requests and the events of so many questions on one thread."""
    events: list[Event] = []
    with ProviderSimulator(reader) as provider:
        agent = Agent(model=provider.model(api), instructions="Answer about the river.", tools=[look], **options)
        thread = Thread()
        for number in range(rounds):
            seen: list[Event] = []
            response = agent.run(f"Question {number}: how high is it?", thread=thread, on_event=seen.append)
            assert response.text.startswith("It stands at 4.12")
            check_log(seen)
            events += seen
        return list(provider.requests), events


def begins_alike(requests: list[Received]) -> Iterator[tuple[list[Any], list[Any]]]:
    """The messages of each request with those of the next, where no compaction is between them."""
    asked = [messages_of(one) for one in requests if PROMPT[:40] not in text_of(one.json)]
    for before, after in pairwise(asked):
        if summaries(before) == summaries(after):
            yield before, after


def summaries(messages: list[Any]) -> str:
    return text_of(messages[0]) if HEADING in text_of(messages[0]) else ""


@pytest.mark.parametrize("api", REFUSALS)
def test_a_conversation_of_twenty_times_the_limit_goes_on(api: str) -> None:
    rounds = 20 * LIMIT // (2 * count(FACT)) + 1
    reader = Reader(api, LIMIT)
    requests, events = conversation(api, reader, rounds, compact=AT)
    assert reader.problems == []
    assert reader.refused == 0, "the threshold comes first"
    whole = [event for event in events if isinstance(event, MessageAdded) and event.cause == "compact"]
    assert len(whole) > 10
    pairs = [*begins_alike(requests)]
    assert len(pairs) >= rounds
    for before, after in pairs:
        assert json.dumps(after[: len(before)]) == json.dumps(before), "the provider's prompt cache has it"
    for request, summary in pairwise(requests):
        if PROMPT[:40] in text_of(summary.json):
            asked = messages_of(summary)[:-1]
            if summaries(asked) == summaries(messages_of(request)):
                assert json.dumps(messages_of(request)).startswith(json.dumps(asked)[:-1])
            assert summary.json.get("tools") == request.json.get("tools"), "tools are in the cached beginning too"


def test_it_sends_a_fraction_of_the_tokens() -> None:
    rounds = 20 * LIMIT // (2 * count(FACT)) + 1
    sent = []
    both: tuple[tuple[int, dict[str, Any]], ...] = ((LIMIT, {"compact": AT}), (10**9, {}))
    for limit, options in both:
        reader = Reader("openai-chat", limit)
        conversation("openai-chat", reader, rounds, **options)
        sent.append(sum(reader.tokens))
    assert sent[0] * 5 < sent[1]


@pytest.mark.parametrize("api", REFUSALS)
def test_a_refusal_shortens_the_conversation_too(api: str) -> None:
    """The threshold is far above what the model reads: its refusals alone keep the conversation going."""
    reader = Reader(api, LIMIT)
    requests, events = conversation(api, reader, 20, compact=Compaction(100_000))
    assert reader.refused >= 3
    assert reader.problems == []
    assert [event.type for event in events if event.type == "warning"] == []
    for before, after in begins_alike(requests):
        assert json.dumps(after[: len(before)]) == json.dumps(before)
