"""A job tried out before its sweep starts."""

from functools import cache
from pathlib import Path
from typing import cast

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from arc_vae.configuration.foreign import open_foreign_config
from arc_vae.configuration.instantiate import instantiate_group, to_plain
from arc_vae.configuration.validate import validate_config
from arc_vae.corpus.corpus import Corpus
from arc_vae.runs.experiment import build_experiment, build_optimizer, check_split_sizes, trained_part
from arc_vae.runs.resume import load_initial_weights
from arc_vae.training.device import flush_subnormals


def check_job(cfg: DictConfig) -> str:
    """Compose, build and push one batch through, on this machine's CPU; the sha256 of what it trains on.

    Raises:
        UserError: what will not do, by its key.
    """
    flush_subnormals()
    validate_config(cfg, "config")
    # As the worker opens what is frozen of it.
    open_foreign_config(to_plain(cfg), "the job's configuration")
    with open_dict(cfg):
        # The machine that submits need not have what the jobs will train on.
        cfg.training.update(device="cpu", precision="float32", compile=False)
    experiment = build_experiment(cfg)
    build_optimizer(experiment, steps_per_epoch=1)
    if cfg.get("init_from") is not None:
        load_initial_weights(experiment.model, Path(str(cfg.init_from)))
    corpus = _corpus(OmegaConf.to_yaml(OmegaConf.create({"data": cfg.data}), resolve=True))
    check_split_sizes(corpus.sizes, experiment.trainer.batch_size)
    batch = torch.from_numpy(corpus.train[: experiment.trainer.batch_size])
    output = experiment.model(batch)
    experiment.loss(output.logits, batch, output.mu, output.logvar, beta=1.0).total.backward()
    return trained_part(corpus, experiment.trainer).sha256


@cache
def _corpus(data: str) -> Corpus:
    """The corpus of a `data` group, read once for all the jobs that share it."""
    return instantiate_group(cast(DictConfig, OmegaConf.create(data)), "data").load()
