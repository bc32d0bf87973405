"""Stateless operations on tensors; they know nothing of the training loop."""
