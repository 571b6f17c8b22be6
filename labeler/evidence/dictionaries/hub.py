"""Dictionaries on the Hugging Face hub: ``hf://org/repo[/sub/folder][@revision]``."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeler.errors import InputError, MissingExtraError

SCHEME = "hf://"

_SOURCE = re.compile(r"^hf://(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<inside>[^@]*?))?/?(?:@(?P<revision>.+))?$")


@dataclass(frozen=True)
class Remote:
    """A folder or a file of a repository as it was at one commit, whatever its branch does meanwhile."""

    source: str
    """As it was asked for."""
    repo: str
    commit: str
    inside: str
    """The folder; '' for the whole repository. A file's is the folder that it lies in."""
    names: tuple[str, ...]
    """Its files, relative to the folder; that one alone where the source names a file."""
    elsewhere: frozenset[str]
    """All files of the repository, relative to its root."""

    @classmethod
    def look(cls, source: str) -> Remote:
        """What is there, asked in one request. Raises InputError where the name or the repository is no good."""
        match = _SOURCE.match(source)
        parts = (match["inside"] or "").split("/") if match else []
        if match is None or any(part in (".", "..") for part in parts) or (parts != [""] and "" in parts):
            raise InputError(f"'{source}' is no dictionary on the hub; write hf://org/repo[/sub/folder][@revision]")
        info = _asked(source, lambda hub: hub.HfApi().model_info(match["repo"], revision=match["revision"]))
        everything = frozenset(str(file.rfilename) for file in info.siblings or ())
        inside = "/".join(parts)
        if inside in everything:
            inside, _, name = inside.rpartition("/")
            names = [name]
        else:
            prefix = f"{inside}/" if inside else ""
            names = [name.removeprefix(prefix) for name in everything if name.startswith(prefix)]
        return cls(source, match["repo"], str(info.sha), inside, tuple(sorted(names)), everything)

    def fetch(self, name: str, beside: tuple[str, ...]) -> Path:
        """A file on this machine, with those of the files ``beside`` that there are; all names relative to the folder."""
        wanted = [posixpath.normpath(posixpath.join(self.inside, other)) for other in (*beside, name)]

        def fetched(hub: Any) -> str:
            paths = [
                hub.HfApi().hf_hub_download(self.repo, file, revision=self.commit)
                for file in wanted
                if file in self.elsewhere
            ]
            return str(paths[-1])

        return Path(_asked(self.source, fetched))


def _asked(source: str, ask: Any) -> Any:
    """Whatever is wrong with the hub, the name or the line to it, as an InputError."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError("a dictionary on the hub", "local") from error
    try:
        return ask(huggingface_hub)
    except Exception as error:  # the hub's errors, those of the line, and those of the disk have no common base
        reason = next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
        raise InputError(f"cannot fetch '{source}': {reason}") from error
