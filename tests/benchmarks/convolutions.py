"""The default's convolutions, forward and backward, against the same products as plain matrix products.

Each convolution of a step's batch stands beside its three products (forward, weights' and input's gradient) in the same
precision, and beside torch's own layer, whose weight gradient is oneDNN's. OMP_NUM_THREADS sets the threads.

    python tests/benchmarks/convolutions.py
"""

import argparse
from collections.abc import Callable

import torch
from timing import in_turn, medians, print_table
from torch import Tensor, nn

from arc_vae.models import BetaVAE
from arc_vae.training.device import configure_process


def trained(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    """A call of forward and backward of a layer on a batch (B, C, H, W)."""
    gradient = torch.randn_like(layer(x))

    def call() -> None:
        layer.zero_grad(set_to_none=True)
        x.grad = None
        layer(x).backward(gradient)

    return call


def products(layer: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Callable[[], None]:
    """A call of the matrix products that the same operations come to."""
    places, taps = layer(x), layer.kernel_size[0] * layer.kernel_size[1]
    transposed = isinstance(layer, nn.ConvTranspose2d)
    cells = (x if transposed else places)[:, 0].numel()
    a, b = (
        (layer.in_channels, layer.out_channels * taps) if transposed else (layer.in_channels * taps, layer.out_channels)
    )
    inputs, weight, outputs = (torch.randn(size, dtype=x.dtype) for size in ((cells, a), (a, b), (cells, b)))

    def call() -> None:
        inputs @ weight
        inputs.mT @ outputs
        if x.requires_grad:
            outputs @ weight.mT

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128, help="grids a step")
    parser.add_argument("--rounds", type=int, default=20, help="times through all settings, three calls of each")
    arguments = parser.parse_args()

    configure_process()
    model, shapes = BetaVAE(), {}
    layers = {
        name: layer.to(torch.bfloat16, memory_format=torch.channels_last)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    }
    sides = {"encoder.convolutions.0": 16, "encoder.convolutions.2": 16, "encoder.convolutions.4": 8}
    sides |= {"decoder.convolutions.0": 4, "decoder.convolutions.2": 8, "decoder.convolutions.4": 16}
    settings: dict[str, Callable[[], object]] = {}
    for name, layer in layers.items():
        shapes[name] = (arguments.batch_size, layer.in_channels, sides[name], sides[name])
        x = torch.randn(shapes[name]).bfloat16().contiguous(memory_format=torch.channels_last)
        x.requires_grad_(layer.in_channels != 10)  # the grids themselves need no gradient
        kind = nn.ConvTranspose2d if isinstance(layer, nn.ConvTranspose2d) else nn.Conv2d
        torchs = kind(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
        torchs.to(torch.bfloat16, memory_format=torch.channels_last)
        settings |= {f"{name} ours": trained(layer, x), f"{name} torch": trained(torchs, x)}
        settings[f"{name} products"] = products(layer, x)
    seconds = medians(in_turn(settings, arguments.rounds, calls=3))
    rows = []
    for name in [*layers, "all"]:
        times = [
            sum(seconds[f"{layer} {kind}"] for layer in layers if name in (layer, "all"))
            for kind in ("ours", "torch", "products")
        ]
        rows.append([name, *(f"{1e3 * time:.2f}" for time in times), *(f"{time / times[2]:.2f}" for time in times[:2])])
    title = f"forward and backward in bfloat16, ms, {torch.get_num_threads()} threads"
    print_table(title, ["layer", "ours", "torch's", "products", "ours/products", "torch's/products"], rows)


if __name__ == "__main__":
    main()
