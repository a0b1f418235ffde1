"""The same weights on puzzles that no one here made: 17 clues, and the forum's hardest.

As many solution digits are put into each as into the run's own puzzles, drawn from seed 0.

Both lists belong to the benchmarks of tdoku (github.com/t-dillon/tdoku, its data folder), from
whose kind Sudoku-Extreme is made. They are not ours to ship: a row holds the line of its puzzle,
and who has the file gets the boards back from :func:`drawn`. Our own question.
"""

import gzip
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, phases
from rrm_core.runs import measure
from rrm_core.store import paths
from rrm_core.store.files import sha256
from rrm_core.studies import StudyError, Subject, Units, batches
from rrm_core.sudoku import board

EACH, SEED = 512, 0  # puzzles of each collection, of the draw
FEWEST = "d1cc3c76a333e20f4cdadb6bfb362480cf51309574ed02c78d3ec0bbde0ab056"
HARDEST = "d4ef36b35a5b9a928b80131790f2332f109b8f6cb9601c85eb8978e0af28506d"
COLLECTIONS = {  # name: file, its SHA-256
    "17 clues": ("puzzles2_17_clue.txt.gz", FEWEST),
    "forum's hardest": ("puzzles5_forum_hardest_1905_11+.txt.gz", HARDEST),
}
SETTINGS: dict = {"each": EACH, "seed": SEED, "k": 1}
SETTINGS |= {"collections": {name: list(of) for name, of in COLLECTIONS.items()}}
KEPT = ["givens", "backtracks", "naked_backtracks", "correct", "token_acc", "halted_at", "lambda_1"]


def file_of(name: str) -> Path:
    """The file of a collection in data/collections, refused where it is missing or another one."""
    file, digest = COLLECTIONS[name]
    path = paths.data_dir() / "collections" / file
    if not path.exists():
        raise StudyError(f"{path}: missing; put {file} of tdoku's benchmark data there")
    if (found := sha256(path)) != digest:
        raise StudyError(f"{path}: SHA-256 {found[:12]}, expected {digest[:12]}: another file")
    return path


def drawn(name: str, extra_givens: int = 0) -> pd.DataFrame:
    """The puzzles of a collection that are measured: line (from 1) and ``board.COLUMNS``.

    The first of a seeded order of all lines that have exactly one solution.
    """
    lines = gzip.decompress(file_of(name).read_bytes()).decode().splitlines()
    rows = [i for i, text in enumerate(lines) if text and not text.startswith("#")]
    order = np.random.default_rng(SEED).permutation(rows)[: 2 * EACH]
    boards = np.stack([board.parse(lines[i][:81]) for i in order])
    found = board.solve_many(boards)
    single = np.flatnonzero(found["n_solutions"] == 1)[:EACH]
    boards, solutions = boards[single], found["solution"][single]
    counts = np.full(len(single), extra_givens)
    boards = board.add_givens(boards, solutions, counts, np.random.default_rng(0))
    return board.described(boards, solutions).assign(line=order[single] + 1)


def measured(subject: Subject, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle: line, difficulty, outcome, halting, exponent, late drift, last wrong."""
    frame, seed = frame.assign(idx=frame.line), subject.meta["seed"]
    table, _ = measure.rows(subject.model, frame, k=1, seed=seed, segments=subject.segments)
    seen = {"late": cells.late_drift(table).astype("float32")}
    seen |= {"last_wrong": phases.last_wrong(table)}
    head = pd.DataFrame({"collection": name, "line": frame.line})
    return pd.concat([head, table[KEPT].assign(**seen)], axis=1)


def units(subject: Subject) -> Units:
    """A unit for every 32 puzzles of a collection; none for a model of another board."""
    if subject.meta["side"] != 9:
        raise StudyError(f"{subject.folder.name} solves no 9x9 boards; the collections are 9x9")
    extra, found = subject.meta.get("extra_givens", 0), Units()
    for number, name in enumerate(COLLECTIONS, 1):
        pieces = batches(partial(measured, subject, name), drawn(name, extra), measure.CHUNK)
        found |= {f"collection_{number}_{piece}": work for piece, work in pieces.items()}
    return found
