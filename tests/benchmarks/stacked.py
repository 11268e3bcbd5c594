"""Do variants of one architecture that differ only in seed, β or learning rate train faster as one stacked model?

A step is one-hot, forward, objective, backward, a gradient clip per variant and Adam, on one batch of 128 grids that
all variants share: the stacked model's best case. Three ways to take K variants one step further: `separate`, one
model after the other with all cores; `stacked`, one model of K times the channels, its convolutions grouped, its dense
layers batched products; `processes`, one a variant with one thread each. The stacked gradients are first held against
the separate ones. (torch.func.vmap is no way: slower than `stacked`, and its convolutions refuse bfloat16 autocast.)
"""

import argparse
import copy
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from timing import in_turn, medians, print_table
from torch import Tensor, nn

from arc_vae.models import BetaVAE
from arc_vae.models.base import MIN_SIGMA
from arc_vae.models.beta_vae.encoder import one_hot
from arc_vae.objective.loss import BetaVAELoss
from arc_vae.objective.terms import ReconstructionNats, kl_divergence, reconstruction_nats

BATCH, FOREGROUND = 128, 0.07
LOSS = BetaVAELoss()
PAYS = 1.1  # times as fast as both other ways; less is not worth a second formulation of the model


class Separate:
    """Variants, each a model of its own; a variant's number decides its weights, noise, β and learning rate."""

    def __init__(self, variants: Sequence[int], bfloat16: bool):
        torch.manual_seed(0)
        self.grids = torch.randint(1, 10, (BATCH, 16, 16)) * (torch.rand(BATCH, 16, 16) < FOREGROUND)
        self.bfloat16 = bfloat16
        self.models, self.noise = [], []
        for variant in variants:
            torch.manual_seed(variant)
            self.models.append(BetaVAE().to(memory_format=torch.channels_last))
            self.noise.append(torch.randn(BATCH, self.models[0].latent_dim))
        self.betas = [0.5 + 0.25 * variant for variant in variants]
        self.rates = [1e-3 * (1 + 0.1 * variant) for variant in variants]
        self.optimize([list(model.parameters()) for model in self.models])

    def optimize(self, parameters: list[list[Tensor]]) -> None:
        """Give the parameters of each variant to an optimizer."""
        self.parameters = parameters
        self.optimizers = [torch.optim.Adam(p, lr, fused=True) for p, lr in zip(parameters, self.rates, strict=True)]

    def backward(self) -> None:
        """Leave each variant's gradients in `parameters`."""
        for model, noise, beta in zip(self.models, self.noise, self.betas, strict=True):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                mu, logvar = model.encode(self.grids)
                logits = model.decode(mu + torch.exp(0.5 * logvar) * noise)
            LOSS(logits, self.grids, mu, logvar, beta).total.backward()

    def step(self) -> None:
        self.backward()
        for parameters, optimizer in zip(self.parameters, self.optimizers, strict=True):
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()


class Stacked(Separate):
    """The same variants in one model: each parameter is the K variants' one after the other along its first axis."""

    def __init__(self, variants: Sequence[int], bfloat16: bool):
        super().__init__(variants, bfloat16)
        self.count = len(variants)
        self.wide = copy.deepcopy(self.models[0])
        for wide, *single in zip(self.wide.parameters(), *self.parameters, strict=True):
            wide.data = torch.cat([p.data for p in single])
        self.wide.to(memory_format=torch.channels_last)
        # Views: what an optimizer does to its variant's parameters happens in the stacked ones.
        parts = [p.data.chunk(self.count) for p in self.wide.parameters()]
        self.optimize([list(variant) for variant in zip(*parts, strict=True)])

    def convolve(self, layers: nn.Sequential, h: Tensor) -> Tensor:
        """(B, C, ...) shared by all variants, or (B, K·C, ...) → (B, K·C', ...)."""
        for layer in layers:
            if isinstance(layer, nn.ReLU):
                h = layer(h)
                continue
            operation = F.conv_transpose2d if isinstance(layer, nn.ConvTranspose2d) else F.conv2d
            groups = h.shape[1] // layer.in_channels
            h = operation(h, layer.weight, None, layer.stride, layer.padding, groups=groups)
            h = h + layer.bias.to(h.dtype)[:, None, None]
        return h

    def dense(self, layer: nn.Linear, h: Tensor) -> Tensor:
        """(K, B, features) → (K, B, features')."""
        weight = layer.weight.view(self.count, -1, layer.in_features)
        return torch.baddbmm(layer.bias.view(self.count, 1, -1), h, weight.mT)

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B·K, 10, 16, 16), mu and logvar (K, B, d)."""
        encoder, decoder = self.wide.encoder, self.wide.decoder
        h = self.convolve(encoder.convolutions, one_hot(self.grids)).reshape(BATCH, self.count, -1).transpose(0, 1)
        h = F.relu(self.dense(encoder.hidden, h))
        mu = self.dense(encoder.mu_head, h).float()
        logvar = 2 * torch.log(F.softplus(self.dense(encoder.sigma_head, h).float()) + MIN_SIGMA)
        h = F.relu(self.dense(decoder.hidden, mu + torch.exp(0.5 * logvar) * torch.stack(self.noise)))
        h = F.relu(self.dense(decoder.expand, h)).transpose(0, 1)
        channels, *sides = decoder.unflatten.unflattened_size
        h = h.reshape(BATCH, self.count * channels, *sides).contiguous(memory_format=torch.channels_last)
        return self.convolve(decoder.convolutions, h).reshape(BATCH * self.count, -1, 16, 16), mu, logvar

    def backward(self) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits, mu, logvar = self.forward()
        parts = reconstruction_nats(logits, self.grids.repeat_interleave(self.count, dim=0))
        nats = [
            ReconstructionNats(*part)
            for part in zip(*(part.view(BATCH, -1).mean(dim=0) for part in parts), strict=True)
        ]
        kl = kl_divergence(mu, logvar).mean(dim=1)
        self.wide.zero_grad()
        sum(LOSS.from_batch_means(*terms).total for terms in zip(nats, kl, self.betas, strict=True)).backward()
        for wide, *parts in zip(self.wide.parameters(), *self.parameters, strict=True):
            for part, gradient in zip(parts, wide.grad.chunk(self.count), strict=True):
                part.grad = gradient


def refuse_wrong_gradients(count: int) -> None:
    """Every float32 gradient of every variant must be the separate model's, within 1e-4 of its norm."""
    separate, stacked = Separate(range(count), bfloat16=False), Stacked(range(count), bfloat16=False)
    separate.backward()
    stacked.backward()
    for i in range(count):
        for right, tried in zip(separate.parameters[i], stacked.parameters[i], strict=True):
            error = float((tried.grad - right.grad).norm() / right.grad.norm())
            assert error < 1e-4, f"a stacked gradient of variant {i} of {count} is off by {error:.1e} of its norm"


def begin(variant: int, bfloat16: bool) -> None:
    """Make a process the one of that variant."""
    global own
    torch.set_num_threads(1)
    own = Separate([variant], bfloat16)


def advance(steps: int, variants: Separate | None = None) -> None:
    """Take `steps` steps, by default of the process's own variant."""
    for _ in range(steps):
        (variants or own).step()


def measure(count: int, bfloat16: bool, rounds: int, steps: int) -> dict[str, float]:
    """Median seconds in which each way takes `count` variants one step further."""
    separate, stacked = Separate(range(count), bfloat16), Stacked(range(count), bfloat16)
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = [ProcessPoolExecutor(1, spawn, begin, (i, bfloat16)) for i in range(count)]
        for pool in pools:
            stack.enter_context(pool)
        ways = {
            "separate": lambda: advance(steps, separate),
            "stacked": lambda: advance(steps, stacked),
            "processes": lambda: [job.result() for job in [pool.submit(advance, steps) for pool in pools]],
        }
        return {way: seconds / steps for way, seconds in medians(in_turn(ways, rounds)).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", type=int, nargs="+", default=[1, 2, 4, 8], help="the K to measure")
    parser.add_argument("--rounds", type=int, default=12, help="times through the three ways")
    parser.add_argument("--steps", type=int, default=5, help="steps at a time")
    args = parser.parse_args()
    rows, best, best_at = [], 0.0, "measured for no K above 1"
    for bfloat16, count in [(bfloat16, count) for bfloat16 in (False, True) for count in args.variants]:
        refuse_wrong_gradients(count)
        seconds = measure(count, bfloat16, args.rounds, args.steps)
        precision = "bfloat16" if bfloat16 else "float32"
        gains = [seconds[way] / seconds["stacked"] for way in ("separate", "processes")]
        cells = [f"{1e3 * value:.1f} / {count * BATCH / value:,.0f}" for value in seconds.values()]
        rows.append([precision, count, *cells, *(f"{gain:.2f}" for gain in gains)])
        print(*rows[-1], sep="  ", file=sys.stderr)
        if count > 1 and min(gains) > best:
            best, best_at = min(gains), f"{precision}, K = {count}"
    header = ["precision", "K", "separate", "stacked", "processes", "stacked/separate", "stacked/processes"]
    print_table("K variants: ms a step of all K / variant-grids a second; then ratios of speed", header, rows)
    verdict = "pays" if best >= PAYS else "does not pay"
    print(f"stacked {verdict} on this machine: at best {best:.2f} times the faster of the other two ({best_at})")


if __name__ == "__main__":
    main()
