"""Draws one run twice: its spans as a waterfall, and the page's waterfall: docs/assets/telemetry-*.

python scripts/telemetry_pictures.py

The spans are those that an in-memory exporter got, so the picture shows what a collector would.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headwater.telemetry.saved import export
from headwater.web.page.saved import saved_page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import browser  # noqa: E402
from tests.system.page.scene import harbour_plan  # noqa: E402

ASSETS = ROOT / "docs" / "assets"

WIDTH: Final = 960
LABELS: Final = 300
"""The width of the names, in pixels."""
ROW: Final = 26
TOP: Final = 40

STYLE: Final = """
  svg { --back: #ffffff; --ink: #24292f; --quiet: #6e7781; --line: #d8dee4;
        --agent: #8a63d2; --workflow: #57606a; --chat: #2f81f7; --tool: #2da44e; }
  @media (prefers-color-scheme: dark) {
    svg { --back: #0d1117; --ink: #e6edf3; --quiet: #8b949e; --line: #30363d;
          --agent: #a887e6; --workflow: #8b949e; --chat: #539bf5; --tool: #46b463; }
  }
  text { font: 12px ui-sans-serif, system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: var(--ink); }
  .quiet { fill: var(--quiet); font-size: 11px; }
  .line { stroke: var(--line); }
"""

COLORS: Final = {"invoke_agent": "agent", "invoke_workflow": "workflow", "chat": "chat", "execute_tool": "tool"}


def spans() -> Sequence[ReadableSpan]:
    """Returns what the exporter got of the run."""
    exporter = InMemorySpanExporter()
    export(harbour_plan(), exporter)
    return exporter.get_finished_spans()


def in_order(
    found: Sequence[ReadableSpan], parent: int | None = None, depth: int = 0
) -> Iterator[tuple[int, ReadableSpan]]:
    """Returns each span after those around it, with its depth."""
    below = [span for span in found if (span.parent.span_id if span.parent is not None else None) == parent]
    for span in sorted(below, key=lambda span: span.start_time or 0):
        yield depth, span
        yield from in_order(found, span.context.span_id, depth + 1)


def waterfall(found: Sequence[ReadableSpan]) -> str:
    """Returns the waterfall as SVG."""
    begun = min(span.start_time or 0 for span in found)
    whole = max(span.end_time or 0 for span in found) - begun
    scale = (WIDTH - LABELS - 70) / whole
    height = TOP + ROW * len(found) + 14
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The spans of one run</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" style="fill: var(--back)"/>',
    ]
    seconds = whole / 1e9
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100) if seconds / step <= 8)
    for number in range(int(seconds / step) + 1):
        x = LABELS + number * step * 1e9 * scale
        lines.append(f'<path class="line" d="M{x:.1f} {TOP - 12}V{height - 8}"/>')
        lines.append(f'<text class="quiet" x="{x:.1f}" y="{TOP - 18}" text-anchor="middle">{number * step:g} s</text>')
    for row, (depth, span) in enumerate(in_order(found)):
        y = TOP + row * ROW
        start, end = span.start_time or 0, span.end_time or 0
        x, width = LABELS + (start - begun) * scale, max(2.0, (end - start) * scale)
        color = COLORS[str((span.attributes or {})["gen_ai.operation.name"])]
        lines.append(f'<text x="{14 + depth * 16}" y="{y + 14}">{escape(span.name)}</text>')
        lines.append(
            f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="15" rx="3" style="fill: var(--{color})"/>'
        )
        for event in span.events:
            at = LABELS + (event.timestamp - begun) * scale
            lines.append(f'<circle cx="{at:.1f}" cy="{y + 10.5}" r="4" style="fill: var(--back)"/>')
        lines.append(f'<text class="quiet" x="{x + width + 5:.1f}" y="{y + 14}">{(end - start) / 1e9:.1f} s</text>')
    return "\n".join([*lines, "</svg>", ""])


def main() -> None:
    """Draws both."""
    (ASSETS / "telemetry-spans.svg").write_text(waterfall(spans()), encoding="utf-8")
    print("docs/assets/telemetry-spans.svg")
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as chromium:
        saved = Path(folder) / "run.html"
        saved.write_text(saved_page(harbour_plan()), encoding="utf-8")
        page = chromium.page(1280, 800)
        page.go(saved.as_uri())
        page.press("End")
        page.run("new Promise((later) => setTimeout(later, 800))")
        page.picture(ASSETS / "telemetry-page.png")
    print("docs/assets/telemetry-page.png")


if __name__ == "__main__":
    main()
