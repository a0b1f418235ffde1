"""Train a recursive reasoner by deep supervision with adaptive halting.

Every segment is one optimiser step. The batch carries (state, puzzle, segments used) from step to
step; rows that halt are replaced by fresh puzzles. Sources: Wang et al. 2025, Jolicoeur-Martineau
2025 and their official code.
"""

import copy
import hashlib
import math
import sys
import time
from dataclasses import replace
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
from rrm_core.sudoku.board import SudokuError, add_givens
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
        given = {"lr": recipe.lr, "betas": recipe.betas, "weight_decay": recipe.weight_decay}
        self.optimiser = OPTIMISERS[recipe.optimiser](self.model.parameters(), **given)
        self.base = sets.read(f"{recipe.puzzles}-train", config.side)
        self.held_out = self.validation() if recipe.eval_every else None
        self.check()
        n = recipe.batch * recipe.branches
        self.tokens = torch.zeros(n, config.cells, dtype=torch.long, device=self.device)
        self.labels = torch.zeros_like(self.tokens)
        self.state: State = tuple(z.clone() for z in self.model.initial_state(self.tokens))
        self.used = torch.zeros_like(self.tokens[:, 0])  # (B,) segments spent on the row's puzzle
        self.done = torch.ones(n, dtype=torch.bool)  # to be replaced at the next step; on the host
        self.arrived: torch.cuda.Event | None = None  # of `done`, on a GPU
        self.step, self.elapsed = 0, 0.0
        self.rows: list[dict] = []  # of log.csv
        self.totals: dict[str, float | Tensor] = {}  # of the steps since the last row

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """(puzzles, solutions) of the set to evaluate on, which there must be before step 0."""
        try:
            return sets.read(f"{self.recipe.puzzles}-validation", self.config.side)
        except SudokuError as error:
            raise TrainingError(f"{error}; or train without it: -p eval_every 0") from None

    def check(self) -> None:
        """Refuse a recipe that this model or these puzzles cannot follow."""
        most = int((self.base[0] == 0).sum(1).max())
        if (extra := self.recipe.extra_givens) > most:
            blanks = f"the puzzles of {self.recipe.puzzles}-train have {most} blanks at most"
            raise TrainingError(f"extra_givens={extra}: {blanks}; ask for fewer")
        if self.config.model == "trm" and (share := self.recipe.continue_share) != 1:
            raise TrainingError(f"continue_share={share}: a TRM has no q_continue; leave it at 1")

    def start_from(self, model: RecursiveModel) -> None:
        """Begin with the weights of `model`, which the recipe records, and a fresh optimiser."""
        if model.config != self.config:
            there = f"cannot start from a model with {model.config}"
            raise TrainingError(f"{there}; this training has {self.config}")
        self.model.load_state_dict(model.state_dict())
        self.average.load_state_dict(model.state_dict())
        digest = hashlib.sha256(weights_bytes(model)).hexdigest()
        self.recipe = replace(self.recipe, start=digest)

    def advance(self) -> None:
        """One optimiser step: one segment on every row. A GPU tells what halts, nothing else."""
        self.refill()
        self.used += 1
        with self.autocast():
            x = self.model.embed(self.tokens)
            state = self.model.segment(self.state, x, gradient_start(self.config))
            logits, q = self.model.readout(state)
            self.state = tuple(z.detach().float() for z in state)
            target = self.continue_target(self.state, x)
        right = (logits.argmax(-1) == self.labels).detach()
        solved, done = right.all(-1), self.halt(q.detach())
        loss = (answer_loss(logits, self.labels) + 0.5 * halting_loss(q, solved, target)).mean()
        loss.backward()
        self.learn()
        finished = {  # accuracies are of the rows that do
            "finished": done,
            "exact": solved & done,
            "token": right.double().mean(-1) * done,
            "halted": done & (self.used < SEGMENTS),
        }
        step = {"steps": 1, "loss": loss.detach()} | {k: v.sum() for k, v in finished.items()}
        self.totals |= {name: self.totals.get(name, 0) + value for name, value in step.items()}

    def sent(self, host: Tensor) -> Tensor:
        """`host` on the device, which is not waited for where that is a GPU."""
        return host.to(self.device, non_blocking=self.device.type == "cuda")

    def autocast(self) -> torch.autocast:
        """bfloat16 products, where the recipe wants them."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bool(self.recipe.bf16))

    def refill(self) -> None:
        """Where done, put a fresh puzzle and the start state, perturbed off the clean branch.

        A fresh puzzle is one of the base set with extra givens, under a symmetry.
        """
        r, base = self.recipe, self.base
        if self.arrived:
            self.arrived.synchronize()
        fresh = self.done[: r.batch].cpu().nonzero().squeeze(-1)
        n = len(fresh)
        rows = self.sent(torch.cat([fresh + i * r.batch for i in range(r.branches)]))
        chosen = self.rng.integers(len(base[0]), size=n)
        extra = self.rng.integers(r.extra_givens + 1, size=n)
        boards = add_givens(base[0][chosen], base[1][chosen], extra, self.rng)
        boards, solutions = symmetry.augment(boards, base[1][chosen], self.rng)
        self.tokens[rows] = self.sent(tokens(boards).repeat(r.branches, 1))
        self.labels[rows] = self.sent(tokens(solutions).repeat(r.branches, 1))
        self.used.index_fill_(0, rows, 0)
        state = []
        for z, start in zip(self.state, self.model.initial_state(rows), strict=True):
            if r.sigma:
                noise = self.rng.standard_normal(tuple(start.shape), dtype=np.float32)
                noise[:n] = 0
                start = start + r.sigma * self.sent(torch.from_numpy(noise))
            state.append(z.index_copy(0, rows, start.to(z.dtype)))
        self.state = tuple(state)

    @torch.no_grad()
    def continue_target(self, state: State, x: Tensor) -> Tensor | None:
        """(B,) target of q_continue (HRM): sigmoid of the next segment's larger q.

        At the last segment, of its q_halt. NaN in rows that ``continue_share`` leaves out.
        """
        if self.config.model != "hrm":
            return None
        n, share = len(self.used), self.recipe.continue_share
        chosen = np.arange(n)
        if share < 1:
            chosen = self.rng.choice(n, max(1, round(share * n)), replace=False)
        rows = self.sent(torch.from_numpy(chosen))
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
        rate = r.lr * min(1.0, (self.step + 1) / max(r.warmup, 1))
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

    def halt(self, q: Tensor) -> Tensor:
        """What stops: by the rule unless exploration holds it, or at 16; branch 0 decides."""
        n, used = self.recipe.batch, self.used[: self.recipe.batch]
        held = self.rng.random(n) < self.recipe.explore
        minimum = np.where(held, self.rng.integers(2, SEGMENTS + 1, size=n), 0)
        halting = self.model.would_halt(q[:n]) & (used >= self.sent(torch.from_numpy(minimum)))
        done = (halting | (used >= SEGMENTS)).repeat(self.recipe.branches)
        self.done = done.to("cpu", non_blocking=done.is_cuda)
        if done.is_cuda:
            self.arrived = torch.cuda.current_stream(done.device).record_event()
        return done

    def collect(self) -> None:
        """Bring the sums of the steps to the host, which waits for them; a loss is a number."""
        self.totals = {name: float(total) for name, total in self.totals.items()}
        if not math.isfinite(loss := self.totals.get("loss", 0.0)):
            mend = "the last save is kept, if any; train with a smaller lr or from other weights"
            raise TrainingError(f"the loss is {loss} at step {self.step}: {mend}")

    def summary(self) -> dict:
        """One row of ``log.csv`` over the steps since the last."""
        total, self.totals, n = self.totals, {}, self.recipe.batch
        finished = total["finished"] or math.nan
        return {
            "step": self.step,
            "examples": self.step * n,
            "elapsed_s": round(self.elapsed, 1),
            "lr": self.optimiser.param_groups[0]["lr"],
            "loss": total["loss"] / total["steps"],
            "exact": total["exact"] / finished,
            "token_acc": total["token"] / finished,
            "halted_share": total["halted"] / finished,
            "examples_per_s": total["steps"] * n / total["seconds"],
        }

    def evaluate(self) -> dict:
        """Exact and token accuracy of the averaged weights on validation puzzles, no halting."""
        held_out = self.held_out or self.validation()
        boards, solutions = (tokens(b[: self.recipe.eval_puzzles]) for b in held_out)
        with self.autocast():
            answer = unroll(self.average, boards.to(self.device), k=0).answer[:, -1]
        right = (answer == solutions).double()
        exact, token = float(right.amin(-1).mean()), float(right.mean())
        return {"eval_exact": exact, "eval_token_acc": token}

    def run(self, minutes: float = math.inf, progress: bool = True) -> None:
        """Train to ``recipe.steps`` (or for about `minutes`), logging, evaluating and saving.

        Ctrl-C or SIGTERM stop after the step, which is saved; KeyboardInterrupt is raised then.
        """
        if not minutes >= 0:
            raise TrainingError(f"minutes={minutes}: expected 0 or more")
        r, end = self.recipe, time.monotonic() + 60 * minutes
        saving.begin(self)  # a folder that cannot be written is known before the first step
        if progress:
            tqdm.write(f"precision: {'bfloat16' if r.bf16 else 'float32'} ({self.why})")
        bar = tqdm(total=r.steps, initial=self.step, unit="step", disable=not progress)
        with saving.asked_to_stop() as asked:
            while self.step < r.steps and time.monotonic() < end and not asked:
                self.attempt()
                bar.update()
                if self.due(r.eval_every, r.log_every):
                    row = self.summary()
                    self.rows.append(row | (self.evaluate() if self.due(r.eval_every) else {}))
                    bar.set_postfix(loss=row["loss"], exact=row["exact"])
                if self.due(r.checkpoint_every):
                    saving.save(self)
                    saving.checkpoint(self)
        bar.close()
        self.collect()
        saving.save(self)
        if self.step >= r.steps:  # the end is one, wherever it falls
            if self.step not in saving.checkpoints(self.folder):
                saving.checkpoint(self)
        elif asked:
            tqdm.write(f"stopped, saved at step {self.step}; go on with --resume", sys.stderr)
            raise KeyboardInterrupt

    def due(self, *every: int) -> bool:
        """Whether one thing that is done at every so many steps, 0 for never, is done at this."""
        return any(steps > 0 and self.step % steps == 0 for steps in every)

    def attempt(self) -> None:
        """:meth:`advance`, timed; without a compiler or memory, what to do is said."""
        before, r = time.monotonic(), self.recipe
        try:
            self.advance()
            if self.device.type == "cpu" or self.due(r.eval_every, r.log_every, r.checkpoint_every):
                self.collect()
        except torch._dynamo.exc.BackendCompilerFailed as error:
            reason = f"torch.compile cannot build the model ({str(error).splitlines()[0]})"
            mend = "install a C++ compiler, or train without --compile"
            raise TrainingError(f"{reason}; {mend}") from None
        except RuntimeError as error:  # of a GPU, or of the processor, which has no class for it
            if not isinstance(error, torch.OutOfMemoryError) and "allocate" not in str(error):
                raise
            reason = f"{self.device} has not enough memory for batches of {self.recipe.batch}"
            mend = "train with a smaller one (-p batch N) or on another device"
            raise TrainingError(f"{reason}; {mend}") from None
        seconds = time.monotonic() - before
        self.elapsed += seconds
        self.totals["seconds"] = self.totals.get("seconds", 0.0) + seconds

    def resume(self) -> None:
        """Go on from the folder's last save: on a CPU bit for bit as if it had never stopped."""
        saving.resume(self)
