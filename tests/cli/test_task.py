"""What a command is to ask: words, standard input, and what is attached."""

from __future__ import annotations

import argparse
import io
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from headwater.cli import task as module
from headwater.cli.task import add_task_arguments, task_of
from headwater.errors import UsageError
from headwater.events.messages import File, Image

PNG = b"\x89PNG\r\n\x1a\n0123"


def asked(*line: str) -> Any:
    parser = argparse.ArgumentParser()
    add_task_arguments(parser)
    return task_of(parser.parse_args(line))


def typed(monkeypatch: pytest.MonkeyPatch, text: str, *, person: bool = False) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    monkeypatch.setattr(stdin, "isatty", lambda: person)
    monkeypatch.setattr(sys, "stdin", stdin)


@pytest.mark.parametrize(
    ("words", "stdin", "task"),
    [
        (["Explain", "tides"], "", "Explain tides"),
        ([], "Explain\ntides\n", "Explain\ntides"),
        (["-"], "Explain tides\n", "Explain tides"),
        (["Summarize:"], "The sea.\n", "Summarize:\n\nThe sea."),
        (["Summarize:", "-"], "The sea.\n", "Summarize:\n\nThe sea."),
        (["Is", "this", "-", "a", "poem?"], "The sea.", "Is this\n\nThe sea.\n\na poem?"),
    ],
)
def test_the_task_is_words_and_standard_input(
    words: list[str], stdin: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, stdin)
    assert asked(*words) == task


def test_a_terminal_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "not read", person=True)
    assert asked("Explain", "tides") == "Explain tides"
    with pytest.raises(UsageError, match="There is no task"):
        asked()


def test_a_program_without_standard_input_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert asked("Explain tides") == "Explain tides"


@pytest.mark.parametrize("stdin", ["", " \n"])
def test_an_empty_task_is_an_error(stdin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, stdin)
    with pytest.raises(UsageError, match=r"The task is empty\."):
        asked()


def test_attachments_follow_the_text_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "")
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "code.ts").write_text("let tide = 1")
    (tmp_path / "b.bin").write_bytes(b"\0\xff")
    monkeypatch.setenv("HOME", str(tmp_path))
    line = ("--file", f"{tmp_path}/code.ts", "Look", "--image", "~/a.png", "--file", f"{tmp_path}/b.bin")
    text, code, image, other = asked(*line)
    assert text == "Look"
    assert code == File(data=b"let tide = 1", name="code.ts", media_type="text/plain")
    assert image == Image(data=PNG, media_type="image/png")
    assert (other.name, other.media_type) == ("b.bin", "application/octet-stream")


def test_a_url_is_left_to_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "")
    assert asked("--image", "https://sea.example/a.png", "--file", "https://sea.example/tides.pdf?v=2") == [
        Image(url="https://sea.example/a.png"),
        File(url="https://sea.example/tides.pdf?v=2", name="tides.pdf", media_type="application/pdf"),
    ]


def test_standard_input_may_be_what_is_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(PNG), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert asked("Look", "--image", "-") == ["Look", Image(data=PNG, media_type="image/png")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["--image", "nowhere.png"], "--image nowhere.png cannot be read: No such file or directory."),
        (["--file", "."], "--file . cannot be read: Is a directory."),
        (["--image", "notes.txt"], "--image notes.txt is not an image, but text/plain. Attach it: --file notes.txt."),
        (["--file", "empty"], "--file empty is empty."),
        (["--file", "large"], "--file large is larger than 0 MB. No model accepts that much at once."),
        (["-", "--file", "-"], "Standard input can be read once. Use - only once."),
        (["-", "-"], "Standard input can be read once."),
    ],
)
def test_an_invalid_attachment_is_reported(
    line: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "MAX_BYTES", 20)
    (tmp_path / "notes.txt").write_text("The sea.")
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"x" * 21)
    with pytest.raises(UsageError) as caught:
        asked(*line)
    assert str(caught.value).startswith(told)


def test_standard_input_must_be_text_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "\0\0")
    with pytest.raises(UsageError, match=r"Standard input is not text\. Attach it: --image - or --file -"):
        asked()
    monkeypatch.setattr(module, "MAX_BYTES", 3)
    typed(monkeypatch, "tides")
    with pytest.raises(UsageError, match="Standard input is larger than"):
        asked()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes cannot be selected on there")
def test_missing_input_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    ours, theirs = os.pipe()
    with open(ours, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        told = threading.Event()

        def close() -> None:
            told.wait(30)
            os.close(theirs)

        thread = threading.Thread(target=close)
        thread.start()

        def tell(text: str) -> None:
            assert text.startswith("waiting for standard input to end")
            told.set()

        monkeypatch.setattr("headwater.cli.output.tell", tell)
        assert asked("Explain tides") == "Explain tides"
        assert told.is_set()
        thread.join()
