"""`python -m arc_vae.sweeping.worker <job directory>`, as old status files print it."""

from arc_vae.sweeps.worker import main

if __name__ == "__main__":
    main()
