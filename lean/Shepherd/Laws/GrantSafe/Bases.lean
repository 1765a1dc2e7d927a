import Shepherd.Laws.GrantNarrows.Springs
import Shepherd.Laws.Support.Meant

/-!
# Who was copied at first

The runs that layers of one grant were given to are copies of different runs, so that no renaming makes one of two of them.
-/

namespace Shepherd

/-- The run of which `id` is a copy, or a copy of a copy, or that run itself: no copy. -/
def Id.base : Id → Id
  | .copy _ old => base old
  | id => id

theorem Id.base_today (r id x : Id) : (Id.today r id x).base = x.base := by
  induction id with
  | copy f old _ ih =>
    rw [M.today_copy]
    split
    · rfl
    · exact ih
  | _ => rfl

theorem M.base_meant (m : M) (r id x : Id) : (m.meant r id x).base = x.base := by
  induction id with
  | copy f old _ ih =>
    unfold M.meant
    split
    · rfl
    · simp only
      split
      · exact Id.base_today r old x
      · split
        · exact ih
        · exact ih
  | _ => rfl

theorem M.has_meant {m : M} {x : Id} (h : m.has x = true) (r id : Id) : m.has (m.meant r id x) = true := by
  rcases m.meant_cases r id x with i | e
  · exact i
  · rw [e]; exact h

theorem nodup_of_map {α β : Type} {f : α → β} {l : List α} (h : (l.map f).Nodup) : l.Nodup := by
  induction l with
  | nil => exact List.nodup_nil
  | cons x l ih =>
    rw [List.map_cons, List.nodup_cons] at h
    rw [List.nodup_cons]
    exact ⟨fun hx => h.1 (List.mem_map.mpr ⟨x, hx, rfl⟩), ih h.2⟩

end Shepherd
