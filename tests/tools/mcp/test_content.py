from __future__ import annotations

import base64
from typing import Any

import pytest
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from headwater import File, Image, Text
from headwater.schema.plain import to_json
from headwater.tools.mcp.content import outcome_of
from headwater.tools.outcome import ToolOutcome


def outcome(*blocks: Any, **more: Any) -> ToolOutcome:
    return outcome_of(CallToolResult(content=list(blocks), **more), max_chars=1000)


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_text_alone_is_a_string() -> None:
    assert outcome(text("hello")).result == "hello"
    assert outcome().result == ""


def test_images_audio_resources_and_links_are_parts() -> None:
    blob = BlobResourceContents(uri="file:///a/b.pdf", mime_type="application/pdf", blob=encoded(b"%PDF"))
    result = outcome(
        text("look"),
        ImageContent(type="image", data=encoded(b"png"), mime_type="image/png"),
        AudioContent(type="audio", data=encoded(b"wav"), mime_type="audio/wav"),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri="memo://1", text="inside")),
        EmbeddedResource(type="resource", resource=blob),
        ResourceLink(type="resource_link", name="page", uri="https://example.org", description="all of it"),
    ).result
    assert result == (
        Text(text="look"),
        Image(data=b"png", media_type="image/png"),
        File(data=b"wav", media_type="audio/wav"),
        Text(text="inside"),
        File(data=b"%PDF", media_type="application/pdf", name="b.pdf"),
        Text(text="[page](https://example.org): all of it"),
    )


def test_invalid_base64_is_named_and_the_rest_is_kept() -> None:
    result = outcome(text("look"), ImageContent(type="image", data="!", mime_type="image/png")).result
    assert result == (Text(text="look"), Text(text="[image/png content that is not valid base64]"))


@pytest.mark.parametrize(
    ("words", "structured"), [('{"x": 1}', {"x": 1}), ("3", {"result": 3}), ("hi", {"result": "hi"})]
)
def test_text_that_says_what_the_structured_content_does_is_said_once(words: str, structured: Any) -> None:
    assert outcome(text(words), structured_content=structured).result == words


def test_structured_content_stays_json_beside_other_words() -> None:
    structured = {"x": 1}
    assert outcome(structured_content=structured).result == to_json(structured)
    assert outcome(text("One point."), structured_content=structured).result == (
        Text(text="One point."),
        Text(text=to_json(structured)),
    )


def test_an_error_is_one_that_the_model_reads() -> None:
    failed = outcome(text("no such file"), is_error=True)
    assert (failed.result, failed.error, failed.exception) == ("no such file", "no such file", None)
    assert outcome(is_error=True).error
    assert outcome(is_error=True, structured_content={"code": 7}).error == to_json({"code": 7})
