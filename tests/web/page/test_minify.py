from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from headwater.web.page import bundle, minify

PAGE = Path(bundle.__file__).parent


@pytest.mark.parametrize(
    ("source", "shorter"),
    [
        ('const said = "; // said"; // a note\n', 'const said="; // said";'),
        ('one(); // it\'s a note with "quotes" and `more`\ntwo();\n', "one();two();"),
        ("one(); // the last `one\n// and more\n", "one();"),
        ("/* a\n * note */ one();", "one();"),
        ("a = b + +c - -d + e++ - f;", "a=b+ +c- -d+e++-f;"),
        ("return typeof x in y;", "return typeof x in y;"),
        ("const half = all / 2 / 3; // '", "const half=all/2/3;"),
        ("x.replace(/[/'\"`] +\\/ /g, '  ');", "x.replace(/[/'\"`] +\\/ /g,'  ');"),
        ("return / a b/.test(c);", "return/ a b/.test(c);"),
        ("plain(`  ${ a + `${ b }  ` }  // no note\n`);", "plain(`  ${a+`${b}  `}  // no note\n`);"),
        ("f(`\\`  ${{ a: 1 }.a}`);", "f(`\\`  ${{a:1}.a}`);"),
        ("class A {\n  x = 1;\n\n  #y() {}\n\n  get z() {\n  }\n}\n", "class A{x=1;#y(){}get z(){}}"),
        ("html`<p  class=${ a }\n   title=\"a  > b\" />`;", 'html`<p class=${a} title="a  > b"/>`;'),
        ("html`\n  <p>\n    one  two ${ a } <b>three</b>\n  </p>\n`;", "html`<p>one  two ${a} <b>three</b></p>`;"),
        ('html`<p class="a ${ b }  c" >d</p>`;', 'html`<p class="a ${b}  c">d</p>`;'),
    ],
)  # fmt: skip
def test_only_what_means_nothing_is_left_out(source: str, shorter: str) -> None:
    assert minify.script(source) == shorter
    assert minify.script(shorter) == shorter


@pytest.mark.parametrize("source", ["a = `never ends", "a = `${b", "a = 'never ends\n", 'a = "'])
def test_what_has_no_end_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="has no end"):
        minify.script(source)


def test_a_style_sheet_keeps_its_meaning() -> None:
    assert minify.style("/* a */\n.a > .b { color: red; }\n.c { margin: 0 auto; }\n") == (
        ".a>.b{color:red}.c{margin:0 auto}"
    )


TREES = """
import { readFileSync } from "node:fs";
const { page, templates } = JSON.parse(readFileSync(0, "utf8"));
const { default: htm } = await import(`${page}/vendor/htm.mjs`);
const html = htm.bind((...one) => one);
const told = templates.map((one) => JSON.stringify(new Function("html", "a", `return ${one}`)(html, "A")));
console.log(JSON.stringify(told));
"""
TEMPLATES = (
    "html`<p>one <b>two</b> three\n  four</p>\n  <i />`",
    "html`<p>\n  one ${a}\n  two ${a} three</p>`",
    "html`<p class=x  title='y  z'\n  id=${a} >${a}</p >`",
    'html`<p class="x ${a}  y"\n  hidden\n  ...${{b: 1}} />`',
    "html`\n  text \n  <p>${a}\n</p> ${a}\n`",
)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_template_makes_the_same_elements(tmp_path: Path) -> None:
    program = tmp_path / "trees.mjs"
    program.write_text(TREES, encoding="utf-8")
    templates = [*TEMPLATES, *map(minify.script, TEMPLATES)]
    asked = json.dumps({"page": PAGE.as_uri(), "templates": templates})
    run = subprocess.run(["node", str(program)], input=asked, capture_output=True, text=True, check=True)
    told = json.loads(run.stdout)
    assert told[: len(TEMPLATES)] == told[len(TEMPLATES) :]
