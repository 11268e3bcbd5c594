"""Going on where a checkpoint of the same run stands."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict, read_write

from arc_vae.common.commands import override, resume_command
from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.instantiate import instantiate_group, to_plain
from arc_vae.configuration.keys import flatten
from arc_vae.models import VAE
from arc_vae.models.saved import load_weights
from arc_vae.runs.evaluate_run import check_corpus_digest
from arc_vae.runs.experiment import trained_part
from arc_vae.runs.frozen_config import EPOCHS, lengthen, load_frozen_config
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training import checkpoint_keys as keys
from arc_vae.training.checkpoint_files import BEST, LAST, load_last, mend_parts
from arc_vae.training.state import TrainingState

logger = logging.getLogger(__name__)

# What may differ between an interrupted run and its resumption without making another experiment of it, and between
# a finished run and one that would be the same.
IRRELEVANT = (
    *("run_id", "resume", "wandb", "experiment", "fallback", "trust", "objective", "training.criteria_every"),
)
RESUMABLE_DIFFERENCES = (*IRRELEVANT, "criteria")

# Of a checkpoint, what going on takes.
WANTED = {
    *(keys.EPOCH, keys.STEP, keys.SECONDS, keys.MODEL, keys.OPTIMIZER, keys.SCHEDULER, keys.EARLY_STOPPING),
    *(keys.RNG, keys.CONFIG, keys.CORPUS_SHA256, keys.RUN_ID, keys.PRECISION, *keys.MEASURED),
}


def point_at_run(config: DictConfig) -> None:
    """Make of a command's configuration with `resume=<run dir>` the one of that run, in place, Hydra's node included.

    Raises:
        UserError: no run there, or another change than more epochs.
    """
    run = Path(str(config.resume))
    given = [str(word).lstrip("+") for word in config.hydra.overrides.task]
    others = [word for word in given if word.partition("=")[0] not in ("resume", "trust", EPOCHS)]
    if others:
        raise UserError(
            f"resume={run} goes on with a run as it was begun, and {others[0]} would change it: {EPOCHS} is all that "
            f"may grow; for another run that begins from its weights give {override('init_from', run)}"
        )
    frozen = load_frozen_config(run)
    if any(word.startswith(f"{EPOCHS}=") for word in given):
        lengthen(frozen, config.training.max_epochs)
    with read_write(config), open_dict(config):
        for key in [key for key in config if key not in ("hydra", "resume", "trust")]:
            del config[key]
        for key in [key for key in frozen if key not in ("resume", "trust")]:
            config[key] = frozen[key]
        config.hydra.run.dir = str(run)
        # What the run was begun with stays as it is.
        config.hydra.output_subdir = None


def first_difference(then: dict, now: dict, ignored: Collection[str]) -> tuple[str, Any, Any] | None:
    """The first key in which two configurations differ and its two values; `ignored` are keys or groups."""
    then, now = flatten(then), flatten(now)
    for key in sorted(then.keys() | now.keys()):
        if key not in ignored and key.split(".")[0] not in ignored and then.get(key) != now.get(key):
            return key, then.get(key), now.get(key)
    return None


def load_resume_checkpoint(directory: RunDirectory, config: dict) -> dict | None:
    """The checkpoint to go on from, if the directory holds one of this same experiment.

    With `resume=` in the configuration it may be one of fewer epochs.

    Raises:
        UserError: the checkpoint's configuration differs; the first difference is named.
    """
    checkpoint = load_last(directory.checkpoints, WANTED, "an arc_vae checkpoint")
    if checkpoint is None:
        return None
    then, ignored = checkpoint["config"], list(RESUMABLE_DIFFERENCES)
    if config.get("resume") is not None and (longer := epochs_added(then, config)):
        ignored += [EPOCHS, *longer]
    if different := first_difference(then, config, ignored):
        key, was, is_now = different
        raise UserError(
            f"{directory.path} was begun with {key}={was}, not {is_now}; go on with it by "
            f"{resume_command(directory.path)}, or choose another hydra.run.dir"
        )
    return checkpoint


def epochs_added(then: dict, now: dict) -> list[str] | None:
    """What `conf/` derives from the epochs, where `now` trains for more of them than `then`; None where it does not."""
    if then["training"]["max_epochs"] >= now["training"]["max_epochs"]:
        return None
    return lengthen(DictConfig(then), now["training"]["max_epochs"])


def refuse_stopped_early(checkpoint: dict, config: dict, directory: RunDirectory) -> None:
    """More epochs add nothing to a run that early stopping has ended."""
    patience, state = config["early_stopping"]["patience"], checkpoint["early_stopping"]
    if patience is not None and state["epoch"] - state["best_epoch"] >= patience:
        raise UserError(
            f"{directory.path} was ended by early stopping after epoch {state['epoch']}, as a longer run would have "
            f"been: more epochs add none; begin another from its weights with {override('init_from', directory.path)}"
        )


def refuse_other_experiment(cfg: DictConfig, directory: RunDirectory) -> None:
    """See that a finished run is of this configuration and of the corpus as it is now.

    Raises:
        UserError: it is not; what differs is named.
    """
    wanted = {"config", "corpus_sha256"}
    checkpoint = load_last(directory.checkpoints, wanted, "an arc_vae checkpoint")
    if checkpoint is None:
        return
    if different := first_difference(checkpoint["config"], to_plain(cfg), IRRELEVANT):
        key, then, now = different
        raise UserError(
            f"{directory.path} is finished with {key}={then}, not {now}; its figures are of that configuration: "
            "choose another hydra.run.dir"
        )
    corpus = trained_part(instantiate_group(cfg, "data").load(), cfg.training)
    check_corpus_digest(corpus.sha256, checkpoint, directory.checkpoints / LAST)


def resume(state: TrainingState, checkpoint: dict, directory: RunDirectory) -> None:
    """Put the state where the checkpoint left off."""
    check_corpus_digest(state.corpus_sha256, checkpoint, directory.checkpoints / LAST)
    if checkpoint["precision"] != state.precision:
        logger.warning(
            "%s was trained in %s so far, this machine goes on in %s (training.precision=auto): the weights will "
            "not be those of an uninterrupted run",
            directory.path,
            checkpoint["precision"],
            state.precision,
        )
    if state.config and checkpoint["config"] and (derived := epochs_added(checkpoint["config"], state.config)):
        logger.warning(
            "%s has trained with %s of a shorter run so far: the weights will not be those of an uninterrupted run of "
            "%d epochs",
            directory.path,
            ", ".join(derived),
            state.config["training"]["max_epochs"],
        )
    if checkpoint.get(keys.ARITHMETIC, 1) != keys.ARITHMETIC_VERSION:
        logger.warning(
            "%s was trained by another version of arc_vae so far, whose steps are computed otherwise: the weights will "
            "not be those of an uninterrupted run",
            directory.path,
        )
    mend_parts(state.model, directory.checkpoints)
    try:
        state.load_state_dict(checkpoint, directory.checkpoints / LAST)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{directory.checkpoints / LAST} cannot be gone on from ({told}): it is damaged, or of another arc_vae; "
            f"begin a run from its weights with {override('init_from', directory.path)}"
        ) from error
    state.run_id = checkpoint["run_id"]
    logger.info("resuming %s after epoch %d, step %d", directory.path, state.epoch, state.step)


def load_initial_weights(model: VAE, path: Path) -> None:
    """Give a model that has not trained yet the weights of a checkpoint, or of a run directory's best one.

    Raises:
        UserError: no checkpoint, or one of another model.
    """
    file = path / "checkpoints" / BEST if path.is_dir() else path
    what = "a checkpoint of a whole model or a run directory: init_from=<path>"
    load_weights(model, load_checkpoint(file, {"model_state_dict"}, what)["model_state_dict"], file)
