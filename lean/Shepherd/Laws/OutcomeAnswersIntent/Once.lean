import Shepherd.Laws.OutcomeAnswersIntent.Questions

/-!
# A question has at most one outcome
-/

namespace Shepherd

namespace Trace

/-- What is live before a live commit is what was live when it was recorded. -/
theorem lives_split {want : Option Nat} {T : Trace} {a r : List (Commit × Trace)} {c : Commit} {t : Trace}
    (h : livesFrom want T = a ++ (c, t) :: r) : r = livesFrom none t ∧ c :: t <:+ T := by
  induction T generalizing want a with
  | nil =>
    unfold livesFrom at h
    exact absurd h.symm (List.append_ne_nil_of_right_ne_nil _ (List.cons_ne_nil _ _))
  | cons d T ih =>
    unfold livesFrom at h
    split at h
    · split at h
      · obtain ⟨x, y⟩ := ih h
        exact ⟨x, y.trans (List.suffix_cons _ _)⟩
      · cases a with
        | nil =>
          rw [List.nil_append] at h
          obtain ⟨h₁, h₂⟩ := List.cons.inj h
          cases h₁
          exact ⟨h₂.symm, List.suffix_refl _⟩
        | cons x a =>
          rw [List.cons_append] at h
          obtain ⟨x, y⟩ := ih (List.cons.inj h).2
          exact ⟨x, y.trans (List.suffix_cons _ _)⟩
    · obtain ⟨x, y⟩ := ih h
      exact ⟨x, y.trans (List.suffix_cons _ _)⟩

theorem lives_sublist (want : Option Nat) (T : Trace) : ((livesFrom want T).map Prod.fst).Sublist T := by
  induction T generalizing want with
  | nil => exact List.Sublist.slnil
  | cons d T ih =>
    unfold livesFrom
    split
    · split
      · exact (ih _).cons _
      · exact (ih _).cons₂ _
    · exact (ih _).cons _

theorem Indexed.nodup {t : Trace} (h : Indexed t) : t.Nodup := by
  induction t with
  | nil => exact List.nodup_nil
  | cons c t ih =>
    rw [List.nodup_cons]
    refine ⟨fun hc => ?_, ih h.2⟩
    suffices ∀ s : Trace, Indexed s → ∀ d ∈ s, d.index < s.length by
      have := this t h.2 c hc
      rw [h.1] at this
      exact Nat.lt_irrefl _ this
    intro s
    induction s with
    | nil => exact fun _ d hd => absurd hd List.not_mem_nil
    | cons x s ih =>
      intro hs d hd
      rw [List.length_cons]
      cases List.mem_cons.mp hd with
      | inl e => rw [e, hs.1]; exact Nat.lt_succ_self _
      | inr e => exact Nat.lt_succ_of_lt (ih hs.2 d e)

theorem not_question {c : Commit} (h : c.event.isOutcome = true) : ¬ (c.event.isIntent = true ∨ c.event.isUndo = true) ∧
    c.event.isBetween = false := by
  cases e : c.event with
  | outcome => exact ⟨fun h => h.elim (fun h => nomatch h) (fun h => nomatch h), rfl⟩
  | _ => rw [e] at h; cases h

/-- An outcome does not answer what an earlier one has answered. -/
theorem answered_before {b₁ b₂ : Trace} {o₂ q : Commit} (ix : Indexed b₁) (h : (o₂, b₂) ∈ livesFrom none b₁)
    (ho : o₂.event.isOutcome = true) (h₁ : Answers b₁ q) (h₂ : Answers b₂ q) : False := by
  obtain ⟨a, r, hs⟩ := List.append_of_mem h
  obtain ⟨hr, _⟩ := lives_split hs
  have nd : (live b₁).Nodup := (Indexed.nodup ix).sublist (lives_sublist none b₁)
  have e : live b₁ = a.map Prod.fst ++ o₂ :: live b₂ := by
    unfold live
    rw [hs, List.map_append, List.map_cons, hr]
  obtain ⟨between, before, hl, hq, hb⟩ := h₁
  obtain ⟨between₂, before₂, hl₂, _, _⟩ := h₂
  have mq : q ∈ live b₂ := by rw [hl₂]; exact List.mem_append_right _ List.mem_cons_self
  obtain ⟨nq, nb⟩ := not_question ho
  rw [e] at nd hl
  rcases List.append_eq_append_iff.mp hl with ⟨x, hx, hy⟩ | ⟨x, hx, hy⟩
  · cases x with
    | nil =>
      rw [List.nil_append] at hy
      exact nq ((List.cons.inj hy).1 ▸ hq)
    | cons z x =>
      have hz := (List.cons.inj hy).1
      have := hb z (by rw [hx]; exact List.mem_append_right _ List.mem_cons_self)
      rw [← hz, nb] at this
      cases this
  · cases x with
    | nil =>
      rw [List.nil_append] at hy
      exact nq ((List.cons.inj hy).1 ▸ hq)
    | cons z x =>
      have hz := (List.cons.inj hy).1
      have ma : q ∈ a.map Prod.fst := by rw [hx, hz]; exact List.mem_append_right _ List.mem_cons_self
      rw [List.nodup_append] at nd
      exact nd.2.2 q ma q (List.mem_cons_of_mem _ mq) rfl

/-- Of the live outcomes of a trace, at most one answers a question. -/
theorem answered_once {T : Trace} (ix : Indexed T) {o₁ o₂ q : Commit} {b₁ b₂ : Trace} (h₁ : (o₁, b₁) ∈ livesFrom none T)
    (h₂ : (o₂, b₂) ∈ livesFrom none T) (ho₁ : o₁.event.isOutcome = true) (ho₂ : o₂.event.isOutcome = true)
    (a₁ : Answers b₁ q) (a₂ : Answers b₂ q) : o₁ = o₂ := by
  obtain ⟨x, r, hs⟩ := List.append_of_mem h₁
  obtain ⟨hr, hx⟩ := lives_split hs
  rw [hs] at h₂
  rcases List.mem_append.mp h₂ with h | h
  · exfalso
    obtain ⟨y, z, hy⟩ := List.append_of_mem h
    rw [hy, List.append_assoc, List.cons_append] at hs
    obtain ⟨hz, hw⟩ := lives_split hs
    refine answered_before (ix.of_suffix ((List.suffix_cons _ _).trans hw)) ?_ ho₁ a₂ a₁
    rw [← hz]
    exact List.mem_append_right _ List.mem_cons_self
  · rcases List.mem_cons.mp h with h | h
    · exact (congrArg Prod.fst h).symm
    · rw [hr] at h
      exact (answered_before (ix.of_suffix ((List.suffix_cons _ _).trans hx)) h ho₂ a₁ a₂).elim

/-- Where nothing was reverted, all is live. -/
theorem live_all {t : Trace} (h : ∀ c ∈ t, ∀ k, c.event ≠ .reverted k) : live t = t := by
  unfold live
  induction t with
  | nil => rfl
  | cons c t ih =>
    unfold livesFrom
    rw [if_pos (by rfl)]
    split
    · next k e => exact absurd e (h c List.mem_cons_self k)
    · rw [List.map_cons, ih fun d hd => h d (List.mem_cons_of_mem _ hd)]

end Trace

end Shepherd
