"""Prometheus metric families and the shared-memory counters behind them."""
