"""The variants of a configuration that a fallback row states, relative to the configuration's own values.

A row is a file of `conf/fallback/`. Each of its variants says for a key, or for a role that several keys may play,
what becomes of the value that stands there: `+ 2`, `x 0.5`, `/ 3`, or a value of its own.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.configuration.instantiate import instantiate_group
from arc_vae.configuration.paths import conf_dir

CHANGES: dict[str, Callable[[float, float], float]] = {"+": operator.add, "x": operator.mul, "/": operator.truediv}
FINAL_BETAS = ("max_beta", "beta")  # of the schedules; the rest of a schedule is scaled with its end


def read_row(row: str) -> list[dict[str, Any]]:
    """The variants that `conf/fallback/<row>.yaml` states, each {key or role: change}."""
    stated = OmegaConf.load(conf_dir() / "fallback" / f"{row}.yaml")
    return cast(list, OmegaConf.to_container(stated.hydra.sweeper.variants))


def variant_overrides(cfg: DictConfig, variants: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The overrides that each variant comes to on this configuration.

    A key that the configuration lacks is left out, and a variant that then changes nothing.
    """
    found: list[list[str]] = []
    for variant in variants:
        changes: dict[str, Any] = {}
        for key, change in variant.items():
            changes |= ROLES[key](cfg, change, changes) if key in ROLES else _of_key(cfg, key, change)
        overrides = [f"{key}={_text(value)}" for key, value in changes.items() if value != OmegaConf.select(cfg, key)]
        if overrides and overrides not in found:
            found.append(overrides)
    return found


def changed(value: float | None, change: Any) -> Any:
    """A value after its change. Of what is null or 0, a multiple is one of 1. Integers stay integers."""
    sign, _, amount = str(change).partition(" ")
    if sign not in CHANGES:
        return change
    if not isinstance(value or 0, int | float) or not amount:
        raise UserError(f"conf/fallback: {change!r} of {value!r}: must be a number to be changed by '+', 'x' or '/'")
    start = (value or 0) if sign == "+" else (value or 1)
    result = CHANGES[sign](start, float(amount))
    return round(result) if isinstance(value, int) else result


def _of_key(cfg: DictConfig, key: str, change: Any) -> dict[str, Any]:
    group, _, own = key.rpartition(".")
    node = OmegaConf.select(cfg, group)
    return {key: changed(node[own], change)} if OmegaConf.is_dict(node) and own in node else {}


def _effective_beta(cfg: DictConfig, change: Any, before: Mapping[str, Any]) -> dict[str, Any]:
    """β of the whole schedule, so that the effective β changes as stated, also where the variant changes d."""
    schedule = cfg.beta_schedule
    final = next((key for key in FINAL_BETAS if key in schedule), None)
    if final is None:
        return {}
    factor = changed(schedule[final], change) / (schedule[final] or 1) * _kept_by_dimensions(cfg, before)
    scaled = {f"beta_schedule.{final}": (schedule[final] or 1) * factor}
    if "phase1_beta" in schedule:
        scaled["beta_schedule.phase1_beta"] = schedule.phase1_beta * factor
    return scaled


def _kept_by_dimensions(cfg: DictConfig, before: Mapping[str, Any]) -> float:
    """What β is multiplied by to keep the effective β when the latent dimensions become others."""
    key = "model.latent_dim"
    if key not in before:
        return 1.0
    loss = instantiate_group(cfg, "loss")
    return loss.effective_beta(1.0, OmegaConf.select(cfg, key)) / loss.effective_beta(1.0, before[key])


def _warmup(cfg: DictConfig, change: Any, before: Mapping[str, Any]) -> dict[str, Any]:
    """Epochs in which β rises from 0. Three phases keep their sum: the last ones give what the first takes."""
    schedule = cfg.beta_schedule
    if "warmup_epochs" in schedule:
        longer = min(changed(schedule.warmup_epochs, change), cfg.training.max_epochs)
        return {"beta_schedule.warmup_epochs": longer}
    if "phase1_epochs" not in schedule:
        return {}
    second, third = schedule.phase2_epochs, schedule.phase3_epochs
    taken = min(changed(schedule.phase1_epochs, change) - schedule.phase1_epochs, second + third)
    from_third = min(taken, third)
    epochs = (schedule.phase1_epochs + taken, second - (taken - from_third), third - from_third)
    return {f"beta_schedule.phase{number}_epochs": value for number, value in enumerate(epochs, 1)}


# What stands under other keys in other configurations: (configuration, change, changes before it) → {key: value}.
ROLES: dict[str, Callable[[DictConfig, Any, Mapping[str, Any]], dict[str, Any]]] = {
    "effective_beta": _effective_beta,
    "warmup": _warmup,
}


def _text(value: Any) -> str:
    return "null" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
