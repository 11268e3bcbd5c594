"""Where the time of judging a model goes, from the end of training to report.html, stage by stage.

Seconds are wall clock, beside them the CPU seconds of all threads: on a machine with other work only those compare.
A stage called within another counts for itself alone. What importing PyTorch and this package takes is left out,
since training has paid for it. Goal: 10,000 test grids in under 20 s on two cores.
"""

import argparse
import functools
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from fresh import memory_mb
from step_setup import configuration
from timing import print_table

from arc_vae.configuration.instantiate import to_plain
from arc_vae.corpus import Corpus
from arc_vae.evaluation import measure as measuring
from arc_vae.evaluation import validity
from arc_vae.evaluation.validity import ValidityDetector
from arc_vae.reporting import latent_space
from arc_vae.reporting.run_report import write_report
from arc_vae.runs import evaluate_run as evaluating
from arc_vae.runs.evaluate_run import evaluate_run
from arc_vae.runs.experiment import Experiment, build_experiment, load_experiment
from arc_vae.runs.run import build_training_state
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import CheckpointWriter
from arc_vae.training.device import configure_process

# Stage: the functions whose time it is, as the modules that call them name them.
STAGES = {
    "reconstruct the test split": [(measuring, "reconstruct")],
    "accuracies": [(measuring, "reconstruction_metrics")],
    "decode samples and paths": [(measuring, "decode_grids")],
    "structural statistics": [(measuring, "structural_statistics"), (validity, "structural_statistics")],
    "yardstick, fit": [(ValidityDetector, "__init__")],
    "validity, score": [(ValidityDetector, "is_valid")],
    "two-sample tests": [(measuring, "classifier_two_sample_accuracy")],
    "PCA": [(latent_space, "pca")],
    "t-SNE": [(latent_space, "tsne")],
    "pictures": [(latent_space, "_draw"), (evaluating, "draw_interpolations")],
}


class Stopwatch:
    """Wall and CPU seconds of each stage, those of the stages within it taken off, and the peak of memory after it."""

    def __init__(self):
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.peak: dict[str, float] = {}
        self._open: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What is done in this context counts for the stage `name`."""
        outer = self._open[-1] if self._open else None
        self._open.append(name)
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        for seconds, spent in ((self.wall, time.perf_counter() - wall), (self.cpu, time.process_time() - cpu)):
            seconds[name] += spent
            if outer:
                seconds[outer] -= spent
        self.peak.pop(name, None)  # the order of the table is that in which stages end
        self.peak[name] = memory_mb("VmHWM")
        self._open.pop()

    def timed(self, name: str, function: Callable) -> Callable:
        """`function`, its calls counted for the stage `name`."""

        @functools.wraps(function)
        def call(*arguments, **named):
            with self.stage(name):
                return function(*arguments, **named)

        return call

    def rows(self) -> list[tuple]:
        """Name, seconds, CPU seconds, peak so far in MB, and in the last row the sums."""
        rows = [
            (name, f"{self.wall[name]:.2f}", f"{self.cpu[name]:.2f}", f"{mb:.0f}") for name, mb in self.peak.items()
        ]
        total = ("total", *(f"{sum(seconds.values()):.2f}" for seconds in (self.wall, self.cpu)))
        return [*rows, (*total, f"{max(self.peak.values()):.0f}")]


def untrained_run(folder: Path, num_grids: int, device: str) -> tuple[RunDirectory, Experiment, Corpus]:
    """The default experiment before its first step, saved in `folder` as a run saves it."""
    cfg = configuration(f"data.num_grids={num_grids}", f"data.directory={folder}", f"training.device={device}")
    experiment = build_experiment(cfg)
    corpus = experiment.source.load()
    training_state = build_training_state(experiment, corpus, to_plain(cfg))
    directory = RunDirectory(folder / "run")
    CheckpointWriter(directory.checkpoints, every=100).save_epoch(
        {**training_state.state_dict(), "epoch": 1}, training_state.model, True
    )
    return directory, experiment, corpus


def copied_run(folder: Path, run: Path, device: str) -> tuple[RunDirectory, Experiment, Corpus]:
    """A copy of the run directory `run`, so that its own files stay as they are."""
    directory = RunDirectory(shutil.copytree(run, folder / run.name, ignore=shutil.ignore_patterns("wandb")))
    experiment = load_experiment(directory, device)
    return directory, experiment, experiment.source.load()


def import_libraries() -> None:
    """What judging imports that training does not need."""
    import matplotlib.backends.backend_agg  # noqa: F401
    import sklearn.decomposition
    import sklearn.ensemble
    import sklearn.manifold
    import sklearn.model_selection  # noqa: F401


def measure(directory: RunDirectory, experiment: Experiment, corpus: Corpus) -> Stopwatch:
    """Judge and report once, every stage timed."""
    watch = Stopwatch()
    with watch.stage("import scikit-learn, matplotlib"):
        import_libraries()
    with watch.stage("what the corpus says of itself"):
        corpus.describe()
    with ExitStack() as patches:
        for name, functions in STAGES.items():
            for owner, function in functions:
                timed = watch.timed(name, getattr(owner, function))
                patches.enter_context(patch.object(owner, function, timed))
        with watch.stage("the rest of judging"):
            evaluate_run(directory, experiment, corpus)
    with watch.stage("report"):
        write_report(directory.path)
    return watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="run=<run dir>: judge its best checkpoint; else an untrained model")
    parser.add_argument("--num-grids", type=int, default=100_000, help="of the corpus that an untrained model sees")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto")
    arguments = parser.parse_args()
    configure_process()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.run:
            found = copied_run(Path(folder), Path(arguments.run.removeprefix("run=")).resolve(), arguments.device)
        else:
            found = untrained_run(Path(folder), arguments.num_grids, arguments.device)
        watch = measure(*found)
    title = f"judging on {len(found[2].test):,} test grids"
    print_table(title, ("stage", "seconds", "CPU seconds", "peak so far, MB"), watch.rows())


if __name__ == "__main__":
    main()
