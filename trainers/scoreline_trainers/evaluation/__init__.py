"""Metrics, bands, baselines and model cards of a trained model."""
