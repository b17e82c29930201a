"""The properties to reach: which figures of which campaign show each, and when it is met."""

from __future__ import annotations

from dataclasses import dataclass

BENCH = "make bench"
"""What measures the figures that are no campaign's."""


@dataclass(frozen=True)
class Measure:
    """One thing to look at for a property; it is met when its bound is, and the campaign held."""

    what: str
    source: str
    """the full id of a campaign, or `BENCH`"""
    name: str = ""
    """of a figure that the campaign tells, or of a figure of the bench; none where it is enough that it held"""
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    is_effort: bool = False
    """how much is to be tried: a short form tries less, which misses nothing"""


@dataclass(frozen=True)
class Property:
    """A property, and why it is missed where it is, with what would close the gap."""

    id: str
    what: str
    measures: tuple[Measure, ...]
    if_missed: str = ""


def _none(what: str, source: str, name: str) -> Measure:
    return Measure(what, source, name, at_most=0)


def _tried(what: str, source: str, name: str, count: float, unit: str = "") -> Measure:
    return Measure(what, source, name, unit, at_least=count, is_effort=True)


_A_FAULT = (
    "That is a fault of ours. The campaign prints the command that shows it again; what was at fault gets a test of "
    "its own."
)
_BUSY = (
    "What else ran on the machine at that moment is in it. Left to do: run it again on a machine at rest, and look "
    "where the time goes if it is missed there, too."
)

PROPERTIES = (
    Property(
        "A1",
        "`kill -9` of a node: calls that wait for it fail, with an error that says so",
        (
            Measure("p99 until they failed", "T-KILL-1", "asks_failed_p99_ms", " ms", at_most=250),
            _tried("kills", "T-KILL-1", "kills", 50),
        ),
        _BUSY,
    ),
    Property(
        "A2",
        "`kill -9` of one of five: dead for all others, and its names are gone",
        (Measure("p99 until all had seen it", "T-KILL-1", "seen_p99_ms", " ms", at_most=1000),),
        _BUSY,
    ),
    Property(
        "A3",
        "a death in silence (power, a cut, SIGSTOP): dead for all",
        (
            Measure("5 nodes, p50", BENCH, "silent death seen by all, 5 nodes, p50", " s", at_most=6),
            Measure("5 nodes, p99", BENCH, "silent death seen by all, 5 nodes, p99", " s", at_most=8),
            Measure("50 nodes, p99", BENCH, "silent death seen by all, 50 nodes, p99", " s", at_most=11),
        ),
        "Simulated, so the same on every machine. Of 50 nodes more have to hear of a suspicion until it is short. Left "
        "to do: a shorter suspicion, by which more are called dead who are only late.",
    ),
    Property(
        "A4",
        "the dead come back by joining anew and in no other way",
        (
            _none("broken promises of simulated lives", "T-SIM-1", "broken_promises"),
            _none("killed processes that came back", "T-KILL-1", "came_back"),
        ),
        _A_FAULT,
    ),
    Property(
        "A5",
        "who is frozen for 5 s or less is not called dead",
        (
            _none("broken promises of simulated lives", "T-SIM-1", "broken_promises"),
            _tried("lives", "T-SIM-1", "lives", 1_000),
            _none("processes stopped for 3 s and called dead", "T-KILL-2", "called_dead_when_stopped"),
        ),
        _A_FAULT,
    ),
    Property(
        "A6",
        "who holds the event loop is not called dead",
        (
            _none("called dead", "T-BLK-1", "called_dead_while_held"),
            _tried("longest hold", "T-BLK-1", "longest_hold_s", 20, " s"),
        ),
        _A_FAULT,
    ),
    Property(
        "A7",
        "a partition heals without seeds and without anybody's help",
        (
            Measure("60 s cut, simulated, p99", BENCH, "partition of 60 s healed, 5 nodes, p99", " s", at_most=7),
            Measure("slowest between hosts", "T-NET-1", "slowest_heal_s", " s", at_most=7),
            Measure("slowest with somebody on probation", "T-NET-1", "slowest_heal_after_flapping_s", " s", at_most=17),
            _tried("cuts between hosts", "T-NET-1", "cuts", 60),
        ),
        "A heal after which somebody is on probation, because it was called dead three times within a minute, waits "
        "for its ten steady seconds; the others have a figure of their own. " + _BUSY,
    ),
    Property(
        "A8",
        "10,000 calls at once to one actor elsewhere",
        (
            _none("failed", "T-ASK-1", "failed"),
            _tried("calls at once", "T-ASK-1", "calls_at_once", 10_000),
            Measure("memory they took", "T-ASK-1", "memory_MiB", " MiB", at_most=128),
        ),
        _A_FAULT,
    ),
    Property(
        "A9",
        "messages of one sender to one receiver keep their order, over links that break",
        (
            _none("inversions", "T-ORD-1", "inversions"),
            _tried("messages", "T-ORD-1", "messages", 10_000_000),
        ),
        _A_FAULT,
    ),
    Property(
        "A10",
        "durable queues: what was acknowledged outlives `kill -9`",
        (
            _none("acknowledged and lost", "T-KILL-3", "lost"),
            _tried("acknowledged", "T-KILL-3", "acknowledged", 1_000_000),
            _tried("kills", "T-KILL-3", "kills", 200),
        ),
        _A_FAULT,
    ),
    Property("A11", "queues in memory with a second copy: an owner killed loses nothing", ()),
    Property(
        "A12",
        "no loss is silent: it raises, or an event tells of it",
        (
            _none("broken promises of simulated queues", "T-SIM-3", "broken_promises"),
            _tried("lives of queues", "T-SIM-3", "lives", 2_000),
            Measure("gaps in the order are those reported", "T-ORD-1"),
            _none("wrong records from damaged files", "T-FUZ-5", "wrong_records"),
            Measure("power cuts", "T-KILL-5"),
        ),
        _A_FAULT,
    ),
    Property(
        "A13",
        "nothing of a stranger is decoded or reaches an actor",
        (Measure("attacks", "T-SEC"), Measure("openings without proof", "T-FUZ-4")),
        _A_FAULT,
    ),
    Property(
        "A14",
        "no page in a browser can use the admin plane or the port of a node",
        (
            _none("answers other than the rules say", "T-SEC", "wrong_answers_of_the_gate"),
            _tried("combinations of route, method, host, origin and token", "T-SEC", "requests_to_the_gate", 20_000),
        ),
        _A_FAULT,
    ),
    Property(
        "A15",
        "the decoder of frames under fuzz: its own error and no other",
        (
            _tried("inputs, guided by coverage", "T-FUZ-1", "inputs", 100_000_000),
            Measure("slowest of them", "T-FUZ-1", "slowest_ms", " ms", at_most=100),
            Measure("most memory", "T-FUZ-1", "most_memory_MiB", " MiB", at_most=300),
            _tried("frames changed in their structure", "T-FUZ-2", "changed_frames", 1_000_000),
            Measure("slowest of them", "T-FUZ-2", "slowest_ms", " ms", at_most=100),
        ),
        "The slowest is one input among all, in processor time; a pause of the garbage collector counts. Left to do: "
        "bounds on what a frame may nest and count, as small as its use allows.",
    ),
    Property(
        "A16",
        "a node asked for ten times as much as it can do, in 512 MiB",
        (
            Measure("most memory", "T-OVL-1", "most_memory_MiB", " MiB", at_most=512),
            Measure("done of what it can do", "T-OVL-1", "share_of_what_it_can_do", at_least=0.8),
            Measure("health answered, p99", "T-OVL-1", "health_p99_ms", " ms", at_most=250),
            Measure("calls quick again after", "T-OVL-1", "quick_again_after_s", " s", at_most=5),
            _tried("overload", "T-OVL-1", "seconds_of_overload", 600, " s"),
        ),
        _A_FAULT,
    ),
    Property(
        "A17",
        "simulation: lives of clusters under faults, the same again from the same seed",
        (
            _none("broken promises", "T-SIM-1", "broken_promises"),
            _tried("lives", "T-SIM-1", "lives", 10_000),
            _none("replays that differ", "T-SIM-2", "replays_that_differ"),
            _tried("replays", "T-SIM-2", "replays", 100),
        ),
        _A_FAULT,
    ),
    Property(
        "A18",
        "the admin plane does what its specification says",
        (
            Measure("answers that break it: none", "T-FUZ-6"),
            _tried("requests as admin", "T-FUZ-6", "requests_as_admin", 1_000),
            _tried("requests as viewer", "T-FUZ-6", "requests_as_viewer", 1_000),
        ),
        _A_FAULT,
    ),
)
