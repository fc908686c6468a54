"""Kernels forked from a process that has imported the heavy packages once."""
