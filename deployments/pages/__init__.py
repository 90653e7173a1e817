"""What people look at every morning: a page for each model, and the numbers for Prometheus."""
