import Shepherd.Laws.Support.Deterministic

/-!
# Given the oracle, a tree of runs has one future
-/

namespace Shepherd

/-- Given the oracle, a tree of runs has one future.

`M.Makes ω a m n`: the move `a` brings the tree `m` to `n`, its next event. `a` is who moves: the tree itself, with the answer of the
oracle `ω` where it has no step of its own (`Act.on`), or the outside, which asks for an operation of the outermost owner or forks
the whole tree. `M.Next ω m n`, the relation in which trees go from event to event, says that there is such a move
(`M.next_iff`). Before an event the tree may make any number of steps that record nothing (`M.Quiet`); nevertheless one move leads
to one tree. -/
theorem step_deterministic {ω : Oracle} {a : Act} {m n n' : M} (h : M.Makes ω a m n) (h' : M.Makes ω a m n') : n = n' :=
  h.functional h'

/-- The same for whole executions: the same moves lead to the same tree. -/
theorem step_deterministic_all {ω : Oracle} {as : List Act} {m n n' : M} (h : M.MakesAll ω as m n) (h' : M.MakesAll ω as m n') :
    n = n' :=
  h.functional h'

/-- Of two executions in which the outside does nothing but answer, one continues the other. -/
theorem step_deterministic_line {ω : Oracle} {k l : Nat} {m n n' : M} (h : M.MakesAll ω (List.replicate k .on) m n)
    (h' : M.MakesAll ω (List.replicate l .on) m n') (le : k ≤ l) : M.MakesAll ω (List.replicate (l - k) .on) n n' :=
  h.continues h' le

/-- Two executions in which the outside does nothing but answer, and which have recorded equally much, have led to the same tree. -/
theorem step_deterministic_log {ω : Oracle} {i : Init} {k l : Nat} {m n n' : M} (reached : Reach ω i m)
    (h : M.MakesAll ω (List.replicate k .on) m n) (h' : M.MakesAll ω (List.replicate l .on) m n')
    (length : n.log.length = n'.log.length) : n = n' :=
  h.same_length reached.wf h' length

end Shepherd
