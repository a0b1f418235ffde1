"""What must hold of a run's tables, column by column: one row a puzzle, T = 16 segments."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rrm_core.models.config import SEGMENTS

if TYPE_CHECKING:
    from pandera.errors import SchemaError
    from pandera.pandas import Check, DataFrameSchema

INTEGERS = {
    "idx": "int64",
    "givens": "int16",
    "backtracks": "int64",
    "naked_backtracks": "int64",
    "halted_at": "int8",
}


class TableError(ValueError):
    """A table that breaks its contract; the message names file, column and rows."""


def columns(prefix: str, segments: int = SEGMENTS) -> list[str]:
    """["prefix_01", ..., "prefix_16"]."""
    return [f"{prefix}_{t:02d}" for t in range(1, segments + 1)]


def exponents(df: pd.DataFrame) -> int:
    """K of a table: how many ``lambda_i`` columns it has."""
    return sum(f"lambda_{i}" in df for i in range(1, 100))


# --- what must hold: True where it does ---------------------------------------------------------


def is_board(texts: pd.Series) -> pd.Series:
    """Whether each text is a board: 16, 36 or 81 digits and dots; pages show them as they are."""
    texts = texts.astype("string")
    good = texts.str.fullmatch(r"[.0-9]+") & texts.str.len().isin([16, 36, 81])
    return good.fillna(False).astype(bool)


def as_long(df: pd.DataFrame) -> pd.Series:
    """Whether puzzle and solution are equally long."""
    return df.puzzle.str.len() == df.solution.str.len()


def descends(df: pd.DataFrame) -> pd.Series:
    """Whether lambda_1..K descend, up to the last digit of float32."""
    values = df[[f"lambda_{i}" for i in range(1, exponents(df) + 1)]].to_numpy()
    return pd.Series((np.diff(values, axis=1) <= 1e-7).all(1), df.index)


def adds_up(df: pd.DataFrame, updates: int) -> pd.Series:
    """Whether lambda_1..K are the sorted sums of the growths over `updates` updates, to 1e-5."""
    tangents = range(1, exponents(df) + 1)
    sums = np.stack([df[columns(f"growth_{i}")].sum(axis=1) for i in tangents], 1) / updates
    values = df[[f"lambda_{i}" for i in tangents]].to_numpy()
    return pd.Series((np.abs(-np.sort(-sums, axis=1) - values) <= 1e-5).all(1), df.index)


# --- the schema ---------------------------------------------------------------------------------

FINITE = "column {column} is NaN or infinite at {rows}; measure these again"
DISTANCE = "column {column} is negative at {rows}; a drift is a distance"
BOARD = "column {column} holds no board at {rows}; expected 16, 36 or 81 digits and dots"
RULES = {
    "duplicated {rows}; expected one row a puzzle": lambda df: ~df.idx.duplicated(),
    "correct differs from correct_16 at {rows}": lambda df: df.correct == df.correct_16,
    "puzzle and solution differ in length at {rows}": as_long,
    "the lambdas do not descend at {rows}": descends,
}


def checks(rules: dict[str, Callable]) -> list[Check]:
    """The pandera checks of {error text: what must hold}."""
    import pandera.pandas as pa

    return [pa.Check(rule, error=text, ignore_na=False) for text, rule in rules.items()]


@lru_cache
def measurements(k: int = 8, hrm: bool = False, updates: int | None = None) -> DataFrameSchema:
    """The contract of a table with `k` exponents, and with q_continue for an HRM.

    With `updates`, those of all segments, the exponents must be the sums of the growths.
    """
    import pandera.pandas as pa

    finite, distance = {FINITE: np.isfinite}, {DISTANCE: lambda values: values >= 0}
    board = pa.Column(None, checks({BOARD: is_board}), nullable=True)
    number = pa.Column("float32", checks(finite), nullable=True)
    drift = pa.Column("float32", checks(finite | distance), nullable=True)
    numbers = ["token_acc", "blank_acc", *columns("q_halt")]
    numbers += columns("q_continue") if hrm else []
    for i in range(1, k + 1):
        numbers += [f"lambda_{i}", *columns(f"growth_{i}")]
    told = f"lambda is not the sum of growths / {updates} updates at {{rows}}"
    rules = RULES | ({told: partial(adds_up, updates=updates)} if updates and k else {})
    return pa.DataFrameSchema(
        {name: pa.Column(kind) for name, kind in INTEGERS.items()}
        | dict.fromkeys(["puzzle", "solution"], board)
        | {name: pa.Column("bool") for name in ["correct", *columns("correct")]}
        | dict.fromkeys(columns("drift_h") + columns("drift_l"), drift)
        | dict.fromkeys(numbers, number),
        checks=checks(rules),
    )


@lru_cache
def trajectories() -> DataFrameSchema:
    """The contract of a table of decoded boards, ``answer_01`` to ``answer_16``."""
    import pandera.pandas as pa

    board = pa.Column(None, checks({BOARD: is_board}), nullable=True)
    return pa.DataFrameSchema({"idx": pa.Column("int64")} | dict.fromkeys(columns("answer"), board))


# --- a table against it -------------------------------------------------------------------------


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


def checked(df: pd.DataFrame, schema: DataFrameSchema, where: str) -> pd.DataFrame:
    """`df`, unchanged; :class:`TableError` names `where`, and the column and rows at fault."""
    from pandera.errors import SchemaError

    if not len(df):
        raise TableError(f"{where}: no rows; expected one a puzzle")
    try:
        schema.validate(df, inplace=True)
    except SchemaError as error:
        raise TableError(f"{where}: {told(error, df)}") from None
    return df


def validate(
    df: pd.DataFrame,
    where: str = "table",
    updates_per_segment: int | None = None,
    k: int | None = None,
) -> pd.DataFrame:
    """A measurement table of `k` exponents (as many as it has), :func:`checked`."""
    updates = updates_per_segment * SEGMENTS if updates_per_segment else None
    hrm = any(name in df for name in columns("q_continue"))
    k = exponents(df) if k is None else k
    return checked(df, measurements(k, hrm, updates), where)
