"""Chooses the printer that shows a run on the terminal.

Owns only this choice, and imports a printer when it is chosen.
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
    """Returns a printer that shows a run as lines. `live`: streams the text; else each answer at its end.

    `several`: more than one agent may write, and each gets its own header. `loops` is shown in the header. `past` are
    the earlier events of a resumed run. `look` are the options of `Look`.
    """
    from headwater.terminal.look import Look

    if several:
        from headwater.terminal.section_printer import SectionPrinter

        return SectionPrinter(live=live, look=Look(**look), past=past)
    from headwater.terminal.line_printer import LinePrinter

    return LinePrinter(name, loops=loops, live=live, look=Look(**look), past=past)


def dashboard(name: str, members: Sequence[str], *, past: Iterable[Event] = ()) -> Watcher:
    """Returns a dashboard that shows a workflow under its name, with one section per member.

    `past` are the earlier events of a resumed run.
    """
    from headwater.terminal.dashboard.dashboard import Dashboard

    made = Dashboard(name, members)
    made.prime(past)
    return made
