"""The steps of a model's life and the knowledge behind them, a folder for each stage."""
