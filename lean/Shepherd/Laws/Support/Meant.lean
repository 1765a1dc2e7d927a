import Shepherd.Forest

/-!
# What ids in inherited commits mean today
-/

namespace Shepherd

namespace M

/-- What an id means today is there, or it is that id. -/
theorem meant_cases (m : M) (r id x : Id) : m.has (m.meant r id x) = true ∨ m.meant r id x = x := by
  induction id with
  | copy f old _ ih =>
    unfold meant
    split
    · exact .inr rfl
    · simp only
      split
      · next i => exact .inl i
      · split
        · next i => exact .inl i
        · exact ih
  | _ => exact .inr rfl

theorem meant_same {m n : M} (h : ∀ y, n.has y = m.has y) (r id x : Id) : n.meant r id x = m.meant r id x := by
  induction id with
  | copy f old _ ih => unfold meant; simp only [h, ih]
  | _ => rfl

theorem of_mem_handlesToday {m : M} {id : Id} {c : Commit} {h : Id} (hh : h ∈ m.handlesToday id c) :
    h ∈ c.handles ∨ m.has h = true := by
  unfold handlesToday at hh
  split at hh
  · exact .inl hh
  · obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    rcases m.meant_cases c.run id x with i | e
    · exact .inr i
    · exact .inl (e.symm ▸ hx)

/-! ## Who has lent a run -/

theorem mem_of_mem_eraseDups {x : Id} {l : List Id} (h : x ∈ l.eraseDups) : x ∈ l := by
  induction e : l.length using Nat.strongRecOn generalizing l with
  | ind k ih =>
    cases l with
    | nil => exact h
    | cons a l =>
      rw [List.eraseDups_cons] at h
      cases List.mem_cons.mp h with
      | inl e => rw [e]; exact List.mem_cons_self
      | inr h =>
        have shorter : (l.filter fun b => !b == a).length < k := e ▸ Nat.lt_succ_of_le (List.length_filter_le _ _)
        exact List.mem_cons_of_mem _ (List.mem_filter.mp (ih _ shorter h rfl)).1

theorem _root_.Shepherd.Id.lenders_today (r id g : Id) : ∃ ls, Id.lenders r id g = Id.today r id g :: ls := by
  induction id with
  | copy f old _ ih =>
    unfold Id.lenders Id.today
    split
    · exact ⟨_, rfl⟩
    · obtain ⟨ls, e⟩ := ih
      rw [e, List.map_cons, List.cons_append]
      exact ⟨_, rfl⟩
  | _ => exact ⟨_, rfl⟩

/-- Who was copied by every fork has, as that copy, lent the copy. -/
theorem lender_copied {m : M} {id g : Id} {c : Commit} (i : m.has (Id.today c.run id g) = true) :
    m.lender id c g = Id.today c.run id g := by
  obtain ⟨ls, e⟩ := Id.lenders_today c.run id g
  unfold lender
  rw [e, List.find?_cons, i]
  rfl

/-- Where a fork copied nobody who may stand for the giver, the one who made the fork has lent the copy. -/
theorem lender_left {m : M} {a old g : Id} {n : Nat} {c : Commit} (ne : Id.copy (.made a n) old ≠ c.run) (i : m.has a = true)
    (out : ∀ l ∈ Id.lenders c.run old g, m.has (.copy (.made a n) l) = false) : m.lender (.copy (.made a n) old) c g = a := by
  have none : ((Id.lenders c.run old g).map (Id.copy (.made a n))).find? m.has = none :=
    List.find?_eq_none.mpr fun l hl => by
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hl
      rw [out x hx]
      exact Bool.false_ne_true
  unfold lender Id.lenders
  rw [if_neg ne, List.find?_append, none, Option.none_or]
  show (List.find? m.has [a]).getD _ = a
  rw [List.find?_cons, i]
  rfl

end M

end Shepherd
