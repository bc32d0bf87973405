"""D, the discriminator: image to one pair of logits per local patch."""

from typing import Literal

from torch import Tensor, nn

from simgan.engine.errors import ConfigError

Layout = Literal["gaze", "hand"]


def _trunk(layout: Layout, channels: int) -> list[nn.Module]:
    """The paper's layers before the last one; a relu follows every convolution."""
    if layout == "gaze":
        # The text speaks of two max-pools, the paper's own list names one; the list is followed.
        return [
            nn.Conv2d(channels, 96, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(96, 64, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 1),
            nn.ReLU(inplace=True),
        ]
    return [
        nn.Conv2d(channels, 96, 7, stride=4, padding=3),
        nn.ReLU(inplace=True),
        nn.Conv2d(96, 64, 5, stride=2, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(64, 32, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(32, 32, 1),
        nn.ReLU(inplace=True),
    ]


class Discriminator(nn.Module):
    """The paper's discriminator; the defaults are its gaze network, 75,906 parameters.

    Shapes: float [N, channels, H, W] in [-1, 1] -> logits [N, 2, h, w]; class 0 is REAL, class 1 is
    REFINED. The gaze layout maps 35x55 to 9x14 patches. With `adversarial="global"` the last layer
    is fully connected and the output [N, 2, 1, 1]; the image size is then fixed.

    Args:
        channels: of the images.
        layout: "gaze" or "hand".
        adversarial: "local" for one decision per patch, "global" for one per image.
        image_size: (H, W), used by "global" only.
    """

    def __init__(
        self,
        channels: int = 1,
        layout: Layout = "gaze",
        adversarial: Literal["local", "global"] = "local",
        image_size: tuple[int, int] = (35, 55),
    ) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*_trunk(layout, channels))
        self.head: nn.Conv2d
        if adversarial == "global":
            # A convolution whose filter is the whole map is the fully connected layer of the paper.
            self.head = nn.Conv2d(32, 2, self.map_size(image_size))
        else:
            self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(x))
        return logits

    def map_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(h, w) of the patch map for images of (H, W) pixels."""
        height, width = image_size
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                height, width = (
                    (side + 2 * _first(layer.padding) - _first(layer.kernel_size))
                    // _first(layer.stride)
                    + 1
                    for side in (height, width)
                )
        if min(height, width) < 1:
            raise ConfigError(
                f"images of {image_size[0]}x{image_size[1]} are too small for the discriminator"
            )
        return height, width

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the input square that one patch sees (23 for the gaze network)."""
        field, jump = 1, 1
        for layer in self.trunk:
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                field += (_first(layer.kernel_size) - 1) * jump
                jump *= _first(layer.stride)
        return field


def _first(value: object) -> int:
    """Kernel size, stride or padding of a square layer as one number."""
    first = value[0] if isinstance(value, tuple) else value
    assert isinstance(first, int)
    return first
