"""The vendor's own types, for comparison."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest


@pytest.fixture
def vendor() -> Any:
    if importlib.util.find_spec("openai") is None:
        pytest.skip("the openai package is not installed")
    from openai.types import responses

    return responses
