"""Errors from a provider; the bodies are those that real providers send."""

from __future__ import annotations

from pydantic import BaseModel

from headwater import Agent
from tests.system.error_messages.cases import Here, case, openai


def error(message: str, code: str = "") -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code or None}}


@case("A wrong key")
def wrong_key(here: Here) -> None:
    """Create a new key at the provider, and check the environment for an old one. The key is removed from the
    provider's message.
    """
    said = "Incorrect API key provided: sk-newcomer-0123456789. You can find your API key at https://example.com/keys."
    here.server.answers(401, error(said, "invalid_api_key"))
    openai(here).run("Hello")


@case("A wrong key, reported by a web page")
def wrong_key_in_html(here: Here) -> None:
    """The answer came from a web server in front of the provider, or from another server: check the base URL too."""
    page = b"<html><head><title>401 Authorization Required</title></head><body><hr>nginx</body></html>"
    here.server.answers(401, page, content_type="text/html")
    openai(here).run("Hello")


@case("A key without permission")
def forbidden(here: Here) -> None:
    """Ask for access, or use another model. In a company the owner of the account sets this."""
    here.server.answers(403, error("Your project does not have access to this model."))
    openai(here).run("Hello")


@case("A model that the provider does not have")
def no_such_model(here: Here) -> None:
    """Check the exact name in the provider's list. Not every account has access to every model."""
    here.server.answers(404, error("The model `gpt-55` does not exist or you do not have access to it."))
    openai(here, model="openai/gpt-55").run("Hello")


@case("A model that Ollama does not have")
def not_pulled(here: Here) -> None:
    """Pull it once: `ollama pull llama3.2`."""
    here.server.answers(404, {"error": "model 'llama3.2' not found"})
    here.setenv("OLLAMA_HOST", here.server.url.removesuffix("/v1"))
    Agent(model="ollama/llama3.2", retries=0).run("Hello")


@case("A URL that the provider does not have")
def no_such_address(here: Here) -> None:
    """The base URL is probably wrong: with most servers it ends in `/v1`."""
    here.server.answers(404)
    openai(here).run("Hello")


@case("A redirect")
def redirect(here: Here) -> None:
    """Use the URL in the message as the base URL, without the API's path."""
    here.server.answers(308, location="https://example.com/v1/chat/completions")
    openai(here).run("Hello")


@case("A request that the provider rejects")
def refused(here: Here) -> None:
    """The provider's message is all that is known. Change the setting that it names."""
    here.server.answers(400, error("Unsupported value: 'temperature' does not support 3 with this model."))
    openai(here, temperature=3).run("Hello")


@case("A conversation that is too long")
def too_long(here: Here) -> None:
    """Remove old messages from `history`, use a `view`, or start a new thread."""
    said = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
    here.server.answers(400, error(said, "context_length_exceeded"))
    openai(here).run("Hello")


@case("Too many requests")
def rate_limited(here: Here) -> None:
    """The request was already retried twice. Run fewer requests at once, or set a `fallback`."""
    here.server.answers(429, error("Rate limit reached for gpt-5.4.", "rate_limit_exceeded"))
    openai(here).run("Hello")


@case("Too many requests, and a long wait")
def asked_to_wait(here: Here) -> None:
    """headwater does not wait for more than a minute: `error.retry_after` has the seconds."""
    here.server.answers(429, error("Rate limit reached for gpt-5.4.", "rate_limit_exceeded"), retry_after="120")
    openai(here).run("Hello")


@case("Out of quota")
def out_of_quota(here: Here) -> None:
    """Waiting does not help: check the plan and the billing of the account."""
    said = "You exceeded your current quota, please check your plan and billing details."
    here.server.answers(429, error(said, "insufficient_quota"))
    openai(here).run("Hello")


@case("The provider is overloaded")
def overloaded(here: Here) -> None:
    """The request was already retried twice. Set a `fallback` of another provider."""
    here.server.answers(503, error("The engine is currently overloaded, please try again later"))
    openai(here).run("Hello")


@case("The provider fails")
def failed(here: Here) -> None:
    """The request was already retried. If it continues, check the provider's status page, or set a `fallback`."""
    here.server.answers(502, b"<html><head><title>502 Bad Gateway</title></head></html>", content_type="text/html")
    openai(here).run("Hello")


@case("The provider fails while it answers")
def failed_in_the_stream(here: Here) -> None:
    """The partial answer is in `error.response`. `on_interrupted="restart"` starts the answer again automatically."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "High water"}, "finish_reason": None}]}
    here.server.streams([chunk, {"error": {"message": "Internal server error", "code": 500}}])
    openai(here).run("Hello")


class Tide(BaseModel):
    port: str
    hour: int


@case("An answer that does not fit the type")
def output_invalid(here: Here) -> None:
    """The model was told twice what is wrong. Use a simpler type, or a model that follows schemas."""
    here.server.says("I do not know.")
    openai(here, output_type=Tide).run("When is high water at Brest?")


@case("A server that does not support schemas")
def no_schema(here: Here) -> None:
    """With `"tool"` the model answers by calling a tool, with `"prompted"` the prompt asks for JSON; see
    [typed answers](structured-output.md).
    """
    here.server.answers(400, error("This response_format type is unavailable now"))
    openai(here, output_type=Tide).run("When is high water at Brest?")


@case("A model without tool support, asked to answer with a tool")
def no_tools(here: Here) -> None:
    """The other two output modes do not need tools."""
    here.server.answers(400, error("`tool calling` is not supported with this model"))
    openai(here, output_type=Tide, output_mode="tool").run("When is high water at Brest?")


@case("A typed answer that was truncated")
def output_cut(here: Here) -> None:
    """A truncated value cannot be used: raise `max_tokens`, or ask for less."""
    chunk = {"choices": [{"index": 0, "delta": {"content": '{"port": "Br'}, "finish_reason": "length"}]}
    here.server.streams([chunk, "[DONE]"])
    openai(here, output_type=Tide).run("When is high water at Brest?")


@case("Repeated invalid tool calls")
def calls_wrongly(here: Here) -> None:
    """Describe each parameter in the docstring, use fewer parameters, or use a stronger model."""

    def high_water(port: str) -> str:
        """When the tide is highest at a port."""
        return "06:12"

    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "high_water", "arguments": "{}"}}
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    here.server.streams([chunk, "[DONE]"])
    openai(here, tools=[high_water]).run("When is high water?")
