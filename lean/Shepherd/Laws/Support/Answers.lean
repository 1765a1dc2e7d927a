import Shepherd.Laws.Support.Moves
import Shepherd.Check

/-!
# Answers from outside, and what they leave in the trace

An answer stands in the trace of the run that asked, right after what that run had recorded; and from there it can be given again.
-/

namespace Shepherd

/-! ## `run.pick` -/

theorem ok_int_good (P : Program) (j : Nat) : goodAnswer P "run.pick" (.ok (.int j)) [] = true := rfl

theorem err_index_good (P : Program) :
    goodAnswer P "run.pick" (.err "index" "the index picked is not in the list") [] = true := rfl

theorem unknown_good (P : Program) (op : String) : goodAnswer P op .unknown [] = true := rfl

/-- What is recorded of a pick tells what was picked. -/
theorem picked_given {P : Program} {answer : Value} {args : List Value} (id : Id)
    (good : goodAnswer P "run.pick" answer [] = true) :
    pickedValue (M.asGiven ⟨id, "run.pick", args⟩ (pickedValue answer args)) args = pickedValue answer args ∧
      goodAnswer P "run.pick" (M.asGiven ⟨id, "run.pick", args⟩ (pickedValue answer args)) [] = true := by
  have err : pickedValue (M.asGiven ⟨id, "run.pick", args⟩ (.err "index" "the index picked is not in the list")) args
        = .err "index" "the index picked is not in the list" ∧
      goodAnswer P "run.pick" (M.asGiven ⟨id, "run.pick", args⟩ (.err "index" "the index picked is not in the list")) [] = true :=
    ⟨rfl, err_index_good P⟩
  have outcome : isOutcome answer = true := by
    unfold goodAnswer at good
    simp only [Bool.and_eq_true] at good
    exact good.1.1.1.1
  unfold isOutcome at outcome
  split at outcome
  · next v =>
    generalize hx : pickedValue (.con "Ok" [v]) args = x
    have : x = .err "index" "the index picked is not in the list" ∨ ∃ vs y, args = [.list vs] ∧ y ∈ vs ∧ x = .ok y := by
      unfold pickedValue at hx
      split at hx
      · next i vs _ =>
        split at hx
        · next y hy => exact .inr ⟨vs, y, rfl, List.mem_of_getElem? hy, hx.symm⟩
        · exact .inl hx.symm
      · exact .inl hx.symm
      · grind
    rcases this with rfl | ⟨vs, y, rfl, hm, rfl⟩
    · exact err
    · have hf : ∃ j, vs.findIdx? (· == y) = some j ∧ vs[j]? = some y := by
        have hs : (vs.findIdx? (· == y)).isSome = true := by
          rw [List.findIdx?_isSome]
          exact List.any_eq_true.mpr ⟨y, hm, beq_self_eq_true y⟩
        obtain ⟨j, hj⟩ := Option.isSome_iff_exists.mp hs
        refine ⟨j, hj, ?_⟩
        obtain ⟨hl, hb, _⟩ := List.findIdx?_eq_some_iff_getElem.mp hj
        rw [List.getElem?_eq_getElem hl]
        exact congrArg some (beq_iff_eq.mp hb)
      obtain ⟨j, hj, hv⟩ := hf
      have hg : M.asGiven ⟨id, "run.pick", [.list vs]⟩ (.ok y) = .ok (.int j) := by
        unfold M.asGiven
        simp only [if_true, Value.ok, hj]
      rw [hg]
      refine ⟨?_, ok_int_good P j⟩
      show (match vs[j]? with
        | some v => Value.ok v
        | none => Value.err "index" "the index picked is not in the list") = _
      rw [hv]
  · exact ⟨rfl, good⟩
  · exact ⟨rfl, good⟩
  · cases outcome

namespace M

theorem asGiven_of_ne {a : Asked} (h : a.op ≠ "run.pick") (answer : Value) : asGiven a answer = answer := by
  unfold asGiven
  rw [if_neg h]

/-- The two kinds of questions that wait for an answer from outside. -/
theorem asked_cases {m : M} (w : Wf m) {a : Asked} (h : m.asked = some a) :
    (∃ id wt, m.has id = true ∧ (m.run id).code = .settled (.waiting wt) ∧ a = ⟨id, "run.pick", wt.args⟩ ∧
      ∀ answer change, m.answer answer change =
        if !goodAnswer m.program a.op answer change then none else some (m.picked id wt answer)) ∨
    (∃ id q, m.has q.asked = true ∧ q.op ≠ "run.pick" ∧ a = ⟨q.asked, q.op, q.args⟩ ∧
      ∀ answer change, m.answer answer change =
        if !goodAnswer m.program a.op answer change then none else some (m.deliver id q answer change .world)) := by
  have ha := h
  unfold asked at h
  split at h
  · cases h
  · next id rest hs =>
    split at h
    · next wt hc =>
      split at h
      · next ho =>
        cases h
        refine .inl ⟨id, wt, has_of_code (by rw [hc]; exact nofun), hc, by rw [ho], fun answer change => ?_⟩
        unfold M.answer
        rw [ha, hs]
        simp only [hc]
        rw [if_pos ho]
      · next ho =>
        obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
        have := has_of_shown w.codes hq
        refine .inr ⟨id, q, this.1, this.2.2, rfl, fun answer change => ?_⟩
        unfold M.answer
        rw [ha, hs]
        simp only [hc, hq]
        rw [if_neg ho]
        rfl
    · next hc =>
      obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
      have := has_of_shown w.codes hq
      refine .inr ⟨id, q, this.1, this.2.2, rfl, fun answer change => ?_⟩
      unfold M.answer
      rw [ha, hs]
      simp only [hq, Option.map_some]

/-- An answer from outside first gives the run that asked its outcome; and what that outcome records is enough to give the answer
again. -/
theorem answer_given {m n : M} (w : Wf m) {a : Asked} (ha : m.asked = some a) {answer : Value} {change : Change}
    (h : m.answer answer change = some n) :
    ∃ x s, m.has a.run = true ∧ Extends (m.record a.run (.outcome x change .world) s) n ∧
      m.answer (asGiven a x) change = some n ∧ goodAnswer m.program a.op (asGiven a x) change = true := by
  rcases asked_cases w ha with ⟨id, wt, hi, hc, rfl, hans⟩ | ⟨id, q, hi, ho, rfl, hans⟩
  · rw [hans] at h
    split at h
    · cases h
    · next good =>
      simp only [Bool.not_eq_true', Bool.not_eq_false] at good
      have he : change = [] := by
        unfold goodAnswer at good
        simp only [Bool.and_eq_true, Bool.or_eq_true, List.isEmpty_iff, bne_self_eq_false, Bool.false_and] at good
        simpa using good.1.2
      subst he
      cases h
      obtain ⟨hp, hg⟩ := picked_given (args := wt.args) id good
      refine ⟨pickedValue answer wt.args, _, hi, .refl _, ?_, hg⟩
      rw [hans, hg]
      unfold picked
      simp only [hp]
      rfl
  · rw [hans] at h
    split at h
    · cases h
    · next good =>
      cases h
      simp only [Bool.not_eq_true', Bool.not_eq_false] at good
      refine ⟨answer, _, hi, extends_deliver w id hi answer change .world, ?_, ?_⟩
      · rw [asGiven_of_ne ho, hans, good]; rfl
      · rw [asGiven_of_ne ho]; exact good

end M

end Shepherd
