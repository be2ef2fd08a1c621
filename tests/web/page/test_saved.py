"""What stands in the file; tests/system/page opens it in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from headwater.events import TextDelta, decode, encode
from headwater.testing import sample_logs
from headwater.web.page.saved import saved_page


class Elements(HTMLParser):
    """The elements of a page, with what stands in each script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("", {}, ""))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style", "title"):
            tag, attributes, before = self.found[-1]
            self.found[-1] = (tag, attributes, before + data)


def parts(page: str, tag: str) -> list[tuple[dict[str, str | None], str]]:
    return [(attributes, inner) for name, attributes, inner in Elements(page).found if name == tag]


@pytest.mark.parametrize("name", sorted(sample_logs()))
def test_the_log_is_in_the_file_unchanged(name: str) -> None:
    log = sample_logs()[name]
    (data, inner), _ = parts(saved_page(log), "script")
    assert data == {"type": "application/json", "id": "log"}
    assert json.loads(inner) == [json.loads(encode(event, stamps=True)) for event in log]
    assert [decode(json.dumps(line)).type for line in json.loads(inner)] == [event.type for event in log]


def test_the_policy_allows_that_script_and_that_style_alone() -> None:
    page = saved_page(sample_logs()["text"])
    policy = next(attributes["content"] for attributes, _ in parts(page, "meta") if "http-equiv" in attributes) or ""
    script, style = parts(page, "script")[1][1], parts(page, "style")[0][1]
    for kind, inner in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


def test_nothing_is_fetched() -> None:
    for tag, attributes, _ in Elements(saved_page(sample_logs()["text"])).found:
        assert not {"src", "href", "srcset", "action"} & attributes.keys(), tag


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--<script>", "]]>&amp;&#60;", "\u2028\u2029"]
)
def test_no_text_gets_out_of_the_log(text: str) -> None:
    log = list(sample_logs()["text"])
    at = next(place for place, event in enumerate(log) if isinstance(event, TextDelta))
    log[at] = msgspec.structs.replace(log[at], text=text)
    page = saved_page(log)
    scripts = parts(page, "script")
    assert len(scripts) == 2
    assert json.loads(scripts[0][1])[at]["text"] == text


def test_the_title_is_the_agents_name_and_no_markup() -> None:
    log = list(sample_logs()["text"])
    log[0] = msgspec.structs.replace(log[0], agent_name="<b>&")
    assert parts(saved_page(log), "title")[0][1].strip() == "<b>& · headwater"
    assert "<title>&lt;b&gt;&amp; · headwater</title>" in saved_page(log)


def test_no_log_is_a_page_as_well() -> None:
    assert json.loads(parts(saved_page([]), "script")[0][1]) == []
