"""Boards: the rules, a solver, generators, symmetries, and puzzle sets in data/puzzles.

Here belongs what is true of Sudoku without any model: parse, check, solve and make (``board``, its
compiled loops in ``kernels``), a random symmetry and the canonical form (``symmetry``), hard 9x9
puzzles (``hard``), sets of puzzles (``sets``) and files of others (``foreign``). It imports
``store``. It hands on boards: uint8 arrays (B, cells), row by row, 0 blank.
"""
