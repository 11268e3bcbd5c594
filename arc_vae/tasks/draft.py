"""One task in the making: a program, the test grids that it is defined on, and the pairs found so far."""

import random
from collections import Counter

import torch
from torch import Tensor

from arc_vae.common.errors import UserError
from arc_vae.operations.scene import Scene
from arc_vae.tasks.normal_form import normal_form
from arc_vae.tasks.pool import Pool
from arc_vae.tasks.program import Step
from arc_vae.tasks.request import Spec
from arc_vae.tasks.scenes import after, take
from arc_vae.tasks.vocabulary import ADDED, possible_names, possible_steps

# Grids on which a program is tried; of these so many times as many as are needed must admit it.
MOST_GRIDS, SPARE = 256, 2
# Programs tried for a task before it is given up, and steps tried for a place in a program.
MOST_PROGRAMS, MOST_STEPS = 200, 40
Pair = tuple[int, Tensor]  # the row of a grid in the pool, and what the grid should become


class Draft:
    """A task in the making. `usage` counts the operations of all programs of a portion: the rarest are drawn next.

    `waiting` holds pairs not tried yet, `pairs` those that came out as they should.
    """

    def __init__(self, spec: Spec, pool: Pool, room: int, usage: Counter, key: str):
        self.spec, self.pool, self.room, self.usage = spec, pool, room, usage
        self.random = random.Random(key)
        self.programs = 0
        self.program: tuple[Step, ...] = ()
        self.tried = False  # whether any pair of this program was
        self.waiting: list[Pair] = []
        self.pairs: list[Pair] = []

    @property
    def missing(self) -> int:
        """Pairs that are still to be found."""
        return self.spec.pairs + 1 - len(self.pairs)

    def drop(self) -> None:
        """Give the program up."""
        self.usage.subtract(step.name for step in self.program)
        self.program, self.pairs, self.waiting = (), [], []

    def begin(self) -> None:
        """Draw programs until one is defined on enough grids.

        Raises:
            UserError: too many programs came to nothing.
        """
        while not self.program:
            self.programs += 1
            if self.programs > MOST_PROGRAMS:
                raise UserError(
                    f"no task of depth {self.spec.depth} with {self.spec.objects} objects in {MOST_PROGRAMS} programs: "
                    "the model decodes too few of these grids as they are; ask for a smaller depth= or fewer objects="
                )
            rows = self.pool.rows[self.spec.objects]
            some = torch.tensor(self.random.sample(rows, min(MOST_GRIDS, len(rows))))
            program = normal_form(self._drawn_steps(some))
            if len(program) == self.spec.depth and self._admitted(program, some):
                self.program, self.tried = program, False
                self.usage.update(step.name for step in program)

    def next_pairs(self) -> list[Pair]:
        """As many untried pairs as are missing."""
        now, self.waiting = self.waiting[: self.missing], self.waiting[self.missing :]
        return now

    def _drawn_steps(self, rows: Tensor) -> list[Step]:
        """Steps of as many as wanted, each of which enough of the grids admit; fewer where none was found."""
        steps: list[Step] = []
        scene, count = take(self.pool.scenes, rows), self.spec.objects
        for _ in range(self.spec.depth):
            for tries in range(MOST_STEPS):
                step = self._drawn_step(steps, count, noise=1 + tries)
                if len(normal_form([*steps, step])) <= len(steps):
                    continue
                found = _acting(scene, step)
                if int(found[1].sum()) >= SPARE * self.missing:
                    scene = take(*found)
                    steps.append(step)
                    count += ADDED.get(step.name, 0)
                    break
            else:
                break
        return steps

    def _drawn_step(self, steps: list[Step], count: int, noise: int) -> Step:
        """One of the rarest operations, its arguments by chance; the more noise, the less does it matter how rare."""
        names = possible_names(count, self.room)
        used = {name: self.usage[name] + sum(step.name == name for step in steps) for name in names}
        name = min(names, key=lambda name: used[name] + noise * self.random.random())
        return self.random.choice(possible_steps(name, count))

    def _admitted(self, program: tuple[Step, ...], rows: Tensor) -> bool:
        """Whether enough of the grids admit the program and are changed by it; they wait as pairs then."""
        scene = take(self.pool.scenes, rows)
        for step in program:
            scene, fine = _acting(scene, step)
            scene, rows = take(scene, fine), rows[fine]
        truth = self.pool.draw(scene, rows)
        changed = (truth != self.pool.grids[rows]).flatten(1).any(dim=1)
        self.waiting = list(zip(rows[changed].tolist(), truth[changed], strict=True))
        return len(self.waiting) >= SPARE * self.missing


def _acting(scene: Scene, step: Step) -> tuple[Scene, Tensor]:
    """The scenes after a step, and in which it is not refused and says anything new, bool (B,)."""
    changed = after(scene, step)
    return changed, (changed.refused == 0) & ~changed.same_objects(scene).all(dim=1)
