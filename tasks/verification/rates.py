"""How often, a year: counts with what they leave open."""

from dataclasses import dataclass

from scipy.stats import chi2


@dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes:
        count: how many times.
        years: in how much time.
    """

    count: int
    years: float

    @property
    def a_year(self) -> float:
        """Times a year.

        >>> Rate(1, 4.0).a_year
        0.25
        """
        return self.count / self.years if self.years else 0.0

    @property
    def a_month(self) -> float:
        """Times a month."""
        return self.a_year / 12

    def at_most(self, confidence: float = 0.95) -> float:
        """The largest rate a year that would show so few, with that confidence.

        >>> round(Rate(0, 3.0).at_most(), 3)
        0.999

        Source:
            Garwood, Fiducial Limits for the Poisson Distribution (Biometrika 28, 1936).
        """
        if not self.years:
            return float("inf")
        return float(chi2.ppf(confidence, 2 * (self.count + 1)) / 2 / self.years)
