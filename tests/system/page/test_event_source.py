"""A browser's own EventSource reads a run to its end, and does not come back for ever."""

from __future__ import annotations

import json

from tests.support.chromium import Browser
from tests.system.page.scene import agent
from tests.system.page.serving import serving

BEGIN = """
fetch("runs", { method: "POST", headers: { "content-type": "application/json" }, body: '{"input": "Hi"}' })
  .then((told) => told.json()).then(({ run_id, events }) => {
    window.heard = [];
    window.times = 0;
    window.source = new EventSource(events);
    source.onopen = () => (times += 1);
    for (const type of TYPES) source.addEventListener(type, (event) => heard.push([Number(event.lastEventId), type]));
    return run_id;
  })
"""
LOG = """
fetch("runs/RUN/events", { headers: { accept: "application/x-ndjson" } }).then((told) => told.text())
  .then((text) => text.trim().split("\\n").map((line) => JSON.parse(line)).map(({ seq, type }) => [seq, type]))
"""


def test_an_event_source_hears_every_event_once_and_is_closed_after_the_end(chromium: Browser) -> None:
    words = " ".join(f"word{at}" for at in range(60))
    types = [
        *(
            "run.started",
            "message.added",
            "step.started",
            "attempt.started",
            "text.started",
            "text.delta",
            "text.ended",
        ),
        *("usage.reported", "step.finished", "run.finished"),
    ]
    with serving(agent("writer", "offline/writer", 120, [words])) as url:
        page = chromium.page()
        page.go(url)
        run = page.run(BEGIN.replace("TYPES", json.dumps(types)))
        page.until("source.readyState === EventSource.CLOSED")  # it asked once more, and 204 told it to stay away
        log = page.run(LOG.replace("RUN", run))
        assert page.run("heard") == [[seq, kind] for seq, kind in log if kind in types]
        assert {kind for _, kind in log} - {"reset"} <= set(types), "it hears only types that it asks for"
        assert page.run("times") == 1
        assert page.problems == []
