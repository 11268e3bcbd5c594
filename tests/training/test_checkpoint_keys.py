"""The table of a checkpoint's keys is the whole of what a run writes."""

import re

import torch

from arc_vae.training import checkpoint_keys


def test_the_table_the_constants_and_a_runs_checkpoints_have_the_same_keys(tiny_run):
    constants = {value for name, value in vars(checkpoint_keys).items() if name.isupper() and isinstance(value, str)}
    table = re.findall(r"^\| (`.*?) \|", checkpoint_keys.__doc__, re.MULTILINE)
    assert {key for cell in table for key in re.findall(r"`(\w+)`", cell)} == constants
    files = list((tiny_run / "checkpoints").glob("[lv]*.pth"))  # last, vae; no encoder and decoder
    assert len(files) >= 4
    for file in files:
        told = constants if "best" in file.name or "epoch" in file.name else constants - {checkpoint_keys.DIGEST}
        assert set(torch.load(file, weights_only=True)) == told, file.name
