"""Imports a framework on first use.

Owns the error where it is not installed. No module here imports a framework before it is used.
"""

from __future__ import annotations

import importlib
from typing import Any

from headwater.errors import ConfigurationError

__all__ = ("imported",)


def imported(module: str, package: str) -> Any:
    """Returns the module of a framework; `package` is its name on the package index. Raises ConfigurationError."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise ConfigurationError(
            f"{module.partition('.')[0]} is not installed.", hint=f'Install it: pip install "{package}".'
        ) from None
