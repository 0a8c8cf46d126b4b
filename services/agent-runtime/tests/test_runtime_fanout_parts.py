"""Who is interested in what, and what waits to be sent."""

from quarterdeck.runtime.streaming.interest import LASTS, Interest
from quarterdeck.runtime.streaming.live import LISTENER_LIMIT, Live, LiveEvents
from quarterdeck.runtime.streaming.outbox import MESSAGE_BYTES, OVERHEAD, Outbox


def event(seq, size=1):
    return Live(seq, "t", b"x" * size, 0.0)


def test_interest_ends_unless_it_is_said_again():
    interest = Interest()
    interest.want("a", ["r", "s"], 0.0)
    interest.want("b", ["r"], 20.0)
    assert interest.who("r", 1.0) == ["a", "b"]
    assert interest.who("r", LASTS + 1) == ["b"]
    assert "s" in interest
    interest.tidy(LASTS + 1)
    assert "s" not in interest
    interest.want("b", ["r"], LASTS + 5)
    assert interest.who("r", 2 * LASTS) == ["b"]
    interest.forget("b")
    assert "r" not in interest


def test_what_gathers_goes_into_one_message_by_process_and_tenant():
    outbox = Outbox()
    outbox.put("a", "t1", "r", [event(1), event(2)])
    outbox.put("b", "t1", "r", [event(1)])
    outbox.put("a", "t2", "q", [event(7)])
    outbox.put("a", "t1", "s", [event(3)])
    taken = []
    while (parcel := outbox.take()) is not None:
        taken.append((parcel.to, parcel.tenant_id, [(run, one.seq) for run, one in parcel.events]))
    assert taken == [
        ("a", "t1", [("r", 1), ("r", 2), ("s", 3)]),
        ("b", "t1", [("r", 1)]),
        ("a", "t2", [("q", 7)]),
    ]
    assert not outbox


def test_a_message_has_a_most_and_who_has_much_waits_behind_the_others():
    outbox = Outbox()
    outbox.put("a", "t", "r", [event(seq, MESSAGE_BYTES // 3) for seq in range(1, 6)])
    outbox.put("b", "t", "r", [event(1)])
    order = []
    while (parcel := outbox.take()) is not None:
        order.append((parcel.to, len(parcel.events)))
    assert order == [("a", 2), ("b", 1), ("a", 2), ("a", 1)]


def test_an_event_larger_than_a_message_goes_alone():
    outbox = Outbox()
    outbox.put("a", "t", "r", [event(1, 2 * MESSAGE_BYTES), event(2)])
    assert len(outbox.take().events) == 1


def test_what_waits_has_a_most_and_room_comes_back():
    outbox = Outbox(most=3 * (OVERHEAD + 1))
    assert outbox.put("a", "t", "r", [event(seq) for seq in range(1, 6)]) == 2
    assert outbox.put("b", "t", "r", [event(1)]) == 1
    assert [one.seq for _, one in outbox.take().events] == [1, 2, 3]
    assert outbox.put("b", "t", "r", [event(1)]) == 0


def test_a_listener_that_falls_behind_loses_the_oldest():
    live = LiveEvents()
    queue = live.listen("r")
    live.hear("r", [event(seq) for seq in range(1, LISTENER_LIMIT + 3)])
    assert queue.qsize() == LISTENER_LIMIT
    assert queue.get_nowait().seq == 3
    live.forget("r", queue)
    live.hear("r", [event(1)])
    assert live.run_ids() == []
