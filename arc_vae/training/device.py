"""What a run computes on, and how to use it well: device, precision, compilation, threads, memory."""

import ctypes
import logging
import os
import re
import shutil
from contextlib import AbstractContextManager, nullcontext

import torch

from arc_vae.common.errors import require

logger = logging.getLogger(__name__)

# Processors whose bfloat16 products are instructions; others emulate them, more slowly than float32.
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
FLOAT16_INSTRUCTIONS = ("avx512_fp16", "amx_fp16")

# What the loss is multiplied by at first. The seed's network's gradients overflowed from 512 on (first steps on a CPU);
# torch doubles the factor after 2,000 steps without an overflow and halves it at each.
FLOAT16_SCALE = 128.0

# Steps from which a GPU's run is compiled, which takes half a minute: a guess, since no GPU has compared graphs with
# and without. On CPUs compiling was measured to gain nothing.
COMPILE_FROM_STEPS = 200_000

# glibc's names for what `mallopt` sets (malloc.h), and the largest threshold it accepts.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_MMAP_THRESHOLD = 32 * 2**20


def resolve_device(device: str) -> torch.device:
    """The device of that name: auto, cpu, cuda, cuda:N or mps; "auto" is a CUDA GPU where there is one, else the CPU.

    Raises:
        InvalidValue: the name is no device, or this machine lacks it; it says what the machine has.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    here += ["mps"] if torch.backends.mps.is_available() else []
    known = isinstance(device, str) and re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", device)
    require(bool(known), "device", device, "auto, cpu, cuda, cuda:N (a GPU's number, from 0) or mps")
    require(
        device in ("auto", *here), "device", device, f"auto or one that torch sees on this machine: {', '.join(here)}"
    )
    return torch.device(("cuda" if gpus else "cpu") if device == "auto" else device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """The precision of that name; "auto" is bfloat16 where the device has instructions for it, else float32.

    float16 only where it is asked for: what it does to a model's figures has not been measured.
    """
    wanted = "auto, float32, bfloat16 or float16"
    require(precision in ("auto", "float32", "bfloat16", "float16"), "precision", precision, wanted)
    others = f"auto, float32 or bfloat16 on the device {device.type} of this machine, which lacks float16"
    require(precision != "float16" or has_float16(device), "precision", precision, others)
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


def has_float16(device: torch.device) -> bool:
    """Whether training in float16 is supported: on CUDA GPUs, and on CPUs that have instructions for it."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return device.type == "cuda" or any(capabilities.get(name) for name in FLOAT16_INSTRUCTIONS)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 by itself; a torch too old to tell (before 2.11) counts as no."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "mps":
        return False
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS)


def resolve_compile(compile: bool | str, device: torch.device, steps: int) -> bool:
    """Whether to compile a run of that many steps; "auto" does on a GPU, when the run is long enough to pay for it."""
    if compile != "auto":
        return bool(compile)
    return device.type == "cuda" and steps >= COMPILE_FROM_STEPS and shutil.which("gcc") is not None


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a model computes at `precision`; its weights stay float32."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, getattr(torch, precision))


def gradient_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Scales the loss so that float16 gradients do not vanish, and leaves out steps in which they overflow; in other
    precisions it does nothing.
    """
    return torch.amp.GradScaler(device.type, init_scale=FLOAT16_SCALE, enabled=precision == "float16")


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
