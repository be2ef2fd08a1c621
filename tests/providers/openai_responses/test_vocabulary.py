"""The vocabulary of the Responses stream, compared with the vendor's own types."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from headwater.providers.openai_responses import response, vocabulary
from headwater.providers.openai_responses.request import OWN_CALLS


def variants(union: Any) -> Iterator[Any]:
    """The models in a nested, annotated union."""
    origin = typing.get_origin(union)
    if origin is typing.Annotated:
        yield from variants(typing.get_args(union)[0])
    elif typing.get_args(union) and origin is not typing.Literal:
        for one in typing.get_args(union):
            yield from variants(one)
    else:
        yield union


def type_names(union: Any) -> set[str]:
    names: set[str] = set()
    for model in variants(union):
        for literal in variants(model.model_fields["type"].annotation) if model is not type(None) else ():
            names |= set(typing.get_args(literal)) or set()
    return names


def test_every_event_of_the_vendor_is_decoded_or_ignored_by_name(vendor: Any) -> None:
    names = type_names(vendor.ResponseStreamEvent)
    assert "response.output_text.delta" in names
    known = {
        *vocabulary.CONTENT_DELTAS,
        *vocabulary.CALL_DELTAS,
        *response._HANDLERS,
        *vocabulary.IGNORED,
        *vocabulary.UNDECODED,
        "error",
    }
    assert not names - known


def test_every_item_of_the_vendor_has_its_place(vendor: Any) -> None:
    names = type_names(vendor.ResponseOutputItem)
    assert "function_call" in names
    decoded = {"message", "reasoning", "image_generation_call", "tool_search_call"}
    known = {*decoded, *OWN_CALLS, *vocabulary.SERVER_CALLS, *vocabulary.CLIENT_CALLS, *vocabulary.OPAQUE}
    assert not names - known


def test_every_content_and_citation_of_the_vendor_is_decoded(vendor: Any) -> None:
    contents = type_names(vendor.ResponseOutputMessage.model_fields["content"].annotation)
    contents |= type_names(vendor.ResponseReasoningItem.model_fields["summary"].annotation)
    contents |= type_names(vendor.ResponseReasoningItem.model_fields["content"].annotation)
    assert contents == set(vocabulary.PART_KINDS)
    citations = type_names(vendor.ResponseOutputText.model_fields["annotations"].annotation)
    assert citations == {"url_citation", "file_citation", "container_file_citation", "file_path"}
