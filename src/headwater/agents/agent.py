"""The Agent: a declaration of who answers, how, and with which tools; and the ways of running it.

It holds no state of any run, so one agent serves a thousand at once. Every way of running it, blocking or not,
streaming or not, makes the same `Run` and reads it; there is no other path.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, cast, overload

from msgspec import UNSET
from typing_extensions import TypeVar, Unpack

from headwater.agents import validation
from headwater.agents.client_tools import ClientTool, client_specs, offered_to_clients
from headwater.agents.handoff import Handoff
from headwater.agents.instructions import Instructions, instructions_of
from headwater.agents.model import ON_INTERRUPTED, Model, ModelLike, SettingsOptions, merged, models
from headwater.agents.output import MODES, Output, output_of
from headwater.agents.runnable import RunnableTool, UnawaitedRun
from headwater.agents.task import Task, as_messages
from headwater.agents.terminal_chat import converse, converse_blocking
from headwater.backends.retry import Retries
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, UsageError
from headwater.events import Event
from headwater.events.messages import Message, Response
from headwater.events.questions import Answer
from headwater.providers.request import ProviderTool, Settings
from headwater.readers.callbacks import Callback, event_watcher, token_watcher
from headwater.readers.kept_loop import blocks_here, kept_loop, refuse_inside_loop
from headwater.readers.stream import AgentStream, drain_blocking
from headwater.runtime.agent_loop import MAX_STEPS, Limits
from headwater.runtime.agent_run import AgentRun
from headwater.runtime.context import Origin
from headwater.runtime.job import Job
from headwater.runtime.people import Approver
from headwater.runtime.resume import OnChanged, Resumption
from headwater.runtime.run import Run
from headwater.runtime.thread import Thread
from headwater.runtime.view import View
from headwater.tools import as_tool
from headwater.tools.work import Approval, Offered, ToolErrors

__all__ = ("Agent",)

ContextT = TypeVar("ContextT", default=Any)
OutputT = TypeVar("OutputT", default=str)
NewT = TypeVar("NewT")


class Options(SettingsOptions, total=False):
    """Other spellings of an agent's arguments, and its settings by their usual names."""

    agent_name: str
    model_name: str
    system_prompt: Instructions


class RunOptions(SettingsOptions, total=False):
    """What one run may be given beside its task: what it goes on from, who watches it, its clocks, its settings."""

    history: Sequence[Message] | None
    thread: Thread | None
    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    timeouts: Timeouts | None
    approver: Approver | None
    keep_log: bool
    client_tools: Iterable[ClientTool] | None
    save: str | os.PathLike[str] | None


_ALIASES = {"agent_name": "name", "model_name": "model", "system_prompt": "instructions"}


class Agent(Generic[ContextT, OutputT]):
    """Someone who answers: a name, a model, instructions and tools.

    `model` is a name (`openai/gpt-5.4`, `claude-…`, `ollama/llama3.2`, `offline`), a Model, or anything that can be
    asked; None means the variable HEADWATER_MODEL. `instructions` are a string or a function of the run's context.
    `tools` are functions, `@tool` functions, agents, workflows and the provider's own (ProviderTool); what one raises
    is logged, and the model is told of it and goes on, or the run ends with it (tool_errors="raise"). `handoffs` are
    agents to whom this one may give the conversation. `output_type` is what the answer must be, a type or a JSON
    Schema; with `output_mode="prompted"` it is asked for in the instructions, for servers that refuse a schema.
    `max_loops` is how often the agent is asked to go on from its own answer, `max_steps` how many requests one answer
    may take.

    `streaming_on` shows the answer live in the terminal; `print_on` says whether `run` shows anything at all (None:
    what `streaming_on` shows). A callback owns the output: with one, `run` shows nothing. `stream=True` hands details
    (dicts) to the callback instead of tokens. `verbose` shows this agent's log lines. `interactive` reads the next
    message from the terminal after each answer. `streaming_callback`, `on_event` and `on_retract` (told how many
    characters of the tokens to take back, with on_interrupted="restart"; without it tokens wait until their step has
    ended) are defaults for every run.

    `base_url`, `api_key`, `timeouts`, `retries`, `fallback` and `on_interrupted` are the model's, see `Model`; further
    keywords are its settings (temperature=, max_tokens=, …). agent_name=, model_name= and system_prompt= are other
    spellings of name, model and instructions.

    Attributes may be set later; a run takes them as they are when it starts.
    Raises: InvalidTool, ConfigurationError, UnsupportedSetting; TypeError where an argument is given twice.
    """

    def __init__(
        self,
        *,
        name: str = "agent",
        model: ModelLike | None = None,
        instructions: Instructions = None,
        tools: Iterable[Any] | None = (),
        handoffs: Iterable[Agent[Any, Any]] | None = (),
        output_type: type[OutputT] = str,  # type: ignore[assignment]  # what checkers take it from
        output_mode: Literal["native", "prompted"] = "native",
        description: str = "",
        max_loops: int = 1,
        max_steps: int = MAX_STEPS,
        streaming_on: bool = False,
        stream: bool = False,
        print_on: bool | None = None,
        verbose: bool = False,
        interactive: bool = False,
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
    ) -> None:
        self._key = validation.secret(api_key)
        del api_key  # from here on it shows in no frame
        given: dict[str, Any] = {"name": name, "model": model, "instructions": instructions}
        others: dict[str, Any] = dict(more)
        for alias, spelled in _ALIASES.items():
            if alias in others:
                if given[spelled] != ("agent" if spelled == "name" else None):
                    raise TypeError(f"{alias}= and {spelled}= are the same argument: give one of them.")
                given[spelled] = others.pop(alias)
        self.name: str = _named(given["name"])
        self.instructions: Instructions = given["instructions"]
        self.description = description
        self.max_loops = max_loops
        self.max_steps = max_steps
        self.streaming_on = streaming_on
        self.stream = stream
        self.print_on = print_on
        self.verbose = verbose
        self.interactive = interactive
        self.streaming_callback = streaming_callback
        self.on_event = on_event
        self.on_retract = on_retract
        self.timeouts = timeouts
        self.retries = retries
        self.on_interrupted = on_interrupted
        self.tool_errors: ToolErrors = tool_errors
        self.approval: Approval = approval
        self.approver = approver
        self.keep_log = keep_log
        self.client_tools = client_specs(client_tools)
        self.view = view
        self._check()
        if settings is not None and not isinstance(settings, (Settings, Mapping)):
            raise validation.wrong("settings", settings, "Give Settings(…) or a dict.")
        base = settings if isinstance(settings, Settings) else merged(Settings(), settings or {})
        self.settings = merged(base, others, _ARGUMENTS)
        self._base_url = validation.address(base_url)
        self._fallback = models("fallback", fallback)
        self._tools: dict[str, Offered] = {}
        self._provider_tools: tuple[ProviderTool, ...] = ()
        self.handoffs: tuple[Agent[Any, Any], ...] = validation.items("handoffs", handoffs, "agent, …")
        for other in self.handoffs:
            if not isinstance(other, Agent):
                raise validation.wrong("handoffs", other, "Give the agents themselves: handoffs=[billing].")
        self._output: Output | None = None
        self._output_type: Any = str
        self.output_mode: str = validation.choice("output_mode", output_mode, MODES) or "native"
        self.tools = tools
        self.output_type = output_type
        self.model = given["model"]

    # --- what may be set later

    @property
    def model(self) -> ModelLike | None:
        """Who answers, as it was given."""
        return self._model

    @model.setter
    def model(self, model: ModelLike | None) -> None:
        self._model = model
        if isinstance(model, Model):
            if self._base_url is not None or self._key is not None:
                raise TypeError("base_url= and api_key= belong to the Model that was given: pass them to it.")
            self.llm = model
        else:
            backend: Any = model
            self.llm = Model(
                backend,
                base_url=self._base_url,
                api_key=self._key,
                timeouts=self.timeouts,
                fallback=self._fallback,
            )

    @property
    def tools(self) -> tuple[Any, ...]:
        """The agent's tools."""
        return (*self._tools.values(), *self._provider_tools)

    @tools.setter
    def tools(self, tools: Iterable[Any] | None) -> None:
        self._tools, self._provider_tools = _offered(tools)

    @property
    def output_type(self) -> Any:
        """What the answer must be."""
        return self._output_type

    @output_type.setter
    def output_type(self, output_type: Any) -> None:
        self._output = output_of(output_type, self.output_mode)
        self._output_type = output_type

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
    def run(self, task: Task, **options: Any) -> Response[Any]:
        """Run to the end: blocks in sync code; inside a running event loop returns an awaitable.

        `context` is handed to tools and dynamic instructions. `history` (messages) or `thread` (a Thread) go on from
        an earlier conversation. `streaming_callback` and `on_event` win over the agent's. `output_type` is for this
        run. Further keywords are settings for this run.

        Ctrl-C cancels the run, closes the connection, and raises KeyboardInterrupt with the partial as `response`.
        Raises: HeadwaterError, with the partial as `response`.
        """
        if blocks_here():
            return self.run_sync(task, **options)
        # Typed as the Response that it gives when awaited: both documents write it both ways.
        return cast("Response[Any]", UnawaitedRun(self.arun(task, **options)))

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
    async def arun(self, task: Task, **options: Any) -> Response[Any]:
        """`run` as a plain coroutine: to be awaited, in every event loop."""
        if self.interactive:
            return await converse(self._begin, task, options, asking=self.print_on is not False)
        run = self._begin(task, shown=True, **options)
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
    def run_sync(self, task: Task, **options: Any) -> Response[Any]:
        """`run` that always blocks. Raises LoopMisuse inside a running event loop, which it would hold up."""
        refuse_inside_loop("`await agent.run(…)`")
        if self.interactive:
            return converse_blocking(self._begin, task, options, asking=self.print_on is not False)
        run = self._begin(task, shown=True, **options)
        drain_blocking(run, kept_loop(), alone=True)
        return run.response()

    def run_stream(
        self,
        message: Task,
        *,
        context: ContextT | None = None,
        **options: Unpack[RunOptions],
    ) -> AgentStream[OutputT]:
        """The run as a stream, started by whoever reads it first.

        `async for chunk in …` and plain `for chunk in …` give StreamChunks; `.events()` the typed log, `.text()` the
        text; `await .result()` the Response. Leaving the loop cancels the run and closes the connection. The reader
        owns the output: nothing is printed.
        Raises, out of the reading: HeadwaterError, after everything that came before it.
        """
        return AgentStream(lambda: self._begin(message, shown=False, context=context, **options))

    def resume(
        self,
        log: Iterable[Event],
        *,
        context: ContextT | None = None,
        approvals: Mapping[str, bool | Answer] | None = None,
        answers: Mapping[str, Any] | None = None,
        on_changed: OnChanged = "raise",
        by: str = "",
        **options: Unpack[RunOptions],
    ) -> AgentStream[OutputT]:
        """Go on with a run from its log, in this process or another: the stream of what is new.

        `log` are all its events so far (`stream.log`, `error.log` of Parked, what `on_event` was told). An answer that
        was cut off is taken back and asked for again; tools that had not begun run; one that had begun and not ended
        is dealt with as it was declared (`on_unknown`); what has ended stands. `context` is not in a log: give it
        again. `approvals` and `answers` are what people have said to the open questions, by their ids. `on_changed`:
        what becomes of a log that was written by another declaration of this agent. `by` is noted in the log.

        Raises InvalidRecord, DefinitionChanged and UnknownQuestion; out of the reading, as `run_stream` does.
        """
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

    def __repr__(self) -> str:
        if "llm" not in self.__dict__:
            return "Agent(…)"  # a debugger, or a traceback with its variables, met it while it was being made
        return f"Agent(name={self.name!r}, model={self.llm.name!r})"

    # --- inside

    def _begin(
        self,
        task: Task,
        *,
        shown: bool,
        streaming_callback: Callback | None = None,
        on_event: Callback | None = None,
        on_retract: Callback | None = None,
        resumption: Resumption | None = None,
        save: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Run:
        """The run of a task, with all who watch it. `shown`: whether it may print."""
        validation.callback("streaming_callback", streaming_callback)
        validation.callback("on_event", on_event)
        validation.callback("on_retract", on_retract)
        run = AgentRun(self.job(task, **options), origin=Origin.here())
        if resumption is not None:
            resumption.apply(run)
        if save is not None:
            from headwater.readers.run_file import RunWriter

            RunWriter.attach(save, run)
        callback = streaming_callback or self.streaming_callback
        watch_all = on_event or self.on_event
        if self.verbose:
            from headwater.readers.verbose import log_watcher

            run.watch(log_watcher(self.name))
        if callback is not None:
            take_back = on_retract or self.on_retract
            errors = run.callback_errors
            run.watch(token_watcher(callback, run, errors, details=self.stream, on_retract=take_back))
        if watch_all is not None:
            run.watch(event_watcher(watch_all, run, run.callback_errors))
        if shown and callback is None and (self.streaming_on if self.print_on is None else self.print_on):
            from headwater.terminal.printers import printer

            several = bool(self.handoffs)
            run.watch(printer(self.name, live=self.streaming_on, loops=self.max_loops, several=several))
        return run

    def job(
        self,
        task: Task,
        *,
        context: Any = None,
        history: Sequence[Message] | None = None,
        thread: Thread | None = None,
        output_type: Any = None,
        timeouts: Timeouts | None = None,
        approver: Approver | None = None,
        keep_log: bool | None = None,
        client_tools: Iterable[ClientTool] | None = None,
        **settings: Any,
    ) -> Job:
        """What a run of this agent needs to know, fixed now. Raises as `Model.backend` does, and TypeError."""
        self._check()
        if history is not None and thread is not None:
            raise TypeError("history= and thread= both say what went before: give one of them.")
        for name in settings:
            if name in _ARGUMENTS:
                raise validation.unknown(name, hint=f"It belongs to the agent: Agent({name}=…).")
        if thread is not None and not isinstance(thread, Thread):
            raise UsageError(
                f"thread= is a Thread, not {type(thread).__name__}.",
                hint="Write thread=Thread() and pass the same one again; a thread by its id needs a journal.",
            )
        llm = self.llm
        clocks = validation.timeouts(timeouts) or self.timeouts
        retries = Retries(
            times=llm.retries.times if self.retries is None else self.retries,
            on_interrupted=self.on_interrupted or llm.retries.on_interrupted,
        )
        return Job(
            name=self.name,
            backends=_with(llm, self) if isinstance(self._model, Model) and self._fallback else llm.backends,
            input=as_messages(task),
            history=validation.messages(history),
            thread=thread,
            instructions=instructions_of(self.instructions),
            tools=(tools := self._tools_and_handoffs()),
            offers=offered_to_clients(self.client_tools if client_tools is None else client_specs(client_tools), tools),
            view=self.view,
            provider_tools=self._provider_tools,
            output=self._output if output_type is None else output_of(output_type, self.output_mode),
            settings=merged(merged(llm.settings, self.settings.given()), settings, _RUN_ARGUMENTS),
            limits=Limits(max_loops=self.max_loops, max_steps=self.max_steps),
            timeouts=clocks or llm.timeouts,
            connect=UNSET if clocks is None else clocks.connect,
            retries=retries,
            tool_errors=self.tool_errors,
            approval=self.approval,
            approver=approver or self.approver,
            wants_log=(self.keep_log if keep_log is None else keep_log) or self.wants_log(set()),
            context=context,
            quiet=self.print_on is False,
        )

    def _check(self) -> None:
        """What may be set later is looked at whenever it counts. Raises ConfigurationError."""
        validation.whole("max_loops", self.max_loops)
        validation.whole("max_steps", self.max_steps)
        if self.retries is not None:
            validation.whole("retries", self.retries, least=0)
        validation.timeouts(self.timeouts)
        validation.choice("on_interrupted", self.on_interrupted, ON_INTERRUPTED)
        validation.choice("tool_errors", self.tool_errors, ("tell", "raise"))
        validation.callback("streaming_callback", self.streaming_callback)
        validation.callback("on_event", self.on_event)
        validation.callback("on_retract", self.on_retract)
        if self.instructions is not None and not isinstance(self.instructions, str) and not callable(self.instructions):
            raise validation.wrong("instructions", self.instructions, "Give a string, or a function of the context.")

    def wants_log(self, seen: set[int]) -> bool:
        """Whether people may be asked in a run of this agent, so that its log is kept. `seen` are those looked at."""
        if id(self) in seen:
            return False
        seen.add(id(self))
        asks = bool(self.approval) or any(tool.wants_log(seen) for tool in self._tools.values())
        return asks or any(agent.wants_log(seen) for agent in self.handoffs)

    def _tools_and_handoffs(self) -> Mapping[str, Offered]:
        if not self.handoffs:
            return self._tools
        tools: dict[str, Offered] = dict(self._tools)
        for agent in self.handoffs:
            handoff = Handoff(agent.name, agent.description, agent._begin)
            if handoff.name in tools:
                raise ConfigurationError(
                    f"Two tools of {self.name!r} have the name {handoff.name!r}.",
                    hint="Give each agent in handoffs= a name of its own.",
                )
            tools[handoff.name] = handoff
        return tools


_ARGUMENTS = frozenset(inspect.signature(Agent).parameters) - {"more"} | frozenset(_ALIASES)
_RUN_ARGUMENTS = (
    "context",
    "history",
    "thread",
    "output_type",
    "streaming_callback",
    "on_event",
    "on_retract",
    "timeouts",
    "approver",
    "keep_log",
    "client_tools",
    "save",
)


def _offered(tools: Iterable[Any] | None) -> tuple[dict[str, Offered], tuple[ProviderTool, ...]]:
    """`tools` that are run here, by name, and those that the provider runs. Raises InvalidTool."""
    from headwater.errors import InvalidTool

    if tools is None:
        return {}, ()
    if isinstance(tools, (str, bytes, Mapping)) or callable(tools) or not isinstance(tools, Iterable):
        what = f"the function {tools.__name__}" if hasattr(tools, "__name__") else f"of type {type(tools).__name__}"
        raise InvalidTool(f"tools is {what}, not a list.", hint="Give a list of tools: tools=[…].")
    offered: dict[str, Offered] = {}
    theirs: list[ProviderTool] = []
    for item in tools:
        if isinstance(item, ProviderTool):
            theirs.append(item)
            continue
        made: Offered
        made = as_tool(item)
        if made.name in offered:
            raise InvalidTool(
                f"Two tools have the name {made.name!r}.", hint="Give one another: @tool(name=…), or rename the agent."
            )
        offered[made.name] = made
    return offered, tuple(theirs)


def _with(llm: Model, agent: Agent[Any, Any]) -> tuple[Any, ...]:
    return (*llm.backends, *(backend for one in agent._fallback for backend in one.backends))


def _named(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"An agent's name is a non-empty string, not {name!r}.")
    return name
