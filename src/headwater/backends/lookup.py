"""Creates a backend from a model's name: the offline model, a recording, or a provider over HTTP.

Owns reading the environment, at the first request and not before. `providers.registry` owns the rules for names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headwater.backends import transport
from headwater.backends.base import Backend
from headwater.backends.http import HTTPBackend
from headwater.errors import ConfigurationError
from headwater.providers import registry
from headwater.providers.request import Secret

__all__ = ("ENVIRONMENT", "look_up", "prepare", "same_provider")


class _Environment(Mapping[str, str]):
    """The environment variables, which hold keys: hidden when a traceback prints its variables."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


ENVIRONMENT: Mapping[str, str] = _Environment()


def look_up(
    name: str | None,
    *,
    base_url: Secret | None = None,
    api_key: Secret | None = None,
    headers: Mapping[str, Secret] | None = None,
    connect: float | None = None,
    env: Mapping[str, str] = ENVIRONMENT,
) -> tuple[Backend, ...]:
    """Returns the backend for the name, followed by the fallbacks that a recording has.

    `connect` is the connect timeout in seconds. Raises ModelNotNamed, UnknownModel, MissingKey,
    ConfigurationError.
    """
    if not base_url:
        name = registry.model_name(name, env)
    if name is not None and registry.is_offline(name):
        from headwater.backends.offline import from_name

        return (from_name(name),)
    if name is not None and not base_url and (recording := registry.replay_path(name)) is not None:
        from headwater.backends import replay

        return replay.from_name(recording)
    resolved = registry.resolve(name, base_url=base_url.reveal() if base_url else None, api_key=api_key, env=env)
    endpoint = resolved.endpoint
    if headers:
        given = {name: value.reveal() for name, value in headers.items()}
        endpoint = msgspec.structs.replace(endpoint, headers={**endpoint.headers, **given})
    authorize: Any = None
    if endpoint.token and endpoint.key is None:
        from headwater.backends.credentials import authorizer

        authorize = authorizer(endpoint.token)
    api = registry.load_api(endpoint.api)
    return (HTTPBackend(endpoint, resolved.model, api, connect=connect, authorize=authorize),)


def prepare(name: str | None, *, at_url: bool) -> None:
    """Imports the HTTP client if a model of that name, or at that URL, needs it.

    So the first request does not wait for the import. A name that only the environment has is left to the first
    request.
    """
    if at_url or (name and not registry.is_offline(name) and registry.replay_path(name) is None):
        transport.import_client()


def same_provider(one: str | None, other: str | None, *, env: Mapping[str, str] = ENVIRONMENT) -> bool:
    """Whether two models' names have the same provider; an unknown name has none."""
    try:
        return registry.provider_of(one, env) == registry.provider_of(other, env)
    except ConfigurationError:
        return False
