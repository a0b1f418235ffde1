#!/usr/bin/env bash
# pytest-xdist 3.8.0 keeps tests of one xdist_group on one worker (--dist loadgroup) by appending the
# group's name to a private attribute of the test, its node id. In pytest 9.2.0 the public node id no
# longer reads that attribute, so the scheduler sees no group: tests are dealt out one by one, without
# a warning. What was made once for a group, a built site or a server, is made by every worker, at the
# same time and in the same place. pytest 9.0 still honours the groups.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
cat > "$folder/test_one_group.py" <<'P'
import os, pathlib, time
import pytest

@pytest.mark.xdist_group("together")
@pytest.mark.parametrize("i", range(12))
def test_same_process(i):
    time.sleep(0.05)
    with open(pathlib.Path(__file__).with_name("pids"), "a") as file:
        print(os.getpid(), file=file)
P
for version in 9.0.2 9.2.0; do
  "$folder/v/bin/pip" install -q "pytest==$version" pytest-xdist==3.8.0 2>/dev/null
  rm -f "$folder/pids"
  (cd "$folder" && v/bin/python -m pytest -q -n 2 --dist loadgroup test_one_group.py >/dev/null 2>&1)
  n=$(sort -u "$folder/pids" | wc -l)
  echo "pytest $version, pytest-xdist 3.8.0: one group ran in $n process(es)"
  expected=$([ "$version" = 9.2.0 ] && echo 2 || echo 1)
  [ "$n" = "$expected" ] || { echo "changed: expected $expected" >&2; exit 1; }
done
