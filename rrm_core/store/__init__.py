"""Where data is, and that nothing is ever half-written: paths, files, digests, parts, a cache.

Here belongs what knows folders and bytes and nothing of puzzles, models or measurements: the data
folder and the names of its runs (``paths``), atomic files, locks and digests (``files``),
data/MANIFEST and its check (``manifest``), a table that is made part by part and survives a kill
(``parts``), computed tables kept between sessions (``cache``). It imports no other room. It hands
on paths, and tables read and written whole.
"""
