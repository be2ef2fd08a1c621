"""The output items of a response: each emitted once, complete, and in order."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    SourceFound,
    TextDelta,
    TextEnded,
    TextStarted,
)
from headwater.events.messages import (
    Message,
    ToolResult,
)
from headwater.providers.decoder import Place
from headwater.providers.openai_responses import vocabulary
from headwater.providers.openai_responses.response import Decoder
from tests.providers.openai_responses.frames import (
    JSON,
    PNG,
    URL,
    added,
    called,
    cited,
    completed,
    delta,
    done,
    items_of,
    made,
    message_of,
    of,
    reasoned,
    said,
    stream,
    warnings,
)
from tests.support.recordings import (
    decode,
    telling,
)


def test_deltas_are_the_text() -> None:
    decoder, events = made(
        {"type": "response.created", "response": {"id": "resp_1", "model": "m-1"}},
        added(0, said()),
        delta("Good "),
        delta(""),
        delta("day"),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Good day"},
        done(0, said("Good day")),
        completed(said("Good day"), usage={"input_tokens": 3, "output_tokens": 2}),
    )
    assert [event.text for event in of(TextDelta, events)] == ["Good ", "day"]
    assert len(of(TextStarted, events)) == len(of(TextEnded, events)) == 1
    assert (decoder.complete, decoder.finish_reason, decoder.provider_finish_reason) == (True, "stop", "completed")
    assert (decoder.model, decoder.response_id) == ("m-1", "resp_1")
    assert not warnings(events)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([done(0, said("All of it")), completed()], id="only in the item"),
        pytest.param([added(0, said()), done(0, said("All of it")), completed()], id="begun, only in the item"),
        pytest.param([completed(said("All of it"))], id="only in the response"),
        pytest.param([added(0, said()), done(0, said()), completed(said("All of it"))], id="empty item, full response"),
        pytest.param([delta("All of it"), completed()], id="deltas of no item"),
        pytest.param([delta("All "), completed(said("All of it"))], id="the rest in the response"),
        pytest.param(
            [delta("All "), done(0, said("All of it")), completed(said("All of it"))], id="the rest in the item"
        ),
        pytest.param(
            [
                added(0, said()),
                {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "All of it"},
                done(0, said("All of it")),
                completed(said("All of it")),
            ],
            id="only in the text's end",
        ),
        pytest.param(
            [
                added(0, said()),
                {
                    "type": "response.content_part.done",
                    "output_index": 0,
                    "content_index": 0,
                    "part": {"type": "output_text", "text": "All of it"},
                },
                completed(),
            ],
            id="only in the part's end",
        ),
        pytest.param(
            [delta("All ", item="msg_1", index=0), delta("of it", item="msg_2", index=1), completed(said("All of it"))],
            id="two messages that the response joins",
        ),
        pytest.param(
            [delta("All of it"), completed(said("All "), said("of it", ident="msg_2"))],
            id="one message that the response parts",
        ),
        pytest.param(
            [delta("All ", item="a"), done(0, said("All ", ident="b")), completed(said("All ", "of it", ident="c"))],
            id="ids that change, a content more in the response",
        ),
    ],
)
def test_text_in_unusual_frames(frames: list[JSON]) -> None:
    decoder, events = made(*frames)
    assert telling(events).text == "All of it"
    assert decoder.complete
    assert not warnings(events)


def test_contradicted_text_stays() -> None:
    for last in (done(0, said("Nothing of it")), completed(said("Nothing of it"))):
        _, events = made(delta("All of it"), last)
        assert telling(events).text == "All of it"
        assert warnings(events) == ["text_differs"]


def test_a_message_that_was_not_streamed_survives_a_contradiction() -> None:
    _, events = made(added(0, said()), delta("one"), completed(said("two"), said(" more", ident="msg_2")))
    assert telling(events).text == "one more"
    assert warnings(events) == ["text_differs"]


def test_a_truncated_answer_is_not_complete() -> None:
    decoder, events = made(added(0, said()), delta("All "))
    assert telling(events).text == "All "
    assert (decoder.complete, decoder.error, decoder.finish_reason) == (False, None, None)


def test_anything_after_the_end_is_ignored() -> None:
    decoder, events = made(completed(said("a")), delta("b"), completed(said("a"), said("b", ident="msg_2")))
    assert telling(events).text == "a"
    assert decoder.feed(stream(delta("c"))) == []


def test_two_messages_are_two_parts() -> None:
    _, events = made(
        added(0, said(ident="a")),
        delta("First", item="a"),
        done(None, said("First", ident="a")),
        added(1, said(ident="b")),
        delta("Second", item="b", index=1),
        done(None, said("Second", ident="b")),
        completed(said("First", ident="a"), said("Second", ident="b")),
    )
    assert [event.part for event in of(TextDelta, events)] == [0, 1]
    assert telling(events).text == "FirstSecond"


def test_interleaved_messages_keep_the_order_of_their_deltas() -> None:
    _, events = made(
        delta("a", item="x", index=None), delta("b", item="y", index=None), delta("c", item="x", index=None)
    )
    assert telling(events).text == "ab" + "c"


def test_part_numbers_and_lead_follow_the_place() -> None:
    decoder = Decoder(Place(step=2, part=4, lead="\n\n"))
    events = decode(decoder, [stream(done(0, said("a", "b")), completed())])
    starts = of(TextStarted, events)
    assert [(start.step, start.part, start.lead) for start in starts] == [(2, 4, "\n\n"), (2, 5, "")]


def test_characters_split_between_deltas() -> None:
    _, events = made(delta("né 😀"), completed())
    assert telling(events).text == "né 😀"


def test_call_with_deltas() -> None:
    decoder, events = made(
        added(0, called("")),
        delta('{"a"', kind="function_call_arguments", item="fc_1"),
        delta(":1}", kind="function_call_arguments", item="fc_1"),
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
        done(0, called('{"a":1}')),
        completed(called('{"a":1}')),
    )
    assert [event.json for event in of(CallDelta, events)] == ['{"a"', ":1}"]
    (ready,) = of(CallReady, events)
    assert (ready.call, ready.name, ready.arguments, ready.item_id) == ("call_1", "now", {"a": 1}, "fc_1")
    assert decoder.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([done(0, called('{"a":1}'))], id="only in the item"),
        pytest.param([added(0, called("")), done(0, called('{"a":1}'))], id="no deltas"),
        pytest.param([added(0, called("", name="")), done(0, called('{"a":1}'))], id="a name that comes late"),
        pytest.param(
            [added(0, called("")), delta('{"a"', kind="function_call_arguments"), done(0, called('{"a":1}'))],
            id="deltas that stop short",
        ),
        pytest.param(
            [
                added(0, called("")),
                {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
            ],
            id="no end of the item",
        ),
        pytest.param([completed(called('{"a":1}'))], id="only in the response"),
    ],
)
def test_arguments_in_unusual_frames(frames: list[JSON]) -> None:
    decoder, events = made(*frames, completed())
    assert "".join(event.json for event in of(CallDelta, events)) == '{"a":1}'
    assert [(event.call, event.arguments) for event in of(CallReady, events)] == [("call_1", {"a": 1})]
    assert decoder.finish_reason == "tool_calls"
    assert not warnings(events)


def test_contradicted_arguments_are_replaced_by_the_final_ones() -> None:
    _, events = made(
        added(0, called("")), delta('{"b"', kind="function_call_arguments"), done(0, called('{"a":1}')), completed()
    )
    (ready,) = of(CallReady, events)
    assert ready.arguments == {"a": 1}
    assert warnings(events) == ["arguments_differ"]


def test_parallel_calls_without_indexes() -> None:
    _, events = made(
        added(None, called("", ident="fc_1", call="c1")),
        added(None, called("", ident="fc_2", call="c2")),
        delta("{", kind="function_call_arguments", item="fc_1", index=None),
        delta('{"x":2', kind="function_call_arguments", item="fc_2", index=None),
        delta("}", kind="function_call_arguments", item="fc_1", index=None),
        delta("}", kind="function_call_arguments", item="fc_2", index=None),
        done(None, called('{"x":2}', ident="fc_2", call="c2")),
        done(None, called("{}", ident="fc_1", call="c1")),
        completed(),
    )
    assert telling(events).calls == [("c1", "now", {}), ("c2", "now", {"x": 2})]


def test_a_cut_off_call_is_rejected() -> None:
    for end in (
        [],
        [completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
        [done(0, called('{"a":1}', status="incomplete"))],
    ):
        _, events = made(added(0, called("")), delta('{"a":1}', kind="function_call_arguments"), *end)
        (rejected,) = of(CallRejected, events)
        assert (rejected.raw, rejected.cut) == ('{"a":1}', True)


def test_custom_tool_call() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "sql", "input": "SELECT 1"}
    _, events = made(
        added(0, {**item, "input": ""}),
        delta("SELECT", kind="custom_tool_call_input", item="ctc_1"),
        done(0, item),
        completed(),
    )
    (ready,) = of(CallReady, events)
    assert (ready.arguments, ready.custom) == ("SELECT 1", True)
    answered = Message.tool(ToolResult(id="c1", name="sql", content="1", custom=True))
    assert items_of(message_of(events), answered) == [
        item,
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
    ]


def test_two_calls_with_one_id() -> None:
    place = Place()
    for _ in range(2):
        events = decode(Decoder(place), [stream(done(0, called("{}")), completed())])
    (start,) = of(CallStarted, events)
    assert (start.call, start.id) == ("call_1#2", "call_1")


def summary_delta(text: str, index: int) -> JSON:
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": 0,
        "item_id": "rs_1",
        "summary_index": index,
        "delta": text,
    }


def test_summaries_are_separate_parts() -> None:
    item = reasoned("**One**", "**Two**")
    _, events = made(
        added(0, reasoned()),
        summary_delta("**One", 0),
        summary_delta("**", 0),
        {
            "type": "response.reasoning_summary_part.done",
            "output_index": 0,
            "summary_index": 0,
            "part": item["summary"][0],
        },
        summary_delta("**Two**", 1),
        done(0, item),
        completed(item),
    )
    assert [event.kind for event in of(ReasoningStarted, events)] == ["summary", "summary"]
    assert [(event.part, event.text) for event in of(ReasoningDelta, events)] == [
        (0, "**One"),
        (0, "**"),
        (1, "**Two**"),
    ]
    assert [event.signature for event in of(ReasoningEnded, events)] == ["rs_1", "rs_1"]
    assert [event.item for event in of(ProviderItemMade, events)] == [item]


def test_reasoning_in_full() -> None:
    item = reasoned(content=[{"type": "reasoning_text", "text": "so it is"}])
    for frames in ([delta("so it is", kind="reasoning_text", item="rs_1"), done(0, item)], [done(0, item)], []):
        _, events = made(*frames, completed(item))
        assert [event.kind for event in of(ReasoningStarted, events)] == ["full"]
        assert telling(events).reasoning == "so it is"
        assert [event.item for event in of(ProviderItemMade, events)] == [item]


def test_reasoning_that_ends_after_the_answer_started_is_sent_back_before_it() -> None:
    item = reasoned(content=[{"type": "reasoning_text", "text": "hm"}])
    _, events = made(
        added(None, reasoned()),
        delta("hm", kind="reasoning_text", item="rs_1", index=None),
        added(None, said()),
        delta("Yes", index=None),
        done(None, item),
        done(None, said("Yes")),
        completed(item, said("Yes")),
    )
    assert [one["type"] for one in items_of(message_of(events))] == ["reasoning", "message"]


@pytest.mark.parametrize("early", [True, False])
def test_citation_spans_refer_to_the_whole_text(early: bool) -> None:
    item = cited(URL)
    annotation = {
        "type": "response.output_text.annotation.added",
        "output_index": 1,
        "item_id": "msg_2",
        "content_index": 0,
        "annotation_index": 0,
        "annotation": URL,
    }
    _, events = made(
        done(0, said("Highest: ")),
        added(1, said(ident="msg_2")),
        delta("Mont Blanc, they say.", item="msg_2", index=1),
        *([annotation] if early else []),
        done(1, item),
        completed(said("Highest: "), item),
    )
    (source,) = of(SourceFound, events)
    assert (source.kind, source.url, source.title) == ("url", "https://peaks.example", "Peaks")
    assert telling(events).text[slice(*source.span)] == "Mont Blanc"
    assert items_of(message_of(events))[1] == item


def test_citations_of_files() -> None:
    item = cited(
        {"type": "file_citation", "file_id": "file-1", "filename": "alps.pdf", "index": 4},
        {
            "type": "container_file_citation",
            "container_id": "c",
            "file_id": "file-2",
            "filename": "map.png",
            "start_index": 0,
            "end_index": 4,
        },
        {"type": "file_path", "file_id": "file-3", "index": 1},
    )
    _, events = made(done(0, item), completed())
    found = [(source.kind, source.title, source.span) for source in of(SourceFound, events)]
    assert found == [("file", "alps.pdf", (4, 4)), ("file", "map.png", (0, 4)), ("file", "file-3", (1, 1))]
    assert items_of(message_of(events)) == [item]


def test_images_are_emitted_and_sent_back() -> None:
    item = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "revised_prompt": "a boat",
        "result": base64.b64encode(PNG).decode(),
    }
    _, events = made(
        added(0, {"type": "image_generation_call", "id": "ig_1", "status": "in_progress"}),
        {"type": "response.image_generation_call.partial_image", "output_index": 0, "partial_image_b64": "AAAA"},
        done(0, item),
        done(1, said("Here.")),
        completed(item, said("Here.")),
    )
    assert [(event.media_type, event.data) for event in of(FileMade, events)] == [("image/png", PNG)]
    assert items_of(message_of(events)) == [item, said("Here.")]
    assert not warnings(events)


def test_a_failed_image_is_kept_as_an_item() -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": None}
    _, events = made(done(0, item), completed())
    assert [event.item for event in of(ProviderItemMade, events)] == [item]


@pytest.mark.parametrize("result", ["no base64!", "é", "="])
def test_an_image_that_cannot_be_decoded_is_kept_as_an_item(result: str) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": result}
    _, events = made(done(0, item), completed())
    assert [event.item for event in of(ProviderItemMade, events)] == [item]
    assert not of(FileMade, events)


SERVER_ITEMS: list[tuple[JSON, str, Any]] = [
    (
        {
            "type": "web_search_call",
            "id": "ws_1",
            "action": {"type": "search", "query": "alps", "sources": [{"url": "u"}]},
        },
        "web_search",
        {"type": "search", "query": "alps"},
    ),
    ({"type": "file_search_call", "id": "fs_1", "queries": ["alps"]}, "file_search", {"queries": ["alps"]}),
    ({"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "outputs": []}, "code_interpreter", "1+1"),
    (
        {
            "type": "mcp_call",
            "id": "mcp_1",
            "name": "roll",
            "server_label": "dice",
            "arguments": '{"n":2}',
            "output": "7",
        },
        "roll",
        {"n": 2},
    ),
    (
        {"type": "tool_search_call", "id": "ts_1", "execution": "server", "arguments": {"goal": "g"}},
        "tool_search",
        {"goal": "g"},
    ),
]


@pytest.mark.parametrize(("item", "name", "arguments"), SERVER_ITEMS)
def test_server_side_tools_are_emitted_and_sent_back(item: JSON, name: str, arguments: Any) -> None:
    start = {key: value for key, value in item.items() if key in ("type", "id", "name", "execution")}
    for frames in ([added(0, start), done(0, item)], [done(0, item)], []):
        decoder, events = made(*frames, completed(item, said("Done.")))
        (ready,) = of(CallReady, events)
        assert (ready.by, ready.name, ready.arguments) == ("provider", name, arguments)
        assert decoder.finish_reason == "stop"
        assert items_of(message_of(events)) == [item, said("Done.")]
        assert not warnings(events)


def test_code_and_arguments_of_server_side_tools_are_streamed() -> None:
    code, mcp = SERVER_ITEMS[2][0], SERVER_ITEMS[3][0]
    _, events = made(
        added(0, {**code, "code": ""}),
        delta("1+", kind="code_interpreter_call_code", item="ci_1"),
        delta("1", kind="code_interpreter_call_code", item="ci_1"),
        {"type": "response.code_interpreter_call_code.done", "output_index": 0, "code": "1+1"},
        done(0, code),
        added(1, {**mcp, "arguments": ""}),
        delta('{"n":2}', kind="mcp_call_arguments", item="mcp_1", index=1),
        done(1, mcp),
        completed(code, mcp),
    )
    assert [event.json for event in of(CallDelta, events)] == ["1+", "1", '{"n":2}']


@pytest.mark.parametrize("kind", sorted(vocabulary.CLIENT_CALLS))
def test_unknown_client_calls_are_reported(kind: str) -> None:
    item = {"type": kind, "id": "x_1", "call_id": "c1", "action": {"type": "screenshot"}}
    decoder, events = made(done(0, item), completed(item))
    assert warnings(events) == ["not_run"]
    assert [event.item for event in of(ProviderItemMade, events)] == [item]
    assert decoder.finish_reason == "stop"


def test_unknown_items_and_events() -> None:
    item = {"type": "telepathy", "id": "t_1", "thought": "x"}
    _, events = made({"type": "response.telepathy.began"}, done(0, item), {"type": "keepalive"}, completed(item))
    assert warnings(events) == ["unknown_event"]
    assert [event.item for event in of(ProviderItemMade, events)] == [item]


def test_audio_is_reported() -> None:
    _, events = made({"type": "response.audio.delta", "delta": "AAAA"}, completed())
    assert warnings(events) == ["not_decoded"]


# --- repetitions


def text_done(text: str, *, index: int = 0, content: int = 0, item: str = "msg_1") -> JSON:
    place = {"output_index": index, "content_index": content, "item_id": item}
    return {"type": "response.output_text.done", **place, "text": text}


def refused(text: str, ident: str = "msg_1") -> JSON:
    return said(ident=ident, content=[{"type": "refusal", "refusal": text}])


@pytest.mark.parametrize(
    ("frames", "text", "refusal"),
    [
        pytest.param(
            [
                added(0, said()),
                delta("Hel", content=1),
                delta("lo", content=1),
                text_done("Hello", content=1),
                done(0, said("Hello")),
                completed(said("Hello")),
            ],
            "Hello",
            "",
            id="an index that is no place",
        ),
        pytest.param(
            [
                added(0, said()),
                delta("Hello"),
                done(1, said("Hello", ident="m2")),
                completed(said("Hello", ident="m2")),
            ],
            "Hello",
            "",
            id="another index and id when done",
        ),
        pytest.param(
            [
                delta("Hello", index=None, item=""),
                *[done(None, said("Hello", ident=""))] * 3,
                completed(said("Hello", ident="")),
            ],
            "Hello",
            "",
            id="done three times, without ids",
        ),
        pytest.param(
            [
                added(0, said()),
                delta("\nHello "),
                done(0, said("\nHello ")),
                completed(said("Hello"), said(ident="m2", content=[]), said("Hello", ident="m3")),
            ],
            "\nHello ",
            "",
            id="stripped and told twice at the end",
        ),
        pytest.param(
            [delta("Hello"), text_done("Hello", content=4, item="x", index=3), completed(said("Hello"))],
            "Hello",
            "",
            id="a text that is done under another index and id",
        ),
        pytest.param(
            [
                delta("A", content=2),
                delta("B", content=3),
                text_done("A", content=0),
                text_done("B", content=1),
                done(0, said("A", "B")),
                completed(said("A", "B")),
            ],
            "AB",
            "",
            id="two contents, counted in two ways",
        ),
        pytest.param(
            [delta("AB"), done(0, said("A", "B")), completed(said("A", "B"))], "AB", "", id="a content that is parted"
        ),
        pytest.param(
            [delta("No", kind="refusal", content=1), done(0, refused("No")), completed(refused("No", "m2"))],
            "",
            "No",
            id="a refusal",
        ),
        pytest.param(
            [delta("No", kind="refusal"), done(3, refused("No", "m2")), completed(refused("No", "m3"))],
            "",
            "No",
            id="a refusal under another index and id",
        ),
    ],
)
def test_repetitions_are_emitted_once(frames: list[JSON], text: str, refusal: str) -> None:
    decoder, events = made(*frames)
    assert decoder.complete
    assert (telling(events).text, telling(events).refusal) == (text, refusal)
    assert not warnings(events)


def test_reasoning_repeated_under_another_index_is_emitted_once() -> None:
    item = reasoned("One.", "Two.")
    _, events = made(
        summary_delta("One.", 1),
        summary_delta("Two.", 2),
        done(3, {**item, "id": "rs_2"}),
        completed({**item, "id": "rs_3"}),
    )
    assert telling(events).reasoning == "One.Two."
    assert len(of(ProviderItemMade, events)) == 1


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([*[done(0, called('{"a":1}', ident=""))] * 2, completed()], id="done twice"),
        pytest.param(
            [done(1, called('{"a":1}', ident="fc_2")), completed(called('{"a":1}', ident="fc_3"))], id="moved"
        ),
        pytest.param(
            [completed(called('{"a":1}', ident="fc_2"), called('{"a": 1}', ident="fc_3"))], id="twice at the end"
        ),
        pytest.param([added(4, called("", ident="fc_4")), completed(called('{"a":1}'))], id="begun twice"),
    ],
)
def test_a_call_repeated_under_one_call_id_is_one_call(frames: list[JSON]) -> None:
    _, events = made(added(0, called("")), delta('{"a":', kind="function_call_arguments", item="fc_1"), *frames)
    assert [(event.call, event.arguments) for event in of(CallReady, events)] == [("call_1", {"a": 1})]
    assert len(of(CallStarted, events)) == 1


def test_arguments_never_go_to_another_tool() -> None:
    _, events = made(
        added(0, called("", ident="f0", call="c0", name="pay")),
        added(1, called("", ident="f1", call="c1", name="refund")),
        delta('{"sum":5}', kind="function_call_arguments", item="f0", index=0),
        delta('{"sum":9}', kind="function_call_arguments", item="f1", index=1),
        completed(
            called('{"sum":9}', ident="g1", call="c1", name="refund"),
            called('{"sum":5}', ident="g0", call="c0", name="pay"),
        ),
    )
    assert telling(events).calls == [("c0", "pay", {"sum": 5}), ("c1", "refund", {"sum": 9})]


def test_two_different_calls_may_share_a_call_id() -> None:
    _, events = made(done(0, called('{"a":1}', ident="f0")), done(1, called('{"a":2}', ident="f1")), completed())
    assert [(event.call, event.arguments) for event in of(CallReady, events)] == [
        ("call_1", {"a": 1}),
        ("call_1#2", {"a": 2}),
    ]


def test_two_open_calls_under_one_call_id_are_not_mixed() -> None:
    _, events = made(
        added(0, called("", ident="f0")),
        delta('{"a"', kind="function_call_arguments", item="f0", index=0),
        added(1, called("", ident="f1")),
        delta('{"a":2}', kind="function_call_arguments", item="f1", index=1),
        delta(":1}", kind="function_call_arguments", item="f0", index=0),
        done(0, called('{"a":1}', ident="f0")),
        done(1, called('{"a":2}', ident="f1")),
        completed(called('{"a":1}', ident="f0"), called('{"a":2}', ident="f1")),
    )
    assert [event.arguments for event in of(CallReady, events)] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(("arguments", "ready"), [({"a": 1}, True), ([1], False), (5, False), (True, False)])
def test_arguments_that_are_not_text(arguments: Any, ready: bool) -> None:
    _, events = made(done(0, {**called(""), "arguments": arguments}), completed())
    assert bool(of(CallReady, events)) is ready
    assert bool(of(CallRejected, events)) is not ready


def signatures(events: list[Any]) -> list[str]:
    return [json.loads(event.signature)["id"] for event in of(TextEnded, events)]


def test_a_messages_id_is_fixed_when_its_first_part_ends() -> None:
    _, one = made(added(0, said(ident="a")), delta("One"), done(0, said("One", ident="b")), completed())
    assert signatures(one) == ["b"], "nothing had ended yet: the last id counts"
    _, two = made(
        added(0, said(ident="a")),
        delta("One"),
        delta("Two", content=1),
        done(0, said("One", "Two", ident="b")),
        completed(),
    )
    assert signatures(two) == ["a", "a"], "the first part had gone out with the first id"


def test_reasoning_that_is_told_as_a_summary_and_in_full_is_read_once() -> None:
    thought = "Tides follow the moon."
    item = {
        "type": "reasoning",
        "id": "r1",
        "summary": [{"type": "summary_text", "text": thought}],
        "content": [{"type": "reasoning_text", "text": thought}],
    }
    decoder, events = made(done(0, item), done(1, said("So.", ident="msg_2")), completed())
    assert "".join(event.text for event in of(ReasoningDelta, events)) == thought
    assert decoder.complete
    assert not warnings(events)


def test_arguments_that_are_told_again_are_read_once() -> None:
    whole = {"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 0, "arguments": "{}"}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"}
    decoder, events = made(added(0, {**call, "arguments": ""}), whole, done(0, call), whole, completed(call))
    assert [event.arguments for event in of(CallReady, events)] == [{}]
    assert decoder.complete
    assert not warnings(events)
