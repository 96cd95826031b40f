"""The command line, `recall`."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from recall.errors import ParameterError, RecallError


@dataclass(frozen=True)
class Run:
    """Train what a page needs and lacks, then execute the page's notebook with your parameters."""

    page: tyro.conf.Positional[str]
    """Name of the page, for example four-rooms."""
    p: Annotated[tuple[str, ...], tyro.conf.arg(aliases=["-p"], metavar="NAME=VALUE"), tyro.conf.UseAppendAction] = ()
    """A parameter of the page; may be repeated. Leave all out for the published page."""
    workers: int | None = None
    """Processes that train, one thread each; None is one a core."""
    output: Path | None = None
    """Where the executed notebook goes; None puts it under papermill_runs/local."""
    publish: bool = False
    """Store records and notebook among the published ones (for the maintainers; takes no parameters)."""

    def __call__(self) -> None:
        """Train, execute, tell."""
        from recall.book import execute_page, publish_page

        if self.workers is not None and self.workers < 1:
            raise ParameterError(f"workers is {self.workers}; it must be 1 or more")
        if self.publish and (self.p or self.output):
            raise ParameterError("--publish takes neither parameters nor --output; leave them out")
        output = (
            publish_page(self.page, self.workers)
            if self.publish
            else execute_page(self.page, pairs(self.p), self.workers, self.output)
        )
        print(f"executed notebook: {output}")


@dataclass(frozen=True)
class Records:
    """List the stored records."""

    json: bool = False
    """Print JSON instead of a table."""
    local: bool = False
    """List your own runs instead of the published ones."""

    def __call__(self) -> None:
        """Read, check and list."""
        from recall.listing import rows, table

        listed = rows(self.local)
        print(json.dumps(listed, indent=1) if self.json else table(listed))


@dataclass(frozen=True)
class Tune:
    """Run the tuning grid of the page four-rooms."""

    output: Path = field(default_factory=lambda: Path("papermill_runs/tuning/four-rooms.csv"))
    """Table to write."""

    def __call__(self) -> None:
        """Train the grid and print each arm's best."""
        from recall.tuning import best, tune

        for arm, settings in best(tune(self.output)).items():
            print(arm, settings)


@dataclass(frozen=True)
class Book:
    """Execute the published pages from the stored records and build the book."""

    def __call__(self) -> None:
        """Execute, build, compare."""
        from recall.book import build

        build()


def pairs(arguments: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE arguments by name."""
    values: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise ParameterError(f"-p {argument} is not NAME=VALUE; write for example -p side=13")
        if name in values:
            raise ParameterError(f"-p {name} is given twice, {values[name]} and {value}; give it once")
        values[name] = value
    return values


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    command = tyro.extras.subcommand_cli_from_dict(
        {"run": Run, "records": Records, "tune": Tune, "book": Book},
        args=arguments,
        prog="recall",
        description="Recall traces: run, list and publish the experiments of the reproduction.",
    )
    try:
        command()
    except RecallError as error:
        print(f"recall: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("recall: stopped; what was finished is stored, and the same command goes on from there", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
