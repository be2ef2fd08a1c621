"""The vendor's own types, for comparing with."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import pytest


@pytest.fixture
def vendor() -> Any:
    if importlib.util.find_spec("openai") is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("the openai package is not installed")
        pytest.skip("the openai package is not installed")
    from openai.types import responses

    return responses
