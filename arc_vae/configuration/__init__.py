"""`conf/`: where it lies, what it states, and what a composed configuration may be."""
