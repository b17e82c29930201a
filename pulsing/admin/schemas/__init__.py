"""The shapes of what the admin plane reads and answers: one model a row, used by REST, stream and inspectors alike.

A layer offers its rows by `system.inspectors[kind] = fn(params)`. The function answers for this node only, in plain
JSON-able values, and leaves out (or sets to None) what it does not know.

| kind | params | value |
|---|---|---|
| node | `detail` | `NodeRow`; with `detail` true `NodeDetail` |
| actors | `system`, `ended`, `waiting` (default false), `window` | list of `ActorRow`; with `ended` true the last
  ends; with a window (`pulsing.core.window`) `{"rows", "total", "filtered"}` of that part alone |
| metadata | `actor` | what the actor's `metadata()` says, its card and its tags, or None |
| checks | | list of the checks that fail, with `name`, `status`, `since_at`; offered by nodes with an admin app |
| latency | | handle and wait times of the last minute as histograms; offered by nodes with an admin app |
| history | `names`, `range` | remembered numbers of the node; offered by nodes with an admin app |
| class | `class` | signatures and defaults of `ClassDetail`, or None where the class is not registered |
| actor | `actor`: id, path or bare name | `ActorDetail`, or None where it is not on this node |
| classes | | list of `ClassRow`, registered classes and classes of live actors |
| methods | | list of `MethodRow` |
| agents | | list of `AgentRow` |
| queues | | list of `QueueRow` with this node's buckets only in its numbers |
| queue | `queue` | `QueueDetail`, or None |
| queue_messages | `queue`, `bucket_id`, `offset`, `limit`, `order`, `contains` | `Peek`, or None; moves no reader |
| topics | | list of `TopicRow` of the brokers on this node |
| topic | `topic` | `TopicDetail`, or None |
| cluster | none | `ClusterView` as this node sees it |
| members | `detail` | list of `MemberRow` as this node sees it |
| names | | list of `NameRow`, whole cluster, as this node knows it |
| links | `closed` | list of `LinkRow` |
| events | `limit` | list of `EventRow`, newest first |
| dead_letters | `limit` | list of `DeadLetterRow`, newest first |

Times are RFC 3339 in UTC with milliseconds in `*_at`, durations seconds in `*_s`, ids text. Classes are
`module.Class`, actor names full paths. `href` is filled in by the admin plane.
"""

from pulsing.admin.schemas.actors import (
    ActorDetail,
    ActorError,
    ActorExit,
    ActorKind,
    ActorPolicy,
    ActorRow,
    ActorState,
    AgentRow,
    ClassDetail,
    ClassMethod,
    ClassRow,
    Commands,
    CurrentCall,
    MailboxDetail,
    MethodName,
    MethodRow,
    SpawnRehearsed,
    Stopped,
)
from pulsing.admin.schemas.base import Input, NodeFault, NodesAsked, Page, Problem, ProblemError, Row
from pulsing.admin.schemas.cluster import (
    ClusterView,
    GcGeneration,
    Joined,
    LinkRow,
    LinkState,
    MemberRow,
    MemberStatus,
    NameInstance,
    NameRow,
    NodeDetail,
    NodeRow,
    Percentiles,
    SeedRow,
)
from pulsing.admin.schemas.records import (
    AuditRow,
    CheckRow,
    ConfigRow,
    DeadLetterRow,
    EventRow,
    EventSubject,
    LetterNote,
    Recipient,
    ReplayOutcome,
)
from pulsing.admin.schemas.streaming import (
    BucketRow,
    Peek,
    PeekItem,
    QueueDetail,
    QueueRow,
    ReaderRow,
    SubscriberRow,
    TopicDetail,
    TopicRow,
)

__all__ = [
    "ActorDetail",
    "ActorError",
    "ActorExit",
    "ActorKind",
    "ActorPolicy",
    "ActorRow",
    "ActorState",
    "AgentRow",
    "AuditRow",
    "BucketRow",
    "CheckRow",
    "ClassDetail",
    "ClassMethod",
    "ClassRow",
    "ClusterView",
    "Commands",
    "ConfigRow",
    "CurrentCall",
    "DeadLetterRow",
    "EventRow",
    "EventSubject",
    "GcGeneration",
    "Input",
    "Joined",
    "LetterNote",
    "LinkRow",
    "LinkState",
    "MailboxDetail",
    "MemberRow",
    "MemberStatus",
    "MethodName",
    "MethodRow",
    "NameInstance",
    "NameRow",
    "NodeDetail",
    "NodeFault",
    "NodeRow",
    "NodesAsked",
    "Page",
    "Peek",
    "PeekItem",
    "Percentiles",
    "Problem",
    "ProblemError",
    "QueueDetail",
    "QueueRow",
    "ReaderRow",
    "Recipient",
    "ReplayOutcome",
    "Row",
    "SeedRow",
    "SpawnRehearsed",
    "Stopped",
    "SubscriberRow",
    "TopicDetail",
    "TopicRow",
]
