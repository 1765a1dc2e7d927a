import Shepherd.TraceValue

/-!
# Tables of handles only grow at their end
-/

namespace Shepherd

theorem hold_prefix (table : List Id) (id : Id) : table <+: (hold table id).1 := by
  unfold hold
  split
  · exact List.prefix_refl _
  · exact List.prefix_append _ _

mutual
/-- What only appends to the table at each handle does so over a value. -/
theorem Value.mapHandles_prefix {f : List Id → Nat → List Id × Value} (hf : ∀ t h, t <+: (f t h).1) :
    ∀ (v : Value) (t : List Id), t <+: (Value.mapHandles f t v).1
  | .run h, t => by unfold Value.mapHandles; exact hf t h
  | .list vs, t => by unfold Value.mapHandles; exact Value.mapHandlesList_prefix hf vs t
  | .record fs, t => by unfold Value.mapHandles; exact Value.mapHandlesFields_prefix hf fs t
  | .con _ vs, t => by unfold Value.mapHandles; exact Value.mapHandlesList_prefix hf vs t
  | .unit, t => by unfold Value.mapHandles; exact List.prefix_refl _
  | .bool _, t => by unfold Value.mapHandles; exact List.prefix_refl _
  | .int _, t => by unfold Value.mapHandles; exact List.prefix_refl _
  | .dec _ _, t => by unfold Value.mapHandles; exact List.prefix_refl _
  | .text _, t => by unfold Value.mapHandles; exact List.prefix_refl _
  | .blob _ _, t => by unfold Value.mapHandles; exact List.prefix_refl _
  | .agent _, t => by unfold Value.mapHandles; exact List.prefix_refl _

theorem Value.mapHandlesList_prefix {f : List Id → Nat → List Id × Value} (hf : ∀ t h, t <+: (f t h).1) :
    ∀ (vs : List Value) (t : List Id), t <+: (Value.mapHandlesList f t vs).1
  | [], t => by unfold Value.mapHandlesList; exact List.prefix_refl _
  | v :: vs, t => by
    unfold Value.mapHandlesList
    exact (Value.mapHandles_prefix hf v t).trans (Value.mapHandlesList_prefix hf vs _)

theorem Value.mapHandlesFields_prefix {f : List Id → Nat → List Id × Value} (hf : ∀ t h, t <+: (f t h).1) :
    ∀ (fs : List (String × Value)) (t : List Id), t <+: (Value.mapHandlesFields f t fs).1
  | [], t => by unfold Value.mapHandlesFields; exact List.prefix_refl _
  | (_, v) :: fs, t => by
    unfold Value.mapHandlesFields
    exact (Value.mapHandles_prefix hf v t).trans (Value.mapHandlesFields_prefix hf fs _)
end

namespace M

theorem seenHandle_prefix (m : M) (id : Id) (held table : List Id) (h : Nat) : table <+: (m.seenHandle id held table h).1 := by
  unfold seenHandle
  split
  · exact List.prefix_refl _
  · split
    · exact hold_prefix _ _
    · exact List.prefix_refl _

theorem seenEvents_prefix (m : M) (id : Id) (cs : List Commit) (table : List Id) : table <+: (m.seenEvents id table cs).1 := by
  induction cs generalizing table with
  | nil => exact List.prefix_refl _
  | cons c cs ih =>
    unfold seenEvents
    exact (Value.mapHandles_prefix (m.seenHandle_prefix id _) _ _).trans (ih _)

theorem traceValue_prefix (m : M) (reader id : Id) (start : Nat) :
    (m.run reader).handles <+: (m.traceValue reader id start).1 := seenEvents_prefix _ _ _ _

end M

end Shepherd
