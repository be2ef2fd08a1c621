"""The request of a run as JSON: stored with the run, and read by the process that drives it.

Owns the JSON form, and the rule that everything in it can be written and read back unchanged. It must never open a
store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, HeadwaterError, InvalidRecord
from headwater.events.codec import as_json, read_record, write_record
from headwater.events.messages import Message
from headwater.providers.pricing import Price
from headwater.providers.request import Settings

__all__ = ("Asked", "AskedFor", "asked_of", "context_of", "plain_context", "refused_by")

_WATCHING: Final = frozenset({"streaming_callback", "on_event", "on_retract", "save", "keep_log", "approver"})
"""Options of the process that reads the run: a process that continues it does not need them."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The input of one run: the task, the history, the context, and the options that have a JSON form."""

    task: tuple[Message, ...]
    history: tuple[Message, ...] = ()
    context: Any = None
    options: dict[str, Any] = {}
    missing: tuple[str, ...] = ()
    """Options that have no JSON form. Only the process that received them can run it."""

    def encode(self) -> msgspec.Raw:
        """Returns the body of a `Request`. Raises InvalidRecord if a message has no JSON form."""
        return msgspec.Raw(write_record(self, "request"))

    @classmethod
    def decode(cls, body: bytes) -> Asked:
        """Reads the output of `encode`. Raises InvalidRecord."""
        return read_record(body, cls, "request")

    def run_options(self) -> dict[str, Any]:
        """Returns the options for `run_stream`. Raises ConfigurationError if some were not stored."""
        if self.missing:
            raise ConfigurationError(
                f"This run was given {', '.join(f'{name}=' for name in self.missing)}, which its journal cannot hold.",
                hint="Declare it on the agent, so that every process has it.",
            )
        options = dict(self.options)
        if "settings" in options:
            options["settings"] = msgspec.convert(options["settings"], Settings)
        if "timeouts" in options:
            options["timeouts"] = msgspec.convert(options["timeouts"], Timeouts)
        if "prices" in options:
            options["prices"] = {model: Price(**price) for model, price in options["prices"].items()}
        return options


class AskedFor(msgspec.Struct, frozen=True, kw_only=True):
    """The argument of `context_from`: the run that needs a context, and its input."""

    run: str
    agent: str
    task: tuple[Message, ...]
    context: Any
    """The JSON value that was passed as `context=`."""
    thread: str | None = None
    labels: Mapping[str, str] = {}


def asked_of(
    task: Sequence[Message], *, history: Sequence[Message] = (), context: Any = None, options: Mapping[str, Any]
) -> Asked:
    """Returns the request of a run with this input. Raises ConfigurationError if the context is not a JSON value."""
    kept: dict[str, Any] = {}
    missing: list[str] = []
    for name, value in options.items():
        if value is None or name in _WATCHING:
            continue
        try:
            kept[name] = _as_json(value)
        except (InvalidRecord, TypeError):
            missing.append(name)
    return Asked(
        task=tuple(task),
        history=tuple(history),
        context=plain_context(context),
        options=kept,
        missing=tuple(sorted(missing)),
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, (Settings, Timeouts)):
        return msgspec.to_builtins(value)
    if not isinstance(value, (str, int, float, bool, dict, list, tuple)):
        raise TypeError(type(value).__name__)
    return as_json(value)


def plain_context(context: Any) -> Any:
    """Returns the context as every process reads it. Raises ConfigurationError if it is not a plain JSON value."""
    try:
        plain = as_json(context)
    except InvalidRecord:
        plain = msgspec.UNSET
    if plain is msgspec.UNSET or not _same(plain, context):
        raise ConfigurationError(
            f"The context of a run under a journal is {type(context).__name__}, and only JSON can be stored.",
            hint="Pass a dict of plain values, and build live objects with Agent(context_from=function).",
        )
    return plain


def _same(plain: Any, given: Any) -> bool:
    if isinstance(given, tuple):
        return False
    return bool(plain == given) and type(plain) is type(given)


def context_of(asked_for: AskedFor, context_from: Callable[[AskedFor], Any] | None) -> Any:
    """Returns the run's context: the result of `context_from`, or the stored value."""
    if context_from is None:
        return asked_for.context
    try:
        return context_from(asked_for)
    except HeadwaterError:
        raise
    except Exception as error:
        raise refused_by(asked_for, error) from error


def refused_by(asked_for: AskedFor, error: Exception) -> ConfigurationError:
    """The error of a run whose `context_from` raised that one."""
    return ConfigurationError(
        f"context_from of {asked_for.agent!r} raised {type(error).__name__}: {error}",
        hint="It is called in every process that drives the run, with the values that the run was started with.",
    )
