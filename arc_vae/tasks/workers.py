"""Portions of tasks made in this process or in several, each on one thread."""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import torch

from arc_vae.common.errors import UserError
from arc_vae.models.base import VAE, GaussianVAE
from arc_vae.tasks.pool import Pool
from arc_vae.tasks.portion import make_portion
from arc_vae.tasks.request import Spec
from arc_vae.training.device import flush_subnormals

# What a worker process works with.
_held: list[Any] = []


class Job(NamedTuple):
    """A portion to be made: its name, its tasks, and the key that fixes them."""

    name: str
    specs: Sequence[Spec]
    key: str


def do_jobs(
    jobs: Sequence[Job], model: VAE, pool: Pool, processes: int, keep: Callable[[str, dict[str, Any]], None]
) -> None:
    """Make the portions and hand each to `keep` as soon as it is there; the number of processes changes none of them.

    Raises:
        UserError: a task that does not come about, or a worker that was killed.
    """
    if min(processes, len(jobs)) <= 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for job in jobs:
                keep(job.name, make_portion(model, pool, job.specs, job.key))
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(min(processes, len(jobs)), context, _hold, (_packed(model), pool))
    try:
        futures = {executor.submit(_make, job): job.name for job in jobs}
        for future in as_completed(futures):
            keep(futures[future], future.result())
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, as when memory runs out: type the same with processes=1"
        ) from error
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _packed(model: VAE) -> tuple[int, list[tuple]]:
    """A model as what it can be built of again: modules themselves cannot be sent to another process."""
    halves = (model.encoder, model.decoder)
    return model.latent_dim, [(type(half), half.arguments, half.state_dict()) for half in halves]


def _hold(packed: tuple[int, list[tuple]], pool: Pool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    torch.set_num_threads(1)
    flush_subnormals()
    latent_dim, halves = packed
    built = []
    for kind, arguments, state in halves:
        built.append(kind(**arguments))
        built[-1].load_state_dict(state)
    _held[:] = [GaussianVAE(latent_dim, *built).eval(), pool]


def _make(job: Job) -> dict[str, Any]:
    model, pool = _held
    return make_portion(model, pool, job.specs, job.key)
