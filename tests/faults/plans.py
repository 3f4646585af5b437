"""Make plans: the faults for the calls of one upload. Each plan has its own marker, the upload's name."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from local_cloud.faults.kinds import FaultKind
from local_cloud.faults.rules import FOR_EVER, Fault, Step
from local_cloud.http.iam_calls import STATE_MACHINE

# Attempts that botocore and the functions make within one invocation.
ONE_INVOCATION = 5
# Waiting for a job that never ends takes hours: another test simulates the clock.
_ENDLESS = FaultKind.STILL_IN_PROGRESS
# Faults that may be permanent; with SILENT each attempt waits a minute, which would take hours.
LASTING = [kind for kind in FaultKind if kind is not FaultKind.SILENT]
# Only a person can repair these, or Rekognition decided them: the upload may fail at the first attempt.
MAY_FAIL = frozenset(
    {
        FaultKind.JOB_FAILED,
        FaultKind.RESULTS_EXPIRED,
        FaultKind.PAGES_IN_CIRCLES,
        FaultKind.DETECTION_FORBIDDEN,
        FaultKind.DETECTION_LAPSED,
        FaultKind.OTHER_PARAMETERS,
        FaultKind.OBJECT_UNREACHABLE,
        FaultKind.FUNCTION_KEY_DISABLED,
        FaultKind.FUNCTION_GONE,
        FaultKind.MACHINE_DELETING,
        FaultKind.KEY_DISABLED,
        FaultKind.KEY_UNUSABLE,
        FaultKind.ARCHIVED,
        FaultKind.FORBIDDEN,
        FaultKind.MANIFEST_FORBIDDEN,
        # The response to a HEAD has no body, so the cause of its 403 is unknown.
        FaultKind.CLOCK_SKEWED,
    }
)
# Lambda itself sends the state machine no usable response.
OF_LAMBDA = [
    FaultKind.NULL_ANSWER,
    FaultKind.CUT_ANSWER,
    FaultKind.ARTIFACT_PENDING,
    FaultKind.NOT_READY,
    FaultKind.BEING_CHANGED,
    FaultKind.NETWORK_NOT_READY,
    FaultKind.NO_ADDRESS_LEFT,
    FaultKind.NETWORK_THROTTLED,
]
# Clients retry these by themselves.
TRIED_AGAIN = [
    FaultKind.THROTTLED,
    FaultKind.SERVER_ERROR,
    FaultKind.UNAVAILABLE,
    FaultKind.RESET,
    FaultKind.LOST_ANSWER,
]
DELIVERING = ("-blur-faces", "-assemble-video")
RECORDING = "-record-failure"
_NO_RESPONSE = {
    FaultKind.THROTTLED,
    FaultKind.SERVER_ERROR,
    FaultKind.UNAVAILABLE,
    FaultKind.RESET,
    FaultKind.LOST_ANSWER,
    FaultKind.STRAGGLER,
    FaultKind.KILLED_LATER,
    FaultKind.FUNCTION_KEY_DISABLED,
    FaultKind.FUNCTION_GONE,
    *OF_LAMBDA,
}


def plans(
    steps: Sequence[Step], kinds: Iterable[FaultKind], attempts: Iterable[int], prefix: str
) -> list[list[Fault]]:
    """Return one plan for each call, kind and number of attempts; each has its own marker."""
    every = [(step, kind, count) for kind in kinds for count in attempts for step in steps]
    sensible = [one for one in every if one[0].can_meet(one[1]) and one[1:] != (_ENDLESS, FOR_EVER)]
    return [[Fault(f"{prefix}{n:04}", *one, after_s=n % 10 / 10)] for n, one in enumerate(sensible)]


def in_turn(steps: Sequence[Step], kinds: Sequence[FaultKind], prefix: str) -> list[list[Fault]]:
    """Return plans in which each call meets one fault, two calls in a plan; the kinds take turns."""
    turns: Counter[tuple[FaultKind, ...]] = Counter()
    count = -(-len(steps) // 2)
    found: list[list[Fault]] = [[] for _ in range(count)]
    for n, step in enumerate(steps):
        sensible = tuple(kind for kind in kinds if step.can_meet(kind))
        kind = sensible[turns[sensible] % len(sensible)]
        found[n % count].append(Fault(f"{prefix}{n % count:04}", step, kind))
        turns[sensible] += 1
    return found


def samples(steps: Sequence[Step], kinds: Iterable[FaultKind], prefix: str) -> list[list[Fault]]:
    """Return one plan for each kind that these calls can meet: a single fault, at the last of those calls."""
    last = [(kind, [step for step in steps if step.can_meet(kind)][-1:]) for kind in kinds]
    return [[Fault(f"{prefix}{n:04}", step, kind)] for n, (kind, found) in enumerate(last) for step in found]


def random_plans(steps: Sequence[Step], runs: int, seed: int, prefix: str = "pair") -> list[list[Fault]]:
    """Return plans of two faults each, the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 no secret; reproducible by its seed
    return [[_random_fault(dice, steps, f"{prefix}{n:04}") for _ in range(2)] for n in range(runs)]


def recording_plans(
    failed_steps: Sequence[Step], kinds: Iterable[FaultKind], attempts: Iterable[int], prefix: str
) -> list[list[Fault]]:
    """Return plans in which the recording of a failure meets a fault, of a job that Rekognition failed."""
    asking = next(step for step in failed_steps if step.can_meet(FaultKind.JOB_FAILED))
    return [
        [Fault(fault.marker, asking, FaultKind.JOB_FAILED, FOR_EVER), fault]
        for (fault,) in plans(_recording(failed_steps), kinds, attempts, prefix)
    ]


def unheard_plans(
    steps: Sequence[Step],
    failed_steps: Sequence[Step],
    kinds: Iterable[FaultKind],
    attempts: Iterable[int],
    prefix: str,
) -> list[list[Fault]]:
    """Return plans in which every response after the delivery is lost, and the recording meets a fault."""
    delivering = next(step for step in reversed(steps) if step.asked.endswith(DELIVERING))
    return [
        [Fault(fault.marker, delivering, FaultKind.LOST_ANSWER, FOR_EVER, one_function=True), fault]
        for (fault,) in plans(_recording(failed_steps), kinds, attempts, prefix)
    ]


def _recording(steps: Iterable[Step]) -> list[Step]:
    """Return the calls by the function that records failures, and the calls to it."""
    return [step for step in steps if step.principal.endswith(RECORDING) or step.asked.endswith(RECORDING)]


def _random_fault(dice: random.Random, steps: Sequence[Step], marker: str) -> Fault:
    step = dice.choice(steps)
    kind = dice.choice([kind for kind in FaultKind if step.can_meet(kind)])
    attempts = dice.choice((1, 2, ONE_INVOCATION, 2 if kind is _ENDLESS else FOR_EVER))
    if kind not in LASTING:
        attempts = 1
    return Fault(marker, step, kind, attempts, dice.random())


def is_unrecordable(faults: Iterable[Fault]) -> bool:
    """Return whether a permanent fault prevents the recording of a failure."""
    return any(
        fault.attempts == FOR_EVER
        and (fault.step.principal.endswith(RECORDING) or fault.step.asked.endswith(RECORDING))
        for fault in faults
    )


def is_cut_off(faults: Iterable[Fault]) -> bool:
    """Return whether, from some call on, no response of any function ever reaches the state machine."""
    return any(
        fault.step.principal == STATE_MACHINE and fault.attempts == FOR_EVER and fault.kind in _NO_RESPONSE
        for fault in faults
        if not fault.one_function
    )
