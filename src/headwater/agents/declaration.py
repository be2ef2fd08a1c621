"""The declaration of an agent, and the creation of its runs.

Owns the arguments: their validation, which of them may be changed later, and the job that a run is created from.
Running methods are in `agent`, the run itself in `runtime`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Never, cast

from msgspec import UNSET
from typing_extensions import TypeVar, Unpack

from headwater.agents import validation
from headwater.agents.client_tools import ClientTool, client_specs, offered_to_clients
from headwater.agents.deep_copy import DeepCopied
from headwater.agents.instructions import Instructions, context_of, instructions_of
from headwater.agents.journaled import Journaled, OtherMethods
from headwater.agents.model import ON_INTERRUPTED, Model, ModelLike, merged, models
from headwater.agents.needed_context import Needed, contexts_below, first_argument, refuse_without
from headwater.agents.options import OTHER_SPELLINGS, RUN_ARGUMENTS, ContextFrom, Keep, OnWaiting, Options, respell
from headwater.agents.output import MODES, Output, OutputMode, output_of
from headwater.agents.task import Task, as_messages
from headwater.backends.lookup import same_provider
from headwater.backends.retry import Retries
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, UsageError
from headwater.events.messages import Message
from headwater.providers.pricing import Prices
from headwater.providers.request import ProviderTool, Secret, Settings, ToolSpec
from headwater.readers.callbacks import Callback, watch
from headwater.runtime.agent_loop import MAX_STEPS, Limits
from headwater.runtime.agent_run import AgentRun
from headwater.runtime.context import Origin
from headwater.runtime.job import Job
from headwater.runtime.people import Approver
from headwater.runtime.resume import Resumption
from headwater.runtime.run import Run
from headwater.runtime.thread import Thread
from headwater.runtime.view import View
from headwater.schema.well_formed import all_well_formed, well_formed
from headwater.tools.context_type import required
from headwater.tools.work import Approval, Offered, Toolbox, ToolErrors

if TYPE_CHECKING:
    from headwater.runtime.budget import Budget
    from headwater.runtime.compaction import Compaction
    from headwater.runtime.guards.guard import Guard

__all__ = ("Declaration",)

ContextT = TypeVar("ContextT", default=Any)
OutputT = TypeVar("OutputT", default=str)


class Declaration(DeepCopied, OtherMethods, Journaled[OutputT], Generic[ContextT, OutputT]):
    """An agent without its run methods; see `Agent` for the arguments. It has no per-run state."""

    _context_of_class: ClassVar[Any] = None
    """X of a subclass of Agent[X]."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if (bases := cls.__dict__.get("__orig_bases__")) is not None:
            cls._context_of_class = next(filter(required, map(first_argument, bases)), None)

    def __init__(
        self,
        *positional: Never,
        name: str = "agent",
        model: ModelLike | None = None,
        instructions: Instructions[ContextT] = None,
        tools: Iterable[Any] | None = (),
        handoffs: Iterable[Declaration[Any, Any]] | None = (),
        sticky: bool = True,
        output_type: Any = str,
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
    ) -> None:
        if positional:
            raise TypeError(_by_name(*positional))
        others = cast("dict[str, Any]", more)
        if "llm_api_key" in others:
            others["llm_api_key"] = validation.secret(others["llm_api_key"])
        given: dict[str, Any] = {
            "name": name,
            "description": description,
            "model": model,
            "instructions": instructions,
            "api_key": validation.secret(api_key),
            "base_url": base_url,
            "fallback": fallback,
        }
        del api_key  # so that no key is visible in this frame
        respell(given, others)
        self._key: Secret | None = given["api_key"]
        self._key_for: ModelLike | None = given["model"]
        self.name: str = _named(given["name"])
        self.instructions: Instructions[ContextT] = given["instructions"]
        self.description: str = given["description"]
        self.max_loops = max_loops
        self.max_steps = max_steps
        self.streaming_on = streaming_on
        self.stream = stream
        self.print_on = print_on
        self.verbose = verbose
        self.interactive = interactive
        self.markdown = markdown
        self.show_reasoning = show_reasoning
        self.footer = footer
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
        self.client_tools: tuple[ToolSpec, ...] = client_specs(client_tools)
        self.view = view
        self.compact = compact
        self.budget = budget
        self.prices = prices
        self.guards: tuple[Guard, ...] = validation.guards(guards)
        self.output_mode: OutputMode = output_mode
        self.context_type: Any = context_type
        self.sticky = sticky
        self._keep_journal(journal, context_from, on_waiting, keep)
        _check(self)
        self.settings: Settings = merged(_settings_of(settings), others, _ARGUMENTS)
        self._base_url = validation.address(given["base_url"])
        self._fallback = models("fallback", given["fallback"])
        self._tools: dict[str, Offered] = {}
        self._provider_tools: tuple[ProviderTool, ...] = ()
        self._toolboxes: tuple[Toolbox, ...] = ()
        self.handoffs: tuple[Declaration[Any, Any], ...] = validation.items("handoffs", handoffs, "agent, …")
        for other in self.handoffs:
            if not isinstance(other, Declaration):
                raise validation.wrong("handoffs", other, "Give the agents themselves: handoffs=[billing].")
        self._output: Output | None = None
        self._output_type: Any = str
        self.tools = tools
        self.output_type = output_type
        self.model = given["model"]
        if self.handoffs or output_mode == "tool":  # two of one name are found here, not in the first run
            self._check_names()

    # --- attributes that may be changed later

    @property
    def model(self) -> ModelLike | None:
        """The model, as it was passed."""
        return self._model

    @model.setter
    def model(self, model: ModelLike | None) -> None:
        if isinstance(model, Model) and (self._base_url is not None or self._key is not None):
            raise TypeError("base_url= and api_key= belong to the Model: pass them to it.")
        self._model = model
        self.llm: Model = self._model_of(model)

    def _model_of(self, model: ModelLike | None) -> Model:
        """`model` with the agent's base URL, fallbacks, and its key if it belongs to the same provider.

        A key is sent to the provider it was given for, or to the base URL, never to a provider that is named later.
        """
        if isinstance(model, Model):
            return model
        key = self._key
        if key is not None and self._base_url is None and model is not self._key_for:
            names = (one if isinstance(one, str) else None for one in (model, self._key_for))
            key = key if same_provider(*names) else None
        backend: Any = model
        return Model(backend, base_url=self._base_url, api_key=key, timeouts=self.timeouts, fallback=self._fallback)

    @property
    def tools(self) -> tuple[Any, ...]:
        """The agent's tools."""
        return (*self._tools.values(), *self._provider_tools, *self._toolboxes)

    @tools.setter
    def tools(self, tools: Iterable[Any] | None) -> None:
        self._tools, self._provider_tools, self._toolboxes = _offered(tools)

    @property
    def output_type(self) -> Any:
        """The type of the answer."""
        return self._output_type

    @output_type.setter
    def output_type(self, output_type: Any) -> None:
        self._output = output_of(output_type)
        self._output_type = output_type

    def __repr__(self) -> str:
        if "llm" not in self.__dict__:
            return "Agent(…)"  # shown by a debugger while it is being created
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
        """A run of the task with its observers attached. `shown`: whether it may print."""
        validation.callback("streaming_callback", streaming_callback)
        validation.callback("on_event", on_event)
        validation.callback("on_retract", on_retract)
        recorded = self._recorded(task, options)
        run = self._run(task, options)
        if recorded is not None:
            recorded(run)
        if resumption is not None:
            resumption.apply(run)
        if save is not None:
            from headwater.readers.run_file import RunWriter

            RunWriter.attach(save, run)
        callback = streaming_callback or self.streaming_callback
        if self.verbose:
            from headwater.readers.verbose import log_watcher

            run.watch(log_watcher(self.name))
        watch(run, callback, on_event or self.on_event, details=self._details, on_retract=on_retract or self.on_retract)
        live = self.streaming_on or (self.interactive and self.print_on is None)  # a conversation shows its answers
        if shown and callback is None and (live if self.print_on is None else self.print_on):
            from headwater.terminal.printers import printer

            show = printer(
                self.name,
                live=live,
                loops=self.max_loops,
                several=bool(self.handoffs),
                past=run.record.events if run.record is not None else (),
                markdown=self.markdown,
                reasoning=self.show_reasoning,
                footer=self.footer,
                verbose=self.verbose,
            )
            run.shows_tools = getattr(show, "shows_tools", False)
            beside = getattr(run.approver, "beside", None)  # terminal questions pause the output
            run.watch(show if beside is None else beside(show))
        return run

    def _run(self, task: Task, options: dict[str, Any]) -> Run:
        """The run of the agent, or of the agent that took over earlier on the thread."""
        thread = options.get("thread")
        if self.handoffs and self.sticky and isinstance(thread, Thread) and thread.agent not in ("", self.name):
            reached: list[Declaration[Any, Any]] = [*self.handoffs]
            for other in reached:
                if other.name == thread.agent:
                    return other._begin(task, shown=False, **options)
                reached += [one for one in other.handoffs if one not in reached]
        return AgentRun(self.job(task, **options), origin=Origin.here())

    def job(
        self,
        task: Task,
        *,
        context: Any = None,
        history: Sequence[Message] | None = None,
        thread: Thread | None = None,
        model: ModelLike | None = None,
        instructions: Instructions = None,
        tools: Iterable[Any] | None = None,
        output_type: Any = None,
        output_mode: OutputMode | None = None,
        settings: Settings | Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
        approver: Approver | None = None,
        keep_log: bool | None = None,
        client_tools: Iterable[ClientTool] | None = None,
        budget: Budget | None = None,
        prices: Prices | None = None,
        **more: Any,
    ) -> Job:
        """Everything that a run of this agent needs, fixed now. Raises as `Model.backend` does, and TypeError."""
        _check(self)
        if history is not None and thread is not None:
            raise TypeError("history= and thread= both set the conversation: pass one of them.")
        for name in more:
            if name in _ARGUMENTS:
                raise validation.unknown(name, hint=f"It belongs to the agent: Agent({name}=…).")
        if thread is not None and not isinstance(thread, Thread):
            raise UsageError(
                f"thread= is a Thread, not {type(thread).__name__}.",
                hint="Create one Thread() and pass the same one to each run.",
            )
        asked = self._model if model is None else model
        llm = self.llm if model is None else self._model_of(model)
        said = self.instructions if instructions is None else validation.instructions(instructions)
        own = (self._tools, self._provider_tools, self._toolboxes)
        offered, theirs, toolboxes = own if tools is None else _offered(tools)
        output = self._output if output_type is None else output_of(output_type)
        if output is not None:
            output = output.asked(validation.choice("output_mode", output_mode or self.output_mode, MODES) or "native")
        if context is None:
            refuse_without(self._contexts(said, offered, {id(self)}))
        settled = merged(llm.settings, self.settings.given())
        if settings is not None:
            settled = merged(settled, _settings_of(settings).given())
        clocks = validation.timeouts(timeouts) or self.timeouts
        given = (as_messages(task), validation.messages(history), said if isinstance(said, str) else None)
        whole = all_well_formed(given)
        return Job(
            name=self.name,
            backends=_with(llm, self) if isinstance(asked, Model) and self._fallback else llm.backends,
            input=whole[0],
            history=whole[1],
            replaced=whole is not given,
            thread=thread,
            instructions=instructions_of(said),
            tools=(all_tools := self._all_tools(offered, output)),
            offers=offered_to_clients(
                self.client_tools if client_tools is None else client_specs(client_tools), all_tools
            ),
            toolboxes=toolboxes,
            view=self.view,
            compaction=validation.compaction(self.compact),
            provider_tools=theirs,
            output=output,
            settings=merged(settled, more, RUN_ARGUMENTS),
            limits=Limits(max_loops=self.max_loops, max_steps=self.max_steps),
            timeouts=clocks or llm.timeouts,
            connect=UNSET if clocks is None else clocks.connect,
            retries=_retries(llm, self),
            tool_errors=self.tool_errors,
            approval=self.approval,
            approver=validation.callback("approver", approver) or self.approver,
            wants_log=(self.keep_log if keep_log is None else keep_log) or self._asks(offered, toolboxes, set()),
            context=context,
            quiet=self.print_on is False,
            budgets=validation.budgets(self.budget, budget),
            prices=validation.prices(self.prices, prices),
            guards=validation.guards(self.guards),
        )

    def wants_log(self, seen: set[int]) -> bool:
        """Whether a run of this agent may wait for people, so that its log is kept. `seen` are the agents visited."""
        if id(self) in seen:
            return False
        return self._asks(self._tools, self._toolboxes, seen)

    def _asks(self, offered: Mapping[str, Offered], toolboxes: tuple[Toolbox, ...], seen: set[int]) -> bool:
        if toolboxes:
            return True  # any server may ask people
        if not (self.approval or offered or self.handoffs):
            return False
        seen.add(id(self))
        asks = bool(self.approval) or any(tool.wants_log(seen) for tool in offered.values())
        return asks or any(agent.wants_log(seen) for agent in self.handoffs)

    def _declared_contexts(self, seen: set[int]) -> Iterator[Needed]:
        """The contexts declared by the agent, its instructions, its tools and the agents below."""
        return self._contexts(self.instructions, self._tools, seen)

    def _contexts(self, said: Any, offered: Mapping[str, Offered], seen: set[int]) -> Iterator[Needed]:
        declared = self.context_type
        if declared is None:
            written = self.__dict__.get("__orig_class__")  # set by Python for Agent[X](…)
            declared = self._context_of_class if written is None else first_argument(written)
        if declared is not None:
            yield Needed(f"{self.name!r} is declared with", declared)
        if callable(said):
            yield Needed(f"the instructions of {self.name!r} take", context_of(said))
        for tool in offered.values():
            if (type_ := getattr(tool, "context_type", Any)) is not Any:
                yield Needed(f"the tool {tool.name!r} takes", type_)
            elif (runnable := getattr(tool, "runnable", None)) is not None:
                yield from contexts_below((runnable,), seen)
        if self.handoffs:
            yield from contexts_below(self.handoffs, seen)

    def _check_names(self) -> None:
        output = self._output
        self._all_tools(self._tools, None if output is None else output.asked(self.output_mode))

    def _all_tools(self, offered: dict[str, Offered], output: Output | None) -> Mapping[str, Offered]:
        """The tools, including those for handoffs and for the answer."""
        tools = dict(offered)
        for agent in self.handoffs:
            handoff = _handoff(agent)
            if handoff.name in tools:
                raise _same_name(self.name, handoff.name, "Give each agent in handoffs= a unique name.")
            tools[handoff.name] = handoff
        if output is not None and output.tool is not None:
            name = output.tool.name
            if name in tools:
                raise _same_name(
                    self.name, name, 'headwater uses it for the answer: rename yours with @tool(name="…").'
                )
            tools[name] = output.tool
        return tools


Declaration.__init__.__qualname__ = "Agent.__init__"  # the name in Python's errors about arguments
_ARGUMENTS = frozenset(inspect.signature(Declaration).parameters) - {"positional", "more"} | OTHER_SPELLINGS


def _check(agent: Declaration[Any, Any]) -> None:
    """Validates the attributes that may have changed. Raises ConfigurationError."""
    validation.whole("max_loops", agent.max_loops)
    validation.whole("max_steps", agent.max_steps)
    if agent.retries is not None:
        validation.whole("retries", agent.retries, least=0)
    validation.timeouts(agent.timeouts)
    validation.choice("on_interrupted", agent.on_interrupted, ON_INTERRUPTED)
    validation.choice("output_mode", agent.output_mode, MODES)
    validation.choice("tool_errors", agent.tool_errors, ("tell", "raise"))
    validation.callback("streaming_callback", agent.streaming_callback)
    validation.callback("on_event", agent.on_event)
    validation.callback("on_retract", agent.on_retract)
    validation.approval(agent.approval)
    validation.callback("approver", agent.approver)
    validation.callback("view", agent.view)
    validation.compaction(agent.compact)
    validation.budgets(agent.budget)
    validation.prices(agent.prices)
    validation.instructions(agent.instructions)


def _offered(
    tools: Iterable[Any] | None,
) -> tuple[dict[str, Offered], tuple[ProviderTool, ...], tuple[Toolbox, ...]]:
    """`tools` that run locally, by name, those that the provider runs, and servers. Raises InvalidTool."""
    from headwater.errors import InvalidTool

    if tools is None:
        return {}, (), ()
    if isinstance(tools, (str, bytes, Mapping)) or callable(tools) or not isinstance(tools, Iterable):
        what = f"the function {tools.__name__}" if hasattr(tools, "__name__") else f"of type {type(tools).__name__}"
        raise InvalidTool(f"tools is {what}, not a list.", hint="Give a list of tools: tools=[…].")
    offered: dict[str, Offered] = {}
    theirs: list[ProviderTool] = []
    toolboxes: list[Toolbox] = []
    for item in tools:
        if isinstance(item, ProviderTool):
            theirs.append(item)
            continue
        if isinstance(item, Toolbox):
            toolboxes.append(item)
            continue
        made: Offered = _as_tool(item)
        if made.name in offered:
            raise InvalidTool(
                f"Two tools have the name {made.name!r}.", hint="Rename one: @tool(name=…), or rename the agent."
            )
        offered[made.name] = made
    return offered, tuple(theirs), tuple(dict.fromkeys(toolboxes))


def _handoff(agent: Declaration[Any, Any]) -> Offered:
    from headwater.agents.handoff import Handoff

    return Handoff(agent.name, agent.description, agent._begin)


def _as_tool(item: Any) -> Offered:
    from headwater.tools.declaration import as_tool  # imports what is needed to create schemas

    return as_tool(item)


def _settings_of(settings: Any) -> Settings:
    """Settings, given as such or as a dict. Raises ConfigurationError, UnsupportedSetting."""
    if settings is None or isinstance(settings, Settings):
        return settings or Settings()
    if not isinstance(settings, Mapping):
        raise validation.wrong("settings", settings, "Give Settings(…) or a dict.")
    return merged(Settings(), settings)


def _by_name(first: object, *_: object) -> str:
    """The message for arguments without names: the first one is a name in some libraries and a model in others."""
    value = repr(first) if isinstance(first, str) and len(first) <= validation.SHOWN else "…"
    return (
        "An Agent's arguments are passed by name."
        f" Write Agent(model={value}) if this is its model, Agent(name={value}, model=…) if it is its name."
    )


def _same_name(agent: str, name: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"Two tools of {agent!r} have the name {name!r}.", hint=hint)


def _with(llm: Model, agent: Declaration[Any, Any]) -> tuple[Any, ...]:
    return (*llm.backends, *(backend for one in agent._fallback for backend in one.backends))


def _retries(llm: Model, agent: Declaration[Any, Any]) -> Retries:
    return Retries(
        times=llm.retries.times if agent.retries is None else agent.retries,
        on_interrupted=agent.on_interrupted or llm.retries.on_interrupted,
    )


def _named(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"An agent's name is a non-empty string, not {name!r}.")
    return well_formed(name)
