"""Measure how recursive reasoning models fail: train, unroll, tangents, cells, statistics.

Read it in this order; each file is short and speaks of one thing.

1. ``models.config``, ``models.ops``, ``models.recursive``: a model is a start state and updates.
2. ``dynamics.contract``: what is asked of any model; ``dynamics.rollout``: T segments, nothing
   applied, everything recorded.
3. ``dynamics.exponents``: tangents, QR, growth; exponents are growth per update.
4. ``runs.tables``: one row a puzzle, what every statement below starts from.
5. ``analysis.cells``: late drift, the settled band, cells A to D.
6. ``analysis.stats``: AUC and shares with their intervals.

The names that the README and the chapters use: ``runs.tables.load_run``, ``runs.measure``,
``analysis.cells`` (``late_drift``, ``band``, ``assign``, ``count``), ``analysis.stats`` (``auc``,
``proportion``, ``median``), ``analysis.phases``, ``analysis.fates``, ``analysis.controls``,
``analysis.claims.ledger``, ``models.weights`` (``load_model``, ``save_model``),
``dynamics.rollout.unroll``, ``dynamics.exponents`` (``start_frame``, ``push``, ``spectrum``).

Imports run one way, which a test holds: store, then sudoku and models, dynamics, training, runs,
then analysis and studies, last the command line. What is shown lives in ``book/companion``.
Importing the package is cheap; what needs only tables never imports torch.
"""

__version__ = "0.2.0"
