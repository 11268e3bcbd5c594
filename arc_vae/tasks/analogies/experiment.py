"""ARC tasks on a run's model, three ways beside the published one, and what analogies.json says of them."""

import logging
from collections.abc import Sequence

import torch

from arc_vae.corpus.arc_tasks import WholeTask
from arc_vae.models.base import VAE
from arc_vae.tasks.analogies.arithmetic import solved_by_arithmetic, surviving
from arc_vae.tasks.analogies.given import Given, fits, has_answers
from arc_vae.tasks.analogies.search import Answer, Outcome, Search
from arc_vae.tasks.analogies.spaces import GridSpace, space_of

log = logging.getLogger(__name__)

# A VAE with vector arithmetic on its codes; shares of the tasks solved. Its training data and its judging are others.
PUBLISHED = {"source": "arXiv 2311.08083", "arc": 0.02, "concept_arc": 0.088}
ARITHMETIC, IN_CODES, IN_GRIDS = "vector arithmetic", "search in codes", "search in grids"


@torch.no_grad()
def solve_tasks(model: VAE, tasks: Sequence[WholeTask], depth: int, seconds: float) -> dict:
    """Everything that analogies.json says: each search takes programs of up to `depth` steps and at most so many
    seconds for all tasks together.
    """
    unknown = sum(not has_answers(task) for task in tasks)
    given = Given.of([task for task in tasks if fits(task)], next(model.parameters()).device)
    of, every = len(tasks), range(len(given.names))
    log.info("%d tasks, %d of them up to 16×16: vector arithmetic", of, len(given.names))
    solved = solved_by_arithmetic(model, given)
    program = "z + the mean of z(output) - z(input)"
    answers = {number: Answer(program, right=True) for number in every if solved[number]}
    alive = surviving(model, given)
    space = space_of(model)
    rows = [_row(ARITHMETIC, given, Outcome(answers, set()), of)]
    log.info("search in codes: %d tasks whose train outputs are decoded from their codes", sum(alive))
    if space is None:
        missing = f"{type(model).__name__} has no operators: learn some with operations run=<run dir>, without tasks="
        rows.append({**_row(IN_CODES, given, Outcome({}, set()), of), "missing": missing})
    else:
        search = Search(space, given, [number for number in every if alive[number]], depth, seconds)
        rows.append(_row(IN_CODES, given, search.run(), of))
    log.info("search in grids: %d tasks", len(given.names))
    by_grids = Search(GridSpace(), given, every, depth, seconds).run()
    rows.append(_row(IN_GRIDS, given, by_grids, of))
    return {
        "tasks": of,
        "fit": len(given.names),
        "without_output": unknown,
        "does_not_fit": of - len(given.names) - unknown,
        "undetermined": sum(given.undetermined),
        "code": {
            "tasks_surviving": sum(alive),
            "of_those_explained_in_grids": sum(alive[number] for number in by_grids.answers),
        },
        "depth": depth,
        "seconds": seconds,
        "published": PUBLISHED,
        "methods": rows,
    }


def _row(method: str, given: Given, outcome: Outcome, of: int) -> dict:
    """What a way of solving came to. A task whose size its padded cells leave open is not among the solved ones."""
    right = [number for number, answer in outcome.answers.items() if answer.right]
    solved = [number for number in right if not given.undetermined[number]]
    return {
        "method": method,
        "solved": len(solved),
        "of": of,
        "share": len(solved) / of,
        "right_but_undetermined": len(right) - len(solved),
        "explained_but_wrong": len(outcome.answers) - len(right),
        "cut_off": len(outcome.cut_off),
        "missing": None,
        "programs": {
            given.names[number]: {
                "program": answer.program,
                "right": answer.right,
                "undetermined": given.undetermined[number],
            }
            for number, answer in sorted(outcome.answers.items())
        },
    }
