"""What Prometheus is told of every model, from the ledger, the declarations and Prefect."""
