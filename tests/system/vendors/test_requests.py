"""Whatever is asked, of whichever server: the body fits the vendor's own types and keeps the rules of its API.

A request that cannot be honored is refused before it is sent, with an error of headwater's own.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from headwater import errors
from headwater.events.messages import Message, Text, ToolResult
from headwater.providers.registry import load_api
from headwater.providers.request import Request
from tests.support.recordings import recordings
from tests.system.vendors.judging import Judge
from tests.system.vendors.ledger import judged, vendor_of
from tests.system.vendors.rules import broken_rule
from tests.system.vendors.wishes import ENDPOINTS, MODELS, any_request, message_of

EXAMPLES = 30


@pytest.mark.parametrize("server", ENDPOINTS)
def test_every_request_matches_the_vendors_types(judge: Judge, server: str) -> None:
    endpoint = ENDPOINTS[server]
    encode = load_api(endpoint.api).encode
    came_to: Counter[str] = Counter()

    # Not shrunk: with a program that is asked for each example it takes minutes, and the body itself says enough.
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(any_request(server))
    def tried(request: Request) -> None:
        try:
            body = json.loads(encode(request, endpoint).body)
        except (errors.UnsupportedSetting, errors.InvalidRequest):
            came_to["refused"] += 1
            return
        came_to["sent"] += 1
        assert judge(vendor_of(endpoint), judged(endpoint, body)) == "", body
        assert broken_rule(endpoint.api, body) == "", body

    tried()
    assert came_to["sent"], came_to


# --- what real servers said, sent back to each API

APIS = {
    "openai-chat": "openai-chat at openai",
    "openai-responses": "openai-responses at openai",
    "anthropic-messages": "anthropic at anthropic",
    "gemini": "gemini at gemini",
    "ollama-chat": "ollama at ollama",
}


@pytest.mark.parametrize("api", APIS)
def test_recorded_answers_can_be_sent_to_any_api(judge: Judge, api: str) -> None:
    """Every recorded answer as history, with results for its calls: at its own API, and where a fallback asks."""
    if not recordings(api):
        pytest.skip("no recordings: set HEADWATER_SHARED")
    own = ENDPOINTS[APIS[api]].api
    faults: dict[str, str] = {}
    for recording in recordings(api):
        if recording.format == "json-array":
            continue  # its framing is the transport's to undo
        history = _history(message_of(own, recording.body))
        for name in (*APIS.values(), "openai-chat at groq", "openai-chat at mistral"):
            endpoint = ENDPOINTS[name]
            request = Request(model=MODELS[endpoint.api][0], messages=history)
            body = json.loads(load_api(endpoint.api).encode(request, endpoint).body)
            wrong = judge(vendor_of(endpoint), judged(endpoint, body)) or broken_rule(endpoint.api, body)
            if wrong:
                faults[f"{recording.name} at {name}"] = wrong
    assert faults == {}


def _history(answer: Message) -> tuple[Message, ...]:
    calls = [call for call in answer.tool_calls if call.by != "provider"]
    results = tuple(ToolResult(id=call.id, name=call.name, content="9", custom=call.custom) for call in calls)
    told = (Message.tool(*results),) if calls else ()
    return (Message.user("Hello."), answer, *told, Message.user(Text(text="Go on.")))
