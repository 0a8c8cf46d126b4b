"""The peer of a start: an interpreter that imports the modules named in a file, and nothing else.

python bench/sides/import_all.py FILE
"""

import contextlib
import importlib
import sys

with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - the less is imported, the fairer
    names = file.read().split()
for name in names:
    # A few names are made by others as they load, and cannot be imported by themselves.
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
