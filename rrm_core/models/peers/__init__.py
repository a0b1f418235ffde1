"""Models of other people's code, each seen through the contract of :mod:`rrm_core.dynamics`.

Here belongs an adapter a package, of 60 lines at most, blanks apart. The package is imported when a
model is made, never before; ``pip install 'rrm-core[peers]'`` installs those that can be.
"""
