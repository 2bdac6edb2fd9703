"""Builds and runs ONNX graphs."""
