"""Labels out of files, one format a file, found by looking; nothing in them is trusted."""

from labeler.catalogue.label_files.neuronpedia import beside
from labeler.catalogue.label_files.reading import Labels, of_mapping, of_table, read

__all__ = ["Labels", "beside", "of_mapping", "of_table", "read"]
