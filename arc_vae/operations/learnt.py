"""Operators on codes that are learnt from pairs: mean difference, ridge regression, a small network.

Each maps the codes z(x) of grids to those of the transformed grids T(x), float32 (B, d) both.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from arc_vae.common.errors import UserError
from arc_vae.models.base import VAE

# The most weights that an operator may have.
MAX_WEIGHTS = 100_000
ALPHAS = (0.01, 1.0, 100.0, 10_000.0)


class Pairs(NamedTuple):
    """Grids and what they should become, `truth`, uint8 (N, 16, 16), and the codes of both (N, d)."""

    grids: Tensor
    truth: Tensor
    codes: Tensor
    wanted: Tensor


class MeanDifference(nn.Module):
    """z + the mean of z(Tx) - z(x)."""

    difference: Tensor  # (d,)

    def __init__(self, latent_dim: int):
        super().__init__()
        self.arguments = {"latent_dim": latent_dim}
        self.register_buffer("difference", torch.zeros(latent_dim))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.difference.to(z.dtype)

    @classmethod
    def fit(cls, pairs: Pairs) -> "MeanDifference":
        """The mean difference of the pairs."""
        made = cls(pairs.codes.shape[1]).to(pairs.codes.device)
        made.difference.copy_((pairs.wanted - pairs.codes).mean(dim=0))
        return made


class Ridge(nn.Module):
    """An affine map of z: ridge regression of z(Tx) on z(x), the offset not penalised."""

    matrix: Tensor  # (d, d)
    offset: Tensor  # (d,)

    def __init__(self, latent_dim: int):
        super().__init__()
        self.arguments = {"latent_dim": latent_dim}
        self.register_buffer("matrix", torch.eye(latent_dim))
        self.register_buffer("offset", torch.zeros(latent_dim))

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.matrix.to(z.dtype) + self.offset.to(z.dtype)

    @classmethod
    def fit(cls, pairs: Pairs, alpha: float) -> "Ridge":
        """With so large a penalty on the squared weights."""
        made = cls(pairs.codes.shape[1]).to(pairs.codes.device)
        x, y = pairs.codes.double(), pairs.wanted.double()
        x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
        x, y = x - x_mean, y - y_mean
        penalty = alpha * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        matrix = torch.linalg.solve(x.T @ x + penalty, x.T @ y)
        made.matrix.copy_(matrix)
        made.offset.copy_(y_mean - x_mean @ matrix)
        return made


def learnt_operators(model: VAE) -> dict[str, nn.Module]:
    """Those that the model was given, by the names of the operations."""
    return dict(getattr(model, "learnt_operators", {}))


def learnt_operator(model: VAE, name: str) -> nn.Module:
    """The learnt operator of that name.

    Raises:
        UserError: the model has none.
    """
    learnt = learnt_operators(model)
    if name not in learnt:
        raise UserError(
            f"{type(model).__name__} has no operator for {name} (it has {', '.join(learnt) or 'none'}): fit some with "
            "python -m arc_vae.operations run=<run directory>, or work through the grid"
        )
    return learnt[name]
