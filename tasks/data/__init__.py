"""Data: what a source delivers, held to its contract and kept as versioned tables."""

from tasks.data.ingestion import commit, inspect, read_history, receive, refusal

__all__ = ["commit", "inspect", "read_history", "receive", "refusal"]
