"""A model by its name: whom to ask, with which key, for how long, and whom else where that fails.

A `Model` is a declaration: it opens nothing and reads the environment only when it is first asked. What it is asked
goes through the same run as an agent's, without tools being run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict, Unpack

from headwater.attempts import Retries, Timeouts
from headwater.errors import ConfigurationError, UnsupportedSetting
from headwater.messages import File, Image, Message, Text
from headwater.providers import registry
from headwater.providers.base import Effort, Secret, Settings, ToolSpec
from headwater.runtime import AgentRun, Job
from headwater.source import ProviderSource, Source
from headwater.stream import AgentStream
from headwater.tools import as_tools

__all__ = ("Model", "ModelLike", "SettingsOptions", "Task")

ENVIRONMENT: Mapping[str, str] = os.environ

Task: TypeAlias = str | Message | Text | Image | File | Sequence[str | Message | Text | Image | File]
"""What a run is asked: a string, or strings, images, files and messages in order."""


class SettingsOptions(TypedDict, total=False):
    """The settings by their usual names; see `providers.base.Settings`."""

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


class Model:
    """A model to ask, by name: `provider/model`, `provider:model`, a bare known name, or `offline`.

    `name` None means the variable HEADWATER_MODEL. With `base_url` any server that speaks a known API can be asked; the
    name then arrives as it is. `retries` is how often a request is tried again before anything of its answer was said;
    `fallback` names models (or Models) to ask in order after that. `headers` are sent along with each request.
    Further keywords are settings (temperature=, max_tokens=, …) for every request.

    Names and keys are looked up when the model is first asked, which then raises ModelNotNamed, UnknownModel or
    MissingKey.
    """

    def __init__(
        self,
        name: str | Source | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        retries: int = Retries().times,
        fallback: Iterable[ModelLike] = (),
        on_interrupted: Literal["raise", "restart"] = "raise",
        headers: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        **more: Unpack[SettingsOptions],
    ) -> None:
        self.name: str | None = name if name is None or isinstance(name, str) else name.model
        self.timeouts = timeouts or Timeouts()
        self.retries = Retries(times=_whole("retries", retries), on_interrupted=on_interrupted)
        self.settings = merged(settings or Settings(), more)
        self.fallback: tuple[Model, ...] = tuple(as_model(one) for one in fallback)
        self._base_url = base_url
        self._key = Secret(api_key) if api_key is not None else None
        self._headers = dict(headers or {})
        self._source: Source | None = None if name is None or isinstance(name, str) else name

    @property
    def source(self) -> Source:
        """Who answers; looked up once. Raises ModelNotNamed, UnknownModel, MissingKey, ConfigurationError."""
        if self._source is None:
            self._source = self._look_up()
        return self._source

    @property
    def sources(self) -> tuple[Source, ...]:
        """Who answers, then the fallbacks in order."""
        return (self.source, *(source for one in self.fallback for source in one.sources))

    def stream(
        self,
        messages: Task,
        *,
        tools: Iterable[Any] = (),
        timeouts: Timeouts | None = None,
        **settings: Unpack[SettingsOptions],
    ) -> AgentStream[str]:
        """One request as a stream, with an agent's own faces: chunks, `events()`, `text()`, `await result()`.

        Tools are told to the model and never run: their calls are in the Response. `messages` may be a string.
        Raises the errors of `source`, out of the reading.
        """
        specs = tuple(tool if isinstance(tool, ToolSpec) else as_tools([tool])[0].spec for tool in tools)
        given = as_messages(messages)

        def make() -> AgentRun:
            system = [message for message in given if message.role == "system"]
            spoken = tuple(message for message in given if message.role != "system")
            return AgentRun(
                Job(
                    name=self.name or "model",
                    sources=self.sources,
                    input=spoken[-1:],
                    history=spoken[:-1],
                    instructions="\n\n".join(message.text for message in system) or None,
                    offers=specs,
                    run_tools=False,
                    settings=merged(self.settings, settings),
                    timeouts=timeouts or self.timeouts,
                    retries=self.retries,
                )
            )

        return AgentStream(make)

    def __repr__(self) -> str:
        where = f", base_url={self._base_url!r}" if self._base_url else ""
        return f"Model({self.name!r}{where})"

    def _look_up(self) -> Source:
        env = ENVIRONMENT
        name = self.name if self._base_url else registry.model_name(self.name, env)
        if name is not None and registry.is_offline(name):
            from headwater.offline import from_name

            return from_name(name)
        resolved = registry.resolve(
            name,
            base_url=self._base_url,
            api_key=self._key.reveal() if self._key is not None else None,
            env=env,
        )
        endpoint = resolved.endpoint
        if self._headers:
            import msgspec

            endpoint = msgspec.structs.replace(endpoint, headers={**endpoint.headers, **self._headers})
        authorize = None
        if endpoint.token and endpoint.key is None:
            from headwater.tokens import authorizer

            authorize = authorizer(endpoint.token)
        return ProviderSource(
            endpoint,
            resolved.model,
            registry.load_api(endpoint.api),
            connect=self.timeouts.connect,
            authorize=authorize,
        )


ModelLike: TypeAlias = str | Model | Source
"""What may stand where a model is wanted: its name, a Model, or anything that can be asked (a scripted one)."""


def as_model(model: ModelLike | None) -> Model:
    """`model` as a Model."""
    return model if isinstance(model, Model) else Model(model)


def merged(settings: Settings, more: Mapping[str, Any]) -> Settings:
    """`settings` with `more` laid over it. Raises UnsupportedSetting for a name that is none, TypeError for a value."""
    if not more:
        return settings
    known = set(Settings.__struct_fields__)
    for name in more:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            raise UnsupportedSetting(
                f"There is no setting {name!r}.",
                hint=(f"Did you mean {near[0]}=? " if near else "")
                + "What only one provider knows goes into extra={…}.",
            )
    values = {**settings.given(), **{name: value for name, value in more.items() if value is not None}}
    if isinstance(values.get("stop"), str):
        values["stop"] = (values["stop"],)
    import msgspec

    try:
        return msgspec.convert(values, Settings, strict=True)
    except msgspec.ValidationError as problem:
        raise ConfigurationError(f"A setting has a value that it cannot have: {problem}.") from None


def as_messages(task: Task) -> tuple[Message, ...]:
    """A task as messages: neighbouring strings, images and files are one message of the user."""
    if isinstance(task, (str, Message, Text, Image, File)):
        task = [task]
    if isinstance(task, bytes) or not isinstance(task, Sequence):  # type: ignore[unreachable]
        raise TypeError(
            f"A task is a string or a list of strings, images, files and messages, not {type(task).__name__}."
        )
    messages: list[Message] = []
    parts: list[str | Text | Image | File] = []

    def close() -> None:
        if parts:
            messages.append(Message.user(*parts))
            parts.clear()

    for item in task:
        if isinstance(item, Message):
            close()
            messages.append(item)
        elif isinstance(item, str):
            parts.append(str.__str__(item))
        elif isinstance(item, (Text, Image, File)):
            parts.append(item)
        else:
            raise TypeError(f"A task holds strings, images, files and messages, not {type(item).__name__}.")
    close()
    return tuple(messages)


def _whole(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"{name} is {value!r}.", hint="Give a whole number, 0 for never.")
    return value
