"""A measurement in parts: one Parquet file each, atomic, marked with what it measures, made by one process or by several.

A part holds its rows of both tables, the measurements and the decoded boards (``answer_01`` ...), so that a kill cannot
leave one without the other.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from rrm_core.store.files import write_bytes

KEY = b"rrm_core.measurement"


class PartError(ValueError):
    """Parts that belong to another measurement, or a process that could not make its own; the message says how to mend it."""


def path_of(folder: Path, start: int) -> Path:
    """The file of the part whose first puzzle is row `start`."""
    return folder / f"part_{start:06d}.parquet"


def write(table: pd.DataFrame, texts: pd.DataFrame, path: Path, key: dict) -> None:
    """Write one part, atomically, marked with `key`."""
    both = pa.Table.from_pandas(
        table.merge(texts, on="idx", validate="one_to_one"), preserve_index=False
    )
    buffer = io.BytesIO()
    pq.write_table(
        both.replace_schema_metadata({**both.schema.metadata, KEY: json.dumps(key).encode()}),
        buffer,
        compression="zstd",
    )
    write_bytes(buffer.getvalue(), path)


def key_of(path: Path) -> dict | None:
    """What a part measures; None where there is no such file or it cannot be read, so that it is measured again."""
    try:
        return json.loads((pq.read_schema(path).metadata or {}).get(KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return None


def read(folder: Path, starts: list[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(measurements, trajectories) of all parts, in order."""
    both = pd.concat([pd.read_parquet(path_of(folder, s)) for s in starts], ignore_index=True)
    answers = [c for c in both if c.startswith("answer_")]
    return both.drop(columns=answers), both[["idx", *answers]]


def refuse_foreign(folder: Path, key: dict) -> None:
    """Raise :class:`PartError` where `folder` holds a part of another measurement, naming what differs."""
    for path in sorted(folder.glob("part_*.parquet")):
        other = key_of(path)
        if other is not None and other != key:
            differs = {
                name: (other.get(name), value)
                for name, value in key.items()
                if other.get(name) != value
            }
            raise PartError(
                f"{folder} holds parts of another measurement: {differs} (there, asked); remove it, ask for the same, or add --replace"
            )


def remove(folder: Path) -> None:
    """Remove the parts in `folder`; studies in progress keep theirs in folders below it and are left alone."""
    for path in folder.glob("part_*.parquet"):
        path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def missing(folder: Path, starts: list[int], key: dict) -> list[int]:
    """Those of `starts` whose part of this very measurement is not there."""
    return [s for s in starts if key_of(path_of(folder, s)) != key]


# --- several processes -------------------------------------------------------------------------------------------


def orphaned(started_by: int | None) -> bool:
    """Whether the process that started this one is gone; what it began is then left for the next call."""
    return started_by is not None and os.getppid() != started_by


def child(function: Callable, options: dict, answer: multiprocessing.connection.Connection) -> None:
    """Run ``function(**options)`` with one thread and send the message of its error, or None."""
    import torch

    torch.set_num_threads(1)
    try:
        function(**options)
        answer.send(None)
    except (ValueError, OSError) as error:
        answer.send(str(error))


def in_processes(
    function: Callable, options: dict, jobs: int, progress: Callable[[], tuple[int, int]]
) -> None:
    """Call ``function(**options, shard=(i, jobs))`` in `jobs` processes of one thread each and wait for all of them.

    `progress` gives (parts done, parts in all). The first error of any process is raised as :class:`PartError`.
    """
    context = multiprocessing.get_context("spawn")
    running = []
    try:
        for i in range(jobs):
            mine, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=child,
                args=(function, options | {"shard": (i, jobs), "started_by": os.getpid()}, theirs),
                daemon=True,
            )
            process.start()
            theirs.close()
            running.append((process, mine))
        done, total = progress()
        with tqdm(
            total=total, initial=done, unit="part", desc=f"measuring, {jobs} processes"
        ) as bar:
            for process, _ in running:
                while process.is_alive():
                    process.join(0.5)
                    bar.update(progress()[0] - bar.n)
        for i, (process, answer) in enumerate(running):
            try:
                problem = answer.recv()
            except EOFError:
                problem = f"ended with exit status {process.exitcode}; call again to go on"
            if problem:
                raise PartError(f"shard {i}/{jobs}: {problem}")
    finally:
        for process, _ in running:
            process.terminate()
