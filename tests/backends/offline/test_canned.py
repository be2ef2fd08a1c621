"""The offline model's answers without a script."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest

from headwater.backends.offline import (
    SHAPES,
    OfflineModel,
    Shape,
)
from headwater.backends.offline.tokenizer import count
from headwater.events import (
    ReasoningDelta,
    ReasoningEnded,
    TextStarted,
)
from headwater.events.messages import (
    Image,
    Message,
    Text,
    ToolCall,
    ToolResult,
)
from headwater.providers.request import OutputSpec, Request, ToolSpec
from tests.backends.offline.answers import CLOCK, WEATHER, answer_to, ask


@pytest.mark.parametrize("shape", [None, *SHAPES])
@pytest.mark.parametrize("seed", range(3))
def test_it_says_that_it_is_not_a_language_model(shape: Shape | None, seed: int) -> None:
    answer = answer_to(OfflineModel(shape=shape, seed=seed), ask("Who are you?"))
    assert "not a language model" in answer.text.lower()
    assert "Who are you?" in answer.text
    assert answer.decoder.complete
    assert answer.decoder.finish_reason == answer.decoder.provider_finish_reason == "stop"
    assert answer.decoder.model == "offline"
    assert len(answer.tokens) == count(answer.text) > 20


def test_the_same_request_has_the_same_answer() -> None:
    request = ask("Write a poem about 3 rivers", tools=(WEATHER, CLOCK), reasoning="low")
    assert answer_to(OfflineModel()).events == answer_to(OfflineModel()).events
    assert answer_to(OfflineModel(rate=50), request).events == answer_to(OfflineModel(), request).events


def test_the_seed_picks_among_phrasings() -> None:
    assert answer_to(OfflineModel(seed=1)).text != answer_to(OfflineModel(seed=0)).text
    assert answer_to(OfflineModel(), ask(seed=1)).text == answer_to(OfflineModel(seed=1)).text


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        ("Why is the sky blue?", "prose"),
        ("Write a POEM about rivers", "poem"),
        ("Write a python function that sorts", "markdown"),
        ("List the planets", "markdown"),
        ("A listless scripture", "prose"),
        ("", "prose"),
    ],
)
def test_the_shape_follows_the_task(task: str, shape: Shape) -> None:
    assert answer_to(OfflineModel(), ask(task)).text == answer_to(OfflineModel(shape=shape), ask(task)).text


def test_markdown_has_headings_a_list_and_code() -> None:
    task = 'Compare "a" and `b`\nin code'
    lines = answer_to(OfflineModel(shape="markdown"), ask(task)).text.splitlines()
    assert lines[0] == '# Compare "a" and `b` in code'
    assert any(line.startswith("## ") for line in lines)
    assert any(line.startswith("- **") for line in lines)
    assert any(line.startswith("1. ") for line in lines)
    code = lines[lines.index("```python") + 1 : lines.index("```")]
    compile("\n".join(code), "answer", "exec")


def test_a_long_task_is_quoted_in_part() -> None:
    text = answer_to(OfflineModel(), ask("river " * 1000)).text
    assert "river…" in text
    assert len(text) < 1000


def test_without_a_user_message_nothing_is_quoted() -> None:
    request = Request(model="offline", messages=(Message.system("Be brief."),))
    assert "“(nothing)”" in answer_to(OfflineModel(), request).text
    assert answer_to(OfflineModel(shape="markdown"), request).text.startswith("# Nothing was asked")


@pytest.mark.parametrize("shape", SHAPES)
def test_it_says_that_it_was_given_the_conversation(shape: Shape) -> None:
    earlier = (
        Message.user("Why?"),
        Message.assistant("Because."),
        Message.user("And when?"),
        Message.assistant("Now."),
    )
    first = ask("Where?")
    third = msgspec.structs.replace(first, messages=(*earlier, *first.messages))
    said = "This is message 3 of our conversation. The one before was: “And when?”"
    assert said in answer_to(OfflineModel(shape=shape), third).text
    assert "our conversation" not in answer_to(OfflineModel(shape=shape), first).text


def test_the_answers_that_a_workflow_passes_on_are_no_title() -> None:
    text = answer_to(OfflineModel(), ask("List the tides.", Message.user("pilot has answered:\n\n# A list"))).text
    assert text.startswith("# List the tides.\n")
    assert "our conversation" not in text


def test_low_verbosity_is_the_first_paragraph() -> None:
    whole = answer_to(OfflineModel(), ask()).text
    assert answer_to(OfflineModel(), ask(verbosity="low")).text == whole.partition("\n\n")[0]


def test_reasoning_comes_first_and_is_counted() -> None:
    answer = answer_to(OfflineModel(), ask(reasoning="low"))
    kinds = [type(event) for event in answer.events]
    assert kinds.index(ReasoningEnded) < kinds.index(TextStarted)
    reasoned = sum(isinstance(event, ReasoningDelta) for event in answer.events)
    usage = answer.decoder.usage
    assert usage is not None
    assert usage.reasoning_tokens == reasoned > 0
    assert usage.output_tokens == reasoned + len(answer.tokens)
    assert not [
        event for event in answer_to(OfflineModel(), ask(reasoning=False)).events if isinstance(event, ReasoningDelta)
    ]


def test_each_tool_is_called_once_then_quoted() -> None:
    model, request = OfflineModel(), ask(tools=(WEATHER, CLOCK))
    first = answer_to(model, request)
    assert first.calls == {"weather": {"city": "Paris", "unit": "celsius"}, "clock": {}}
    assert first.text == "Let me call `weather` and `clock` first."
    assert first.decoder.finish_reason == "tool_calls"

    called = Message.assistant(*(ToolCall(id=name, name=name, arguments=args) for name, args in first.calls.items()))
    back = Message.tool(
        ToolResult(id="weather", name="weather", content="Sunny,\n21 °C"),
        ToolResult(id="clock", name="clock", content="It stood still.", error=True),
    )
    second = answer_to(model, ask("What is the weather in Paris?", called, back, tools=(WEATHER, CLOCK)))
    assert not second.calls
    assert "`weather` returned: Sunny, 21 °C" in second.text
    assert "`clock` failed: It stood still." in second.text
    assert second.decoder.finish_reason == "stop"

    third = answer_to(model, ask("Hm.", called, back, Message.user("And now?"), tools=(WEATHER,)))
    assert set(third.calls) == {"weather"}


def test_results_of_parts_and_long_ones_are_quoted_too() -> None:
    parts = (Text(text="See"), Image(url="https://example.com/x.png", media_type="image/png"))
    back = Message.tool(
        ToolResult(id="1", name="look", content=parts),
        ToolResult(id="2", name="read", content="word " * 1000),
        ToolResult(id="3", name="wait", content=""),
    )
    text = answer_to(OfflineModel(shape="poem"), ask("So?", back)).text
    assert "`look` returned: See [image/png]" in text
    assert "`wait` returned: (nothing)" in text
    assert "word…" in text
    assert len(text) < 1500


def test_without_parallel_calls_one_tool_per_step() -> None:
    answer = answer_to(OfflineModel(), ask(tools=(WEATHER, CLOCK), parallel_tool_calls=False))
    assert list(answer.calls) == ["weather"]


@pytest.mark.parametrize(
    ("choice", "called"),
    [("auto", {"weather", "clock"}), ("none", set()), ("required", {"weather", "clock"}), ("clock", {"clock"})],
)
def test_tool_choice(choice: str, called: set[str]) -> None:
    request = ask(tools=(WEATHER, CLOCK), tool_choice=choice)
    assert set(answer_to(OfflineModel(), request).calls) == called


def test_a_stop_sequence_ends_the_answer() -> None:
    whole = answer_to(OfflineModel()).text
    answer = answer_to(OfflineModel(), ask(stop=("nowhere in it", "language", "model")))
    assert answer.text == whole[: min(whole.index("language"), whole.index("model"))]
    assert (answer.decoder.finish_reason, answer.decoder.provider_finish_reason) == ("stop", "stop_sequence")
    assert answer_to(OfflineModel(), ask(tools=(CLOCK,), stop=("call",))).calls == {}


def test_the_answer_tool_is_called_last() -> None:
    final = ToolSpec(name="final", parameters={**WEATHER.parameters, "properties": {"city": {"type": "string"}}})
    spec = OutputSpec(name="answer", schema=final.parameters, tool="final")

    def asked(*after: Message) -> Request:
        return msgspec.structs.replace(ask("Paris", *after, tools=(final, CLOCK)), output=spec)

    assert [*answer_to(OfflineModel(), asked()).calls] == ["clock"]
    called = Message.assistant(ToolCall(id="c", name="clock", arguments={}))
    gives = answer_to(OfflineModel(), asked(called, Message.tool(ToolResult(id="c", name="clock", content="noon"))))
    assert gives.calls.keys() == {"final"}
    assert gives.calls["final"]["city"] == "Paris"
    assert gives.text == "", "it says nothing beside"


def test_the_output_is_json_of_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "score": {"type": "number", "maximum": 1},
            "tags": {"type": "array"},
        },
        "required": ["title", "score", "tags"],
    }
    answer = answer_to(OfflineModel(), ask("Rate Casablanca 0.5 times", output=schema))
    assert json.loads(answer.text) == {"title": "Casablanca", "score": 0.5, "tags": ["Rate"]}
    jsonschema.validate(json.loads(answer.text), schema)
