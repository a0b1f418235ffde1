"""What a model does over time: the unroll, and the growth of tangents along it.

Here belongs the arithmetic of trajectories: finite-time exponents of any step map (``exponents``),
and the fixed unroll of a model over T segments (``rollout``). It imports ``models``.
"""
