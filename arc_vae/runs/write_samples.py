"""Samples of the prior as files: samples.npz and samples.png."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from arc_vae.common.errors import UserError, require
from arc_vae.common.files import write_atomically
from arc_vae.common.grids import CELLS
from arc_vae.common.inside import refuse_links_outside
from arc_vae.common.room import refuse_without_memory
from arc_vae.models.float64 import refuse_without_float64
from arc_vae.models.sampling import generate_samples
from arc_vae.models.saved import load_module
from arc_vae.reporting.grid_figures import draw_samples
from arc_vae.training.device import configure_process, resolve_device

MAX_SEED = 2**63 - 1  # torch's generators


def write_samples(cfg: DictConfig) -> None:
    """Decode as `conf/generate_samples.yaml` says, write both files and say where they are.

    Raises:
        UserError: a value out of range, no decoder or a foreign file.
    """
    configure_process()
    # `passes` is the old name of refinement_steps.
    steps = cfg.refinement_steps if cfg.passes is None else cfg.passes
    is_count = isinstance(cfg.num_samples, int) and cfg.num_samples >= 1
    require(is_count, "num_samples", cfg.num_samples, "an integer of at least 1")
    refuse_without_memory("num_samples", cfg.num_samples, 2 * CELLS * cfg.num_samples)
    seed_fits = isinstance(cfg.seed, int) and 0 <= cfg.seed <= MAX_SEED
    require(seed_fits, "seed", cfg.seed, f"an integer from 0 to {MAX_SEED}")
    name = "refinement_steps" if cfg.passes is None else "passes"
    require(isinstance(steps, int) and steps >= 0, name, steps, "an integer of at least 0")
    decoder_file, output = sources(cfg)
    if cfg.run is not None:
        refuse_links_outside(Path(str(cfg.run)))
    decoder, device = load_module(decoder_file), resolve_device(cfg.device)
    refuse_without_float64(decoder, device)
    encoder = load_module(decoder_file.with_name("encoder.pth")) if steps else None
    grids = generate_samples(decoder, cfg.num_samples, str(device), cfg.seed, encoder, steps).cpu().numpy()
    output.mkdir(parents=True, exist_ok=True)
    write_atomically(output / "samples.npz", lambda file: np.savez_compressed(file, grids=grids))
    draw_samples(grids, output / "samples.png")
    print(f"wrote {output / 'samples.npz'} (grids, uint8 {grids.shape}) and {output / 'samples.png'}")


def sources(cfg: DictConfig) -> tuple[Path, Path]:
    """The decoder's file and the folder to write to."""
    if (cfg.run is None) == (cfg.decoder is None):
        raise UserError("give one of run=<run directory> and decoder=<path of a decoder.pth>")
    run = None if cfg.run is None else Path(str(cfg.run))
    decoder = run / "checkpoints" / "decoder.pth" if run else Path(str(cfg.decoder))
    return decoder, Path(str(cfg.output)) if cfg.output is not None else run or decoder.parent
