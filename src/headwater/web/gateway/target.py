"""One of the models behind a name, and how a request is adapted to it.

Owns what is left out of a request to this model, so that a chain may mix providers. A setting that affects the answer
is left out only if the gateway's file says so (`drop`); a hint that does not affect it (`HINTS`) is left out whenever
the model does not support it.
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
"""Settings that do not affect the answer."""

_OPENAIS_HINTS: Final = frozenset({"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
"""Fields of the same kind that OpenAI's own servers accept, and most compatible servers reject."""

_OPENAIS: Final = frozenset({"openai", "azure"})


class Target:
    """A model of a chain: a `Backend` that receives only what its model supports.

    `defaults` are default settings. `drop` has the names of settings, and of other fields, that are never sent to it.
    """

    def __init__(self, backend: Backend, *, defaults: Settings | None = None, drop: Container[str] = ()) -> None:
        self.provider: str = backend.provider
        self.api: str = backend.api
        self.model: str = backend.model
        self.connect: Any = getattr(backend, "connect", None)
        self.quota: Any = getattr(backend, "quota", None)
        self._backend = backend
        self._defaults = (defaults or Settings()).given()
        self._drop = drop
        self._known: dict[str, bool] = {}

    @property
    def name(self) -> str:
        """The name in the file: `provider/model`."""
        return f"{self.provider}/{self.model}" if self.provider else self.model

    def takes(self, setting: str) -> bool:
        """Whether a request may have the setting: it is supported, or can be left out."""
        return setting in HINTS or setting in self._drop or setting == "extra" or self._can(setting)

    def _can(self, setting: str) -> bool:
        if not isinstance(self._backend, HTTPBackend):
            return True  # the offline model and recordings ignore them all
        known = self._known.get(setting)
        if known is None:
            known = self._known[setting] = supports(self._backend, setting)
        return known

    def open(self, request: Request, place: Place) -> Exchange:
        """See `Backend`."""
        return self._backend.open(self.fitted(request), place)

    def fitted(self, request: Request) -> Request:
        """Adapts the request to this model."""
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
        """Requests a JSON object in this API's way: with a schema, or with a field of its own."""
        if self.api == "openai-chat":
            return None, {"response_format": {"type": "json_object"}}
        if self.api == "openai-responses":
            more = {"verbosity": settings["verbosity"]} if "verbosity" in settings else {}
            return None, {"text": {"format": {"type": "json_object"}, **more}}
        if self.api == "anthropic":  # its schemas must name each field
            return msgspec.structs.replace(ANY_OBJECT, in_words=True), {}
        return ANY_OBJECT, {}

    def __repr__(self) -> str:
        return f"Target({self.name})"
