"""What a model says in a run that another framework drives: steps, text, reasoning and calls, in words.

Owns the queue of what was said, the open step, and what an attempt draws on budgets. Each word becomes events by the
decoder that all APIs share, so parts and calls are started and ended once. It must never know a framework.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from headwater.events import AttemptAccepted, AttemptStarted, CallReady, Event, StepStarted, Warned
from headwater.events.messages import FinishReason, Usage
from headwater.providers.decoder import Call, Decoder, Place
from headwater.providers.pricing import Pricing, own_price
from headwater.runtime.children import Parent
from headwater.runtime.hearing import LEAD
from headwater.runtime.shown import as_data
from headwater.schema.well_formed import well_formed

if TYPE_CHECKING:
    from headwater.runtime.budget import Meter

__all__ = ("Saying", "ToldSteps")

Saying: TypeAlias = "Event | Callable[[], list[Event]]"
"""An event, or what makes events once all that was said before is in the log."""


class _Told(Decoder):
    """The decoder of a step whose content comes as words instead of bytes."""


class ToldSteps(Parent):
    """A run, and the words for what its model says; `sayings` collects what is said of the whole tree, in order."""

    def __init__(
        self, name: str, sayings: deque[tuple[Any, Saying]], *, timeout: float | None = None, quiet: bool = False
    ) -> None:
        super().__init__(well_formed(name), timeout=timeout, quiet=quiet)
        self.model: str = ""
        """The model that it calls first, if that is known."""
        self.provider: str = ""
        self._sayings = sayings
        self._decoder: Decoder | None = None
        """The open step."""
        self._steps = 0
        self._keys: set[str] = set()
        self._calls: dict[str, Call] = {}
        """The calls by the framework's ids; of a repeated id the last one."""
        self._call_steps: dict[str, int] = {}
        self._ready: dict[str, str] = {}
        """The tools of the open step's complete calls, by the call's key."""
        self._unanswered: dict[str, str] = {}
        """The same of the last step's calls that have no result."""
        self._has_shown = False
        self._asked: Decoder | None = None
        """The step that is open in the log."""
        self._meter: Meter | None = None

    # --- the queue

    def say(self, saying: Saying) -> None:
        """Says an event, or what makes events, after all that was said before."""
        self._sayings.append((self, saying))

    def _flush(self, events: list[Event]) -> None:
        for event in events:
            if event.__class__ is CallReady and event.by == "agent":
                self._ready[event.call] = event.name
            self._sayings.append((self, event))

    @property
    def _closed(self) -> bool:
        """Whether nothing more can be said of this run itself."""
        raise NotImplementedError

    def _settle_calls(self) -> None:
        """Ends the calls of the last step that got no result."""
        raise NotImplementedError

    # --- steps

    def begin_step(self, *, model: str = "", provider: str = "") -> None:
        """The framework asks a model; an open step ends."""
        if self._closed:
            return
        self.end_step()
        self._settle_calls()
        self._steps += 1
        model, provider = well_formed(model) or self.model, well_formed(provider) or self.provider
        self.model, self.provider = model, provider
        prefix = f"call_{self.id[4:12]}_{self._steps}"
        lead = LEAD if self._has_shown else self.lead
        decoder = self._decoder = _Told(Place(step=self._steps, lead=lead, call_prefix=prefix, calls=self._keys))
        decoder.asked_model = model
        self.say(StepStarted(step=self._steps))
        self.say(lambda: self._attempt(decoder, model, provider))

    def _attempt(self, decoder: Decoder, model: str, provider: str) -> list[Event]:
        own = own_price(self.all_prices(), provider, model)
        pricing = decoder.pricing = None if own is None else Pricing(own)
        low = [] if self.meter is None else self.meter.open_elsewhere(model, pricing)
        self._asked = decoder
        return [AttemptStarted(step=decoder.place.step, model=model, provider=provider), *low]

    def _now(self) -> Decoder:
        """The open step; it begins with the first word of it."""
        if self._decoder is None:
            self.begin_step()
        assert self._decoder is not None
        return self._decoder

    def accepted(self, id: str = "", model: str = "") -> None:
        """The provider starts to answer; `id` and `model` are as it reports them."""
        if self._closed or not (id or model):
            return
        decoder = self._now()
        if decoder.model is None and not decoder.visible:
            decoder.response_id, decoder.model = well_formed(id), well_formed(model)
            self.say(AttemptAccepted(step=decoder.place.step, attempt=1, id=well_formed(id), model=well_formed(model)))

    def text(self, piece: str) -> None:
        """A piece of the answer."""
        if piece and not self._closed:
            decoder = self._now()
            decoder.text(well_formed(piece))
            self._has_shown = True
            self._flush(decoder.take())

    def refusal(self, piece: str) -> None:
        """A piece of a refusal."""
        if piece and not self._closed:
            decoder = self._now()
            decoder.refusal(well_formed(piece))
            self._flush(decoder.take())

    def reasoning(self, piece: str) -> None:
        """A piece of reasoning."""
        if piece and not self._closed:
            decoder = self._now()
            decoder.reasoning(well_formed(piece))
            self._flush(decoder.take())

    def end_part(self) -> None:
        """The open part of text or reasoning is complete, so that the next piece begins another."""
        if self._decoder is not None:
            self._decoder.end_parts()
            self._flush(self._decoder.take())

    def begin_call(self, id: str, name: str, *, by_provider: bool = False) -> None:
        """The model starts to write a call; `by_provider`: its provider runs it. A repeated word changes nothing."""
        if self._closed or self._written(id) is not None:
            return
        decoder = self._now()
        by: Literal["agent", "provider"] = "provider" if by_provider else "agent"
        call = self._calls[id] = decoder.start_call(well_formed(id), well_formed(name) or "tool", by)
        self._call_steps[call.key] = self._steps
        self._flush(decoder.take())

    def _written(self, id: str) -> Call | None:
        """The call of that id in the open step."""
        call, decoder = self._calls.get(id), self._decoder
        return call if call is not None and decoder is not None and call in decoder.calls else None

    def call_piece(self, id: str, json: str) -> None:
        """A piece of a call's arguments."""
        if (call := self._written(id)) is not None and self._decoder is not None:
            self._decoder.call_delta(call, well_formed(json))
            self._flush(self._decoder.take())

    def end_call(self, id: str, name: str, arguments: dict[str, Any] | str | None = None) -> None:
        """A call is complete; `arguments` are the final ones, None: the pieces."""
        if self._closed:
            return
        self.begin_call(id, name)
        whole: Any = as_data(arguments) if isinstance(arguments, dict) else arguments
        decoder = self._now()
        decoder.end_call(self._calls[id], well_formed(whole) if isinstance(whole, str) else whole)
        self._flush(decoder.take())

    def usage(self, usage: Usage) -> None:
        """The usage of the open step so far."""
        if (decoder := self._decoder) is not None:
            self.say(lambda: self._report(decoder, usage))

    def _report(self, decoder: Decoder, usage: Usage) -> list[Event]:
        decoder.report(usage)
        return decoder.take()

    def end_step(self, reason: FinishReason | None = None, *, word: str | None = None) -> None:
        """The model's answer is complete; `word` is the provider's own finish reason."""
        decoder, self._decoder = self._decoder, None
        if decoder is None:
            return
        decoder.complete = True
        self._flush(decoder.finish())
        ready, self._ready = self._ready, {}
        said: FinishReason = reason or ("tool_calls" if ready else "stop")
        self._unanswered = ready if said in ("tool_calls", "stop") else {}
        model = decoder.model or self.model
        self.say(lambda: self._step_end(decoder, model, said, word))

    def _step_end(self, decoder: Decoder, model: str, reason: str, word: str | None) -> list[Event]:
        self._settle(decoder.usage)
        return [self.fold.step_end(api="", model=model, finish_reason=reason, word=word)]

    def cut_step(self, error: BaseException) -> None:
        """The model's answer broke off, and the framework asks again: what was shown is kept as a step."""
        if self._decoder is not None:
            self.say(Warned(code="answer_interrupted", message=well_formed(f"{type(error).__name__}: {error}")))
            self.end_step()

    def _end_step(self) -> Iterator[list[Event]]:
        if self.fold.in_step is None:
            return
        estimate = self.fold.estimate()
        if estimate is not None:
            decoder = self._asked
            if decoder is not None and decoder.pricing is not None:
                usage = decoder.pricing.priced(estimate.usage, decoder.model or "", decoder.asked_model)
                estimate = msgspec.structs.replace(estimate, usage=usage)
            yield [estimate]
        self._settle(self.fold.reported)
        yield [self.fold.step_end(api="", model=self.fold.model, finish_reason=self.ending.manner.finish_reason)]

    # --- budgets

    @property
    def meter(self) -> Meter | None:
        """What it draws on its budgets; None if there are none."""
        if self._meter is None and (budgets := self.all_budgets()):
            from headwater.runtime.budget import Meter

            self._meter = Meter(self.id, budgets)
        return self._meter

    def heard(self, events: list[Event]) -> list[Event]:
        """Counts what was said; returns warnings. Raises BudgetExceeded."""
        if self._asked is None or self.meter is None:
            return []
        return self.meter.heard(events, self._asked.usage)

    def _settle(self, usage: Usage | None) -> None:
        self._asked = None
        if self.meter is not None:
            self.meter.settle(usage)
