"""What `inspect_results.ipynb` looks with: a finished run, opened on the CPU, and PNGs of its grids."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from arc_vae.common.errors import UserError
from arc_vae.common.grids import CELLS
from arc_vae.common.inside import inside, refuse_links_outside
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.foreign import open_foreign_config, read_foreign_yaml
from arc_vae.configuration.instantiate import instantiate_group
from arc_vae.evaluation.interpolation import straight_paths
from arc_vae.models.decoding import decode_grids
from arc_vae.models.saved import load_module
from arc_vae.reporting.contact_sheet import GAP, INK, MUTED, TILE, ContactSheet, save_figure
from arc_vae.runs.evaluate_run import check_corpus_digest
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import BEST

RUN_VARIABLE = "ARC_VAE_RUN"
CAPTION = 22  # pixels under a grid for one line


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A finished run: its metrics.json, the encoder and decoder of its best epoch, its test grids (N, 16, 16)."""

    path: Path
    metrics: dict
    encoder: nn.Module
    decoder: nn.Module
    test: np.ndarray

    @torch.no_grad()
    def encode(self, grids: np.ndarray) -> Tensor:
        """Grids, uint8 (N, 16, 16) → posterior means (N, d)."""
        return self.encoder(torch.from_numpy(grids)).mu

    def decode(self, z: Tensor) -> np.ndarray:
        """Latent codes (N, d) → the most likely colour of each cell, uint8 (N, 16, 16)."""
        return decode_grids(self.decoder, z).numpy()

    def reconstruct(self, grids: np.ndarray) -> np.ndarray:
        """Grids through the posterior mean and back, uint8 (N, 16, 16) both."""
        return self.decode(self.encode(grids))

    def path_between(self, first: int, last: int) -> np.ndarray:
        """The straight latent path from one test grid to another, by number, decoded: uint8 (11, 16, 16)."""
        start, end = self.encode(self.test[[first, last]]).split(1)
        return self.decode(straight_paths(start, end)[0])


def find_run(run: str | Path | None = None) -> Path:
    """The run directory to look at: $ARC_VAE_RUN, else `run`, else the newest finished one under outputs/.

    Relative paths count from the current folder or else from the project's, so that a notebook opened in its own
    folder finds what the commands wrote.

    Raises:
        UserError: none was given, and outputs/ holds no finished run.
    """
    chosen = os.environ.get(RUN_VARIABLE) or run
    if chosen:
        path = Path(chosen).expanduser()
        return path.resolve() if path.exists() else project_folder() / path
    outputs = project_folder() / "outputs"
    finished = {}
    for file in outputs.rglob("status.json"):
        with suppress(UserError):  # a damaged one is none to look at
            status = RunDirectory(file.parent).status()
            if status.get("state") == "finished":
                finished[file.parent] = status.get("time", 0)
    if not finished:
        raise UserError(
            f"{outputs} holds no finished run; train one there (python -m arc_vae.train experiment=smoke), "
            f"or set RUN or ${RUN_VARIABLE} to a run directory"
        )
    return max(finished, key=finished.__getitem__)


def project_folder() -> Path:
    """The nearest folder, from the current one upwards, that holds outputs/; the current one if none does."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "outputs").is_dir()), here)


def open_run(path: Path) -> LoadedRun:
    """Load a finished run's parts, and the corpus that its own configuration names.

    Raises:
        UserError: an unfinished run, a foreign file, or a corpus other than the one it was trained on.
    """
    directory = RunDirectory(path.resolve())
    refuse_links_outside(directory.path)
    metrics = directory.metrics()
    best_file = directory.checkpoints / BEST
    best = load_checkpoint(best_file, {"config", "corpus_sha256"}, "the vae_best.pth of an arc_vae run")
    config = open_foreign_config(best["config"], str(best_file), groups=["data"])
    folder = launch_folder(directory.path)
    for key in ("path", "directory"):
        # As if the run's folder were the current one, from which Python would import what lies there.
        if isinstance(place := config.data.get(key), str):
            config.data[key] = str(folder / Path(place).expanduser())
    corpus = instantiate_group(config, "data").load()
    check_corpus_digest(corpus.sha256, best, best_file)
    encoder, decoder = (load_module(directory.checkpoints / f"{part}.pth") for part in ("encoder", "decoder"))
    return LoadedRun(directory.path, metrics, encoder, decoder, corpus.test)


def launch_folder(run: Path) -> Path:
    """Where the run was started, which its relative paths (`datasets/`) count from; the project's if that is gone.

    A run says so itself, so that only a folder that it lies in is believed: another's run could name any.
    """
    file = run / ".hydra" / "hydra.yaml"
    if file.is_file():
        with suppress(UserError, KeyError, TypeError):
            folder = Path(read_foreign_yaml(inside(run, file))["hydra"]["runtime"]["cwd"])
            if folder.is_dir() and folder.resolve() in run.resolve().parents:
                return folder
    return project_folder()


def to_png(draw: Callable[..., None], *what: np.ndarray) -> bytes:
    """The picture that `draw(*what, path)` writes; every `draw_*` of `reporting.pictures` is such a function."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(*what, path)
        return path.read_bytes()


def draw_decoded(original: np.ndarray, reconstruction: np.ndarray, decoded: np.ndarray, path: Path) -> None:
    """Write a test grid, its reconstruction and what the sliders decode to, (16, 16) each, side by side."""
    wrong, moved = np.count_nonzero(original != reconstruction), np.count_nonzero(reconstruction != decoded)
    sheet = ContactSheet(3, row_height=TILE + GAP + CAPTION, rows=1, subheader=18)
    sheet.title("The sliders' grid beside the one they started from")
    _labelled(sheet, original, 0, "test grid", "")
    _labelled(sheet, reconstruction, 1, "reconstruction", f"cells wrong: {wrong} of {CELLS}")
    _labelled(sheet, decoded, 2, "sliders", f"cells changed: {moved}")
    save_figure(sheet.figure(), path)


def draw_path(ends: np.ndarray, points: np.ndarray, path: Path) -> None:
    """Write a decoded path (P, 16, 16) in a row, the test grids that it joins (2, 16, 16) above its ends.

    Under each point stands how many cells changed since the point before.
    """
    last = len(points) - 1
    sheet = ContactSheet(len(points), row_height=TILE + GAP + CAPTION, rows=2, subheader=18)
    sheet.title("A straight path between the latent codes of two test grids")
    for column, end in ((0, ends[0]), (last, ends[1])):
        _labelled(sheet, end, column, "test grid", "")
    for column, point in enumerate(points):
        changed = np.count_nonzero(point != points[column - 1]) if column else 0
        _labelled(sheet, point, column, f"{column / last:.1f}", f"cells changed: {changed}" if column else "", row=1)
    save_figure(sheet.figure(), path)


def _labelled(sheet: ContactSheet, grid: np.ndarray, column: int, above: str, below: str, row: int = 0) -> None:
    """Paste a grid with a line above it and one below."""
    sheet.paste(grid, column, row)
    x, y = sheet.x(column) + TILE / 2, sheet.y(row)
    sheet.text(x, y - 7, above, MUTED)
    sheet.text(x, y + TILE + 15, below, INK)
