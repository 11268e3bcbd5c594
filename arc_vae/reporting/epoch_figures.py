"""The pictures that show training as it goes."""

from pathlib import Path

import torch

from arc_vae.corpus.corpus import Corpus
from arc_vae.models.decoding import decode_grids
from arc_vae.reporting.drawing import only_a_picture
from arc_vae.reporting.grid_figures import SAMPLES_SHOWN, draw_samples, visualize_reconstructions
from arc_vae.tracking.metrics_log import MetricsLog
from arc_vae.training.state import TrainingState

NUM_PAIRS = 16


class EpochFigures:
    """Reconstructions of the same validation grids and decodings of the same prior draws, as training goes."""

    def __init__(self, state: TrainingState, corpus: Corpus, directory: Path, record: MetricsLog, device: torch.device):
        self.state = state
        self.directory = directory
        self.record = record
        self.grids = torch.from_numpy(corpus.val[:NUM_PAIRS]).to(device)
        # A generator of its own: drawing pictures leaves training's random numbers as they were.
        generator = torch.Generator().manual_seed(0)
        self.z = torch.randn(SAMPLES_SHOWN, state.model.latent_dim, generator=generator).to(device)

    def __call__(self, epoch: int) -> None:
        """Draw both and send them to W&B; training goes on where that cannot be done."""
        with only_a_picture(f"what epoch {epoch} decodes"):
            self._draw(epoch)

    def _draw(self, epoch: int) -> None:
        model = self.state.model
        self.directory.mkdir(exist_ok=True)
        reconstructions = self.directory / f"reconstructions_epoch_{epoch}.png"
        visualize_reconstructions(model, [self.grids], len(self.grids), reconstructions)
        samples = self.directory / f"samples_epoch_{epoch}.png"
        draw_samples(decode_grids(model.decoder, self.z).cpu().numpy(), samples)
        self.record.image("reconstructions", reconstructions, self.state.step)
        self.record.image("samples", samples, self.state.step)
