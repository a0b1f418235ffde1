"""Train a `tiny-recursive-model` (0.0.15, PyPI) on the 6x6 puzzles: a model that is not our code.

    python benchmarks/train_peer.py FOLDER --seed 0 --steps 2000

Its network is an x-transformers Encoder; one optimiser step a refinement step, 3 x (6 + 1) updates
throughout, as published. A puzzle is replaced when the model would halt, or at a limit drawn from
8 to 16. Killed, it goes on from the last save. The file it leaves is read by
`rrm_core.models.peers.tiny:load`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from rrm_core.models.peers import tiny
from rrm_core.models.recursive import tokens
from rrm_core.sudoku import board, sets, symmetry

SIZES = {"dim": 96, "depth": 2, "heads": 4, "head": 32, "registers": 1, "vocabulary": 8}
BATCH, LR, DECAY, WARM, AVERAGE, EXTRA = 64, 1e-3, 0.1, 100, 0.995, 12
SAVE_EVERY = 50  # steps


def drawn(rng: np.random.Generator, base: tuple, n: int, extra: int) -> tuple:
    """(tokens, labels) of n training puzzles with 0 to `extra` more givens, symmetries applied."""
    at = rng.integers(len(base[0]), size=n)
    boards, solutions = base[0][at], base[1][at]
    boards = board.add_givens(boards, solutions, rng.integers(extra + 1, size=n), rng)
    return tuple(map(tokens, symmetry.augment(boards, solutions, rng)))


@torch.no_grad()
def solved(model: torch.nn.Module, seq: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of puzzles whole after 16 steps."""
    y, z = model.get_initial()
    for _ in range(16):
        y, z, logits, _ = model(seq, y, z)
    return float((logits.argmax(-1) == labels).all(-1).float().mean())


def main() -> None:
    """Train to the last step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    rng = np.random.default_rng(given.seed)
    model = tiny.built(SIZES)
    base, held = sets.read("6x6-train", 6), sets.read("6x6-validation", 6)
    held = tuple(tokens(b[:64]) for b in held)
    rates = {"lr": LR, "betas": (0.9, 0.95), "weight_decay": DECAY}
    optimiser = torch.optim.AdamW(model.parameters(), **rates)
    average = {name: t.clone() for name, t in model.state_dict().items()}
    step, spent, saved = 0, 0.0, given.folder / "state.pt"
    if saved.exists():
        kept = torch.load(saved, weights_only=True)
        model.load_state_dict(kept["weights"])
        optimiser.load_state_dict(kept["optimiser"])
        average, step, spent = kept["average"], kept["step"], kept["spent"]
        rng = np.random.default_rng([given.seed, step])
    start = [z.detach().expand(BATCH, 37, -1) for z in model.get_initial()]
    seq, labels = drawn(rng, base, BATCH, EXTRA)
    y, z = (s.clone() for s in start)
    used, limit = torch.zeros(BATCH), torch.from_numpy(rng.integers(8, 17, BATCH))
    began = time.monotonic()
    while step < given.steps:
        for group in optimiser.param_groups:
            group["lr"] = LR * min(1, (step + 1) / WARM)
        first = used == 0
        if first.any():
            y0, z0 = model.get_initial()
            y = torch.where(first[:, None, None], y0.expand_as(y), y)
            z = torch.where(first[:, None, None], z0.expand_as(z), z)
        loss, _, y, z, logits, halt = model(seq, y, z, labels)
        optimiser.zero_grad()
        (loss / BATCH).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step, used = step + 1, used + 1
        for name, t in model.state_dict().items():
            average[name].lerp_(t, 1 - min(AVERAGE, step / (step + 10)))
        done = (halt.detach() > 0.5) | (used >= limit)
        if done.any():
            n = int(done.sum())
            seq[done], labels[done] = drawn(rng, base, n, EXTRA)
            used[done] = 0
            limit[done] = torch.from_numpy(rng.integers(8, 17, n))
        if step % SAVE_EVERY == 0:
            right = (logits.argmax(-1) == labels).all(-1)[~done].float().mean()
            took = spent + time.monotonic() - began
            line = f"{step},{took:.0f},{float(loss.detach()) / BATCH:.4f},{float(right):.3f}"
            kept = {"weights": model.state_dict(), "optimiser": optimiser.state_dict()}
            kept |= {"average": average, "step": step, "spent": took}
            torch.save(kept, given.folder / "state.tmp")
            (given.folder / "state.tmp").replace(saved)
            if step % 200 == 0:
                judge = tiny.built(SIZES)
                judge.load_state_dict(average)
                line += f",{solved(judge.eval(), *held):.3f}"
                sizes = {"sizes": SIZES, "weights": average, "step": step, "seed": given.seed}
                torch.save(sizes, given.folder / "average.tmp")
                (given.folder / "average.tmp").replace(given.folder / "average.pt")
            with open(given.folder / "log.csv", "a") as log:
                print(line, file=log)


if __name__ == "__main__":
    main()
