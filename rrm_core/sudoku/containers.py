"""Files that hold puzzles, opened: text in any encoding, tables, arrays, JSON; packed or not.

A file is known by its first bytes, not by its name. What is no container of puzzles is named.
"""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from rrm_core.sudoku import board as rules
from rrm_core.sudoku.board import SudokuError

SIZES = {side**2: side for side in rules.BOXES}  # cells of a board: its side
BLANKS = str.maketrans("0*_xX-?·", "." * 8)
SPACED = re.compile(f"(?=.*[1-9])(?:{'|'.join(f'[1-9 ]{{{n}}}' for n in SIZES)})")
PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\0": lzma.decompress,
}
TABLES: dict[bytes, Callable[[io.BytesIO], pd.DataFrame]] = {
    b"PAR1": pd.read_parquet,
    b"ARROW1": pd.read_feather,
    b"\xff\xff\xff\xff": lambda data: pa.ipc.open_stream(data).read_pandas(),  # of `datasets`
    b"\x93NUMPY": lambda data: pd.DataFrame({"puzzle": texts(array(data))}),
}
OTHERS = {  # what people bring that is none
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV",
    b"SQLite format 3": "an SQLite database; export its table as CSV",
    b"%PDF": "a PDF; copy its puzzles into a text file",
    b"\x89PNG": "a picture; type its puzzle into a text file",
    b"\xff\xd8\xff": "a picture; type its puzzle into a text file",
    b"\x89HDF": "an HDF5 file; save its arrays with numpy.save",
    b"\x80": "a pickle, which may run code; save its table as CSV",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first",
    b"version https://git-lfs": "a pointer of Git LFS, not the file; fetch it with `git lfs pull`",
}


def cells_of(text: str) -> str:
    """The cells of a board as one word with '.' for its blanks; other characters stay.

    Blank is any of ``. 0 * _ x - ?``, or a space where the text has as many characters as cells. A
    digit after + was filled in by the solver (HoDoKu): a blank.
    """
    text = text.replace(" ", ".") if SPACED.fullmatch(text) else "".join(text.split())
    return re.sub(r"\+\d", ".", text).translate(BLANKS)


def is_board(cells: str) -> bool:
    """Whether the word is a board: 16, 36 or 81 digits and '.'."""
    return len(cells) in SIZES and set(cells) <= set(".123456789"[: SIZES[len(cells)] + 1])


def opened(path: Path) -> str | pd.DataFrame:
    """The text, or the table of texts, in a file, unpacked as often as needed."""
    data, table = unpacked(path.read_bytes()), None
    for start, kind in OTHERS.items():
        if data.startswith(start):
            raise SudokuError(f"this is {kind}")
    for start, reader in TABLES.items():
        if data.startswith(start):
            table = reader(io.BytesIO(data))
    if data.startswith(b"PK"):
        with np.load(io.BytesIO(data)) as arrays:
            table = pd.DataFrame({name: texts(arrays[name]) for name in arrays.files})
    if table is not None:
        table = table.reset_index() if table.index.name else table
        labels = path.with_name(path.name.replace("inputs", "labels"))  # as HRM's scripts write
        if "inputs" in path.name and labels.exists():
            table["solution"] = texts(array(labels))
        return table.map(cell_text)
    text = decoded(data)
    if text.lstrip()[:1] in ("[", "{") and (records := json_records(text)):
        return pd.DataFrame(records).map(cell_text)
    return re.sub(r"version: \d(?:\s|&#10;|&#xA;)+((?:[\d,-]+\|+){81,})", game, text)


def game(saved: re.Match) -> str:
    """The givens of a game saved by OpenSudoku: value|marks|editable| a cell, later more marks."""
    fields = re.split(r"\|+", saved[1])[:-1]
    width = len(fields) // 81
    cells = zip(fields[::width], fields[width - 1 :: width], strict=True)
    return "".join("." if editable == "1" else value for value, editable in cells)


def unpacked(data: bytes) -> bytes:
    """`data` out of gzip, bzip2, xz and zip; what is a .npz stays."""
    for start, unpack in PACKED.items():
        if data.startswith(start):
            return unpacked(unpack(data))
    if data[257:262] == b"ustar":
        raise SudokuError("this is a tar archive; unpack it first")
    if not data.startswith(b"PK\x03\x04"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [n for n in archive.namelist() if not re.search(r"/$|^__MACOSX|(^|/)\.", n)]
        if any(name.startswith(("xl/", "content.xml")) for name in names):
            raise SudokuError("this is a workbook (.xlsx, .ods); save the sheet as CSV")
        if names and all(name.endswith(".npy") for name in names):
            return data
        if len(names) != 1:
            there = ", ".join(names[:5]) or "no file"
            raise SudokuError(f"this zip holds {there}; unpack it and import one file")
        return unpacked(archive.read(names[0]))


def decoded(data: bytes) -> str:
    """The text of UTF-8, UTF-16 or, as boards are ASCII, any one-byte encoding."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not wide and b"\0" in data[:4]:  # UTF-16 that does not say so
        data, wide = (b"\xff\xfe" if data[1:2] == b"\0" else b"\xfe\xff") + data, True
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    strange = sum(not c.isprintable() and c not in "\n\r\t\f\v" for c in text[:1000])
    if strange > 10 or "\0" in text[:1000]:
        raise SudokuError("this is no text and no container known here")
    return text


def cell_text(value: object, missing: str = "") -> str:
    """A cell as text: nested lists in one word, '.' for None in them; nothing for what is missing.

    A whole float is printed as the integer; one beyond 2^53 has lost digits and stays a float.
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        return "".join(cell_text(v, ".") for v in value)
    if value is None or value is pd.NA or value != value:
        return missing
    if isinstance(value, float) and abs(value) < 2**53 and value == int(value):
        return str(int(value))
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def array(data: io.BytesIO | Path) -> np.ndarray:
    """The array of a .npy file; Python objects in it are refused, as they may run code."""
    try:
        return np.load(data, allow_pickle=False)
    except ValueError as error:
        why = "holds Python objects, which may run code" if "pickle" in str(error) else "is damaged"
        raise SudokuError(f"the array {why}; save its boards as integers") from None


def texts(array: np.ndarray) -> list[str]:
    """The rows of an array as texts; boards (B, cells) or (B, side, side), tokens or digits.

    Tokens are those of HRM and TRM: 1 for a blank, 2.. for the digits.
    """
    if array.ndim < 2 and (array.dtype.kind in "US" or len(array) not in SIZES):
        return [str(value) for value in array]
    if array.dtype.kind not in "iufb" or array.shape[-1] not in (*SIZES, *SIZES.values()):
        expected = "expected digits (boards, cells) or (boards, side, side)"
        raise SudokuError(f"this is an array {array.shape} of {array.dtype}: {expected}")
    last = array.shape[-1]
    boards = array.reshape(-1, last if last in SIZES else last**2).astype(int)
    side = SIZES[boards.shape[1]]
    if boards.size and boards.min() > 0 and boards.max() == side + 1:
        boards = boards - 1
    return ["".join(map(str, row)) for row in boards]


def holds_board(value: object) -> bool:
    """Whether a JSON value is one board: a text, or at most so many pieces as cells."""
    small = isinstance(value, list) and len(value) <= max(SIZES)
    return (small or isinstance(value, (str, int))) and is_board(cells_of(cell_text(value)))


def open_board(value: object) -> bool:
    """Whether a JSON value is one board with a blank."""
    return holds_board(value) and "." in cells_of(cell_text(value))


def json_records(text: str) -> list[dict]:
    """[{name: cell}] of every board in JSON, or in a JSON value a line."""
    try:
        return records(json.loads(text))
    except json.JSONDecodeError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith(("}", "]")):
            return []
        try:
            json.loads(lines[0])
        except json.JSONDecodeError:  # another format's first line in brackets
            return []
        return records([*map(json.loads, lines)])


def records(value: object) -> list[dict]:
    """[{name: cell}] of the boards in a JSON value: objects, columns of objects, bare boards."""
    if holds_board(value):
        return [{"puzzle": value}]
    if not isinstance(value, (dict, list)):
        return []
    inner = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, dict):
        if any(map(holds_board, inner)):
            several = sum(map(open_board, inner)) > 1 and "puzzle" not in value
            texts = [v for v in inner if isinstance(v, str) or open_board(v)]
            return [{"puzzle": v} for v in texts] if several else [value]
        columns = {  # lists, or as pandas writes them {"0": ..., "1": ...}
            name: list(v.values()) if isinstance(v, dict) else v
            for name, v in value.items()
            if isinstance(v, list) or (isinstance(v, dict) and all(map(str.isdigit, v)))
        }
        boards = [v for v in columns.values() if v and holds_board(v[0])]
        alike = len(boards) > 1 and len(set(map(len, columns.values()))) == 1
        if alike and sum(open_board(v[0]) for v in boards) == 1:
            return pd.DataFrame(columns).to_dict("records")
        return [record for v in inner for record in records(v)]
    found = [*map(records, inner)]
    if any(found):  # what is no board among boards is told as a bad row
        rest = [{"puzzle": v} if isinstance(v, str) else v for v in inner]
        found = [f or [v] * isinstance(v, dict) for f, v in zip(found, rest, strict=True)]
    return [record for of in found for record in of]
