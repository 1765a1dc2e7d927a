import Shepherd.Laws.Support.Files

/-!
# Files as maps

What `get` reads after each operation on files.
-/

namespace Shepherd

/-! ## Paths -/

theorem liesBelow_iff {above path : String} : liesBelow above path = true ↔ ∃ t, path.toList = above.toList ++ '/' :: t := by
  unfold liesBelow
  rw [List.isPrefixOf_iff_prefix]
  constructor
  · rintro ⟨t, h⟩; exact ⟨t, by rw [← h, List.append_assoc]; rfl⟩
  · rintro ⟨t, h⟩; exact ⟨t, by rw [h, List.append_assoc]; rfl⟩

theorem liesBelow_self (p : String) : liesBelow p p = false := by
  cases h : liesBelow p p with
  | false => rfl
  | true =>
    obtain ⟨t, e⟩ := liesBelow_iff.mp h
    have := congrArg List.length e
    rw [List.length_append, List.length_cons] at this
    omega

theorem liesBelow_trans {p q r : String} (h : liesBelow p q = true) (g : liesBelow q r = true) : liesBelow p r = true := by
  obtain ⟨t, e⟩ := liesBelow_iff.mp h
  obtain ⟨u, f⟩ := liesBelow_iff.mp g
  exact liesBelow_iff.mpr ⟨t ++ '/' :: u, by rw [f, e, List.append_assoc]; rfl⟩

/-- What lies below a path comes after it. -/
theorem lt_of_liesBelow {p q : String} (h : liesBelow p q = true) : p < q := by
  obtain ⟨t, e⟩ := liesBelow_iff.mp h
  rw [String.lt_iff, e]
  generalize p.toList = l
  induction l with
  | nil => exact List.nil_lt_cons _ _
  | cons c l ih => exact List.cons_lt_cons_iff.mpr (.inr ⟨rfl, ih⟩)

/-! ## Lookups -/

theorem lookup_mem {β : Type} {l : List (String × β)} {p : String} {v : β} (h : l.lookup p = some v) : (p, v) ∈ l := by
  induction l with
  | nil => cases h
  | cons x l ih =>
    obtain ⟨q, w⟩ := x
    rw [List.lookup_cons] at h
    split at h
    · next e => cases h; rw [beq_iff_eq.mp e]; exact List.mem_cons_self
    · exact List.mem_cons_of_mem _ (ih h)

theorem lookup_of_mem {β : Type} {l : List (String × β)} (hl : (l.map Prod.fst).Pairwise (· < ·)) {p : String} {v : β}
    (h : (p, v) ∈ l) : l.lookup p = some v := by
  induction l with
  | nil => exact absurd h List.not_mem_nil
  | cons x l ih =>
    obtain ⟨q, w⟩ := x
    rw [List.map_cons, List.pairwise_cons] at hl
    rw [List.lookup_cons]
    cases List.mem_cons.mp h with
    | inl e => cases e; rw [beq_self_eq_true]
    | inr h =>
      have : q < p := hl.1 p (List.mem_map.mpr ⟨_, h, rfl⟩)
      have : (p == q) = false := beq_eq_false_iff_ne.mpr fun e => String.lt_irrefl p (by rw [e] at this ⊢; exact this)
      rw [this]
      exact ih hl.2 h

/-- A key smaller than all others is not in the list. -/
theorem lookup_none_of_lt {β : Type} {l : List (String × β)} {p : String} (h : ∀ q ∈ l.map Prod.fst, p < q) :
    l.lookup p = none := by
  rw [List.lookup_eq_none_iff]
  intro x hx
  rw [bne_iff_ne]
  intro e
  have := h x.1 (List.mem_map.mpr ⟨x, hx, rfl⟩)
  rw [← e] at this
  exact String.lt_irrefl _ this

namespace Files

/-- The paths are strictly sorted. -/
abbrev Sorted {β : Type} (l : List (String × β)) : Prop := (l.map Prod.fst).Pairwise (· < ·)

theorem get_filter {β : Type} (l : List (String × β)) (g : String → Bool) (q : String) :
    (l.filter fun x => g x.1).lookup q = if g q then l.lookup q else none := by
  induction l with
  | nil => simp only [List.filter_nil, List.lookup_nil, ite_self]
  | cons x l ih =>
    obtain ⟨p, v⟩ := x
    rw [List.filter_cons]
    by_cases e : q = p
    · subst e
      cases hg : g q with
      | true => simp only [List.lookup_cons, beq_self_eq_true, if_true]
      | false =>
        rw [hg] at ih
        simp only [Bool.false_eq_true, if_false] at ih ⊢
        exact ih
    · have b : (q == p) = false := beq_eq_false_iff_ne.mpr e
      simp only [List.lookup_cons, b]
      split
      · simp only [List.lookup_cons, b]; exact ih
      · exact ih

theorem get_insert (p : String) (e : Entry) (fs : Files) (q : String) :
    (insert p e fs).get q = if q = p then some e else fs.get q := by
  unfold get
  induction fs with
  | nil =>
    simp only [insert, List.lookup_cons, List.lookup_nil]
    by_cases h : q = p
    · rw [beq_iff_eq.mpr h, if_pos h]
    · rw [beq_eq_false_iff_ne.mpr h, if_neg h]
  | cons x fs ih =>
    obtain ⟨r, f⟩ := x
    simp only [insert]
    by_cases h : q = p
    · rw [if_pos h] at ih ⊢
      have b : (q == p) = true := beq_iff_eq.mpr h
      split
      · simp only [List.lookup_cons, b]
      · split
        · simp only [List.lookup_cons, b]
        · next n =>
          have b' : (q == r) = false := beq_eq_false_iff_ne.mpr fun e => n (h ▸ e)
          simp only [List.lookup_cons, b']; exact ih
    · rw [if_neg h] at ih ⊢
      have b : (q == p) = false := beq_eq_false_iff_ne.mpr h
      split
      · simp only [List.lookup_cons, b]
      · split
        · next e => rw [e] at b; simp only [List.lookup_cons, b, e]
        · simp only [List.lookup_cons, ih]

theorem isFolder_iff {fs : Files} {p : String} :
    fs.isFolder p = true ↔ p = "" ∨ fs.get p = some .emptyFolder ∨ ∃ q f, fs.get q = some f ∧ liesBelow p q = true := by
  have key : (fs.any fun x => liesBelow p x.1) = true ↔ ∃ q f, fs.get q = some f ∧ liesBelow p q = true := by
    rw [List.any_eq_true]
    constructor
    · rintro ⟨x, hx, hb⟩
      cases h : fs.get x.1 with
      | some f => exact ⟨x.1, f, h, hb⟩
      | none =>
        have := List.lookup_eq_none_iff.mp h x hx
        rw [bne_self_eq_false] at this
        exact absurd this Bool.false_ne_true
    · rintro ⟨q, f, hq, hb⟩
      exact ⟨(q, f), lookup_mem hq, hb⟩
  unfold isFolder
  rw [Bool.or_eq_true, Bool.or_eq_true, decide_eq_true_iff, decide_eq_true_iff, key, or_assoc]

theorem get_put (fs : Files) (p : String) (e : Entry) (q : String) :
    (fs.put p e).get q = if e = .emptyFolder ∧ fs.isFolder p = true then fs.get q
      else if q = p then some e else if liesBelow p q || liesBelow q p then none else fs.get q := by
  unfold put
  split
  · rfl
  · rw [get_insert]
    split
    · rfl
    · refine (get_filter fs (fun y => !liesBelow p y && !liesBelow y p) q).trans ?_
      show _ = if _ then none else List.lookup q fs
      cases liesBelow p q <;> cases liesBelow q p <;> rfl

theorem get_removeAll (fs : Files) (ch : Change) (q : String) :
    (fs.removeAll ch).get q = if ch.lookup q != some none then fs.get q else none :=
  get_filter fs (fun y => ch.lookup y != some none) q

/-! ## Differences -/

theorem diff_keys (a b : Files) : ∀ p ∈ (diff a b).map Prod.fst, p ∈ a.map Prod.fst ∨ p ∈ b.map Prod.fst := by
  fun_induction diff a b with
  | case1 b => intro p h; rw [List.map_map] at h; exact .inr h
  | case2 a => intro p h; rw [List.map_map] at h; exact .inl h
  | case3 p e a q f b _ ih => intro r h; simp only [List.map_cons, List.mem_cons] at h ih ⊢; grind
  | case4 p e a q f b _ _ ih => intro r h; simp only [List.map_cons, List.mem_cons] at h ih ⊢; grind
  | case5 p e a q b _ _ ih => intro r h; simp only [List.map_cons, List.mem_cons] at h ih ⊢; grind
  | case6 p e a q f b _ _ _ ih => intro r h; simp only [List.map_cons, List.mem_cons] at h ih ⊢; grind

theorem sorted_cons {β : Type} {p : String} {v : β} {l : List (String × β)} :
    Sorted ((p, v) :: l) ↔ (∀ q ∈ l.map Prod.fst, p < q) ∧ Sorted l := List.pairwise_cons

theorem map_keys {β γ : Type} (f : β → γ) (l : List (String × β)) :
    (l.map fun x => (x.1, f x.2)).map Prod.fst = l.map Prod.fst := by
  rw [List.map_map]; rfl

theorem lookup_map {β γ : Type} (f : β → γ) (l : List (String × β)) (q : String) :
    (l.map fun x => (x.1, f x.2)).lookup q = (l.lookup q).map f := by
  induction l with
  | nil => rfl
  | cons x l ih =>
    obtain ⟨p, v⟩ := x
    simp only [List.map_cons, List.lookup_cons]
    cases q == p
    · exact ih
    · rfl

theorem diff_sorted {a b : Files} (ha : Sorted a) (hb : Sorted b) : Sorted (diff a b) := by
  fun_induction diff a b with
  | case1 b => unfold Sorted; rw [map_keys some b]; exact hb
  | case2 a => unfold Sorted; rw [map_keys (fun _ => none) a]; exact ha
  | case3 p e a q f b l ih =>
    have ha' := sorted_cons.mp ha
    refine sorted_cons.mpr ⟨fun r hr => ?_, ih ha'.2 hb⟩
    cases diff_keys _ _ r hr with
    | inl h => exact ha'.1 r h
    | inr h =>
      cases List.mem_cons.mp h with
      | inl h => exact h ▸ l
      | inr h => exact String.lt_trans l ((sorted_cons.mp hb).1 r h)
  | case4 p e a q f b _ l ih =>
    have hb' := sorted_cons.mp hb
    refine sorted_cons.mpr ⟨fun r hr => ?_, ih ha hb'.2⟩
    cases diff_keys _ _ r hr with
    | inr h => exact hb'.1 r h
    | inl h =>
      cases List.mem_cons.mp h with
      | inl h => exact h ▸ l
      | inr h => exact String.lt_trans l ((sorted_cons.mp ha).1 r h)
  | case5 p e a q b _ _ ih => exact ih (sorted_cons.mp ha).2 (sorted_cons.mp hb).2
  | case6 p e a q f b l l' _ ih =>
    have hp : p = q := String.le_antisymm (String.not_lt.mp l') (String.not_lt.mp l)
    have ha' := sorted_cons.mp ha
    have hb' := sorted_cons.mp hb
    refine sorted_cons.mpr ⟨fun r hr => ?_, ih ha'.2 hb'.2⟩
    cases diff_keys _ _ r hr with
    | inl h => exact ha'.1 r h
    | inr h => rw [hp]; exact hb'.1 r h

/-- What a difference has at a path. -/
theorem lookup_diff {a b : Files} (ha : Sorted a) (hb : Sorted b) (r : String) :
    (diff a b).lookup r = if a.get r = b.get r then none else some (b.get r) := by
  unfold get
  fun_induction diff a b with
  | case1 b =>
    rw [lookup_map some b, List.lookup_nil]
    cases b.lookup r <;> rfl
  | case2 a =>
    rw [lookup_map (fun _ => (none : Option Entry)) a, List.lookup_nil]
    cases a.lookup r <;> rfl
  | case3 p e a q f b l ih =>
    have ha' := sorted_cons.mp ha
    have hb' := sorted_cons.mp hb
    rw [List.lookup_cons]
    by_cases h : r = p
    · have n : List.lookup r ((q, f) :: b) = none := lookup_none_of_lt fun s hs => by
        rw [h]
        cases List.mem_cons.mp hs with
        | inl hs => exact hs ▸ l
        | inr hs => exact String.lt_trans l (hb'.1 s hs)
      rw [n, List.lookup_cons, beq_iff_eq.mpr h]; rfl
    · rw [beq_eq_false_iff_ne.mpr h, ih ha'.2 hb, List.lookup_cons (k := p), beq_eq_false_iff_ne.mpr h]
  | case4 p e a q f b _ l ih =>
    have ha' := sorted_cons.mp ha
    have hb' := sorted_cons.mp hb
    rw [List.lookup_cons]
    by_cases h : r = q
    · have n : List.lookup r ((p, e) :: a) = none := lookup_none_of_lt fun s hs => by
        rw [h]
        cases List.mem_cons.mp hs with
        | inl hs => exact hs ▸ l
        | inr hs => exact String.lt_trans l (ha'.1 s hs)
      rw [n, List.lookup_cons, beq_iff_eq.mpr h]; rfl
    · rw [beq_eq_false_iff_ne.mpr h, ih ha hb'.2, List.lookup_cons (k := q), beq_eq_false_iff_ne.mpr h]
  | case5 p a q f b l l' ih =>
    have hp : p = q := String.le_antisymm (String.not_lt.mp l') (String.not_lt.mp l)
    have ha' := sorted_cons.mp ha
    have hb' := sorted_cons.mp hb
    rw [ih ha'.2 hb'.2, List.lookup_cons, List.lookup_cons, ← hp]
    by_cases h : r = p
    · have n : List.lookup r a = none := lookup_none_of_lt (h ▸ ha'.1)
      have n' : List.lookup r b = none := lookup_none_of_lt (h ▸ hp ▸ hb'.1)
      rw [n, n', beq_iff_eq.mpr h, if_pos rfl, if_pos rfl]
    · rw [beq_eq_false_iff_ne.mpr h]
  | case6 p e a q f b l l' n ih =>
    have hp : p = q := String.le_antisymm (String.not_lt.mp l') (String.not_lt.mp l)
    rw [List.lookup_cons, List.lookup_cons, List.lookup_cons, ← hp]
    by_cases h : r = p
    · rw [beq_iff_eq.mpr h]
      show some (some f) = if some e = some f then none else some (some f)
      rw [if_neg fun g => n (Option.some.inj g)]
    · rw [beq_eq_false_iff_ne.mpr h]
      exact ih (sorted_cons.mp ha).2 (sorted_cons.mp hb).2

end Files

end Shepherd
