import Shepherd.Laws.CompensationOrder.Deliver
import Shepherd.Laws.Support.TiedReach

/-!
# Open questions are given up
-/

namespace Shepherd

namespace M

/-- What giving up the open question of run `y` of `m` makes of it. -/
structure Dropped (m : M) (y : Id) (r : Run) : Prop where
  owner : r.owner = (m.run y).owner
  handles : r.handles = (m.run y).handles
  fine : Fine m.program y r.trace
  idle : ∀ w, r.code.settle ≠ .waiting w
  shows : ∀ d, Trace.Shows m.program r.trace d ↔ Trace.Shows m.program (m.run y).trace d
  repaid : ∀ j, Trace.Repaid r.trace j ↔ Trace.Repaid (m.run y).trace j
  undoing : ∀ u o, r.code = .undoing u o → (m.run y).code = .undoing u o
  grew : ∃ s, r.trace = s ++ (m.run y).trace
  indexed : Trace.Indexed (m.run y).trace → Trace.Indexed r.trace

theorem isAbandoned_outcome (ch : Change) : (Event.outcome abandoned ch .machine).isAbandoned = true := by
  unfold Event.isAbandoned
  simp only [beq_self_eq_true]

theorem question_asks {t : Trace} {q : Commit} (h : t.question = some q) :
    (∃ op args, q.event = .intent op args) ∨ ∃ j op args, q.event = .undo j op args := by
  have go : ∀ (t : Trace) want, Trace.questionFrom want t = some q →
      (∃ op args, q.event = .intent op args) ∨ ∃ j op args, q.event = .undo j op args := by
    intro t
    induction t with
    | nil => exact fun _ h => nomatch h
    | cons c t ih =>
      intro want h
      unfold Trace.questionFrom at h
      split at h
      · split at h
        · exact ih _ h
        · next e => cases h; exact .inl ⟨_, _, e⟩
        · next e => cases h; exact .inr ⟨_, _, _, e⟩
        · exact ih _ h
        · exact ih _ h
        · cases h
      · exact ih _ h
  exact go t _ h

/-- One run's open question is given up. `n` may differ from `m` elsewhere. -/
theorem dropped_abandonOne {R : Regions} {m n : M} {but : Option Id} (k : Unwinds R m but) {y : Id} (nw : y ≠ .world)
    (same : n.run y = m.run y) :
    Dropped m y ((n.abandonOne y).run y) ∧ (∀ x, y ≠ x → (n.abandonOne y).run x = n.run x) ∧ (n.abandonOne y).program = n.program ∧
      (n.abandonOne y).stack = n.stack := by
  have waits := k.waits y nw
  have keep : Dropped m y (n.run y) ↔ Dropped m y (m.run y) := by rw [same]
  -- A question that is given up.
  have drop : ∀ (q : Commit) (code : Code), (m.run y).trace.question = some q → (∀ w, code.settle ≠ .waiting w) →
      (∀ u o, code = .undoing u o → (m.run y).code = .undoing u o) →
      Dropped m y ((n.recordCode y (.outcome abandoned [] .machine) code).run y) := by
    intro q code hq hi hu
    rw [run_recordCode_same, same]
    generalize hc : n.commitOf y (.outcome abandoned [] .machine) { n.state y with code } = c
    have ce : c.event = .outcome abandoned [] .machine := by rw [← hc]; rfl
    have cc : c.code = code.settle := by rw [← hc]; rfl
    have ab : c.event.isAbandoned = true := by rw [ce]; exact isAbandoned_outcome _
    have no : c.event.NotUndo := by rw [ce]; exact fun _ _ _ => nofun
    exact
      { owner := rfl, handles := rfl, idle := hi, undoing := hu, grew := ⟨[c], rfl⟩
        indexed := fun i => ⟨by rw [← hc, commitOf_index, same, i.size], i⟩
        fine := (k.fine y).other no fun w hw => absurd (cc ▸ hw) (hi w)
        shows := fun d => Trace.shows_cons ⟨by rw [ce]; exact fun _ _ => nofun, fun _ _ _ _ _ _ _ => ab⟩ d
        repaid := fun j => Trace.repaid_cons (fun _ _ _ _ => ab) j }
  -- Nothing is open.
  have none' : (∀ w, (m.run y).code.settle ≠ .waiting w) → Dropped m y (m.run y) :=
    fun hi => ⟨rfl, rfl, k.fine y, hi, fun _ => Iff.rfl, fun _ => Iff.rfl, fun _ _ h => h, ⟨[], rfl⟩, fun i => i⟩
  unfold abandonOne
  simp only
  rw [same]
  split
  · next hq =>
    have hq : (m.run y).trace.question = none := Option.map_eq_none_iff.mp hq
    refine ⟨keep.mpr (none' fun w hw => ?_), fun _ _ => rfl, rfl, rfl⟩
    obtain ⟨q, h, _⟩ := waits w hw
    rw [hq] at h; cases h
  · next j op args hq =>
    obtain ⟨q, hq, he⟩ := Option.map_eq_some_iff.mp hq
    refine ⟨drop q _ hq (fun w hw => ?_) fun u o h => h, fun x e => run_recordCode_ne n _ _ e, rfl, rfl⟩
    obtain ⟨q', h, e⟩ := waits w hw
    rw [hq] at h
    cases h
    rw [he] at e; cases e
  · next e hne hq =>
    obtain ⟨q, hq, he⟩ := Option.map_eq_some_iff.mp hq
    split
    · next w hw =>
      exact ⟨drop q _ hq (fun _ h => nomatch h) (fun _ _ h => nomatch h), fun x e => run_recordCode_ne n _ _ e, rfl, rfl⟩
    · next hw =>
      exact ⟨keep.mpr (none' hw), fun _ _ => rfl, rfl, rfl⟩

/-- The open questions of some runs are given up. -/
theorem dropped_all {R : Regions} {m : M} {but : Option Id} (k : Unwinds R m but) {l : List Id} (nw : ∀ y ∈ l, y ≠ .world)
    (nodup : l.Nodup) :
    (∀ y ∈ l, Dropped m y ((l.foldl abandonOne m).run y)) ∧ (∀ x, x ∉ l → (l.foldl abandonOne m).run x = m.run x) ∧
      (l.foldl abandonOne m).program = m.program ∧ (l.foldl abandonOne m).stack = m.stack := by
  have go : ∀ (l : List Id) (n : M), l.Nodup → (∀ y ∈ l, y ≠ .world) → (∀ y ∈ l, n.run y = m.run y) →
      (∀ y ∈ l, Dropped m y ((l.foldl abandonOne n).run y)) ∧ (∀ x, x ∉ l → (l.foldl abandonOne n).run x = n.run x) ∧
      (l.foldl abandonOne n).program = n.program ∧ (l.foldl abandonOne n).stack = n.stack := by
    intro l
    induction l with
    | nil => exact fun n _ _ _ => ⟨fun _ h => absurd h List.not_mem_nil, fun _ _ => rfl, rfl, rfl⟩
    | cons z l ih =>
      intro n nodup nw same
      have nodup := List.nodup_cons.mp nodup
      obtain ⟨h₁, h₂, h₃, h₄⟩ := dropped_abandonOne k (nw z List.mem_cons_self) (same z List.mem_cons_self)
      obtain ⟨i₁, i₂, i₃, i₄⟩ := ih (n.abandonOne z) nodup.2 (fun y hy => nw y (List.mem_cons_of_mem _ hy)) fun y hy => by
        rw [h₂ y fun e => nodup.1 (e ▸ hy)]; exact same y (List.mem_cons_of_mem _ hy)
      rw [List.foldl_cons]
      refine ⟨fun y hy => ?_, fun x hx => ?_, i₃.trans h₃, i₄.trans h₄⟩
      · rcases List.mem_cons.mp hy with rfl | hy
        · rw [i₂ y nodup.1]; exact h₁
        · exact i₁ y hy
      · rw [List.mem_cons, not_or] at hx
        rw [i₂ x hx.2, h₂ x fun e => hx.1 e.symm]
  exact go l m nodup nw fun _ _ => rfl

end M

end Shepherd
