import Shepherd.Laws.CompensationOrder.Abandon
import Shepherd.Laws.RevertRestores.Restore

/-!
# The plan lists what is owed
-/

namespace Shepherd

namespace Trace

/-- What the fold has is newest first, each outcome once. -/
theorem owed_pairwise {P : Program} {id : Id} {t : Trace} {start : Nat} (i : Indexed t) (b : Backward t) :
    ((answered start t).foldr (owe P id) []).Pairwise fun x y => y.at < x.at := by
  induction t with
  | nil => exact List.Pairwise.nil
  | cons c t ih =>
    have ih := ih i.2 b.tail
    have before : ∀ d ∈ (answered start t).foldr (owe P id) [], d.at < c.index := fun d hd => by
      obtain ⟨_, _, ⟨o, q, ha, ho⟩, _⟩ := (mem_owed i.2 b.tail d).mp hd
      rw [← ho.index]; exact i.lt o ha.mem.1
    unfold answered
    split
    · exact List.Pairwise.nil
    · split
      · rw [List.foldr_cons]
        generalize (answered start t).foldr (owe P id) [] = rest at ih before
        unfold owe
        split
        · split
          · exact ih
          · exact ih.filter _
        · split
          · split
            · exact ih
            · exact List.pairwise_cons.mpr ⟨before, ih⟩
          · exact ih
        · exact ih
      · exact ih

theorem debts_pairwise {P : Program} {id : Id} {t : Trace} {start : Nat} (i : Indexed t) (b : Backward t) :
    (debts P id t start).Pairwise fun x y => y.at < x.at := by
  unfold debts
  split
  · exact owed_pairwise i b
  · exact (owed_pairwise i b).filter _

end Trace

namespace M

theorem size_upTo {t : Trace} (i : Trace.Indexed t) {n : Nat} (pos : 0 < n) (l : n ≤ t.length) : Trace.size (t.upTo (n - 1)) = n := by
  induction t with
  | nil => simp only [List.length_nil] at l; omega
  | cons c t ih =>
    unfold Trace.upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = n - 1
    · rw [e, bne_self_eq_false, if_neg Bool.false_ne_true]
      show c.index + 1 = n
      rw [e]; omega
    · rw [bne_iff_ne.mpr e, if_pos rfl]
      have hi : c.index = t.length := i.1
      rw [List.length_cons] at l
      exact ih i.2 (by omega)

/-- The index from which on events are taken back, as the plan has it. -/
theorem keptFrom_eq {m : M} (nm : Named m) (seen : Seen m) {u : Undoing} {k : Nat} (hto : u.to = some k) {c : Commit}
    (hc : (m.run u.run).trace.nth k = some c) (x : Id) : keptFrom u.run (some k) (m.heads u.run c) x = m.keptOf u x := by
  unfold keptFrom keptOf
  rw [hto]
  simp only [hc]
  split
  · rfl
  · have mem := Trace.nth_mem hc
    have find : ((m.heads u.run c).find? fun h => h.id == x).map (fun h => Trace.size h.trace) =
        (c.heads.find? fun h => Id.today c.run u.run h.id == x).map Head.length := by
      unfold heads
      rw [List.find?_map, Option.map_map]
      show Option.map _ (c.heads.find? fun h => Id.today c.run u.run h.id == x) = _
      cases hf : c.heads.find? fun h => Id.today c.run u.run h.id == x with
      | none => rfl
      | some h =>
        have hm := List.mem_of_find?_eq_some hf
        have pos := (seen.length _ c mem h hm).1
        simp only [Option.map_some, Function.comp]
        rw [size_upTo (nm.indexed h.id) pos (nm.heads _ c mem h hm)]
    cases h₁ : (m.heads u.run c).find? fun h => h.id == x with
    | none =>
      rw [h₁] at find
      cases h₂ : c.heads.find? fun h => Id.today c.run u.run h.id == x with
      | none => rfl
      | some h => rw [h₂] at find; cases find
    | some h =>
      rw [h₁] at find
      cases h₂ : c.heads.find? fun h => Id.today c.run u.run h.id == x with
      | none => rw [h₂] at find; cases find
      | some h' => rw [h₂] at find; exact Option.some.inj find

/-- What a plan lists. -/
theorem planFor_owed {R : Regions} {m : M} {but : Option Id} (k : Unwinds R m but) (td : Tied m)
    (ix : ∀ y, Trace.Indexed (m.run y).trace) {u : Undoing} {hs : List Then} (kept : ∀ x, keptFrom u.run u.to hs x = m.keptOf u x) :
    ((m.planFor u.run u.to hs).debts.Pairwise fun a b => b.seq ≤ a.seq) ∧
      ((m.planFor u.run u.to hs).debts.Pairwise fun a b => ¬(a.run = b.run ∧ a.at = b.at)) ∧
      ∀ d, d ∈ (m.planFor u.run u.to hs).debts ↔ m.Owed (m.Covers u.run) u d := by
  unfold planFor
  simp only
  have run : ∀ x, ∀ d ∈ debts m.program x (m.run x).trace (keptFrom u.run u.to hs x), d.run = x := fun x d hd =>
    ((Trace.mem_debts (ix x) (k.fine x).backward d).mp hd).1
  refine ⟨?_, ?_, fun d => ?_⟩
  · refine (List.pairwise_mergeSort (le := fun a b : Debt => decide (b.seq ≤ a.seq)) ?_ ?_ _).imp fun h => decide_eq_true_iff.mp h
    · intro a b c h g
      rw [decide_eq_true_iff] at h g ⊢
      omega
    · intro a b
      rw [Bool.or_eq_true, decide_eq_true_iff, decide_eq_true_iff]
      omega
  · refine (List.Perm.pairwise_iff (fun {a b} h g => h ⟨g.1.symm, g.2.symm⟩) (List.mergeSort_perm _ _)).mpr ?_
    refine List.pairwise_flatMap.mpr ⟨fun x _ => ?_, ?_⟩
    · exact (Trace.debts_pairwise (ix x) (k.fine x).backward).imp fun h g => by omega
    · have nodup : (m.family u.run).Nodup := by
        unfold family
        refine List.nodup_append.mpr ⟨td.nodup_below _, List.pairwise_singleton _ _, fun x hx y hy => ?_⟩
        rw [List.mem_singleton.mp hy]
        exact (td.mem_below.mp hx).ne td.forest
      refine nodup.imp fun {x y} ne d hd e he g => ne ?_
      rw [← run x d hd, ← run y e he]; exact g.1
  · rw [List.mem_mergeSort, List.mem_flatMap]
    unfold Owed Covers
    constructor
    · rintro ⟨x, hx, hd⟩
      have h := (Trace.mem_debts (ix x) (k.fine x).backward d).mp hd
      obtain ⟨rfl, h₁, h₂, h₃⟩ := h
      exact ⟨td.mem_family.mp hx, by rw [← kept]; exact h₁, h₂, h₃⟩
    · rintro ⟨h₀, h₁, h₂, h₃⟩
      exact ⟨d.run, td.mem_family.mpr h₀, (Trace.mem_debts (ix _) (k.fine _).backward d).mpr ⟨rfl, by rw [kept]; exact h₁, h₂, h₃⟩⟩

end M

end Shepherd
