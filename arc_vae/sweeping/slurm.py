"""What jobs queued by an earlier version have pickled."""

from arc_vae.sweeps.slurm import RequeueableJob as SlurmJob  # noqa: F401
