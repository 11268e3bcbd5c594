"""The files under `checkpoints/`: written whole or not at all, read without unpickling code."""

from pathlib import Path

from arc_vae.common.torch_files import save_checkpoint
from arc_vae.models.base import VAE
from arc_vae.models.saved import save_module
from arc_vae.training import checkpoint_keys as keys

LAST = "last.pth"
BEST = "vae_best.pth"
FINAL = "vae_final.pth"


class CheckpointWriter:
    """What of a run is kept, under which names.

    `last.pth` after every epoch; `vae_best.pth`, `encoder.pth` and `decoder.pth` at each new best;
    every `every` epochs `vae_epoch_{n}.pth` with its encoder and decoder; at the end `vae_final.pth`.
    """

    def __init__(self, directory: Path, every: int):
        self.directory = directory
        self.every = every

    def path(self, name: str) -> Path:
        return self.directory / name

    def save_epoch(self, state: dict, model: VAE, improved: bool) -> list[Path]:
        """Save what this epoch calls for; the returned files are worth keeping elsewhere too."""
        kept = []
        if improved:
            save_checkpoint(state, self.path(BEST))
            save_module(model.encoder, self.path("encoder.pth"))
            save_module(model.decoder, self.path("decoder.pth"))
        epoch = state[keys.EPOCH]
        if epoch % self.every == 0:
            kept = [self.path(f"{part}_epoch_{epoch}.pth") for part in ("vae", "encoder", "decoder")]
            save_checkpoint(state, kept[0])
            save_module(model.encoder, kept[1])
            save_module(model.decoder, kept[2])
        self.save_last(state)
        return kept

    def save_last(self, state: dict) -> None:
        """Save what training goes on from."""
        save_checkpoint(state, self.path(LAST))

    def save_final(self, state: dict) -> None:
        save_checkpoint(state, self.path(FINAL))
