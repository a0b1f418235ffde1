"""Puzzles of others: Sudoku-Extreme's CSV, tdoku's text files, plain lists; bad lines are named."""

import gzip
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from rrm_core import cli
from rrm_core.runs import measure
from rrm_core.sudoku import foreign
from rrm_core.sudoku.board import generate, parse, to_text

GOOD = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
ANSWER = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
OTHER = to_text(generate(9, 1, seed=4)[0][0])


def test_sudoku_extreme_csv(tmp_path):
    lines = [
        "source,question,answer,rating",
        f"a,{GOOD},{ANSWER},7",
        f"b,5{GOOD[1:4]}5{GOOD[5:]},{ANSWER},1",
        f"c,{GOOD[:80]},{ANSWER},1",
        f"d,{'.' * 81},{ANSWER},1",
        f"e,{GOOD},{ANSWER[::-1]},1",
        f"f,{GOOD},{ANSWER},hard",
    ]
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    table, problems = foreign.read(tmp_path / "test.csv")
    assert (
        list(table.puzzle) == [GOOD]
        and list(table.solution) == [ANSWER]
        and list(table.rating) == [7]
        and list(table.backtracks) == [0]
    )
    for line, reason in zip(
        problems,
        [
            "line 3: digit 5 stands twice in row 1",
            "line 4: board of 80",
            "line 5: more than one solution",
            "line 6: the answer given is not",
            "line 7: could not convert",
        ],
        strict=True,
    ):
        assert line.startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        f"source,question\na,{GOOD}\n",
        f"'source','question','answer'\n'a','{GOOD}','{ANSWER}'\n".replace("'", '"'),
        f"\ufeffquestion,answer\n{GOOD},{ANSWER}\n",
    ],
)
def test_a_csv_is_known_by_its_header_wherever_the_question_stands(text, tmp_path):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    table, problems = foreign.read(tmp_path / "x.csv")
    assert list(table.puzzle) == [GOOD] and problems == []
    if "answer" in text:  # and its answer is checked
        (tmp_path / "x.csv").write_text(text.replace(ANSWER, ANSWER[::-1]), encoding="utf-8")
        with pytest.raises(ValueError, match="line 2: the answer given is not the solution"):
            foreign.read(tmp_path / "x.csv")


def test_text_files_and_plain_lists(tmp_path):
    (tmp_path / "tdoku.txt.gz").write_bytes(
        gzip.compress(f"# a comment\n{OTHER.replace('.', '0')} # note\n\n{GOOD}, 4\n".encode())
    )
    table, problems = foreign.read(tmp_path / "tdoku.txt.gz")
    assert list(table.puzzle) == [OTHER, GOOD] and problems == [] and "rating" not in table
    assert len(foreign.read(tmp_path / "tdoku.txt.gz", limit=1)[0]) == 1
    (tmp_path / "none.txt").write_text("hello\n")
    with pytest.raises(ValueError, match=r"no usable puzzle\. line 1: board of 5 characters"):
        foreign.read(tmp_path / "none.txt")


def test_import_command_reports_and_keeps_the_rating(data_copy, tmp_path, capsys, monkeypatch):
    (tmp_path / "x.csv").write_text(
        f"source,question,answer,rating\na,{GOOD},{ANSWER},7\nb,{GOOD[:-1]},{ANSWER},1\n"
    )
    monkeypatch.setattr(
        "sys.argv", ["rrm", "puzzles", "import", str(tmp_path / "x.csv"), "--name", "extreme"]
    )
    status = 0
    try:
        cli.main()
    except SystemExit as stop:
        status = stop.code
    assert not status
    out = capsys.readouterr().out
    assert "line 3: board of 80 characters" in out and "1 puzzles kept, 1 rows refused" in out
    assert list(measure.subset("extreme", 1).rating) == [7]


def zipped(path, texts):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sudoku.csv", "question\n" + "\n".join(texts))


def tokens(path, texts):
    np.save(path, np.stack([parse(text) for text in texts]).astype(np.int32) + 1)


def arrays(path, texts):
    path.write_text(json.dumps([parse(text).reshape(9, 9).tolist() for text in texts]))


def table_of(texts):
    return pd.DataFrame({"source": "x", "question": texts, "rating": range(len(texts))})


def grids(texts):
    rows = [[text[i : i + 9] for i in range(0, 81, 9)] for text in texts]
    return "".join("Grid\n" + "\n".join(lines).replace(".", "0") + "\n" for lines in rows)


FILES = {
    "a list with numbers.txt": lambda p, t: p.write_text(f"1. {t[0]}\n2. {t[1]}\n"),
    "HoDoKu.txt": lambda p, t: p.write_text("".join(f":0000:x:{text}:::\n" for text in t)),
    "addresses.txt": lambda p, t: p.write_text("\n".join(f"https://x.org/s?bd={x}" for x in t)),
    "grids of lines.txt": lambda p, t: p.write_text(grids(t)),
    "xml.opensudoku": lambda p, t: p.write_text("\n".join(f'<game data="{x}" />' for x in t)),
    "semicolons.csv": lambda p, t: p.write_text("id;Question\n1;{}\n2;{}\n".format(*t)),
    "table.parquet": lambda p, t: table_of(t).to_parquet(p),
    "lines.jsonl": lambda p, t: table_of(t).to_json(p, orient="records", lines=True),
    "boards.json": arrays,
    "tokens of HRM.npy": tokens,
    "packed.zip": zipped,
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_programs_are_read(name, tmp_path):
    FILES[name](tmp_path / name, [GOOD, OTHER])
    assert list(foreign.read(tmp_path / name)[0].puzzle) == [GOOD, OTHER]


def test_what_a_spreadsheet_did_to_a_table_is_undone(tmp_path):
    """Leading zeros are gone, answers and ratings blank, a cell has line breaks."""
    digits = to_text(parse("." + ANSWER[1:])).replace(".", "0")
    grid = "\n".join(GOOD[i : i + 9] for i in range(0, 81, 9))
    rows = [f"{int(digits)},{ANSWER},3", f'"{grid}",,', f"{OTHER},,1"]
    (tmp_path / "x.csv").write_text("\n".join(["question,answer,rating", *rows]))
    table, problems = foreign.read(tmp_path / "x.csv")
    assert list(table.puzzle) == ["." + ANSWER[1:], GOOD, OTHER] and problems == []
    assert table.rating.isna().tolist() == [False, True, False]


def test_a_repeated_puzzle_counts_once(tmp_path):
    (tmp_path / "x.txt").write_text(f"{GOOD}\n{OTHER}\n{GOOD.replace('.', '0')}\n")
    table, problems = foreign.read(tmp_path / "x.txt")
    assert len(table) == 2 and problems == ["line 3: the same puzzle as line 1"]


def test_boxes_of_three_rows_by_two_columns_are_refused_by_name(tmp_path):
    (tmp_path / "x.txt").write_text("..2...1...3...1..43.4......2.65.....\n")
    with pytest.raises(ValueError, match=r"boxes are 2 rows by 3 columns"):
        foreign.read(tmp_path / "x.txt")


@pytest.mark.parametrize("name", ["x.xlsx", "x.zip", "x.gz", "x.npy", "x.json", "x.parquet"])
def test_a_file_of_another_kind_is_refused_in_one_line(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04\xff\xfe not what its name says")
    with pytest.raises(ValueError, match=r"cannot be read .*expected a table") as error:
        foreign.read(tmp_path / name)
    assert "\n" not in str(error.value) and str(error.value).isprintable()
