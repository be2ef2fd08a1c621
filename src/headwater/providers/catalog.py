"""The table of providers: their names, APIs, base URLs, hosts and the variables that hold their keys.

Owns facts alone: whatever one provider needs and another does not is a field of the table. How a name, a URL and the
environment are resolved with it is `registry`'s; the functions it names are `addresses`'s.
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
    "MODEL_PREFIXES",
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
"""The module of each API; the names are also prefixes that a model's name may have."""

TOKEN_SCOPES: Final[Mapping[str, str]] = {
    "azure": "https://cognitiveservices.azure.com/.default",
    "google": "https://www.googleapis.com/auth/cloud-platform",
}
"""What a bearer token is asked for, where `Endpoint.token` says whose."""

CHAT: Final = "openai-chat"
RESPONSES: Final = "openai-responses"

API_TAILS: Final[Mapping[str, tuple[str, ...]]] = {
    CHAT: ("/chat/completions",),
    RESPONSES: ("/responses",),
    "anthropic": ("/v1/messages", "/v1"),
    "gemini": ("/v1beta/models", "/v1beta"),
    "ollama": ("/api/chat", "/api", "/v1"),
}
"""What people copy into a base URL that is the API's own path; the longest first."""

MODEL_PREFIXES: Final[Mapping[str, str]] = {"gemini": "models/"}
"""What an API's own lists write before a model's name, and its requests do not."""


class DeploymentURL(Protocol):
    """Makes the base URL and query of one model's deployment."""

    def __call__(
        self, base_url: str, query: Mapping[str, str], model: str, env: Environment, /, *, chat: bool
    ) -> tuple[str, Mapping[str, str]]:
        """`chat` is whether Chat Completions are spoken there. Raises ConfigurationError."""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider, and how it is reached.

    `base_url` is what the API's own path is added to: `/chat/completions` and `/responses`, Anthropic's `/v1/messages`,
    Gemini's `/v1beta/models/…`, Ollama's `/api/chat`. It is "" if variables make it (azure, bedrock, vertex).
    """

    name: str
    example: str
    """A model of theirs, for hints; with the provider's name before it, it is a name that resolves."""
    apis: tuple[str, ...] = (CHAT, RESPONSES)
    """The APIs they speak, the default first."""
    base_url: str = ""
    key_variables: tuple[str, ...] = ()
    """Where the key is looked for, in order."""
    token_variables: tuple[str, ...] = ()
    """Where a bearer token is looked for when there is no key."""
    base_url_variables: tuple[str, ...] = ()
    base_url_tail: str = ""
    """What the vendor's own packages add to the value of the base-URL variable."""
    header_variables: Mapping[str, str] = {}
    """Further headers, and the variables that hold their values."""
    hosts: tuple[str, ...] = ()
    """The hosts that are theirs besides that of `base_url`; a leading dot stands for any name before it."""
    local: bool = False
    """Whether it runs on the user's own machine and needs no key."""
    compatible_path: str = ""
    """What is added to `base_url` for Chat Completions, if the provider has another API of its own."""
    key_header: str = ""
    token: Literal["", "azure", "google"] = ""
    """Whose credentials replace a missing key. They are not fetched here; `TOKEN_SCOPES` says what to ask for."""
    namespace: str = ""
    """What their model names begin with where the name that was given is as `in_namespace` says."""
    in_namespace: str = r"[^/]+"
    """A pattern of the names that stand in their namespace: those without a slash."""
    bare_names: str = ""
    """A pattern of the model names that are theirs with no provider before them."""
    build_url: Callable[[Environment], str] | None = None
    """Makes the base URL where it depends on further variables. Raises ConfigurationError."""
    read_url: Callable[[str], str] | None = None
    """Reads the base-URL variable where its value need not be a URL. Raises ConfigurationError."""
    deployment_url: DeploymentURL | None = None
    """Makes the base URL anew where it depends on the model."""
    host_prefix: str = ""
    """What their hosts begin with, where `hosts` alone would take in others'."""
    port: int = 0
    """A port that hardly any other server takes: a server there is asked as theirs are."""
    start_hint: str = ""
    """What to do where no server answers on one's own machine."""
    model_hint: str = ""
    """What to do where they do not have the model."""
    own_prefix: bool = False
    """Whether none of their own models has their name before it, so that `name/` can only be meant for us."""
    quirks: str = ""
    """Under which name `openai_chat.QUIRKS` has how their server differs; "" is the provider's name."""
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
        hosts=(".api.openai.com",),  # eu.api.openai.com and the other places of residence
        # gpt-oss is open: OpenAI gives its weights away and does not serve it.
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
        quirks="vertex",  # of the compatible door that both have
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
        start_hint="Ollama is not running there: start it with `ollama serve`, or set OLLAMA_HOST.",
        model_hint="See which models are there with `ollama list`, and get others with `ollama pull NAME`.",
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
"""Every provider by its name. `offline` and `replay:FILE` are not among them: no one is asked there."""


BY_ANY_NAME: Final[dict[str, Provider]] = {
    name: provider for provider in _TABLE for name in (provider.name, *provider.aliases)
}


PUBLISHERS: Final = frozenset({"google", "mistralai", "x-ai"})
"""Names of providers under which open models are published too: on a server of one's own they begin a model's id."""


STANDARD: Final = PROVIDERS["openai"]
"""Whose APIs the compatible servers speak: it is meant where such an API is named without a provider."""


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
"""Prefixes of open models' names, and who serves them, the likeliest first: for hints."""
