"""Muon, the default optimizer: every direction of a weight matrix moves alike, so that none is learnt last."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from arc_vae.common.errors import require

# The quintic x (a + b x² + c x⁴) of each round (Jordan et al. 2024): five bring singular values from 0.01 to 1 near 1.
# Three or four polynomials that differ (Amsel et al. 2025) would take fewer products: outputs/RESULTS.md, "Optimizers".
ROUNDS = ((3.4445, -4.7750, 2.0315),) * 5

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
    torch.optim.Muon for its time (`tests/benchmarks/muon.py`).

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
        """Muon's move. All matrices at once: blocks of as many rows go through the rounds together."""
        directions = self._directions(parameters, group)
        rows = self.block_rows
        for parameter, direction, roots in zip(parameters, directions, inverse_roots(directions, rows), strict=True):
            size = -group["lr"] * UPDATE_RMS * max(direction.shape) ** 0.5
            # A view: of what lies in another order than the two known it raises, where a copy would not move.
            matrix = in_memory_order(parameter, parameter).view(len(parameter), -1)
            add_orthogonalized(matrix, direction, [size * root for root in roots], rows)

    def _directions(self, parameters: list[Tensor], group: dict) -> list[Tensor]:
        """Nesterov's momentum of each as a matrix."""
        momenta, gradients = self._moments(parameters, "momentum"), gradients_of(parameters)
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        drop_negligible(momenta, NEGLIGIBLE)
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        return [in_memory_order(*pair).flatten(1) for pair in zip(ahead, parameters, strict=True)]

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


def in_memory_order(weight: Tensor, like: Tensor) -> Tensor:
    """A weight's dimensions in the order in which `like`, of its shape, has them in memory; the first stays first."""
    last = like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last)
    return weight.permute(0, 2, 3, 1) if last else weight


def inverse_roots(matrices: list[Tensor], rows: int) -> list[list[Tensor]]:
    """About (X Xᵀ)^-1/2 of the blocks X that each matrix has of so many rows.

    They serve the step they are of alone: they enlarge what is small in X a hundredfold, and in the next step's X
    that is no longer small.
    """
    grams = [[part @ part.mT for part in blocks(matrix, rows)] for matrix in matrices]
    found: dict[int, Iterator[Tensor]] = {}
    for size in {gram.shape[1] for own in grams for gram in own}:
        alike = [gram for own in grams for gram in own if gram.shape[1] == size]
        together = torch.cat(alike)
        portions = together.split(len(together) if together.is_cuda else max(1, CELLS_AT_ONCE // size**2))
        roots = torch.cat([newton_schulz(portion) for portion in portions])
        found[size] = iter(roots.split([len(gram) for gram in alike]))
    return [[next(found[gram.shape[1]]) for gram in own] for own in grams]


def add_orthogonalized(matrix: Tensor, direction: Tensor, roots: list[Tensor], rows: int) -> None:
    """Add to a matrix about U Vᵀ of each block U S Vᵀ of a direction, given its roots.

    Singular values come to 0.7 to 1.2, those below a hundredth of S's norm to less.
    """
    for part, block, root in zip(blocks(matrix, rows), blocks(direction, rows), roots, strict=True):
        part.baddbmm_(root, block)


def blocks(matrix: Tensor, rows: int) -> list[Tensor]:
    """Views of a matrix, of a tall one's transpose, by so many of its rows, (k, rows, n); then of the rows left."""
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    whole, left = divmod(len(wide), rows)
    parts = wide.split([whole * rows, left])
    return [part.unflatten(0, (-1, size)) for part, size in zip(parts, (rows, left), strict=True) if len(part)]


def newton_schulz(grams: Tensor) -> Tensor:
    """About the inverse roots of X Xᵀ, (k, m, m), by Newton's and Schulz's iteration.

    A round multiplies X by a polynomial of X Xᵀ. These all commute, so only (m, m) matrices go through the rounds.
    """
    squares = grams.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=1e-24)[:, None, None]  # of X's norm
    grams = grams / squares
    roots = polynomials = quintic(grams, *ROUNDS[0])
    for coefficients in ROUNDS[1:]:
        grams = polynomials @ grams @ polynomials
        polynomials = quintic(grams, *coefficients)
        roots = polynomials @ roots
    return roots / squares.sqrt()


def quintic(grams: Tensor, a: float, b: float, c: float) -> Tensor:
    """a I + b G + c G² of each G, (k, m, m)."""
    polynomial = torch.baddbmm(grams, grams, grams, beta=b, alpha=c)
    polynomial.diagonal(dim1=1, dim2=2).add_(a)
    return polynomial
