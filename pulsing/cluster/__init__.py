"""Who is in the cluster, where names live, and which node owns a key."""

from pulsing.cluster.channel import Channel, Connected, DialFailed, Heard, LinkEvent, LinkLost
from pulsing.cluster.cluster import Cluster
from pulsing.cluster.directory import Directory, Instance
from pulsing.cluster.driver import resolve_host
from pulsing.cluster.events import MemberChanged
from pulsing.cluster.head import JoinPlan
from pulsing.cluster.member import Member, Status
from pulsing.cluster.names import Entry
from pulsing.cluster.placement import owner_of
from pulsing.cluster.profile import FAST, LAN, PROFILES, Profile
from pulsing.cluster.seeds import Address, parse_address

__all__ = [
    "FAST",
    "LAN",
    "PROFILES",
    "Address",
    "Channel",
    "Cluster",
    "Connected",
    "DialFailed",
    "Directory",
    "Entry",
    "Heard",
    "Instance",
    "JoinPlan",
    "LinkEvent",
    "LinkLost",
    "Member",
    "MemberChanged",
    "Profile",
    "Status",
    "owner_of",
    "parse_address",
    "resolve_host",
]
