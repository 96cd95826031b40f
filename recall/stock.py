"""What is stored of the runs that somebody asks for, as far as they may be compared with each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from recall.analysis.records import Record, differences, load_record
from recall.errors import RecordError
from recall.runs import RunSpec, numerics
from recall.store import Store


@dataclass(frozen=True)
class Stock:
    """Records of what is asked for, and what has to be trained."""

    records: Mapping[RunSpec, Record]
    """In every environment of equal numerics, which are this machine's where anything is lacking."""
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
                    f"{spec.folder} may not be compared with the others in {spec.env_label} ({self.elsewhere[spec]}); "
                    "recall run, with the page that asks for it, trains all of them here"
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
    """What stores hold of the runs of a page; where several hold one, the first that may be compared.

    Runs in one environment are compared with each other, whichever page they are stored under. If all are stored with
    equal numerics, they are taken as they are, wherever they were trained; if not, those that this machine would have
    trained with the same numerics.

    Raises:
        RecordError: one is damaged or foreign.
    """
    stores = list(stores)
    groups: dict[str, list[RunSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.env_label, []).append(spec)
    records: dict[RunSpec, Record] = {}
    elsewhere: dict[RunSpec, str] = {}
    for group in groups.values():
        held = {spec: [load_record(store.path(spec)) for store in stores if spec in store] for spec in group}
        if alike := _alike(held):
            records |= alike
            continue
        for spec, found in held.items():
            unlike = [_unlike_here(record, spec) for record in found]
            if "" in unlike:
                records[spec] = found[unlike.index("")]
            elif found:
                elsewhere[spec] = unlike[-1]
    lacking = [spec for spec in specs if spec not in records]
    return Stock({spec: records[spec] for spec in specs if spec in records}, lacking, elsewhere)


def together(stocks: Sequence[Stock]) -> Stock:
    """Of several pages as one: what any of them lacks is lacking."""
    lacking = {spec: None for stock in stocks for spec in stock.lacking}
    held = {spec: record for stock in stocks for spec, record in stock.records.items() if spec not in lacking}
    elsewhere = {spec: why for stock in stocks for spec, why in stock.elsewhere.items()}
    return Stock(held, list(lacking), elsewhere)


def _alike(held: Mapping[RunSpec, Sequence[Record]]) -> dict[RunSpec, Record]:
    """A record of each specification, all of equal numerics; none where that cannot be."""
    first, *others = held.values()
    for reference in first:
        chosen = [reference]
        for found in others:
            chosen += [record for record in found if all(_comparable(record, other) for other in chosen)][:1]
        if len(chosen) == len(held):
            return dict(zip(held, chosen, strict=True))
    return {}


def _comparable(a: Record, b: Record) -> bool:
    return not differences(a.numerics, b.numerics)


def _unlike_here(record: Record, spec: RunSpec) -> str:
    """What this machine would do otherwise, in words; nothing where the digits would be the same."""
    pairs = differences(record.numerics, numerics(spec)).items()
    return ", ".join(f"{name} is {there} there and {here} here" for name, (there, here) in pairs)
