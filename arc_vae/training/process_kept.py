"""The user's process, left as it was found."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar

import numpy as np
import torch

from arc_vae.training.device import limit_threads

P = ParamSpec("P")
R = TypeVar("R")

# The smallest float64. Where the thread counts subnormal numbers as 0, so is its product.
SMALLEST = 5e-324


def flushes_subnormals() -> bool:
    """Whether this thread computes with 0 in place of subnormal numbers; torch sets this, but does not tell."""
    return SMALLEST * float("1") == 0


class _Shared:
    """What all threads of the process share, set while any of them is within `process_kept`: the first one in changes
    it, the last one out restores it.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.inside = 0
        self.before = (0, torch.float32)

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = torch.get_num_threads(), torch.get_default_dtype()
                limit_threads()
                torch.set_default_dtype(torch.float32)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                threads, dtype = self.before
                torch.set_default_dtype(dtype)
                if torch.get_num_threads() != threads:
                    torch.set_num_threads(threads)


_shared = _Shared()


@contextmanager
def process_kept() -> Iterator[None]:
    """Context manager that restores what the process computes with: threads, rounding, default dtype and device.

    Inside, torch uses no more threads than this process has cores, and its own default dtype and device. Allocator
    and signals are not touched: a change of the allocator could not be taken back.
    """
    flushes = flushes_subnormals()
    with ExitStack() as stack:
        if torch.get_default_device() != torch.device("cpu"):
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(_shared)
        try:
            yield
        finally:
            if flushes_subnormals() != flushes:
                torch.set_flush_denormal(flushes)


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """Context manager that restores the states of Python's, numpy's and torch's global generators, for what draws of
    them: other threads' draws in the meantime are forgotten.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(gpus):
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


def leaves_process_alone(function: Callable[P, R]) -> Callable[P, R]:
    """The function, computing without gradients and within `process_kept`. It is to draw of no global generator."""

    @wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with process_kept(), torch.no_grad():
            return function(*args, **kwargs)

    return kept
