"""Recipes and the training run: table, dataset, fit, export, gate, registry."""
