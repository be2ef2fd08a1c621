"""Checks that a version can be released, and builds what is published.

    python scripts/release.py check      # prints each check, and what is wrong; exit code 1 if anything is
    python scripts/release.py home URL   # writes where the project is published into pyproject.toml and README.md
    python scripts/release.py site URL   # writes where its documentation is published into zensical.toml
    python scripts/release.py build      # dist/: the package, and the list of what it installs (needs cyclonedx-bom)

RELEASING.md has the steps of a release. A check changes nothing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import distributions
from exports import exported

ROOT: Final = Path(__file__).resolve().parents[1]

NOWHERE: Final = "https://example.invalid/headwater"
"""Stands for the project's address until somebody publishes it."""

FILLED: Final = ("pyproject.toml", "README.md")
"""The files with the address."""

NO_SITE: Final = "https://headwater.example/"
"""Stands for the address of the documentation as a website, to which its llms.txt links."""

NAMED: Final = ("", "errors")
"""The modules whose names stand on a page that somebody wrote. The reference, which scripts/build_site.py makes and
checks, has those of the others."""

WRITTEN: Final = ("command_help", "draw_house", "draw_loop", "error_reference", "event_reference", "licenses")
"""The scripts that write pages from the code."""

TOKENS: Final = ("backends", "events", "providers", "readers", "runtime")
MEASURED: Final = {
    "terminal": ("terminal",),
    "dashboard": (*TOKENS, "terminal", "workflows"),
    "workflow": (*TOKENS, "workflows"),
    "telemetry": (*TOKENS, "telemetry"),
    "web": (*TOKENS, "web"),
    "gateway": (*TOKENS, "web"),
    "journal": ("durable", "journal", "runtime"),
    "scale": ("durable", "journal", "runtime"),
    "start": ("",),
    "imports": ("",),
}
"""The folders of src/headwater that a table measures, by the first word of its name; every other table: `TOKENS`."""

_SECTION: Final = re.compile(r"<!-- ([a-z][\w-]*) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
_MEASURED: Final = re.compile(r"[Mm]easured on (\d{4}-\d{2}-\d{2})")


def git(root: Path, *arguments: str) -> str:
    """The output of a git command."""
    done = subprocess.run(["git", *arguments], cwd=root, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return done.stdout.rstrip()


def read(root: Path, name: str) -> str:
    """The text of a file of the repository."""
    return (root / name).read_text(encoding="utf-8")


def version(root: Path) -> str:
    """The version that the package says it is."""
    (found,) = re.findall(r'^__version__ = "(.+)"$', read(root, "src/headwater/version.py"), re.MULTILINE)
    return str(found)


# --- the checks: each yields what is wrong


def tree_is_clean(root: Path) -> Iterator[str]:
    """Everything is committed."""
    yield from git(root, "status", "--porcelain").splitlines()


def version_is_the_changelogs(root: Path) -> Iterator[str]:
    """CHANGELOG.md begins with this version and its date."""
    heading = next(iter(re.findall(r"^## (.+)$", read(root, "CHANGELOG.md"), re.MULTILINE)), "nothing")
    if not re.fullmatch(re.escape(version(root)) + r" \(\d{4}-\d{2}-\d{2}\)", heading):
        yield f"the newest heading is “{heading}”, wanted is “{version(root)} (YYYY-MM-DD)”"


def home_is_filled_in(root: Path) -> Iterator[str]:
    """The addresses of the project and of its documentation are addresses."""
    for name in FILLED:
        if NOWHERE in read(root, name):
            yield f"{name} has {NOWHERE}: run python scripts/release.py home URL"
    if NO_SITE in read(root, "zensical.toml"):
        yield f"zensical.toml has {NO_SITE}: run python scripts/release.py site URL"


def exports_are_documented(root: Path) -> Iterator[str]:
    """A page names everything that headwater and headwater.errors export."""
    pages = "\n".join(path.read_text(encoding="utf-8") for path in [root / "README.md", *(root / "docs").glob("*.md")])
    words = set(re.findall(r"\w+", pages))
    for module in NAMED:
        missing = sorted(set(exported(root, module)) - words - {"__version__"})
        yield from (f"no page names headwater{f'.{module}' if module else ''}.{name}" for name in missing)


def written_pages_are_current(root: Path) -> Iterator[str]:
    """Writing the generated pages again changes none."""
    scripts = [name for name in WRITTEN if (root / "scripts" / f"{name}.py").exists()]
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy"
        git(root, "worktree", "add", "--quiet", "--detach", str(copy))
        try:
            for name in scripts:
                done = subprocess.run(
                    [sys.executable, str(copy / "scripts" / f"{name}.py")],
                    cwd=copy,
                    env={**os.environ, "PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}"},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    yield f"scripts/{name}.py fails: {(done.stderr or done.stdout).strip()[-300:]}"
                for changed in git(copy, "diff", "--name-only").splitlines():
                    yield f"{changed} is not what scripts/{name}.py writes"
                git(copy, "checkout", "--quiet", ".")
        finally:
            git(root, "worktree", "remove", "--force", str(copy))


def figures_are_of_this_code(root: Path) -> Iterator[str]:
    """Every table is filled in, and no measured code was changed after the day of its figures."""
    for page in ("docs/performance.md", "README.md"):
        text = read(root, page)
        general = _MEASURED.search(text)
        for name, section in _SECTION.findall(text):
            if not section.strip():
                yield f"{page}: {name} is empty"
            if "|---" not in section:
                continue
            day = _MEASURED.search(section) or general
            folders = MEASURED.get(name.partition("-")[0], TOKENS)
            code = [f"src/headwater/{folder}" for folder in folders]
            changed = git(root, "log", "-1", "--format=%cs", "--", *code)
            if day is None:
                yield f"{page}: {name} does not say when it was measured"
            elif day[1] < changed:
                yield f"{page}: {name} was measured on {day[1]}, and its code changed on {changed}"


CHECKS: Final[tuple[Callable[[Path], Iterator[str]], ...]] = (
    tree_is_clean,
    version_is_the_changelogs,
    home_is_filled_in,
    exports_are_documented,
    written_pages_are_current,
    figures_are_of_this_code,
)


def check(root: Path) -> bool:
    """Prints each check and what is wrong; returns whether everything is right."""
    good = True
    for one in CHECKS:
        wrong = list(one(root))
        good = good and not wrong
        print(f"{'FAIL' if wrong else 'ok  '}  {(one.__doc__ or '').rstrip('.')}", *wrong, sep="\n      ", flush=True)
    return good


# --- publishing


def fill_home(root: Path, home: str) -> None:
    """Writes the project's address wherever it is missing, and shows the badges, which need one.

    Raises ValueError if it is not an https address.
    """
    home = home.rstrip("/")
    if not re.fullmatch(r"https://[\w.-]+/[\w./-]+", home):
        raise ValueError(f"{home!r} is not an address such as https://github.com/NAME/headwater.")
    for name in FILLED:
        text = re.sub(r"<!-- badges\n(.*?)\n/badges -->", r"\1", read(root, name), flags=re.DOTALL)
        (root / name).write_text(text.replace(NOWHERE, home), encoding="utf-8")


def fill_site(root: Path, site: str) -> None:
    """Writes the address of the documentation where it is missing. Raises ValueError if it is not an https address."""
    if not re.fullmatch(r"https://[\w.-]+(/[\w./-]*)?", site):
        raise ValueError(f"{site!r} is not an address such as https://NAME.github.io/headwater/.")
    text = read(root, "zensical.toml").replace(NO_SITE, f"{site.rstrip('/')}/")
    (root / "zensical.toml").write_text(text, encoding="utf-8")


def build(root: Path) -> list[Path]:
    """Builds both distributions, and lists what the wheel installs with all extras, as CycloneDX, in dist/."""
    dist = root / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    wheel = distributions.build(root, dist)
    with tempfile.TemporaryDirectory() as scratch:
        python = distributions.install(wheel, Path(scratch), extra="all")
        bill = dist / f"headwater-{version(root)}.cdx.json"
        command = [
            sys.executable,
            "-m",
            "cyclonedx_py",
            "environment",
            "--output-reproducible",
            "--gather-license-texts",
        ]
        command += ["--pyproject", str(root / "pyproject.toml"), "--mc-type", "library"]
        subprocess.run([*command, "--output-file", str(bill), str(python)], check=True)
    return sorted(dist.iterdir())


def main() -> int:
    """Does what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check that this version can be released")
    commands.add_parser("home", help="write the project's address").add_argument("url", metavar="URL")
    commands.add_parser("site", help="write the address of its documentation").add_argument("url", metavar="URL")
    commands.add_parser("build", help="build the package, and list what it installs")
    arguments = parser.parse_args()
    if arguments.command == "check":
        return int(not check(ROOT))
    if arguments.command in ("home", "site"):
        try:
            (fill_home if arguments.command == "home" else fill_site)(ROOT, arguments.url)
        except ValueError as error:
            parser.error(str(error))
        return 0
    print(*build(ROOT), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
