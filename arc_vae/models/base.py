"""What every model is: a Gaussian posterior, a decoder to logits, and the noise between."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor, nn

# Keeps logvar = 2 log σ finite where softplus underflows to zero.
MIN_SIGMA = 1e-6


class Posterior(NamedTuple):
    """Diagonal Gaussian q(z | x): mean and log variance, each (B, d)."""

    mu: Tensor
    logvar: Tensor


class VAEOutput(NamedTuple):
    """What one pass gives: logits (B, 10, 16, 16), the posterior's mu and logvar (B, d), the sample z (B, d)."""

    logits: Tensor
    mu: Tensor
    logvar: Tensor
    z: Tensor


def reparameterize(mu: Tensor, logvar: Tensor, generator: Generator | None = None) -> Tensor:
    """z = μ + σ ε with ε ~ N(0, I), σ = exp(logvar / 2); all (B, d) (Kingma & Welling 2014, section 2.4)."""
    epsilon = torch.randn(mu.shape, device=mu.device, dtype=mu.dtype, generator=generator)
    return mu + torch.exp(0.5 * logvar) * epsilon


class VAE(Protocol):
    """What training, evaluation, pictures and the Python API ask of a model: a torch module that offers these besides.

    `GaussianVAE` offers all of it but an encoder and a decoder. Both are torch modules that can be rebuilt alone: each
    keeps its constructor's arguments by name, plain values, in a dict `arguments`.
    """

    needs_float64: bool
    """Whether the code is computed in float64, which Apple's GPUs (mps) lack."""

    @property
    def latent_dim(self) -> int:
        """d, the number of latent dimensions."""

    @property
    def encoder(self) -> nn.Module:
        """Integer grids (B, 16, 16) → Posterior of (B, d)."""

    @property
    def decoder(self) -> nn.Module:
        """z (B, d) → logits (B, 10, 16, 16)."""

    def encode(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior mu, logvar (B, d)."""

    def decode(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16)."""

    def fit_prior(self, grids: Tensor) -> None:
        """Fit what is not learned by gradients on the train split (N, 16, 16). Called once, before training."""

    def interpolation_paths(self, start: Tensor, end: Tensor, steps: int) -> dict[str, Tensor]:
        """Paths from codes (P, d) to codes (P, d) beside the straight one, by name, (P, steps + 1, d) each."""

    def suitability_warning(self, grids: Tensor) -> str | None:
        """Why this model does not suit such grids (N, 16, 16), in a sentence; None if it does."""

    def __call__(self, grids: Tensor) -> VAEOutput:
        """Integer grids (B, 16, 16) → logits of one posterior sample, and that sample."""

    # Of torch's module, what is used of a whole model.
    def to(self, *args: Any, **kwargs: Any) -> Any: ...
    def train(self) -> Any: ...
    def eval(self) -> Any: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


class GaussianVAE(nn.Module):
    """An encoder to a diagonal Gaussian posterior over d dimensions, a decoder to logits, and the noise between.

    Args:
        encoder: integer grids (B, 16, 16) → Posterior of (B, d). decoder: z (B, d) → logits (B, 10, 16, 16).
    """

    # Whether the code is computed in float64, which Apple's GPUs (mps) lack.
    needs_float64 = False
    # Steps after which training was seen to leave the all-background answer, with room for slower corpora; a run of
    # fewer is warned. Measured: outputs/RESULTS.md, "Small corpora".
    steps_off_baseline = 1500

    def __init__(self, latent_dim: int, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, grids: Tensor) -> Posterior:
        """Integer grids (B, 16, 16) → posterior mu, logvar (B, d)."""
        return self.encoder(grids)

    def decode(self, z: Tensor) -> Tensor:
        """z (B, d) → logits (B, 10, 16, 16)."""
        return self.decoder(z)

    def fit_prior(self, grids: Tensor) -> None:
        """Fit the non-learned parts of the prior on the train split, integers (N, 16, 16); here there are none.

        Called once, before training.
        """

    def interpolation_paths(self, start: Tensor, end: Tensor, steps: int) -> dict[str, Tensor]:
        """Paths between codes (P, d) beside the straight one, by name, (P, steps + 1, d) each; here there are none."""
        return {}

    def suitability_warning(self, grids: Tensor) -> str | None:
        """Why this model does not suit such grids, integers (N, 16, 16), in a sentence; None if it does."""
        return None

    def forward(self, grids: Tensor, generator: Generator | None = None) -> VAEOutput:
        """Integer grids (B, 16, 16) → logits of one posterior sample."""
        mu, logvar = self.encode(grids)
        z = reparameterize(mu, logvar, generator)
        return VAEOutput(self.decode(z), mu, logvar, z)

    def forward_with_samples(self, grids: Tensor, count: int) -> tuple[VAEOutput, Tensor]:
        """`forward`, and the logits (count, 10, 16, 16) of codes drawn from N(0, I): one pass through the decoder takes
        less time than two. A decoder that looks at a batch whole, as by BatchNorm, sees both together.
        """
        mu, logvar = self.encode(grids)
        z = reparameterize(mu, logvar)
        samples = torch.randn(count, self.latent_dim, device=z.device, dtype=z.dtype)
        logits, of_samples = self.decode(torch.cat([z, samples])).split([len(z), count])
        return VAEOutput(logits, mu, logvar, z), of_samples


if TYPE_CHECKING:
    _: type[VAE] = GaussianVAE
