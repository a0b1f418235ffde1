"""Boards: the rules, a solver, generators, symmetries, and puzzle sets in data/puzzles.

Here belongs what is true of Sudoku without any model: parse, check, solve and count (``board``, with
its compiled loops in ``kernels``), hard 9x9 puzzles (``hard``), sets made here or by others
(``sets``). It imports ``store``. It hands on boards: uint8 arrays (B, cells), row by row, 0 blank.
"""
