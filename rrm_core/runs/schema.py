"""What must hold of a run's tables, column by column: one row a puzzle, T segments, mostly 16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rrm_core.models.config import SEGMENTS

if TYPE_CHECKING:
    from pandera.errors import SchemaError

INTEGERS = {"idx": "int64", "givens": "int16", "backtracks": "int64", "naked_backtracks": "int64"}
INTEGERS |= {"halted_at": "int8"}
BOARD = "column {column} holds no board at {rows}; expected 16, 36 or 81 digits and dots"
FINITE = "column {column} is NaN or infinite at {rows}; measure these again"
DISTANCE = "column {column} is negative at {rows}; a drift is a distance"
LAST = "correct differs from that of the last segment at {rows}"
LENGTH = "puzzle and solution differ in length at {rows}"
RULES: dict[str, Callable] = {
    "duplicated {rows}; expected one row a puzzle": lambda df: ~df.idx.duplicated(),
    LAST: lambda df: df.correct == df[numbered(df, "correct")[-1]],
    LENGTH: lambda df: df.puzzle.str.len() == df.solution.str.len(),
}


class TableError(ValueError):
    """A table that breaks its contract; the message names file, column and rows."""


def columns(prefix: str, segments: int = SEGMENTS) -> list[str]:
    """["prefix_01", ..., "prefix_16"]."""
    return [f"{prefix}_{t:02d}" for t in range(1, segments + 1)]


def numbered(df: pd.DataFrame, prefix: str) -> list[str]:
    """The columns prefix_01, ..., one for each segment that `df` has of it, or of ``correct``."""
    there = [t for t in range(1, 100) if any(f"{p}_{t:02d}" in df for p in (prefix, "correct"))]
    return columns(prefix, max(there, default=1))


def drift_name(part: int) -> str:
    """drift_h for the part of the state that is read out (0), drift_l, then drift_3, ..."""
    return ("drift_h", "drift_l")[part] if part < 2 else f"drift_{part + 1}"


def exponents(df: pd.DataFrame) -> int:
    """K of a table: how many ``lambda_i`` columns it has."""
    return sum(f"lambda_{i}" in df for i in range(1, 100))


def is_board(texts: pd.Series) -> pd.Series:
    """Whether each text is a board: 16, 36 or 81 digits and dots; pages show them as they are."""
    texts = texts.astype("string")
    good = texts.str.fullmatch(r"[.0-9]+") & texts.str.len().isin([16, 36, 81])
    return good.fillna(False).astype(bool)


def adds_up(df: pd.DataFrame, k: int, updates: int) -> pd.Series:
    """Whether lambda_1..k are the sorted sums of the growths over `updates` updates, to 1e-5."""
    tangents = range(1, k + 1)
    sums = np.stack([df[numbered(df, f"growth_{i}")].sum(axis=1) for i in tangents], 1) / updates
    values = df[[f"lambda_{i}" for i in tangents]].to_numpy()
    return pd.Series((np.abs(-np.sort(-sums, axis=1) - values) <= 1e-5).all(1), df.index)


def told(error: SchemaError, df: pd.DataFrame) -> str:
    """What is wrong with `df`, in one line: the column, and the idx of at most five rows."""
    reason, column, cases = error.reason_code.name, error.schema.name, error.failure_cases
    if reason == "COLUMN_NOT_IN_DATAFRAME":
        return f"missing column {cases}; measure the run again"
    if reason == "WRONG_DATATYPE":
        return f"column {column} holds {df[column].dtype}, expected {error.schema.dtype}"
    found = df.loc[cases["index"].unique(), "idx"].tolist()
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    rows = f"idx {', '.join(map(str, found[:5]))}{more}"
    return error.check.error.format(column=column, rows=rows)


def check(df: pd.DataFrame, where: str, kinds: dict[str, str], rules: dict) -> pd.DataFrame:
    """`df`, unchanged; :class:`TableError` names `where`, and the column and rows at fault.

    `kinds` has a dtype, "drift" or "board" for every column, `rules` what rows must obey by error.
    """
    import pandera.pandas as pa
    from pandera.errors import SchemaError

    def checks(rules: dict) -> list:
        return [pa.Check(rule, error=text, ignore_na=False) for text, rule in rules.items()]

    finite, board = checks({FINITE: np.isfinite}), checks({BOARD: is_board})
    drift = finite + checks({DISTANCE: lambda values: values >= 0})
    special = {"board": (None, board), "drift": ("float32", drift), "float32": ("float32", finite)}
    found = {}
    for name, kind in kinds.items():
        dtype, rows = special.get(kind, (kind, None))
        found[name] = pa.Column(dtype, rows, nullable=kind in special)
    if not len(df):
        raise TableError(f"{where}: no rows; expected one a puzzle")
    try:
        return pa.DataFrameSchema(found, checks=checks(rules)).validate(df, inplace=True)
    except SchemaError as error:
        raise TableError(f"{where}: {told(error, df)}") from None


def validate(
    df: pd.DataFrame,
    where: str,
    updates_per_segment: int,
    k: int,
    segments: int = SEGMENTS,
    drifts: int = 2,
    scores: Sequence[str] = ("q_halt",),
) -> pd.DataFrame:
    """A measurement table, checked: `k` exponents, `drifts` of parts of the state, `scores`."""
    wanted = partial(columns, segments=segments)
    kinds = INTEGERS | dict.fromkeys(["puzzle", "solution"], "board")
    kinds |= dict.fromkeys(["correct", *wanted("correct")], "bool")
    for part in range(drifts):
        kinds |= dict.fromkeys(wanted(drift_name(part)), "drift")
    if any(name in df for name in wanted("q_continue")):
        scores = ("q_halt", "q_continue")
    numbers = ["token_acc", "blank_acc", *chain(*map(wanted, scores))]
    for i in range(1, k + 1):
        numbers += [f"lambda_{i}", *wanted(f"growth_{i}")]
    updates, rules = updates_per_segment * segments, RULES
    if k:
        text = f"lambda is not the sum of growths / {updates} updates at {{rows}}"
        rules = RULES | {text: partial(adds_up, k=k, updates=updates)}
    return check(df, where, kinds | dict.fromkeys(numbers, "float32"), rules)


def validate_boards(df: pd.DataFrame, where: str) -> pd.DataFrame:
    """A table of decoded boards, ``answer_01``, ``answer_02``, ..., checked."""
    answers = dict.fromkeys(numbered(df, "answer"), "board")
    return check(df, where, {"idx": "int64"} | answers, {})
