"""Learning operators for a model whose codes state no objects: from train grids, chosen on validation."""

import logging
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from arc_vae.common.grids import NUM_SYMMETRIES
from arc_vae.models.base import VAE
from arc_vae.operations.applying import decode_grids, encode
from arc_vae.operations.figures import figures
from arc_vae.operations.learnt import ALPHAS, MeanDifference, Pairs, Ridge
from arc_vae.operations.network import BATCHES, SmallNetwork
from arc_vae.operations.operation import Operation
from arc_vae.operations.scene import symmetries

logger = logging.getLogger(__name__)

# Validation grids that operators are compared on.
NUM_VALIDATION = 2000
# How often the network sees as many pairs as there are grids, by the mean square and by the cross-entropy.
EPOCHS = (2, 3)
# Of the pairs, those at most that the operation leaves as they are: the network begins as the identity.
MOST_UNCHANGED = 0.25


def pairs_of(model: VAE, grids: Tensor, codes: Tensor, operation: Operation) -> Pairs:
    """Integer grids (N, 16, 16), their codes (N, d), and what they should become; refused ones left out."""
    done = operation.try_truth(grids)
    fine = done.refused == 0
    truth = done.value[fine]
    return Pairs(grids[fine], truth, codes[fine], encode(model, truth))


def varied(grids: Tensor, count: int, augment: bool, seed: int) -> Tensor:
    """So many grids, drawn from (N, 16, 16) each as often as any other; with `augment` under random symmetries of the
    square, as the trainer sees them.

    The networks learn few grids by heart: of 20,000 pairs a small network got no better on others.
    """
    generator = torch.Generator().manual_seed(seed)
    rounds = [torch.randperm(len(grids), generator=generator) for _ in range(-(-count // len(grids)))]
    chosen = grids[torch.cat(rounds)[:count].to(grids.device)]
    if not augment:
        return chosen
    symmetry = torch.randint(NUM_SYMMETRIES, (count,), generator=generator).to(grids.device)
    return symmetries(grids.device).transform(chosen, symmetry)


def mostly_changed(pairs: Pairs) -> Pairs:
    """The pairs that the operation changes, and of the others so many that they are `MOST_UNCHANGED` of all."""
    changed = (pairs.grids != pairs.truth).flatten(1).any(dim=1)
    most = int(changed.sum() * MOST_UNCHANGED / (1 - MOST_UNCHANGED))
    if not most:
        return pairs
    rows = torch.cat([changed.nonzero()[:, 0], (~changed).nonzero()[:most, 0]])
    return Pairs(*(column[rows] for column in pairs))


def linear_operators(train: Pairs, validation: Pairs) -> dict[str, nn.Module]:
    """Mean difference, and the ridge regression of least mean square on validation."""
    ridges = [Ridge.fit(train, alpha) for alpha in ALPHAS]
    best = min(ridges, key=lambda ridge: float((ridge(validation.codes) - validation.wanted).square().mean()))
    return {"mean_difference": MeanDifference.fit(train), "ridge": best}


def fit_operators(
    model: VAE, operations: Sequence[Operation], train: Tensor, validation: Tensor, seed: int
) -> Iterator[tuple[str, nn.Module, dict]]:
    """For each of the operations its name, the best operator, and what the kinds reached on validation.

    Args:
        train, validation: integer grids (N, 16, 16) on the model's device.
    """
    validation = validation[:NUM_VALIDATION]
    codes, held_codes = encode(model, train), encode(model, validation)
    for operation in operations:
        pairs = pairs_of(model, train, codes, operation)
        held_out = pairs_of(model, validation, held_codes, operation)
        tried = {"identity": nn.Identity(), **linear_operators(pairs, held_out)}
        steps = round(len(train) * EPOCHS[0]) // BATCHES[0], round(len(train) * EPOCHS[1]) // BATCHES[1]
        tried["network"] = SmallNetwork.fit(mostly_changed(pairs), model.decoder, seed, steps)
        figures_of = {name: decoded_figures(model, operator, held_out) for name, operator in tried.items()}
        kinds = [name for name in tried if name != "identity"]
        best = max(kinds, key=lambda name: merit(figures_of[name]))
        accuracy = figures_of[best]["object_accuracy"]
        logger.info("%s: %s, validation object accuracy %.3f", operation.name, best, accuracy)
        yield operation.name, tried[best], {"chosen": best, **figures_of}


def merit(reached: dict[str, float]) -> float:
    """What an operator is chosen by. Of an operation that leaves most cells, one that does nothing has most of an
    object accuracy, and nothing of the accuracy of changed cells.
    """
    return reached["object_accuracy"] + reached["changed_accuracy"]


@torch.no_grad()
def decoded_figures(model: VAE, operator: nn.Module, pairs: Pairs) -> dict[str, float]:
    """How near the decoded, changed codes come to what the grids should become."""
    return figures(decode_grids(model, operator(pairs.codes)), pairs.truth, pairs.grids)
