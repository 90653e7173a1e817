"""Devices, who may hold them, and the worker that leases them."""
