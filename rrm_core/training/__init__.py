"""How the models were trained: recipes, losses, optimisers, a trainer that resumes bit for bit.

Here belongs what changes weights: recipes and presets, without torch (``recipes``), the precision
that suits the processor (``precision``), the published losses (``losses``) and optimisers
(``optim``), deep supervision with adaptive halting (``trainer``) and what it keeps on disk
(``saving``). It imports ``sudoku``, ``models`` and ``dynamics``. It hands on checkpoints and a log.
"""
