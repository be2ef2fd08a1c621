"""A program: judges every request body that a run of the tests kept.

    HEADWATER_BODIES=FOLDER python -m pytest
    HEADWATER_VENDORS=PYTHON python -m tests.system.vendors.suite FOLDER

Prints what does not fit, with the test that made it, and a count; ends with 1 where anything does not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from headwater.providers.request import Endpoint
from tests.system.vendors.judging import Judge, start
from tests.system.vendors.ledger import judged, vendor_of

MADE_UP = (
    "test_unknown_block_is_kept",
    "test_citations_are_sources_with_the_span_of_their_text",
)
"""Tests of what a newer server may say, which goes back as it came and for which no package has a type."""


def fault(judge: Judge, kept: dict[str, Any]) -> str:
    """What of a kept body does not fit; what its test added by `extra=` or as a provider's tool is not looked at."""
    endpoint = Endpoint(provider=kept["provider"], api=kept["api"], base_url="https://host.example")
    body = {name: value for name, value in kept["body"].items() if name not in kept["extra"]}
    if "tools" in body:
        theirs = [tool.keys() for tool in kept["provider_tools"]]
        body["tools"] = [tool for tool in body["tools"] if tool.keys() - {"cache_control"} not in theirs]
    return judge(vendor_of(endpoint), judged(endpoint, body))


def main(folder: str) -> int:
    """Judge all in the folder."""
    found: dict[str, str] = {}
    count = 0
    with start() as judge:
        for path in sorted(Path(folder).glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                kept = json.loads(line)
                count += 1
                if not any(name in kept["test"] for name in MADE_UP) and (wrong := fault(judge, kept)):
                    found.setdefault(f"{kept['test']} ({kept['provider']} by {kept['api']})", wrong)
    for test, wrong in found.items():
        print(f"{test}: {wrong:.300}")
    print(f"{count} bodies, {len(found)} tests whose bodies do not fit")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
