import Shepherd.Laws.Support.TiedReach

/-!
# Who owns a run, and who has lent it, is there
-/

namespace Shepherd

namespace M

/-- Who owns a run that is there, and who has lent it, is there; and so it was when a commit told of it. -/
structure Housed (m : M) : Prop where
  owner : ∀ y, m.has y = true → y ≠ .world → ∃ o, (m.run y).owner = some o ∧ m.has o = true
  givers : ∀ y, ∀ g ∈ (m.run y).givers, m.has g = true
  heads : ∀ y, ∀ c ∈ (m.run y).trace, ∀ h ∈ c.heads, ∀ g ∈ h.givers, m.has g = true

theorem Housed.same {m n : M} (k : Housed m) (has : ∀ x, n.has x = m.has x) (owner : ∀ x, (n.run x).owner = (m.run x).owner)
    (givers : ∀ x, (n.run x).givers = (m.run x).givers) (trace : ∀ x, (n.run x).trace = (m.run x).trace) : Housed n where
  owner := fun y i nw => by
    obtain ⟨o, h1, h2⟩ := k.owner y (has y ▸ i) nw
    exact ⟨o, (owner y).trans h1, (has o).trans h2⟩
  givers := fun y g hg => (has g).trans (k.givers y g (givers y ▸ hg))
  heads := fun y c hc h hh g hg => (has g).trans (k.heads y c (trace y ▸ hc) h hh g hg)

theorem Housed.record {m : M} (k : Housed m) {id : Id} (i : m.has id = true) (event : Event) (s : State) :
    Housed (m.record id event s) where
  owner := fun y iy nw => by
    have has : ∀ j, (m.record id event s).has j = m.has j := fun j => Runs.has_put_same (by simp only [run_id]; exact i) j
    obtain ⟨o, h1, h2⟩ := k.owner y (has y ▸ iy) nw
    exact ⟨o, (owner_record _ _ _ _ _).trans h1, (has o).trans h2⟩
  givers := fun y g hg => by
    rw [has_record, k.givers y g ?_, Bool.or_true]
    rw [run_record] at hg
    split at hg
    · next e => subst e; exact hg
    · exact hg
  heads := fun y c hc h hh g hg => by
    rw [has_record]
    have old : c ∈ (m.run y).trace → m.has g = true := fun hc => k.heads y c hc h hh g hg
    by_cases e : id = y
    · subst e
      rw [trace_record_same] at hc
      rcases List.mem_cons.mp hc with hc | hc
      · rw [hc] at hh
        have hh : h ∈ m.headsAt id event := hh
        unfold headsAt at hh
        obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
        rw [k.givers x g hg, Bool.or_true]
      · rw [old hc, Bool.or_true]
    · rw [trace_record_ne m event s e] at hc; rw [old hc, Bool.or_true]

theorem Housed.own {m : M} (k : Housed m) {id o : Id} {g : List Id} (i : m.has id = true) (ho : m.has o = true)
    (hg : ∀ x ∈ g, m.has x = true) : Housed (m.own id o g) where
  owner := fun y iy nw => by
    have has : ∀ j, (m.own id o g).has j = m.has j := fun j => Runs.has_put_same (by simp only [run_id]; exact i) j
    by_cases e : id = y
    · subst e; exact ⟨o, by rw [run_own_same], (has o).trans ho⟩
    · obtain ⟨p, h1, h2⟩ := k.owner y (has y ▸ iy) nw
      exact ⟨p, by rw [run_own_ne _ _ _ e]; exact h1, (has p).trans h2⟩
  givers := fun y x hx => by
    rw [has_own]
    by_cases e : id = y
    · subst e; rw [run_own_same] at hx; rw [hg x hx, Bool.or_true]
    · rw [run_own_ne _ _ _ e] at hx; rw [k.givers y x hx, Bool.or_true]
  heads := fun y c hc h hh x hx => by
    rw [trace_own] at hc
    rw [has_own, k.heads y c hc h hh x hx, Bool.or_true]

end M

end Shepherd
