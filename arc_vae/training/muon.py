"""Muon, the default optimizer: every direction of a weight matrix moves alike, so that none is learnt last."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from arc_vae.common.errors import require

# The quintic's coefficients (Jordan et al. 2024): five rounds bring singular values from 0.01 to 1 near 1.
NEWTON_SCHULZ_STEPS, A, B, C = 5, 3.4445, -4.7750, 2.0315

# The root mean square of an update against `lr`, where Adam's has about this too (Liu et al. 2025).
UPDATE_RMS = 0.2

# Cells of matrices that go through the rounds together on a processor: threads share them out, and they stay in its
# cache.
CELLS_AT_ONCE = 4 * 128**2
EPS = 1e-8

# Moments below this count as 0. Those of dead units decay for ever, and slow the processor down once they, or their
# products, are subnormal; of an update they are no part that float32 could tell.
NEGLIGIBLE = 1e-20


class Muon(Optimizer):
    """Muon (Jordan et al. 2024) on weights of two and more dimensions, Adam (Kingma & Ba 2015) on all others.

    A kernel counts as the matrix of its first dimension against the rest. In float32 on every device. It stands in for
    torch.optim.Muon for its time alone: both train to the same figures, and an update takes 0.6 to 0.8 of torch's time
    on a CPU (`tests/benchmarks/muon.py`).

    Args:
        params: the model's parameters.
        lr: of both; Muon's updates are scaled to the size of Adam's (Liu et al. 2025).
        betas: Adam's decay rates.
        weight_decay: decoupled (Loshchilov & Hutter 2019).
        momentum: Nesterov's, of Muon's gradients.
        block_rows: rows of a matrix made orthogonal together, in blocks as Shampoo's (Anil et al. 2020): the cost of a
            round grows with their square.

    Raises:
        InvalidValue: names the argument.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        block_rows: int = 128,
    ):
        require(lr > 0, "lr", lr, "above 0")
        require(all(0 <= beta < 1 for beta in betas), "betas", betas, "from 0 to below 1")
        require(weight_decay >= 0, "weight_decay", weight_decay, "0 or more")
        require(0 <= momentum < 1, "momentum", momentum, "from 0 to below 1")
        require(block_rows >= 1, "block_rows", block_rows, "at least 1; 64 or 128")
        defaults = {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, defaults)
        self.block_rows = block_rows

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever called
        """Move every parameter that has a gradient. `closure` is torch's signature, and not called.

        A group's `lr` and a state's `step` may be tensors on the parameters' device: nothing here asks for their
        values, so that a CUDA graph of it follows them.
        """
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["weight_decay"]:
                for parameter in moved:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
            matrices = [parameter for parameter in moved if parameter.ndim >= 2]
            vectors = [parameter for parameter in moved if parameter.ndim < 2]
            if matrices:
                self._move_matrices(matrices, group)
            if vectors:
                self._move_vectors(vectors, group)

    def _move_matrices(self, parameters: list[Tensor], group: dict) -> None:
        """Muon's move. All matrices at once: those of as many rows go through the rounds together."""
        directions = self._directions(parameters, group)
        rows = self.block_rows
        for parameter, direction, roots in zip(parameters, directions, inverse_roots(directions, rows), strict=True):
            size = UPDATE_RMS * max(direction.shape) ** 0.5
            add_orthogonalized(as_matrix(parameter), direction, [-group["lr"] * size * root for root in roots], rows)

    def _directions(self, parameters: list[Tensor], group: dict) -> list[Tensor]:
        """Nesterov's momentum of each as a matrix."""
        momenta, gradients = self._moments(parameters, "momentum"), gradients_of(parameters)
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        drop_negligible(momenta, NEGLIGIBLE)
        return [as_matrix(ahead) for ahead in torch._foreach_lerp(gradients, momenta, group["momentum"])]

    def _move_vectors(self, parameters: list[Tensor], group: dict) -> None:
        """Adam's move."""
        (beta1, beta2), gradients = group["betas"], gradients_of(parameters)
        means, squares = self._moments(parameters, "mean"), self._moments(parameters, "square")
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        drop_negligible(means, NEGLIGIBLE)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        # Roots that are nothing beside EPS.
        drop_negligible(squares, NEGLIGIBLE**1.5)
        steps = self._count_steps(parameters)
        sizes = torch._foreach_div(squares, unbias(beta2, steps))
        torch._foreach_sqrt_(sizes)
        torch._foreach_add_(sizes, EPS)
        updates = torch._foreach_div(means, unbias(beta1, steps))
        torch._foreach_div_(updates, sizes)
        torch._foreach_mul_(updates, group["lr"])
        torch._foreach_sub_(parameters, updates)

    def _count_steps(self, parameters: list[Tensor]) -> list:
        """How many times each has moved, this one counted."""
        states = [self.state[parameter] for parameter in parameters]
        for state in states:
            if torch.is_tensor(state.get("step")):
                state["step"].add_(1)
            else:
                state["step"] = state.get("step", 0) + 1
        return [state["step"] for state in states]

    def _moments(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """What each parameter's state holds by that name, zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def unbias(beta: float, steps: list) -> list:
    """By what averages at decay `beta` that began at 0 so many steps ago are to be divided."""
    if torch.is_tensor(steps[0]):
        return list((1 - beta ** torch.stack(steps)).unbind())
    return [1 - beta**step for step in steps]


def gradients_of(parameters: list[Tensor]) -> list[Tensor]:
    """Their gradients; each has one."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def drop_negligible(moments: list[Tensor], least: float) -> None:
    """Set what is below `least` to 0, on processors; GPUs compute with subnormal numbers as fast as with others."""
    for moment in moments:
        if not moment.is_cuda:
            torch.hardshrink(moment, least, out=moment)


def as_matrix(weight: Tensor) -> Tensor:
    """A view of a weight as the matrix of its first dimension against the rest, in their order in memory."""
    if weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last):
        weight = weight.permute(0, 2, 3, 1)
    return weight.flatten(1)


def inverse_roots(matrices: list[Tensor], rows: int) -> list[list[Tensor]]:
    """About (X Xᵀ)^-1/2 of each matrix's blocks X of so many rows, of a tall one (Xᵀ X)^-1/2.

    They serve the step they are of alone: they enlarge what is small in X a hundredfold, and in the next step's X that
    is no longer small.
    """
    grams = [
        block.mT @ block if is_tall(block) else block @ block.mT for own in matrices for block in blocks(own, rows)
    ]
    found: dict[int, Iterator[Tensor]] = {}
    for size in {len(gram) for gram in grams}:
        alike = torch.stack([gram for gram in grams if len(gram) == size])
        portions = alike.split(len(alike) if alike.is_cuda else max(1, CELLS_AT_ONCE // size**2))
        found[size] = iter([root for some in portions for root in newton_schulz(some)])
    return [[next(found[min(block.shape)]) for block in blocks(matrix, rows)] for matrix in matrices]


def add_orthogonalized(matrix: Tensor, direction: Tensor, roots: list[Tensor], rows: int) -> None:
    """Add to a matrix about U Vᵀ of each block U S Vᵀ of a direction, given their roots: singular values 0.7 to 1.2."""
    for part, block, root in zip(blocks(matrix, rows), blocks(direction, rows), roots, strict=True):
        part.addmm_(*((block, root) if is_tall(block) else (root, block)))


def blocks(matrix: Tensor, rows: int) -> tuple[Tensor, ...]:
    """A matrix's parts of so many of its shorter side, the last of what is left."""
    return matrix.split(rows, dim=int(is_tall(matrix)))


def is_tall(matrix: Tensor) -> bool:
    """Whether a matrix has more rows than columns."""
    return matrix.shape[0] > matrix.shape[1]


def newton_schulz(grams: Tensor) -> Tensor:
    """About the inverse roots of X Xᵀ, (k, m, m), by Newton's and Schulz's iteration.

    A round multiplies X by a polynomial of X Xᵀ. These all commute, so only (m, m) matrices go through the rounds.
    """
    squares = grams.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=1e-24)[:, None, None]  # of X's norm
    grams = grams / squares

    def quintic(grams: Tensor) -> Tensor:
        polynomial = torch.baddbmm(grams, grams, grams, beta=B, alpha=C)
        polynomial.diagonal(dim1=1, dim2=2).add_(A)
        return polynomial

    roots = polynomials = quintic(grams)
    for _ in range(NEWTON_SCHULZ_STEPS - 1):
        grams = polynomials @ grams @ polynomials
        polynomials = quintic(grams)
        roots = polynomials @ roots
    return roots / squares.sqrt()
