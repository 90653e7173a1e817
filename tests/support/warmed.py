"""Run as a module in a process that was forked: does what its variable CODE says."""

import os

exec(os.environ["CODE"])  # noqa: S102 - the tests' own
