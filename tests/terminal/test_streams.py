"""The program's streams while something of ours is open: who gets what is printed, and what is given back."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from headwater.terminal.streams import Streams
from tests.terminal import crowds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


@contextmanager
def taken() -> Iterator[tuple[Streams, list[str], TextIO, crowds.Watched]]:
    """Streams of a program whose standard streams are a terminal, and what is printed there meanwhile."""
    with crowds.terminal() as (file, watched):
        printed: list[str] = []
        before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = file
        streams = Streams(file, lambda text, stream: printed.append(text))
        try:
            assert streams.take()
            yield streams, printed, file, watched
        finally:
            streams.release()
            assert sys.stdout is sys.stderr is file
            sys.stdout, sys.stderr = before


def test_output_is_passed_on_and_the_streams_are_restored() -> None:
    with taken() as (streams, printed, _file, watched):
        assert streams.take(), "a second time changes nothing"
        print("one", file=sys.stdout)
        sys.stderr.writelines(["two", "three"])
        assert "".join(printed) == "one\ntwothree"
        assert sys.stdout.isatty()
        assert watched.look() == []
        streams.release()
        streams.release()
        print("four", flush=True)
        assert watched.look() == ["four"]


def test_for_a_while_they_are_lent() -> None:
    with taken() as (streams, printed, _file, watched):
        streams.lend()
        print("typed", flush=True)
        streams.take_back()
        print("printed")
        assert (watched.look(), "".join(printed)) == (["typed"], "printed\n")


def test_a_stream_that_the_program_has_changed_meanwhile_stays_its_own() -> None:
    with taken() as (streams, _printed, file, _watched), crowds.terminal() as (other, _):
        sys.stdout = other
        streams.release()
        assert sys.stdout is other
        sys.stdout = file


def test_there_is_one_who_has_them() -> None:
    with taken() as (streams, _printed, file, _watched):
        second = Streams(file, lambda text, stream: None)
        assert not second.take()
        second.release()
        streams.release()
        assert second.take()
        second.release()


def test_log_handlers_and_those_who_kept_the_stream_write_to_it_afterwards() -> None:
    with taken() as (streams, printed, _file, watched):
        streams.release()
        handler = logging.StreamHandler(sys.stderr)
        logger = logging.getLogger("tests.streams")
        logger.addHandler(handler)
        try:
            streams.take()
            kept = sys.stdout
            logger.warning("within")
            assert "".join(printed) == "within\n"
            streams.release()
            logger.warning("after")
            print("kept", file=kept, flush=True)
            assert watched.look() == ["after", "kept"]
        finally:
            logger.removeHandler(handler)


def test_only_text_is_taken() -> None:
    with taken(), pytest.raises(TypeError, match="must be str, not bytes"):
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]
