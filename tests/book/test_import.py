"""What each process of a chapter pays before its first line: no grammar of web addresses."""

import subprocess
import sys

CODE = """import papermill, rrm_companion.charts, sys
print('lark' in sys.modules, 'rfc3987_syntax' in sys.modules)"""  # nor is it blocked


def test_no_process_compiles_a_grammar_that_nothing_here_uses():
    """jsonschema 4.26.0 imports rfc3987_syntax where it is installed: a second of each process."""
    assert subprocess.check_output([sys.executable, "-c", CODE], text=True).strip() == (
        "False False"
    )
