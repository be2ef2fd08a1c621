"""A virtual clock for asyncio: timers jump to their time when nothing else can run, so that no test ever sleeps.

    result, seconds = run_virtual(main())

`seconds` is what the coroutine would have taken, in the loop's own time. Only what waits on the loop is virtual:
`time.time`, threads and real sockets know nothing of it, so nothing that crosses a socket belongs under this clock. A
run that waits a day for a person takes no time here.
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

# Where no timer is set, only another thread can go on: how long one is waited for before this is called a deadlock.
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
    """An event loop whose time begins at 0 and passes only where everything waits."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """See the base class."""
        return self._clock.now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # its signature
        """Without the limit that Python 3.12 brought: the clock would jump to it while the threads still end."""
        await super().shutdown_default_executor()


def run_virtual(coroutine: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What the coroutine returns, and how many seconds of virtual time it took. Raises what it raises."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(coroutine)
        return result, runner.get_loop().time()
