"""A short hash of a run's declaration, to detect changes when a log is resumed.

Owns what counts: names, literal instructions, models, tool descriptions, the output schema, limits, members and their
connections. Code does not count: the code of a tool, a condition or dynamic instructions may change. Nor do the tools
that a server lists: it is declared, and they are its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.runtime.job import Job
from headwater.schema.well_formed import all_well_formed

__all__ = ("definition_hash", "hash_of_job")


_encode = msgspec.json.Encoder(order="deterministic").encode


def hash_of_job(job: Job) -> str:
    """Returns the hash of an agent run's declaration."""
    return definition_hash(
        job.name,
        job.instructions if isinstance(job.instructions, str) else job.instructions is not None,
        [(backend.provider, backend.model) for backend in job.backends],
        [tool.spec for tool in job.tools.values()],
        job.offers,
        job.output.spec if job.output is not None else None,
        job.limits,
        *([box.definition for box in job.toolboxes],) * bool(job.toolboxes),  # without any, as before there were any
    )


def definition_hash(*parts: Any) -> str:
    """Returns 16 hexadecimal digits for the parts, which are plain values and msgspec Structs."""
    import hashlib

    try:
        told = _encode(parts)
    except UnicodeEncodeError:
        told = _encode(all_well_formed(parts))
    return hashlib.sha256(told).hexdigest()[:16]
