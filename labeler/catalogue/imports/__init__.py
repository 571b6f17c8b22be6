"""Labels out of files, one format a file, found by looking; nothing in them is trusted."""

from labeler.catalogue.imports.reading import Labels, of_mapping, read

__all__ = ["Labels", "of_mapping", "read"]
