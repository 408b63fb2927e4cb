"""Trains the recurrent generator by likelihood, in torch; what is drawn from it afterwards needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from manikin.codebook import ENDINGS
from manikin.errors import MissingExtraError, RequestError
from manikin.generators.sequence.contacts import (
    SPREAD,
    earlier,
    event_scores,
    scales_of,
    static_scales,
    static_scores,
)
from manikin.generators.sequence.domain import FIRST_SEED, STUDY, Domain, Histories
from manikin.generators.sequence.durations import Durations
from manikin.generators.sequence.learning import frame_of
from manikin.generators.sequence.recurrent import (
    GAP_PARTS,
    LEAST_SPREAD,
    NARROWEST,
    VALUE_PARTS,
    WIDEST,
    Recurrent,
    age_of,
    rounded,
)
from manikin.generators.sequence.scale import Scale, time_edges
from manikin.privacy import NoisySteps
from manikin.streams import Floats, Seed

_TINY = 1e-12
# What was never seen counts as so much of an event, and as a logit of which exponentials are nothing.
_UNSEEN = 0.02
_NEVER = -30.0
# How gaps spread over their bin is no privacy noise: it may be repeated.
_GAP_SPREAD = Seed(20_260_303)
# How many events of a stretch from the midst of a history are read before any is predicted.
_WARMING = 8


@dataclass(frozen=True)
class Training:
    """How large a network is and how long, how fast and from how many people at a time it learns.

    ``held_back`` is the share of people on whom it is watched: what did best on them is kept. Of longer histories,
    ``longest`` events are read. Sums of single precision depend on a machine's processor, and so does what is
    learnt in the last digits; the network that was written to a file is the one to hand on.
    """

    steps: int = 800
    batch: int = 32
    learning_rate: float = 4e-3
    decay: float = 1e-4
    units: int = 64
    embedding: int = 16
    stretch: int = 160
    longest: int = 640
    held_back: float = 0.1
    watched_every: int = 25
    seed: Seed = FIRST_SEED


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Events of people, padded, as tensors of shape (people, events, …); the last position of each is the end.

    Position 0 is the start: what stands at position i is read, and predicts what stands at i + 1.
    """

    entry: Any
    parts: Any
    same: Any
    gap: Any
    left: Any
    score: Any
    before: Any
    again: Any
    count: Any
    static: Any


@dataclass(frozen=True, eq=False)
class Frame:
    """What a network sets out from and is left to tables: scales of items, statics and gaps, how long people are followed.

    ``together`` are correlations of static scores. ``followers`` says how often what follows what, within a minute and
    beyond, shape (2, items + 1, items + endings); None to count it. ``spread`` and ``gap_spread`` are how values and gaps spread over their bin.
    """

    scales: tuple[Scale, ...]
    static_scales: tuple[Scale, ...]
    together: Floats
    gaps: Scale
    observed: Durations
    followers: Floats | None = None
    spread: Seed = SPREAD
    gap_spread: Seed = _GAP_SPREAD


def train_recurrent(
    domain: Domain,
    histories: Histories,
    training: Training = Training(),
    frame: Frame | None = None,
    bought: NoisySteps | None = None,
) -> Recurrent:
    """Return the recurrent generator that these histories speak for.

    Args:
        domain: What they may hold.
        histories: Of people.
        training: How it learns.
        frame: What it sets out from; counted, exactly, where none is given.
        bought: Noisy steps of a private run. With them, each person asks for a gradient of their own, nobody is held
            back, and it takes a frame that was bought as well.

    Raises:
        RequestError: There are no events, or a private run has no frame.
        MissingExtraError: torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("Training a recurrent generator", "torch") from None
    if not len(histories.timeline.events.patient):
        raise RequestError(f"There are no events to learn '{domain.title}' from.")
    if bought is not None and frame is None:
        raise RequestError("A private run sets out from tables that were bought; none were given.")
    frame = frame or _counted(domain, histories)
    lesson = _Gathering(domain, histories, frame, training).lesson(torch)
    with _one_thread(torch):
        trainer = _Trainer(torch, domain, training, lesson, frame)
        weights = trainer.best() if bought is None else trainer.private(bought)
    return Recurrent(
        domain, rounded(weights), frame.scales, frame.static_scales, frame.together, frame.gaps, frame.observed
    )


def _counted(domain: Domain, histories: Histories) -> Frame:
    scales, fixed = scales_of(domain, histories), static_scales(domain, histories)
    static = np.nan_to_num(static_scores(domain, histories, fixed))
    gaps = Scale.learnt(time_edges(domain.horizon) - 0.5, gaps_of(domain, histories)[1])
    return Frame(scales, fixed, _correlations(static), gaps, frame_of(domain, histories)[1])


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Let one thread work: sums don't depend on the number of cores then, and small products don't wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gaps_of(domain: Domain, histories: Histories) -> tuple[Any, Floats]:
    """Return whose each gap is, and how long in steps: from moment to moment, and to an end that was seen."""
    line = histories.timeline
    gone = np.flatnonzero(line.left_by != STUDY)
    patient = np.concatenate([np.arange(histories.size), line.events.patient, gone])
    time = np.concatenate([np.zeros(histories.size), line.events.time, line.followed[gone]]) // domain.clock
    order = np.lexsort((time, patient))
    step = np.diff(time[order])
    real = (np.diff(patient[order]) == 0) & (step > 0)
    return patient[order][1:][real], np.asarray(step[real], np.float64)


def _correlations(scores: Floats) -> Floats:
    """Return correlations of static scores, a little shrunk so that they can be taken apart."""
    size = scores.shape[1]
    if size < 2:
        return np.eye(size)
    found = np.nan_to_num(np.asarray(np.corrcoef(scores.T), np.float64))
    return np.asarray(np.round(np.where(np.eye(size) == 1, 1, 0.99 * found), 4))


class _Gathering:
    """Lays out the events of people as what the network reads and predicts."""

    def __init__(
        self,
        domain: Domain,
        histories: Histories,
        frame: Frame,
        training: Training,
    ) -> None:
        self.domain, self.histories, self.scales, self.gaps = domain, histories, frame.scales, frame.gaps
        self.spread, self.gap_spread = frame.spread, frame.gap_spread
        self.static = np.nan_to_num(static_scores(domain, histories, frame.static_scales, frame.spread))
        events = histories.timeline.events
        first = np.searchsorted(events.patient, np.arange(histories.size))
        count = np.bincount(events.patient, minlength=histories.size)
        self.count = np.minimum(count, training.longest)
        self.begin = np.repeat(first, count)
        self.longest = int(self.count.max())
        # Row of each position's event; beyond a person's last it repeats some row, and is masked.
        rows = first[:, None] + np.minimum(np.arange(self.longest), np.maximum(self.count - 1, 0)[:, None])
        self.rows = np.minimum(rows, len(events.patient) - 1)
        self.whole = count <= training.longest

    def lesson(self, torch: Any) -> _Lesson:
        """Return the tensors."""
        domain, line, events = self.domain, self.histories.timeline, self.histories.timeline.events
        items, people, horizon = len(domain.items), self.histories.size, domain.horizon
        step = events.time // domain.clock
        score = event_scores(domain, self.histories, self.scales, self.spread)
        latest, when = np.full((len(step), items), np.nan), np.full((len(step), items), np.nan)
        every = np.arange(len(step))
        latest[every, events.entry], when[every, events.entry] = score, step
        # Of everything known after an event: that event, or what stood before it.
        known = np.where(np.isnan(latest), earlier(latest, self.begin), latest)
        seen = np.where(np.isnan(when), earlier(when, self.begin), when)
        before = earlier(latest, self.begin)[every, events.entry]
        previous = np.where(every == self.begin, 0, np.append(0, step[:-1]))
        moved = step - previous
        spread = self.gap_spread.stream("gap").uniform(0, len(step))
        gap = np.where(moved > 0, self.gaps.scores(moved.astype(np.float64), spread), 0)
        own = np.column_stack([np.nan_to_num(score), gap, age_of(step.astype(np.float64), horizon)])
        read = np.column_stack([age_of(step[:, None] - seen, horizon), np.nan_to_num(known), own])
        start = np.concatenate([age_of(np.full(items, np.nan), horizon), np.zeros(items + 3)])
        parts = np.empty((people, self.longest + 1, len(start)), np.float32)
        parts[:, 0], parts[:, 1:] = start, read[self.rows]
        gone = line.left_by != STUDY
        ending = np.where(gone & self.whole, items + line.left_by, -1)
        last = np.where(self.count > 0, step[self.rows[:, -1]], 0)
        left = np.maximum(line.followed // domain.clock - last, 1).astype(np.float64)
        final = self.gaps.scores(left, self.gap_spread.stream("end").uniform(0, people))
        places = np.arange(self.longest + 1)
        at_end = places == self.count[:, None]

        def padded(values: Any, end: Any) -> Any:
            """Return values at the positions of what is predicted, those of the end being ``end``."""
            spread = np.concatenate([values[self.rows], np.zeros_like(values[self.rows][:, :1])], axis=1)
            return np.where(at_end, np.asarray(end)[:, None], spread)

        again = np.zeros(len(step))
        for item, scale in enumerate(self.scales):
            mine = (events.entry == item) & ~np.isnan(before)
            width = scale.width(np.nan_to_num(events.value[mine]))
            same = events.value[mine] == _value_before(events.value, events.entry, self.begin, item)[mine]
            again[mine] = np.where(same, 1 / width, 0)
        nobody = np.zeros(people)
        entry = np.concatenate([np.full((people, 1), items), events.entry[self.rows]], axis=1)
        # -1 asks for nothing: nobody looked any longer, or the history is longer than what is read.
        return _Lesson(
            entry=torch.tensor(entry),
            parts=torch.tensor(parts),
            same=torch.tensor(padded((moved == 0).astype(np.float32), nobody), dtype=torch.float32),
            gap=torch.tensor(padded(gap, final), dtype=torch.float32),
            left=torch.tensor(np.where(self.whole, ending, -2)),
            score=torch.tensor(padded(score, np.full(people, np.nan)), dtype=torch.float32),
            before=torch.tensor(padded(before, np.full(people, np.nan)), dtype=torch.float32),
            again=torch.tensor(padded(again, nobody), dtype=torch.float32),
            count=torch.tensor(self.count),
            static=torch.tensor(self.static, dtype=torch.float32),
        )


def _value_before(value: Floats, entry: Any, begin: Any, item: int) -> Floats:
    mine = np.where(entry == item, value, np.nan)
    return earlier(mine[:, None], begin)[:, 0]


class _Trainer:
    """Follows the likelihood uphill, and keeps what did best on people who were held back."""

    def __init__(self, torch: Any, domain: Domain, training: Training, lesson: _Lesson, frame: Frame) -> None:
        self.torch, self.training, self.lesson = torch, training, lesson
        self.items, self.valued = len(domain.items), torch.tensor(domain.valued)
        size, read = training.units, training.embedding + lesson.parts.shape[2]
        # What torch begins with is drawn from a seed of all, and overwritten below.
        with torch.random.fork_rng(devices=[]):
            self.gru = torch.nn.GRU(read, size, batch_first=True)
        targets, width = self.items + len(ENDINGS), 3 * VALUE_PARTS + 1
        shapes = {
            "embedding": (self.items + 1, training.embedding),
            "begin": (lesson.static.shape[1], size),
            "begin_bias": (size,),
            "same": (size,),
            "same_after": (self.items + 1,),
            "gap": (size, 3 * GAP_PARTS),
            "gap_bias": (3 * GAP_PARTS,),
            "entry": (size, targets),
            "entry_parts": (lesson.parts.shape[2], targets),
            "entry_gap": (targets,),
            "within": (self.items + 1, targets),
            "beyond": (self.items + 1, targets),
            "value": (self.items, size, width),
            "value_bias": (self.items, width),
            "value_before": (self.items, width),
            "value_known": (self.items, width),
        }
        self.own = {name: torch.nn.Parameter(self._begin(name, shape, size)) for name, shape in shapes.items()}
        with torch.no_grad():
            for name, one in self.gru.named_parameters():
                one.copy_(self._begin(name, tuple(one.shape), size))
            # Parts of a mixture begin apart, and a value near the one before.
            self.own["gap_bias"][GAP_PARTS : 2 * GAP_PARTS] = torch.linspace(-1.5, 1.5, GAP_PARTS)
            self.own["value_bias"][:, VALUE_PARTS : 2 * VALUE_PARTS] = torch.linspace(-1, 1, VALUE_PARTS)
            self.own["value_before"][:, VALUE_PARTS : 2 * VALUE_PARTS] = 0.7
            counts = self._followers() if frame.followers is None else frame.followers
            for name, logit in self._logits(counts).items():
                self.own[name].copy_(torch.tensor(logit))
        self.parameters = [*self.own.values(), *self.gru.parameters()]

    def _begin(self, name: str, shape: tuple[int, ...], size: int) -> Any:
        count = int(np.prod(shape))
        uniform = self.training.seed.stream("weights", name).uniform(0, count)
        spread = 0.0 if name.endswith(("bias", "known", "parts")) else size**-0.5
        return self.torch.tensor(((2 * uniform - 1) * spread).reshape(shape), dtype=self.torch.float32)

    def _followers(self) -> Floats:
        """Return how often what follows what, within a minute and beyond."""
        lesson, targets = self.lesson, self.items + len(ENDINGS)
        count, entry = lesson.count.numpy(), lesson.entry.numpy()
        inside = np.arange(entry.shape[1] - 1) < count[:, None]
        before, after, same = entry[:, :-1][inside], entry[:, 1:][inside], lesson.same.numpy()[:, :-1][inside] > 0
        ended = lesson.left.numpy() >= 0
        final = entry[np.arange(len(count)), count][ended]
        before, after = np.append(before, final), np.append(after, lesson.left.numpy()[ended])
        same = np.append(same, np.zeros(len(final), np.bool_))
        shape = (2, self.items + 1, targets)
        cells = np.ravel_multi_index(((~same).astype(int), before, after), shape)
        return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)

    def _logits(self, followers: Floats) -> dict[str, Floats]:
        """Return as logits how often what follows what: what the network sets out from."""
        within, beyond = (np.log((counts + _UNSEEN) / (counts.sum(axis=1, keepdims=True) + 1)) for counts in followers)
        # An ending that nobody came to is none.
        beyond[:, self.items :][:, followers[:, :, self.items :].sum(axis=(0, 1)) == 0] = _NEVER
        yes, no = followers.sum(axis=2)
        return {"within": within, "beyond": beyond, "same_after": np.log((yes + _UNSEEN) / (no + _UNSEEN))}

    def best(self) -> dict[str, Floats]:
        """Return the weights that did best on those held back."""
        torch, training = self.torch, self.training
        order = np.argsort(training.seed.stream("held back").uniform(0, len(self.lesson.count)), kind="stable")
        back = max(1, int(len(order) * training.held_back))
        watched, others = order[:back][: 2 * training.batch], order[back:]
        others = others if len(others) else order
        optimiser = torch.optim.AdamW(self.parameters, lr=training.learning_rate, weight_decay=training.decay)
        least, found = np.inf, self._weights()
        for step in range(training.steps):
            rate = training.learning_rate * 0.5 * (1 + np.cos(np.pi * step / training.steps))
            optimiser.param_groups[0]["lr"] = rate
            drawn = training.seed.stream("batch", str(step)).uniform(0, 2 * training.batch).reshape(2, -1)
            who = others[(drawn[0] * len(others)).astype(int)]
            spare = np.maximum(self.lesson.count.numpy()[who] + 1 - training.stretch, 0)
            # A third begin at the beginning.
            start = np.floor(np.maximum(1.5 * drawn[1] - 0.5, 0) * (spare + 1)).astype(np.int64)
            optimiser.zero_grad()
            self._loss(who, start, training.stretch).backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            optimiser.step()
            if step % training.watched_every == training.watched_every - 1 or step == training.steps - 1:
                with torch.no_grad():
                    told = self._loss(watched, np.zeros(len(watched), np.int64), training.longest).item()
                if told < least:
                    least, found = told, self._weights()
        return found

    def private(self, bought: NoisySteps) -> dict[str, Floats]:
        """Return the weights after a private run, the mean over its later half."""
        torch, people = self.torch, len(self.lesson.count)
        sizes = [one.numel() for one in self.parameters]
        # Adam takes steps of one length, whatever they are made of: where that is mostly noise, they are short ones.
        rate = self.training.learning_rate * min(1.0, bought.clarity(sum(sizes)) ** 2)
        optimiser = torch.optim.Adam(self.parameters, lr=rate)
        later = [self._weights()]
        for step in range(bought.run.steps):
            who = bought.who(people)
            asked = np.stack([self._own_gradient(one) for one in who]) if len(who) else np.zeros((0, sum(sizes)))
            total = torch.from_numpy(bought.summed(np.asarray(asked, np.float32))) / bought.expected
            for one, part in zip(self.parameters, torch.split(total, sizes), strict=True):
                one.grad = part.reshape(one.shape).clone()
            optimiser.step()
            if 2 * step >= bought.run.steps:
                later.append(self._weights())
        return {name: np.mean([one[name] for one in later[1:] or later], axis=0) for name in later[0]}

    def _own_gradient(self, person: int) -> Any:
        """Return what one person asks for, of the first stretch of their history, shape (parameters,)."""
        for one in self.parameters:
            one.grad = None
        self._loss(np.array([person]), np.zeros(1, np.int64), self.training.stretch).backward()
        parts = [self.torch.zeros_like(one) if one.grad is None else one.grad for one in self.parameters]
        return self.torch.cat([one.flatten() for one in parts]).numpy()

    def _weights(self) -> dict[str, Floats]:
        names = {
            "weight_ih_l0": "input",
            "weight_hh_l0": "state",
            "bias_ih_l0": "input_bias",
            "bias_hh_l0": "state_bias",
        }
        every = {**self.own, **{names[name]: one for name, one in self.gru.named_parameters()}}
        return {name: one.detach().numpy().astype(np.float64).copy() for name, one in every.items()}

    def _loss(self, who: Any, start: Any, stretch: int) -> Any:
        """Return minus the log likelihood of these people, a mean over their events."""
        torch, lesson, own = self.torch, self.lesson, self.own
        # Positions from the first that is read; those beyond the end are masked by ``event`` and ``end``.
        count, first = lesson.count[who], torch.as_tensor(start)
        length = min(int((count - first).max()), stretch)
        rows, place = torch.as_tensor(who)[:, None], torch.arange(length + 1) + first[:, None]
        at = (rows, torch.clamp(place, max=lesson.parts.shape[1] - 1))
        entry, parts = lesson.entry[at], lesson.parts[at]
        begin = torch.tanh(lesson.static[who] @ own["begin"] + own["begin_bias"])
        state, _ = self.gru(torch.cat([own["embedding"][entry], parts], dim=2), begin[None])
        warm = (place - first[:, None] >= _WARMING) | (first[:, None] == 0)
        event, end = (place < count[:, None]) & warm, (place == count[:, None]) & warm
        left = lesson.left[who]
        target = lesson.entry[rows, torch.clamp(place + 1, max=lesson.parts.shape[1] - 1)]
        target = torch.where(end, torch.clamp(left, min=0)[:, None], target)
        same, gap = lesson.same[at], lesson.gap[at]
        found = self._moments(
            state, entry, same, gap, event | (end & (left >= 0)[:, None]), end & (left == -1)[:, None]
        )
        asked = event | (end & (left >= 0)[:, None])
        found = found + self._entries(state, entry, parts, same, gap, target)[asked].sum()
        found = found + self._values(state, at, target, event)
        return -found / asked.sum()

    def _moments(self, state: Any, entry: Any, same: Any, gap: Any, asked: Any, beyond: Any) -> Any:
        """Return the log likelihood of whether events share a minute, and of gaps; ``beyond`` are those not seen to end."""
        torch, own = self.torch, self.own
        logit = state @ own["same"] + own["same_after"][entry]
        may = entry != self.items - 1
        told = torch.where(same > 0, torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit))
        told = torch.where(may, told, torch.zeros_like(told))
        mixture = state @ own["gap"] + own["gap_bias"]
        weight, level, spread = self._mixture(mixture, GAP_PARTS)
        apart = (gap[..., None] - level) / spread
        density = torch.logsumexp(weight - 0.5 * apart**2 - torch.log(spread), dim=-1)
        lasting = torch.logsumexp(weight + torch.special.log_ndtr(-apart), dim=-1)
        gaps = torch.where(same > 0, torch.zeros_like(density), density)
        return (told + gaps)[asked].sum() + (told + lasting)[beyond].sum()

    def _entries(self, state: Any, entry: Any, parts: Any, same: Any, gap: Any, target: Any) -> Any:
        torch, own = self.torch, self.own
        logit = state @ own["entry"] + parts @ own["entry_parts"] + gap[..., None] * own["entry_gap"]
        logit = logit + torch.where(same[..., None] > 0, own["within"][entry], own["beyond"][entry])
        place = torch.arange(logit.shape[-1])
        last = torch.where(entry == self.items, -1, entry)[..., None]
        barred = (same[..., None] > 0) & ((place <= last) | (place >= self.items))
        logit = logit.masked_fill(barred, -1e9)
        return torch.log_softmax(logit, dim=-1).gather(2, target[..., None])[..., 0]

    def _values(self, state: Any, at: tuple[Any, Any], target: Any, event: Any) -> Any:
        torch, own, lesson = self.torch, self.own, self.lesson
        score, before = lesson.score[at], lesson.before[at]
        asked = event & ~torch.isnan(score)
        item, score, before = target[asked], score[asked], before[asked]
        known = ~torch.isnan(before)
        since = torch.nan_to_num(before)
        mixture = self._own_mixture(state[asked], item)
        mixture = mixture + own["value_bias"][item] + since[:, None] * own["value_before"][item]
        mixture = mixture + known[:, None] * own["value_known"][item]
        weight, level, spread = self._mixture(mixture[:, :-1], VALUE_PARTS)
        drawn = torch.logsumexp(weight - 0.5 * ((score[:, None] - level) / spread) ** 2 - torch.log(spread), dim=-1)
        carry, draw = torch.nn.functional.logsigmoid(mixture[:, -1]), torch.nn.functional.logsigmoid(-mixture[:, -1])
        # The densities above leave out a constant factor, and so does that of a value carried on.
        same = torch.log(lesson.again[at][asked] * np.sqrt(2 * np.pi) + _TINY)
        return torch.where(known, torch.logaddexp(carry + same, draw + drawn), drawn).sum()

    def _own_mixture(self, state: Any, item: Any) -> Any:
        """Return each event's mixture, item by item."""
        order = self.torch.argsort(item, stable=True)
        counts = self.torch.bincount(item, minlength=self.items).tolist()
        pieces = self.torch.split(state[order], counts)
        found = self.torch.cat([piece @ weight for piece, weight in zip(pieces, self.own["value"], strict=True)])
        return found[self.torch.argsort(order)]

    def _mixture(self, numbers: Any, parts: int) -> tuple[Any, Any, Any]:
        torch = self.torch
        weight = torch.log_softmax(numbers[..., :parts], dim=-1)
        level = numbers[..., parts : 2 * parts]
        return weight, level, LEAST_SPREAD + torch.exp(torch.clamp(numbers[..., 2 * parts :], NARROWEST, WIDEST))
