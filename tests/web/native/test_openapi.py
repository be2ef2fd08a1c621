from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec

from headwater.version import __version__
from headwater.web.native.openapi import OPERATIONS, document
from headwater.web.problems import STATUS


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_it_is_a_document() -> None:
    told = document(OPERATIONS, server="/mine", token=True)
    assert json.loads(json.dumps(told)) == json.loads(msgspec.json.encode(told))
    assert (told["openapi"], told["info"]["version"]) == ("3.1.0", __version__)
    assert told["servers"] == [{"url": "/mine"}]
    for reference in references(told):
        place: Any = told
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_each_operation_is_in_it_once() -> None:
    told = document(OPERATIONS)
    stands = {(method, path) for path, methods in told["paths"].items() for method in methods}
    assert stands == {(one.method.lower(), one.path) for one in OPERATIONS}
    assert len(stands) == len(OPERATIONS) == len({one.name for one in OPERATIONS})
    assert "security" not in told


def test_a_started_run_links_to_its_operations() -> None:
    told = document(OPERATIONS)["paths"]["/runs"]["post"]
    named = {one.name for one in OPERATIONS if one.path.startswith("/runs/{id}")}
    links = told["responses"]["201"]["links"]
    assert {*links} == named
    assert all(
        link == {"operationId": name, "parameters": {"id": "$response.body#/run_id"}} for name, link in links.items()
    )
    assert told["requestBody"]["content"]["application/json"]["example"] == {"input": "Explain tides."}


def test_each_refusal_that_is_named_is_one() -> None:
    for one in OPERATIONS:
        assert {*one.refused} <= {*STATUS}
        responses = one.described()["responses"]
        assert {str(STATUS[code]) for code in one.refused} <= {*responses}


def test_a_body_that_is_refused_and_one_that_is_taken() -> None:
    told = document(OPERATIONS)
    schema = {**told["components"]["schemas"]["Starting"], "components": told["components"]}
    assert jsonschema.Draft202012Validator(schema).is_valid({"input": "x", "on_disconnect": 3})
    assert not jsonschema.Draft202012Validator(schema).is_valid({"input": "x", "on_disconnect": "sleep"})
    assert not jsonschema.Draft202012Validator(schema).is_valid({"agent": "x"})
