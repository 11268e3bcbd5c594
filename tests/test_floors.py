"""Data walks down once: no floor of the package imports a higher one, lazily or not."""

import ast
from pathlib import Path

import arc_vae

PACKAGE = Path(arc_vae.__file__).parent

# Lowest first; rooms of one floor may import each other. Commands, the API and the notebook, at the top, see all.
FLOORS = (
    {"common"},
    {"configuration", "corpus", "models", "objective"},
    {"evaluation", "tracking"},
    {"training", "reporting"},
    {"runs"},
    {"exporting", "operations", "sweeps", "tasks"},
    {"cli"},
)
# Modules that stand under an old name for what was written or typed before: a line each.
OLD_NAMES = {"errors", "grids", "sweeping", "training/checkpoints", "reporting/pictures"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if name in rooms), len(FLOORS))


def imported_rooms(path: Path) -> set[str]:
    """Rooms of the package that a file imports anywhere, in functions and under TYPE_CHECKING too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} if node.module != "arc_vae" else {f"arc_vae.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    rooms = {name.split(".")[1] for name in names if name.startswith("arc_vae.")}
    return {name for name in rooms if name != "conf"}


def is_old_name(path: Path) -> bool:
    name = path.relative_to(PACKAGE).with_suffix("").as_posix()
    return any(name == old or name.startswith(f"{old}/") for old in OLD_NAMES)


def test_no_floor_imports_a_higher_one():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        if path == PACKAGE / "__init__.py" or path.name == "__main__.py" or is_old_name(path):
            continue
        wrong += [
            f"{path.relative_to(PACKAGE)} (floor {floor(room(path))}) imports {name} (floor {floor(name)})"
            for name in imported_rooms(path)
            if floor(name) > floor(room(path))
        ]
    assert not wrong, "\n".join(sorted(wrong))


def test_every_room_has_a_floor():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"api", "notebooks", "sweeping"}
    assert rooms <= set.union(*FLOORS)


def test_an_import_of_a_higher_floor_would_be_found(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from arc_vae.sweeps.launch import run_sweep\n")
    assert imported_rooms(file) == {"sweeps"} and floor("sweeps") > floor("models")


def test_nothing_uses_an_old_name():
    old = {f"arc_vae.{name.replace('/', '.')}" for name in OLD_NAMES}
    for path in PACKAGE.rglob("*.py"):
        if not is_old_name(path):
            imports = {n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)}
            assert not imports & old, path
