"""β as a function of the epoch. Epochs count from 1; epoch 0 is the moment before training.

Each schedule is called with an epoch and has `final_beta`, the β it ends at, under which epochs are
compared, and `epochs`, how many it takes until it has run its course.
"""

from typing import Protocol

from arc_vae.common.errors import require


class BetaSchedule(Protocol):
    """What the trainer asks of a schedule."""

    final_beta: float
    epochs: int

    def __call__(self, epoch: int) -> float: ...


class ThreePhase:
    """Warm-up 0 → phase1_beta, disentanglement phase1_beta → max_beta, refinement at max_beta
    (specification, "β-Annealing Schedule").
    """

    def __init__(
        self,
        phase1_epochs: int = 10,
        phase2_epochs: int = 20,
        phase3_epochs: int = 20,
        phase1_beta: float = 1.0,
        max_beta: float = 2.0,
    ):
        phases = {"phase1_epochs": phase1_epochs, "phase2_epochs": phase2_epochs, "phase3_epochs": phase3_epochs}
        for name, value in phases.items():
            require(value >= 0, name, value, "0 or more epochs")
        require(phase1_beta >= 0, "phase1_beta", phase1_beta, "0 or more")
        require(max_beta >= 0, "max_beta", max_beta, "0 or more")
        self.phase1_epochs = phase1_epochs
        self.phase2_epochs = phase2_epochs
        self.epochs = sum(phases.values())
        self.phase1_beta = phase1_beta
        self.final_beta = max_beta

    def __call__(self, epoch: int) -> float:
        if epoch < self.phase1_epochs:
            return self.phase1_beta * epoch / self.phase1_epochs
        into_phase2 = epoch - self.phase1_epochs
        if into_phase2 < self.phase2_epochs:
            return self.phase1_beta + (self.final_beta - self.phase1_beta) * into_phase2 / self.phase2_epochs
        return self.final_beta


class Constant:
    """The same β at every epoch."""

    def __init__(self, beta: float = 1.0):
        require(beta >= 0, "beta", beta, "0 or more")
        self.final_beta = beta
        self.epochs = 0

    def __call__(self, epoch: int) -> float:
        return self.final_beta


class LinearWarmup:
    """0 → max_beta over the first `warmup_epochs`, then max_beta (Bowman et al. 2016)."""

    def __init__(self, warmup_epochs: int = 10, max_beta: float = 2.0):
        require(warmup_epochs >= 0, "warmup_epochs", warmup_epochs, "0 or more epochs")
        require(max_beta >= 0, "max_beta", max_beta, "0 or more")
        self.epochs = warmup_epochs
        self.final_beta = max_beta

    def __call__(self, epoch: int) -> float:
        return self.final_beta * min(1.0, epoch / self.epochs) if self.epochs else self.final_beta


class Cyclical:
    """`num_cycles` times: 0 → max_beta over `ramp_share` of a cycle, then max_beta; after the last cycle
    max_beta (Fu et al. 2019).
    """

    def __init__(self, cycle_epochs: int = 10, num_cycles: int = 4, ramp_share: float = 0.5, max_beta: float = 2.0):
        require(cycle_epochs >= 1, "cycle_epochs", cycle_epochs, "at least 1 epoch")
        require(num_cycles >= 1, "num_cycles", num_cycles, "at least 1")
        require(0 < ramp_share <= 1, "ramp_share", ramp_share, "above 0 and at most 1")
        require(max_beta >= 0, "max_beta", max_beta, "0 or more")
        self.cycle_epochs = cycle_epochs
        self.ramp_share = ramp_share
        self.epochs = cycle_epochs * num_cycles
        self.final_beta = max_beta

    def __call__(self, epoch: int) -> float:
        if epoch >= self.epochs:
            return self.final_beta
        position = (epoch % self.cycle_epochs) / self.cycle_epochs
        return self.final_beta * min(1.0, position / self.ramp_share)


def get_beta(epoch: int) -> float:
    """The specification's schedule by its own name: 0 → 1 until epoch 10, 1 → 2 until 30, then 2."""
    return ThreePhase()(epoch)
