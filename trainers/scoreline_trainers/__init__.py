"""Trains models, proves that their ONNX graphs equal them, and publishes them.

A recipe (``recipe.Recipe``) names data, columns and a family; ``training.train`` runs it: table -> dataset -> fit ->
export -> gate -> registry. Nothing heavy is imported before it is used.
"""
