"""`arc_vae.common.errors`, under its old name."""

from arc_vae.common.errors import InvalidValue, UserError, require  # noqa: F401
