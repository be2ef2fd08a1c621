"""Calls users' functions with tokens, details or events.

A callback can slow a run down (by returning an awaitable) but can never end it: its exceptions are logged once and
counted, and the run continues. `chunks` and the log decide which events there are.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from headwater.errors import ConfigurationError
from headwater.events import End, Event, Retracted, TextDelta
from headwater.readers.chunks import Chunks
from headwater.readers.hold import Hold
from headwater.runtime.context import CallbackErrors, Outer, Watcher, current_run, in_turn, others_cancel, wraps

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = (
    "Callback",
    "event_watcher",
    "token_watcher",
    "watch",
)

Callback: TypeAlias = Callable[..., Any]

logger: Final = logging.getLogger("headwater")


def positional_parameters(callback: Callback) -> int | None:
    """Returns the number of positional parameters without a default; None if unknown."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)


def _wanted(callback: Callback) -> int | None:
    """Returns `positional_parameters` of a streaming_callback. Raises ConfigurationError if it has too many."""
    wants = positional_parameters(callback)
    if wants is not None and wants > 3:
        raise ConfigurationError(
            f"streaming_callback requires {wants} arguments.",
            hint="It is called with (token), (agent_name, token) or (agent_name, token, is_final).",
        )
    return wants


def _guarded(callback: Callback, run: Run, errors: CallbackErrors, what: str) -> Callable[..., Awaitable[Any] | None]:
    """Wraps `callback`: links it to the run while it is called, counts its exceptions, and passes an awaitable on."""

    @wraps
    async def wait(answer: Awaitable[Any]) -> None:
        token = enter(linked)
        try:
            await answer
        except Exception as error:
            errors.add(error, what)
        except asyncio.CancelledError as cancelled:
            failed(cancelled)
        finally:
            leave(token)

    def failed(cancelled: asyncio.CancelledError) -> None:
        """If only the awaited object was cancelled, that is an error like any other; else the reader was cancelled."""
        if (error := others_cancel()) is None:
            raise cancelled
        error.__cause__ = cancelled
        errors.add(error, what)

    enter, leave = current_run.set_weakly, current_run.reset
    linked: weakref.ref[Outer] = weakref.ref(run)  # the run holds its watchers, so they must not hold the run

    def call(*arguments: Any) -> Awaitable[Any] | None:
        token = enter(linked)
        try:
            answer = callback(*arguments)
        except Exception as error:
            errors.add(error, what)
            return None
        except asyncio.CancelledError as cancelled:
            failed(cancelled)
            return None
        finally:
            leave(token)
        return wait(answer) if answer is not None and inspect.isawaitable(answer) else None

    return call


def token_watcher(
    callback: Callback,
    run: Run,
    errors: CallbackErrors,
    *,
    details: bool,
    on_retract: Callback | None = None,
) -> Watcher:
    """Returns a watcher that calls `streaming_callback` for a run: with tokens, or with details (dicts).

    The number of positional parameters without a default decides: 2 gets (agent_name, token), 3 gets (agent_name,
    token, is_final), anything else only the token. If text may be retracted (on_interrupted="restart"), `on_retract`
    gets the number of characters to retract, or (agent_name, characters) if it has two parameters; without it, text is
    held back until its step ends. Details include retractions.
    """
    call = _guarded(callback, run, errors, "streaming_callback")
    take_back = _guarded(on_retract, run, errors, "on_retract callback") if on_retract is not None else None
    names_agent = on_retract is not None and positional_parameters(on_retract) == 2
    past = run.record.events if run.record is not None else ()
    chunks = Chunks(run.id, None, run.fold, past=past)
    hold: Hold[str] = Hold(past if take_back is None else ())  # with on_retract, text is passed on at once
    wants = _wanted(callback)
    own = run.id
    speakers, held, text_of = chunks.speakers, hold.held, chunks.text_of

    def watch_details(event: Event) -> Awaitable[Any] | None:
        told = chunks.details(event)
        return (
            None
            if told is None
            else hand(event, told, isinstance(event, End) and (event.run in speakers or event.run == own))
        )

    def watch_tokens(event: Event) -> Awaitable[Any] | None:
        if event.__class__ is not TextDelta:
            return rare(event)
        text = text_of(event) if event.run in speakers else ""
        if held and text:
            text = "".join(hold(event, (text,)))
        return hand(event, text, False) if text else None

    def rare(event: Event) -> Awaitable[Any] | None:
        chunks.of(event)
        if event.run not in speakers:
            return None
        if isinstance(event, Retracted) and take_back is not None:
            if not event.chars or chunks.is_old(event):
                return None  # of tokens there were none
            return take_back(event.agent, event.chars) if names_agent else take_back(event.chars)
        waits = None
        if take_back is None and (let_go := hold(event)):
            waits = hand(event, "".join(let_go), False)
        if wants == 3 and isinstance(event, End):
            waits = _both(waits, hand(event, "", True))
        return waits

    def hand(event: Event, told: Any, final: bool) -> Awaitable[Any] | None:
        if wants == 2:
            return call(event.agent, told)
        if wants == 3:
            return call(event.agent, told, final)
        return call(told)

    return watch_details if details else watch_tokens


def watch(
    run: Run,
    streaming_callback: Callback | None,
    on_event: Callback | None,
    *,
    details: bool,
    on_retract: Callback | None = None,
) -> None:
    """Lets the callbacks that were given follow the run; for `details` and `on_retract` see `token_watcher`."""
    errors = run.callback_errors
    if streaming_callback is not None:
        run.watch(token_watcher(streaming_callback, run, errors, details=details, on_retract=on_retract))
    if on_event is not None:
        run.watch(event_watcher(on_event, run, errors))


def _both(first: Awaitable[Any] | None, second: Awaitable[Any] | None) -> Awaitable[Any] | None:
    if first is None or second is None:
        return first if second is None else second
    return in_turn(first, second)


def event_watcher(callback: Callback, run: Run, errors: CallbackErrors) -> Watcher:
    """Returns a watcher that calls `on_event` for a run with every event of its tree."""
    return _guarded(callback, run, errors, "on_event callback")
