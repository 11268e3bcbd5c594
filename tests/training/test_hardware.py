"""What "auto" resolves to, and that the process's settings do what they say."""

import os
import subprocess
import sys

import pytest
import torch

from arc_vae.training import device
from arc_vae.training.device import (
    BFLOAT16_INSTRUCTIONS,
    COMPILE_FROM_STEPS,
    autocast,
    has_bfloat16,
    limit_threads,
    resolve_compile,
    resolve_precision,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("name", BFLOAT16_INSTRUCTIONS)
def test_auto_is_bfloat16_where_the_processor_has_instructions_for_it(monkeypatch, name):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, name: True}, raising=False)
    assert resolve_precision("auto", CPU) == "bfloat16"
    assert resolve_precision("float32", CPU) == "float32"


def test_auto_is_float32_where_bfloat16_is_missing_or_unknown(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False}, raising=False)
    assert resolve_precision("auto", CPU) == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not has_bfloat16(CPU)
    assert resolve_precision("bfloat16", CPU) == "bfloat16"  # the user's word stands


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_that_only_emulates_bfloat16_trains_in_float32(monkeypatch, native):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native or including_emulation)
    assert resolve_precision("auto", GPU) == ("bfloat16" if native else "float32")


def test_autocast_reaches_the_products_and_not_the_weights():
    layer = torch.nn.Linear(4, 4)
    with autocast(CPU, "bfloat16"):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(CPU, "float32"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_compiling_by_itself_happens_on_a_gpu_in_long_runs_only(monkeypatch):
    monkeypatch.setattr(device.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert resolve_compile("auto", GPU, COMPILE_FROM_STEPS)
    assert not resolve_compile("auto", GPU, COMPILE_FROM_STEPS - 1)
    assert not resolve_compile("auto", CPU, 10**9)
    assert resolve_compile(True, CPU, 1) and not resolve_compile(False, GPU, 10**9)
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    assert not resolve_compile("auto", GPU, 10**9)


def test_threads_are_limited_to_the_cores_the_process_may_use_unless_the_user_says_otherwise(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        monkeypatch.setattr("joblib.cpu_count", lambda only_physical_cores: 3)
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        limit_threads()
        assert torch.get_num_threads() == 4
        monkeypatch.delenv("OMP_NUM_THREADS")
        limit_threads()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


FAULTS = """
import resource, sys, torch
from arc_vae.training.device import keep_freed_blocks
if sys.argv[1] == "keep":
    keep_freed_blocks()
def use_and_free():
    blocks = [torch.ones(2**20) for _ in range(8)]
for _ in range(3):
    use_and_free()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use_and_free()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="this system's C library is not glibc")
def test_freed_memory_is_used_again_without_page_faults():
    # glibc's own threshold moves with what was freed before; held at its first value, every block is fetched anew.
    fixed = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**17)}

    def faults(what: str) -> int:
        command = [sys.executable, "-c", FAULTS, what]
        return int(subprocess.run(command, env=fixed, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 100 < 5_000 < faults("leave")
