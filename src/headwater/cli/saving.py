"""`--save FILE` and `--overwrite`, for the commands that run something. Owns when an existing file may be replaced."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ("add_save_options", "place_to_save")


def add_save_options(parser: argparse.ArgumentParser, *, help: str = "save the run, for headwater runs") -> None:
    """Take the arguments that `place_to_save` reads."""
    parser.add_argument("--save", metavar="FILE", help=help)
    parser.add_argument("--overwrite", action="store_true", help="replace the file of --save if it exists")


def place_to_save(asked: argparse.Namespace) -> str | None:
    """Returns the path of `--save`. With `--overwrite` an existing file is removed: call it right before the run.

    Raises UsageError for an existing file without `--overwrite`, and for `--overwrite` alone.
    """
    from headwater.errors import UsageError

    place: str | None = asked.save
    if place is None:
        if asked.overwrite:
            raise UsageError("--overwrite says to replace the file of --save, and there is none.")
        return None
    path = Path(place)
    if path.is_dir() or not path.exists():
        return place
    if not asked.overwrite:
        raise UsageError(f"{place} exists{_what_is_in(path)}.", hint="Name another file, or replace it: --overwrite.")
    try:
        path.unlink()
    except OSError as error:
        raise UsageError(f"{place} cannot be replaced: {error.strerror}.", hint="Name another file.") from None
    return place


def _what_is_in(path: Path) -> str:
    from headwater.errors import InvalidRecord
    from headwater.readers.run_file import RunFile

    try:
        file = RunFile(path)
    except (InvalidRecord, OSError):
        return ""
    return " and holds a saved run" if file.end is not None else " and holds a run that can be resumed"
