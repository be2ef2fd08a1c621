from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from headwater.web.page import bundle

NOTICE = Path(__file__).parents[3] / "NOTICE"
VENDORED = {
    "vendor/preact.mjs": "bdcbd9abdf2c77c5c45326eab42191e949222d479d0d5f69467387a77040cb55",
    "vendor/htm.mjs": "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
    "vendor/marked.mjs": "5371fea86fd0656b4fc7bea7c94c663109d82789b69433eeee78d42895aa44de",
}


def test_the_script_is_every_module_once_in_the_order_of_need() -> None:
    script = bundle.script()
    assert script.count("(() => {\n") > 20
    names = re.findall(r"^const (\$m\d+) = ", script, re.M)
    assert names == [f"$m{at}" for at in range(len(names))]
    for at, used in (
        (script.index(f"const {name} ="), set(re.findall(r"= ?(\$m\d+)[;.]", body))) for name, body in _bodies(script)
    ):
        assert all(script.index(f"const {one} =") < at for one in used), used
    assert not re.search(r"^(import|export)\b", script, re.M)


def _bodies(script: str) -> list[tuple[str, str]]:
    parts = re.split(r"^const (\$m\d+) = \(\(\) => \{$", script, flags=re.M)
    return list(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_can_read_the_script(tmp_path: Path) -> None:
    path = tmp_path / "page.js"
    path.write_text(bundle.script(), encoding="utf-8")
    assert subprocess.run(["node", "--check", str(path)], capture_output=True, check=False).returncode == 0


def test_the_page_is_light() -> None:
    """Under 60 kB of compressed bytes, all that a browser fetches before it shows something."""
    parts = (bundle.index(), bundle.script(), bundle.style())
    assert sum(len(gzip.compress(part.encode(), 9)) for part in parts) < 60_000


def test_modules_that_import_each_other_in_a_circle_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"app.js": 'import { a } from "./a.js";\n', "a.js": 'import { b } from "./app.js";\nexport const a = 1;\n'}
    monkeypatch.setattr(bundle, "text", files.__getitem__)
    bundle.script.cache_clear()
    with pytest.raises(ValueError, match=r"circle: app\.js → a\.js → app\.js"):
        bundle.script()
    bundle.script.cache_clear()


def test_every_kind_of_export_is_returned_that_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "app.js": 'import { b, c as d } from "./deep/b.js";\nimport * as all from "./deep/b.js";\n'
        'import e from "./e.mjs";\n// a comment\nd(b, all, e);\n',
        "deep/b.js": 'import { f } from "../vendor/f.mjs";\nexport const b = f;\nexport function c() {}\n'
        "export class K {}\nexport { b as again };\n",
        "vendor/f.mjs": "var x=1;export{x as f,x as g};\n//# sourceMappingURL=f.map\n",
        "e.mjs": "export default function () {}\n",
    }
    monkeypatch.setattr(bundle, "text", files.__getitem__)
    bundle.script.cache_clear()
    script = bundle.script()
    bundle.script.cache_clear()
    assert "return {b,c,K,again:b};" in script
    assert "return {f:x};" in script
    assert "const{b,c:d}=$m1;" in script
    assert "const all=$m1;" in script
    assert "const e=$m2.default;" in script
    assert "a comment" not in script
    assert "sourceMapping" not in script


def test_comments_are_left_out_and_strings_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        '// a note\nconst said = "; // said"; // a note\nswitch (said) { // a note\n'
        '  default: // a note\n}\nconst where = "http://here";\n'
    )
    monkeypatch.setattr(bundle, "text", {"app.js": source}.__getitem__)
    bundle.script.cache_clear()
    script = bundle.script()
    bundle.script.cache_clear()
    assert "a note" not in script
    assert 'const said="; // said";switch(said){default:}const where="http://here";\n' in script


@pytest.mark.parametrize("name", ["preact", "htm", "marked"])
def test_vendored_modules_are_listed_with_their_license(name: str) -> None:
    assert f"{name}.mjs" in NOTICE.read_text(encoding="utf-8")
    assert bundle.text(f"vendor/{name}.LICENSE")


@pytest.mark.parametrize(("name", "digest"), sorted(VENDORED.items()))
def test_vendored_modules_are_unmodified(name: str, digest: str) -> None:
    assert sha256(bundle.text(name).encode()).hexdigest() == digest
