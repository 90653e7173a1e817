"""From a delivery to rows that everybody may read: received, inspected, committed."""

from datetime import datetime

from infra.errors import DataError, few
from infra.steps import step
from tasks.data.spec import DataSpec
from tasks.references import Delivery, Ending, History, Inspection, Manifest
from tasks.windows import WindowName


@step(moving=True)
def receive(
    model: str, data: DataSpec, window: WindowName, as_of: datetime, files: dict[str, str]
) -> Delivery:
    """What lies at a model's sources for a window, named by the digests of its bytes.

    Args:
        model: name of the model.
        data: its feed.
        window: what the delivery is for.
        as_of: the time of the ingest.
        files: table to path or URI of what was delivered in place of the declared source; a path
            that is not absolute is taken from the model's folder.

    Raises:
        ConfigError: a file for a table that is not declared.
        DataError: a file that is not there or cannot be read whole, or a window that shares days
            with one of another length: nobody inspects and records what could not be committed.
    """
    from tasks.data.fetching import fetch
    from tasks.data.manifests import refuse_overlap
    from tasks.data.sources import locate, sha256

    refuse_overlap(model, window)
    located = locate(model, data, files)
    digests = {table: sha256(fetch(table, location)) for table, location in located.items()}
    return Delivery(model=model, window=window, as_of=as_of, files=located, digests=digests)


@step
def inspect(delivery: Delivery, history: History, data: DataSpec) -> Inspection:
    """What the contract says of a delivery; rows that passed wait in staging, others beside it.

    Args:
        delivery: what was received.
        history: the batches before, which say what is usual.
        data: the feed as declared.

    Raises:
        ConfigError: the declaration, a suite or the observer is wrong.
        DataError: a file has changed since it was received.
    """
    from tasks.data.inspection import examine
    from tasks.data.publishing import past_of, publish
    from tasks.data.sources import contents, contract_of

    contract = contract_of(delivery, data)
    before = history.before(delivery.window)
    batches = examine(contents(delivery, data), contract, past_of(before))
    return publish(delivery, batches, before)


@step(moving=True)
def commit(inspection: Inspection, approval: str = "") -> Manifest:
    """The manifest that makes the rows of an inspection visible, all tables at once.

    Args:
        inspection: what the contract said, with the rows that wait in staging.
        approval: digest of the ledger's entry by which a person let a held batch in.

    Raises:
        DataError: the batch was rejected, a table has no rows that may be stored, or a window of
            another length that shares days was ingested before.
        IntegrityError: the staged rows are not those that were inspected.
    """
    from tasks.data.publishing import commit_staged

    if inspection.ending is Ending.REJECT:
        raise refusal(inspection)
    return commit_staged(inspection, approval)


@step(moving=True)
def read_history(model: str, as_of: datetime) -> History:
    """The manifests in force as of a time, oldest window first."""
    from tasks.data.manifests import history

    return history(model, as_of)


def refusal(inspection: Inspection) -> DataError:
    """The error that a rejected batch ends in: its worst findings and where the report is."""
    worst = [each for each in inspection.findings if each.ending is Ending.REJECT]
    told = few([f"{each.table}: {each.message}" for each in worst], 3)
    delivery = inspection.delivery
    return DataError(
        f"The batch {delivery.window} of {delivery.model} was rejected. {told}",
        hint="Nothing was ingested. Ask the owner of the data for a new delivery. "
        f"Report: {inspection.report_url}",
        findings=[each.model_dump(mode="json") for each in worst],
        report=inspection.report_url,
    )
