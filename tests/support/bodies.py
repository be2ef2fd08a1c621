"""Keeps every request body that the tests encode, to check all of them against the vendors' own types.

Owns the file: a line for each distinct body, with its test. It must change no request, and do nothing unless requested;
`tests.system.vendors.suite` checks the bodies.
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
"""The variable with the folder for them."""


def keep_bodies(folder: Path) -> None:
    """Makes each API's `encode` keep its output; call it before a test module imports one."""
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
