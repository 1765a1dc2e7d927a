import Shepherd.Laws.MergeConflictFree.Maps

/-!
# The change that makes one scope of another

`run.merge` records the difference between the asker's files and the merged ones, and applies it: the result is the merged files.
-/

namespace Shepherd

namespace Files

/-- Sorted files that read alike are the same. -/
theorem eq_of_get {a b : Files} (ha : Sorted a) (hb : Sorted b) (h : ∀ q, a.get q = b.get q) : a = b := by
  induction a generalizing b with
  | nil => cases b with
    | nil => rfl
    | cons y b =>
      have := h y.1
      rw [get, get, List.lookup_cons, beq_self_eq_true] at this
      cases this
  | cons x a ih => cases b with
    | nil =>
      have := h x.1
      rw [get, get, List.lookup_cons, beq_self_eq_true] at this
      cases this
    | cons y b =>
      obtain ⟨p, e⟩ := x
      obtain ⟨q, f⟩ := y
      have ha' := sorted_cons.mp ha
      have hb' := sorted_cons.mp hb
      have low : ∀ {r s : String} {g : Entry} {l : Files}, Sorted ((s, g) :: l) → r < s → get ((s, g) :: l) r = none :=
        fun hl l => lookup_none_of_lt fun t ht => by
          cases List.mem_cons.mp ht with
          | inl e => exact e ▸ l
          | inr ht => exact String.lt_trans l ((sorted_cons.mp hl).1 t ht)
      have head : ∀ (r : String) (g : Entry) (l : Files), get ((r, g) :: l) r = some g := fun r g l => by
        rw [get, List.lookup_cons, beq_self_eq_true]
      have hpq : p = q := by
        refine String.le_antisymm (String.not_lt.mp fun l => ?_) (String.not_lt.mp fun l => ?_)
        · have := h q
          rw [head, low ha l] at this; cases this
        · have := h p
          rw [head, low hb l] at this; cases this
      subst hpq
      have he := h p
      rw [head, head] at he
      cases he
      rw [ih ha'.2 hb'.2 fun r => ?_]
      by_cases e : r = p
      · rw [e, get, get, lookup_none_of_lt ha'.1, lookup_none_of_lt hb'.1]
      · have := h r
        rw [get, get, List.lookup_cons, List.lookup_cons, beq_eq_false_iff_ne.mpr e] at this
        exact this

theorem sorted_filter {fs : Files} (h : Sorted fs) (g : String × Entry → Bool) : Sorted (fs.filter g) :=
  h.sublist (List.filter_sublist.map Prod.fst)

theorem insert_keys (p : String) (e : Entry) (fs : Files) : ∀ q ∈ (insert p e fs).map Prod.fst, q = p ∨ q ∈ fs.map Prod.fst := by
  induction fs with
  | nil => exact fun q hq => .inl (List.mem_singleton.mp hq)
  | cons x fs ih =>
    obtain ⟨r, f⟩ := x
    intro q hq
    simp only [insert] at hq
    split at hq
    · exact List.mem_cons.mp hq
    · split at hq
      · exact (List.mem_cons.mp hq).imp_right (List.mem_cons_of_mem _)
      · rcases List.mem_cons.mp hq with h | h
        · exact .inr (h ▸ List.mem_cons_self)
        · exact (ih q h).imp_right (List.mem_cons_of_mem _)

theorem sorted_insert {p : String} {e : Entry} {fs : Files} (h : Sorted fs) : Sorted (insert p e fs) := by
  induction fs with
  | nil => exact List.pairwise_singleton _ _
  | cons x fs ih =>
    obtain ⟨r, f⟩ := x
    have h' := sorted_cons.mp h
    simp only [insert]
    split
    · next l =>
      refine sorted_cons.mpr ⟨fun q hq => ?_, h⟩
      cases List.mem_cons.mp hq with
      | inl e => exact e ▸ l
      | inr hq => exact String.lt_trans l (h'.1 q hq)
    · next l =>
      split
      · next e => subst e; exact sorted_cons.mpr h'
      · next n =>
        refine sorted_cons.mpr ⟨fun q hq => ?_, ih h'.2⟩
        cases insert_keys _ _ _ q hq with
        | inl e => exact e ▸ Std.lt_of_le_of_ne (String.not_lt.mp l) fun e => n e.symm
        | inr hq => exact h'.1 q hq

theorem sorted_put {fs : Files} (h : Sorted fs) (p : String) (e : Entry) : Sorted (fs.put p e) := by
  unfold put
  split
  · exact h
  · exact sorted_insert (sorted_filter h _)

theorem sorted_putAll {fs : Files} (h : Sorted fs) (ch : Change) : Sorted (fs.putAll ch) := by
  unfold putAll
  induction ch generalizing fs with
  | nil => exact h
  | cons x ch ih =>
    rw [List.foldl_cons]
    refine ih ?_
    split
    · exact h
    · exact sorted_put h _ _

/-- Nothing lies below an entry. -/
abbrev Apart (fs : Files) : Prop := ∀ p q e f, fs.get p = some e → fs.get q = some f → liesBelow p q = false

theorem wf_iff {fs : Files} : fs.wf ↔ Sorted fs ∧ Apart fs := by
  constructor
  · intro h
    refine ⟨h.1, fun p q e f hp hq => ?_⟩
    cases b : liesBelow p q with
    | false => rfl
    | true =>
      have hs : Sorted fs := h.1
      have ha : (fs.map Prod.fst).Pairwise fun p q => liesBelow p q = false := h.2
      have mp := lookup_mem hp
      have mq := lookup_mem hq
      have := lt_of_liesBelow b
      clear h hp hq
      induction fs with
      | nil => exact absurd mp List.not_mem_nil
      | cons x fs ih =>
        obtain ⟨r, g⟩ := x
        rw [List.map_cons, List.pairwise_cons] at ha
        have hs' := sorted_cons.mp hs
        have key : ∀ {s h}, (s, h) ∈ fs → s ∈ fs.map Prod.fst := fun h => List.mem_map.mpr ⟨_, h, rfl⟩
        rcases List.mem_cons.mp mp with ep | mp'
        · rcases List.mem_cons.mp mq with eq | mq'
          · cases ep; cases eq; exact absurd this (String.lt_irrefl _)
          · cases ep; rw [ha.1 q (key mq')] at b; cases b
        · rcases List.mem_cons.mp mq with eq | mq'
          · cases eq; exact absurd (String.lt_trans this (hs'.1 p (key mp'))) (String.lt_irrefl _)
          · exact ih hs'.2 ha.2 mp' mq'
  · intro ⟨hs, ha⟩
    refine ⟨hs, ?_⟩
    have mem : ∀ p ∈ fs.map Prod.fst, ∃ e, fs.get p = some e := fun p hp => by
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hp
      exact ⟨x.2, lookup_of_mem hs hx⟩
    unfold paths
    refine List.pairwise_iff_forall_sublist.mpr fun {p q} hpq => ?_
    obtain ⟨e, he⟩ := mem p (hpq.subset List.mem_cons_self)
    obtain ⟨f, hf⟩ := mem q (hpq.subset (List.mem_cons_of_mem _ List.mem_cons_self))
    exact ha p q e f he hf

theorem apart_put {fs : Files} (h : Apart fs) (p : String) (e : Entry) : Apart (fs.put p e) := by
  intro q r f g hq hr
  rw [get_put] at hq hr
  split at hq
  · next c => rw [if_pos c] at hr; exact h q r f g hq hr
  · next c =>
    rw [if_neg c] at hr
    split at hq
    · next eq =>
      split at hr
      · next er => rw [eq, er]; exact liesBelow_self p
      · split at hr
        · cases hr
        · next nb =>
          rw [Bool.not_eq_true, Bool.or_eq_false_iff] at nb
          rw [eq]; exact nb.1
    · split at hq
      · cases hq
      · next nb =>
        rw [Bool.not_eq_true, Bool.or_eq_false_iff] at nb
        split at hr
        · next er => rw [er]; exact nb.2
        · split at hr
          · cases hr
          · exact h q r f g hq hr

theorem wf_put {fs : Files} (h : fs.wf) (p : String) (e : Entry) : (fs.put p e).wf :=
  wf_iff.mpr ⟨sorted_put (wf_iff.mp h).1 p e, apart_put (wf_iff.mp h).2 p e⟩

/-- A change of files gives files, whatever it says. -/
theorem wf_apply {fs : Files} (h : fs.wf) (ch : Change) : (fs.apply ch).wf := by
  have removed : (fs.removeAll ch).wf := by
    refine wf_iff.mpr ⟨sorted_filter (wf_iff.mp h).1 _, fun p q e f hp hq => ?_⟩
    rw [get_removeAll] at hp hq
    split at hp
    · split at hq
      · exact (wf_iff.mp h).2 p q e f hp hq
      · cases hq
    · cases hp
  have all : ∀ (ch : Change) (fs : Files), fs.wf → (fs.putAll ch).wf := by
    intro ch
    induction ch with
    | nil => exact fun fs h => h
    | cons x ch ih =>
      intro fs h
      unfold putAll
      rw [List.foldl_cons]
      refine ih _ ?_
      split
      · exact h
      · exact wf_put h _ _
  exact all ch _ removed

/-- What merging gives are files. -/
theorem wf_merge {base ours theirs merged : Files} (h : ours.wf) (m : merge base ours theirs = .ok merged) : merged.wf := by
  unfold merge at m
  split at m
  · cases m; exact wf_apply h _
  · cases m

/-- The difference between two scopes, applied to the first, gives the second. (`""` is no path, it names the top: an empty folder
there would be nothing.) -/
theorem apply_diff {a b : Files} (ha : a.wf) (hb : b.wf) (top : b.get "" ≠ some .emptyFolder) : a.apply (diff a b) = b := by
  obtain ⟨sa, _⟩ := wf_iff.mp ha
  obtain ⟨sb, apart⟩ := wf_iff.mp hb
  have sd := diff_sorted sa sb
  refine eq_of_get (sorted_putAll (sorted_filter sa _) _) sb fun q => ?_
  -- Entries are put one after the other: what was put is as in `b`, the rest is still as in `a`.
  have main : ∀ (todo : Change) (fs : Files), Sorted todo → (∀ p v, (p, v) ∈ todo → b.get p = v ∧ a.get p ≠ v) →
      (∀ q, fs.get q = if (todo.lookup q).isSome then (if (b.get q).isSome then a.get q else none) else b.get q) →
      (fs.putAll todo).get q = b.get q := by
    intro todo
    induction todo with
    | nil => intro fs _ _ h; exact (h q).trans (by rw [List.lookup_nil]; rfl)
    | cons x todo ih =>
      obtain ⟨p, v⟩ := x
      intro fs hs hb' hf
      have hs' := sorted_cons.mp hs
      have gone : todo.lookup p = none := lookup_none_of_lt hs'.1
      unfold putAll
      rw [List.foldl_cons]
      have there : ∀ r f, fs.get r = some f → ∃ g, b.get r = some g := by
        intro r f h
        rw [hf r] at h
        split at h
        · split at h
          · next i => exact Option.isSome_iff_exists.mp i
          · cases h
        · exact ⟨f, h⟩
      cases v with
      | none =>
        refine ih fs hs'.2 (fun p v h => hb' p v (List.mem_cons_of_mem _ h)) fun r => ?_
        have := hf r
        by_cases er : r = p
        · subst er
          rw [gone]
          rw [List.lookup_cons, beq_self_eq_true, (hb' r none List.mem_cons_self).1] at this
          rw [this, (hb' r none List.mem_cons_self).1]; rfl
        · rw [List.lookup_cons, beq_eq_false_iff_ne.mpr er] at this
          exact this
      | some e =>
        obtain ⟨hp, hne⟩ := hb' p (some e) List.mem_cons_self
        refine ih _ hs'.2 (fun p v h => hb' p v (List.mem_cons_of_mem _ h)) fun r => ?_
        rw [get_put, if_neg]
        · by_cases er : r = p
          · rw [if_pos er, er, gone, hp]; rfl
          · rw [if_neg er]
            have := hf r
            rw [List.lookup_cons, beq_eq_false_iff_ne.mpr er] at this
            rw [← this]
            split
            · next nb =>
              cases h : fs.get r with
              | none => rfl
              | some f =>
                obtain ⟨g, hg⟩ := there r f h
                rw [apart p r e g hp hg, apart r p g e hg hp] at nb
                cases nb
            · rfl
        · rintro ⟨rfl, hfold⟩
          rcases isFolder_iff.mp hfold with h | h | ⟨r, f, hr, below⟩
          · have h : p = "" := h
            rw [h] at hp; exact top hp
          · rw [hf p, List.lookup_cons, beq_self_eq_true] at h
            simp only [Option.isSome_some, if_true, hp] at h
            exact hne h
          · obtain ⟨g, hg⟩ := there r f hr
            rw [apart p r _ g hp hg] at below; cases below
  refine main (diff a b) (a.removeAll (diff a b)) sd (fun p v h => ?_) fun r => ?_
  · have := lookup_of_mem sd h
    rw [lookup_diff sa sb] at this
    split at this
    · cases this
    · next ne =>
      have e := Option.some.inj this
      exact ⟨e, e ▸ ne⟩
  · rw [get_removeAll, lookup_diff sa sb]
    by_cases e : a.get r = b.get r
    · rw [if_pos e, e]; rfl
    · rw [if_neg e]
      cases h : b.get r with
      | none => rfl
      | some g => rfl

end Files

end Shepherd
