"""`python -m arc_vae.generate_samples run=<run dir> num_samples=64 [passes=1]`: decode z ~ N(0, I)."""

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from arc_vae.cli.command import command
from arc_vae.common.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def generate_samples(
    decoder: "nn.Module",
    num_samples: int = 64,
    device: str = "cpu",
    seed: int | None = None,
    encoder: "nn.Module | None" = None,
    passes: int = 0,
) -> "Tensor":
    """Grids decoded from the prior: the most likely colour of each cell, uint8 (num_samples, 16, 16).

    Args:
        decoder: an arc_vae decoder, z (B, d) → logits (B, 10, 16, 16).
        seed: of the latent draws; None draws from torch's global generator.
        encoder: the same model's; needed for passes.
        passes: how often the grids are then encoded and decoded again, which takes them to where grids are encoded
            (the Markov chain of Rezende, Mohamed & Wierstra 2014, at posterior means).

    Raises:
        UserError: passes without an encoder.
    """
    import torch

    from arc_vae.models.decoding import decode_grids, reconstruct_grids

    if passes and encoder is None:
        raise UserError(f"passes={passes}: encoding samples again takes the encoder; give it, or passes=0")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    # Drawn on the CPU, so that a seed means the same samples on every device.
    z = torch.randn(num_samples, decoder.arguments["latent_dim"], generator=generator)
    grids = decode_grids(decoder.to(device).eval(), z.to(device))
    for _ in range(passes):
        grids = reconstruct_grids(encoder.to(device).eval(), decoder, grids)
    return grids


@command("generate_samples")
def main(cfg: DictConfig) -> None:
    """Write samples.npz and samples.png."""
    import numpy as np

    from arc_vae.common.errors import require
    from arc_vae.common.files import write_atomically
    from arc_vae.models.saved import load_module
    from arc_vae.reporting.grid_figures import draw_samples
    from arc_vae.training.device import configure_process, resolve_device

    configure_process()
    require(isinstance(cfg.num_samples, int) and cfg.num_samples >= 1, "num_samples", cfg.num_samples, "at least 1")
    require(isinstance(cfg.seed, int) and cfg.seed >= 0, "seed", cfg.seed, "an integer of at least 0")
    require(isinstance(cfg.passes, int) and cfg.passes >= 0, "passes", cfg.passes, "an integer of at least 0")
    decoder_file, output = sources(cfg)
    decoder, device = load_module(decoder_file), str(resolve_device(cfg.device))
    encoder = load_module(decoder_file.with_name("encoder.pth")) if cfg.passes else None
    grids = generate_samples(decoder, cfg.num_samples, device, cfg.seed, encoder, cfg.passes).cpu().numpy()
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / "samples.npz", lambda file: np.savez_compressed(file, grids=grids))
    draw_samples(grids, output / "samples.png")
    print(f"wrote {output / 'samples.npz'} (grids, uint8 {grids.shape}) and {output / 'samples.png'}")


def sources(cfg: DictConfig) -> tuple[Path, Path]:
    """The decoder's file and the folder to write to."""
    if (cfg.run is None) == (cfg.decoder is None):
        raise UserError("give one of run=<run directory> and decoder=<path of a decoder.pth>")
    decoder = Path(cfg.decoder) if cfg.run is None else Path(cfg.run) / "checkpoints" / "decoder.pth"
    default = decoder.parent if cfg.run is None else Path(cfg.run)
    return decoder, Path(cfg.output) if cfg.output else default


if __name__ == "__main__":
    main()
