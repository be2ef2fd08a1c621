"""`/v1`: OpenAI's two text APIs, so that every OpenAI client can use agents; each agent is a model.

Owns which run answers a request, and errors in OpenAI's format. `asked` parses requests; `chat` and `responses` format
runs; `approvals` says which part of a run a response has.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from headwater.agents.agent import Agent
from headwater.events import RunCancelled, RunFailed
from headwater.web.http.answers import StreamAnswer, json_answer, problem_headers
from headwater.web.http.bodies import number, parsed
from headwater.web.http.site import Handler, Site
from headwater.web.openai.approvals import answered, asks, goes_on, notes_of, part_of, told_by
from headwater.web.openai.asked import Asked, asked_of_chat, asked_of_responses
from headwater.web.openai.chat import DONE, chat_wire, completion, sse_data
from headwater.web.openai.failures import kind_of, unanswered
from headwater.web.openai.responses import Responses, response_of, responses_wire, run_id
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.latest import answered_before_its_end
from headwater.web.runs.live_run import LiveRun
from headwater.web.runs.manager import NOW, Manager
from headwater.web.runs.waiting import run_to_its_end
from headwater.web.wires.endings import is_filtered
from headwater.web.wires.wire import Wire

__all__ = ("OpenAIRoutes", "refusal")

_CODES: Final = {"unknown_agent": "model_not_found", "unauthorized": "invalid_api_key"}
_FAILED: Final = {"RateLimited": 429, "Overloaded": 503}
"""The status of a failed run, if OpenAI clients retry at one; 500 for others."""


def refusal(problem: Problem) -> Response:
    """Returns a problem in OpenAI's format."""
    said = f"{problem.message} {problem.hint}".strip()
    code = _CODES.get(problem.code, problem.code)
    param = "model" if problem.code == "unknown_agent" else problem.param  # these APIs name the agent so
    error = {"message": said, "type": kind_of(problem.status), "param": param, "code": code}
    return json_answer({"error": error}, problem.status, problem_headers(problem))


class OpenAIRoutes:
    """The handlers of `/v1`; a subclass overrides what differs for bare models."""

    bare: ClassVar[bool] = False
    """Whether bare models answer rather than agents."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.manager: Manager = site.manager
        self._actions = Actions(site.manager, site.on_disconnect)

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """Returns the handlers by path and method."""
        return {
            "/v1/models": {"GET": self.models},
            "/v1/models/{id}": {"GET": self.model},
            "/v1/chat/completions": {"POST": self.chat},
            "/v1/responses": {"POST": self.responses},
            "/v1/responses/{id}": {"GET": self.retrieve},
            "/v1/responses/{id}/cancel": {"POST": self.cancel},
        }

    async def models(self, request: Request, caller: str | None) -> Response:
        """Lists the agents as models."""
        return json_answer({"object": "list", "data": [_model(name) for name in self.manager.members]})

    async def model(self, request: Request, caller: str | None) -> Response:
        """Describes an agent as a model."""
        return json_answer(_model(self.manager.member(request.path_params["id"]).name))

    def asked(self, body: Any, *, responses: bool) -> Asked:
        """Parses a request in either API. Raises Problem."""
        return asked_of_responses(body) if responses else asked_of_chat(body)

    def options(self, member: Any, asked: Asked) -> dict[str, Any]:
        """Returns the member's options besides the conversation. Raises Problem."""
        if not asked.tools:
            return {}
        if not isinstance(member, Agent):
            raise Problem(
                "bad_request", f"{member.name!r} does not accept tools.", hint="Leave out tools.", param="tools"
            )
        return {"client_tools": asked.tools}

    def streamed(self, live: LiveRun, wire: Wire, begin: int | None = None) -> Response:
        """Streams a run; `begin` says which response of it, in the Responses API."""
        return _Streamed(self.manager, live, wire, begin)

    def whole(self, live: LiveRun, value: Any) -> Response:
        """Returns an ended run as a completion or a response."""
        headers = {"headwater-run": live.id, "x-should-retry": "false"}  # a retry would be another run
        return json_answer(value, _status(live) if value.get("object") != "response" else 200, headers)

    def begin(self, asked: Asked, caller: str | None, *, keep: bool) -> LiveRun:
        """Starts a run; with `keep`, its log is kept for a while after its end. Raises Problem."""
        member = self.manager.member(asked.model)
        if asked.stream:
            self.manager.check_readers()
        return self.manager.start(
            asked.model,
            asked.task,
            owner=caller,
            on_disconnect=self._actions.then(None, "continue" if asked.background else "cancel"),
            history=asked.history,
            keep=keep,
            led=asked.stream and not keep,
            notes=notes_of(_told(asked), asked.approvers),
            **self.options(member, asked),
        )

    # --- Chat Completions

    async def chat(self, request: Request, caller: str | None) -> Response:
        """Answers with a chat completion, streamed if requested."""
        asked = self.asked(parsed(await self._site.body(request)), responses=False)
        live = self.begin(asked, caller, keep=not self.bare)
        await self.manager.stored(live)
        if asked.stream:
            return self.streamed(live, chat_wire(asked.model, usage=asked.usage, bare=self.bare))
        if not await run_to_its_end(self.manager, live, request):
            return Response(status_code=499)  # nobody reads it
        if await self.manager.needs_answers(live):
            return _waits(live)
        return self.whole(live, completion(live.log, asked.model, bare=self.bare))

    # --- Responses

    async def responses(self, request: Request, caller: str | None) -> Response:
        """Answers with a response, streamed or in the background if requested."""
        asked = self.asked(parsed(await self._site.body(request)), responses=True)
        if asked.approved:
            if asked.stream:
                self.manager.check_readers()
            live, begin = await answered(self.manager, self._actions, asked.approved, caller)
            live.on_disconnect = self._actions.then(None, "continue" if asked.background else "cancel")
            goes_on(live, begin, _told(asked), asked.approvers)
        else:
            if asked.previous is not None:
                asked = asked._replace(history=(*await self._said_before(asked.previous, caller), *asked.history))
            live, begin = self.begin(asked, caller, keep=True), 0
            await self.manager.stored(live)
        if asked.stream:
            return self.streamed(live, self._wire(live, begin), begin)
        if not asked.background and not await run_to_its_end(self.manager, live, request):
            return Response(status_code=499)  # nobody reads it
        if not asked.background and await self.manager.needs_answers(live) and not asks(live, begin):
            return _waits(live)
        return self.whole(live, await self._so_far(live, begin))

    def _wire(self, live: LiveRun, begin: int, after: int = -1) -> Wire:
        part, told = part_of(live, begin), told_by(live, begin)
        return responses_wire(live.agent, after=after, bare=self.bare, part=part, **told)

    async def _said_before(self, previous: str, caller: str | None) -> tuple[Any, ...]:
        live, _ = await self._response(previous, caller, param="previous_response_id")
        if not live.over:
            said = f"The response {previous} is still in progress."
            raise Problem("bad_request", said, hint="Wait for it.", param="previous_response_id")
        response = live.response
        return () if response is None else tuple(getattr(response, "messages", ()))

    async def _response(self, response: str, caller: str | None, *, param: str | None = None) -> tuple[LiveRun, int]:
        run, begin = run_id(response)
        try:
            return await self.manager.find(run, caller, position=NOW), begin
        except Problem as problem:
            if problem.code != "unknown_run":
                raise
            said = f"There is no response {response!r}."
            hint = "Responses are kept for a limited time after they end."
            raise Problem("unknown_run", said, hint=hint, param=param) from None

    async def _so_far(self, live: LiveRun, begin: int) -> Any:
        asks(live, begin)
        if not (len(live.log) or live.over):
            await live.news()  # done at the first event, so no need to drop it
        return response_of(live.log, live.agent, bare=self.bare, part=part_of(live, begin), **told_by(live, begin))

    async def retrieve(self, request: Request, caller: str | None) -> Response:
        """Returns a response so far, or streams its events after a given one."""
        live, begin = await self._response(request.path_params["id"], caller)
        query = request.query_params
        if query.get("stream") != "true":
            return json_answer(await self._so_far(live, begin), 200, {"headwater-run": live.id})
        self.manager.check_readers()
        after = number("starting_after", query.get("starting_after"), -1)
        wire = self._wire(live, begin, -1 if after is None else after)
        return _Streamed(self.manager, live, wire, begin)

    async def cancel(self, request: Request, caller: str | None) -> Response:
        """Stops a response; answers after it has stopped."""
        await self._site.body(request)
        live, begin = await self._response(request.path_params["id"], caller)
        live.cancel()
        await asyncio.wait({live.task})
        return json_answer(await self._so_far(live, begin), 200, {"headwater-run": live.id})


class _Streamed(StreamAnswer):
    """A stream that ends when its run waits for people and only a client can answer.

    It ends with an error, unless it can ask the client.
    """

    def __init__(self, manager: Manager, live: LiveRun, wire: Wire, begin: int | None = None) -> None:
        super().__init__(manager, live, wire)
        self._begin = begin

    async def ends(self, send: Send) -> bool:
        """See the base class."""
        if not await self._manager.needs_answers(self.live):
            return False
        frames_of = self._wire.make()
        data = b""
        if asked := self._begin is not None and asks(self.live, self._begin) and isinstance(frames_of, Responses):
            frames_of = frames_of.ending(part_of(self.live, self._begin))
        for event in self.live.log:
            data = frames_of(event) or data
        if not asked:
            told = unanswered(self.live.id, self.live.unattended)
            said = told["error"]["message"]
            data = frames_of.failed(said) if isinstance(frames_of, Responses) else sse_data(told) + DONE
        await send({"type": "http.response.body", "body": data, "more_body": True})
        answered_before_its_end(self.live)
        return True


def _waits(live: LiveRun) -> Response:
    """Returns the error for a run that waits for people, with a status that clients do not retry."""
    headers = {"headwater-run": live.id, "x-should-retry": "false"}
    return json_answer(unanswered(live.id, live.unattended), 422, headers)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "headwater"}


def _told(asked: Asked) -> dict[str, Any]:
    """Returns the fields of a request that its response repeats."""
    told: dict[str, Any] = {**asked.told}
    if asked.background:
        told["background"] = True
    if asked.previous is not None:
        told["previous_response_id"] = asked.previous
    return told


def _status(live: LiveRun) -> int:
    """Returns the status of a completion that was not streamed."""
    end = live.log.end
    if is_filtered(end):
        return 200
    if isinstance(end, RunFailed):
        return _FAILED.get(end.error.type, 500)
    return 500 if isinstance(end, RunCancelled) or end is None else 200
