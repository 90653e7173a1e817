"""Who stands behind whom in the line of champions."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.registry.crownings import line_of


@given(st.lists(st.integers(1, 6), min_size=1))
def test_the_line_of_champions_ends_with_the_one_in_charge(crowned: list[int]) -> None:
    """No version stands in the line twice, and the last that was crowned is in charge."""
    line = line_of(crowned)

    assert line[-1] == crowned[-1]
    assert len(set(line)) == len(line)


def test_a_second_rollback_goes_further_back() -> None:
    """It does not put back what the first took away."""
    assert line_of([1, 2, 3]) == (1, 2, 3)
    assert line_of([1, 2, 3, 2]) == (1, 2)
    assert line_of([1, 2, 3, 2, 1]) == (1,)
    assert line_of([]) == ()
