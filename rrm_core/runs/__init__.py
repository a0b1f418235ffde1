"""A run: a model and a puzzle set in, the measurement table out.

Here belongs the contract between measuring and reading: the measurement table, its schema and its
readers, without torch (``tables``), and the measurement itself (``measure``). It imports the rooms
before it. It hands on a :class:`~rrm_core.runs.tables.Run`, one row a puzzle.
"""
