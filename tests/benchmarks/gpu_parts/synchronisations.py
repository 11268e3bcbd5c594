"""How often a training step waits for the GPU, and in which lines.

On a GPU torch itself warns at each wait (torch.cuda.set_sync_debug_mode). Everywhere, and so on a CPU before there is
a GPU, the operations are counted whose result the host must know before it can go on: these wait on every GPU.
"""

import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from step_setup import make_step, train_on
from torch.utils._python_dispatch import TorchDispatchMode

from arc_vae.corpus import Corpus
from arc_vae.corpus.atomic.scenes import generate
from gpu_parts.findings import Findings, forget_peak, peak_mb, synchronise

EXPERIMENTS = {"default": [], "object_slots": ["experiment=object_slots"], "palette": ["model=palette"]}
# Their results have a size or a value that decides what the host does next.
ASK_THE_HOST = {"_local_scalar_dense", "equal", "nonzero", "masked_select", "is_nonzero", "unique_dim", "_unique2"}


class HostQuestions(TorchDispatchMode):
    """While entered, counts operations that ask the host, by the line of this project that they come from."""

    def __init__(self):
        super().__init__()
        self.lines: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in ASK_THE_HOST or (name.startswith("index") and masked(args)):
            place, text = own_line()
            # one_hot looks at its numbers on CPUs only.
            if "one_hot(" not in text:
                self.lines[f"{name} in {place}"] += 1
        return function(*args, **(kwargs or {}))


def masked(args: tuple) -> bool:
    """Whether an indexing operation is given a mask: how many cells it picks only the device knows."""
    indices = args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ()
    return any(torch.is_tensor(index) and index.dtype is torch.bool for index in indices)


def own_line() -> tuple[str, str]:
    """The innermost line of `arc_vae` that is being run: file and number, and its text."""
    stack = [frame for frame in traceback.extract_stack() if "/arc_vae/" in frame.filename]
    return (f"{Path(stack[-1].filename).name}:{stack[-1].lineno}", stack[-1].line) if stack else ("elsewhere", "")


def questions(call: Callable[[], object]) -> Counter[str]:
    """The operations of one call that ask the host, by line."""
    with HostQuestions() as mode:
        call()
    return mode.lines


def waits(call: Callable[[], object]) -> Counter[str]:
    """What torch says of one call's waits for the GPU, by line."""
    synchronise()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return Counter(f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchroniz" in str(w.message))


def measure(findings: Findings) -> None:
    """A few steps of each model; counts are of a step."""
    steps, batch_size = (3, 16) if findings.tiny else (10, 128)
    grids = generate("train", 16 * batch_size, seed=0)
    ways = [(*experiment, graph) for graph in {False, findings.device == "cuda"} for experiment in EXPERIMENTS.items()]
    for name, overrides, graph in ways:
        step = make_step(Corpus("one", grids, grids, grids), *overrides, device=findings.device, cuda_graph=graph)
        step.state.model.fit_prior(torch.from_numpy(grids).to(findings.device))
        train = train_on(step, grids, batch_size)
        forget_peak()
        for _ in range(5):
            train()
        counters = {"asks the host": questions} if not graph else {}
        if findings.device == "cuda":
            counters["waits for the GPU"] = waits
        for kind, count in counters.items():
            found = sum((count(train) for _ in range(steps)), Counter())
            lines = "; ".join(f"{number / steps:.3g} {line}" for line, number in found.most_common(4))
            cells = {"experiment": name, "graph": graph, "counted": kind, "a_step": found.total() / steps}
            findings.row("host synchronisations", **cells, peak_mb=peak_mb(), lines=lines)
