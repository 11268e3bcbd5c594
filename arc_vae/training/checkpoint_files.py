"""The files under `checkpoints/`: written whole or not at all, read without unpickling code.

Order of writes, each on the disk before the next begins, so that whatever cuts it off can be gone on from:

1. metrics.jsonl, all records up to this epoch: a resumed run drops those after its checkpoint, and cannot invent any.
2. vae_best.pth, where the epoch is the best, then encoder.pth and decoder.pth, made of it.
3. the numbered files, every few epochs.
4. last.pth's present content under the name last_previous.pth, then the new last.pth: at every moment one of the two
   is whole, and training goes on from the newer one that is. Both are older than what 1 to 3 wrote; the epoch is
   trained again, to the same weights.
5. at the end vae_final.pth, metrics.json, and status.json with "finished".
"""

import logging
import os
from pathlib import Path

from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import load_checkpoint, save_checkpoint
from arc_vae.models.base import VAE
from arc_vae.models.saved import PART, load_weights, save_module, weights_digest
from arc_vae.training import checkpoint_keys as keys

logger = logging.getLogger(__name__)

LAST = "last.pth"
PREVIOUS = "last_previous.pth"
BEST = "vae_best.pth"
FINAL = "vae_final.pth"


class CheckpointWriter:
    """What of a run is kept, under which names.

    `last.pth` after every epoch, the one before as `last_previous.pth`; at each new best `vae_best.pth`,
    `encoder.pth` and `decoder.pth`; every `every` epochs `vae_epoch_{n}.pth` with its encoder and decoder; at the end
    `vae_final.pth`.
    """

    def __init__(self, directory: Path, every: int):
        self.directory = directory
        self.every = every

    def path(self, name: str) -> Path:
        return self.directory / name

    def save_epoch(self, state: dict, model: VAE, improved: bool) -> list[Path]:
        """Save what this epoch calls for; the returned files are worth keeping elsewhere too."""
        kept = []
        epoch = state[keys.EPOCH]
        numbered = epoch % self.every == 0
        origin = origin_of(state) if improved or numbered else {}
        if improved:
            save_checkpoint({**state, keys.DIGEST: origin["digest"]}, self.path(BEST))
            save_parts(model, self.directory, origin)
        if numbered:
            vae = self.path(f"vae_epoch_{epoch}.pth")
            save_checkpoint({**state, keys.DIGEST: origin["digest"]}, vae)
            kept = [vae, *save_parts(model, self.directory, origin, f"_epoch_{epoch}")]
        self.save_last(state)
        return kept

    def save_last(self, state: dict) -> None:
        """Save what training goes on from, and keep what it went on from until now."""
        keep_previous(self.path(LAST), self.path(PREVIOUS))
        save_checkpoint(state, self.path(LAST))

    def save_final(self, state: dict) -> None:
        save_checkpoint(state, self.path(FINAL))


def numbered_checkpoints(directory: Path) -> list[Path]:
    """The files of every few epochs, in order of their epochs."""
    return sorted(directory.glob("*_epoch_*.pth"), key=lambda file: int(file.stem.rpartition("_")[2]))


def origin_of(state: dict) -> dict:
    """What names the model of a checkpoint in the files of its halves."""
    return {"epoch": state[keys.EPOCH], "digest": weights_digest(state[keys.MODEL])}


def save_parts(model: VAE, directory: Path, origin: dict, suffix: str = "") -> list[Path]:
    """Write encoder.pth and decoder.pth of a model, with a suffix to their names; the files."""
    files = [directory / f"{part}{suffix}.pth" for part in ("encoder", "decoder")]
    save_module(model.encoder, files[0], origin)
    save_module(model.decoder, files[1], origin)
    return files


def mend_parts(model: VAE, directory: Path) -> None:
    """Make encoder.pth and decoder.pth anew of vae_best.pth, where a run was stopped between the three.

    The model is given that checkpoint's weights for it.
    """
    if not (directory / BEST).is_file():
        return
    best = load_checkpoint(directory / BEST, {"model_state_dict", "epoch"}, "the vae_best.pth of an arc_vae run")
    origin = origin_of(best)
    for name in ("encoder.pth", "decoder.pth"):
        try:
            if load_checkpoint(directory / name, set(), PART).get("origin") == origin:
                continue
        except UserError:
            pass  # damaged, or not there
        load_weights(model, best["model_state_dict"], directory / BEST)
        save_parts(model, directory, origin)
        logger.info("encoder.pth and decoder.pth made anew of %s, epoch %d", directory / BEST, best["epoch"])
        return


def keep_previous(last: Path, previous: Path) -> None:
    """Give the file its second name; `last` keeps its own, so that there is one at every moment."""
    if not last.is_file():
        return
    second = previous.with_name(f".{previous.name}.tmp")
    second.unlink(missing_ok=True)
    try:
        os.link(last, second)
    except OSError:
        return  # a file system without links: one generation
    second.replace(previous)


def has_last(directory: Path) -> bool:
    """Whether there is something to go on from."""
    return (directory / LAST).is_file() or (directory / PREVIOUS).is_file()


def load_last(directory: Path, wanted_keys: set[str], what: str) -> dict | None:
    """What training goes on from: last.pth or, where it is damaged or missing, the generation before; None without.

    Raises:
        UserError: neither can be read, or last.pth is whole and of another kind.
    """
    last, previous = directory / LAST, directory / PREVIOUS
    if not has_last(directory):
        return None
    try:
        return load_checkpoint(last, wanted_keys, what)
    except UserError as error:
        if not previous.is_file():
            raise
        state = load_checkpoint(previous, wanted_keys, what)
        logger.warning("%s; going on from %s, of epoch %s", error, previous, state.get("epoch"))
        return state
