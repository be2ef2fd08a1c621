"""The differences between servers of the Chat Completions API: a record for each, by the server's name.

Owns only the table. A setting is listed as unsupported if the server refuses it, and also if the server ignores it.
Servers that are not listed have the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from headwater.providers.request import Quirks

__all__ = ("QUIRKS",)

_OPENAI_ONLY: Final = frozenset({"store", "verbosity", "service_tier"})
"""Settings that OpenAI's servers support, and hardly any other."""

_OPENAI: Final = Quirks(
    max_tokens_field="max_completion_tokens",
    message_names=True,
    sounds=frozenset({"mp3", "wav"}),
    video=False,
    kept_fields=frozenset({"audio"}),
    custom_calls=True,
    tiers=frozenset({"auto", "default", "flex", "scale", "priority", "fast"}),
    unsupported=frozenset({"top_k"}),
)

_LOCAL: Final = Quirks(
    # For the model's own chat template; an effort by name goes to `reasoning_effort`.
    reasoning_field="chat_template_kwargs",
    reasoning_back="reasoning_content",
    unsupported=_OPENAI_ONLY,
)

QUIRKS: Final[Mapping[str, Quirks]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "groq": Quirks(
        max_tokens_field="max_completion_tokens",
        efforts=frozenset({"none", "low", "medium", "high"}),
        audio=False,
        video=False,
        documents=False,
        kept_fields=frozenset(),  # it refuses messages with unknown fields
        tiers=frozenset({"auto", "on_demand", "flex", "performance"}),
        unsupported=frozenset({"top_k", "store", "verbosity"}),
    ),
    "openrouter": Quirks(
        reasoning_field="reasoning",
        reasoning_back="reasoning_details",
        cache_marks=True,
        message_names=True,
        files_by_url="file_data",
        unsupported=frozenset({"store"}),
    ),
    "deepseek": Quirks(
        reasoning_field="thinking",
        # Omitting it after a tool call is an error: "The reasoning_content in the thinking mode must be passed back".
        reasoning_back="reasoning_content",
        json_schema=False,
        strict_tools=False,
        parallel_tool_calls=False,
        message_names=True,
        video=False,
        unsupported=_OPENAI_ONLY | {"top_k", "seed", "user"},
    ),
    "xai": Quirks(video=False, unsupported=_OPENAI_ONLY | {"top_k"}),
    "mistral": Quirks(
        stream_options=False,  # it sends usage by default, and refuses unknown fields
        reasoning_back="thinking",
        seed_field="random_seed",
        files_by_url="document_url",
        call_id_length=9,
        kept_fields=frozenset(),
        video=False,
        unsupported=_OPENAI_ONLY | {"top_k", "user"},
    ),
    "together": Quirks(unsupported=_OPENAI_ONLY | {"user"}),
    "fireworks": Quirks(unsupported=_OPENAI_ONLY),
    "cerebras": Quirks(
        max_tokens_field="max_completion_tokens",
        video=False,
        unsupported=frozenset({"top_k", "presence_penalty", "frequency_penalty", "store", "verbosity"}),
    ),
    "huggingface": Quirks(unsupported=_OPENAI_ONLY),
    "alibaba": Quirks(reasoning_field="enable_thinking", unsupported=_OPENAI_ONLY | {"user"}),
    "moonshot": Quirks(reasoning_field="thinking", reasoning_back="reasoning_content", unsupported=_OPENAI_ONLY),
    "xiaomi": Quirks(
        max_tokens_field="max_completion_tokens",
        reasoning_field="thinking",
        reasoning_back="reasoning_content",
        unsupported=_OPENAI_ONLY,
    ),
    "zai": Quirks(
        reasoning_field="thinking",
        reasoning_back="reasoning_content",
        json_schema=False,
        unsupported=_OPENAI_ONLY,
    ),
    "vertex": Quirks(unsupported=_OPENAI_ONLY | {"top_k"}),
    "ollama": Quirks(
        reasoning_back="reasoning",
        parallel_tool_calls=False,
        unsupported=_OPENAI_ONLY | {"top_k", "tool_choice", "user"},
    ),
    "vllm": _LOCAL,
    "llamacpp": msgspec.structs.replace(_LOCAL, video=False),
    "lmstudio": Quirks(unsupported=_OPENAI_ONLY),
}
