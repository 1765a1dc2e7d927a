import Shepherd.Laws.OutcomeAnswersIntent.Holds

/-!
# Operations on runs leave only runs that are there in tables
-/

namespace Shepherd

namespace M

theorem holding_ownerAnswers (m : M) (asker : Id) (w : Waiting) (v answer : Value) : Holding m (m.ownerAnswers asker w v answer) := by
  unfold ownerAnswers
  split
  · exact holding_reply _ _ _ _
  · split
    · exact holding_reply _ _ _ _
    · exact (holding_deliver _ _ _ _ _ _).trans (holding_reply _ _ _ _)

theorem holding_inject (m : M) (asker : Id) (w : Waiting) : Holding m (m.inject asker w) := by
  unfold inject
  repeat' split
  · exact holding_reply _ _ _ _
  · exact holding_reply _ _ _ _
  · exact holding_reply _ _ _ _
  · exact (holding_record _ _ _ _ fun k => k.runs _).trans (holding_reply _ _ _ _)
  · exact holding_reply _ _ _ _

theorem holding_takeBack (m : M) (asker : Id) (w : Waiting) (id : Id) (to : Option Nat) : Holding m (m.takeBack asker w id to) := by
  unfold takeBack
  split
  · exact holding_reply _ _ _ _
  · next hb => exact holding_begin hb

/-- The run just made is held from now on. -/
theorem holding_answerRun (m : M) (asker : Id) (w : Waiting) (id : Id) (i : m.has id = true) :
    Holding m (m.answerRun asker w id) := by
  refine Holding.trans (holding_put m { m.run asker with handles := (hold (m.run asker).handles id).1, made := (m.run asker).made + 1 }
    (fun k h hh => ?_) fun k => k.commits asker) (holding_reply _ _ _ _)
  rcases mem_hold hh with hh | rfl
  · exact k.runs asker h hh
  · exact i

theorem holding_lend (asker id : Id) (m : M) (held : Id) : Holding m (lend asker id m held) := by
  unfold lend
  split
  · exact holding_own _ _ _ _
  · exact .refl m

theorem holding_spawn (m : M) (w : m.has .world = true) (asker : Id) (wt : Waiting) : Holding m (m.spawn asker wt) := by
  unfold spawn
  repeat' split
  · exact holding_reply _ _ _ _
  · exact holding_reply _ _ _ _
  · simp only
    have fin : ∀ (X : M), Holding m X ∧ X.has (.made asker (m.run asker).made) = true → ∀ ev code, Holding m
        ((X.recordCode (.made asker (m.run asker).made) ev code).answerRun asker wt (.made asker (m.run asker).made)) :=
      fun X k ev code => (k.1.trans (holding_recordCode _ _ _ _)).trans
        (holding_answerRun _ _ _ _ (by rw [recordCode_eq, has_record, k.2, Bool.or_true]))
    refine fin _ ⟨Holding.trans (holding_put m _ (fun k => ?_) fun _ c hc => absurd hc List.not_mem_nil)
      (holding_foldl _ _ fun n x _ _ => holding_lend _ _ n x), ?_⟩ _ _
    · exact Value.mapHandlesList_keeps (P := fun t => ∀ g ∈ t, m.has g = true)
        (fun t h ht => renumber_keeps w (k.runs asker) t h ht) _ [] fun g hg => absurd hg List.not_mem_nil
    · exact (mute_foldl (mute_lend _ _) _ _).has _ (Runs.has_put_self _ _)
  · exact holding_reply _ _ _ _

theorem holding_perform {m n : M} (wd : m.has .world = true) {asker : Id} {w : Waiting} (h : m.perform asker w = some n) :
    Holding m n ∨ (w.op = "run.fork" ∧ n = m.fork asker w) := by
  unfold perform at h
  split at h
  · cases h; left; unfold take; split
    · exact holding_reply _ _ _ _
    · exact holding_record _ _ _ _ fun k => k.runs _
  · cases h; left; unfold answerOp; split
    · exact holding_ownerAnswers _ _ _ _ _
    · exact holding_reply _ _ _ _
  · cases h; left; unfold denyOp; split
    · exact holding_ownerAnswers _ _ _ _ _
    · exact holding_reply _ _ _ _
  · cases h; left; unfold discardOp
    repeat' split
    · exact holding_reply _ _ _ _
    · exact holding_reply _ _ _ _
    · exact holding_takeBack _ _ _ _ _
    · exact holding_reply _ _ _ _
  · next e => cases h; exact .inr ⟨e, rfl⟩
  · cases h; exact .inl (holding_inject _ _ _)
  · cases h; left; unfold merge
    simp only
    repeat' split
    all_goals exact holding_reply _ _ _ _ _
  · cases h; left; unfold next
    repeat' split
    · exact holding_reply _ _ _ _
    · exact (holding_setCode _ _ _).trans (holding_stack _ _)
    · exact holding_reply _ _ _ _
  · cases h; left; unfold pass
    repeat' split
    · exact holding_reply _ _ _ _
    · exact holding_setCode _ _ _
    · exact holding_reply _ _ _ _
  · left; unfold pick at h
    split at h
    · split at h
      · cases h; exact holding_reply _ _ _ _
      · cases h
    · cases h; exact holding_reply _ _ _ _
  · cases h; left; unfold revert
    repeat' split
    · exact holding_reply _ _ _ _
    · exact holding_takeBack _ _ _ _ _
    · exact holding_reply _ _ _ _
    · exact holding_reply _ _ _ _
  · cases h; exact .inl (holding_spawn _ wd _ _)
  · cases h; left; unfold traceOp
    repeat' split
    · exact holding_reply _ _ _ _
    · simp only
      split
      · exact holding_reply _ _ _ _
      · exact (holding_setHandles _ _ _ fun k => traceValue_keeps _ _ _ (k.runs asker)).trans (holding_reply _ _ _ _)
    · exact holding_reply _ _ _ _
  · cases h; exact .inl (holding_reply _ _ _ _)

end M

end Shepherd
