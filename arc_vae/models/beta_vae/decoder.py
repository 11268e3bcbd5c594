"""Decoder ψ: latent z → logits over colours for every cell (specification, "Decoder")."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.errors import require
from arc_vae.common.grids import NUM_COLORS
from arc_vae.models.beta_vae.convolutions import Convolution, TransposedConvolutionReLU
from arc_vae.models.beta_vae.encoder import feature_map_side


class Decoder(nn.Module):
    """Two dense layers, 4×4 transposed convolutions of stride 2, a 3×3 convolution to the logits.

    Args:
        latent_dim: d, the number of latent dimensions.
        channels: channels before and after each convolution; ends with the ten colours.
        hidden_dim: width of the first dense layer.
    """

    def __init__(self, latent_dim: int, channels: Sequence[int], hidden_dim: int):
        super().__init__()
        channels = list(channels)
        require(latent_dim >= 1, "latent_dim", latent_dim, "at least 1")
        require(hidden_dim >= 1, "hidden_dim", hidden_dim, "at least 1")
        side = feature_map_side(channels, "decoder_channels")
        require(channels[-1] == NUM_COLORS, "decoder_channels", channels, f"ending in the {NUM_COLORS} colours")
        self.arguments: dict[str, Any] = {"latent_dim": latent_dim, "channels": channels, "hidden_dim": hidden_dim}

        self.hidden = nn.Linear(latent_dim, hidden_dim)
        self.expand = nn.Linear(hidden_dim, channels[0] * side * side)
        self.unflatten = nn.Unflatten(1, (channels[0], side, side))
        self.convolutions = nn.Sequential()
        for i, (c_in, c_out) in enumerate(zip(channels[:-2], channels[1:-1], strict=True)):
            layer = TransposedConvolutionReLU(c_in, c_out, kernel_size=4, stride=2, padding=1)
            self.convolutions.add_module(str(2 * i), layer)  # numbered as where each ReLU is a layer of its own
        last = Convolution(channels[-2], channels[-1], kernel_size=3, padding=1)
        self.convolutions.add_module(str(2 * (len(channels) - 2)), last)

    def forward(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16), unnormalised."""
        h = F.relu(self.expand(F.relu(self.hidden(z))))
        return self.convolutions(self.unflatten(h))
