"""What a guess scores: the levels that every score of AV-Shapes is printed beside.

chance      the best guess from the question alone.
bag oracle  knows in how many chunks each value occurs, and not in which. It names a commonest value
            that the answer can be, ties by lot. Nothing better can be guessed from those counts in
            *hearing* and *together*. In *sight* and *order* they tell a little more, as when one
            colour and one shape occur three times each (docs/av_shapes.md).

Scenes are drawn so that renaming the values of an attribute changes no probability (`scenes.py`),
and which questions are asked never looks at the names. So all values that the answer can take are
equally likely beforehand, and chance is one over their number. A row's oracle is how often it is
right there. Of a clip with three red chunks and a blue one:

    question                              can be the answer          chance  bag oracle
    what colour comes first               any colour                 1/4     red: 1, blue: 0
    what colour comes after the red one   any but red: a new thing   1/3     blue: 1
                                          differs from the last
    what sound comes with the blue one    any sound                  1/4     as sounds are counted
    how many parts have the noise         zero, one or two           1/3     1: it has counted

Answers of counting questions are not equally likely; they are asked at rates that make them so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

COUNTS = ("zero", "one", "two")


def even_odds(values: int) -> float:
    """Returns the level of a guess among so many equally likely values."""
    return 1.0 / values


def commonest_odds(counts: Mapping[str, int], answer: str) -> float:
    """Returns how often one is right who names a value of the highest count, ties by lot.

    Args:
      counts: of each value that can be the answer, how often it occurs.
      answer: the right one.
    """
    highest = max(counts.values())
    commonest = [value for value, count in counts.items() if count == highest]
    return (answer in commonest) / len(commonest)


def count_keep_probabilities(events: int, kinds: int, persistence: float) -> tuple[float, ...]:
    """Returns, for each of `COUNTS`, how often to ask so that the answers come equally often."""
    by_count = _count_odds(events, kinds, persistence)
    rarest = min(by_count[count] for count in range(len(COUNTS)))
    return tuple(rarest / by_count[count] for count in range(len(COUNTS)))


def _count_odds(events: int, kinds: int, persistence: float) -> Mapping[int, float]:
    """Returns P(count) of sound 0, added up over all sequences of sounds."""
    states = {(sound, int(sound == 0)): 1 / kinds for sound in range(kinds)}
    for _ in range(events - 1):
        following: dict[tuple[int, int], float] = defaultdict(float)
        for (sound, count), probability in states.items():
            for new in range(kinds):
                odds = persistence if new == sound else (1 - persistence) / (kinds - 1)
                following[new, count + (new == 0)] += probability * odds
        states = following
    by_count: dict[int, float] = defaultdict(float)
    for (_, count), probability in states.items():
        by_count[count] += probability
    return by_count
