import Shepherd.Laws.Support.Deeds
import Shepherd.Laws.GrantNarrows.Springs
import Shepherd.Laws.Support.Perform

/-!
# Ownership: what is shown, and what comes into tables
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {T F : Id → Prop} {B : Prop}

theorem deeds_recordCode {m : M} {id : Id} (t : T id) (i : m.has id = true) {code : Code} (event : Event)
    (hc : CodeTied id code) : Deeds T F m (m.recordCode id event code) :=
  .record id event _ .refl t i hc fun _ h => .inl h

theorem deeds_reply {m : M} {id : Id} (t : T id) (i : m.has id = true) (w : Waiting) (answer : Value) (change : Change := []) :
    Deeds T F m (m.reply id w answer change) :=
  .record id _ _ .refl t i trivial fun _ h => .inl h

theorem deeds_wrong {m : M} {id : Id} (t : T id) (i : m.has id = true) (w : Waiting) : Deeds T F m (m.wrong id w) :=
  deeds_reply t i w _

theorem deeds_setCode {m : M} {id : Id} (t : T id) (i : m.has id = true) {code : Code} (hc : CodeTied id code)
    (hl : id = .world ∨ (m.run id).code.settle.Leads m.program code.settle) : Deeds T F m (m.setCode id code) :=
  .code id code .refl t i hc hl

/-- What the machine tells a run, with another table. -/
theorem deeds_tell {m : M} {id : Id} (t : T id) (i : m.has id = true) {handles : List Id}
    (hh : ∀ h ∈ handles, h ∈ (m.run id).handles ∨ F h) (w : Waiting) (answer : Value) (change : Change := []) :
    Deeds T F m ((m.setHandles id handles).reply id w answer change) := by
  refine .tell id handles (m.run id).made _ _ .refl t i trivial fun h hx => hh h ?_
  have hx : h ∈ ((m.setHandles id handles).run id).handles := hx
  rwa [run_setHandles_same] at hx

/-! ## Questions -/

theorem over_last {l : List Id} (h : l.Pairwise Over) (d : Id) : ∀ z ∈ l, Over z (l.getLastD d) := by
  induction l generalizing d with
  | nil => exact fun z hz => absurd hz List.not_mem_nil
  | cons x l ih =>
    intro z hz
    have hp := List.pairwise_cons.mp h
    rw [List.getLastD_cons]
    cases List.mem_cons.mp hz with
    | inl e =>
      subst e
      cases l with
      | nil => exact .refl _
      | cons y l => exact (hp.1 y List.mem_cons_self).trans (ih hp.2 z y List.mem_cons_self)
    | inr e => exact ih hp.2 x z e

/-- Who shows a question, and the path below it, stand one over the other, and over the run that asks. -/
theorem Tied.shown {m : M} (t : Tied m) {id : Id} {q : Question} (h : m.shown id = some q) :
    (id :: q.path).Pairwise Over ∧ ∀ z ∈ id :: q.path, Over z q.asked := by
  have ok := t.codes id
  unfold M.shown at h
  split at h
  · split at h
    · cases h
    · cases h
      refine ⟨List.pairwise_singleton _ _, fun z hz => ?_⟩
      rw [List.mem_singleton.mp hz]; exact .refl _
  · next chain op args w hc =>
    cases h
    rw [hc] at ok
    refine ⟨ok, fun z hz => ?_⟩
    have := over_last ok id z hz
    rwa [List.getLastD_cons] at this
  · next u o hc =>
    rw [hc] at ok
    split at h
    · next d ds _ hd =>
      cases h
      have over : Over id d.run := ok.1.over.trans (ok.2 d (by rw [hd]; exact List.mem_cons_self))
      refine ⟨List.pairwise_cons.mpr ⟨fun z hz => ?_, List.pairwise_singleton _ _⟩, fun z hz => ?_⟩
      · rw [List.mem_singleton.mp hz]; exact over
      · cases List.mem_cons.mp hz with
        | inl e => rw [e]; exact over
        | inr e => rw [List.mem_singleton.mp e]; exact .refl _
    · cases h
  · cases h

theorem Tied.passing {m : M} (t : Tied m) {asker id : Id} (ho : m.owns asker id = true) {q : Question} (h : m.shown id = some q) :
    (asker :: id :: q.path).Pairwise Over := by
  have s := (t.shown h).1
  refine List.pairwise_cons.mpr ⟨fun z hz => ?_, s⟩
  have o := (t.owns ho).over
  cases List.mem_cons.mp hz with
  | inl e => rw [e]; exact o
  | inr e => exact o.trans ((List.pairwise_cons.mp s).1 z e)

theorem Tied.takenUp {m : M} (t : Tied m) (id : Id) (handles : List Id) (s : Settled) : CodeTied id (m.takenUp id handles s) := by
  unfold M.takenUp
  split
  · split
    · split
      · split
        · next ho hs => exact t.passing ho hs
        · trivial
      · trivial
    · trivial
  · trivial

/-- What is taken up depends only on what the runs that it owns show. -/
theorem takenUp_same {m n : M} {id : Id} (own : ∀ child, n.owns id child = m.owns id child)
    (shows : ∀ child, m.owns id child = true → n.shown child = m.shown child) (handles : List Id) (s : Settled) :
    n.takenUp id handles s = m.takenUp id handles s := by
  unfold M.takenUp
  split
  · split
    · split
      · next child _ =>
        cases h : m.owns id child with
        | true => rw [own child, h, shows child h]
        | false => rw [own child, h]
      · rfl
    · rfl
  · rfl

theorem shown_same {m n : M} {id : Id} (h : n.run id = m.run id) : n.shown id = m.shown id := by
  unfold M.shown
  rw [h]

theorem settle_takenUp (m : M) (id : Id) (handles : List Id) (s : Settled) : (m.takenUp id handles s).settle = s := by
  unfold M.takenUp
  split
  · next w =>
    split
    · split
      · split
        · rfl
        · rfl
      · rfl
    · rfl
  · rfl

/-! ## Tables -/

theorem of_mem_hold {table : List Id} {id h : Id} (hh : h ∈ (hold table id).1) : h ∈ table ∨ h = id := by
  unfold hold at hh
  split at hh
  · exact .inl hh
  · rw [List.mem_append, List.mem_singleton] at hh; exact hh

theorem of_mem_holdAll {ids table : List Id} {h : Id} (hh : h ∈ (holdAll table ids).1) : h ∈ table ∨ h ∈ ids := by
  induction ids generalizing table with
  | nil => exact .inl hh
  | cons x ids ih =>
    unfold holdAll at hh
    rcases ih hh with h | h
    · rcases of_mem_hold h with h | h
      · exact .inl h
      · exact .inr (h ▸ List.mem_cons_self)
    · exact .inr (List.mem_cons_of_mem _ h)

mutual
/-- Where each handle adds only what may be in a table, so does a whole value. -/
theorem _root_.Shepherd.Value.mapHandles_mem {P : List Id → Prop} {f : List Id → Nat → List Id × Value}
    (hf : ∀ t h, P t → P (f t h).1) : ∀ (v : Value) (t : List Id), P t → P (Value.mapHandles f t v).1
  | .run h, t => by unfold Value.mapHandles; exact hf t h
  | .list vs, t => by unfold Value.mapHandles; exact Value.mapHandlesList_mem hf vs t
  | .record fs, t => by unfold Value.mapHandles; exact Value.mapHandlesFields_mem hf fs t
  | .con _ vs, t => by unfold Value.mapHandles; exact Value.mapHandlesList_mem hf vs t
  | .unit, t => by unfold Value.mapHandles; exact id
  | .bool _, t => by unfold Value.mapHandles; exact id
  | .int _, t => by unfold Value.mapHandles; exact id
  | .dec _ _, t => by unfold Value.mapHandles; exact id
  | .text _, t => by unfold Value.mapHandles; exact id
  | .blob _ _, t => by unfold Value.mapHandles; exact id
  | .agent _, t => by unfold Value.mapHandles; exact id

theorem _root_.Shepherd.Value.mapHandlesList_mem {P : List Id → Prop} {f : List Id → Nat → List Id × Value}
    (hf : ∀ t h, P t → P (f t h).1) : ∀ (vs : List Value) (t : List Id), P t → P (Value.mapHandlesList f t vs).1
  | [], t => by unfold Value.mapHandlesList; exact id
  | v :: vs, t => by
    unfold Value.mapHandlesList
    exact fun h => Value.mapHandlesList_mem hf vs _ (Value.mapHandles_mem hf v t h)

theorem _root_.Shepherd.Value.mapHandlesFields_mem {P : List Id → Prop} {f : List Id → Nat → List Id × Value}
    (hf : ∀ t h, P t → P (f t h).1) : ∀ (fs : List (String × Value)) (t : List Id), P t → P (Value.mapHandlesFields f t fs).1
  | [], t => by unfold Value.mapHandlesFields; exact id
  | (_, v) :: fs, t => by
    unfold Value.mapHandlesFields
    exact fun h => Value.mapHandlesFields_mem hf fs _ (Value.mapHandles_mem hf v t h)
end

theorem of_mem_renumber {held table : List Id} {h : Nat} {x : Id} (hx : x ∈ (renumber held table h).1) :
    x ∈ table ∨ x ∈ held ∨ x = .world := by
  unfold renumber at hx
  rcases of_mem_hold hx with e | e
  · exact .inl e
  · refine .inr ?_
    rw [e, List.getD_eq_getElem?_getD]
    cases g : held[h]? with
    | none => exact .inr rfl
    | some y => exact .inl (List.mem_of_getElem? g)

/-- What `run.next` tells changes only the table of the owner. -/
theorem stopValue_table {m : M} (w : Wf m B) (tab : Tabled F m) (hF : ∀ h, m.Stamped h → F h) {owner : Id}
    (i : m.has owner = true) (id : Id) : ∃ handles, (m.stopValue owner id).1 = m.setHandles owner handles ∧
      ∀ h ∈ handles, h ∈ (m.run owner).handles ∨ F h := by
  have same : m = m.setHandles owner (m.run owner).handles := (setHandles_same i).symm
  unfold M.stopValue
  split
  · unfold M.rehandle
    refine ⟨_, rfl, ?_⟩
    refine Value.mapHandles_mem (P := fun l => ∀ h ∈ l, h ∈ (m.run owner).handles ∨ F h) (fun l n hl h hh => ?_) _ _
      fun h hh => .inl hh
    rcases of_mem_renumber hh with e | e | e
    · exact hl h e
    · exact .inr (tab.tables id h e)
    · exact .inr (hF h (e ▸ trivial))
  · exact ⟨_, same, fun _ => .inl⟩
  · exact ⟨_, same, fun _ => .inl⟩
  · split
    · exact ⟨_, same, fun _ => .inl⟩
    · next q hq =>
      refine ⟨_, rfl, fun h hh => ?_⟩
      rcases of_mem_holdAll hh with e | e
      · exact .inl e
      · exact .inr (hF h (w.fresh h ((has_of_shown w.codes hq).2.1 h e)))

end M

end Shepherd
