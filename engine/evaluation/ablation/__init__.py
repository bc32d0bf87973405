"""The paper's ablations: which part of SimGAN earns what, over several seeds."""
