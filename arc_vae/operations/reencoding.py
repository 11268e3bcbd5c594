"""Codes of changed grids: the encoder's, improved where the decoder can do better."""

import torch
from torch import Tensor

from arc_vae.models.base import VAE
from arc_vae.models.decoding import argmax_colors
from arc_vae.operations.codes import decode, slot_decoder, states_objects
from arc_vae.operations.network import frozen, weighted_cross_entropy

# Of Adam, its rate falling to nothing; in units of the prior's standard deviation.
STEPS, LEARNING_RATE = 30, 0.2


def encode_again(model: VAE, grids: Tensor, apart: bool) -> Tensor:
    """Integer grids (B, 16, 16) → codes (B, d) that decode to them, `apart` as in `codes.decode`.

    An operation makes grids that the encoder was not trained on: objects of twice the size, or in each other's way.
    From the encoder's code, gradients through the frozen decoder lead on; of both codes a grid gets the one that fewer
    wrong cells are decoded from. What a code states of objects stays: the encoder reads it off the grid.
    """
    first = model.encode(grids).mu.detach()
    stated = slot_decoder(model).num_slots if states_objects(model) else 0
    fixed, free = first[:, :stated], first[:, stated:].clone().requires_grad_(True)
    optimizer = torch.optim.Adam([free], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / STEPS, STEPS)
    with frozen(model.decoder), torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            loss = weighted_cross_entropy(decode(model, torch.cat([fixed, free], dim=1), apart), grids)
            (loss * len(grids)).backward()  # each grid's steps are its own
            optimizer.step()
            schedule.step()
    then = torch.cat([fixed, free.detach()], dim=1)
    before, after = (_wrong_cells(model, codes, grids, apart) for codes in (first, then))
    return torch.where((after < before)[:, None], then, first)


def _wrong_cells(model: VAE, codes: Tensor, grids: Tensor, apart: bool) -> Tensor:
    return (argmax_colors(decode(model, codes, apart)) != grids).flatten(1).sum(dim=1)
