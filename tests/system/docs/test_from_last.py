"""The page for users of the last version: what it calls the old way no longer works, or the page is wrong.

The new way runs with every other example of the documents.
"""

from __future__ import annotations

import re

import pytest

from headwater.errors import HeadwaterError
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "from-0.1.md").read_text(encoding="utf-8")
OLD = re.findall(r"^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("source", OLD, ids=range(len(OLD)))
def test_the_old_way_is_refused(source: str) -> None:
    with pytest.raises((AttributeError, HeadwaterError, ImportError, TypeError)):
        exec(compile(source, "old", "exec"), {})


def test_each_old_way_has_a_new_one() -> None:
    assert len(OLD) == 6
    for section in PAGE.split("\n## "):
        assert "```python" in section or "```py" not in section
