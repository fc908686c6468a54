"""Places with refusals as a queueing model: the Erlang loss system (M/G/c/c).

With offered load a (arrivals per day x mean stay in days, in erlang) and c places, the share of arrivals that find
every place taken is

    B(c, a) = (a^c / c!) / sum_{k=0..c} a^k / k!

It assumes Poisson arrivals at an even rate, that a person who is refused leaves and does not come back for the same
need, and that the c places are one pool, any free one of which will do. The stays may have any distribution: only
their mean counts (Sevastyanov, Theory of Probability and its Applications 2, 1957). Stays and arrivals are those of
everyone who asks, not only of those let in; `offered_load` corrects for that.

Sources: A. K. Erlang, Løsning af nogle Problemer fra Sandsynlighedsregningen af Betydning for de automatiske
Telefoncentraler, Elektroteknikeren 13, 1917; L. Kleinrock, Queueing Systems, volume I: Theory, 1975, chapter 3.
"""

from collections.abc import Iterator
from itertools import count, islice

import numpy as np
from scipy.optimize import brentq

from analysis.errors import InputError


def blocking(offered: float, places: int) -> float:
    """The probability that an arrival finds all places taken, B(c, a), and so the share of arrivals refused.

    `offered` in erlang. Without places everyone is refused: 1. Assumptions and sources: see the module.
    Errors: an offered load that is negative or no number, places that are not a whole number of zero or more.
    """
    _check_offered(offered)
    _check_places(places)
    return next(islice(_blockings(offered), int(places), None))


def places_needed(offered: float, refusal: float) -> int:
    """The smallest number of places of one pool at which no more than the share `refusal` of arrivals is refused.

    The smallest c with B(c, a) <= `refusal`; `offered` in erlang, `refusal` between 0 and 1. Nobody arriving needs no
    place: 0. Pools that cannot help each other need one calculation each, and together never fewer places than one
    shared pool.
    Errors: an offered load that is negative or no number, a refusal outside 0 to 1 or at either end.
    """
    _check_offered(offered)
    if not 0 < refusal < 1:
        raise InputError(f"refusal must be a share above 0 and below 1, such as 0.05 for 5 per cent: {refusal}")
    if offered == 0:
        return 0
    return next(places for places, blocked in enumerate(_blockings(offered)) if blocked <= refusal)


def offered_load(carried: float, places: int) -> float:
    """The offered load behind a mean number of occupied places: the inverse of a(1 - B(c, a)) = `carried`.

    What was used is less than what was asked for, because the refused left no trace in the stays. Returns erlang.
    Near full occupancy the answer rests on very little: a full house cannot tell how many it turned away.
    Errors: carried is negative, no number, or not below places; places that are not a whole number of zero or more.
    """
    _check_places(places)
    if not 0 <= carried < places:
        raise InputError(
            f"carried must be zero or more and below the {places:g} places, since a system with refusals is never full "
            f"all the time: {carried}; check that nights and places cover the same shelters and the same period"
        )
    # B(c, a) <= a / (a + c), with equality for one place, so the root lies at or below half of this; doubled, because
    # rounding may put a root at the very end outside.
    highest = 2 * carried * places / (places - carried)
    return float(brentq(lambda offered: _carried(offered, int(places)) - carried, 0, highest))


def _blockings(offered: float) -> Iterator[float]:
    """B(0, a), B(1, a) ... without end.

    By recursion and not as scipy's poisson.pmf / poisson.cdf, which is 0 / 0 when the load is far above the places.
    """
    load, blocked = float(offered), 1.0
    for places in count(1):
        yield blocked
        blocked = load * blocked / (places + load * blocked)


def _carried(offered: float, places: int) -> float:
    # a(1 - B(c, a)) written with B(c - 1, a): 1 - B would lose its digits when nearly everyone is refused.
    return offered * places / (places + offered * blocking(offered, places - 1))


def _check_offered(offered: float) -> None:
    if not 0 <= offered < np.inf:
        raise InputError(
            f"the offered load must be zero or more (arrivals per day times mean stay in days): {offered}; "
            "check the arrivals and the stays it is computed from"
        )


def _check_places(places: float) -> None:
    if not (places >= 0 and float(places).is_integer()):
        raise InputError(f"places must be a whole number of zero or more: {places}")
