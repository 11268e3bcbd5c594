"""Experiment 0.3: operations in latent space on pairs of grids, against the truth, a ceiling and baselines."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from arc_vae.models.base import VAE
from arc_vae.operations.applying import decode_grids, encode, learnable
from arc_vae.operations.catalogue import (
    connect,
    difference,
    duplicate,
    group,
    intersection,
    recolour,
    reflect,
    remove,
    repeat,
    rotate_90,
    scale,
    symmetrize,
    tile,
    translate,
    union,
)
from arc_vae.operations.codes import states_objects
from arc_vae.operations.figures import figures, share
from arc_vae.operations.fitting import linear_operators, pairs_of
from arc_vae.operations.operation import Operation, compose

# Different compositions of a depth; the pairs are dealt to them.
COMPOSITIONS = 20
ONE: dict[str, Any] = {"of": "largest"}
LINEAR = ("mean_difference", "ridge")


def on_the_grid() -> list[Operation]:
    """What is asked of the whole grid."""
    return learnable()


def on_one_object() -> list[Operation]:
    """What is asked of one object."""
    moves = [translate(1, 0, **ONE), translate(3, 0, **ONE)]
    return [*moves, rotate_90(**ONE), reflect(**ONE), recolour(1, **ONE)]


def others(grids: Tensor) -> list[Operation]:
    """What changes the number of objects or needs cells, and stands in a table of its own."""
    neighbour = grids.roll(1, dims=0)
    return [
        scale(2),
        duplicate(4, 0),
        remove("smallest"),
        repeat(2, 0, 4, of="smallest"),
        tile(2, 2, 4, 4, of="smallest"),
        group(),
        translate(3, 0, clip=True),
        connect(),
        symmetrize(),
        union(neighbour),
        difference(neighbour),
        intersection(neighbour),
    ]


@dataclass(frozen=True)
class Trial:
    """One operation on all pairs: the row that operations.json has of it, and what is drawn: what the grids should
    become and what their changed codes decode to (N, 16, 16), and which were refused (N,).
    """

    row: dict
    truth: Tensor
    decoded: Tensor
    refused: Tensor


class Trials:
    """The pairs' grids (N, 16, 16), drawn before anything is tried, and the model's codes of them.

    Args:
        model: with its weights. grids: integers. train, validation: integers (M, 16, 16), for the baselines.
    """

    def __init__(self, model: VAE, grids: Tensor, train: Tensor, validation: Tensor):
        self.model, self.grids = model, grids
        self.train, self.validation = train, validation
        self.codes, self.train_codes, self.held_codes = (encode(model, part) for part in (grids, train, validation))
        self.reconstructed = decode_grids(model, self.codes)
        self.baselines: dict[str, dict[str, nn.Module]] = {}  # fitted ones, by the operation's name

    def rate(self, operation: Operation, of_train: Operation | None = None, of_held: Operation | None = None) -> Trial:
        """What an operation reaches, and what the baselines do: no change, mean difference, ridge regression.

        Args:
            of_train, of_held: the same operation for the train and validation grids, where it depends on the grids.
        """
        operators = self.fitted(operation, of_train or operation, of_held or operation)
        truth = operation.try_truth(self.grids)
        decoded, refused = self.applied(operation, self.codes, truth.refused)
        anew = decode_grids(self.model, encode(self.model, truth.value))
        changed = (truth.value != self.grids).flatten(1).any(dim=1)
        row = {
            "operation": operation.name,
            "way": operation.on(self.model).way,
            "coverage": float((refused == 0).float().mean()),
            "changed": float(changed.float().mean()),
            **compared(decoded, anew, truth.value, self.grids, refused),
            "identity": figures(self.reconstructed, truth.value, self.grids),
        }
        for name, operator in operators.items():
            row[name] = figures(decode_grids(self.model, operator(self.codes)), truth.value, self.grids)
        if changed.any():
            columns = (decoded, anew, truth.value, self.grids, refused)
            row["where_changed"] = compared(*(column[changed] for column in columns))
        return Trial(row, truth.value, decoded, refused)

    def applied(self, operation: Operation, codes: Tensor, refused: Tensor) -> tuple[Tensor, Tensor]:
        """The decoded, changed codes, and which pairs truth or code refused."""
        done = operation.on(self.model).try_codes(codes)
        return decode_grids(self.model, done.value, operation.apart), torch.maximum(done.refused, refused)

    def fitted(self, operation: Operation, of_train: Operation, of_held: Operation) -> dict[str, nn.Module]:
        """Mean difference and ridge regression, fitted on train grids once for each operation."""
        if operation.name not in self.baselines:
            pairs = pairs_of(self.model, self.train, self.train_codes, of_train)
            held_out = pairs_of(self.model, self.validation, self.held_codes, of_held)
            # A few grids may all refuse.
            fine = len(pairs.codes) > 0 and len(held_out.codes) > 0
            self.baselines[operation.name] = linear_operators(pairs, held_out) if fine else {}
        return self.baselines[operation.name]

    def at_depth(self, depth: int, seed: int) -> dict:
        """What random compositions of so many operations reach, the pairs dealt to them."""
        drawn = random.Random(seed * 1000 + depth)
        pool = on_the_grid() + (on_one_object() if states_objects(self.model) else [])
        parts = [(compose(drawn.choices(pool, k=depth)), rows) for rows in self._dealt()]
        found = [self._composed(operation, rows) for operation, rows in parts]
        decoded, anew, truth, refused, stepwise, *linear = (torch.cat(column) for column in zip(*found, strict=True))
        return {
            "depth": depth,
            "coverage": float((refused == 0).float().mean()),
            **compared(decoded, anew, truth, self.grids, refused),
            "identity": figures(self.reconstructed, truth, self.grids),
            **{name: figures(grids, truth, self.grids) for name, grids in zip(LINEAR, linear, strict=True)},
            "drawn_after_each_step": {
                "same_truth": float((stepwise == truth).flatten(1).all(dim=1).float().mean()),
                "code": figures(decoded, stepwise, self.grids, refused),
            },
        }

    def _dealt(self) -> list[Tensor]:
        rows = torch.arange(len(self.grids), device=self.grids.device)
        return list(rows.tensor_split(min(COMPOSITIONS, len(rows))))

    def _composed(self, operation: Operation, rows: Tensor) -> tuple[Tensor, ...]:
        """Grids decoded from the changed codes and from the true grids' codes, the truth, which are refused, the truth
        drawn after each step, and grids decoded from codes changed by each of `LINEAR`, one after the other.
        """
        grids = self.grids[rows]
        truth = operation.try_truth(grids)
        decoded, refused = self.applied(operation, self.codes[rows], truth.refused)
        anew = decode_grids(self.model, encode(self.model, truth.value))
        linear = (decode_grids(self.model, self.in_a_row(operation, name, self.codes[rows])) for name in LINEAR)
        return decoded, anew, truth.value, refused, operation.step_by_step(grids).value, *linear

    def in_a_row(self, operation: Operation, name: str, codes: Tensor) -> Tensor:
        """Codes (B, d) changed by that baseline of each part of an operation."""
        for part in operation.parts:
            one = Operation((part,))
            operators = self.fitted(one, one, one)
            codes = operators[name](codes) if operators else codes
        return codes


def compared(decoded: Tensor, anew: Tensor, truth: Tensor, original: Tensor, refused: Tensor) -> dict:
    """Figures in code and of the ceiling, and shares of it."""
    code, ceiling = figures(decoded, truth, original, refused), figures(anew, truth, original)
    keys = ("object_accuracy", "changed_accuracy", "perfect_rate")
    return {"code": code, "anew": ceiling, "share": {key: share(code[key], ceiling[key]) for key in keys}}
