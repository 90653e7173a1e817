"""Schedulers against each other on a virtual clock: who waits how long, and what stands idle."""
