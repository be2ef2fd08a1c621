"""`check_surface`: tests that a reader of events accepts all of them and changes none.

A surface (a terminal view, a wire, a trace, a user's `on_event=`) is called with each event. The requirements, tested
on logs of every kind of run and on every prefix of them:

* it accepts each event without raising, also events of a newer version, and a log without an end;
* it does not change the events;
* the same log gives the same output, whatever it was shown before;
* the text that it shows is the text of the log minus what was retracted, after every prefix. A refusal is not text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from headwater.events import Event, Retracted, TextDelta, TextStarted
from headwater.events.codec import decode, encode
from headwater.testing.sample_logs import sample_logs

__all__ = ("SurfaceBreach", "check_surface", "shown_text")

ObserverT = TypeVar("ObserverT", bound=Callable[[Event], Any])

Logs: TypeAlias = Mapping[str, Sequence[Event]]


class SurfaceBreach(AssertionError):
    """A surface breaks a requirement: a bug in the surface, never in a log."""


def check_surface(
    make: Callable[[], ObserverT],
    *,
    shown: Callable[[ObserverT], str] | None = None,
    logs: Logs | None = None,
) -> None:
    """Test a surface on logs. `make` creates a new one, which is then called with each event of a log, in order.

    If it has a `close` method, that is called at the end. `shown` returns the text that it shows, for a surface that
    shows only an agent's text. `logs` defaults to `sample_logs()`. Raises SurfaceBreach.
    """
    for name, shared in (logs or sample_logs()).items():
        log = [decode(encode(event)) for event in shared]  # a copy, in case the surface changes them
        given = _fed(make, name, log)
        for end in range(len(log)):
            observer, _ = _fed(make, name, log[:end])
            if shown is not None:
                _check_text(shown(observer), log[:end], f"the first {end} events of the log {name!r}")
        again = _fed(make, name, log)
        if _comparable(given[1]) != _comparable(again[1]):
            raise SurfaceBreach(f"The log {name!r} gives a different result the second time.")
        if shown is not None:
            _check_text(shown(given[0]), log, f"the log {name!r}")


def _check_text(text: str, log: Sequence[Event], which: str) -> None:
    if text != (due := shown_text(log)):
        raise SurfaceBreach(f"For {which} it shows {text!r}, but the text is {due!r}.")


def shown_text(log: Sequence[Event]) -> str:
    """The text of a log's outermost run: its deltas, with leads between steps, minus what was retracted.

    A refusal is in `Response.refusal` and not part of the text.
    """
    run = log[0].run if log else ""
    text, lead = "", ""
    refusals: set[tuple[int, int]] = set()
    for event in log:
        if event.run != run:
            continue
        if isinstance(event, TextStarted):
            lead = event.lead or lead
            (refusals.add if event.kind == "refusal" else refusals.discard)((event.step, event.part))
        elif isinstance(event, TextDelta):
            if (event.step, event.part) in refusals:
                continue
            text += lead + event.text
            lead = ""
        elif isinstance(event, Retracted):
            text = text[: len(text) - event.chars] if event.chars else text
            lead = ""
    return text


def _fed(make: Callable[[], ObserverT], name: str, log: Sequence[Event]) -> tuple[ObserverT, list[Any]]:
    observer = make()
    given: list[Any] = []
    for event in log:
        before = encode(event)
        try:
            given.append(observer(event))
        except Exception as error:
            raise SurfaceBreach(
                f"It raised {type(error).__name__} at seq {event.seq}, {event.type}, of the log {name!r}: {error}"
            ) from error
        if encode(event) != before:
            raise SurfaceBreach(f"It changed the event at seq {event.seq}, {event.type}, of the log {name!r}.")
    close = getattr(observer, "close", None)
    if callable(close):
        try:
            close()
        except Exception as error:
            raise SurfaceBreach(f"Closing it after {len(log)} events of the log {name!r} raised {error!r}") from error
    return observer, given


def _comparable(given: list[Any]) -> list[Any]:
    """The comparable part of an observer's output: without awaitables and other objects that are never equal."""
    plain = (str, bytes, int, float, tuple, list, dict, type(None))
    return [value if isinstance(value, plain) else type(value) for value in given]
