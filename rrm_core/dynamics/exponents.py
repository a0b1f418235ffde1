"""Finite-time Lyapunov exponents of any step map, by tangents and QR.

A system is a list of *updates*, functions ``state -> state`` on a tuple of tensors (B, ...). A
frame is a tuple of the same shapes with K tangents in front: (K, B, ...). After each update the
joint frame is orthonormalised; the sums of log |R_ii| are the growths, and growth divided by the
number of updates the exponents. Sources: Shimada & Nagashima 1979; Benettin et al. 1980; Geist,
Parlitz & Lauterborn 1990 (thin QR for K < N).
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Update = Callable[[State], State]
Push = Callable[[State, State], tuple[State, State]]

FLOOR = 1e-30  # |R_ii| below this counts as this: an annihilated direction has no logarithm


def start_frame(state: State, k: int = 8, seed: int = 0) -> State:
    """An orthonormal frame of the joint state, parts (K, B, ...): the same for every puzzle.

    The frame of another `k` has another first tangent too.
    Drawn from `seed` in float64 on the CPU, so it does not depend on device or dtype.
    """
    sizes = [z[0].numel() for z in state]
    if not 1 <= k <= sum(sizes):
        raise ValueError(f"k={k} tangents: expected 1..{sum(sizes)}, the size of the joint state")
    if state[0].dtype == torch.bfloat16:
        raise ValueError("tangents in bfloat16: expected a state in float32 or float64 (or k=0)")
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(sum(sizes), k, generator=generator, dtype=torch.float64)
    rows = torch.linalg.qr(draw).Q.T.split(sizes, dim=1)  # parts (K, size)
    return tuple(
        r.to(z.device, z.dtype).reshape(k, 1, *z.shape[1:]).expand(k, *z.shape).contiguous()
        for r, z in zip(rows, state, strict=True)
    )


def push(update: Update, state: State, frame: State) -> tuple[State, State]:
    """(new state, new frame): a Jacobian-vector product for each tangent, by forward mode."""

    def one(tangent: State) -> tuple[State, State]:
        return torch.func.jvp(lambda *z: tuple(update(z)), state, tangent)

    state = tuple(z.contiguous() for z in state)  # forward mode refuses expanded views
    return torch.func.vmap(one, out_dims=(None, 0))(frame)


def householder(a: Tensor) -> tuple[Tensor, Tensor]:
    """(Q, |diagonal of R|) of a (B, N, K): Q is orthonormal for any conditioning of the columns."""
    q, r = torch.linalg.qr(a)
    return q, r.diagonal(dim1=-2, dim2=-1).abs().double()


def cholesky_qr(a: Tensor) -> tuple[Tensor, Tensor]:
    """(Q, diagonal of R) of a (B, N, K) by the Cholesky factor of its Gram matrix, twice.

    Three matrix products in place of K reflections, which a GPU runs one after another. Summed in
    float64, the first factor is good while the condition number stays below about 1e7, the second
    makes Q orthonormal to the precision of `a`. Where it is worse, or a column annihilated,
    :func:`householder` does it. Source: CholeskyQR2, Yamamoto et al. 2015.
    """
    diagonal = torch.ones(a.shape[0], a.shape[2], dtype=torch.float64, device=a.device)
    q = a
    for _ in range(2):
        wide = q.double()
        lower, failed = torch.linalg.cholesky_ex(wide.mT @ wide)
        found = lower.diagonal(dim1=-2, dim2=-1)
        if bool(failed.any() | (found.amin(-1) < 1e-7 * found.amax(-1)).any()):
            return householder(a)
        q = torch.linalg.solve_triangular(lower.mT, wide, upper=True, left=False).to(a)
        diagonal = diagonal * found
    return q, diagonal


def orthonormalise(frame: State) -> tuple[State, Tensor]:
    """(orthonormal frame, log |R_ii| (B, K) float64) of the joint frame."""
    joint = torch.cat([part.flatten(2) for part in frame], -1)  # (K, B, N)
    method = householder if joint.device.type == "cpu" else cholesky_qr
    q, r = method(joint.transpose(0, 1).mT)  # (B, N, K), (B, K)
    rows = q.mT.transpose(0, 1).split([math.prod(part.shape[2:]) for part in frame], -1)
    frame = tuple(new.reshape(old.shape) for new, old in zip(rows, frame, strict=True))
    return frame, r.clamp(min=FLOOR).log()


def grow(
    pushes: Sequence[Push], state: State, frame: State, every: int = 1
) -> tuple[State, State, Tensor]:
    """(state, frame, growth (B, K)) after all `pushes`: summed log |R_ii|, base e, in QR order.

    `every` of them lie between two QRs; the sums do not depend on it, round-off apart.
    """
    growth = torch.zeros(1, dtype=torch.float64, device=frame[0].device)
    for i, pushed in enumerate(pushes, 1):
        state, frame = pushed(state, frame)
        if i % every == 0 or i == len(pushes):
            frame, log_r = orthonormalise(frame)
            growth = growth + log_r
    return state, frame, growth


def spectrum(
    update: Update, state: State, steps: int, k: int = 8, seed: int = 0, frame: State | None = None
) -> Tensor:
    """Exponents (T, B, K) of a repeated map after 1..`steps` applications, in QR order."""
    if steps < 1:
        raise ValueError(f"steps={steps}: expected 1 or more applications of the map")
    frame, history = start_frame(state, k, seed) if frame is None else frame, []
    for _ in range(steps):
        state, frame, growth = grow([partial(push, update)], state, frame)
        history.append(growth)
    counts = torch.arange(1, steps + 1, dtype=torch.float64, device=growth.device)
    return torch.stack(history).cumsum(0) / counts[:, None, None]
