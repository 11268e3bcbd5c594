"""An independent library's VAE on the same corpus, judged as our runs are: pythae's own networks, loss and trainer.

pythae's VAE with its default dense networks (one hidden layer of 512 units each side), Adam at 1e-3, batches of 128,
reads grids as one-hot vectors and sums a binary cross-entropy over them. Its decoder's probabilities of a cell's ten
colours, divided by their sum, are the categorical p(x | z) by which nats are counted here.

    pip install pythae==0.1.2; python tests/benchmarks/pythae_baseline.py --epochs 50
"""

import argparse
import json
import time

import torch

from arc_vae.corpus.atomic.source import AtomicSource
from arc_vae.evaluation.criteria import Criteria
from arc_vae.evaluation.measure import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--latent-dim", type=int, default=10)
    parser.add_argument("--num-grids", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from pythae_vae import train  # what it needs is not among the project's own requirements

    corpus = AtomicSource(arguments.num_grids).load()
    started = time.process_time()
    model = train(corpus.train, corpus.val, arguments.latent_dim, arguments.epochs, arguments.seed)
    minutes = (time.process_time() - started) / 60
    metrics = measure(model, corpus, Criteria(), torch.device("cpu")).metrics
    print(json.dumps({"cpu_minutes": round(minutes, 1), **metrics}, indent=2))


if __name__ == "__main__":
    main()
