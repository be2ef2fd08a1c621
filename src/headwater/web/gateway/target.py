"""One of the models that a name stands for, and how a request is fitted to it.

Owns what is left out of a request for one model and not for another, so that a chain may be made of models at
different providers. What changes the answer is left out only where the gateway's file says so (`drop`); a hint that
changes nothing of it (`HINTS`) is left out wherever it is not taken.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headwater.agents.features import supports
from headwater.backends.http import HTTPBackend
from headwater.providers.request import OutputSpec, Settings
from headwater.web.gateway.asked import ANY_OBJECT

if TYPE_CHECKING:
    from headwater.backends.base import Backend, Exchange
    from headwater.providers.decoder import Place
    from headwater.providers.request import Request

__all__ = ("HINTS", "Target")

HINTS: Final = frozenset({"store", "user", "service_tier"})
"""Settings that say nothing of the answer."""

_OPENAIS_HINTS: Final = frozenset({"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
"""Fields of the same kind that OpenAI's own servers take, and most compatible ones refuse."""

_OPENAIS: Final = frozenset({"openai", "azure"})


class Target:
    """A model of a chain: what a `Backend` is, asked with what it takes.

    `defaults` are settings for requests that do not say otherwise; `drop` are the names of settings, and of further
    fields, that it is never given.
    """

    def __init__(self, backend: Backend, *, defaults: Settings | None = None, drop: Container[str] = ()) -> None:
        self.provider = backend.provider
        self.api = backend.api
        self.model = backend.model
        self.connect: Any = getattr(backend, "connect", None)
        self.quota: Any = getattr(backend, "quota", None)
        self._backend = backend
        self._defaults = (defaults or Settings()).given()
        self._drop = drop
        self._known: dict[str, bool] = {}

    @property
    def name(self) -> str:
        """As it is written in a file: `provider/model`."""
        return f"{self.provider}/{self.model}" if self.provider else self.model

    def takes(self, setting: str) -> bool:
        """Whether a request may have the setting, or it is left out without harm."""
        return setting in HINTS or setting in self._drop or setting == "extra" or self._can(setting)

    def _can(self, setting: str) -> bool:
        if not isinstance(self._backend, HTTPBackend):
            return True  # the offline model and recordings read none of them
        known = self._known.get(setting)
        if known is None:
            known = self._known[setting] = supports(self._backend, setting)
        return known

    def open(self, request: Request, place: Place) -> Exchange:
        """See `Backend`."""
        return self._backend.open(self.fitted(request), place)

    def fitted(self, request: Request) -> Request:
        """The request as this model takes it."""
        given = {**self._defaults, **request.settings.given()}
        settings = {
            name: value
            for name, value in given.items()
            if name not in self._drop and (name not in HINTS or self._can(name))
        }
        extra = {name: value for name, value in (settings.pop("extra", None) or {}).items() if self._has(name)}
        output = request.output
        if output == ANY_OBJECT:
            output, more = self._any_object(settings)
            extra = {**more, **extra}
        if extra:
            settings["extra"] = extra
        return msgspec.structs.replace(request, settings=Settings(**settings), output=output)

    def _has(self, field: str) -> bool:
        return field not in self._drop and (field not in _OPENAIS_HINTS or self.provider in _OPENAIS)

    def _any_object(self, settings: Mapping[str, Any]) -> tuple[OutputSpec | None, Mapping[str, Any]]:
        """A JSON object as this API is asked for one: a shape, or a field of its own."""
        if self.api == "openai-chat":
            return None, {"response_format": {"type": "json_object"}}
        if self.api == "openai-responses":
            more = {"verbosity": settings["verbosity"]} if "verbosity" in settings else {}
            return None, {"text": {"format": {"type": "json_object"}, **more}}
        if self.api == "anthropic":  # whose shapes name each field
            return msgspec.structs.replace(ANY_OBJECT, in_words=True), {}
        return ANY_OBJECT, {}

    def __repr__(self) -> str:
        return f"Target({self.name})"
