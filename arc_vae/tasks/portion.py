"""A portion of tasks: programs drawn, carried out in the codes, and every pair held against the truth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from arc_vae.common.errors import UserError
from arc_vae.common.grids import BACKGROUND
from arc_vae.models.base import VAE
from arc_vae.operations.applying import decode_grids, encode
from arc_vae.operations.codes import read_codes, slot_decoder, write_codes
from arc_vae.tasks.draft import Draft, Pair
from arc_vae.tasks.pool import Pool
from arc_vae.tasks.program import Step, in_words
from arc_vae.tasks.request import Spec
from arc_vae.tasks.scenes import after, joined, take
from arc_vae.tasks.search import SEARCHED, explanations


def make_portion(model: VAE, pool: Pool, specs: Sequence[Spec], key: str) -> dict[str, Any]:
    """The tasks of these specifications, as JSON says them, and `counts` by depth of what was drawn on the way.

    The same key gives the same tasks, whatever process makes them.
    """
    usage: Counter = Counter()
    room = slot_decoder(model).num_slots
    drafts = [Draft(spec, pool, room, usage, f"{key}/{spec.number}") for spec in specs]
    counts: dict[int, Counter] = {depth: Counter() for depth in sorted({spec.depth for spec in specs})}
    unfinished = drafts
    while unfinished:
        find_pairs(model, pool, unfinished, counts)
        found = explanations(pool, unfinished)
        for draft, explained in zip(unfinished, found, strict=True):
            if explained:
                counts[draft.spec.depth][explained] += 1
                draft.drop()
        unfinished = [draft for draft in unfinished if not draft.program]
    tasks = {str(draft.spec.number): as_json(draft, pool) for draft in drafts}
    return {"tasks": tasks, "counts": {str(depth): dict(count) for depth, count in counts.items()}}


# Where fewer outputs than these come out as they should, of so many draws, making tasks would take forever.
LEAST_RIGHT, ENOUGH_DRAWS = 0.02, 500


def find_pairs(model: VAE, pool: Pool, drafts: Sequence[Draft], counts: dict[int, Counter]) -> None:
    """Give every draft a program and pairs whose output, decoded from the changed code, is the truth.

    Raises:
        UserError: hardly any output is.
    """
    while waiting := [draft for draft in drafts if draft.missing]:
        total = sum(counts.values(), Counter())
        if total["draws"] >= ENOUGH_DRAWS and total["right"] < LEAST_RIGHT * total["draws"]:
            raise UserError(
                f"of {total['draws']} outputs drawn {total['right']} were decoded as they should be: the model is too "
                "poor to make tasks with; train it for longer"
            )
        for draft in waiting:
            draft.begin()
        batches = [draft.next_pairs() for draft in waiting]
        decoded = decoded_outputs(model, pool, [draft.program for draft in waiting], batches)
        for draft, pairs, outputs in zip(waiting, batches, decoded, strict=True):
            right = [pair for pair, output in zip(pairs, outputs, strict=True) if torch.equal(pair[1], output)]
            count = counts[draft.spec.depth]
            count.update(draws=len(pairs), right=len(right))
            if not draft.tried:
                count.update(first_draws=len(pairs), first_right=len(right))
            draft.tried = True
            draft.pairs += right
            if len(draft.waiting) < draft.missing:
                count.update(programs_without_pairs=1)
                draft.drop()


def decoded_outputs(
    model: VAE, pool: Pool, programs: Sequence[tuple[Step, ...]], batches: Sequence[list[Pair]]
) -> tuple[Tensor, ...]:
    """What the changed codes of each program's grids decode to, uint8 (P, 16, 16) each; blank where a code refuses.

    As `Operation.try_codes` does for one program, but all codes are read at once and written at once.
    """
    decoder, device = slot_decoder(model), next(model.parameters()).device
    sizes = [len(pairs) for pairs in batches]
    rows = [row for pairs in batches for row, _ in pairs]
    codes = encode(model, pool.grids[rows].to(device))
    scenes = read_codes(decoder, codes)
    changed = []
    for program, some in zip(programs, torch.arange(len(rows), device=device).split(sizes), strict=True):
        scene = take(scenes, some)
        for step in program:
            scene = after(scene, step)
        changed.append(scene)
    whole = joined(changed)
    decoded = decode_grids(model, write_codes(decoder, codes, whole)).cpu()
    return decoded.masked_fill((whole.refused > 0).cpu()[:, None, None], BACKGROUND).split(sizes)


def as_json(draft: Draft, pool: Pool) -> dict[str, Any]:
    """A finished task in ARC's format; `program` and `about` stand beside its pairs."""
    pairs = [{"input": pool.grids[row].tolist(), "output": truth.tolist()} for row, truth in draft.pairs]
    exact = draft.spec.depth <= SEARCHED + 1
    return {
        "train": pairs[:-1],
        "test": pairs[-1:],
        "program": {"words": in_words(draft.program), "steps": [step.data() for step in draft.program]},
        "about": {**asdict(draft.spec), "depth_is": "exact" if exact else f"at most {draft.spec.depth}"},
    }
