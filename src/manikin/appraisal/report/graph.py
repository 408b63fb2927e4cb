"""A clinical model's graph as a picture and as text.

The picture is layered after Sugiyama, Tagawa and Toda (IEEE Trans Syst Man Cybern 1981;11:109): layers by longest path,
few crossings by barycentres, then places that pull neighbours in line. Layers are kept narrow after Coffman and Graham
(Acta Informatica 1972;1:200), so that the drawing has the shape of a page. Edges of one variable that run past a layer
share a trunk there, which is what keeps sixty variables readable.
"""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from markupsafe import Markup

from manikin.appraisal.report.svg import picture, tag

_LETTER, _LINE = 5.9, 13.0  # width of an average letter and height of a line at 11 px
_GAP, _SWEEPS = 40.0, 24
_WRAP, _MOST_LINES = 15, 3
_ROLES = {"data": "●", "truth": "◆", "helper": "○", "noise": "∿"}

Node = Mapping[str, Any]
Stop = tuple[str, int]  # a variable at a layer: its own place, or a place where its trunk passes


@dataclass(frozen=True)
class _Plan:
    """The graph cut into layers; ``links`` run from each stop to stops of the next layer."""

    nodes: Mapping[str, Node]
    parents: Mapping[str, tuple[str, ...]]
    layer_of: Mapping[str, int]
    layers: tuple[tuple[Stop, ...], ...]
    links: tuple[tuple[Stop, Stop], ...]


@dataclass(frozen=True)
class _Places:
    """Where everything stands, in pixels: each stop's centre across, each layer's top and depth."""

    across: Mapping[Stop, float]
    tops: Sequence[float]
    depths: Sequence[float]


def draw(graph: Mapping[str, Any]) -> str:
    """Return the graph as SVG, causes at the top and what follows from them below."""
    plan = _plan(graph)
    if not plan.nodes:
        return ""
    depths = [max((_depth(plan, stop) for stop in layer), default=0.0) for layer in plan.layers]
    tops = [sum(depths[:index]) + index * _GAP + 2 for index in range(len(depths))]
    across = _across(plan)
    groups = groups_of(graph)
    width = max(across[stop] + _breadth(plan, stop) / 2 for stop in across) + 2
    boxes = [
        _box(plan.nodes[name], index, groups, (across[name, layer], tops[layer] + depths[layer] / 2))
        for index, (name, layer) in enumerate(plan.layer_of.items())
    ]
    return picture(
        tag("g", *_curves(plan, _Places(across, tops, depths), groups), class_="edges"),
        *boxes,
        label=f"{len(plan.nodes)} variables and what each depends on; the table below the picture lists them",
        kind="graph",
        viewBox=f"0 0 {width:.0f} {tops[-1] + depths[-1] + 2:.0f}",
        style=f"--across:{width:.0f}px",
    )


def as_text(graph: Mapping[str, Any], width: int = 100) -> str:
    """Return the graph for a terminal: layer by layer, each variable with its causes, ``width`` columns."""
    plan = _plan(graph)
    names = {name: str(node["title"]) for name, node in plan.nodes.items()}
    longest = max(map(len, names.values()), default=0)
    lines = []
    for number, layer in enumerate(plan.layers, start=1):
        own = [name for name, at in layer if plan.layer_of[name] == at]
        for place, name in enumerate(own):
            lead = f"{number:>2} " if place == 0 else "   "
            symbol = _ROLES.get(str(plan.nodes[name]["role"]), "●")
            causes = [names[parent] for parent in plan.parents[name]]
            line = f"{lead}{_branch(place, len(own))} {symbol} {names[name]:<{longest}}"
            lines.append(_with_causes(line, causes, width))
    legend = "   ".join(f"{symbol} {role}" for role, symbol in _ROLES.items())
    return "\n".join([*lines, "", f"   {legend}   ◂ depends on"]) + "\n"


def groups_of(graph: Mapping[str, Any]) -> dict[str, int]:
    """Return the colour of each group of variables, by order of first appearance."""
    names = dict.fromkeys(str(node.get("group") or "") for node in graph["nodes"])
    return {name: index % 12 for index, name in enumerate(name for name in names if name)}


def parents_of(graph: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return each variable's causes in the order of the graph; edges to unknown variables are left out."""
    known = {node["name"] for node in graph["nodes"]}
    parents: dict[str, list[str]] = {node["name"]: [] for node in graph["nodes"]}
    for cause, effect in dict.fromkeys(map(tuple, graph["edges"])):
        if {cause, effect} <= known and cause != effect:
            parents[effect].append(cause)
    return {name: tuple(causes) for name, causes in parents.items()}


def _branch(place: int, count: int) -> str:
    """Return the box-drawing character of the ``place``-th of ``count`` lines."""
    if count == 1:
        return "─"
    return "┬" if place == 0 else "└" if place == count - 1 else "├"


def _with_causes(line: str, causes: Sequence[str], width: int) -> str:
    """Return the line with as many causes as fit, and how many more there are."""
    if not causes:
        return line.rstrip()
    for shown in range(len(causes), 0, -1):
        rest = f" +{len(causes) - shown}" if shown < len(causes) else ""
        whole = f"{line}  ◂ {' · '.join(causes[:shown])}{rest}"
        if len(whole) <= width:
            return whole
    return f"{line}  ◂ {len(causes)} others"


def _plan(graph: Mapping[str, Any]) -> _Plan:
    """Return the graph in layers, ordered so that few edges cross."""
    nodes = {node["name"]: node for node in graph["nodes"]}
    parents = parents_of(graph)
    layer_of = _layers(parents, {name for name, node in nodes.items() if node["role"] == "noise"})
    links = tuple(dict.fromkeys(_segments(parents, layer_of)))
    count = max(layer_of.values(), default=-1) + 1
    stops = dict.fromkeys([*layer_of.items(), *(stop for link in links for stop in link)])
    rank = {group: index for index, group in enumerate(groups_of(graph))}
    place = {
        name: (rank.get(str(node.get("group") or ""), 99), index) for index, (name, node) in enumerate(nodes.items())
    }
    layers = [sorted((stop for stop in stops if stop[1] == at), key=lambda stop: place[stop[0]]) for at in range(count)]
    return _Plan(nodes, parents, layer_of, tuple(map(tuple, _untangled(layers, links))), links)


def _layers(parents: Mapping[str, tuple[str, ...]], slight: Set[str]) -> dict[str, int]:
    """Return each variable's layer: below all its causes, long chains first, no layer wider than a page allows.

    Those that are ``slight`` take no room, and stand right above what they act on.
    """
    order = list(TopologicalSorter(parents).static_order())
    effects = _effects(parents)
    chain: dict[str, int] = {}
    for name in reversed(order):
        chain[name] = max((chain[effect] + 1 for effect in effects[name]), default=0)
    most = max(6, math.isqrt(len(parents)) + 1)
    layer: dict[str, int] = {}
    at = 0
    while len(layer) < len(parents):
        ready = [
            name for name in parents if name not in layer and all(layer.get(cause, at) < at for cause in parents[name])
        ]
        layer |= dict.fromkeys(sorted(ready, key=lambda name: -chain[name])[:most], at)
        at += 1
    return _lowered(layer, effects, parents, most, slight)


def _lowered(
    layer: dict[str, int],
    effects: Mapping[str, Sequence[str]],
    parents: Mapping[str, Sequence[str]],
    most: int,
    slight: Set[str],
) -> dict[str, int]:
    """Return the layers with variables of few causes moved down to their effects, where there is room."""
    taken = Counter(at for name, at in layer.items() if name not in slight)
    for name in sorted(parents, key=lambda name: -layer[name]):
        if not effects[name] or len(effects[name]) < len(parents[name]):
            continue
        lowest = min(layer[effect] for effect in effects[name]) - 1
        room = next((at for at in range(lowest, layer[name], -1) if taken[at] < most or name in slight), layer[name])
        if name not in slight:
            taken.update({layer[name]: -1, room: 1})
        layer[name] = room
    return {name: layer[name] for name in parents}


def _effects(parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return what depends on each variable."""
    effects: dict[str, list[str]] = {name: [] for name in parents}
    for name, causes in parents.items():
        for cause in causes:
            effects[cause].append(name)
    return effects


def _segments(parents: Mapping[str, tuple[str, ...]], layer: Mapping[str, int]) -> Iterator[tuple[Stop, Stop]]:
    """Yield every edge as steps from layer to layer; steps of one cause toward several effects coincide."""
    for effect, causes in parents.items():
        for cause in causes:
            for at in range(layer[cause], layer[effect] - 1):
                yield (cause, at), (cause, at + 1)
            yield (cause, layer[effect] - 1), (effect, layer[effect])


def _untangled(layers: list[list[Stop]], links: Sequence[tuple[Stop, Stop]]) -> list[list[Stop]]:
    """Return the layers in the order with the fewest crossings met while sweeping barycentres to and fro."""
    neighbours = _neighbours(links)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, links)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        indices = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for at in indices:
            beside = at - 1 if forward else at + 1
            place = {stop: float(index) for index, stop in enumerate(layers[beside])}
            own = {stop: float(index) for index, stop in enumerate(layers[at])}
            layers[at] = sorted(layers[at], key=lambda stop: _mean(neighbours.get(stop, ()), place, own[stop]))
        crossings = _crossings(layers, links)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _neighbours(links: Sequence[tuple[Stop, Stop]]) -> dict[Stop, list[Stop]]:
    """Return the stops that each stop is linked to, on both sides."""
    neighbours: dict[Stop, list[Stop]] = {}
    for one, other in links:
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    return neighbours


def _mean(stops: Sequence[Stop], place: Mapping[Stop, float], otherwise: float) -> float:
    """Return the mean place of those ``stops`` that have one."""
    places = [place[stop] for stop in stops if stop in place]
    return sum(places) / len(places) if places else otherwise


def _crossings(layers: Sequence[Sequence[Stop]], links: Sequence[tuple[Stop, Stop]]) -> int:
    """Return how many pairs of links cross."""
    place = {stop: index for layer in layers for index, stop in enumerate(layer)}
    between: dict[int, list[tuple[int, int]]] = {}
    for one, other in links:
        between.setdefault(one[1], []).append((place[one], place[other]))
    return sum(
        (a - c) * (b - d) < 0
        for ends in between.values()
        for index, (a, b) in enumerate(ends)
        for c, d in ends[index + 1 :]
    )


def _across(plan: _Plan) -> dict[Stop, float]:
    """Return each stop's centre across the picture: near its neighbours' mean, in order and without overlap."""
    neighbours = _neighbours(plan.links)
    across: dict[Stop, float] = {}
    for layer in plan.layers:
        across |= dict(zip(layer, _offsets(plan, layer), strict=True))
    for sweep in range(_SWEEPS):
        for layer in plan.layers if sweep % 2 == 0 else reversed(plan.layers):
            wished = [_mean(neighbours.get(stop, ()), across, across[stop]) for stop in layer]
            across |= dict(zip(layer, _spaced(wished, _offsets(plan, layer)), strict=True))
    left = min(across[stop] - _breadth(plan, stop) / 2 for stop in across)
    return {stop: centre - left + 2 for stop, centre in across.items()}


def _offsets(plan: _Plan, layer: Sequence[Stop]) -> list[float]:
    """Return the centres of a layer's stops when they are packed from the left."""
    offsets, edge = [], 0.0
    for stop in layer:
        breadth = _breadth(plan, stop)
        offsets.append(edge + breadth / 2)
        edge += breadth + 9
    return offsets


def _spaced(wished: Sequence[float], offsets: Sequence[float]) -> list[float]:
    """Return the positions nearest to those wished for (least squares) that keep order and spacing.

    Less its packed offset, a position may not fall from one stop to the next: isotonic regression, by pooling
    neighbours that violate it.
    """
    pools: list[tuple[float, int]] = []
    for wish, offset in zip(wished, offsets, strict=True):
        pools.append((wish - offset, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, count), (other, more) = pools.pop(-2), pools.pop()
            pools.append(((mean * count + other * more) / (count + more), count + more))
    level = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(level, offsets, strict=True)]


def _lines(node: Node) -> list[str]:
    """Return a title on as few short lines as hold it, cut where it is very long; chance is a mere sign."""
    if node["role"] == "noise":
        return [_ROLES["noise"]]
    lines = textwrap.wrap(str(node["title"]), _WRAP, break_long_words=False) or [""]
    return (
        lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][: _WRAP - 1] + "…"]
    )


def _own(plan: _Plan, stop: Stop) -> bool:
    """Return whether a variable itself stands here; otherwise its trunk passes."""
    return plan.layer_of[stop[0]] == stop[1]


def _size(node: Node) -> tuple[float, float]:
    """Return the width and height of a variable's box, in pixels."""
    lines = _lines(node)
    return max(map(len, lines)) * _LETTER + 20, len(lines) * _LINE + 9


def _breadth(plan: _Plan, stop: Stop) -> float:
    """Return the width that a stop takes in its layer, in pixels; a trunk needs little."""
    return _size(plan.nodes[stop[0]])[0] if _own(plan, stop) else 1.0


def _depth(plan: _Plan, stop: Stop) -> float:
    """Return the height that a stop asks of its layer, in pixels."""
    return _size(plan.nodes[stop[0]])[1] if _own(plan, stop) else 0.0


def _box(node: Node, index: int, groups: Mapping[str, int], centre: tuple[float, float]) -> Markup:
    """Return one variable: filled by role, with its group's colour along the left edge."""
    width, height = _size(node)
    left, top = centre[0] - width / 2, centre[1] - height / 2
    group = str(node.get("group") or "")
    about = " · ".join(filter(None, (str(node["title"]), str(node.get("kind") or ""), str(node["role"]), group)))
    stripe = tag("rect", class_=f"stripe g{groups.get(group, 'none')}", x=left, y=top, width=4, height=height, rx=2)
    words = [tag("text", line, x=left + 11, y=top + 2 + _LINE * (row + 1)) for row, line in enumerate(_lines(node))]
    box = tag("rect", class_="box", x=left, y=top, width=width, height=height, rx=3)
    return tag("g", tag("title", about), box, stripe, *words, class_=f"node {node['role']}", data_node=index)


def _curves(plan: _Plan, places: _Places, groups: Mapping[str, int]) -> Iterator[Markup]:
    """Yield each link as a curve, with whose it is and whom it serves, so that a pointer can pick them out."""
    serves = _served(plan)
    order = {name: index for index, name in enumerate(plan.nodes)}
    for one, other in plan.links:
        group = str(plan.nodes[one[0]].get("group") or "")
        targets = " ".join(str(order[name]) for name in serves[one, other])
        path = _path(plan, places, one, other)
        yield tag("path", class_=f"edge g{groups.get(group, 'none')}", d=path, data_from=order[one[0]], data_to=targets)


def _path(plan: _Plan, places: _Places, one: Stop, other: Stop) -> str:
    """Return a link's path, from the foot of one stop to the head of the next; a trunk runs on through its layer."""
    foot = places.tops[one[1]] + places.depths[one[1]]
    head = places.tops[other[1]]
    start, end = places.across[one], places.across[other]
    bend = (foot + head) / 2
    # Boxes are centred in their layer: the link covers the space that is left above or below them.
    above = (places.depths[one[1]] - _depth(plan, one)) / 2 if _own(plan, one) else 0.0
    below = (places.depths[other[1]] - _depth(plan, other)) / 2 if _own(plan, other) else places.depths[other[1]]
    curve = f"C{start:.1f} {bend:.1f} {end:.1f} {bend:.1f} {end:.1f} {head:.1f}"
    return f"M{start:.1f} {foot - above:.1f}V{foot:.1f}{curve}V{head + below:.1f}"


def _served(plan: _Plan) -> dict[tuple[Stop, Stop], list[str]]:
    """Return the effects that each link leads to."""
    serves: dict[tuple[Stop, Stop], list[str]] = {link: [] for link in plan.links}
    for effect, causes in plan.parents.items():
        for cause in causes:
            for link in _segments({effect: (cause,)}, plan.layer_of):
                serves[link].append(effect)
    return serves
