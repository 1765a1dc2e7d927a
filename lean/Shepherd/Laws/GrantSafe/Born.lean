import Shepherd.Laws.GrantSafe.Copies

/-!
# New runs have recorded something
-/

namespace Shepherd

namespace M

variable {B : Prop}

theorem Plain.old {m n : M} (w : Wf m B) (e : Plain m n B) {j : Id} (h : n.has j = true) : m.has j = true :=
  ((e.kept w fun _ h => False.elim h).born j h).resolve_right fun h => h

theorem Plain.newborn {m n : M} (w : Wf m B) (e : Plain m n B) : Newborn m n := fun _ h => .inl (e.old w h)

theorem Newborn.record {m n : M} (b : Newborn m n) (id : Id) (event : Event) (s : State) : Newborn m (n.record id event s) := by
  intro j h
  rw [log_record]
  by_cases e : id = j
  · subst e
    cases i : m.has id with
    | true => exact .inl rfl
    | false =>
      rw [trace_record_same]
      refine .inr ⟨nofun, fun c hc => ?_⟩
      cases List.mem_cons.mp hc with
      | inl hc => rw [hc]; exact .inl List.mem_cons_self
      | inr hc =>
        have := (b id (has_of_trace (List.ne_nil_of_mem hc))).resolve_left (by rw [i]; exact Bool.false_ne_true)
        exact (this.2 c hc).imp_left (List.mem_cons_of_mem _)
  · rw [has_record, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
    rw [trace_record_ne _ _ _ e]
    exact (b j h).imp_right fun ⟨a, d⟩ => ⟨a, fun c hc => (d c hc).imp_left (List.mem_cons_of_mem _)⟩

theorem Newborn.answerRun {m n : M} (b : Newborn m n) {asker : Id} (i : n.has asker = true) (w : Waiting) (id : Id) :
    Newborn m (n.answerRun asker w id) := by
  unfold M.answerRun
  simp only [reply_eq]
  refine Newborn.record (fun j h => ?_) _ _ _
  have e : ∀ hs k, ((n.put { n.run asker with handles := hs, made := k }).run j).trace = (n.run j).trace := fun hs k => by
    rw [run_put]; split
    · next e => rw [← e]; simp only [run_id]
    · rfl
  rw [M.has_put] at h
  rw [e]
  refine b j ?_
  rw [Bool.or_eq_true, beq_iff_eq] at h
  rcases h with h | h
  · rw [← h]; simp only [run_id]; exact i
  · exact h

theorem newborn_fork {m : M} (w : Wf m True) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Newborn m (m.fork asker wt) := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  unfold fork
  split
  · split
    · exact (plain_reply ia _ _).newborn w
    · next id ho =>
      simp only
      split
      · exact (plain_reply ia _ _).newborn w
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        unfold copyTree
        simp only
        have copies : ∀ l : List Then, (∀ x ∈ l, x ∈ m.forkParts id asker (c :: t) c) →
            Newborn m (l.foldl (M.copyOne m id (.made asker (m.run asker).made) asker c (m.forkParts id asker (c :: t) c)) m) := by
          intro l hl
          refine foldl_keeps (P := Newborn m) (fun j h => .inl h) fun n x hx b => ?_
          unfold M.copyOne
          split
          · exact b
          · next d ds hd =>
            intro j h
            by_cases e : Id.copy (.made asker (m.run asker).made) x.id = j
            · subst e
              rw [run_put, if_pos rfl]
              obtain ⟨o, ho⟩ := forkParts_trace hs x (hl x hx)
              exact .inr ⟨by rw [hd]; exact nofun, fun c hc => .inr ⟨o, ho.subset hc⟩⟩
            · rw [run_put_ne (r := _) _ (by exact e)]
              refine b j ?_
              rw [M.has_put] at h
              have h : (Id.copy (.made asker (m.run asker).made) x.id == j || n.has j) = true := h
              rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
              exact h
        have marked : ∀ (l : List Then) (n : M), Newborn m n →
            Newborn m (l.foldl (M.markCopy id (.made asker (m.run asker).made)) n) := by
          intro l n b
          refine foldl_keeps (P := Newborn m) b fun n x _ b => ?_
          unfold M.markCopy
          split
          · exact b
          · exact b.record _ _ _
        have mono : ∀ (l : List Then) (n : M), n.has asker = true →
            (l.foldl (M.markCopy id (.made asker (m.run asker).made)) n).has asker = true := fun l n h =>
          (mute_foldl (mute_markCopy _ _) l n).has _ h
        refine (marked _ _ (copies _ fun x hx => ?_)).answerRun (mono _ _ ?_) _ _
        · obtain ⟨r, _, hr⟩ := List.mem_filterMap.mp hx
          exact List.mem_of_find?_eq_some hr
        · refine foldl_keeps (P := fun n => n.has asker = true) i fun n x _ h => has_copyOne _ _ _ _ _ _ _ _ _ (.inl h)
  · exact (plain_wrong ia _).newborn w

theorem newborn_spawn {m : M} (w : Wf m True) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Newborn m (m.spawn asker wt) := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  have absent := not_has_made w asker
  have fin : ∀ X : M, (∀ j, X.has j = true → m.has j = true ∨ j = .made asker (m.run asker).made) ∧
      (X.run (.made asker (m.run asker).made)).trace = [] ∧ X.has asker = true → ∀ ev code,
      Newborn m ((X.recordCode (.made asker (m.run asker).made) ev code).answerRun asker wt (.made asker (m.run asker).made)) := by
    intro X ⟨h, ht, hi⟩ ev code
    refine Newborn.answerRun (fun j hj => ?_) (by rw [recordCode_eq, has_record, hi, Bool.or_true]) _ _
    rw [recordCode_eq] at hj ⊢
    by_cases e : Id.made asker (m.run asker).made = j
    · subst e
      rw [trace_record_same, ht]
      refine .inr ⟨nofun, fun c hc => .inl ?_⟩
      rw [List.mem_singleton.mp hc]
      exact List.mem_cons_self
    · rw [has_record, beq_eq_false_iff_ne.mpr e, Bool.false_or] at hj
      exact .inl ((h j hj).resolve_right fun h => e h.symm)
  unfold spawn
  split
  · split
    · exact (plain_reply ia _ _).newborn w
    · split
      · exact (plain_reply ia _ _).newborn w
      · simp only
        refine fin _ (foldl_keeps (P := fun X : M => (∀ j, X.has j = true → m.has j = true ∨ j = .made asker (m.run asker).made) ∧
          (X.run (.made asker (m.run asker).made)).trace = [] ∧ X.has asker = true) ⟨fun j h => ?_, ?_, ?_⟩
          fun n x _ e => ?_) _ _
        · rw [M.has_put, Bool.or_eq_true, beq_iff_eq] at h
          exact h.symm.imp_right Eq.symm
        · rw [run_put, if_pos rfl]
        · rw [M.has_put, i, Bool.or_true]
        · unfold M.lend
          split
          · next ho =>
            refine ⟨fun j h => ?_, ?_, ?_⟩
            · rw [has_own, Bool.or_eq_true, beq_iff_eq] at h
              rcases h with h | h
              · exact e.1 j (h ▸ has_of_owns ho)
              · exact e.1 j h
            · rw [trace_own]; exact e.2.1
            · rw [has_own, e.2.2, Bool.or_true]
          · exact e
  · exact (plain_wrong ia _).newborn w

theorem newborn_perform {m n : M} (w : Wf m True) {asker : Id} (i : m.has asker = true) {wt : Waiting}
    (p : m.perform asker wt = some n) : Newborn m n := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  unfold perform at p
  split at p
  · cases p; exact (plain_take ia wt).newborn w
  · cases p; exact (plain_answerOp w ia wt).newborn w
  · cases p; exact (plain_denyOp w ia wt).newborn w
  · cases p; exact (plain_discardOp w ia wt).newborn w
  · cases p; exact newborn_fork w i wt
  · cases p; exact (plain_inject w ia wt).newborn w
  · cases p; exact (plain_merge ia wt).newborn w
  · cases p; exact (plain_next ia wt).newborn w
  · cases p; exact (plain_pass w ia wt).newborn w
  · exact (plain_pick ia p).newborn w
  · cases p; exact (plain_revert w ia wt).newborn w
  · cases p; exact newborn_spawn w i wt
  · cases p; exact (plain_traceOp w ia wt).newborn w
  · cases p; exact (plain_reply ia wt _).newborn w

theorem newborn_step {m n : M} (w : Wf m) (s : m.step = some n) : Newborn m n := by
  have calm := w.calm.resolve_left id
  unfold step at s
  split at s
  · cases s
  · next id rest _ =>
    have ne : (m.run id).code ≠ (m.run .world).code → id ≠ .world := fun h e => h (e ▸ rfl)
    split at s
    · next hc =>
      cases s
      refine (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) (ne fun e => ?_) _ _ _ _).newborn w
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at s
      · exact newborn_perform w.weaken (has_of_code (by rw [hc]; exact nofun)) s
      · exact (plain_atStop w s).newborn w
    · next hc =>
      split at s
      · next hu =>
        cases s
        have wt : Wf m True := w.weaken
        have e := plain_undoStep wt (fun _ => trivial) hc hu
        exact (e.trans (plain_afterWorld (e.has wt wt.world) id)).newborn wt
      · exact (plain_atStop w s).newborn w
    · exact (plain_atStop w s).newborn w

end M

end Shepherd
