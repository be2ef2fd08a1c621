"""`headwater.on_event`: a function that is told of everything that happens in a process.

Owns how the function is called, which is as any other callback; who asks it is `runtime.process_hooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from headwater.errors import ConfigurationError
from headwater.events import Event
from headwater.readers.callbacks import Callback, event_watcher
from headwater.runtime import process_hooks
from headwater.runtime.context import Watcher
from headwater.runtime.run import Run

__all__ = ("on_event",)


def on_event(callback: Callable[[Event], Any]) -> Callable[[], None]:
    """Call the function with every event of every run that begins in this process from now on.

    It is called as `Agent(on_event=…)` is: an exception in it is logged, counted and ends nothing; a coroutine function
    is waited for. Returns a function that ends it, for runs that begin later. Raises ConfigurationError.
    """
    if not callable(callback):
        raise ConfigurationError(f"on_event was given {callback!r}.", hint="Give a function of one event.")
    return process_hooks.add(partial(_watcher, callback))


def _watcher(callback: Callback, run: Run) -> Watcher:
    return event_watcher(callback, run, run.callback_errors)
