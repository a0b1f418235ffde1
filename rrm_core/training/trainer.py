"""Train a recursive reasoner by deep supervision with adaptive halting.

Every segment is one optimiser step. The batch carries (state, puzzle, segments used) from step to
step; rows that halt are replaced by fresh puzzles. Sources: Wang et al. 2025, Jolicoeur-Martineau
2025 and their official code.
"""

from __future__ import annotations

import copy
import hashlib
import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from rrm_core.dynamics.rollout import unroll
from rrm_core.models.config import SEGMENTS, Config
from rrm_core.models.recursive import RecursiveModel, State, on_device, tokens
from rrm_core.models.weights import weights_bytes
from rrm_core.sudoku import sets, symmetry
from rrm_core.sudoku.board import add_givens
from rrm_core.training import precision, saving
from rrm_core.training.losses import answer_loss, halting_loss
from rrm_core.training.optim import OPTIMISERS
from rrm_core.training.recipes import Recipe, TrainingError


def gradient_start(config: Config) -> int:
    """Index of the first update with a gradient: HRM the last L and H, TRM the whole last cycle."""
    return len(config.schedule) - (2 if config.model == "hrm" else config.L_cycles + 1)


class Trainer:
    """One training in `folder`; :mod:`rrm_core.training.saving` says what it keeps there.

    Its batch has a row for every branch and puzzle, branch x batch + puzzle; branch 0 is clean.
    """

    def __init__(
        self, config: Config, recipe: Recipe, folder: Path | str, device: str = "cpu"
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.config, self.recipe, self.folder = config, recipe, Path(folder)
        self.model = on_device(RecursiveModel(config), device).train()
        self.device = torch.device(device)
        self.chosen, self.why = recipe.bf16 is None, "as asked"  # by the processor, not the user
        if self.chosen:
            bf16, self.why = precision.choose(self.device)
            self.recipe = replace(recipe, bf16=bf16)
        self.prefix = self.model.inner.puzzle_emb.weights.requires_grad_(True)  # (1, D)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        if recipe.compile:  # a level at a time: a whole published segment would take minutes
            for level in {self.model.level(which) for which in self.model.schedule}:
                level.compile(dynamic=False)
        self.optimiser = OPTIMISERS[recipe.optimiser](
            self.model.parameters(),
            lr=recipe.lr,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        self.base = sets.read(f"{recipe.puzzles}-train", config.side)
        n = recipe.batch * recipe.branches
        self.tokens = torch.zeros(n, config.cells, dtype=torch.long, device=self.device)
        self.labels = torch.zeros_like(self.tokens)
        self.state: State = tuple(z.clone() for z in self.model.initial_state(n))
        self.used = torch.zeros_like(self.tokens[:, 0])  # (B,) segments spent on the row's puzzle
        self.done = torch.ones_like(self.used, dtype=torch.bool)  # to be replaced at the next step
        self.step, self.elapsed = 0, 0.0
        self.rows: list[dict] = []  # of log.csv
        self.totals: dict[str, float] = {}  # of the steps since the last row

    def start_from(self, model: RecursiveModel) -> None:
        """Begin with the weights of `model`, which the recipe records, and a fresh optimiser."""
        if model.config != self.config:
            raise TrainingError(
                f"cannot start from a model with {asdict(model.config)}; "
                f"this training has {asdict(self.config)}"
            )
        self.model.load_state_dict(model.state_dict())
        self.average.load_state_dict(model.state_dict())
        digest = hashlib.sha256(weights_bytes(model)).hexdigest()
        self.recipe = replace(self.recipe, start=digest)

    # --- one step ---

    def advance(self) -> None:
        """One optimiser step: one segment on every row."""
        self.refill()
        self.used += 1
        with self.autocast():
            x = self.model.embed(self.tokens)
            state = self.model.segment(self.state, x, gradient_start(self.config))
            logits, q = self.model.readout(state)
            self.state = tuple(z.detach().float() for z in state)
            target = self.continue_target(self.state, x)
        right = (logits.argmax(-1) == self.labels).detach()
        solved = right.all(-1)
        loss = (answer_loss(logits, self.labels) + 0.5 * halting_loss(q, solved, target)).mean()
        loss.backward()
        self.learn()
        self.halt(q.detach())
        self.note(float(loss.detach()), right, solved)

    def autocast(self) -> torch.autocast:
        """bfloat16 products, where the recipe wants them."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bool(self.recipe.bf16))

    def draw(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """`n` training boards and solutions (n, cells): base puzzle, extra givens, symmetry."""
        chosen = self.rng.integers(len(self.base[0]), size=n)
        boards, solutions = self.base[0][chosen], self.base[1][chosen]
        extra = self.rng.integers(self.recipe.extra_givens + 1, size=n)
        boards = add_givens(boards, solutions, extra, self.rng)
        return symmetry.augment(boards, solutions, self.rng)

    def refill(self) -> None:
        """Put fresh puzzles and the start state, perturbed off the clean branch, where done."""
        r = self.recipe
        fresh = self.done[: r.batch].nonzero().squeeze(-1)
        rows = torch.cat([fresh + branch * r.batch for branch in range(r.branches)])
        boards, solutions = self.draw(len(fresh))
        self.tokens[rows] = tokens(boards).repeat(r.branches, 1).to(self.device)
        self.labels[rows] = tokens(solutions).repeat(r.branches, 1).to(self.device)
        start = self.model.initial_state(len(rows))
        if r.sigma:
            start = tuple(z + r.sigma * self.noise(z, clean=len(fresh)) for z in start)
        self.state = tuple(
            z.index_copy(0, rows, s.to(z.dtype)) for z, s in zip(self.state, start, strict=True)
        )
        self.used[rows] = 0

    def noise(self, z: Tensor, clean: int) -> Tensor:
        """A standard normal draw of the shape of `z` whose first `clean` rows are zero."""
        draw = torch.from_numpy(self.rng.standard_normal(tuple(z.shape), dtype=np.float32))
        draw[:clean] = 0
        return draw.to(z)

    @torch.no_grad()
    def continue_target(self, state: State, x: Tensor) -> Tensor | None:
        """(B,) target of q_continue (HRM): sigmoid of the next segment's larger q.

        Of its q_halt at the last segment. NaN in the rows that ``continue_share`` leaves out,
        drawn anew at every step.
        """
        if self.config.model != "hrm":
            return None
        n, share = len(self.used), self.recipe.continue_share
        rows = np.arange(n)
        if share < 1:
            rows = self.rng.choice(n, max(1, round(share * n)), replace=False)
        rows = torch.from_numpy(rows).to(self.device)
        after = self.model.segment(tuple(z[rows] for z in state), x[rows])
        q = self.model.readout(after)[1]
        last = self.used[rows] >= SEGMENTS
        target = torch.full((n,), torch.nan, device=self.device)
        target[rows] = torch.sigmoid(torch.where(last, q[:, 0], q.max(-1).values))
        return target

    def learn(self) -> None:
        """The recipe's optimiser, sign-SGD on the puzzle embedding, then the moving average.

        Two differences from the published code: there the average has its full weight from the
        first step (here it warms up, which matters for some 9 / (1 - ema) steps), and it leaves
        the puzzle embedding out.
        """
        r = self.recipe
        rate = r.lr * min(1.0, (self.step + 1) / r.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        weight = 1 - min(r.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            self.prefix.mul_(1 - rate * r.weight_decay).sub_(rate * self.prefix.grad.sign())
            average, current = (list(m.state_dict().values()) for m in (self.average, self.model))
            torch._foreach_lerp_(average, current, weight)
        self.optimiser.zero_grad(set_to_none=True)
        self.prefix.grad = None
        self.step += 1

    def halt(self, q: Tensor) -> None:
        """Mark the puzzles that stop: by the rule unless exploration holds them, or at 16.

        The clean branch decides for all.
        """
        n = self.recipe.batch
        used = self.used[:n]
        held = self.rng.random(n) < self.recipe.explore
        minimum = np.where(held, self.rng.integers(2, SEGMENTS + 1, size=n), 0)
        halting = self.model.would_halt(q[:n]) & (used >= torch.from_numpy(minimum).to(self.device))
        self.done = (halting | (used >= SEGMENTS)).repeat(self.recipe.branches)

    # --- the log ---

    def note(self, loss: float, right: Tensor, solved: Tensor) -> None:
        """Add a step to what the next row of the log sums up; accuracies of rows that finish."""
        step = {
            "steps": 1,
            "loss": loss,
            "finished": int(self.done.sum()),
            "exact": int((solved & self.done).sum()),
            "token": float(right.float().mean(-1)[self.done].sum()),
            "halted": int((self.done & (self.used < SEGMENTS)).sum()),
        }
        self.totals = {name: self.totals.get(name, 0) + value for name, value in step.items()}

    def summary(self, seconds: float) -> dict:
        """One row of ``log.csv`` over the steps since the last, which took `seconds`."""
        total, self.totals = self.totals, {}
        finished = total["finished"] or np.nan
        return {
            "step": self.step,
            "examples": self.step * self.recipe.batch,
            "elapsed_s": round(self.elapsed, 1),
            "lr": self.optimiser.param_groups[0]["lr"],
            "loss": total["loss"] / total["steps"],
            "exact": total["exact"] / finished,
            "token_acc": total["token"] / finished,
            "halted_share": total["halted"] / finished,
            "examples_per_s": total["steps"] * self.recipe.batch / max(seconds, 1e-9),
        }

    def evaluate(self) -> dict:
        """Exact and token accuracy of the averaged weights on validation puzzles, no halting."""
        held_out = sets.read(f"{self.recipe.puzzles}-validation", self.config.side)
        boards, solutions = (tokens(b[: self.recipe.eval_puzzles]) for b in held_out)
        with self.autocast():
            answer = unroll(self.average, boards.to(self.device), k=0).answer[:, -1]
        right = (answer == solutions).numpy()
        return {"eval_exact": right.all(-1).mean(), "eval_token_acc": right.mean()}

    # --- the loop ---

    def run(self, minutes: float | None = None, progress: bool = True) -> None:
        """Train to ``recipe.steps`` (or for about `minutes`), logging, evaluating and saving."""
        r, tick = self.recipe, time.monotonic()
        end = tick + 60 * (math.inf if minutes is None else minutes)
        if progress:
            tqdm.write(f"precision: {'bfloat16' if r.bf16 else 'float32'} ({self.why})")
        bar = tqdm(total=r.steps, initial=self.step, unit="step", disable=not progress)
        while self.step < r.steps and time.monotonic() < end:
            self.attempt()
            bar.update()
            evaluating = self.step % r.eval_every == 0
            if evaluating or self.step % r.log_every == 0:
                row = self.summary(time.monotonic() - tick)
                self.rows.append(row | (self.evaluate() if evaluating else {}))
                bar.set_postfix(saving.shown(self.rows[-1]))
                tick = time.monotonic()
            if self.step % r.checkpoint_every == 0:
                saving.checkpoint(self)
                saving.save(self)
        bar.close()
        if self.step >= r.steps and self.step not in saving.checkpoints(self.folder):
            saving.checkpoint(self)  # the end is one, wherever it falls
        saving.save(self)

    def attempt(self) -> None:
        """:meth:`advance`, timed; without a compiler or memory, what to do is said."""
        before = time.monotonic()
        try:
            self.advance()
        except torch._dynamo.exc.BackendCompilerFailed as error:
            raise TrainingError(
                f"torch.compile cannot build the model ({str(error).splitlines()[0]}); "
                "install a C++ compiler, or train without --compile"
            ) from None
        except torch.OutOfMemoryError:
            n = self.recipe.batch
            raise TrainingError(
                f"{self.device} has not enough memory for batches of {n}; "
                f"train with a smaller one (-p batch {n // 2}) or on another device"
            ) from None
        self.elapsed += time.monotonic() - before

    def resume(self) -> None:
        """Go on from the folder's last save: on a CPU bit for bit as if it had never stopped."""
        saving.resume(self)
