"""One setting of `growth.py`: what is timed in turn with others, and what runs in a process of its own."""

import time
from collections.abc import Callable

from fresh import memory_mb
from step_setup import first_batch_of, make_step, train_on, validate_on

from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.source import AtomicSource

STEPS = 5


def load(num_grids: int, directory: str) -> Corpus:
    """The atomic corpus of that size, generated into `directory` where it is not there yet."""
    return AtomicSource(num_grids, directory=directory).load()


def calls(num_grids: int, latent_dim: int, batch_size: int, directory: str) -> dict[str, Callable[[], object]]:
    """What is timed: a training step with its batch, an epoch's validation, the first batch of an epoch."""
    corpus = load(num_grids, directory)
    step = make_step(corpus, f"model.latent_dim={latent_dim}", f"training.batch_size={batch_size}")
    return {
        "step": train_on(step, corpus.train, batch_size),
        "validation": validate_on(step, corpus.val),
        "shuffle": first_batch_of(corpus.train, batch_size),
    }


def start(num_grids: int, directory: str) -> tuple[Corpus, dict[str, float]]:
    """A corpus read as a run reads it, and the seconds of each part of that."""
    marks = [time.perf_counter()]
    corpus = load(num_grids, directory)
    for part in (lambda: corpus.sha256, corpus.describe):
        marks.append(time.perf_counter())
        part()
    marks.append(time.perf_counter())
    names = ("load", "sha256", "describe")
    return corpus, {name: end - begun for name, begun, end in zip(names, marks, marks[1:], strict=False)}


def run_setting(num_grids: int, latent_dim: int, batch_size: int, directory: str) -> dict[str, float]:
    """Start, take a few steps, validate once: seconds of the start's parts; memory in MB before and the peaks."""
    before = memory_mb("VmRSS")
    corpus, seconds = start(num_grids, directory)
    start_peak = memory_mb("VmHWM")
    step = make_step(corpus, f"model.latent_dim={latent_dim}", f"training.batch_size={batch_size}")
    train = train_on(step, corpus.train, batch_size)
    for _ in range(STEPS):
        train()
    trained_peak = memory_mb("VmHWM")
    validate_on(step, corpus.val)()
    return {**seconds, "imports_mb": before, "start_peak_mb": start_peak, "trained_peak_mb": trained_peak}
