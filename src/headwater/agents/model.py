"""A model by its name: whom to ask, with which key, for how long, and whom else where that fails.

A `Model` is a declaration: it opens nothing and reads the environment only when it is first asked. Where it is asked
over HTTP, making it imports the client, so that who asks first does not wait for that. What it is asked goes through
the same run as an agent's, without tools being run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import UNSET
from typing_extensions import TypedDict, Unpack

from headwater.agents import validation
from headwater.agents.deep_copy import DeepCopied
from headwater.agents.task import Task, as_messages
from headwater.backends.base import Backend
from headwater.backends.lookup import look_up, prepare
from headwater.backends.retry import Retries
from headwater.backends.timeouts import Timeouts
from headwater.providers.request import Effort, OutputSpec, ProviderTool, Secret, Settings, ToolSpec
from headwater.readers.stream import AgentStream
from headwater.runtime.agent_run import AgentRun
from headwater.runtime.context import Origin
from headwater.runtime.job import Job
from headwater.schema import all_well_formed, well_formed

if TYPE_CHECKING:
    from headwater.backends.replay import Recorder

__all__ = (
    "Model",
    "ModelLike",
    "SettingsOptions",
)


ON_INTERRUPTED = ("raise", "restart")


class SettingsOptions(TypedDict, total=False):
    """The settings by their usual names; see `providers.request.Settings`."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    stop: str | Sequence[str]
    seed: int
    presence_penalty: float
    frequency_penalty: float
    reasoning: Effort | bool | int
    verbosity: Literal["low", "medium", "high"]
    tool_choice: str
    parallel_tool_calls: bool
    service_tier: str
    user: str
    cache: bool
    store: bool
    extra: dict[str, Any]


class Model(DeepCopied):
    """A model to ask, by name: `provider/model`, `provider:model`, a bare known name, `offline`, or `replay:FILE` for
    what was answered before, as a recording or a saved run has it.

    `name` None means the variable HEADWATER_MODEL. With `base_url` any server that speaks a known API can be asked. The
    prefix of a provider or an API is taken off the name; what is left arrives as it is. `retries` is how often a
    request is tried again before anything of its answer was said; `fallback` names models (or Models) to ask in order
    after that. `headers` are sent along with each request. Further keywords are settings (temperature=, max_tokens=, …)
    for every request.

    Names and keys are looked up when the model is first asked, which then raises ModelNotNamed, UnknownModel or
    MissingKey.
    """

    def __init__(
        self,
        name: str | Backend | None = None,
        *,
        base_url: str | Secret | None = None,
        api_key: str | Secret | None = None,
        timeouts: Timeouts | None = None,
        retries: int = Retries().times,
        fallback: Iterable[ModelLike] | None = (),
        on_interrupted: Literal["raise", "restart"] = "raise",
        headers: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        **more: Unpack[SettingsOptions],
    ) -> None:
        self._key = validation.secret(api_key)
        self._headers = validation.header_values(headers)
        del api_key, headers  # from here on they show in no frame
        self._backend: Backend | None = None if name is None or isinstance(name, str) else _checked_backend(name)
        self._looked_up = False
        """Whether the backend was found by the name, and would be found again."""
        self._further: tuple[Backend, ...] = ()
        """What a recording was made of beside its first backend: the fallbacks that were asked."""
        self.name: str | None = well_formed(name) if isinstance(name, str) else None if name is None else name.model
        self.timeouts = validation.timeouts(timeouts) or Timeouts()
        self.retries = Retries(
            times=validation.whole("retries", retries, least=0),
            on_interrupted=validation.choice("on_interrupted", on_interrupted, ON_INTERRUPTED) or "raise",
        )
        self.settings = merged(settings or Settings(), more)
        self.fallback: tuple[Model, ...] = models("fallback", fallback)
        self._base_url = validation.address(base_url)
        if self._backend is None:
            prepare(self.name, at_url=self._base_url is not None)

    @property
    def backend(self) -> Backend:
        """Who answers; looked up once. Raises ModelNotNamed, UnknownModel, MissingKey, ConfigurationError."""
        if self._backend is None:
            self._backend, *further = look_up(
                self.name,
                base_url=self._base_url,
                api_key=self._key,
                headers=self._headers,
                connect=self.timeouts.connect,
            )
            self._further = tuple(further)
            self._looked_up = True
        return self._backend

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Who answers, then the fallbacks in order."""
        return (self.backend, *self._further, *(backend for one in self.fallback for backend in one.backends))

    def supports(self, feature: str) -> bool:
        """Whether this model can be asked for `feature`: "streaming", "tools", "images", "files", "audio", "video",
        "native_output" (an output type told as a schema and not in words), or a setting by its name.

        What is known is its API and its server; what the model itself was taught, only its server knows. Nothing is
        sent. Raises the errors of `backend`, and ConfigurationError for a feature that is none.
        """
        from headwater.agents.features import supports

        return supports(self.backend, feature)

    def __getstate__(self) -> dict[str, Any]:
        # What it has looked up may hold a key of this machine, and is looked up again where the model is read back.
        return {**self.__dict__, "_backend": None, "_further": ()} if self._looked_up else self.__dict__

    def recorded(self, recorder: Recorder) -> Model:
        """The same model, and its fallbacks, with every answer kept by `recorder`.

        Raises the errors of `backend`, and ConfigurationError for a model that is not asked over HTTP.
        """
        other = copy.copy(self)
        other._backend = recorder.backend(self.backend)
        other._looked_up = False
        other._further = tuple(recorder.backend(backend) for backend in self._further)
        other.fallback = tuple(one.recorded(recorder) for one in self.fallback)
        return other

    def stream(
        self,
        messages: Task,
        *,
        tools: Iterable[Any] = (),
        output: OutputSpec | None = None,
        timeouts: Timeouts | None = None,
        **settings: Unpack[SettingsOptions],
    ) -> AgentStream[str]:
        """One request as a stream, with an agent's own faces: chunks, `events()`, `text()`, `await result()`.

        Tools are told to the model and never run: their calls are in the Response. `messages` may be a string.
        `output` is the shape that the answer is asked to have: what comes is text, which nobody checks.
        Raises the errors of `backend`, out of the reading.
        """
        tools = tuple(tools)
        theirs = tuple(tool for tool in tools if isinstance(tool, ProviderTool))
        ours = (tool for tool in tools if not isinstance(tool, ProviderTool))
        specs = tuple(tool if isinstance(tool, ToolSpec) else _spec_of(tool) for tool in ours)
        asked = as_messages(messages)
        given = all_well_formed(asked)

        def make() -> AgentRun:
            system = [message for message in given if message.role == "system"]
            spoken = tuple(message for message in given if message.role != "system")
            return AgentRun(
                Job(
                    name=self.name or "model",
                    backends=self.backends,
                    input=spoken[-1:],
                    history=spoken[:-1],
                    replaced=given is not asked,
                    instructions="\n\n".join(message.text for message in system) or None,
                    offers=specs,
                    provider_tools=theirs,
                    run_tools=False,
                    shape=output,
                    settings=merged(self.settings, settings),
                    timeouts=timeouts or self.timeouts,
                    connect=UNSET if timeouts is None else timeouts.connect,
                    retries=self.retries,
                ),
                origin=Origin.here(),
            )

        return AgentStream(make)

    def __repr__(self) -> str:
        if "_base_url" not in self.__dict__:
            return "Model(…)"  # met while it was being made
        # Of a base URL only the place: before and behind it may stand a password or a key.
        return f"Model({self.name!r}{f' at {_place(self._base_url.reveal())}' if self._base_url else ''})"


ModelLike: TypeAlias = str | Model | Backend
"""What may stand where a model is wanted: its name, a Model, or anything that can be asked (a scripted one)."""


def as_model(model: ModelLike | None) -> Model:
    """`model` as a Model."""
    return model if isinstance(model, Model) else Model(model)


def models(name: str, given: Iterable[ModelLike] | None) -> tuple[Model, ...]:
    """What was given under `name` as Models. Raises ConfigurationError."""
    return tuple(map(as_model, validation.items(name, given, '"openai/gpt-5.4", …')))


def _spec_of(tool: Any) -> ToolSpec:
    from headwater.tools.declaration import as_tool  # with all that makes a schema of a function

    return as_tool(tool).spec


def _place(url: str) -> str:
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def _checked_backend(model: Any) -> Backend:
    if not hasattr(model, "open") or not isinstance(getattr(model, "model", None), str):
        raise validation.wrong("model", model, 'Give a name, as in "openai/gpt-5.4", or a Model.')
    backend: Backend = model
    return backend


def merged(settings: Settings, more: Mapping[str, Any], known: Iterable[str] = ()) -> Settings:
    """`settings` with `more` laid over it; `known` are arguments that were meant, should a name be none.

    Raises UnsupportedSetting for a name that is none, ConfigurationError for a value.
    """
    if not more:
        return settings
    for name in more:
        if name not in validation.SETTINGS:
            raise validation.unknown(name, known)
    values = {**settings.given(), **{name: value for name, value in more.items() if value is not None}}
    if isinstance(values.get("stop"), str):
        values["stop"] = (values["stop"],)
    return validation.fitting_settings(values)
