"""Every error that a newcomer meets first, for real, and word for word as docs/errors.md has it."""

from __future__ import annotations

import runpy
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from headwater import errors
from tests.support.paths import ROOT
from tests.system.error_messages.cases import all_cases, provoke
from tests.system.error_messages.page import PAGE, entries

CASES = all_cases()
WRITTEN = entries()
REFERENCE: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "error_reference.py"))

STALE = "the errors have changed: run python scripts/error_reference.py, and read the difference"

INTERNAL = ("NoneType", "object has no attribute", "not subscriptable", "unexpected keyword", "KeyError", "msgspec")
"""What a message of ours never says: the words of Python for what went wrong inside."""

LONGEST_TRACEBACK = 60
"""Lines above the message, at most: two screens. Most of them are the user's way in; none is the HTTP client's."""

FIRST_WORDS = 24
"""Characters that a reader pastes into the page's search, at least."""


def test_the_page_is_what_the_script_writes() -> None:
    assert sorted(WRITTEN) == sorted(CASES), STALE
    page: Callable[[Mapping[str, str]], str] = REFERENCE["page"]
    told = page({title: WRITTEN[title].message for title in CASES})
    assert PAGE.read_text(encoding="utf-8") == told, STALE


@pytest.mark.parametrize("title", CASES)
def test_the_message_is_the_one_on_the_page(title: str) -> None:
    text, error = provoke(CASES[title])
    assert text == WRITTEN[title].message, STALE
    assert not [word for word in INTERNAL if word in text]
    if error is None:
        return
    whole = "".join(traceback.format_exception(error))
    assert "During handling" not in whole
    assert "direct cause" not in whole, "another exception's traceback buries the message"
    assert whole.count("\n") <= LONGEST_TRACEBACK
    assert isinstance(error, (errors.HeadwaterError, ImportError, TypeError, ValueError))
    if isinstance(error, errors.HeadwaterError):
        assert error.message.endswith((".", "!", "?"))
        assert str(error) == f"{error.message} {error.hint}".strip()


@pytest.mark.parametrize("title", CASES)
def test_the_first_words_of_a_message_find_it_and_its_class(title: str) -> None:
    kind, _, said = WRITTEN[title].message.partition(": ")
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    found = [number for number, line in enumerate(lines) if said[:FIRST_WORDS] in line]
    assert found, "pasted without the name of the class, as a program or the command line prints it"
    section = [
        next(line for line in reversed(lines[:number]) if line.startswith("## ")).removeprefix("## ")
        for number in found
    ]
    assert kind.rpartition(".")[2] in section


def test_every_message_in_the_source_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lost = []
    for kind, text in REFERENCE["source_messages"]():
        pieces = [piece.strip() for piece in text.split("…")]
        if f"\n## {kind}\n" not in page or (max(pieces, key=len) not in page and text not in page):
            lost.append((kind, text))
    assert not lost, STALE


@pytest.mark.parametrize("title", CASES)
def test_the_page_says_what_to_do(title: str) -> None:
    advice = WRITTEN[title].advice
    assert advice.endswith((".", "`"))
    assert advice not in WRITTEN[title].message


def test_every_class_says_what_happened_and_what_to_do() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in errors.__all__:
        kind = getattr(errors, name)
        happened, _, advice = (kind.__doc__ or "").partition("\n\n")
        assert happened.strip().endswith(".")
        assert advice.strip().endswith("."), f"{name}: say in its docstring what to do about it"
        assert f"\n## {name}\n" in page
