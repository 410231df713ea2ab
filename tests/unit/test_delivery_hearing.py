"""What of the subscriptions a broker refuses, and when they are asked for again."""

from agent.delivery.hearing import AGAIN_S, Hearing
from agent.delivery.session import Session, Subscribed

FILTERS = ("d/one/cmd/+", "d/one/s/+/status")


class Asked(Session):
    """A session that only writes down what is asked: the real one needs a minute here, and a broker."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def subscribe(self, filters: object) -> None:
        """See `Session.subscribe`."""
        assert isinstance(filters, tuple)
        self.asked.append(filters)


def answer(*codes: int, filters: tuple[str, ...] = FILTERS) -> Subscribed:
    return Subscribed(
        tuple((name, code, "Not authorized") for name, code in zip(filters, codes, strict=True))
    )


def test_what_is_granted_is_not_asked_for_again() -> None:
    session, hearing = Asked(), Hearing(FILTERS, "broker:1883")
    hearing.begin(session)
    assert not hearing.answered(answer(1, 1), 0.0)
    hearing.turn(session, 1e9)
    assert session.asked == [FILTERS]
    assert (len(hearing), hearing.complaint) == (0, None)


def test_what_is_refused_is_told_once_and_asked_for_again_until_it_is_granted() -> None:
    session, hearing = Asked(), Hearing(FILTERS, "broker:1883")
    hearing.begin(session)
    assert hearing.answered(answer(0x87, 1), 100.0)
    assert len(hearing) == 1
    assert str(hearing.complaint) == (
        "broker:1883 refuses the subscription to d/one/cmd/+ (Not authorized): nothing comes from there"
    )
    hearing.turn(session, 100.0 + AGAIN_S - 1)
    assert session.asked == [FILTERS]
    hearing.turn(session, 100.0 + AGAIN_S)
    assert session.asked == [FILTERS, FILTERS[:1]]
    assert not hearing.answered(answer(0x87, filters=FILTERS[:1]), 161.0)  # no news
    hearing.turn(session, 100.0 + 2 * AGAIN_S)
    assert len(session.asked) == 3
    assert hearing.answered(answer(1, filters=FILTERS[:1]), 221.0)
    assert hearing.complaint is None
    hearing.turn(session, 1e9)
    assert len(session.asked) == 3


def test_a_new_connection_begins_anew() -> None:
    session, hearing = Asked(), Hearing(FILTERS, "broker:1883")
    hearing.begin(session)
    hearing.answered(answer(0x80, 0x80), 0.0)
    assert len(hearing) == 2
    hearing.begin(session)
    assert (len(hearing), session.asked) == (0, [FILTERS, FILTERS])


def test_without_subscriptions_nothing_is_asked() -> None:
    session, hearing = Asked(), Hearing((), "broker:1883")
    hearing.begin(session)
    hearing.turn(session, 1e9)
    assert session.asked == []
