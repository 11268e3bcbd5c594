"""`python -m arc_vae`: the commands, a line each."""

import ast
from pathlib import Path

from arc_vae.common.output import drop_unwritable_output

PACKAGE = Path(__file__).parent


def commands() -> dict[str, str]:
    """Each command's usage and what it does, from the first lines of the files of the package's top that define one."""
    found = {}
    for file in sorted(PACKAGE.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "\n@command(" not in text:
            continue
        lines = (ast.get_docstring(ast.parse(text)) or "").splitlines() or [f"`python -m arc_vae.{file.stem}`: "]
        usage, _, does = lines[0].partition("`: ")
        found[usage.lstrip("`")] = does.rstrip(".")
    return found


def main() -> None:
    """Print them."""
    drop_unwritable_output()
    print("arc_vae: train, judge and compare β-VAEs on ARC-like grids. Each command takes --help.\n")
    for usage, does in commands().items():
        print(f"{usage}\n    {does}")
    print("\nin Python: import arc_vae; help(arc_vae)")


if __name__ == "__main__":
    main()
