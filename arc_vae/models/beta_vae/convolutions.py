"""Convolutions with their ReLU, whose backward pass avoids what oneDNN is slow at in bfloat16.

The ReLU overwrites the convolution's output. The bias's gradient is a plain sum: oneDNN's costs a transposed
convolution as much as the rest of its backward pass. On several threads, and of small maps, a strided weight gradient
is a matrix product over patches, the values under the kernel at each of its places: oneDNN's takes longer there
(measured by `tests/benchmarks/convolutions.py`).

The layers here have a bias, and neither groups, dilation nor a padding mode.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The largest side of maps whose strided weight gradient is quicker as a product on one thread too.
SMALL_SIDE = 8


class Convolution(nn.Conv2d):
    """Its base class, quicker in bfloat16."""

    def forward(self, input: Tensor) -> Tensor:
        return convolve(self, input, rectified=False) if suits(input) else super().forward(input)


class ConvolutionReLU(nn.Conv2d):
    """relu of its base class."""

    def forward(self, input: Tensor) -> Tensor:
        return convolve(self, input) if suits(input) else F.relu(super().forward(input))


class TransposedConvolutionReLU(nn.ConvTranspose2d):
    """relu of its base class."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return convolve(self, input) if suits(input) else F.relu(super().forward(input))


def suits(x: Tensor) -> bool:
    """Whether `x` is what the layers here are quicker on."""
    return x.device.type == "cpu" and x.dtype == torch.bfloat16


def convolve(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, rectified: bool = True) -> Tensor:
    """A layer's output in its input's type."""
    weight, bias = layer.weight.to(x.dtype), cast(Tensor, layer.bias).to(x.dtype)
    return _Convolve.apply(x, weight, bias, layer.stride, layer.padding, layer.transposed, rectified)


def uses_product(large: Tensor, stride: tuple[int, int]) -> bool:
    """Whether the weight gradient of a convolution over such maps is a product: of strided ones, and on one thread of
    small ones alone.
    """
    return stride[0] > 1 and (torch.get_num_threads() > 1 or large.shape[-1] <= SMALL_SIDE)


class _Convolve(torch.autograd.Function):
    """conv2d of (B, C, H, W), or its transpose, and relu of it where it is to be rectified."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        transposed: bool,
        rectified: bool,
    ) -> Tensor:
        output = (F.conv_transpose2d if transposed else F.conv2d)(x, weight, bias, stride, padding)
        ctx.setting = stride, padding, transposed
        ctx.save_for_backward(x, weight, output.relu_() if rectified else None)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, output = ctx.saved_tensors
        stride, padding, transposed = ctx.setting
        if output is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        small, large = (x, gradient) if transposed else (gradient, x)
        product = uses_product(large, stride)
        of_x = of_weight = None
        wanted = [ctx.needs_input_grad[0], not product, False]
        if any(wanted):
            of_x, of_weight, _ = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, stride, padding, [1, 1], transposed, [0, 0], 1, wanted
            )
        if product:
            of_weight = weight_gradient(small, large, weight.shape[-1], stride[0], padding[0])
        return of_x, of_weight, gradient.sum(dim=(0, 2, 3)), None, None, None, None


def weight_gradient(small: Tensor, large: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """The gradient (A, C, k, k) of a square kernel from maps (B, A, h, w) and (B, C, H, W), which it strides over.

    The maps are a convolution's output gradient and its input; a transposed one's input and its output gradient.
    """
    columns = patches(large, kernel, stride, padding)
    product = columns.mT @ small.permute(0, 2, 3, 1).reshape(-1, small.shape[1])
    return product.view(kernel, kernel, large.shape[1], -1).permute(3, 2, 0, 1)


def patches(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """(B, C, H, W) → the k·k·C values under the kernel at each of its places, (B·h·w, k·k·C)."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *[padding] * 4)).contiguous()
    batch, height, width, channels = padded.shape
    places = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    of_grid, of_row, of_cell, _ = padded.stride()
    # A row of the kernel lies in one piece: k·C values.
    size, strides = (kernel, kernel * channels), (stride * of_row, stride * of_cell, of_row, 1)
    return padded.as_strided((batch, *places, *size), (of_grid, *strides)).reshape(-1, kernel * kernel * channels)
