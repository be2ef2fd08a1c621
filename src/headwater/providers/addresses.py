"""Base URLs that have to be built: from variables, regions, projects and deployments, vendor by vendor.

Pure: the environment is passed in. `catalog` says which provider uses which.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from headwater.errors import ConfigurationError

__all__ = (
    "Environment",
    "azure_deployment",
    "bedrock_base_url",
    "checked_url",
    "is_loopback",
    "no_azure_endpoint",
    "ollama_base_url",
    "value_of",
    "vertex_base_url",
)

Environment: TypeAlias = Mapping[str, str]


def value_of(env: Environment, name: str) -> str:
    """Returns a variable's value; an empty or blank one counts as not set."""
    return env.get(name, "").strip()


def checked_url(text: str, where: str) -> tuple[str, dict[str, str]]:
    """Returns a base URL without trailing slashes, and its query. Raises ConfigurationError."""
    text = text.strip()
    hint = 'Write the full URL, with http:// or https://, as in "http://localhost:8000/v1".'
    try:
        parts: SplitResult | None = urlsplit(text)
        assert parts is not None
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port, unbalanced brackets
        parts, good = None, False
    if "@" in (parts.netloc if parts else text):
        raise ConfigurationError(
            f"{where} holds a user name or password.", hint="Leave it out, and pass a token as api_key=."
        )
    if parts is None or not good or re.search(r"[\s\x00-\x1f\x7f\ud800-\udfff]", text):
        # The value is not shown: it may be a key in the wrong place.
        raise ConfigurationError(f"{where} is not an http(s) URL.", hint=hint)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", dict(parse_qsl(parts.query, keep_blank_values=True))


def is_loopback(url: str) -> bool:
    """Returns whether a base URL is on the local machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_DATED: Final = r"\d{4}-\d{2}-\d{2}"


def azure_deployment(
    base_url: str, query: Mapping[str, str], model: str, env: Environment, *, chat: bool
) -> tuple[str, Mapping[str, str]]:
    """Returns Azure's URL of a deployment: without a date, or with one if a dated API version is configured."""
    version = query.get("api-version") or value_of(env, "OPENAI_API_VERSION")
    if version:
        query = {**query, "api-version": version}
    if "/deployments/" in base_url:
        return base_url, query
    undated = base_url.endswith("/openai/v1")
    root = base_url.removesuffix("/v1").removesuffix("/openai")
    if undated or not re.match(_DATED, version):
        return f"{root}/openai/v1", {} if undated and re.match(_DATED, version) else query
    return (f"{root}/openai/deployments/{quote(model, safe='', errors='replace')}" if chat else f"{root}/openai"), query


def no_azure_endpoint(env: Environment) -> str:
    """Raises ConfigurationError: an Azure resource has no default address."""
    raise ConfigurationError(
        "No endpoint for azure.",
        hint='Set AZURE_OPENAI_ENDPOINT, or pass base_url="https://NAME.openai.azure.com/openai/v1".',
    )


def bedrock_base_url(env: Environment) -> str:
    """Returns Bedrock's compatible endpoint in the environment's region. Raises ConfigurationError."""
    region = value_of(env, "AWS_REGION") or value_of(env, "AWS_DEFAULT_REGION")
    form = "https://bedrock-mantle.{}.api.aws/v1"
    if not re.fullmatch(r"[a-z]{2,8}(-[a-z0-9]+)+-\d+", region):
        raise ConfigurationError(
            f"AWS_REGION is not a valid region: {region!r}." if region else "No region for bedrock.",
            hint=f'Set AWS_REGION, as in us-east-1, or pass base_url="{form.format("REGION")}".',
        )
    return form.format(region)


def vertex_base_url(env: Environment) -> str:
    """Returns Vertex AI's compatible endpoint for the environment's project and location. Raises ConfigurationError."""
    project = value_of(env, "GOOGLE_CLOUD_PROJECT")
    location = value_of(env, "GOOGLE_CLOUD_LOCATION") or "global"
    form = "https://{}/v1/projects/{}/locations/{}/endpoints/openapi"
    if not re.fullmatch(r"[a-z0-9.:-]+", project) or not re.fullmatch(r"[a-z0-9-]+", location):
        url = form.format("aiplatform.googleapis.com", "PROJECT", "global")
        raise ConfigurationError(
            "GOOGLE_CLOUD_PROJECT or GOOGLE_CLOUD_LOCATION is not valid." if project else "No project for vertex.",
            hint=f'Set GOOGLE_CLOUD_PROJECT (and GOOGLE_CLOUD_LOCATION), or pass base_url="{url}".',
        )
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif location in ("us", "eu"):  # several regions under one name
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return form.format(host, quote(project, safe=""), location)


def ollama_base_url(host: str) -> str:
    """Returns OLLAMA_HOST, in any form that Ollama accepts, as a base URL.

    A host alone is on port 11434; a URL without a port on that of its scheme. Listening addresses (0.0.0.0, ::)
    become the loopback address, where clients connect. Source: ollama's envconfig. Raises ConfigurationError.
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
    url, _ = checked_url(f"{scheme}://{name}:{port or default}{'/' + path if path else ''}", "OLLAMA_HOST")
    return url
