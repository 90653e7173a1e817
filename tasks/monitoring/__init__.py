"""What the world does to a model."""

from tasks.monitoring.profiling import profile
from tasks.monitoring.reporting import report
from tasks.monitoring.watching import watch

__all__ = ["profile", "report", "watch"]
