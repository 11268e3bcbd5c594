"""The user's process, left as it was found."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
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


@contextmanager
def process_kept() -> Iterator[None]:
    """Context manager that restores what the process computes with: threads, rounding, defaults, random numbers.

    Inside, torch uses no more threads than this process has cores, and its own default dtype and device. Allocator
    and signals are not touched: a change of the allocator could not be taken back.
    """
    threads, dtype, flushes = torch.get_num_threads(), torch.get_default_dtype(), flushes_subnormals()
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with ExitStack() as stack:
        if torch.get_default_device() != torch.device("cpu"):
            stack.enter_context(torch.device("cpu"))
        gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
        stack.enter_context(torch.random.fork_rng(gpus))
        try:
            limit_threads()
            torch.set_default_dtype(torch.float32)
            yield
        finally:
            torch.set_default_dtype(dtype)
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            if flushes_subnormals() != flushes:
                torch.set_flush_denormal(flushes)


def leaves_process_alone(function: Callable[P, R]) -> Callable[P, R]:
    """The function, computing without gradients and within `process_kept`."""

    @wraps(function)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with process_kept(), torch.no_grad():
            return function(*args, **kwargs)

    return kept
