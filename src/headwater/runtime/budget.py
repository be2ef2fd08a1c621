"""Budgets: what runs may spend, and what they have spent of it.

A `Budget` counts what each run has drawn from it, by the run's id: counting a run again, as when it is resumed from its
log, replaces what was counted before. A `Meter` is one run's side: it lowers each request to what is left, follows the
answer read by read, and raises BudgetExceeded past the end. It estimates what is not reported yet; the log has the
final figures. Nothing here sends, waits or reads a clock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import msgspec

from headwater.backends.price_list import how_to_price, pricing_of
from headwater.errors import BudgetExceeded, ConfigurationError
from headwater.events import AttemptStarted, CallDelta, Event, ReasoningDelta, TextDelta, ToolStarted, Warned
from headwater.events.messages import Usage, tokens_of_bytes
from headwater.providers.catalog import LEAST_OUTPUT
from headwater.providers.pricing import DOLLARS, Amount, Rates, input_bytes, to_dollars
from headwater.schema.arguments import ExplainedClass

if TYPE_CHECKING:
    from headwater.backends.base import Backend
    from headwater.providers.pricing import Prices, Pricing
    from headwater.providers.request import Request
    from headwater.runtime.past import Past

__all__ = ("Budget", "Meter", "Spent", "recount")

LOW: Final = Decimal("0.8")
"""The share of a limit from which on a run warns that its budget is low."""

MAX_RUNS: Final = 10_000
"""Runs that a budget counts one by one; of older ones only the sum is kept, and they cannot be resumed from it."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent: dollars, tokens, requests (each attempt is one) and tool calls."""

    cost: Decimal = Decimal(0)
    output_tokens: int = 0
    total_tokens: int = 0
    requests: int = 0
    tool_calls: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            cost=DOLLARS.add(self.cost, other.cost),
            output_tokens=self.output_tokens + other.output_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            requests=self.requests + other.requests,
            tool_calls=self.tool_calls + other.tool_calls,
        )

    def less(self, other: Spent) -> Spent:
        """Returns the difference."""
        return Spent(
            cost=DOLLARS.subtract(self.cost, other.cost),
            output_tokens=self.output_tokens - other.output_tokens,
            total_tokens=self.total_tokens - other.total_tokens,
            requests=self.requests - other.requests,
            tool_calls=self.tool_calls - other.tool_calls,
        )

    @classmethod
    def of(cls, usage: Usage | None, *, requests: int = 0, tool_calls: int = 0) -> Spent:
        """Returns what a usage comes to; what it does not say counts as nothing."""
        usage = usage or Usage()
        written = usage.output_tokens or 0
        return cls(
            cost=usage.cost or Decimal(0),
            output_tokens=written,
            total_tokens=(usage.input_tokens or 0) + written,
            requests=requests,
            tool_calls=tool_calls,
        )


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a budget, never below 0; None where it has no limit."""

    cost: Decimal | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    requests: int | None = None
    tool_calls: int | None = None


_NAMES: Final = Left.__struct_fields__


def _words(name: str, number: int = 0) -> str:
    """Returns what is counted: "request" of 1, "output tokens" of more."""
    words = name.replace("_", " ")
    return words.removesuffix("s") if number == 1 else words


class Budget(ExplainedClass):
    """What runs may spend: dollars, tokens, requests and tool calls, all optional.

    Pass it to an agent, a workflow or a run; a tree of runs draws on it, and so do all others that get the same object,
    for as long as it exists: for a limit on each run, pass each run a new one. With several the tightest counts.
    `cost` is in dollars and needs a price for every model (docs/cost.md). Past a limit the run fails with
    BudgetExceeded, which has the partial answer. Any thread may read it. Raises ConfigurationError for invalid limits.
    """

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("token", "tokens", "max_tokens", "limit"),
            "Budget(total_tokens=…), or Budget(output_tokens=…) for what the models write",
        ),
        **dict.fromkeys(("", "dollars", "usd", "max_cost", "price", "money"), "Budget(cost=…), in dollars"),
        **dict.fromkeys(("steps", "calls", "max_requests"), "Budget(requests=…)"),
    }

    __slots__ = (
        "_by_run",
        "_lock",
        "_spent",
        "_warned",
        "cost",
        "output_tokens",
        "requests",
        "tool_calls",
        "total_tokens",
    )

    def __init__(
        self,
        *,
        cost: Amount | None = None,
        output_tokens: int | None = None,
        total_tokens: int | None = None,
        requests: int | None = None,
        tool_calls: int | None = None,
    ) -> None:
        self.cost: Decimal | None = None if cost is None else to_dollars(cost)
        self.output_tokens: int | None = _limit("output_tokens", output_tokens)
        self.total_tokens: int | None = _limit("total_tokens", total_tokens)
        self.requests: int | None = _limit("requests", requests)
        self.tool_calls: int | None = _limit("tool_calls", tool_calls)
        if all(self.limit(name) is None for name in _NAMES):
            raise ConfigurationError(
                "A Budget needs a limit.", hint="Give at least one, such as Budget(cost=0.05) or Budget(requests=10)."
            )
        self._lock = threading.Lock()
        self._spent = Spent()
        self._by_run: dict[str, Spent] = {}
        self._warned: set[str] = set()

    def limit(self, name: str) -> Any:
        """The limit of that name; None if there is none."""
        return getattr(self, name)

    @property
    def spent(self) -> Spent:
        """What was spent so far; of answers that are under way, an estimate."""
        return self._spent

    @property
    def left(self) -> Left:
        """What is left of each limit."""
        return self._left_of(self._spent)

    def _left_of(self, spent: Spent) -> Left:
        lefts = {
            name: max(_less(limit, getattr(spent, name)), type(limit)(0))
            for name in _NAMES
            if (limit := self.limit(name)) is not None
        }
        return Left(**lefts)

    def count(self, run: str, spent: Spent) -> None:
        """Sets what the run has drawn so far."""
        with self._lock:
            self._count(run, spent)

    def _count(self, run: str, spent: Spent) -> None:
        before = self._by_run.pop(run, None)
        self._spent += spent if before is None else spent.less(before)
        self._by_run[run] = spent  # at the end: the runs that drew last are kept
        if len(self._by_run) > MAX_RUNS:
            del self._by_run[next(iter(self._by_run))]

    def take(self, run: str, spent: Spent, name: str, number: int = 1) -> None:
        """Sets what the run has drawn, if `number` more of `name` are left. Raises BudgetExceeded."""
        with self._lock:
            limit = self.limit(name)
            if limit is not None and getattr(self._spent, name) + number > limit:
                raise self.exceeded(name)
            self._count(run, spent)

    def past(self) -> str:
        """Returns the name of a limit that was exceeded; empty if there is none."""
        spent = self._spent
        for name in ("output_tokens", "total_tokens", "cost"):
            limit = self.limit(name)
            if limit is not None and getattr(spent, name) > limit:
                return name
        return ""

    def exceeded(self, name: str, *, input_tokens: int = 0) -> BudgetExceeded:
        """Returns the error for that limit; `input_tokens` is the input of a request that no longer fits."""
        limit, spent = self.limit(name), getattr(self._spent, name)
        what, used = (
            (f"${limit}", f"${_short(spent)}") if name == "cost" else (f"{limit:,} {_words(name, limit)}", f"{spent:,}")
        )
        state = "is used up" if spent >= limit else "leaves too little to go on"
        said = f"The budget of {what} {state}: {used} spent."
        if input_tokens:
            said = f"The budget of {what} does not allow a request of about {input_tokens:,} tokens: {used} spent."
        return BudgetExceeded(
            said, hint=f"Give a larger budget: Budget({name}=…).", limit=name, size=0 if name == "cost" else limit
        )

    def low(self) -> list[Warned]:
        """Returns a warning for each limit of which little is left now, once."""
        spent, warned = self._spent, []
        for name in _NAMES:
            limit = self.limit(name)
            if limit is None or name in self._warned or getattr(spent, name) < DOLLARS.multiply(limit, LOW):
                continue
            with self._lock:
                if name in self._warned:
                    continue
                self._warned.add(name)
            used = getattr(spent, name)
            what = f"${_short(used)} of ${limit}" if name == "cost" else f"{used:,} of {limit:,} {_words(name)}"
            warned.append(Warned(code="budget_low", message=f"The budget is low: {what} are spent."))
        return warned

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a copied agent draws on the same budget

    def __repr__(self) -> str:
        limits = (f"{name}={limit}" for name in _NAMES if (limit := self.limit(name)) is not None)
        return f"Budget({', '.join(limits)})"


def _limit(name: str, value: Any) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise ConfigurationError(f"Budget({name}={value!r}) is not a limit.", hint="Give a whole number of at least 0.")


def _less(limit: Any, spent: Any) -> Any:
    return DOLLARS.subtract(limit, spent) if isinstance(limit, Decimal) else limit - spent


def _short(dollars: Decimal) -> str:
    return f"{dollars:.6f}".rstrip("0").rstrip(".")


def recount(budgets: Iterable[Budget], past: Past) -> None:
    """Counts what a run and all runs below it have spent according to their log; doing it again changes nothing."""
    for run in _tree(past):
        spent = _spent_by(run)
        for budget in budgets:
            budget.count(run.node.id, spent)


def _tree(past: Past) -> Iterable[Past]:
    yield past
    for child in past.children:
        yield from _tree(child)


def _spent_by(past: Past) -> Spent:
    return Spent.of(
        past.fold.spending.own,
        requests=sum(isinstance(event, AttemptStarted) for event in past.events),
        tool_calls=sum(isinstance(event, ToolStarted) for event in past.events),
    )


class Meter:
    """One run's draw on the budgets that hold for it; see `backends.retry.Meter`."""

    def __init__(self, run: str, budgets: Sequence[Budget], past: Past | None = None) -> None:
        self._run = run
        self._budgets = budgets
        self._settled = Spent() if past is None else _spent_by(past)
        """What attempts that are over have drawn, and the tool calls."""
        self._open: Spent | None = None
        """What the attempt under way has drawn."""
        self._bytes = 0
        self._input = 0
        self._rates: Rates | None = None
        self._per_output = Decimal(0)
        self._capped: Budget | None = None
        self._cap_name = ""

    @property
    def drawn(self) -> Spent:
        """What the run has drawn so far."""
        return self._settled if self._open is None else self._settled + self._open

    def prove_priced(self, backends: Iterable[Backend], prices: Prices) -> None:
        """Raises ConfigurationError if the cost is limited and the price of a model is unknown."""
        if all(budget.cost is None for budget in self._budgets):
            return
        for backend in backends:
            pricing = pricing_of(backend, prices)
            if pricing is None or pricing.rates(backend.model) is None:
                raise ConfigurationError(
                    f"The budget limits the cost, but the price of {backend.provider}/{backend.model} is unknown.",
                    hint=how_to_price(backend, prices),
                )

    def admit(self, request: Request, backend: Backend, pricing: Pricing | None) -> Request:
        """See `backends.retry.Meter`."""
        self._bytes, self._capped = 0, None
        self._rates = rates = pricing.rates(backend.model) if pricing is not None else None
        counts_input = rates is not None or any(budget.total_tokens is not None for budget in self._budgets)
        self._input = tokens_of_bytes(input_bytes(request.messages, request.tools)) if counts_input else 0
        of_input = Decimal(0)
        if rates is not None:
            self._per_output, of_input = rates.of_output(self._input), rates.of_input(self._input)
        least = LEAST_OUTPUT.get(backend.api, 1)
        allowed = request.settings.max_tokens
        for budget in self._budgets:
            for name, left in self._tokens_left(budget, of_input):
                if left < least:
                    raise budget.exceeded(name, input_tokens=0 if name == "output_tokens" else self._input)
                if allowed is None or left < allowed:
                    allowed, self._capped, self._cap_name = left, budget, name
        opened = Spent(cost=of_input, total_tokens=self._input, requests=1)
        self._take(self._settled + opened, "requests", 1)
        self._open = opened
        if self._capped is None:
            return request
        return msgspec.structs.replace(request, settings=msgspec.structs.replace(request.settings, max_tokens=allowed))

    def open_elsewhere(self, model: str, pricing: Pricing | None) -> list[Event]:
        """Counts a request that other code sends, whose input and `max_tokens` are unknown; returns warnings.

        Raises BudgetExceeded if nothing is left for it, and ConfigurationError if the cost is limited and its price is
        unknown.
        """
        self._bytes, self._input, self._capped = 0, 0, None
        self._rates = rates = pricing.rates(model) if pricing is not None else None
        if rates is not None:
            self._per_output = rates.of_output(0)
        for budget in self._budgets:
            if budget.cost is not None and rates is None:
                raise ConfigurationError(
                    f"The budget limits the cost, but the price of {model or 'a model without a name'} is unknown.",
                    hint=f'Pass it: prices={{"{model or "MODEL"}": Price(input=…, output=…)}}.',
                )
            for name, left in self._tokens_left(budget, Decimal(0)):
                if left < 1:
                    raise budget.exceeded(name)
        opened = Spent(requests=1)
        self._take(self._settled + opened, "requests", 1)
        self._open = opened
        return self.low()

    def _tokens_left(self, budget: Budget, of_input: Decimal) -> Iterable[tuple[str, int]]:
        """Yields by limit how many output tokens the budget still allows."""
        spent = budget.spent
        if budget.output_tokens is not None:
            yield "output_tokens", budget.output_tokens - spent.output_tokens
        if budget.total_tokens is not None:
            yield "total_tokens", budget.total_tokens - spent.total_tokens - self._input
        if budget.cost is not None:
            left = DOLLARS.subtract(DOLLARS.subtract(budget.cost, spent.cost), of_input)
            if left < 0:
                yield "cost", 0
            elif self._per_output:
                yield "cost", int(DOLLARS.divide(left, self._per_output))

    def heard(self, events: Sequence[Event], usage: Usage | None) -> list[Event]:
        """See `backends.retry.Meter`."""
        size = 0
        for event in events:
            kind = event.__class__
            if kind is TextDelta or kind is ReasoningDelta:
                size += _bytes(event.text)  # type: ignore[attr-defined]
            elif kind is CallDelta:
                size += _bytes(event.json)  # type: ignore[attr-defined]
        self._bytes += size
        self._open = self._so_far(usage)
        drawn = self.drawn
        for budget in self._budgets:
            budget.count(self._run, drawn)
            if name := budget.past():
                raise budget.exceeded(name)
        return self.low()

    def _so_far(self, usage: Usage | None) -> Spent:
        """The larger of what is reported and what was heard."""
        usage = usage or Usage()
        written = max(usage.output_tokens or 0, tokens_of_bytes(self._bytes))
        read = self._input if usage.input_tokens is None else usage.input_tokens
        cost = usage.cost
        if self._rates is not None and (cost is None or written > (usage.output_tokens or 0)):
            rest = written - (usage.output_tokens or 0) if cost is not None else written
            known = self._rates.of_input(read) if cost is None else cost
            cost = DOLLARS.add(known, DOLLARS.multiply(self._per_output, rest))
        return Spent(cost=cost or Decimal(0), output_tokens=written, total_tokens=read + written, requests=1)

    def settle(self, usage: Usage | None) -> None:
        """See `backends.retry.Meter`."""
        if self._open is None:
            return
        spent = Spent.of(usage, requests=1)
        if usage and usage.input_tokens is None:
            spent = msgspec.structs.replace(spent, total_tokens=spent.total_tokens + self._input)
        self._settled, self._open = self._settled + spent, None
        self._tell()

    def cut_short(self) -> BudgetExceeded | None:
        """Returns the error if the last answer was cut off because its `max_tokens` had been lowered."""
        return None if self._capped is None else self._capped.exceeded(self._cap_name)

    def call_tools(self, number: int) -> None:
        """Counts tool calls that are about to start. Raises BudgetExceeded if not all of them may."""
        drawn = self._settled + Spent(tool_calls=number)
        self._take(drawn, "tool_calls", number)
        self._settled = drawn

    def _take(self, drawn: Spent, name: str, number: int) -> None:
        try:
            for budget in self._budgets:
                budget.take(self._run, drawn, name, number)
        except BudgetExceeded:
            self._tell()  # others may have counted it already
            raise

    def low(self) -> list[Event]:
        """Returns a warning for each budget of which little is left."""
        return [warning for budget in self._budgets for warning in budget.low()]

    def _tell(self) -> None:
        drawn = self.drawn
        for budget in self._budgets:
            budget.count(self._run, drawn)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
