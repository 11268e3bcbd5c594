"""Programs: their normal form says the same in fewer words, and what explains a task is found."""

import random
from collections import Counter

import pytest
import torch
from operations.grids import rectangles

from arc_vae.common.errors import UserError
from arc_vae.tasks.draft import Draft
from arc_vae.tasks.normal_form import normal_form
from arc_vae.tasks.pool import Pool
from arc_vae.tasks.program import Step, from_data, in_words, program_operation
from arc_vae.tasks.request import Request, Spec, numbers_of
from arc_vae.tasks.scenes import after, take
from arc_vae.tasks.search import AMBIGUOUS, SHALLOWER, Outputs, could_be_last, explanations
from arc_vae.tasks.vocabulary import ALL, BY_NAME

GRIDS = rectangles(600, most=4)


@pytest.fixture(scope="module")
def pool():
    return Pool(GRIDS, (1, 2, 3), room=4)


def move(dx=0, dy=0, of="largest"):
    return Step.of("translate", dx=dx, dy=dy, of=of)


def turn(times, of="grid"):
    return Step.of("rotate_90", times=times, of=of)


def mirror(axis, of="grid"):
    return Step.of("reflect", axis=axis, of=of)


def colour(colors, of="largest"):
    return Step.of("recolour", colors=colors, of=of)


SWAP = colour(((1, 2), (2, 1)), of="grid")


@pytest.mark.parametrize(
    ("program", "normal"),
    [
        ([move(1, 2), move(-3, 1)], [move(-2, 3)]),
        ([move(1, 2), move(-1, -2)], []),
        ([move(1), move(1, of="smallest"), move(2)], [move(3), move(1, of="smallest")]),
        ([move(1, of="topmost"), move(-1, of="topmost")], [move(1, of="topmost"), move(-1, of="topmost")]),
        ([turn(1), turn(3)], []),
        ([turn(1), turn(1)], [turn(2)]),
        ([turn(2), mirror("horizontal")], [mirror("vertical")]),
        ([colour(3), move(1), colour(4)], [move(1), colour(4)]),
        ([SWAP, turn(1), SWAP], [turn(1)]),
        ([colour(3, of="topmost"), colour(5, of="each")], [colour(5, of="each")]),
        ([move(1), Step.of("remove", of="largest")], [Step.of("remove", of="largest")]),
        ([turn(1), move(1), turn(3)], [turn(1), move(1), turn(3)]),
    ],
)
def test_neighbours_are_merged_inverses_cancelled(program, normal):
    assert list(normal_form(program)) == normal


def test_a_normal_form_does_the_same_wherever_both_are_defined():
    draw, grids, shortened = random.Random(0), torch.from_numpy(GRIDS[:150]), 0
    few = [step for step in ALL if step["of"] in ("grid", "largest", "each") and step.name != "group"]
    for _ in range(60):
        program = draw.choices(few, k=3)
        normal = normal_form(program)
        shortened += len(normal) < 3
        one = program_operation(program).try_truth(grids)
        value, refused = (grids, one.refused) if not normal else program_operation(normal).try_truth(grids)
        both = (one.refused == 0) & ((refused == 0) | (not normal))
        assert torch.equal(one.value[both], value[both]), in_words(program)
    assert shortened > 5


def test_a_program_is_data_and_words():
    for step in ALL:
        assert from_data(step.data()) == step
    assert in_words([move(2, -1), turn(3), SWAP]) == (
        "move the largest object 2 to the right and 1 up, then turn the whole grid by 90° clockwise, "
        "then swap colours 1 and 2"
    )
    assert len({in_words([step]) for step in ALL}) == len(ALL)


def drafted(pool, program, objects, pairs, depth):
    """A draft with a given program on the first grids that admit it."""
    draft = Draft(Spec(0, depth, objects, pairs), pool, 4, Counter(), "0")
    draft.program = tuple(program)
    assert draft._admitted(draft.program, torch.tensor(pool.rows[objects]))
    draft.pairs = draft.waiting[: pairs + 1]
    return draft


def test_fewer_steps_are_found(pool):
    deep = [
        drafted(pool, [move(1), move(1)], 2, 3, depth=2),
        drafted(pool, [colour(5), move(1), colour(6), turn(1)], 3, 3, depth=4),
        drafted(pool, [move(1), colour(6)], 3, 3, depth=2),
        drafted(pool, [move(1)], 2, 3, depth=1),
    ]
    assert explanations(pool, deep) == [SHALLOWER, "", "", ""]
    longer = drafted(pool, [colour(5), move(1), colour(6)], 3, 3, depth=3)
    assert explanations(pool, [longer]) == [SHALLOWER]


def test_another_answer_to_the_test_is_found(pool):
    draft = drafted(pool, [move(1, of="largest")], 2, 60, depth=1)
    top = [pair for pair in draft.pairs if _same(pool, pair, move(1, of="topmost"))]
    other = [pair for pair in draft.pairs if not _same(pool, pair, move(1, of="topmost"))]
    draft.pairs = [*top[:3], top[3]]
    same = explanations(pool, [draft])
    draft.pairs = [*top[:3], other[0]]
    assert (same, explanations(pool, [draft])) == ([""], [AMBIGUOUS])


def _same(pool, pair, step):
    row, truth = pair
    done = program_operation([step]).try_truth(pool.grids[row][None])
    return not done.refused[0] and torch.equal(done.value[0], truth)


def test_no_last_step_is_left_out_wrongly(pool):
    rows = torch.arange(150)
    scenes, sizes = take(pool.scenes, rows), pool.cells[:150].flatten(2).sum(dim=2)
    for first in (move(2, 1), Step.of("duplicate", dx=3, dy=0, of="largest")):
        before = after(scenes, first)
        cells = torch.zeros(len(rows), 10, dtype=torch.int64)
        cells.scatter_add_(1, before.color, sizes.gather(1, before.source) * before.present)
        for step in random.Random(0).sample(ALL, 60):
            scene = after(before, step)
            fine = (scene.refused == 0) & (before.refused == 0) & ~scene.same_objects(before).all(dim=1)
            wanted = Outputs.of(pool.draw(take(scene, fine), rows[fine]))
            drawn = pool.draw(take(before, fine), rows[fine])
            acts = (wanted.grids != drawn).flatten(1).any(dim=1)
            hidden = torch.zeros(int(fine.sum()), dtype=torch.bool)
            assert could_be_last(step, cells[fine][:, 1:], wanted.colors, hidden)[acts].all(), step


def test_ranges_and_splits():
    assert numbers_of("depth", "1-3", 1, 10) == (1, 2, 3)
    assert numbers_of("depth", 4, 1, 10) == (4,)
    assert numbers_of("objects", [1, 3], 1, 4) == (1, 3)
    for wrong in (0, "3-1", "1-11", "x", None, -1, 1.5, ""):
        with pytest.raises(UserError, match=r"depth=.*a number or a range"):
            numbers_of("depth", wrong, 1, 10)
    request = Request(3000, (1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6), (2, 3), 0)
    splits = request.splits()
    assert Counter(splits) == {"train": 2000, "val": 500, "test": 500}
    cells = Counter((splits[n], request.spec(n).depth, request.spec(n).objects) for n in range(3000))
    assert max(cells.values()) - min(n for (s, *_), n in cells.items() if s == "train") <= 2


def test_a_corpus_too_small_is_refused():
    with pytest.raises(
        UserError, match="objects=3: the corpus has .* different test grids of 3 objects, tasks need 50"
    ):
        Pool(GRIDS[:60], (3,), room=4)


def test_every_operation_can_be_drawn(pool):
    usage = Counter()
    for number in range(60):
        Draft(Spec(number, 3, 1 + number % 3, 2), pool, 4, usage, f"0/{number}").begin()
    even = sum(usage.values()) / len(BY_NAME)
    assert all(even / 2 <= usage[name] <= 2 * even for name in BY_NAME), usage
