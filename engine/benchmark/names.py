"""Names of the variants that are compared, as they stand in reports; imports no torch."""

EAGER = "torch eager"
EAGER_LAST = "torch eager, channels_last"
COMPILED = "torch.compile"
CUDNN = "torch cudnn_convolution_add_relu"
OURS = "simgan-engine"
TORCH = (EAGER, EAGER_LAST, COMPILED, CUDNN)
