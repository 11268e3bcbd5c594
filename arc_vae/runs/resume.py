"""Going on where a checkpoint of the same run stands."""

import logging

from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.keys import flatten
from arc_vae.runs.evaluate_run import check_corpus_digest
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import LAST
from arc_vae.training.state import TrainingState

logger = logging.getLogger(__name__)

# What may differ between an interrupted run and its resumption without making another experiment of it.
RESUMABLE_DIFFERENCES = ("run_id", "wandb", "criteria", "experiment", "fallback")


def load_resume_checkpoint(directory: RunDirectory, config: dict) -> dict | None:
    """The checkpoint to go on from, if the directory holds one of this same experiment.

    Raises:
        UserError: the checkpoint's configuration differs; the first difference is named.
    """
    path = directory.checkpoints / LAST
    if not path.exists():
        return None
    checkpoint = load_checkpoint(path, {"config", "model_state_dict", "rng"}, "an arc_vae checkpoint to resume from")
    then, now = (flatten(c) for c in (checkpoint["config"], config))
    for key in sorted(then.keys() | now.keys()):
        if key.split(".")[0] not in RESUMABLE_DIFFERENCES and then.get(key) != now.get(key):
            raise UserError(
                f"{directory.path} was begun with {key}={then.get(key)}, not {now.get(key)}; resume it with the "
                "overrides in its .hydra/overrides.yaml, or choose another hydra.run.dir"
            )
    return checkpoint


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
    state.load_state_dict(checkpoint, directory.checkpoints / LAST)
    state.run_id = checkpoint["run_id"]
    logger.info("resuming %s after epoch %d, step %d", directory.path, state.epoch, state.step)
