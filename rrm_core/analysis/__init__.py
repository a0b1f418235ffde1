"""What the tables say: cells, intervals, phases, fates, controls, the ledger of claims.

Here belongs every statement that is computed from tables alone, one quantity a file; nothing here
imports torch, and nothing composes a sentence. It imports ``runs.tables`` and ``store``. It hands
on numbers with intervals (:class:`~rrm_core.analysis.stats.Estimate`) and tidy tables.
"""
