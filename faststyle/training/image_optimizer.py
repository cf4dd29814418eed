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


class _Evaluation(NamedTuple):
    """The losses of one picture in [0, 1], and their gradient."""

    picture: Tensor
    losses: Losses
    gradient: Tensor


class ImageOptimizer:
    """A picture that becomes better with every step.

    Losses are those of the picture clipped to [0, 1], and after each step it is clipped, as in the
    projected L-BFGS that Johnson et al. 2016 compare with. Left free, so many pixels go beyond
    that clipping the result loses most of what the last steps gained; those clipped in the losses
    alone have no gradient to come back by.
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
        self._pixels = picture.detach().clone(memory_format=torch.contiguous_format)
        self._pixels.requires_grad_()
        self._last: _Evaluation | None = None
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
        return self._pixels.detach().clone()

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
        self._require_finite()
        before = self.picture
        self._optimizer.step(self._minimized)
        self._clip(before)
        self._require_finite()
        return self.losses

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next steps depend on, but for the objective."""
        return {
            "pixels": self._pixels.detach(),
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
            self._optimizer.load_state_dict(state["optimizer"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError("the saved state does not fit; it is damaged") from error

    def _require_finite(self) -> None:
        if not torch.isfinite(self.losses.total):
            raise DivergenceError(
                "the losses became NaN or infinite; lower --learning-rate or the weights"
            )

    def _clip(self, before: Tensor) -> None:
        """Clip the picture, and have L-BFGS remember the step that was truly taken."""
        with torch.no_grad():
            self._pixels.clamp_(0, 1)
            state = self._optimizer.state[self._pixels]
            if "t" in state:
                state["d"] = (self._pixels - before).flatten()
                state["t"] = 1.0

    def _minimized(self) -> float:
        evaluation = self._evaluate()
        # Where a step would leave [0, 1], or has left it, the losses stay as they are.
        outwards = (self._pixels <= 0) & (evaluation.gradient > 0)
        outwards |= (self._pixels >= 1) & (evaluation.gradient < 0)
        beyond = (self._pixels < 0) | (self._pixels > 1)
        self._pixels.grad = evaluation.gradient.masked_fill(outwards | beyond, 0)
        return evaluation.losses.total.item()

    def _evaluate(self) -> _Evaluation:
        """Compute the losses, unless the picture is the one they were last computed of.

        A step of L-BFGS begins where its line search before mostly ended.
        """
        picture = self._pixels.detach().clamp(0, 1)
        if self._last is None or not torch.equal(self._last.picture, picture):
            with torch.enable_grad():
                losses = self.objective(picture.requires_grad_())
                (gradient,) = torch.autograd.grad(losses.total, picture)
            self._last = _Evaluation(
                picture.detach(), Losses(*(term.detach() for term in losses)), gradient.contiguous()
            )
        return self._last
