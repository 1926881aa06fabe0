"""A hand-made run: the storage worker is killed once, the host once, and a guest once, while clients call everybody."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

from tests.unit.drills.histories import BEGAN_S, DRILL, UUID, Journal, call, guest, look, pool
from tierhost.drills.checkers import barrier, double_runs, exact_restart
from tierhost.drills.history import FAILED, UNKNOWN, Call, Look, Strike
from tierhost.drills.plan import Fault, Point
from tierhost.drills.reports.results import Run, Trial
from tierhost.drills.verdicts import Finding, Verdict

if TYPE_CHECKING:
    from tierhost.drills.history import History

METHODS: Final = {"secret": "secret.secret_list", "storage": "storage.storage_pool_list", "qemu": "qemu.domain_list"}
PLAN: Final = replace(
    DRILL,
    name="kill-storage-then-host",
    title="The storage worker is killed, then the host, then a guest",
    faults=(
        Fault("kill", "storage", Point("time", after_s=2.0)),
        Fault("kill", "host", Point("phase", driver="storage", phase="INITIALIZING")),
        Fault("kill", "guest ledger", Point("time", after_s=6.0)),
    ),
)
COMMAND: Final = "tierhost drill replay out/failed-17.json"


def made_history(seed: int, *, lost: bool = False, faults: bool = True) -> History:
    """One run of ten seconds. `lost`: a pool that was started is not active at the end. Without faults: a control run."""
    random = Random(seed)
    journal = _journal(random) if faults else _calm()
    calls = tuple(sorted(_calls(random, faults=faults), key=lambda each: each.begin_s))
    start = call("storage.storage_pool_create", "vault", 0, at_s=1.5, took_s=0.2)
    strikes = _strikes(random) if faults else ()
    made = journal.of_run(calls=(start, *calls), strikes=strikes, looks=_looks(lost=lost, killed=faults))
    return replace(made, drill=PLAN.name, seed=seed)


def _calm() -> Journal:
    journal = Journal()
    journal.at_s = 0.02
    journal.host()
    for tier in (("secret", "storage"), ("qemu",)):
        for step in (journal.start, journal.initialized, journal.order_auto_start, journal.auto_started):
            for driver in tier:
                journal.at_s += 0.03
                step(driver)
    return journal


def _journal(random: Random) -> Journal:
    journal = _calm()
    journal.at_s = 2.0 + random.uniform(0, 0.01)
    journal.dies("storage")
    journal.start("storage", 2)
    journal.at_s = 2.3
    journal.initialized("storage", 2)
    journal.ready("storage", 2)
    journal.at_s = 4.4
    for driver, number in (("qemu", 1), ("secret", 1), ("storage", 2)):
        journal.say("LifeFound", driver=driver, incarnation=number)
        journal.say("PublishPhase", driver=driver, incarnation=number, phase="ADOPTING", reason="")
    journal.say("HostStarted")
    journal.at_s = 4.5
    for driver, number in (("secret", 1), ("storage", 2), ("qemu", 1)):
        journal.say("WorkerGreeted", driver=driver, incarnation=number, phase="state_auto_start")
        journal.say("AdoptWorker", driver=driver, incarnation=number)
        journal.ready(driver, number)
        journal.say("AnnounceUp", driver=driver, incarnation=number)
    return journal


def _strikes(random: Random) -> tuple[Strike, ...]:
    begun = BEGAN_S + 2.0 + random.uniform(0, 0.005)
    return (
        Strike(1, "kill", "storage", "t+2s", begun, "pid 17 ended by SIGKILL", begun + 0.3),
        Strike(2, "kill", "host", "phase INITIALIZING of storage", BEGAN_S + 4.1, "pid 9 is gone", BEGAN_S + 4.5),
        Strike(3, "kill", "guest ledger", "t+6s", BEGAN_S + 6.0, "pid 71 is gone", BEGAN_S + 6.0),
    )


def _calls(random: Random, *, faults: bool) -> list[Call]:
    calls = []
    for driver, method in METHODS.items():
        at_s = 0.6
        while at_s < 9.5:
            took_s = 0.0008 + random.expovariate(1500)
            if faults and driver == "storage" and 2.0 <= at_s < 2.3:
                took_s = 2.3 - at_s + random.uniform(0.001, 0.02)
            made = call(method, at_s=at_s, took_s=took_s, load=True)
            if faults and driver == "storage" and 1.99 < at_s < 2.02:
                made = replace(made, outcome=FAILED, kind="PeerDied", text="the worker died; nothing of the request was done")
            calls.append(made)
            at_s += 0.05
    if faults:
        doubt = call("qemu.domain_suspend", "ledger", at_s=5.99, took_s=0.4, outcome=UNKNOWN, kind="OutcomeUnknown")
        calls.append(replace(doubt, text="the guest <ledger> & its process ended meanwhile"))
    return calls


def _looks(*, lost: bool, killed: bool) -> tuple[Look, ...]:
    found = []
    for at_s, label in ((0.5, "before"), (3.5, "during"), (5.5, "during"), (9.6, "after")):
        ended = killed and at_s > 6
        guests = {"web": guest(), "ledger": guest(pid=0 if ended else 71, state="shutoff" if ended else "running", uuid="u-2")}
        bodies = [{"uuid": UUID, "pid": 70}] + ([] if ended else [{"uuid": "u-2", "pid": 71}])
        active = at_s > 1 and not (lost and at_s > 9)
        pools = {"images": pool(autostart=True), "vault": pool(active=active)}
        found.append(look(label, at_s=at_s, guests=guests, pools=pools, secrets={}, world={"guests": bodies, "processes": []}))
    return tuple(found)


def trial(seed: int, **how: bool) -> Trial:
    """One run, judged."""
    history = made_history(seed, **how)
    findings = [judge.judge(history) for judge in (barrier, double_runs, exact_restart)]
    findings.append(Finding("leftovers", Verdict.UNKNOWN, "nobody looked for <mounts> & sockets"))
    return Trial(history, tuple(findings))


def made_run(trials: int = 1, *, lost: bool = True) -> Run:
    """A whole run, with a control beside it."""
    told = tuple(trial(seed, lost=lost and seed == 1) for seed in range(1, trials + 1))
    control = tuple(trial(seed, faults=False) for seed in range(100, 100 + trials))
    return Run(PLAN, told, COMMAND, control, notes=("Made by hand: no such run was ever made.",))
