"""The slots of an engine: a run that waits for another run leaves its own meanwhile."""

from __future__ import annotations

import contextvars

from headwater.journal.engines.executor import aside, enter


class Counted:
    def __init__(self) -> None:
        self.left = 0

    def leave(self) -> None:
        self.left += 1

    def take_back(self) -> None:
        self.left -= 1


def test_a_run_leaves_its_slot_while_it_waits() -> None:
    slot = Counted()

    def drive() -> None:
        enter(slot)
        with aside():
            assert slot.left == 1
        assert slot.left == 0

    contextvars.Context().run(drive)


def test_who_is_not_driven_has_no_slot_to_leave() -> None:
    with aside():
        pass
