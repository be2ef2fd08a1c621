"""The configuration file of a gateway, in TOML: names, and the models behind each.

Owns the file's schema, and reports every mistake by its key before the server starts. It must never read API keys from
the file, which is meant for version control; they come from the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headwater.agents import validation
from headwater.agents.model import Model, merged
from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.providers.request import Settings
from headwater.web.gateway.model import ServedModel
from headwater.web.gateway.target import Target

__all__ = ("EXAMPLE", "read_file", "read_text")

EXAMPLE: Final = """\
# Each name is one model, or a list of models to try in order until one starts to answer.
smart = "anthropic/claude-sonnet-5"
fast = ["groq/openai/gpt-oss-120b", "openai/gpt-5.4-mini"]

[local]
model = "qwen3"
base_url = "http://localhost:8001/v1"
"""

_TARGET: Final = ("model", "base_url", "api_key_env", "drop", "settings")
_NAME: Final = ("models", "retries", "timeouts", "on_interrupted")


def read_file(path: str | os.PathLike[str], env: Mapping[str, str] = os.environ) -> list[ServedModel]:
    """Returns the names in the file at `path`. Raises ConfigurationError with the place of the mistake."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"{path} cannot be read: {said}.", hint="headwater gateway without a file shows how to write one."
        ) from None
    return read_text(text, str(path), env)


def read_text(text: str, path: str, env: Mapping[str, str] = os.environ) -> list[ServedModel]:
    """Returns the names in the text of the file at `path`. Raises ConfigurationError."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.", hint="Write strings in quotes.") from None
    if not given:
        raise ConfigurationError(f"{path} names no model.", hint='Write one: fast = "groq/openai/gpt-oss-120b".')
    return [_Entry(path, name, env).read(value) for name, value in given.items()]


class _Entry:
    """Parser of one name."""

    def __init__(self, path: str, name: str, env: Mapping[str, str]) -> None:
        self._path = path
        self._name = name
        self._env = env

    def wrong(self, key: str, message: str, hint: str = "") -> ConfigurationError:
        return ConfigurationError(f"{self._path}: {key}: {message}", hint=hint)

    def read(self, value: Any) -> ServedModel:
        name = self._name
        if not isinstance(value, Mapping):
            return ServedModel(name, self._chain(value, name))
        self._check_keys(value, (*_TARGET, *_NAME), name)
        if ("model" in value) is ("models" in value):
            raise self.wrong(name, "it needs a model or models, and not both.", "Give model or models.")
        if "models" in value:
            if alone := [key for key in _TARGET if key in value]:
                hint = "Write it in the model's own table: models = [{ model = …, … }, …]."
                raise self.wrong(
                    f"{name}.{alone[0]}", "this setting applies to one model, and the list has several.", hint
                )
            targets = self._chain(value["models"], f"{name}.models")
        else:
            targets = self._target({key: value[key] for key in _TARGET if key in value}, name)
        return self._served(targets, value)

    def _served(self, targets: list[Target], value: Mapping[str, Any]) -> ServedModel:
        options: dict[str, Any] = {}
        try:
            if "retries" in value:
                options["retries"] = validation.whole("retries", value["retries"], least=0)
            if "on_interrupted" in value:
                options["on_interrupted"] = validation.choice(
                    "on_interrupted", value["on_interrupted"], ("raise", "restart")
                )
            if "timeouts" in value:
                options["timeouts"] = self._timeouts(value["timeouts"])
            return ServedModel(self._name, targets, **options)
        except ConfigurationError as error:
            raise self._told(self._name, error) from None

    def _timeouts(self, given: Any) -> Timeouts:
        known = ("connect", "first_token", "idle", "step", "run")
        key = f"{self._name}.timeouts"
        if not isinstance(given, Mapping):
            raise self.wrong(key, "it must be a table.", "Write timeouts = { first_token = 20 }.")
        self._check_keys(given, known, key)
        return Timeouts(**given)

    def _chain(self, value: Any, key: str) -> list[Target]:
        if isinstance(value, str):
            return self._target({"model": value}, key)
        if not isinstance(value, list) or not value:
            raise self.wrong(key, "it is not the name of a model.", 'Write "provider/model", or a list of such names.')
        targets: list[Target] = []
        for number, one in enumerate(value):
            place = f"{key}[{number}]"
            if isinstance(one, Mapping):
                self._check_keys(one, _TARGET, place)
                targets += self._target(one, place)
            elif isinstance(one, str):
                targets += self._target({"model": one}, place)
            else:
                raise self.wrong(place, "it is not the name of a model.", 'Write "provider/model".')
        return targets

    def _target(self, given: Mapping[str, Any], key: str) -> list[Target]:
        name = given.get("model")
        if not isinstance(name, str) or not name.strip():
            raise self.wrong(
                f"{key}.model" if "model" in given else key, "the model is missing.", 'Add model = "provider/model".'
            )
        try:
            model = Model(name, base_url=given.get("base_url"), api_key=self._key(given.get("api_key_env"), key))
            settings = self._settings(given.get("settings"), key)
            drop = self._drop(given.get("drop"), key)
            return [Target(backend, defaults=settings, drop=drop) for backend in model.backends]
        except HeadwaterError as error:
            raise self._told(key, error) from None

    def _key(self, variable: Any, key: str) -> str | None:
        if variable is None:
            return None
        if not isinstance(variable, str) or not variable:
            raise self.wrong(
                f"{key}.api_key_env", "it is not the name of a variable.", "Give the name of the variable with the key."
            )
        if not (value := self._env.get(variable)):
            raise self.wrong(f"{key}.api_key_env", f"{variable} is not set.", f"Set it: export {variable}=…")
        return value

    def _settings(self, given: Any, key: str) -> Settings | None:
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise self.wrong(f"{key}.settings", "it must be a table.", "Write settings = { temperature = 0.2 }.")
        return merged(Settings(), given)

    def _drop(self, given: Any, key: str) -> frozenset[str]:
        if given is None:
            return frozenset()
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise self.wrong(f"{key}.drop", "it must be a list of names.", 'Write drop = ["seed"].')
        return frozenset(given)

    def _check_keys(self, given: Mapping[str, Any], known: tuple[str, ...], key: str) -> None:
        for one in given:
            if one in ("api_key", "key", "token"):
                hint = "Put it into an environment variable and name the variable: api_key_env = …"
                raise self.wrong(f"{key}.{one}", "this file must not contain keys.", hint)
            if one not in known:
                raise self.wrong(f"{key}.{one}", "this setting is unknown.", f"The settings are {', '.join(known)}.")

    def _told(self, key: str, error: HeadwaterError) -> ConfigurationError:
        """Returns the error with its place, added only once."""
        if error.message.startswith(f"{self._path}: "):
            return error if isinstance(error, ConfigurationError) else ConfigurationError(error.message)
        hint = error.hint.replace("or pass api_key=", 'or name another variable: api_key_env = "…"')
        return self.wrong(key, error.message, hint)
