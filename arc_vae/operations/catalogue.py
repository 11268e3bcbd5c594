"""The operations by name: what a user writes.

Arguments that several share: `of`, which objects (see `Rule`); `border`, "refuse" or "stop" what would cross it;
`overlap`, "refuse" or "stop" where two boxes would overlap anew, or "paint" the smaller over the larger.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from arc_vae.common.arrays import take_grids
from arc_vae.common.errors import require
from arc_vae.common.grids import NUM_COLORS
from arc_vae.operations.cells import Clip, Combine, Connect, GridStep, Scale, Symmetrize
from arc_vae.operations.moves import Group, Recolor, Translate, Turn, color_pairs
from arc_vae.operations.numbers import Duplicate, Remove
from arc_vae.operations.operation import Operation, Part
from arc_vae.operations.rules import EACH, GRID, WANTED, Of, Rule, is_choice, is_integer, plain
from arc_vae.operations.steps import SceneStep

# The largest number that a step is given: beyond the grid's border it makes no difference.
FARTHEST = 1000
BORDERS, OVERLAPS = ("refuse", "stop"), ("refuse", "stop", "paint")

# Rows of `symmetry_table`: np.fliplr, np.flipud, the transpose, and the transpose about the other diagonal.
AXES = {"horizontal": 4, "vertical": 6, "diagonal": 5, "antidiagonal": 7}


def translate(
    dx: int = 0, dy: int = 0, of: Of = GRID, border: str = "stop", overlap: str = "paint", clip: bool = False
) -> Operation:
    """Move by dx columns to the right and dy rows down. `clip`: cut off what crosses the border, through the grid.

    >>> translate(dx=3, dy=0, of="largest").name
    'translate(dx=3, dy=0, of=largest)'
    """
    dx, dy = _integers(dx=dx, dy=dy)
    require(isinstance(clip, bool), "clip", clip, "True or False")
    if clip:
        usual = (border, overlap) == ("stop", "paint")
        require(usual, "border, overlap", (border, overlap), "left out with clip=True, which cuts off and paints over")
        return _named("translate", {"dx": dx, "dy": dy, "of": of, "clip": True}, Clip(Rule(of), dx, dy))
    step = Translate(Rule(of), *_rules(border, overlap), dx=dx, dy=dy)
    return _named("translate", {"dx": dx, "dy": dy, "of": of}, step)


def rotate_90(times: int = 1, of: Of = GRID, border: str = "stop", overlap: str = "paint") -> Operation:
    """Turn counter-clockwise, as np.rot90; objects about the middle of their boxes.

    >>> rotate_90(times=-3).name
    'rotate_90()'
    """
    times = _integers(times=times)[0] % 4
    step = Turn(Rule(of), *_rules(border, overlap), symmetry=times)
    return _named("rotate_90", {"times": times, "of": of}, step, {"times": 1})


def reflect(axis: str = "horizontal", of: Of = GRID, border: str = "stop", overlap: str = "paint") -> Operation:
    """Mirror: "horizontal" left and right (np.fliplr), "vertical" up and down (np.flipud), "diagonal" (transpose),
    "antidiagonal".
    """
    require(isinstance(axis, str) and axis in AXES, "axis", axis, f"one of {', '.join(AXES)}")
    return _named("reflect", {"axis": axis, "of": of}, Turn(Rule(of), *_rules(border, overlap), symmetry=AXES[axis]))


def recolour(colors: int | Mapping[int, int], of: Of = GRID) -> Operation:
    """Give the objects one colour, or new colours by their present ones: {1: 2, 2: 1}."""
    given = [color for pair in colors.items() for color in pair] if isinstance(colors, Mapping) else [colors]
    good = all(is_integer(color) and 1 <= color < NUM_COLORS for color in given) and given
    wanted = f"a colour from 1 to {NUM_COLORS - 1}, or a table of them such as {{1: 2, 2: 1}}"
    require(bool(good), "colors", colors, wanted)
    pairs = color_pairs(colors)
    text = pairs if isinstance(pairs, int) else " ".join(f"{old}→{new}" for old, new in pairs)
    return _named("recolour", {"colors": text, "of": of}, Recolor(Rule(of), "stop", "paint", colors=pairs))


def scale(factor: int = 2, of: Of = EACH, border: str = "stop", overlap: str = "paint") -> Operation:
    """Make each cell of the objects factor × factor cells; stopped, as far as they fit. Through the grid."""
    (factor,) = _integers(factor=factor)
    require(factor >= 1, "factor", factor, "at least 1")
    require(overlap != "stop", "overlap", overlap, "refuse or paint: a scaled object has no way to stop on")
    return _named("scale", {"factor": factor, "of": of}, Scale(Rule(of), *_rules(border, overlap), factor=factor))


def duplicate(dx: int, dy: int, of: Of = "largest", border: str = "stop", overlap: str = "paint") -> Operation:
    """Put a copy of the object dx columns to the right of it and dy rows down."""
    dx, dy = _integers(dx=dx, dy=dy)
    return _copies("duplicate", {"dx": dx, "dy": dy, "of": of}, [(dx, dy)], of, border, overlap)


def repeat(times: int, dx: int, dy: int, of: Of = "largest", border: str = "stop", overlap: str = "paint") -> Operation:
    """Put `times` copies of the object in a row, each dx columns and dy rows from the one before."""
    times, dx, dy = _integers(times=times, dx=dx, dy=dy)
    require(times >= 1, "times", times, "at least 1")
    offsets = [(number * dx, number * dy) for number in range(1, times + 1)]
    return _copies("repeat", {"times": times, "dx": dx, "dy": dy, "of": of}, offsets, of, border, overlap)


def tile(
    rows: int, columns: int, dx: int, dy: int, of: Of = "largest", border: str = "stop", overlap: str = "paint"
) -> Operation:
    """Make a pattern of the object, rows × columns with itself as the first, dx columns and dy rows apart."""
    rows, columns, dx, dy = _integers(rows=rows, columns=columns, dx=dx, dy=dy)
    require(rows >= 1 and columns >= 1 and rows * columns > 1, "rows, columns", (rows, columns), "more than one place")
    offsets = [(column * dx, row * dy) for row in range(rows) for column in range(columns)][1:]
    arguments = {"rows": rows, "columns": columns, "dx": dx, "dy": dy, "of": of}
    return _copies("tile", arguments, offsets, of, border, overlap)


def remove(of: Of = "largest") -> Operation:
    """Take the objects away."""
    return _named("remove", {"of": of}, Remove(Rule(of), "stop", "paint"))


def group(of: Of = EACH, border: str = "stop", overlap: str = "paint") -> Operation:
    """Gather objects to the right of the first of them, a column apart, tops level."""
    rule = Rule(of)
    require(of != GRID, "of", of, "several objects: each or every color c")
    return _named("group", {"of": of}, Group(rule, *_rules(border, overlap)))


def connect(first: Of = "largest", second: Of = "smallest") -> Operation:
    """Draw a line between two objects, under them. Through the grid."""
    for name, of in (("first", first), ("second", second)):
        require(is_choice(of) and _is_one(of), name, of, f"one object: {WANTED}")
    require(first != second, "second", second, "another object than the first")
    return _named("connect", {"first": first, "second": second}, Connect(Rule(first), Rule(second)))


def symmetrize(axis: str = "horizontal") -> Operation:
    """Fill the background with the grid's mirror image. Through the grid."""
    require(isinstance(axis, str) and axis in AXES, "axis", axis, f"one of {', '.join(AXES)}")
    return _named("symmetrize", {"axis": axis}, Symmetrize(AXES[axis]))


def union(other: Any) -> Operation:
    """The other grids, (16, 16) or (B, 16, 16), where these have background. Through the grid."""
    return _named("union", {}, Combine("union", take_grids(other, "other").values))


def difference(other: Any) -> Operation:
    """What of these grids stands where the others have background. Through the grid."""
    return _named("difference", {}, Combine("difference", take_grids(other, "other").values))


def intersection(other: Any) -> Operation:
    """What of these grids stands where the others have none. Through the grid."""
    return _named("intersection", {}, Combine("intersection", take_grids(other, "other").values))


def _copies(
    name: str, arguments: dict, offsets: Sequence[tuple[int, int]], of: Of, border: str, overlap: str
) -> Operation:
    rule = Rule(of)
    require(_is_one(of), "of", of, "one object")
    require(overlap != "stop", "overlap", overlap, "refuse or paint: a copy has no way to stop on")
    return _named(name, arguments, Duplicate(rule, *_rules(border, overlap), offsets=tuple(offsets)))


def _named(name: str, arguments: dict, step: SceneStep | GridStep, usual: dict | None = None) -> Operation:
    """The operation, named with the arguments that are not as usual."""
    usual = {"of": GRID, "border": "stop", "overlap": "paint", **(usual or {})}
    given = arguments | {key: getattr(step, key) for key in ("border", "overlap") if hasattr(step, key)}
    given |= {key: plain(given[key]) for key in ("of", "first", "second") if key in given}
    told = ", ".join(f"{key}={value}" for key, value in given.items() if usual.get(key) != value)
    return Operation((Part(f"{name}({told})", step),))


def _rules(border: str, overlap: str) -> tuple[str, str]:
    for name, value, known in (("border", border, BORDERS), ("overlap", overlap, OVERLAPS)):
        require(isinstance(value, str) and value in known, name, value, f"one of {', '.join(known)}")
    return border, overlap


def _is_one(of: Of) -> bool:
    """Whether a rule asks for one object alone."""
    return not isinstance(of, str) or not (of in (GRID, EACH) or of.startswith("every"))


def _integers(**given: int) -> list[int]:
    """The values as integers; numpy's are, bool is none."""
    for name, value in given.items():
        good = is_integer(value) and abs(int(value)) <= FARTHEST
        require(good, name, repr(value), f"an integer from -{FARTHEST} to {FARTHEST}")
    return [int(value) for value in given.values()]
