"""Optimizing the pixels of one picture, by L-BFGS or Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from faststyle.errors import CheckpointError, DivergenceError
from faststyle.training.losses import Losses

Objective = Callable[[Tensor], Losses]
"""Computes the losses of a picture, float 1×3×H×W in [0, 1]."""

HISTORY = 20
"""Pairs of steps and changes of the gradient that L-BFGS remembers; each takes two pictures."""

MOST_EVALUATIONS = 25
"""Losses computed in one step of L-BFGS, at most, to find how far to go."""


PULL = 5.0
"""Weight of the mean squared distance of pixels from [0, 1], relative to the first total loss."""


class _Evaluation(NamedTuple):
    """What was computed of one picture."""

    pixels: Tensor
    losses: Losses
    minimized: float
    """The total loss, and what holds pixels near [0, 1]."""
    gradient: Tensor


class ImageOptimizer:
    """A picture that becomes better with every step.

    Pixels may go beyond [0, 1], as L-BFGS needs a smooth function, but the losses are always those
    of the picture clipped, and a small penalty pulls pixels back. Without it pixels stay white or
    black for good; with losses of what is not clipped, clipping the result loses most of what
    the last steps gained; and clipped after each step, as Johnson et al. 2016 do, L-BFGS soon
    needs several evaluations for each.

    Attributes:
        evaluations: times that the losses and their gradient were computed.
    """

    def __init__(
        self, picture: Tensor, objective: Objective, *, optimizer: str, learning_rate: float
    ) -> None:
        """Begin with a picture.

        Args:
            picture: float 1×3×H×W in [0, 1], copied.
            objective: what to minimize.
            optimizer: lbfgs or adam.
            learning_rate: of Adam.
        """
        self.objective = objective
        self.evaluations = 0
        self._pixels = picture.detach().clone(memory_format=torch.contiguous_format)
        self._pixels.requires_grad_()
        self._last: _Evaluation | None = None
        self._pull: float | None = None
        self._optimizer: torch.optim.Optimizer
        if optimizer == "lbfgs":
            self._optimizer = torch.optim.LBFGS(
                [self._pixels],
                max_iter=1,
                max_eval=MOST_EVALUATIONS,
                history_size=HISTORY,
                tolerance_grad=0,
                tolerance_change=0,
                line_search_fn="strong_wolfe",
            )
        else:
            self._optimizer = torch.optim.Adam([self._pixels], lr=learning_rate)

    @property
    def picture(self) -> Tensor:
        """The picture as it is, float 1×3×H×W in [0, 1]."""
        return self._pixels.detach().clamp(0, 1)

    @property
    def losses(self) -> Losses:
        """The losses of the picture as it is, detached."""
        return self._evaluate().losses

    def step(self) -> Losses:
        """Take one step.

        Returns:
            The losses after it, detached.

        Raises:
            DivergenceError: they are not finite.
        """
        self._optimizer.step(self._minimized)
        losses = self.losses
        if not torch.isfinite(losses.total):
            raise DivergenceError(
                "the losses became NaN or infinite; lower --learning-rate or the weights"
            )
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next steps depend on, but for the objective."""
        return {
            "pixels": self._pixels.detach(),
            "pull": self._pull,
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state of `state_dict`.

        Raises:
            CheckpointError: it is not that of such a picture.
        """
        try:
            if state["pixels"].shape != self._pixels.shape:
                raise ValueError
            with torch.no_grad():
                self._pixels.copy_(state["pixels"])
            self._pull = state["pull"]
            self._optimizer.load_state_dict(state["optimizer"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError("the saved state does not fit; it is damaged") from error

    def _minimized(self) -> float:
        evaluation = self._evaluate()
        self._pixels.grad = evaluation.gradient.clone()
        return evaluation.minimized

    def _evaluate(self) -> _Evaluation:
        """Compute the losses, unless the picture is the one they were last computed of.

        A step of L-BFGS begins where its line search before mostly ended.
        """
        if self._last is None or not torch.equal(self._last.pixels, self._pixels):
            self.evaluations += 1
            with torch.enable_grad():
                clipped = self._pixels.clamp(0, 1)
                losses = self.objective(clipped)
                if self._pull is None:
                    self._pull = PULL * losses.total.item()
                beyond = (self._pixels - clipped.detach()).square().mean()
                minimized = losses.total + self._pull * beyond
                (gradient,) = torch.autograd.grad(minimized, self._pixels)
            self._last = _Evaluation(
                self._pixels.detach().clone(),
                Losses(*(term.detach() for term in losses)),
                minimized.item(),
                gradient.contiguous(),
            )
        return self._last
