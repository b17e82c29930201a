"""The campaigns: what each does to a system, what has to hold meanwhile, and how it is run, long or short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LIMIT_S = 7200


@dataclass(frozen=True)
class Campaign:
    """One campaign.

    Its short form is the same command without the settings of the long one; it is part of `make test`.
    """

    id: str
    what: str
    limit: str
    """what has to hold, in words"""
    command: tuple[str, ...]
    """a module to run, with its arguments, or paths of tests"""
    long: Mapping[str, str] = field(default_factory=dict)
    """variables of the long form"""
    seed: int | None = None
    """from which its chances come"""
    needs: str = ""
    """a package without which it is left out; it is in no environment by itself"""
    long_arguments: tuple[str, ...] = ()
    short_arguments: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Its ids in full: "T-KILL-1, 2" has two."""
        parts = self.id.split(", ")
        family = parts[0].rpartition("-")[0]
        return [f"{family}-{part}" if part.isdigit() else part for part in parts]

    def has(self, one: str) -> bool:
        """Whether this is the campaign of an id; "T-SEC" is that of "T-SEC-4", too."""
        return any(one == mine or one.startswith(f"{mine}-") for mine in self.ids)

    def arguments(self, *, is_long: bool) -> list[str]:
        """What to give to a Python."""
        command = [*self.command, *(self.long_arguments if is_long else self.short_arguments)]
        if self.command[0].startswith("tests."):
            return ["-m", *command]
        return ["-m", "pytest", "-q", "-o", "faulthandler_timeout=0", "--timeout", str(LIMIT_S), *command]

    def replay(self, *, is_long: bool) -> str:
        """The one line that runs it again."""
        settings = "".join(f"{name}={value} " for name, value in self.long.items()) if is_long else ""
        return f"{settings}.venv/bin/python {' '.join(self.arguments(is_long=is_long))}"


_INTEGRATION = "tests/integration/"
_SIMULATION = "tests/simulation/"

CAMPAIGNS = (
    Campaign(
        "T-SIM-1",
        "lives of simulated clusters of 2 to 50 nodes: crashes, restarts, freezes, cuts of all kinds, loss, odd clocks",
        "every dead node is seen dead within 15 s, none for a freeze of 5 s; nobody comes back without a new "
        "incarnation; all views are equal 15 s after the last fault",
        ("tests.simulation.cluster_campaign",),
        seed=0,
        long_arguments=("--seeds", "10000"),
        short_arguments=("--seeds", "100"),
    ),
    Campaign(
        "T-SIM-2, 4, 6",
        "the same seed twice under other hash orders; members that lie about members and names; known faults put back "
        "into the code",
        "equal histories; honest nodes agree, in bounded memory; every fault is found",
        (_SIMULATION + "test_simulation_cluster.py", _SIMULATION + "test_simulation_hostile.py"),
        {"PULSING_LIARS": "500", "PULSING_REPLAYS": "50"},
        seed=0,
    ),
    Campaign(
        "T-SIM-3",
        "lives of queues under the same faults, and ends of all nodes at once where records outlive that",
        "no acknowledged record is lost in silence, no offset given twice, one owner in an epoch",
        ("tests.simulation.queue_campaign",),
        seed=0,
        long_arguments=("--seeds", "2000"),
        short_arguments=("--seeds", "36"),
    ),
    Campaign(
        "T-SIM-5",
        "24 simulated hours of five nodes, with a change a minute: deaths, leavings, freezes, odd clocks, names",
        "a minute after each change all views are right; nobody who lives is called dead; what the machines hold stays "
        "level",
        ("tests.simulation.cluster_day",),
        seed=0,
        long_arguments=("--hours", "24"),
        short_arguments=("--hours", "1"),
    ),
    Campaign(
        "T-MOD",
        "lives of sessions between nodes, of the order of messages, of mailboxes, of queues and of groups, made up by "
        "Hypothesis",
        "each does what a model of a few lines does",
        (
            "tests/unit/wire/test_wire_session.py",
            "tests/unit/node/test_node_order.py",
            "tests/unit/core/test_core_mailbox.py",
            "tests/unit/streaming/test_streaming_queue.py",
            "tests/unit/streaming/test_streaming_ledger.py",
            "tests/unit/streaming/test_streaming_memory.py",
        ),
        {"PULSING_LIVES": "500"},
    ),
    Campaign(
        "T-FUZ-1",
        "the decoder of frames and the session behind it, fuzzed by atheris, which is guided by coverage",
        "one kind of error and no other; no input takes 1 s or 600 MiB",
        ("tests.fuzz.fuzz_frames", "-max_len=8192", "-print_final_stats=1"),
        needs="atheris",
        long_arguments=("-runs=100000000",),
        short_arguments=("-runs=20000",),
    ),
    Campaign(
        "T-FUZ-2, 3",
        "frames changed in their structure, for the decoder and for a node that lives",
        "one kind of error and no other; honest calls go on; memory and loop within bounds",
        ("tests/fuzz",),
        {"PULSING_FUZZ": "1000000", "PULSING_FUZZ_LIVE": "100000", "PULSING_FUZZ_MEMBERSHIP": "20000"},
        seed=1,
    ),
    Campaign(
        "T-FUZ-4",
        "openings by strangers, at random and in silence, and a matrix of wrong proofs",
        "nothing is decoded without a proof; honest nodes join meanwhile",
        (_INTEGRATION + "test_security_outsider.py",),
    ),
    Campaign(
        "T-FUZ-5",
        "files of queues with flipped bits, stretches of zeros and torn ends",
        "right records, or an error that says which are lost",
        ("tests/unit/streaming/test_streaming_sqlite.py", "-k", "damage"),
        {"PULSING_DAMAGES": "5000"},
        seed=7,
    ),
    Campaign(
        "T-FUZ-6",
        "requests made up from the specification of the admin plane, by schemathesis",
        "no answer that the specification does not allow, none of 500 and above",
        (_INTEGRATION + "test_admin_schema.py",),
        {"PULSING_EXAMPLES": "100"},
        seed=1,
    ),
    Campaign(
        "T-KILL-1, 2",
        "five processes, killed in turn, then stopped in turn: for three seconds, and until all others call it dead",
        "a death is seen by all within 1 s (p99), calls that wait for the dead fail within 250 ms (p99), nobody else "
        "is called dead, no name of the dead resolves; who was stopped and goes on is taken in again",
        (_INTEGRATION + "test_cluster_rounds.py",),
        {"PULSING_ROUNDS": "50"},
        seed=1,
    ),
    Campaign(
        "T-KILL-3",
        "the owner of a durable queue killed while 64 producers write",
        "every acknowledged record is there, in its place; no offset is given twice",
        (_INTEGRATION + "test_streaming_kills.py",),
        {"PULSING_KILLS": "400"},
        seed=11,
    ),
    Campaign(
        "T-KILL-5",
        "power cuts: what was not synced is gone from a queue's file",
        "what was acknowledged is there; what is lost is told",
        ("tests/unit/streaming/test_streaming_sqlite.py", "-k", "sync"),
    ),
    Campaign(
        "T-KILL-6",
        "processes that end by `sys.exit`, `os._exit`, a segmentation fault, a second SIGTERM, and one out of memory",
        "left or dead as it was, callers are told what they can know, the name is free; who is out of memory goes on",
        (_INTEGRATION + "test_node_endings.py",),
    ),
    Campaign(
        "T-NET-1",
        "five hosts in network namespaces: cut into groups, silenced, heard one way only, cut by pairs, while all put "
        "into a durable queue",
        "views part and become one again without help; nobody whom somebody reaches is called dead; no bucket takes "
        "records on two sides, nothing acknowledged is lost or there twice",
        (_INTEGRATION + "test_hosts_partition.py",),
        {"PULSING_CUTS": "60"},
    ),
    Campaign(
        "T-NET-2",
        "three hosts whose network loses 1, 5 and 20 % of all packets, while numbered messages go between all of them",
        "nobody is called dead at 5 % and less, at 20 % at most once in an hour of a node; order holds, nothing is "
        "there twice",
        (_INTEGRATION + "test_hosts_loss.py",),
        {"PULSING_LOSS_S": "300"},
    ),
    Campaign(
        "T-NET-3",
        "lines between nodes that are slow, pass single bytes, break inside of frames, forget one end or stand still",
        "order holds, nothing arrives twice, what is lost is reported, who takes nothing is given up after 10 s",
        (_INTEGRATION + "test_node_bad_lines.py",),
        {"PULSING_LINE_MESSAGES": "5000"},
    ),
    Campaign(
        "T-NET-4, T-BLK-1",
        "wrong secrets, other clusters, taken ports; handlers that hold the loop or the interpreter for seconds",
        "a typed error, and no storm of dials; nobody is called dead for what a handler does",
        (_INTEGRATION + "test_cluster_joining.py", _INTEGRATION + "test_cluster_processes.py"),
        {"PULSING_HOLD_S": "20"},
    ),
    Campaign(
        "T-ASK-1",
        "ten thousand calls at once to one actor of another node",
        "all are answered, and what they took is bounded",
        (_INTEGRATION + "test_node_calls.py", "-k", "ten_thousand"),
    ),
    Campaign(
        "T-ORD-1",
        "eight senders to four actors over links that are broken all the time",
        "no message overtakes another, none arrives twice, gaps are those that were reported",
        (_INTEGRATION + "test_node_order_broken.py",),
        {"PULSING_ORDER": "10000000"},
    ),
    Campaign(
        "T-DRAIN-1",
        "a rolling restart of five nodes under calls",
        "no error but that a node leaves",
        (_INTEGRATION + "test_drain_processes.py",),
        {"PULSING_ROLLING_NODES": "5"},
    ),
    Campaign(
        "T-OVL-1",
        "ten times as many calls as an actor can take, in a memory cgroup of 512 MiB",
        "the process lives; at least 80 % of the calls it can do are done; health is answered within 250 ms (p99); "
        "calls are quick again within 5 s",
        (_INTEGRATION + "test_node_overload.py",),
        {"PULSING_OVERLOAD_S": "600"},
    ),
    Campaign(
        "T-OVL-2, 3",
        "peers that do not read, values that explode when decoded, floods within the rules",
        "each is refused or cut off, others go on, memory and loop within bounds",
        (
            _INTEGRATION + "test_node_stalled.py",
            _INTEGRATION + "test_node_hostile.py",
            _INTEGRATION + "test_node_budget.py",
        ),
    ),
    Campaign(
        "T-OVL-4",
        "actors of ever new names, spawned and stopped again",
        "`/metrics` stays within 500 kB; memory is back to 5 % of what it was",
        (_INTEGRATION + "test_spawn_without_end.py",),
        {"PULSING_SPAWNS": "1000000"},
    ),
    Campaign(
        "T-SOAK-1",
        "calls, streams, queues and topics between five processes, one of which is killed every minute",
        "no error that the contract does not allow; memory rises by at most 1 MiB in 10 minutes; files, threads and "
        "tasks stay as many",
        (_INTEGRATION + "test_soak.py",),
        {"PULSING_SOAK_S": "1200"},
        seed=5,
    ),
    Campaign(
        "T-SEC",
        "strangers without proof, pickles, secrets in whatever is written, settings, the matrix of the admin plane's "
        "gate, places that import, names that are markup in a browser",
        "as SECURITY.md says",
        (
            _INTEGRATION + "test_security_outsider.py",
            _INTEGRATION + "test_security_pickle.py",
            _INTEGRATION + "test_security_secrets.py",
            _INTEGRATION + "test_security_settings.py",
            _INTEGRATION + "test_subprocess_security.py",
            "tests/unit/admin/test_admin_gate.py",
            "tests/unit/admin/test_admin_matrix.py",
            "tests/unit/test_package_gates.py",
            "tests/e2e/test_e2e_hostile.py",
        ),
    ),
)
