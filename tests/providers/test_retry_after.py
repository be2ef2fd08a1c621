from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.providers.retry_after import LONGEST_SECONDS, asked_pause
from tests.support.effort import tries

NOW = 1_900_000_000.0


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"retry-after": "9"}, 9.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-9"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"retry-after": formatdate(NOW + 90)}, 90.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"x-ratelimit-reset-tokens": "0m30.5s", "x-ratelimit-remaining-tokens": "0"}, 30.5),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-remaining-requests": "0"}, 0.12),
        ({"x-ratelimit-reset-requests-day": "18.5", "x-ratelimit-remaining-requests-day": "0"}, 18.5),
        ({"x-ratelimit-reset": f"{NOW + 60:.0f}000", "x-ratelimit-remaining": "0"}, 60.0),
        ({"x-ratelimit-reset": f"{NOW + 60:.0f}", "x-ratelimit-remaining": "0"}, 60.0),
        ({"ratelimit-reset": "46", "ratelimit-remaining": "0"}, 46.0),
        (
            {
                "anthropic-ratelimit-requests-reset": "2030-03-17T17:46:50Z",
                "anthropic-ratelimit-requests-remaining": "0",
            },
            10.0,
        ),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "7s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-images": "9s",
                "x-ratelimit-remaining-images": "3",
            },
            7.0,
        ),
        ({"retry-after": "2", "ratelimit-reset": "46", "ratelimit-remaining": "0"}, 2.0),
    ],
)
def test_every_header_and_format(headers: dict[str, str], asked: float) -> None:
    assert asked_pause(headers, NOW) == pytest.approx(asked)


ABSURD = [
    "soon",
    "",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "1e3",
    "9" * 400,
    "99999999999",
    "٣",
    "1_000",
    "Mon, 01 Jan 99999999999 00:00:00 GMT",
    "Mon, 01 Jan 2024 99999999999:00:00 GMT",
    "Mon, 99 Jan 2024 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 +9999",
    "9999-12-31T23:59:59-23:59",
    "99999999999999999999d",
    "\x00",
    "12\n",
]


@pytest.mark.parametrize("text", [text for text in ABSURD if text not in ("12\n", "Mon, 01 Jan 0001 00:00:00 +9999")])
def test_meaningless_headers_are_ignored(text: str) -> None:
    assert asked_pause({"retry-after": text, "retry-after-ms": text}, NOW) is None
    assert asked_pause({"x-ratelimit-reset": text, "x-ratelimit-remaining": "0"}, NOW) is None


def test_a_limit_that_is_not_exhausted_asks_for_no_pause() -> None:
    assert asked_pause({}, NOW) is None
    assert asked_pause({"x-ratelimit-reset-tokens": "6s", "x-ratelimit-remaining-tokens": "5"}, NOW) is None
    assert asked_pause({"x-ratelimit-reset-tokens": "6s"}, NOW) is None
    assert asked_pause({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, NOW) is None
    assert asked_pause({"x-ratelimit-preset": "9", "x-ratelimit-remaining": "0"}, NOW) is None


@given(
    text=st.one_of(
        st.text(max_size=60),
        st.sampled_from(ABSURD),
        st.floats().map(repr),
        st.integers().map(str),
        st.builds(
            "{}, {:02} {} {} {}:{:02}:{:02} {}".format,
            st.sampled_from(["Mon", "Xyz"]),
            st.integers(-1, 99),
            st.sampled_from(["Jan", "Dec", "Foo"]),
            st.integers(0, 10**12),
            st.integers(0, 10**11),
            st.integers(0, 99),
            st.integers(0, 99),
            st.sampled_from(["GMT", "+9999", "-2400", "+99999999", "EST", ""]),
        ),
        st.from_regex(r"\d{1,20}(\.\d{0,5})?(ms|[dhms])(\d{1,20}s)?", fullmatch=True),
    ),
    name=st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]),
    now=st.floats(0, 1e11),
)
@example(text="Mon, 01 Jan 0001 00:00:00 +9999", name="retry-after", now=0.0)
@settings(max_examples=tries(75, 300), deadline=None)
def test_any_value_is_a_limited_pause_or_none(text: str, name: str, now: float) -> None:
    pause = asked_pause({name: text, "x-ratelimit-remaining-tokens": "0"}, now)
    assert pause is None or (math.isfinite(pause) and 0 <= pause <= LONGEST_SECONDS)
