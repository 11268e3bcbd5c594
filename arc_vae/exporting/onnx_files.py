"""`python -m arc_vae.export`: encoder.onnx and decoder.onnx of a run's best checkpoint, held against torch."""

import importlib.util
import io
import json
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

import arc_vae
from arc_vae.common.errors import UserError
from arc_vae.common.files import write_atomically, write_json
from arc_vae.common.grids import PALETTE, SIZE
from arc_vae.common.printable import printable
from arc_vae.exporting.stand_ins import stand_ins
from arc_vae.models.base import VAE
from arc_vae.models.saved import weights_digest
from arc_vae.operations.applying import encode
from arc_vae.operations.codes import slot_decoder, states_objects
from arc_vae.operations.experiment import drawn
from arc_vae.operations.restore import restore

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
# Grids and codes in one call of the check.
BATCH = 100
# Grids or codes by which a half is traced; the files take any number.
TRACED = 4
IN_PYTHON = "in Python, arc_vae.load(…) has it"


class Encoder(nn.Module):
    """uint8 grids (B, 16, 16) → mu, logvar (B, d), as a tuple."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.encoder(grids.long())
        return mu, logvar


def export(cfg: DictConfig) -> None:
    """Write both files and export.json, and say how far they are from torch.

    Raises:
        UserError: no checkpoint, or a package that is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(missing)} are not installed: pip install -e '.[export]'")
    directory, model, corpus, _ = restore(str(cfg.run), "cpu")
    folder = Path(str(cfg.output)) if cfg.output is not None else directory.path / "onnx"
    grids = drawn(torch.from_numpy(corpus.test), cfg.num_grids, seed=0)
    codes = encode(model, grids)
    codes[::2] = torch.randn(codes[::2].shape, generator=torch.Generator().manual_seed(0))
    halves = {
        "encoder": (Encoder(model.encoder), grids, "grids", ["mu", "logvar"]),
        "decoder": (model.decoder, codes, "z", ["logits"]),
    }
    told = {}
    for name, (half, given, takes, gives) in halves.items():
        content = onnx_bytes(half, given[:TRACED], takes, gives, metadata(model, name))
        if isinstance(content, str):
            told[name] = {"exported": False, "reason": content, "instead": IN_PYTHON}
            print(f"{name}: cannot be exported ({content}); {IN_PYTHON}")
            continue
        agreement = compared(half, content, given, takes)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.onnx"
        write_atomically(path, lambda file, content=content: file.write(content))  # type: ignore[misc]
        told[name] = {"exported": True, **agreement}
        words = ", ".join(f"{key} {value:.6g}" for key, value in told[name].items() if key != "exported")
        print(f"wrote {path} ({len(content) / 1e6:.1f} MB); ONNX Runtime against torch on {len(given):,}: {words}")
    if folder.is_dir():
        write_json(folder / "export.json", told)


def onnx_bytes(half: nn.Module, example: Tensor, takes: str, gives: list[str], about: dict[str, str]) -> bytes | str:
    """The half as an ONNX file for any number of grids or codes; where it cannot be, why, in a sentence."""
    quiet = io.StringIO()
    for logger in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    batch = ({0: torch.export.Dim("batch")},)
    try:
        with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet), stand_ins(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                half.eval(),
                (example,),
                input_names=[takes],
                output_names=gives,
                dynamic_shapes=batch,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # of a class of the user's own anything may come
        while error.__cause__ is not None:  # torch.onnx says step by step what it tried
            error = error.__cause__  # type: ignore[assignment]
        return printable(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
    assert program is not None
    program.model.metadata_props.update(about)
    return program.model_proto.SerializeToString()


def metadata(model: VAE, half: str) -> dict[str, str]:
    """What a reader of the file needs: shapes, colours, what the dimensions are, and where it came from."""
    shapes = {
        "encoder": f"grids uint8 (batch, {SIZE}, {SIZE}), cells 0-9 → mu, logvar float32 (batch, {model.latent_dim})",
        "decoder": f"z float32 (batch, {model.latent_dim}) → logits float32 (batch, 10, {SIZE}, {SIZE}) by colour",
    }
    return {
        "arc_vae.version": arc_vae.__version__,
        "arc_vae.class": type(model).__name__,
        "arc_vae.shapes": shapes[half],
        "arc_vae.palette": json.dumps(PALETTE),
        "arc_vae.latent_layout": json.dumps(latent_layout(model)),
        "arc_vae.weights": weights_digest(model.state_dict()),
    }


def latent_layout(model: VAE) -> dict[str, Any]:
    """Which dimensions of a code say what."""
    if not states_objects(model):
        return {"latent_dim": model.latent_dim, "dimensions": "one code of the whole grid"}
    slots = slot_decoder(model).num_slots
    return {
        "latent_dim": model.latent_dim,
        "num_slots": slots,
        "dimensions": f"of n objects (1 to {slots}), largest first: the first n say place, size, symmetry and colour; "
        f"the next says stop, unless n is {slots}; the others are the shapes', every n-th one object's",
    }


def compared(half: nn.Module, content: bytes, given: Tensor, takes: str) -> dict[str, float]:
    """The largest differences between ONNX Runtime and torch on grids (N, 16, 16) or codes (N, d)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    largest: dict[str, float] = {}
    same, cells = 0, 0
    for part in given.split(BATCH):
        with torch.no_grad():
            wanted = half(part)
        outputs = session.run(None, {takes: part.numpy()})
        for output, found, torchs in zip(
            session.get_outputs(), outputs, wanted if isinstance(wanted, tuple) else (wanted,), strict=True
        ):
            if not (np.isfinite(found).all() and torchs.isfinite().all()):
                raise UserError(f"{output.name} is not finite in ONNX Runtime or in torch: the weights are damaged")
            off = float(np.abs(found - torchs.numpy()).max())
            largest[output.name] = max(largest.get(output.name, 0.0), off)
        if takes == "z":
            same += int((outputs[0].argmax(1) == wanted.argmax(1).numpy()).sum())
            cells += wanted[:, 0].numel()
    figures = {f"largest_difference_{name}": off for name, off in largest.items()}
    return figures | ({"same_cells": same / cells} if cells else {})
