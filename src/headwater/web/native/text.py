"""The answer as plain text, for a terminal, a script or `curl`. Text that may be retracted is held back.

If the run does not finish, a last line gives the reason, because plain text has no other way to report it.
"""

from __future__ import annotations

from typing import Final

from headwater.events import Event, RunCancelled, RunFailed
from headwater.events.controls import one_line
from headwater.web.wires.voice import Voice
from headwater.web.wires.wire import Map, Wire

__all__ = ("TEXT",)


def _map() -> Map:
    voice = Voice()

    def frame_of(event: Event) -> bytes:
        said = "".join(one.text for one in voice(event) if one.kind != "reasoning")
        root = voice.tree.root
        if root is not None and event.run == root.id:
            apart = "\n" if voice.spoke or said else ""
            if isinstance(event, RunFailed):
                said += f"{apart}[failed: {event.error.type}: {one_line(event.error.message)}]\n"
            elif isinstance(event, RunCancelled):
                said += f"{apart}[cancelled]\n"
        return said.encode("utf-8", "replace")

    return frame_of


TEXT: Final = Wire(key="text", make=_map, media_type="text/plain; charset=utf-8")
