"""Several processes that train one network, started by torchrun, on one machine or more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from faststyle.errors import TrainingError

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those that train together; each method is called by all of them.

    Methods raise `TrainingError` where another process has ended.
    """

    rank: int = 0
    """Number of this process, from 0."""
    count: int = 1
    """Processes in all."""

    @property
    def first(self) -> bool:
        """Whether this is the process that decides and writes."""
        return self.rank == 0

    def agree(self, value: Value) -> Value:
        """Return the first process's value, of any type that can be pickled."""
        if self.count == 1:
            return value
        box = [value]
        with _others_alive():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def mean(self, values: Tensor) -> Tensor:
        """Average a tensor over the processes."""
        if self.count > 1:
            with _others_alive():
                distributed.all_reduce(values)
        return values / self.count

    def average_gradients(self, network: nn.Module) -> None:
        """Average a network's gradients over the processes, of equal shares of a batch."""
        # In one message, as a transformer network is small. DistributedDataParallel sends them
        # while others are computed, but keeps the group's threads beyond its end, and a process
        # that ends with them may be aborted.
        if self.count == 1:
            return
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        mean = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, part in zip(gradients, torch.split(mean, sizes), strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, flag: bool) -> bool:
        """Tell whether any process says so."""
        if self.count == 1:
            return flag
        flags = torch.tensor(int(flag))  # on the CPU, so that no step waits for the GPU
        with _others_alive():
            distributed.all_reduce(flags, distributed.ReduceOp.MAX)
        return bool(flags)


@contextmanager
def _others_alive() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise TrainingError(
            "another process of the run has ended; see its message, and continue with --resume"
        ) from error


@contextmanager
def join_processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun started, or be the only one.

    Args:
        device: where this process computes.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    # What is not on a GPU is agreed on beside it, so that no step waits for the GPU.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(rank=distributed.get_rank(), count=count)
    finally:
        distributed.destroy_process_group()
