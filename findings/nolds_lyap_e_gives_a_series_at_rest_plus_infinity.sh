#!/usr/bin/env bash
# nolds 0.6.1 on a series that stands still, such as the state of a recurrence that ended in a fixed point:
# lyap_r gives -inf, which is right (two states that are equal never part), lyap_e gives +inf for every exponent,
# the most chaotic answer there is. A series that is still on its way to the same point has the right negative
# exponent from both. So "largest exponent > 0" sorts a settled puzzle with the wandering ones. Adding noise far
# below any meaning (1e-12) makes it positive and finite, as for every white noise: no cure.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy==2.2.6 scipy==1.15.3 scikit-learn==1.6.1 setuptools==80.9.0 nolds==0.6.1 2>/dev/null
"$folder/v/bin/python" - <<'P'
import warnings
from importlib.metadata import version

import nolds
import numpy as np

warnings.simplefilter("ignore")
steps = np.arange(400)
noise = np.random.default_rng(0).normal(size=400)
series = {
    "on its way to a point, e^-0.05 a step": 3 + np.exp(-0.05 * steps),
    "at rest": np.full(400, 3.0),
    "at rest, and noise of 1e-12": 3 + 1e-12 * noise,
}
found = {}
for name, x in series.items():
    found[name] = (
        float(nolds.lyap_r(x, emb_dim=3, lag=1, min_tsep=10)),
        nolds.lyap_e(x, emb_dim=5, matrix_dim=2),
    )
    print(f"nolds {version('nolds')}, {name}: lyap_r {found[name][0]:+.3f}, lyap_e {found[name][1]}")
way, rest, noisy = found.values()
assert abs(way[0] + 0.05) < 0.005 and abs(way[1][0] + 0.05) < 0.005, "changed on the way"
assert rest[0] == -np.inf and (rest[1] == np.inf).all(), "changed: a series at rest"
assert noisy[1][0] > 0, "changed: white noise has no positive exponent"
P
