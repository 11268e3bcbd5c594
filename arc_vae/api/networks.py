"""A model's two halves, whichever a file holds, computed a portion at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from arc_vae.common.errors import InvalidValue, UserError, require
from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.evaluation.interpolation import straight_paths
from arc_vae.models.decoding import BATCH, argmax_colors
from arc_vae.models.object_slots.decoder import ObjectSlotDecoder

# How many grids or codes go through the networks at a time.
PORTION = BATCH


@dataclass
class Networks:
    """What a path holds: a whole model, or an encoder or a decoder alone.

    encoder: integer grids (B, 16, 16) → (mu, logvar), (B, d) each; decoder: codes (B, d) → logits (B, 10, 16, 16); None
    where the file lacks it. module: what has the weights. Results are on the CPU, so that many do not fill a GPU.
    """

    path: Path
    latent_dim: int
    module: nn.Module
    encoder: Callable[[Tensor], Any] | None
    decoder: Callable[[Tensor], Tensor] | None
    device: torch.device = torch.device("cpu")

    def to(self, device: torch.device) -> "Networks":
        """These networks, to be used on that device."""
        # Convolutions run faster channels last, and training computed so.
        self.module.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.device = device
        return self

    def posterior(self, grids: Tensor) -> Tensor:
        """uint8 (N, 16, 16) → mu and logvar, float32 (2, N, d)."""
        encoder = self._needs(self.encoder, "encoder")
        empty = torch.empty(0, 2, self.latent_dim)
        return self.in_portions(lambda part: torch.stack(tuple(encoder(part)), 1).float(), grids, empty).transpose(0, 1)

    def logits(self, z: Tensor, apart: bool = True) -> Tensor:
        """Codes (N, d) → float32 (N, 10, 16, 16); `apart`: objects in each other's way may be moved apart."""
        decode = self._decoder(apart)
        return self.in_portions(
            lambda part: decode(self._digits(part)).float(), z, torch.empty(0, NUM_COLORS, SIZE, SIZE)
        )

    def grids(self, z: Tensor, apart: bool = True) -> Tensor:
        """Codes (N, d) → each cell's most likely colour, uint8 (N, 16, 16); `apart` as of `logits`."""
        decode = self._decoder(apart)
        empty = torch.empty(0, SIZE, SIZE, dtype=torch.uint8)
        return self.in_portions(lambda part: argmax_colors(decode(self._digits(part))), z, empty)

    def _decoder(self, apart: bool) -> Callable[[Tensor], Tensor]:
        require(isinstance(apart, bool), "apart", repr(apart), "True or False")
        decoder, half = self._needs(self.decoder, "decoder"), getattr(self.module, "decoder", self.module)
        if apart or not isinstance(half, ObjectSlotDecoder):
            return decoder
        return partial(half, apart=False)

    def _digits(self, z: Tensor) -> Tensor:
        """The codes in the precision in which the decoder reads them: some read places in float64."""
        precise = any(getattr(module, "needs_float64", False) for module in self.module.modules())
        return z if precise else z.float()

    def ways(self, start: Tensor, end: Tensor, steps: int, path: str) -> Tensor:
        """steps + 1 codes from each start to its end by a path of that name: (P, d) both → (P, steps + 1, d).

        Raises:
            InvalidValue: the model knows no such path.
        """
        finder: Callable[..., dict[str, Tensor]] = getattr(self.module, "interpolation_paths", lambda *_: {})
        if path != "straight":
            origin = torch.zeros(1, self.latent_dim, device=self.device)
            known = ("straight", *finder(origin, origin, 1))
            if path not in known:
                raise InvalidValue("path", path, f"one of this model's: {', '.join(known)}")

        def way(ends: Tensor) -> Tensor:
            a, b = ends.unbind(1)
            return straight_paths(a, b, steps) if path == "straight" else finder(a, b, steps)[path]

        return self.in_portions(way, torch.stack((start, end), dim=1), torch.empty(0, steps + 1, self.latent_dim))

    def in_portions(self, compute: Callable[[Tensor], Tensor], values: Tensor, empty: Tensor) -> Tensor:
        """What `compute` makes of (N, …), PORTION rows at a time on the networks' device; `empty` where N = 0."""
        result = empty
        for start in range(0, len(values), PORTION):
            part = compute(values[start : start + PORTION].to(self.device))
            if start == 0:
                result = torch.empty((len(values), *part.shape[1:]), dtype=part.dtype)
            result[start : start + len(part)] = part
        return result

    def check_whole(self) -> None:
        """Refuse half a model.

        Raises:
            UserError: the file holds no encoder, or no decoder.
        """
        self._needs(self.encoder, "encoder")
        self._needs(self.decoder, "decoder")

    def _needs(self, half: Callable[[Tensor], Any] | None, name: str) -> Callable[[Tensor], Any]:
        if half is None:
            raise UserError(f"{self.path} holds no {name}; load the run directory or its vae_best.pth for that")
        return half
