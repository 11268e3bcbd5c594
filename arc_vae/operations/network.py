"""The small network: an operator that is learnt by gradients, the last of them through the frozen decoder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from arc_vae.common.grids import NUM_COLORS
from arc_vae.models.object_slots.layers import fourier_features
from arc_vae.operations.learnt import Pairs
from arc_vae.training.device import autocast, resolve_precision
from arc_vae.training.muon import Muon

# Of an object's cell against one of the background's, as in training.
OBJECT_WEIGHT = 4 / 3
# Of the mean square and of the cross-entropy, whose steps cost by the pair.
BATCHES, LEARNING_RATES = (256, 128), (4e-3, 2e-3)


class SmallNetwork(nn.Module):
    """z + a network of z: dense layers on z and on waves of it.

    Args:
        latent_dim: d. width: of the layers. octaves: of the waves; see `fourier_features`.
    """

    def __init__(self, latent_dim: int, width: int = 200, octaves: int = 1):
        super().__init__()
        self.arguments = {"latent_dim": latent_dim, "width": width, "octaves": octaves}
        self.octaves = octaves
        self.layers = nn.Sequential(
            nn.Linear(latent_dim * (1 + 2 * octaves), width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            last := nn.Linear(width, latent_dim),
        )
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, z: Tensor) -> Tensor:
        return z + self.layers(fourier_features(z.float(), self.octaves))

    @classmethod
    def fit(cls, pairs: Pairs, decoder: nn.Module, seed: int, steps: tuple[int, int], **sizes: int) -> "SmallNetwork":
        """By mean square first, then by the frozen decoder's cross-entropy of what the grids should become.

        The mean square cannot get far: two codes of 32 nats each say different things of a grid, so that the one does
        not settle the other. What the decoder makes of it can still gain.

        Args:
            steps: of both, of `BATCHES` pairs.
        """
        torch.manual_seed(seed)
        made = cls(pairs.codes.shape[1], **sizes).to(pairs.codes.device)
        # Muon reaches in a third of the steps what Adam does, of either loss.
        _train(made, pairs, steps[0], BATCHES[0], LEARNING_RATES[0], lambda z, wanted, _: F.mse_loss(z, wanted))
        precision = resolve_precision("auto", pairs.codes.device)

        def cross_entropy(z: Tensor, wanted: Tensor, truth: Tensor) -> Tensor:
            with autocast(z.device, precision):
                logits = decoder(z)
            return weighted_cross_entropy(logits.float(), truth)

        with frozen(decoder):
            _train(made, pairs, steps[1], BATCHES[1], LEARNING_RATES[1], cross_entropy)
        return made.eval()


def weighted_cross_entropy(logits: Tensor, grids: Tensor) -> Tensor:
    """Nats a grid, objects' cells weighted: logits (B, 10, 16, 16), integers (B, 16, 16) → a scalar."""
    weight = torch.full((NUM_COLORS,), OBJECT_WEIGHT, device=logits.device)
    weight[0] = 1
    return F.cross_entropy(logits, grids.long(), weight=weight, reduction="sum") / len(grids)


@contextmanager
def frozen(decoder: nn.Module) -> Iterator[None]:
    """The decoder's weights want no gradients meanwhile."""
    wanted = [parameter.requires_grad for parameter in decoder.parameters()]
    decoder.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, want in zip(decoder.parameters(), wanted, strict=True):
            parameter.requires_grad_(want)


def _train(
    operator: nn.Module,
    pairs: Pairs,
    steps: int,
    batch_size: int,
    lr: float,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> None:
    """Steps by `loss` of changed codes, codes wanted and grids wanted; the rate rises for a twentieth of them and falls
    to nothing along a line.
    """
    optimizer = Muon(operator.parameters(), lr=lr)
    rising = max(1, steps // 20)
    schedule = LambdaLR(optimizer, lambda step: min((step + 1) / rising, 1 - step / max(steps, 1)))
    for part in batches(len(pairs.codes), steps, batch_size):
        rows = part.to(pairs.codes.device)
        optimizer.zero_grad(set_to_none=True)
        loss(operator(pairs.codes[rows]), pairs.wanted[rows], pairs.truth[rows]).backward()
        nn.utils.clip_grad_norm_(operator.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def batches(count: int, steps: int, batch_size: int) -> Iterator[Tensor]:
    """Rows of so many batches, each row once before any comes again."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < batch_size:
            order = torch.cat([order, torch.randperm(count)])
        yield order[:batch_size]
        order = order[batch_size:]
