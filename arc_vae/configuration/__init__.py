"""`conf/`: where it lies, what it states, and what a composed configuration may be."""

import arc_vae.configuration.resolvers  # noqa: F401  registers that of `run_id`
