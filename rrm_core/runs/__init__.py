"""A run: a model and a puzzle set in, the measurement table out.

Here belongs the contract between measuring and reading: the table, its schema and its readers,
without torch (``tables``), the measurement (``measure``) and the folder it lies in (``folder``). It
imports the rooms before it, and hands on a :class:`~rrm_core.runs.tables.Run`, one row a puzzle.
"""
