import Shepherd.RunOps

/-!
# With whom a copy shares a limit
-/

namespace Shepherd

namespace M

/-- Where a fork copied a run too, its copy is what is meant. -/
theorem meant_copied {m : M} {r f old x : Id} (inherited : r ≠ .copy f old) (i : m.has (.copy f (Id.today r old x)) = true) :
    m.meant r (.copy f old) x = .copy f (Id.today r old x) := by
  unfold meant
  rw [if_neg (Ne.symm inherited)]
  simp only
  rw [if_pos i]

/-- A layer that was given to a run above a copy `copy f old`, in a copy of it that is made at a commit which it inherited. Where the
fork `f` copied the run above as well, the layer is that of this run's copy, and nothing is counted anew. -/
theorem copyLayer_above {m : M} {f old : Id} {c : Commit} {inside : List Id} {l : Layer} (inherited : c.run ≠ .copy f old)
    (above : inside.contains l.origin = false) (i : m.has (.copy f (Id.today c.run old l.origin)) = true) (fork : Id) (used : Used) :
    copyLayer m (.copy f old) fork c inside used l = (used, { l with origin := .copy f (Id.today c.run old l.origin) }) := by
  unfold copyLayer
  rw [above, if_neg Bool.false_ne_true, meant_copied inherited i]

end M

end Shepherd
