import Shepherd.Laws.Support.Extends

/-!
# The tree of owners

`m.Within x y`: `x` is `y` or below it. `m.Rooted x`: the owners above `x` lead to the outermost one.
-/

namespace Shepherd

namespace M

/-- `x` is `y`, or below it. -/
inductive Within (m : M) : Id → Id → Prop where
  | refl (x : Id) : Within m x x
  | up {x o y : Id} : (m.run x).owner = some o → Within m o y → Within m x y

/-- `x` is strictly below `y`. -/
def Beneath (m : M) (x y : Id) : Prop := ∃ o, (m.run x).owner = some o ∧ m.Within o y

/-- The outermost owner is `d` owners above `x`. -/
def RootedN (m : M) : Nat → Id → Prop
  | 0, x => x = .world
  | d + 1, x => ∃ o, (m.run x).owner = some o ∧ RootedN m d o

/-- The owners above `x` lead to the outermost one. -/
def Rooted (m : M) (x : Id) : Prop := ∃ d, m.RootedN d x

theorem Beneath.within {m : M} {x y : Id} (h : m.Beneath x y) : m.Within x y := by
  obtain ⟨o, ho, h⟩ := h
  exact .up ho h

theorem Within.cases {m : M} {x y : Id} (h : m.Within x y) : x = y ∨ m.Beneath x y := by
  cases h with
  | refl => exact .inl rfl
  | up ho h => exact .inr ⟨_, ho, h⟩

theorem Within.trans {m : M} {x y z : Id} (h : m.Within x y) (g : m.Within y z) : m.Within x z := by
  induction h with
  | refl => exact g
  | up ho _ ih => exact .up ho (ih g)

theorem Beneath.trans_within {m : M} {x y z : Id} (h : m.Beneath x y) (g : m.Within y z) : m.Beneath x z := by
  obtain ⟨o, ho, h⟩ := h
  exact ⟨o, ho, h.trans g⟩

theorem Within.trans_beneath {m : M} {x y z : Id} (h : m.Within x y) (g : m.Beneath y z) : m.Beneath x z := by
  cases h with
  | refl => exact g
  | up ho h => exact ⟨_, ho, h.trans g.within⟩

theorem Beneath.of_owner {m : M} {x y : Id} (h : (m.run x).owner = some y) : m.Beneath x y := ⟨y, h, .refl y⟩

/-- Of two that stand above the same run, one stands above the other. -/
theorem Within.compare {m : M} {x y z : Id} (h : m.Within x y) (g : m.Within x z) : m.Within y z ∨ m.Within z y := by
  induction h with
  | refl => exact .inl g
  | up ho h ih =>
    cases g with
    | refl => exact .inr (.up ho h)
    | up ho' g =>
      rw [ho] at ho'
      cases ho'
      exact ih g

theorem has_of_owner {m : M} {x o : Id} (h : (m.run x).owner = some o) : m.has x = true := by
  cases e : m.has x with
  | true => rfl
  | false => rw [run_of_not_has e] at h; cases h

theorem Beneath.has {m : M} {x y : Id} (h : m.Beneath x y) : m.has x = true := by
  obtain ⟨_, ho, _⟩ := h
  exact has_of_owner ho

/-! ## Depth -/

theorem RootedN.unique {m : M} (hw : (m.run .world).owner = none) {d e : Nat} {x : Id} (h : m.RootedN d x) (g : m.RootedN e x) :
    d = e := by
  induction d generalizing e x with
  | zero =>
    have h : x = .world := h
    subst h
    cases e with
    | zero => rfl
    | succ e => obtain ⟨o, ho, _⟩ := g; rw [hw] at ho; cases ho
  | succ d ih =>
    obtain ⟨o, ho, h⟩ := h
    cases e with
    | zero =>
      have g : x = .world := g
      rw [g, hw] at ho; cases ho
    | succ e =>
      obtain ⟨o', ho', g⟩ := g
      rw [ho] at ho'
      cases ho'
      rw [ih h g]

theorem RootedN.up {m : M} (hw : (m.run .world).owner = none) {d : Nat} {x y : Id} (h : m.RootedN d x) (g : m.Within x y) :
    ∃ e, m.RootedN e y ∧ e ≤ d := by
  induction g generalizing d with
  | refl => exact ⟨d, h, Nat.le_refl _⟩
  | up ho _ ih =>
    cases d with
    | zero =>
      have h := h
      rw [show _ = Id.world from h, hw] at ho; cases ho
    | succ d =>
      obtain ⟨o, ho', h⟩ := h
      rw [ho] at ho'
      cases ho'
      obtain ⟨e, he, hl⟩ := ih h
      exact ⟨e, he, Nat.le_succ_of_le hl⟩

theorem Rooted.irrefl {m : M} (hw : (m.run .world).owner = none) {x : Id} (h : m.Rooted x) : ¬ m.Beneath x x := by
  obtain ⟨d, h⟩ := h
  intro ⟨o, ho, g⟩
  cases d with
  | zero => rw [show x = Id.world from h, hw] at ho; cases ho
  | succ d =>
    have h₀ := h
    obtain ⟨o', ho', h'⟩ := h
    rw [ho] at ho'
    cases ho'
    obtain ⟨e, he, hl⟩ := h'.up hw g
    have := h₀.unique hw he
    omega

theorem Rooted.of_within {m : M} {x y : Id} (h : m.Rooted y) (g : m.Within x y) : m.Rooted x := by
  induction g with
  | refl => exact h
  | up ho _ ih =>
    obtain ⟨d, hd⟩ := ih h
    exact ⟨d + 1, _, ho, hd⟩

theorem Rooted.up {m : M} (hw : (m.run .world).owner = none) {x y : Id} (h : m.Rooted x) (g : m.Within x y) : m.Rooted y := by
  obtain ⟨d, h⟩ := h
  obtain ⟨e, he, _⟩ := h.up hw g
  exact ⟨e, he⟩

/-- A list without repetitions is not longer than one that holds all of it. -/
theorem length_le_of_nodup {α : Type} [DecidableEq α] {l k : List α} (h : l.Nodup) (sub : ∀ x ∈ l, x ∈ k) : l.length ≤ k.length := by
  induction l generalizing k with
  | nil => exact Nat.zero_le _
  | cons x l ih =>
    rw [List.nodup_cons] at h
    have hx := sub x List.mem_cons_self
    have := ih (k := k.erase x) h.2 fun y hy => by
      have ne : y ≠ x := fun e => h.1 (e ▸ hy)
      exact (List.mem_erase_of_ne ne).mpr (sub y (List.mem_cons_of_mem _ hy))
    rw [List.length_erase_of_mem hx] at this
    have := List.length_pos_of_mem hx
    rw [List.length_cons]
    omega

/-- A run is not deeper than there are runs. -/
theorem RootedN.le {m : M} (hw : (m.run .world).owner = none) {d : Nat} {x : Id} (h : m.RootedN d x) : d ≤ m.runs.length := by
  suffices ∃ l : List Id, l.length = d ∧ l.Nodup ∧ ∀ y ∈ l, m.has y = true ∧ ∃ e, m.RootedN e y ∧ e ≤ d by
    obtain ⟨l, hl, hn, hy⟩ := this
    rw [← hl, ← List.length_map (as := m.runs) Run.id]
    refine length_le_of_nodup hn fun y hm => ?_
    obtain ⟨r, hr, e⟩ := (Runs.has_iff _ _).mp (hy y hm).1
    exact List.mem_map.mpr ⟨r, hr, e⟩
  induction d generalizing x with
  | zero => exact ⟨[], rfl, List.nodup_nil, fun y hy => absurd hy List.not_mem_nil⟩
  | succ d ih =>
    have h' := h
    obtain ⟨o, ho, h⟩ := h
    obtain ⟨l, hl, hn, hy⟩ := ih h
    refine ⟨x :: l, by rw [List.length_cons, hl], List.nodup_cons.mpr ⟨fun hx => ?_, hn⟩, fun y hm => ?_⟩
    · obtain ⟨_, e, he, hle⟩ := hy x hx
      have := h'.unique hw he
      omega
    · cases List.mem_cons.mp hm with
      | inl e => rw [e]; exact ⟨has_of_owner ho, _, h', Nat.le_refl _⟩
      | inr hm =>
        obtain ⟨i, e, he, hle⟩ := hy y hm
        exact ⟨i, e, he, Nat.le_succ_of_le hle⟩

/-! ## Who is below -/

theorem find_of_mem {rs : List Run} (nodup : (rs.map Run.id).Nodup) {r : Run} (h : r ∈ rs) : Runs.find rs r.id = r := by
  induction rs with
  | nil => exact absurd h List.not_mem_nil
  | cons x rs ih =>
    rw [List.map_cons, List.nodup_cons] at nodup
    simp only [Runs.find]
    cases List.mem_cons.mp h with
    | inl e => rw [e, if_pos rfl]
    | inr h =>
      rw [if_neg]
      · exact ih nodup.2 h
      · exact fun e => nodup.1 (e ▸ List.mem_map.mpr ⟨r, h, rfl⟩)

theorem mem_kids_iff {m : M} (nodup : (m.runs.map Run.id).Nodup) {k z : Id} : k ∈ m.kids z ↔ (m.run k).owner = some z := by
  constructor
  · intro h
    obtain ⟨r, hr, ho, rfl⟩ := Runs.mem_kids.mp h
    show (Runs.find m.runs r.id).owner = _
    rw [find_of_mem nodup hr]; exact ho
  · intro h
    exact Runs.mem_kids.mpr ⟨m.run k, run_mem (has_of_owner h), h, run_id m k⟩

theorem kids_nodup {m : M} (nodup : (m.runs.map Run.id).Nodup) (z : Id) : (m.kids z).Nodup := by
  unfold kids Runs.kids
  exact nodup.sublist (List.filter_sublist.map _)

theorem within_of_mem_under {m : M} (nodup : (m.runs.map Run.id).Nodup) {n : Nat} {siblings : List Id} {x : Id}
    (h : x ∈ Runs.under m.runs n siblings) : ∃ s ∈ siblings, m.Within x s := by
  induction n generalizing siblings with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton] at h
    obtain ⟨k, hk, h⟩ := h
    refine ⟨k, hk, ?_⟩
    rcases h with h | rfl
    · obtain ⟨s, hs, hw⟩ := ih h
      exact hw.trans (.up ((mem_kids_iff nodup).mp hs) (.refl k))
    · exact .refl x

theorem beneath_of_mem_below {m : M} (nodup : (m.runs.map Run.id).Nodup) {x z : Id} (h : x ∈ m.below z) : m.Beneath x z := by
  obtain ⟨s, hs, hw⟩ := within_of_mem_under nodup h
  exact hw.trans_beneath (.of_owner ((mem_kids_iff nodup).mp hs))

theorem within_of_mem_family {m : M} (nodup : (m.runs.map Run.id).Nodup) {x z : Id} (h : x ∈ m.family z) : m.Within x z := by
  rw [family, List.mem_append, List.mem_singleton] at h
  rcases h with h | rfl
  · exact (beneath_of_mem_below nodup h).within
  · exact .refl x

theorem mem_under_of_steps {m : M} (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {n : Nat}
    {siblings : List Id} {x s : Id} (hs : s ∈ siblings) (h : m.Within x s) {d e : Nat} (hd : m.RootedN d x) (he : m.RootedN e s)
    (lt : d < e + n) : x ∈ Runs.under m.runs n siblings := by
  induction n generalizing siblings s e with
  | zero =>
    obtain ⟨e', he', le⟩ := hd.up hw h
    have := he.unique hw he'
    omega
  | succ n ih =>
    simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton]
    refine ⟨s, hs, ?_⟩
    -- The last owner on the way from `x` to `s`.
    have : x = s ∨ ∃ y, (m.run y).owner = some s ∧ m.Within x y := by
      clear hs hd he ih lt
      induction h with
      | refl => exact .inl rfl
      | @up x o s ho h ih =>
        rcases ih with rfl | ⟨y, hy, hx⟩
        · exact .inr ⟨x, ho, .refl x⟩
        · exact .inr ⟨y, hy, .up ho hx⟩
    rcases this with rfl | ⟨y, hy, hx⟩
    · exact .inr rfl
    · exact .inl (ih ((mem_kids_iff nodup).mpr hy) hx (e := e + 1) ⟨s, hy, he⟩ (by omega))

theorem mem_below_iff {m : M} (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {z : Id} (r : m.Rooted z)
    {x : Id} : x ∈ m.below z ↔ m.Beneath x z := by
  refine ⟨beneath_of_mem_below nodup, fun h => ?_⟩
  obtain ⟨e, he⟩ := r
  obtain ⟨d, hd⟩ := Rooted.of_within ⟨e, he⟩ h.within
  have : ∃ y, (m.run y).owner = some z ∧ m.Within x y := by
    obtain ⟨o, ho, h⟩ := h
    clear hd
    induction h generalizing x with
    | refl => exact ⟨x, ho, .refl x⟩
    | up ho' _ ih =>
      obtain ⟨y, hy, hx⟩ := ih he ho'
      exact ⟨y, hy, .up ho hx⟩
  obtain ⟨y, hy, hx⟩ := this
  refine mem_under_of_steps nodup hw ((mem_kids_iff nodup).mpr hy) hx hd (e := e + 1) ⟨z, hy, he⟩ ?_
  have := hd.le hw
  omega

theorem mem_family_iff {m : M} (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {z : Id} (r : m.Rooted z)
    {x : Id} : x ∈ m.family z ↔ m.Within x z := by
  rw [family, List.mem_append, List.mem_singleton, mem_below_iff nodup hw r]
  constructor
  · rintro (h | rfl)
    · exact h.within
    · exact .refl _
  · exact fun h => h.cases.symm

/-- What is below some siblings stands before what it is below of, and nothing stands there twice. -/
theorem under_pairwise {m : M} (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {n : Nat} {siblings : List Id}
    {z : Id} (r : m.Rooted z) (hs : ∀ s ∈ siblings, (m.run s).owner = some z) (hn : siblings.Nodup) :
    (Runs.under m.runs n siblings).Pairwise fun a b => ¬ m.Within b a := by
  induction n generalizing siblings z with
  | zero => exact List.Pairwise.nil
  | succ n ih =>
    unfold Runs.under
    rw [List.pairwise_flatMap]
    refine ⟨fun k hk => ?_, ?_⟩
    · have hk := hs k (List.mem_reverse.mp hk)
      have rk : m.Rooted k := r.of_within (.up hk (.refl z))
      rw [List.pairwise_append]
      refine ⟨ih rk (fun s hs => (mem_kids_iff nodup).mp hs) (kids_nodup nodup k), List.pairwise_singleton _ _, fun x hx y hy h => ?_⟩
      rw [List.mem_singleton.mp hy] at h
      obtain ⟨s, hs, hx⟩ := within_of_mem_under nodup hx
      exact rk.irrefl hw ((h.trans hx).trans_beneath (.of_owner ((mem_kids_iff nodup).mp hs)))
    · rw [List.pairwise_reverse]
      refine hn.imp_of_mem fun {a b} ha hb ne x hx y hy h => ?_
      have owner : ∀ k, k ∈ siblings → ∀ x, x ∈ Runs.under m.runs n (Runs.kids m.runs k) ++ [k] → m.Within x k := by
        intro k hk x hx
        rw [List.mem_append, List.mem_singleton] at hx
        rcases hx with hx | rfl
        · obtain ⟨s, hs, hx⟩ := within_of_mem_under nodup hx
          exact hx.trans (.up ((mem_kids_iff nodup).mp hs) (.refl k))
        · exact .refl x
      have loop : ∀ {a b : Id}, a ∈ siblings → b ∈ siblings → a ≠ b → ¬ m.Within a b := by
        intro a b ha hb ne h
        rcases h.cases with h | ⟨o, ho, h⟩
        · exact ne h
        · rw [hs a ha] at ho
          cases ho
          exact r.irrefl hw (h.trans_beneath (.of_owner (hs b hb)))
      rcases ((h.trans (owner b hb x hx))).compare (owner a ha y hy) with h | h
      · exact loop hb ha (Ne.symm ne) h
      · exact loop ha hb ne h

theorem below_pairwise {m : M} (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {z : Id} (r : m.Rooted z) :
    (m.below z).Pairwise fun a b => ¬ m.Within b a :=
  under_pairwise nodup hw r (fun _ hs => (mem_kids_iff nodup).mp hs) (kids_nodup nodup z)

/-- Each of those below some siblings is one of them, or owned by one of those below. -/
theorem owner_mem_under {m : M} (nodup : (m.runs.map Run.id).Nodup) {n : Nat} {siblings : List Id} {x : Id}
    (h : x ∈ Runs.under m.runs n siblings) : x ∈ siblings ∨ ∃ o ∈ Runs.under m.runs n siblings, (m.run x).owner = some o := by
  induction n generalizing siblings with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    have h' := h
    simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton] at h
    obtain ⟨k, hk, h⟩ := h
    rcases h with h | rfl
    · right
      rcases ih h with hs | ⟨o, ho, hx⟩
      · refine ⟨k, ?_, (mem_kids_iff nodup).mp hs⟩
        simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton]
        exact ⟨k, hk, .inr rfl⟩
      · refine ⟨o, ?_, hx⟩
        simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton]
        exact ⟨k, hk, .inl ho⟩
    · exact .inl hk

theorem beneath_of_isBelow {m : M} {x z : Id} (h : m.isBelow x z = true) : m.Beneath x z := by
  unfold isBelow at h
  generalize m.runs.length = n at h
  induction n generalizing x with
  | zero => exact absurd h Bool.false_ne_true
  | succ n ih =>
    unfold Runs.isBelow at h
    split at h
    · cases h
    · next o ho =>
      rw [Bool.or_eq_true, beq_iff_eq] at h
      rcases h with rfl | h
      · exact .of_owner ho
      · exact ⟨o, ho, (ih h).within⟩

/-! ## Where owners stay -/

theorem Within.of_owners {m n : M} {x y : Id} (h : m.Within x y) (same : ∀ z, m.Beneath z y → m.Within x z →
    (n.run z).owner = (m.run z).owner) : n.Within x y := by
  induction h with
  | refl => exact .refl _
  | up ho h ih =>
    refine .up ((same _ ⟨_, ho, h⟩ (.refl _)).trans ho) (ih fun z hz hx => same z hz (.up ho hx))

theorem Beneath.of_owners {m n : M} {x y : Id} (h : m.Beneath x y) (same : ∀ z, m.Beneath z y → m.Within x z →
    (n.run z).owner = (m.run z).owner) : n.Beneath x y := by
  have h' := h
  obtain ⟨o, ho, h⟩ := h
  exact ⟨o, (same x h' (.refl x)).trans ho, h.of_owners fun z hz hx => same z hz (.up ho hx)⟩

theorem Rooted.of_owners {m n : M} {x : Id} (h : m.Rooted x) (same : ∀ z, m.Within x z → (n.run z).owner = (m.run z).owner) :
    n.Rooted x := by
  obtain ⟨d, h⟩ := h
  refine ⟨d, ?_⟩
  induction d generalizing x with
  | zero => exact h
  | succ d ih =>
    obtain ⟨o, ho, h⟩ := h
    exact ⟨o, (same x (.refl x)).trans ho, ih (fun z hz => same z (.up ho hz)) h⟩

end M

end Shepherd
