"""1, 2, 4, 8 and 16 runs at once on one device, a process each: training steps alone, without start and verdict."""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection

from gpu_parts.findings import Findings

COUNTS = (1, 2, 4, 8, 16)
BATCH_SIZE = 128
STEPS = 1000


def measure(findings: Findings) -> None:
    """As many processes as the largest count, all warm; of these ever more train at once."""
    counts, steps = (COUNTS, STEPS) if not findings.tiny else ((1, 2), 3)
    cores = len(os.sched_getaffinity(0))
    os.environ["OMP_NUM_THREADS"] = str(max(1, cores // max(counts)))
    spawn = multiprocessing.get_context("spawn")
    lines, processes = [], []
    for number in range(max(counts)):
        ours, theirs = spawn.Pipe()
        processes.append(spawn.Process(target=train_when_told, args=(theirs, number, findings.device), daemon=True))
        processes[-1].start()
        theirs.close()
        lines.append(ours)
    for line in lines:
        line.recv()
    alone = None
    for count in counts:
        started = time.perf_counter()
        for line in lines[:count]:
            line.send(steps)
        peaks = [line.recv() for line in lines[:count]]
        rate = count * steps / (time.perf_counter() - started)
        alone = alone or rate
        findings.row(
            f"runs at once, batches of {BATCH_SIZE}, {steps} steps each",
            runs=count,
            steps_per_s_of_each=rate / count,
            steps_per_s_of_all=rate,
            times_one_after_the_other=rate / alone,
            peak_mb_each=max(peaks) if None not in peaks else None,
            card_in_use_mb=card_in_use_mb(),
        )
    for line in lines:
        line.send(0)
    for process in processes:
        process.join()


def train_when_told(line: Connection, seed: int, device: str) -> None:
    """In a process of its own: train as many steps as each message says, until one says 0."""
    from step_setup import make_step, train_on

    from arc_vae.corpus import Corpus
    from arc_vae.corpus.atomic.scenes import generate
    from gpu_parts.findings import forget_peak, peak_mb, synchronise

    grids = generate("train", 64 * BATCH_SIZE, seed=seed)
    corpus, graph = Corpus("own", grids, grids, grids), device == "cuda"
    train = train_on(make_step(corpus, f"seed={seed}", device=device, cuda_graph=graph), grids, BATCH_SIZE)
    forget_peak()
    for _ in range(5):
        train()
    synchronise()
    line.send(None)
    while steps := line.recv():
        for _ in range(steps):
            train()
        synchronise()
        line.send(peak_mb())


def card_in_use_mb() -> float | None:
    """What the card holds in all, by every process; None without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20
