"""What other libraries' programs saw, in words; the programs themselves run in their environments."""

from __future__ import annotations

import pytest

from headwater.testing import ProviderSimulator
from tests.system.faults.peers import LIBRARIES, QUESTIONS, Seen, title
from tests.system.faults.probes import PROBES


def saw(**fields: object) -> Seen:
    return Seen(**{"shown": "", "starts": {}, "results": [], "ended": "complete", "over": 3.2} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probe", "seen", "words"),
    [
        ("clean_end", saw(), "silently complete"),
        ("clean_end", saw(ended="APIError: cut"), "**detected**: `APIError`"),
        ("leaving", saw(pieces=6), "5"),
        ("leaving", saw(pieces=201), "**all 200**"),
        ("fast_tool", saw(starts={"slow": 1.0, "fast": 1.01}, results=[("fast", 1.12)]), "0.12 s"),
        ("fast_tool", saw(starts={"slow": 1.0}), "not in the stream"),
        ("fast_tool", saw(ended="TypeError: no"), "no call: TypeError: no"),
        ("fallback_after_tokens", saw(shown="F0 F1 "), "user sees 'F0 F1 '"),
        ("fallback_after_tokens", saw(shown="P0 P1 F0 F1 "), "user sees **'P0 P1 F0 F1 '**"),
        ("fallback_after_tokens", saw(shown="P0 P1 ", ended="APIError: 500"), "raises `APIError`"),
        ("eager_tool", saw(asked=1.0, starts={"note": 2.5}), "1.50 s"),
        ("stall", saw(ended="waiting"), "nothing in 20 s"),
        ("stall", saw(ended="ReadTimeout: slow"), "`ReadTimeout` after 3 s"),
    ],
)
def test_what_was_seen_in_words(probe: str, seen: Seen, words: str) -> None:
    assert QUESTIONS[probe].words(seen) == words


def test_every_question_is_one_of_the_probes() -> None:
    assert QUESTIONS.keys() <= {probe.ask.__name__ for probe in PROBES}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_its_version(library: str) -> None:
    assert title(library).startswith(f"{library} ")
    assert title(library)[-1].isdigit()


@pytest.mark.parametrize("probe", QUESTIONS)
def test_a_server_can_follow_its_script(probe: str) -> None:
    ProviderSimulator(QUESTIONS[probe].script())
