import Shepherd.Forest
import Shepherd.Permit

/-!
# Counting the uses of limited clauses
-/

namespace Shepherd

namespace Used

theorem get_set (u : Used) (key : Id × Nat) (n : Nat) (key' : Id × Nat) :
    (u.set key n).get key' = if key' = key then n else u.get key' := by
  unfold get set
  rw [List.lookup_cons]
  by_cases e : key' = key
  · rw [if_pos e, e, beq_self_eq_true]; rfl
  · rw [if_neg e, beq_eq_false_iff_ne.mpr e]
    suffices ∀ u : Used, (u.filter fun p => p.1 != key).lookup key' = u.lookup key' by rw [this]
    intro u
    induction u with
    | nil => rfl
    | cons p u ih =>
      rw [List.filter_cons]
      by_cases h : p.1 = key
      · rw [h, bne_self_eq_false, if_neg Bool.false_ne_true, ih]
        show _ = List.lookup key' ((p.1, p.2) :: u)
        rw [List.lookup_cons, h, beq_eq_false_iff_ne.mpr e]
      · rw [bne_iff_ne.mpr h, if_pos rfl]
        show List.lookup key' ((p.1, p.2) :: _) = List.lookup key' ((p.1, p.2) :: u)
        rw [List.lookup_cons, List.lookup_cons, ih]

/-- Each key of a list is counted as often as it stands there. -/
theorem get_foldl (keys : List (Id × Nat)) (u : Used) (key : Id × Nat) :
    (keys.foldl (fun u k => u.set k (u.get k + 1)) u).get key = u.get key + keys.count key := by
  induction keys generalizing u with
  | nil => rfl
  | cons k keys ih =>
    rw [List.foldl_cons, ih, get_set, List.count_cons]
    by_cases e : key = k
    · rw [if_pos e, e, beq_self_eq_true, if_pos rfl]; omega
    · rw [if_neg e, beq_eq_false_iff_ne.mpr (Ne.symm e), if_neg Bool.false_ne_true]; omega

end Used

/-! ## What one intent charges -/

theorem count_zipIdx_lt (cs : List Clause) (P : Clause × Nat → Bool) (o : Id) {s n : Nat} (h : n < s) :
    (((cs.zipIdx s).filter P).map fun p => (o, p.2)).count (o, n) = 0 := by
  rw [List.count_eq_zero]
  intro hm
  obtain ⟨p, hp, e⟩ := List.mem_map.mp hm
  have := List.le_snd_of_mem_zipIdx (List.mem_filter.mp hp).1
  have e := (Prod.mk.inj e).2
  omega

theorem count_zipIdx (cs : List Clause) (P : Clause → Bool) (o : Id) (s : Nat) {j : Nat} {k : Clause} (h : cs[j]? = some k) :
    (((cs.zipIdx s).filter fun p => P p.1).map fun p => (o, p.2)).count (o, s + j) = if P k then 1 else 0 := by
  induction cs generalizing s j with
  | nil => cases h
  | cons c cs ih =>
    rw [List.zipIdx_cons, List.filter_cons]
    cases j with
    | zero =>
      obtain rfl : c = k := Option.some.inj h
      split
      · next p =>
        rw [List.map_cons, List.count_cons, count_zipIdx_lt cs _ o (Nat.lt_succ_self _)]
        show 0 + (if ((o, s) == (o, s + 0)) = true then 1 else 0) = _
        rw [Nat.add_zero, beq_self_eq_true, if_pos rfl]
      · next p => exact count_zipIdx_lt cs _ o (Nat.lt_succ_self _)
    | succ j =>
      have e := ih (s + 1) (j := j) h
      rw [show s + 1 + j = s + (j + 1) by omega] at e
      split
      · rw [List.map_cons, List.count_cons, e]
        show _ + (if ((o, s) == (o, s + (j + 1))) = true then 1 else 0) = _
        rw [beq_eq_false_iff_ne.mpr, if_neg Bool.false_ne_true, Nat.add_zero]
        intro h
        have := (Prod.mk.inj h).2
        omega
      · exact e

/-- An intent charges a limited clause once, if it matches. -/
theorem Layer.count_charged (l : Layer) (op : String) (args : List Value) {n : Nat} {k : Clause} (h : l.clauses[n]? = some k)
    (lim : k.limit.isSome = true) : (l.charged op args).count (l.origin, n) = if k.allows op args then 1 else 0 := by
  have := count_zipIdx l.clauses (fun c => c.limit.isSome && c.allows op args) l.origin 0 h
  rw [Nat.zero_add] at this
  unfold charged
  simp only [lim, Bool.true_and] at this
  rw [← this]

theorem Layer.count_charged_ne (l : Layer) (op : String) (args : List Value) {o : Id} (ne : l.origin ≠ o) (n : Nat) :
    (l.charged op args).count (o, n) = 0 := by
  rw [List.count_eq_zero]
  intro hm
  obtain ⟨p, _, e⟩ := List.mem_map.mp hm
  exact ne (Prod.mk.inj e).1

/-- What a grant whose layers were given to different runs charges. -/
theorem count_charged {g : List Layer} (nodup : (g.map Layer.origin).Nodup) (op : String) (args : List Value) {l : Layer}
    (hl : l ∈ g) {n : Nat} {k : Clause} (h : l.clauses[n]? = some k) (lim : k.limit.isSome = true) :
    (g.flatMap fun l => l.charged op args).count (l.origin, n) = if k.allows op args then 1 else 0 := by
  induction g with
  | nil => exact absurd hl List.not_mem_nil
  | cons x g ih =>
    rw [List.map_cons, List.nodup_cons] at nodup
    rw [List.flatMap_cons, List.count_append]
    cases List.mem_cons.mp hl with
    | inl e =>
      subst e
      rw [l.count_charged op args h lim, List.count_eq_zero.mpr, Nat.add_zero]
      intro hm
      obtain ⟨y, hy, hm⟩ := List.mem_flatMap.mp hm
      have ne : y.origin ≠ l.origin := fun e => nodup.1 (e ▸ List.mem_map.mpr ⟨y, hy, rfl⟩)
      exact absurd hm (List.count_eq_zero.mp (y.count_charged_ne op args ne n))
    | inr hl =>
      have ne : x.origin ≠ l.origin := fun e => nodup.1 (e ▸ List.mem_map.mpr ⟨l, hl, rfl⟩)
      rw [x.count_charged_ne op args ne, Nat.zero_add]
      exact ih nodup.2 hl

theorem get_charge_ne (used : Used) {g : List Layer} (op : String) (args : List Value) {o : Id} (h : ∀ l ∈ g, l.origin ≠ o)
    (n : Nat) : (charge used g op args).get (o, n) = used.get (o, n) := by
  unfold charge
  rw [Used.get_foldl, List.count_eq_zero.mpr, Nat.add_zero]
  intro hm
  obtain ⟨y, hy, hm⟩ := List.mem_flatMap.mp hm
  exact absurd hm (List.count_eq_zero.mp (y.count_charged_ne op args (h y hy) n))

/-! ## The uses that a log tells -/

namespace M

/-- How many intents among some commits use the clause `k` of the layer that was given to `origin`: the clause allows them, and the
run that recorded them holds that layer. -/
def uses (m : M) (commits : List Commit) (origin : Id) (k : Clause) : Nat :=
  commits.countP fun c => match c.event with
    | .intent op args => (m.run c.run).grant.any (fun l => l.origin == origin) && k.allows op args
    | _ => false

theorem uses_nil (m : M) (o : Id) (k : Clause) : m.uses [] o k = 0 := rfl

theorem uses_append (m : M) (cs ds : List Commit) (o : Id) (k : Clause) : m.uses (cs ++ ds) o k = m.uses cs o k + m.uses ds o k :=
  List.countP_append

theorem uses_congr {m n : M} {cs : List Commit} (h : ∀ c ∈ cs, (n.run c.run).grant = (m.run c.run).grant) (o : Id) (k : Clause) :
    n.uses cs o k = m.uses cs o k := by
  unfold uses
  exact List.countP_congr fun c hc => by rw [h c hc]

theorem uses_eq_zero {m : M} {cs : List Commit} {o : Id}
    (h : ∀ c ∈ cs, (∀ op args, c.event ≠ .intent op args) ∨ ∀ l ∈ (m.run c.run).grant, l.origin ≠ o) (k : Clause) :
    m.uses cs o k = 0 := by
  unfold uses
  rw [List.countP_eq_zero]
  intro c hc hp
  rcases h c hc with h | h
  · split at hp
    · next e => exact h _ _ e
    · exact Bool.false_ne_true hp
  · split at hp
    · rw [Bool.and_eq_true, List.any_eq_true] at hp
      obtain ⟨⟨l, hl, e⟩, _⟩ := hp
      exact h l hl (beq_iff_eq.mp e)
    · exact Bool.false_ne_true hp

theorem uses_suffix (m : M) {cs ds : List Commit} (h : cs <:+ ds) (o : Id) (k : Clause) : m.uses cs o k ≤ m.uses ds o k := by
  obtain ⟨p, rfl⟩ := h
  rw [uses_append]; exact Nat.le_add_left _ _

end M

end Shepherd
