"""Judging a run's best checkpoint on test and on validation: metrics.json, the closing pictures, the last words."""

import logging
from pathlib import Path

import torch

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.json_files import read_json_object
from arc_vae.common.provenance import git_state, versions
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.criteria import TRAINED_TOO_LITTLE
from arc_vae.evaluation.measure import Measurements, measure, measure_validation
from arc_vae.evaluation.statistics import dominant_color
from arc_vae.models.saved import load_weights
from arc_vae.reporting.drawing import only_a_picture
from arc_vae.reporting.grid_figures import draw_interpolations
from arc_vae.reporting.latent_space import draw_latent_space
from arc_vae.reporting.verdict_text import fallback_command, format_verdict
from arc_vae.runs.experiment import Experiment
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.metrics_log import METRICS_LOG, MetricsLog, read_metrics
from arc_vae.training.checkpoint_files import BEST, LAST, load_last
from arc_vae.training.short_runs import longest_warmup, trained_too_little

logger = logging.getLogger(__name__)

PATHS_DRAWN = 8


def check_corpus_digest(sha256: str, state: dict, checkpoint: Path) -> None:
    """A checkpoint belongs to the grids it was trained on."""
    if state["corpus_sha256"] != sha256:
        raise UserError(
            f"{checkpoint} was trained on a corpus with sha256 {state['corpus_sha256'][:12]}, the configured one "
            f"now has {sha256[:12]}; restore that corpus or start a new run (evaluate takes its new place as "
            "data.path=…, and judges another corpus with data=…)"
        )


def load_best(directory: RunDirectory) -> dict:
    """What the vae_best.pth of a run holds.

    Raises:
        UserError: there is none, or it is another's.
    """
    wanted = {"model_state_dict", "corpus_sha256", "epoch"}
    return load_checkpoint(directory.checkpoints / BEST, wanted, "the vae_best.pth of an arc_vae run")


def measure_run(
    directory: RunDirectory, experiment: Experiment, corpus: Corpus, part_of: Corpus | None = None
) -> tuple[dict, Measurements, dict]:
    """What metrics.json says of the best checkpoint on the corpus's test split, and what its pictures are drawn from.

    The third is how far training had come: the last step and the digest of the corpus trained on, which must be this
    one. Unless another is judged: `part_of` is that one as a whole, its splits in their own places.
    """
    best_file = directory.checkpoints / BEST
    best = load_best(directory)
    wanted = {"epoch", "step", "seconds", "precision"}
    last = load_last(directory.checkpoints, wanted, "the last.pth of an arc_vae run")
    if last is None:
        raise UserError(f"{directory.checkpoints / LAST} does not exist; give a run directory as training left it")
    if part_of is None:
        check_corpus_digest(corpus.sha256, best, best_file)
    device = experiment.trainer.device
    # In training's own memory layout, so that evaluating again gives the same sums to the last digit.
    model = experiment.model.to(device, memory_format=torch.channels_last)
    load_weights(model, best["model_state_dict"], best_file)
    evaluation = measure(model.eval(), corpus, experiment.criteria, device)
    beta = experiment.beta_schedule.final_beta
    metrics = {
        **evaluation.metrics,
        # What sweeps are ordered by; test figures decide nothing but the verdict.
        **({} if part_of else {"validation": measure_validation(model, corpus, experiment.criteria, device)}),
        "latent_dim": model.latent_dim,
        "beta": beta,
        "beta_effective": experiment.loss.effective_beta(beta, model.latent_dim),
        "epochs": last["epoch"],
        "best_epoch": best["epoch"],
        "seconds": last["seconds"],
        "precision": last["precision"],
        "corpus": (part_of or corpus).about(),
        "versions": versions(),
        "git": git_state(),
    }
    return metrics, evaluation, {"step": last["step"], "corpus_sha256": best["corpus_sha256"]}


def evaluate_run(
    directory: RunDirectory, experiment: Experiment, corpus: Corpus, record: MetricsLog | None = None
) -> dict:
    """Evaluate the best checkpoint on the test split; write metrics.json, then draw the closing pictures.

    What `arc_vae.factors` added to metrics.json stays, as long as the best checkpoint is the same.
    """
    metrics, evaluation, trained = measure_run(directory, experiment, corpus)
    metrics |= factors_told(directory, metrics)
    metrics["trained_too_little"] = explain_length(directory, experiment, corpus, metrics, trained["step"])
    if metrics["trained_too_little"]:
        metrics["fallback"] = [TRAINED_TOO_LITTLE]
    write_json(directory.metrics_file, metrics)
    pictures = draw_closing_figures(directory, corpus, evaluation)
    if record:
        for path in pictures:
            record.image(path.stem, path, trained["step"])
        record.summary(metrics)
        record.artifact(directory.metrics_file, name="metrics", type="metrics")
    return metrics


def factors_told(directory: RunDirectory, metrics: dict) -> dict:
    """The factors in the metrics.json so far, if they are of the same epoch; nothing where it is missing or damaged."""
    try:
        before = read_json_object(directory.metrics_file, "")
    except UserError:
        return {}
    same = "factors" in before and before.get("best_epoch") == metrics["best_epoch"]
    return {"factors": before["factors"]} if same else {}


def explain_length(
    directory: RunDirectory, experiment: Experiment, corpus: Corpus, metrics: dict, steps: int
) -> dict | None:
    """What `trained_too_little` says of the run, from its verdict and its record."""
    length = experiment.length(len(corpus.train))
    warmup = longest_warmup(experiment.lr_scheduler, experiment.loss, length.steps)
    file = directory.path / METRICS_LOG
    try:
        records = read_metrics(file) if file.is_file() else []
    except UserError as error:  # a verdict is worth more than its explanation
        logger.warning("%s; whether training was too short is left out", error)
        return None
    losses = [record["val/loss_total"] for record in records if "val/loss_total" in record]
    return trained_too_little(metrics, experiment.model, length, steps, warmup, losses)


def draw_closing_figures(directory: RunDirectory, corpus: Corpus, evaluation: Measurements) -> list[Path]:
    """PCA and t-SNE of the test embeddings, and interpolations between test grids; those that could be drawn.

    Pictures of an earlier evaluation do not stay where a new one cannot be drawn.
    """
    pictures = [directory.path / "latent_space_pca.png", directory.path / "latent_space_tsne.png"]
    names = {
        kind: directory.images / ("interpolations.png" if kind == "straight" else f"interpolations_{kind}.png")
        for kind in evaluation.paths
    }
    pictures += names.values()
    for picture in pictures:
        picture.unlink(missing_ok=True)
    with only_a_picture("the latent space"):
        draw_latent_space(evaluation.mu, evaluation.num_objects, dominant_color(corpus.test), directory.path)
    for kind, paths in evaluation.paths.items():
        with only_a_picture(names[kind].name):
            directory.images.mkdir(exist_ok=True)
            draw_interpolations(paths[:PATHS_DRAWN], names[kind], kind)
    return [picture for picture in pictures if picture.is_file()]


def format_summary(metrics: dict, directory: RunDirectory) -> str:
    """The verdict table, where everything lies, and what to launch for what failed."""
    words = [format_verdict(metrics), "", f"run directory: {directory.path}"]
    if metrics["passed"]:
        words.append("all four criteria pass")
    else:
        if too_little := metrics.get("trained_too_little"):
            words.append(too_little["finding"])
        if sweeps := ", ".join(metrics["fallback"]):
            words.append(f"to launch what answers the failures ({sweeps}): {fallback_command(directory.path)}")
    return "\n".join(words)
