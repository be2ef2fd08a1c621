"""Provider errors, classified into the tree of exceptions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import errors
from headwater.providers.failures import (
    cut_error,
    http_error,
    in_band_error,
    malformed,
    output_hint,
    provider_error,
    read_error_body,
    stray_error,
    value_or_text,
)

# --- HTTP errors


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, None, "no", errors.InvalidRequest),
        (400, "context_length_exceeded", "no", errors.ContextTooLong),
        (400, None, "Prompt is too long: 1 token", errors.ContextTooLong),
        (400, None, "API key not valid. Pass another.", errors.AuthenticationFailed),
        (401, None, "no", errors.AuthenticationFailed),
        (402, None, "no", errors.QuotaExhausted),
        (403, None, "no", errors.PermissionDenied),
        (404, None, "no", errors.ModelNotFound),
        (408, None, "no", errors.ServerError),
        (409, None, "no", errors.ServerError),
        (422, None, "no", errors.InvalidRequest),
        (429, None, "no", errors.RateLimited),
        (429, "insufficient_quota", "no", errors.QuotaExhausted),
        (500, None, "no", errors.ServerError),
        (502, None, "no", errors.ServerError),
        (503, None, "no", errors.Overloaded),
        (529, None, "no", errors.Overloaded),
        (599, None, "no", errors.ServerError),
        (None, "overloaded_error", "no", errors.Overloaded),
        (None, "rate_limit_error", "no", errors.RateLimited),
        (None, "RESOURCE_EXHAUSTED", "no", errors.RateLimited),
        (None, "503", "no", errors.Overloaded),
        (None, "invalid_request_error", "no", errors.InvalidRequest),
        (None, "418", "no", errors.InvalidRequest),
        (None, "not_found_error", "no", errors.ModelNotFound),
        (None, None, "no", errors.ServerError),
    ],
)
def test_a_status_and_a_code_decide_the_error(
    status: int | None, code: str | None, message: str, kind: type[errors.ProviderError]
) -> None:
    error = provider_error("acme", message, status=status, code=code, request_id="r1")
    assert type(error) is kind
    assert (error.provider, error.status, error.code, error.request_id) == ("acme", status, code, "r1")
    assert error.message.startswith("acme answered")
    assert ("HTTP" in error.message) == (status is not None)


TOO_LONG: list[tuple[str, int, Any]] = [
    (
        "gemini",
        400,
        {"message": "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."},
    ),
    (
        "vertex",
        400,
        [{"error": {"code": 400, "message": "The input token count exceeds the maximum number of tokens"}}],
    ),
    (
        "llamacpp",
        400,
        {"type": "exceed_context_size_error", "message": "the request exceeds the available context size"},
    ),
    ("llamacpp", 500, {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}),
    ("litellm", 400, {"message": "litellm.ContextWindowExceededError: BadRequestError", "code": "400"}),
    ("perplexity", 400, {"message": "Prompt exceeds the limit of this model.", "type": "bad_request", "code": 400}),
    ("anthropic", 400, {"message": "prompt is too long: 203052 tokens > 200000 maximum"}),
    ("anthropic", 400, {"message": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}),
    ("openai", 400, {"message": "Too long.", "code": "context_length_exceeded"}),
    ("mistral", 400, {"message": "Prompt contains 40 tokens, too large for model with 32 maximum context length"}),
    ("xai", 400, {"message": "This model's maximum prompt length is 131072 but the request contains 250000 tokens."}),
    ("bedrock", 400, {"message": "Input is too long for requested model."}),
]
NO_MODEL: list[tuple[str, int, Any]] = [
    ("xai", 400, {"code": "invalid-argument", "error": "Model not found: grok-none"}),
    ("openrouter", 400, {"message": "bad model is not a valid model ID", "code": 400}),
    ("deepseek", 400, {"message": "Model Not Exist", "type": "invalid_request_error"}),
    ("mistral", 400, {"object": "error", "message": "Invalid model: bad", "type": "invalid_model", "code": "1500"}),
    (
        "perplexity",
        400,
        {"message": "Invalid model 'bad model'. Permitted models can be found …", "type": "invalid_model"},
    ),
    ("openai", 400, {"message": "invalid model ID", "type": "invalid_request_error"}),
    ("openai", 400, {"message": "The requested model 'bad model' does not exist.", "code": "model_not_found"}),
    ("gemini", 400, {"code": 400, "message": "* GenerateContentRequest.model: unexpected model name format\n"}),
    ("together", 404, {"message": "Unable to access model bad model.", "code": "model_not_available"}),
    ("bedrock", 400, {"message": "The provided model identifier is invalid."}),
    ("ollama", 404, "model 'bad' not found"),
]
WRONG_KEY: list[tuple[str, int, Any]] = [
    (
        "xai",
        400,
        {"code": "invalid-argument", "error": "Incorrect API key provided: ****. You can obtain an API key …"},
    ),
    ("gemini", 400, {"code": 400, "message": "API key not valid. Please pass a valid API key."}),
    ("gemini", 400, {"code": 400, "message": "API Key not found. Please pass a valid API key."}),
    ("gemini", 400, {"code": 400, "message": "API key expired. Please renew the API key."}),
    ("baseten", 403, "please check the api-key you provided"),
    ("cerebras", 401, {"message": "Wrong API Key", "code": "wrong_api_key"}),
    ("deepseek", 401, {"message": "Authentication Fails, Your api key: ****iKey is invalid"}),
]
NEITHER: list[tuple[str, int, Any]] = [
    ("anthropic", 400, {"message": "This model does not support effort level 'xhigh'."}),
    ("gemini", 400, {"message": "Logprobs is not enabled for this model"}),
    ("huggingface", 400, {"message": "model features vision not support"}),
    (
        "openai",
        400,
        {"message": "max_tokens is too large: 100000. This model supports at most 16384 completion tokens."},
    ),
    ("bedrock", 400, {"message": "The maximum tokens you requested exceeds the model limit of 4096."}),
    ("groq", 400, {"message": "`tool calling` is not supported with this model"}),
]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        *((errors.ContextTooLong, told) for told in TOO_LONG),
        *((errors.ModelNotFound, told) for told in NO_MODEL),
        *((errors.AuthenticationFailed, told) for told in WRONG_KEY),
        *((errors.InvalidRequest, told) for told in NEITHER),
    ],
)
def test_a_refusal_by_its_wording(kind: type[errors.ProviderError], told: tuple[str, int, Any]) -> None:
    provider, status, said = told
    whole = said if isinstance(said, list) or (isinstance(said, dict) and "error" in said) else {"error": said}
    error = http_error(provider, status, {}, json.dumps(whole).encode())
    assert type(error) is kind
    assert error.hint or kind is errors.InvalidRequest
    if status == 400 and provider != "baseten":
        assert type(in_band_error(provider, whole)) is kind or kind is errors.InvalidRequest


def test_a_rate_limit_is_not_a_context_limit() -> None:
    body = b'{"error": {"message": "Request too large: prompt exceeds 20,000 tokens per minute. Prompt is too long"}}'
    assert type(http_error("groq", 429, {}, body)) is errors.RateLimited


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ('{"code":400,"msg":"invalid parameter"}', "Provider returned error (Atlas): invalid parameter."),
        ({"error": {"message": "no vision"}}, "Provider returned error (Atlas): no vision."),
        ("upstream is gone", "Provider returned error (Atlas): upstream is gone."),
        ("<html>", "Provider returned error."),
        ("", "Provider returned error."),
        (None, "Provider returned error."),
    ],
)
def test_the_error_behind_a_gateway_is_in_the_message(raw: Any, said: str) -> None:
    about = {"raw": raw, "provider_name": "Atlas"}
    body = {"error": {"message": "Provider returned error", "code": 400, "metadata": about}}
    error = http_error("openrouter", 400, {}, json.dumps(body).encode())
    assert error.message == f"openrouter answered (HTTP 400): {said}"


def test_the_error_behind_a_gateway_decides() -> None:
    about = {"raw": '{"error": {"message": "prompt is too long: 9 tokens"}}'}
    body = {"error": {"message": "Provider returned error", "code": 400, "metadata": about}}
    assert isinstance(http_error("openrouter", 400, {}, json.dumps(body).encode()), errors.ContextTooLong)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'data: {"error": {"message": "CUDA is out of memory", "code": 500}}\n\ndata: [DONE]\n\n',
            "CUDA is out of memory.",
        ),
        (b'event: error\r\ndata: {"type": "error",\r\ndata: "error": {"message": "no"}}\r\n\r\n', "no."),
        (b"data: it broke\n\n", "it broke."),
        (b"data: [DONE]\n\n", "Internal Server Error."),
        (b"data:\n\n", "Internal Server Error."),
    ],
)
def test_a_body_that_is_an_event_stream_is_read(body: bytes, said: str) -> None:
    assert http_error("acme", 500, {}, body).message == f"acme answered (HTTP 500): {said}"


def test_the_body_is_read_and_the_headers_name_the_request() -> None:
    body = b'{"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}'
    error = http_error("acme", 429, {"x-request-id": "r1", "retry-after": "7"}, body)
    assert isinstance(error, errors.RateLimited)
    assert error.message == "acme answered (HTTP 429): Slow down."
    assert (error.code, error.request_id, error.retry_after) == ("rate_limit_exceeded", "r1", 7.0)
    assert "7 s" in error.hint
    assert http_error("acme", 500, {"request-id": "r2"}, b"").request_id == "r2"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "Bad Gateway."),
        (b"<html><head><title> Oops </title></head></html>", "a web page, 'Oops'."),
        (b"<html></html>", "a web page."),
        (b"upstream is gone", "upstream is gone."),
        (b"\xff\xfe", "\ufffd\ufffd."),
    ],
)
def test_a_body_without_a_message(body: bytes, said: str) -> None:
    assert http_error("acme", 502, {}, body).message == f"acme answered (HTTP 502): {said}"
    assert http_error("acme", 799, {}, b"").message == "acme answered (HTTP 799): no reason."


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"message": "m", "code": "c", "type": "t"}}, "c", "m"),
        ({"error": {"message": "m", "type": "t"}}, "t", "m"),
        ({"error": {"message": "m", "code": 400, "status": "INVALID"}}, "400", "m"),
        ({"error": "m", "code": "c"}, "c", "m"),
        ([{"error": {"message": "m"}}], None, "m"),
        ({"detail": "m"}, None, "m"),
        ({"detail": [{"loc": "x"}]}, None, '[{"loc": "x"}]'),
        ({"message": "m", "type": "t"}, "t", "m"),
        ("m", None, "m"),
        (7, None, "7"),
        ([], None, ""),
        ({"error": {"strange": 1}}, None, '{"strange": 1}'),
    ],
)
def test_error_bodies_of_every_shape(body: Any, code: str | None, message: str) -> None:
    assert read_error_body(json.dumps(body).encode()) == (code, message)


@given(st.binary(max_size=200), st.sampled_from([400, 401, 404, 429, 500, 503]))
def test_any_body_is_an_error(body: bytes, status: int) -> None:
    assert isinstance(http_error("acme", status, {}, body), errors.ProviderError)


# --- errors inside a stream


def test_an_error_inside_a_stream_has_its_code_and_request() -> None:
    error = in_band_error("acme", {"type": "error", "error": {"type": "overloaded_error"}, "request_id": "r1"})
    assert isinstance(error, errors.Overloaded)
    assert (error.code, error.request_id, error.status) == ("overloaded_error", "r1", None)
    assert "an error without a message" in in_band_error("acme", {}).message
    assert in_band_error("acme", "boom").message == "acme answered: boom."


def test_a_malformed_response_names_the_provider() -> None:
    error = malformed("acme", ValueError("a comma too many"))
    assert (error.provider, error.message) == ("acme", "acme sent an invalid response: a comma too many.")


ERROR = {"error": {"code": 499, "message": "It was cancelled.", "details": [{"a": "{"}, {"error": "inner"}]}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ERROR),
        json.dumps(ERROR, indent=2),
        json.dumps([ERROR], indent=4),
        "<html>\n" + json.dumps(ERROR, indent=2) + "\n</html>",
        "}\n{\n" + json.dumps(ERROR),
        '{"usage": 1}\n' + json.dumps(ERROR, indent=1),
        json.dumps({"usage": {"a": 1}}, indent=2) + "\n" + json.dumps(ERROR, indent=2),
        "error: " + json.dumps(ERROR),
        "error:It was cancelled.",
        json.dumps({"object": "error", "message": "It was cancelled."}, indent=2),
        json.dumps({"type": "error", "error": {"message": "It was cancelled."}}, indent=2),
        json.dumps(ERROR, indent=2)[:-40],
    ],
)
def test_an_error_outside_any_event_is_found(text: str) -> None:
    error = stray_error("acme", text.encode().split(b"\n"))
    assert isinstance(error, errors.ProviderError)
    assert "It was cancelled." in error.message


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "{", "[", '{"error": null}', '{"choices": [], "error": null', json.dumps({"a": ERROR}, indent=2)],
)
def test_text_without_an_error(text: str) -> None:
    assert stray_error("acme", text.encode().split(b"\n")) is None
    assert cut_error("acme", text) is None


@given(st.integers(min_value=1))
def test_a_truncated_error_is_recognized(at: int) -> None:
    text = json.dumps(ERROR, indent=2)
    at = min(at, len(text))
    certain = text.index(": {") + 3
    assert (stray_error("acme", text[:at].encode().split(b"\n")) is not None) == (at >= certain)


@pytest.mark.parametrize("line", [b"{", b"[", b'{"a":', b"{}", b'{"error": null}', b"error"])
def test_many_stray_lines_are_read_once(line: bytes) -> None:
    begun = time.process_time()
    assert stray_error("acme", [line] * 300_000) is None
    assert time.process_time() - begun < 5.0


def test_json_or_text() -> None:
    assert value_or_text(b' {"a": 1} ') == {"a": 1}
    assert value_or_text(b" boom \xff ") == "boom \ufffd"
    assert value_or_text(b"[" * 100_000) == "[" * 100_000


# --- hints about output modes

NO_SCHEMAS = (
    (400, "invalid_request_error", "This response_format type is unavailable now"),  # DeepSeek
    (405, None, "json_object response format is not supported for model: stepfun-ai/Step-3.5-Flash"),  # DeepInfra
    (400, None, "Provider returned error (Chutes): schema_ is required for json_schema response format request."),
    (400, None, "Invalid schema for response_format 'Tide': 'minimum' is not permitted."),
    (400, None, "Function calling with a response mime type: 'application/json' is unsupported"),  # Gemini 2
    (400, None, "'claude-3-opus' does not support output format."),
    (404, None, "No endpoints found that support structured outputs."),
)
NO_TOOLS = (
    (400, None, "registry.ollama.ai/library/gemma:2b does not support tools"),
    (400, None, "`tool calling` is not supported with this model"),  # Groq
    (500, "server_error", "tools param requires --jinja flag"),  # llama.cpp
    (404, None, "No endpoints found that support tool use."),  # OpenRouter
    (400, None, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),  # vLLM
)


@pytest.mark.parametrize(("status", "code", "message"), NO_SCHEMAS)
def test_a_refused_schema_has_a_hint(status: int, code: str | None, message: str) -> None:
    error = provider_error("p", message, status=status, code=code)
    assert 'output_mode="tool"' in output_hint(error, "native")
    assert output_hint(error, "prompted") == output_hint(error, "") == ""


@pytest.mark.parametrize(("status", "code", "message"), NO_TOOLS)
def test_a_refused_tool_has_a_hint(status: int, code: str | None, message: str) -> None:
    error = provider_error("p", message, status=status, code=code)
    assert 'output_mode="prompted"' in output_hint(error, "tool")
    assert output_hint(error, "prompted") == output_hint(error, "") == ""


@pytest.mark.parametrize("mode", ["native", "tool", "prompted", ""])
def test_other_refusals_have_no_hint(mode: str) -> None:
    for status, message in ((400, "temperature is not supported"), (401, "no tools, no schema"), (429, "schema tools")):
        assert output_hint(provider_error("p", message, status=status), mode) == ""
    too_long = provider_error("p", "The schema and the tools exceed the maximum context length.", status=400)
    assert output_hint(too_long, mode) == ""
