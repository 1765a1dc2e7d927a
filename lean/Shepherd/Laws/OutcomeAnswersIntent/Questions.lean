import Shepherd.Laws.Support.WellFormed

/-!
# The question of a trace

Which intent or undo the next outcome of a trace answers, event by event.
-/

namespace Shepherd

/-- Whether an event is an intent. -/
def Event.isIntent : Event → Bool
  | .intent .. => true
  | _ => false

/-- Whether an event is an undo. -/
def Event.isUndo : Event → Bool
  | .undo .. => true
  | _ => false

/-- Whether an event is an outcome. -/
def Event.isOutcome : Event → Bool
  | .outcome .. => true
  | _ => false

/-- Whether an event may stand between a question and its outcome: a message, or, in a copy, `forked`. -/
def Event.isBetween : Event → Bool
  | .injected .. | .forked .. => true
  | _ => false

/-- Whether code is at an open intent. -/
def Settled.waits : Settled → Bool
  | .waiting _ => true
  | _ => false

namespace Trace

/-- Whether the question of a trace is an intent. -/
def asksIntent (t : Trace) : Bool := match question t with
  | some c => c.event.isIntent
  | none => false

/-- Whether the question of a trace is an undo. -/
def asksUndo (t : Trace) : Bool := match question t with
  | some c => c.event.isUndo
  | none => false

theorem question_want (t : Trace) (k : Nat) : questionFrom (some k) t = question (upTo t k) := by
  induction t with
  | nil => rfl
  | cons c t ih =>
    unfold upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = k
    · have h : (c.index != k) = false := by rw [e, bne_self_eq_false]
      have h' : (some k : Option Nat).all (· == c.index) = true := by
        rw [Option.all_some, e, beq_self_eq_true]
      rw [h, if_neg Bool.false_ne_true]
      unfold question questionFrom
      rw [if_pos h', if_pos (by rfl)]
    · have h : (c.index != k) = true := bne_iff_ne.mpr e
      have h' : ¬ (some k : Option Nat).all (· == c.index) = true := by
        rw [Option.all_some, beq_iff_eq]
        exact fun h => e h.symm
      rw [h, if_pos rfl]
      unfold questionFrom
      rw [if_neg h']
      exact ih

theorem question_intent {c : Commit} {op : String} {args : List Value} (h : c.event = .intent op args) (t : Trace) :
    question (c :: t) = some c := by
  unfold question questionFrom
  rw [if_pos (by rfl), h]

theorem question_undo {c : Commit} {j : Nat} {op : String} {args : List Value} (h : c.event = .undo j op args) (t : Trace) :
    question (c :: t) = some c := by
  unfold question questionFrom
  rw [if_pos (by rfl), h]

theorem question_between {c : Commit} (h : c.event.isBetween = true) (t : Trace) : question (c :: t) = question t := by
  unfold question
  rw [questionFrom, if_pos (by rfl)]
  cases e : c.event with
  | injected v => rfl
  | forked o k => rfl
  | _ => rw [e] at h; exact absurd h Bool.false_ne_true

theorem question_reverted {c : Commit} {k : Nat} (h : c.event = .reverted k) (t : Trace) :
    question (c :: t) = question (upTo t k) := by
  rw [← question_want]
  unfold question
  rw [questionFrom, if_pos (by rfl), h]

/-- An event that closes the question, if there was one. -/
def _root_.Shepherd.Event.closes : Event → Bool
  | .outcome .. | .start .. | .denied .. | .ended .. => true
  | _ => false

theorem question_closes {c : Commit} (h : c.event.closes = true) (t : Trace) : question (c :: t) = none := by
  unfold question
  rw [questionFrom, if_pos (by rfl)]
  cases e : c.event with
  | outcome => rfl
  | start => rfl
  | denied => rfl
  | ended => rfl
  | _ => rw [e] at h; exact absurd h Bool.false_ne_true

/-- A question is an intent or an undo. -/
theorem questionFrom_event {want : Option Nat} {t : Trace} {q : Commit} (h : questionFrom want t = some q) :
    q.event.isIntent = true ∨ q.event.isUndo = true := by
  induction t generalizing want with
  | nil => cases h
  | cons c t ih =>
    unfold questionFrom at h
    split at h
    · split at h
      · exact ih h
      · next e => cases h; rw [e]; exact .inl rfl
      · next e => cases h; rw [e]; exact .inr rfl
      · exact ih h
      · exact ih h
      · cases h
    · exact ih h

theorem asksIntent_of_question {t t' : Trace} (h : question t = question t') : asksIntent t = asksIntent t' := by
  unfold asksIntent; rw [h]

theorem asksUndo_of_question {t t' : Trace} (h : question t = question t') : asksUndo t = asksUndo t' := by
  unfold asksUndo; rw [h]

theorem asksIntent_none {t : Trace} (h : question t = none) : asksIntent t = false := by
  unfold asksIntent; rw [h]

theorem question_none {t : Trace} (hi : asksIntent t = false) (hu : asksUndo t = false) : question t = none := by
  cases e : question t with
  | none => rfl
  | some q =>
    unfold asksIntent at hi
    unfold asksUndo at hu
    rw [e] at hi hu
    rcases questionFrom_event e with h | h
    · exact absurd (h.symm.trans hi) (by decide)
    · exact absurd (h.symm.trans hu) (by decide)

theorem not_intent_of_undo {t : Trace} (h : asksUndo t = true) : asksIntent t = false := by
  unfold asksUndo at h
  unfold asksIntent
  cases e : question t with
  | none => rfl
  | some c =>
    rw [e] at h
    have h : c.event.isUndo = true := h
    show c.event.isIntent = false
    cases ev : c.event with
    | undo => rfl
    | _ => rw [ev] at h; cases h

theorem question_some_of {t : Trace} (h : asksIntent t = true ∨ asksUndo t = true) : ∃ q, question t = some q := by
  cases e : question t with
  | some q => exact ⟨q, rfl⟩
  | none =>
    unfold asksIntent asksUndo at h
    rw [e] at h
    exact absurd h (by simp only [Bool.false_eq_true, or_self, not_false_eq_true])

theorem asks_of_question {t : Trace} {q : Commit} (h : question t = some q) : asksIntent t = true ∨ asksUndo t = true := by
  unfold asksIntent asksUndo
  rw [h]
  exact questionFrom_event h

/-- What holds of a trace: each outcome has a question, and the code of each commit is at an intent just where the question is one. -/
def Good (T : Trace) : Prop := ∀ c t, c :: t <:+ T →
  (c.event.isOutcome = true → asksIntent t = true ∨ asksUndo t = true) ∧ asksIntent (c :: t) = c.code.waits

theorem Good.nil : Good [] := fun _ _ h => nomatch List.suffix_nil.mp h

theorem Good.suffix {s t : Trace} (g : Good t) (h : s <:+ t) : Good s := fun c u hu => g c u (hu.trans h)

theorem Good.cons {c : Commit} {t : Trace} (g : Good t) (ho : c.event.isOutcome = true → asksIntent t = true ∨ asksUndo t = true)
    (hc : asksIntent (c :: t) = c.code.waits) : Good (c :: t) := by
  intro d u h
  rw [List.suffix_cons_iff] at h
  rcases h with h | h
  · cases h; exact ⟨ho, hc⟩
  · exact g d u h

/-! ## In words of the live events -/

/-- The next outcome of the trace answers `q`: `q` is an intent or an undo, and after it only messages and `forked` are live. -/
def Answers (t : Trace) (q : Commit) : Prop := ∃ between before, live t = between ++ q :: before ∧
  (q.event.isIntent = true ∨ q.event.isUndo = true) ∧ ∀ b ∈ between, b.event.isBetween = true

theorem answers_of_questionFrom {want : Option Nat} {t : Trace} {q : Commit} (h : questionFrom want t = some q) :
    ∃ between before, (livesFrom want t).map Prod.fst = between ++ q :: before ∧ ∀ b ∈ between, b.event.isBetween = true := by
  induction t generalizing want with
  | nil => cases h
  | cons c t ih =>
    unfold questionFrom at h
    unfold livesFrom
    split at h
    · next hw =>
      rw [if_pos hw]
      split at h
      · next e => rw [e]; exact ih h
      · next e =>
        cases h
        rw [e]
        exact ⟨[], _, rfl, fun b hb => absurd hb List.not_mem_nil⟩
      · next e =>
        cases h
        rw [e]
        exact ⟨[], _, rfl, fun b hb => absurd hb List.not_mem_nil⟩
      · next e =>
        obtain ⟨s, r, hs, hb⟩ := ih h
        rw [e]
        refine ⟨c :: s, r, by simp only [List.map_cons, hs, List.cons_append], fun b hb' => ?_⟩
        cases List.mem_cons.mp hb' with
        | inl x => rw [x, e]; rfl
        | inr x => exact hb b x
      · next e =>
        obtain ⟨s, r, hs, hb⟩ := ih h
        rw [e]
        refine ⟨c :: s, r, by simp only [List.map_cons, hs, List.cons_append], fun b hb' => ?_⟩
        cases List.mem_cons.mp hb' with
        | inl x => rw [x, e]; rfl
        | inr x => exact hb b x
      · cases h
    · next hw =>
      rw [if_neg hw]
      exact ih h

theorem answers_of_question {t : Trace} {q : Commit} (h : question t = some q) : Answers t q := by
  obtain ⟨s, r, hs, hb⟩ := answers_of_questionFrom h
  exact ⟨s, r, hs, questionFrom_event h, hb⟩

end Trace

end Shepherd
