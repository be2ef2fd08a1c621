"""A model by its name: its provider, key, timeouts, retries and fallbacks.

A `Model` is a declaration: it opens nothing and reads the environment only when it is first used. Creating one for an
HTTP provider imports the HTTP client, so that the first request does not have to. Its requests go through the same kind
of run as an agent's, without running tools.
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
from headwater.schema.well_formed import all_well_formed, well_formed

if TYPE_CHECKING:
    from headwater.backends.replay import Recorder

__all__ = (
    "Model",
    "ModelLike",
    "SettingsOptions",
)


ON_INTERRUPTED = ("raise", "restart")


class SettingsOptions(TypedDict, total=False):
    """The settings as keyword arguments; see `providers.request.Settings`."""

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
    background: bool
    extra: dict[str, Any]


class Model(DeepCopied):
    """A model by name: `provider/model`, `provider:model`, a well-known name without a provider, `offline`, or
    `replay:FILE` for the answers in a recording or a saved run.

    If `name` is None, the variable HEADWATER_MODEL is used. With `base_url` any server that implements a known API can
    be used. The prefix of a provider or an API is removed from the name; the rest is sent unchanged. `retries` is how
    often a request is retried before any output arrived; `fallback` are models to use after that, in order. `headers`
    are sent with each request. Further keywords are settings (temperature=, max_tokens=, …) for every request.

    Names and keys are looked up when the model is first used, which then raises ModelNotNamed, UnknownModel or
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
        del api_key, headers  # so that they are not visible in a traceback's variables
        self._backend: Backend | None = None if name is None or isinstance(name, str) else _checked_backend(name)
        self._looked_up = False
        """Whether the backend was looked up by name, and can be looked up again."""
        self._further: tuple[Backend, ...] = ()
        """The further backends of a recording: the fallbacks that were used."""
        self.name: str | None = well_formed(name) if isinstance(name, str) else None if name is None else name.model
        self.timeouts: Timeouts = validation.timeouts(timeouts) or Timeouts()
        self.retries: Retries = Retries(
            times=validation.whole("retries", retries, least=0),
            on_interrupted=validation.choice("on_interrupted", on_interrupted, ON_INTERRUPTED) or "raise",
        )
        self.settings: Settings = merged(settings or Settings(), more)
        self.fallback: tuple[Model, ...] = models("fallback", fallback)
        self._base_url = validation.address(base_url)
        if self._backend is None:
            prepare(self.name, at_url=self._base_url is not None)

    @property
    def backend(self) -> Backend:
        """The backend that answers. Raises ModelNotNamed, UnknownModel, MissingKey, ConfigurationError."""
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
        """The backend, then the fallbacks in order."""
        return (self.backend, *self._further, *(backend for one in self.fallback for backend in one.backends))

    def supports(self, feature: str) -> bool:
        """Whether requests to this model can use `feature`: "streaming", "tools", "images", "files", "audio", "video",
        "native_output" (an output type as a schema instead of in the prompt), or a setting by its name.

        The result is about the API and the server, not about what the model has learned. Nothing is sent. Raises the
        errors of `backend`, and ConfigurationError for an unknown feature.
        """
        from headwater.agents.features import supports

        return supports(self.backend, feature)

    def __getstate__(self) -> dict[str, Any]:
        # A backend that was looked up may hold a key of this machine. It is looked up again after unpickling.
        return {**self.__dict__, "_backend": None, "_further": ()} if self._looked_up else self.__dict__

    def recorded(self, recorder: Recorder) -> Model:
        """The same model and fallbacks, with every answer recorded by `recorder`.

        Raises the errors of `backend`, and ConfigurationError for a model that does not use HTTP.
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
        """One request as a stream, like an agent's: chunks, `events()`, `text()`, `await result()`.

        Tools are described to the model but never run: their calls are in the Response. `messages` may be a string.
        `output` is the format that the answer is asked to have; the answer is text and is not validated.
        Raises the errors of `backend` from the loop.
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
            return "Model(…)"  # shown by a debugger while it is being created
        # Only the host of a base URL: the rest may contain a password or a key.
        return f"Model({self.name!r}{f' at {_place(self._base_url.reveal())}' if self._base_url else ''})"


ModelLike: TypeAlias = str | Model | Backend
"""Accepted where a model is expected: a name, a Model, or a backend such as a scripted model."""


def as_model(model: ModelLike | None) -> Model:
    """`model` as a Model."""
    return model if isinstance(model, Model) else Model(model)


def models(name: str, given: Iterable[ModelLike] | None) -> tuple[Model, ...]:
    """The models passed as the argument `name`, as Models. Raises ConfigurationError."""
    return tuple(map(as_model, validation.items(name, given, '"openai/gpt-5.4", …')))


def _spec_of(tool: Any) -> ToolSpec:
    from headwater.tools.declaration import as_tool  # imports what is needed to create schemas

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
    """`settings` overridden by `more`; `known` are further argument names to suggest for an unknown name.

    Raises UnsupportedSetting for an unknown name, ConfigurationError for an invalid value.
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
