"""The published sizes on a GPU: products, a training step, QR and exponents, each beside what the card can do.

    python benchmarks/gpu.py [--device cuda] [--batch 256] [--presets trm-9x9-brief hrm-9x9-brief] [--only products training qr exponents]
                             [--variants plain levels padded "levels, padded" segment "segment, padded" autotuned]

Peaks are measured in the same call: a product of two square matrices of 8,192 and a copy of 2 GB (bytes read plus written). Medians of
repeated calls, each timed to the end of the device's work. Floating-point operations are those of the matrix products, as torch counts them.

Variants of a training step: `levels` is `rrm train --compile`, `segment` compiles a cycle of updates as one, `autotuned` are levels whose products
are chosen by trying, and `padded` mixes over a multiple of eight positions. Waits are those that torch's sync debug mode sees in a step.
"""

import argparse
import statistics
import tempfile
import time
import warnings

import torch
import torch.nn.functional as F
from training import operations  # benchmarks/training.py, beside this file

from rrm_core.dynamics import exponents as ftle
from rrm_core.dynamics.rollout import SEGMENTS, unroll
from rrm_core.models import recursive as models
from rrm_core.runs import folder, measure
from rrm_core.sudoku import sets as puzzles
from rrm_core.training import recipes
from rrm_core.training.trainer import Trainer, gradient_start

PUZZLES = {4: "4x4-test", 6: "6x6-test", 9: "9x9-hard-test"}


class Card:
    """A device, with its clock."""

    def __init__(self, device):
        self.device = torch.device(device)
        self.small = self.device.type == "cpu"  # to try the script where there is no GPU

    def seconds(self, work, rounds=7):
        """Median wall-clock seconds of one call of `work`, after two to warm up; on a CPU of the first."""
        times, warm = [], 0 if self.small else 2
        for i in range(1 if self.small else warm + rounds):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            times += [time.perf_counter() - start] if i >= warm else []
        return statistics.median(times)

    def wait(self):
        """Until the device has done what was asked."""
        if not self.small:
            torch.cuda.synchronize()

    def waits(self, work):
        """How often `work` makes the host wait for the device, as torch sees it; a dash where it cannot."""
        if self.small:
            return "–"
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            work()
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(w.message) for w in seen)

    def draw(self, *shape, dtype=torch.bfloat16):
        """Random numbers of `shape`."""
        return torch.randn(*shape, device=self.device).to(dtype)

    def peaks(self):
        """(operations a second of bf16 products, of float32 products, bytes a second)."""
        size = 512 if self.small else 8192
        rates = [
            2 * size**3 / self.seconds(lambda a=self.draw(size, size, dtype=d): a @ a)
            for d in (torch.bfloat16, torch.float32)
        ]
        buffer = self.draw(2**20 if self.small else 2**29)
        other = torch.empty_like(buffer)
        return *rates, 2 * buffer.nbytes / self.seconds(lambda: other.copy_(buffer))


def products(card, batch, peak, bandwidth):
    """The matrix products of one TRM-MLP block of width 512 at 97 positions, forward, bf16."""
    print(
        "\n| product | inner | ms | TFLOP/s | share of peak | GB/s | share of bandwidth |\n|---|---|---|---|---|---|---|"
    )

    def row(name, a, b, inner, useful):
        took = card.seconds(lambda: torch.matmul(a, b), 15)
        moved = (
            a.untyped_storage().nbytes() + b.untyped_storage().nbytes() + torch.matmul(a, b).nbytes
        )
        print(
            f"| {name} | {inner} | {took * 1e3:.3f} | {useful / took / 1e12:.0f} | {useful / took / peak:.0%} | {moved / took / 1e9:.0f} | {moved / took / bandwidth:.0%} |",
            flush=True,
        )

    rows = batch * 97
    row(
        "channels, gate and up",
        card.draw(rows, 512),
        card.draw(3072, 512).T,
        512,
        2 * rows * 512 * 3072,
    )
    row(
        "channels, down", card.draw(rows, 1536), card.draw(512, 1536).T, 1536, 2 * rows * 512 * 1536
    )
    for positions in (97, 104, 128):
        up, down = 2 * batch * 512 * 97 * 1024, 2 * batch * 512 * 512 * 97
        row(
            "positions, gate and up",
            card.draw(batch * 512, positions),
            card.draw(1024, positions).T,
            positions,
            up,
        )
        row("positions, down", card.draw(batch * 512, 512), card.draw(positions, 512).T, 512, down)
    padded = card.draw(1024, 104)[:, :97].expand(batch, 1024, 97)
    row(
        "positions from the left, gate and up, rows of 104",
        padded,
        card.draw(batch, 97, 512),
        97,
        2 * batch * 512 * 97 * 1024,
    )
    row(
        "positions from the left, down",
        card.draw(97, 512).expand(batch, 97, 512),
        card.draw(batch, 512, 512),
        512,
        2 * batch * 512 * 512 * 97,
    )


def padded_product(v, weight):
    """W v as :func:`rrm_core.models.ops.linear_over_positions` by `bmm`, positions padded with zeros to a multiple of eight."""
    rows, more = v.flatten(0, -3), -v.shape[-2] % 8
    rows, weight = F.pad(rows, (0, 0, 0, more)), F.pad(weight, (0, more))
    return torch.bmm(weight.expand(len(rows), -1, -1), rows).unflatten(0, v.shape[:-2])


def padded(trainer):
    """Mix over padded positions, in the model that is trained."""
    for module in trainer.model.modules():
        if isinstance(module, models.SwiGLU) and module.dim == -2:
            module.product = padded_product


def levels(trainer, **options):
    """Compile each level, as `rrm train --compile` does."""
    for level in {trainer.model.level(which) for which in trainer.model.schedule}:
        level.compile(dynamic=False, **options)


def segment(trainer):
    """Compile a cycle of updates as one, or, where the gradient begins within a cycle, the updates before and after that."""
    model, start = trainer.model, gradient_start(trainer.config)
    cycle = trainer.config.L_cycles + 1
    cuts = range(0, len(model.schedule), cycle) if start % cycle == 0 else (0, start)
    pieces = [model.schedule[i:j] for i, j in zip(cuts, [*cuts[1:], None], strict=True)]

    @torch.compile(dynamic=False)
    def run(piece, state, x):
        for which in piece:
            state = model.update(which, x, state)
        return state

    def whole(state, x, grad_from=0):
        done = 0
        for piece in pieces:
            with torch.set_grad_enabled(torch.is_grad_enabled() and done >= grad_from):
                state = run(piece, state, x)
            done += len(piece)
        return state

    model.segment = whole


VARIANTS = {
    "plain": [],
    "levels": [levels],
    "padded": [padded],
    "levels, padded": [padded, levels],
    "segment": [segment],
    "segment, padded": [padded, segment],
    "autotuned": [lambda trainer: levels(trainer, mode="max-autotune-no-cudagraphs")],
}


def training(card, presets, batch, peak, variants):
    """A training step in several ways."""
    print(
        "\n| preset | batch | | s until it runs | ms a step | waits | examples/s | TFLOP a step | TFLOP/s | share of peak |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for preset in presets:
        flops = None
        for variant in variants:
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(*recipes.preset(preset, batch=batch), folder, str(card.device))
                if flops is None:
                    flops = operations(trainer.advance)
                for change in VARIANTS[variant]:
                    change(trainer)
                start = time.perf_counter()
                for _ in range(3):
                    trainer.advance()
                card.wait()
                begun = time.perf_counter() - start
                took, waits = card.seconds(trainer.advance, 10), card.waits(trainer.advance)
                print(
                    f"| {preset} | {batch} | {variant} | {begun:.0f} | {took * 1e3:.1f} | {waits} | {batch / took:,.0f} | {flops / 1e12:.1f} "
                    f"| {flops / took / 1e12:.0f} | {flops / took / peak:.0%} |",
                    flush=True,
                )
                del trainer
                torch.compiler.reset()


def case(card, preset, n, dtype):
    """(model, x, state after a segment, frame after an update): what QR meets on the way."""
    torch.manual_seed(0)
    model = models.RecursiveModel(recipes.preset(preset)[0]).to(card.device, dtype).eval()
    boards, _ = puzzles.boards(puzzles.table(PUZZLES[model.config.side]).head(n))
    x = model.embed(models.tokens(boards).to(card.device))
    state = model.segment(tuple(z.contiguous() for z in model.initial_state(x)), x)
    frame = ftle.start_frame(state, 8)
    return model, x, state, frame


@torch.no_grad()
def qr(card, preset):
    """Householder against Cholesky on the frames of a segment, both against Householder in float64."""
    print(
        "\n| QR of float32 frames (32, N, 8) | ms | largest difference of log R from float64 | of Q'Q from the identity |\n|---|---|---|---|"
    )
    model, x, state, frame = case(card, preset, 4 if card.small else 32, torch.float32)
    _, pushed = model.push("L", x, state, frame)
    k, batch = pushed[0].shape[:2]
    joint = torch.cat([part.reshape(k, batch, -1) for part in pushed], -1).transpose(0, 1).mT
    _, exact = ftle.householder(joint.double())
    for name, method in (("Householder", ftle.householder), ("Cholesky, twice", ftle.cholesky_qr)):
        q, r = method(joint)
        off = (
            (q.double().mT @ q.double() - torch.eye(k, device=card.device, dtype=torch.float64))
            .abs()
            .max()
        )
        print(
            f"| {name} | {card.seconds(lambda m=method: m(joint), 3) * 1e3:.2f} | {(r.log() - exact.log()).abs().max():.1e} | {off:.1e} |",
            flush=True,
        )


@torch.no_grad()
def exponents(card, presets, peak32):
    """A segment with k = 8 tangents: growth in float32 against float64 and against a CPU's float32, and the cost of a puzzle's 16 segments."""
    print(
        "\n| preset | s a puzzle, k = 8 | k = 1 | TFLOP a puzzle, k = 8 | share of the float32 peak | growth of a segment, float32 from float64 | GPU from CPU, float32 |\n|---|---|---|---|---|---|---|"
    )
    for preset in presets:
        grown = {}
        for where, dtype in (
            (card, torch.float32),
            (card, torch.float64),
            (Card("cpu"), torch.float32),
        ):
            model, x, state, frame = case(where, preset, 2, dtype)
            grown[where.device.type, dtype] = ftle.grow(model.pushes(x), state, frame)[2].cpu()
        here = grown[card.device.type, torch.float32]
        off = [
            (here - grown[key]).abs().max() / grown[key].abs().mean()
            for key in ((card.device.type, torch.float64), ("cpu", torch.float32))
        ]
        model = models.RecursiveModel(recipes.preset(preset)[0]).to(card.device).eval()
        boards, _ = puzzles.boards(puzzles.table(PUZZLES[model.config.side]).head(measure.CHUNK))
        n, segments = (2, 1) if card.small else (measure.CHUNK, SEGMENTS)
        ids = models.tokens(boards[:n]).to(card.device)
        flops = operations(lambda m=model, i=ids: unroll(m, i, segments=1, k=8)) * segments
        took = {
            k: card.seconds(lambda m=model, i=ids, k=k: unroll(m, i, segments=segments, k=k), 1)
            for k in (8, 1)
        }
        print(
            f"| {preset} | {took[8] / n:.3f} | {took[1] / n:.3f} | {flops / n / 1e12:.2f} | {flops / took[8] / peak32:.0%} | {off[0]:.1e} | {off[1]:.1e} |",
            flush=True,
        )


def main():
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--presets", nargs="+", default=["trm-9x9-brief", "hrm-9x9-brief"])
    parser.add_argument("--only", nargs="+", default=["products", "training", "qr", "exponents"])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    card = Card(options.device)
    peak, peak32, bandwidth = card.peaks()
    print(
        f"{folder.named_device(options.device)}, torch {torch.__version__}: bf16 {peak / 1e12:.0f} TFLOP/s, float32 {peak32 / 1e12:.0f} TFLOP/s, copy {bandwidth / 1e9:.0f} GB/s"
    )
    if "products" in options.only:
        products(card, options.batch, peak, bandwidth)
    if "qr" in options.only:
        qr(card, options.presets[0])
    if "exponents" in options.only:
        exponents(card, options.presets, peak32)
    if "training" in options.only:
        training(card, options.presets, options.batch, peak, options.variants)


if __name__ == "__main__":
    main()
