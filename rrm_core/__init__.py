"""Measure how recursive reasoning models fail: train, unroll, exponents, cells, statistics, charts, the pages of the book.

Data flows one way. Here every module stands in its room; it imports only modules that stand before it (a test reads this map):

ground: paths, files, config, recipes, manifest
puzzles: _sudoku_kernels, sudoku, puzzles, hard
models: ops, models, official
training: ftle, rollout, losses, optim, train
tables: tables, parts, measure, studies
statistics: cells, stats, findings, selection, motion, claims
charts: embed, charts, study_charts, playground
chapters: report, ledger, study_report, fate_report, motion_report, front
components: pagedata, boards, kernel, widgets, inpage
teaching: answers, chapters, exercises, demos
command: cli

Importing the package is cheap: torch, scikit-learn and Altair are imported by the modules that need them. What needs only tables (from
statistics on, without playground, inpage and demos) never imports torch.
"""

__version__ = "0.1.0"
