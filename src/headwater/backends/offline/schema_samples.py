"""Generates a value from a JSON Schema: the offline model's arguments of calls and typed output.

Deterministic, with strings and numbers taken from the task where they fit. The goal is a small valid value: only
required properties, the first branch that works. `not`, `if`, `propertyNames` and similar keywords are ignored, and a
`pattern` is satisfied only by common kinds of string; nothing else here checks the result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count as count_up
from typing import Any

from headwater.backends.offline.schema_keywords import Schema, fits, holds, kind, merged
from headwater.errors import ConfigurationError
from headwater.schema.shapes import constraints_said

__all__ = ("sample",)

# Mutually recursive schemas can be walked endlessly; no schema of a real tool needs this many steps.
MAX_STEPS = 20_000

_FORMATS = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "ipv4network": "192.0.2.0/24",
    "ipvanynetwork": "192.0.2.0/24",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/example",
    "iri-reference": "/example",
    "uri-template": "/example/{id}",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "json-pointer": "/example",
    "relative-json-pointer": "0",
    "regex": ".*",
    "json-string": "{}",
    "byte": "aGVhZHdhdGVy",
    "base64": "aGVhZHdhdGVy",
    "base64url": "aGVhZHdhdGVy",
}
_WHOLE_TASK = frozenset({"input", "message", "prompt", "q", "query", "question", "request", "search", "task", "text"})
_SMALL_WORDS = re.compile(
    "a|about|all|an|and|any|are|at|be|by|can|could|do|does|find|for|from|get|give|has|have|how|i|if|in|is|it|let|many|me"
    "|much|my|need|of|on|or|our|please|say|search|should|show|some|tell|that|the|their|then|there|these|they|this|to|us"
    "|use|want|was|we|what|when|where|which|who|why|will|with|would|write|you|your",
    re.IGNORECASE,
)


class _Unmeetable(Exception):
    """This branch has no finite value; another one may."""


class _Unmatched(_Unmeetable):
    """No string was found for the pattern, which is its argument."""


def sample(schema: Schema, task: str = "", *, matching: bool = False) -> Any:
    """Returns a valid value for `schema`, with words and numbers from `task`; an empty object if none was found.

    With `matching` it raises ConfigurationError for a pattern that it cannot follow; else its string has another form.
    """
    try:
        return _Sampler(schema, task, matching=matching).value(schema, "", ())
    except _Unmatched as error:
        raise ConfigurationError(
            f"The offline model cannot follow the pattern {error.args[0]!r}.",
            hint="Name another model, or write the answer with ScriptedModel of headwater.testing.",
        ) from None
    except _Unmeetable:
        return {}


class _Sampler:
    """Generates one value; tracks which words and numbers of the task are used."""

    def __init__(self, root: Schema, task: str, *, matching: bool) -> None:
        self._root = root
        self._matching = matching
        self._task = " ".join(task.split())
        words: list[str] = [word for word in re.findall(r"[^\W\d_][\w'-]*", task) if not _SMALL_WORDS.fullmatch(word)]
        # Proper names first: in "the weather in Paris tomorrow" Paris is the likelier argument.
        named = [word for word in words[1:] if word[0].isupper()]
        self._words = [*named, *(word for word in words if word not in named)] or ["example"]
        self._next_word = count_up()
        self._numbers = [float(n) if "." in n else int(n) for n in re.findall(r"-?\b\d{1,9}(?:\.\d{1,6})?\b", task)]
        self._steps = 0

    def value(self, schema: Any, name: str, following: tuple[str, ...]) -> Any:
        """Returns a value for `schema`, the schema of the property `name`; `following` are the references followed so
        far."""
        self._steps += 1
        if self._steps > MAX_STEPS or schema is False:
            raise _Unmeetable
        if not isinstance(schema, dict):
            return self._string({}, name)
        if isinstance(description := schema.get("description"), str):
            schema = {**constraints_said(description), **schema}
        if isinstance(reference := schema.get("$ref"), str):
            if reference in following:  # the smallest value never needs a schema inside itself
                raise _Unmeetable
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self.value(merged(self._resolve(reference), rest), name, (*following, reference))
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._fitting(schema["enum"], schema)
        if isinstance(schema.get("allOf"), list):
            return self.value(self._all_of(schema), name, following)
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                return self._any_of(schema, word, name, following)
        if "default" in schema:
            return schema["default"]
        if schema.get("examples"):
            return schema["examples"][0]
        return self._typed(schema, name, following)

    def _typed(self, schema: Schema, name: str, following: tuple[str, ...]) -> Any:
        match kind(schema):
            case "object":
                return self._object(schema, following)
            case "array":
                return self._array(schema, name, following)
            case "integer":
                return self._number(schema, whole=True)
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    # --- combined schemas

    def _resolve(self, reference: str) -> Any:
        found: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and step in found:
                found = found[step]
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                raise _Unmeetable
        return found

    def _all_of(self, schema: Schema) -> Any:
        whole: Any = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            if isinstance(part, dict) and isinstance(part.get("$ref"), str):
                rest = {key: value for key, value in part.items() if key != "$ref"}
                part = merged(self._resolve(part["$ref"]), rest)
            whole = merged(whole, part)
        return whole

    def _any_of(self, schema: Schema, word: str, name: str, following: tuple[str, ...]) -> Any:
        rest = {key: value for key, value in schema.items() if key not in (word, "default")}
        # Prefer a value to null: null comes last, whatever its position.
        unmet = _Unmeetable()
        for branch in sorted(schema[word], key=lambda branch: branch == {"type": "null"}):
            try:
                return self.value(merged(rest, branch), name, following)
            except _Unmeetable as error:
                unmet = error
        raise unmet

    # --- one type

    def _object(self, schema: Schema, following: tuple[str, ...]) -> dict[str, Any]:
        properties: Schema = schema.get("properties") or {}
        others = schema.get("additionalProperties", True)
        made: dict[str, Any] = {}
        for name in schema.get("required") or ():
            made[name] = self.value(properties.get(name, others), name, following)
        fewest = schema.get("minProperties", 0)
        for name, inner in properties.items():
            if len(made) >= fewest:
                break
            if name not in made:
                with suppress(_Unmeetable):
                    made[name] = self.value(inner, name, following)
        for number in range(1, max(0, fewest - len(made)) + 1):
            made[f"key_{number}"] = self.value(others, "", following)
        return made

    def _array(self, schema: Schema, name: str, following: tuple[str, ...]) -> list[Any]:
        first: Sequence[Any] = schema.get("prefixItems") or ()
        items = schema.get("items", True)
        fewest = schema.get("minItems", 0)
        length = min(max(fewest, len(first), 1), schema.get("maxItems", math.inf))
        made: list[Any] = []
        try:
            for place in range(int(length)):
                inner = first[place] if place < len(first) else items
                value = self.value(inner, name, following)
                if schema.get("uniqueItems") and holds(made, value):
                    value = self._another(inner, value, made)
                made.append(value)
        except _Unmeetable:
            if len(made) < fewest:
                raise
        return made

    def _another(self, schema: Any, value: Any, made: list[Any]) -> Any:
        """Returns a value not yet in `made`: the next of an enum, the next number, a string with a number."""
        for other in self._variants(schema, value, len(made)):
            if not holds(made, other) and (not isinstance(schema, dict) or fits(other, schema)):
                return other
        raise _Unmeetable

    def _variants(self, schema: Any, value: Any, held: int) -> Iterator[Any]:
        if isinstance(schema, dict):
            yield from schema.get("enum") or ()
        if isinstance(value, bool):
            yield not value
        elif isinstance(value, (int, float)):
            step = schema.get("multipleOf", 1) if isinstance(schema, dict) else 1
            for times in range(1, held + 2):
                yield value + times * step
                yield value - times * step
        elif isinstance(value, str):
            for number in range(held + 2):
                yield f"{value}{number}"
                yield f"{value[: -len(str(number))]}{number}"

    def _fitting(self, values: Sequence[Any], schema: Schema) -> Any:
        return next((value for value in values if fits(value, schema)), values[0])

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        for place, number in enumerate(self._numbers):
            if (not whole or number == int(number)) and fits(number, schema):
                del self._numbers[place]  # each of the task's numbers is used once, in order
                return number
        step: float = schema.get("multipleOf") or 1
        lows: list[float] = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
        highs: list[float] = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
        candidates: list[float] = [1, step, 0]
        for bound in (*lows, *highs):
            near = math.floor(bound / step)
            candidates += [near * step, (near + 1) * step, (near - 1) * step, bound]
        if lows and highs:
            candidates.append(max(lows) / 2 + min(highs) / 2)
        for number in candidates:
            if whole:
                if number != int(number):
                    continue
                number = int(number)
            if fits(number, schema):
                return number
        raise _Unmeetable

    def _string(self, schema: Schema, name: str) -> str:
        pattern = schema.get("pattern")
        formatted = _FORMATS.get(str(schema.get("format")))
        if formatted is not None and (pattern is None or _matches(pattern, formatted)):
            return formatted
        text = self._task if name.lower() in _WHOLE_TASK and self._task else self._word()
        fewest: int = schema.get("minLength", 0)
        most: int | None = schema.get("maxLength")
        if pattern is not None:
            for made in _strings(text, fewest, most):
                if _matches(pattern, made):
                    return made
            if self._matching:
                raise _Unmatched(pattern)
            return text
        while len(text) < fewest:
            text += f" {self._word()}"
        return text if most is None else text[:most]

    def _word(self) -> str:
        return self._words[next(self._next_word) % len(self._words)]


def _strings(text: str, fewest: int, most: int | None) -> Iterator[str]:
    """Common kinds of string, for a pattern to choose from."""
    longest = most if most is not None else max(fewest, 40)
    plain = (
        text,
        text.lower(),
        text.upper(),
        *_FORMATS.values(),
        "A1",
        "AB-123",
        "#aabbcc",
        "+15550100",
        "1.0.0",
        "$1",
    )
    yield from (made for made in plain if fewest <= len(made) <= longest)
    for length in range(max(fewest, 1), longest + 1):
        for letters in ("1234567890", "abcdefghij", "ABCDEFGHIJ", "a1b2c3d4e5", "A1B2C3D4E5"):
            yield (letters * (length // 10 + 1))[:length]


def _matches(pattern: Any, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except (re.error, TypeError):
        return True  # not a valid Python pattern: accept anything
