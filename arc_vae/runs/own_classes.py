"""A model, loss or corpus source of the user's own, held against what a run asks of one before anything is written."""

import copy
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from arc_vae.common.errors import UserError
from arc_vae.configuration.foreign import targets_of
from arc_vae.corpus.corpus import CorpusSource
from arc_vae.evaluation.reconstruction import validation_metrics
from arc_vae.models import VAE
from arc_vae.objective import Loss
from arc_vae.training.step import STEP_METRICS

PROTOCOLS: dict[str, type] = {"model": VAE, "loss": Loss, "data": CorpusSource}
PARTS = ("encoder", "decoder")
BATCH = 4

# What a step measures beside the terms of the loss.
_MEASURED_ELSEWHERE = {"pixel_accuracy", "object_accuracy", "active_dims", "grad_norm"}


def refuse_incomplete(built: Any, group: str) -> None:
    """Refuse what lacks part of the interface of its group.

    Raises:
        UserError: lists all that is missing.
    """
    protocol = PROTOCOLS[group]
    public = [name for name in vars(protocol) if not name.startswith("_") or name == "__call__"]
    missing = [name for name in dict.fromkeys([*protocol.__annotations__, *public]) if not _has(built, name)]
    if group == "model":
        missing += [] if isinstance(built, nn.Module) else ["torch.nn.Module as a base"]
        for part in PARTS:
            module = getattr(built, part, None)
            if module is not None and not isinstance(module, nn.Module):
                missing.append(f"{part} as a torch.nn.Module")
            elif module is not None and not isinstance(getattr(module, "arguments", None), dict):
                missing.append(f"{part}.arguments")
    if missing:
        where = f"{protocol.__module__}.{protocol.__qualname__}"
        raise UserError(
            f"{group}: {type(built).__module__}.{type(built).__qualname__} lacks {', '.join(missing)}; {where} says "
            "what each does"
        )


def _has(built: Any, name: str) -> bool:
    return callable(built) if name == "__call__" else hasattr(built, name)


def try_own_classes(cfg: DictConfig, model: VAE, loss: Loss, final_beta: float) -> None:
    """Push a batch through a model or loss of the user's own, as a step and a validation do; of ours, nothing.

    The model and the random numbers stay as they were.

    Raises:
        UserError: what went wrong.
    """
    own = [group for group in ("model", "loss") if str(cfg[group].get("_target_")) not in targets_of(group)]
    if not own:
        return
    names = " and ".join(f"{group} {cfg[group]._target_}" for group in own)
    with torch.random.fork_rng(devices=[]):
        try:
            _pass_a_batch(copy.deepcopy(model), loss, final_beta)
        except Exception as error:  # the user's own code may raise anything
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"{names}: a batch of {BATCH} grids does not pass ({told}); nothing was written") from error


def _pass_a_batch(model: VAE, loss: Loss, final_beta: float) -> None:
    grids = torch.randint(10, (BATCH, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model.fit_prior(grids)
    model.train()
    output = model(grids)
    shapes = {"logits": (BATCH, 10, 16, 16), "mu": (BATCH, model.latent_dim), "logvar": (BATCH, model.latent_dim)}
    for name, shape in shapes.items():
        found = tuple(getattr(output, name).shape)
        if found != shape:
            raise ValueError(f"{name} has the shape {found}, not {shape}")
    samples = model.decode(torch.randn(1, model.latent_dim)) if loss.blank_weight > 0 else None
    weight = loss.foreground_weight(0)
    terms = loss(
        output.logits, grids, output.mu, output.logvar, torch.tensor(final_beta), torch.tensor(weight), samples
    )
    terms.total.backward()
    wanted = {name.removeprefix("train/") for name in STEP_METRICS} - _MEASURED_ELSEWHERE
    if missing := sorted(wanted - set(terms.metrics())):
        raise ValueError(f"the loss's metrics() lacks {', '.join(missing)}")
    loss.effective_beta(final_beta, model.latent_dim)
    validation_metrics(model, loss, final_beta, grids)
