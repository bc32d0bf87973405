"""Rules that notice a training run going wrong, in words a user can act on."""

from collections.abc import Mapping

IDENTITY_CHANGE = 1.0 / 255.0  # mean |R(x) - x| in [-1, 1]: half a gray level of 8 bit
COLLAPSE_SHARE = 0.5  # of the contrast of both image sets
GRAY_SHARE = 0.1  # of the synthetic images' colour
COLORFUL = 0.02  # deviation between the channels below which a set counts as gray
SATURATED = 0.97
BLIND = 0.05
PATIENCE = 5  # ticks in a row


class HealthRules:
    """Checks each tick of the adversarial phase; speaks once per spell of trouble."""

    def __init__(self) -> None:
        self._spells: dict[str, int] = {}

    def check(self, metrics: Mapping[str, float]) -> list[str]:
        """Warnings that have become due with this tick's means."""
        due = []
        for name, troubled, text in self._rules(metrics):
            self._spells[name] = self._spells.get(name, 0) + 1 if troubled else 0
            if self._spells[name] == PATIENCE:
                due.append(text)
        return due

    @staticmethod
    def _rules(metrics: Mapping[str, float]) -> list[tuple[str, bool, str]]:
        change = metrics["mean_abs_change"]
        usual = min(metrics["synthetic_contrast"], metrics["real_contrast"])
        contrast = metrics["refined_contrast"] / max(usual, 1e-6)
        color = metrics.get("synthetic_color", 0.0)
        color_left = metrics.get("refined_color", 0.0) / max(color, 1e-6)
        real, refined = metrics["d_accuracy_real"], metrics["d_accuracy_refined"]
        return [
            (
                "identity",
                change < IDENTITY_CHANGE,
                f"refiner is identity: mean |R(x) - x| is {change:.4f} of [-1, 1]; "
                "lower --lambda-reg",
            ),
            (
                "collapse",
                contrast < COLLAPSE_SHARE,
                f"refined images lose their contrast ({contrast:.0%} of what both sets have); "
                "raise --lambda-reg or lower --lr",
            ),
            (
                "gray",
                color > COLORFUL and color_left < GRAY_SHARE,
                f"refined images are nearly gray ({color_left:.0%} of the synthetic colour); "
                "raise --lambda-reg, unless the real images are gray",
            ),
            (
                "saturated",
                min(real, refined) > SATURATED,
                f"discriminator is always right (real {real:.1%}, refined {refined:.1%}); "
                "raise --k-g, lower --lambda-reg or lower --k-d",
            ),
            (
                "blind",
                max(real, refined) > SATURATED and min(real, refined) < BLIND,
                f"discriminator calls everything the same (right: real {real:.1%}, "
                f"refined {refined:.1%}); "
                "lower --lr",
            ),
        ]
