"""How the models were trained: recipes, losses, optimisers, a trainer that resumes bit for bit.

Here belongs what changes weights. It imports ``sudoku``, ``models`` and ``dynamics``, and hands on
checkpoints and a log. ``recipes`` needs no torch.
"""
