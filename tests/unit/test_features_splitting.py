"""Training and holdout are told apart by time."""

from datetime import UTC, datetime

import pytest

from infra.errors import ConfigError, DataError
from tasks.features.splitting import split
from tasks.references import FeaturePart, FeatureTable
from tasks.training.spec import HoldoutSpec, TrainingSpec

AS_OF = datetime(2013, 6, 1, 6, tzinfo=UTC)


def table(**labelled: int) -> FeatureTable:
    """A table of windows of 1,000 rows, each with its number of labels."""
    parts = tuple(
        FeaturePart(
            window=name.strip("_").replace("_", "-"), digest=name, rows=1000, labelled=known
        )
        for name, known in labelled.items()
    )
    return FeatureTable(
        model="flights",
        uri="/nowhere",
        version=1,
        parts=parts,
        key=("id",),
        label="disrupted",
        features=("temp",),
        categorical=(),
        as_of=AS_OF,
        history="h",
        digest="d",
    )


SPRING = {"_2013_01": 1000, "_2013_02": 1000, "_2013_03": 1000, "_2013_04": 1000}


def test_the_newest_labelled_window_is_held_out_and_all_before_it_are_trained_on() -> None:
    """Expanding is what a declaration says by default."""
    found = split(table(**SPRING), TrainingSpec())

    assert found.train == ("2013-01", "2013-02", "2013-03")
    assert found.holdout == ("2013-04",)


def test_a_window_is_judged_on_only_with_99_percent_of_its_labels() -> None:
    """989 of 1,000 labels are too few; 990 are enough."""
    too_few = split(table(**SPRING, _2013_05=989), TrainingSpec())
    enough = split(table(**SPRING, _2013_05=990), TrainingSpec())

    assert too_few.holdout == ("2013-04",)
    assert enough.holdout == ("2013-05",)


@pytest.mark.parametrize(
    ("window", "train"),
    [
        ("expanding", ("2013-01", "2013-02", "2013-03")),
        ("latest", ("2013-03",)),
        (2, ("2013-02", "2013-03")),
        ("2", ("2013-02", "2013-03")),
        (9, ("2013-01", "2013-02", "2013-03")),
    ],
)
def test_the_training_window_reaches_as_far_back_as_it_says(
    window: str | int, train: tuple[str, ...]
) -> None:
    """A form hands over text where a declaration has a number; both count windows."""
    assert split(table(**SPRING), TrainingSpec(), window).train == train


def test_a_window_given_to_the_run_overrides_the_declared_one() -> None:
    """December's challenger is trained on three months in a model that declares expanding."""
    declared = TrainingSpec(window=1)

    assert split(table(**SPRING), declared).train == ("2013-03",)
    assert split(table(**SPRING), declared, "expanding").train[0] == "2013-01"


@pytest.mark.parametrize("window", ["rolling", "0", -1, ""])
def test_a_training_window_that_means_nothing_is_refused(window: str | int) -> None:
    """The message names what was written and what may be."""
    with pytest.raises(ConfigError, match="is no training window"):
        split(table(**SPRING), TrainingSpec(), window)


def test_too_few_windows_are_the_datas_fault() -> None:
    """Three windows to train on were declared; two are there."""
    with pytest.raises(DataError, match="2 windows to train on before 2013-03"):
        split(table(_2013_01=1000, _2013_02=1000, _2013_03=1000), TrainingSpec(min_windows=3))


def test_without_any_labelled_window_nothing_is_trained() -> None:
    """The message says how far the newest window's labels are."""
    with pytest.raises(DataError, match=r"the newest, 2013-02, had 40.0% of 1,000"):
        split(table(_2013_01=0, _2013_02=400), TrainingSpec())


def test_a_random_share_is_refused_where_rows_carry_time() -> None:
    """A random split inside January to March says 0.781 where April is really 0.69."""
    with pytest.raises(ConfigError, match="random split"):
        split(table(**SPRING), TrainingSpec(holdout=HoldoutSpec(share=0.2)))


def test_rows_without_time_want_a_share() -> None:
    """There is no newest window to hold out."""
    timeless = table(all=1000)

    found = split(timeless, TrainingSpec(holdout=HoldoutSpec(share=0.2)))

    assert (found.train, found.holdout, found.holdout_share) == (("all",), ("all",), 0.2)
    with pytest.raises(ConfigError, match=r"training\.holdout\.share"):
        split(timeless, TrainingSpec())


def test_a_splits_digest_changes_with_its_rows_and_with_nothing_else() -> None:
    """A window that is in neither part leaves the digest as it was; a new label does not."""
    plain = split(table(**SPRING), TrainingSpec())
    newer = split(table(**SPRING, _2013_05=0), TrainingSpec())
    relabelled = split(table(**{**SPRING, "_2013_04": 999}), TrainingSpec())

    assert plain.digest == newer.digest
    assert plain.digest != relabelled.digest
