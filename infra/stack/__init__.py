"""The embedded stack of a home: up, down, and what it is made of."""

from infra.stack.erasing import erase
from infra.stack.lifecycle import Progress, down, is_up, up

__all__ = ["Progress", "down", "erase", "is_up", "up"]
