"""``python -m deployments.cli``: the command where no script of it is installed."""

from deployments.cli import main

main()
