"""A trained model as a user works with it."""

from collections.abc import Mapping
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from arc_vae.api.networks import Networks
from arc_vae.common.arrays import CODES, Array, Batch, take, take_codes, take_grids
from arc_vae.common.errors import require
from arc_vae.training.process_kept import leaves_process_alone

if TYPE_CHECKING:
    from arc_vae.operations import Operation


class CodePosterior(NamedTuple):
    """The diagonal Gaussian q(z | x) of each grid: mean `mu`, log variance `logvar`, standard deviation `sigma`.

    Each is float32, (d,) of one grid or (N, d) of N, in units of the prior's standard deviation (`logvar`: its log).
    """

    mu: Array
    logvar: Array

    @property
    def sigma(self) -> Array:
        """exp(logvar / 2), of logvar's shape."""
        return torch.exp(self.logvar / 2) if isinstance(self.logvar, Tensor) else np.exp(self.logvar / 2)


class Model:
    """A trained model: grids to codes and back, in numpy or torch, on one grid or many.

    Integers are grids, (16, 16) or (N, 16, 16), values 0-9, 0 the background; floats are codes, (d,) or (N, d), which
    the prior draws from N(0, I). What comes back is of the kind given (numpy array, torch tensor on its device, one or
    a batch); nested lists count as numpy. N may be large: 256 at a time go through the networks, without gradients.
    Every call leaves the process as it was: thread count, rounding, default dtype and device; nothing but a class of
    your own draws of the global generators of random numbers. Several threads may call at once.

    Made by `arc_vae.load`. `latent_dim` is d; `path` the file read; `device` where it computes; `network` the torch
    module with the weights, in eval mode.

    Raises:
        InvalidValue: (a ValueError) another shape, dtype or value, in one sentence.
        UserError: what the file does not hold: a decoder.pth cannot encode.
    """

    def __init__(self, networks: Networks):
        self._networks = networks
        self.network: nn.Module = networks.module
        self.path: Path = networks.path
        self.latent_dim: int = networks.latent_dim
        self.device: torch.device = networks.device

    def __repr__(self) -> str:
        return f"Model({type(self.network).__name__}, latent_dim={self.latent_dim}, {self.path}, {self.device})"

    @leaves_process_alone
    def encode(self, grids: Array) -> CodePosterior:
        """The posterior of each grid.

        >>> posterior = model.encode(grids)
        >>> grids.shape, posterior.mu.shape, posterior.sigma.shape
        ((6, 16, 16), (6, 10), (6, 10))
        """
        batch = take_grids(grids)
        mu, logvar = self._networks.posterior(batch.values)
        return CodePosterior(batch.back(mu), batch.back(logvar))

    @leaves_process_alone
    def decode(self, z: Array, apart: bool = True) -> Array:
        """Each code's most likely grid: uint8 (16, 16) of (d,), (N, 16, 16) of (N, d).

        Args:
            apart: whether object slots move an object that would overlap a larger one to a free place. False is for
                codes whose objects overlap on purpose: those of an operation with overlap="paint", the usual one.

        >>> model.decode(model.encode(grids).mu).shape
        (6, 16, 16)
        """
        batch = take_codes(z, self.latent_dim)
        return batch.back(self._networks.grids(batch.values, apart))

    @leaves_process_alone
    def logits(self, z: Array, apart: bool = True) -> Array:
        """Each cell's logits over the ten colours, float32 (10, 16, 16) of (d,), (N, 10, 16, 16) of (N, d).

        Their softmax over the axis of ten is p(colour | z); `apart` as in `decode`.

        >>> model.logits(model.encode(grids[0]).mu).shape
        (10, 16, 16)
        """
        batch = take_codes(z, self.latent_dim)
        return batch.back(self._networks.logits(batch.values, apart))

    @leaves_process_alone
    def reconstruct(self, grids: Array) -> Array:
        """The grids decoded from their posterior means, uint8 of the same shape.

        >>> bool((model.reconstruct(grids) == model.decode(model.encode(grids).mu)).all())
        True
        """
        batch = take_grids(grids)
        return batch.back(self._networks.grids(self._codes(batch)))

    @leaves_process_alone
    def sample(self, n: int, seed: int | None = None) -> Array:
        """n grids decoded from z ~ N(0, I): numpy, uint8 (n, 16, 16).

        Args:
            seed: of the draws, the same on every device; None draws anew, and not from torch's global generator.

        >>> model.sample(6, seed=0).shape
        (6, 16, 16)
        """
        generator = torch.Generator()
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(_integer(seed, "seed", at_least=0))
        z = torch.randn(_integer(n, "n", at_least=1), self.latent_dim, generator=generator)
        return self._networks.grids(z).numpy()

    @leaves_process_alone
    def interpolate(self, a: Array, b: Array, steps: int = 10, path: str = "straight") -> Array:
        """steps + 1 grids on the way from a to b in latent space, both ends included; of codes, that many codes.

        Args:
            a, b: grids or codes, both (16, 16), (N, 16, 16), (d,) or (N, d).
            path: "straight", or another that the model knows: on "objects" those of object slots move.

        Returns:
            uint8 (steps + 1, 16, 16) or (N, steps + 1, 16, 16), the ends' reconstructions first and last; of codes
            float32 (steps + 1, d) or (N, steps + 1, d).

        >>> model.interpolate(grids[0], grids[1], steps=4).shape
        (5, 16, 16)
        """
        steps = _integer(steps, "steps", at_least=1)
        start, end = (take(values, self.latent_dim, name) for values, name in ((a, "a"), (b, "b")))
        require(start.kind == end.kind, "b", f"an array of {end.kind}", f"of {start.kind}, as a is")
        alike = start.values.shape == end.values.shape and start.single == end.single
        require(alike, "b.shape", tuple(getattr(b, "shape", ())), "that of a")
        codes = self._networks.ways(self._codes(start).float(), self._codes(end).float(), steps, path)
        if start.kind == CODES:
            return start.back(codes)
        return start.back(self._networks.grids(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]))

    @property
    def operations(self) -> "Mapping[str, Operation]":
        """The operations that this model can do in latent space, by name; see `arc_vae.operations`.

        >>> "scale(factor=2, of=each)" in model.operations
        True
        """
        from arc_vae import operations

        self._networks.check_whole()
        return operations.available(self.network)

    @leaves_process_alone
    def apply(self, operation: "Operation | str", values: Array) -> Array:
        """Grids or codes with an operation applied in latent space: grids give grids, codes give codes.

        Args:
            operation: one of `arc_vae.operations`, or the name of one of this model's.
            values: integer grids, which are encoded, changed as codes and decoded; or codes.

        Returns:
            uint8 grids; or codes, float64 where the operation writes what they state of objects: rounded to float32
            some of these would be decoded elsewhere. Decode them with `apart=operation.apart`, as `apply` does.

        Raises:
            Refused: (a UserError) names the first grid or code that does not admit the operation, and why.

        >>> grow = arc_vae.operations.scale(factor=2)
        >>> grown = model.apply(grow, model.encode(grids).mu)
        >>> bool((model.decode(grown, apart=grow.apart) == model.apply(grow, grids)).all())
        True
        """
        from arc_vae import operations

        self._networks.check_whole()
        return operations.apply(self.network, operation, values)

    def _codes(self, batch: Batch) -> Tensor:
        """float32 (N, d): the codes themselves, or the posterior means of grids."""
        return batch.values if batch.kind == CODES else self._networks.posterior(batch.values)[0]


def _integer(value: Any, name: str, at_least: int) -> int:
    """The value as an int; numpy's integers are too, bool is none."""
    try:
        number = index(value)
    except TypeError:
        number = at_least - 1
    require(number >= at_least and not isinstance(value, bool), name, value, f"an integer of at least {at_least}")
    return number
