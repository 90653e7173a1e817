"""The gates on the real flights of 2013: the challengers of September and of December."""

from collections.abc import Iterator

import pandas as pd
import pytest

from infra.plugins import resolve
from infra.settings import PROJECT
from tasks.evaluation import compare, evaluate, judge
from tasks.governance.spec import ApprovalSpec
from tasks.references import Bento, Candidate, Champion, FeatureTable, Verdict
from tasks.spec import ModelSpec, load_spec
from tasks.training import fit
from tests.support.feature_tables import AS_OF, bare_home, candidate_of, feature_table, split_of

MODELS = PROJECT / "deployments"
SPEC = load_spec("flights", MODELS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureTable]:
    """The features of 2013, a partition for each month."""
    with bare_home(tmp_path_factory.mktemp("flights"), MODELS):
        yield feature_table(
            "flights",
            {month: _features(SPEC, month) for month in _months(1, 12)},
            key=SPEC.features.key,
            label=SPEC.data.label.name,
            features=SPEC.features.columns,
            categorical=SPEC.features.categorical,
        )


@pytest.fixture(scope="module")
def champion(table: FeatureTable) -> Champion:
    """Version 1: trained on January to March, judged on April."""
    bento = Bento(tag="flights:1", uri="/bento", digest="b", version=1)
    one = _candidate(table, _months(1, 3), "2013-04")
    return Champion(
        model="flights", version=1, since=AS_OF, candidate=one, bento=bento, entry="entry"
    )


@pytest.mark.slow
def test_version_1_beats_the_route_and_hour_rates(champion: Champion) -> None:
    """April: about 0.69 against 0.636, as measured when the data were chosen."""
    told = champion.candidate.evaluation

    assert told.rows == 28_330
    assert told.metrics["roc_auc"] == pytest.approx(0.69, abs=0.012)
    assert told.baseline["roc_auc"] == pytest.approx(0.636, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "holdout", "verdict"),
    [((1, 8), "2013-09", "promote"), ((9, 11), "2013-12", "refuse")],
)
def test_the_gates_tell_september_from_december(
    table: FeatureTable,
    champion: Champion,
    train: tuple[int, int],
    holdout: str,
    verdict: str,
) -> None:
    """Everything so far pays in September; three months only lose in December."""
    challenger = _candidate(table, _months(*train), holdout)

    assert _judged(challenger, champion).kind == verdict


def _candidate(table: FeatureTable, train: list[str], holdout: str) -> Candidate:
    training = SPEC.training.model_copy(update={"candidates": ()})
    label = SPEC.data.label
    split = split_of(table, train, holdout)
    fitted = fit.fn(split, training, SPEC.evaluation, SPEC.features, label)
    return candidate_of(fitted, evaluate.fn(fitted, SPEC.evaluation, label), 2)


def _judged(challenger: Candidate, champion: Champion) -> Verdict:
    found = compare.fn(challenger, champion, SPEC.evaluation, SPEC.gates, SPEC.data.label)
    return judge.fn(challenger, found, SPEC.gates, ApprovalSpec())


def _months(first: int, last: int) -> list[str]:
    return [f"2013-{month:02d}" for month in range(first, last + 1)]


def _features(spec: ModelSpec, month: str) -> pd.DataFrame:
    tables = {}
    for name, declared in spec.data.tables.items():
        frame = pd.read_parquet(MODELS / "flights" / declared.path)
        if declared.calendar:
            number = int(month[-2:])
            frame = frame[frame["month"].isin([number - 1, number])]
        tables[name] = frame
    frame = resolve(MODELS / "flights", spec.features.builder)(tables, month)
    assert isinstance(frame, pd.DataFrame)
    return frame
