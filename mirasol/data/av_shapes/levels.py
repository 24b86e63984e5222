"""What a guess scores: the levels that every score of AV-Shapes is printed beside.

chance      the best guess from the question alone.
bag oracle  the best guess from the question and, for each attribute, the set of values that occur
            somewhere in the clip, without when. Binding in time shows only above this level.

Scenes are drawn so that renaming the values of an attribute changes no probability
(`scenes.py`), and which questions are asked never looks at the names. So, given the bag, all
values that the answer can still take are equally likely, and both levels are one over their number:

    question                              possible answers          chance  bag oracle
    what colour comes first               any colour                1/4     1/|colours in bag|
    what colour comes after the red one   any but red: a new thing  1/3     1/(|colours in bag| - 1)
                                          differs from the last
    what shape comes after the red one    any shape                 1/3     1/|shapes in bag|

Counts have no such symmetry; their levels are added up exactly over all sequences of sounds.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping

COUNTS = ("zero", "one", "two")


def even_odds(values: int) -> float:
    """Returns the level of a guess among so many equally likely values."""
    return 1.0 / values


def count_keep_probabilities(events: int, kinds: int, persistence: float) -> tuple[float, ...]:
    """Returns, for each of `COUNTS`, how often to ask so that the answers come equally often."""
    by_count: dict[int, float] = defaultdict(float)
    for (_, count), probability in _count_table(events, kinds, persistence).items():
        by_count[count] += probability
    rarest = min(by_count[count] for count in range(len(COUNTS)))
    return tuple(rarest / by_count[count] for count in range(len(COUNTS)))


@functools.cache
def count_oracle(
    events: int, kinds: int, persistence: float, heard: int, target_heard: bool
) -> float:
    """Returns the bag oracle of "how many parts have the X".

    Args:
      events: events of a clip.
      kinds: sounds that an event can have.
      persistence: probability that a sound goes on.
      heard: different sounds in the clip.
      target_heard: whether X is one of them.
    """
    keep = count_keep_probabilities(events, kinds, persistence)
    posterior: dict[int, float] = defaultdict(float)
    for (bag, count), probability in _count_table(events, kinds, persistence).items():
        fits = bag.bit_count() == heard and bool(bag & 1) == target_heard
        if fits and count < len(COUNTS):
            posterior[count] += probability * keep[count]
    return max(posterior.values()) / sum(posterior.values())


@functools.cache
def _count_table(events: int, kinds: int, persistence: float) -> Mapping[tuple[int, int], float]:
    """Returns P(bag, count) of sound 0, over all sequences; bag is a bit mask of sounds."""
    states = {(sound, 1 << sound, int(sound == 0)): 1 / kinds for sound in range(kinds)}
    for _ in range(events - 1):
        following: dict[tuple[int, int, int], float] = defaultdict(float)
        for (sound, bag, count), probability in states.items():
            for new in range(kinds):
                odds = persistence if new == sound else (1 - persistence) / (kinds - 1)
                following[new, bag | 1 << new, count + (new == 0)] += probability * odds
        states = following
    table: dict[tuple[int, int], float] = defaultdict(float)
    for (_, bag, count), probability in states.items():
        table[bag, count] += probability
    return table
