"""What a resumed run has spent before: the cost of the answer that was interrupted, and the budgets of its tools.

Owns two sums that the log alone does not hold: a price, and which budget an agent as a tool declares. It must never
send anything or change the past.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headwater.backends.price_list import pricing_of
from headwater.events import ToolStarted
from headwater.events.messages import Message, Usage, tokens_of_bytes
from headwater.providers.pricing import Prices, input_bytes
from headwater.runtime.job import Job
from headwater.runtime.past import Past, Standing

__all__ = ("cost_of_interrupted", "recount_tools")


def cost_of_interrupted(
    job: Job, standing: Standing, prices: Prices, sent: Sequence[Message], system: str | None
) -> Callable[[Usage], Usage]:
    """Returns the function that adds the cost to the estimated usage of the interrupted attempt.

    `sent` and `system` are what was asked; as in `backends.retry` their size counts if no input was reported.
    """

    def priced(usage: Usage) -> Usage:
        backend = job.backends[min(standing.backend, len(job.backends) - 1)]
        if (pricing := pricing_of(backend, prices)) is None:
            return usage
        request = job.request((*((Message.system(system),) if system else ()), *sent))
        size = input_bytes(request.messages, request.tools)
        return pricing.priced(usage, backend.model, unreported_input=tokens_of_bytes(size))

    return priced


def recount_tools(job: Job, past: Past) -> None:
    """Counts what agents as tools have spent on the budgets that they declare themselves.

    A call that has its result in the log starts no run of theirs, so nothing else counts it. Doing it again changes
    nothing.
    """
    names = {event.call: event.name for event in past.events if isinstance(event, ToolStarted)}
    for child in past.children:
        tool = job.tools.get(names.get(child.node.call or "", ""))
        budget = getattr(getattr(tool, "runnable", None), "budget", None)
        if budget is not None:
            from headwater.runtime.budget import recount

            recount((budget,), child)
