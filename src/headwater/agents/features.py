"""What a model supports, determined by its request encoder: what cannot be encoded is not supported.

Owns the requests that are tried. Nothing is sent; what the model has learned, only its server knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headwater.backends.base import Backend
from headwater.backends.http import HTTPBackend
from headwater.errors import ConfigurationError, InvalidRequest
from headwater.events.messages import File, Image, Message
from headwater.providers.request import OutputSpec, Request, Settings, ToolSpec

__all__ = ("FEATURES", "supports")

_TOOL: Final = ToolSpec(name="probe", parameters={"type": "object", "properties": {}})
_SCHEMA: Final = {
    "type": "object",
    "properties": {"headwater_probe": {"type": "string"}},
    "required": ["headwater_probe"],
    "additionalProperties": False,
}
_SHOWN: Final[Mapping[str, Image | File]] = {
    "images": Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
    "files": File(data=b"%PDF-1.7", media_type="application/pdf", name="a.pdf"),
    "audio": File(data=b"RIFF\xff\xfb", media_type="audio/wav", name="a.wav"),
    "video": File(data=b"\xff\xfb", media_type="video/mp4", name="a.mp4"),
}
_SETTINGS: Final[Mapping[str, Any]] = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "max_tokens": 2000,
    "stop": ("END",),
    "seed": 1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "reasoning": True,
    "verbosity": "low",
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "service_tier": "auto",
    "user": "u",
    "cache": True,
    "store": True,
    "background": True,
}
_EVERYWHERE: Final = frozenset({"streaming", "tools"})
_INPUT: Final = frozenset({"messages", "input", "instructions", "contents", "system", "systemInstruction"})
"""The request fields that hold the conversation: a schema in these is only part of the prompt."""

FEATURES: Final = (*sorted(_EVERYWHERE), *_SHOWN, "native_output", *_SETTINGS)
"""The known features: kinds of answers, kinds of input, and each setting by its name."""


def supports(backend: Backend, feature: str) -> bool:
    """Whether `backend` supports `feature`, one of FEATURES. Raises ConfigurationError for any other."""
    if feature not in FEATURES:
        raise ConfigurationError(f"Unknown feature {feature!r}.", hint=f"Known features: {', '.join(FEATURES)}.")
    if feature in _EVERYWHERE:
        return True
    if not isinstance(backend, HTTPBackend):
        return feature in ("max_tokens", "native_output")  # the offline model and other backends without HTTP
    try:
        body = backend.written(_probe(backend.model, feature)).body
    except (ConfigurationError, InvalidRequest):
        return False
    if feature != "native_output":
        return True
    told = {name: value for name, value in msgspec.json.decode(body).items() if name not in _INPUT}
    return b"headwater_probe" in msgspec.json.encode(told)


def _probe(model: str, feature: str) -> Request:
    message = Message.user("hi", _SHOWN[feature]) if feature in _SHOWN else Message.user("hi")
    return Request(
        model=model,
        messages=(message,),
        tools=(_TOOL,) if feature in ("tool_choice", "parallel_tool_calls") else (),
        output=OutputSpec(name="probe", schema=_SCHEMA) if feature == "native_output" else None,
        settings=Settings(**{feature: _SETTINGS[feature]}) if feature in _SETTINGS else Settings(),
    )
