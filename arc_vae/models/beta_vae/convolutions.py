"""Convolutions with their ReLU, whose backward pass avoids what oneDNN is slow at in bfloat16.

The ReLU overwrites the convolution's output. The bias's gradient is a plain sum: oneDNN's costs a transposed
convolution as much as the rest of its backward pass. On several threads a strided weight gradient is a matrix product
over patches, the values under the kernel at each of its places: oneDNN's takes longer on two threads than on one
(measured by `tests/benchmarks/convolutions.py`).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Parts of the product, summed after, at most: threads share them out.
MAX_PARTS = 4


class ConvolutionReLU(nn.Conv2d):
    """relu of its base class."""

    bias: Tensor
    stride: tuple[int, int]
    padding: tuple[int, int]

    def forward(self, input: Tensor) -> Tensor:
        if not suits(input):
            return F.relu(super().forward(input))
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        return _ConvolveReLU.apply(input, weight, bias, self.stride, self.padding, False)


class TransposedConvolutionReLU(nn.ConvTranspose2d):
    """relu of its base class."""

    bias: Tensor
    stride: tuple[int, int]
    padding: tuple[int, int]

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not suits(input):
            return F.relu(super().forward(input))
        weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
        return _ConvolveReLU.apply(input, weight, bias, self.stride, self.padding, True)


def suits(x: Tensor) -> bool:
    """Whether `x` is what the layers here are quicker on."""
    return x.device.type == "cpu" and x.dtype == torch.bfloat16


def uses_product(stride: tuple[int, int]) -> bool:
    """Whether the weight gradient is a product: of a strided convolution on several threads."""
    return torch.get_num_threads() > 1 and stride[0] > 1


class _ConvolveReLU(torch.autograd.Function):
    """relu of conv2d of (B, C, H, W), or of its transpose."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: tuple, padding: tuple, transposed: bool
    ) -> Tensor:
        output = (F.conv_transpose2d if transposed else F.conv2d)(x, weight, bias, stride, padding).relu_()
        ctx.save_for_backward(x, weight, output)
        ctx.setting = stride, padding, transposed
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, output = ctx.saved_tensors
        stride, padding, transposed = ctx.setting
        gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
        product = uses_product(stride)
        of_x = of_weight = None
        wanted = [ctx.needs_input_grad[0], not product, False]
        if any(wanted):
            of_x, of_weight, _ = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, stride, padding, [1, 1], transposed, [0, 0], 1, wanted
            )
        if product:
            small, large = (x, gradient) if transposed else (gradient, x)
            of_weight = weight_gradient(small, large, weight.shape[-1], stride[0], padding[0])
        return of_x, of_weight, gradient.sum(dim=(0, 2, 3)), None, None, None


def weight_gradient(small: Tensor, large: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """The gradient (A, C, k, k) of a square kernel from maps (B, A, h, w) and (B, C, H, W), which it strides over.

    The maps are a convolution's output gradient and its input; a transposed one's input and its output gradient.
    """
    columns = patches(large, kernel, stride, padding)
    rows = small.permute(0, 2, 3, 1).reshape(len(columns), -1)
    parts = min(torch.get_num_threads(), MAX_PARTS)
    if parts == 1 or len(columns) % parts:
        product = rows.mT @ columns
    else:
        product = torch.bmm(rows.unflatten(0, (parts, -1)).mT, columns.unflatten(0, (parts, -1))).sum(dim=0)
    return product.view(-1, kernel, kernel, large.shape[1]).permute(0, 3, 1, 2)


def patches(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """(B, C, H, W) → the k·k·C values under the kernel at each of its places, (B·h·w, k·k·C)."""
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *[padding] * 4)).contiguous()
    batch, height, width, channels = padded.shape
    places = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    of_grid, of_row, of_cell, _ = padded.stride()
    # A row of the kernel lies in one piece: k·C values.
    size, strides = (kernel, kernel * channels), (stride * of_row, stride * of_cell, of_row, 1)
    return padded.as_strided((batch, *places, *size), (of_grid, *strides)).reshape(-1, kernel * kernel * channels)
