"""One run from corpus to verdict."""

import logging
import signal
from pathlib import Path

import torch
from omegaconf import DictConfig

from arc_vae.common.errors import UserError
from arc_vae.configuration.instantiate import to_plain
from arc_vae.corpus.corpus import Corpus
from arc_vae.models import GaussianVAE
from arc_vae.reporting.epoch_figures import EpochFigures
from arc_vae.reporting.run_report import write_report
from arc_vae.runs.evaluate_run import evaluate_run, format_summary
from arc_vae.runs.experiment import Experiment, build_experiment, build_optimizer, check_split_sizes
from arc_vae.runs.resume import load_resume_checkpoint, resume
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.metrics_log import MetricsLog
from arc_vae.training.checkpoint_files import BEST, CheckpointWriter
from arc_vae.training.device import configure_process
from arc_vae.training.signals import Interrupted
from arc_vae.training.state import TrainingState
from arc_vae.training.step import NonFiniteLoss

logger = logging.getLogger(__name__)

# Grids of the train split that tell whether a model suits it.
GRIDS_LOOKED_AT = 2000


def run_training(cfg: DictConfig, output_dir: str | Path, again: str | None = None) -> None:
    """Train, judge and report in one run directory; go on where a checkpoint of the same run stands.

    `again` is the command that goes on after a stop; without it, the one that began the run.
    """
    directory = RunDirectory(output_dir)
    again = again or f"the same command with hydra.run.dir={directory.path}"
    if directory.state == "finished":
        logger.info("%s is finished already", directory.path)
        return
    directory.acquire()
    directory.set_state("running")
    try:
        metrics = train_and_evaluate(cfg, directory)
    except (Interrupted, KeyboardInterrupt) as stop:
        number = stop.signal if isinstance(stop, Interrupted) else signal.SIGINT
        reason = f"stopped by {number.name}; {again} goes on"
        directory.set_state("preempted", reason)
        logger.warning(reason)
        # To whom it was meant for: submitit requeues the job, else the process ends as the signal would have it.
        signal.raise_signal(number)
        raise
    except SystemExit:
        # submitit's handler of a signal that came before training or after it: the job is in the queue again.
        directory.set_state("preempted", f"stopped outside of training; {again} goes on")
        raise
    except BaseException as error:
        directory.set_state("failed", f"{type(error).__name__}: {error}", failure_kind(error))
        raise
    directory.set_state("finished")
    write_report(directory.path)
    print(format_summary(metrics, directory))


def failure_kind(error: BaseException) -> str:
    """Which of FAILURE_KINDS an error is."""
    if isinstance(error, NonFiniteLoss):
        return "instability"
    return "user_error" if isinstance(error, UserError) else "error"


def train_and_evaluate(cfg: DictConfig, directory: RunDirectory) -> dict:
    """The run's steps in order; returns metrics.json."""
    configure_process()
    config = to_plain(cfg)
    experiment = build_experiment(cfg)
    check_split_sizes(experiment)
    corpus = experiment.source.load()
    logger.info("corpus %s", corpus.describe())
    warn_if_schedule_unfinished(experiment)
    learner = build_training_state(experiment, corpus, config)
    state = load_resume_checkpoint(directory, config)
    if state:
        resume(learner, state, directory)
    else:
        learner.model.fit_prior(torch.from_numpy(corpus.train).to(experiment.trainer.device))
    warn_if_model_unsuited(learner.model, corpus)
    record = MetricsLog(directory.path, experiment.wandb)
    name_fields = {"latent_dim": learner.model.latent_dim, "max_beta": experiment.beta_schedule.final_beta}
    record.truncate_after(learner.step)
    experiment.wandb.start(directory.path, learner.run_id, config, name_fields)
    exit_code = 1
    try:
        checkpoints = CheckpointWriter(directory.checkpoints, experiment.trainer.checkpoint_every)
        experiment.trainer.fit(
            learner,
            experiment.loss,
            experiment.beta_schedule,
            corpus,
            experiment.source.augment,
            record,
            checkpoints,
            draw=EpochFigures(learner, corpus, directory.images, record, experiment.trainer.device),
        )
        metrics = evaluate_run(directory, experiment, corpus, record)
        record.artifact(checkpoints.path(BEST), name="vae_best", type="model")
        exit_code = 0
    finally:
        record.close(exit_code)
    return metrics


def warn_if_schedule_unfinished(experiment: Experiment) -> None:
    """Say when training ends before β has run its course: β then never is what the verdict's `beta` says."""
    wanted, given = experiment.beta_schedule.epochs, experiment.trainer.max_epochs
    if given < wanted:
        reached, final = experiment.beta_schedule(given), experiment.beta_schedule.final_beta
        logger.warning(
            "training.max_epochs=%d ends before the beta schedule's %d epochs: beta reaches %g, its final value is %g",
            given,
            wanted,
            reached,
            final,
        )


def warn_if_model_unsuited(model: GaussianVAE, corpus: Corpus) -> None:
    """Say when the model as configured does not suit the corpus, going by some of its grids."""
    some = torch.from_numpy(corpus.train[:GRIDS_LOOKED_AT]).to(next(model.parameters()).device)
    if misfit := model.suitability_warning(some):
        logger.warning(misfit)


def build_training_state(experiment: Experiment, corpus: Corpus, config: dict) -> TrainingState:
    """Model on its device, optimizer and schedule over it."""
    # Convolutions run faster channels last: a third on the CPU it was measured on, more on tensor cores.
    model = experiment.model.to(experiment.trainer.device, memory_format=torch.channels_last)
    steps_per_epoch = len(corpus.train) // experiment.trainer.batch_size
    optimizer, scheduler = build_optimizer(experiment, steps_per_epoch)
    return TrainingState(
        model,
        optimizer,
        scheduler,
        experiment.early_stopping,
        config,
        corpus.sha256,
        run_id=config["run_id"],
        precision=experiment.trainer.precision,
    )
