"""One run from corpus to verdict: `run_training` and `train_and_evaluate` read as the numbered list of its steps."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig

from arc_vae.common.commands import resume_command
from arc_vae.common.errors import UserError, disk_error
from arc_vae.common.finite import NonFinite
from arc_vae.common.printable import printable
from arc_vae.corpus.corpus import Corpus
from arc_vae.models import VAE
from arc_vae.reporting.drawing import only_a_picture
from arc_vae.reporting.epoch_figures import EpochFigures
from arc_vae.reporting.run_report import write_report
from arc_vae.reporting.verdict_text import fallback_command
from arc_vae.runs.evaluate_run import evaluate_run, format_summary
from arc_vae.runs.experiment import Experiment, build_optimizer
from arc_vae.runs.prepare import PreparedRun, is_finished, prepare_run, take_prepared
from arc_vae.runs.resume import resume
from arc_vae.runs.run_directory import INSTABILITY, RunDirectory
from arc_vae.tracking.metrics_log import MetricsLog
from arc_vae.training.checkpoint_files import BEST, LAST, CheckpointWriter, numbered_checkpoints
from arc_vae.training.profiling import profiled
from arc_vae.training.short_runs import cap_warmups, longest_warmup, warn_of_short_run
from arc_vae.training.signals import Stopped, stopped_by_signals
from arc_vae.training.state import TrainingState

logger = logging.getLogger(__name__)

# Grids of the train split that tell whether a model suits it.
GRIDS_LOOKED_AT = 2000
# Format of the first checkpoints of runs whose warm-ups fit their length.
CUTS_WARMUPS = 2


def run_training(cfg: DictConfig, output_dir: str | Path, command: str | None = None, wait_seconds: float = 0) -> dict:
    """What metrics.json says, having trained, judged and reported; it goes on where a checkpoint of the run stands.

    `command` goes on after a stop; without it, `train resume=` does. Waits so long for another process to leave.
    """
    directory = RunDirectory(output_dir)
    # 1 claim the directory (done where a command prepared the run)
    prepared = take_prepared(directory.path)
    if prepared is None and is_finished(cfg, directory):
        logger.info("%s is finished already", directory.path)
        return directory.metrics()
    directory.acquire(wait_seconds)
    try:
        with recorded_state(directory, command or resume_command(directory.path)):
            # 2 build the parts, read the checkpoint (done likewise)
            metrics = train_and_evaluate(prepared or prepare_run(cfg, directory))
        # 10 state, report, words
        directory.set_state("finished")
        with only_a_picture("report.html"):
            write_report(directory.path)
        print(printable(format_summary(metrics, directory)))
        return metrics
    finally:
        directory.release()


@contextmanager
def recorded_state(directory: RunDirectory, command: str) -> Iterator[None]:
    """Keep status.json true while a run goes on, and say in it how the run was stopped or failed."""
    try:
        directory.set_state("running")
        with stopped_by_signals():
            yield
    except (Stopped, KeyboardInterrupt) as stop:
        number = stop.signal if isinstance(stop, Stopped) else signal.SIGINT
        reason = f"stopped by {number.name}; {command} goes on"
        directory.set_state("preempted", reason)
        logger.warning(reason)
        # Sent again, now that the run is saved: submitit's handler requeues a Slurm job, else the process ends.
        signal.raise_signal(number)
        raise
    except SystemExit:
        # submitit's handler of a signal that came before training or after it: the job is in the queue again.
        directory.set_state("preempted", f"stopped outside of training; {command} goes on")
        raise
    except BaseException as error:
        refused = disk_error(error, directory.path, bytes_needed(directory))
        if refused:
            refused = UserError(f"{refused}, then {command} goes on")
        kind = failure_kind(refused or error)
        with suppress(OSError):  # a full disk takes no state either: the error says it
            directory.set_state("failed", f"{type(error).__name__}: {refused or error}", kind)
        if kind == INSTABILITY:
            print(printable(f"to launch what answers the failure ({kind}): {fallback_command(directory.path)}"))
        if refused:
            raise refused from error
        raise


def bytes_needed(directory: RunDirectory) -> int:
    """The room in which a run can go on: its next three checkpoints, where it has one already."""
    last = directory.checkpoints / LAST
    return 3 * last.stat().st_size if last.is_file() else 0


def failure_kind(error: BaseException) -> str:
    """Which of FAILURE_KINDS an error is."""
    if isinstance(error, NonFinite):
        return INSTABILITY
    return "user_error" if isinstance(error, UserError) else "error"


def train_and_evaluate(run: PreparedRun) -> dict:
    """The run's steps in order; returns metrics.json."""
    directory, experiment = run.directory, run.experiment
    # 3 the corpus
    corpus = experiment.load_corpus()
    logger.info("corpus %s", corpus.describe())
    warn_if_schedule_unfinished(experiment)
    # Runs begun before warm-ups were cut go on with those they were begun with.
    if not run.checkpoint or run.checkpoint.get("format", 1) >= CUTS_WARMUPS:
        experiment = fit_to_length(experiment, corpus)
    # 4 model, optimizer and schedule
    state = build_training_state(experiment, corpus, run.config)
    # 5 go on, or fit what is not learnt by gradients
    if run.checkpoint:
        warn_if_warmups_grew(run, corpus)
        resume(state, run.checkpoint, directory)
    elif run.config.get("init_from") is None:
        state.model.fit_prior(torch.from_numpy(corpus.train).to(experiment.trainer.device))
    # 6 warn
    warn_if_model_unsuited(state.model, corpus)
    # 7 the logs, cut back to where training goes on
    log = open_logs(directory, experiment, state)
    exit_code = 1
    try:
        # 8 fit
        checkpoints = CheckpointWriter(directory.checkpoints, experiment.trainer.checkpoint_every)
        figures = EpochFigures(state, corpus, directory.images, log, experiment.trainer.device)
        augment = experiment.source.augment
        with profiled(directory.path, experiment.trainer.profile):
            experiment.trainer.fit(
                state, experiment.loss, experiment.beta_schedule, corpus, augment, log, checkpoints, draw=figures
            )
        # 9 evaluate the best epoch
        metrics = evaluate_run(directory, experiment, corpus, log)
        log.artifact(checkpoints.path(BEST), name="vae_best", type="model")
        exit_code = 0
    finally:
        log.close(exit_code)
    return metrics


def open_logs(directory: RunDirectory, experiment: Experiment, state: TrainingState) -> MetricsLog:
    """metrics.jsonl without records of steps after the checkpoint, and the W&B run."""
    log = MetricsLog(directory.path, experiment.wandb)
    log.truncate_after(state.step)
    name_fields = {"latent_dim": state.model.latent_dim, "max_beta": experiment.beta_schedule.final_beta}
    earlier = partial(log.replay, directory.images)
    experiment.wandb.start(directory.path, state.run_id, state.config, name_fields, earlier)
    if experiment.wandb.mode != "disabled" and state.epoch:
        log.best_again(state.early_stopping.best_epoch)
    if state.epoch and experiment.wandb.mode == "offline":
        for file in numbered_checkpoints(directory.checkpoints):
            log.artifact(file, name=file.stem.rsplit("_epoch_", 1)[0], type="model")
    return log


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


def fit_to_length(experiment: Experiment, corpus: Corpus) -> Experiment:
    """The experiment with warm-ups that fit its number of steps; a warning where these are too few to learn."""
    length = experiment.length(len(corpus.train))
    warn_of_short_run(experiment.model, length)
    lr_scheduler, loss = cap_warmups(experiment.lr_scheduler, experiment.loss, length.steps)
    return replace(experiment, lr_scheduler=lr_scheduler, loss=loss)


def warn_if_warmups_grew(run: PreparedRun, corpus: Corpus) -> None:
    """Say when a run that goes on for longer was begun with shorter warm-ups than it would be now."""
    assert run.checkpoint is not None
    now = run.experiment.length(len(corpus.train))
    then = now._replace(max_epochs=run.checkpoint["config"]["training"]["max_epochs"])
    rate, loss = run.experiment.lr_scheduler, run.experiment.loss
    grown = [
        key
        for key, of_rate, of_loss in (
            ("lr_scheduler.warmup_steps", rate, None),
            ("loss.foreground_warmup_steps", None, loss),
        )
        if longest_warmup(of_rate, of_loss, then.steps) != longest_warmup(of_rate, of_loss, now.steps)
    ]
    if grown:
        logger.warning(
            "%s was begun with %s of a shorter run: the weights will not be those of an uninterrupted one of %d epochs",
            run.directory.path,
            " and ".join(grown),
            now.max_epochs,
        )


def warn_if_model_unsuited(model: VAE, corpus: Corpus) -> None:
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
