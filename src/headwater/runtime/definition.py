"""What a run was declared as, as a short hash: whoever goes on with a log sees whether it is still the same.

Owns what counts: names, literal instructions, models, what tools are told to be, the output's schema, limits, members
and how they hang together. Code does not count: what a tool, a condition or dynamic instructions do may change.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.runtime.job import Job
from headwater.schema import all_well_formed

__all__ = ("definition_hash", "hash_of_job")


_encode = msgspec.json.Encoder(order="deterministic").encode


def hash_of_job(job: Job) -> str:
    """The hash of what an agent's run was declared as."""
    return definition_hash(
        job.name,
        job.instructions if isinstance(job.instructions, str) else job.instructions is not None,
        [(backend.provider, backend.model) for backend in job.backends],
        [tool.spec for tool in job.tools.values()],
        job.offers,
        job.output.spec if job.output is not None else None,
        job.limits,
    )


def definition_hash(*parts: Any) -> str:
    """16 hexadecimal digits of the parts, which are plain values and msgspec Structs."""
    import hashlib

    try:
        told = _encode(parts)
    except UnicodeEncodeError:
        told = _encode(all_well_formed(parts))
    return hashlib.sha256(told).hexdigest()[:16]
