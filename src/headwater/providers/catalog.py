"""The table of providers: their names, APIs, base URLs, hosts and the variables that hold their keys.

Owns facts only: whatever one provider needs and another does not is a field of the table. `registry` resolves names,
URLs and the environment with it; its functions are in `addresses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol

import msgspec

from headwater.providers.addresses import (
    Environment,
    azure_deployment,
    bedrock_base_url,
    no_azure_endpoint,
    ollama_base_url,
    vertex_base_url,
)

__all__ = (
    "API_MODULES",
    "API_TAILS",
    "BY_ANY_NAME",
    "CHAT",
    "FAMILIES",
    "LEAST_OUTPUT",
    "MODEL_PREFIXES",
    "PRICE_FLAVORS",
    "PROVIDERS",
    "PUBLISHERS",
    "RESPONSES",
    "STANDARD",
    "TOKEN_SCOPES",
    "Provider",
)

API_MODULES: Final[Mapping[str, str]] = {
    "openai-chat": "headwater.providers.openai_chat",
    "openai-responses": "headwater.providers.openai_responses",
    "anthropic": "headwater.providers.anthropic",
    "gemini": "headwater.providers.gemini",
    "ollama": "headwater.providers.ollama",
}
"""The module of each API; the names are also valid prefixes of a model's name."""

TOKEN_SCOPES: Final[Mapping[str, str]] = {
    "azure": "https://cognitiveservices.azure.com/.default",
    "google": "https://www.googleapis.com/auth/cloud-platform",
}
"""The scopes to request for a bearer token, by `Endpoint.token`."""

PRICE_FLAVORS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai-chat": ("chat", "default"),
    "openai-responses": ("responses",),
    "anthropic": ("default", "anthropic"),
    "gemini": ("default",),
}
"""What genai-prices calls the usage report of each API."""

LEAST_OUTPUT: Final[Mapping[str, int]] = {"openai-responses": 16}
"""The smallest `max_tokens` that an API accepts, if it is more than 1."""

CHAT: Final = "openai-chat"
RESPONSES: Final = "openai-responses"

API_TAILS: Final[Mapping[str, tuple[str, ...]]] = {
    CHAT: ("/chat/completions",),
    RESPONSES: ("/responses",),
    "anthropic": ("/v1/messages", "/v1"),
    "gemini": ("/v1beta/models", "/v1beta"),
    "ollama": ("/api/chat", "/api", "/v1"),
}
"""API paths that users copy into a base URL; longest first."""

MODEL_PREFIXES: Final[Mapping[str, str]] = {"gemini": "models/"}
"""Prefixes of model names in an API's lists that its requests do not have."""


class DeploymentURL(Protocol):
    """Builds the base URL and query of one model's deployment."""

    def __call__(
        self, base_url: str, query: Mapping[str, str], model: str, env: Environment, /, *, chat: bool
    ) -> tuple[str, Mapping[str, str]]:
        """`chat` says whether the API is Chat Completions. Raises ConfigurationError."""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, and how to reach it.

    The API's own path is appended to `base_url`: `/chat/completions` and `/responses`, Anthropic's `/v1/messages`,
    Gemini's `/v1beta/models/…`, Ollama's `/api/chat`. It is "" if it is built from variables (azure, bedrock, vertex).
    """

    name: str
    example: str
    """One of its models, for hints; it resolves with the provider's name before it."""
    apis: tuple[str, ...] = (CHAT, RESPONSES)
    """The APIs that it offers, the default first."""
    base_url: str = ""
    key_variables: tuple[str, ...] = ()
    """The variables searched for the key, in order."""
    token_variables: tuple[str, ...] = ()
    """The variables searched for a bearer token if there is no key."""
    base_url_variables: tuple[str, ...] = ()
    base_url_tail: str = ""
    """The suffix that the vendor's own packages add to the value of the base-URL variable."""
    header_variables: Mapping[str, str] = {}
    """Additional headers, and the variables that hold their values."""
    hosts: tuple[str, ...] = ()
    """Its hosts besides that of `base_url`; a leading dot matches any name before it."""
    local: bool = False
    """Whether it runs on the user's own machine and needs no key."""
    compatible_path: str = ""
    """The path added to `base_url` for Chat Completions, if the provider has another API of its own."""
    key_header: str = ""
    token: Literal["", "azure", "google"] = ""
    """Whose credentials replace a missing key. They are not fetched here; see `TOKEN_SCOPES`."""
    namespace: str = ""
    """The prefix added to model names that match `in_namespace`."""
    in_namespace: str = r"[^/]+"
    """A pattern of names that belong to the namespace: those without a slash."""
    bare_names: str = ""
    """A pattern of model names that mean this provider even without its prefix."""
    build_url: Callable[[Environment], str] | None = None
    """Builds the base URL if it depends on other variables. Raises ConfigurationError."""
    read_url: Callable[[str], str] | None = None
    """Reads the base-URL variable if its value need not be a URL. Raises ConfigurationError."""
    deployment_url: DeploymentURL | None = None
    """Builds the base URL if it depends on the model."""
    host_prefix: str = ""
    """The prefix of its hosts, if `hosts` alone would match others' too."""
    port: int = 0
    """A port that few other servers use: a server on it is treated as this provider's."""
    start_hint: str = ""
    """The hint if no local server answers."""
    model_hint: str = ""
    """The hint if it does not have the model."""
    own_prefix: bool = False
    """Whether none of its model ids starts with its name, so that the prefix `name/` is never part of an id."""
    quirks: str = ""
    """The key of its server's quirks in `openai_chat.QUIRKS`; "" is the provider's name."""
    aliases: tuple[str, ...] = ()


_TABLE = (
    Provider(
        name="openai",
        example="gpt-5.4",
        apis=(RESPONSES, CHAT),
        base_url="https://api.openai.com/v1",
        key_variables=("OPENAI_API_KEY",),
        base_url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        header_variables={"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"},
        hosts=(".api.openai.com",),  # eu.api.openai.com and other data residency regions
        # gpt-oss has open weights, and OpenAI does not serve it.
        bare_names=r"(gpt-(?!oss)|chatgpt-|codex-|o\d+($|-)|ft:(gpt|o\d))",
        own_prefix=True,
    ),
    Provider(
        name="azure",
        example="gpt-5.4",
        key_variables=("AZURE_OPENAI_API_KEY",),
        token_variables=("AZURE_OPENAI_AD_TOKEN",),
        base_url_variables=("AZURE_OPENAI_ENDPOINT",),
        hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com"),
        build_url=no_azure_endpoint,
        deployment_url=azure_deployment,
        key_header="api-key",
        token="azure",
        own_prefix=True,
        aliases=("azure-openai", "azure_openai"),
    ),
    Provider(
        name="anthropic",
        example="claude-sonnet-5",
        apis=("anthropic", CHAT),
        compatible_path="/v1",
        base_url="https://api.anthropic.com",
        key_variables=("ANTHROPIC_API_KEY",),
        token_variables=("ANTHROPIC_AUTH_TOKEN",),
        base_url_variables=("ANTHROPIC_BASE_URL",),
        bare_names="claude-",
    ),
    Provider(
        name="gemini",
        example="gemini-flash-latest",
        apis=("gemini", CHAT),
        compatible_path="/v1beta/openai",
        base_url="https://generativelanguage.googleapis.com",
        key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        base_url_variables=("GOOGLE_GEMINI_BASE_URL",),
        quirks="vertex",  # of the compatible endpoint that both have
        aliases=("google", "google-genai", "google_genai", "google-gla"),
        bare_names="gemini-",
    ),
    Provider(
        name="groq",
        example="openai/gpt-oss-120b",
        base_url="https://api.groq.com/openai/v1",
        key_variables=("GROQ_API_KEY",),
        base_url_variables=("GROQ_BASE_URL",),
        base_url_tail="/openai/v1",
        namespace="groq/",
        in_namespace=r"compound(-mini)?",
    ),
    Provider(
        name="ollama",
        example="llama3.2",
        apis=("ollama", CHAT, RESPONSES),
        compatible_path="/v1",
        base_url="http://127.0.0.1:11434",
        key_variables=("OLLAMA_API_KEY",),
        base_url_variables=("OLLAMA_HOST",),
        read_url=ollama_base_url,
        local=True,
        port=11434,
        start_hint="Ollama is not running there. Start it with `ollama serve`, or set OLLAMA_HOST.",
        model_hint="List the installed models with `ollama list`, and install others with `ollama pull NAME`.",
        aliases=("ollama_chat",),
    ),
    Provider(
        name="openrouter",
        example="openai/gpt-5.4",
        base_url="https://openrouter.ai/api/v1",
        key_variables=("OPENROUTER_API_KEY",),
        base_url_variables=("OPENROUTER_BASE_URL",),
        namespace="openrouter/",  # its own models: openrouter/auto
    ),
    Provider(
        name="deepseek",
        example="deepseek-chat",
        base_url="https://api.deepseek.com",
        key_variables=("DEEPSEEK_API_KEY",),
        base_url_variables=("DEEPSEEK_BASE_URL",),
    ),
    Provider(
        name="xai",
        example="grok-4",
        base_url="https://api.x.ai/v1",
        key_variables=("XAI_API_KEY",),
        base_url_variables=("XAI_BASE_URL",),
        hosts=(".api.x.ai",),
        aliases=("grok", "x-ai"),
    ),
    Provider(
        name="mistral",
        example="mistral-large-latest",
        base_url="https://api.mistral.ai/v1",
        key_variables=("MISTRAL_API_KEY",),
        base_url_variables=("MISTRAL_BASE_URL",),
        aliases=("mistralai",),
    ),
    Provider(
        name="together",
        example="openai/gpt-oss-120b",
        base_url="https://api.together.xyz/v1",
        key_variables=("TOGETHER_API_KEY", "TOGETHERAI_API_KEY"),
        base_url_variables=("TOGETHER_BASE_URL",),
        hosts=("api.together.ai",),
        aliases=("together_ai", "together-ai", "togetherai"),
    ),
    Provider(
        name="fireworks",
        example="gpt-oss-120b",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variables=("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        base_url_variables=("FIREWORKS_BASE_URL",),
        namespace="accounts/fireworks/models/",
        aliases=("fireworks_ai", "fireworks-ai"),
    ),
    Provider(
        name="cerebras",
        example="gpt-oss-120b",
        base_url="https://api.cerebras.ai/v1",
        key_variables=("CEREBRAS_API_KEY",),
        base_url_variables=("CEREBRAS_BASE_URL",),
        base_url_tail="/v1",
    ),
    Provider(
        name="huggingface",
        example="openai/gpt-oss-120b",
        base_url="https://router.huggingface.co/v1",
        key_variables=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        base_url_variables=("HUGGINGFACE_BASE_URL",),
    ),
    Provider(
        name="alibaba",
        example="qwen-plus",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        key_variables=("DASHSCOPE_API_KEY", "ALIBABA_API_KEY"),
        base_url_variables=("DASHSCOPE_BASE_URL",),
        hosts=("dashscope.aliyuncs.com", "dashscope-us.aliyuncs.com"),
        aliases=("dashscope",),
    ),
    Provider(
        name="moonshot",
        example="kimi-k2.5",
        base_url="https://api.moonshot.ai/v1",
        key_variables=("MOONSHOT_API_KEY",),
        base_url_variables=("MOONSHOT_BASE_URL",),
        hosts=("api.moonshot.cn",),
    ),
    Provider(
        name="xiaomi",
        example="mimo-v2.5-pro",
        base_url="https://api.xiaomimimo.com/v1",
        key_variables=("MIMO_API_KEY", "XIAOMI_API_KEY"),
        base_url_variables=("MIMO_BASE_URL",),
    ),
    Provider(
        name="zai",
        example="glm-4.7",
        base_url="https://api.z.ai/api/paas/v4",
        key_variables=("ZAI_API_KEY",),
        base_url_variables=("ZAI_BASE_URL",),
    ),
    Provider(
        name="vllm",
        example="meta-llama/Llama-3.1-8B-Instruct",
        base_url="http://127.0.0.1:8000/v1",
        key_variables=("VLLM_API_KEY",),
        base_url_variables=("VLLM_BASE_URL", "HOSTED_VLLM_API_BASE"),
        local=True,
        aliases=("hosted_vllm",),
    ),
    Provider(
        name="llamacpp",
        example="default",
        base_url="http://127.0.0.1:8080/v1",
        key_variables=("LLAMA_API_KEY",),
        base_url_variables=("LLAMACPP_BASE_URL",),
        local=True,
        aliases=("llama.cpp", "llama_cpp", "llama-cpp"),
    ),
    Provider(
        name="lmstudio",
        example="openai/gpt-oss-20b",
        base_url="http://127.0.0.1:1234/v1",
        port=1234,
        key_variables=("LM_API_TOKEN", "LM_STUDIO_API_KEY"),
        base_url_variables=("LMSTUDIO_BASE_URL", "LM_STUDIO_API_BASE"),
        local=True,
        aliases=("lm_studio", "lm-studio"),
    ),
    Provider(
        name="bedrock",
        example="openai.gpt-oss-120b",
        key_variables=("AWS_BEARER_TOKEN_BEDROCK",),
        base_url_variables=("AWS_BEDROCK_BASE_URL",),
        build_url=bedrock_base_url,
        hosts=(".api.aws", ".amazonaws.com"),
        host_prefix="bedrock-",
        aliases=("amazon-bedrock", "aws-bedrock"),
    ),
    Provider(
        name="vertex",
        example="gemini-2.5-flash",
        apis=(CHAT,),
        build_url=vertex_base_url,
        hosts=("aiplatform.googleapis.com", "-aiplatform.googleapis.com", ".rep.googleapis.com"),
        token="google",
        namespace="google/",
        aliases=("vertex_ai", "vertexai", "google-vertex", "google_vertexai"),
    ),
)


PROVIDERS: Final[dict[str, Provider]] = {provider.name: provider for provider in _TABLE}
"""Every provider by its name. `offline` and `replay:FILE` are not among them: they send no request."""


BY_ANY_NAME: Final[dict[str, Provider]] = {
    name: provider for provider in _TABLE for name in (provider.name, *provider.aliases)
}


PUBLISHERS: Final = frozenset({"google", "mistralai", "x-ai"})
"""Provider names under which open models are published too: on the user's own server they are part of a model's id."""


STANDARD: Final = PROVIDERS["openai"]
"""The provider whose APIs compatible servers implement: the default if such an API is named without a provider."""


FAMILIES: Final = (
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
"""Prefixes of open models' names, and the providers that serve them, likeliest first: for hints."""
