"""One update of our Muon against one of torch's own, on the gradients of the default and of object slots.

torch.optim.Muon takes matrices alone: kernels are copied to it flattened, as it asks, and biases go to torch's Adam.
OMP_NUM_THREADS sets the threads.

    python tests/benchmarks/muon.py
"""

import argparse
from collections.abc import Callable

import torch
from timing import in_turn, medians, print_table
from torch import nn

from arc_vae.models import BetaVAE, ObjectSlotVAE
from arc_vae.training import Muon
from arc_vae.training.device import configure_process


def torchs_update(model: nn.Module, lr: float) -> Callable[[], None]:
    """A call of torch.optim.Muon's and Adam's step on a model's gradients."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    matrices = [nn.Parameter(weight.detach().flatten(1).clone()) for weight in weights]
    muon = torch.optim.Muon(matrices, lr=lr, weight_decay=0.0, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.ndim < 2], lr=lr)

    @torch.no_grad()
    def call() -> None:
        for weight, matrix in zip(weights, matrices, strict=True):
            matrix.grad = weight.grad.flatten(1) if weight.grad is not None else None
        muon.step()
        adam.step()
        for weight, matrix in zip(weights, matrices, strict=True):
            weight.copy_(matrix.view(weight.shape))

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="times through all settings")
    arguments = parser.parse_args()

    configure_process()
    rows = []
    for name, model in {"beta_vae": BetaVAE(), "object_slots": ObjectSlotVAE()}.items():
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for parameter in model.parameters():
            parameter.grad = 1e-3 * torch.randn_like(parameter)
        settings = {"ours": Muon(model.parameters()).step, "torch's": torchs_update(model, lr=2e-3)}
        seconds = medians(in_turn(settings, arguments.rounds))
        ours, torchs = seconds["ours"], seconds["torch's"]
        rows.append([name, f"{1e3 * ours:.1f}", f"{1e3 * torchs:.1f}", f"{ours / torchs:.2f}"])
    print_table(f"one update, ms, {torch.get_num_threads()} threads", ["model", "ours", "torch's", "ratio"], rows)


if __name__ == "__main__":
    main()
