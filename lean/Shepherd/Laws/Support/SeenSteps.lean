import Shepherd.Laws.Support.Seen

/-!
# Traces in the order of the log, through everything that can happen
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {B : Prop}

/-- A new run that has recorded nothing is put in. -/
theorem Seen.born {m : M} (t : Seen m) (td : Tied m) {a : Id} {n : Nat} (r : Run) (hid : r.id = .made a n) (ht : r.trace = [])
    (absent : m.has r.id = false) : Seen (m.put r) := by
  have tr : ∀ y, ((m.put r).run y).trace = (m.run y).trace := fun y => by
    rw [run_put]
    split
    · next e => rw [ht, ← e, run_of_not_has absent]; rfl
    · rfl
  constructor
  · intro id; rw [tr]; exact t.sorted id
  · intro id c hc; rw [tr] at hc; exact t.older id c hc
  · intro id c hc h hh; rw [tr] at hc; rw [tr]; exact t.length id c hc h hh
  · intro id c u hc; rw [tr] at hc; rw [tr]; exact t.literal id c u hc
  · intro id c hc h hh i
    rw [tr] at hc
    rw [tr, tr]
    refine t.same id c hc h hh ?_
    rw [has_put, Bool.or_eq_true] at i
    refine i.resolve_left fun e => ?_
    have e := beq_iff_eq.mp e
    rcases Id.today_cases c.run id h.id with e' | ⟨f, old, y, _, e'⟩
    · rw [e', ] at e
      have := td.heads id c hc h hh
      rw [← e, absent] at this; cases this
    · rw [e', hid] at e; cases e

/-- Then a run that is there records something. -/
theorem Seen.answerRun {m : M} (t : Seen m) (ind : ∀ id, Trace.Indexed (m.run id).trace)
    (owner : ∀ r ∈ m.runs, r.id = .world → r.owner = none) (filled : ∀ y, m.has y = true → y ≠ .world → (m.run y).trace ≠ [])
    {asker : Id} (i : m.has asker = true) (wt : Waiting) (id : Id) : Seen (m.answerRun asker wt id) := by
  unfold M.answerRun
  simp only [reply_eq]
  have htr : ∀ y, ((m.put { m.run asker with handles := (hold (m.run asker).handles id).1, made := (m.run asker).made + 1 }).run
      y).trace = (m.run y).trace := fun y => by
    rw [run_put]
    simp only [run_id]
    split
    · next e => rw [← e]
    · rfl
  have hhas : ∀ y, (m.put { m.run asker with handles := (hold (m.run asker).handles id).1, made := (m.run asker).made + 1 }).has
      y = true → m.has y = true := fun y h => by
    rw [has_put, Bool.or_eq_true] at h
    simp only [run_id] at h
    exact h.elim (fun h => beq_iff_eq.mp h ▸ i) fun h => h
  refine Seen.record (t.unchanged hhas htr rfl) (fun y => by rw [htr]; exact ind y) _ _
    (by rw [has_put, i, Bool.or_true]) fun h hh => ?_
  rw [htr]
  exact filled h.id (hhas _ (headsAt_has _ asker _ h hh))
    (headsAt_ne_world (m := m.put { m.run asker with handles := (hold (m.run asker).handles id).1, made := (m.run asker).made + 1 })
      (owner_put owner (owner_run owner asker)) h hh)

theorem run_ne_nil_record {m : M} {id : Id} (ev : Event) (s : State) {y : Id} (h : y = id ∨ (m.run y).trace ≠ []) :
    ((m.record id ev s).run y).trace ≠ [] := by
  by_cases e : id = y
  · rw [← e, trace_record_same]; exact nofun
  · rw [trace_record_ne m ev s e]; exact h.resolve_left fun h => e h.symm

theorem seen_spawn {m : M} (b : Bound m) (w : Wf m B) (a : AllMarked m) (t : Seen m) {asker : Id} {wt : Waiting}
    (i : m.has asker = true) (hb : asker = .world → B) (hc : (m.run asker).code = .settled (.waiting wt)) :
    Seen (m.spawn asker wt) := by
  have absent := not_has_made w asker
  have ask : Asks (fun _ => True) m asker wt := ⟨b.tied, fun _ _ => trivial, i, hc⟩
  have fin : ∀ X : M, Tied X → Seen X → (∀ y, (X.run y).trace = (m.run y).trace) → (∀ y, m.has y = true → X.has y = true) →
      (∀ y, X.has y = true → m.has y = true ∨ y = .made asker (m.run asker).made) → X.has (.made asker (m.run asker).made) = true →
      (∀ r ∈ X.runs, r.id = .world → r.owner = none) → ∀ ev c,
      Seen ((X.recordCode (.made asker (m.run asker).made) ev c).answerRun asker wt (.made asker (m.run asker).made)) := by
    intro X tx sx tr up hX ix owner ev c
    have ind : ∀ y, Trace.Indexed (X.run y).trace := fun y => by rw [tr]; exact w.indexed y
    have filled : ∀ y, X.has y = true → y ≠ .world → y = .made asker (m.run asker).made ∨ (X.run y).trace ≠ [] := fun y h nw => by
      rcases hX y h with h | h
      · exact .inr (by rw [tr]; exact (a y h nw).1)
      · exact .inl h
    have s₁ : Seen (X.recordCode (.made asker (m.run asker).made) ev c) := by
      refine sx.record ind ev _ ix fun h hh => ?_
      have ct := (tx.commit (.made asker (m.run asker).made) ev { X.state (.made asker (m.run asker).made) with code := c }).over h hh
      refine (filled h.id (X.headsAt_has _ ev h hh) (headsAt_ne_world owner h hh)).resolve_left ct.2
    refine s₁.answerRun (fun y => ?_) (owner_put owner (owner_run owner _)) (fun y h nw => ?_) ?_ wt _
    · by_cases e : Id.made asker (m.run asker).made = y
      · subst e
        rw [recordCode_eq, trace_record_same]
        exact ⟨by rw [commitOf_index, (ind _).size], ind _⟩
      · rw [recordCode_eq, trace_record_ne _ _ _ e]; exact ind y
    · rw [recordCode_eq] at h ⊢
      refine run_ne_nil_record _ _ (filled y ?_ nw)
      rw [has_record, Bool.or_eq_true] at h
      exact h.elim (fun h => beq_iff_eq.mp h ▸ ix) fun h => h
    · rw [recordCode_eq, has_record, up asker i, Bool.or_true]
  have reply : ∀ v, Seen (m.reply asker wt v) := fun v => (plain_reply ⟨i, hb⟩ wt v).seen w a t
  unfold M.spawn
  split
  · split
    · exact reply _
    · split
      · exact reply _
      · simp only
        have lends : ∀ (r : Run) (l : List Id), r.id = .made asker (m.run asker).made → r.owner = some asker → r.trace = [] →
            let X := l.foldl (lend asker (.made asker (m.run asker).made)) (m.put r)
            Seen X ∧ (∀ y, (X.run y).trace = (m.run y).trace) ∧ (∀ y, m.has y = true → X.has y = true) ∧
              (∀ y, X.has y = true → m.has y = true ∨ y = .made asker (m.run asker).made) ∧
              X.has (.made asker (m.run asker).made) = true ∧ (∀ r ∈ X.runs, r.id = .world → r.owner = none) := by
          intro r l hid ho ht
          refine foldl_keeps (P := fun X => Seen X ∧ (∀ y, (X.run y).trace = (m.run y).trace) ∧
              (∀ y, m.has y = true → X.has y = true) ∧
              (∀ y, X.has y = true → m.has y = true ∨ y = .made asker (m.run asker).made) ∧
              X.has (.made asker (m.run asker).made) = true ∧ (∀ r ∈ X.runs, r.id = .world → r.owner = none)) ?_ fun X x _ h => ?_
          · refine ⟨t.born b.tied r hid ht (hid ▸ absent), fun y => ?_, fun y h => ?_, fun y h => ?_, ?_, ?_⟩
            · rw [run_put]
              split
              · next e => rw [ht, ← e, run_of_not_has (hid ▸ absent)]; rfl
              · rfl
            · rw [has_put, h, Bool.or_true]
            · rw [has_put, Bool.or_eq_true] at h
              exact h.elim (fun h => .inr ((beq_iff_eq.mp h).symm.trans hid)) .inl
            · rw [has_put, hid, beq_self_eq_true, Bool.true_or]
            · exact owner_put w.owner fun e => by rw [hid] at e; cases e
          · unfold lend
            split
            · next hx =>
              have ix := has_of_owns hx
              have same : ∀ o g y, (X.own x o g).has y = true → X.has y = true := fun o g y h => by
                rw [has_own, Bool.or_eq_true] at h
                exact h.elim (fun h => beq_iff_eq.mp h ▸ ix) fun h => h
              refine ⟨h.1.unchanged (same _ _) (trace_own _ _ _ _) rfl, fun y => (trace_own _ _ _ _ y).trans (h.2.1 y),
                fun y hy => ?_, fun y hy => h.2.2.2.1 y (same _ _ y hy), ?_, ?_⟩
              · rw [has_own, h.2.2.1 y hy, Bool.or_true]
              · rw [has_own, h.2.2.2.2.1, Bool.or_true]
              · exact owner_put h.2.2.2.2.2 fun e =>
                  absurd ((run_id X x).symm.trans e) (ne_world_of_owns h.2.2.2.2.2 hx)
            · exact h
        refine (fun d h => fin _ (Deeds.tied b.tied d) h.1 h.2.1 h.2.2.1 h.2.2.2.1 h.2.2.2.2.1 h.2.2.2.2.2 _ _)
          (deeds_lends ask _ ?_ ?_ ?_ ?_ ?_ ?_ ?_) (lends _ _ ?_ ?_ ?_)
        · rfl
        · rfl
        · rfl
        · exact ⟨_, rfl⟩
        · rfl
        · exact stamped_given b.tabled asker _
        · exact stamped_given b.tabled asker _
        · rfl
        · rfl
        · rfl
  · exact reply _

end M

end Shepherd
