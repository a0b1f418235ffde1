"""Train a recursive reasoner by deep supervision with adaptive halting, resumable bit for bit on the CPU.

Every segment is one optimiser step. The batch carries (state, puzzle, segments used) from step to step; rows that halt
are replaced by fresh puzzles. Sources: Wang et al. 2025, Jolicoeur-Martineau 2025 and their official code.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm.auto import tqdm

from rrm_core.dynamics.rollout import unroll
from rrm_core.models.config import SEGMENTS, Config
from rrm_core.models.recursive import RecursiveModel, on_device, tokens
from rrm_core.models.weights import has_weights, save_model, weights_bytes
from rrm_core.store.files import write_bytes, write_json
from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku import sets as puzzles
from rrm_core.training.losses import answer_loss, halting_loss
from rrm_core.training.optim import OPTIMISERS
from rrm_core.training.recipes import Recipe, TrainingError, parsed, preset  # noqa: F401 (for the command line)

STATE_FILE, PROGRESS_FILE, LOG_FILE = "state.safetensors", "progress.json", "log.csv"


def gradient_start(config: Config) -> int:
    """Index of the first update of a segment that gets a gradient: HRM the last L and H, TRM the whole last cycle."""
    return len(config.schedule) - (2 if config.model == "hrm" else config.L_cycles + 1)


# --- the training ------------------------------------------------------------------------------------------------


class Trainer:
    """One training in `folder`: ``state.safetensors`` + ``progress.json`` (resume), ``log.csv``, ``checkpoints/step_NNNNNN``."""

    def __init__(
        self, config: Config, recipe: Recipe, folder: Path | str, device: str = "cpu"
    ) -> None:
        self.config, self.recipe, self.folder = config, recipe, Path(folder)
        torch.manual_seed(recipe.seed)
        self.rng = np.random.default_rng(recipe.seed)
        self.model = on_device(RecursiveModel(config), device).train()
        self.device = torch.device(device)
        self.prefix_weights = self.model.inner.puzzle_emb.weights.requires_grad_(
            True
        )  # trained by sign-SGD, as published
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.segment, self.readout = self.model.segment, self.model.readout
        if recipe.compile and self.device.type == "cpu":
            self.segment, self.readout = (
                torch.compile(f, dynamic=False) for f in (self.segment, self.readout)
            )
        elif recipe.compile:  # a level at a time: the 21 updates of a published segment would compile for minutes, and a GPU hides the calls between them
            for level in {self.model.level(which) for which in self.model.schedule}:
                level.compile(dynamic=False)
        self.optimiser = OPTIMISERS[recipe.optimiser](
            self.model.parameters(),
            lr=recipe.lr,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
        )
        self.base = puzzles.read(f"{recipe.puzzles}-train", config.side)
        self.step, self.elapsed, self.rows = 0, 0.0, []
        n, cells = (
            recipe.batch * recipe.branches,
            config.cells,
        )  # row = branch x batch + puzzle; branch 0 is the clean one
        self.tokens = torch.zeros(n, cells, dtype=torch.long, device=self.device)
        self.labels = torch.zeros_like(self.tokens)
        self.state = tuple(z.clone() for z in self.model.initial_state(n))
        self.used = torch.zeros(
            n, dtype=torch.long, device=self.device
        )  # segments spent on the row's puzzle
        self.done = torch.ones(
            n, dtype=torch.bool, device=self.device
        )  # rows to be replaced at the next step
        self.window: list[dict] = []

    def autocast(self) -> torch.autocast:
        """bf16 autocast where the recipe wants it: 2-4 times faster than float32 on a CPU with bf16 units."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16)

    def draw(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """`n` fresh training boards: base puzzle, extra givens, random symmetry; puzzles and solutions (n, cells)."""
        chosen = self.rng.integers(len(self.base[0]), size=n)
        boards, solutions = self.base[0][chosen], self.base[1][chosen]
        extra = self.rng.integers(self.recipe.extra_givens + 1, size=n)
        return sudoku.augment(
            sudoku.add_givens(boards, solutions, extra, self.rng), solutions, self.rng
        )

    def refill(self) -> None:
        """Put fresh puzzles and the start state, perturbed in all branches but the first, into the rows that are done."""
        r = self.recipe
        fresh = self.done[: r.batch].nonzero().squeeze(-1)
        rows = torch.cat([fresh + branch * r.batch for branch in range(r.branches)])
        boards, solutions = self.draw(len(fresh))
        self.tokens[rows] = tokens(boards).repeat(r.branches, 1).to(self.device)
        self.labels[rows] = tokens(solutions).repeat(r.branches, 1).to(self.device)
        start = self.model.initial_state(len(rows))
        if r.sigma:
            start = tuple(z + r.sigma * self.noise(z.shape, clean=len(fresh)).to(z) for z in start)
        self.state = tuple(
            z.index_copy(0, rows, s.to(z.dtype)) for z, s in zip(self.state, start, strict=True)
        )
        self.used[rows] = 0

    def noise(self, shape: tuple[int, ...], clean: int) -> Tensor:
        """A standard normal draw of `shape` whose first `clean` rows are zero."""
        draw = torch.from_numpy(self.rng.standard_normal(shape, dtype=np.float32))
        draw[:clean] = 0
        return draw

    def continue_target(self, state: tuple[Tensor, Tensor], x: Tensor) -> Tensor | None:
        """(B,) target of q_continue (HRM): sigmoid of the next segment's larger q, of its q_halt at the last segment.

        NaN in the rows that ``recipe.continue_share`` leaves out, drawn anew at every step.
        """
        if self.config.model != "hrm":
            return None
        n, share = len(self.used), self.recipe.continue_share
        rows = (
            slice(None)
            if share == 1
            else torch.from_numpy(self.rng.choice(n, max(1, round(share * n)), replace=False)).to(
                self.device
            )
        )
        with torch.no_grad():
            q = self.readout(self.segment(tuple(z[rows] for z in state), x[rows]))[1]
            target = torch.full((n,), torch.nan, device=self.device)
            target[rows] = torch.sigmoid(
                torch.where(self.used[rows] >= SEGMENTS, q[:, 0], q.max(-1).values)
            )
        return target

    def advance(self) -> None:
        """One optimiser step: one segment on every row."""
        self.refill()
        self.used += 1
        with self.autocast():
            x = self.model.embed(self.tokens)
            state = self.segment(self.state, x, gradient_start(self.config))
            logits, q = self.readout(state)
            self.state = tuple(z.detach().float() for z in state)
            target = self.continue_target(self.state, x)
        right = (logits.argmax(-1) == self.labels).detach()
        solved = right.all(-1)
        loss = (answer_loss(logits, self.labels) + 0.5 * halting_loss(q, solved, target)).mean()
        loss.backward()
        self.learn()
        self.halt(q.detach())
        self.note(loss, right, solved)

    def learn(self) -> None:
        """The recipe's optimiser on the parameters, sign-SGD on the puzzle embedding, then the moving average.

        Two differences from the published code: there the average has its full weight from the first step (here it warms up, which matters
        for some 9 / (1 - ema) steps), and it leaves the puzzle embedding out.
        """
        rate = self.recipe.lr * min(1.0, (self.step + 1) / self.recipe.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        with torch.no_grad():
            self.prefix_weights.mul_(1 - rate * self.recipe.weight_decay).sub_(
                rate * self.prefix_weights.grad.sign()
            )
            pairs = zip(
                self.average.state_dict().values(), self.model.state_dict().values(), strict=True
            )
            average, current = zip(*pairs, strict=True)
            torch._foreach_lerp_(
                list(average),
                list(current),
                1 - min(self.recipe.ema, (1 + self.step) / (10 + self.step)),
            )
        self.optimiser.zero_grad(set_to_none=True)
        self.prefix_weights.grad = None
        self.step += 1

    def halt(self, q: Tensor) -> None:
        """Mark the puzzles that stop: the halting rule (of the clean branch) or 16 segments, unless exploration holds them longer."""
        n = self.recipe.batch
        used = self.used[:n]
        held = self.rng.random(n) < self.recipe.explore
        minimum = np.where(held, self.rng.integers(2, SEGMENTS + 1, size=n), 0)
        halting = self.model.would_halt(q[:n]) & (used >= torch.from_numpy(minimum).to(self.device))
        self.done = (halting | (used >= SEGMENTS)).repeat(self.recipe.branches)

    def note(self, loss: Tensor, right: Tensor, solved: Tensor) -> None:
        """Remember what the progress bar and the log show; accuracies are those of rows that finish at this step."""
        finished = int(self.done.sum())
        self.window.append(
            {
                "loss": float(loss.detach()),
                "finished": finished,
                "exact": int((solved & self.done).sum()),
                "token": float(right.float().mean(-1)[self.done].sum()),
                "halted": int((self.done & (self.used < SEGMENTS)).sum()),
            }
        )

    def summary(self, seconds: float) -> dict:
        """One row of ``log.csv`` over the steps since the last."""
        total = {key: sum(row[key] for row in self.window) for key in self.window[0]}
        finished = total["finished"] or np.nan
        row = {
            "step": self.step,
            "examples": self.step * self.recipe.batch,
            "elapsed_s": round(self.elapsed, 1),
            "lr": self.optimiser.param_groups[0]["lr"],
            "loss": total["loss"] / len(self.window),
            "exact": total["exact"] / finished,
            "token_acc": total["token"] / finished,
            "halted_share": total["halted"] / finished,
            "examples_per_s": len(self.window) * self.recipe.batch / max(seconds, 1e-9),
        }
        self.window = []
        return row

    def evaluate(self) -> dict:
        """Exact and token accuracy of the averaged weights on validation puzzles after 16 segments, no halting."""
        boards, solutions = puzzles.read(f"{self.recipe.puzzles}-validation", self.config.side)
        boards, solutions = (
            boards[: self.recipe.eval_puzzles],
            solutions[: self.recipe.eval_puzzles],
        )
        with self.autocast():
            answer = unroll(self.average, tokens(boards).to(self.device), k=0).answer[:, -1]
        right = (answer == tokens(solutions)).numpy()
        return {"eval_exact": right.all(-1).mean(), "eval_token_acc": right.mean()}

    def run(self, minutes: float | None = None, progress: bool = True) -> None:
        """Train to ``recipe.steps`` (or for about `minutes`), logging, evaluating and saving on the way."""
        r, started, tick = self.recipe, time.monotonic(), time.monotonic()
        with tqdm(
            total=r.steps, initial=self.step, unit="step", disable=not progress, mininterval=5
        ) as bar:
            while self.step < r.steps and (
                minutes is None or time.monotonic() - started < 60 * minutes
            ):
                before = time.monotonic()
                try:
                    self.advance()
                except torch._dynamo.exc.BackendCompilerFailed as error:
                    raise TrainingError(
                        f"torch.compile cannot build the model ({str(error).splitlines()[0]}); install a C++ compiler, or train without --compile"
                    ) from None
                except torch.OutOfMemoryError:
                    raise TrainingError(
                        f"{self.device} has not enough memory for batches of {r.batch}; train with a smaller one (-p batch {r.batch // 2}) or on another device"
                    ) from None
                self.elapsed += time.monotonic() - before
                bar.update()
                evaluating, saving = (
                    self.step % r.eval_every == 0,
                    self.step % r.checkpoint_every == 0,
                )
                if evaluating or self.step % r.log_every == 0:
                    row = self.summary(time.monotonic() - tick)
                    row |= self.evaluate() if evaluating else {}
                    self.rows.append(row)
                    tick = time.monotonic()
                    bar.set_postfix(
                        loss=f"{row['loss']:.3f}",
                        exact=f"{row['exact']:.2f}",
                        token=f"{row['token_acc']:.3f}",
                        held_out=f"{row.get('eval_exact', np.nan):.2f}",
                        ex_s=f"{row['examples_per_s']:.0f}",
                    )
                if saving:
                    self.save_checkpoint()
                    self.save()
        if self.step >= r.steps and self.step not in checkpoints(self.folder):
            self.save_checkpoint()  # the end is one, wherever it falls
        self.save()

    def start_from(self, model: RecursiveModel) -> None:
        """Begin with the weights of `model` instead of fresh ones, which the recipe records; the optimiser starts anew. Another config is refused."""
        if model.config != self.config:
            raise TrainingError(
                f"cannot start from a model with {asdict(model.config)}; this training has {asdict(self.config)}"
            )
        self.model.load_state_dict(model.state_dict())
        self.average.load_state_dict(model.state_dict())
        self.recipe = replace(
            self.recipe, start=hashlib.sha256(weights_bytes(model, torch.float32)).hexdigest()
        )

    # --- saving and resuming ---

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that the next step depends on, by name."""
        out = {f"model.{k}": v.detach() for k, v in self.model.state_dict().items()}
        out |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for i, slot in self.optimiser.state_dict()["state"].items():
            out |= {f"optimiser.{i}.{k}": v for k, v in slot.items()}
        carry = {
            "z_H": self.state[0],
            "z_L": self.state[1],
            "tokens": self.tokens,
            "labels": self.labels,
            "used": self.used,
            "done": self.done,
        }
        return out | {f"carry.{k}": v for k, v in carry.items()}

    def save_checkpoint(self) -> None:
        """Write the averaged weights of this step as a checkpoint."""
        save_model(
            self.average,
            self.folder / "checkpoints" / f"step_{self.step:06d}",
            torch.bfloat16 if self.recipe.bf16_checkpoints else torch.float32,
        )

    def save(self) -> None:
        """Write the log and the resumable state; a kill at any moment leaves the last complete pair."""
        step = torch.tensor(self.step)
        tensors = {k: v.to("cpu").contiguous() for k, v in self.tensors().items()} | {"step": step}
        progress = {
            "step": self.step,
            "elapsed_s": self.elapsed,
            "config": asdict(self.config),
            "recipe": asdict(self.recipe),
            "rng": self.rng.bit_generator.state,
            "window": self.window,
        }
        if self.rows:  # a training stopped before its first row has no log
            write_bytes(
                pd.DataFrame(self.rows).to_csv(index=False).encode(), self.folder / LOG_FILE
            )
        write_bytes(
            save(tensors, metadata={"progress": json.dumps(progress)}), self.folder / STATE_FILE
        )
        write_json(
            {k: progress[k] for k in ("step", "elapsed_s", "config", "recipe")},
            self.folder / PROGRESS_FILE,
        )

    def resume(self) -> None:
        """Go on from ``folder``: the same numbers, bit for bit on the CPU, as a training that was never stopped."""
        from safetensors import safe_open

        path, log = self.folder / STATE_FILE, self.folder / LOG_FILE
        try:
            with safe_open(path, "pt") as file:
                progress = json.loads(file.metadata()["progress"])
            self.recipe = replace(
                self.recipe, start=self.recipe.start or progress["recipe"].get("start", "")
            )
            self.refuse_other(progress)
            self.restore(load_file(path, device=str(self.device)))
            self.step, self.elapsed, self.window = (
                int(progress["step"]),
                float(progress["elapsed_s"]),
                progress["window"],
            )
            self.rng.bit_generator.state = progress["rng"]
            rows = (
                pyarrow.csv.read_csv(log).to_pylist() if log.exists() else []
            )  # it keeps every digit, so that they are written back as they were
            self.rows = [
                row for row in rows if row["step"] <= self.step
            ]  # the log may be newer than the state: it is written first
        except TrainingError:
            raise
        except FileNotFoundError:
            raise TrainingError(
                f"{self.folder}: no {STATE_FILE} to resume from; start without --resume"
            ) from None
        except (
            SafetensorError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RuntimeError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TrainingError(
                f"{path} or {log.name} is damaged ({reason}); restore it or start a new training in another folder"
            ) from None

    def refuse_other(self, progress: dict) -> None:
        """Raise unless the saved training has this model and this recipe (its length apart)."""
        for name, mine in (("config", asdict(self.config)), ("recipe", asdict(self.recipe))):
            mine = json.loads(json.dumps(mine))
            other = {
                k: (v, mine.get(k))
                for k, v in progress[name].items()
                if mine.get(k) != v and k != "steps"
            }
            if other:
                raise TrainingError(
                    f"{self.folder} was trained with another {name}: {other} (saved, asked); use its values (the same --seed and --compile) or another folder"
                )

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Load what :meth:`tensors` gave."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.average.load_state_dict(part("average."))
        slots: dict[int, dict] = {}
        for key, value in part("optimiser.").items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict(
            {"state": slots, "param_groups": self.optimiser.state_dict()["param_groups"]}
        )
        carry = part("carry.")
        self.state = (carry["z_H"], carry["z_L"])
        self.tokens, self.labels, self.used, self.done = (
            carry[k] for k in ("tokens", "labels", "used", "done")
        )


def checkpoints(folder: Path | str) -> dict[int, Path]:
    """{step: folder} of the checkpoints below a training or run folder, ascending."""
    found = sorted(Path(folder).glob("checkpoints/step_*"))
    return {
        int(p.name.removeprefix("step_")): p for p in found if has_weights(p)
    }
