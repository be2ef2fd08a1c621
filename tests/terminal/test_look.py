"""What a terminal shows unless it is told otherwise."""

from __future__ import annotations

from headwater.terminal.look import Look


def test_all_but_what_the_model_thinks() -> None:
    look = Look()
    assert look.markdown
    assert look.header
    assert look.footer
    assert look.errors
    assert not look.reasoning
    assert not look.verbose
