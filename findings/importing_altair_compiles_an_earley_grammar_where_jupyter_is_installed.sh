#!/usr/bin/env bash
# `import altair` is several times slower in an environment that also has Jupyter's server. Altair imports
# jsonschema, and jsonschema 4.26.0 imports rfc3987_syntax where it finds it. Jupyter brings that package (by
# jsonschema[format-nongpl]), and it compiles a grammar of URIs with lark while it is imported. Altair never
# checks a URI. Measured as processor time of one import, medians of five processes each.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q altair==6.3.0 jsonschema==4.26.0 pandas==2.3.3 2>/dev/null
measure() {
  "$folder/v/bin/python" - <<'P'
import statistics
import subprocess
import sys

CODE = "import time; t = time.process_time(); import altair; print(time.process_time() - t)"
took = [float(subprocess.check_output([sys.executable, "-c", CODE])) for _ in range(6)][1:]
print(f"{statistics.median(took):.2f}")
P
}
alone=$(measure)
"$folder/v/bin/pip" install -q rfc3987-syntax==1.1.0 lark==1.3.1 2>/dev/null
beside=$(measure)
echo "altair 6.3.0, jsonschema 4.26.0: import takes $alone s of processor time; with rfc3987-syntax 1.1.0 installed $beside s"
"$folder/v/bin/python" -c "assert $beside > 1.5 * $alone, 'changed: an installed rfc3987-syntax costs the import little'"
