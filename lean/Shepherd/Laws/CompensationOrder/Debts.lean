import Shepherd.Laws.Support.Reach

/-!
# What a trace says is owed

`debts` is a fold. Here is what it comes to: an outcome is owed exactly where the trace shows that the world did something that can be
compensated, since the last `forked`, and no undo of it has an outcome.
-/

namespace Shepherd

namespace Trace

/-- `o` is an outcome in the trace, and `q` is the intent or undo that it answers. -/
def AnswersTo (t : Trace) (o q : Commit) : Prop :=
  ∃ before, o :: before <:+ t ∧ (∃ answer change by', o.event = .outcome answer change by') ∧ question before = some q

/-- The outcome `o` of `q` is one for which `d.op(d.args)` is owed: the world answered `Ok`, and what had been asked is declared
compensable by `d.op`. -/
structure Owing (P : Program) (o q : Commit) (d : Debt) : Prop where
  index : o.index = d.at
  seq : o.seq = d.seq
  ok : ∃ change, o.event = .outcome (.con "Ok" d.args) change .world
  asked : ∃ op args, q.event = .intent op args ∧ isMachineOp op = false ∧ P.undoOf op = some d.op ∧ isMachineOp d.op = false

/-- The trace has the outcome for which `d` is owed, and it is newer than every `forked`. -/
def Shows (P : Program) (t : Trace) (d : Debt) : Prop :=
  (∃ o q, AnswersTo t o q ∧ Owing P o q d) ∧ ∀ c ∈ t, ∀ x k, c.event = .forked x k → c.index < d.at

/-- An undo of the outcome `j` has an outcome, but for `abandoned`. -/
def Repaid (t : Trace) (j : Nat) : Prop :=
  ∃ o q op args, AnswersTo t o q ∧ q.event = .undo j op args ∧ o.event.isAbandoned = false

/-- Every undo is of an earlier event. -/
def Backward (t : Trace) : Prop := ∀ c ∈ t, ∀ j op args, c.event = .undo j op args → j < c.index

theorem Backward.tail {c : Commit} {t : Trace} (h : Backward (c :: t)) : Backward t :=
  fun d hd => h d (List.mem_cons_of_mem _ hd)

theorem Indexed.lt {c : Commit} {t : Trace} (h : Indexed (c :: t)) : ∀ d ∈ t, d.index < c.index := by
  rw [h.1]
  replace h := h.2
  induction t with
  | nil => exact fun d hd => absurd hd List.not_mem_nil
  | cons x t ih =>
    intro d hd
    cases List.mem_cons.mp hd with
    | inl e => rw [e, h.1, List.length_cons]; exact Nat.lt_succ_self _
    | inr hd => exact Nat.lt_succ_of_lt (ih h.2 d hd)

theorem questionFrom_mem {want : Option Nat} {t : Trace} {q : Commit} (h : questionFrom want t = some q) : q ∈ t := by
  induction t generalizing want with
  | nil => cases h
  | cons c t ih =>
    unfold questionFrom at h
    split at h
    · split at h
      · exact List.mem_cons_of_mem _ (ih h)
      · cases h; exact List.mem_cons_self
      · cases h; exact List.mem_cons_self
      · exact List.mem_cons_of_mem _ (ih h)
      · exact List.mem_cons_of_mem _ (ih h)
      · cases h
    · exact List.mem_cons_of_mem _ (ih h)

theorem question_mem {t : Trace} {q : Commit} (h : question t = some q) : q ∈ t := questionFrom_mem h

theorem answers_cons {c : Commit} {t : Trace} {o q : Commit} : AnswersTo (c :: t) o q ↔
    (o = c ∧ (∃ answer change by', c.event = .outcome answer change by') ∧ question t = some q) ∨ AnswersTo t o q := by
  constructor
  · intro ⟨before, hs, ho, hq⟩
    cases List.suffix_cons_iff.mp hs with
    | inl e => cases e; exact .inl ⟨rfl, ho, hq⟩
    | inr hs => exact .inr ⟨before, hs, ho, hq⟩
  · intro h
    rcases h with ⟨rfl, ho, hq⟩ | ⟨before, hs, ho, hq⟩
    · exact ⟨t, List.suffix_refl _, ho, hq⟩
    · exact ⟨before, hs.trans (List.suffix_cons _ _), ho, hq⟩

theorem AnswersTo.mem {t : Trace} {o q : Commit} (h : AnswersTo t o q) : o ∈ t ∧ q ∈ t := by
  obtain ⟨before, hs, _, hq⟩ := h
  exact ⟨hs.subset List.mem_cons_self, hs.subset (List.mem_cons_of_mem _ (question_mem hq))⟩

/-- What the fold has, before what was inherited is left out. -/
theorem mem_owed {P : Program} {id : Id} {t : Trace} {start : Nat} (i : Indexed t) (b : Backward t) (d : Debt) :
    d ∈ (answered start t).foldr (owe P id) [] ↔
      d.run = id ∧ start ≤ d.at ∧ (∃ o q, AnswersTo t o q ∧ Owing P o q d) ∧ ¬ Repaid t d.at := by
  induction t with
  | nil =>
    simp only [answered, List.foldr_nil, List.not_mem_nil, false_iff]
    intro ⟨_, _, ⟨o, q, h, _⟩, _⟩
    exact absurd h.mem.1 List.not_mem_nil
  | cons c t ih =>
    have ih := ih i.2 b.tail
    -- A commit that owes nothing and repays nothing changes nothing.
    have same : (∀ q, question t = some q → (∃ a ch b, c.event = .outcome a ch b) → ¬ Owing P c q d ∧
        ((∃ op args, q.event = .undo d.at op args) → c.event.isAbandoned = true)) →
        ((∃ o q, AnswersTo (c :: t) o q ∧ Owing P o q d) ↔ ∃ o q, AnswersTo t o q ∧ Owing P o q d) ∧
        (Repaid (c :: t) d.at ↔ Repaid t d.at) := by
      intro h
      refine ⟨⟨fun ⟨o, q, ha, ho⟩ => ?_, fun ⟨o, q, ha, ho⟩ => ⟨o, q, answers_cons.mpr (.inr ha), ho⟩⟩,
        fun ⟨o, q, op, args, ha, hq, hn⟩ => ?_, fun ⟨o, q, op, args, ha, h⟩ => ⟨o, q, op, args, answers_cons.mpr (.inr ha), h⟩⟩
      · rcases answers_cons.mp ha with ⟨rfl, e, hq⟩ | ha
        · exact absurd ho (h q hq e).1
        · exact ⟨o, q, ha, ho⟩
      · rcases answers_cons.mp ha with ⟨rfl, e, hq'⟩ | ha
        · rw [(h q hq' e).2 ⟨op, args, hq⟩] at hn; cases hn
        · exact ⟨o, q, op, args, ha, hq, hn⟩
    unfold answered
    by_cases hl : c.index < start
    · rw [if_pos hl, List.foldr_nil]
      refine ⟨fun h => absurd h List.not_mem_nil, fun ⟨_, hs, ⟨o, q, ha, ho⟩, _⟩ => ?_⟩
      have : o.index ≤ c.index := by
        rcases List.mem_cons.mp ha.mem.1 with e | h
        · rw [e]; exact Nat.le_refl _
        · exact Nat.le_of_lt (i.lt o h)
      rw [ho.index] at this
      omega
    · rw [if_neg hl]
      split
      · next a ch by' q he hq =>
        rw [List.foldr_cons]
        generalize (answered start t).foldr (owe P id) [] = rest at ih
        have only : ∀ q', question t = some q' → q' = q := fun q' h => by rw [hq] at h; exact (Option.some.inj h).symm
        unfold owe
        split
        · next j op args hqe =>
          split
          · next hab =>
            have s := same fun q' h _ => by
              rw [only q' h]
              refine ⟨fun ho => ?_, fun _ => hab⟩
              obtain ⟨op', args', e, _⟩ := ho.asked
              rw [hqe] at e; cases e
            rw [ih, s.1, s.2]
          · next hab =>
            simp only [Bool.not_eq_true] at hab
            by_cases hj : d.at = j
            · rw [List.mem_filter]
              refine ⟨fun h => ?_, fun ⟨_, _, _, h⟩ => absurd ?_ h⟩
              · rw [hj, bne_self_eq_false] at h; exact absurd h.2 Bool.false_ne_true
              · exact ⟨c, q, op, args, answers_cons.mpr (.inl ⟨rfl, ⟨_, _, _, he⟩, hq⟩), by rw [hj]; exact hqe, hab⟩
            · have s := same fun q' h _ => by
                rw [only q' h]
                refine ⟨fun ho => ?_, fun ⟨op', args', e⟩ => ?_⟩
                · obtain ⟨op', args', e, _⟩ := ho.asked
                  rw [hqe] at e; cases e
                · rw [hqe] at e
                  exact absurd (Event.undo.inj e).1.symm hj
              rw [List.mem_filter, ih, s.1, s.2]
              exact ⟨fun h => h.1, fun h => ⟨h, bne_iff_ne.mpr hj⟩⟩
        · next op args vs ch' hqe hce =>
          have noUndo : ∀ q', question t = some q' → (∃ op args, q'.event = .undo d.at op args) → c.event.isAbandoned = true :=
            fun q' h ⟨op', args', e⟩ => by rw [only q' h, hqe] at e; cases e
          split
          · next undo hm hu =>
            split
            · next hmu =>
              have s := same fun q' h _ => by
                refine ⟨fun ho => ?_, noUndo q' h⟩
                obtain ⟨op', args', e, _, e', e''⟩ := ho.asked
                rw [only q' h, hqe] at e
                cases e
                rw [hu] at e'
                cases e'
                rw [hmu] at e''
                cases e''
              rw [ih, s.1, s.2]
            · next hmu =>
              simp only [Bool.not_eq_true] at hmu
              have rep : Repaid (c :: t) d.at ↔ Repaid t d.at := by
                refine ⟨fun ⟨o, q', op', args', ha, hq', hn⟩ => ?_, fun ⟨o, q', op', args', ha, h⟩ =>
                  ⟨o, q', op', args', answers_cons.mpr (.inr ha), h⟩⟩
                rcases answers_cons.mp ha with ⟨rfl, _, h⟩ | ha
                · rw [noUndo q' h ⟨op', args', hq'⟩] at hn; cases hn
                · exact ⟨o, q', op', args', ha, hq', hn⟩
              rw [List.mem_cons, ih, rep]
              constructor
              · intro h
                rcases h with rfl | ⟨hr, hs, ⟨o, q', ha, ho⟩, hn⟩
                · refine ⟨rfl, Nat.le_of_not_lt hl, ⟨c, q, answers_cons.mpr (.inl ⟨rfl, ⟨_, _, _, he⟩, hq⟩), ?_⟩, ?_⟩
                  · exact { index := rfl, seq := rfl, ok := ⟨ch', hce⟩, asked := ⟨op, args, hqe, hm, hu, hmu⟩ }
                  · intro ⟨o, q', op', args', ha, hq', _⟩
                    have h1 := b.tail q' ha.mem.2 _ _ _ hq'
                    have h2 := i.lt q' ha.mem.2
                    simp only at h1
                    omega
                · exact ⟨hr, hs, ⟨o, q', answers_cons.mpr (.inr ha), ho⟩, hn⟩
              · intro ⟨hr, hs, ⟨o, q', ha, ho⟩, hn⟩
                rcases answers_cons.mp ha with ⟨rfl, _, h⟩ | ha
                · refine .inl ?_
                  rw [only q' h] at ho
                  obtain ⟨op', args', e, _, e', _⟩ := ho.asked
                  rw [hqe] at e
                  cases e
                  rw [hu] at e'
                  obtain ⟨ch'', e''⟩ := ho.ok
                  rw [hce] at e''
                  cases d
                  cases e'
                  cases e''
                  cases hr
                  have h1 := ho.index
                  have h2 := ho.seq
                  simp only at h1 h2
                  rw [h1, h2]
                · exact .inr ⟨hr, hs, ⟨o, q', ha, ho⟩, hn⟩
          · next hne =>
            have s := same fun q' h _ => by
              refine ⟨fun ho => ?_, noUndo q' h⟩
              obtain ⟨op', args', e, e₁, e₂, _⟩ := ho.asked
              rw [only q' h, hqe] at e
              cases e
              exact hne _ e₁ e₂
            rw [ih, s.1, s.2]
        · next hn₁ hn₂ =>
          have s := same fun q' h _ => by
            rw [only q' h]
            refine ⟨fun ho => ?_, fun ⟨op', args', e⟩ => absurd e (hn₁ _ _ _)⟩
            obtain ⟨op', args', e, _⟩ := ho.asked
            obtain ⟨ch', e'⟩ := ho.ok
            exact hn₂ _ _ _ _ e e'
          rw [ih, s.1, s.2]
      · next hn =>
        have s := same fun q' h ⟨a, ch, by', e⟩ => absurd h (hn _ _ _ _ e)
        rw [ih, s.1, s.2]

theorem lastForked_lt {t : Trace} (i : Indexed t) (n : Nat) :
    (∀ floor, t.lastForked = some floor → floor < n) ↔ ∀ c ∈ t, ∀ x k, c.event = .forked x k → c.index < n := by
  induction t with
  | nil => exact ⟨fun _ c hc => absurd hc List.not_mem_nil, fun _ _ h => nomatch h⟩
  | cons c t ih =>
    have step : lastForked (c :: t) = (match c.event with | .forked .. => some c.index | _ => lastForked t) := by
      unfold lastForked
      rw [List.find?_cons]
      cases c.event <;> rfl
    rw [step]
    constructor
    · intro h d hd x k e
      rcases List.mem_cons.mp hd with rfl | hd
      · rw [e] at h; exact h _ rfl
      · split at h
        · exact Nat.lt_trans (i.lt d hd) (h _ rfl)
        · exact (ih i.2).mp h d hd x k e
    · intro h floor hf
      split at hf
      · next x k e => cases hf; exact h c List.mem_cons_self x k e
      · exact (ih i.2).mpr (fun d hd => h d (List.mem_cons_of_mem _ hd)) floor hf

/-- What a run owes. -/
theorem mem_debts {P : Program} {id : Id} {t : Trace} {start : Nat} (i : Indexed t) (b : Backward t) (d : Debt) :
    d ∈ debts P id t start ↔ d.run = id ∧ start ≤ d.at ∧ Shows P t d ∧ ¬ Repaid t d.at := by
  unfold Shows
  rw [← lastForked_lt i d.at]
  unfold debts
  split
  · next h =>
    rw [mem_owed i b]
    exact ⟨fun ⟨a, b, c, e⟩ => ⟨a, b, ⟨c, fun _ h' => by rw [h] at h'; cases h'⟩, e⟩, fun ⟨a, b, ⟨c, _⟩, e⟩ => ⟨a, b, c, e⟩⟩
  · next floor h =>
    rw [List.mem_filter, mem_owed i b, decide_eq_true_eq]
    exact ⟨fun ⟨⟨a, b, c, e⟩, f⟩ => ⟨a, b, ⟨c, fun _ h' => by rw [h] at h'; cases h'; exact f⟩, e⟩,
      fun ⟨a, b, ⟨c, f⟩, e⟩ => ⟨⟨a, b, c, e⟩, f floor h⟩⟩

end Trace

end Shepherd
