"""The MCP tools, as handlers for the server of the `mcp` package: the list, and a call, which is a run.

Owns how a run's output and questions become protocol messages. A call is one reader of its run. Up to protocol
2025-11-25 a question is a request to the client while the call waits; since 2026-07-28 the call ends with the
questions, and the client calls again with the answers. Imported at the first request to `/mcp`, because it needs the
`mcp` package.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final, NamedTuple

import mcp_types as types
import msgspec
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from headwater.events.questions import Question
from headwater.version import __version__
from headwater.web.http.bodies import Answering
from headwater.web.http.site import Site
from headwater.web.mcp.questions import answer_of, can_be_asked, elicitation, elsewhere
from headwater.web.mcp.tools import INPUT, offered
from headwater.web.mcp.wire import MCP, Note, Offered, Result, result_of
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.latest import PATIENCE
from headwater.web.runs.live_run import LiveRun, Reading
from headwater.web.runs.manager import NOW

__all__ = ("ASKING", "Asking", "Calls", "server_of")

ASKING: Final = "headwater.mcp"
"""The key of the `Asking` in a request's scope."""

RUN: Final = "headwater/run"
"""The key of the run's id in the `_meta` of a result."""

Context = ServerRequestContext[Any, Any]
Answered = types.CallToolResult | types.InputRequiredResult


class Asking(NamedTuple):
    """The caller, and an event for their disconnect."""

    caller: str | None
    gone: asyncio.Event


def server_of(site: Site) -> Server[Any]:
    """Returns the protocol server for a site's members."""
    calls = Calls(site)
    return Server("headwater", version=__version__, on_list_tools=calls.list, on_call_tool=calls.call)


class Calls:
    """The handlers of the tools."""

    def __init__(self, site: Site) -> None:
        self._manager = site.manager
        self._actions = Actions(site.manager, site.on_disconnect)
        self._tools = offered(site.manager.members.values())

    async def list(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """Lists the members as tools."""
        return types.ListToolsResult(tools=[_tool(tool) for tool in self._tools.values()])

    async def call(self, ctx: Context, params: types.CallToolRequestParams) -> Answered:
        """Runs a member, or resumes a run with the answers to its questions."""
        tool = self._tools.get(params.name)
        if tool is None:
            known = ", ".join(self._tools)
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name!r}. There are {known}.")
        assert ctx.request is not None
        asking: Asking = ctx.request.scope[ASKING]
        try:
            live, position = await self._run(tool, params, asking.caller)
        except Problem as problem:
            return _failed(_words(problem))
        try:
            self._take_answers(live, params.input_responses or {}, asking.caller)
        except Problem as problem:
            return _failed(elsewhere(live.id, live.pending, _words(problem)), live)  # the run continues to wait
        live.on_disconnect = self._actions.then(None, "cancel")
        reading = self._manager.read(live, MCP, position)
        call = _Call(self._actions, ctx, live, reading, asking)
        going, leaving = asyncio.create_task(call.go(tool)), asyncio.create_task(asking.gone.wait())
        try:
            await asyncio.wait({going, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return going.result() if going.done() else _failed("The client disconnected.")
        except asyncio.CancelledError:
            if not asking.gone.is_set():
                live.cancel()  # the client cancelled the call
            raise
        finally:
            going.cancel()
            leaving.cancel()
            call.close()
            self._manager.leave(reading)

    async def _run(self, tool: Offered, params: types.CallToolRequestParams, caller: str | None) -> tuple[LiveRun, int]:
        """Returns the run of a call and the position from which to read it. Raises Problem."""
        self._manager.check_readers()
        if params.request_state is not None:
            live, position = await self._asked_before(params.request_state, caller)
            if live.agent != tool.member:
                raise Problem("unknown_run", f"The run {live.id} is not one of {tool.member}.")
            return live, position
        given = params.arguments or {}
        task = given.get("input")
        if not isinstance(task, str) or len(given) != 1:
            raise Problem("bad_request", f"{tool.name} takes one argument.", hint='Send {"input": "…"}.')
        return await self._manager.begin(tool.member, task, owner=caller), 0

    async def _asked_before(self, state: str, caller: str | None) -> tuple[LiveRun, int]:
        """Returns the run that a call resumes. Only the caller's own runs are found, so its id needs no signature."""
        run, _, position = state.partition(":")
        live = await self._manager.find(run, caller, position=NOW)
        if not (position.isascii() and position.isdigit() and int(position[:15]) <= live.visible):
            raise Problem("bad_position", "The requestState is not from this server.", hint="Send it back unchanged.")
        return live, int(position[:15])

    def _take_answers(self, live: LiveRun, given: dict[str, Any], caller: str | None) -> None:
        pending = {one.id: one for one in live.pending}
        for name, answer in given.items():
            if name in pending and isinstance(answer, types.ElicitResult):
                _answer(self._actions, live, pending[name], answer, caller)


class _Call:
    """One call: handles the notes of its reader."""

    def __init__(self, actions: Actions, ctx: Context, live: LiveRun, reading: Reading, asking: Asking) -> None:
        self._actions = actions
        self._ctx = ctx
        self._live = live
        self._reading = reading
        self._caller = asking.caller
        self._modes = _modes(ctx)
        self._modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        self._told = 0
        self._asking: dict[str, asyncio.Task[str]] = {}
        """Open requests to the client by question id; each returns an error message, or ""."""

    async def go(self, tool: Offered) -> Answered:
        """Follows the run until it ends, or until the client must answer first."""
        live = self._live
        notes = _notes(self._reading)
        coming: asyncio.Task[Note | None] | None = None
        if self._modern and live.state == "waiting" and live.pending:
            return self._ask_by_result(live.visible)  # nothing was answered, so the run makes no progress
        try:
            while True:
                coming = coming or asyncio.create_task(anext(notes, None))
                await asyncio.wait({coming, *self._asking.values()}, return_when=asyncio.FIRST_COMPLETED)
                if wrong := self._wrong():
                    return self._elsewhere(wrong)
                if not coming.done():
                    continue
                note, coming = coming.result(), None
                if note is None:
                    return _result(result_of(live.id, live.log.end, live.response, tool), live)
                if note.text:
                    self._told += len(note.text)
                    await self._ctx.session.report_progress(self._told, message=note.text)
                elif note.answered:
                    if task := self._asking.pop(note.answered, None):
                        task.cancel()
                elif live.pending:
                    if not all(can_be_asked(one, self._modes) for one in live.pending):
                        return self._elsewhere("The client cannot ask a person.")
                    if self._modern:
                        return self._ask_by_result(note.waits)
                    self._ask()
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
            await notes.aclose()

    def close(self) -> None:
        """Cancels the open requests to the client."""
        for task in self._asking.values():
            task.cancel()

    def _wrong(self) -> str:
        """Returns why a request to the client failed; "" if none did."""
        for name, task in [*self._asking.items()]:
            if task.done():
                del self._asking[name]
                if wrong := task.result():
                    return wrong
        return ""

    def _ask(self) -> None:
        for one in self._live.pending:
            if one.id not in self._asking:
                self._asking[one.id] = asyncio.create_task(self._elicit(one))

    async def _elicit(self, question: Question) -> str:
        """Sends a question to the client. Returns an error message, or ""."""
        told, session, request = elicitation(question), self._ctx.session, self._ctx.request_id
        try:
            if told["mode"] == "url":
                answer = await session.elicit_url(told["message"], told["url"], question.id, request)
            else:
                answer = await session.elicit_form(told["message"], told["requestedSchema"], request)
            _answer(self._actions, self._live, question, answer, self._caller)
        except MCPError as error:
            return f"The client did not answer: {error.error.message}."
        except Problem as problem:
            return _words(problem)
        return ""

    def _ask_by_result(self, position: int) -> Answered:
        """Ends the call with the open questions: the client calls again with the answers."""
        asked = self._live.pending
        if not all(can_be_asked(one, self._modes) for one in asked):
            return self._elsewhere("The client cannot ask a person.")
        self._wait_for_people()
        requests: dict[str, types.InputRequest] = {
            one.id: types.ElicitRequest.model_validate({"method": "elicitation/create", "params": elicitation(one)})
            for one in asked
        }
        return types.InputRequiredResult(input_requests=requests, request_state=f"{self._live.id}:{position}")

    def _elsewhere(self, why: str) -> types.CallToolResult:
        self._wait_for_people()
        return _failed(elsewhere(self._live.id, self._live.pending, why), self._live)

    def _wait_for_people(self) -> None:
        """Ends the call before its run, which continues to wait for a person."""
        if self._live.on_disconnect == "cancel":
            self._live.on_disconnect = PATIENCE


async def _notes(reading: Reading) -> AsyncGenerator[Note]:
    """Yields the notes of a reader; consecutive texts are merged."""
    rest = b""
    async for data in reading:
        *lines, rest = (rest + data).split(b"\n")
        text = ""
        for line in lines:
            note = msgspec.json.decode(line, type=Note)
            if note.text:
                text += note.text
                continue
            if text:
                yield Note(text=text)
                text = ""
            yield note
        if text:
            yield Note(text=text)


def _answer(
    actions: Actions, live: LiveRun, question: Question, answer: types.ElicitResult, caller: str | None
) -> None:
    """Applies an answer; a late one has no effect. Raises Problem if it is invalid."""
    given = answer_of(question, answer.action, answer.content)
    try:
        if isinstance(given, Answering):
            actions.answer(live, given, caller)
        else:
            actions.approve(live, given, caller)
    except Problem as problem:
        if problem.code not in ("answered", "run_ended", "unknown_question"):
            raise


def _words(problem: Problem) -> str:
    return f"{problem.message} {problem.hint}".strip()


def _modes(ctx: Context) -> frozenset[str]:
    """Returns the elicitation modes that the client supports: "form", "url"."""
    told = ctx.session.client_capabilities
    if told is None or told.elicitation is None:
        return frozenset()
    modes = {name for name in ("form", "url") if getattr(told.elicitation, name) is not None}
    return frozenset(modes or {"form"})  # clients before 2025-11-25 send an empty object for "form"


def _tool(tool: Offered) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.member,
        description=tool.description,
        input_schema=INPUT,
        output_schema=tool.output,
    )


def _result(result: Result, live: LiveRun) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=text) for text in result.texts],
        structured_content=result.value,
        is_error=result.failed,
        _meta={RUN: live.id},
    )


def _failed(text: str, live: LiveRun | None = None) -> types.CallToolResult:
    meta = {} if live is None else {RUN: live.id}
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True, _meta=meta)
