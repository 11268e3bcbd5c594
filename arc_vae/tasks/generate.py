"""`python -m arc_vae.generate_tasks`: from a run's directory to a folder of tasks."""

import time
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count
from omegaconf import DictConfig

from arc_vae.common.errors import UserError
from arc_vae.common.provenance import git_state, versions
from arc_vae.models.base import VAE
from arc_vae.models.saved import weights_digest
from arc_vae.operations.codes import slot_decoder, states_objects
from arc_vae.operations.restore import restore
from arc_vae.tasks.folder import ALL_TASKS, PICTURE, TaskFolder
from arc_vae.tasks.picture import draw_tasks
from arc_vae.tasks.pool import Pool
from arc_vae.tasks.request import Request, numbers_of
from arc_vae.tasks.vocabulary import BY_NAME
from arc_vae.tasks.workers import Job, do_jobs

# Any change to the tasks that a seed gives raises this number: an unfinished folder of another is not gone on with.
VERSION = 1
MOST_DEPTH, MOST_PAIRS = 10, 10
# Rounds of tasks made anew, because they showed what another shows, within which their number is to be halved; where no
# more than this share of all is left, up to MOST_ROUNDS.
ROUNDS, FEW, MOST_ROUNDS = 4, 0.01, 100
COUNTED = ("first_draws", "first_right", "draws", "right", "explained_by_fewer_steps", "explained_otherwise")


def generate_tasks(cfg: DictConfig) -> None:
    """Make the tasks that `conf/generate_tasks.yaml` describes, and say what they are.

    Raises:
        UserError: a value out of range, a model whose codes state no objects, a corpus too small, a foreign folder.
    """
    start = time.perf_counter()
    depths = numbers_of("depth", cfg.depth, 1, MOST_DEPTH)
    pairs = numbers_of("pairs", cfg.pairs, 1, MOST_PAIRS)
    directory, model, corpus, _ = restore(str(cfg.run), cfg.device, partial(refuse_without_objects, cfg.run))
    room = slot_decoder(model).num_slots
    objects = numbers_of("objects", f"1-{room}" if cfg.objects is None else cfg.objects, 1, room)
    request = Request(cfg.num_tasks, depths, objects, pairs, cfg.seed)
    pool = Pool(corpus.test, objects, room)
    settings = {
        "version": VERSION,
        **{key: list(value) if isinstance(value, tuple) else value for key, value in asdict(request).items()},
        "weights": weights_digest(model.state_dict()),
        "corpus": corpus.sha256,
    }
    folder = TaskFolder(Path(str(cfg.output)) if cfg.output is not None else directory.path / "tasks", settings)
    if folder.finished:
        print(f"{folder.path} already holds these {request.num_tasks:,} tasks")
        return
    folder.begin()
    processes = cfg.processes or (cpu_count() if next(model.parameters()).device.type == "cpu" else 1)
    try:
        tasks, counts = all_tasks(request, folder, model, pool, processes)
    except TooFewGrids:
        folder.give_up()
        raise
    folder.write_tasks(tasks)
    draw_tasks(tasks, folder.path / PICTURE)
    summary = summarised(tasks, counts)
    seconds = round(time.perf_counter() - start, 1)
    made_by = {"seconds": seconds, "processes": processes, "versions": versions(), "git": git_state()}
    folder.close({"settings": settings, **summary, **made_by})
    print(told(summary))
    print(f"wrote {folder.path / ALL_TASKS}, a file a task beside it, and {folder.path / PICTURE} in {seconds} s")


class TooFewGrids(UserError):
    """So many tasks, no two of which show a pair alike, cannot be made of these test grids."""


def refuse_without_objects(run: str, model: VAE) -> None:
    """Refuse a model whose codes state no objects."""
    if not states_objects(model):
        raise UserError(
            f"{run}: the codes of {type(model).__name__} state no objects, of which tasks are made: train with "
            "experiment=object_slots"
        )


def all_tasks(
    request: Request, folder: TaskFolder, model: Any, pool: Pool, processes: int
) -> tuple[dict[str, dict], dict[int, Counter]]:
    """The tasks by name, no two of which show a pair alike, and what was counted by depth.

    Raises:
        TooFewGrids: again and again tasks show what others show.
    """
    start = time.perf_counter()
    jobs = [Job(f"{number:04d}", specs, f"{request.seed}") for number, specs in enumerate(request.portions())]
    tasks: dict[int, dict] = {}
    counts: dict[int, Counter] = {depth: Counter() for depth in request.depths}
    alike = [request.num_tasks]  # after each round, how many tasks show a pair of another
    while jobs:
        wanted = sum(len(job.specs) for job in jobs)
        made = {job.name: found for job in jobs if (found := folder.portion(job.name, job.specs)) is not None}

        def keep(name: str, portion: dict[str, Any], made: dict[str, dict] = made, wanted: int = wanted) -> None:
            folder.keep(name, portion)
            made[name] = portion
            count, seconds = sum(len(part["tasks"]) for part in made.values()), time.perf_counter() - start
            print(f"{count:,} of {wanted:,} tasks, {seconds:.0f} s", flush=True)

        do_jobs([job for job in jobs if job.name not in made], model, pool, processes, keep)
        for job in jobs:
            tasks |= {int(number): task for number, task in made[job.name]["tasks"].items()}
            for depth, count in made[job.name]["counts"].items():
                counts[int(depth)].update(count)
        again = len(alike)
        repeated = [request.spec(number) for number in repetitions(tasks)]
        alike.append(len(repeated))
        refuse_standstill(alike)
        jobs = [Job(f"again_{again:03d}", repeated, f"{request.seed}/again {again}")] if repeated else []
    splits = request.splits()
    for number, task in sorted(tasks.items()):
        task["about"]["split"] = splits[number]
    return {f"task_{number:05d}": tasks[number] for number in sorted(tasks)}, counts


def refuse_standstill(alike: list[int]) -> None:
    """Refuse to go on where ROUNDS more rounds have not halved the number of tasks that show a pair of another."""
    stands_still = len(alike) > ROUNDS + 1 and alike[-1] > max(FEW * alike[0], alike[-1 - ROUNDS] / 2)
    if stands_still or len(alike) > MOST_ROUNDS:
        raise TooFewGrids(
            f"num_tasks={alike[0]}: after {len(alike) - 1} rounds {alike[-1]} tasks still show a pair of another: the "
            f"corpus has too few test grids for so many; give num_tasks={max(1, alike[0] - 2 * alike[-1])} or fewer, "
            "more depths and numbers of objects, or train on a larger corpus"
        )


def repetitions(tasks: dict[int, dict]) -> list[int]:
    """Numbers of tasks that show a pair which one of a lower number shows."""
    seen: set[bytes] = set()
    again = []
    for number in sorted(tasks):
        shown = {
            np.array(list(pair.values()), np.uint8).tobytes() for pair in tasks[number]["train"] + tasks[number]["test"]
        }
        if shown & seen:
            again.append(number)
        seen |= shown
    return again


def summarised(tasks: dict[str, dict], counts: dict[int, Counter]) -> dict[str, Any]:
    """What the tasks are: numbers of each kind, how often a pair came out as it should, how often operations occur."""
    about = [task["about"] for task in tasks.values()]
    used = Counter(step["operation"] for task in tasks.values() for step in task["program"]["steps"])
    even = sum(used.values()) / len(BY_NAME)
    return {
        "tasks": len(tasks),
        "splits": dict(Counter(one["split"] for one in about)),
        "objects": {str(number): count for number, count in sorted(Counter(one["objects"] for one in about).items())},
        "depth": {
            str(depth): {
                "tasks": sum(one["depth"] == depth for one in about),
                "acceptance": count["first_right"] / max(count["first_draws"], 1),
                **{key: count[key] for key in COUNTED},
            }
            for depth, count in sorted(counts.items())
        },
        "operations": {name: {"steps": used[name], "of_even_share": used[name] / even} for name in BY_NAME},
    }


def told(summary: dict[str, Any]) -> str:
    """The summary as tables."""
    lines = [f"{'depth':>6}{'tasks':>8}{'acceptance':>12}{'draws a pair':>14}{'explained otherwise, redrawn':>30}"]
    for depth, row in summary["depth"].items():
        draws = row["draws"] / max(row["right"], 1)
        redrawn = row["explained_by_fewer_steps"] + row["explained_otherwise"]
        lines.append(f"{depth:>6}{row['tasks']:>8,}{row['acceptance']:>12.3f}{draws:>14.2f}{redrawn:>30,}")
    shares = ", ".join(f"{name} {row['of_even_share']:.2f}" for name, row in summary["operations"].items())
    splits = ", ".join(f"{count:,} {name}" for name, count in summary["splits"].items())
    return "\n".join([*lines, f"operations, as shares of an even one: {shares}", f"splits: {splits}"])
