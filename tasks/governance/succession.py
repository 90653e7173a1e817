"""Who was in charge before whom: the champions of a model as a stack."""

from collections.abc import Iterable


def line_of(crowned: Iterable[int]) -> tuple[int, ...]:
    """The champions that stand behind the one in charge, oldest first, itself the last.

    A version that is crowned again is a rollback: those that came after it are taken off.

    >>> line_of([1, 3, 4, 3, 5])
    (1, 3, 5)
    """
    line: list[int] = []
    for version in crowned:
        line = line[: line.index(version)] if version in line else line
        line.append(version)
    return tuple(line)


def in_charge(crowned: Iterable[int]) -> int | None:
    """The version that was crowned last.

    >>> in_charge([1, 3, 1])
    1
    """
    line = line_of(crowned)
    return line[-1] if line else None


def predecessor(crowned: Iterable[int]) -> int | None:
    """The version to go back to: the champion before the one in charge.

    >>> predecessor([1, 3, 4, 3])
    1
    """
    line = line_of(crowned)
    return line[-2] if len(line) > 1 else None
