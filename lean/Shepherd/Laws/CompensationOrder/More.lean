import Shepherd.Laws.CompensationOrder.Debts

/-!
# What one more commit makes of what is owed
-/

namespace Shepherd

namespace Trace

theorem question_cons (c : Commit) (t : Trace) : question (c :: t) = match c.event with
    | .reverted k => questionFrom (some k) t
    | .intent .. | .undo .. => some c
    | .injected _ | .forked .. => question t
    | _ => none := by
  unfold question
  rw [questionFrom]
  simp only [Option.all_none, if_true]
  cases c.event <;> rfl

/-- A commit that answers no intent, and is no `forked`. -/
def Idle (t : Trace) (c : Commit) : Prop :=
  (∀ x k, c.event ≠ .forked x k) ∧
    ∀ q, question t = some q → (∃ op args, q.event = .intent op args) → ∀ answer ch by', c.event = .outcome answer ch by' →
      c.event.isAbandoned = true

theorem isAbandoned_iff {e : Event} : e.isAbandoned = true ↔ ∃ ch, e = .outcome abandoned ch .machine := by
  unfold Event.isAbandoned
  split
  · rw [beq_iff_eq]
    refine ⟨fun h => by rw [h]; exact ⟨_, rfl⟩, fun ⟨ch, h⟩ => ?_⟩
    cases h; rfl
  · next h => exact ⟨fun h => absurd h Bool.false_ne_true, fun ⟨ch, e⟩ => absurd e (h _ _)⟩

theorem shows_cons {P : Program} {c : Commit} {t : Trace} (h : Idle t c) (d : Debt) : Shows P (c :: t) d ↔ Shows P t d := by
  constructor
  · intro ⟨⟨o, q, ha, ho⟩, hf⟩
    refine ⟨?_, fun x hx => hf x (List.mem_cons_of_mem _ hx)⟩
    rcases answers_cons.mp ha with ⟨rfl, ⟨a, ch, b, e⟩, hq⟩ | ha
    · obtain ⟨op, args, hqe, _⟩ := ho.asked
      obtain ⟨ch', e'⟩ := ho.ok
      obtain ⟨ch'', e''⟩ := isAbandoned_iff.mp (h.2 q hq ⟨op, args, hqe⟩ a ch b e)
      rw [e'] at e''
      exact absurd (Value.con.inj (Event.outcome.inj e'').1).1 (by decide)
    · exact ⟨o, q, ha, ho⟩
  · intro ⟨⟨o, q, ha, ho⟩, hf⟩
    refine ⟨⟨o, q, answers_cons.mpr (.inr ha), ho⟩, fun x hx y k e => ?_⟩
    rcases List.mem_cons.mp hx with rfl | hx
    · exact absurd e (h.1 y k)
    · exact hf x hx y k e

/-- A commit that is no outcome, or says only that a question was given up, repays nothing. -/
theorem repaid_cons {c : Commit} {t : Trace} (h : ∀ a ch b, c.event = .outcome a ch b → c.event.isAbandoned = true) (j : Nat) :
    Repaid (c :: t) j ↔ Repaid t j := by
  constructor
  · intro ⟨o, q, op, args, ha, hq, hn⟩
    rcases answers_cons.mp ha with ⟨rfl, ⟨a, ch, b, e⟩, _⟩ | ha
    · rw [h a ch b e] at hn; cases hn
    · exact ⟨o, q, op, args, ha, hq, hn⟩
  · intro ⟨o, q, op, args, ha, h⟩
    exact ⟨o, q, op, args, answers_cons.mpr (.inr ha), h⟩

/-- The outcome of an undo repays what it undoes. -/
theorem repaid_cons_undo {c u : Commit} {t : Trace} {j : Nat} {op : String} {args : List Value} {a : Value} {ch : Change} {b : By}
    (hc : c.event = .outcome a ch b) (hn : c.event.isAbandoned = false) (hu : question t = some u)
    (he : u.event = .undo j op args) (k : Nat) : Repaid (c :: t) k ↔ k = j ∨ Repaid t k := by
  constructor
  · intro ⟨o, q, op', args', ha, hq, hn'⟩
    rcases answers_cons.mp ha with ⟨rfl, _, hq'⟩ | ha
    · rw [hu] at hq'
      cases hq'
      rw [he] at hq
      cases hq
      exact .inl rfl
    · exact .inr ⟨o, q, op', args', ha, hq, hn'⟩
  · rintro (rfl | ⟨o, q, op', args', ha, h⟩)
    · exact ⟨c, u, op, args, answers_cons.mpr (.inl ⟨rfl, ⟨a, ch, b, hc⟩, hu⟩), he, hn⟩
    · exact ⟨o, q, op', args', answers_cons.mpr (.inr ha), h⟩

/-! ## The history of a trace -/

/-- What holds when a run records an undo: the trace before it shows the debt, and no undo of it has an outcome, unless it was given
up. -/
def Due (P : Program) (id : Id) (t : Trace) (u : Commit) : Prop :=
  ∀ j op args, u.event = .undo j op args → (∃ seq, Shows P t ⟨id, j, op, args, seq⟩) ∧ ¬ Repaid t j

theorem Due.of_not {P : Program} {id : Id} {t : Trace} {u : Commit} (h : ∀ j op args, u.event ≠ .undo j op args) : Due P id t u :=
  fun j op args e => absurd e (h j op args)

end Trace

end Shepherd
