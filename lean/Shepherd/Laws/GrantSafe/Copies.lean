import Shepherd.Laws.GrantSafe.Tally
import Shepherd.Laws.GrantNarrows.Steps
import Shepherd.Laws.Support.Ids

/-!
# The counts of copies

In a fork, what was given to a run of the copied group counts for the copies by itself, from where it was.
-/

namespace Shepherd

namespace M

/-- A layer as a copy has it. -/
def copyOf (before : M) (id fork : Id) (c : Commit) (inside : List Id) (l : Layer) : Layer :=
  if inside.contains l.origin then { l with origin := Id.copy fork (Id.today c.run id l.origin) }
  else { l with origin := before.meant c.run id l.origin }

theorem copyOf_clauses (before : M) (id fork : Id) (c : Commit) (inside : List Id) (l : Layer) :
    (copyOf before id fork c inside l).clauses = l.clauses := by
  unfold copyOf; split <;> rfl

theorem copyOf_base (before : M) (id fork : Id) (c : Commit) (inside : List Id) (l : Layer) :
    (copyOf before id fork c inside l).origin.base = l.origin.base := by
  unfold copyOf
  split
  · exact Id.base_today c.run id l.origin
  · exact before.base_meant c.run id l.origin

theorem copyGrant_layers (before : M) (id fork : Id) (c : Commit) (inside : List Id) (used : Used) (g : List Layer) :
    (copyGrant before id fork c inside used g).2 = g.map (copyOf before id fork c inside) := by
  induction g generalizing used with
  | nil => rfl
  | cons l g ih =>
    unfold copyGrant
    simp only
    rw [ih, List.map_cons]
    congr 1
    unfold copyLayer copyOf
    split <;> rfl

theorem get_foldl_set (ps : List (Clause × Nat)) (o : Id) (v : Nat → Nat) (u : Used) (key : Id × Nat) :
    (ps.foldl (fun u p => u.set (o, p.2) (v p.2)) u).get key =
      if key.1 = o ∧ key.2 ∈ ps.map Prod.snd then v key.2 else u.get key := by
  induction ps generalizing u with
  | nil => rw [if_neg fun h => absurd h.2 List.not_mem_nil]; rfl
  | cons p ps ih =>
    rw [List.foldl_cons, ih, Used.get_set, List.map_cons]
    by_cases h : key.1 = o ∧ key.2 ∈ ps.map Prod.snd
    · rw [if_pos h, if_pos ⟨h.1, List.mem_cons_of_mem _ h.2⟩]
    · rw [if_neg h]
      by_cases e : key = (o, p.2)
      · rw [if_pos e, if_pos ⟨congrArg Prod.fst e, by rw [congrArg Prod.snd e]; exact List.mem_cons_self⟩, congrArg Prod.snd e]
      · rw [if_neg e, if_neg]
        intro ⟨a, b⟩
        cases List.mem_cons.mp b with
        | inl b => exact e (Prod.ext a b)
        | inr b => exact h ⟨a, b⟩

/-- What copying one layer does to the counts. -/
theorem get_copyLayer (before : M) (id fork : Id) (c : Commit) (inside : List Id) (used : Used) (l : Layer) (key : Id × Nat) :
    (copyLayer before id fork c inside used l).1.get key = used.get key ∨
      (inside.contains l.origin = true ∧ key.1 = .copy fork (Id.today c.run id l.origin) ∧
        (copyLayer before id fork c inside used l).1.get key = c.used.get (l.origin, key.2)) := by
  unfold copyLayer
  split
  · next h =>
    simp only
    rw [get_foldl_set _ _ (fun i => c.used.get (l.origin, i))]
    split
    · next e => exact .inr ⟨h, e.1, rfl⟩
    · exact .inl rfl
  · exact .inl rfl

theorem get_copyLayer_own {before : M} {id fork : Id} {c : Commit} {inside : List Id} (used : Used) {l : Layer}
    (h : inside.contains l.origin = true) {i : Nat} {k : Clause} (hk : l.clauses[i]? = some k) (lim : k.limit.isSome = true) :
    (copyLayer before id fork c inside used l).1.get (.copy fork (Id.today c.run id l.origin), i) = c.used.get (l.origin, i) := by
  have hm : i ∈ (l.clauses.zipIdx.filter fun p => p.1.limit.isSome).map Prod.snd :=
    List.mem_map.mpr ⟨(k, i), List.mem_filter.mpr ⟨List.mem_zipIdx_iff_getElem?.mpr hk, lim⟩, rfl⟩
  unfold copyLayer
  rw [if_pos h]
  simp only
  rw [get_foldl_set _ _ (fun i => c.used.get (l.origin, i)), if_pos ⟨rfl, hm⟩]

/-- What copying a grant does to the counts. -/
theorem get_copyGrant (before : M) (id fork : Id) (c : Commit) (inside : List Id) (used : Used) (g : List Layer) (key : Id × Nat) :
    (copyGrant before id fork c inside used g).1.get key = used.get key ∨ ∃ o, inside.contains o = true ∧
      key.1 = .copy fork (Id.today c.run id o) ∧
        (copyGrant before id fork c inside used g).1.get key = c.used.get (o, key.2) := by
  induction g generalizing used with
  | nil => exact .inl rfl
  | cons l g ih =>
    unfold copyGrant
    simp only
    rcases ih (copyLayer before id fork c inside used l).1 with h | h
    · rw [h]
      exact (get_copyLayer before id fork c inside used l key).imp_right fun ⟨a, b, d⟩ => ⟨_, a, b, d⟩
    · exact .inr h

theorem get_copyGrant_own {before : M} {id fork : Id} {c : Commit} {inside : List Id} (used : Used) {g : List Layer} {l : Layer}
    (hl : l ∈ g) (h : inside.contains l.origin = true) {i : Nat} {k : Clause} (hk : l.clauses[i]? = some k)
    (lim : k.limit.isSome = true) :
    (copyGrant before id fork c inside used g).1.get (.copy fork (Id.today c.run id l.origin), i) = c.used.get (l.origin, i) := by
  induction g generalizing used with
  | nil => exact absurd hl List.not_mem_nil
  | cons x g ih =>
    unfold copyGrant
    simp only
    cases List.mem_cons.mp hl with
    | inl e =>
      subst e
      rcases get_copyGrant before id fork c inside (copyLayer before id fork c inside used l).1 g
        (.copy fork (Id.today c.run id l.origin), i) with e | ⟨o, _, e, v⟩
      · rw [e]; exact get_copyLayer_own used h hk lim
      · rw [v, Id.today_inj (Id.copy.inj e).2]
    | inr hl => exact ih _ hl

/-! ## The copies of a fork -/

/-- While copies are made. -/
structure Counting (m : M) (id fork : Id) (c : Commit) (parts : List Then) (n : M) : Prop where
  log : n.log = m.log
  new : ∀ j, n.has j = true → m.has j = true ∨ ∃ x ∈ parts, j = .copy fork x.id ∧
    (n.run j).grant = (m.run x.old).grant.map (copyOf m id fork c (parts.map Then.old))
  used : ∀ key, n.used.get key = m.used.get key ∨ ∃ o, (parts.map Then.old).contains o = true ∧
    key.1 = .copy fork (Id.today c.run id o) ∧ n.used.get key = c.used.get (o, key.2)
  own : ∀ x ∈ parts, n.has (.copy fork x.id) = true → ∀ l ∈ (m.run x.old).grant,
    (parts.map Then.old).contains l.origin = true → ∀ i k, l.clauses[i]? = some k → k.limit.isSome = true →
    n.used.get (.copy fork (Id.today c.run id l.origin), i) = c.used.get (l.origin, i)

theorem Counting.copyOne {m n : M} {id fork : Id} {c : Commit} {parts : List Then} (k : Counting m id fork c parts n)
    (ids : ∀ x ∈ parts, x.id = Id.today c.run id x.old) (owner : Id) {x : Then} (hx : x ∈ parts) :
    Counting m id fork c parts (M.copyOne m id fork owner c parts n x) := by
  unfold M.copyOne
  split
  · exact k
  · next d ds ht =>
    refine ⟨k.log, fun j i => ?_, fun key => ?_, fun y hy i l hl hi j q hq lim => ?_⟩
    · by_cases e : Id.copy fork x.id = j
      · subst e
        refine .inr ⟨x, hx, rfl, ?_⟩
        rw [run_put, if_pos rfl]
        exact copyGrant_layers _ _ _ _ _ _ _
      · rw [run_put_ne (r := _) _ (by exact e)]
        rw [M.has_put] at i
        have i : (Id.copy fork x.id == j || n.has j) = true := i
        rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at i
        exact k.new j i
    · show (copyGrant m id fork c (parts.map Then.old) n.used (m.run x.old).grant).1.get key = _ ∨ ∃ o, _ ∧ _ ∧
        (copyGrant m id fork c (parts.map Then.old) n.used (m.run x.old).grant).1.get key = _
      rcases get_copyGrant m id fork c (parts.map Then.old) n.used (m.run x.old).grant key with e | e
      · rw [e]; exact k.used key
      · exact .inr e
    · show (copyGrant m id fork c (parts.map Then.old) n.used (m.run x.old).grant).1.get _ = _
      by_cases e : x.id = y.id
      · have : x.old = y.old := by
          rw [ids x hx, ids y hy] at e
          exact Id.today_inj e
        rw [← this] at hl
        exact get_copyGrant_own _ hl hi hq lim
      · rw [M.has_put] at i
        have i : (Id.copy fork x.id == Id.copy fork y.id || n.has (.copy fork y.id)) = true := i
        rw [beq_eq_false_iff_ne.mpr fun h => e (Id.copy.inj h).2, Bool.false_or] at i
        rcases get_copyGrant m id fork c (parts.map Then.old) n.used (m.run x.old).grant
          (.copy fork (Id.today c.run id l.origin), j) with e | ⟨o, _, e, v⟩
        · rw [e]; exact k.own y hy i l hl hi j q hq lim
        · rw [v, Id.today_inj (Id.copy.inj e).2]

/-- Every part of a fork that has recorded something is copied. -/
theorem has_copies {m : M} {id asker fork : Id} {c : Commit} {t : Trace} (ids : ∀ x ∈ m.forkParts id asker (c :: t) c,
      x.id = Id.today c.run id x.old)
    (full : ∀ x ∈ m.forkParts id asker (c :: t) c, (m.run x.old).trace ≠ [] → x.trace ≠ [])
    {x : Then} (hx : x ∈ m.forkParts id asker (c :: t) c) (ne : (m.run x.old).trace ≠ []) :
    ((m.runs.filterMap (fun r => (m.forkParts id asker (c :: t) c).find? fun h => h.old == r.id)).foldl
      (M.copyOne m id fork asker c (m.forkParts id asker (c :: t) c)) m).has (.copy fork x.id) = true := by
  obtain ⟨r, hr, hi⟩ := (Runs.has_iff _ _).mp (has_of_trace ne)
  have : ∃ y ∈ m.runs.filterMap (fun r => (m.forkParts id asker (c :: t) c).find? fun h => h.old == r.id),
      y.id = x.id ∧ y.trace ≠ [] := by
    cases hf : (m.forkParts id asker (c :: t) c).find? fun h => h.old == r.id with
    | none =>
      have := List.find?_eq_none.mp hf x hx
      rw [hi, beq_self_eq_true] at this
      exact absurd rfl this
    | some y =>
      have hy := List.mem_of_find?_eq_some hf
      have hb : (y.old == r.id) = true := List.find?_some (p := fun h : Then => h.old == r.id) hf
      have e : y.old = x.old := (beq_iff_eq.mp hb).trans hi
      exact ⟨y, List.mem_filterMap.mpr ⟨r, hr, hf⟩, by rw [ids y hy, ids x hx, e], full y hy (e ▸ ne)⟩
  obtain ⟨y, hy, hid, hn⟩ := this
  have go : ∀ (l : List Then) (n : M), (n.has (.copy fork x.id) = true ∨ y ∈ l) →
      (l.foldl (M.copyOne m id fork asker c (m.forkParts id asker (c :: t) c)) n).has (.copy fork x.id) = true := by
    intro l
    induction l with
    | nil => exact fun n h => h.elim (fun h => h) fun h => absurd h List.not_mem_nil
    | cons z l ih =>
      intro n h
      refine ih _ ?_
      rcases h with h | h
      · exact .inl (has_copyOne _ _ _ _ _ _ _ _ _ (.inl h))
      · cases List.mem_cons.mp h with
        | inl h => exact .inl (has_copyOne _ _ _ _ _ _ _ _ _ (.inr ⟨h ▸ hn, by rw [← h, hid]⟩))
        | inr h => exact .inr h
  exact go _ m (.inr hy)

theorem mute_markCopy (id fork : Id) (m : M) (h : Then) : Mute m (markCopy id fork m h) := by
  unfold markCopy
  split
  · exact .refl m
  · exact mute_recordCode _ _ _ _ (by exact fun _ _ => nofun)

theorem grant_markCopy (id fork : Id) (m : M) (h : Then) (j : Id) : ((markCopy id fork m h).run j).grant = (m.run j).grant := by
  unfold markCopy
  split
  · rfl
  · exact grant_record _ _ _ _ _

theorem grant_answerRun (m : M) (asker : Id) (w : Waiting) (id j : Id) :
    ((m.answerRun asker w id).run j).grant = (m.run j).grant := by
  unfold answerRun
  simp only [reply_eq]
  rw [grant_record, run_put]
  split
  · next e => rw [← e]; show (m.run asker).grant = _; rw [run_id]
  · rfl

end M

end Shepherd
