"""Which operation was it? Told from the two codes of a true pair, z(x) and z(Tx), by a classifier."""

import numpy as np
import torch
from torch import Tensor

from arc_vae.evaluation.two_sample import FOLDS, cross_validated_accuracy
from arc_vae.models.base import VAE
from arc_vae.operations.applying import encode
from arc_vae.operations.codes import read_codes, slot_decoder, states_objects
from arc_vae.operations.operation import Operation


def tell_operations(model: VAE, operations: list[Operation], grids: Tensor, seed: int) -> dict:
    """Cross-validated accuracy of telling operations apart by pairs of codes, of integer grids (N, 16, 16).

    A pair that two operations explain alike is dropped, and counted. All pairs of a grid are in one fold.
    """
    from sklearn.model_selection import GroupKFold  # it takes a second

    truths = torch.stack([operation.truth(grids) for operation in operations])  # (K, N, 16, 16)
    same = (truths[:, None] == truths[None]).flatten(3).all(dim=3)  # (K, K, N)
    alone = same.sum(dim=1) == 1  # (K, N)
    codes = encode(model, grids)
    features, labels, groups = [], [], []
    for number, truth in enumerate(truths):
        kept = alone[number]
        features.append(pair_features(model, codes[kept], encode(model, truth[kept])) if kept.any() else None)
        labels += [number] * int(kept.sum())
        groups += kept.nonzero()[:, 0].tolist()
    table = torch.cat([part for part in features if part is not None]).double().cpu().numpy()
    told = np.array(labels)
    return {
        "operations": [operation.name for operation in operations],
        "accuracy": cross_validated_accuracy(table, told, GroupKFold(FOLDS), np.array(groups), seed),
        "chance": float(np.bincount(told).max() / len(labels)),
        "pairs": len(labels),
        "dropped": int((~alone).sum()),
    }


def pair_features(model: VAE, before: Tensor, after: Tensor) -> Tensor:
    """What two codes (N, d) say: their numbers and differences; of objects, what the codes state of them, in an order
    that does not depend on which slot holds which.
    """
    if not states_objects(model):
        return torch.cat([before, after, after - before], dim=1)
    one, two = (stated(model, codes) for codes in (before, after))
    return torch.cat([one, two, two - one], dim=1)


def stated(model: VAE, codes: Tensor) -> Tensor:
    """Codes (N, d) → the stated box of all objects (4), the number of each colour (9), and for each slot corner, extent
    and colour, (N, 13 + 5 S).
    """
    scene = read_codes(slot_decoder(model), codes)
    there = scene.present[:, :, None]
    first = scene.corner.masked_fill(~there, 99).amin(dim=1)
    last = (scene.corner + scene.extent).masked_fill(~there, 0).amax(dim=1)
    number = (scene.color[:, :, None] == torch.arange(1, 10, device=codes.device)) & there
    slots = torch.cat([scene.corner, scene.extent, scene.color[:, :, None]], dim=2).masked_fill(~there, -1)
    return torch.cat([first, last, number.sum(dim=1), slots.flatten(1)], dim=1)
