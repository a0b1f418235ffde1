"""The code of what the book shows."""

import sys

if "jsonschema" not in sys.modules:  # it compiles a grammar of URIs that no chart needs: findings/
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    import altair  # noqa: F401

    del sys.modules["rfc3987_syntax"]
