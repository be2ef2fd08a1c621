"""What the package exports, read from its source, so that no script has to import it."""

import ast
from pathlib import Path

__all__ = ("exported",)


def exported(root: Path, module: str = "") -> tuple[str, ...]:
    """The names in `__all__` of a module of the checkout's package; of the package itself where `module` is empty.

    Raises LookupError if it has no `__all__`, OSError if there is no such module.
    """
    home = root / "src" / "headwater" / module / "__init__.py"
    for node in ast.parse(home.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: tuple[str, ...] = ast.literal_eval(node.value)
            return names
    raise LookupError(f"{home} has no __all__")
