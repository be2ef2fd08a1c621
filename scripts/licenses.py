"""Writes docs/licenses.md: every package that headwater brings with all its extras, and under which license.

    python scripts/licenses.py            # rewrite the page
    python scripts/licenses.py --check    # check it; exit code 1 if it differs

Everything is read from what is installed with this Python, which must have all extras. A license that is not in
`ALLOWED` is an error here and in the tests: decide about it first.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "licenses.md"

ALLOWED: Final = {
    "Apache-2.0": "permissive",
    "BSD-2-Clause": "permissive",
    "BSD-3-Clause": "permissive",
    "ISC": "permissive",
    "LGPL-3.0-only": "binds changes of the package itself; a program may use it under any license",
    "MIT": "permissive",
    "MIT-0": "permissive",
    "MPL-2.0": "binds changes of the package's own files; a program may use it under any license",
    "PSF-2.0": "permissive",
}
"""Licenses under which a dependency may be, by their SPDX identifiers, and what they ask of those who use it."""

SPELLINGS: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",  # of the packages here that say no more, all have three clauses
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages that declare no SPDX expression call their license."""

HEAD: Final = """\
# Licenses

<!-- Written by scripts/licenses.py from the packages that are installed: run it again, with all extras installed. -->

headwater is under Apache-2.0. Its web page contains browser modules of others under MIT and Apache-2.0, listed in
`NOTICE`; their licenses are in the package. Nothing else is copied into it: the packages below are installed
beside it, by their own names.

A test fails for a dependency whose license is none of these:

| license | what it asks |
|---|---|
"""


class Package(NamedTuple):
    """A package, its license, and the extras that bring it; none where every installation has it."""

    name: str
    license: str
    extras: tuple[str, ...]


def extras() -> list[str]:
    """The extras that users install, without the one that is all of them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return sorted(set(project["optional-dependencies"]) - {"all", "dev"})


def brought(extra: str = "") -> set[str]:
    """The names of all packages that headwater with an extra brings to this machine."""
    found: set[tuple[str, str]] = set()
    left = [("headwater", extra)]
    while left:
        name, of = left.pop()
        for written in distribution(name).requires or ():
            needed = Requirement(written)
            if needed.marker is None or needed.marker.evaluate({"extra": of}):
                new = {(canonicalize_name(needed.name), one) for one in {"", *needed.extras}} - found
                found |= new
                left += new
    return {name for name, _ in found} - {"headwater"}


def license_of(name: str) -> str:
    """The license of an installed package as an SPDX expression, as far as it says one."""
    metadata = distribution(name).metadata
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    classifiers = [line for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")]
    written = [*(metadata.get_all("License") or ()), *(line.rpartition(" :: ")[2] for line in classifiers)]
    known = [spelling for one in written if (spelling := SPELLINGS.get(one, one)) in ALLOWED]
    return known[0] if known else ", ".join(one[:60] for one in written) or "unknown"


def allowed(expression: str) -> bool:
    """Whether a license can be chosen from the expression whose every part is allowed; with brackets, none is."""
    return any(set(way.split(" AND ")) <= set(ALLOWED) for way in expression.split(" OR "))


def packages() -> Iterator[Package]:
    """Everything that headwater brings with all extras, by name."""
    always = brought()
    by_extra = {extra: brought(extra) - always for extra in extras()}
    for name in sorted(always.union(*by_extra.values())):
        yield Package(name, license_of(name), tuple(extra for extra in by_extra if name in by_extra[extra]))


def page() -> str:
    """The page. Exits with an error if a license is not allowed."""
    found = list(packages())
    if wrong := [f"{package.name}: {package.license}" for package in found if not allowed(package.license)]:
        sys.exit(f"These licenses are not in ALLOWED: {'; '.join(wrong)}")
    lines = [f"| {name} | {asks} |" for name, asks in ALLOWED.items()]
    lines += ["", "## Packages", "", "| package | license | comes with |", "|---|---|---|"]
    lines += [f"| {name} | {terms} | {', '.join(of) or 'headwater itself'} |" for name, terms, of in found]
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Writes or checks the page; returns the exit code."""
    new = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.read_text(encoding="utf-8") == new
        if not same:
            print("docs/licenses.md differs from what is installed: run python scripts/licenses.py")
        return int(not same)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
