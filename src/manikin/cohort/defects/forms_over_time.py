"""How defects of what is on record over time are written in a study."""

from __future__ import annotations

from manikin.cohort.defects.carried import CarryForward
from manikin.cohort.defects.chart import EVERY, OverTime
from manikin.cohort.defects.clocks import DAY_MINUTES, LONGEST_MINUTES, ClockShift, RoundingOfTimes
from manikin.cohort.defects.duplicates import DuplicatePatients
from manikin.cohort.defects.lost import MissingEvents, MissingVisits
from manikin.cohort.defects.reader import (
    LARGEST,
    NUMBERS,
    Form,
    Reader,
    clocked,
    contacts,
    demographics,
    on_record,
    over_time,
    sure,
    timed,
)
from manikin.cohort.defects.sites import SiteEffect


def _missing_events(reader: Reader, source: str) -> OverTime | None:
    names, dose = reader.variables((), reader.known.measured), reader.dose()
    together = reader.section.flag("together")
    if together and len(names) == 1:
        reader.add("together", "'together' is about several variables.", "Name them, or leave it out.")
    return reader.made(lambda: MissingEvents(names, sure(dose), together, source), names, dose)


def _missing_visits(reader: Reader, source: str) -> OverTime | None:
    names, dose = reader.names(reader.known.encounters, "kind of encounter"), reader.dose()
    if reader.known.encounters == ("index",):
        reader.add(reader.kind, "There are no visits after the index encounter.", "Use a model with a pathway.")
    return reader.made(lambda: MissingVisits(sure(names), sure(dose), source), names is not None or None, dose)


def _carry_forward(reader: Reader, source: str) -> OverTime | None:
    names, dose = reader.variables((), reader.known.measured), reader.dose()
    return reader.made(lambda: CarryForward(names, sure(dose), source), names, dose)


def _rounding_of_times(reader: Reader, source: str) -> OverTime | None:
    possible = (*reader.known.kinds, *reader.known.measured)
    names, dose, to = reader.names(possible, "kind of event or variable"), reader.dose(), reader.minutes("to", "30 min")
    if to is not None and (not 1 < to <= DAY_MINUTES or DAY_MINUTES % to):
        reader.add("to", f"Times are rounded to a step that divides a day; got {to} min.", "Write: to: 30 min")
    return reader.made(
        lambda: RoundingOfTimes(sure(names), sure(dose), sure(to), source), names is not None or None, dose, to
    )


def _clock_shift(reader: Reader, source: str) -> OverTime | None:
    known = reader.known
    names, dose = reader.names((*known.encounters, *known.measured), "kind of encounter or variable"), reader.dose()
    by = reader.minutes("by", "1 h")
    if by is not None and not 0 < abs(by) <= LONGEST_MINUTES:
        reader.add("by", f"A clock is wrong by a minute to ten years; got {by} min.", "Write, for example: by: 1 h")
    wards, devices = ([name for name in names or () if (name in known.encounters) is ward] for ward in (True, False))
    if wards and devices:
        reader.add(reader.kind, "A clock is a ward's or a device's.", "Write an entry for each.")
    return reader.made(
        lambda: ClockShift(sure(dose), sure(by), tuple(wards), tuple(devices), source),
        names is not None or None,
        dose,
        by,
    )


def _site_effect(reader: Reader, source: str) -> OverTime | None:
    section = reader.section
    names, dose = reader.variables((), reader.known.valued), reader.dose()
    site, code = section.needed_text("site", "north"), section.text("code")
    scale, by = section.number("scale"), section.number("by")
    scale, by = 1.0 if scale is None else scale, 0.0 if by is None else by
    if not 1 / LARGEST <= scale <= LARGEST:
        reader.add("scale", f"A scale lies above 0; got {scale:g}.", "Write, for example: scale: 1.05")
    if abs(by) > LARGEST:
        reader.add("by", f"An offset lies within a million; got {by:g}.", "Write, for example: by: 2")
    if scale == 1 and by == 0 and not code:
        reader.add(reader.kind, "Nothing is other at this site.", "Write 'scale', 'by' or 'code'.")
    if (scale != 1 or by != 0) and any(reader.known.valued[name].kind not in NUMBERS for name in names):
        reader.add(reader.kind, "Only numbers have a scale or an offset.", f"Write, for example: {reader.form.example}")
    if code and len(names) > 1:
        reader.add("code", "A code names one variable.", "Write an entry for each.")
    named = code if not code or ":" in code else f"local:{code}"
    return reader.made(lambda: SiteEffect(names, sure(dose), site, scale, by, named, source), names, dose)


def _duplicate_patients(reader: Reader, source: str) -> OverTime | None:
    names, dose = reader.names((*reader.known.demographics, EVERY), "demographic"), reader.dose()
    moved = reader.section.number("moved")
    if names and EVERY in names:
        names = reader.known.demographics
    if names is not None and not names:
        reader.add(reader.kind, "This model has no demographics.", "Leave it out.")
    if moved is not None and not 0 < moved <= 1:
        reader.add("moved", f"'moved' lies above 0 and goes up to 100%; got {moved:g}.", "Write: moved: 50%")
    share = 0.5 if moved is None else moved
    return reader.made(lambda: DuplicatePatients(sure(names), sure(dose), share, source), names, dose)


OVER_TIME = {
    "missing-events": Form("{missing-events: [hba1c], share: 5%}", _missing_events, over_time),
    "missing-visits": Form("{missing-visits: [ambulatory], share: 3%}", _missing_visits, contacts),
    "carry-forward": Form("{carry-forward: [weight], share: 10%}", _carry_forward, over_time),
    "rounding-of-times": Form("{rounding-of-times: [medication], to: 30 min, share: 20%}", _rounding_of_times, timed),
    "clock-shift": Form("{clock-shift: [emergency], by: 1 h, share: 2%}", _clock_shift, clocked),
    "site-effect": Form("{site-effect: [creatinine], site: north, scale: 1.05, share: 20%}", _site_effect, on_record),
    "duplicate-patients": Form(
        "{duplicate-patients: [birth_date, sex], share: 10%}", _duplicate_patients, demographics
    ),
}
