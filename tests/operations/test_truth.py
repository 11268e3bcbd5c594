"""What operations mean on grids, case by case."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from operations.grids import grid, rectangles, shown

from arc_vae import operations
from arc_vae.common.errors import UserError
from arc_vae.models import BetaVAE
from arc_vae.operations import Refused

GRIDS = rectangles(200, most=6)
# Of 5 cells, 3, 2 and 1; the corner of 5 is the largest.
SCENE = grid(
    """
    1.....
    1.....
    111.22
    ......
    333..4
    """,
    down=3,
    right=4,
)


def text(rows: str) -> str:
    return "\n".join(row.strip() for row in rows.strip().splitlines())


@pytest.mark.parametrize(
    ("operation", "meaning"),
    [
        (operations.rotate_90(), lambda g: np.rot90(g, axes=(1, 2))),
        (operations.rotate_90(3), lambda g: np.rot90(g, 3, axes=(1, 2))),
        (operations.reflect("horizontal"), lambda g: g[:, :, ::-1]),
        (operations.reflect("vertical"), lambda g: g[:, ::-1]),
        (operations.reflect("diagonal"), lambda g: g.transpose(0, 2, 1)),
        (operations.reflect("antidiagonal"), lambda g: g[:, ::-1, ::-1].transpose(0, 2, 1)),
        (operations.recolour({1: 2, 2: 1}), lambda g: np.array([0, 2, 1, 3, 4, 5, 6, 7, 8, 9])[g]),
        (operations.recolour(7), lambda g: np.where(g > 0, 7, 0)),
        (operations.symmetrize("horizontal"), lambda g: np.where(g > 0, g, g[:, :, ::-1])),
        (operations.translate(0, 0), lambda g: g),
    ],
)
def test_the_whole_grid(operation, meaning):
    np.testing.assert_array_equal(operation.truth(GRIDS), meaning(GRIDS))


def test_the_whole_grid_moves_right_and_down_and_stops_as_one():
    moved = operations.translate(2, 3).truth(SCENE)
    np.testing.assert_array_equal(moved, np.roll(SCENE, (3, 2), axis=(0, 1)))
    np.testing.assert_array_equal(operations.translate(50, -50).truth(SCENE), np.roll(SCENE, (-3, 6), axis=(0, 1)))
    with pytest.raises(Refused, match="border"):
        operations.translate(7, 0, border="refuse").truth(SCENE)
    cut = operations.translate(9, 0, clip=True).truth(SCENE)
    np.testing.assert_array_equal(cut[:, 9:], SCENE[:, :7])
    assert not cut[:, :9].any()


def test_one_object_moves_alone():
    moved = operations.translate(-1, -2, of="largest").truth(SCENE)
    assert shown(moved[1:8, 3:]) == text("""
        1......
        1......
        111....
        .......
        .....22
        .......
        .333..4
        """)


@pytest.mark.parametrize(
    ("of", "color"),
    [
        ("largest", 1),
        (1, 1),
        ("smallest", 4),
        (4, 4),
        ("topmost", 1),
        ("bottommost", 3),
        ("leftmost", 1),
        ("rightmost", 2),
        ("color 3", 3),
        ((5, 8), 2),
        ((3, 6), 1),  # not a cell of it, but of its box
    ],
)
def test_rules_choose_one_object(of, color):
    left = operations.remove(of).truth(SCENE)
    np.testing.assert_array_equal(left, np.where(color == SCENE, 0, SCENE))


@pytest.mark.parametrize("of", ["color 9", 5, (0, 0)])
def test_an_object_that_is_not_there_is_refused(of):
    with pytest.raises(Refused, match="index 1 of 2: the object is not there"):
        operations.remove(of).truth(np.stack([np.where(SCENE == 3, 9, SCENE) if of == "color 9" else MANY, SCENE]))


MANY = grid("12345", 0, 0)


@pytest.mark.parametrize("of", ["color 0", "color 10", "biggest", 0, True, (1, 2, 3)])
def test_a_rule_that_is_none_is_refused(of):
    with pytest.raises(UserError, match="of="):
        operations.remove(of)


def test_an_object_turns_about_the_middle_of_its_box():
    corner = grid("1.\n1.\n11", down=4, right=4)
    turned = operations.rotate_90(of="largest").truth(corner)
    assert shown(turned) == shown(grid("..1\n111", down=4, right=4))
    np.testing.assert_array_equal(operations.rotate_90(4, of="largest").truth(corner), corner)
    four = operations.compose([operations.rotate_90(of="largest")] * 4)
    np.testing.assert_array_equal(four.truth(corner), corner)
    mirrored = operations.reflect("horizontal", of="largest").truth(corner)
    assert shown(mirrored) == shown(grid(".1\n.1\n11", down=4, right=4))


def test_a_turned_object_stops_at_the_border_or_is_refused():
    line = grid("1\n1\n1\n1\n1", down=2, right=0)
    assert shown(operations.rotate_90(of="largest").truth(line)) == shown(grid("11111", down=4))
    with pytest.raises(Refused, match="border"):
        operations.rotate_90(of="largest", border="refuse").truth(line)


def test_the_smaller_is_painted_over_the_larger_or_stops_or_is_refused():
    two = grid("11.2\n11..", down=1, right=1)
    assert shown(operations.translate(-2, 0, of="color 2").truth(two)) == shown(grid("12\n11", 1, 1))
    assert shown(operations.translate(2, 0, of="color 1").truth(two)) == shown(grid("..12\n..11", 1, 1))
    assert shown(operations.translate(2, 0, of="color 1", overlap="stop").truth(two)) == shown(grid(".112\n.11.", 1, 1))
    with pytest.raises(Refused, match="overlap"):
        operations.translate(2, 0, of="color 1", overlap="refuse").truth(two)


def test_what_overlapped_from_the_start_is_no_new_overlap():
    interlocked = grid("111\n1.2\n111", 3, 3)  # the 2 stands in the box of the 1, and touches it
    moved = operations.translate(0, 1, of="color 2", overlap="refuse").truth(interlocked)
    assert shown(moved) == shown(grid("111\n1..\n112", 3, 3))


def test_equal_objects_are_told_apart_by_their_last_cells():
    two = grid("1.2", 3, 3)
    np.testing.assert_array_equal(operations.remove("largest").truth(two), np.where(two == 2, 0, two))


def test_an_object_recoloured_like_its_neighbour_is_still_an_object():
    two = grid("112", 3, 3)
    recoloured = operations.recolour(1, of="color 2")
    assert shown(recoloured.truth(two)) == shown(grid("111", 3, 3))
    away = recoloured.then(operations.translate(2, 0, of="smallest"))
    assert shown(away.truth(two)) == shown(grid("11..1", 3, 3))
    drawn = away.step_by_step(torch.from_numpy(two)[None]).value[0].numpy()
    assert shown(drawn) == shown(grid("..111", 3, 3))


def test_what_is_covered_comes_to_light_again():
    two = grid("111.2", 3, 3)
    there = operations.translate(-3, 0, of="color 2")
    np.testing.assert_array_equal(there.then(operations.translate(3, 0, of="color 2")).truth(two), two)


def test_duplicate_repeat_tile():
    one = grid("12\n1.", 2, 2)
    assert shown(operations.duplicate(3, 0, of="color 1").truth(one)) == shown(grid("12.1\n1..1", 2, 2))
    assert shown(operations.repeat(2, 0, 3, of="color 1").truth(one)) == shown(
        grid("12\n1.\n..\n1.\n1.\n..\n1.\n1.", 2, 2)
    )
    assert shown(operations.tile(2, 2, 2, 3, of="color 1").truth(one)) == shown(grid("121\n1.1\n...\n1.1\n1.1", 2, 2))
    stopped = operations.duplicate(50, 0, of="color 1").truth(one)
    assert shown(stopped) == shown(grid("12...........1\n1............1", 2, 2))
    with pytest.raises(Refused, match="overlap"):
        operations.duplicate(0, 1, of="color 1", overlap="refuse").truth(one)


def test_scale():
    one = grid("1.\n11", 4, 4)
    assert shown(operations.scale(2).truth(one)) == shown(grid("11..\n11..\n1111\n1111", 3, 3))
    assert shown(operations.scale(3, of="grid").truth(grid("1.2", 4, 4))) == shown(
        grid("111...222\n111...222\n111...222", 3, 1)
    )
    line = grid("1" * 12, 4, 0)
    np.testing.assert_array_equal(operations.scale(2).truth(line), line)
    with pytest.raises(Refused, match="border"):
        operations.scale(2, border="refuse").truth(line)


def test_the_larger_after_scaling_is_behind():
    two = grid("11.2\n11..", 4, 4)
    # The 2 grows to nine cells and is larger than the 1, which is then in front.
    assert shown(operations.scale(3, of="color 2").truth(two)) == shown(grid("..222\n11222\n11222", 3, 4))


def test_group_connect():
    scene = grid("11...\n11..2\n.....\n3....", 2, 2)
    # Of the two of one cell the 3 has the later one, and so comes first.
    assert shown(operations.group().truth(scene)) == shown(grid("11.3.2\n11....", 2, 2))
    assert shown(operations.connect("color 1", "color 2").truth(scene)[2:, 2:]) == text("""
        111..
        11.12
        .....
        3....
        """)


def test_union_difference_intersection():
    other = GRIDS[::-1]
    np.testing.assert_array_equal(operations.union(other).truth(GRIDS), np.where(GRIDS > 0, GRIDS, other))
    np.testing.assert_array_equal(operations.difference(other).truth(GRIDS), np.where(other > 0, 0, GRIDS))
    np.testing.assert_array_equal(operations.intersection(other[0]).truth(GRIDS), np.where(other[0] > 0, GRIDS, 0))


def test_many_grids_are_worked_on_in_portions():
    grids = np.tile(GRIDS, (6, 1, 1))
    turned = operations.union(grids[::-1].copy()).then(operations.rotate_90()).truth(grids)
    np.testing.assert_array_equal(turned, np.rot90(np.where(grids > 0, grids, grids[::-1]), axes=(1, 2)))


def test_composition_is_one_after_the_other_where_nothing_meets():
    parts = [operations.rotate_90(), operations.translate(2, 1), operations.recolour({1: 5}), operations.scale(2)]
    stepped = GRIDS
    for part in parts:
        stepped = part.truth(stepped)
    np.testing.assert_array_equal(operations.compose(parts).truth(GRIDS), stepped)
    assert operations.compose(parts).way == "through the grid"


def test_a_blank_grid_stays_blank():
    blank = np.zeros((16, 16), dtype=np.uint8)
    for operation in (operations.translate(1, 0), operations.rotate_90(), operations.recolour(3), operations.scale()):
        assert not operation.truth(blank).any()
    with pytest.raises(Refused, match="not there"):
        operations.translate(1, 0, of="largest").truth(blank)


def test_the_kind_that_goes_in_comes_out():
    for one in (SCENE.astype(np.int64), torch.from_numpy(SCENE)):
        moved = operations.translate(1, 0).truth(one)
        assert type(moved) is type(one)
        assert moved.shape == (16, 16)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: operations.translate(1.5, 0), "dx=1.5"),
        (lambda: operations.translate(1, 0, border="clip"), "border=clip"),
        (lambda: operations.translate(1, 0, overlap="clip"), "overlap=clip"),
        (lambda: operations.recolour(0), "colors=0"),
        (lambda: operations.recolour({1: 10}), "colors="),
        (lambda: operations.reflect("x"), "axis=x"),
        (lambda: operations.scale(0), "factor=0"),
        (lambda: operations.repeat(0, 1, 1), "times=0"),
        (lambda: operations.duplicate(1, 0, of="grid"), "of=grid"),
        (lambda: operations.compose([]), "operations="),
        (lambda: operations.translate(1, 0).truth(np.zeros((3, 3))), "grids"),
        (lambda: operations.recolour([1, 2]), "colors="),
        (lambda: operations.recolour({1: 2, "a": 3}), "colors="),
        (lambda: operations.recolour(True), "colors=True"),
        (lambda: operations.reflect([]), "axis="),
        (lambda: operations.translate(1, of=np.array([1, 2])), "of="),
        (lambda: operations.translate(1, overlap=np.array(["a", "b"])), "overlap="),
        (lambda: operations.translate(10**30), "dx=1000000.*from -1000 to 1000"),
        (lambda: operations.translate(np.int64(-(2**63))), "from -1000 to 1000"),
        (lambda: operations.remove(of=10**30), "of=1000"),
        (lambda: operations.remove(of=(-1, 2)), "of="),
        (lambda: operations.connect([1], "largest"), "first="),
        (lambda: operations.apply(BetaVAE(4), None, GRIDS), "operation=None"),
        (lambda: operations.translate(1, clip=True, border="refuse"), "left out with clip=True"),
        (lambda: operations.translate(1, clip="no"), "clip=no"),
        (lambda: operations.duplicate(1, 0, of="every color 3"), "of=every color 3: must be one object"),
        (lambda: operations.connect("each", "largest"), "first=each: must be one object"),
        (lambda: operations.connect("largest", "largest"), "another object"),
        (lambda: operations.compose(operations.rotate_90()), "operations=.*: must be a list"),
        (lambda: operations.compose([operations.rotate_90(), 2]), "operations="),
        (lambda: operations.rotate_90().then("rotate_90()"), "must be an operation"),
        (lambda: operations.union(GRIDS[:3]).truth(GRIDS[:5]), "other=3 grids"),
        (lambda: operations.rotate_90().on(3), "model=int: must be a whole model"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(make, word):
    with pytest.raises(UserError, match=word):
        make()


def test_numbers_of_numpy_are_numbers():
    one = np.int64(1)
    assert operations.translate(one, of=(one, one)).name == "translate(dx=1, dy=0, of=(1, 1))"
    assert operations.recolour({one: np.int64(2)}, of=one).name == "recolour(colors=1→2, of=1)"
    assert operations.rotate_90(-3).name == operations.rotate_90(5).name == "rotate_90()"


@pytest.mark.parametrize("make", [operations.rotate_90, operations.scale, operations.connect, operations.remove])
def test_of_no_grids_come_none(make):
    assert make().truth(np.zeros((0, 16, 16), dtype=np.uint8)).shape == (0, 16, 16)


def test_type_checkers_are_told_every_name():
    told = re.findall(r"import \w+ as (\w+)", Path(operations.__file__).read_text(encoding="utf-8"))
    assert sorted(told) == operations.__all__
