"""The Agent: a declaration of a model, instructions and tools, and the methods that run it.

An agent has no per-run state, so one agent serves any number of runs at once. Every method, blocking or not, streaming
or not, creates the same `Run` and reads it; there is no other code path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from typing_extensions import TypeVar, Unpack

from headwater.agents.declaration import Declaration
from headwater.agents.options import NO_TASK, Arguments, Options, ResumeOptions, RunOptions, refuse_said_before, task_of
from headwater.agents.runnable import RunnableTool, UnawaitedRun
from headwater.agents.task import Task
from headwater.errors import UsageError
from headwater.events import Event
from headwater.events.questions import Answer
from headwater.events.response import Response
from headwater.readers.kept_loop import blocks_here, kept_loop, refuse_inside_loop
from headwater.readers.reading import drain_blocking
from headwater.readers.stream import AgentStream
from headwater.runtime.resume import OnChanged, Resumption
from headwater.tools.work import Approval, Offered

if TYPE_CHECKING:
    from headwater.agents.client_tools import ClientTool
    from headwater.agents.instructions import Instructions
    from headwater.agents.model import ModelLike
    from headwater.agents.options import ContextFrom, Keep, OnWaiting
    from headwater.agents.output import OutputMode
    from headwater.backends.timeouts import Timeouts
    from headwater.providers.pricing import Prices
    from headwater.providers.request import Settings
    from headwater.readers.callbacks import Callback
    from headwater.runtime.agent_loop import MAX_STEPS
    from headwater.runtime.budget import Budget
    from headwater.runtime.compaction import Compaction
    from headwater.runtime.people import Approver
    from headwater.runtime.view import View
    from headwater.tools.work import ToolErrors

__all__ = ("Agent",)

ContextT = TypeVar("ContextT", default=Any)
OutputT = TypeVar("OutputT", default=str)
NewT = TypeVar("NewT")


class Agent(Declaration[ContextT, OutputT]):
    """An agent: a name, a model, instructions and tools.

    `model` is a name (`openai/gpt-5.4`, `claude-…`, `ollama/llama3.2`, `offline`), a Model or a backend; None means the
    variable HEADWATER_MODEL. `instructions` is a string or a function of the run's context. `tools` are functions,
    `@tool` functions, agents, workflows and provider tools (ProviderTool). An exception in a tool is logged and
    reported to the model, or ends the run (tool_errors="raise"). `handoffs` are agents that this one can hand the
    conversation over to; on a thread the next run starts with the agent that took over, unless `sticky` is False.
    `context_type` is the type of the context that runs need. `output_type` is the type of the answer, or a JSON Schema,
    and `output_mode` how the model is asked for it: with a schema (native), with a tool (tool), or in the prompt
    (prompted); the last two are for servers that do not support schemas. `max_loops` is how often the agent answers,
    each time continuing from its own answer; `max_steps` is how many requests one answer may take.

    `approval` selects the calls that need a person's approval: all (True, or a reason), or those for which a function
    of the call (and the context) says so. `approver` is a function that answers approvals and questions. `client_tools`
    are described to the model and run by the client. `view` is a function of the conversation that returns the messages
    to send to the model. `compact` is the number of tokens at which the conversation is shortened with a summary, or a
    Compaction (docs/compaction.md). `keep_log` keeps each run's events, so that it can be parked and resumed. `journal`
    is the URL of the store of its runs (docs/durable.md), `context_from` builds the context in each process that drives
    one, and `on_waiting` (a function or the URL of a webhook) is told what people are asked. `keep` says how long they
    are kept there after their end: "30d", None forever, or a Retention. `budget` limits what all its runs together may
    spend, and `prices` are the prices of models by `provider/model`: docs/cost.md. `guards` are functions that the
    input, answers and results of tools have to pass before anything of them is an event: docs/guards.md.

    `streaming_on` shows the answer live in the terminal; `print_on` says whether `run` prints at all (None: only with
    `streaming_on`). With a callback `run` prints nothing. `stream=True` passes details (dicts) to the callback instead
    of tokens. `verbose` shows this agent's log lines. `markdown` renders the answer in a terminal (False: plain text),
    `show_reasoning` shows the model's reasoning, `footer` a last line of figures. `interactive` shows the answers, and
    reads the next message from the terminal after each. `streaming_callback`, `on_event` and `on_retract` are defaults
    for every run. `on_retract` receives the number of characters to remove, with on_interrupted="restart"; without an
    `on_retract`, tokens are then delivered when their step has ended.

    `base_url`, `api_key`, `timeouts`, `retries`, `fallback` and `on_interrupted` belong to the model, see `Model`;
    further keywords are its settings (temperature=, max_tokens=, …). agent_name=, agent_description=, model_name=,
    system_prompt=, llm_base_url=, llm_api_key= and fallback_models= are other names of arguments.

    Attributes may be changed later; a run uses the values at the moment it starts.
    Raises: InvalidTool, ConfigurationError, UnsupportedSetting; TypeError if an argument is given twice.
    """

    handoffs: tuple[Agent[Any, Any], ...]

    if TYPE_CHECKING:  # only for type checkers; at run time the declaration's is used

        @overload
        def __init__(
            self,
            *,
            name: str = "agent",
            model: ModelLike | None = None,
            instructions: Instructions[ContextT] = None,
            tools: Iterable[Any] | None = (),
            handoffs: Iterable[Declaration[Any, Any]] | None = (),
            sticky: bool = True,
            output_type: type[OutputT] = ...,
            output_mode: OutputMode = "native",
            context_type: type[ContextT] | None = None,
            description: str = "",
            max_loops: int = 1,
            max_steps: int = MAX_STEPS,
            streaming_on: bool = False,
            stream: bool = False,
            print_on: bool | None = None,
            verbose: bool = False,
            interactive: bool = False,
            markdown: bool = True,
            show_reasoning: bool = False,
            footer: bool = True,
            streaming_callback: Callback | None = None,
            on_event: Callback | None = None,
            on_retract: Callback | None = None,
            settings: Settings | Mapping[str, Any] | None = None,
            base_url: str | None = None,
            api_key: str | None = None,
            timeouts: Timeouts | None = None,
            retries: int | None = None,
            fallback: Iterable[ModelLike] | None = (),
            on_interrupted: Literal["raise", "restart"] | None = None,
            tool_errors: ToolErrors = "tell",
            approval: Approval = False,
            approver: Approver | None = None,
            keep_log: bool = False,
            client_tools: Iterable[ClientTool] | None = (),
            view: View | None = None,
            compact: int | Compaction | None = None,
            journal: str | None = None,
            context_from: ContextFrom | None = None,
            on_waiting: OnWaiting | None = None,
            keep: Keep = None,
            budget: Budget | None = None,
            prices: Prices | None = None,
            guards: Iterable[Any] | None = (),
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(self: Agent[Any, Any], *, output_type: Any, **arguments: Unpack[Arguments[ContextT]]) -> None: ...
        def __init__(self, **arguments: Any) -> None: ...

    # --- running

    @overload
    def run(
        self,
        task: Task,
        *,
        output_type: type[NewT],
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[NewT]: ...
    @overload
    def run(
        self,
        task: Task,
        *,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[OutputT]: ...
    @overload
    def run(
        self,
        task: Task,
        *,
        output_type: Any,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[Any]: ...
    def run(self, task: Any = NO_TASK, *, context: Any = None, **options: Any) -> Response[Any]:
        """Run to the end: blocks in sync code; inside a running event loop returns an awaitable.

        `context` is passed to tools and dynamic instructions. `history` (messages) or `thread` (a Thread) continues an
        earlier conversation. `model`, `instructions`, `tools`, `output_type`, `output_mode`, `streaming_callback` and
        `on_event` replace the agent's for this run. `settings` and further keywords are settings for this run.

        Ctrl-C cancels the run, closes the connection, and raises KeyboardInterrupt with the partial Response as
        `response`. Raises: HeadwaterError, with the partial Response as `response`.
        """
        if blocks_here():
            return self.run_sync(task, context=context, **options)
        # Typed as the Response it resolves to, because `run` is used with and without `await`.
        return cast("Response[Any]", UnawaitedRun(self.arun(task, context=context, **options)))

    @overload
    async def arun(
        self,
        task: Task,
        *,
        output_type: type[NewT],
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[NewT]: ...
    @overload
    async def arun(
        self,
        task: Task,
        *,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[OutputT]: ...
    @overload
    async def arun(
        self,
        task: Task,
        *,
        output_type: Any,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[Any]: ...
    async def arun(self, task: Any = NO_TASK, *, context: Any = None, **options: Any) -> Response[Any]:
        """`run` as a coroutine, for async code."""
        task = task_of(task, options)
        if self.interactive:
            options["context"] = context
            from headwater.agents.terminal_chat import converse

            return await converse(self._begin, task, options, asking=self.print_on is not False, approver=self.approver)
        try:
            run = self._begin(task, shown=True, context=context, **options)
        except UsageError as mistake:
            mistake.__traceback__ = None  # internal frames do not help the caller
            raise
        await run.drain(alone=True)
        return run.response()

    @overload
    def run_sync(
        self,
        task: Task,
        *,
        output_type: type[NewT],
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[NewT]: ...
    @overload
    def run_sync(
        self,
        task: Task,
        *,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[OutputT]: ...
    @overload
    def run_sync(
        self,
        task: Task,
        *,
        output_type: Any,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> Response[Any]: ...
    def run_sync(self, task: Any = NO_TASK, *, context: Any = None, **options: Any) -> Response[Any]:
        """`run` that always blocks. Raises LoopMisuse inside a running event loop, which it would block."""
        task = task_of(task, options)
        refuse_inside_loop("`await agent.run(…)`")
        if self.interactive:
            options["context"] = context
            from headwater.agents.terminal_chat import converse_blocking

            return converse_blocking(
                self._begin, task, options, asking=self.print_on is not False, approver=self.approver
            )
        try:
            run = self._begin(task, shown=True, context=context, **options)
        except UsageError as mistake:
            mistake.__traceback__ = None  # internal frames do not help the caller
            raise
        drain_blocking(run, kept_loop(), alone=True)
        return run.response()

    @overload
    def run_stream(
        self,
        task: Task,
        *,
        output_type: type[NewT],
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> AgentStream[NewT]: ...
    @overload
    def run_stream(
        self,
        task: Task,
        *,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> AgentStream[OutputT]: ...
    @overload
    def run_stream(
        self,
        *,
        message: Task,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> AgentStream[OutputT]: ...
    @overload
    def run_stream(
        self,
        task: Task,
        *,
        output_type: Any,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> AgentStream[Any]: ...
    def run_stream(self, task: Any = NO_TASK, *, context: Any = None, **options: Any) -> AgentStream[Any]:
        """The run as a stream, which starts when it is first read.

        `async for chunk in …` and `for chunk in …` yield StreamChunks, `.events()` the typed log, `.text()` the text;
        `await .result()` returns the Response. Leaving the loop cancels the run and closes the connection. Nothing is
        printed.
        Raises HeadwaterError from the loop, after everything before it was delivered.
        """
        return AgentStream(partial(self._begin, task_of(task, options), shown=False, context=context, **options))

    @overload
    def resume(
        self,
        log: Iterable[Event],
        *,
        output_type: type[NewT],
        context: ContextT | None = None,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
        **options: Unpack[ResumeOptions],
    ) -> AgentStream[NewT]: ...
    @overload
    def resume(
        self,
        log: Iterable[Event],
        *,
        context: ContextT | None = None,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
        **options: Unpack[ResumeOptions],
    ) -> AgentStream[OutputT]: ...
    @overload
    def resume(
        self,
        log: Iterable[Event],
        *,
        output_type: Any,
        context: ContextT | None = None,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
        **options: Unpack[ResumeOptions],
    ) -> AgentStream[Any]: ...
    def resume(
        self,
        log: Iterable[Event],
        *,
        context: Any = None,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
        **options: Any,
    ) -> AgentStream[Any]:
        """Continue a run from its log, in this process or another: a stream of the new part.

        `log` is the list of all its events so far (`stream.log`, `error.log` of Parked, events from `on_event`). An
        interrupted answer is retracted and requested again. Tools that had not started run; a tool that had started is
        handled as declared (`on_unknown`). Finished tools are not repeated. `context` is not in a log: pass it again.
        `approvals` and `answers` are the answers to open questions, by their ids. `on_changed` says what to do if the
        agent's definition has changed since. `by` is noted in the log. Pass other options of the run, such as
        `output_type`, again. The conversation is in the log, so `history` and `thread` are not accepted.

        Raises ConfigurationError, InvalidRecord, DefinitionChanged and UnknownQuestion; from the loop, as `run_stream`
        does.
        """
        refuse_said_before(options)
        past = Resumption.of(log, approvals=approvals, answers=answers, on_changed=on_changed, by=by)
        run = self._begin(past.task, shown=False, context=context, resumption=past, **options)
        stream: AgentStream[Any] = AgentStream(lambda: run)
        stream._begun()  # leaving it unread lets go of its file
        return stream

    def as_tool(
        self, *, name: str | None = None, description: str | None = None, approval: Approval = False
    ) -> Offered:
        """The agent as a tool for another agent: it receives a task and returns its text.

        Its events are in the same log, under its path. For `approval` see `tool`.
        """
        return RunnableTool(
            self,
            self._begin,
            approval=approval,
            name=name,
            description=description or self.description or f"Ask {self.name}, another agent, and get its answer.",
        )
