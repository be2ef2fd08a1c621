"""The prices of models by `genai-prices`, an optional package (`headwater[cost]`).

Owns when that package is imported (with the first request to a provider that it may know, in a thread, while the
request is under way) and how its data are asked. Servers on one's own machine are never looked up. It must never fetch
anything: prices are those of the installed package.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from headwater.events.messages import Usage
from headwater.providers.catalog import PRICE_FLAVORS
from headwater.providers.pricing import MILLION, Prices, Pricing, Rates, own_price

if TYPE_CHECKING:
    from collections.abc import Callable

    from headwater.backends.base import Backend

__all__ = ("how_to_price", "listing", "pricing_of")


def listing(backend: Backend) -> Callable[[str], Rates | None] | None:
    """Returns the list's function from a model of that backend to its prices; None if the list cannot know it."""
    if not _may_be_listed(backend) or not _installed():
        return None
    endpoint: Any = getattr(backend, "endpoint", None)
    _load_early()
    return partial(_listed, endpoint.base_url, endpoint.api)


def _may_be_listed(backend: Backend) -> bool:
    endpoint = getattr(backend, "endpoint", None)
    return endpoint is not None and endpoint.base_url.startswith("https://")


def pricing_of(backend: Backend, prices: Prices | None) -> Pricing | None:
    """Returns the prices of the backend's models: the program's own, then the list's; None if none may be known."""
    own = own_price(prices, backend.provider, backend.model) if prices else None
    listed = listing(backend)
    return None if own is None and listed is None else Pricing(own, listed)


def how_to_price(backend: Backend, prices: Prices | None) -> str:
    """Returns the hint for a model without a price: what to pass, and what was passed for a similar name."""
    import difflib

    name = f"{backend.provider}/{backend.model}"
    near = [one for wanted in (name, backend.model) for one in difflib.get_close_matches(wanted, prices or (), 1)]
    seen = f' (prices= has only "{near[0]}")' if near else ""
    install = ", or install headwater[cost]" if _may_be_listed(backend) and not _installed() else ""
    return f'Pass it: prices={{"{name}": Price(input=…, output=…)}}{seen}{install}.'


@cache
def _installed() -> bool:
    import importlib.util

    return importlib.util.find_spec("genai_prices") is not None


@cache
def _load_early() -> None:
    """Imports the package in a thread, so that the first answer does not wait for it."""
    threading.Thread(target=_snapshot, name="headwater prices", daemon=True).start()


def _snapshot() -> Any:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def _listed(base_url: str, api: str, model: str) -> Rates | None:
    try:
        provider, info = _snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    return _Listed(provider, info, PRICE_FLAVORS.get(api, ()), datetime.now(UTC))


class _Listed:
    """The prices of one model at one time; see `Rates`."""

    __slots__ = ("_at", "_flavors", "_model", "_provider")

    def __init__(self, provider: Any, model: Any, flavors: tuple[str, ...], at: datetime) -> None:
        self._provider = provider
        self._model = model
        self._flavors = flavors
        self._at = at

    def cost(self, usage: Usage) -> Decimal | None:
        """See `Rates`. The provider's own report counts, since it may tell apart what we add up, such as audio."""
        try:
            return self._total(self._reported(usage) or _counted(usage))
        except ValueError:  # counts that contradict each other
            return None

    def of_input(self, tokens: int) -> Decimal:
        """See `Rates`."""
        return self._total(_counted(Usage(input_tokens=tokens)))

    def of_output(self, input_tokens: int) -> Decimal:
        """See `Rates`."""
        whole = self._total(_counted(Usage(input_tokens=input_tokens, output_tokens=MILLION)))
        return (whole - self.of_input(input_tokens)) / MILLION

    def _total(self, usage: Any) -> Decimal:
        calculated = self._model.calc_price(usage, self._provider, genai_request_timestamp=self._at)
        total: Decimal = calculated.total_price
        return total

    def _reported(self, usage: Usage) -> Any:
        """Returns the usage as genai-prices itself reads the provider's report; None if it cannot."""
        if usage.raw is None:
            return None
        report = {"usage": usage.raw, "usageMetadata": usage.raw, "model": self._model.id}
        for flavor in self._flavors:
            try:
                return self._provider.extract_usage(report, api_flavor=flavor)[1]
            except ValueError:
                continue
        return None


def _counted(usage: Usage) -> Any:
    from genai_prices import Usage as Counted

    return Counted(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cache_read_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
