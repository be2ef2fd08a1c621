"""What a provider's simulator was asked: one request, and how its client behaved."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from headwater import Agent, Model
from headwater.testing import (
    ProviderSimulator,
)
from headwater.testing.received import Received
from tests.testing.wires.writing import APIS


def ask(provider: ProviderSimulator, api: str = "openai-chat", **options: Any) -> str:
    options.setdefault("retries", 0)
    return ask_with(provider.model(api, **options))


def ask_with(model: Model) -> str:
    return str(Agent(model=model).run_sync("How is it?"))


@pytest.mark.parametrize("api", APIS)
def test_keys_are_not_kept(api: str) -> None:
    with ProviderSimulator(["Hi."]) as provider:
        ask(provider, api)
        assert "sk-simulated" not in repr(vars(provider.requests[0]))


def test_it_knows_who_left_and_when() -> None:
    with ProviderSimulator([["word "] * 500], rate=200) as provider:
        stream = Agent(model=provider.model()).run_stream("Go")
        for _ in stream:
            break
        received = provider.requests[0]
        assert received.wait_gone()
        assert received.over
        assert received.ended is not None
        assert received.ended >= received.begun
        assert received.pieces < 20


def received(**options: Any) -> Received:
    said: dict[str, Any] = {
        "api": "gemini",
        "method": "POST",
        "path": "/v1beta/models/m:streamGenerateContent",
        "query": {},
        "headers": {},
        "json": {},
        "model": "m",
        "connection": 1,
    }
    return Received(**{**said, **options})


def test_what_could_be_a_key_is_hidden_everywhere() -> None:
    one = received(
        query={"key": "sk-secret", "alt": "sse"}, headers={"authorization": "Bearer sk-secret", "accept": "*"}
    )
    assert "sk-secret" not in repr(vars(one))
    assert one.query["alt"] == "sse"
    assert one.headers["accept"] == "*"


def test_an_answer_ends_once_whichever_side_ends_it() -> None:
    whole, left = received(), received()
    assert not whole.wait_over(0)
    whole.end(gone=False)
    left.end(gone=True)
    assert (whole.over, whole.gone, left.over, left.gone) == (True, False, True, True)
    assert whole.wait_over(0)
    assert not whole.wait_gone(0)
    assert left.wait_gone(0)
    assert left.ended is not None
    assert left.ended >= left.begun


def test_waiters_are_woken_from_the_servers_thread() -> None:
    one = received()
    thread = threading.Thread(target=one.end, kwargs={"gone": True})
    thread.start()
    assert one.wait_gone()
    assert one.wait_over()
    thread.join()


def test_it_shows_what_was_asked_and_how_much_was_answered() -> None:
    one = received()
    one.sent = 12
    assert repr(one) == "<Received POST /v1beta/models/m:streamGenerateContent, 12 bytes answered>"
