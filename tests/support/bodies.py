"""Keeps every request body that the tests encode, so that all of them can be held against the vendors' own types.

Owns the file: a line for each body that differs, with the test that made it. It must change no request, and do nothing
where nobody asked for it; `tests.system.vendors.suite` judges what was kept.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headwater.providers.catalog import API_MODULES
from headwater.providers.request import Endpoint, HTTPRequest, Request

__all__ = ("VARIABLE", "keep_bodies")

VARIABLE = "HEADWATER_BODIES"
"""Names the folder to keep them in."""


def keep_bodies(folder: Path) -> None:
    """From now on each API's `encode` keeps what it writes; to be called before a test module imports one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.jsonl"
    for api, name in API_MODULES.items():
        modules = [importlib.import_module(name + inner) for inner in ("", ".request", ".response")]
        kept = _keeping(api, modules[0].encode, path)
        for module in modules:
            if hasattr(module, "encode"):
                module.encode = kept  # type: ignore[attr-defined]


def _keeping(api: str, encode: Callable[[Request, Endpoint], HTTPRequest], path: Path) -> Callable[..., HTTPRequest]:
    seen: set[bytes] = set()

    @functools.wraps(encode)
    def kept(request: Request, endpoint: Endpoint) -> HTTPRequest:
        written = encode(request, endpoint)
        if written.body not in seen:
            seen.add(written.body)
            about: dict[str, Any] = {
                "test": os.environ.get("PYTEST_CURRENT_TEST", ""),
                "provider": endpoint.provider,
                "api": api,
                "extra": sorted(request.settings.extra or ()),
                "provider_tools": [tool.spec for tool in request.provider_tools],
                "body": json.loads(written.body),
            }
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(about) + "\n")
        return written

    return kept
