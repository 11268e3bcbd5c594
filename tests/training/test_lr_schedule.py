import math

import pytest
import torch

from arc_vae.training.lr_schedule import constant, cosine


def rates(schedule, steps: int, **arguments) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = schedule(optimizer, steps_per_epoch=10, **arguments)
    seen = []
    for _ in range(steps):
        seen.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return seen


def test_cosine_without_warmup_is_torchs_annealing_at_epoch_ends():
    ours = rates(cosine, 51, T_max=5, eta_min=1e-3, warmup_steps=0)[::10]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5, eta_min=1e-3)
    torchs = []
    for _ in range(6):
        torchs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert ours == pytest.approx(torchs, rel=1e-6)


def test_warmup_is_linear_and_the_end_is_eta_min():
    seen = rates(cosine, 60, T_max=5, eta_min=1e-3, warmup_steps=5)
    annealed = [1e-3 + 0.099 * 0.5 * (1 + math.cos(math.pi * step / 50)) for step in range(60)]
    assert seen[:5] == pytest.approx([annealed[step] * (step + 1) / 5 for step in range(5)])
    assert seen[5:50] == pytest.approx(annealed[5:50])
    assert seen[50:] == pytest.approx([1e-3] * 10)


def test_constant():
    assert rates(constant, 3) == [0.1] * 3
    assert rates(constant, 4, warmup_steps=2) == pytest.approx([0.05, 0.1, 0.1, 0.1])
