"""What the emulator answers to which message, as its fixture file has it, and what the tests then expect.

It matches on substrings of the last user message, the first match wins, and one set of answers serves every API.
"""

from __future__ import annotations

from typing import Any

__all__ = ("ANSWER", "LABELS", "LONG", "REASONING", "SLOW", "TOOL_ANSWER", "TOOL_RESULTS", "fixtures")

LABELS = ("openai-chat", "openai-responses", "anthropic", "gemini", "groq", "ollama", "azure", "azure-dated")

ANSWER = "Hello there, 🎉 friend: wo entspringt der Fluß? 川はどこから流れるのか。"
REASONING = "Let me think it over, step by step."
TOOL_RESULTS = ("21 degrees in Paris", "It is noon.")
"""Of the tools in the order of the calls."""
TOOL_ANSWER = "It is 21 degrees there."
LONG = " ".join(f"word{number}" for number in range(60))
SLOW = " ".join(f"drop{number}" for number in range(400))

CHUNKS_BEFORE_THE_CUT = 10
"""More than what an API says before its first text, and fewer than the text has."""


def fixtures() -> dict[str, Any]:
    """The emulator's fixture file."""
    city = {"name": "weather", "arguments": {"city": "Paris", "days": [1, 2]}}
    plain: list[dict[str, Any]] = [
        answer("say hi", content=ANSWER),
        answer("think", content=ANSWER, reasoning=REASONING),
        answer("count", content="Counted.", usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}),
        answer("be cut by the limit", content=LONG, finishReason="length"),
        answer("structured", content={"name": "Paris", "rivers": ["Seine"]}),
        # The last result has to arrive as it was given, and as the last, or neither of these matches.
        {
            "match": {"userMessage": "weather", "hasToolResult": True, "toolResultContains": TOOL_RESULTS[-1]},
            "response": {"content": TOOL_ANSWER},
        },
        {
            "match": {"userMessage": "weather", "hasToolResult": False},
            "response": {"content": "Let me look.", "toolCalls": [city, {"name": "clock", "arguments": {}}]},
        },
        answer(
            "interleave",
            blocks=[
                {"type": "toolCall", **city},
                {"type": "text", "text": "Meanwhile, "},
                {"type": "toolCall", "name": "clock", "arguments": {}},
                {"type": "text", "text": "some text."},
            ],
        ),
        {**answer("be garbled", content=ANSWER), "chaos": {"malformedRate": 1}},
        {**answer("hang up", content=ANSWER), "chaos": {"disconnectRate": 1}},
        failure("be slowed down", 429, "rate_limit_error", "Slow down", retryAfter=7),
        failure("fall over", 500, "server_error", "It fell over"),
        failure("be overloaded", 529, "overloaded_error", "Overloaded"),
        failure("lack a key", 401, "authentication_error", "No such key"),
        failure("be too long", 400, "invalid_request_error", "This model's maximum context length is 3 tokens"),
        {**answer("be broken off", content=LONG), "truncateAfterChunks": CHUNKS_BEFORE_THE_CUT, "latency": 2},
        {**answer("trickle", content=SLOW), "latency": 25},
    ]
    # These are counted by the emulator, so each provider has its own.
    counted = [
        fixture
        for label in LABELS
        for fixture in (
            failure(f"try again, {label}.", 503, "server_error", "Busy", sequence=0),
            answer(f"try again, {label}.", sequence=1, content=ANSWER),
        )
    ]
    return {"fixtures": [*counted, *plain]}


def answer(message: str, sequence: int | None = None, **response: Any) -> dict[str, Any]:
    """An answer to a message that holds `message`; with `sequence` only to the one of that number, from 0."""
    match: dict[str, Any] = {"userMessage": message}
    if sequence is not None:
        match["sequenceIndex"] = sequence
    return {"match": match, "response": response}


def failure(
    message: str, status: int, kind: str, said: str, sequence: int | None = None, **response: Any
) -> dict[str, Any]:
    """An HTTP error in answer to a message that holds `message`."""
    return answer(message, sequence, error={"message": said, "type": kind}, status=status, **response)
