import Shepherd.Laws.Support.Ids

/-!
# Who stands below whom

`M.Below`: by owners, however far. Where ownership has no cycle, the lists and the tests of the machine, which bound the depth by
the number of runs, say exactly that.
-/

namespace Shepherd

/-- No element twice, and all in a list: not longer than that. -/
theorem length_le_of_nodup [BEq α] [LawfulBEq α] {l L : List α} (h : l.Nodup) (s : ∀ x ∈ l, x ∈ L) : l.length ≤ L.length := by
  induction l generalizing L with
  | nil => exact Nat.zero_le _
  | cons x l ih =>
    have hx : x ∈ L := s x List.mem_cons_self
    have hn := List.nodup_cons.mp h
    have := ih (L := L.erase x) hn.2 fun y hy =>
      (List.mem_erase_of_ne (fun e : y = x => hn.1 (e ▸ hy))).mpr (s y (List.mem_cons_of_mem _ hy))
    rw [List.length_erase_of_mem hx] at this
    have : 0 < L.length := List.length_pos_of_mem hx
    rw [List.length_cons]
    omega

namespace Runs

/-- Run `id` stands strictly below `above`. -/
inductive Below (rs : List Run) : Id → Id → Prop where
  | own {id above : Id} : (find rs id).owner = some above → Below rs id above
  | up {id o above : Id} : (find rs id).owner = some o → Below rs o above → Below rs id above

/-- Each id once, and every owner may own. -/
structure Forest (rs : List Run) : Prop where
  nodup : (rs.map Run.id).Nodup
  owner : ∀ id o, (find rs id).owner = some o → Id.MayOwn o id

theorem find_of_mem {rs : List Run} (h : (rs.map Run.id).Nodup) {r : Run} (hr : r ∈ rs) : find rs r.id = r := by
  induction rs with
  | nil => exact absurd hr List.not_mem_nil
  | cons x xs ih =>
    rw [List.map_cons, List.nodup_cons] at h
    simp only [find]
    cases List.mem_cons.mp hr with
    | inl e => rw [e, if_pos rfl]
    | inr e =>
      rw [if_neg, ih h.2 e]
      exact fun e' => h.1 (e' ▸ List.mem_map.mpr ⟨r, e, rfl⟩)

theorem has_of_owner {rs : List Run} {id o : Id} (h : (find rs id).owner = some o) : has rs id = true := by
  cases e : has rs id with
  | true => rfl
  | false => rw [find_of_not_has e] at h; cases h

theorem mem_kids_iff {rs : List Run} (h : (rs.map Run.id).Nodup) {k a : Id} :
    k ∈ kids rs a ↔ (find rs k).owner = some a := by
  rw [mem_kids]
  constructor
  · rintro ⟨r, hr, ho, rfl⟩
    rw [find_of_mem h hr]; exact ho
  · intro ho
    exact ⟨_, find_mem (has_of_owner ho), ho, find_id rs k⟩

theorem Below.over {rs : List Run} (f : Forest rs) {id above : Id} (h : Below rs id above) : Id.Over above id := by
  induction h with
  | own h => exact (f.owner _ _ h).over
  | up h _ ih => exact ih.step (f.owner _ _ h)

theorem Below.ne {rs : List Run} (f : Forest rs) {id above : Id} (h : Below rs id above) : id ≠ above := by
  intro e
  subst e
  cases h with
  | own h => exact (f.owner _ _ h).ne rfl
  | up h g => exact (f.owner _ _ h).acyclic (g.over f)

theorem Below.trans {rs : List Run} {x y z : Id} (h : Below rs x y) (g : Below rs y z) : Below rs x z := by
  induction h with
  | own h => exact .up h g
  | up h _ ih => exact .up h (ih g)

theorem Below.has {rs : List Run} {x y : Id} (h : Below rs x y) : has rs x = true := by
  cases h with
  | own h => exact has_of_owner h
  | up h _ => exact has_of_owner h

/-- Two runs above the same one: one of them stands above the other. -/
theorem Below.linear {rs : List Run} {x a b : Id} (h : Below rs x a) (g : Below rs x b) :
    a = b ∨ Below rs a b ∨ Below rs b a := by
  induction h with
  | own h =>
    cases g with
    | own g => rw [h] at g; exact .inl (Option.some.inj g)
    | up g g' => rw [h] at g; cases g; exact .inr (.inl g')
  | up h h' ih =>
    cases g with
    | own g => rw [h] at g; cases g; exact .inr (.inr h')
    | up g g' => rw [h] at g; cases g; exact ih g'

/-! ## The list of the runs below -/

theorem mem_under_succ {rs : List Run} {n : Nat} {siblings : List Id} {x : Id} :
    x ∈ under rs (n + 1) siblings ↔ ∃ k ∈ siblings, x ∈ under rs n (kids rs k) ∨ x = k := by
  simp only [under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton]

theorem of_mem_under {rs : List Run} (f : (rs.map Run.id).Nodup) {n : Nat} {siblings : List Id} {x : Id}
    (h : x ∈ under rs n siblings) : x ∈ siblings ∨ ∃ s ∈ siblings, Below rs x s := by
  induction n generalizing siblings with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    obtain ⟨k, hk, h⟩ := mem_under_succ.mp h
    rcases h with h | rfl
    · rcases ih h with h | ⟨s, hs, h⟩
      · exact .inr ⟨k, hk, .own ((mem_kids_iff f).mp h)⟩
      · exact .inr ⟨k, hk, h.trans (.own ((mem_kids_iff f).mp hs))⟩
    · exact .inl hk

/-- The owner of a run in the list is in the list, or the run is one of the siblings. -/
theorem owner_of_mem_under {rs : List Run} (f : (rs.map Run.id).Nodup) {n : Nat} {siblings : List Id} {x : Id}
    (h : x ∈ under rs n siblings) : x ∈ siblings ∨ ∃ o ∈ under rs n siblings, (find rs x).owner = some o := by
  induction n generalizing siblings with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    obtain ⟨k, hk, h⟩ := mem_under_succ.mp h
    rcases h with h | rfl
    · rcases ih h with h | ⟨o, ho, h⟩
      · exact .inr ⟨k, mem_under_succ.mpr ⟨k, hk, .inr rfl⟩, (mem_kids_iff f).mp h⟩
      · exact .inr ⟨o, mem_under_succ.mpr ⟨k, hk, .inl ho⟩, h⟩
    · exact .inl hk

theorem mem_under_mono {rs : List Run} {n j : Nat} (l : n ≤ j) {siblings : List Id} {x : Id} (h : x ∈ under rs n siblings) :
    x ∈ under rs j siblings := by
  induction n generalizing siblings j with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    cases j with
    | zero => omega
    | succ j =>
      obtain ⟨k, hk, h⟩ := mem_under_succ.mp h
      exact mem_under_succ.mpr ⟨k, hk, h.imp_left (ih (by omega))⟩

theorem mem_under_of_owner {rs : List Run} (f : (rs.map Run.id).Nodup) {n : Nat} {siblings : List Id} {o x : Id}
    (h : o ∈ under rs n siblings) (ho : (find rs x).owner = some o) : x ∈ under rs (n + 1) siblings := by
  induction n generalizing siblings with
  | zero => exact absurd h List.not_mem_nil
  | succ n ih =>
    obtain ⟨k, hk, h⟩ := mem_under_succ.mp h
    refine mem_under_succ.mpr ⟨k, hk, .inl ?_⟩
    rcases h with h | rfl
    · exact ih h
    · exact mem_under_succ.mpr ⟨x, (mem_kids_iff f).mpr ho, .inr rfl⟩

/-- The runs on the way from a run up to one above it. -/
theorem Below.way {rs : List Run} (f : Forest rs) {x a : Id} (h : Below rs x a) : ∃ l : List Id, l.Nodup ∧
    (∀ e ∈ l, Runs.has rs e = true ∧ Id.Over e x) ∧ x ∈ under rs l.length (kids rs a) ∧ isBelow rs l.length x a = true := by
  induction h with
  | @own x a h =>
    refine ⟨[x], List.pairwise_singleton _ _, fun e he => ?_, ?_, ?_⟩
    · rw [List.mem_singleton.mp he]; exact ⟨has_of_owner h, .refl x⟩
    · exact mem_under_succ.mpr ⟨x, (mem_kids_iff f.nodup).mpr h, .inr rfl⟩
    · simp only [List.length_singleton, isBelow, h, beq_self_eq_true, Bool.true_or]
  | @up x o a h _ ih =>
    obtain ⟨l, hn, hl, hu, hb⟩ := ih
    refine ⟨x :: l, List.nodup_cons.mpr ⟨fun hx => ?_, hn⟩, fun e he => ?_, ?_, ?_⟩
    · exact (f.owner _ _ h).acyclic (hl x hx).2
    · cases List.mem_cons.mp he with
      | inl e => rw [e]; exact ⟨has_of_owner h, .refl x⟩
      | inr e => exact ⟨(hl _ e).1, (hl _ e).2.step (f.owner _ _ h)⟩
    · exact mem_under_of_owner f.nodup hu h
    · simp only [List.length_cons, isBelow, h, hb, Bool.or_true]

theorem Below.way_length {rs : List Run} {l : List Id} (hn : l.Nodup) (h : ∀ e ∈ l, Runs.has rs e = true) :
    l.length ≤ rs.length := by
  have := length_le_of_nodup (L := rs.map Run.id) hn fun e he => by
    obtain ⟨r, hr, e⟩ := (has_iff rs e).mp (h e he)
    exact List.mem_map.mpr ⟨r, hr, e⟩
  rwa [List.length_map] at this

/-- The list of what is below a run is complete. -/
theorem mem_under_iff {rs : List Run} (f : Forest rs) {x a : Id} : x ∈ under rs rs.length (kids rs a) ↔ Below rs x a := by
  constructor
  · intro h
    rcases of_mem_under f.nodup h with h | ⟨s, hs, h⟩
    · exact .own ((mem_kids_iff f.nodup).mp h)
    · exact h.trans (.own ((mem_kids_iff f.nodup).mp hs))
  · intro h
    obtain ⟨l, hn, hl, hu, _⟩ := h.way f
    exact mem_under_mono (Below.way_length hn fun e he => (hl e he).1) hu

theorem of_isBelow {rs : List Run} {n : Nat} {x a : Id} (h : isBelow rs n x a = true) : Below rs x a := by
  induction n generalizing x with
  | zero => exact absurd h Bool.false_ne_true
  | succ n ih =>
    unfold isBelow at h
    split at h
    · exact absurd h Bool.false_ne_true
    · next o ho =>
      rw [Bool.or_eq_true] at h
      rcases h with h | h
      · exact .own (by rw [ho, beq_iff_eq.mp h])
      · exact .up ho (ih h)

theorem isBelow_mono {rs : List Run} {n j : Nat} (l : n ≤ j) {x a : Id} (h : isBelow rs n x a = true) :
    isBelow rs j x a = true := by
  induction n generalizing x j with
  | zero => exact absurd h Bool.false_ne_true
  | succ n ih =>
    cases j with
    | zero => omega
    | succ j =>
      unfold isBelow at h ⊢
      split at h
      · exact absurd h Bool.false_ne_true
      · next o ho =>
        rw [Bool.or_eq_true] at h ⊢
        exact h.imp_right (ih (by omega))

/-- The test whether a run is below another looks far enough. -/
theorem isBelow_iff {rs : List Run} (f : Forest rs) {x a : Id} : isBelow rs rs.length x a = true ↔ Below rs x a := by
  refine ⟨of_isBelow, fun h => ?_⟩
  obtain ⟨l, hn, hl, _, hb⟩ := h.way f
  exact isBelow_mono (Below.way_length hn fun e he => (hl e he).1) hb

/-- Of two runs of the same owner, neither is below the other. -/
theorem kids_apart {rs : List Run} (f : Forest rs) {a s t : Id} (hs : s ∈ kids rs a) (ht : t ∈ kids rs a) : ¬ Below rs s t := by
  intro b
  have hs := (mem_kids_iff f.nodup).mp hs
  have ht := (mem_kids_iff f.nodup).mp ht
  cases b with
  | own b => rw [hs] at b; cases b; exact (f.owner _ _ ht).ne rfl
  | up b b' => rw [hs] at b; cases b; exact (f.owner _ _ ht).acyclic (b'.over f)

theorem nodup_kids {rs : List Run} (f : Forest rs) (a : Id) : (kids rs a).Nodup := (List.filter_sublist.map _).nodup f.nodup

/-- No run is listed twice. -/
theorem nodup_under {rs : List Run} (f : Forest rs) (n : Nat) {siblings : List Id} (hn : siblings.Nodup)
    (apart : ∀ s ∈ siblings, ∀ t ∈ siblings, ¬ Below rs s t) : (under rs n siblings).Nodup := by
  induction n generalizing siblings with
  | zero => exact List.nodup_nil
  | succ n ih =>
    have below : ∀ k x, x ∈ under rs n (kids rs k) → Below rs x k := fun k x h => by
      rcases of_mem_under f.nodup h with h | ⟨s, hs, h⟩
      · exact .own ((mem_kids_iff f.nodup).mp h)
      · exact h.trans (.own ((mem_kids_iff f.nodup).mp hs))
    unfold under
    refine List.pairwise_flatMap.mpr ⟨fun k hk => ?_, ?_⟩
    · refine List.nodup_append.mpr ⟨ih (nodup_kids f k) fun s hs t ht => kids_apart f hs ht, List.pairwise_singleton _ _,
        fun x hx y hy => ?_⟩
      rw [List.mem_singleton.mp hy]; exact (below k x hx).ne f
    · have rev : siblings.reverse.Nodup := List.pairwise_reverse.mpr (hn.imp fun h => h.symm)
      refine List.Pairwise.imp_of_mem ?_ rev
      intro k j hk hj ne x hx y hy e
      subst e
      have hk := List.mem_reverse.mp hk
      have hj := List.mem_reverse.mp hj
      simp only [List.mem_append, List.mem_singleton] at hx hy
      rcases hx with hx | hx
      · rcases hy with hy | hy
        · rcases (below k x hx).linear (below j x hy) with e | b | b
          · exact ne e
          · exact apart k hk j hj b
          · exact apart j hj k hk b
        · exact apart j hj k hk (hy ▸ below k x hx)
      · rcases hy with hy | hy
        · exact apart k hk j hj (hx ▸ below j x hy)
        · exact ne (hx.symm.trans hy)

end Runs

end Shepherd
