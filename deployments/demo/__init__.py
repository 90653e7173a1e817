"""The demo: a year of flights through the deployments that a worker executes."""
