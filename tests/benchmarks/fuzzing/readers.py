"""What commands read from a run or a sweep, each kind of file with all that reads it."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from omegaconf import OmegaConf

from arc_vae.api.opening import open_networks
from arc_vae.common import provenance
from arc_vae.common.files import write_json
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration import memory
from arc_vae.corpus import ArcSource, AtomicSource, NpzSource
from arc_vae.models.saved import load_module, weights_digest
from arc_vae.notebooks.helpers import launch_folder, open_run
from arc_vae.operations.learnt import MeanDifference
from arc_vae.operations.store import load_operators, save_operators
from arc_vae.reporting import run_report
from arc_vae.reporting.run_report import write_report
from arc_vae.runs import evaluate_run
from arc_vae.runs.experiment import load_experiment
from arc_vae.runs.frozen_config import lengthen, load_frozen_config
from arc_vae.runs.other_corpus import free_file
from arc_vae.runs.prepare import is_finished, prepare_run
from arc_vae.runs.resume import load_initial_weights, resume
from arc_vae.runs.run import build_training_state
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.runs.write_samples import write_samples
from arc_vae.sweeps import gpus, slurm_queue, sweep_page
from arc_vae.sweeps.answer import answer_failures
from arc_vae.sweeps.job_files import SweepJob, all_overrides, read_jobs, write_jobs
from arc_vae.sweeps.leaderboard import leaderboard_csv, leaderboard_text
from arc_vae.sweeps.plan import Budget
from arc_vae.sweeps.status import read_statuses, report_sweep
from arc_vae.sweeps.sweep_page import leaderboard_page
from arc_vae.tracking.metrics_log import MetricsLog, read_metrics
from arc_vae.training import checkpoint_files

Reader = Callable[["Place"], Any]


FIGURES = {"object_accuracy": 0.5, "changed_accuracy": 0.5, "perfect_rate": 0.5, "blank": 0.1, "wrong_colors": 0.1}
ROW = {"operation": "mirror", "way": "code", "coverage": 1.0, "share": FIGURES, "code": FIGURES, "anew": FIGURES}
OPERATIONS = {
    **{"whole_grid": [{**ROW, "identity": FIGURES}], "one_object": [], "others": [ROW], "depth": [{**ROW, "depth": 2}]},
    "told": {"accuracy": 0.5, "pairs": 10, "chance": 0.1, "dropped": 0},
    "gate": {"decision": "iterate", "sentence": "some do"},
}


class Place:
    """A folder with a run, a sweep of two jobs whose second is that run, a sweep of Hydra's, corpora and memories."""

    def __init__(self, folder: Path, run: Path):
        self.folder = folder
        self.sweep, self.run = folder / "sweep", folder / "sweep" / "1"
        for number in (0, 1):
            shutil.copytree(run, self.sweep / str(number), ignore=shutil.ignore_patterns("wandb", "*_epoch_*.pth"))
        write_jobs(self.sweep, [SweepJob(n, [f"seed={n}"], self.sweep / str(n)) for n in (0, 1)], base=["name=a"])
        write_json(self.sweep / slurm_queue.IDS_FILE, {"0": "7_0", "1": "7_1"})
        write_json(self.sweep / slurm_queue.SUBMITTING_FILE, {"token": "a1b2", "jobs": [0, 1]})
        self.hydra = folder / "hydra_sweep"
        shutil.copytree(run / ".hydra", self.hydra / "0" / ".hydra")
        (self.hydra / "multirun.yaml").write_text("{}\n")
        text = (self.hydra / "0" / ".hydra" / "hydra.yaml").read_text()
        hydra = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
        hydra["hydra"]["job"]["num"] = 0
        (self.hydra / "0" / ".hydra" / "hydra.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(hydra)))
        self.corpora = folder / "corpora"
        self._make_corpora()
        self._make_operators()
        (self.run / "evaluations").mkdir(exist_ok=True)
        write_json(self.run / "evaluations" / "atomic.json", {"corpus": {"sha256": "a"}})
        write_json(self.run / "operations.json", OPERATIONS)
        self.code = folder / "code"
        self.code.mkdir()
        write_json(self.code / "git.json", {"commit": "a", "dirty": False})
        memory._change(
            lambda kept: kept["modules"].setdefault("mine", {"file": "/x", "sha256": "a", "names": ["mine.A"]})
        )
        write_report(self.run)
        self.config = load_frozen_config(self.run)
        files = [self.run / "checkpoints" / name for name in ("last.pth", "last_previous.pth")]
        self.generations = [weights_digest(load_checkpoint(file, set(), "")["model_state_dict"]) for file in files]
        self.judged = self.directory().metrics()
        self.sha256 = self.judged["corpus"]["sha256"]

    def _make_corpora(self) -> None:
        self.corpora.mkdir()
        self.atomic = AtomicSource(num_grids=40, directory=str(self.corpora / "atomic"))
        grids = self.atomic.load()
        np.savez(self.corpora / "parts.npz", train=grids.train, val=grids.val, test=grids.test)
        np.savez(self.corpora / "one.npz", images=grids.train, labels=np.arange(len(grids.train)))
        pairs = [{"input": one.tolist(), "output": other.tolist()} for one, other in pairwise(grids.train)]
        tasks = {
            f"task{n}": {"train": pairs[2 * n : 2 * n + 1], "test": pairs[2 * n + 1 : 2 * n + 2]} for n in range(12)
        }
        (self.corpora / "tasks.json").write_text(json.dumps(tasks))

    def _make_operators(self) -> None:
        networks = open_networks(self.run, ())
        self.model = networks.module
        operators = {"mirror": MeanDifference(networks.latent_dim)}
        save_operators(self.run / "checkpoints" / "operators.pth", self.model, operators, {"mirror": {"share": 0.5}})

    def file(self, name: str) -> Path:
        """Where a file of READERS lies."""
        room, _, rest = name.partition("/")
        if name == "state":
            return memory.state_file()
        if name == "corpora/atomic":
            return self.atomic.path
        return {"run": self.run, "hydra": self.hydra}.get(room, self.folder / room) / rest

    def directory(self) -> RunDirectory:
        return RunDirectory(self.run)


def drawn_once(draw: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, which draws the same figures once: most damage leaves them as they were."""
    drawn: dict[str, Any] = {}

    def cached(figures: Any) -> Any:
        told = repr([getattr(one, "validation", one) for one in figures])
        if told not in drawn:
            drawn[told] = draw(figures)
        return drawn[told]

    return cached


@contextmanager
def quick_pictures() -> Iterator[None]:
    """Within it, a curve is drawn once for all the reports that show it."""
    with (
        mock.patch.object(run_report, "draw_curves", drawn_once(run_report.draw_curves)),
        mock.patch.object(sweep_page, "rate_distortion", drawn_once(sweep_page.rate_distortion)),
    ):
        yield


def look(place: Place) -> None:
    """`sweep dir=`, without its picture."""
    entries = read_statuses(place.sweep)
    leaderboard_text(entries)
    leaderboard_csv(entries)
    [(entry.command, entry.reproduction) for entry in entries[:1]]


def look_whole(place: Place) -> None:
    report_sweep(place.sweep)


def weights_of_networks(path: Path) -> str:
    return weights_digest(open_networks(path, ()).module.state_dict())


def weights_judged(place: Place) -> str:
    """`evaluate run=`, the measuring itself left out."""
    experiment = load_experiment(place.directory(), "cpu")
    measured = SimpleNamespace(metrics=dict(place.judged))
    with (
        mock.patch.object(evaluate_run, "measure", lambda *arguments: measured),
        mock.patch.object(evaluate_run, "measure_validation", lambda *arguments: {}),
    ):
        corpus = SimpleNamespace(sha256=place.sha256, about=dict, train=range(100))
        metrics, _, trained = evaluate_run.measure_run(place.directory(), experiment, corpus)
        evaluate_run.explain_length(place.directory(), experiment, corpus, metrics, trained["step"])
        json.dumps(metrics)
    return weights_digest(experiment.model.state_dict())


def weights_gone_on_with(place: Place) -> str:
    """`train resume=`, up to its first step."""
    run = prepare_run(place.config.copy(), place.directory())
    corpus = SimpleNamespace(sha256=place.sha256, train=range(1000))
    state = build_training_state(run.experiment, corpus, run.config)
    resume(state, run.checkpoint, run.directory)
    run.directory.release()
    digest = weights_digest(state.model.state_dict())
    return "a generation's" if digest in place.generations else digest


def weights_begun_from(place: Place) -> str:
    model = load_experiment(place.directory(), "cpu").model
    load_initial_weights(model, place.run)
    return weights_digest(model.state_dict())


def weights_mended(place: Place) -> str:
    model = load_experiment(place.directory(), "cpu").model
    checkpoint_files.mend_parts(model, place.run / "checkpoints")
    return weights_of_networks(place.run / "checkpoints" / "decoder.pth")


def part(name: str) -> Reader:
    return lambda place: weights_digest(load_module(place.run / "checkpoints" / name).state_dict())


def sampled(place: Place) -> None:
    keys = {"passes": None, "refinement_steps": 1, "num_samples": 2, "seed": 0, "decoder": None, "device": "cpu"}
    write_samples(OmegaConf.create({**keys, "run": str(place.run), "output": str(place.corpora)}))


def operators(place: Place) -> Any:
    return load_operators(place.run / "checkpoints" / "operators.pth", place.model)


def queue(place: Place) -> None:
    """What a launcher asks Slurm, with a Slurm that knows both jobs."""

    def answer_of(*command: str) -> str:
        return "7_0 a1b2\n7_1 a1b2\n" if "squeue" in command else "JobState=FAILED"

    files = [place.sweep / name for name in (slurm_queue.IDS_FILE, slurm_queue.SUBMITTING_FILE)]
    before = {file: file.read_bytes() for file in files if file.is_file()}
    try:
        with (
            mock.patch.object(slurm_queue, "_slurm", answer_of),
            mock.patch.object(slurm_queue, "shutil", SimpleNamespace(which=str)),
        ):
            slurm_queue.queued_jobs(place.sweep)
            slurm_queue.final_state(place.run)
            slurm_queue.slurmstepd_error(place.run)
            slurm_queue.settle_submission(place.sweep)
    finally:
        for file, content in before.items():
            file.write_bytes(content)


def trusted(place: Place) -> None:
    memory.is_remembered("mine.Model")
    memory._change(lambda kept: kept["code"].setdefault("a", "b"))


def code_state(place: Place) -> Any:
    with mock.patch.object(provenance, "ROOT", place.code):
        return provenance.git_state()


def _corpus(name: str) -> Reader:
    return lambda place: NpzSource(str(place.corpora / name)).load().sha256


def report(place: Place) -> None:
    write_report(place.run)


def answer(place: Place) -> None:
    """`fallback run=`."""
    answer_failures(str(place.run), None, "x", Budget())


JUDGED: dict[str, Reader] = {
    "evaluate": weights_judged,
    "notebook": lambda place: open_run(place.run).metrics["passed"],
}
# The file, by its place; what reads it, by name. The file at fault is in "run" unless it says otherwise.
READERS: dict[str, dict[str, Reader]] = {
    "run/status.json": {
        **{"status": lambda p: p.directory().status(), "sweep": look, "report": report, "fallback": answer},
        "finished": lambda p: is_finished(p.config.copy(), p.directory()),
    },
    "run/metrics.json": {
        "metrics": lambda p: p.directory().metrics(),
        "sweep": look,
        "report": report,
        "fallback": answer,
    },
    "run/metrics.jsonl": {
        **{"metrics": lambda p: len(read_metrics(p.run / "metrics.jsonl")), "sweep": look, "report": report},
        **{"fallback": answer, "resume": lambda p: MetricsLog(p.run).truncate_after(10**9)},
        "replay": lambda p: len(list(MetricsLog(p.run).replay(p.run / "images"))),
    },
    "run/.hydra/config.yaml": {
        **{"frozen": lambda p: lengthen(load_frozen_config(p.run), 10), "report": report, "fallback": answer},
        "worker": lambda p: prepare_run(load_frozen_config(p.run), p.directory()).directory.release(),
        "gpus": lambda p: gpus.takes_any_gpu(SweepJob(1, [], p.run)),
    },
    "run/.hydra/overrides.yaml": {"again": lambda p: all_overrides(p.run), "sweep": look, "report": report},
    "run/.hydra/hydra.yaml": {"notebook": lambda p: launch_folder(p.run)},
    "hydra/0/.hydra/hydra.yaml": {"sweep": lambda p: read_jobs(p.hydra)},
    "hydra/0/.hydra/overrides.yaml": {"sweep": lambda p: read_jobs(p.hydra)},
    "run/checkpoints/last.pth": {"resume": weights_gone_on_with, **JUDGED},
    "run/checkpoints/last_previous.pth": {"resume": weights_gone_on_with},
    "run/checkpoints/vae_best.pth": {
        **{
            "load": lambda p: weights_of_networks(p.run),
            "mend": weights_mended,
            "init_from": weights_begun_from,
            **JUDGED,
        },
    },
    "run/checkpoints/encoder.pth": {
        **{"load": part("encoder.pth"), "samples": sampled, "mend": weights_mended, **JUDGED},
    },
    "run/checkpoints/decoder.pth": {
        **{"load": part("decoder.pth"), "samples": sampled, "mend": weights_mended, **JUDGED},
        "api": lambda p: weights_of_networks(p.run / "checkpoints" / "decoder.pth"),
    },
    "run/checkpoints/operators.pth": {"operations": operators, "load": lambda p: weights_of_networks(p.run)},
    "run/operations.json": {"report": report},
    "run/evaluations/atomic.json": {
        "evaluate": lambda p: free_file(p.run / "evaluations", SimpleNamespace(name="atomic", sha256="b"), "test").name
    },
    "run/images/samples_epoch_2.png": {
        "page": lambda p: leaderboard_page("a", read_statuses(p.sweep)),
        "report": report,
    },
    "sweep/jobs.json": {
        "jobs": lambda p: read_jobs(p.sweep),
        "sweep": look_whole,
        "again": lambda p: all_overrides(p.run),
    },
    "sweep/slurm.json": {"queue": queue, "sweep": look_whole},
    "sweep/slurm_submitting.json": {"queue": queue, "sweep": look_whole},
    "corpora/parts.npz": {"corpus": _corpus("parts.npz")},
    "corpora/one.npz": {"corpus": _corpus("one.npz")},
    "corpora/atomic": {"corpus": lambda p: p.atomic.load().sha256},
    "corpora/tasks.json": {
        "corpus": lambda p: ArcSource(num_grids=100, path=str(p.corpora / "tasks.json")).load().name
    },
    "code/git.json": {"code": code_state},
    "state": {"trust": trusted},
}
