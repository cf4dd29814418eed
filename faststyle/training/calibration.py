"""Choosing the style weight so that one intensity looks equally strong for every style."""

from __future__ import annotations

import torch
from torch import Tensor

from faststyle.training.losses import PerceptualLoss

MIDDLE_WEIGHT = 5.0
"""Weight of the style loss at intensity 5, as a share of the unchanged photos' style loss."""

GROWTH = 1.4
"""Factor of the weight from one intensity to the next: double in two."""


def calibrate(intensity: float, *, objective: PerceptualLoss, crops: Tensor) -> float:
    """Choose the style weight for an intensity.

    The style loss falls from what it is for unchanged photos, which differs between
    paintings, so it is weighed as a share of that.

    Args:
        intensity: from 1 to 10.
        objective: the loss, with the style's targets.
        crops: some photos, uint8 N×3×S×S.

    Returns:
        The weight of the style loss.
    """
    with torch.no_grad():
        losses = [objective.style(objective.features(photo[None] / 255)) for photo in crops]
    unchanged = float(torch.stack(losses).mean())
    factor: float = GROWTH ** (intensity - 5)
    return MIDDLE_WEIGHT * factor / max(unchanged, 1e-6)
