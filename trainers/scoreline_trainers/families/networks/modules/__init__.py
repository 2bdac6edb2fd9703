"""Modules of torch that also emit themselves as ONNX nodes, and the nets made of them."""
