"""`headwater.on_event`: a callback for every event of a process.

Owns how the function is called, which is like any other callback; `runtime.process_hooks` calls it.
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
    """Calls the function with every event of every run that starts in this process from now on.

    It is called like `Agent(on_event=…)`: an exception in it is logged and counted, but ends nothing; a coroutine
    function is awaited. Returns a function that removes it for later runs. Raises ConfigurationError.
    """
    if not callable(callback):
        raise ConfigurationError(f"on_event must be callable, not {callback!r}.", hint="Pass a function of one event.")
    return process_hooks.add(partial(_watcher, callback))


def _watcher(callback: Callback, run: Run) -> Watcher:
    return event_watcher(callback, run, run.callback_errors)
