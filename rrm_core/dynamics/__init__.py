"""What a model does over time: the unroll, and the growth of tangents along it.

Here belongs the arithmetic of trajectories: what a model must offer (``contract``) and whether it
does (``check``), finite-time exponents of any step map (``exponents``), and the fixed unroll of a
model over T segments (``rollout``). It imports ``models``.
"""
