"""A virtual clock for asyncio: when nothing else can run, time jumps to the next timer, so tests never sleep.

    result, seconds = run_virtual(main())

`seconds` is the time that the coroutine would have taken, on the loop's clock. Only waits on the loop are virtual:
`time.time`, threads and real sockets are not, so do not use sockets with this clock. A run that waits a day for a
person takes no real time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ("VirtualLoop", "run_virtual")

T = TypeVar("T")

# Without a timer only another thread can continue: how long to wait for one before reporting a deadlock.
THREADS_SECONDS = 30.0


class _JumpingSelector(selectors.BaseSelector):
    """The loop's selector, which moves the clock instead of waiting for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """See `BaseSelector`."""
        if ready := self._real.select(0):
            return ready
        if timeout is None:
            ready = self._real.select(THREADS_SECONDS)
            if not ready:
                raise RuntimeError("Deadlock: every task waits, and no timer is set that could wake one.")
            return ready
        self.now += max(timeout, 0.0)
        return []

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        """See the base class."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """See the base class."""
        return self._real.unregister(fileobj)

    def close(self) -> None:
        """See the base class."""
        self._real.close()

    def get_map(self) -> Mapping[FileDescriptorLike, selectors.SelectorKey]:
        """See the base class."""
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and advances only when everything waits."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """See the base class."""
        return self._clock.now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # its signature
        """Without the timeout added in Python 3.12: the clock would jump to it while the threads still end."""
        await super().shutdown_default_executor()


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """Run the coroutine; returns its result and the virtual seconds it took. Raises what it raises."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(coroutine)
        return result, runner.get_loop().time()
