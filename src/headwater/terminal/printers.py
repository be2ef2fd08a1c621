"""Which printer shows a run on the terminal: the one place where that is chosen.

Owns the choice alone, and imports a printer when it is chosen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

from headwater.events import Event

__all__ = ("dashboard", "printer")

Watcher: TypeAlias = Callable[[Event], Awaitable[Any] | None]


def printer(
    name: str,
    *,
    live: bool,
    loops: int = 1,
    several: bool = False,
    past: Iterable[Event] = (),
    **look: bool,
) -> Watcher:
    """What shows a run as lines. `live`: the words as they come; else each answer whole, at its end.

    `several`: more than one agent may speak, and each gets a header of its own. `loops` is told in the header. `past`
    are the events before those to be shown, where a log is gone on with. `look` are the switches of `Look`.
    """
    from headwater.terminal.look import Look

    if several:
        from headwater.terminal.section_printer import SectionPrinter

        return SectionPrinter(live=live, look=Look(**look), past=past)
    from headwater.terminal.line_printer import LinePrinter

    return LinePrinter(name, loops=loops, live=live, look=Look(**look), past=past)


def dashboard(name: str, members: Sequence[str], *, past: Iterable[Event] = ()) -> Watcher:
    """What shows a workflow in a panel that is titled with its name, a section a member.

    `past` is what its log has told before, where the run goes on from there.
    """
    from headwater.terminal.dashboard.dashboard import Dashboard

    made = Dashboard(name, members)
    made.prime(past)
    return made
