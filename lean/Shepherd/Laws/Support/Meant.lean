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

end M

end Shepherd
