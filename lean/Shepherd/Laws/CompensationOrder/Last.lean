import Shepherd.Laws.CompensationOrder.Onward

/-!
# What the last commit of the log tells
-/

namespace Shepherd

namespace M

/-- What stood below the run that recorded the last commit of the log stands below it yet. -/
def Last (m : M) : Prop := ∀ l log, m.log = l :: log → ∀ h ∈ l.heads, Runs.Below m.runs h.id l.run

theorem below_owners {m n : M} (o : ∀ y, (n.run y).owner = (m.run y).owner) {x r : Id} (h : Runs.Below m.runs x r) : Runs.Below n.runs x r := by
  induction h with
  | own h => exact .own ((o _).trans h)
  | up h _ ih => exact .up ((o _).trans h) ih

theorem Last.same {m n : M} (h : Last m) (log : n.log = m.log) (o : ∀ y, (n.run y).owner = (m.run y).owner) : Last n :=
  fun l rest e x hx => below_owners o (h l rest (log ▸ e) x hx)

/-- A commit tells what stands below when it is recorded. -/
theorem last_record {X : M} {id : Id} {ev : Event} {s : State} (nd : ((X.record id ev s).runs.map Run.id).Nodup) :
    Last (X.record id ev s) := by
  have ndX : (X.runs.map Run.id).Nodup := by
    have e : (X.record id ev s).runs.map Run.id = _ := Runs.ids_put X.runs _
    rw [e] at nd
    split at nd
    · exact nd
    · exact (List.nodup_append.mp nd).1
  intro l rest e x hx
  rw [log_record] at e
  cases e
  obtain ⟨k, hk, eq⟩ := X.headsAt_eq id ev
  have hx : x ∈ X.headsAt id ev := hx
  rw [eq] at hx
  obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
  show Runs.Below _ y id
  refine below_owners (owner_record X id ev s) ?_
  rcases Runs.of_mem_under ndX hy with h | ⟨z, hz, h⟩
  · exact .own ((Runs.mem_kids_iff ndX).mp (hk.subset h))
  · exact h.trans (.own ((Runs.mem_kids_iff ndX).mp (hk.subset hz)))

end M

end Shepherd
