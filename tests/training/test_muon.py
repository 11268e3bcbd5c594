import pytest
import torch

from arc_vae.common.errors import UserError
from arc_vae.training.muon import Muon, add_orthogonalized, inverse_roots

ROWS = 128


def parameter(*shape: int) -> torch.nn.Parameter:
    """With a gradient."""
    it = torch.nn.Parameter(torch.randn(*shape))
    it.grad = torch.randn(*shape)
    return it


@pytest.mark.parametrize("scale", [1e-9, 1.0])
@pytest.mark.parametrize("shape", [(8, 8), (10, 288), (ROWS, 2048)])
def test_the_polar_factor_keeps_singular_vectors_and_levels_singular_values(shape, scale):
    torch.manual_seed(0)
    left, values, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = scale * torch.logspace(-2, 0, len(values)).flip(0)
    matrix, update = left * values @ right, torch.zeros(shape)
    add_orthogonalized(update, matrix, *inverse_roots([matrix], ROWS), ROWS)
    seen = left.T @ update @ right.T  # diagonal where the vectors are the same
    levelled = seen.diagonal()[values > 0.01 * values.norm()]
    assert levelled.min() > 0.6 and levelled.max() < 1.25
    assert (seen - torch.diag(seen.diagonal())).abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(128, 256), (100, 256), (256, 100), (128, 8, 4, 4)])
def test_blocks_of_rows_move_as_matrices_of_their_own(shape):
    torch.manual_seed(0)
    whole = parameter(*shape)
    side = int(len(shape) == 2 and shape[0] > shape[1])  # a tall matrix has blocks of columns
    halves = [torch.nn.Parameter(half.detach().clone()) for half in whole.split(64, dim=side)]
    for half, gradient in zip(halves, whole.grad.split(64, dim=side), strict=True):
        half.grad = gradient.clone()
    Muon([whole], block_rows=64).step()
    Muon(halves, block_rows=64).step()
    torch.testing.assert_close(whole.detach(), torch.cat([half.detach() for half in halves], dim=side))


def test_a_vector_moves_as_under_torchs_adam():
    torch.manual_seed(0)
    ours = parameter(7)
    torchs = torch.nn.Parameter(ours.detach().clone())
    optimizers = Muon([ours], lr=1e-2, weight_decay=0.1), torch.optim.AdamW([torchs], lr=1e-2, weight_decay=0.1)
    for _ in range(5):
        ours.grad = torch.randn(7)
        torchs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, torchs)


@pytest.mark.parametrize("shape", [(16, 64), (64, 16), (2 * ROWS, 512), (32, 10, 3, 3)])
def test_a_matrix_or_kernel_moves_by_a_fifth_of_lr_a_cell_whatever_its_gradients_size(shape):
    torch.manual_seed(0)
    weight = parameter(*shape)
    before, gradient = weight.detach().clone(), weight.grad.clone()
    moves = []
    for scale in (1e-3, 1e3):
        weight.data, weight.grad = before.clone(), scale * gradient
        Muon([weight], lr=0.1, block_rows=ROWS).step()
        moves.append(before - weight.detach())
    torch.testing.assert_close(*moves, rtol=1e-3, atol=1e-5)
    assert moves[0].square().mean().sqrt() == pytest.approx(0.2 * 0.1, rel=0.2)
    assert (moves[0] * gradient).sum() > 0


def test_a_kernel_moves_alike_in_whichever_order_it_and_its_gradient_lie_in_memory():
    torch.manual_seed(0)
    plain = parameter(8, 4, 3, 3)
    other, mixed = (torch.nn.Parameter(plain.detach().to(memory_format=torch.channels_last)) for _ in range(2))
    other.grad, mixed.grad = plain.grad.to(memory_format=torch.channels_last), plain.grad.clone()
    for weight in (plain, other, mixed):
        Muon([weight], lr=0.1).step()
    torch.testing.assert_close(other.detach(), plain.detach())
    torch.testing.assert_close(mixed.detach(), plain.detach())


def test_without_a_gradient_or_with_one_of_zeros_a_weight_stays():
    without, zeros = parameter(4, 4), parameter(4, 4)
    without.grad, zeros.grad = None, torch.zeros(4, 4)
    before = [without.detach().clone(), zeros.detach().clone()]
    Muon([without, zeros], lr=0.1).step()
    assert torch.equal(without, before[0]) and torch.equal(zeros, before[1])


def test_its_state_resumes_exactly():
    torch.manual_seed(0)
    gradients = [(torch.randn(6, 9), torch.randn(6)) for _ in range(4)]

    def train(weights: list[torch.Tensor], optimizer: Muon, steps: slice) -> None:
        for pair in gradients[steps]:
            for weight, gradient in zip(weights, pair, strict=True):
                weight.grad = gradient.clone()
            optimizer.step()

    whole = [parameter(6, 9), parameter(6)]
    broken = [torch.nn.Parameter(weight.detach().clone()) for weight in whole]
    train(whole, Muon(whole), slice(None))
    first = Muon(broken)
    train(broken, first, slice(2))
    second = Muon(broken)
    second.load_state_dict(first.state_dict())
    train(broken, second, slice(2, None))
    assert all(torch.equal(a, b) for a, b in zip(whole, broken, strict=True))


WRONG = [{"lr": 0.0}, {"betas": (0.9, 1.0)}, {"weight_decay": -1.0}, {"momentum": 1.0}, {"block_rows": 0}]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
def test_values_that_will_not_do_are_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Muon([parameter(2, 2)], **wrong)
