"""A folder of records."""

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from recall.errors import RecordError
from recall.runs import Result, RunSpec, record_files, write_files


@dataclass(frozen=True)
class Store:
    """A folder of records, and the hashes of the rules they will be judged by."""

    root: Path
    """The folder."""
    claims: Mapping[str, Mapping[str, str]]
    """Hash of every claim's rule by page and claim id."""
    policy_seeds: Collection[int] | None = None
    """Seeds whose policies are kept, so that a checkout stays small; None keeps all."""

    def path(self, spec: RunSpec) -> Path:
        """Where the record of a specification lies or would lie."""
        return self.root / spec.folder

    def __contains__(self, spec: RunSpec) -> bool:
        return (self.path(spec) / "spec.json").is_file()

    def files(self, spec: RunSpec, result: Result) -> dict[str, bytes]:
        """What `add` takes, made on the machine that trained."""
        if self.policy_seeds is not None and not set(self.policy_seeds) & set(spec.seeds):
            result = replace(result, policy={})
        return record_files(spec, result, self.claims.get(spec.page, {}))

    def add(self, spec: RunSpec, files: Mapping[str, bytes]) -> None:
        """Store the record that a training gave.

        Raises:
            RecordError: it could not be written; nothing of it is left, and what was stored before is.
        """
        try:
            write_files(self.path(spec), files)
        except OSError as error:
            raise RecordError(
                f"the record {self.path(spec)} could not be written ({error.strerror}); make room and give the same "
                "command again: what was trained is kept in scratch space"
            ) from error


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder in which no file can be made; it is made if there is none.

    Raises:
        RecordError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecordError(f"the folder {folder} cannot be written ({error.strerror}); choose another") from error
