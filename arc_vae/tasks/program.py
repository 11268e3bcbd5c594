"""A program: operations one after the other, as data, in words and as what is carried out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from arc_vae.operations import catalogue
from arc_vae.operations.operation import Operation, compose

RULES = {"border": "refuse", "overlap": "refuse"}
# Operations that hold objects against the border and against each other: a program is stopped by neither.
HELD = ("translate", "rotate_90", "reflect", "duplicate", "repeat", "tile", "group")


@dataclass(frozen=True)
class Step:
    """One operation of the catalogue, with its arguments in order of name: `Step.of("translate", dx=1, dy=0)`."""

    name: str
    arguments: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, name: str, **arguments: Any) -> "Step":
        """The step of that name."""
        return cls(name, tuple(sorted(arguments.items())))

    def __getitem__(self, key: str) -> Any:
        """An argument; None where the operation has no such."""
        return dict(self.arguments).get(key)

    def data(self) -> dict[str, Any]:
        """Plain values: the operation's name and its arguments."""
        return {"operation": self.name, **dict(self.arguments)}


def from_data(data: dict[str, Any]) -> Step:
    """The step that `Step.data` tells of."""
    plain = {key: tuple(map(tuple, value)) if isinstance(value, list) else value for key, value in data.items()}
    return Step.of(str(plain.pop("operation")), **plain)


@cache
def operation_of(step: Step) -> Operation:
    """What the step does; refused where an object would cross the border or meet another."""
    arguments = dict(step.arguments) | (RULES if step.name in HELD else {})
    if isinstance(arguments.get("colors"), tuple):
        arguments["colors"] = dict(arguments["colors"])
    return getattr(catalogue, step.name)(**arguments)


def program_operation(steps: Sequence[Step]) -> Operation:
    """What the steps do, one after the other."""
    return compose(operation_of(step) for step in steps)


_OBJECTS = {"grid": "all objects together", "each": "each object"}
TURNS = {1: "by 90° counter-clockwise", 2: "by 180°", 3: "by 90° clockwise"}
MIRRORS = {
    "horizontal": "left and right",
    "vertical": "up and down",
    "diagonal": "about the diagonal",
    "antidiagonal": "about the other diagonal",
}


def in_words(steps: Sequence[Step]) -> str:
    """The program as a sentence."""
    return ", then ".join(_words(step) for step in steps)


def _words(step: Step) -> str:
    what = objects_in_words(step["of"])
    way = way_in_words(step["dx"] or 0, step["dy"] or 0)
    match step.name:
        case "translate":
            return f"move {what} {way}"
        case "rotate_90":
            whole = "the whole grid" if step["of"] == "grid" else what
            return f"turn {whole} {TURNS[step['times']]}"
        case "reflect":
            whole = "the whole grid" if step["of"] == "grid" else what
            return f"mirror {whole} {MIRRORS[step['axis']]}"
        case "recolour":
            colors = step["colors"]
            return f"give {what} colour {colors}" if isinstance(colors, int) else _swap(colors)
        case "duplicate":
            return f"put a copy of {what} {way}"
        case "repeat":
            return f"put {step['times']} copies of {what} in a row, each {way}"
        case "tile":
            return f"make {what} a pattern of {step['rows']} × {step['columns']}, {way}"
        case "remove":
            return f"take away {what}"
        case _:
            return "gather all objects to the right of the largest, a column apart"


def objects_in_words(of: str | None) -> str:
    """Which objects a rule means."""
    return _OBJECTS.get(str(of), f"the {of} object")


def way_in_words(dx: int, dy: int) -> str:
    """A shift by columns and rows."""
    parts = [f"{abs(dx)} to the {'right' if dx > 0 else 'left'}"] if dx else []
    parts += [f"{abs(dy)} {'down' if dy > 0 else 'up'}"] if dy else []
    return " and ".join(parts)


def _swap(colors: Sequence[tuple[int, int]]) -> str:
    return f"swap colours {colors[0][0]} and {colors[0][1]}"
