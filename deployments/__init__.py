"""What exists: a folder for each model, the command line, and the plans that Prefect is given."""
