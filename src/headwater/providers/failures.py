"""Provider errors: converts statuses, bodies and in-band errors of every shape to exceptions.

Owns their wording and classification. It knows no secrets: `backends.http` removes a key that a provider echoes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headwater import errors
from headwater.providers.retry_after import asked_pause

__all__ = (
    "cut_error",
    "http_error",
    "in_band_error",
    "malformed",
    "output_hint",
    "provider_error",
    "read_error",
    "read_error_body",
    "stray_error",
    "value_or_text",
)

MAX_READ: Final = 20_000
"""Bytes of an error's body that are read if it is not JSON: as much as a person would read."""

MAX_STRAY_ATTEMPTS: Final = 64
"""Maximum number of lines outside any event that are tried as the start of JSON, so that a large body stays cheap."""


def http_error(
    provider: str, status: int, headers: Mapping[str, str], body: bytes, *, now: float = 0.0
) -> errors.ProviderError:
    """Returns the error for an HTTP response other than 2xx, whatever its body is: JSON, HTML or nothing.

    `headers` have lower-case names. Dates in headers are relative to `now` (Unix seconds).
    """
    code, message = read_error_body(body)
    return provider_error(
        provider,
        message or _fallback_message(status, body),
        status=status,
        code=code,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retry_after=asked_pause(headers, now),
    )


def _fallback_message(status: int, body: bytes) -> str:
    """Returns the message for a body without one: a web page's title, else the status in words."""
    title = re.search(rb"<title[^>]*>\s*([^<]+?)\s*<", body[:20_000], re.IGNORECASE)
    if title is not None:
        return f"a web page, {title[1].decode('utf-8', 'replace')[:200]!r}"
    page = "a web page" if body.lstrip()[:1] == b"<" else ""
    from http import HTTPStatus

    try:
        return page or HTTPStatus(status).phrase
    except ValueError:
        return "no reason"


def read_error_body(body: bytes) -> tuple[str | None, str]:
    """Returns the code and the message in an error body, in any of the shapes that providers use."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        text = body[:MAX_READ].decode("utf-8", "replace").strip()
        if (told := _read_event_stream(text)) is not None:
            return told
        return None, "" if text.startswith("<") else text[:500]
    return read_error(value)


def _read_event_stream(text: str) -> tuple[str | None, str] | None:
    """Returns the code and the message from a body that is an event stream, which some servers send for errors too."""
    if not re.match(r"(data|event|id|retry|)\s*:", text):
        return None
    words = ""
    for event in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        data = "\n".join(re.findall(r"^data: ?(.*)$", event, re.MULTILINE))
        value = value_or_text(data.encode())
        if isinstance(value, (dict, list)) and value:
            return read_error(value)
        words = words or (value if isinstance(value, str) and value != "[DONE]" else "")
    return None, words[:500]


def read_error(value: Any) -> tuple[str | None, str]:
    """Returns the code and the message in an error value: `{"error": {…}}`, `{"error": "…"}`, `[{"error": …}]`, or
    bare."""
    if isinstance(value, list):
        value = value[0] if value else {}
    if isinstance(value, dict) and value.get("error"):
        inner = value["error"]
        if isinstance(inner, str):
            return _word(value.get("code")) or _word(value.get("type")), inner
        value = inner
    if isinstance(value, str):
        return None, value
    if not isinstance(value, dict):
        return None, str(value)
    code = _word(value.get("code")) or _word(value.get("type")) or _word(value.get("status"))
    for name in ("message", "detail", "msg", "error_message"):
        if value.get(name):
            text = value[name]
            return code, _with_cause(value, text if isinstance(text, str) else json.dumps(text))
    return code, json.dumps(value) if value else ""


def _with_cause(value: Mapping[str, Any], message: str) -> str:
    """Returns the message with the error of the provider behind a gateway, from `metadata.raw`, which is often JSON."""
    about = value.get("metadata")
    raw = about.get("raw") if isinstance(about, dict) else None
    if not isinstance(about, dict) or not raw:
        return message
    cause = read_error_body(raw.encode("utf-8", "replace"))[1] if isinstance(raw, str) else read_error(raw)[1]
    who = _word(about.get("provider_name"))
    return f"{message}{f' ({who})' if who else ''}: {cause[:1000]}" if cause and cause not in message else message


def _word(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None


_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance_too_low"})
_KEY_HINT = "Check that the key is complete, current and for this provider."


def provider_error(
    provider: str,
    message: str,
    *,
    status: int | None = None,
    code: str | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> errors.ProviderError:
    """Returns the error for a status and a provider's code. Without a status the code alone decides."""
    kind, hint = _classify(status, (code or "").lower(), message.lower())
    where = f" (HTTP {status})" if status is not None else ""
    return kind(
        f"{provider or 'The provider'} answered{where}: {_sentence(message.strip()[:2000])}",
        hint=_wait_hint(retry_after) if kind is errors.RateLimited else hint,
        provider=provider,
        status=status,
        code=code,
        request_id=request_id,
        retry_after=retry_after,
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _wait_hint(seconds: float | None) -> str:
    return (
        f"It asks clients to wait {seconds:.0f} s before the next try."
        if seconds
        else "Wait a while, or send requests less often."
    )


_TOO_LONG: Final = (
    r"context[ _-]?length|maximum context|context[ _-]?window|exceed_context|context size|exceeds? (the )?context"
    r"|prompt is too long|input is too long|maximum prompt length|too many (input|prompt) tokens"
    r"|(input|prompt)[ _-]tokens? (count|limit).{0,40}exceed|(input|prompt)( tokens?| length)? exceeds"
    r"|token count.{0,40}exceeds the maximum|max_new_tokens` must be"
)
_WRONG_KEY: Final = (
    r"(invalid|incorrect|wrong|missing|expired|check the) (x-)?api[ _-]?key|wrong_api_key|invalid_key"
    r"|api[ _-]?key( \S+)?( is|:)? ?(not valid|not found|invalid|incorrect|expired|missing)|api_key_invalid"
)
_NO_MODEL: Final = (
    r"model[ _-]?(not[ _-]?(found|exist|available)|(\S+ )?(does not exist|is not found|was not found))"
    r"|model .{1,80}(does not exist|not found)|models/\S+ is not found|deployment.{0,40}(not ?found|does not exist)"
    r"|invalid[ _]model( id\b| name\b|:| [\'\"`]|\b(?! (output|param|resp)))|not a valid model|no such model"
    r"|unknown model|unexpected model name|supported api model names|unable to access model"
    r"|model identifier is invalid"
)
"""Wordings of providers whose status and code do not tell: the same refusal may be a 400 or a 500.

Compiled at the first refusal: compiling takes longer than any import for a run.
"""

_REFUSALS: Final = frozenset({400, 404, 422, None})
"""Statuses for a rejected request; None is an error inside a stream."""


def _classify(status: int | None, code: str, message: str) -> tuple[type[errors.ProviderError], str]:
    said = f"{code} {message}"
    if status not in (401, 402, 403, 429) and re.search(_TOO_LONG, said):
        return errors.ContextTooLong, "Shorten the history, or use a model with a larger context."
    if code in _QUOTA or status == 402:
        return errors.QuotaExhausted, "Check the account's plan and billing."
    if status == 401 or "authentication" in code or "invalid_api_key" in code or "unauthorized" in code:
        return errors.AuthenticationFailed, _KEY_HINT
    if (status in _REFUSALS or status == 403) and re.search(_WRONG_KEY, said):
        return errors.AuthenticationFailed, _KEY_HINT
    if status == 403 or "permission" in code:
        return errors.PermissionDenied, "The key has no access to this model or URL."
    if (
        status == 404
        or code in ("not_found", "not_found_error")
        or (status in _REFUSALS and re.search(_NO_MODEL, said))
    ):
        return errors.ModelNotFound, "Check the model's name and the base URL."
    if status == 429 or "rate_limit" in code or code in ("429", "resource_exhausted", "too_many_requests"):
        return errors.RateLimited, ""
    if status in (503, 529) or "overloaded" in code or code in ("503", "529", "unavailable"):
        return errors.Overloaded, "Try again in a while, or name a fallback model."
    if status is None:
        if code.startswith("4") or "invalid" in code or "bad_request" in code:
            return errors.InvalidRequest, ""
        return errors.ServerError, "Try again in a while, or name a fallback model."
    if status >= 500 or status in (408, 409):
        return errors.ServerError, "Try again in a while, or name a fallback model."
    return errors.InvalidRequest, ""


_ABOUT_SCHEMAS: Final = (
    r"response[_ ]?(format|schema|json[_ ]?schema|mime[_ ]?type)|json[_ ]?(schema|object|mode)"
    r"|output[_ ](config|format)|(structured|guided)[_ ](output|generation|decoding)|\bgrammar\b|\bschema\b"
)
_ABOUT_TOOLS: Final = r"\btools?\b|tool[_ ](call|choice|use)|function[_ ]call"


def output_hint(error: errors.ProviderError, mode: str) -> str:
    """Returns a hint about other output modes if a provider refused the current one; else "".

    `mode` is the current one: "native" (a schema), "tool" or "prompted".
    """
    if type(error) not in (errors.InvalidRequest, errors.ModelNotFound, errors.ServerError):
        return ""
    said = f"{error.code or ''} {error.message}".lower()
    if mode == "native" and re.search(_ABOUT_SCHEMAS, said):
        return 'If it does not support a JSON Schema for the answer, use output_mode="tool", or "prompted".'
    if mode == "tool" and re.search(_ABOUT_TOOLS, said):
        return 'If it does not support tools, use output_mode="prompted" or "native".'
    return ""


def in_band_error(provider: str, value: Any) -> errors.ProviderError:
    """Returns the error that a provider reported inside a stream."""
    code, message = read_error(value)
    request_id = _word(value.get("request_id")) if isinstance(value, dict) else None
    return provider_error(provider, message or "an error without a message", code=code, request_id=request_id)


def stray_error(provider: str, lines: Sequence[bytes]) -> errors.ProviderError | None:
    """Returns the error in the lines of a stream outside any event, or None.

    It is a line `error: …`, or an error object in JSON on one or more lines; a truncated one counts too.
    """
    text = b"\n".join(lines).decode("utf-8", "replace")
    at, attempts = 0, 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if text.startswith("error:", at):
            return in_band_error(provider, value_or_text(text[at + len("error:") : end].encode()))
        begin = _JSON_BEGINS.match(text, at, end)
        if begin is not None and attempts < MAX_STRAY_ATTEMPTS:
            try:
                value, stop = _decode_first(text, begin.end() - 1)
            except (ValueError, RecursionError):
                attempts += 1
                if error := cut_error(provider, text[at:]):
                    return error
            else:
                if _is_error(value):
                    return in_band_error(provider, value)
                end = max(end, stop)
        at = end + 1
    return None


def cut_error(provider: str, text: str) -> errors.ProviderError | None:
    """Returns the error if truncated JSON starts like one, else None."""
    return in_band_error(provider, text.strip()) if _ERROR_BEGINS.match(text) else None


def value_or_text(data: bytes) -> Any:
    """Returns the JSON value of `data`, else its text."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode("utf-8", "replace").strip()


_decode_first = json.JSONDecoder().raw_decode
_JSON_BEGINS = re.compile(r"[ \t]*[{\[]")
_ERROR_BEGINS = re.compile(r"""\s*(\[\s*)?\{\s*("error"\s*:\s*[{"]|"type"\s*:\s*"error")""")


def _is_error(value: Any) -> bool:
    if isinstance(value, list):
        value = value[0] if value else None
    return isinstance(value, dict) and (bool(value.get("error")) or "error" in (value.get("type"), value.get("object")))


def malformed(provider: str, cause: Exception) -> errors.MalformedResponse:
    """Returns the error for bytes that are not valid in this API."""
    return errors.MalformedResponse(
        f"{provider} sent an invalid response: {cause}.",
        hint="If this happens every time, check that the base URL is for this API.",
        provider=provider,
    )
