"""From files to networks. A file of another's making is data: nothing in it runs, nothing that it names is read."""

import re
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from arc_vae.api.networks import Networks
from arc_vae.common.errors import UserError, require
from arc_vae.common.inside import inside
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.foreign import open_foreign_config
from arc_vae.configuration.instantiate import instantiate_group
from arc_vae.configuration.trust import is_trusted, trusted_class
from arc_vae.models import GaussianVAE
from arc_vae.models.outsized import limited_to
from arc_vae.models.saved import build_part, import_model_class, load_weights, refuse_strange_halves
from arc_vae.operations.store import FILE_NAME as OPERATORS
from arc_vae.operations.store import load_operators
from arc_vae.training.checkpoint_files import BEST

WHAT = "a checkpoint of arc_vae (a run directory, vae_best.pth, encoder.pth or decoder.pth)"


def open_networks(path: Path, trust: Sequence[str]) -> Networks:
    """The networks that a run directory, a folder of checkpoints or a checkpoint holds, with their weights, on the CPU.

    Raises:
        UserError: nothing there, a foreign file, or a class that neither arc_vae nor a module of `trust` defines.
    """
    names = not isinstance(trust, str) and isinstance(trust, Sequence) and all(isinstance(name, str) for name in trust)
    require(names, "trust", trust, "a list of module names, as in trust=['mine']")
    if path.is_file():
        return _open_file(path, trust)
    if not path.exists():
        raise UserError(f"{path} does not exist; give the path of {WHAT}")
    for folder in (path / "checkpoints", path):
        if (folder / BEST).is_file():
            inside(path, folder / OPERATORS)
            return _open_file(inside(path, folder / BEST), trust)
    for folder in (path / "checkpoints", path):
        found = [folder / name for name in ("encoder.pth", "decoder.pth") if (folder / name).is_file()]
        if found:
            return _open_parts([_open_file(inside(path, file), trust) for file in found], folder)
    raise UserError(f"{path} holds no checkpoint; give the path of {WHAT}")


def _open_file(path: Path, trust: Sequence[str]) -> Networks:
    state = load_checkpoint(path, set(), WHAT)
    try:
        if {"class", "arguments", "state_dict"} <= set(state):
            return _open_part(state, path, trust)
        if {"config", "model_state_dict"} <= set(state):
            return _open_model(state, path, trust)
    except UserError:
        raise
    except Exception as error:  # a foreign file may hold anything anywhere
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{path} is not {WHAT}: its model cannot be rebuilt ({told})") from error
    raise UserError(f"{path} is not {WHAT}: it has neither config and model_state_dict nor class and state_dict")


def _open_part(state: dict, path: Path, trust: Sequence[str]) -> Networks:
    name = str(state["class"])
    trusted = is_trusted(name, trust)
    kind = trusted_class(name, trust, str(path)) if trusted else import_model_class(name, str(path))
    part = build_part(kind, state, path)
    # By the class's name; by the file's where that does not tell.
    told = re.findall("encoder|decoder", f"{name.rpartition('.')[2]} {path.name}".lower())
    if not told:
        raise UserError(f"{path} holds a {name}; name the class or the file an encoder or a decoder")
    encode, decode = (part, None) if told[0] == "encoder" else (None, part)
    return Networks(path, int(state["arguments"]["latent_dim"]), part, encode, decode)


def _open_parts(parts: list[Networks], folder: Path) -> Networks:
    if len(parts) == 1:
        return parts[0]
    refuse_strange_halves(folder)
    encoder, decoder = parts
    if encoder.latent_dim != decoder.latent_dim:
        raise UserError(f"{folder}: encoder.pth has {encoder.latent_dim} dimensions, decoder.pth {decoder.latent_dim}")
    network = GaussianVAE(encoder.latent_dim, encoder.module, decoder.module)
    return Networks(folder, encoder.latent_dim, network, network.encode, network.decode)


def _open_model(state: dict, path: Path, trust: Sequence[str]) -> Networks:
    config = open_foreign_config(state["config"], str(path), trust, groups=["model"])
    if "model" not in config:
        raise UserError(f"{path}: its config names no model")
    # That node alone: of the others nothing is built.
    with limited_to(state["model_state_dict"], str(path)):
        network = instantiate_group(config, "model")
    latent_dim, encode, decode = (getattr(network, name, None) for name in ("latent_dim", "encode", "decode"))
    if not (isinstance(network, nn.Module) and isinstance(latent_dim, int) and encode and decode):
        raise UserError(f"{path}: its config.model is no VAE; a model has latent_dim, encode(grids) and decode(z)")
    load_weights(network, state["model_state_dict"], path)
    load_operators(path.with_name(OPERATORS), network)
    return Networks(path, latent_dim, network, encode, decode)
