"""arc_vae in Python: load a trained model and work with its codes, compose configurations, train, plot grids.

    >>> import arc_vae
    >>> model = arc_vae.load(run_directory)                # or a vae_best.pth, an encoder.pth, a folder of them
    >>> grids = model.sample(6, seed=0)                    # z ~ N(0, I) decoded: uint8 (6, 16, 16)
    >>> posterior = model.encode(grids)                    # .mu, .sigma, .logvar: float32 (6, 10)
    >>> decoded = model.decode(posterior.mu)               # uint8 (6, 16, 16): what model.reconstruct(grids) gives
    >>> way = model.interpolate(grids[0], grids[1], steps=7)                # uint8 (8, 16, 16)
    >>> figure = arc_vae.plot([*grids, *way], path="grids.png")
    >>> cfg = arc_vae.compose(["experiment=object_slots", "model.latent_dim=12"])
    >>> directory, metrics = arc_vae.run(overrides)        # as python -m arc_vae.train, in a process of its own

Integers are grids, floats are codes; numpy arrays give numpy arrays, torch tensors torch tensors, one grid one grid.
Mistakes raise `arc_vae.UserError` with one sentence. No call changes the process: threads, random numbers, rounding,
signals, Hydra's state and an open W&B run stay as they were.
"""

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from arc_vae.common.errors import InvalidValue, UserError

if TYPE_CHECKING:
    import torch
    from matplotlib.figure import Figure
    from omegaconf import DictConfig

    from arc_vae.api.model import Model


def load(path: str | PathLike[str], device: "str | torch.device" = "auto", trust: Sequence[str] = ()) -> "Model":
    """The trained model of a run directory, ready to encode and decode.

    Args:
        path: a run directory, of which `checkpoints/vae_best.pth` is taken; a folder of checkpoints; or any one
            checkpoint, an encoder.pth or a decoder.pth included, which then does its half.
        device: where it computes: "auto" (the GPU where there is one), "cpu", "cuda".
        trust: names of your own modules, importable here, whose classes the checkpoint may name and so run.
            Of others' files nothing runs: they are data, read with `weights_only=True`.

    Raises:
        UserError: nothing there, a foreign file, or a class that neither arc_vae nor `trust` defines.

    >>> load(run_directory).latent_dim
    10
    """
    from arc_vae.api.model import Model
    from arc_vae.api.opening import open_networks
    from arc_vae.training.device import resolve_device
    from arc_vae.training.process_kept import process_kept, random_numbers_kept

    if not isinstance(path, (str, PathLike)):
        raise InvalidValue("path", repr(path), "the path of a run directory or a checkpoint")
    with process_kept(), random_numbers_kept():
        return Model(open_networks(Path(path).expanduser(), trust).to(resolve_device(str(device))))


def compose(overrides: Sequence[str] = ()) -> "DictConfig":
    """The configuration that `python -m arc_vae.train` would train under these overrides, checked as it is there.

    Raises:
        UserError: a misspelt key or a wrong value, with the nearest right one.

    >>> compose(["experiment=object_slots", "model.latent_dim=12"]).model.latent_dim
    12
    """
    from arc_vae.api.composition import composed, listed

    return composed(listed(overrides))[0]


class FinishedRun(NamedTuple):
    """A finished run: its directory, absolute, and what its metrics.json says."""

    directory: Path
    metrics: dict[str, Any]


class RunFailed(RuntimeError):
    """A run that did not finish, in the sentence that it ended with; `directory` is what it left, None if nothing."""

    def __init__(self, sentence: str, directory: Path | None):
        super().__init__(sentence)
        self.directory = directory


def run(overrides: Sequence[str] = ()) -> FinishedRun:
    """Train and judge one model as `python -m arc_vae.train` does, in a child process, its log and bar shown.

    Relative paths, `outputs/` among them, count from the current folder. Ctrl-C saves the run, then interrupts.

    Returns:
        The run's directory and its metrics; of a run that is finished already (`hydra.run.dir=…`), those it has.

    Raises:
        UserError: what the command refuses, before any work. RunFailed: what went wrong later.

    >>> directory, metrics = run(overrides)
    >>> (directory / "checkpoints" / "vae_best.pth").is_file(), 0 < metrics["pixel_accuracy"] <= 1
    (True, True)
    """
    from arc_vae.api.child_process import run_module
    from arc_vae.api.composition import composed, listed
    from arc_vae.runs.run_directory import RunDirectory

    overrides = listed(overrides)
    cfg, hydra = composed(overrides)
    if hydra.mode is not None and hydra.mode.name == "MULTIRUN":
        raise InvalidValue("hydra.mode", "MULTIRUN", "RUN; sweeps are the command line's, python -m arc_vae.train -m")
    # Time and id of the directory are drawn here, so that it is known. Hydra reads quoted text as it is.
    directory = RunDirectory(str(hydra.run.dir if cfg.get("resume") is None else cfg.resume))
    known = [f"hydra.run.dir={_quoted(str(directory.path))}", f"run_id={_quoted(str(cfg.run_id))}"]
    if cfg.get("resume") is not None:
        known = []  # that run's own
    given = {word.split("=")[0].lstrip("+") for word in overrides}
    ended = run_module("arc_vae.train", [*overrides, *(word for word in known if word.split("=")[0] not in given)])
    path = directory.path.resolve()
    if ended.status == 0:
        return FinishedRun(path, directory.metrics())
    words = [line.strip() for line in ended.errors.replace("\r", "\n").splitlines() if line.strip()]
    refusals = [line.removeprefix("error: ") for line in words if line.startswith("error: ")]
    if ended.status == 2 and refusals:
        raise UserError("\n".join(refusals))
    reason = directory.status().get("reason") or (words or [f"it ended with status {ended.status}"])[-1]
    raise RunFailed(f"{path} did not finish: {reason}", path if path.is_dir() else None)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def plot(grids: Any, path: str | PathLike[str] | None = None, title: str = "", columns: int = 8) -> "Figure":
    """A matplotlib figure of the grids as the reports draw them, in the colours of the ARC-AGI viewer.

    Args:
        grids: integers, numpy or torch: (16, 16); (N, 16, 16), `columns` a row; or (R, C, 16, 16), a row each of R,
            such as paths. At most 1,024 grids.
        path: where to write it as a PNG too, if anywhere.

    >>> plot(model.sample(6), path="samples.png", title="Samples").get_size_inches().round(2).tolist()
    [8.92, 1.97]
    """
    from arc_vae.api.plotting import grids_figure

    return grids_figure(grids, None if path is None else Path(path), title, columns)
