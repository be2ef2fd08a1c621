"""Parses a gateway request besides the conversation: settings, tools, the format of the answer.

Every field that affects the answer is passed on, under the library's own name for the setting; unknown fields are the
provider's own, and are passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headwater.agents.validation import fitting_settings
from headwater.errors import ConfigurationError
from headwater.providers.request import OutputSpec, ProviderTool, ToolSpec
from headwater.web.openai.asked import Asked, asked_of_chat, asked_of_responses
from headwater.web.problems import Problem

__all__ = ("ANY_OBJECT", "asked_of_model")

ANY_OBJECT: Final = OutputSpec(name="json_object", schema={"type": "object"}, strict=False)
"""The schema of an answer that may be any JSON object."""

_SAME: Final = (
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "parallel_tool_calls",
    "service_tier",
    "user",
    "store",
)
"""Request fields that map to a setting of the same name."""

_CHAT: Final = {
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "reasoning_effort": "reasoning",
    "verbosity": "verbosity",
}
_RESPONSES: Final = {"max_output_tokens": "max_tokens"}
"""Request fields that map to a setting of another name."""

_NEUTRAL: Final[Mapping[str, Any]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "top_p": (1,),
    "parallel_tool_calls": (True,),
    "service_tier": ("auto", "default"),
    "logit_bias": ({},),
    "stop": ([], ""),
}
"""Default values, which are dropped: many clients always send them, and not every API accepts them."""

_READ: Final = frozenset(
    (
        *("model", "messages", "input", "instructions", "stream", "stream_options", "tools", "tool_choice"),
        *("response_format", "text", "reasoning", "n", "logprobs", "top_logprobs", "modalities", "audio"),
        *("background", "previous_response_id", "include", "truncation"),
    )
)
"""Fields that are parsed elsewhere, or do not concern the model."""

_CANNOT: Final = {
    "functions": "Use tools instead.",
    "function_call": "Use tool_choice instead.",
    "conversation": "Send the conversation in input, or previous_response_id.",
    "prompt": "Send what the prompt says in instructions and input.",
}

_TOLD: Final = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "reasoning",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "user",
)
"""Fields that the response repeats."""


def asked_of_model(body: Mapping[str, Any], *, responses: bool) -> Asked:
    """Parses a request to a bare model in either API. Raises Problem."""
    for name, hint in _CANNOT.items():
        if body.get(name) is not None:
            raise Problem("bad_request", f"{name} is not supported.", hint=hint, param=name)
    asked = asked_of_responses(body, bare=True) if responses else asked_of_chat(body, bare=True)
    tools = [_tool(one, f"tools[{at}]", responses=responses) for at, one in enumerate(body.get("tools") or ())]
    settings = _settings(body, responses=responses)
    if tools and (choice := _choice(body.get("tool_choice"))) is not None:
        settings["tool_choice"] = choice
    options: dict[str, Any] = {"settings": settings}
    if tools:
        options["tools"] = tuple(tools)
    if (shape := _shape(body, responses=responses)) is not None:
        options["output"] = shape
    told = {name: body[name] for name in _TOLD if body.get(name) is not None} if responses else {}
    return asked._replace(options=options, told=told)


def _settings(body: Mapping[str, Any], *, responses: bool) -> dict[str, Any]:
    names = {**dict(zip(_SAME, _SAME, strict=True)), **(_RESPONSES if responses else _CHAT)}
    settings: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for field, value in body.items():
        if value is None or field in _READ or value in _NEUTRAL.get(field, ()):
            continue
        if field in names:
            settings[names[field]] = _checked(names[field], value, field)
        else:
            extra[field] = value
    if responses:
        settings |= _inner(body, "reasoning", "effort", "reasoning") | _inner(body, "text", "verbosity", "verbosity")
    elif isinstance(given := body.get("reasoning"), Mapping):
        extra["reasoning"] = given  # not in OpenAI's version of this API, but in other servers'
    if extra:
        settings["extra"] = extra
    return settings


def _inner(body: Mapping[str, Any], field: str, inner: str, setting: str) -> dict[str, Any]:
    given = body.get(field)
    value = given.get(inner) if isinstance(given, Mapping) else None
    return {} if value is None else {setting: _checked(setting, value, f"{field}.{inner}")}


def _checked(setting: str, value: Any, field: str) -> Any:
    given = tuple(value) if setting == "stop" and isinstance(value, list) else value
    given = (given,) if setting == "stop" and isinstance(given, str) else given
    if isinstance(given, float) and given.is_integer() and setting in ("seed", "max_tokens", "top_k"):
        given = int(given)
    try:
        fitting_settings({setting: given})
    except ConfigurationError as error:
        raise Problem("bad_request", f"{field}: {error.message}", hint=error.hint, param=field) from None
    return given


def _tool(one: Any, param: str, *, responses: bool) -> ToolSpec | ProviderTool:
    kind = one.get("type") if isinstance(one, Mapping) else None
    if not isinstance(kind, str) or kind == "custom":
        raise Problem("bad_request", f"{param} is not a function.", hint='Give {"type": "function", …}.', param=param)
    if kind != "function":
        return ProviderTool(dict(one))  # a provider-side tool, such as web search
    told = one if responses else one.get("function")
    told = told if isinstance(told, Mapping) else {}
    name, parameters, strict = told.get("name"), told.get("parameters"), told.get("strict")
    if not isinstance(name, str) or not name or not isinstance(parameters, (Mapping, type(None))):
        raise Problem("bad_request", f"{param}: a function needs a name and parameters.", param=param)
    return ToolSpec(
        name=name,
        description=str(told.get("description") or ""),
        parameters=dict(parameters or {"type": "object", "properties": {}}),
        strict=strict if isinstance(strict, bool) else None,
    )


def _choice(given: Any) -> str | None:
    """Parses the tool choice as a setting."""
    if given is None or given == "auto":
        return None
    if given in ("none", "required"):
        return str(given)
    if isinstance(given, Mapping) and given.get("type") == "function":
        inner = given.get("function")
        name = inner.get("name") if isinstance(inner, Mapping) else given.get("name")
        if isinstance(name, str) and name:
            return name
    hint = 'Use "auto", "none", "required", or one function by its name.'
    raise Problem("bad_request", "That tool_choice is not supported.", hint=hint, param="tool_choice")


def _shape(body: Mapping[str, Any], *, responses: bool) -> OutputSpec | None:
    """Parses the format of the answer."""
    outer = body.get("text") if responses else body
    field = "format" if responses else "response_format"
    given = outer.get(field) if isinstance(outer, Mapping) else None
    param = f"text.{field}" if responses else field
    if given is None:
        return None
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return ANY_OBJECT
    told = given if responses else given.get("json_schema") if isinstance(given, Mapping) else None
    schema = told.get("schema") if isinstance(told, Mapping) else None
    if kind != "json_schema" or not isinstance(told, Mapping) or not isinstance(schema, Mapping):
        hint = "Use text, json_object, or json_schema with a name and a schema."
        raise Problem("bad_request", f"That {param} is not supported.", hint=hint, param=param)
    return OutputSpec(
        name=str(told.get("name") or "answer"),
        schema=dict(schema),
        strict=told.get("strict") is True,
        description=str(told.get("description") or ""),
    )
