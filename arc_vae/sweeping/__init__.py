"""`arc_vae.sweeps`, under the old name that commands, status files and queued Slurm jobs still hold."""
