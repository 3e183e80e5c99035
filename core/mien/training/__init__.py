"""Splitting participants, training with Lightning, checkpoints, predictions and metrics."""
