"""What is true of Sudoku without any model.

Here belong the rules, a solver and a generator (``board``, compiled loops in ``kernels``),
symmetries and the canonical form (``symmetry``), hard 9x9 puzzles (``hard``), sets of puzzles
(``sets``) and files of others (``containers`` opens them, ``foreign`` reads them). It imports
``store``, and hands on boards.
"""
