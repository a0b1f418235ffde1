#!/usr/bin/env bash
# nbclient, and papermill on it, end a notebook that ran to its end by an interrupt: jupyter_client
# sends one before it asks the kernel to stop. When the kernel is between two cells, as it then is,
# ipykernel has no cell to raise it in and now and then logs
#   [IPKernelApp] ERROR | KeyboardInterrupt caught in kernel.
# so a run that went well, quiet in a hundred others, prints an error. It asks for a log level above
# ERROR; errors of cells do not come by the log. Here each way is tried on the same 100 interrupts.
# Seen: jupyter_client 8.10.0, ipykernel 7.4.0, nbclient 0.11.0 on Python 3.11, Linux:
# interrupts logged at ERROR: 7 to 29 of 100; at CRITICAL: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check jupyter_client==8.10.0 ipykernel==7.4.0 nbclient==0.11.0
cat > "$folder/see.py" <<'PY'
import inspect
import sys
import time

from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

ends = inspect.getsource(KernelManager._async_shutdown_kernel)
first = ends.index("_async_interrupt_kernel") < ends.index("_async_request_shutdown")
print("interrupted before it is asked to stop:", first, "| nbclient waits:", NotebookClient.shutdown_kernel.default_value)
assert first and NotebookClient.shutdown_kernel.default_value == "graceful"
manager, client = start_new_kernel(extra_arguments=[f"--IPKernelApp.log_level={sys.argv[1]}"])
for i in range(100):
    client.execute("1")
    time.sleep(0.001 * (i % 17))
    manager.interrupt_kernel()
time.sleep(0.3)
assert client.execute("2", reply=True, timeout=60)["content"]["status"] == "ok"
client.stop_channels()
manager.shutdown_kernel()
PY
for level in ERROR CRITICAL; do
  "$folder/venv/bin/python" "$folder/see.py" "$level" > "$folder/out" 2>&1
  head -1 "$folder/out"
  logged=$(grep -c "ERROR | KeyboardInterrupt caught in kernel" "$folder/out" || true)
  echo "interrupts logged at $level: $logged of 100"
  if [ "$level" = ERROR ]; then [ "$logged" -gt 0 ]; else [ "$logged" = 0 ]; fi
done
