"""Resolves a model's name, a base URL, a key and environment variables to an endpoint.

Owns the rules for splitting names and choosing keys; `catalog` has the data, so no provider is named here. It must not
read the environment, which is passed in; an API's module is imported when first needed. The models `offline` and
`replay:FILE` have no provider: `is_offline` and `replay_path` recognize them before `resolve`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from headwater.errors import ConfigurationError, MissingKey, ModelNotNamed, UnknownModel
from headwater.providers.addresses import Environment, checked_url, is_loopback, value_of
from headwater.providers.catalog import (
    API_MODULES,
    API_TAILS,
    BY_ANY_NAME,
    CHAT,
    FAMILIES,
    MODEL_PREFIXES,
    PROVIDERS,
    PUBLISHERS,
    RESPONSES,
    STANDARD,
    Provider,
)
from headwater.providers.decoder import API
from headwater.providers.request import Endpoint, Quirks, Secret

__all__ = (
    "MODEL_VARIABLE",
    "KeyVariable",
    "Resolved",
    "is_offline",
    "known_keys",
    "load_api",
    "model_name",
    "provider_of",
    "replay_path",
    "resolve",
)

MODEL_VARIABLE: Final = "HEADWATER_MODEL"


# --- public functions


class Resolved(msgspec.Struct, frozen=True):
    """Where to send a request, and the provider's name for the model."""

    endpoint: Endpoint
    model: str


class KeyVariable(NamedTuple):
    """A variable that may hold a provider's key, and whether it is set."""

    provider: str
    variable: str
    found: bool


def known_keys(env: Environment) -> list[KeyVariable]:
    """Returns every variable that may hold a key or a token, by provider, and whether `env` sets it."""
    return [
        KeyVariable(provider.name, variable, bool(value_of(env, variable)))
        for provider in PROVIDERS.values()
        for variable in (*provider.key_variables, *provider.token_variables)
    ]


def load_api(name: str) -> API:
    """Returns the module of the API `name`, imported when first needed. Raises ConfigurationError."""
    if name not in API_MODULES:
        raise ConfigurationError(f"Unknown API {name!r}.", hint=f"The APIs are {', '.join(API_MODULES)}.")
    return cast(API, importlib.import_module(API_MODULES[name]))


def is_offline(name: str) -> bool:
    """Whether `name` is the offline model: `offline`, optionally followed by a shape."""
    return name == "offline" or name.startswith(("offline/", "offline:"))


def replay_path(name: str) -> str | None:
    """Returns the file in `replay:FILE`; None for any other name."""
    return name.removeprefix("replay:") if name.startswith("replay:") else None


def model_name(name: str | None, env: Environment) -> str:
    """Returns the model to use: `name`, else the one in HEADWATER_MODEL.

    Raises ModelNotNamed, which lists the keys that were found and says what to write.
    """
    named = (name or "").strip() or value_of(env, MODEL_VARIABLE)
    if named:
        return named
    found: dict[str, str] = {}
    for key in known_keys(env):
        if key.found:
            found.setdefault(key.provider, key.variable)
    writable = " or ".join(f'model="{_example(PROVIDERS[name])}"' for name in [*found][:3]) or 'model="openai/gpt-5.4"'
    if found:
        keys = ", ".join(f"{provider} ({variable})" for provider, variable in found.items())
        message, need = f"No model was named. Keys were found for: {keys}.", ""
    else:
        message = "No model was named, and no provider's key was found."
        need = " and its key (OPENAI_API_KEY, ANTHROPIC_API_KEY, …)"
    raise ModelNotNamed(
        message, hint=f'Write {writable}{need}, or set {MODEL_VARIABLE}. To try without a key: model="offline".'
    )


def resolve(
    name: str | None, *, base_url: str | None = None, api_key: str | Secret | None = None, env: Environment
) -> Resolved:
    """Returns the endpoint for a model: where requests go, with which key, and the model's name there.

    One prefix of the name is read: a provider's, whose key is used, or an API's. The rest is the model's id, including
    slashes. With a `base_url` on a vendor's own host, only that vendor's name counts as a prefix. A key from `env` is
    only sent if its provider was named, to its hosts, or to the URL in its own variable.

    Raises ModelNotNamed, UnknownModel, MissingKey, and ConfigurationError for an invalid URL or key.
    """
    name = model_name(name, env)
    target = _at_url(name, base_url, env) if base_url and base_url.strip() else _by_name(name, env)
    # From here on no frame holds the key, in case a tool prints the variables of a traceback.
    key = Secret(api_key) if isinstance(api_key, str) else api_key
    del api_key
    return Resolved(_endpoint(target, key, env), target.model)


def provider_of(name: str | None, env: Environment) -> str:
    """Returns the provider of a model's name. Raises ModelNotNamed, UnknownModel, ConfigurationError."""
    return _split(model_name(name, env), env)[0].name


class _Target(NamedTuple):
    """A resolved name, before its key."""

    provider: Provider
    api: str
    model: str
    base_url: str
    query: Mapping[str, str]
    official: bool
    """Whether the base URL is the provider's own, which requires a key."""
    trusted: bool
    """Whether the values of the provider's other variables (accounts, cloud tokens) may be sent there."""
    key_owner: Provider | None
    """The provider whose key in the environment may be sent there."""


# --- names


def _head(name: str) -> tuple[str, str, str]:
    """Splits a name at the first "/" or ":" into head, separator and rest."""
    match = re.search("[/:]", name)
    return (name[: match.start()], match[0], name[match.end() :]) if match else (name, "", "")


def _by_name(name: str, env: Environment) -> _Target:
    provider, api, model = _split(name, env)
    base_url, query, official = _place(provider, env)
    if official and _is_name_of(provider, _head(model)):
        model = _head(model)[2]  # openai-chat/openai/gpt-5.4 at OpenAI itself
    if api in (CHAT, RESPONSES):
        base_url += provider.compatible_path
    model = _in_namespace(provider, model)
    return _target(provider, api, model, base_url, query, official=official, trusted=True, key_owner=provider, env=env)


def _in_namespace(provider: Provider, model: str) -> str:
    """Returns the model's id with the provider's namespace, if its ids have one that users omit: openrouter/auto."""
    return provider.namespace + model if re.fullmatch(provider.in_namespace, model) else model


def _is_name_of(provider: Provider, head: tuple[str, str, str]) -> bool:
    """Whether a name, as split by `_head`, starts with the provider's prefix, and not with one of its model ids."""
    return head[1] == "/" and bool(head[2]) and provider.own_prefix and BY_ANY_NAME.get(head[0].lower()) is provider


def _split(name: str, env: Environment) -> tuple[Provider, str, str]:
    """Returns provider, API ("" for its default) and model. Raises UnknownModel."""
    head, sign, rest = _head(name)
    api = ""
    if head in (CHAT, RESPONSES):
        # An API alone implies its vendor; a provider may follow: openai-responses/azure/gpt-5.4.
        api, inner = head, _head(rest)
        provider = BY_ANY_NAME.get(inner[0]) if inner[1] == "/" else None
        if provider is None or provider is STANDARD:
            provider = STANDARD  # openai/gpt-oss-120b is a complete model id on many servers
        elif api in provider.apis:
            rest = inner[2]
        else:
            raise ConfigurationError(
                f"{provider.name} does not speak {api}.", hint=f"Write {provider.name}/{inner[2]}."
            )
    else:
        provider = BY_ANY_NAME.get(head.lower()) if sign else None
        if provider is None:
            for owner in PROVIDERS.values():
                if owner.bare_names and re.match(owner.bare_names, name):
                    return owner, "", name
            raise _unknown_model(name, env)
    if not rest:
        raise UnknownModel(
            f"{name!r} does not name a model.", hint=f'Write the full name, as in "{_example(provider)}".'
        )
    return provider, api, rest


def _nearest(name: str) -> list[str]:
    """Returns names that resolve and may have been meant, likeliest first."""
    import difflib

    head, sign, rest = _head(name)
    if difflib.get_close_matches(name.lower(), ["offline"], cutoff=0.8):
        return ["offline"]
    if head.lower() in BY_ANY_NAME:
        return [_example(BY_ANY_NAME[head.lower()])]
    if sign == "/" and rest:
        near = difflib.get_close_matches(head.lower(), BY_ANY_NAME, n=2, cutoff=0.7)
        if near:
            return [f"{known}/{rest}" for known in dict.fromkeys(BY_ANY_NAME[one].name for one in near)]
    last = name.rpartition("/")[2].lower()
    family = [f"{owner}/{name}" for stem, owners in FAMILIES if last.startswith(stem) for owner in owners]
    if family:
        return family
    if sign and rest:
        near = difflib.get_close_matches(head.lower(), BY_ANY_NAME, n=1, cutoff=0.7)
        return [f"{BY_ANY_NAME[one].name}/{rest}" for one in near]
    bare = {owner.example: owner for owner in PROVIDERS.values() if owner.bare_names}
    return [_example(bare[one]) for one in difflib.get_close_matches(name.lower(), bare, n=1, cutoff=0.6)]


def _unknown_model(name: str, env: Environment) -> UnknownModel:
    written = _nearest(name)
    if written:
        hint = f"Did you mean {' or '.join(f'{one!r}' for one in written[:3])}?"
    else:
        hint = "Write provider/model, as in 'openai/gpt-5.4' or 'ollama/llama3.2'."
    for variable in STANDARD.base_url_variables:
        if value_of(env, variable):
            hint += f" For the server in {variable}, write {f'{STANDARD.name}/{name}'!r}."
            break
    else:
        hint += " For your own server, pass base_url=."
    return UnknownModel(f"Unknown model {name!r}.", hint=hint)


def _example(provider: Provider) -> str:
    return f"{provider.name}/{provider.example}"


# --- base URLs


def _place(provider: Provider, env: Environment) -> tuple[str, Mapping[str, str], bool]:
    """Returns base URL, query, and whether it is the provider's own, if only variables set it."""
    for variable in provider.base_url_variables:
        if value := value_of(env, variable):
            if provider.read_url is not None:
                return provider.read_url(value), {}, False
            base_url, query = checked_url(value, variable)
            tail = provider.base_url_tail
            return base_url.removesuffix(tail) + tail, query, provider.token != "" or _owns(provider, base_url)
    if provider.build_url is not None:
        return provider.build_url(env), {}, True
    return provider.base_url, {}, True


def _at_url(name: str, base_url: str, env: Environment) -> _Target:
    """Resolves a name at a given base URL."""
    url, query = checked_url(base_url, "base_url")
    host = next((provider for provider in PROVIDERS.values() if _owns(provider, url)), None)
    held = next((provider for provider in PROVIDERS.values() if url in _variable_urls(provider, env)), None)
    head, sign, rest = _head(name)
    named = _named(head, sign) if rest else None
    api, model, owner = "", name, host or held
    if rest and head in (CHAT, RESPONSES):
        api, model = head, rest
    elif host is not None:
        # The host decides whose it is; other providers' names are prefixes of a router's model ids.
        if rest and head in API_MODULES and _speaks(host, head, url):
            api, model = head, rest
        elif named is host:
            model = _in_namespace(host, rest)
    elif named is not None:
        api, model, owner = head if head in API_MODULES else "", rest, named
    trusted = owner is not None and owner in (host, held)
    key_owner = host or held or named
    return _target(
        owner or _unknown_server(url),
        api,
        model,
        url,
        query,
        official=host is not None,
        trusted=trusted,
        key_owner=key_owner,
        env=env,
    )


def _named(head: str, sign: str) -> Provider | None:
    """Returns the provider of a prefix at the user's own URL, where models may have names like `mistral:7b` or
    `google/gemma-3`."""
    if head.lower() in PUBLISHERS or (sign == ":" and head not in API_MODULES):
        return None
    return BY_ANY_NAME.get(head.lower())


def _unknown_server(url: str) -> Provider:
    """Returns the provider for an unknown server: its address is its name, and its port may identify it."""
    parts = urlsplit(url)
    name = parts.netloc.lower()
    for known in PROVIDERS.values():
        if known.port and known.port == parts.port:
            return Provider(
                name=name,
                example="",
                local=True,
                quirks=known.quirks or known.name,
                start_hint=known.start_hint,
                model_hint=known.model_hint,
            )
    return Provider(name=name, example="", local=True)


def _speaks(owner: Provider, api: str, url: str) -> bool:
    """Whether the prefix `api/` means the API there: a router may have model ids that start with it."""
    return api in owner.apis or f"/{api}" in urlsplit(url).path


def _target(
    provider: Provider,
    api: str,
    model: str,
    base_url: str,
    query: Mapping[str, str],
    *,
    official: bool,
    trusted: bool,
    key_owner: Provider | None,
    env: Environment,
) -> _Target:
    """Chooses the API if the name did not, and completes the base URL for that API's paths."""
    if not api:
        api = provider.apis[0]
        if (api == RESPONSES and not official) or (api != CHAT and re.search(r"/openai(/v1)?$", base_url)):
            api = CHAT  # compatible servers have it; some vendors offer a compatible endpoint beside their own API
    model = model.removeprefix(MODEL_PREFIXES.get(api, ""))
    for tail in API_TAILS.get(api, ()):
        if urlsplit(base_url).path.endswith(tail):  # the path only: a host may be called api
            base_url = base_url.removesuffix(tail)
            break
    if provider.deployment_url is not None:
        base_url, query = provider.deployment_url(base_url, query, model, env, chat=api == CHAT)
    return _Target(provider, api, model, base_url, query, official, trusted, key_owner)


def _owns(provider: Provider, url: str) -> bool:
    """Whether the URL's host is one of the provider's; a local server owns none."""
    if provider.local:
        return False
    host = urlsplit(url).hostname or ""
    own = urlsplit(provider.base_url).hostname
    if not host.startswith(provider.host_prefix):
        return False
    return host == own or any(
        host.endswith(one) if one.startswith((".", "-")) else host == one for one in provider.hosts
    )


def _variable_urls(provider: Provider, env: Environment) -> set[str]:
    values = (value_of(env, variable).rstrip("/") for variable in provider.base_url_variables)
    return {value for value in values if value}


# --- keys


def _endpoint(target: _Target, api_key: Secret | None, env: Environment) -> Endpoint:
    provider = target.provider
    key, header = _key(target, api_key, env)
    headers: dict[str, str] = {}
    if target.trusted:
        for name, variable in provider.header_variables.items():
            if value_of(env, variable):
                headers[name] = value_of(env, variable)
                if not headers[name].isascii() or not headers[name].isprintable():
                    raise ConfigurationError(
                        f"{variable} holds characters that are not allowed in a header.",
                        hint="Set it to a valid value.",
                    )
    return Endpoint(
        provider=provider.name,
        api=target.api,
        base_url=target.base_url,
        key=key,
        key_header=header,
        token=provider.token if key is None and target.trusted else "",
        headers=headers,
        query=target.query,
        quirks=_quirks(target),
        start_hint=provider.start_hint,
        model_hint=provider.model_hint,
    )


def _key(target: _Target, api_key: Secret | None, env: Environment) -> tuple[Secret | None, str]:
    """Returns the key, and its header if it is not the API's own. Raises MissingKey, ConfigurationError."""
    provider, owner = target.provider, target.key_owner
    # A local replacement of a provider checks no key.
    needed = target.official and not provider.local and not is_loopback(target.base_url)
    if api_key is not None and api_key.reveal().strip():
        return _checked_key(api_key, "api_key", provider, needed), provider.key_header
    if owner is not None:
        for variables, header in (
            (owner.key_variables, provider.key_header),
            (owner.token_variables, "authorization"),
        ):
            for variable in variables:
                if env.get(variable, "").strip():
                    return _checked_key(Secret(env[variable]), variable, provider, needed), header
    if needed and not provider.token:
        raise MissingKey(f"No key for {provider.name}.", hint=_key_hint(provider))
    return None, ""


def _key_hint(provider: Provider) -> str:
    return f'Set {" or ".join(provider.key_variables)} or pass api_key=. To try without a key: model="offline".'


_PLACEHOLDER: Final = (
    r"(<.*>|\{.*\}|\$[\w{}-]+|(sk-)?[x.*…-]*|.*\byour\b.*(key|token).*|.*(key|token).*\bhere\b.*|change-?me|todo)"
)
"""Placeholders for a key, as found in examples."""


def _checked_key(key: Secret, where: str, provider: Provider, needed: bool) -> Secret:
    """Returns the key if it is valid; it is never shown."""
    if needed and _is_placeholder(key):
        raise MissingKey(f"No key for {provider.name}: {where} holds a placeholder.", hint=_key_hint(provider))
    if fault := _fault(key.reveal()):
        raise ConfigurationError(
            f"The key for {provider.name} ({where}) holds {fault}.",
            hint='Give the key alone, without quotes, spaces, line breaks or "Bearer".',
        )
    return key


def _is_placeholder(key: Secret) -> bool:
    return re.fullmatch(_PLACEHOLDER, key.reveal().strip().replace("_", "-"), re.IGNORECASE) is not None


def _fault(text: str) -> str:
    """Returns why a key cannot be a header's value; "" if it can."""
    if not text.isascii():
        return "a character that is not ASCII"
    if re.search(r"[\r\n]", text):
        return "a line break"
    if re.search(r"\s", text):
        return "a space"
    if not text.isprintable():
        return "a control character"
    return "quotation marks" if text[0] in "\"'" else ""


def _quirks(target: _Target) -> Quirks:
    """Returns the server's quirks from the API's module; the defaults if it is unknown."""
    provider = target.provider
    if target.api not in (CHAT, RESPONSES) or (provider.apis[0] == RESPONSES and not target.official):
        return Quirks()
    known: Any = getattr(load_api(target.api), "QUIRKS", {})
    quirks: Quirks = known.get(provider.quirks or provider.name, Quirks())
    return quirks
