"""Grids drawn from the prior."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from arc_vae.common.errors import UserError
from arc_vae.models.decoding import decode_grids, reconstruct_grids


def generate_samples(
    decoder: nn.Module,
    num_samples: int = 64,
    device: str = "cpu",
    seed: int | None = None,
    encoder: nn.Module | None = None,
    refinement_steps: int = 0,
    passes: int | None = None,
) -> Tensor:
    """Grids decoded from z ~ N(0, I): the most likely colour of each cell, uint8 (num_samples, 16, 16).

    Args:
        decoder: an arc_vae decoder, z (B, d) → logits (B, 10, 16, 16).
        seed: of the latent draws; None draws from torch's global generator.
        encoder: the same model's; needed for refinement_steps.
        refinement_steps: how often the grids are then encoded and decoded again, which takes them to where
            grids are encoded (the Markov chain of Rezende, Mohamed & Wierstra 2014, at posterior means).
        passes: the old name of refinement_steps.

    Raises:
        UserError: refinement_steps without an encoder.
    """
    steps = refinement_steps if passes is None else passes
    if steps and encoder is None:
        raise UserError(f"refinement_steps={steps}: encoding samples again takes the encoder; give it, or 0")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    # Drawn on the CPU, so that a seed means the same samples on every device.
    latent_dim = cast(dict[str, Any], decoder.arguments)["latent_dim"]
    z = torch.randn(num_samples, latent_dim, generator=generator)
    grids = decode_grids(decoder.to(device).eval(), z.to(device))
    if encoder is not None:
        for _ in range(steps):
            grids = reconstruct_grids(encoder.to(device).eval(), decoder, grids)
    return grids
