"""From files to networks. A file of another's making is data: nothing in it runs, nothing that it names is read."""

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from arc_vae.api.networks import Networks
from arc_vae.common.errors import UserError, require
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.instantiate import check_targets, instantiate_group
from arc_vae.configuration.paths import conf_dir
from arc_vae.models import GaussianVAE
from arc_vae.models.saved import import_model_class, load_weights, refuse_strange_halves
from arc_vae.operations.store import FILE_NAME as OPERATORS
from arc_vae.operations.store import load_operators
from arc_vae.training.checkpoint_files import BEST

WHAT = "a checkpoint of arc_vae (a run directory, vae_best.pth, encoder.pth or decoder.pth)"

# A reference to another key, `${model.latent_dim}`; what else `${…}` can say calls a resolver, which may read anything.
PLAIN_REFERENCE = re.compile(r"\$\{[\w.]+\}")


def open_networks(path: Path, trust: Sequence[str]) -> Networks:
    """The networks that a run directory, a folder of checkpoints or a checkpoint holds, with their weights, on the CPU.

    Raises:
        UserError: nothing there, a foreign file, or a class that neither arc_vae nor a module of `trust` defines.
    """
    require(not isinstance(trust, str), "trust", trust, "a list of module names, as in trust=['mine']")
    if path.is_file():
        return _open_file(path, trust)
    if not path.exists():
        raise UserError(f"{path} does not exist; give the path of {WHAT}")
    for folder in (path / "checkpoints", path):
        if (folder / BEST).is_file():
            return _open_file(folder / BEST, trust)
    for folder in (path / "checkpoints", path):
        found = [folder / name for name in ("encoder.pth", "decoder.pth") if (folder / name).is_file()]
        if found:
            return _open_parts([_open_file(file, trust) for file in found], folder)
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
    trusted = _is_of(name, trust)
    part = (_class_of(name, trust, path) if trusted else import_model_class(name, str(path)))(**state["arguments"])
    load_weights(part, state["state_dict"], path)
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
    _refuse_resolvers(state["config"], str(path))
    config = OmegaConf.create(state["config"])
    try:
        node = OmegaConf.to_container(config.model, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(f"{path}: its config.model cannot be resolved: {str(error).splitlines()[0]}") from error
    _check_classes(node, path, trust)
    # That node alone: of the others nothing is built.
    network = instantiate_group(OmegaConf.create({"model": node}), "model")
    latent_dim, encode, decode = (getattr(network, name, None) for name in ("latent_dim", "encode", "decode"))
    if not (isinstance(network, nn.Module) and isinstance(latent_dim, int) and encode and decode):
        raise UserError(f"{path}: its config.model is no VAE; a model has latent_dim, encode(grids) and decode(z)")
    load_weights(network, state["model_state_dict"], path)
    load_operators(path.with_name(OPERATORS), network)
    return Networks(path, latent_dim, network, encode, decode)


def _refuse_resolvers(node: Any, where: str) -> None:
    """Refuse plain containers with an interpolation, at any depth, that is not a reference to another key."""
    if isinstance(node, dict):
        node = [*node.keys(), *node.values()]
    if isinstance(node, (list, tuple)):
        for child in node:
            _refuse_resolvers(child, where)
    elif isinstance(node, str) and "${" in PLAIN_REFERENCE.sub("", node):
        raise UserError(f"{where}: its config says {node}; only references to other keys, ${{key}}, are resolved")


def _check_classes(node: Any, path: Path, trust: Sequence[str]) -> None:
    """Refuse a model's node that would build, at any depth, other than `conf/model/` names or `trust` defines."""
    if isinstance(node, dict):
        target = node.get("_target_")
        if isinstance(target, str) and _is_of(target, trust):
            _class_of(target, trust, path)
        elif target is not None and target not in _model_targets():
            check_targets({"_target_": target}, str(path))
            raise UserError(f"{path}: its config.model names _target_={target}, which is no model")
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _check_classes(child, path, trust)


def _model_targets() -> set[str]:
    return {OmegaConf.select(OmegaConf.load(file), "_target_") for file in (conf_dir() / "model").glob("*.yaml")}


def _is_of(name: str, trust: Sequence[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in trust)


def _class_of(name: str, trust: Sequence[str], path: Path) -> type:
    """The class of that full name, which a trusted module itself defines: not one that it merely imports."""
    module_name, _, class_name = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{path} names {name}, which cannot be imported: {error}") from error
    if not isinstance(found, type) or not _is_of(f"{found.__module__}.{found.__qualname__}", trust):
        raise UserError(f"{path} names {name}, which is no class that {', '.join(trust)} defines")
    return found
