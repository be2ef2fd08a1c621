"""One spelling: American, as in Python's own documentation. `cancelled` stays, as asyncio and the events spell it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

WORD = re.compile(r"[a-z]+")
BRITISH = re.compile(
    r"(col|behavi|hon|neighb|fav)our|^grey|licence|judgement|(label|model|travel|signal)l(ed|ing)|^metres?$"
    r"|(summar|initial|normal|recogn|serial|organ|optim|minim|maxim|random|token|final|author|synchron)is(e|ed|es|ing)$"
    r"|^towards$|^whilst$|^catalogues?$|^artefact"
)


def written() -> Iterator[Path]:
    """What people write here: code, tests, documentation."""
    for folder in ("src", "docs", "examples", "tests", "benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*"):
            ours = path.suffix in (".py", ".md", ".js", ".css") and path.name != "test_spelling.py"
            if ours and not {"node_modules", "vendor"} & {*path.parts}:
                yield path
    yield from ROOT.glob("*.md")


def test_words_are_spelled_in_one_way() -> None:
    found = []
    for path in written():
        words = {*WORD.findall(path.read_text(encoding="utf-8").lower())}
        found += [f"{path.relative_to(ROOT)}: {word}" for word in sorted(words) if BRITISH.search(word)]
    assert found == []
