"""Operations on codes of object slots, by a decoder that fills every box: of rectangles it needs no training."""

import numpy as np
import pytest
import torch
from operations.grids import rectangles

from arc_vae import operations
from arc_vae.common.errors import UserError
from arc_vae.models import BetaVAE, ObjectSlotVAE
from arc_vae.operations import Refused
from arc_vae.operations.applying import decode_grids, encode
from arc_vae.operations.codes import read_codes
from arc_vae.operations.reencoding import encode_again

GRIDS = torch.from_numpy(rectangles(300, most=4))
ONE = {"of": "largest"}
EXACT = [
    operations.translate(1, 0),
    operations.translate(-3, 2),
    operations.rotate_90(),
    operations.reflect("horizontal"),
    operations.reflect("diagonal"),
    operations.recolour({1: 2, 2: 1}),
    operations.translate(4, -4, **ONE),
    operations.translate(3, 0, of="each"),
    operations.translate(5, 0, of="smallest", overlap="stop"),
    operations.rotate_90(**ONE),
    operations.rotate_90(of="topmost", overlap="stop"),
    operations.reflect("antidiagonal", of="smallest"),
    operations.recolour(5, **ONE),
    operations.group(),
    operations.compose(
        [
            operations.translate(2, 2, **ONE),
            operations.rotate_90(),
            operations.recolour(3, of="smallest"),
            operations.reflect("diagonal", of="smallest"),
            operations.translate(-9, 1, of="each"),
        ]
    ),
]
NAMES = [operation.name for operation in EXACT]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = ObjectSlotVAE(latent_dim=10, num_slots=4, hidden_dim=16, num_blocks=1)
    train = rectangles(2000, seed=1, most=4)
    # The scaled ones too: of boxes that were never counted, float32 cannot tell all places in the encoder's own codes.
    made.fit_prior(torch.from_numpy(np.concatenate([train, operations.scale(2).truth(train)])))
    torch.nn.init.zeros_(made.decoder.paint.weight)
    torch.nn.init.constant_(made.decoder.paint.bias, 9.0)
    return made.eval()


@pytest.fixture(scope="module")
def codes(model):
    return encode(model, GRIDS)


def test_the_model_paints_rectangles(model, codes):
    assert torch.equal(decode_grids(model, codes), GRIDS)


@pytest.mark.parametrize("operation", EXACT, ids=NAMES)
def test_decoded_changed_codes_are_the_truth(model, codes, operation):
    done = operation.on(model).try_codes(codes)
    assert not done.refused.any()
    assert operation.on(model).way == "exact"
    assert torch.equal(decode_grids(model, done.value, operation.apart), operation.truth(GRIDS))


@pytest.mark.parametrize(
    "operation",
    [operations.remove("smallest"), operations.duplicate(3, 1), operations.repeat(2, 0, 4, of="smallest")],
    ids=lambda operation: operation.name,
)
def test_numbers_of_objects_change_in_the_code(model, codes, operation):
    done, truth = operation.on(model).try_codes(codes), operation.try_truth(GRIDS)
    fine = done.refused == 0
    assert 0.2 < fine.float().mean() < 1  # four objects and one more cannot be said, nor none
    assert operation.on(model).way == "in the code"
    assert torch.equal(decode_grids(model, done.value, operation.apart)[fine], truth.value[fine])
    assert torch.equal(done.value[~fine].float(), codes[~fine])


@pytest.mark.parametrize("operation", [*EXACT, operations.remove("smallest"), operations.duplicate(3, 1)])
def test_no_grid_is_seen(model, codes, operation, monkeypatch):
    def looks(*_):
        raise AssertionError("an exact operator sees no grid")

    for part in (model.encoder, model.decoder):
        monkeypatch.setattr(part, "forward", looks)
    for name in ("paint_shapes", "place_shapes", "composite", "overlap_offsets"):
        monkeypatch.setattr(model.decoder, name, looks)
    for module in [*model.encoder.blocks, *model.decoder.blocks, model.encoder.read, model.decoder.hidden]:
        monkeypatch.setattr(module, "forward", looks)
    assert len(operation.on(model).try_codes(codes).value) == len(codes)


def test_an_operation_writes_what_the_changed_grid_would_be_encoded_to(model, codes):
    # Objects of different areas keep their slots; a rectangle turned is told by the same symmetry as one encoded anew.
    for operation in (operations.translate(2, -1), operations.recolour({1: 9})):
        anew = encode(model, operation.truth(GRIDS))
        torch.testing.assert_close(operation.on(model).on_codes(codes).float(), anew, atol=1e-5, rtol=0)


def test_only_what_changes_is_written(model, codes):
    noisy = codes + 0.001 * torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    changed = operations.recolour(5, **ONE).on(model).on_codes(noisy)
    assert torch.equal(changed[:, 1:].float(), noisy[:, 1:])
    assert (changed[:, 0] != noisy[:, 0]).float().mean() > 0.5
    assert torch.equal(operations.translate(0, 0).on(model).on_codes(noisy).float(), noisy)


def test_the_boxes_that_the_code_states_are_those_of_the_grid(model, codes):
    for operation in (operations.translate(9, 0, border="refuse"), operations.translate(6, 0, **ONE, overlap="refuse")):
        assert torch.equal(operation.on(model).try_codes(codes).refused, operation.try_truth(GRIDS).refused)
        with pytest.raises(Refused, match="refused at index"):
            operation.on(model).on_codes(codes)


def test_painted_over_means_no_detour(model):
    two = torch.zeros(1, 16, 16, dtype=torch.uint8)
    two[0, 4:8, 4:8], two[0, 5, 10:12] = 1, 2
    over = operations.translate(-4, 0, of="color 2")
    assert over.apart is False
    np.testing.assert_array_equal(operations.apply(model, over, two), over.truth(two))
    moved = over.on(model).on_codes(encode(model, two))
    assert not torch.equal(decode_grids(model, moved, apart=True), over.truth(two))
    beside = operations.translate(-4, 0, of="color 2", overlap="stop")
    np.testing.assert_array_equal(operations.apply(model, beside, two), beside.truth(two))
    assert beside.truth(two)[0, 5, 8] == 2


def test_apply_takes_grids_and_codes_of_either_kind_one_or_many(model, codes):
    turn = operations.rotate_90()
    for grids in (GRIDS[:5], GRIDS[0], GRIDS[:5].numpy(), GRIDS[0].numpy().astype(np.int64)):
        out = operations.apply(model, turn, grids)
        assert type(out) is type(grids)
        np.testing.assert_array_equal(out, turn.truth(grids))
    for some in (codes[:5], codes[0], codes[:5].numpy(), codes[0].numpy()):
        out = operations.apply(model, turn, some)
        assert type(out) is type(some)
        assert out.shape == some.shape
    with pytest.raises(UserError, match="values.dtype=bool"):
        operations.apply(model, turn, GRIDS > 0)


def test_any_operation_goes_through_the_grid(model):
    turn = operations.rotate_90().through_the_grid()
    assert turn.on(model).way == "through the grid"
    np.testing.assert_array_equal(operations.apply(model, turn, GRIDS), turn.truth(GRIDS))


def test_a_step_on_cells_is_done_between_those_in_the_code(model):
    operation = operations.compose([operations.rotate_90(), operations.scale(2, of="smallest"), operations.reflect()])
    assert operation.on(model).way == "through the grid"
    single = torch.from_numpy(rectangles(100, seed=2, most=1))
    np.testing.assert_array_equal(operations.apply(model, operation, single), operation.truth(single))


def test_what_was_painted_over_stays_there_for_a_later_step_on_cells(model):
    two = torch.zeros(1, 16, 16, dtype=torch.uint8)
    two[0, 4:8, 4:8], two[0, 5, 10:12] = 1, 2
    over = operations.translate(-4, 0, of="color 2")
    for after in (operations.union(np.zeros((16, 16), dtype=np.uint8)), operations.symmetrize("vertical")):
        whole = over.then(after)
        assert not whole.apart
        np.testing.assert_array_equal(operations.apply(model, whole, two)[0, 5], over.truth(two)[0, 5])


def test_codes_are_held_against_the_model(model, codes):
    turn = operations.rotate_90().on(model)
    for wrong, said in (
        (codes[:, :7], "z.shape"),
        (codes[None], "z.shape"),
        (GRIDS, "z.dtype"),
        (codes * float("nan"), "finite"),
    ):
        with pytest.raises(UserError, match=said):
            turn.on_codes(wrong)
    assert turn.on_codes(codes[:0]).shape == (0, 10)
    with pytest.raises(UserError, match="codes are one model's"):
        turn.then(operations.rotate_90().on(BetaVAE(latent_dim=4)))


def test_a_model_without_operators_says_so():
    plain = BetaVAE(latent_dim=4)
    with pytest.raises(UserError, match=r"BetaVAE has no operator for rotate_90\(\)"):
        operations.rotate_90().on(plain).on_codes(torch.zeros(1, 4))
    with pytest.raises(UserError, match="bind"):
        operations.rotate_90().on_codes(torch.zeros(1, 4))
    assert list(operations.available(plain)) == ["scale(factor=2, of=each)"]


def test_codes_of_a_model_without_objects_may_be_float64():
    plain = BetaVAE(latent_dim=4)
    out = operations.apply(plain, operations.scale(2), np.zeros((2, 4)))
    assert out.shape == (2, 4)


def test_what_is_available_works(model, codes):
    found = operations.available(model)
    assert {"rotate_90()", "translate(dx=1, dy=0)", "translate(dx=3, dy=0, of=largest)"} <= set(found)
    for name, operation in found.items():
        assert operation.name == name
        assert operation.try_codes(codes[:3]).value.shape == (3, 10)


def test_the_code_states_the_scene(model, codes):
    scene = read_codes(model.decoder, codes[:1])
    cells = GRIDS[0]
    for slot in range(int(scene.num_objects[0])):
        row, column = scene.corner[0, slot].tolist()
        height, width = scene.extent[0, slot].tolist()
        assert (cells[row : row + height, column : column + width] == scene.color[0, slot]).all()


def test_a_changed_grid_gets_a_code_that_the_decoder_does_better_with():
    torch.manual_seed(0)
    plain = BetaVAE(latent_dim=8, hidden_dim=16, decoder_channels=[8, 8, 8, 10]).eval()
    torch.nn.init.normal_(plain.decoder.hidden.weight)
    reached = torch.randn(20, 8) * 2
    grids = decode_grids(plain, reached)
    before = [parameter.clone() for parameter in plain.parameters()]
    with torch.no_grad():  # as operations are applied
        found = encode_again(plain, grids, apart=False)
        wrong = [(decode_grids(plain, codes) != grids).float().mean() for codes in (encode(plain, grids), found)]
    assert wrong[1] < 0.8 * wrong[0]
    each = torch.cat([encode_again(plain, grid[None], apart=False) for grid in grids[:3]])
    torch.testing.assert_close(each, found[:3], atol=1e-3, rtol=0)
    assert not found.requires_grad and all(map(torch.equal, before, plain.parameters()))
