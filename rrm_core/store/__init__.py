"""Where data is, and that nothing is ever half-written.

Here belongs what knows folders and bytes and nothing of puzzles, models or measurements: the data
folder and its runs (``paths``), atomic files (``files``), data/MANIFEST (``manifest``), tables kept
between sessions (``cache``). It imports no other room.
"""
