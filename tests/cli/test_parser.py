"""Help and mistakes: the same words in every version of Python, and on a page of the documents."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headwater.cli import main
from headwater.cli.parser import COMMANDS
from tests.support.paths import ROOT


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the page is of Pythons whose argparse aligns as before 3.14")
def test_the_page_matches_the_help() -> None:
    line = [sys.executable, str(ROOT / "scripts" / "command_help.py"), "--check"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_page_has_every_command() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"\n$ headwater {name} --help\nusage: headwater {name}" not in page] == []


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_has_examples_and_fits_a_narrow_terminal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*([name] if name else []), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "\nexamples:\n  headwater " in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rnu hello", "There is no command 'rnu'. Did you mean run? See headwater --help."),
        ("haiku", f"There is no command 'haiku'. There are {', '.join(COMMANDS)}. See headwater --help."),
        ("run hello --max-tokens x", "Argument --max-tokens: 'x' is not an integer. See headwater run --help."),
        ("run hello --max-tokens 0", "Argument --max-tokens: '0' is less than 1. See headwater run --help."),
        ("run hello --temperature nan", "Argument --temperature: 'nan' is not a number. See headwater run --help."),
        ("run hello --timeout -1", "Argument --timeout: '-1' is not above 0. See headwater run --help."),
        ("run hello --nonsense", "Unrecognized arguments: --nonsense. See headwater run --help."),
        (
            "run hello --mod offline",
            "Unrecognized arguments: --mod offline. Did you mean --model? See headwater run --help.",
        ),
        (
            "runs list . --joural x",
            "Unrecognized arguments: --joural x. Did you mean --journal? See headwater runs list --help.",
        ),
        ("demo loud", "Unrecognized arguments: loud. See headwater demo --help."),
        ("--verson", "Unrecognized arguments: --verson. Did you mean --version? See headwater --help."),
    ],
)
def test_a_mistake_is_one_line(line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert capsys.readouterr() == ("", f"headwater: {told}\n")


@pytest.mark.parametrize(("line", "meant"), [("runs lst .", "list"), ("completion bsh", "bash")])
def test_a_misspelled_word_of_a_list_is_guessed(line: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert f"). Did you mean {meant}? See headwater {line.split()[0]} --help." in capsys.readouterr().err


def test_reasoning_lists_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "hello", "--reasoning", "hard"]) == 2
    assert "'hard' is not none, minimal, low, medium, high, xhigh, on, off" in capsys.readouterr().err
