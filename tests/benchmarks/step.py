"""The bare training step in each setting, against the machine's own matrix-product rate.

One step is forward, backward, clip and update on one batch that lies there already: no data, no logging. Its floating
point operations are counted on the real model, the matrix product is 2048³ at the same precision, all timed in turn.

    python tests/benchmarks/step.py
"""

import argparse
from collections.abc import Callable

import torch
from step_setup import BETA, make_step
from timing import in_turn, medians, print_table
from torch.utils.flop_counter import FlopCounterMode

from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.scenes import generate
from arc_vae.training.step import TrainingStep

SIDE = 2048
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def bare(step: TrainingStep, batch: torch.Tensor) -> Callable[[], None]:
    """Forward, backward, clip, optimizer on `batch`, integers (B, 16, 16), and nothing else."""
    training_state = step.state
    beta, foreground_weight = (torch.tensor(weight, device=batch.device) for weight in (BETA, 1.0))
    parameters = list(training_state.model.parameters())

    def call() -> None:
        training_state.optimizer.zero_grad(set_to_none=True)
        terms, _ = step.objective(batch, beta, foreground_weight)
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(parameters, step.gradient_clip)
        training_state.optimizer.step()
        if batch.is_cuda:
            torch.cuda.synchronize()

    return call


def product(precision: str, device: str) -> Callable[[], None]:
    """A 2048³ matrix product."""
    a, b = (torch.randn(SIDE, SIDE, dtype=DTYPES[precision], device=device) for _ in range(2))

    def call() -> None:
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def counted_flops(call: Callable[[], None]) -> int:
    """Floating point operations of one call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=128, help="grids a step")
    parser.add_argument("--rounds", type=int, default=20, help="times through all settings, five steps of each")
    parser.add_argument("--compile", action="store_true", help="the compiled step too (half a minute to compile)")
    arguments = parser.parse_args()

    device = "cuda" if torch.cuda.is_available() else "cpu"
    grids = generate("train", arguments.batch_size, seed=0)
    corpus, batch = Corpus("batch", grids, grids, grids), torch.from_numpy(grids).to(device)
    kinds = [(precision, compile) for precision in DTYPES for compile in (False, True)[: 1 + arguments.compile]]
    steps = {
        kind: bare(make_step(corpus, f"training.precision={kind[0]}", device=device, compile=kind[1]), batch)
        for kind in kinds
    }
    flops = counted_flops(steps["float32", False])
    products = {precision: product(precision, device) for precision in DTYPES}
    seconds = medians(in_turn({**steps, **products}, arguments.rounds, calls=5))
    rows = []
    for precision, compile in kinds:
        rate = 2 * SIDE**3 / seconds[precision]
        took = seconds[precision, compile]
        rows.append(
            (
                f"{precision}{', compiled' if compile else ''}",
                f"{1e3 * took:.1f}",
                f"{arguments.batch_size / took:,.0f}",
                f"{flops / took / 1e9:.0f}",
                f"{rate / 1e9:.0f}",
                f"{flops / took / rate:.2f}",
            )
        )
    title = f"Bare step, batch {arguments.batch_size}, {flops / arguments.batch_size / 1e6:.1f} MFLOP a grid"
    print_table(title, ("setting", "ms", "grids/s", "GFLOP/s", "matrix product GFLOP/s", "share"), rows)


if __name__ == "__main__":
    main()
