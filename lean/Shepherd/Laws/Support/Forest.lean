import Shepherd.RunOps

/-!
# Lemmas on the forest of runs

What `Runs.put` and the operations made of it do to the runs, the log, the stack and the counts.
-/

namespace Shepherd

/-! ## Lists of runs -/

namespace Runs

theorem find_id (rs : List Run) (id : Id) : (find rs id).id = id := by
  induction rs with
  | nil => rfl
  | cons r rs ih =>
    unfold find
    split
    · assumption
    · exact ih

theorem find_put (rs : List Run) (r : Run) (id : Id) : find (put rs r) id = if r.id = id then r else find rs id := by
  induction rs with
  | nil => simp only [put, find]
  | cons x xs ih =>
    simp only [put]
    by_cases hx : x.id = r.id
    · rw [if_pos hx]
      simp only [find]
      by_cases hr : r.id = id
      · rw [if_pos hr, if_pos hr]
      · rw [if_neg hr, if_neg hr, if_neg (hx ▸ hr)]
    · rw [if_neg hx]
      simp only [find]
      by_cases hr : r.id = id
      · rw [if_pos hr, if_neg (hr ▸ hx), ih, if_pos hr]
      · rw [if_neg hr, ih, if_neg hr]

theorem find_put_same (rs : List Run) (r : Run) : find (put rs r) r.id = r := by
  rw [find_put, if_pos rfl]

theorem find_put_ne (rs : List Run) {r : Run} {id : Id} (h : r.id ≠ id) : find (put rs r) id = find rs id := by
  rw [find_put, if_neg h]

theorem has_iff (rs : List Run) (id : Id) : has rs id = true ↔ ∃ r ∈ rs, r.id = id := by
  simp only [has, List.any_eq_true, beq_iff_eq]

theorem has_cons (x : Run) (xs : List Run) (id : Id) : has (x :: xs) id = (x.id == id || has xs id) := rfl

theorem has_put (rs : List Run) (r : Run) (id : Id) : has (put rs r) id = (r.id == id || has rs id) := by
  induction rs with
  | nil => rfl
  | cons x xs ih =>
    simp only [put]
    by_cases hx : x.id = r.id
    · rw [if_pos hx, has_cons, has_cons, hx]
      cases (r.id == id) <;> rfl
    · rw [if_neg hx, has_cons, has_cons, ih]
      cases (r.id == id) <;> cases (x.id == id) <;> rfl

theorem has_put_of_has {rs : List Run} {id : Id} (r : Run) (h : has rs id = true) : has (put rs r) id = true := by
  rw [has_put, h, Bool.or_true]

theorem has_put_self (rs : List Run) (r : Run) : has (put rs r) r.id = true := by
  rw [has_put, beq_self_eq_true, Bool.true_or]

/-- Where a run is put that is there already, the runs that are there stay the same. -/
theorem has_put_same {rs : List Run} {r : Run} (h : has rs r.id = true) (id : Id) : has (put rs r) id = has rs id := by
  rw [has_put]
  by_cases e : r.id = id
  · rw [← e, h, Bool.or_true]
  · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]

theorem find_of_not_has {rs : List Run} {id : Id} (h : has rs id = false) : find rs id = Run.absent id := by
  induction rs with
  | nil => rfl
  | cons x xs ih =>
    rw [has_cons, Bool.or_eq_false_iff] at h
    simp only [find]
    rw [if_neg (beq_eq_false_iff_ne.mp h.1), ih h.2]

theorem find_mem {rs : List Run} {id : Id} (h : has rs id = true) : find rs id ∈ rs := by
  induction rs with
  | nil => exact absurd h Bool.false_ne_true
  | cons x xs ih =>
    simp only [find]
    by_cases e : x.id = id
    · rw [if_pos e]; exact List.mem_cons_self
    · rw [if_neg e]
      rw [has_cons, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
      exact List.mem_cons_of_mem _ (ih h)

/-- The ids of the runs, in order: a new one comes last. -/
theorem ids_put (rs : List Run) (r : Run) :
    (put rs r).map Run.id = if has rs r.id then rs.map Run.id else rs.map Run.id ++ [r.id] := by
  induction rs with
  | nil => rfl
  | cons x xs ih =>
    have hc := has_cons x xs r.id
    by_cases e : x.id = r.id
    · rw [e, beq_self_eq_true, Bool.true_or] at hc
      simp only [put, if_pos hc, List.map_cons, e, if_true]
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at hc
      simp only [put, if_neg e, List.map_cons, ih, hc]
      split <;> rfl

/-- What is in the list after a run was put: that run, or one that was there before. -/
theorem mem_put {rs : List Run} {r x : Run} (h : x ∈ put rs r) : x = r ∨ x ∈ rs := by
  induction rs with
  | nil => exact .inl (List.mem_singleton.mp h)
  | cons y ys ih =>
    simp only [put] at h
    by_cases e : y.id = r.id
    · rw [if_pos e] at h
      cases List.mem_cons.mp h with
      | inl h => exact .inl h
      | inr h => exact .inr (List.mem_cons_of_mem _ h)
    · rw [if_neg e] at h
      cases List.mem_cons.mp h with
      | inl h => exact .inr (h ▸ List.mem_cons_self)
      | inr h => cases ih h with
        | inl h => exact .inl h
        | inr h => exact .inr (List.mem_cons_of_mem _ h)

theorem mem_put_self (rs : List Run) (r : Run) : r ∈ put rs r := by
  induction rs with
  | nil => exact List.mem_singleton.mpr rfl
  | cons y ys ih =>
    simp only [put]
    by_cases e : y.id = r.id
    · rw [if_pos e]; exact List.mem_cons_self
    · rw [if_neg e]; exact List.mem_cons_of_mem _ ih

/-- A run of another id stays in the list. -/
theorem mem_put_of_ne {rs : List Run} {r x : Run} (h : x ∈ rs) (e : x.id ≠ r.id) : x ∈ put rs r := by
  induction rs with
  | nil => exact absurd h (List.not_mem_nil)
  | cons y ys ih =>
    simp only [put]
    by_cases ey : y.id = r.id
    · rw [if_pos ey]
      cases List.mem_cons.mp h with
      | inl h => exact absurd (h ▸ ey) e
      | inr h => exact List.mem_cons_of_mem _ h
    · rw [if_neg ey]
      cases List.mem_cons.mp h with
      | inl h => exact h ▸ List.mem_cons_self
      | inr h => exact List.mem_cons_of_mem _ (ih h)

theorem mem_kids {rs : List Run} {above id : Id} :
    id ∈ kids rs above ↔ ∃ r ∈ rs, r.owner = some above ∧ r.id = id := by
  simp only [kids, List.mem_map, List.mem_filter, beq_iff_eq, and_assoc]

theorem has_of_mem_kids {rs : List Run} {above id : Id} (h : id ∈ kids rs above) : has rs id = true := by
  cases mem_kids.mp h with
  | intro r h => exact (has_iff rs id).mpr ⟨r, h.1, h.2.2⟩

/-- What is below runs that are there is there. -/
theorem has_of_mem_under {rs : List Run} {n : Nat} {siblings : List Id} {id : Id}
    (hs : ∀ k ∈ siblings, has rs k = true) (h : id ∈ under rs n siblings) : has rs id = true := by
  induction n generalizing siblings with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    simp only [under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton] at h
    cases h with
    | intro k h => cases h with
      | intro hk h => cases h with
        | inl h => exact ih (fun j hj => has_of_mem_kids hj) h
        | inr h => exact h ▸ hs k hk

end Runs

/-! ## The machine -/

namespace M

theorem run_id (m : M) (id : Id) : (m.run id).id = id := Runs.find_id _ _

theorem run_put (m : M) (r : Run) (id : Id) : (m.put r).run id = if r.id = id then r else m.run id :=
  Runs.find_put _ _ _

theorem run_put_same (m : M) (r : Run) : (m.put r).run r.id = r := Runs.find_put_same _ _

theorem run_put_ne (m : M) {r : Run} {id : Id} (h : r.id ≠ id) : (m.put r).run id = m.run id := Runs.find_put_ne _ h

theorem has_put (m : M) (r : Run) (id : Id) : (m.put r).has id = (r.id == id || m.has id) := Runs.has_put _ _ _

theorem run_of_not_has {m : M} {id : Id} (h : m.has id = false) : m.run id = Run.absent id := Runs.find_of_not_has h

theorem run_mem {m : M} {id : Id} (h : m.has id = true) : m.run id ∈ m.runs := Runs.find_mem h

/-- A run whose code is not `discarded` is there. -/
theorem has_of_code {m : M} {id : Id} (h : (m.run id).code ≠ .settled .discarded) : m.has id = true := by
  cases e : m.has id with
  | true => rfl
  | false => exact absurd (by rw [run_of_not_has e]; rfl) h

/-- A run that has recorded something is there. -/
theorem has_of_trace {m : M} {id : Id} (h : (m.run id).trace ≠ []) : m.has id = true := by
  cases e : m.has id with
  | true => rfl
  | false => exact absurd (by rw [run_of_not_has e]; rfl) h

/-- A run with an owner is there. -/
theorem has_of_owns {m : M} {asker id : Id} (h : m.owns asker id = true) : m.has id = true := by
  cases e : m.has id with
  | true => rfl
  | false =>
    rw [owns, run_of_not_has e] at h
    exact absurd h Bool.false_ne_true

theorem has_of_mem_kids {m : M} {above id : Id} (h : id ∈ m.kids above) : m.has id = true := Runs.has_of_mem_kids h

theorem has_of_mem_below {m : M} {above id : Id} (h : id ∈ m.below above) : m.has id = true :=
  Runs.has_of_mem_under (fun _ hk => Runs.has_of_mem_kids hk) h

theorem has_of_mem_family {m : M} {above id : Id} (ha : m.has above = true) (h : id ∈ m.family above) :
    m.has id = true := by
  rw [family, List.mem_append, List.mem_singleton] at h
  cases h with
  | inl h => exact has_of_mem_below h
  | inr h => exact h ▸ ha

/-! ### `put` -/

theorem put_program (m : M) (r : Run) : (m.put r).program = m.program := rfl
theorem put_contents (m : M) (r : Run) : (m.put r).contents = m.contents := rfl
theorem put_stack (m : M) (r : Run) : (m.put r).stack = m.stack := rfl
theorem put_log (m : M) (r : Run) : (m.put r).log = m.log := rfl
theorem put_used (m : M) (r : Run) : (m.put r).used = m.used := rfl
theorem put_written (m : M) (r : Run) : (m.put r).written = m.written := rfl
theorem put_size (m : M) (r : Run) : (m.put r).size = m.size := rfl

/-! ### `setCode`, `setHandles`, `own` -/

theorem run_setCode (m : M) (id : Id) (code : Code) (j : Id) :
    (m.setCode id code).run j = if id = j then { m.run id with code } else m.run j := by
  rw [setCode, run_put]; simp only [run_id]

theorem run_setCode_same (m : M) (id : Id) (code : Code) : (m.setCode id code).run id = { m.run id with code } := by
  rw [run_setCode, if_pos rfl]

theorem run_setCode_ne (m : M) {id j : Id} (code : Code) (h : id ≠ j) : (m.setCode id code).run j = m.run j := by
  rw [run_setCode, if_neg h]

theorem run_setHandles (m : M) (id : Id) (handles : List Id) (j : Id) :
    (m.setHandles id handles).run j = if id = j then { m.run id with handles } else m.run j := by
  rw [setHandles, run_put]; simp only [run_id]

theorem run_setHandles_same (m : M) (id : Id) (handles : List Id) :
    (m.setHandles id handles).run id = { m.run id with handles } := by
  rw [run_setHandles, if_pos rfl]

theorem run_setHandles_ne (m : M) {id j : Id} (handles : List Id) (h : id ≠ j) :
    (m.setHandles id handles).run j = m.run j := by
  rw [run_setHandles, if_neg h]

theorem run_own (m : M) (id owner : Id) (givers : List Id) (j : Id) :
    (m.own id owner givers).run j = if id = j then { m.run id with owner := some owner, givers } else m.run j := by
  rw [own, run_put]; simp only [run_id]

theorem run_own_same (m : M) (id owner : Id) (givers : List Id) :
    (m.own id owner givers).run id = { m.run id with owner := some owner, givers } := by
  rw [run_own, if_pos rfl]

theorem run_own_ne (m : M) {id j : Id} (owner : Id) (givers : List Id) (h : id ≠ j) :
    (m.own id owner givers).run j = m.run j := by
  rw [run_own, if_neg h]

theorem trace_setCode (m : M) (id : Id) (code : Code) (j : Id) : ((m.setCode id code).run j).trace = (m.run j).trace := by
  rw [run_setCode]; split
  · next h => subst h; rfl
  · rfl

theorem trace_setHandles (m : M) (id : Id) (handles : List Id) (j : Id) :
    ((m.setHandles id handles).run j).trace = (m.run j).trace := by
  rw [run_setHandles]; split
  · next h => subst h; rfl
  · rfl

theorem trace_own (m : M) (id owner : Id) (givers : List Id) (j : Id) :
    ((m.own id owner givers).run j).trace = (m.run j).trace := by
  rw [run_own]; split
  · next h => subst h; rfl
  · rfl

theorem has_setCode (m : M) (id : Id) (code : Code) (j : Id) : (m.setCode id code).has j = (id == j || m.has j) := by
  rw [setCode, has_put, run_id]

theorem has_setHandles (m : M) (id : Id) (handles : List Id) (j : Id) :
    (m.setHandles id handles).has j = (id == j || m.has j) := by
  rw [setHandles, has_put, run_id]

theorem has_own (m : M) (id owner : Id) (givers : List Id) (j : Id) :
    (m.own id owner givers).has j = (id == j || m.has j) := by
  rw [own, has_put, run_id]

theorem log_setCode (m : M) (id : Id) (code : Code) : (m.setCode id code).log = m.log := rfl
theorem log_setHandles (m : M) (id : Id) (handles : List Id) : (m.setHandles id handles).log = m.log := rfl
theorem log_own (m : M) (id owner : Id) (givers : List Id) : (m.own id owner givers).log = m.log := rfl
theorem size_setCode (m : M) (id : Id) (code : Code) : (m.setCode id code).size = m.size := rfl
theorem size_setHandles (m : M) (id : Id) (handles : List Id) : (m.setHandles id handles).size = m.size := rfl
theorem size_own (m : M) (id owner : Id) (givers : List Id) : (m.own id owner givers).size = m.size := rfl
theorem stack_setCode (m : M) (id : Id) (code : Code) : (m.setCode id code).stack = m.stack := rfl
theorem stack_setHandles (m : M) (id : Id) (handles : List Id) : (m.setHandles id handles).stack = m.stack := rfl
theorem stack_own (m : M) (id owner : Id) (givers : List Id) : (m.own id owner givers).stack = m.stack := rfl

/-! ### `record` -/

theorem run_record (m : M) (id : Id) (event : Event) (s : State) (j : Id) :
    (m.record id event s).run j = if id = j then
      { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                      trace := m.commitOf id event s :: (m.run id).trace } else m.run j := by
  show Runs.find (Runs.put _ _) _ = _
  rw [Runs.find_put]; simp only [run_id]; rfl

theorem run_record_same (m : M) (id : Id) (event : Event) (s : State) :
    (m.record id event s).run id =
      { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                      trace := m.commitOf id event s :: (m.run id).trace } := by
  rw [run_record, if_pos rfl]

theorem run_record_ne (m : M) {id j : Id} (event : Event) (s : State) (h : id ≠ j) :
    (m.record id event s).run j = m.run j := by
  rw [run_record, if_neg h]

theorem log_record (m : M) (id : Id) (event : Event) (s : State) :
    (m.record id event s).log = m.commitOf id event s :: m.log := rfl

theorem size_record (m : M) (id : Id) (event : Event) (s : State) : (m.record id event s).size = m.size + 1 := rfl

theorem stack_record (m : M) (id : Id) (event : Event) (s : State) : (m.record id event s).stack = m.stack := rfl
theorem used_record (m : M) (id : Id) (event : Event) (s : State) : (m.record id event s).used = m.used := rfl
theorem program_record (m : M) (id : Id) (event : Event) (s : State) : (m.record id event s).program = m.program := rfl
theorem contents_record (m : M) (id : Id) (event : Event) (s : State) : (m.record id event s).contents = m.contents := rfl
theorem written_record (m : M) (id : Id) (event : Event) (s : State) : (m.record id event s).written = m.written := rfl

theorem has_record (m : M) (id : Id) (event : Event) (s : State) (j : Id) :
    (m.record id event s).has j = (id == j || m.has j) := by
  show Runs.has (Runs.put _ _) _ = _
  rw [Runs.has_put]; simp only [run_id]; rfl

theorem trace_record_same (m : M) (id : Id) (event : Event) (s : State) :
    ((m.record id event s).run id).trace = m.commitOf id event s :: (m.run id).trace := by
  rw [run_record_same]

theorem trace_record_ne (m : M) {id j : Id} (event : Event) (s : State) (h : id ≠ j) :
    ((m.record id event s).run j).trace = (m.run j).trace := by
  rw [run_record_ne m event s h]

theorem made_record (m : M) (id : Id) (event : Event) (s : State) (j : Id) :
    ((m.record id event s).run j).made = (m.run j).made := by
  rw [run_record]; split
  · next h => subst h; rfl
  · rfl

theorem owner_record (m : M) (id : Id) (event : Event) (s : State) (j : Id) :
    ((m.record id event s).run j).owner = (m.run j).owner := by
  rw [run_record]; split
  · next h => subst h; rfl
  · rfl

theorem grant_record (m : M) (id : Id) (event : Event) (s : State) (j : Id) :
    ((m.record id event s).run j).grant = (m.run j).grant := by
  rw [run_record]; split
  · next h => subst h; rfl
  · rfl

/-! ### `recordCode` and `reply` -/

theorem recordCode_eq (m : M) (id : Id) (event : Event) (code : Code) :
    m.recordCode id event code = m.record id event { m.state id with code } := rfl

theorem run_recordCode_same (m : M) (id : Id) (event : Event) (code : Code) :
    (m.recordCode id event code).run id =
      { m.run id with code, trace := m.commitOf id event { m.state id with code } :: (m.run id).trace } := by
  rw [recordCode_eq, run_record_same]; rfl

theorem run_recordCode_ne (m : M) {id j : Id} (event : Event) (code : Code) (h : id ≠ j) :
    (m.recordCode id event code).run j = m.run j := by
  rw [recordCode_eq, run_record_ne m event _ h]

theorem reply_eq (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change) :
    m.reply id w answer change = m.record id (.outcome answer change .machine)
      { m.state id with code := resume answer w.stack, files := (m.run id).files.apply change } := rfl

theorem size_reply (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change) :
    (m.reply id w answer change).size = m.size + 1 := rfl

theorem commitOf_run (m : M) (id : Id) (event : Event) (s : State) : (m.commitOf id event s).run = id := rfl
theorem commitOf_event (m : M) (id : Id) (event : Event) (s : State) : (m.commitOf id event s).event = event := rfl
theorem commitOf_seq (m : M) (id : Id) (event : Event) (s : State) : (m.commitOf id event s).seq = m.size := rfl
theorem commitOf_index (m : M) (id : Id) (event : Event) (s : State) :
    (m.commitOf id event s).index = (m.run id).trace.size := rfl

end M

end Shepherd
