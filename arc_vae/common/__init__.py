"""What every floor uses, and nothing of the project above it."""
