#!/usr/bin/env bash
# vl-convert-python 1.9.0.post1: javascript_bundle() says that its script "assigns `vegaEmbed`, `vegaLite`, and `vega` to the
# global window object". One expects window.vegaLite.compile and window.vega.View, to compile a chart by hand or to register an
# expression function. The bundler imports the default export of each package; Vega and Vega-Lite have named ones only, so that
# their default is null: both globals are null for every version of Vega-Lite that it carries. No error says so, and charts are
# drawn as they should, since vegaEmbed imports what it needs by name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q vl-convert-python==1.9.0.post1 mini-racer==0.12.4 2>/dev/null
"$folder/v/bin/python" - <<'P'
import sys
from importlib.metadata import version

import vl_convert
from py_mini_racer import MiniRacer

seen = {}
for lite in vl_convert.get_vegalite_versions():
    engine = MiniRacer()
    engine.eval("var window = globalThis, self = globalThis; for (const name of ['structuredClone', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'requestAnimationFrame']) window[name] = () => 0;")
    engine.eval("(function () {" + vl_convert.javascript_bundle(vl_version=lite) + "})(); 0")
    seen[lite] = {name: engine.eval(f"window.{name} === null ? 'null' : typeof window.{name}") for name in ("vegaEmbed", "vega", "vegaLite")}
    print(f"vl-convert {version('vl-convert-python')}, Vega-Lite {lite}: {seen[lite]}")
changed = {lite: kinds for lite, kinds in seen.items() if kinds != {"vegaEmbed": "function", "vega": "null", "vegaLite": "null"}}
if changed:
    print(f"changed: {changed}")
sys.exit(bool(changed))
P
