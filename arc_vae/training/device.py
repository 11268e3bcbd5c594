"""What a run computes on, and how to use it well: device, precision, compilation, threads, memory."""

import ctypes
import logging
import os
import shutil
from contextlib import AbstractContextManager, nullcontext

import torch

from arc_vae.common.errors import require

logger = logging.getLogger(__name__)

# Processors whose bfloat16 products are instructions; others emulate them, more slowly than float32.
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")

# Steps from which compiling is worth its half minute on a GPU; on CPUs it was measured to gain nothing.
COMPILE_FROM_STEPS = 5_000

# glibc's names for what `mallopt` sets (malloc.h), and the largest threshold it accepts.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_MMAP_THRESHOLD = 32 * 2**20


def resolve_device(device: str) -> torch.device:
    """The device of that name; "auto" is the GPU where there is one."""
    available = torch.cuda.is_available()
    require(device in ("auto", "cpu", "cuda"), "device", device, "auto, cpu or cuda")
    require(device != "cuda" or available, "device", device, "auto or cpu on this machine: torch sees no GPU")
    return torch.device("cuda" if device != "cpu" and available else "cpu")


def resolve_precision(precision: str, device: torch.device) -> str:
    """The precision of that name; "auto" is bfloat16 where the device has instructions for it, else float32."""
    require(precision in ("auto", "float32", "bfloat16"), "precision", precision, "auto, float32 or bfloat16")
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 by itself; a torch too old to tell (before 2.11) counts as no."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS)


def resolve_compile(compile: bool | str, device: torch.device, steps: int) -> bool:
    """Whether to compile a run of that many steps; "auto" does on a GPU, when the run is long enough to pay for it."""
    if compile != "auto":
        return compile
    return device.type == "cuda" and steps >= COMPILE_FROM_STEPS and shutil.which("gcc") is not None


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a model computes at `precision`; its weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def configure_process() -> None:
    """Settings of the whole process that cost nothing and change no result but by rounding.

    To be called before torch starts a thread: a thread rounds as the one that started it does.
    """
    flush_subnormals()
    keep_freed_blocks()
    limit_threads()
    if torch.cuda.is_available():
        # TF32 in the dense layers, where the GPU has it; convolutions use it by torch's default already.
        torch.set_float32_matmul_precision("high")


def flush_subnormals() -> None:
    """Round numbers below 1.2e-38 to 0, in this thread and in those it starts later.

    Many processors compute with subnormal numbers in microcode. A trained model's small probabilities and
    decaying moments are among them, and its steps then cost up to six times a fresh model's.
    """
    torch.set_flush_denormal(True)


def keep_freed_blocks() -> None:
    """Let glibc keep freed blocks for the next step instead of handing them back to the kernel.

    A step frees and allocates the same 30 MB of activations; fetched anew each time, they cost about 2,500
    page faults, a tenth of the step. Elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, 2**30)


def limit_threads() -> None:
    """No more threads than cores this process may use; torch counts the machine's, containers and jobs have fewer.

    OMP_NUM_THREADS, where set, is the user's word and stands.
    """
    from joblib import cpu_count

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), cpu_count(only_physical_cores=True)))
