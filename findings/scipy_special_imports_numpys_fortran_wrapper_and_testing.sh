#!/usr/bin/env bash
# import scipy.special with scipy 1.17.1 and numpy 2.4.6. One expects the C extensions of special functions. numpy loads
# its seldom used parts (f2py, testing, ctypeslib, typing, char, ma, polynomial) only when they are asked for. But scipy
# clones all public names of numpy for the array API (scipy._lib.array_api_compat.numpy), which asks for each of them: so
# log-gamma imports the generator of Fortran wrappers and the test runner. That is more than half of what the
# import takes. Every process that imports scipy.special (scikit-learn's do) pays it, a Jupyter kernel for each notebook.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy==2.4.6 scipy==1.17.1 2>/dev/null
"$folder/v/bin/python" - <<'P'
import re
import statistics
import subprocess
import sys

import numpy
import scipy

before = set(sys.modules)
import scipy.special

seldom = ("numpy.f2py", "numpy.testing", "numpy.ctypeslib")
loaded = [name for name in seldom if name in sys.modules]
early = [name for name in seldom if name in before]
shares = []
for _ in range(7):
    code = "import numpy; import scipy.special"
    seen = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True).stderr
    took = {name: int(us) for us, name in re.findall(r"\|\s+(\d+) \|\s+(\S+)", seen)}
    shares.append(took["scipy._lib.array_api_compat.numpy"] / took["scipy.special"])
share = statistics.median(shares)
print(f"scipy {scipy.__version__}, numpy {numpy.__version__}: import scipy.special loads {', '.join(loaded)}; cloning numpy takes {share:.0%} of it")
changed = []
if early:
    changed.append(f"numpy or scipy alone load {early}")
if len(loaded) < 3:
    changed.append("scipy.special no longer loads all three")
if share < 0.25:
    changed.append("cloning numpy is a small part by now")
print(*[f"changed: {what}" for what in changed], sep="\n", end="")
sys.exit(bool(changed))
P
