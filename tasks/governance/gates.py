"""The places in Prefect where a suspended run finds its answer: one for each try."""

from prefect.input import keyset_from_base_key


def gate_key(digest: str, attempt: int) -> str:
    """Prefect's key of one try: each gate its own, or an earlier answer would count again."""
    return f"{digest[:12]}-{attempt}"


def response_key(gate: str) -> str:
    """The key under which Prefect keeps what was answered at a gate."""
    return keyset_from_base_key(f"suspended-{gate}")["response"]
