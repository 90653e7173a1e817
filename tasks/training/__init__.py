"""How a candidate is made."""

from tasks.training.fitting import fit

__all__ = ["fit"]
