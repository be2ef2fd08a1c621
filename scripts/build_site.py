"""Builds the documentation as a website: build/site, where a broken link is an error.

    pip install -r docs/requirements.txt && python scripts/build_site.py

The pages are those of docs/, with the documents and programs beside them that they lead to, a list of the decisions,
and a reference of every public name. They are put into build/pages, where zensical.toml expects them. What was built is
checked: each page can be found, each public name is described, and nothing comes from another server.
"""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from exports import exported

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "build" / "pages"
SITE = ROOT / "build" / "site"

MODULES = {
    "adapters": "Agents of other frameworks",
    "errors": "Errors",
    "events": "Events",
    "journal": "Journals",
    "telemetry": "Telemetry",
    "testing": "Testing",
    "web": "Agents behind HTTP",
}
"""The public modules, each of which has a page of the reference, and its title."""

SUBJECTS = {
    "agents": (
        "Agents and runs",
        "Agent Model Settings Timeouts Response Usage AgentStream StreamChunk Partial PartialArguments Thread"
        " Compaction clip_tool_results Budget Price RunFile Remote attach on_event",
    ),
    "messages": (
        "Messages",
        "Message Text Image File ToolCall ToolResult messages_from_json messages_to_json",
    ),
    "tools": ("Tools and questions", "tool Tool ToolContext ProviderTool MCP Question Answer"),
    "guards": ("Guards", "guard GuardContext Block Replace Retry"),
    "workflows": (
        "Workflows",
        "SequentialWorkflow ConcurrentWorkflow GraphWorkflow Edge Results",
    ),
}
"""The pages of what `headwater` itself exports: a title, and the names in the order of reading."""

FAMILIES = ("errors", "events")
"""The modules whose classes have one base that describes what they share: it is not repeated for each."""

ELSEWHERE = {
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../README.md": "index.md",
    "../examples/": "examples.md",
}
"""Where on the site a file is that stands beside docs/."""

FRONT = {
    "index.md": "---\nhide: [navigation, toc]\n---\n\n",
    "from-*.md": "---\nhide: [toc]\n---\n\n",
    "decisions/2*.md": "---\nsearch:\n  exclude: true\n---\n\n",
}
"""What pages say to the builder, by a pattern of their names: two columns need room, and who searches wants a guide."""

_FENCE = re.compile(r"^ *```")
_ITEM = re.compile(r"^( *)([-*]|\d+\.) ")
_UPWARD = re.compile(r"\[([^]]+)\]\(((?:\.\./)+)[^)]*\)")
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")


def main() -> int:
    """Writes the pages, builds the site and checks it. Returns the exit code."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    write_pages()
    if importlib.util.find_spec("zensical") is None:
        print("zensical is not installed: pip install -r docs/requirements.txt", file=sys.stderr)
        return 1
    built = subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT, check=False)
    problems = [] if built.returncode else list(faults())
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return int(bool(built.returncode or problems))


# --- the pages


def write_pages() -> None:
    """Writes build/pages: what is in docs/, what it leads to, and the reference."""
    shutil.copytree(ROOT / "docs", PAGES)
    for path in (PAGES / "README.md", PAGES / "requirements.txt"):
        path.unlink()
    write("contributing.md", inside_docs((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    write("changelog.md", inside_docs((ROOT / "CHANGELOG.md").read_text("utf-8")))
    write("examples.md", examples())
    write("decisions/index.md", decisions())
    for name, text in reference().items():
        write(f"api/{name}.md", text)
    for path in sorted(PAGES.rglob("*.md")):
        name = path.relative_to(PAGES).as_posix()
        front = next((front for pattern, front in FRONT.items() if fnmatch(name, pattern)), "")
        path.write_text(front + for_the_builder(on_the_site(path.read_text("utf-8"), name.count("/"))), "utf-8")


def write(name: str, text: str) -> None:
    """Writes a page."""
    path = PAGES / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def inside_docs(text: str) -> str:
    """A document of the root, with links as a page of docs/ has them."""

    def moved(link: re.Match[str]) -> str:
        target = link[2]
        if "://" not in target:
            target = target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
        return f"{link[1]}{target}{link[3]}"

    return _LINK.sub(moved, text)


def on_the_site(text: str, depth: int = 0) -> str:
    """A page of docs/, `depth` folders below it, with links to where the site has what stands beside docs/.

    A folder is linked by its list. Of a link to what the site does not have, the words stay: GitHub has the link.
    """

    def led_out(link: re.Match[str]) -> str:
        return link[1] if link[2].count("../") > depth else link[0]

    def moved(link: re.Match[str]) -> str:
        target = link[2]
        if target in ELSEWHERE:
            return f"{link[1]}{ELSEWHERE[target]}{link[3]}"
        if program := re.fullmatch(r"\.\./examples/(\w+)\.(py|md)", target):
            return f"{link[1]}examples.md{f'#{program[1]}' if program[2] == 'py' else ''})"
        if target == "README.md":
            return f"{link[1]}index.md{link[3]}"
        return f"{link[1]}{target}{'index.md' if target.endswith('/') and '://' not in target else ''}{link[3]}"

    return _UPWARD.sub(led_out, _LINK.sub(moved, text))


def for_the_builder(text: str) -> str:
    """Markdown as Python-Markdown wants it, from what GitHub wants.

    Lists are indented by four, not by the width of their mark; a bar in the code of a table needs no backslash.
    """
    lines, width, fenced = [], 0, False
    for line in text.splitlines():
        mark = _ITEM.match(line)
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and line and not line.startswith(" "):
            width = 0
        if mark and not fenced and not mark[1]:
            width = len(mark[2]) + 1
        elif width and line.startswith(" " * width):
            depth, rest = divmod(len(line) - len(line.lstrip()), width)
            line = " " * (4 * depth + rest) + line.lstrip()
        lines.append(line.replace("\\|", "|") if line.startswith("|") else line)
    return "\n".join([*lines, ""])


def examples() -> str:
    """The list of the examples, and each whole program below it."""
    listed = (ROOT / "examples" / "README.md").read_text("utf-8")
    text = re.sub(r"\]\((\w+)\.py\)", r"](#\1)", listed).replace("](../docs/", "](")
    for path in sorted((ROOT / "examples").glob("*.py")):
        text += f"\n## {path.name} {{#{path.stem}}}\n\n```python\n{path.read_text('utf-8')}```\n"
    return text


def decisions() -> str:
    """The list of the decisions, the newest first."""
    lines = ["# Decisions", "", "One dated page for each decision about the design that a reader might question.", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md"), reverse=True):
        title = path.read_text("utf-8").splitlines()[0].removeprefix("# ")
        lines += [f"- {path.name[:10]}: [{title}]({path.name})"]
    return "\n".join([*lines, ""])


# --- the reference


def described() -> dict[str, list[str]]:
    """The pages of the reference, and the full names that each describes.

    Ends the program where a public name has no page: the reference has every one.
    """
    pages = {page: [f"headwater.{name}" for name in names.split()] for page, (_, names) in SUBJECTS.items()}
    own = {name for _, names in SUBJECTS.values() for name in names.split()}
    for module in MODULES:
        pages[module] = [f"headwater.{module}.{name}" for name in exported(ROOT, module)]
    elsewhere = {*MODULES, "__version__", *exported(ROOT, "errors")}
    if wrong := (set(exported(ROOT)) - elsewhere) ^ own:
        raise SystemExit(f"SUBJECTS in {Path(__file__).name} and headwater.__all__ differ: {', '.join(sorted(wrong))}")
    return pages


def reference() -> dict[str, str]:
    """The pages of the reference, made from docstrings, with their text."""
    titles = {**{page: title for page, (title, _) in SUBJECTS.items()}, **MODULES}
    pages = {}
    overview = ["# Python API", "", "Every public name, by subject.", ""]
    for page, names in described().items():
        overview += [f"## {titles[page]}", ""]
        overview += [", ".join(f"[`{name.rpartition('.')[2]}`]({page}.md#{name})" for name in names), ""]
        whence = "`headwater`" if page in SUBJECTS else f"`headwater.{page}`"
        body = [f"# {titles[page]}", "", f"What stands here is imported from {whence}.", ""]
        own = "    options:\n      inherited_members: false\n" if page in FAMILIES else ""
        pages[page] = "\n".join([*body, *(f"::: {name}\n{own}" for name in names)])
    return {"index": "\n".join(overview), **pages}


def undocumented() -> Iterator[str]:
    """The public names without a docstring of their own, read from the source as the reference reads it."""
    griffe = importlib.import_module("griffe")
    package = griffe.load("headwater", search_paths=[ROOT / "src"])
    for names in described().values():
        yield from (name for name in names if not package[name.removeprefix("headwater.")].has_docstring)


# --- what was built


class Built(HTMLParser):
    """What a built page loads, where it leads, and the places in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the links and places of a tag."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.places.add(given["id"])
        if "src" in given:
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(given.get("href", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


def faults() -> Iterator[str]:
    """What is wrong with the built site, a line each."""
    pages = {path: Built(path) for path in SITE.rglob("*.html") if path.name != "404.html"}
    found = {resolved(path, link)[0] for path, page in pages.items() for link in page.links if link}
    for path, page in sorted(pages.items()):
        name = path.relative_to(SITE).as_posix()
        if path not in found:
            yield f"{name}: no page leads to it; zensical.toml has no line for it"
        for link in (*page.loaded, *page.links):
            target, place = resolved(path, link)
            if target is not None and not target.exists():
                yield f"{name}: {link} leads nowhere"
            elif target in pages and place and place not in pages[target].places:
                yield f"{name}: {link} leads to no heading of that page"
        yield from (f"{name}: {link} comes from another server" for link in page.loaded if "//" in link)
    for subject, names in described().items():
        page = pages[SITE / "api" / subject / "index.html"]
        yield from (f"{name}: is not in the reference" for name in names if name not in page.places)
    yield from (f"{name}: has no docstring" for name in undocumented())
    yield from (f"{name}: was not made" for name in ("llms.txt", "llms-full.txt") if not (SITE / name).exists())


def resolved(page: Path, link: str) -> tuple[Path | None, str]:
    """The file of the site that a link leads to, None for what is not of the site, and the place in it."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None, ""
    target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    return (target / "index.html" if target.is_dir() else target), unquote(parts.fragment)


if __name__ == "__main__":
    sys.exit(main())
