"""A flow that does nothing: what a start costs on the same worker without any of our code."""

from prefect import flow


@flow(name="empty")
def empty() -> None:
    """Start and end."""
