import Shepherd.Laws.Support.Moves

/-!
# The moves of a tree are functions

Lemmas for `step_deterministic`.
-/

namespace Shepherd

namespace M

/-- A tree that has no quiet step. -/
def Ready (q : M) : Prop := ∀ n, q.step = some n → n.size ≠ q.size

/-- The quiet steps before an event lead to one place. -/
theorem Quiet.functional {m q q' : M} (h : Quiet m q) (r : Ready q) (h' : Quiet m q') (r' : Ready q') : q = q' := by
  induction h with
  | refl m =>
    cases h' with
    | refl => rfl
    | step s e _ => exact absurd e (r _ s)
  | step s e _ k =>
    cases h' with
    | refl => exact absurd e (r' _ s)
    | step s' _ h' =>
      cases s.symm.trans s'
      exact k r h'

theorem Ready.of_step {q n : M} (s : q.step = some n) (l : q.size < n.size) : Ready q := fun n' s' e => by
  cases s.symm.trans s'
  omega

theorem Ready.of_none {q : M} (s : q.step = none) : Ready q := fun n' s' _ => by cases s.symm.trans s'

theorem Makes.functional {ω : Oracle} {a : Act} {m n n' : M} (h : Makes ω a m n) (h' : Makes ω a m n') : n = n' := by
  cases h with
  | own q s l => cases h' with
    | own q' s' l' =>
      cases q.functional (.of_step s l) q' (.of_step s' l')
      exact Option.some.inj (s.symm.trans s')
    | answer q' s' _ =>
      cases q.functional (.of_step s l) q' (.of_none s')
      cases s.symm.trans s'
  | answer q s o => cases h' with
    | own q' s' l' =>
      cases q.functional (.of_none s) q' (.of_step s' l')
      cases s.symm.trans s'
    | answer q' s' o' =>
      cases q.functional (.of_none s) q' (.of_none s')
      exact Option.some.inj (o.symm.trans o')
  | world op args s => cases h' with
    | world _ _ s' => exact Option.some.inj (s.symm.trans s')
  | fork s => cases h' with
    | fork s' => exact Option.some.inj (s.symm.trans s')

theorem MakesAll.functional {ω : Oracle} {as : List Act} {m n n' : M} (h : MakesAll ω as m n) (h' : MakesAll ω as m n') : n = n' := by
  induction h with
  | nil => cases h'; rfl
  | cons d _ k =>
    cases h' with
    | cons d' h' =>
      cases d.functional d'
      exact k h'

theorem MakesAll.continues {ω : Oracle} {k l : Nat} {m n n' : M} (h : MakesAll ω (List.replicate k .on) m n)
    (h' : MakesAll ω (List.replicate l .on) m n') (le : k ≤ l) : MakesAll ω (List.replicate (l - k) .on) n n' := by
  induction k generalizing l m with
  | zero => cases h; exact h'
  | succ k ih =>
    cases l with
    | zero => exact absurd le (Nat.not_succ_le_zero k)
    | succ l =>
      rw [List.replicate_succ] at h h'
      cases h with
      | cons d h => cases h' with
        | cons d' h' =>
          cases d.functional d'
          rw [Nat.succ_sub_succ]
          exact ih h h' (Nat.le_of_succ_le_succ le)

/-- Moves that record nothing are none. -/
theorem MakesAll.eq_of_size {ω : Oracle} {as : List Act} {m n : M} (w : Wf m) (h : MakesAll ω as m n) (e : n.size ≤ m.size) :
    m = n := by
  cases h with
  | nil => rfl
  | cons d h =>
    have f := d.next.follows w
    have := d.next.size_lt w
    have := (h.follows f.1).2.size_le
    omega

theorem MakesAll.same_length {ω : Oracle} {k l : Nat} {m n n' : M} (w : Wf m) (h : MakesAll ω (List.replicate k .on) m n)
    (h' : MakesAll ω (List.replicate l .on) m n') (e : n.log.length = n'.log.length) : n = n' := by
  have wn := (h.follows w).1
  have wn' := (h'.follows w).1
  rw [← wn.size, ← wn'.size] at e
  cases Nat.le_total k l with
  | inl le => exact (h.continues h' le).eq_of_size wn (Nat.le_of_eq e.symm)
  | inr le => exact ((h'.continues h le).eq_of_size wn' (Nat.le_of_eq e)).symm

end M

end Shepherd
