"""Times the operations, a training step, refining and the training loop beside plain PyTorch."""
