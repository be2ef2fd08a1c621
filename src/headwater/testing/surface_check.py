"""`check_surface`: whether something that reads events reads all of them, and changes nothing.

A surface (a terminal view, a wire, a trace, a user's `on_event=`) is called with each event. What is asked of every
one, tried on logs of every kind of run and on every beginning of them:

* it takes each event without raising, those of a newer version too, and a log that only stops;
* it leaves the events as they are;
* the same log makes it give the same, whatever it was shown before;
* where it tells what it shows, that is the text of the log less what was retracted, after every beginning of it. A
  refusal is no text.
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
    """A surface does not read as a surface must: a mistake in the surface, never in a log."""


def check_surface(
    make: Callable[[], ObserverT],
    *,
    shown: Callable[[ObserverT], str] | None = None,
    logs: Logs | None = None,
) -> None:
    """Try a surface on logs; `make` makes a new one, which is then called with each event of a log, in order.

    Where it has a `close`, that is called at the end. `shown` gives the text that it shows by then, for a surface that
    shows an agent's own words and nothing else. `logs` are `sample_logs()` unless given. Raises SurfaceBreach.
    """
    for name, shared in (logs or sample_logs()).items():
        log = [decode(encode(event)) for event in shared]  # a surface that changes them changes nobody else's
        given = _fed(make, name, log)
        for end in range(len(log)):
            observer, _ = _fed(make, name, log[:end])
            if shown is not None:
                _check_text(shown(observer), log[:end], f"the first {end} events of the log {name!r}")
        again = _fed(make, name, log)
        if _comparable(given[1]) != _comparable(again[1]):
            raise SurfaceBreach(f"The log {name!r} makes it give something else the second time.")
        if shown is not None:
            _check_text(shown(given[0]), log, f"the log {name!r}")


def _check_text(text: str, log: Sequence[Event], which: str) -> None:
    if text != (due := shown_text(log)):
        raise SurfaceBreach(f"Of {which} it shows {text!r}, and the text is {due!r}.")


def shown_text(log: Sequence[Event]) -> str:
    """The text of a log's outermost run: its deltas, steps parted by their leads, less what was retracted.

    What a refusal says is in `Response.refusal`, and no text.
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
    """What can be compared of what an observer gave: not awaitables and other things that are never equal."""
    plain = (str, bytes, int, float, tuple, list, dict, type(None))
    return [value if isinstance(value, plain) else type(value) for value in given]
