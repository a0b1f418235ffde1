"""TRM and HRM as published: what a model is, not what it does over time.

Here belong the sizes, without torch (``config``), operations on values and on tangents (``ops``),
the networks and their updates (``recursive``), weights on disk (``weights``) and checkpoints of the
official code (``checkpoint`` opens a file, ``official`` reads its model); models of other code are
made by a ``factory``, with adapters in ``peers``. It imports ``store``, and hands on a start state
and updates.
"""
