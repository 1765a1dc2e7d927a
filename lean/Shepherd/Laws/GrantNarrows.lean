import Shepherd.Laws.GrantNarrows.Steps

/-!
# A grant only narrows
-/

namespace Shepherd

/-- What a grant permits, limits apart: every layer has a clause that allows it. -/
def permits (grant : List Layer) (op : String) (args : List Value) : Prop :=
  ∀ l ∈ grant, ∃ c ∈ l.clauses, c.allows op args = true

/-- A run never holds more than the run that spawned it.

`M.After ω i.start m`: the tree of runs started from `i` can become `m`, the outside being the oracle `ω`. The run `made a k` is the
one that run `a` spawned as its `k`-th; the run `copy f x` is a copy, made in the fork `f`, of the run that `x` names (`Id.CopyOf`: that
run itself, or, where it is itself no run of the tree but only the name of a copy, the run that was copied). Then

- the grant of a spawned run is that of the run that made it, with one layer more, which is its own;
- the grant of a copy is that of its original, layer by layer, but for the names of the runs that the layers were given to;
- whatever happens later, no run's grant ever changes, so what is said here of makers and originals as they are now holds as of then;
- so every operation that the grant of a spawned run permits, limits apart, the grant of its maker permits, and a copy's grant
  permits exactly what that of its original permits. -/
theorem grant_narrows {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) :
    (∀ a k, m.has (.made a k) = true → ∃ layer : Layer, m.has a = true ∧ layer.origin = .made a k ∧
      (m.run (.made a k)).grant = (m.run a).grant ++ [layer]) ∧
    (∀ f x, m.has (.copy f x) = true → ∃ y, Id.CopyOf y x ∧ m.has y = true ∧
      clausesOf (m.run (.copy f x)).grant = clausesOf (m.run y).grant ∧
      ∀ op args, permits (m.run (.copy f x)).grant op args ↔ permits (m.run y).grant op args) ∧
    (∀ n, M.After ω m n → ∀ id, m.has id = true → (n.run id).grant = (m.run id).grant) ∧
    (∀ a k, m.has (.made a k) = true → ∀ op args, permits (m.run (.made a k)).grant op args → permits (m.run a).grant op args) := by
  have s := h.stable i.wf (M.granted_start i)
  refine ⟨s.granted.made, fun f x hx => ?_, fun n hn => (hn.stable (h.follows i.wf).1 s.granted).grants, fun a k hk op args p => ?_⟩
  · obtain ⟨y, hc, hy, hg⟩ := s.granted.copy f x hx
    refine ⟨y, hc, hy, hg, fun op args => ?_⟩
    have via : ∀ g, permits g op args ↔ ∀ r ∈ clausesOf g, ∃ c ∈ r, c.allows op args = true := fun g => by
      unfold permits clausesOf
      rw [List.forall_mem_map]
    rw [via, via, hg]
  · obtain ⟨layer, _, _, hg⟩ := s.granted.made a k hk
    rw [hg] at p
    exact fun l hl => p l (List.mem_append_left _ hl)

end Shepherd
