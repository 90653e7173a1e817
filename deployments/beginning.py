"""What a model that nothing is in charge of needs first."""


def to_begin(model: str, *, with_data: bool) -> str:
    """What is to be done next, with the command.

    Args:
        model: its name.
        with_data: whether a window of its data was let in.

    >>> to_begin("churn", with_data=False)
    "Ingest a window to begin: `prefect deployment run 'ingest/churn'`."
    """
    flow, what = ("train", "Train a version") if with_data else ("ingest", "Ingest a window")
    return f"{what} to begin: `prefect deployment run '{flow}/{model}'`."
