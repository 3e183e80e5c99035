"""Where results are kept: content-addressed entries, their keys, and arrays that grow on disk."""

from mien.store.arrays import ArrayInfo, ArrayWriter, array_info, read_rows, row_count
from mien.store.keys import digest, file_digest, package_digest, source_version
from mien.store.store import Entry, StepSize, Store, default_store

__all__ = [
    "ArrayInfo",
    "ArrayWriter",
    "Entry",
    "StepSize",
    "Store",
    "array_info",
    "default_store",
    "digest",
    "file_digest",
    "package_digest",
    "read_rows",
    "row_count",
    "source_version",
]
