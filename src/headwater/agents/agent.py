"""The Agent: a declaration of who answers, how, and with which tools; and the ways of running it.

It holds no state of any run, so one agent serves a thousand at once. Every way of running it, blocking or not,
streaming or not, makes the same `Run` and reads it; there is no other path.
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
    from headwater.agents.output import OutputMode
    from headwater.backends.timeouts import Timeouts
    from headwater.providers.request import Settings
    from headwater.readers.callbacks import Callback
    from headwater.runtime.agent_loop import MAX_STEPS
    from headwater.runtime.people import Approver
    from headwater.runtime.view import View
    from headwater.tools.work import ToolErrors

__all__ = ("Agent",)

ContextT = TypeVar("ContextT", default=Any)
OutputT = TypeVar("OutputT", default=str)
NewT = TypeVar("NewT")


class Agent(Declaration[ContextT, OutputT]):
    """Someone who answers: a name, a model, instructions and tools.

    `model` is a name (`openai/gpt-5.4`, `claude-…`, `ollama/llama3.2`, `offline`), a Model, or anything that can be
    asked; None means the variable HEADWATER_MODEL. `instructions` are a string or a function of the run's context.
    `tools` are functions, `@tool` functions, agents, workflows and the provider's own (ProviderTool); what one raises
    is logged, and the model is told of it and goes on, or the run ends with it (tool_errors="raise"). `handoffs` are
    agents to whom this one may give the conversation; on a thread the next run starts with the one that took over,
    unless `sticky` is False. `context_type` is what runs have to be given as their context. `output_type` is what the
    answer must be, a type or a JSON Schema, and `output_mode` how a model is asked for it: by a schema (native), by a
    tool whose arguments it is (tool), or in the instructions (prompted), the last two for servers that refuse a schema.
    `max_loops` is how often the agent is asked to go on from its own answer, `max_steps` how many requests one answer
    may take.

    `approval` says which calls a person is asked about before they run: all (True, or the reason), or what a function
    of the call (and the context) says; `approver` is a function that answers what this agent and its tools ask.
    `client_tools` are told to the model and run by whoever reads the answer. `view` is a function of the conversation
    that returns what of it the model is sent. `keep_log` keeps each run's events, so that it can be left and gone on
    with.

    `streaming_on` shows the answer live in the terminal; `print_on` says whether `run` shows anything at all (None:
    what `streaming_on` shows). A callback owns the output: with one, `run` shows nothing. `stream=True` hands
    details (dicts) to the callback instead of tokens. `verbose` shows this agent's log lines. `markdown` draws the
    answer on a terminal (False: its text as it came), `show_reasoning` shows there what the model thinks, `footer`
    how the answer ended and what it took. `interactive` reads the next message from the terminal after each answer.
    `streaming_callback`, `on_event` and `on_retract` (told how many characters of the tokens to take back, with
    on_interrupted="restart"; without it tokens wait until their step has ended) are defaults for every run.

    `base_url`, `api_key`, `timeouts`, `retries`, `fallback` and `on_interrupted` are the model's, see `Model`; further
    keywords are its settings (temperature=, max_tokens=, …). agent_name=, agent_description=, model_name=,
    system_prompt=, llm_base_url=, llm_api_key= and fallback_models= are other spellings of arguments.

    Attributes may be set later; a run takes them as they are when it starts.
    Raises: InvalidTool, ConfigurationError, UnsupportedSetting; TypeError where an argument is given twice.
    """

    handoffs: tuple[Agent[Any, Any], ...]

    if TYPE_CHECKING:  # at run time it is the declaration's: checkers take the types from here

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

        `context` is handed to tools and dynamic instructions. `history` (messages) or `thread` (a Thread) go on from
        an earlier conversation. `model`, `instructions`, `tools`, `output_type` and `output_mode` stand in place of the
        agent's for this run, `streaming_callback` and `on_event` too. `settings` and further keywords are settings for
        this run.

        Ctrl-C cancels the run, closes the connection, and raises KeyboardInterrupt with the partial as `response`.
        Raises: HeadwaterError, with the partial as `response`.
        """
        if blocks_here():
            return self.run_sync(task, context=context, **options)
        # Typed as the Response that it gives when awaited: both documents write it both ways.
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
        """`run` as a plain coroutine: to be awaited, in every event loop."""
        task = task_of(task, options)
        if self.interactive:
            options["context"] = context
            from headwater.agents.terminal_chat import converse

            return await converse(self._begin, task, options, asking=self.print_on is not False, approver=self.approver)
        try:
            run = self._begin(task, shown=True, context=context, **options)
        except UsageError as mistake:
            mistake.__traceback__ = None  # the way to where it was found tells the caller nothing
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
        """`run` that always blocks. Raises LoopMisuse inside a running event loop, which it would hold up."""
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
            mistake.__traceback__ = None  # the way to where it was found tells the caller nothing
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
        """The run as a stream, started by whoever reads it first.

        `async for chunk in …` and plain `for chunk in …` give StreamChunks; `.events()` the typed log, `.text()` the
        text; `await .result()` the Response. Leaving the loop cancels the run and closes the connection. The reader
        owns the output: nothing is printed.
        Raises, out of the reading: HeadwaterError, after everything that came before it.
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
        """Go on with a run from its log, in this process or another: the stream of what is new.

        `log` are all its events so far (`stream.log`, `error.log` of Parked, what `on_event` was told). An answer that
        was cut off is taken back and asked for again; tools that had not begun run; one that had begun and not ended
        is dealt with as it was declared (`on_unknown`); what has ended stands. `context` is not in a log: give it
        again. `approvals` and `answers` are what people have said to the open questions, by their ids. `on_changed`:
        what becomes of a log that was written by another declaration of this agent. `by` is noted in the log. What else
        the run was given, its `output_type` for one, is given again; what was said before stands in the log, so there
        is no `history` and no `thread`.

        Raises ConfigurationError, InvalidRecord, DefinitionChanged and UnknownQuestion; out of the reading, as
        `run_stream` does.
        """
        refuse_said_before(options)
        past = Resumption.of(log, approvals=approvals, answers=answers, on_changed=on_changed, by=by)
        run = self._begin(past.task, shown=False, context=context, resumption=past, **options)
        return AgentStream(lambda: run)

    def as_tool(
        self, *, name: str | None = None, description: str | None = None, approval: Approval = False
    ) -> Offered:
        """The agent as a tool for another one: what it is asked goes in, its text comes out.

        Its events stand in the same log, under its path. `approval`: whether a person is asked first; see `tool`.
        """
        return RunnableTool(
            self,
            self._begin,
            approval=approval,
            name=name,
            description=description or self.description or f"Ask {self.name}, another agent, and get its answer.",
        )
