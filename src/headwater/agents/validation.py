"""Validation of arguments, with messages for the user.

Owns the checks that agents and models share, so that an invalid value is reported where it was passed and by the name
of its argument. A value that may contain a key is never shown.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, UnsupportedSetting
from headwater.events.messages import Message
from headwater.events.response import Response
from headwater.providers.pricing import Price, Prices
from headwater.providers.request import Secret, Settings
from headwater.schema.well_formed import all_well_formed
from headwater.tools.work import Approval, is_approval

if TYPE_CHECKING:
    from headwater.runtime.budget import Budget
    from headwater.runtime.compaction import Compaction
    from headwater.runtime.guards.guard import Guard

__all__ = (
    "SETTINGS",
    "address",
    "approval",
    "budgets",
    "callback",
    "choice",
    "compaction",
    "fitting_settings",
    "guards",
    "header_values",
    "instructions",
    "items",
    "kind_of",
    "messages",
    "prices",
    "secret",
    "timeouts",
    "tokens",
    "unknown",
    "whole",
    "wrong",
)

SETTINGS: Final = frozenset(Settings.__struct_fields__)

LIKENESS: Final = 0.8
"""How alike a misspelled argument and what is proposed must be: slips of the finger are, other words are not."""

SHOWN: Final = 60
"""Characters of a wrong value that are shown: enough to know it again."""


def unknown(name: str, known: Iterable[str] = (), *, hint: str = "", takes_settings: bool = True) -> UnsupportedSetting:
    """The error for an unknown argument; `known` are the valid ones, besides the settings if it takes these.

    `hint` says what to write instead, if the caller knows; otherwise the names of other libraries are searched.
    """
    from headwater.agents.spellings import argument_hint

    hint = hint or argument_hint(name)
    if not hint:
        import difflib

        near = difflib.get_close_matches(name, sorted({*known, *(SETTINGS if takes_settings else ())}), 1, LIKENESS)
        extra = "Fields that only one provider has go into extra={…}." if takes_settings else ""
        hint = f"Did you mean {near[0]}=?" if near else extra
    return UnsupportedSetting(f"Unknown argument{' or setting' * takes_settings} {name}=.", hint=hint)


def wrong(name: str, value: Any, instead: str) -> ConfigurationError:
    """The error for an invalid value of an argument."""
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else f"of type {type(value).__name__}"
    return ConfigurationError(f"{name} is {shown}.", hint=instead)


def whole(name: str, value: Any, *, least: int = 1) -> int:
    """A whole number of at least `least`. Raises ConfigurationError."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise wrong(name, value, f"Give a whole number of at least {least}.")
    return value


def choice(name: str, value: Any, choices: tuple[str, ...]) -> Any:
    """One of some words, or None. Raises ConfigurationError."""
    if value is not None and value not in choices:
        raise wrong(name, value, f"Give {_listed([_quoted(one) for one in choices])}.")
    return value


def callback(name: str, value: Any) -> Any:
    """A function to call, or None. Raises ConfigurationError."""
    if value is not None and not callable(value):
        raise wrong(name, value, "Give the function itself, without parentheses.")
    return value


def instructions(value: Any) -> Any:
    """A text or a function that makes one, or None. Raises ConfigurationError."""
    if value is not None and not isinstance(value, str) and not callable(value):
        raise wrong("instructions", value, "Give a string, or a function of the context.")
    return value


def approval(value: Any) -> Approval:
    """Whether a call needs approval. Raises ConfigurationError."""
    if not is_approval(value):
        raise wrong("approval", value, "Give True, a reason, or a function of the call.")
    return value  # type: ignore[no-any-return]


def budgets(*values: Any) -> tuple[Budget, ...]:
    """The budgets that were given, each once. Raises ConfigurationError."""
    given = [value for value in values if value is not None]
    if not given:
        return ()
    from headwater.runtime.budget import Budget

    for value in given:
        if not isinstance(value, Budget):
            raise wrong("budget", value, "Write budget=Budget(cost=0.05), or other limits.")
    return tuple(dict.fromkeys(given))


def compaction(value: Any) -> Compaction | None:
    """When a conversation is shortened, or None. Raises ConfigurationError."""
    if value is None:
        return None
    from headwater.runtime.compaction import Compaction

    if isinstance(value, Compaction):
        return value
    if type(value) is int and value > 0:
        return Compaction(value)
    raise wrong("compact", value, "Give a number of tokens, or Compaction(…): compact=100_000.")


def guards(value: Any) -> tuple[Guard, ...]:
    """The guards; plain functions become guards of the output. Raises ConfigurationError."""
    if not value:
        return ()
    from headwater.runtime.guards.guard import as_guard

    return tuple(as_guard(one) for one in items("guards", value, "no_secrets, …"))


def prices(*values: Any) -> Prices | None:
    """The prices, later ones first; None if there are none. Raises ConfigurationError."""
    merged: dict[str, Price] = {}
    for value in values:
        if value is None:
            continue
        if not isinstance(value, Mapping) or not all(isinstance(price, Price) for price in value.values()):
            raise wrong("prices", value, 'Write prices={"openai/gpt-5.4": Price(input=2.5, output=15)}.')
        merged |= value
    return merged or None


def timeouts(value: Any) -> Timeouts | None:
    """The timeouts, or None. Raises ConfigurationError."""
    if value is not None and not isinstance(value, Timeouts):
        raise wrong("timeouts", value, "Write timeouts=Timeouts(run=30), in seconds; each timeout has a name.")
    return value


def items(name: str, value: Any, one: str) -> tuple[Any, ...]:
    """A list as a tuple; None means an empty one. `one` is an example of an item. Raises ConfigurationError."""
    if value is None:
        return ()
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise wrong(name, value, f"Give a list: {name}=[{one}].")
    return tuple(value)


def address(value: Any) -> Secret | None:
    """A base URL as a Secret, because its query may contain a key, or None. Raises ConfigurationError."""
    return _hidden("base_url", value)


def secret(value: Any) -> Secret | None:
    """A key as a Secret, or None. Raises ConfigurationError."""
    return _hidden("api_key", value)


def _hidden(name: str, value: Any) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} is of type {type(value).__name__}.", hint="Give a string.")
    return Secret(value)


def header_values(headers: Any) -> dict[str, Secret]:
    """Headers as Secrets, because each may contain a key. Raises ConfigurationError."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            f"headers is of type {type(headers).__name__}.", hint='Give a dict: {"name": "value"}.'
        )
    for name in headers:
        if not _is_header(name) or not _is_header(headers[name]):
            raise ConfigurationError(
                f"The header {name!r} cannot be sent.", hint="Names and values are strings, without line breaks."
            )
    return {name: Secret(value) for name, value in headers.items()}


def messages(history: Any) -> tuple[Message, ...]:
    """The history. Raises ConfigurationError."""
    hint = 'Give response.messages of the previous run, or a list such as [Message.user("…"), Message.assistant("…")].'
    if history is None:
        return ()
    if isinstance(history, Response):
        raise ConfigurationError("history is a Response.", hint="Write history=response.messages.")
    if isinstance(history, str) or not isinstance(history, Iterable):
        raise wrong("history", history, hint)
    said = tuple(history)
    for message in said:
        if not isinstance(message, Message):
            raise ConfigurationError(f"history contains {_article(message)}, not only messages.", hint=hint)
    return said


def fitting_settings(values: Mapping[str, Any]) -> Settings:
    """The settings, each validated. Raises ConfigurationError, naming the invalid one."""
    values = all_well_formed(values)
    try:
        return tokens(msgspec.convert(values, Settings, strict=True))
    except msgspec.ValidationError:
        pass
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, Settings, strict=True)
        except msgspec.ValidationError:
            if name == "extra":
                raise ConfigurationError(f"extra is of type {type(value).__name__}.", hint="Give a dict.") from None
            raise wrong(name, value, f"Give {_listed(_words(_hints()[name]))}.") from None
    raise AssertionError("settings do not depend on each other")


def tokens(settings: Settings) -> Settings:
    """The settings, if max_tokens is valid. Raises ConfigurationError."""
    if settings.max_tokens is not None:
        whole("max_tokens", settings.max_tokens)
    return settings


def kind_of(value: Any) -> str:
    """The name of a value's type, or None."""
    return "None" if value is None else type(value).__name__


def _article(value: Any) -> str:
    kind = kind_of(value)
    return kind if kind == "None" else f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"


def _is_header(text: Any) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable() and bool(text)


def _quoted(word: Any) -> str:
    return f'"{word}"' if isinstance(word, str) else repr(word)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


@cache
def _hints() -> Mapping[str, Any]:
    return typing.get_type_hints(Settings)


_WORDS: Final[Mapping[Any, str]] = {
    float: "a number",
    int: "a whole number",
    str: "a string",
}


def _words(hint: Any) -> list[str]:
    """The values that a type hint accepts, in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return [_quoted(one) for one in arguments]
    if origin in (typing.Union, types.UnionType):
        return [word for one in arguments if one is not type(None) for word in _words(one)]
    if origin is tuple:
        return ["a list of strings"]
    if hint is bool:
        return ["True", "False"]
    return [_WORDS.get(hint, "a dict")]
