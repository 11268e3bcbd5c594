"""What a training run imports that is not its own: the memory no run of it can do without."""

import importlib

from fresh import memory_mb

# Some come late: the optimizer imports torch._dynamo, compiled or not; wandb.init and hydra.main import the rest of
# their packages. What a run holds in sys.modules and this list does not was compared: nothing of size.
LIBRARIES = (
    "torch", "torch._dynamo", "numpy", "hydra", "hydra._internal.hydra", "omegaconf", "tqdm.contrib.logging",
    "wandb", "wandb.apis.public", "requests", "PIL.Image", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "scipy.sparse.csgraph", "sklearn.ensemble", "sklearn.model_selection", "sklearn.decomposition", "sklearn.manifold",
)  # fmt: skip


def import_all() -> dict[str, float]:
    """Resident memory after all imports, in MB; how much of it is mapped files."""
    for name in LIBRARIES:
        importlib.import_module(name)
    return {"rss_mb": memory_mb("VmRSS"), "files_mb": memory_mb("RssFile")}
