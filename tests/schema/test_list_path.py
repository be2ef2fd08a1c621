from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from headwater.errors import ConfigurationError
from headwater.schema.list_path import prove_list
from headwater.schema.output import OutputType


class Node(BaseModel):
    name: str
    children: list[Node] = []
    tags: set[str] | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


class Hours(BaseModel):
    hours: list[int] = Field(alias="Hours")


class A(BaseModel):
    kind: Literal["a"]
    xs: list[int]


class B(BaseModel):
    kind: Literal["b"]
    ys: list[int]


class Parts(BaseModel):
    parts: list[Annotated[A | B, Field(discriminator="kind")]]
    pair: tuple[list[int], str]
    more: tuple[int, ...] = ()
    anything: Any = None


SCHEMA = {"type": "object", "properties": {"xs": {"type": "array"}, "deep": {"$ref": "#/$defs/Deep"}}}


@pytest.mark.parametrize(
    ("output", "path"),
    [
        (Node, ("children",)),
        (Node, ("tags",)),
        (Node, ("children", 3, "children", 0, "tags")),
        (list[Node], ()),
        (list[Node], (0, "children")),
        (dict[str, list[int]], ("any",)),
        (Open, ("more",)),
        (Hours, ("Hours",)),
        (Parts, ("parts",)),
        (Parts, ("parts", 0, "ys")),
        (Parts, ("parts", 0, "zs")),
        (Parts, ("pair", 0)),
        (Parts, ("more",)),
        (Parts, ("anything", "at", 0, "all")),
        (list[int] | str, ()),
        (Node | Hours, ("nothing",)),
        (str, ("x",)),
        (Any, ("x",)),
        (SCHEMA, ("xs",)),
        (SCHEMA, ("more",)),
        (SCHEMA, ("deep", "xs")),
    ],
)
def test_a_list_that_an_answer_may_have(output: Any, path: Any) -> None:
    prove_list(OutputType(output), path)


@pytest.mark.parametrize(
    ("output", "path", "said"),
    [
        (Node, (), "There is no list at (): the answer is an object. Its lists are 'children', 'tags'."),
        (Node, ("childern",), "the answer has no 'childern'. Did you mean items('children')?"),
        (Node, ("name",), "There is no list at 'name': what is at 'name' is a string."),
        (Node, ("children", 0, "tag"), "('children', 0) has no 'tag'. Did you mean items(('children', 0, 'tags'))?"),
        (Node, ("children", "tags"), "what is at 'children' is a list. Did you mean items('children')?"),
        (list[Node], ("children",), "There is no list at 'children': the answer is a list. Did you mean items()?"),
        (dict[str, list[int]], (0,), "the answer is an object"),
        (Hours, ("hours",), "Did you mean items('Hours')?"),
        (Open, ("x",), "is a whole number. Pass the names"),
        ({**SCHEMA, "additionalProperties": False}, ("x",), "Did you mean items('xs')?"),
    ],
)
def test_a_list_that_no_answer_has(output: Any, path: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        prove_list(OutputType(output), path)
    assert said in str(raised.value)
