"""The book of a link: what the tables allow happens, and everything else is a ProtocolError."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pulsing.exceptions import ActorNotFound
from pulsing.wire import (
    Ask,
    Cancel,
    Credit,
    End,
    Failure,
    Frame,
    Goodbye,
    Ping,
    Pong,
    ProtocolError,
    Reply,
    StreamItem,
    Tell,
    to_failure,
)
from pulsing.wire.session import (
    NEWS,
    PENDING_ASKS,
    RECEIVED,
    SENT,
    SMALL,
    STREAM_CREDIT,
    WINDOW_BYTES,
    WINDOW_FRAMES,
    Phase,
    Promise,
    Session,
    Stage,
    Window,
)

LIVES = int(os.environ.get("PULSING_LIVES", "60"))
"""of 40 steps each"""
FAILED = to_failure(ActorNotFound("x"))
PROMISE = Reply(1, None, "async")

ABOUT_ONE: dict[type, Frame] = {
    Ask: Ask(1, 7, "m"),
    Cancel: Cancel(1),
    Credit: Credit(1, 1),
    Reply: Reply(1, "done"),
    Promise: PROMISE,
    Failure: Failure(1, FAILED),
    StreamItem: StreamItem(1, ("a",)),
    End: End(1),
}
"""A frame of each kind that is about request 1."""
NEWS_FRAMES: dict[type, Frame] = {Ask: Ask(1, 7, "m"), Tell: Tell(7, "m"), Goodbye: Goodbye()}
LIVE = (Stage.WAITING, Stage.READING, Stage.SERVING, Stage.WRITING)


def session_in(stage: Stage) -> Session[str]:
    """A session whose request 1 is in a stage, with room for items and for credit."""
    session: Session[str] = Session()
    if stage in (Stage.WAITING, Stage.READING):
        session.send(ABOUT_ONE[Ask], "context")
        if stage is Stage.READING:
            session.receive(PROMISE)
            session.receive(StreamItem(1, ("a", "b")))
    if stage in (Stage.SERVING, Stage.WRITING):
        session.receive(ABOUT_ONE[Ask])
        if stage is Stage.WRITING:
            session.send(PROMISE)
            session.send(StreamItem(1, ("a", "b")))
    return session


@pytest.mark.parametrize("kind", ABOUT_ONE)
@pytest.mark.parametrize("stage", LIVE)
def test_what_arrives_for_an_open_request_follows_the_table(stage: Stage, kind: type) -> None:
    session = session_in(stage)
    ours = stage in (Stage.WAITING, Stage.READING)
    about_ours = kind in (Reply, Promise, Failure, StreamItem, End)
    if (stage, kind) in RECEIVED:
        request = session.receive(ABOUT_ONE[kind])
        assert request is not None
        assert request.stage is RECEIVED[stage, kind]
        assert session.idle == (request.stage is Stage.OVER)
    elif kind is Ask and ours:
        assert session.receive(ABOUT_ONE[kind]) is not None  # their request 1 is not ours
    else:
        with pytest.raises(ProtocolError):
            session.receive(ABOUT_ONE[kind])
        assert about_ours == ours or kind is Ask or not session.idle


@pytest.mark.parametrize("kind", ABOUT_ONE)
@pytest.mark.parametrize("stage", LIVE)
def test_what_is_sent_for_an_open_request_follows_the_table(stage: Stage, kind: type) -> None:
    session = session_in(stage)
    if (stage, kind) in SENT:
        assert session.send(ABOUT_ONE[kind])
        assert session.idle == (SENT[stage, kind] is Stage.OVER)
    elif kind is Ask and stage in (Stage.SERVING, Stage.WRITING):
        assert session.send(ABOUT_ONE[kind])
    else:
        with pytest.raises(ProtocolError):
            session.send(ABOUT_ONE[kind])


@pytest.mark.parametrize("kind", [kind for kind in ABOUT_ONE if kind is not Ask])
def test_a_frame_about_a_request_that_was_never_made_breaks_the_protocol(kind: type) -> None:
    with pytest.raises(ProtocolError, match="not made yet"):
        Session[str]().receive(ABOUT_ONE[kind])


@pytest.mark.parametrize("kind", [Reply, Promise, Failure, StreamItem, End])
def test_what_comes_for_a_request_that_was_cancelled_is_stale(kind: type) -> None:
    session = session_in(Stage.WAITING)
    session.send(Cancel(1))
    assert session.receive(ABOUT_ONE[kind]) is None


@pytest.mark.parametrize("kind", [Cancel, Credit])
def test_what_comes_for_a_request_that_was_answered_is_stale(kind: type) -> None:
    session = session_in(Stage.SERVING)
    session.send(Reply(1))
    assert session.receive(ABOUT_ONE[kind]) is None


def test_an_answer_whose_asker_has_left_is_not_sent() -> None:
    session = session_in(Stage.SERVING)
    session.receive(Cancel(1))
    assert not session.send(Reply(1))


def test_the_tables_are_mirror_images_and_every_stage_but_the_last_can_be_left() -> None:
    assert len(RECEIVED) == len(SENT)
    for stage in LIVE:
        leaves = {kind for (at, kind), following in {**SENT, **RECEIVED}.items() if at is stage and following is not at}
        assert leaves
        assert Stage.OVER in {following for (at, _), following in [*SENT.items(), *RECEIVED.items()] if at is stage}


@pytest.mark.parametrize("kind", NEWS_FRAMES)
@pytest.mark.parametrize("phase", Phase)
def test_what_a_side_may_say_of_new_things_follows_the_table(phase: Phase, kind: type) -> None:
    session: Session[str] = Session()
    if phase is Phase.PARTING:
        session.receive(Goodbye())
        session.send(Goodbye())
    allowed = (phase, kind) in NEWS
    for note in (session.receive, session.send):
        if allowed:
            note(NEWS_FRAMES[kind])
        else:
            with pytest.raises(ProtocolError):
                note(NEWS_FRAMES[kind])
    if allowed:
        assert session.heard_goodbye == session.said_goodbye == (NEWS[phase, kind] is Phase.PARTING)


def test_what_is_open_runs_to_its_end_after_goodbye() -> None:
    session = session_in(Stage.SERVING)
    session.receive(Goodbye())
    session.send(Goodbye())
    assert session.send(PROMISE)
    assert session.receive(Credit(1, 0)) is not None
    assert session.send(End(1))
    assert session.idle


@pytest.mark.parametrize("frame", [Ping(1), Pong(1)])
def test_pings_may_come_at_any_time(frame: Frame) -> None:
    session: Session[str] = Session()
    session.receive(Goodbye())
    assert session.receive(frame) is None
    assert session.send(frame)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_requests_are_numbered_from_one_upwards() -> None:
    session: Session[str] = Session()
    for number in (1, 2, 3):
        assert session.next_request == number
        session.send(Ask(number, 7, "m"), "context")
    assert session.asked == 3


def test_a_request_may_be_overtaken_and_comes_once() -> None:
    session: Session[str] = Session()
    session.receive(Ask(2, 7, "m"))
    with pytest.raises(ProtocolError):
        session.receive(Reply(1))
    session.receive(Ask(1, 8, "m"))
    with pytest.raises(ProtocolError):
        session.receive(Ask(1, 8, "m"))
    with pytest.raises(ProtocolError):
        session.receive(Ask(2, 8, "m"))


def test_no_request_is_overtaken_by_more_than_the_window_holds() -> None:
    session: Session[str] = Session()
    session.receive(Ask(WINDOW_FRAMES, 7, "m"))
    with pytest.raises(ProtocolError):
        Session[str]().receive(Ask(WINDOW_FRAMES + 1, 7, "m"))
    with pytest.raises(ProtocolError):
        Session[str]().receive(Ask(0, 7, "m"))


def test_more_open_requests_than_the_limit_break_the_protocol() -> None:
    session: Session[str] = Session()
    for number in range(1, PENDING_ASKS + 1):
        session.receive(Ask(number, 7, "m"))
        session.send(Credit(0, 1))
    with pytest.raises(ProtocolError, match="open"):
        session.receive(Ask(PENDING_ASKS + 1, 7, "m"))


# --- the window ------------------------------------------------------------------------------------------------------


def test_a_full_window_opens_again_when_room_is_given_back() -> None:
    session: Session[str] = Session()
    for _ in range(WINDOW_FRAMES):
        assert session.may_send_message
        session.send(Tell(7, "m"), None, 10)
    assert not session.may_send_message
    assert (session.window.messages, session.window.bytes) == (WINDOW_FRAMES, 10 * WINDOW_FRAMES)
    session.receive(Credit(0, 1))
    assert session.may_send_message


def test_bytes_close_the_window_to_large_messages_only_and_the_largest_goes_alone() -> None:
    window = Window()
    window.take(2 * WINDOW_BYTES)
    assert window.takes(SMALL) and not window.takes(SMALL + 1)
    window.give_back(1)
    assert window.takes(2 * WINDOW_BYTES)


def test_a_side_that_ignores_the_window_breaks_the_protocol() -> None:
    session: Session[str] = Session()
    for _ in range(WINDOW_FRAMES):
        session.receive(Tell(7, "m"))
    with pytest.raises(ProtocolError, match="under way"):
        session.receive(Tell(7, "m"))


@pytest.mark.parametrize("amount", [0, 3, 2**32 - 1])
def test_more_room_than_was_taken_cannot_be_given_back(amount: int) -> None:
    session: Session[str] = Session()
    session.send(Tell(7, "m"), None, 10)
    session.send(Tell(7, "m"), None, 10)
    with pytest.raises(ProtocolError, match="given back"):
        session.receive(Credit(0, amount))


# --- credit of streams -----------------------------------------------------------------------------------------------


def test_a_stream_begins_with_credit_and_items_use_it_up() -> None:
    session = session_in(Stage.SERVING)
    session.send(PROMISE)
    session.send(StreamItem(1, ("x",) * STREAM_CREDIT))
    with pytest.raises(ProtocolError, match="credit"):
        session.send(StreamItem(1, ("x",)))
    request = session.receive(Credit(1, 2))
    assert request is not None
    assert request.credit == 2


def test_items_without_credit_break_the_protocol() -> None:
    session = session_in(Stage.WAITING)
    session.receive(PROMISE)
    with pytest.raises(ProtocolError, match="credit"):
        session.receive(StreamItem(1, ("x",) * (STREAM_CREDIT + 1)))


def test_credit_for_more_items_than_a_stream_may_have_under_way_breaks_the_protocol() -> None:
    session = session_in(Stage.SERVING)
    session.send(PROMISE)
    with pytest.raises(ProtocolError, match="credit"):
        session.receive(Credit(1, 1))


# --- the end ---------------------------------------------------------------------------------------------------------


def test_the_loss_of_a_link_ends_every_request_once() -> None:
    session = session_in(Stage.SERVING)
    session.send(Ask(1, 7, "m"), "ours")
    assert [request.context for request in session.end()] == ["ours", None]
    assert session.idle
    assert session.end() == []
    assert not session.send(Reply(1))


# --- two sessions that talk to each other ----------------------------------------------------------------------------


class Conversation(RuleBasedStateMachine):
    """Both ends do whatever `SENT` allows them; frames arrive in order, late, and never break the protocol."""

    @initialize()
    def begin(self) -> None:
        self.ends: tuple[Session[int], Session[int]] = (Session(), Session())
        self.under_way: tuple[list[Frame], list[Frame]] = ([], [])
        self.theirs: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.readable: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.taken = [0, 0]

    def _send(self, end: int, frame: Frame) -> None:
        if self.ends[end].send(frame, 0, 1):
            self.under_way[end].append(frame)

    @rule(end=st.integers(0, 1), asks=st.booleans())
    def message(self, end: int, asks: bool) -> None:
        session = self.ends[end]
        if session.may_send_message:
            self._send(end, Ask(session.next_request, 7, "m") if asks else Tell(7, "m"))

    @rule(end=st.integers(0, 1), data=st.data())
    def answer(self, end: int, data: st.DataObject) -> None:
        serving = [n for n, request in self.theirs[end].items() if request.stage is Stage.SERVING]
        if serving:
            number = data.draw(st.sampled_from(serving))
            self._send(
                end, data.draw(st.sampled_from([Reply(number), Reply(number, None, "async"), Failure(number, FAILED)]))
            )

    @rule(end=st.integers(0, 1), data=st.data())
    def items(self, end: int, data: st.DataObject) -> None:
        writing = [n for n, request in self.theirs[end].items() if request.stage is Stage.WRITING]
        if writing:
            number = data.draw(st.sampled_from(writing))
            credit = self.theirs[end][number].credit
            count = data.draw(st.integers(0, credit))
            self._send(end, StreamItem(number, (0,) * count) if count else End(number))

    @rule(end=st.integers(0, 1), data=st.data())
    def read(self, end: int, data: st.DataObject) -> None:
        readable = self.readable[end]
        if readable:
            number = data.draw(st.sampled_from(sorted(readable)))
            self._send(end, Credit(number, readable.pop(number)))

    @rule(end=st.integers(0, 1), data=st.data())
    def leave(self, end: int, data: st.DataObject) -> None:
        made = self.ends[end].next_request
        if made > 1:
            number = data.draw(st.integers(1, made - 1))
            if self.ends[end].send(Cancel(number)):
                self.under_way[end].append(Cancel(number))
                self.readable[end].pop(number, None)

    @rule(end=st.integers(0, 1))
    def give_room(self, end: int) -> None:
        if self.taken[end]:
            self._send(end, Credit(0, self.taken[end]))
            self.taken[end] = 0

    @rule(end=st.integers(0, 1))
    def goodbye(self, end: int) -> None:
        if not self.ends[end].said_goodbye:
            self._send(end, Goodbye())

    @rule(end=st.integers(0, 1), many=st.integers(1, 40))
    def arrive(self, end: int, many: int) -> None:
        for _ in range(min(many, len(self.under_way[end]))):
            frame = self.under_way[end].pop(0)
            other = 1 - end
            request = self.ends[other].receive(frame)
            if isinstance(frame, (Ask, Tell)):
                self.taken[other] += 1
            if isinstance(frame, Ask):
                self.theirs[other][frame.request_id] = request
            if isinstance(frame, StreamItem) and isinstance(frame.items, tuple) and request is not None:
                self.readable[other][frame.request_id] = self.readable[other].get(frame.request_id, 0) + len(
                    frame.items
                )
            if isinstance(frame, (Failure, End)) and request is not None:
                self.readable[other].pop(frame.request_id, None)

    @invariant()
    def every_count_is_within_its_bound(self) -> None:
        for session in getattr(self, "ends", ()):
            assert session.window.messages <= WINDOW_FRAMES
            assert session.asked <= PENDING_ASKS


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=LIVES, stateful_step_count=40, deadline=None)


def any_frame(kind: type, number: int, amount: int) -> Frame:
    """A frame of a kind, about a request, in which something is said `amount` times."""
    frames: dict[type, Frame] = {
        Ask: Ask(number if amount < 30 else amount, 7, "m"),
        Tell: Tell(7, "m"),
        Reply: Reply(number),
        Promise: Reply(number, None, "async"),
        Failure: Failure(number, FAILED),
        Cancel: Cancel(number),
        Credit: Credit(number, amount),
        StreamItem: StreamItem(number, (None,) * min(amount, 40)),
        End: End(number),
        Goodbye: Goodbye(),
    }
    return frames[kind]


KINDS = [*ABOUT_ONE, Tell, Goodbye]
SPOKEN = st.tuples(st.sampled_from(KINDS), st.integers(0, 4), st.sampled_from([0, 1, 2, 31, 32, 33, 400, 2**32 - 1]))


@settings(max_examples=200, deadline=None)
@given(st.lists(SPOKEN, max_size=30))
def test_any_frames_at_all_are_taken_or_refused_with_the_one_error(spoken: list[tuple[type, int, int]]) -> None:
    session: Session[int] = Session()
    for _ in range(3):
        session.send(Ask(session.next_request, 7, "m"), 0)
    for words in spoken:
        try:
            request = session.receive(any_frame(*words))
        except ProtocolError:
            return
        assert request is None or 0 <= request.credit <= STREAM_CREDIT
