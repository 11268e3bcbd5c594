"""Whether another program explains a task: every program of the vocabulary up to two steps is tried on its pairs.

A program's last step is tried only where colours, cells and the box around all objects leave it possible.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, NUM_COLORS
from arc_vae.models.object_slots.components import bounding_boxes
from arc_vae.operations.scene import Scene, boxes_overlap
from arc_vae.tasks.draft import Draft
from arc_vae.tasks.pool import Pool
from arc_vae.tasks.program import Step
from arc_vae.tasks.scenes import after, joined, take
from arc_vae.tasks.vocabulary import ALL, COPIES, possible_steps

# Steps of the programs that are tried.
SEARCHED = 2
SHALLOWER, AMBIGUOUS = "explained_by_fewer_steps", "explained_otherwise"
# Whether each step is one of those that differ on a single object.
_ALIKE = torch.tensor([step in possible_steps(step.name, 1) for step in ALL])


class Outputs(NamedTuple):
    """What B grids should become: the grids, uint8 (B, 16, 16), cells of each colour (B, 9), the box around all."""

    grids: Tensor
    colors: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, grids: Tensor) -> "Outputs":
        """Those of grids (B, 16, 16)."""
        first, extent = bounding_boxes(grids)
        cells = grids.flatten(1).long()
        colors = torch.zeros(len(grids), NUM_COLORS, dtype=torch.int64).scatter_add_(1, cells, torch.ones_like(cells))
        return cls(grids, colors[:, BACKGROUND + 1 :], first, first + extent)

    def take(self, rows: Tensor) -> "Outputs":
        """Some of them."""
        return Outputs(*(field[rows] for field in self))


class Search:
    """The pairs of some tasks, a row each; `pairs[t]` are the rows of task t: its train pairs, then its test pair."""

    def __init__(self, pool: Pool, drafts: Sequence[Draft]):
        self.pool, self.drafts = pool, drafts
        pairs = [pair for draft in drafts for pair in draft.pairs]
        self.rows = torch.tensor([row for row, _ in pairs])
        self.task = torch.tensor([task for task, draft in enumerate(drafts) for _ in draft.pairs])
        self.pairs = [(self.task == task).nonzero()[:, 0] for task in range(len(drafts))]
        self.outputs = Outputs.of(torch.stack([truth for _, truth in pairs]))
        self.sizes = pool.cells[self.rows].flatten(2).sum(dim=2)  # cells of each object (B, S)
        self.found = [""] * len(drafts)

    def run(self) -> list[str]:
        """What speaks against each task: a reason, or nothing."""
        start = take(self.pool.scenes, self.rows)
        after_one = [after(start, step) for step in ALL]
        # A program is tried on each task's first pair, and on the others if it explains that one.
        shown = torch.tensor([int(rows[0]) for rows in self.pairs])
        scene, rows = joined([take(some, shown) for some in after_one]), shown.repeat(len(ALL))
        first = torch.arange(len(ALL)).repeat_interleave(len(shown))
        right = self._explained(scene, rows).nonzero()[:, 0]
        self._judge([after_one[number] for number in first[right].tolist()], self.task[rows[right]], None)
        open_tasks = torch.tensor([d.spec.depth > 1 and not f for d, f in zip(self.drafts, self.found, strict=True)])
        alike = _ALIKE[first] | (start.num_objects[rows] > 1)
        kept = (scene.refused == 0) & alike & open_tasks[self.task[rows]]
        self._last_steps(after_one, first[kept], take(scene, kept), rows[kept])
        return self.found

    def _last_steps(self, after_one: Sequence[Scene], first: Tensor, scene: Scene, rows: Tensor) -> None:
        """Try every step on scenes of these rows, which are those after the steps of these numbers."""
        cells, wanted = self._colors(scene, rows), self.outputs.colors[rows]
        overlap = boxes_overlap(scene).flatten(1).any(dim=1)
        single = scene.num_objects == 1
        for number, step in enumerate(ALL):
            tried = (could_be_last(step, cells, wanted, overlap) & (_ALIKE[number] | ~single)).nonzero()[:, 0]
            if len(tried):
                right = tried[self._explained(after(take(scene, tried), step), rows[tried])]
                self._judge([after_one[before] for before in first[right].tolist()], self.task[rows[right]], step)

    def _judge(self, scenes: Sequence[Scene], tasks: Tensor, step: Step | None) -> None:
        """Note what speaks against tasks (K,): does a program explain all train pairs? Its scenes of all rows are given
        for each of the tasks, and the step that is still to be done, if any.
        """
        if not len(tasks):
            return
        rows = [self.pairs[task] for task in tasks.tolist()]
        scene = joined([take(some, where) for some, where in zip(scenes, rows, strict=True)])
        scene, steps = (scene, 1) if step is None else (after(scene, step), 2)
        right = self._explained(scene, torch.cat(rows)).split([len(some) for some in rows])
        for task, fits in zip(tasks.tolist(), right, strict=True):
            if fits[:-1].all() and steps < self.drafts[task].spec.depth:
                self.found[task] = SHALLOWER
            elif fits[:-1].all() and not fits[-1] and not self.found[task]:
                self.found[task] = AMBIGUOUS

    def _explained(self, scene: Scene, rows: Tensor) -> Tensor:
        """Which scenes (B,), made of those of these rows, look as their outputs do."""
        wanted = self.outputs.take(rows)
        first, last = scene.bounds()
        fits = (first == wanted.first).all(dim=1) & (last == wanted.last).all(dim=1) & (scene.refused == 0)
        near = fits.nonzero()[:, 0]
        drawn = self.pool.draw(take(scene, near), self.rows[rows[near]])
        fits[near] = (drawn == wanted.grids[near]).flatten(1).all(dim=1)
        return fits

    def _colors(self, scene: Scene, rows: Tensor) -> Tensor:
        """Cells of each colour that the objects of these rows' scenes have, hidden ones too, (B, 9)."""
        sizes = self.sizes[rows].gather(1, scene.source) * scene.present
        return torch.zeros(len(rows), NUM_COLORS, dtype=torch.int64).scatter_add_(1, scene.color, sizes)[:, 1:]


def could_be_last(step: Step, cells: Tensor, wanted: Tensor, overlap: Tensor) -> Tensor:
    """Whether cells of each colour (B, 9) leave it possible that the step gives those wanted (B, 9); where boxes
    overlap (B,), cells may be hidden, and only more than there are is impossible.
    """
    less, more = (wanted <= cells).all(dim=1), wanted > cells
    gaining = more.sum(dim=1)
    if step.name == "remove":
        return less & (wanted < cells).any(dim=1)
    if step.name in COPIES:
        return (gaining == 1) & ((wanted >= cells).all(dim=1) | overlap) | (overlap & (gaining == 0))
    if step.name != "recolour":
        return less & ((wanted == cells).all(dim=1) | overlap)
    if isinstance(step["colors"], int):
        gains = more[:, step["colors"] - 1] & (gaining == 1)
        return (gains & (wanted.sum(dim=1) == cells.sum(dim=1))) | (overlap & (gains | less))
    (one, two), _ = step["colors"]
    swapped = cells.clone()
    swapped[:, [one - 1, two - 1]] = cells[:, [two - 1, one - 1]]
    return (wanted == swapped).all(dim=1) | (overlap & (wanted <= swapped).all(dim=1))


def explanations(pool: Pool, drafts: Sequence[Draft]) -> list[str]:
    """What speaks against each finished draft: a program of fewer steps, or one of as many with another test output."""
    return Search(pool, drafts).run()
