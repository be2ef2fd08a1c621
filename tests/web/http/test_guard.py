from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ConfigurationError
from headwater.web.http.guard import COOKIE, Asked, Guard, checked_origin
from headwater.web.problems import Problem

TOKEN = "a-token-of-no-less-than-32-characters"


def asked(method: str = "GET", scheme: str = "http", **more: Any) -> Asked:
    names = {name.replace("_", "-"): value for name, value in more.items() if name not in Asked.__struct_fields__}
    fields = {name: value for name, value in more.items() if name in Asked.__struct_fields__}
    return Asked(method=method, scheme=scheme, headers={"host": "localhost:8000", **names}, **fields)


def verdict(guard: Guard, one: Asked) -> str:
    try:
        guard.check(one)
    except Problem as problem:
        return problem.code if TOKEN not in f"{problem.message}{problem.hint}" else "told"
    return "ok"


# --- Host: a name of the attacker's own that leads here


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST:8000",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.3.2.1",
        "[::1]:8000",
        "mine.example",
    ],
)
def test_our_own_names_are_answered(host: str) -> None:
    assert verdict(Guard(hosts=["mine.example"]), asked(host=host)) == "ok"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "localhost, evil.example",
        "localhost/evil.example",
        "evil.example#localhost",
        "0.0.0.0",
        "192.168.1.5",
        "[::2]",
        "localhost:port",
        "[::1",
        "2130706433",
        "notmine.example",
        "mine.example.evil.example",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert verdict(Guard(hosts=["mine.example"]), asked(host=host)) == "bad_host"


def test_the_local_address_of_a_request_is_a_host_name_of_ours() -> None:
    guard = Guard(hosts=["0.0.0.0"])
    assert verdict(guard, asked(host="192.168.1.5:8000", address="192.168.1.5")) == "ok"
    assert verdict(guard, asked(host="192.168.1.6:8000", address="192.168.1.5")) == "bad_host"
    assert verdict(guard, asked(host="evil.example", address="192.168.1.5")) == "bad_host"


def test_two_names_are_none_and_a_router_has_no_names() -> None:
    assert verdict(Guard(hosts=[]), asked(doubled=frozenset({"host"}))) == "bad_host"
    assert verdict(Guard(), asked(host="anything.example")) == "ok"


# --- Origin: a page of another site


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://localhost:8000", "localhost:8000", "http"),
        ("http://mine.example", "mine.example", "http"),
        ("https://mine.example", "mine.example", "http"),  # a proxy has ended TLS
        ("https://mine.example", "mine.example:443", "https"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
        ("https://friend.example", "localhost:8000", "http"),
    ],
)
def test_our_own_pages_may_ask_and_those_that_are_allowed(origin: str, host: str, scheme: str) -> None:
    guard = Guard(origins=["https://friend.example/"])
    assert verdict(guard, asked(origin=origin, host=host, scheme=scheme)) == "ok"


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("https://evil.example", "localhost:8000", "http"),
        ("null", "localhost:8000", "http"),
        ("", "localhost:8000", "http"),
        ("http://localhost:3000", "localhost:8000", "http"),
        ("http://mine.example", "mine.example", "https"),
        ("http://mine.example", "mine.example", "wss"),
        ("file://localhost:8000", "localhost:8000", "http"),
        ("http://localhost:8000.evil.example", "localhost:8000", "http"),
        ("https://friend.example.evil.example", "localhost:8000", "http"),
        ("http://friend.example", "localhost:8000", "http"),
        ("http://[::1", "localhost:8000", "http"),
        ("http://localhost:99999", "localhost:8000", "http"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_sites_may_not(method: str, origin: str, host: str, scheme: str) -> None:
    guard = Guard(origins=["https://friend.example"])
    one = asked(method, scheme, origin=origin, host=host, content_type="application/json", public=True)
    assert verdict(guard, one) == "bad_origin"


def test_cross_site_headers_of_a_browser_are_trusted() -> None:
    guard = Guard(origins=["https://friend.example"])
    assert verdict(guard, asked(sec_fetch_site="cross-site")) == "bad_origin"
    assert verdict(guard, asked(sec_fetch_site="same-origin")) == "ok"
    assert verdict(guard, asked(sec_fetch_site="cross-site", origin="https://friend.example")) == "ok"
    assert verdict(guard, asked(sec_fetch_site="cross-site", public=True)) == "ok"  # a link to the page


@pytest.mark.parametrize(
    "origin", ["", "x", "friend.example", "https://", "ftp://x.example", "https://x.example/a", "*"]
)
def test_an_invalid_origin_cannot_be_allowed(origin: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_origin(origin)


# --- forms


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
    ],
)
def test_a_form_of_another_site_can_send_no_json(kind: str) -> None:
    assert verdict(Guard(), asked("POST", content_type=kind)) == "not_json"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken(kind: str) -> None:
    assert verdict(Guard(), asked("POST", content_type=kind)) == "ok"


# --- the token


def test_a_token_is_long() -> None:
    with pytest.raises(ConfigurationError, match="31 characters"):
        Guard(token="x" * 31)
    assert Guard(token="x" * 32).cookie


def offered(token: str) -> tuple[str, ...]:
    return ("headwater", f"headwater.token.{base64.urlsafe_b64encode(token.encode()).decode().rstrip('=')}")


def test_the_token_is_known_in_each_of_its_ways() -> None:
    guard = Guard(token=TOKEN)
    for one in (
        asked(authorization=f"Bearer {TOKEN}"),
        asked(authorization=f"bearer  {TOKEN} "),
        asked(cookie=f"other=1; {COOKIE}={guard.cookie}"),
        asked(scheme="ws", subprotocols=offered(TOKEN)),
        asked(public=True),
    ):
        assert verdict(guard, one) == "ok"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer \xfc"},
        {"cookie": f"{COOKIE}={TOKEN}"},
        {"cookie": f"{COOKIE}="},
        {"cookie": "\x00;;=;"},
        {"subprotocols": offered("another token")},
        {"subprotocols": ("headwater.token.",)},
        {"subprotocols": ("headwater.token.\xfc",)},
        {"subprotocols": ("headwater",)},
    ],
)
def test_without_the_token_nothing_is_revealed(wrong: dict[str, Any]) -> None:
    assert verdict(Guard(token=TOKEN), asked(**wrong)) == "unauthorized"


def test_the_cookie_does_not_give_the_token_away() -> None:
    assert TOKEN not in Guard(token=TOKEN).cookie
    assert Guard(token=TOKEN).cookie == Guard(token=TOKEN).cookie != Guard(token=TOKEN + "x").cookie


def test_the_accepted_subprotocol_is_one_that_was_offered() -> None:
    guard = Guard(token=TOKEN)
    assert guard.protocol(offered(TOKEN)) == "headwater"
    assert guard.protocol(offered(TOKEN)[1:]) == offered(TOKEN)[1]
    assert guard.protocol(("chat",)) is None


@given(st.dictionaries(st.sampled_from(["host", "origin", "cookie", "authorization", "content-type"]), st.text()))
def test_no_header_breaks_it(headers: dict[str, str]) -> None:
    guard = Guard(hosts=["mine.example"], origins=["https://friend.example"], token=TOKEN)
    for method in ("GET", "POST"):
        assert verdict(guard, Asked(method=method, scheme="http", headers=headers)) != "ok"


def test_a_post_without_a_body_needs_no_type() -> None:
    assert verdict(Guard(), asked("POST")) == "ok"  # as OpenAI's client cancels a response
    assert verdict(Guard(), asked("POST", content_length="0")) == "ok"
    assert verdict(Guard(), asked("POST", origin="https://evil.example")) == "bad_origin"
    for more in ({"content_length": "2"}, {"transfer_encoding": "chunked"}, {"content_type": "text/plain"}):
        assert verdict(Guard(), asked("POST", **more)) == "not_json"
