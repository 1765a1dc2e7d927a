import Shepherd.Laws.OutcomeAnswersIntent.Whole

/-!
# What a step does that records nothing

It gives one run other code, and nothing else but the stack: a local step, the begin of an operation on another run, or the end of
taking back a run that was discarded meanwhile.
-/

namespace Shepherd

namespace M

/-! ## Nothing happened, or something was recorded -/

/-- The same tree, or one that has recorded more. -/
def Stays (m n : M) : Prop := n = m ∨ m.size < n.size

theorem Stays.le {m n : M} (h : Stays m n) : m.size ≤ n.size := by
  rcases h with rfl | h
  · exact Nat.le_refl _
  · exact Nat.le_of_lt h

theorem Stays.trans {m n p : M} (h : Stays m n) (g : Stays n p) : Stays m p := by
  rcases h with rfl | h
  · exact g
  · exact .inr (Nat.lt_of_lt_of_le h g.le)

/-- Where nothing was recorded, nothing happened. -/
theorem Stays.eq {m n : M} (h : Stays m n) (e : n.size = m.size) : n = m := by
  rcases h with h | h
  · exact h
  · omega

theorem stays_foldl {α : Type} {f : M → α → M} (h : ∀ m x, Stays m (f m x)) (l : List α) (m : M) : Stays m (l.foldl f m) := by
  induction l generalizing m with
  | nil => exact .inl rfl
  | cons x l ih => exact (h m x).trans (ih _)

theorem le_foldl {α : Type} {f : M → α → M} (h : ∀ m x, m.size ≤ (f m x).size) (l : List α) (m : M) :
    m.size ≤ (l.foldl f m).size := by
  induction l generalizing m with
  | nil => exact Nat.le_refl _
  | cons x l ih => exact Nat.le_trans (h m x) (ih _)

theorem size_recordCode (m : M) (id : Id) (event : Event) (code : Code) : (m.recordCode id event code).size = m.size + 1 := rfl

theorem stays_discard (m : M) (id : Id) : Stays m (m.discard id) := by
  unfold discard
  split
  · exact .inl rfl
  · exact .inr (Nat.lt_succ_self _)

theorem discard_lt {m : M} {id : Id} (h : (m.run id).code ≠ .settled .discarded) : m.size < (m.discard id).size := by
  unfold discard
  split
  · next hc => exact absurd hc h
  · exact Nat.lt_succ_self _

theorem stays_abandonOne (m : M) (id : Id) : Stays m (m.abandonOne id) := by
  unfold abandonOne
  simp only
  split
  · exact .inl rfl
  · exact .inr (Nat.lt_succ_self _)
  · split
    · exact .inr (Nat.lt_succ_self _)
    · exact .inl rfl

theorem stays_abandon (m : M) (id : Id) : Stays m (m.abandon id) := stays_foldl stays_abandonOne _ _

theorem stays_restore_none (m : M) (id : Id) : Stays m (m.restore id none) := stays_foldl stays_discard _ _

theorem restoreLower_le (hs : List Then) (m : M) (id : Id) : m.size ≤ (restoreLower hs m id).size := by
  unfold restoreLower
  split
  · exact (stays_discard m id).le
  · split
    · exact Nat.le_refl _
    · simp only
      split
      · exact Nat.le_succ _
      · split <;> exact Nat.le_refl _

/-- A run that is put back to an event that it has records that. -/
theorem restore_some_lt {m : M} {id : Id} {k : Nat} {c : Commit} (h : (m.run id).trace.nth k = some c) :
    m.size < (m.restore id (some k)).size := by
  unfold restore
  simp only [h]
  refine Nat.lt_succ_of_le ?_
  exact Nat.le_trans (le_foldl (f := fun (m : M) (h : Then) => m.own h.id h.owner h.givers) (fun m x => Nat.le_refl _) _ m)
    (le_foldl (restoreLower_le _) _ _)

/-- Discarding a run that is not discarded records that. -/
theorem restore_none_lt {m : M} {id : Id} (h : (m.run id).code ≠ .settled .discarded) : m.size < (m.restore id none).size := by
  unfold restore
  simp only
  rw [family, List.foldl_append, List.foldl_cons, List.foldl_nil]
  rcases stays_foldl stays_discard (m.below id) m with e | l
  · rw [e]; exact discard_lt h
  · exact Nat.lt_of_lt_of_le l (stays_discard _ id).le

theorem restore_le {m : M} {u : Undoing} {o : Settled} (ok : m.CodeOk (.undoing u o)) : m.size ≤ (m.restore u.run u.to).size := by
  cases ht : u.to with
  | none => exact (stays_restore_none m u.run).le
  | some k =>
    obtain ⟨c, hc, _⟩ := ok.2.2.2 k ht
    exact Nat.le_of_lt (restore_some_lt hc)

/-- Where nothing is recorded nothing is put back: the run was discarded meanwhile. -/
theorem restore_quiet {m : M} {u : Undoing} {o : Settled} (ok : m.CodeOk (.undoing u o)) (e : (m.restore u.run u.to).size = m.size) :
    m.restore u.run u.to = m ∧ (m.run u.run).code = .settled .discarded := by
  cases ht : u.to with
  | none =>
    rw [ht] at e
    refine ⟨(stays_restore_none m u.run).eq e, Classical.byContradiction fun h => ?_⟩
    have := restore_none_lt h
    omega
  | some k =>
    rw [ht] at e
    obtain ⟨c, hc, _⟩ := ok.2.2.2 k ht
    have := restore_some_lt hc
    omega

/-! ## Only code changes -/

/-- Run `id` has other code; runs, log and program are else as they were. -/
def Recoded (m n : M) (id : Id) (code : Code) : Prop :=
  n.program = m.program ∧ n.runs = Runs.put m.runs { m.run id with code }

/-- The operation of run `id` is under way. -/
def Underway (w : Waiting) (code : Code) : Prop :=
  (∃ r, code = .driving r w) ∨ (∃ chain op args, code = .passing chain op args w) ∨ ∃ u, code = .undoing u (.waiting w)

theorem begin_quiet {m n : M} {asker id : Id} {o : Settled} {to : Option Nat} (h : m.begin asker o id to = .ok n) (e : n.size = m.size) :
    ∃ u, u.run = id ∧ u.to = to ∧ Recoded m n asker (.undoing u o) ∧ n.stack = m.stack := by
  unfold begin at h
  split at h
  · cases h
  · next p _ =>
    cases h
    have ha : m.abandon id = m := (stays_abandon m id).eq e
    rw [ha]
    exact ⟨_, rfl, rfl, ⟨rfl, rfl⟩, rfl⟩

theorem takeBack_quiet {m n : M} {asker id : Id} {w : Waiting} {to : Option Nat} (h : m.takeBack asker w id to = n)
    (e : n.size = m.size) : ∃ code, Recoded m n asker code ∧ Underway w code := by
  unfold takeBack at h
  split at h
  · subst h
    exact absurd e (Nat.succ_ne_self _)
  · next n' hn =>
    subst h
    obtain ⟨u, _, _, h, _⟩ := begin_quiet hn e
    exact ⟨_, h, .inr (.inr ⟨u, rfl⟩)⟩

/-! ## Operations on runs -/

theorem relay_le (answer : Value) (by' : By) (m : M) (id : Id) : m.size ≤ (m.relay id answer by').size := by
  unfold relay
  split
  · exact Nat.le_succ _
  · exact Nat.le_refl _
  · exact Nat.le_refl _

theorem deliver_lt (m : M) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    m.size < (m.deliver id q answer change by').size :=
  Nat.lt_of_lt_of_le (Nat.lt_succ_self m.size)
    (le_foldl (f := fun m member => m.relay member answer by') (relay_le answer by') _ (m.answerAsked q.asked answer change by'))

theorem ownerAnswers_lt (m : M) (asker : Id) (w : Waiting) (v answer : Value) : m.size < (m.ownerAnswers asker w v answer).size := by
  unfold ownerAnswers
  split
  · exact Nat.lt_succ_self _
  · split
    · exact Nat.lt_succ_self _
    · rw [size_reply]
      exact Nat.lt_succ_of_lt (deliver_lt ..)

theorem answerRun_size (m : M) (asker : Id) (w : Waiting) (id : Id) : (m.answerRun asker w id).size = m.size + 1 := rfl

theorem lend_size (asker id : Id) (m : M) (held : Id) : (lend asker id m held).size = m.size := by
  unfold lend
  split <;> rfl

theorem spawn_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.spawn asker w).size := by
  unfold spawn
  split
  · split
    · exact Nat.lt_succ_self _
    · split
      · exact Nat.lt_succ_self _
      · simp only [answerRun_size, size_recordCode]
        refine Nat.lt_succ_of_le (Nat.le_succ_of_le ?_)
        refine Nat.le_trans (Nat.le_of_eq ?_) (le_foldl (fun m x => Nat.le_of_eq (lend_size _ _ m x).symm) _ _)
        rfl
  · exact Nat.lt_succ_self _

theorem copyOne_le (before : M) (id fork owner : Id) (c : Commit) (parts : List Then) (m : M) (h : Then) :
    m.size ≤ (copyOne before id fork owner c parts m h).size := by
  unfold copyOne
  split <;> exact Nat.le_refl _

theorem markCopy_le (id fork : Id) (m : M) (h : Then) : m.size ≤ (markCopy id fork m h).size := by
  unfold markCopy
  split
  · exact Nat.le_refl _
  · exact Nat.le_succ _

theorem fork_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.fork asker w).size := by
  unfold fork
  split
  · split
    · exact Nat.lt_succ_self _
    · simp only
      split
      · exact Nat.lt_succ_self _
      · rw [answerRun_size]
        refine Nat.lt_succ_of_le ?_
        exact Nat.le_trans (le_foldl (copyOne_le m _ _ _ _ _) _ m) (le_foldl (markCopy_le _ _) _ _)
  · exact Nat.lt_succ_self _

theorem inject_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.inject asker w).size := by
  unfold inject
  split
  · split
    · exact Nat.lt_succ_self _
    · split
      · exact Nat.lt_succ_self _
      · split
        · exact Nat.lt_succ_self _
        · exact Nat.lt_succ_of_lt (Nat.lt_succ_self _)
  · exact Nat.lt_succ_self _

theorem merge_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.merge asker w).size := by
  unfold merge
  split
  · split
    · exact Nat.lt_succ_self _
    · simp only
      split
      · exact Nat.lt_succ_self _
      · split <;> exact Nat.lt_succ_self _
  · exact Nat.lt_succ_self _

theorem take_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.take asker w).size := by
  unfold take
  split <;> exact Nat.lt_succ_self _

theorem answerOp_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.answerOp asker w).size := by
  unfold answerOp
  split
  · exact ownerAnswers_lt ..
  · exact Nat.lt_succ_self _

theorem denyOp_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.denyOp asker w).size := by
  unfold denyOp
  split
  · exact ownerAnswers_lt ..
  · exact Nat.lt_succ_self _

theorem traceOp_lt (m : M) (asker : Id) (w : Waiting) : m.size < (m.traceOp asker w).size := by
  unfold traceOp
  split
  · split
    · exact Nat.lt_succ_self _
    · simp only
      split <;> exact Nat.lt_succ_self _
  · exact Nat.lt_succ_self _

theorem pick_lt {m n : M} {asker : Id} {w : Waiting} (h : m.pick asker w = some n) : m.size < n.size := by
  unfold pick at h
  split at h
  · split at h
    · cases h; exact Nat.lt_succ_self _
    · cases h
  · cases h; exact Nat.lt_succ_self _

theorem next_quiet {m n : M} {asker : Id} {w : Waiting} (h : m.next asker w = n) (e : n.size = m.size) :
    ∃ code, Recoded m n asker code ∧ Underway w code := by
  unfold next at h
  split at h
  · split at h
    · subst h; exact absurd e (Nat.succ_ne_self _)
    · subst h; exact ⟨_, ⟨rfl, rfl⟩, .inl ⟨_, rfl⟩⟩
  · subst h; exact absurd e (Nat.succ_ne_self _)

theorem pass_quiet {m n : M} {asker : Id} {w : Waiting} (h : m.pass asker w = n) (e : n.size = m.size) :
    ∃ code, Recoded m n asker code ∧ Underway w code := by
  unfold pass at h
  split at h
  · split at h
    · subst h; exact absurd e (Nat.succ_ne_self _)
    · subst h; exact ⟨_, ⟨rfl, rfl⟩, .inr (.inl ⟨_, _, _, rfl⟩)⟩
  · subst h; exact absurd e (Nat.succ_ne_self _)

theorem revert_quiet {m n : M} {asker : Id} {w : Waiting} (h : m.revert asker w = n) (e : n.size = m.size) :
    ∃ code, Recoded m n asker code ∧ Underway w code := by
  unfold revert at h
  split at h
  · split at h
    · subst h; exact absurd e (Nat.succ_ne_self _)
    · split at h
      · exact takeBack_quiet h e
      · subst h; exact absurd e (Nat.succ_ne_self _)
  · subst h; exact absurd e (Nat.succ_ne_self _)

theorem discardOp_quiet {m n : M} {asker : Id} {w : Waiting} (h : m.discardOp asker w = n) (e : n.size = m.size) :
    ∃ code, Recoded m n asker code ∧ Underway w code := by
  unfold discardOp at h
  split at h
  · split at h
    · subst h; exact absurd e (Nat.succ_ne_self _)
    · split at h
      · subst h; exact absurd e (Nat.succ_ne_self _)
      · exact takeBack_quiet h e
  · subst h; exact absurd e (Nat.succ_ne_self _)

/-- An operation on runs that records nothing is under way after it. -/
theorem perform_quiet {m n : M} {asker : Id} {w : Waiting} (h : m.perform asker w = some n) (e : n.size = m.size) :
    ∃ code, Recoded m n asker code ∧ Underway w code := by
  have no : ∀ {P : Prop}, m.size < n.size → P := fun l => absurd e (Nat.ne_of_gt l)
  unfold perform at h
  split at h
  · cases h; exact no (take_lt ..)
  · cases h; exact no (answerOp_lt ..)
  · cases h; exact no (denyOp_lt ..)
  · cases h; exact discardOp_quiet rfl e
  · cases h; exact no (fork_lt ..)
  · cases h; exact no (inject_lt ..)
  · cases h; exact no (merge_lt ..)
  · cases h; exact next_quiet rfl e
  · cases h; exact pass_quiet rfl e
  · exact no (pick_lt h)
  · cases h; exact revert_quiet rfl e
  · cases h; exact no (spawn_lt ..)
  · cases h; exact no (traceOp_lt ..)
  · cases h; exact no (Nat.lt_succ_self _)

/-! ## Stops -/

theorem rehandle_size (m : M) (v : Value) (source target : Id) : (m.rehandle v source target).1.size = m.size := rfl

theorem stopValue_size (m : M) (owner id : Id) : (m.stopValue owner id).1.size = m.size := by
  unfold stopValue
  split
  · rfl
  · rfl
  · rfl
  · split <;> rfl

theorem answerFile_lt (m : M) (id : Id) (q : Question) : m.size < (m.answerFile id q).size := by
  unfold answerFile
  simp only
  split
  · refine Nat.lt_of_le_of_lt ?_ (deliver_lt ..)
    exact Nat.le_refl m.size
  · exact deliver_lt ..

/-- A stop that is shown to the owner that drives, or answered, is recorded. -/
theorem atStop_lt {m n : M} {id : Id} {rest : List Id} (h : m.atStop id rest = some n)
    (drives : ∀ owner rest', rest = owner :: rest' → ∃ r w, (m.run owner).code = .driving r w) : m.size < n.size := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → m.size < n.size := fun h => by
    split at h
    · split at h
      · cases h; exact answerFile_lt ..
      · cases h
    · cases h
  unfold atStop at h
  split at h
  · next owner rest' =>
    split at h
    · cases h
      obtain ⟨r, w, hd⟩ := drives owner rest' rfl
      unfold toOwner
      simp only [hd]
      rw [size_reply, stopValue_size]
      exact Nat.lt_succ_self _
    · exact file h
  · exact file h

/-! ## Local steps and the end -/

/-- Where a run that ends records nothing it begins to discard a run that is not discarded. -/
theorem finish_quiet {m : M} {id : Id} {again : Comp} {kind : EndKind} {v : Value} {code : Settled}
    (e : (m.finish id again kind v code).size = m.size) : ∃ u, u.to = none ∧ (m.run u.run).code ≠ .settled .discarded ∧
      Recoded m (m.finish id again kind v code) id (.undoing u (.running again [] [] 0)) ∧
      (m.finish id again kind v code).stack = m.stack := by
  generalize hn : m.finish id again kind v code = n at e ⊢
  unfold finish at hn
  split at hn
  · next n' hd =>
    subst hn
    unfold discardMade at hd
    split at hd
    · cases hd
    · next kid hk =>
      split at hd
      · next hb =>
        cases hd
        obtain ⟨u, rfl, ht, h⟩ := begin_quiet hb e
        refine ⟨u, ht, fun hc => ?_, h⟩
        have := (List.mem_filter.mp (List.mem_of_getLast? hk)).2
        rw [hc] at this
        simp only [Code.isLive, Bool.and_false, Bool.false_eq_true] at this
      · cases hd
  · subst hn
    have : m.size + 1 ≤ ((m.recordCode id (.ended kind v) (.settled code)).giveBack id).size := by
      unfold giveBack
      refine le_foldl (fun m k => ?_) _ (m.recordCode id (.ended kind v) (.settled code))
      split <;> exact Nat.le_refl _
    omega

/-- A local step that records nothing: one more is counted, or the run begins to discard what it made. -/
theorem localMove_quiet {m n : M} {id : Id} {c : Comp} {ρ : Env} {K : Stack} {k : Nat} (h : m.localMove id c ρ K k = n)
    (e : n.size = m.size) : n.stack = m.stack ∧ ((k < m.program.steps ∧ ∃ c ρ K, Recoded m n id (.settled (.running c ρ K (k + 1)))) ∨
      ∃ u again, u.to = none ∧ (m.run u.run).code ≠ .settled .discarded ∧ Recoded m n id (.undoing u (.running again [] [] 0))) := by
  have ends : ∀ {again kind v code}, m.finish id again kind v code = n →
      n.stack = m.stack ∧
        ∃ u again, u.to = none ∧ (m.run u.run).code ≠ .settled .discarded ∧ Recoded m n id (.undoing u (.running again [] [] 0)) := by
    intro again kind v code h
    subst h
    obtain ⟨u, h1, h2, h3, hs⟩ := finish_quiet e
    exact ⟨hs, u, again, h1, h2, h3⟩
  unfold localMove at h
  split at h
  · exact ⟨(ends h).1, .inr (ends h).2⟩
  · next hk =>
    split at h
    · subst h
      exact ⟨rfl, .inl ⟨Nat.lt_of_succ_le (Nat.le_of_not_lt hk), _, _, _, rfl, rfl⟩⟩
    · exact ⟨(ends h).1, .inr (ends h).2⟩
    · exact ⟨(ends h).1, .inr (ends h).2⟩
    · subst h
      unfold ask at e
      simp only at e
      split at e <;> exact absurd e (Nat.succ_ne_self _)

end M

end Shepherd
