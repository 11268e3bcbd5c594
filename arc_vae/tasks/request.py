"""What was asked for: how many tasks, of which depths, of how many objects and pairs."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arc_vae.common.errors import require

# Tasks made together: one piece of work of a process, and what an interruption can cost.
PORTION = 250
# Of six tasks so many are for training, validation and test.
SPLIT = ("train", "train", "train", "train", "val", "test")


@dataclass(frozen=True)
class Spec:
    """One task to be made: its number, depth, number of objects and of train pairs."""

    number: int
    depth: int
    objects: int
    pairs: int


@dataclass(frozen=True)
class Request:
    """`num_tasks` tasks, dealt in turn to every depth and every number of objects, of `pairs` train pairs each and one
    test pair.
    """

    num_tasks: int
    depths: tuple[int, ...]
    objects: tuple[int, ...]
    pairs: tuple[int, ...]
    seed: int

    def spec(self, number: int) -> Spec:
        """What the task of that number is to be."""
        depth = self.depths[number % len(self.depths)]
        objects = self.objects[number // len(self.depths) % len(self.objects)]
        return Spec(number, depth, objects, random.Random(f"{self.seed}/{number}/pairs").choice(self.pairs))

    def portions(self) -> list[list[Spec]]:
        """All of them, in pieces of work."""
        numbers = range(self.num_tasks)
        return [[self.spec(number) for number in numbers[first : first + PORTION]] for first in numbers[::PORTION]]

    def splits(self) -> list[str]:
        """Which split each task belongs to: 4 to 1 to 1, of every depth and number of objects alike where there
        are six tasks or more of each.
        """
        cells = len(self.depths) * len(self.objects)
        order = sorted(range(self.num_tasks), key=lambda number: (number % cells, number))
        place = {number: index for index, number in enumerate(order)}
        return [SPLIT[place[number] % len(SPLIT)] for number in range(self.num_tasks)]


def numbers_of(name: str, value: Any, least: int, most: int) -> tuple[int, ...]:
    """`1-5`, `3` or `[1, 2, 4]` as numbers.

    Raises:
        InvalidValue: anything else, or a number that is not from `least` to `most`.
    """
    wanted = f"a number or a range such as {least}-{most}, from {least} to {most}"
    text = ",".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part)
        require(ends is not None, name, value, wanted)
        assert ends is not None
        first, last = int(ends[1]), int(ends[2] or ends[1])
        require(least <= first <= last <= most, name, value, wanted)
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))
