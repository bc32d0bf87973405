"""A test for answers that share images: were the real ones called real more often than the others?

Several raters judge the same images, and people agree on what looks real. Their answers are then
not independent even when nobody can tell, and the binomial test of the pooled answers finds more
than there is. This test asks instead how often as much would come out if the truth were dealt
anew to the same images, their answers unchanged.
"""

import numpy as np
from numpy.typing import NDArray

PERMUTATIONS = 20_000
CHUNK = 500


def p_by_image(
    real: NDArray[np.bool_],
    called_real: NDArray[np.int64],
    answers: NDArray[np.int64],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Two-sided p of the number of right answers, by permutation of the truth over images.

    Args:
        real: bool [N], the truth.
        called_real: int64 [N], how many raters called the image real.
        answers: int64 [N], how many judged it.
        permutations: M random ones.
        seed: of the permutations.
    Returns:
        (1 + the number of permutations at least as extreme) / (1 + M): valid for any M.
    """
    # right = sum of called_real over real images + (answers - called_real) over the others; all
    # but the sum below is the same for every permutation.
    weights = 2 * called_real - answers
    observed = weights[real].sum()
    center = weights.sum() * real.mean()
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, permutations, CHUNK):
        rows = np.tile(real, (min(CHUNK, permutations - start), 1))
        sums = generator.permuted(rows, axis=1) @ weights
        # Ties count: both sides are multiples of 1 / N, so the margin only takes up rounding.
        extreme += int((np.abs(sums - center) >= abs(observed - center) - 1e-9).sum())
    return (1 + extreme) / (1 + permutations)
