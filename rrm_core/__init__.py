"""Measure how recursive reasoning models fail: train, unroll, exponents, cells, statistics, charts.

Data flows one way: ``sudoku -> models -> rollout (+ ftle) -> measure -> tables -> cells, stats -> charts, widgets``.
Importing the package is cheap: torch, scikit-learn and Altair are imported by the modules that need them.
"""

__version__ = "0.1.0"
