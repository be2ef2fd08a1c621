"""One tool of a server, and one call of it: progress, questions, cancelling, and what follows a lost connection.

A call is sent again only where nothing can have happened twice: its tool is marked read-only or idempotent, or the
server has never had it. Everything else is told to the model as unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from headwater.errors import MCPUnavailable
from headwater.providers.request import ToolSpec
from headwater.schema.problems import ValidationFailed
from headwater.schema.raw import RawParameters
from headwater.tools.context import ToolContext
from headwater.tools.execution import run_work
from headwater.tools.mcp.content import outcome_of
from headwater.tools.mcp.elicitation import Round, asked_again, question, reply
from headwater.tools.outcome import MAX_RESULT_CHARS, ToolOutcome
from headwater.tools.work import Approval, OnUnknown, Plain, Work

if TYPE_CHECKING:
    from mcp import MCPError
    from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, InputRequiredResult, Tool

    from headwater.tools.mcp.connection import Connection
    from headwater.tools.mcp.session import Session

__all__ = ("RemoteTool", "Running", "Server")

MAX_ROUNDS: Final = 20
"""How often a call may be answered with further questions."""

UNKNOWN: Final = "The connection to the server was lost during the call. It is unknown whether it completed."

# The SDK's own messages. A server may use the same error codes for its own errors.
_CLOSED: Final = "Connection closed"
_CUT: Final = ("SSE stream ended", "SSE stream failed")
_EXPIRED: Final = "Session terminated"


class Server(Protocol):
    """The server of a tool."""

    @property
    def approval(self) -> Approval:
        """Whether its calls need approval."""

    @property
    def tool_seconds(self) -> float | None:
        """The timeout of a call; None: the run's."""

    def connection(self) -> Connection:
        """Returns its connection on the running event loop."""


class RemoteTool(Plain):
    """A tool of a server, under the name that it has for the model. Raises ValueError where its schema is no object's.

    `listed` is the server's own description.
    """

    def __init__(self, server: Server, listed: Tool) -> None:
        schema = {key: value for key, value in listed.input_schema.items() if key != "$schema"}
        self._parameters = RawParameters(schema)
        self.server = server
        self.remote_name: str = listed.name
        self.spec: ToolSpec = ToolSpec(
            name=listed.name, description=listed.description or listed.title or "", parameters=self._parameters.schema
        )
        hints = listed.annotations
        self.repeatable: bool = bool(hints is not None and (hints.read_only_hint or hints.idempotent_hint))
        self.on_unknown: OnUnknown = "retry" if self.repeatable else "tell"

    def named(self, name: str) -> RemoteTool:
        """Returns the tool under another name."""
        import copy

        import msgspec

        twin = copy.copy(self)
        twin.spec = msgspec.structs.replace(self.spec, name=name)
        return twin

    @property
    def name(self) -> str:
        """The name for the model."""
        return self.spec.name

    @property
    def approval(self) -> Approval:  # type: ignore[override]
        """See `tools.work.Offered`."""
        return self.server.approval

    def wants_log(self, seen: set[int]) -> bool:
        """See `tools.work.Offered`: any server may ask people."""
        return True

    def validate(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """See `tools.work.Offered`."""
        try:
            return self._parameters.validate(arguments)
        except ValidationFailed:
            raise
        except Exception:  # a schema that makes no sense: the server judges
            return dict(arguments) if isinstance(arguments, Mapping) else {}

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`."""
        return await run_work(_Call(self, work), work)


class _Call:
    """One call; see `tools.execution.Invocable`."""

    is_async = True
    max_result_chars = MAX_RESULT_CHARS

    def __init__(self, tool: RemoteTool, work: Work) -> None:
        self.name = tool.name
        self.timeout = tool.server.tool_seconds
        self.validate = tool.validate
        self._tool = tool
        self._work = work
        self._repeated = False

    def invoke(self, arguments: Mapping[str, Any], context: ToolContext[Any]) -> Any:
        """Returns the call, to be awaited."""
        return self._answered(dict(arguments), context)

    async def _answered(self, arguments: dict[str, Any], context: ToolContext[Any]) -> ToolOutcome:
        from mcp import MCPError
        from mcp_types import InputRequiredResult

        running = Running(context)
        past = self._work.asked_before()
        current, before = Round.last_of(past)
        for event in past[:before]:
            await context.put(asked_again(event))  # answered already: it only counts
        try:
            for _ in range(MAX_ROUNDS):
                answers = None if current is None else await current.answers(context.put)
                state = None if current is None else current.state
                try:
                    result = await self._sent(arguments, running, answers, state)
                except MCPError as error:
                    urls = _urls(error)
                    if not urls:
                        return ToolOutcome.failed(_said(error))
                    current = None
                    for one in urls:
                        await context.put(question(one))
                    continue
                except MCPUnavailable as error:
                    return ToolOutcome.failed(UNKNOWN if self._repeated else str(error))
                except _OutcomeUnknown:
                    return ToolOutcome.failed(UNKNOWN)
                if not isinstance(result, InputRequiredResult):
                    return outcome_of(result, max_chars=self.max_result_chars)
                current = Round.of(result)
                if current is None:
                    return ToolOutcome.failed("The server asks for something that this client does not support.")
            return ToolOutcome.failed(f"The server asked {MAX_ROUNDS} times and gave no result.")
        finally:
            running.close()

    async def _sent(
        self, arguments: dict[str, Any], running: Running, answers: Any, state: str | None
    ) -> CallToolResult | InputRequiredResult:
        """Sends it, once more where the connection is lost and that is safe. Raises MCPError, MCPUnavailable."""
        from mcp import MCPError

        connection = self._tool.server.connection()
        while True:
            session = await connection.session()
            alone = not session.running
            session.running.append(running)
            try:
                return await self._once(session, arguments, running, answers, state)
            except MCPError as error:
                expired, closed = error.message == _EXPIRED, error.message.startswith(_CLOSED)
                if not (expired or closed or error.message.startswith(_CUT)):
                    raise
                if expired or closed:  # else only this answer was cut
                    connection.lost(session)
                again = expired or self._tool.repeatable or (closed and alone and await _never_sent(session))
                if self._repeated or not again:
                    raise _OutcomeUnknown from None
                self._repeated = True
            finally:
                session.running.remove(running)

    async def _once(
        self, session: Session, arguments: dict[str, Any], running: Running, answers: Any, state: str | None
    ) -> CallToolResult | InputRequiredResult:
        from mcp import MCPError
        from mcp_types import HEADER_MISMATCH

        for listed_again in (False, True):
            try:
                return await session.client.session.call_tool(
                    self._tool.remote_name,
                    arguments,
                    progress_callback=running.progress,
                    input_responses=answers,
                    request_state=state,
                    allow_input_required=True,
                )
            except MCPError as error:
                if listed_again or error.code != HEADER_MISMATCH:
                    raise
                session.forget_tools()  # the headers of a call follow from the tool's schema, which has changed
                await session.tools()
        raise AssertionError("the second try returns or raises")


class Running:
    """A call at work, as its session sees it: where its progress and its questions go."""

    def __init__(self, context: ToolContext[Any]) -> None:
        self._context = context
        self._asking: set[asyncio.Task[ElicitResult]] = set()

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Reports the server's progress."""
        told = {"progress": progress, "total": total, "message": message}
        self._context.emit({name: value for name, value in told.items() if value is not None})

    async def elicited(self, params: ElicitRequestParams) -> ElicitResult:
        """Asks a person for a server that waits for the answer. Raises CancelledError where the call ends before."""
        task = asyncio.ensure_future(self._ask(params))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return await task

    async def _ask(self, params: ElicitRequestParams) -> ElicitResult:
        return reply(await self._context.put(question(params)))

    def close(self) -> None:
        """Ends its questions with the call."""
        for task in self._asking:
            task.cancel()


class _OutcomeUnknown(Exception):
    """The connection was lost, and the call cannot be sent again."""


async def _never_sent(session: Session) -> bool:
    """Whether the server cannot have had a call, the only one at work: no connection to it was made."""
    await session.left.wait()
    fault = session.fault
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return type(fault).__name__ == "ConnectError"


def _said(error: MCPError) -> str:
    return error.message or f"The server answered with the error {error.code}."


def _urls(error: MCPError) -> list[ElicitRequestParams]:
    """Returns the addresses that a person has to visit before the call can be made."""
    from mcp.shared.exceptions import UrlElicitationRequiredError
    from mcp_types import URL_ELICITATION_REQUIRED

    if error.code != URL_ELICITATION_REQUIRED:
        return []
    try:
        return [*UrlElicitationRequiredError.from_error(error.error).elicitations]
    except ValueError:
        return []
