from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.schema.docstrings import read_docstring
from tests.support.effort import tries

GOOGLE = """Search the web.

    Long text about it: with a colon.

    Args:
        query: What to look for,
            over two lines.
        limit (int, optional): How many: at most.
        **options: More.

            After a blank line.

    Returns:
        A list.

    Raises:
        ValueError: Never.

    Note:
        Be kind.
    """

NUMPY = """Search the web.

    Parameters
    ----------
    query : str
        What to look for,
        over two lines.
    limit, offset : int, optional
        How many: at most.
    bare
        No type.

    Returns
    -------
    list
        Results.

    Examples
    --------
    search("x")
    """

SPHINX = """Search the web.

    :param query: What to look for,
        over two lines.
    :param int limit: How many: at most.
    :type query: str
    :keyword lang: Which language.
    :returns: A list
        of things.
    :raises ValueError: Never.
    """


def test_google_style() -> None:
    said = read_docstring(GOOGLE)
    assert said.arguments == {
        "query": "What to look for, over two lines.",
        "limit": "How many: at most.",
        "options": "More. After a blank line.",
    }
    assert said.description == "Search the web.\n\nLong text about it: with a colon.\n\nNote:\n    Be kind."


def test_numpy_style() -> None:
    said = read_docstring(NUMPY)
    assert said.arguments == {
        "query": "What to look for, over two lines.",
        "limit": "How many: at most.",
        "offset": "How many: at most.",
        "bare": "No type.",
    }
    assert said.description == 'Search the web.\n\nExamples:\nsearch("x")'


def test_sphinx_style() -> None:
    said = read_docstring(SPHINX)
    assert said.arguments == {
        "query": "What to look for, over two lines.",
        "limit": "How many: at most.",
        "lang": "Which language.",
    }
    assert said.description == "Search the web."


@pytest.mark.parametrize("text", [None, "", "   \n  "])
def test_empty(text: str | None) -> None:
    assert read_docstring(text) == ("", {})


def test_a_heading_without_a_block_is_text() -> None:
    said = read_docstring("Args:\nnot indented")
    assert said == ("Args:\nnot indented", {})


def test_generics_and_brackets_in_a_type() -> None:
    said = read_docstring("Do.\n\nArgs:\n    rows (dict[str, tuple(int)]): The rows.\n    fn (Callable): f")
    assert said.arguments == {"rows": "The rows.", "fn": "f"}


@given(st.text(alphabet="Args:\n- xParmetsRu():*,", max_size=200))
@settings(max_examples=tries(50, 200), deadline=None)
def test_any_text_is_parsed(text: str) -> None:
    said = read_docstring(text)
    assert all("\n" not in words for words in said.arguments.values())
