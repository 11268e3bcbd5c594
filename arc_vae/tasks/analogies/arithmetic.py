"""Vector arithmetic on codes: a task is the mean of what its train pairs' codes differ by."""

import torch

from arc_vae.models.base import VAE
from arc_vae.operations.applying import decode_grids, encode
from arc_vae.tasks.analogies.given import Given


def solved_by_arithmetic(model: VAE, given: Given) -> list[bool]:
    """Which tasks have every test output decoded from z(test input) + the mean of z(output) - z(input)."""
    if not given.names:
        return []
    before, after = encode(model, given.inputs), encode(model, given.outputs)
    codes, rows, owners = [], [], []
    for number, (train, test) in enumerate(zip(given.train, given.test, strict=True)):
        codes.append(before[test] + (after[train] - before[train]).mean(dim=0))
        rows.append(test)
        owners += [number] * len(test)
    right = (decode_grids(model, torch.cat(codes)) == given.outputs[torch.cat(rows)]).flatten(1).all(dim=1)
    wrong = {owner for owner, good in zip(owners, right.tolist(), strict=True) if not good}
    return [number not in wrong for number in range(len(given.names))]


def surviving(model: VAE, given: Given) -> list[bool]:
    """Which tasks have every train output decoded from its own code; programs on codes are searched for those alone."""
    if not given.names:
        return []
    decoded = decode_grids(model, encode(model, given.outputs), apart=False)
    right = (decoded == given.outputs).flatten(1).all(dim=1)
    return [bool(right[train].all()) for train in given.train]
