"""Helpers: names resolved with every provider's variables set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headwater.providers.catalog import PROVIDERS
from headwater.providers.registry import Resolved, resolve
from headwater.providers.request import Endpoint

EVERY_KEY: Mapping[str, str] = {
    **{
        variable: f"key-of-{provider.name}"
        for provider in PROVIDERS.values()
        for variable in provider.key_variables[:1]
    },
    "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/",
    "AWS_REGION": "eu-central-1",
    "GOOGLE_CLOUD_PROJECT": "my-project",
}


def find(name: str | None, *, env: Mapping[str, str] = EVERY_KEY, **given: Any) -> Resolved:
    return resolve(name, env=env, **given)


def place(resolved: Resolved) -> tuple[str, str, str, str]:
    end = resolved.endpoint
    return end.provider, end.api, end.base_url, resolved.model


def key_of(endpoint: Endpoint) -> str | None:
    return endpoint.key.reveal() if endpoint.key else None
