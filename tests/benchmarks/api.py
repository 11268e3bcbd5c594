"""What working through `arc_vae.load` costs: `encode` and `decode` of many grids, against the bare networks in batches.

The networks are an untrained default's, or a run's, on the CPU or a GPU; bare, they compute what the API does, without
its checks, conversions and care for the process. Taken in turn; wall clock, and the CPU seconds of all threads, which
compare on a machine with other work. Must: 0.90 of the bare networks' rate.

    python tests/benchmarks/api.py [--run <run directory>]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from timing import in_turn, medians, print_table

import arc_vae
from arc_vae.api.networks import PORTION
from arc_vae.common.torch_files import save_checkpoint
from arc_vae.models import BetaVAE
from arc_vae.models.decoding import argmax_colors

MUST = 0.90


def untrained(folder: str) -> Path:
    """A checkpoint of the default model, its weights as drawn."""
    model = BetaVAE()
    node = {"_target_": "arc_vae.models.BetaVAE"}
    save_checkpoint({"config": {"model": node}, "model_state_dict": model.state_dict()}, Path(folder) / "vae_best.pth")
    return Path(folder)


@torch.no_grad()
def bare(network: torch.nn.Module, grids: np.ndarray) -> np.ndarray:
    """Grids (N, 16, 16) through encoder and decoder, uint8 (N, 16, 16)."""
    device = next(network.parameters()).device
    parts = torch.from_numpy(grids).to(device).split(PORTION)
    mu = torch.cat([network.encoder(part).mu for part in parts])
    return torch.cat([argmax_colors(network.decoder(part)) for part in mu.split(PORTION)]).cpu().numpy()


def cpu_seconds(call: Callable[[], object], spent: list[float]) -> Callable[[], object]:
    """The call, the CPU seconds of each noted down."""

    def timed() -> object:
        before = time.process_time()
        result = call()
        spent.append(time.process_time() - before)
        return result

    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="a run directory; without it, an untrained default")
    parser.add_argument("--num-grids", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        model = arc_vae.load(arguments.run or untrained(folder), device=arguments.device)
    grids = np.random.default_rng(0).integers(0, 10, (arguments.num_grids, 16, 16), dtype=np.uint8)
    ways = {
        "bare networks": lambda: bare(model.network, grids),
        "model.encode, model.decode": lambda: model.decode(model.encode(grids).mu),
        "model.reconstruct": lambda: model.reconstruct(grids),
    }
    results = [way() for way in ways.values()]
    assert all((result == results[0]).all() for result in results), "the ways differ in what they compute"
    spent: dict[str, list[float]] = {name: [] for name in ways}
    wall = medians(in_turn({name: cpu_seconds(way, spent[name]) for name, way in ways.items()}, arguments.rounds))
    cpu = medians(spent)
    rows = [
        (
            name,
            *(f"{arguments.num_grids / seconds[name]:,.0f}" for seconds in (wall, cpu)),
            *(f"{seconds['bare networks'] / seconds[name]:.3f}" for seconds in (wall, cpu)),
            "" if name == "bare networks" else f"{MUST:.2f}",
        )
        for name in ways
    ]
    header = ("encoded and decoded by", "grids/s", "grids/CPU s", "of bare, wall", "of bare, CPU", "must")
    print_table(f"{arguments.num_grids:,} grids, {type(model.network).__name__} on {model.device}", header, rows)


if __name__ == "__main__":
    main()
