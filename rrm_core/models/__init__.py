"""TRM and HRM as published: sizes, operations, networks, and their weights on disk.

Here belongs what a model is, not what it does over time: the sizes, without torch (``config``), the
operations on values and on tangents (``ops``), the networks and their updates (``recursive``),
weights in one file or in shards (``weights``), checkpoints of the official code (``official``). It
imports ``store``. It hands on a model: an initial state and the updates of one segment.
"""
