"""`/v1` of a gateway: OpenAI's two APIs, answered by bare models under the gateway's names.

Owns the differences from agents behind the same routes: a model that fails before its first output gives a response
with the provider's status instead of a stream, and the headers name the model that answered.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope, Send

from headwater.events import (
    AttemptStarted,
    CallStarted,
    ReasoningDelta,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    StepFinished,
    TextDelta,
)
from headwater.events.messages import Message
from headwater.web.gateway.asked import asked_of_model
from headwater.web.gateway.memory import Memory
from headwater.web.gateway.model import ServedModel
from headwater.web.http.answers import StreamAnswer, json_answer
from headwater.web.http.site import LOG, Site
from headwater.web.openai.asked import Asked
from headwater.web.openai.failures import failure_headers, model_failure, status_of
from headwater.web.openai.routes import OpenAIRoutes
from headwater.web.problems import no_agent
from headwater.web.runs.kept_log import KeptLog
from headwater.web.runs.live_run import LiveRun, Reading
from headwater.web.wires.wire import Wire

__all__ = ("GatewayRoutes", "ModelAnswer")

_LAST: Final = 4
"""How many of the last events to search for the end of a step; the end of the run follows it directly."""

_SAID: Final = (TextDelta, ReasoningDelta, CallStarted)


class GatewayRoutes(OpenAIRoutes):
    """The handlers of `/v1`, for bare models."""

    bare: ClassVar[bool] = True

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._memory = Memory()

    def asked(self, body: Any, *, responses: bool) -> Asked:
        """See the base class."""
        asked = asked_of_model(body, responses=responses)
        known = self.manager.members
        if asked.model not in known:
            said = f"There is no model {asked.model!r} here."
            raise no_agent(said, asked.model, known, param="model")
        return asked

    async def model(self, request: Request, caller: str | None) -> Response:
        """Describes a name of the gateway."""
        name, known = request.path_params["id"], self.manager.members
        if name not in known:
            said = f"There is no model {name!r} here."
            raise no_agent(said, name, known, param="model")
        return await super().model(request, caller)

    def options(self, member: Any, asked: Asked) -> dict[str, Any]:
        """See the base class."""
        assert isinstance(member, ServedModel)
        member.check(asked.options["settings"])
        return dict(asked.options)

    def begin(self, asked: Asked, caller: str | None, *, keep: bool) -> LiveRun:
        """See the base class. Restores the kept parts of messages with calls."""
        sent = (*asked.history, *asked.task)
        restored = self._memory.restored(caller, sent)
        at = len(asked.history)
        live = super().begin(asked._replace(history=restored[:at], task=restored[at:]), caller, keep=keep)
        live.task.add_done_callback(lambda _: self._over(live, caller, sent))
        return live

    def _over(self, live: LiveRun, caller: str | None, sent: tuple[Message, ...]) -> None:
        end = live.log.end
        if isinstance(end, RunFinished):
            for message in _with_calls(live.log):
                self._memory.keep(caller, sent, message)
        LOG.info("%s", _line(live))

    def streamed(self, live: LiveRun, wire: Wire, begin: int | None = None) -> Response:
        """See the base class."""
        return ModelAnswer(self.manager, live, wire)

    def whole(self, live: LiveRun, value: Any) -> Response:
        """See the base class."""
        if isinstance(live.log.end, RunFailed):
            return _refused(live)
        status = 500 if isinstance(live.log.end, RunCancelled) else 200
        return json_answer(value, status, _headers(live))


class ModelAnswer(StreamAnswer):
    """Streams a model's answer. The headers wait for the first output, which may be a failure."""

    _begun = False

    async def begin(self, send: Send) -> None:
        """See the base class. Has an effect only on the first call."""
        if not self._begun:
            self._begun = True
            self.headers.update(_headers(self.live))
            await super().begin(send)

    async def tell_idle(self, data: bytes, send: Send) -> None:
        """See the base class. After this, failures are sent in the stream."""
        await self.begin(send)
        await super().tell_idle(data, send)

    async def answer(self, scope: Scope, reading: Reading, send: Send) -> None:
        """See the base class."""
        first = await anext(reading, b"")
        if not self._begun and _failed_silently(self.live.log):
            refused = _refused(self.live)
            refused.headers.update({name: value for name, value in self.headers.items() if name in _OF_SITES})
            await refused(scope, _nothing_comes, send)
            return
        await self.begin(send)
        await send({"type": "http.response.body", "body": first, "more_body": True})
        await self.tell(reading, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


_OF_SITES: Final = ("vary", "access-control-allow-origin", "access-control-expose-headers")
"""What the site has said to browsers of an answer."""


async def _nothing_comes() -> Any:
    raise AssertionError("a refusal reads nothing")


def _with_calls(log: KeptLog) -> list[Message]:
    """Yields the model's message of its only step, if it has calls."""
    finished = [
        event.message for event in log.between(max(0, len(log) - _LAST), len(log)) if isinstance(event, StepFinished)
    ]
    return [message for message in finished if message is not None and message.tool_calls]


def _failed_silently(log: KeptLog) -> bool:
    """Whether the model failed without output, or all of its output was retracted."""
    said = False
    if isinstance(log.end, RunFailed):
        for event in log:
            if isinstance(event, Retracted):
                said = False
            elif isinstance(event, _SAID):
                said = True
        return not said
    return False


def _refused(live: LiveRun) -> Response:
    """Returns a failure as an HTTP error."""
    end = live.log.end
    assert isinstance(end, RunFailed)
    headers = {**_headers(live), **failure_headers(end.error)}
    return json_answer(model_failure(end), status_of(end.error), headers)


def _headers(live: LiveRun) -> dict[str, str]:
    """Returns the headers that name the answering model."""
    asked = _last_attempt(live.log)
    return {"headwater-run": live.id, **({"headwater-model": asked} if asked.isascii() else {})}


def _last_attempt(log: KeptLog) -> str:
    """Returns the answering model: that of the attempt that cannot be retracted any more, or of the last attempt."""
    name, passing = "", False
    for event in log:
        if isinstance(event, AttemptStarted):
            name = f"{event.provider}/{event.model}".lstrip("/")
            passing = event.may_retract
        elif not passing and isinstance(event, _SAID):
            break
    return name


def _line(live: LiveRun) -> str:
    """Returns the log line of a finished request: the model, the duration, the cost."""
    log, end = live.log, live.log.end
    began = log.started.time if log.started is not None else 0.0
    first = next((event.time for event in log if isinstance(event, _SAID)), None)
    told = [f"{live.agent}: {_last_attempt(log) or 'nobody'}"]
    if isinstance(end, RunFailed):
        told.append(f"failed with {end.error.type}")
    elif isinstance(end, RunCancelled):
        told.append(f"cancelled ({end.by})")
    if first is not None:
        told.append(f"first word after {first - began:.2f} s")
    if end is not None:
        usage = end.usage
        told.append(f"{end.time - began:.2f} s")
        told.append(f"{usage.input_tokens or 0} tokens in, {usage.output_tokens or 0} out")
    return ", ".join(told)
