import Shepherd.Laws.Support.Grows

/-!
# The last commit of the log that is not the outermost owner's

A fork of the whole tree goes from it, where it is the root run's.
-/

namespace Shepherd

namespace M

theorem lastInside_of_log {m n : M} (h : n.log = m.log) : n.lastInside = m.lastInside := by
  unfold lastInside
  rw [h]

theorem lastInside_record_world (m : M) (event : Event) (s : State) : (m.record .world event s).lastInside = m.lastInside := rfl

theorem lastInside_record_ne (m : M) {id : Id} (ne : id ≠ .world) (event : Event) (s : State) :
    (m.record id event s).lastInside = some (m.commitOf id event s) := by
  unfold lastInside
  rw [log_record, List.find?_cons_of_pos]
  exact bne_iff_ne.mpr ne

/-- It is one of the commits that are new, or what it was. -/
theorem lastInside_append {m n : M} {cs : List Commit} (hl : n.log = cs ++ m.log) {c : Commit} (h : n.lastInside = some c) :
    c ∈ cs ∨ m.lastInside = some c := by
  unfold lastInside at *
  rw [hl, List.find?_append] at h
  cases hf : cs.find? fun c => c.run != .world with
  | none => rw [hf] at h; exact .inr h
  | some d =>
    rw [hf] at h
    cases h
    exact .inl (List.mem_of_find?_eq_some hf)

/-- The tree is forked at the last commit of the root run, and only the outermost owner has recorded something since. -/
theorem forkRoot_last {m n : M} (w : Wf m) (logged : ∀ c ∈ (m.run .root).trace, c ∈ m.log) (h : m.forkRoot = some n) :
    ∃ c t, (m.run .root).trace = c :: t ∧ m.lastInside = some c ∧
      n = ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used }.family .root).foldl (markFork c)
        { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } := by
  unfold forkRoot at h
  split at h
  · next c t last ht hl =>
    split at h
    · cases h
    · next hseq =>
      have e : c = last := w.numbered.unique (logged c (by rw [ht]; exact List.mem_cons_self)) (List.mem_of_find?_eq_some hl)
        (Decidable.of_not_not hseq)
      simp only at h
      cases h
      exact ⟨c, t, ht, e ▸ hl, rfl⟩
  · cases h

end M

end Shepherd
