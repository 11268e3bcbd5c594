"""Muon, the default optimizer: every direction of a weight matrix moves alike, so that none is learnt last."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from arc_vae.common.errors import require

# The quintic's coefficients (Jordan et al. 2024): five rounds bring singular values from 0.01 to 1 near 1.
NEWTON_SCHULZ_STEPS, A, B, C = 5, 3.4445, -4.7750, 2.0315

# Rows made orthogonal together. The cost of a round grows with their cube: as Shampoo, in blocks (Anil et al. 2020).
BLOCK_ROWS = 128

# The root mean square of an update against `lr`, where Adam's has about this too (Liu et al. 2025).
UPDATE_RMS = 0.2
EPS = 1e-8

# Moments below this count as 0. Those of dead units decay for ever, and slow the processor down once they, or their
# products, are subnormal; of an update they are no part that float32 could tell.
NEGLIGIBLE = 1e-20


class Muon(Optimizer):
    """Muon (Jordan et al. 2024) on weights of two and more dimensions, Adam (Kingma & Ba 2015) on all others.

    A kernel counts as the matrix of its first dimension against the rest. In float32 on every device.

    Args:
        params: the model's parameters.
        lr: of both; Muon's updates are scaled to the size of Adam's (Liu et al. 2025).
        betas: Adam's decay rates.
        weight_decay: decoupled (Loshchilov & Hutter 2019).
        momentum: Nesterov's, of Muon's gradients.

    Raises:
        InvalidValue: names the argument.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        momentum: float = 0.95,
    ):
        require(lr > 0, "lr", lr, "above 0")
        require(all(0 <= beta < 1 for beta in betas), "betas", betas, "from 0 to below 1")
        require(weight_decay >= 0, "weight_decay", weight_decay, "0 or more")
        require(0 <= momentum < 1, "momentum", momentum, "from 0 to below 1")
        defaults = {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever called
        """Move every parameter that has a gradient. `closure` is torch's signature, and not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                update = (self._orthogonal if parameter.ndim >= 2 else self._adam)(parameter, gradient, group)
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])

    def _orthogonal(self, parameter: Tensor, gradient: Tensor, group: dict) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"] = F.hardshrink(state["momentum"].lerp_(gradient, 1 - group["momentum"]), NEGLIGIBLE)
        matrix = gradient.lerp(state["momentum"], group["momentum"]).flatten(1)
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        update = torch.cat([orthogonalize(rows) for rows in wide.split(BLOCK_ROWS)])
        update = update if wide is matrix else update.T
        return update.reshape(parameter.shape) * (UPDATE_RMS * wide.shape[1] ** 0.5)

    def _adam(self, parameter: Tensor, gradient: Tensor, group: dict) -> Tensor:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        state["mean"] = F.hardshrink(state["mean"].lerp_(gradient, 1 - beta1), NEGLIGIBLE)
        # Roots that are nothing beside EPS.
        state["square"] = F.hardshrink(state["square"].lerp_(gradient.square(), 1 - beta2), NEGLIGIBLE**1.5)
        mean = state["mean"] / (1 - beta1 ** state["step"])
        square = state["square"] / (1 - beta2 ** state["step"])
        return mean / (square.sqrt() + EPS)


def orthogonalize(matrix: Tensor) -> Tensor:
    """About U Vᵀ of a matrix U S Vᵀ (m, n), m ≤ n, by Newton's and Schulz's iteration: singular values 0.7 to 1.2.

    A round multiplies X by a polynomial of X Xᵀ. These all commute, so only (m, m) matrices go through the rounds.
    """
    matrix = matrix / matrix.norm().clamp(min=1e-12)
    gram = matrix @ matrix.T
    one = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)

    def quintic(gram: Tensor) -> Tensor:
        return torch.addmm(torch.add(B * gram, one, alpha=A), gram, gram, alpha=C)

    factor = polynomial = quintic(gram)
    for _ in range(NEWTON_SCHULZ_STEPS - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = quintic(gram)
        factor = polynomial @ factor
    return factor @ matrix
