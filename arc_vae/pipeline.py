"""One run from corpus to verdict, and the judging that `evaluate` repeats."""

import logging
import shlex
from pathlib import Path

import torch
from omegaconf import DictConfig

from arc_vae.corpus.corpus import Corpus
from arc_vae.errors import UserError
from arc_vae.evaluation.evaluation import Evaluation, evaluate
from arc_vae.evaluation.reconstruction import decode_grids, reconstruct
from arc_vae.evaluation.statistics import count_objects, dominant_color
from arc_vae.evaluation.verdict import verdict_table
from arc_vae.experiment import Experiment, assemble, check_sizes, complete, plain, resumption
from arc_vae.files import write_json
from arc_vae.provenance import git_state, versions
from arc_vae.reporting.latent_space import draw_latent_space
from arc_vae.reporting.pictures import draw_interpolations, draw_reconstructions, draw_samples
from arc_vae.reporting.record import RunRecord
from arc_vae.reporting.report import write_report
from arc_vae.run_directory import RunDirectory
from arc_vae.training import checkpoints as files
from arc_vae.training.checkpoints import Checkpoints
from arc_vae.training.learner import Learner

logger = logging.getLogger(__name__)

NUM_PAIRS = 16
NUM_SAMPLES = 64
NUM_PATHS = 8


def run(cfg: DictConfig, output_dir: str | Path) -> None:
    """Train, judge and report in one run directory; go on where a checkpoint of the same run stands."""
    directory = RunDirectory(output_dir)
    if directory.status().get("state") == "finished":
        logger.info("%s is finished already", directory.path)
        return
    directory.lock()
    directory.set_state("running")
    try:
        metrics = train_and_judge(cfg, directory)
    except KeyboardInterrupt:
        directory.set_state("preempted", f"interrupted; go on with hydra.run.dir={directory.path}")
        raise
    except BaseException as error:
        directory.set_state("failed", f"{type(error).__name__}: {error}")
        raise
    directory.set_state("finished")
    print(closing_words(metrics, directory))


def train_and_judge(cfg: DictConfig, directory: RunDirectory) -> dict:
    """The run's steps in order; returns metrics.json."""
    config = plain(cfg)
    experiment = assemble(cfg)
    check_sizes(experiment)
    corpus = experiment.source.load()
    logger.info("corpus %s", corpus.describe())
    learner = make_learner(experiment, corpus, config)
    state = resumption(directory, config)
    if state:
        resume(learner, state, directory)
    record = RunRecord(directory.path, experiment.wandb)
    name_fields = {"latent_dim": learner.model.latent_dim, "max_beta": experiment.beta_schedule.final_beta}
    experiment.wandb.start(directory.path, learner.run_id, config, name_fields)
    record.rewind(learner.step)
    exit_code = 1
    try:
        checkpoints = Checkpoints(directory.checkpoints, experiment.trainer.checkpoint_every)
        experiment.trainer.fit(
            learner,
            experiment.loss,
            experiment.beta_schedule,
            corpus,
            experiment.source.augment,
            record,
            checkpoints,
            draw=EpochPictures(learner, corpus, directory.images, record, experiment.trainer.device),
        )
        metrics = judge(directory, experiment, corpus, record)
        record.artifact(checkpoints.path(files.BEST), name="vae_best", type="model")
        exit_code = 0
    finally:
        record.close(exit_code)
    write_report(directory.path)
    return metrics


def make_learner(experiment: Experiment, corpus: Corpus, config: dict) -> Learner:
    """Model on its device, optimizer and schedule over it."""
    # Convolutions run faster channels last: a third on the CPU it was measured on, more on tensor cores.
    model = experiment.model.to(experiment.trainer.device, memory_format=torch.channels_last)
    steps_per_epoch = len(corpus.train) // experiment.trainer.batch_size
    optimizer, scheduler = complete(experiment, steps_per_epoch)
    return Learner(
        model, optimizer, scheduler, experiment.early_stopping, config, corpus.sha256, run_id=config["run_id"]
    )


def resume(learner: Learner, state: dict, directory: RunDirectory) -> None:
    """Put the learner where the checkpoint left off."""
    refuse_other_corpus(learner.corpus_sha256, state, directory.checkpoints / files.LAST)
    learner.load_state_dict(state)
    learner.run_id = state["run_id"]
    logger.info("resuming %s after epoch %d", directory.path, learner.epoch)


def refuse_other_corpus(sha256: str, state: dict, checkpoint: Path) -> None:
    """A checkpoint belongs to the grids it was trained on."""
    if state["corpus_sha256"] != sha256:
        raise UserError(
            f"{checkpoint} was trained on a corpus with sha256 {state['corpus_sha256'][:12]}, the configured one "
            f"now has {sha256[:12]}; restore that corpus or start a new run"
        )


class EpochPictures:
    """Reconstructions of the same validation grids and decodings of the same prior draws, as training goes."""

    def __init__(self, learner: Learner, corpus: Corpus, directory: Path, record: RunRecord, device: torch.device):
        self.learner = learner
        self.directory = directory
        self.record = record
        self.grids = torch.from_numpy(corpus.val[:NUM_PAIRS]).to(device)
        # A generator of its own: drawing pictures leaves training's random numbers as they were.
        generator = torch.Generator().manual_seed(0)
        self.z = torch.randn(NUM_SAMPLES, learner.model.latent_dim, generator=generator).to(device)

    def __call__(self, epoch: int) -> None:
        model = self.learner.model
        self.directory.mkdir(exist_ok=True)
        reconstructions = self.directory / f"reconstructions_epoch_{epoch}.png"
        draw_reconstructions(
            self.grids.cpu().numpy(), reconstruct(model, self.grids).predicted.cpu().numpy(), reconstructions
        )
        samples = self.directory / f"samples_epoch_{epoch}.png"
        draw_samples(decode_grids(model.decoder, self.z).cpu().numpy(), samples)
        self.record.image("reconstructions", reconstructions, self.learner.step)
        self.record.image("samples", samples, self.learner.step)


def judge(directory: RunDirectory, experiment: Experiment, corpus: Corpus, record: RunRecord | None = None) -> dict:
    """Evaluate the best checkpoint on the test split; write metrics.json and the closing pictures."""
    best_file = directory.checkpoints / files.BEST
    best = files.load(best_file, {"model_state_dict", "corpus_sha256", "epoch"}, "the vae_best.pth of an arc_vae run")
    last = files.load(directory.checkpoints / files.LAST, {"epoch", "seconds"}, "the last.pth of an arc_vae run")
    refuse_other_corpus(corpus.sha256, best, best_file)
    device = experiment.trainer.device
    # In training's own memory layout, so that evaluating again gives the same sums to the last digit.
    model = experiment.model.to(device, memory_format=torch.channels_last)
    model.load_state_dict(best["model_state_dict"])
    evaluation = evaluate(model.eval(), corpus, experiment.criteria, device)
    beta = experiment.beta_schedule.final_beta
    metrics = {
        **evaluation.metrics,
        "beta": beta,
        "beta_effective": experiment.loss.effective_beta(beta, model.latent_dim),
        "epochs": last["epoch"],
        "best_epoch": best["epoch"],
        "seconds": last["seconds"],
        "corpus": {
            "name": corpus.name,
            "sha256": corpus.sha256,
            "sizes": corpus.sizes,
            "background_share": corpus.background_share,
            "shared_grids": corpus.shared_grids,
        },
        "versions": versions(),
        "git": git_state(),
    }
    pictures = draw_closing_pictures(directory, corpus, evaluation)
    write_json(directory.metrics_file, metrics)
    if record:
        for path in pictures:
            record.image(path.stem, path, last["step"])
        record.summary(metrics)
        record.artifact(directory.metrics_file, name="metrics", type="metrics")
    return metrics


def draw_closing_pictures(directory: RunDirectory, corpus: Corpus, evaluation: Evaluation) -> list[Path]:
    """PCA and t-SNE of the test embeddings, and interpolations between test grids."""
    draw_latent_space(evaluation.mu, count_objects(corpus.test), dominant_color(corpus.test), directory.path)
    interpolations = directory.images / "interpolations.png"
    directory.images.mkdir(exist_ok=True)
    draw_interpolations(evaluation.paths[:NUM_PATHS], interpolations)
    return [directory.path / "latent_space_pca.png", directory.path / "latent_space_tsne.png", interpolations]


def closing_words(metrics: dict, directory: RunDirectory) -> str:
    """The verdict table, where everything lies, and what to launch for what failed."""
    words = [verdict_table(metrics), "", f"run directory: {directory.path}"]
    if metrics["passed"]:
        words.append("all four criteria pass")
    overrides = "".join(f" {shlex.quote(override)}" for override in directory.overrides())
    for sweep in metrics["fallback"]:
        words.append(f"a sweep that answers what failed: python -m arc_vae.train -m fallback={sweep}{overrides}")
    return "\n".join(words)
