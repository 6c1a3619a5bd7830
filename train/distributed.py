"""Several processes that train one model, as torchrun starts them; one process is the common case.

Each has its rows of every batch; gradients are averaged by DistributedDataParallel, and batch norm takes its
statistics over the whole batch, so the result is that of one process with that batch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from fader.errors import ConfigError

__all__ = ["ALONE", "Processes", "processes"]


CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """Which process this is, among those of a run."""

    rank: int = 0
    """Its number; 0 writes files and talks to people."""
    count: int = 1
    """How many there are."""
    device: torch.device = CPU
    """Where it computes."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and evaluates."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """Return which images of a batch this process has.

        Raises:
            ConfigError: the batch cannot be shared equally.
        """
        if batch_size % self.count:
            raise ConfigError(f"batch_size = {batch_size}: expected a multiple of the {self.count} processes")
        share = batch_size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def share(self, network: nn.Module) -> nn.Module:
        """Return the network, wrapped so that its gradients are those of the whole batch."""
        if self.count == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices, broadcast_buffers=False)

    def place(self, network: nn.Module) -> Any:
        """Return the network on this process's device, channels last, with joint batch norm."""
        network = network.to(self.device)
        if self.count > 1:
            network = _joint_norms(network, self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Return which flags are up in any process: what ends the loop of one must end all."""
        if self.count == 1:
            return flags
        joint = torch.tensor(flags, dtype=torch.int32, device=self.device)
        dist.all_reduce(joint, dist.ReduceOp.MAX)
        return tuple(map(bool, joint.tolist()))

    def average(self, tensor: Tensor) -> Tensor:
        """Return the mean over the processes."""
        if self.count == 1:
            return tensor
        joint = tensor.clone()
        dist.all_reduce(joint)
        return joint / self.count

    def wait(self) -> None:
        """Wait for the others."""
        if self.count > 1:
            dist.barrier()


ALONE = Processes()
"""One process on the CPU."""


@contextmanager
def processes() -> Iterator[Processes]:
    """Join the processes that torchrun started, for as long as the body runs; alone without torchrun.

    Raises:
        ConfigError: torchrun started more processes here than there are GPUs.
    """
    gpus = torch.cuda.device_count()
    local, count = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if gpus and local >= gpus:
        raise ConfigError(f"process {local} has no GPU, this machine has {gpus}: start as many processes")
    device = torch.device("cuda", local) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(device=device)
        return
    dist.init_process_group("nccl" if gpus else "gloo")
    try:
        yield Processes(rank=dist.get_rank(), count=count, device=device)
    finally:
        dist.destroy_process_group()


def _joint_norms(network: nn.Module, device: torch.device) -> nn.Module:
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _JointBatchNorm
    return network


class _JointBatchNorm(nn.BatchNorm2d):
    """Batch norm over all processes' images; torch's own SyncBatchNorm wants GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float()
        # Processes may have different numbers of images: of pairs, say.
        count = values.new_tensor(values.numel() // values.shape[1])
        dist.all_reduce(count)
        mean: Tensor = all_reduce(values.sum(dim=(0, 2, 3))) / count  # type: ignore[no-untyped-call]
        # Not the mean square less the squared mean: of channels that hardly vary that leaves rounding error.
        centred = values - mean[:, None, None]
        variance: Tensor = all_reduce(centred.square().sum(dim=(0, 2, 3))) / count  # type: ignore[no-untyped-call]
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scaled = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            scaled = scaled * self.weight[:, None, None] + self.bias[:, None, None]
        return scaled.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        momentum = self.momentum if self.momentum is not None else 0.1
        for running, value in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(value, momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
