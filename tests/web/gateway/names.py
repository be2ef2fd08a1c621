"""Names of a gateway for tests, each with simulated providers behind it; and what is asked of them."""

from __future__ import annotations

from typing import Any

from headwater.agents.model import Model
from headwater.web.gateway.model import ServedModel
from headwater.web.gateway.target import Target

__all__ = ("ASK", "name", "target")

ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}


def target(model: Model, **options: Any) -> Target:
    """The model as one of a chain."""
    return Target(model.backend, **options)


def name(called: str, *models: Model, **options: Any) -> ServedModel:
    """A name, and the models behind it."""
    return ServedModel(called, [target(model) for model in models], **options)
