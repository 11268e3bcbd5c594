"""A training step as one CUDA graph: the GPU's part of it is recorded once, then replayed.

A step launches some five hundred small kernels. One by one that takes longer than computing them.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer

from arc_vae.common.errors import UserError, require
from arc_vae.models.base import VAE
from arc_vae.training.muon import Muon

logger = logging.getLogger(__name__)

# Steps done kernel by kernel first: libraries choose their algorithms and set up their memory in these.
STEPS_BEFORE = 3

# Whose classes are known to ask the host for nothing and to keep no count in Python, which a graph would freeze.
KNOWN = ("arc_vae.", "torch.")


class StepGraph:
    """`step`, a function of a tensor to a tensor that moves the optimizer's weights; from its fourth call on, replayed.

    It follows what is in the tensors that the step reads, and the groups' `lr`. Random numbers go on from where the
    device's generator stands, as they would without the graph.
    """

    def __init__(self, step: Callable[[Tensor], Tensor], optimizer: Optimizer):
        self.step = step
        self.optimizer = optimizer
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.rates: list[Tensor] = []

    def __call__(self, batch: Tensor) -> Tensor:
        if self.calls < STEPS_BEFORE:
            self.calls += 1
            return on_another_stream(self.step, batch, watched=self.calls == STEPS_BEFORE)
        if self.graph is None:
            self.graph = self._record(batch)
        self.batch.copy_(batch)
        for rate, group in zip(self.rates, self.optimizer.param_groups, strict=True):
            rate.fill_(group["lr"])
        self.graph.replay()
        return self.output.clone()

    def _record(self, batch: Tensor) -> torch.cuda.CUDAGraph:
        self.batch = batch.clone()
        put_counts_on_device(self.optimizer, batch.device)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with rates_on_device(self.optimizer, batch.device) as self.rates, torch.cuda.graph(graph):
            self.output = self.step(self.batch)
        return graph


def on_another_stream(step: Callable[[Tensor], Tensor], batch: Tensor, watched: bool) -> Tensor:
    """The step, on a stream of its own, as it will be recorded; `watched`, it may not wait for the device.

    Raises:
        UserError: it does, and so cannot be recorded.
    """
    here, own = torch.cuda.current_stream(), torch.cuda.Stream()
    own.wait_stream(here)
    with torch.cuda.stream(own), no_waiting() if watched else nullcontext():
        values = step(batch)
    here.wait_stream(own)
    return values


@contextmanager
def no_waiting() -> Iterator[None]:
    """While entered, what waits for the device is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this mode does not see everything
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        raise UserError("training.cuda_graph: this step waits for the GPU: give training.cuda_graph=false") from error
    finally:
        torch.cuda.set_sync_debug_mode("default")


def put_counts_on_device(optimizer: Optimizer, device: torch.device) -> None:
    """Optimizers count a parameter's steps on the host unless told otherwise; a graph counts on its device."""
    for state in optimizer.state.values():
        if "step" in state and not (torch.is_tensor(state["step"]) and state["step"].is_cuda):
            # Muon divides by powers of it, as exact as Python's; torch's optimizers want float32.
            dtype = torch.float64 if isinstance(optimizer, Muon) else torch.float32
            state["step"] = torch.tensor(float(state["step"]), dtype=dtype, device=device)


@contextmanager
def rates_on_device(optimizer: Optimizer, device: torch.device) -> Iterator[list[Tensor]]:
    """While entered, each group's `lr` is the tensor that is given, and torch's optimizers may be recorded."""
    before = [dict(group) for group in optimizer.param_groups]
    rates = [torch.tensor(float(group["lr"]), device=device) for group in before]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
        if "capturable" in group:
            group["capturable"] = True
    try:
        yield rates
    finally:
        for group, own in zip(optimizer.param_groups, before, strict=True):
            group.update(own)


def resolve_cuda_graph(
    wanted: bool | str, device: torch.device, precision: str, model: VAE, loss: object, optimizer: Optimizer
) -> bool:
    """Whether steps are recorded; "auto" does on CUDA GPUs with parts that are known to be fit for it.

    Raises:
        InvalidValue: `wanted` is True where no step can be recorded; it says why.
    """
    if wanted is False:
        return False
    refused = hindrance(device, precision, optimizer)
    require(refused is None or wanted == "auto", "cuda_graph", wanted, f"auto or false: {refused}")
    if refused or wanted is True:
        return refused is None
    strangers = [part for part in (*model.modules(), loss) if not type(part).__module__.startswith(KNOWN)]
    if strangers:
        name = type(strangers[0]).__name__
        logger.info("steps go kernel by kernel: %s may ask the host; training.cuda_graph=true if it does not", name)
    return not strangers


def hindrance(device: torch.device, precision: str, optimizer: Optimizer | None = None) -> str | None:
    """Why no step can be recorded; None where it can, going by what is given."""
    if device.type != "cuda":
        return f"device {device} has no CUDA graphs"
    if precision == "float16":
        return "in float16 the host decides which steps are left out"
    if optimizer is None or isinstance(optimizer, Muon) or all("capturable" in own for own in optimizer.param_groups):
        return None
    return f"{type(optimizer).__name__} counts its steps on the host"
