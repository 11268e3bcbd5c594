"""Encoder φ: grid → parameters of the posterior q(z | x) (specification, "Encoder")."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arc_vae.common.errors import require
from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.models.base import MIN_SIGMA, Posterior
from arc_vae.models.beta_vae.convolutions import ConvolutionReLU


def one_hot(grids: Tensor) -> Tensor:
    """Integer grids (B, 16, 16) → indicators (B, 10, 16, 16), channels last in memory, in autocast's type if it is on.

    A gather of the identity's rows: four times quicker than comparing each cell with each colour.
    """
    device = grids.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    identity = torch.eye(NUM_COLORS, dtype=dtype, device=grids.device)
    return F.embedding(grids.int(), identity).permute(0, 3, 1, 2)


def feature_map_side(channels: Sequence[int], name: str) -> int:
    """Side of the feature map after the stride-2 layers, or a refusal of channels that do not fit 16×16."""
    require(len(channels) >= 2, name, channels, "at least two entries, colours included")
    require(all(c >= 1 for c in channels), name, channels, "positive everywhere")
    halvings = len(channels) - 2
    require(
        SIZE % 2**halvings == 0, name, channels, f"at most {SIZE.bit_length() + 1} entries, since {SIZE} halves to 1"
    )
    return SIZE // 2**halvings


class Encoder(nn.Module):
    """3×3 convolutions (the first of stride 1, the others of stride 2), a dense layer, two heads.

    Args:
        latent_dim: d, the number of latent dimensions.
        channels: channels before and after each convolution; starts with the ten colours.
        hidden_dim: width of the dense layer.
    """

    def __init__(self, latent_dim: int, channels: Sequence[int], hidden_dim: int):
        super().__init__()
        channels = list(channels)
        require(latent_dim >= 1, "latent_dim", latent_dim, "at least 1")
        require(hidden_dim >= 1, "hidden_dim", hidden_dim, "at least 1")
        side = feature_map_side(channels, "encoder_channels")
        require(channels[0] == NUM_COLORS, "encoder_channels", channels, f"starting with the {NUM_COLORS} colours")
        self.arguments: dict[str, Any] = {"latent_dim": latent_dim, "channels": channels, "hidden_dim": hidden_dim}

        self.convolutions = nn.Sequential()
        for i, (c_in, c_out) in enumerate(zip(channels, channels[1:], strict=False)):
            layer = ConvolutionReLU(c_in, c_out, kernel_size=3, stride=1 if i == 0 else 2, padding=1)
            self.convolutions.add_module(str(2 * i), layer)  # numbered as where each ReLU is a layer of its own
        self.hidden = nn.Linear(channels[-1] * side * side, hidden_dim)
        self.mu_head = nn.Linear(hidden_dim, latent_dim)
        self.sigma_head = nn.Linear(hidden_dim, latent_dim)

    def forward(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior with mu, logvar (B, d)."""
        h = self.convolutions(one_hot(grids))  # (B, C, side, side)
        h = F.relu(self.hidden(h.flatten(1)))  # (B, hidden_dim)
        # softplus and log in float32: bfloat16 has too few digits for a KL of 0.05 nats.
        sigma = F.softplus(self.sigma_head(h).float()) + MIN_SIGMA
        return Posterior(mu=self.mu_head(h).float(), logvar=2 * torch.log(sigma))
