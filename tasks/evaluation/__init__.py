"""How a candidate is judged."""

from tasks.evaluation.evaluating import compare, evaluate, judge

__all__ = ["compare", "evaluate", "judge"]
