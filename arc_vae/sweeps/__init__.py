"""Many runs: frozen, launched, counted, compared."""
