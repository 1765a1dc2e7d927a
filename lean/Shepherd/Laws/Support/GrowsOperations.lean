import Shepherd.Laws.Support.GrowsOutcomes

/-!
# The operations on runs are made of elementary changes
-/

namespace Shepherd

namespace M

variable {B : Prop}

/-! ## Operations on runs -/

theorem plain_ownerAnswers {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) (v answer : Value) :
    Plain m (m.ownerAnswers asker wt v answer) B := by
  unfold ownerAnswers
  split
  · exact plain_reply i _ _
  · next id q ha =>
    split
    · exact plain_reply i _ _
    · exact (plain_deliver w id (has_of_shown w.codes (of_atIntent ha).2).1 _ _ _).reply w i _ _

theorem plain_answerOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.answerOp asker wt) B := by
  unfold answerOp
  split
  · exact plain_ownerAnswers w i _ _ _
  · exact plain_wrong i _

theorem plain_denyOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.denyOp asker wt) B := by
  unfold denyOp
  split
  · exact plain_ownerAnswers w i _ _ _
  · exact plain_wrong i _

theorem plain_next {m : M} {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.next asker wt) B := by
  unfold next
  split
  · split
    · exact plain_reply i _ _
    · exact .stack _ (plain_setCode i.1 _ trivial fun _ => .inr trivial)
  · exact plain_reply i _ _

theorem plain_pass {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.pass asker wt) B := by
  unfold pass
  split
  · split
    · exact plain_reply i _ _
    · next id q ha =>
      have hs := has_of_shown w.codes (of_atIntent ha).2
      refine plain_setCode i.1 _ ⟨hs.2.2, fun x hx => ?_⟩ fun e => .inl (i.2 e)
      cases List.mem_cons.mp hx with
      | inl h => rw [h]; exact has_of_owns (of_atIntent ha).1
      | inr h => exact hs.2.1 x h
  · exact plain_reply i _ _

theorem plain_pick {m n : M} {asker : Id} (i : Asker B m asker) {wt : Waiting} (h : m.pick asker wt = some n) :
    Plain m n B := by
  unfold pick at h
  split at h
  · split at h
    · cases h; exact plain_reply i _ _
    · cases h
  · cases h; exact plain_reply i _ _

theorem plain_traceOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.traceOp asker wt) B := by
  unfold traceOp
  split
  · split
    · exact plain_wrong i _
    · simp only
      split
      · exact plain_reply i _ _
      · exact (plain_setHandles i.1 _).reply w i _ _
  · exact plain_wrong i _

theorem plain_inject {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.inject asker wt) B := by
  unfold inject
  split
  · split
    · exact plain_reply i _ _
    · next id ho =>
      split
      · exact plain_reply i _ _
      · split
        · exact plain_reply i _ _
        · exact (plain_record (has_of_owned ho) _ (w.codes id) (w.calm_code id) (inward_injected _ _)).reply w i _ _
  · exact plain_wrong i _

theorem plain_take {m : M} {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.take asker wt) B := by
  unfold take
  split
  · exact plain_reply i _ _
  · exact plain_record i.1 _ trivial (fun e => .inl (i.2 e)) (inward_outcome _ _ _ _)

theorem plain_merge {m : M} {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.merge asker wt) B := by
  unfold merge
  split
  · split
    · exact plain_reply i _ _
    · simp only
      split
      · exact plain_reply i _ _
      · split
        · exact plain_reply i _ _
        · exact plain_reply i _ _ _
  · exact plain_reply i _ _

theorem plain_takeBack {m : M} (w : Wf m B) {asker id : Id} (i : Asker B m asker) (ii : m.owns asker id = true) (wt : Waiting)
    (to : Option Nat) : Plain m (m.takeBack asker wt id to) B := by
  unfold takeBack
  split
  · exact plain_reply i _ _
  · next hb => exact plain_begin w i.1 (has_of_owns ii) (ne_world_of_owns w.owner ii) hb

theorem plain_revert {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.revert asker wt) B := by
  unfold revert
  split
  · split
    · exact plain_reply i _ _
    · next ho =>
      split
      · exact plain_takeBack w i (owns_of_owned ho) _ _
      · exact plain_reply i _ _
  · exact plain_wrong i _

theorem plain_discardOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.discardOp asker wt) B := by
  unfold discardOp
  split
  · split
    · exact plain_reply i _ _
    · next ho =>
      split
      · exact plain_reply i _ _
      · exact plain_takeBack w i (owns_of_owned ho) _ _
  · exact plain_wrong i _

/-! ## New runs -/

/-- What a run just made is answered with. -/
theorem Edits.answerRun {F : Id → Prop} {m n : M} (e : Edits (.step F B) m n) {asker : Id} (i : n.has asker = true)
    (hb : asker = .world → B) (wt : Waiting) (id : Id) : Edits (.step F B) m (n.answerRun asker wt id) :=
  .count asker _ _ _ e i trivial ⟨fun h => .inl (hb h), fun _ _ h => nomatch h⟩ (.inr (inward_outcome _ _ _ _))

theorem made_answerRun (m : M) (asker : Id) (wt : Waiting) (id : Id) :
    ((m.answerRun asker wt id).run asker).made = (m.run asker).made + 1 := by
  unfold answerRun
  simp only [reply_eq]
  rw [made_record, run_put, if_pos (by exact run_id m asker)]

theorem not_has_made {m : M} (w : Wf m B) (asker : Id) : m.has (.made asker (m.run asker).made) = false := by
  cases h : m.has (.made asker (m.run asker).made) with
  | false => rfl
  | true => exact absurd (w.fresh _ h) (Nat.lt_irrefl _)

theorem not_has_copy {m : M} (w : Wf m B) (asker x : Id) : m.has (.copy (.made asker (m.run asker).made) x) = false := by
  cases h : m.has (.copy (.made asker (m.run asker).made) x) with
  | false => rfl
  | true => exact absurd (w.fresh _ h) (Nat.lt_irrefl _)

/-- What each of some changes keeps, all of them keep. -/
theorem foldl_keeps {α : Type} {P : M → Prop} {f : M → α → M} {l : List α} {m : M} (h₀ : P m)
    (h : ∀ n x, x ∈ l → P n → P (f n x)) : P (l.foldl f m) := by
  induction l generalizing m with
  | nil => exact h₀
  | cons x l ih => exact ih (h m x List.mem_cons_self h₀) fun n y hy => h n y (List.mem_cons_of_mem _ hy)

theorem Edits.lend {F : Id → Prop} {m n : M} (w : Wf m B) (hF : ∀ id, F id → m.has id = false) (e : Edits (.step F B) m n)
    (asker id held : Id) : Edits (.step F B) m (M.lend asker id n held) := by
  unfold M.lend
  split
  · next ho => exact .own _ _ _ e (has_of_owns ho) (ne_world_of_owns (e.kept w hF).owner ho)
  · exact e

/-- The ids that the next run made or fork of `asker` has, and the copies in it. -/
def Newly (m : M) (asker id : Id) : Prop :=
  id = .made asker (m.run asker).made ∨ ∃ x, id = .copy (.made asker (m.run asker).made) x

theorem Newly.absent {m : M} (w : Wf m B) {asker id : Id} (h : Newly m asker id) : m.has id = false := by
  cases h with
  | inl h => rw [h]; exact not_has_made w asker
  | inr h => obtain ⟨x, h⟩ := h; rw [h]; exact not_has_copy w asker x

theorem Newly.grows {m n : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (e : Edits (.step (Newly m asker) B) m n)
    (wt : Waiting) (id : Id) : Grows m (n.answerRun asker wt id) B := by
  have k := e.kept w fun _ => Newly.absent w
  have hm : (m.run asker).made < ((n.answerRun asker wt id).run asker).made := by
    rw [made_answerRun]; exact Nat.lt_succ_of_le (k.ext.made asker)
  refine ⟨Newly m asker, fun j h => ⟨h.absent w, ?_⟩, e.answerRun (k.ext.has asker i.1) i.2 wt id⟩
  cases h with
  | inl h => rw [h]; exact hm
  | inr h => obtain ⟨x, h⟩ := h; rw [h]; exact hm

theorem grows_spawn {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Grows m (m.spawn asker wt) B := by
  unfold spawn
  split
  · split
    · exact (plain_reply i _ _).grows
    · split
      · exact (plain_reply i _ _).grows
      · simp only
        refine Newly.grows w i ?_ wt _
        refine .record _ _ _ ?_ (.inr (.inl rfl)) trivial ⟨fun h => (nomatch h), fun _ _ h => (nomatch h)⟩
          (.inr ⟨fun _ _ _ => nofun, fun _ => nofun⟩)
        refine foldl_keeps (P := Edits (.step (Newly m asker) B) m) ?_
          fun n x _ e => e.lend w (fun _ => Newly.absent w) asker _ x
        exact .born _ _ .root .refl (.inl rfl) rfl rfl List.nil_suffix fun _ _ h => nomatch h
  · exact (plain_wrong i _).grows

theorem Edits.copyOne {F : Id → Prop} {m n : M} (e : Edits (.step F B) m n) (hl : n.log = m.log) (id fork owner : Id) (c : Commit)
    (parts : List Then) (h : Then) (hF : F (.copy fork h.id)) (hs : ∃ old, h.trace <:+ (m.run old).trace) :
    Edits (.step F B) m (M.copyOne m id fork owner c parts n h) ∧ (M.copyOne m id fork owner c parts n h).log = m.log := by
  unfold M.copyOne
  split
  · exact ⟨e, hl⟩
  · next k t ht =>
    obtain ⟨old, hs⟩ := hs
    refine ⟨.born _ _ old (.used _ e) hF hl rfl hs fun c' t' h' => ?_, hl⟩
    rw [ht] at h'
    cases h'
    rfl

theorem copy_ne (f : Id) : ∀ x : Id, Id.copy f x ≠ x := by
  intro x h
  have := congrArg sizeOf h
  simp only [Id.copy.sizeOf_spec] at this
  omega

theorem Edits.markCopy {F : Id → Prop} {m n : M} (w : Wf m B) (hF' : ∀ id, F id → m.has id = false)
    (e : Edits (.step F B) m n) (id fork : Id) (h : Then) (hF : F (.copy fork h.id)) :
    Edits (.step F B) m (M.markCopy id fork n h) := by
  unfold M.markCopy
  split
  · exact e
  · refine .record _ _ _ e (.inr hF) ?_ ⟨fun hw => (nomatch hw), fun u o hu => ?_⟩
      (.inr ⟨fun _ _ _ => nofun, fun _ hf => copy_ne fork h.id (Event.forked.inj hf).1.symm⟩)
    · simp only
      split
      · trivial
      · exact takenUp_ok (e.kept w hF').codes _ _ _
    · simp only at hu
      split at hu
      · cases hu
      · exact absurd hu (takenUp_not_undoing _ _ _ _ _ _)

theorem forkParts_trace {m : M} {id owner : Id} {t : Trace} {c : Commit} (ht : t <:+ (m.run id).trace) :
    ∀ h ∈ m.forkParts id owner t c, ∃ old, h.trace <:+ (m.run old).trace := by
  intro h hh
  unfold forkParts at hh
  cases List.mem_append.mp hh with
  | inl hh =>
    unfold heads at hh
    obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
    exact ⟨x.id, Trace.upTo_suffix _ _⟩
  | inr hh =>
    rw [List.mem_singleton.mp hh]
    exact ⟨id, ht⟩

theorem grows_fork {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Grows m (m.fork asker wt) B := by
  unfold fork
  split
  · split
    · exact (plain_reply i _ _).grows
    · next id ho =>
      simp only
      split
      · exact (plain_reply i _ _).grows
      · next c t ht =>
        refine Newly.grows w i ?_ wt _
        unfold copyTree
        simp only
        refine foldl_keeps (P := Edits (.step (Newly m asker) B) m) ?_
          fun n x _ e => e.markCopy w (fun _ => Newly.absent w) _ _ x (.inr ⟨_, rfl⟩)
        refine (foldl_keeps (P := fun n => Edits (.step (Newly m asker) B) m n ∧ n.log = m.log) ⟨.refl, rfl⟩ fun n x hx e => ?_).1
        obtain ⟨r, _, hr⟩ := List.mem_filterMap.mp hx
        refine e.1.copyOne e.2 _ _ _ _ _ x (.inr ⟨_, rfl⟩) (forkParts_trace ?_ x (List.mem_of_find?_eq_some hr))
        split
        · exact Trace.upTo_suffix _ _
        · exact List.nil_suffix
  · exact (plain_wrong i _).grows

theorem grows_perform {m n : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) {wt : Waiting}
    (h : m.perform asker wt = some n) : Grows m n B := by
  unfold perform at h
  split at h
  · cases h; exact (plain_take i wt).grows
  · cases h; exact (plain_answerOp w i wt).grows
  · cases h; exact (plain_denyOp w i wt).grows
  · cases h; exact (plain_discardOp w i wt).grows
  · cases h; exact grows_fork w i wt
  · cases h; exact (plain_inject w i wt).grows
  · cases h; exact (plain_merge i wt).grows
  · cases h; exact (plain_next i wt).grows
  · cases h; exact (plain_pass w i wt).grows
  · exact (plain_pick i h).grows
  · cases h; exact (plain_revert w i wt).grows
  · cases h; exact grows_spawn w i wt
  · cases h; exact (plain_traceOp w i wt).grows
  · cases h; exact (plain_reply i wt _).grows

end M

end Shepherd
