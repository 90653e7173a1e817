"""History once more, on a clock of its own, under as many policies as one likes."""
