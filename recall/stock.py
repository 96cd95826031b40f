"""What is stored of the runs that somebody asks for, as far as they may be compared with each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from recall.analysis.records import Record, differences, load_record
from recall.errors import RecordError
from recall.runs import RunSpec, numerics
from recall.store import Store


@dataclass(frozen=True)
class Stock:
    """Records of what is asked for, and what has to be trained."""

    records: Mapping[RunSpec, Record]
    """In every environment of a page of equal numerics, which are this machine's where anything is lacking."""
    lacking: Sequence[RunSpec]
    """What they do not hold, in the order asked for."""
    elsewhere: Mapping[RunSpec, str]
    """Those of the lacking that are stored with other numerics, and which these are."""

    def whole(self) -> list[Record]:
        """All records, in the order asked for.

        Raises:
            RecordError: one is lacking.
        """
        for spec in self.lacking:
            if spec in self.elsewhere:
                raise RecordError(
                    f"{spec.folder} may not be compared with the others ({self.elsewhere[spec]}); "
                    f"train it again with: recall run {spec.page}"
                )
            raise RecordError(f"there is no record of {spec.folder}; train it with: recall run {spec.page}")
        return list(self.records.values())

    def in_words(self) -> str:
        """Why runs are trained that are stored."""
        why = "; ".join(dict.fromkeys(self.elsewhere.values()))
        return (
            f"{len(self.elsewhere)} of those to train are stored, but may not be compared with runs of this machine "
            f"({why}), so they are trained here too"
        )


def stock(specs: Sequence[RunSpec], stores: Iterable[Store]) -> Stock:
    """What stores hold of these specifications; where several hold one, the first that may be compared.

    A page's runs in one environment are compared with each other. If all are stored, and with equal numerics, they are
    taken as they are, wherever they were trained; if not, those that this machine would have trained with the same
    numerics.

    Raises:
        RecordError: one is damaged or foreign.
    """
    stores = list(stores)
    groups: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        groups.setdefault((spec.page, spec.env_label), []).append(spec)
    records: dict[RunSpec, Record] = {}
    elsewhere: dict[RunSpec, str] = {}
    for group in groups.values():
        held = {spec: [load_record(store.path(spec)) for store in stores if spec in store] for spec in group}
        if _agree(held):
            records |= {spec: found[0] for spec, found in held.items()}
            continue
        for spec, found in held.items():
            unlike = [_unlike_here(record, spec) for record in found]
            if "" in unlike:
                records[spec] = found[unlike.index("")]
            elif found:
                elsewhere[spec] = unlike[-1]
    lacking = [spec for spec in specs if spec not in records]
    return Stock({spec: records[spec] for spec in specs if spec in records}, lacking, elsewhere)


def _agree(held: Mapping[RunSpec, Sequence[Record]]) -> bool:
    """Whether every specification has a record, and the first of each are of equal numerics."""
    if not all(held.values()):
        return False
    return not any(differences(a[0].numerics, b[0].numerics) for a, b in combinations(held.values(), 2))


def _unlike_here(record: Record, spec: RunSpec) -> str:
    """What this machine would do otherwise, in words; nothing where the digits would be the same."""
    pairs = differences(record.numerics, numerics(spec)).items()
    return ", ".join(f"{name} is {there} there and {here} here" for name, (there, here) in pairs)
