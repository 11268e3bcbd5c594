"""The search for programs that explain all train pairs of tasks, within a number of steps and of seconds.

One step at a time is tried on the first pairs of all tasks at once; what explains a task's first pair is tried on its
others. Shorter programs come first, of equally long ones those with the plainer first steps.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from arc_vae.tasks.analogies.candidates import common_table, could_be_recoloured, table_in_words
from arc_vae.tasks.analogies.given import Given
from arc_vae.tasks.analogies.spaces import Space, Wanted

# States that a step is tried on at once: a fraction of a second, after which the clock is looked at.
PORTION = 512
# States that are kept for another step, 300 bytes each.
MOST_STATES = 300_000


class Answer(NamedTuple):
    """The first program that explains a task's train pairs: in words, and whether its test outputs are right too."""

    program: str
    right: bool


class Outcome(NamedTuple):
    """Answers by the number of the task, and the tasks whose search ended before every program was tried."""

    answers: dict[int, Answer]
    cut_off: set[int]


class OutOfTime(Exception):
    """The seconds are over."""


class Level(NamedTuple):
    """States after the same number of steps: states, sizes (N, 2), tasks (N,), numbers of the steps (N, k), and the
    grids that they show (N, 16, 16).
    """

    states: Tensor
    sizes: Tensor
    tasks: Tensor
    steps: Tensor
    shown: Tensor

    def take(self, rows: Tensor) -> "Level":
        """Some of them: row numbers or a mask."""
        return Level(*(field[rows] for field in self))


class Search:
    """Programs of up to `depth` steps for some of the given tasks, for so many seconds by `clock`."""

    def __init__(
        self,
        space: Space,
        given: Given,
        tasks: Sequence[int],
        depth: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.space, self.given, self.depth = space, given, depth
        self.tasks, self.clock, self.end = list(tasks), clock, clock() + seconds
        self.answers: dict[int, Answer] = {}
        self.left_out: set[int] = set()
        self.seen: set[bytes] = set()

    def run(self) -> Outcome:
        """Search."""
        try:
            if self.tasks:
                self._levels()
        except OutOfTime:
            self.left_out = set(self.tasks)
        return Outcome(self.answers, self.left_out - set(self.answers))

    def _levels(self) -> None:
        level = self._first_level()
        for number in range(1, self.depth + 1):
            after = [self._one_step_more(part, last=number == self.depth) for part in self._portions(level)]
            if number < self.depth:
                level = self._distinct([found for some in after for found in some])

    def _first_level(self) -> Level:
        """The inputs of the tasks' first pairs."""
        self._look_at_the_clock()
        rows = torch.stack([self.given.train[task][0] for task in self.tasks])
        states = torch.cat([self.space.start(self.given.inputs[part]) for part in self._split(rows)])
        tasks = torch.tensor(self.tasks, device=rows.device)
        steps = torch.zeros(len(tasks), 0, dtype=torch.int64, device=rows.device)
        shown = torch.cat([self.space.show(part) for part in self._split(states)])
        return Level(states, self.given.sizes[rows], tasks, steps, shown)

    def _split(self, rows: Tensor) -> Iterator[Tensor]:
        """In portions, with a look at the clock before each."""
        for part in rows.split(PORTION):
            self._look_at_the_clock()
            yield part

    def _look_at_the_clock(self) -> None:
        if self.clock() >= self.end:
            raise OutOfTime

    def _portions(self, level: Level) -> list[Level]:
        return [level.take(rows) for rows in torch.arange(len(level.tasks), device=level.tasks.device).split(PORTION)]

    def _one_step_more(self, level: Level, last: bool) -> list[Level]:
        """Try a table of colours and each step; the states after them where another step is to follow."""
        level = self._open(level)
        if not len(level.tasks):
            return []
        self._look_at_the_clock()
        wanted = Wanted.of(self.given.outputs[self._first_rows(level.tasks)])
        if self.space.recolours:
            self._judge(level, could_be_recoloured(level.shown, wanted.grids), recolour=True)
        batch, found = self.space.read(level.states, level.sizes), []
        for number, candidate in enumerate(self.space.candidates):
            self._look_at_the_clock()
            rows, states, sizes = batch.after(candidate, wanted if last else None)
            if not len(rows):
                continue
            steps = torch.cat([level.steps[rows], torch.full_like(rows, number)[:, None]], dim=1)
            after = Level(states, sizes, level.tasks[rows], steps, self.space.show(states))
            self._judge(after, (after.shown == wanted.grids[rows]).flatten(1).all(dim=1), recolour=False)
            if not last:
                found.append(self._new(after))
        return found

    def _first_rows(self, tasks: Tensor) -> Tensor:
        return torch.stack([self.given.train[task][0] for task in tasks.tolist()])

    def _open(self, level: Level) -> Level:
        """Of the tasks that are not explained yet."""
        still = [task not in self.answers for task in level.tasks.tolist()]
        return level.take(torch.tensor(still, dtype=torch.bool, device=level.tasks.device))

    def _judge(self, level: Level, first_right: Tensor, recolour: bool) -> None:
        """Try on all pairs what explains the first, each task until it is explained."""
        for row in first_right.nonzero()[:, 0].tolist():
            task = int(level.tasks[row])
            if task not in self.answers:
                self._look_at_the_clock()
                answer = self.replayed(task, level.steps[row].tolist(), recolour)
                if answer is not None:
                    self.answers[task] = answer

    def replayed(self, task: int, steps: Sequence[int], recolour: bool) -> Answer | None:
        """What a program makes of a task's test inputs; None where it does not explain all train pairs."""
        train, test = self.given.train[task], self.given.test[task]
        rows = torch.cat([train, test])
        shown_as, words = self.given.outputs[rows], []
        states, sizes = self.space.start(self.given.inputs[rows]), self.given.sizes[rows]
        refused = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        for number in steps:
            candidate = self.space.candidates[number]
            tried = self.space.read(states, sizes).after(candidate)
            admits = torch.zeros_like(refused).index_fill(0, tried.rows, True)
            refused |= ~admits
            if refused[: len(train)].any():
                return None
            # A state that is written may have other digits than one that is read.
            states = states.to(tried.states.dtype).index_copy(0, tried.rows, tried.states)
            sizes = sizes.index_copy(0, tried.rows, tried.sizes)
            words.append(candidate.words)
        if recolour:
            table = common_table(self.space.show(states)[: len(train)], shown_as[: len(train)])
            if table is None:
                return None
            states = self.space.recoloured(states, table)
            words.append(table_in_words(table))
        right = (self.space.show(states) == shown_as).flatten(1).all(dim=1) & ~refused
        if not right[: len(train)].all():
            return None
        return Answer(", then ".join(words), bool(right[len(train) :].all()))

    def _new(self, level: Level) -> Level:
        """Of the tasks that are open, the states that no program before has led to."""
        level = self._open(level)
        states, places = level.states.cpu().numpy(), torch.cat([level.tasks[:, None], level.sizes], dim=1).cpu().numpy()
        new = []
        for row, (state, place) in enumerate(zip(states, places, strict=True)):
            key = state.tobytes() + place.tobytes()
            if key not in self.seen:
                self.seen.add(key)
                new.append(row)
        return level.take(torch.tensor(new, dtype=torch.int64, device=level.tasks.device))

    def _distinct(self, found: list[Level]) -> Level:
        """The states for another step, those of plainer steps first; tasks that lose some to memory are remembered."""
        whole = Level(*(torch.cat(fields) for fields in zip(*found, strict=True)))
        order = torch.arange(len(whole.tasks), device=whole.tasks.device)
        self.left_out |= set(whole.tasks[order[MOST_STATES:]].tolist())
        return whole.take(order[:MOST_STATES])
