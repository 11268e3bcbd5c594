"""Sums in float64, on devices that have it and on Apple's GPUs (mps), which do not."""

import torch
from torch import Tensor

from arc_vae.common.errors import UserError


def has_float64(device: torch.device) -> bool:
    """Whether the device computes in float64."""
    return device.type != "mps"


def in_float64(values: Tensor) -> Tensor:
    """The values in float64: on their device, or on the CPU where that lacks it."""
    return values.double() if has_float64(values.device) else values.cpu().double()


def refuse_without_float64(model: object, device: torch.device) -> None:
    """Refuse a model, encoder or decoder whose code is computed in float64 on a device that lacks it.

    Raises:
        UserError: names both, and the device to use.
    """
    if getattr(model, "needs_float64", False) and not has_float64(device):
        raise UserError(
            f"device={device}: must be cpu or cuda for {type(model).__name__}, whose code is computed in float64, "
            f"which {device} lacks; only model=beta_vae runs there"
        )
