"""One run from corpus to verdict."""

import logging
import signal
from pathlib import Path

import torch
from omegaconf import DictConfig

from arc_vae.corpus.corpus import Corpus
from arc_vae.experiment import Experiment, assemble, check_sizes, complete, plain, resumption
from arc_vae.judging import closing_words, judge, refuse_other_corpus
from arc_vae.models import GaussianVAE
from arc_vae.reporting.record import RunRecord
from arc_vae.reporting.report import write_report
from arc_vae.run_directory import RunDirectory
from arc_vae.training import checkpoints as files
from arc_vae.training.checkpoints import Checkpoints
from arc_vae.training.epoch_pictures import EpochPictures
from arc_vae.training.hardware import use_machine_well
from arc_vae.training.interruption import Interrupted
from arc_vae.training.learner import Learner

logger = logging.getLogger(__name__)

# Grids of the train split that tell whether a model suits it.
LOOKED_AT = 2000


def run(cfg: DictConfig, output_dir: str | Path, again: str | None = None) -> None:
    """Train, judge and report in one run directory; go on where a checkpoint of the same run stands.

    `again` is the command that goes on after a stop; without it, the one that began the run.
    """
    directory = RunDirectory(output_dir)
    again = again or f"the same command with hydra.run.dir={directory.path}"
    if directory.state == "finished":
        logger.info("%s is finished already", directory.path)
        return
    directory.lock()
    directory.set_state("running")
    try:
        metrics = train_and_judge(cfg, directory)
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
        directory.set_state("failed", f"{type(error).__name__}: {error}")
        raise
    directory.set_state("finished")
    write_report(directory.path)
    print(closing_words(metrics, directory))


def train_and_judge(cfg: DictConfig, directory: RunDirectory) -> dict:
    """The run's steps in order; returns metrics.json."""
    use_machine_well()
    config = plain(cfg)
    experiment = assemble(cfg)
    check_sizes(experiment)
    corpus = experiment.source.load()
    logger.info("corpus %s", corpus.describe())
    warn_of_unfinished_schedule(experiment)
    learner = make_learner(experiment, corpus, config)
    state = resumption(directory, config)
    if state:
        resume(learner, state, directory)
    else:
        learner.model.look_at(torch.from_numpy(corpus.train).to(experiment.trainer.device))
    warn_of_misfit(learner.model, corpus)
    record = RunRecord(directory.path, experiment.wandb)
    name_fields = {"latent_dim": learner.model.latent_dim, "max_beta": experiment.beta_schedule.final_beta}
    record.rewind(learner.step)
    experiment.wandb.start(directory.path, learner.run_id, config, name_fields)
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
    return metrics


def warn_of_unfinished_schedule(experiment: Experiment) -> None:
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


def warn_of_misfit(model: GaussianVAE, corpus: Corpus) -> None:
    """Say when the model as configured does not suit the corpus, going by some of its grids."""
    some = torch.from_numpy(corpus.train[:LOOKED_AT]).to(next(model.parameters()).device)
    if misfit := model.misfit(some):
        logger.warning(misfit)


def make_learner(experiment: Experiment, corpus: Corpus, config: dict) -> Learner:
    """Model on its device, optimizer and schedule over it."""
    # Convolutions run faster channels last: a third on the CPU it was measured on, more on tensor cores.
    model = experiment.model.to(experiment.trainer.device, memory_format=torch.channels_last)
    steps_per_epoch = len(corpus.train) // experiment.trainer.batch_size
    optimizer, scheduler = complete(experiment, steps_per_epoch)
    return Learner(
        model,
        optimizer,
        scheduler,
        experiment.early_stopping,
        config,
        corpus.sha256,
        run_id=config["run_id"],
        precision=experiment.trainer.precision,
    )


def resume(learner: Learner, state: dict, directory: RunDirectory) -> None:
    """Put the learner where the checkpoint left off."""
    refuse_other_corpus(learner.corpus_sha256, state, directory.checkpoints / files.LAST)
    if state["precision"] != learner.precision:
        logger.warning(
            "%s was trained in %s so far, this machine goes on in %s (training.precision=auto): the weights will "
            "not be those of an uninterrupted run",
            directory.path,
            state["precision"],
            learner.precision,
        )
    learner.load_state_dict(state, directory.checkpoints / files.LAST)
    learner.run_id = state["run_id"]
    logger.info("resuming %s after epoch %d, step %d", directory.path, learner.epoch, learner.step)
