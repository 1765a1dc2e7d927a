import Shepherd.Forest

/-!
# Events as values

What `run.trace` gives, and what `observe` folds over.
-/

namespace Shepherd

/-- An event as a value, with its run's own handles. -/
def Event.toValue : Event → Value
  | .start _ _ agent args _ _ => .con "Start" [.agent agent, .list args]
  | .intent op args => .con "Intent" [.text op, .list args]
  | .outcome answer _ by' => .con "Outcome" [answer, .text by'.text]
  | .denied op args => .con "Denied" [.text op, .list args]
  | .injected v => .con "Injected" [v]
  | .forked _ k => .con "Forked" [.int k]
  | .undo j op args => .con "Undo" [.int j, .text op, .list args]
  | .reverted k => .con "Reverted" [.int k]
  | .ended kind _ => .con "End" [.text kind.text]

namespace M

/-- One handle of a run below `id`, whose table reads `held`, as a reader with the table `table` sees it: a run below `id`, or one
that the reader holds anyway; any other is shown as `None`. -/
def seenHandle (m : M) (id : Id) (held : List Id) (table : List Id) (h : Nat) : List Id × Value :=
  match held[h]? with
  | none => (table, .none)
  | some other =>
    if m.has other && (table.contains other || m.isBelow other id) then
      let kept := hold table other
      (kept.1, .run kept.2)
    else (table, .none)

/-- Some commits of run `id`, oldest first, as a reader with the table `table` sees them. -/
def seenEvents (m : M) (id : Id) (table : List Id) : List Commit → List Id × List Value
  | [] => (table, [])
  | c :: cs =>
    let r := c.event.toValue.mapHandles (m.seenHandle id (m.handlesToday id c)) table
    let rest := seenEvents m id r.1 cs
    (rest.1, r.2 :: rest.2)

/-- The reader's table, and the events of run `id` from index `from` on. -/
def traceValue (m : M) (reader id : Id) (start : Nat) : List Id × List Value :=
  m.seenEvents id (m.run reader).handles (((m.run id).trace.takeWhile fun c => start ≤ c.index).reverse)

end M

end Shepherd
