"""What a chapter pays before its first line: no grammar of URIs, which Jupyter brings along."""

import subprocess
import sys

CODE = "import rrm_companion, sys; print('rfc3987_syntax.syntax_helpers' in sys.modules)"


def test_charts_do_not_compile_a_grammar_that_they_never_use():
    """jsonschema 4.26.0 imports rfc3987_syntax where it is installed: 1.2 s of altair's 1.5."""
    assert subprocess.check_output([sys.executable, "-c", CODE], text=True).strip() == "False"


def test_the_grammar_is_there_for_whoever_asks():
    code = "import rrm_companion, rfc3987_syntax; print(rfc3987_syntax.__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == (
        "rfc3987_syntax"
    )
