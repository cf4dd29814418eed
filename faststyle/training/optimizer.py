"""The optimizer: Muon for the kernels of convolutions, Adam for everything else."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

KERNELS = "kernels"
OTHERS = "others"


class Optimizer:
    """Muon (Jordan et al. 2024) for kernels, and Adam (Kingma & Ba 2015) for scales and biases.

    Muon makes the update of a matrix orthogonal, so that what few features ask for is learnt as
    fast as what most do; a kernel is the matrix of its output channels by all that they look at.
    Updates are given the size that Adam's usually have, so one learning rate serves both.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take the network's parameters, on the device that they are to stay on."""
        parameters = list(network.parameters())
        self.kernels = [each for each in parameters if each.ndim == 4]
        # Copies, because torch's Muon takes matrices only and kernels may be channels-last.
        self.matrices = [nn.Parameter(each.detach().flatten(1).clone()) for each in self.kernels]
        self._optimizers: dict[str, torch.optim.Optimizer] = {
            KERNELS: torch.optim.Muon(
                self.matrices, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
            ),
            OTHERS: torch.optim.Adam([each for each in parameters if each.ndim != 4]),
        }

    @torch.no_grad()
    def step(self, *, learning_rate: float) -> None:
        """Change the parameters by their gradients, and forget these."""
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            assert kernel.grad is not None
            matrix.copy_(kernel.flatten(1))
            matrix.grad = kernel.grad.flatten(1)
            kernel.grad = None
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for kernel, matrix in zip(self.kernels, self.matrices, strict=True):
            kernel.copy_(matrix.view_as(kernel))

    def state_dict(self) -> dict[str, Any]:
        """Return the state, of tensors and plain types."""
        return {name: each.state_dict() for name, each in self._optimizers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Return to a state.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError: it is not that of such parameters.
        """
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state[name])
