"""Requests and endpoints as values; keys are never shown."""

from __future__ import annotations

import copy
import pickle

import pytest

from headwater.events.messages import Message
from headwater.providers.request import Endpoint, HTTPRequest, Request, Secret, Settings

KEY = "sk-planted-0123456789"


def test_given_settings_are_shown_without_keys() -> None:
    settings = Settings(temperature=0.0, stop=("x",), cache=False, extra={"api_key": KEY, "top": 1})
    assert settings.given() == {
        "temperature": 0.0,
        "stop": ("x",),
        "cache": False,
        "extra": {"api_key": KEY, "top": 1},
    }
    assert Settings().given() == {}
    assert repr(Settings()) == "Settings()"
    assert KEY not in repr(settings) + str(settings.__rich_repr__())
    assert settings.shown()["extra"]["top"] == 1


def test_a_secret_is_never_shown_and_copies_to_itself() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    assert KEY not in f"{secret} {secret!r} {[secret]}"
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": secret})["a"] is secret
    assert (secret == Secret(KEY), secret == KEY, hash(secret) == hash(Secret(KEY))) == (True, False, True)
    assert (bool(secret), bool(Secret(""))) == (True, False)
    with pytest.raises(TypeError, match="Pass the key again"):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    ("own", "apis", "headers"),
    [
        ("", "x-api-key", {"x-api-key": KEY}),
        ("", "authorization", {"authorization": f"Bearer {KEY}"}),
        ("api-key", "authorization", {"api-key": KEY}),
        ("Authorization", "x-api-key", {"Authorization": f"Bearer {KEY}"}),
    ],
)
def test_the_key_is_in_the_endpoints_header_else_in_the_apis(own: str, apis: str, headers: dict[str, str]) -> None:
    endpoint = Endpoint(provider="p", api="a", base_url="http://h", key=Secret(KEY), key_header=own)
    assert endpoint.key_headers(apis) == headers
    assert Endpoint(provider="p", api="a", base_url="http://h", key_header=own).key_headers(apis) == {}


def test_a_requests_url_is_shown_but_not_its_content() -> None:
    endpoint = Endpoint(
        provider="p", api="a", base_url="http://h", key=Secret(KEY), headers={"x": KEY}, query={"key": KEY}
    )
    assert repr(endpoint) == "Endpoint(p by a at http://h)"
    assert KEY not in str(endpoint.__rich_repr__())
    sent = HTTPRequest(url=f"http://h/x?key={KEY}", headers={"x": KEY}, body=KEY.encode())
    assert repr(sent) == f"HTTPRequest(POST http://h/x, {len(KEY)} bytes)"
    assert KEY not in str(sent.__rich_repr__())


def test_a_request_is_a_value() -> None:
    asked = Request(model="m", messages=(Message.user("hi"),))
    assert asked == Request(model="m", messages=(Message.user("hi"),))
    with pytest.raises(AttributeError):
        asked.model = "n"  # type: ignore[misc]
