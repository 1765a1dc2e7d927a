import Shepherd.Laws.Support.Reach

/-!
# Traces and the log only grow
-/

namespace Shepherd

/-- Every trace only grows, reverts included.

`M.After ω i.start m`: the tree of runs started from `i` can become `m`, the outside being the oracle `ω`. `M.After ω m n`: from
there it can become `n`, by steps of the tree, answers of the oracle, operations of the outermost owner (reverts among them) and
forks of the whole tree, in any number and order. Then the trace that any run has in `m` is what its trace in `n` begins with:
traces are newest first, so it is a suffix (`<:+`). A run that `m` does not have yet has the empty trace there. -/
theorem trace_monotone {ω : Oracle} {i : Init} {m n : M} (before : M.After ω i.start m) (later : M.After ω m n) (id : Id) :
    (m.run id).trace <:+ (n.run id).trace :=
  (later.follows (before.follows i.wf).1).2.trace id

/-- The log only grows, reverts included.

As for `trace_monotone`: what the log of the tree is in `m`, the log in `n` begins with. -/
theorem log_monotone {ω : Oracle} {i : Init} {m n : M} (before : M.After ω i.start m) (later : M.After ω m n) :
    m.log <:+ n.log :=
  (later.follows (before.follows i.wf).1).2.log

/-! ## From event to event, and for one step -/

/-- Every trace only grows from one event to the next. -/
theorem Reach.trace_grows {ω : Oracle} {i : Init} {m n : M} (h : Reach ω i m) (next : M.Next ω m n) (id : Id) :
    (m.run id).trace <:+ (n.run id).trace :=
  Shepherd.trace_monotone h.after next.after id

/-- The log grows from one event to the next. -/
theorem Reach.log_grows {ω : Oracle} {i : Init} {m n : M} (h : Reach ω i m) (next : M.Next ω m n) : m.log <:+ n.log :=
  Shepherd.log_monotone h.after next.after

end Shepherd
