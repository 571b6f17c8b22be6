"""Foreign evidence: one format a file, found by looking."""

from labeler.evidence.importers.base import Foreign, ForeignFeature, ForeignWindow, Origin
from labeler.evidence.importers.registry import FORMATS, open_foreign

__all__ = ["FORMATS", "Foreign", "ForeignFeature", "ForeignWindow", "Origin", "open_foreign"]
