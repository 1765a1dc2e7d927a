import Shepherd.Laws.BranchReplay.Resets

/-!
# What stood below a run, owned again as it was
-/

namespace Shepherd

open Id (MayOwn Over Prec key)

/-- In a finite list, what holds of an element where it holds of all that stand above it, holds of all. -/
theorem finite_induction {α : Type} (r : α → α → Prop) (irrefl : ∀ x, ¬ r x x) (trans : ∀ x y z, r x y → r y z → r x z) {P : α → Prop}
    {l : List α} (h : ∀ x ∈ l, (∀ y ∈ l, r y x → P y) → P x) : ∀ x ∈ l, P x := by
  classical
  have count : ∀ (k : List α) {x y : α}, r y x →
      (k.filter fun z => decide (r z y)).length + (if y ∈ k then 1 else 0) ≤ (k.filter fun z => decide (r z x)).length := by
    intro k x y hr
    induction k with
    | nil => simp only [List.filter_nil, List.length_nil, List.not_mem_nil, if_false, Nat.add_zero, Nat.le_refl]
    | cons a k ih =>
      have le : (k.filter fun z => decide (r z y)).length ≤ (k.filter fun z => decide (r z x)).length := by
        have := ih; split at this <;> omega
      have pos : ∀ {w}, r a w → (a :: k).filter (fun z => decide (r z w)) = a :: k.filter fun z => decide (r z w) := fun h =>
        List.filter_cons_of_pos (decide_eq_true h)
      have neg : ∀ {w}, ¬ r a w → (a :: k).filter (fun z => decide (r z w)) = k.filter fun z => decide (r z w) := fun h =>
        List.filter_cons_of_neg (by rw [decide_eq_true_eq]; exact h)
      by_cases e : y = a
      · subst e
        rw [neg (irrefl y), pos hr, if_pos List.mem_cons_self, List.length_cons]
        omega
      · have hm : (y ∈ a :: k) ↔ y ∈ k := ⟨fun h => (List.mem_cons.mp h).resolve_left e, List.mem_cons_of_mem _⟩
        have ih' : (k.filter fun z => decide (r z y)).length + (if y ∈ a :: k then 1 else 0) ≤
            (k.filter fun z => decide (r z x)).length := by
          by_cases hy : y ∈ k
          · rw [if_pos (hm.mpr hy)]; rw [if_pos hy] at ih; exact ih
          · rw [if_neg fun h => hy (hm.mp h)]; rw [if_neg hy] at ih; exact ih
        by_cases ha : r a y
        · rw [pos ha, pos (trans _ _ _ ha hr), List.length_cons, List.length_cons]
          omega
        · rw [neg ha]
          by_cases hx : r a x
          · rw [pos hx, List.length_cons]; omega
          · rw [neg hx]; exact ih'
  have go : ∀ n x, x ∈ l → (l.filter fun z => decide (r z x)).length < n → P x := by
    intro n
    induction n with
    | zero => exact fun _ _ h => absurd h (Nat.not_lt_zero _)
    | succ n ih =>
      intro x hx lt
      refine h x hx fun y hy hr => ih y hy ?_
      have := count l hr
      rw [if_pos hy] at this
      omega
  exact fun x hx => go _ x hx (Nat.lt_succ_self _)

/-- Who owned a run that stood below is the one that recorded the commit, or stood below it, too. -/
theorem CommitTied.inside {c : Commit} (ct : CommitTied c) {h : Head} (hh : h ∈ c.heads) :
    h.owner = c.run ∨ ∃ g ∈ c.heads, g.id = h.owner := by
  have any : ∀ x, c.Stood x → ∃ g ∈ c.heads, g.id = x ∧ (g.owner = c.run ∨ ∃ k ∈ c.heads, k.id = g.owner) := by
    intro x s
    induction s with
    | top hg ho => exact ⟨_, hg, rfl, .inl ho⟩
    | down hg _ ih => exact ⟨_, hg, rfl, .inr (ih.imp fun _ k => ⟨k.1, k.2.1⟩)⟩
  obtain ⟨g, hg, e, o⟩ := any h.id (ct.stood h hh)
  rw [← M.eq_of_nodup_map ct.nodup hg hh e]
  exact o

namespace M

variable {B : Prop} {m : M}

/-- The machine in which what stood below a run then is owned as it was. -/
def ownedAsThen (m : M) (hs : List Then) : M := hs.foldl (fun m h => m.own h.id h.owner h.givers) m

theorem code_ownedAsThen (hs : List Then) (x : Id) : ((m.ownedAsThen hs).run x).code = (m.run x).code := by
  unfold ownedAsThen
  refine foldl_keeps (P := fun n => (n.run x).code = (m.run x).code) rfl fun n h _ e => ?_
  show ((n.own h.id h.owner h.givers).run x).code = _
  rw [run_own]; split
  · next e' => subst e'; exact e
  · exact e

theorem owner_ownedAsThen {hs : List Then} (nodup : (hs.map Then.id).Nodup) (x : Id) :
    (∀ h ∈ hs, h.id = x → ((m.ownedAsThen hs).run x).owner = some h.owner) ∧
      ((∀ h ∈ hs, h.id ≠ x) → ((m.ownedAsThen hs).run x).owner = (m.run x).owner) := by
  unfold ownedAsThen
  induction hs generalizing m with
  | nil => exact ⟨fun h hh => absurd hh List.not_mem_nil, fun _ => rfl⟩
  | cons g hs ih =>
    rw [List.map_cons, List.nodup_cons] at nodup
    obtain ⟨i1, i2⟩ := ih nodup.2 (m := m.own g.id g.owner g.givers)
    rw [List.foldl_cons]
    refine ⟨fun h hh e => ?_, fun no => ?_⟩
    · cases List.mem_cons.mp hh with
      | inl eg =>
        subst eg
        rw [i2 fun k hk ek => nodup.1 (List.mem_map.mpr ⟨k, hk, ek.trans e.symm⟩), ← e, run_own_same]
      | inr hh => exact i1 h hh e
    · rw [i2 fun k hk => no k (List.mem_cons_of_mem _ hk), run_own_ne _ _ _ (no g List.mem_cons_self)]

/-- What is put back is what stands below the run taken back, and it was so before. -/
structure Regained (m : M) (id : Id) (hs : List Then) : Prop where
  tied : Tied m
  tied' : Tied (m.ownedAsThen hs)
  nodup : (hs.map Then.id).Nodup
  below : ∀ h ∈ hs, m.Below h.id id
  inside : ∀ h ∈ hs, h.owner = id ∨ ∃ g ∈ hs, g.id = h.owner
  may : ∀ h ∈ hs, MayOwn h.owner h.id

theorem Regained.out {id : Id} {hs : List Then} (r : Regained m id hs) {x : Id} (h : (m.ownedAsThen hs).Below x id) : m.Below x id := by
  have owner := fun x => owner_ownedAsThen (m := m) r.nodup x
  have node : ∀ {y o}, ((m.ownedAsThen hs).run y).owner = some o → m.Below y id ∨ (m.run y).owner = some o := by
    intro y o ho
    by_cases hy : ∃ h ∈ hs, h.id = y
    · obtain ⟨h, hh, e⟩ := hy
      exact .inl (e ▸ r.below h hh)
    · rw [(owner y).2 fun h hh e => hy ⟨h, hh, e⟩] at ho
      exact .inr ho
  generalize et : id = top at h
  induction h with
  | own ho =>
    subst et
    rcases node ho with h | h
    · exact h
    · exact .own h
  | up ho _ ih =>
    rcases node ho with h | h
    · exact et ▸ h
    · exact .up h (ih et)

theorem Regained.mem {id : Id} {hs : List Then} (r : Regained m id hs) : ∀ h ∈ hs, (m.ownedAsThen hs).Below h.id id := by
  refine finite_induction (fun g h => Prec (key g.id) (key h.id)) (fun _ => Prec.irrefl _)
    (fun x y z (h : Prec (key x.id) (key y.id)) (g : Prec (key y.id) (key z.id)) => Prec.trans h g) fun h hh ih => ?_
  have ho := (owner_ownedAsThen (m := m) r.nodup h.id).1 h hh rfl
  rcases r.inside h hh with e | ⟨g, hg, e⟩
  · exact .own (e ▸ ho)
  · exact .up ho (e ▸ ih g hg (by show Prec (key g.id) (key h.id); rw [e]; exact (r.may h hh).prec))

theorem Regained.into {id : Id} {hs : List Then} (r : Regained m id hs) {x : Id} (h : m.Below x id) : (m.ownedAsThen hs).Below x id := by
  have owner := fun x => owner_ownedAsThen (m := m) r.nodup x
  have node : ∀ {y o}, (m.run y).owner = some o → (m.ownedAsThen hs).Below y id ∨ ((m.ownedAsThen hs).run y).owner = some o := by
    intro y o ho
    by_cases hy : ∃ h ∈ hs, h.id = y
    · obtain ⟨h, hh, e⟩ := hy
      exact .inl (e ▸ r.mem h hh)
    · exact .inr (((owner y).2 fun h hh e => hy ⟨h, hh, e⟩).trans ho)
  generalize et : id = top at h
  induction h with
  | own ho =>
    subst et
    rcases node ho with h | h
    · exact h
    · exact .own h
  | up ho _ ih =>
    rcases node ho with h | h
    · exact et ▸ h
    · exact .up h (ih et)

end M

end Shepherd
