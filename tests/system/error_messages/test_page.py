"""Every error that a newcomer meets first, for real, and word for word as docs/errors.md has it."""

from __future__ import annotations

import re
import traceback

import pytest

from headwater import errors
from tests.system.error_messages import loops, network, provider, starting, tools  # noqa: F401  # their cases are registered by importing them
from tests.system.error_messages.cases import CASES, Here
from tests.system.error_messages.page import Entry, entries

PAGE = entries()

INTERNAL = ("NoneType", "object has no attribute", "not subscriptable", "unexpected keyword", "KeyError", "msgspec")
"""What a message of ours never says: the words of Python for what went wrong inside."""

LONGEST_TRACEBACK = 60
"""Lines above the message, at most: two screens. Most of them are the user's way in; none is the HTTP client's."""


def seen(title: str, here: Here) -> tuple[str, BaseException | None]:
    """What is printed at the end, and what was raised."""
    try:
        text, error = CASES[title](here), None
    except Exception as raised:
        text, error = "".join(traceback.format_exception_only(raised)).strip(), raised
    assert isinstance(text, str), "the case has to raise, or to return what is printed"
    for server in here.servers:
        text = text.replace(server.address, "127.0.0.1:8000")
    return re.sub(r"127\.0\.0\.1:\d{4,5}(?<!:11434)(?<!:8000)", "127.0.0.1:8000", text), error


def test_every_message_of_the_page_is_tried_and_every_one_tried_is_on_it() -> None:
    assert sorted(PAGE) == sorted(CASES)


@pytest.mark.parametrize("title", CASES)
def test_the_message_is_the_one_on_the_page(
    title: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, error = seen(title, Here(request, monkeypatch))
    text = text.replace("127.0.0.2", "127.0.0.1")
    assert text == PAGE[title].message
    assert not [word for word in INTERNAL if word in text]
    if error is None:
        return
    whole = "".join(traceback.format_exception(error))
    assert "During handling" not in whole
    assert "direct cause" not in whole, "another exception's traceback buries the message"
    assert whole.count("\n") <= LONGEST_TRACEBACK
    assert isinstance(error, (errors.HeadwaterError, TypeError, ValueError))
    if isinstance(error, errors.HeadwaterError):
        assert error.message.endswith((".", "!", "?"))
        assert str(error) == f"{error.message} {error.hint}".strip()


@pytest.mark.parametrize(("title", "entry"), PAGE.items(), ids=PAGE.keys())
def test_the_page_says_what_to_do(title: str, entry: Entry) -> None:
    assert entry.advice.endswith((".", "`"))
    assert entry.advice not in entry.message
