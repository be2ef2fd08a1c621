"""Which providers there are, and what a model's name, a base URL, a key and the environment's variables come to.

Owns the table of names, APIs, base URLs and variables, and the rules by which a name is split. It reads nothing by
itself: the environment is passed in. An API's module is named here as a string and imported when first asked for. The
models `offline` and `replay:FILE` are no provider's; `is_offline` and `replay_path` tell them apart before `resolve`.
"""

from __future__ import annotations

import difflib
import importlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

import msgspec

from headwater.errors import ConfigurationError, MissingKey, ModelNotNamed, UnknownModel
from headwater.providers.catalog import API_MODULES, BY_ANY_NAME, CHAT, PROVIDERS, RESPONSES, Provider
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
    "ollama_base_url",
    "replay_path",
    "resolve",
)

Environment: TypeAlias = Mapping[str, str]

MODEL_VARIABLE: Final = "HEADWATER_MODEL"


# --- what users see


class Resolved(msgspec.Struct, frozen=True):
    """Whom to ask, and what they call the model."""

    endpoint: Endpoint
    model: str


class KeyVariable(NamedTuple):
    """A variable that may hold a provider's key, and whether it does."""

    provider: str
    variable: str
    found: bool


def known_keys(env: Environment) -> list[KeyVariable]:
    """Every variable that may hold a key or a token, provider by provider, and whether `env` has it."""
    return [
        KeyVariable(provider.name, variable, bool(_value(env, variable)))
        for provider in PROVIDERS.values()
        for variable in (*provider.key_variables, *provider.token_variables)
    ]


def load_api(name: str) -> API:
    """The module that speaks the API `name`, imported when first asked for. Raises ConfigurationError."""
    if name not in API_MODULES:
        raise ConfigurationError(f"There is no API {name!r}.", hint=f"There are {', '.join(API_MODULES)}.")
    return cast(API, importlib.import_module(API_MODULES[name]))


def is_offline(name: str) -> bool:
    """Whether `name` is a model that asks no provider: `offline`, alone or with a shape behind it."""
    return name == "offline" or name.startswith(("offline/", "offline:"))


def replay_path(name: str) -> str | None:
    """The file in `replay:FILE`; None where the name is another."""
    return name.removeprefix("replay:") if name.startswith("replay:") else None


def model_name(name: str | None, env: Environment) -> str:
    """The model to use: the one named, else the one in HEADWATER_MODEL.

    Raises ModelNotNamed, which says which keys were found and what to write.
    """
    named = (name or "").strip() or _value(env, MODEL_VARIABLE)
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
    """Where a model is asked for, with which key, and by which name.

    Without `base_url` the name says the provider, and its variables in `env` the rest; with it the name arrives as it
    is, but for the prefix of an API. A key from `env` is sent to hosts that are its provider's, or that the provider's
    own variable names, and to no other.

    Raises ModelNotNamed, UnknownModel, MissingKey, and ConfigurationError for a URL or key that cannot be one.
    Source: spec/02.
    """
    name = model_name(name, env)
    target = _at_url(name, base_url, env) if base_url and base_url.strip() else _by_name(name, env)
    # From here on the key shows in no frame, should a tool print the variables of a traceback.
    key = Secret(api_key) if isinstance(api_key, str) else api_key
    del api_key
    return Resolved(_endpoint(target, key, env), target.model)


class _Target(NamedTuple):
    """A name that has been understood, before its key."""

    provider: Provider
    api: str
    model: str
    base_url: str
    query: Mapping[str, str]
    official: bool
    """Whether the base URL is the provider's own: then a key is needed."""
    trusted: bool
    """Whether the provider's variables (keys, headers) may be sent there."""


# --- names


def _head(name: str) -> tuple[str, str, str]:
    """What stands before the first "/" or ":", that sign, and the rest."""
    match = re.search("[/:]", name)
    return (name[: match.start()], match[0], name[match.end() :]) if match else (name, "", "")


_BARE: Final = (
    # gpt-oss is open: OpenAI gives its weights away and does not serve it.
    (r"(gpt-(?!oss)|chatgpt-|codex-|o\d+($|-)|ft:(gpt|o\d))", "openai"),
    (r"claude-", "anthropic"),
    (r"gemini-", "gemini"),
)


def _by_name(name: str, env: Environment) -> _Target:
    provider, api, model = _split(name, env)
    if provider.namespace and "/" not in model:
        model = provider.namespace + model
    base_url, query, official = _place(provider, env)
    if api in (CHAT, RESPONSES):
        base_url += provider.compatible_path
    return _target(provider, api, model, base_url, query, official=official, trusted=True, env=env)


def _split(name: str, env: Environment) -> tuple[Provider, str, str]:
    """Provider, API ("" for its default) and model. Raises UnknownModel."""
    head, sign, rest = _head(name)
    api = ""
    if head in (CHAT, RESPONSES):
        # The API alone means OpenAI; a provider may follow: openai-responses/azure/gpt-5.4.
        api, inner = head, _head(rest)
        provider = BY_ANY_NAME.get(inner[0]) if inner[1] == "/" else None
        if provider is None:
            provider = PROVIDERS["openai"]
        elif api in provider.apis:
            rest = inner[2]
        else:
            raise ConfigurationError(
                f"{provider.name} does not speak {api}.", hint=f"Write {provider.name}/{inner[2]}."
            )
    else:
        provider = BY_ANY_NAME.get(head.lower()) if sign else None
        if provider is None:
            for pattern, owner in _BARE:
                if re.match(pattern, name):
                    return PROVIDERS[owner], "", name
            raise _unknown_model(name, env)
    if not rest:
        raise UnknownModel(f"{name!r} names no model.", hint=f'Write it whole, as in "{_example(provider)}".')
    return provider, api, rest


_FAMILIES: Final = (
    ("deepseek", ("deepseek", "openrouter")),
    ("grok", ("xai",)),
    ("mistral", ("mistral", "ollama")),
    ("magistral", ("mistral",)),
    ("codestral", ("mistral",)),
    ("gpt-oss", ("ollama", "groq", "openrouter")),
    ("llama", ("ollama", "groq", "together")),
    ("qwen", ("ollama", "alibaba", "openrouter")),
    ("gemma", ("ollama", "openrouter")),
    ("phi", ("ollama",)),
    ("kimi", ("moonshot", "openrouter")),
    ("glm", ("zai", "openrouter")),
    ("mimo", ("xiaomi", "openrouter")),
)


def _nearest(name: str) -> list[str]:
    """What may have been meant, as names that resolve; the likeliest first."""
    head, sign, rest = _head(name)
    if head.lower() in BY_ANY_NAME:
        return [_example(BY_ANY_NAME[head.lower()])]
    if sign == "/" and rest:
        near = difflib.get_close_matches(head.lower(), BY_ANY_NAME, n=2, cutoff=0.7)
        if near:
            return [f"{known}/{rest}" for known in dict.fromkeys(BY_ANY_NAME[one].name for one in near)]
    last = name.rpartition("/")[2].lower()
    family = [f"{owner}/{name}" for stem, owners in _FAMILIES if last.startswith(stem) for owner in owners]
    if family:
        return family
    if sign and rest:
        near = difflib.get_close_matches(head.lower(), BY_ANY_NAME, n=1, cutoff=0.7)
        return [f"{BY_ANY_NAME[one].name}/{rest}" for one in near]
    bare = {PROVIDERS[owner].example: PROVIDERS[owner] for _, owner in _BARE}
    return [_example(bare[one]) for one in difflib.get_close_matches(name.lower(), bare, n=1, cutoff=0.6)]


def _unknown_model(name: str, env: Environment) -> UnknownModel:
    written = _nearest(name)
    if written:
        hint = f"Did you mean {' or '.join(f'{one!r}' for one in written[:3])}?"
    else:
        hint = "Write provider/model, as in 'openai/gpt-5.4' or 'ollama/llama3.2'."
    for variable in PROVIDERS["openai"].base_url_variables:
        if _value(env, variable):
            hint += f" For the server that {variable} names, write {'openai/' + name!r}."
            break
    else:
        hint += " For a server of your own pass base_url=."
    return UnknownModel(f"Unknown model {name!r}.", hint=hint)


def _example(provider: Provider) -> str:
    return f"{provider.name}/{provider.example}"


# --- places


def _place(provider: Provider, env: Environment) -> tuple[str, Mapping[str, str], bool]:
    """Base URL, query, and whether it is the provider's own, where only variables say."""
    for variable in provider.base_url_variables:
        if value := _value(env, variable):
            if variable == "OLLAMA_HOST":
                return ollama_base_url(value), {}, False
            base_url, query = _checked_url(value, variable)
            tail = provider.base_url_tail
            return base_url.removesuffix(tail) + tail, query, provider.token != "" or _owns(provider, base_url)
    if build := _BUILT.get(provider.name):
        return build(env), {}, True
    return provider.base_url, {}, True


def _at_url(name: str, base_url: str, env: Environment) -> _Target:
    """A name at a base URL that was passed: only the prefix of an API is taken off."""
    url, query = _checked_url(base_url, "base_url")
    owner = next((provider for provider in PROVIDERS.values() if _owns(provider, url)), None)
    official = owner is not None
    if owner is None:
        owner = next((provider for provider in PROVIDERS.values() if url in _variable_urls(provider, env)), None)
    head, _, rest = _head(name)
    api, model = "", name
    if rest and head in API_MODULES and (head in (CHAT, RESPONSES) or _speaks(owner, head, url)):
        api, model = head, rest
    elif rest and official and owner is not None and owner.own_prefix and head == owner.name:
        model = rest
    trusted = owner is not None
    if owner is None:
        owner = PROVIDERS.get(api) or _stranger(url)
    return _target(owner, api, model, url, query, official=official, trusted=trusted, env=env)


_PORTS: Final = {11434: "ollama", 1234: "lmstudio"}
"""Ports that hardly any other server takes: whose they are says how requests are best written."""


def _stranger(url: str) -> Provider:
    """A server that no one told us the name of: it goes by its address."""
    parts = urlsplit(url)
    name = parts.netloc.lower()
    return Provider(name=name, example="", local=True, quirks=_PORTS.get(parts.port or 0, ""))


def _speaks(owner: Provider | None, api: str, url: str) -> bool:
    """Whether `api/` before a name means the API there: someone else's router has models that are named so."""
    return owner is None or api in owner.apis or f"/{api}" in urlsplit(url).path


def _target(
    provider: Provider,
    api: str,
    model: str,
    base_url: str,
    query: Mapping[str, str],
    *,
    official: bool,
    trusted: bool,
    env: Environment,
) -> _Target:
    """Choose the API where the name did not, and make the base URL the one that this API's paths are added to."""
    if not api:
        api = provider.apis[0]
        if (api == RESPONSES and not official) or (api != CHAT and re.search(r"/openai(/v1)?$", base_url)):
            api = CHAT  # what compatible servers have; some vendors keep a compatible door beside their own
    if api == "gemini":
        model = model.removeprefix("models/")
    for tail in _TAILS.get(api, ()):
        if base_url.endswith(tail):
            base_url = base_url.removesuffix(tail)
            break
    if provider.name == "azure":
        base_url, query = _azure(base_url, query, api, model, env)
    return _Target(provider, api, model, base_url, query, official, trusted)


_TAILS: Final = {
    CHAT: ("/chat/completions",),
    RESPONSES: ("/responses",),
    "anthropic": ("/v1/messages", "/v1"),
    "gemini": ("/v1beta/models", "/v1beta"),
    "ollama": ("/api/chat", "/api", "/v1"),
}
"""What people copy into a base URL that is the API's own path; the longest first."""


def _owns(provider: Provider, url: str) -> bool:
    """Whether the URL's host is one of the provider's; a local server owns none."""
    if provider.local:
        return False
    host = urlsplit(url).hostname or ""
    own = urlsplit(provider.base_url).hostname
    if provider.name == "bedrock" and not host.startswith("bedrock-"):
        return False
    return host == own or any(
        host.endswith(one) if one.startswith((".", "-")) else host == one for one in provider.hosts
    )


def _variable_urls(provider: Provider, env: Environment) -> set[str]:
    values = (_value(env, variable).rstrip("/") for variable in provider.base_url_variables)
    return {value for value in values if value}


def _checked_url(text: str, where: str) -> tuple[str, dict[str, str]]:
    """A base URL without its trailing slashes, and its query apart. Raises ConfigurationError."""
    text = text.strip()
    hint = 'Write it whole, with http:// or https:// before it, as in "http://localhost:8000/v1".'
    try:
        parts: SplitResult | None = urlsplit(text)
        assert parts is not None
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not match
        parts, good = None, False
    if "@" in (parts.netloc if parts else text):
        raise ConfigurationError(
            f"{where} holds a user name or password.", hint="Leave it out, and pass a token as api_key=."
        )
    if parts is None or not good or re.search(r"[\s\x00-\x1f\x7f]", text):
        # Not shown: a key is soon set where an address belongs.
        raise ConfigurationError(f"{where} is no http(s) URL.", hint=hint)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", dict(parse_qsl(parts.query, keep_blank_values=True))


_DATED: Final = r"\d{4}-\d{2}-\d{2}"


def _azure(
    base_url: str, query: Mapping[str, str], api: str, model: str, env: Environment
) -> tuple[str, Mapping[str, str]]:
    """Azure's address of a deployment: the undated one, or the dated one where a dated version is asked for."""
    version = query.get("api-version") or _value(env, "OPENAI_API_VERSION")
    if version:
        query = {**query, "api-version": version}
    if "/deployments/" in base_url:
        return base_url, query
    undated = base_url.endswith("/openai/v1")
    root = base_url.removesuffix("/v1").removesuffix("/openai")
    if undated or not re.match(_DATED, version):
        return f"{root}/openai/v1", {} if undated and re.match(_DATED, version) else query
    return (f"{root}/openai/deployments/{quote(model, safe='')}" if api == CHAT else f"{root}/openai"), query


def _no_azure(env: Environment) -> str:
    raise ConfigurationError(
        "No endpoint for azure.",
        hint='Set AZURE_OPENAI_ENDPOINT, or pass base_url="https://NAME.openai.azure.com/openai/v1".',
    )


def _bedrock(env: Environment) -> str:
    region = _value(env, "AWS_REGION") or _value(env, "AWS_DEFAULT_REGION")
    form = "https://bedrock-mantle.{}.api.aws/v1"
    if not re.fullmatch(r"[a-z]{2,8}(-[a-z0-9]+)+-\d+", region):
        raise ConfigurationError(
            f"AWS_REGION is no region: {region!r}." if region else "No region for bedrock.",
            hint=f'Set AWS_REGION, as in us-east-1, or pass base_url="{form.format("REGION")}".',
        )
    return form.format(region)


def _vertex(env: Environment) -> str:
    project = _value(env, "GOOGLE_CLOUD_PROJECT")
    location = _value(env, "GOOGLE_CLOUD_LOCATION") or "global"
    form = "https://{}/v1/projects/{}/locations/{}/endpoints/openapi"
    if not re.fullmatch(r"[a-z0-9.:-]+", project) or not re.fullmatch(r"[a-z0-9-]+", location):
        url = form.format("aiplatform.googleapis.com", "PROJECT", "global")
        raise ConfigurationError(
            "GOOGLE_CLOUD_PROJECT or GOOGLE_CLOUD_LOCATION is none." if project else "No project for vertex.",
            hint=f'Set GOOGLE_CLOUD_PROJECT (and GOOGLE_CLOUD_LOCATION), or pass base_url="{url}".',
        )
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif location in ("us", "eu"):  # several regions under one name
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return form.format(host, quote(project, safe=""), location)


_BUILT: Final[Mapping[str, Callable[[Environment], str]]] = {
    "azure": _no_azure,
    "bedrock": _bedrock,
    "vertex": _vertex,
}


def ollama_base_url(host: str) -> str:
    """OLLAMA_HOST, in any form that Ollama takes, as a base URL.

    A host alone is on port 11434; a URL without a port on that of its scheme. Addresses to listen on (0.0.0.0, ::)
    become the loopback, which is where one connects. Source: ollama's envconfig. Raises ConfigurationError.
    """
    text = host.strip().strip("\"'").strip()
    scheme, sign, rest = text.partition("://")
    if not sign:
        scheme, rest = ("https", "ollama.com:443") if text == "ollama.com" else ("http", text)
    default = {"http": "80", "https": "443"}.get(scheme, "") if sign else "11434"
    place, _, path = rest.partition("/")
    if place.startswith("[") and "]" in place:
        name, _, tail = place[1:].partition("]")
        port = tail.removeprefix(":")
    elif place.count(":") > 1:
        name, port = place, ""  # an IPv6 address without its brackets
    else:
        name, _, port = place.partition(":")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        name = name or "127.0.0.1"
    else:
        loopback = "127.0.0.1" if address.version == 4 else "::1"
        name = loopback if address.is_unspecified else str(address)
        name = f"[{name}]" if address.version == 6 else name
    path = path.strip("/")
    url, _ = _checked_url(f"{scheme}://{name}:{port or default}{'/' + path if path else ''}", "OLLAMA_HOST")
    return url


# --- keys


def _endpoint(target: _Target, api_key: Secret | None, env: Environment) -> Endpoint:
    provider = target.provider
    key, header = _key(target, api_key, env)
    headers: dict[str, str] = {}
    if target.trusted:
        for name, variable in provider.header_variables.items():
            if _value(env, variable):
                headers[name] = _value(env, variable)
                if not headers[name].isascii() or not headers[name].isprintable():
                    raise ConfigurationError(f"{variable} holds characters that no header can.", hint="Set it anew.")
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
    )


def _key(target: _Target, api_key: Secret | None, env: Environment) -> tuple[Secret | None, str]:
    """The key, and the header for it where it is not the API's own. Raises MissingKey, ConfigurationError."""
    provider = target.provider
    needed = target.official and not provider.local
    if api_key is not None and api_key.reveal().strip():
        return _checked_key(api_key, "api_key", provider, needed), provider.key_header
    if target.trusted:
        for variables, header in (
            (provider.key_variables, provider.key_header),
            (provider.token_variables, "authorization"),
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
"""What stands in examples where a key belongs."""


def _checked_key(key: Secret, where: str, provider: Provider, needed: bool) -> Secret:
    """The key, if it can be one; it is never shown."""
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
    """What in a key no header can hold, or no key has; "" where all is well."""
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
    """How this server differs, from the module that knows; the defaults where nothing is known of it."""
    provider = target.provider
    if target.api != CHAT or (provider.apis[0] == RESPONSES and not target.official):
        return Quirks()
    known: Any = getattr(importlib.import_module(API_MODULES[CHAT]), "QUIRKS", {})
    quirks: Quirks = known.get(provider.quirks or provider.name, Quirks())
    return quirks


def _value(env: Environment, variable: str) -> str:
    """A variable's value; one that is empty or blank counts as not set."""
    return env.get(variable, "").strip()
