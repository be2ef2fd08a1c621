"""Prices: what an attempt's usage costs, in dollars.

Owns the arithmetic, and which source of a price counts: the program's own prices first, then the provider's own figure,
then a list of prices. Pure: a list is given as a function. An unknown cost is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from headwater.errors import ConfigurationError
from headwater.events.messages import File, Image, Message, Usage
from headwater.schema.arguments import ExplainedClass

__all__ = (
    "DOLLARS",
    "Amount",
    "Price",
    "Prices",
    "Pricing",
    "Rates",
    "input_bytes",
    "own_price",
    "provider_cost",
    "to_dollars",
)

Amount: TypeAlias = Decimal | int | float | str
"""Dollars. A float counts as its shortest decimal form: 0.1 is a tenth of a dollar."""

MILLION: Final = 1_000_000

BYTES_OF_A_PICTURE: Final = 4_000
"""What an image or file counts in an estimate of the input, in bytes of text: about a thousand tokens."""

DOLLARS: Final = Context(prec=50)
"""The thread's own context may round."""


def to_dollars(amount: Amount) -> Decimal:
    """Returns an amount of money as a Decimal. Raises ConfigurationError if it is not a finite number of at least 0."""
    try:
        dollars = None if isinstance(amount, bool) else Decimal(str(amount))
    except InvalidOperation:
        dollars = None
    if dollars is None or not dollars.is_finite() or dollars < 0:
        raise ConfigurationError(
            f"{amount!r} is not an amount of dollars.", hint="Give a number of at least 0, such as 0.05."
        )
    return dollars


class Rates(Protocol):
    """The prices of one model."""

    def cost(self, usage: Usage) -> Decimal | None:
        """What that usage costs, in dollars; None if it cannot be computed."""

    def of_input(self, tokens: int) -> Decimal:
        """What that many uncached input tokens cost, in dollars."""

    def of_output(self, input_tokens: int) -> Decimal:
        """What one output token costs after that many input tokens, in dollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(ExplainedClass):
    """The price of a model, in dollars per million tokens.

    `cached` is the price of input tokens that were read from the provider's cache, `cache_write` of those written to
    it; both default to `input`. Raises ConfigurationError if one is not a number of at least 0.
    """

    input: Amount
    output: Amount
    cached: Amount | None = None
    cache_write: Amount | None = None

    def __post_init__(self) -> None:
        for amount in (self.input, self.output, self.cached, self.cache_write):
            if amount is not None:
                to_dollars(amount)

    def cost(self, usage: Usage) -> Decimal | None:
        """See `Rates`."""
        if usage.input_tokens is None and usage.output_tokens is None:
            return None
        cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
        fresh = max(0, (usage.input_tokens or 0) - cached - written)
        add, times = DOLLARS.add, DOLLARS.multiply
        total = add(times(to_dollars(self.input), fresh), times(to_dollars(self.output), usage.output_tokens or 0))
        if cached:
            total = add(total, times(to_dollars(self.input if self.cached is None else self.cached), cached))
        if written:
            total = add(total, times(to_dollars(self.input if self.cache_write is None else self.cache_write), written))
        return DOLLARS.divide(total, MILLION)

    def of_input(self, tokens: int) -> Decimal:
        """See `Rates`."""
        return DOLLARS.divide(DOLLARS.multiply(to_dollars(self.input), tokens), MILLION)

    def of_output(self, input_tokens: int) -> Decimal:
        """See `Rates`."""
        return DOLLARS.divide(to_dollars(self.output), MILLION)


Prices: TypeAlias = Mapping[str, Price]
"""Prices by `provider/model`, or by the model alone."""


def own_price(prices: Prices, provider: str, model: str) -> Price | None:
    """Returns the program's own price of a model: of exactly that provider, else of the model wherever it runs."""
    return prices.get(f"{provider}/{model}") or prices.get(model)


class Pricing:
    """What one attempt costs. `listed` looks a model up in a list of prices, and is called at most once a model."""

    __slots__ = ("_found", "_listed", "_own")

    def __init__(self, own: Price | None = None, listed: Callable[[str], Rates | None] | None = None) -> None:
        self._own = own
        self._listed = listed
        self._found: dict[str, Rates | None] = {}

    def rates(self, model: str) -> Rates | None:
        """Returns the prices of the model; None if they are unknown."""
        if self._own is not None or self._listed is None:
            return self._own
        if model not in self._found:
            self._found[model] = self._listed(model)
        return self._found[model]

    def priced(self, usage: Usage, *models: str, unreported_input: int = 0) -> Usage:
        """Returns the usage with its cost, if it is known, at the price of the first of `models` that has one.

        `unreported_input` is the estimated number of input tokens, which counts if the usage does not say it.
        """
        if self._own is None and usage.cost is not None:
            return usage
        rates = next((found for model in models if model and (found := self.rates(model)) is not None), None)
        if rates is None:
            return usage
        counted = usage
        if usage.input_tokens is None and unreported_input:
            counted = msgspec.structs.replace(usage, input_tokens=unreported_input, raw=None)
        cost = rates.cost(counted)
        return usage if cost is None else msgspec.structs.replace(usage, cost=cost)


def input_bytes(messages: tuple[Message, ...], *more: Any) -> int:
    """Returns the size of what a model reads, in bytes of JSON, to estimate its tokens; pictures count as a fixed size.

    `more` are other parts of the request, such as the tools.
    """
    size = sum(len(msgspec.json.encode(item)) for item in more if item)
    for message in messages:
        for part in message.content:
            if isinstance(part, (Image, File)):
                size += BYTES_OF_A_PICTURE
                continue
            content = getattr(part, "content", "")
            pictures = content if isinstance(content, tuple) else ()
            if pictures:
                size += sum(
                    BYTES_OF_A_PICTURE if isinstance(one, (Image, File)) else len(one.text.encode()) for one in pictures
                )
            else:
                size += len(msgspec.json.encode(part))
    return size


# --- the provider's own figure


def provider_cost(report: Mapping[str, Any]) -> Decimal | None:
    """Returns the cost in a usage report, in dollars; None if the provider does not say it.

    Known are `cost_in_usd_ticks` (xAI, ten billion a dollar; 0 where another cloud bills for its models), `cost` as a
    number or its text (OpenRouter and gateways like it; if the user's own key was used, the upstream provider's share
    is added), and `cost.total_cost` (Perplexity).
    """
    ticks = report.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool) and ticks > 0:
        return Decimal(ticks).scaleb(-10, DOLLARS)
    cost = report.get("cost")
    if isinstance(cost, Mapping):
        return _figure(cost.get("total_cost"))
    dollars = _figure(cost)
    details = report.get("cost_details")
    if dollars is not None and report.get("is_byok") is True and isinstance(details, Mapping):
        upstream = _figure(details.get("upstream_inference_cost"))
        return dollars if upstream is None else DOLLARS.add(dollars, upstream)
    return dollars


def _figure(value: Any) -> Decimal | None:
    if not isinstance(value, (int, float, str)):
        return None
    try:
        return to_dollars(value)
    except ConfigurationError:
        return None
