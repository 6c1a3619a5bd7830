"""The two probes: least squares by a hyperplane, and by a small network.

Shapes: N training and M test images, D numbers of a code, T targets.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["linear", "network"]

PENALTIES = tuple(10.0**power for power in range(-4, 4))
HIDDEN = 64
STEPS, BATCH = 400, 64
VALIDATION = 5
"""Every so many-th training image tells the network when to stop."""


def linear(
    here_ND: Tensor, there_MD: Tensor, targets: Sequence[Tensor], weights: Sequence[Tensor]
) -> list[Tensor]:
    """Fit ridge regressions and return their answers.

    Each attribute has its own penalty, the one with the least leave-one-out error.

    Args:
        here_ND: Training codes, standardised.
        there_MD: Test codes.
        targets: For each attribute, (N, T).
        weights: For each attribute, (N,) of the images, of mean 1.

    Returns:
        For each attribute, (M, T).

    Source: Allen 1974 (PRESS); in the dual form, because codes have more numbers than there are images.
    """
    scale = here_ND.shape[1]
    # The 1 is an intercept, which is penalised like the rest.
    kernel_NN = here_ND @ here_ND.T / scale + 1
    kernel_MN = there_MD @ here_ND.T / scale + 1
    return [
        kernel_MN @ _dual(kernel_NN, target_NT, weight_N)
        for target_NT, weight_N in zip(targets, weights, strict=True)
    ]


def _dual(kernel_NN: Tensor, target_NT: Tensor, weight_N: Tensor) -> Tensor:
    root_N1 = weight_N.sqrt()[:, None]
    values_N, vectors_NN = torch.linalg.eigh((root_N1 * kernel_NN * root_N1.T).double())
    goal_NT = (root_N1 * target_NT).double()
    turned_NT = vectors_NN.T @ goal_NT
    best = (float("inf"), 0.0)
    for penalty in PENALTIES:
        shrunk_N = values_N / (values_N + penalty)
        leverage_N1 = (vectors_NN**2 @ shrunk_N)[:, None]
        left_out_NT = (goal_NT - vectors_NN @ (shrunk_N[:, None] * turned_NT)) / (1 - leverage_N1)
        best = min(best, (float((left_out_NT**2).mean()), penalty))
    dual_NT = vectors_NN @ (turned_NT / (values_N + best[1])[:, None])
    weighted_NT: Tensor = root_N1 * dual_NT.float()
    return weighted_NT


def network(
    here_ND: Tensor, there_MD: Tensor, targets: Sequence[Tensor], weights: Sequence[Tensor]
) -> list[Tensor]:
    """Train one network for all attributes and return its answers; arguments and result as of `linear`.

    Each attribute takes the answers of the epoch that was best for it on a fifth of the training images.
    """
    widths = [target_NT.shape[1] for target_NT in targets]
    target_NT = torch.cat(list(targets), dim=1)
    weight_NT = torch.cat([w[:, None].expand(-1, n) for w, n in zip(weights, widths, strict=True)], dim=1)
    asked_N = torch.arange(len(here_ND)) % VALIDATION == 0
    answers, errors = [], []
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        layers = nn.Sequential(
            nn.Linear(here_ND.shape[1], HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(HIDDEN, target_NT.shape[1]),
        )
        optimiser = torch.optim.AdamW(layers.parameters(), lr=2e-3, weight_decay=0.1)
        for _ in range(-(-STEPS * BATCH // len(here_ND))):
            _epoch(layers, optimiser, here_ND[~asked_N], target_NT[~asked_N], weight_NT[~asked_N])
            with torch.no_grad():
                error_NT = weight_NT[asked_N] * (layers(here_ND[asked_N]) - target_NT[asked_N]) ** 2
                errors.append(torch.stack([part.mean() for part in torch.split(error_NT, widths, dim=1)]))
                answer_MT: Tensor = layers(there_MD)
                answers.append(torch.split(answer_MT, widths, dim=1))
    best = torch.stack(errors).argmin(dim=0).tolist()
    return [answers[epoch][i] for i, epoch in enumerate(best)]


def _epoch(
    layers: nn.Module,
    optimiser: torch.optim.Optimizer,
    codes_ND: Tensor,
    target_NT: Tensor,
    weight_NT: Tensor,
) -> None:
    layers.train()
    for rows in torch.split(torch.randperm(len(codes_ND)), BATCH):
        loss = (weight_NT[rows] * (layers(codes_ND[rows]) - target_NT[rows]) ** 2).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    layers.eval()
