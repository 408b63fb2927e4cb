"""The commands around aggregates that need no record: codebooks, keys, published tables, several sites together."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from manikin.cli.writing import write_new

if TYPE_CHECKING:
    from manikin.aggregates import Aggregates


def codebook(options: Namespace) -> int:
    """Draft a codebook from a data dictionary."""
    from manikin.codebook import draft, read_dictionary

    source = Path(options.dictionary)
    name = options.name or source.stem
    out = Path(options.out or f"{name}.yaml")
    described = read_dictionary(source)
    text = draft(name, described, source.name)
    write_new(out, text)
    marks = text.count("# TODO")
    print(f"{out} written, from {len(described)} entries; {marks} places are marked TODO. Then: manikin check {out}")
    return 0


def key(options: Namespace) -> int:
    """Make the keys of a site."""
    from manikin.aggregates import make_key

    private, public = make_key(Path(options.name))
    print(f"{private}   signs; keep it to yourself: manikin measure --key {private}")
    print(f"{public}   checks; give it to whoever combines, for their trust file")
    return 0


def published(options: Namespace) -> int:
    """Turn published tables into aggregates."""
    from manikin import aggregates
    from manikin.clinic import find_codebook

    known = find_codebook(options.codebook)
    name = aggregates.CodebookName(known.name, known.version)
    found = aggregates.published([Path(one) for one in options.tables], known.variables, name, site=options.site)
    aggregates.save(found, Path(options.out))
    for one in found.aggregates:
        worth = f"worth {one.total:,.0f} patients"
        rounding = f", rounded to ± {one.noise:,.1f}" if one.noise else ""
        print(f"  {' × '.join(one.attributes):<40} {one.mechanism}, {worth}{rounding}")
    print(f"\n{options.out}   {len(found.aggregates)} table(s) of '{found.site}'")
    return 0


def combine(options: Namespace) -> int:
    """Add the aggregates of several sites."""
    from manikin import aggregates

    trust = aggregates.read_trust(Path(options.trust)) if options.trust else None
    signing = aggregates.read_key(Path(options.key)) if options.key else None
    sites = [aggregates.load(Path(one), trust) for one in options.sites]
    found = aggregates.combine(sites, name=options.name, weights=options.weights, keep_sites=options.keep_sites)
    aggregates.save(aggregates.signed(found, signing) if signing else found, Path(options.out))
    _print_combined(found)
    print(f"\n{options.out}   {len(found.aggregates)} tables of {len(found.parts)} sites")
    return 0


def _print_combined(found: Aggregates) -> None:
    for part in found.parts:
        number = f"{part.patients.number:,.0f} patients" if part.patients else "patients not told"
        spent = part.protection.epsilon
        private = f"epsilon {spent:g}" if spent is not None else f"{part.protection.kind}, not differentially private"
        print(f"  {part.site:<24} {number}, {private}, {'signed' if part.key else 'unsigned'}")
    for table in found.aggregates:
        if table.sites:
            print(f"  {' × '.join(table.attributes):<24} only of {', '.join(table.sites)}")
    differing = [one for one in found.differences if one.adjusted < 0.05]
    for one in differing:
        tests = f"I² {one.i_squared:.0%}, P {one.adjusted:.2g} among {len(found.differences)} tables"
        print(f"  {' × '.join(one.attributes):<24} sites differ by {one.tau:.1%} in a share ({tests})")
    if found.differences and not differing:
        print(f"  {len(found.differences)} tables compared: no difference between sites beyond noise and sampling")
