"""What the world does to a model."""

from tasks.monitoring.watching import watch

__all__ = ["watch"]
