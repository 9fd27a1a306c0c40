"""Why an attempt, a change or a bead ended or was sent back. Names only."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why an attempt, a change or a bead ended or was sent back: one enum for all (MERGE_QUEUE
    promise 7)."""

    WORKER_FAILED = "worker_failed"
    WORKER_MISSING = "worker_missing"
    WORKER_DEFERRED = "worker_deferred"
    LEASE_EXPIRED = "lease_expired"
    WALL_TIME = "wall_time"
    OUTPUT_LIMIT = "output_limit"
    MEMORY_LIMIT = "memory_limit"
    PROCESS_LIMIT = "process_limit"
    TRANSPORT_LOST = "transport_lost"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    SLOT_BUSY = "slot_busy"
    NOTHING_TO_LAND = "nothing_to_land"
    RESULT_CONFLICTED = "result_conflicted"
    RESULT_UNUSABLE = "result_unusable"
    CONFLICT = "conflict"
    CHECK_FAILED = "check_failed"
    CHECK_TIMEOUT = "check_timeout"
    NO_CHECKS = "no_checks"
    ALREADY_LANDED = "already_landed"
    TARGET_MISSING = "target_missing"
    TARGET_CONFLICTED = "target_conflicted"
    REMOTE_REFUSED = "remote_refused"
    REMOTE_UNREACHABLE = "remote_unreachable"
    INFRASTRUCTURE = "infrastructure"
    CHECK_NOT_STARTED = "check_not_started"
    PREDECESSOR_LEFT = "predecessor_left"
    REJECTED = "rejected"
    CLOSED = "closed"
    PUSHED = "pushed"
    RETARGETED = "retargeted"
    EDITED = "edited"
    SUPERSEDED = "superseded"
    UNAPPROVED = "unapproved"
    HELD = "held"
    UNREADY = "unready"
    HOOK_REFUSED = "hook_refused"
