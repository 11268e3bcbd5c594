"""A trained model's step against a fresh one's: with subnormal numbers flushed to zero, as in a run, and without.

python -m arc_vae.train training.max_epochs=12 hydra.run.dir=/tmp/run
python tests/benchmarks/subnormals.py /tmp/run
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import OmegaConf
from step_setup import train_on
from timing import in_turn, medians, print_table

from arc_vae.common.torch_files import load_checkpoint
from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.scenes import generate
from arc_vae.runs.experiment import build_experiment
from arc_vae.runs.run import build_training_state
from arc_vae.training.checkpoint_files import LAST
from arc_vae.training.device import configure_process
from arc_vae.training.step import TrainingStep


def make_call(run: Path, trained: bool, grids: torch.Tensor) -> tuple[TrainingStep, Callable[[], object]]:
    """A step of the run's own experiment, at its start or from its last checkpoint."""
    path = run / "checkpoints" / LAST
    state = load_checkpoint(path, {"config"}, "the last.pth of a run")
    experiment = build_experiment(OmegaConf.create(state["config"]))
    training_state = build_training_state(experiment, Corpus("batch", grids, grids, grids), state["config"])
    training_state.model.fit_prior(torch.from_numpy(grids))
    if trained:
        training_state.load_state_dict(state, path)
    trainer = experiment.trainer
    step = TrainingStep(training_state, experiment.loss, trainer.gradient_clip, trainer.precision, compile=False)
    return step, train_on(step, grids, trainer.batch_size)


def count_subnormals(step: TrainingStep) -> tuple[int, int]:
    """How many of the optimizer's and the gradients' numbers are subnormal, and how many there are."""
    found = [x for state in step.state.optimizer.state.values() for x in state.values() if torch.is_tensor(x)]
    found += [p.grad for p in step.state.model.parameters() if p.grad is not None]
    tiny = torch.finfo(torch.float32).tiny
    return sum(int(((x != 0) & (x.abs() < tiny)).sum()) for x in found), sum(x.numel() for x in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="directory of a run that has trained for some epochs")
    parser.add_argument("--rounds", type=int, default=10, help="times through all settings, three steps of each")
    arguments = parser.parse_args()

    configure_process()
    torch.set_num_threads(1)  # the switch is a thread's own; only this one's is turned here
    grids = generate("train", 1024, seed=0)
    made = {name: make_call(arguments.run, name == "trained", grids) for name in ("fresh", "trained")}

    def under(flush: bool, call: Callable[[], object]) -> Callable[[], None]:
        def timed() -> None:
            torch.set_flush_denormal(flush)
            call()

        return timed

    settings = {(name, flush): under(flush, call) for name, (_, call) in made.items() for flush in (True, False)}
    seconds = medians(in_turn(settings, arguments.rounds, calls=3))
    rows = []
    for name, (step, call) in made.items():
        torch.set_flush_denormal(False)
        call()
        subnormal, of = count_subnormals(step)
        figures = [1e3 * seconds[name, flush] for flush in (True, False)]
        ratios = [f"{seconds[name, flush] / seconds['fresh', True]:.2f}" for flush in (True, False)]
        rows.append((name, *(f"{ms:.1f}" for ms in figures), *ratios, f"{subnormal:,} of {of:,}"))
    header = ("weights", "ms, flushed", "ms, not flushed", "ratio", "ratio, not flushed", "subnormal, not flushed")
    print_table("A training step, one thread; ratios to the fresh step, flushed", header, rows)


if __name__ == "__main__":
    main()
