"""Batches, a step, the loop, checkpoints, history."""
