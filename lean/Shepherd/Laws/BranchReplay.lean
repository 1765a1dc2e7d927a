import Shepherd.Laws.BranchReplay.All
import Shepherd.Laws.BranchReplay.Unique
import Shepherd.Laws.ForkAtomic

/-!
# A fork is the run, told its events again
-/

namespace Shepherd

open Id (MayOwn Over)

/-- The run `x` of the tree `m` is what a run of `agent(args…)` on the files `base`, alone, comes to that is told the events of its
trace again: its code, its files and its inbox. And the events leave no choice: whatever such a run comes to is that, but for
local steps that one of the two has already made. -/
structure M.Replays (m : M) (x : Id) (agent : String) (args : List Value) (base : Files) : Prop where
  state : Rerun m.program agent args base (m.run x).trace.fixed (m.run x).alone
  unique : ∀ s, Rerun m.program agent args base (m.run x).trace.fixed s → s.Same m.program (m.run x).alone

/-- In the tree `n` the run `copy` is the run `original`, started under the id `copy`, with the events `c :: t` of that one (newest
first) and `forked` fixed: its trace is these, literally, and `forked`; and its code, its files and its inbox are what a run of the
original's agent with the original's arguments on the original's first files, alone, comes to that is told these events. -/
structure M.Branch (n : M) (copy original : Id) (of' : Id) (c : Commit) (t : Trace) : Prop where
  there : n.has copy = true
  inherited : c :: t <:+ (n.run original).trace
  events : ∃ d, (n.run copy).trace = d :: c :: t ∧ d.run = copy ∧ d.event = .forked of' c.index
  agent : (n.run copy).agent = (n.run original).agent
  args : (n.run copy).args = (n.run original).args
  base : (n.run copy).base = (n.run original).base
  replays : n.Replays copy (n.run original).agent (n.run original).args (n.run original).base

namespace M

theorem Retold.replays {m : M} (k : Retold World m) {x : Id} (hx : m.has x = true) (nw : x ≠ .world) :
    m.Replays x (m.run x).agent (m.run x).args (m.run x).base :=
  have r := k.now x nw hx
  ⟨r, fun _ hs => Rerun.unique _ rfl hs r⟩

theorem Retold.branch {n : M} (k : Retold World n) {copy original of' : Id} {c : Commit} {t : Trace} (nw : copy ≠ .world)
    (no : original ≠ .world) (inherited : c :: t <:+ (n.run original).trace) (j : n.JustForked copy of' c t) :
    n.Branch copy original of' c t := by
  obtain ⟨d, ht, hd⟩ := j.trace
  have there : n.has copy = true := has_of_trace (by rw [ht]; exact nofun)
  have one := k.kin copy nw c (by rw [ht]; exact List.mem_cons_of_mem _ List.mem_cons_self)
  have two := k.kin original no c (inherited.subset List.mem_cons_self)
  have agent := one.2.1.symm.trans two.2.1
  have args := one.2.2.1.symm.trans two.2.2.1
  have base := one.2.2.2.symm.trans two.2.2.2
  refine ⟨there, inherited, ⟨d, ht, hd.run, hd.event⟩, agent, args, base, ?_⟩
  have r := k.replays there nw
  rw [agent, args, base] at r
  exact r

end M

/-- A fork equals the run started under the fork's id with the first k events and `forked` fixed; for any number of children, nested.

`Rerun P agent args base events s` is the run alone, without other runs, owners, oracle or ids: a run of `agent(args…)` on the files
`base` makes its local steps, asks what the `events` say that it asked, and is told what they say that it was told (and with which
text it was refused, which no event holds); `s` is its code, its files and its inbox then. Taken from the tree is nothing else; tables
of handles, which name runs, are what `fork_atomic` says.

`M.After ω i.start m`: the tree of runs started from `i` can become `m`, the outside being the oracle `ω`, and with whatever the
outermost owner does. Then

- every run of it is its `Rerun`, with the events of its whole trace, and the events leave no choice (`M.Replays`): so are copies, of
  copies too, however often they were forked and whatever they did since, for the trace of a copy begins with the events that it
  inherited and `forked`;
- where the active run `asker` does `run.fork(r, k)` for a run `r` that it owns, with the commit `c` at event `k`, one step of the
  machine makes the tree `n`, in which the copy of `r` is `r`, started under the copy's id, with the events 0 to `k` and `forked`
  fixed (`M.Branch`); and so is the copy of each run that stood below `r` at that event, with the events that it then had. -/
theorem branch_replay {ω : Oracle} {i : Init} {m : M} (reached : M.After ω i.start m) :
    (∀ x, m.has x = true → x ≠ .world → m.Replays x (m.run x).agent (m.run x).args (m.run x).base) ∧
    ∀ {asker : Id} {rest : List Id} {w : Waiting}, m.stack = asker :: rest → (m.run asker).code = .settled (.waiting w) →
      w.op = "run.fork" → ∀ {v : Value} {k : Nat}, w.args = [v, .int k] → ∀ {r : Id}, m.owned asker v = .ok r →
      ∀ {c : Commit}, (m.run r).trace.nth k = some c →
      let f := Id.made asker (m.run asker).made
      (∀ x, m.has (.copy f x) = false) ∧ ∃ n, m.step = some n ∧
        (∃ t, (m.run r).trace.upTo k = c :: t ∧ n.Branch (.copy f r) r r c t) ∧
        ∀ h ∈ c.heads, ∃ e u, (m.run h.id).trace.upTo (h.length - 1) = e :: u ∧
          n.Branch (.copy f (Id.today c.run r h.id)) h.id (Id.today c.run r h.id) e u := by
  refine ⟨fun x hx nw => reached.replays.1.replays hx nw, fun {asker rest w} active asks op {v k} args {r} original {c} event => ?_⟩
  intro f
  have s := reached.sound
  obtain ⟨fresh, ⟨n, step, ⟨t, ht, top⟩, _, _, _, heads, _, _, _⟩, _⟩ :=
    fork_atomic reached active asks op args original event
  have k' := (reached.step step).replays.1
  have grow := fun x => (M.follows_step s.wf step).2.trace x
  refine ⟨fresh, n, step, ⟨t, ht, k'.branch nofun ?_ ?_ top⟩, fun h hh => ?_⟩
  · exact M.ne_world_of_owns s.wf.owner (M.owns_of_owned original)
  · rw [← ht]; exact (Trace.upTo_suffix _ _).trans (grow r)
  · obtain ⟨e, u, hu, _, j, _⟩ := heads h hh
    refine ⟨e, u, hu, k'.branch nofun (s.wf.heads r c (Trace.nth_mem event) h hh) ?_ j⟩
    rw [← hu]; exact (Trace.upTo_suffix _ _).trans (grow h.id)

end Shepherd
