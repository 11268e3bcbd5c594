"""Encoder and decoder as ONNX files, which run without torch and without this package."""
