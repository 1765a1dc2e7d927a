"""The operations on runs, answered by the machine in a step of their own (`core.md`, "Who answers").

Each looks only at the state. The asker must own the run, else `Err(own)`; for `run.trace` holding it is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shepherd_dsl.core.digest import program_digest
from shepherd_dsl.core.event import Forked, Injected, Outcome, Start
from shepherd_dsl.core.expr import Call, Lit
from shepherd_dsl.core.fault import Fault
from shepherd_dsl.core.files import merge
from shepherd_dsl.core.forest import (
    Head,
    Machine,
    adopted,
    heads,
    hold,
    is_live,
    meant,
    own,
    owns,
    put,
    record,
    renaming,
    with_stack,
    with_used,
)
from shepherd_dsl.core.grant import request_from
from shepherd_dsl.core.limits import TRACE_DEPTH
from shepherd_dsl.core.permit import grant_value
from shepherd_dsl.core.program import FORMAT_VERSION, Program
from shepherd_dsl.core.run import (
    Commit,
    Discarded,
    Driving,
    Layer,
    Run,
    Running,
    Waiting,
    but,
    copy_id,
    layer,
    made,
    nth,
)
from shepherd_dsl.core.shown import deliver, map_value, passing, reply, shown, taken_up
from shepherd_dsl.core.step import check_size, resume
from shepherd_dsl.core.trace_value import trace_value
from shepherd_dsl.core.unwind import begin
from shepherd_dsl.core.value import NONE, UNIT, Agent, Con, Handle, Value, err, handles_in, ok, some

Rule = Callable[[Machine, Run, Waiting], Machine]


def perform(m: Machine, active: Run, code: Waiting) -> Machine | None:
    """Answer the open operation on runs of the active run; None for `run.pick`, which the oracle answers."""
    if code.op == "run.pick":
        return pick(m, active, code)
    rule = RULES.get(code.op)
    if rule is None:
        return reply(m, active.id, code, err("name", f"no operation `{code.op}`"))
    return rule(m, active, code)


def body_of(program: Program, agent: str, args: tuple[Value, ...]) -> Running:
    """The code a run of `agent(args…)` starts with."""
    return Running(Call(Lit(Agent(agent)), tuple([Lit(arg) for arg in args])), None, None, 0)


def wrong(m: Machine, active: Run, code: Waiting) -> Machine:
    """The answer to arguments of the wrong number or kind."""
    return reply(m, active.id, code, err("type", f"`{code.op}` got arguments it does not take"))


def owned(m: Machine, active: Run, value: Value) -> str | Con:
    """The id of the run that `value` is a handle to, if the asker owns it; else the `Err` to answer."""
    if not isinstance(value, Handle) or value.index >= len(active.handles):
        return err("type", "a run is expected")
    id = active.handles[value.index]
    return id if owns(m, active.id, id) else err("own", "the run is not owned by the one that asks")


# ── starting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def spawn(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.spawn(agent, args, request)`: a new run on the asker's files; runs among the arguments become its own."""
    if len(code.args) != 3 or not isinstance(code.args[0], Agent) or not isinstance(code.args[1], tuple):
        return wrong(m, active, code)
    agent, args = code.args[0].name, code.args[1]
    found = m.program.defs.get(agent)
    if found is None or len(found.params) != len(args):
        return reply(m, active.id, code, err("name", f"no agent `{agent}` of {len(args)} arguments"))
    try:
        request = request_from(code.args[2])
    except (Fault, ValueError) as why:
        return reply(m, active.id, code, err("grant", str(why)))
    id = made(active.id, active.made)
    table: tuple[str, ...] = ()

    def give(inner: Value) -> Value:
        nonlocal table
        if type(inner) is Handle:
            table, index = hold(table, active.handles[inner.index])
            return Handle(index)
        return inner

    given = map_value(args, give)
    assert isinstance(given, tuple)
    grant = (*active.grant, layer(id, request))
    files = active.files
    child = Run(
        id,
        None,
        (),
        agent,
        given,
        body_of(m.program, agent, given),
        files,
        files,
        grant,
        table,
        None,
        (),
        0,
        m.size,
        (),
    )
    m = put(m, child)
    m = own(m, id, active.id, ())
    for held in table:
        if owns(m, active.id, held):
            m = own(m, held, id, (active.id, *m.runs[held].givers))
    event = Start(FORMAT_VERSION, program_digest(m.program), agent, given, grant_value(grant), files.hash)
    m = record(m, id, event, code=child.code)
    return answer_run(m, active, code, id)


def answer_run(m: Machine, active: Run, code: Waiting, id: str) -> Machine:
    """`Ok(run h)` for the run just made by the asker."""
    asker = m.runs[active.id]
    table, index = hold(asker.handles, id)
    m = put(m, but(asker, handles=table, made=asker.made + 1))
    return reply(m, active.id, code, ok(Handle(index)))


def fork(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.fork(r, k)`: r after its event k, with everything below it at that point, copied; then `forked`."""
    if len(code.args) != 2 or type(code.args[1]) is not int:
        return wrong(m, active, code)
    id = owned(m, active, code.args[0])
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    commit = nth(m.runs[id].trace, code.args[1])
    if commit is None:
        return reply(m, active.id, code, err("step", f"there is no event {code.args[1]}"))
    fork_id = made(active.id, active.made)
    m = copy_tree(m, id, commit, fork_id, owner=active.id)
    return answer_run(m, active, code, copy_id(fork_id, id))


def copy_tree(m: Machine, id: str, commit: Commit, fork_id: str, *, owner: str) -> Machine:
    """Copies of run `id` at `commit` and of all below it then, each with `forked` appended; lower runs first.

    Nothing is copied but the table of handles: code, environment, files and trace are shared. A limited clause that was
    given to a run of the group counts for the copies by itself, from where it was at `commit`. One given to a run above
    the group is shared with the run which that one means today.
    """
    top = Head(id, commit, owner, (), commit.heads[commit.run])
    parts = [*heads(m, id, commit), top]
    today = renaming(id, commit)
    group = {head.id for head in parts}
    inside = {head.then.id for head in parts}

    def copied(old: str) -> str:
        return copy_id(fork_id, old)

    def held_by_copy(old: str) -> str:
        now = today(old)
        return copied(now) if now in group else meant(m, commit.run, id, old)

    used = m.used
    ranks = {head.id: rank for rank, head in enumerate(sorted(parts, key=lambda head: head.then.born))}
    for head in parts:
        grant = []
        for part in head.then.grant:
            if part.origin not in inside:
                above = meant(m, commit.run, id, part.origin)
                grant.append(Layer(above, part.clauses, part.limited))
                continue
            origin = copied(today(part.origin))
            grant.append(Layer(origin, part.clauses, part.limited))
            for index in part.limited:
                used = used.insert((origin, index), commit.used.get((part.origin, index), 0))
        lent = tuple([copied(giver) for giver in head.givers if giver in group])
        if len(lent) < len(head.givers):
            lent = (*lent, owner)
        m = put(
            m,
            Run(
                copied(head.id),
                owner if head is top else copied(head.owner),
                lent,
                head.then.agent,
                head.then.args,
                head.commit.code,
                head.commit.files,
                head.then.base,
                tuple(grant),
                tuple([held_by_copy(held) for held in head.commit.handles]),
                head.commit,
                head.commit.inbox,
                head.commit.made,
                m.size + ranks[head.id],
                (),
            ),
        )
    m = with_used(m, used)
    # All copies exist before one is adopted or recorded: an owner may be named before it is met.
    for head in parts:
        m = adopted(m, copied(head.id))
    for head in parts:
        code = head.commit.code if head is top else taken_up(m, m.runs[copied(head.id)])
        m = record(m, copied(head.id), Forked(head.id, head.commit.index), code=code)
    return m


# ── driving ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def next_(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.next(r)`: the asker is `driving r`, which becomes the active run."""
    id = owned(m, active, code.args[0]) if len(code.args) == 1 else err("type", "`run.next` takes a run")
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    m = put(m, but(active, code=Driving(id, code)))
    return with_stack(m, (id, m.stack))


def at_intent(m: Machine, active: Run, value: Value) -> str | Con:
    """The id of an owned run that shows an intent, else the `Err` to answer."""
    id = owned(m, active, value)
    if isinstance(id, Con):
        return id
    return id if shown(m, id) is not None else err("stop", "the run is not at an intent; `run.next` brings it to one")


def pass_(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.pass(r)`: the asker becomes `passing`: it shows r's intent to its own owner."""
    id = at_intent(m, active, code.args[0]) if len(code.args) == 1 else err("type", "`run.pass` takes a run")
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    return put(m, but(active, code=passing(m, id, code)))


def answer_(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.answer(r, v)`: the whole chain gets `Ok(v)` from its owner; nothing reaches the world."""
    if len(code.args) != 2:
        return wrong(m, active, code)
    return _owner_answers(m, active, code, ok(code.args[1]))


def deny(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.deny(r, text)`: the whole chain gets `Err(denied)` from its owner."""
    if len(code.args) != 2 or not isinstance(code.args[1], str):
        return wrong(m, active, code)
    return _owner_answers(m, active, code, err("denied", code.args[1]))


def _owner_answers(m: Machine, active: Run, code: Waiting, value: Con) -> Machine:
    id = at_intent(m, active, code.args[0])
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    if next(handles_in(value), None) is not None:
        return reply(m, active.id, code, err("handle", "an answer contains no run"))
    m = deliver(m, id, value, (), "owner")
    return reply(m, active.id, code, ok(UNIT))


def pick(m: Machine, active: Run, code: Waiting) -> Machine | None:
    """`run.pick([r…])`: which of some runs at intents goes on. The oracle answers; here only nonsense is answered."""
    runs = code.args[0] if len(code.args) == 1 else None
    if not isinstance(runs, tuple) or not runs:
        return reply(m, active.id, code, err("type", "`run.pick` takes a list of runs, not empty"))
    for value in runs:
        id = at_intent(m, active, value)
        if isinstance(id, Con):
            return reply(m, active.id, code, id)
    return None


def picked(m: Machine, id: str, value: Con) -> Machine:
    """The oracle's answer to `run.pick` of run `id`: an index into the list, recorded as that run."""
    code = m.runs[id].code
    assert isinstance(code, Waiting)
    runs = code.args[0]
    assert isinstance(runs, tuple)
    if value.name == "Ok":
        index = value.args[0]
        if type(index) is not int or not 0 <= index < len(runs):
            value = err("index", "the index picked is not in the list")
        else:
            value = ok(runs[index])
    return record(m, id, Outcome(value, (), "world"), code=resume(value, code.stack))


# ── looking and writing into ─────────────────────────────────────────────────────────────────────────────────────────


def trace(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.trace(r, from)`: the events of r from index `from` on, as values. Holding r is enough."""
    if len(code.args) != 2 or type(code.args[1]) is not int or not isinstance(code.args[0], Handle):
        return wrong(m, active, code)
    id = active.handles[code.args[0].index]
    table, events = trace_value(m, active, id, max(code.args[1], 0))
    try:
        check_size(events, depth=TRACE_DEPTH)
    except Fault as why:
        return reply(m, active.id, code, err(why.code, f"the events cannot be read: {why.text}"))
    if table is not active.handles:
        m = put(m, but(active, handles=table))
    return reply(m, active.id, code, ok(events))


def inject(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.inject(r, v)`: appends `injected(v)` to r, which reads it with `inbox.take`."""
    if len(code.args) != 2:
        return wrong(m, active, code)
    id = owned(m, active, code.args[0])
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    value = code.args[1]
    if next(handles_in(value), None) is not None:
        return reply(m, active.id, code, err("handle", "a message contains no run"))
    run = m.runs[id]
    if not is_live(run):
        return reply(m, active.id, code, err("ended", "the run has ended"))
    m = record(m, id, Injected(value), code=run.code, inbox=(*run.inbox, value))
    return reply(m, active.id, code, ok(UNIT))


def take(m: Machine, active: Run, code: Waiting) -> Machine:
    """`inbox.take()`: the oldest message not yet taken, `Some(v)`, or `None`."""
    if not active.inbox:
        return reply(m, active.id, code, ok(NONE))
    value = ok(some(active.inbox[0]))
    event = Outcome(value, (), "machine")
    return record(m, active.id, event, code=resume(value, code.stack), inbox=active.inbox[1:])


# ── files and taking back ────────────────────────────────────────────────────────────────────────────────────────────


def merge_(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.merge(r)`: r's files, three-way against its base, into the asker's; a conflict changes nothing."""
    id = owned(m, active, code.args[0]) if len(code.args) == 1 else err("type", "`run.merge` takes a run")
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    run = m.runs[id]
    if isinstance(run.code, Discarded):
        return reply(m, active.id, code, err("ended", "the run was discarded"))
    merged = merge(run.base, active.files, run.files)
    if isinstance(merged, tuple):
        return reply(m, active.id, code, ok(Con("Conflict", (merged,))))
    return reply(m, active.id, code, ok(Con("Merged")), active.files.diff(merged))


def revert(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.revert(r, k)`: compensations first, then code and files of r, and of what it owned, are those after k."""
    if len(code.args) != 2 or type(code.args[1]) is not int:
        return wrong(m, active, code)
    return _take_back(m, active, code, code.args[1])


def discard(m: Machine, active: Run, code: Waiting) -> Machine:
    """`run.discard(r)`: unwinds r and all below, then ends them."""
    if len(code.args) != 1:
        return wrong(m, active, code)
    return _take_back(m, active, code, None)


def _take_back(m: Machine, active: Run, code: Waiting, to: int | None) -> Machine:
    id = owned(m, active, code.args[0])
    if isinstance(id, Con):
        return reply(m, active.id, code, id)
    if to is None and isinstance(m.runs[id].code, Discarded):
        return reply(m, active.id, code, err("ended", "the run was discarded before"))
    begun = begin(m, active.id, code, id, to)
    return reply(m, active.id, code, begun) if isinstance(begun, Con) else begun


RULES: Mapping[str, Rule] = {
    "inbox.take": take,
    "run.answer": answer_,
    "run.deny": deny,
    "run.discard": discard,
    "run.fork": fork,
    "run.inject": inject,
    "run.merge": merge_,
    "run.next": next_,
    "run.pass": pass_,
    "run.revert": revert,
    "run.spawn": spawn,
    "run.trace": trace,
}
