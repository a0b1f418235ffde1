"""Puzzles of others: Sudoku-Extreme's CSV, tdoku's text files, plain lists; bad lines are named."""

import bz2
import gzip
import json
import lzma
import pickle
import sqlite3
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rrm_core import cli
from rrm_core.runs import measure
from rrm_core.sudoku import foreign
from rrm_core.sudoku.board import SudokuError, generate, parse, to_text
from rrm_core.sudoku.symmetry import augment

GOOD = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
ANSWER = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
OTHER = ".5..2....3....6.716...47.3....7...468.2..9.........1...4....62..6....51.....5.3.."
OTHER_ANSWER = "157923468324586971689147235935712846812469753476835192548371629763298514291654387"


def test_sudoku_extreme_csv(tmp_path):
    lines = [
        "source,question,answer,rating",
        f"a,{GOOD},{ANSWER},7",
        f"b,5{GOOD[1:4]}5{GOOD[5:]},{ANSWER},1",
        f"c,{GOOD[:80]},{ANSWER},1",
        f"d,{'.' * 81},{ANSWER},1",
        f"e,{GOOD},{ANSWER[::-1]},1",
    ]
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    table, notes = foreign.read(tmp_path / "test.csv")
    assert (
        list(table.puzzle) == [GOOD]
        and list(table.solution) == [ANSWER]
        and list(table.rating) == [7]
        and list(table.backtracks) == [0]
    )
    for line, reason in zip(
        notes[:-1],
        [
            "line 3: digit 5 stands twice in row 1",
            "line 4: board of 80",
            "line 5: more than one solution",
            "line 6: the answer given is not",
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
    table, notes = foreign.read(tmp_path / "x.csv")
    assert list(table.puzzle) == [GOOD] and len(notes) == 1
    if "answer" in text:  # and its answer is checked
        (tmp_path / "x.csv").write_text(text.replace(ANSWER, ANSWER[::-1]), encoding="utf-8")
        with pytest.raises(ValueError, match="line 2: the answer given is not the solution"):
            foreign.read(tmp_path / "x.csv")


def test_text_files_and_plain_lists(tmp_path):
    (tmp_path / "tdoku.txt.gz").write_bytes(
        gzip.compress(f"# a comment\n{OTHER.replace('.', '0')} # note\n\n{GOOD}, 4\n".encode())
    )
    table, notes = foreign.read(tmp_path / "tdoku.txt.gz")
    assert list(table.puzzle) == [OTHER, GOOD] and len(notes) == 1 and "rating" not in table
    assert len(foreign.read(tmp_path / "tdoku.txt.gz", limit=1)[0]) == 1
    (tmp_path / "none.txt").write_text("hello\n")
    with pytest.raises(ValueError, match=r"no usable puzzle\. no board of 81, 36 or 16 cells"):
        foreign.read(tmp_path / "none.txt")


def test_a_rating_is_a_finite_number_of_the_column_called_so(tmp_path):
    rows = [f"{GOOD},3,inf", f"{OTHER},4,9"]
    (tmp_path / "x.csv").write_text("\n".join(["puzzle,difficulty,rating", *rows]))
    table, notes = foreign.read(tmp_path / "x.csv")
    assert table.rating.isna().tolist() == [True, False] and table.rating[1] == 9
    assert "1 puzzles have no rating: blank or no number" in notes
    (tmp_path / "x.csv").write_text("\n".join(["puzzle,difficulty,other", *rows]))
    assert foreign.read(tmp_path / "x.csv")[0].rating.tolist() == [3, 4]


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
    assert (
        "line 3: board of 80 characters" in out
        and "puzzles kept: 1; essentially different solution grids: 1; rows left out: 1" in out
    )
    assert list(measure.subset("extreme", 1).rating) == [7]


def rows(text, end="\n"):
    return end.join(text[i : i + 9] for i in range(0, 81, 9))


def lines(form, end="\n"):
    """A writer of a text with `form` for each puzzle; {i}, {p}, {s} its number, cells, solution."""
    return lambda path, pairs: path.write_text(
        "".join(form.format(i=i, p=p, s=s) + end for i, (p, s) in enumerate(pairs, 1))
    )


def table(head, form):
    return lambda path, pairs: path.write_text(
        head + "".join(form.format(i=i, p=p, s=s) + "\n" for i, (p, s) in enumerate(pairs, 1))
    )


def drawn(path, pairs):
    """Boards in frames, as Simple Sudoku draws them."""
    text = ""
    for puzzle, _ in pairs:
        bands = [
            [row[:3] + "|" + row[3:6] + "|" + row[6:] for row in rows(puzzle).split()[i : i + 3]]
            for i in (0, 3, 6)
        ]
        middle = "|---+---+---|\n".join("".join(f"|{row}|\n" for row in band) for band in bands)
        text += f"*-----------*\n{middle}*-----------*\n"
    path.write_text(text)


def blanks(character):
    return lambda path, pairs: path.write_text(
        "\n".join(p.replace(".", character) for p, _ in pairs)
    )


def cells(pairs):
    return [np.stack([parse(text) for text in texts]) for texts in zip(*pairs, strict=True)]


def hrm(path, pairs):
    for name, boards in zip(("all__inputs.npy", "all__labels.npy"), cells(pairs), strict=True):
        np.save(path.with_name(name), boards.astype(np.int32) + 1)


def archive(path, pairs):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("__MACOSX/._sudoku.csv", b"\0\1")
        file.writestr("data/sudoku.csv", "question\n" + "\n".join(p for p, _ in pairs))


def nested(path, pairs):
    """What the dosuku service answers."""
    found = [
        {"value": p.reshape(9, 9).tolist(), "solution": s.reshape(9, 9).tolist()}
        for p, s in zip(*cells(pairs), strict=True)
    ]
    path.write_text(json.dumps({"newboard": {"grids": found, "results": len(found)}}))


def saved(path, pairs):
    games = ["".join(f"{v}|0|0|{int(v == 0)}|" for v in board) for board in cells(pairs)[0]]
    path.write_text("\n".join(f'<game cells_data="version: 4\n{game}" />' for game in games))


def placed(path, pairs):
    """A HoDoKu library: the first blank is filled in by the solver, which says so with a +."""
    text = ""
    for p, s in pairs:
        i = p.index(".")
        text += f":0100:1:{p[:i]}+{s[i]}{p[i + 1 :]}:123 456::r1:2\n"
    path.write_text(text)


def frame(pairs):
    puzzles, solutions = zip(*pairs, strict=True)
    return pd.DataFrame({"source": "x", "question": puzzles, "answer": solutions})


def stream(path, pairs):
    table = pa.Table.from_pandas(frame(pairs))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def by_number(path, pairs):
    path.write_text(json.dumps({str(i): {"p": p, "s": s} for i, (p, s) in enumerate(pairs)}))


def columns(path, pairs):
    path.write_text(frame(pairs).to_json())


def flat(path, pairs):
    path.write_text("\n".join(",".join(p.replace(".", " ")) for p, _ in pairs))


FILES = {
    "numbered.txt": lines("{i}. {p}"),
    "HoDoKu.txt": lines(":0000:x:{p}:::"),
    "HoDoKu with placed digits.txt": placed,
    "addresses.txt": lines("https://x.org/s?bd={p}"),
    "headings.txt": lambda p, t: p.write_text(
        "".join(f"Grid {i:02}\n{rows(a)}\n".replace(".", "0") for i, (a, _) in enumerate(t))
    ),
    "frames.txt": drawn,
    "pairs of lines.txt": lines("{p}\n{s}"),
    "rows with slashes.txt": lambda p, t: p.write_text("\n".join(rows(a, "/") for a, _ in t)),
    "script.js": table("const a = [\n", "  '{p}',"),
    "lists.py": lambda p, t: p.write_text(str([b.reshape(9, 9).tolist() for b in cells(t)[0]])),
    "dashes.txt": blanks("-"),
    "stars.txt": blanks("*"),
    "xs.txt": blanks("x"),
    "underscores.txt": blanks("_"),
    "spaces.txt": blanks(" "),
    "game.opensudoku": lines('<game data="{p}" />'),
    "saved.opensudoku": saved,
    "comments.csv": table("# mine\n#\nNr;Aufgabe;Loesung\n", "{i};{p};{s}"),
    "tabs.tsv": table("clues\tsolved\n", "{p}\t{s}"),
    "no header.csv": table("", "{p},{s},1.5"),
    "markdown.md": table("| nr | puzzle | answer |\n|---|---|---|\n", "| {i} | {p} | {s} |"),
    "a cell a column.csv": flat,
    "utf-16.csv": lambda p, t: p.write_bytes(frame(t).to_csv(index=False).encode("utf-16")),
    "latin.csv": lambda p, t: p.write_bytes(
        b"puzzle,L\xf6sung\n" + "\n".join(a for a, _ in t).encode()
    ),
    "table.parquet": lambda p, t: frame(t).to_parquet(p),
    "table.feather": lambda p, t: frame(t).to_feather(p),
    "lines.jsonl": lambda p, t: frame(t).to_json(p, orient="records", lines=True),
    "columns.json": columns,
    "by number.json": by_number,
    "stream.arrow": stream,
    "one line.xml": lines("<puzzle><givens>{p}</givens><solution>{s}</solution></puzzle>", ""),
    "nested.json": nested,
    "boards.json": lambda p, t: p.write_text(json.dumps([a for a, _ in t])),
    "all__inputs.npy": hrm,
    "boards.npz": lambda p, t: np.savez(p, quizzes=cells(t)[0], solutions=cells(t)[1]),
    "packed.zip": archive,
    "packed.bz2": lambda p, t: p.write_bytes(bz2.compress(frame(t).to_csv().encode())),
    "packed.xz": lambda p, t: p.write_bytes(lzma.compress(frame(t).to_csv().encode())),
    "packed, but not by name.csv": lambda p, t: p.write_bytes(
        gzip.compress(t[0][0].encode() + b"\n" + t[1][0].encode())
    ),
}
PAIRS = [(GOOD, ANSWER), (OTHER, OTHER_ANSWER)]


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_programs_are_read(name, tmp_path):
    FILES[name](tmp_path / name, PAIRS)
    table, notes = foreign.read(tmp_path / name)
    assert list(table.puzzle) == [GOOD, OTHER]
    assert notes == ["puzzles kept: 2; essentially different solution grids: 2; rows left out: 0"]


@pytest.mark.parametrize("name", ["pairs of lines.txt", "tabs.tsv", "nested.json", "boards.npz"])
def test_answers_are_found_and_checked(name, tmp_path):
    FILES[name](tmp_path / name, [(GOOD, ANSWER[::-1]), PAIRS[1]])
    table, notes = foreign.read(tmp_path / name)
    assert list(table.puzzle) == [OTHER] and "the answer given is not the solution" in notes[0]


def test_what_a_spreadsheet_did_to_a_table_is_undone(tmp_path):
    """Leading zeros are gone, answers and ratings blank, a cell has line breaks."""
    digits = to_text(parse("." + ANSWER[1:])).replace(".", "0")
    grid = "\n".join(GOOD[i : i + 9] for i in range(0, 81, 9))
    rows = [f"{int(digits)},{ANSWER},3", f'"{grid}",,', f"{OTHER},,1"]
    (tmp_path / "x.csv").write_text("\n".join(["question,answer,rating", *rows]))
    table, notes = foreign.read(tmp_path / "x.csv")
    assert list(table.puzzle) == ["." + ANSWER[1:], GOOD, OTHER] and len(notes) == 2
    assert table.rating.isna().tolist() == [False, True, False]


def test_a_puzzle_that_became_a_number_is_told(tmp_path):
    (tmp_path / "x.csv").write_text("puzzle,rating\n5.3007E+80,1\n")
    with pytest.raises(ValueError, match="line 2: a spreadsheet made a number of the puzzle"):
        foreign.read(tmp_path / "x.csv")


def test_repeats_and_several_solutions_are_counted(tmp_path):
    open_ = GOOD.replace("53..7", ".....").replace("195", "...")
    texts = [GOOD, OTHER, GOOD.replace(".", "0"), open_, open_[::-1], "hello", ANSWER, ANSWER]
    (tmp_path / "x.txt").write_text("\n".join(texts))
    table, notes = foreign.read(tmp_path / "x.txt")
    assert list(table.puzzle) == [GOOD, OTHER]
    assert notes[0] == "line 3: a puzzle that stands before, left out"
    assert notes[1].startswith("2 rows (the first is line 4): more than one solution")
    assert notes[2] == "line 8: a board without a blank is no puzzle"  # line 7 is an answer
    assert notes[3].endswith("; rows left out: 4")


def test_ratings_in_words_are_missing_and_said(tmp_path):
    lines = [f"{GOOD},easy", f"{OTHER},2.5"]
    (tmp_path / "x.csv").write_text("\n".join(["puzzle,difficulty", *lines]))
    table, notes = foreign.read(tmp_path / "x.csv")
    assert table.rating.isna().tolist() == [True, False] and table.rating[1] == 2.5
    assert notes[0] == "1 puzzles have no rating: blank or no number"
    (tmp_path / "x.csv").write_text(f"puzzle;difficulty\n{GOOD};hard\n{OTHER};easy\n")
    table, notes = foreign.read(tmp_path / "x.csv")
    assert "rating" not in table and notes[0].startswith("2 puzzles have no rating")


@pytest.mark.parametrize("kind", ["Int64", "string", "float64"])
def test_a_missing_rating_of_a_parquet_file_is_missing(kind, tmp_path):
    ratings = pd.array(["3", None], "string").astype(kind)
    pd.DataFrame({"puzzle": [GOOD, OTHER], "rating": ratings}).to_parquet(tmp_path / "x.parquet")
    table, notes = foreign.read(tmp_path / "x.parquet")
    assert table.rating.isna().tolist() == [False, True]
    assert notes[0] == "1 puzzles have no rating: blank or no number"


def boards(n, side=9):
    return [to_text(b) for b in generate(side, n, seed=3)[0]]


def drawn(text, side):
    return "\n".join(text[i : i + side] for i in range(0, side * side, side))


@pytest.mark.parametrize("side", [4, 6, 9])
def test_a_grid_that_lacks_a_row_takes_no_row_of_the_next(side, tmp_path):
    grids = [drawn(text, side) for text in boards(8, side)]
    grids[2] = grids[2].rsplit("\n", 1)[0]
    (tmp_path / "x.txt").write_text("\n\n".join(grids))
    table, notes = foreign.read(tmp_path / "x.txt")
    assert set(table.puzzle) <= set(boards(8, side)) and len(table) == len(set(boards(8, side))) - 1
    assert f"board of {side * (side - 1)} characters" in notes[0]


def test_boxes_drawn_apart_by_blank_lines_are_one_board(tmp_path):
    text = "\n".join(drawn(GOOD[i : i + 27], 9) + "\n" for i in (0, 27, 54))
    (tmp_path / "x.txt").write_text(text)
    assert foreign.read(tmp_path / "x.txt")[0].puzzle.tolist() == [GOOD]


def test_blanks_that_an_editor_took_from_the_ends_of_lines_are_put_back(tmp_path):
    lines = [text.replace(".", " ").rstrip() for text in [GOOD, *boards(9)]]
    assert len({*map(len, lines)}) > 1 and max(map(len, lines)) == 81
    (tmp_path / "x.txt").write_text("\n".join(lines))
    table, notes = foreign.read(tmp_path / "x.txt")
    assert table.puzzle.tolist() == [GOOD, *boards(9)] and notes[-1].endswith("left out: 0")


def lists(a, b):
    return json.dumps({"easy": a, "hard": b})


@pytest.mark.parametrize(
    "write",
    [
        lists,
        lambda a, b: json.dumps({f"p{i}": text for i, text in enumerate(a + b)}),
        lambda a, b: "\n".join(lists(*pair) for pair in zip(a, b, strict=True)),
        lambda a, b: "\n".join(["easy,hard", *map(",".join, zip(a, b, strict=True))]),
    ],
    ids=["lists", "map", "lines", "columns"],
)
def test_several_groups_of_puzzles_are_all_read(write, tmp_path):
    texts = boards(10)
    (tmp_path / "x").write_text(write(texts[:5], texts[5:]))
    table, notes = foreign.read(tmp_path / "x")
    assert set(table.puzzle) == set(texts) and notes[-1].endswith("left out: 0")


def test_a_column_called_puzzle_is_taken_alone(tmp_path):
    half = GOOD[:80] + ANSWER[80] if GOOD[80] == "." else ANSWER[0] + GOOD[1:]
    rows = [f"{GOOD},{half[:2]}4{half[3:]}", f"{OTHER},{OTHER}"]
    (tmp_path / "x.csv").write_text("\n".join(["puzzle,progress", *rows]))
    assert foreign.read(tmp_path / "x.csv")[0].puzzle.tolist() == [GOOD, OTHER]


@pytest.mark.parametrize("form", ["json", "jsonl", "list", "groups"])
def test_what_is_no_board_among_boards_is_told(form, tmp_path):
    texts = [GOOD, OTHER[:80], OTHER]
    written = {
        "json": json.dumps([{"task": text} for text in texts]),
        "jsonl": "\n".join(json.dumps({"task": text}) for text in texts),
        "list": json.dumps(texts),
        "groups": "\n".join(" ".join(t[i : i + 9] for i in range(0, len(t), 9)) for t in texts),
    }
    (tmp_path / "x").write_text(written[form])
    table, notes = foreign.read(tmp_path / "x")
    assert table.puzzle.tolist() == [GOOD, OTHER]
    assert "board of 80 characters" in notes[0] and notes[-1].endswith("left out: 1")


def test_a_table_with_its_puzzles_as_index_and_a_folder(tmp_path):
    table = pd.DataFrame({"puzzle": [GOOD, OTHER], "solution": [ANSWER, OTHER_ANSWER]})
    table.set_index("puzzle").to_parquet(tmp_path / "x.parquet")
    assert foreign.read(tmp_path / "x.parquet")[0].puzzle.tolist() == [GOOD, OTHER]
    with pytest.raises(SudokuError, match="a folder; give one file"):
        foreign.read(tmp_path)


def test_puzzles_of_one_grid_under_symmetries_share_their_code(tmp_path):
    """As sudoku-gen 1.0.2 (npm) makes them: many puzzles, one essentially different grid."""
    many = augment(*cells([PAIRS[0]] * 20), np.random.default_rng(0))[0]
    texts = [OTHER, *map(to_text, many)]
    (tmp_path / "x.txt").write_text("\n".join(texts))
    table, notes = foreign.read(tmp_path / "x.txt")
    assert table.solution.nunique() == 21 and table.grid.tolist() == [0] + [1] * 20
    assert notes == ["puzzles kept: 21; essentially different solution grids: 2; rows left out: 0"]


def test_boxes_of_three_rows_by_two_columns_are_transposed_and_said(tmp_path):
    boards, solutions = generate(6, 6, seed=1)
    tall = [[to_text(b.reshape(6, 6).T.ravel()) for b in both] for both in (boards, solutions)]
    pairs = zip(*tall, strict=True)
    (tmp_path / "x.csv").write_text("q,a\n" + "".join(f"{p},{s}\n" for p, s in pairs))
    table, notes = foreign.read(tmp_path / "x.csv")
    assert list(table.puzzle) == list(map(to_text, boards)) and len(notes) == 2
    assert notes[0] == "boxes were three rows by two columns: every board is transposed"


def test_a_bar_shows_only_where_a_file_is_long(tmp_path, capsys, monkeypatch):
    (tmp_path / "x.txt").write_text(f"{GOOD}\n{OTHER}\n")
    foreign.read(tmp_path / "x.txt")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(foreign, "MANY", 1)
    foreign.read(tmp_path / "x.txt")
    assert "reading" in capsys.readouterr().err


def workbook(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("[Content_Types].xml", "x")
        file.writestr("xl/workbook.xml", "x")


def two(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.csv", "x")
        file.writestr("b.csv", "x")


def database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table a (b)")


NONE = {
    "a workbook": workbook,
    "zip holds a.csv, b.csv": two,
    "an SQLite database": database,
    "a pickle": lambda path: path.write_bytes(pickle.dumps([GOOD])),
    "a web page": lambda path: path.write_text("<!DOCTYPE html>\n<html>Log in</html>"),
    "a pointer of Git LFS": lambda path: path.write_text("version https://git-lfs.x/spec/v1\noid"),
    "no board of 81, 36 or 16 cells": lambda path: path.write_text(""),
    "holds Python objects": lambda path: np.save(path, np.array([1, {}], dtype=object)),
    "no text and no container": lambda path: path.write_bytes(bytes(range(256))),
    "an array (3, 5) of float64": lambda path: np.save(path, np.zeros((3, 5))),
    "a board without a blank": lambda path: path.write_text(f"{ANSWER}\n"),
    "no such file": lambda path: None,
    "cannot be read": lambda path: path.write_bytes(gzip.compress(GOOD.encode())[:20]),
}


@pytest.mark.parametrize("what", NONE)
def test_a_file_of_another_kind_is_named_in_one_line(what, tmp_path):
    path = tmp_path / ("x.npy" if "array" in what or "objects" in what else "x")
    NONE[what](path)
    with pytest.raises(ValueError) as error:
        foreign.read(path)
    said = str(error.value)
    assert what in said and said.isprintable() and "allow_pickle" not in said


def test_a_section_in_brackets_is_no_json(tmp_path):
    """SadMan's .sdk: a section's name, then nine rows."""
    rows = "\n".join(GOOD[i : i + 9] for i in range(0, 81, 9))
    (tmp_path / "one.sdk").write_text(f"[Puzzle]\n{rows}\n")
    table, _ = foreign.read(tmp_path / "one.sdk")
    assert list(table.puzzle) == [GOOD] and list(table.solution) == [ANSWER]
