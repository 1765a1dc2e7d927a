import Shepherd.Laws.Support.Answers

/-!
# What a log says of a tree

Entries, how two logs agree, and how a tree is advanced.
-/

namespace Shepherd

/-- Two logs say the same entry by entry; with `other` the digest of the program in `start` does not count. -/
def alike (other : Bool) : Log → Log → Prop
  | [], [] => True
  | x :: xs, y :: ys => sameEntry other x y = true ∧ alike other xs ys
  | _, _ => False

/-- `start` apart, entries that are the same are equal. -/
theorem eq_of_sameEntry {other : Bool} {a b : Id × Event} (h : sameEntry other a b = true) :
    a = b ∨ (other = true ∧ ∃ id v d d' agent args grant files,
      a = (id, .start v d agent args grant files) ∧ b = (id, .start v d' agent args grant files)) := by
  obtain ⟨i, x⟩ := a
  obtain ⟨j, y⟩ := b
  unfold sameEntry at h
  simp only [Bool.and_eq_true, beq_iff_eq] at h
  obtain ⟨rfl, h⟩ := h
  split at h
  · simp only [Bool.and_eq_true, beq_iff_eq] at h
    obtain ⟨⟨⟨⟨rfl, rfl⟩, rfl⟩, rfl⟩, rfl⟩ := h
    exact .inr ⟨rfl, _, _, _, _, _, _, _, _, rfl, rfl⟩
  · exact .inl (by rw [beq_iff_eq.mp h])

theorem sameEntry_refl (other : Bool) (a : Id × Event) : sameEntry other a a = true := by
  obtain ⟨i, x⟩ := a
  cases other <;> cases x <;> simp only [sameEntry, beq_self_eq_true, Bool.and_self]

theorem eq_of_sameEntry_false {a b : Id × Event} (h : sameEntry false a b = true) : a = b := by
  rcases eq_of_sameEntry h with h | ⟨h, _⟩
  · exact h
  · cases h

namespace alike

theorem refl (other : Bool) (xs : Log) : alike other xs xs := by
  induction xs with
  | nil => trivial
  | cons x xs ih => exact ⟨sameEntry_refl other x, ih⟩

theorem eq {xs ys : Log} (h : alike false xs ys) : xs = ys := by
  induction xs generalizing ys with
  | nil => cases ys with
    | nil => rfl
    | cons y ys => exact h.elim
  | cons x xs ih => cases ys with
    | nil => exact h.elim
    | cons y ys => rw [eq_of_sameEntry_false h.1, ih h.2]

theorem length {other : Bool} {xs ys : Log} (h : alike other xs ys) : xs.length = ys.length := by
  induction xs generalizing ys with
  | nil => cases ys with
    | nil => rfl
    | cons y ys => exact h.elim
  | cons x xs ih => cases ys with
    | nil => exact h.elim
    | cons y ys => rw [List.length_cons, List.length_cons, ih h.2]

theorem append {other : Bool} {xs ys xs' ys' : Log} (h : alike other xs ys) (h' : alike other xs' ys') :
    alike other (xs ++ xs') (ys ++ ys') := by
  induction xs generalizing ys with
  | nil => cases ys with
    | nil => exact h'
    | cons y ys => exact h.elim
  | cons x xs ih => cases ys with
    | nil => exact h.elim
    | cons y ys => exact ⟨h.1, ih h.2⟩

theorem split_left {other : Bool} {xs xs' zs : Log} (h : alike other (xs ++ xs') zs) :
    ∃ ys ys', zs = ys ++ ys' ∧ alike other xs ys ∧ alike other xs' ys' := by
  induction xs generalizing zs with
  | nil => exact ⟨[], zs, rfl, trivial, h⟩
  | cons x xs ih => cases zs with
    | nil => exact h.elim
    | cons z zs =>
      obtain ⟨ys, ys', rfl, h₁, h₂⟩ := ih h.2
      exact ⟨z :: ys, ys', rfl, ⟨h.1, h₁⟩, h₂⟩

end alike

/-! ## `agree` -/

theorem agree_first {other : Bool} {made s : Log} (h : alike other made s) (r : Log) (k : Nat) :
    agree other made (s ++ r) k = .first r := by
  induction made generalizing s k with
  | nil => cases s with
    | nil => cases r <;> rfl
    | cons y ys => exact h.elim
  | cons x xs ih => cases s with
    | nil => exact h.elim
    | cons y ys =>
      simp only [List.cons_append, agree, h.1, if_true]
      exact ih h.2 _

theorem agree_second {other : Bool} {t s : Log} (h : alike other t s) (y : Id × Event) (u : Log) (k : Nat) :
    agree other (t ++ y :: u) s k = .second := by
  induction t generalizing s k with
  | nil => cases s with
    | nil => rfl
    | cons y ys => exact h.elim
  | cons x xs ih => cases s with
    | nil => exact h.elim
    | cons y ys =>
      simp only [List.cons_append, agree, h.1, if_true]
      exact ih h.2 _

/-- They differ no sooner than they are alike. -/
theorem agree_differ_ge {other : Bool} {t s : Log} (h : alike other t s) {u r : Log} {k n : Nat} {x : Id × Event}
    (d : agree other (t ++ u) (s ++ r) k = .differ n x) : k + s.length ≤ n := by
  induction t generalizing s k with
  | nil => cases s with
    | cons y ys => exact h.elim
    | nil =>
      simp only [List.nil_append, List.length_nil, Nat.add_zero] at d ⊢
      clear h
      induction u generalizing r k with
      | nil => cases r <;> cases d
      | cons z u ih => cases r with
        | nil => cases d
        | cons y r =>
          simp only [agree] at d
          split at d
          · exact Nat.le_trans (Nat.le_succ k) (ih d)
          · cases d; exact Nat.le_refl _
  | cons z t ih => cases s with
    | nil => exact h.elim
    | cons y s =>
      simp only [List.cons_append, agree, h.1, if_true] at d
      have := ih h.2 d
      rw [List.length_cons]; omega

/-- What it means that they agree. -/
theorem of_agree_first {other : Bool} {made said r : Log} {k : Nat} (h : agree other made said k = .first r) :
    ∃ s, said = s ++ r ∧ alike other made s := by
  induction made generalizing said k with
  | nil => cases said <;> (cases h; exact ⟨[], rfl, trivial⟩)
  | cons x xs ih => cases said with
    | nil => cases h
    | cons y ys =>
      simp only [agree] at h
      split at h
      · next e =>
        obtain ⟨s, rfl, hs⟩ := ih h
        exact ⟨y :: s, rfl, e, hs⟩
      · cases h

theorem of_agree_second {other : Bool} {made said : Log} {k : Nat} (h : agree other made said k = .second) :
    ∃ t y u, made = t ++ y :: u ∧ alike other t said := by
  induction made generalizing said k with
  | nil => cases said <;> cases h
  | cons x xs ih => cases said with
    | nil => exact ⟨[], x, xs, rfl, trivial⟩
    | cons y ys =>
      simp only [agree] at h
      split at h
      · next e =>
        obtain ⟨t, z, u, rfl, ht⟩ := ih h
        exact ⟨x :: t, z, u, rfl, e, ht⟩
      · cases h

theorem of_agree_differ {other : Bool} {made said : Log} {k n : Nat} {z : Id × Event} (h : agree other made said k = .differ n z) :
    ∃ t u s r, made = t ++ z :: u ∧ said = s ++ r ∧ r ≠ [] ∧ alike other t s ∧ n = k + s.length := by
  induction made generalizing said k with
  | nil => cases said <;> cases h
  | cons x xs ih => cases said with
    | nil => cases h
    | cons y ys =>
      simp only [agree] at h
      split at h
      · next e =>
        obtain ⟨t, u, s, r, rfl, rfl, hr, ht, hn⟩ := ih h
        exact ⟨x :: t, u, y :: s, r, rfl, rfl, hr, ⟨e, ht⟩, by rw [hn, List.length_cons]; omega⟩
      · cases h
        exact ⟨[], xs, [], y :: ys, rfl, rfl, nofun, trivial, rfl⟩

namespace M

/-! ## Entries -/

theorem entries_record (m : M) (id : Id) (event : Event) (s : State) :
    (m.record id event s).entries = m.entries ++ [(id, event)] := by
  unfold entries
  rw [log_record, List.map_cons, List.reverse_cons]
  rfl

theorem entries_length (m : M) : m.entries.length = m.log.length := by
  unfold entries; rw [List.length_reverse, List.length_map]

/-- The log goes on with what was recorded since. -/
theorem entries_since {m n : M} (e : Extends m n) : n.entries = m.entries ++ n.since m.size := by
  obtain ⟨cs, hl, hn, ht⟩ := e.new
  have all : ∀ c ∈ cs, decide (m.size ≤ c.seq) = true := by
    clear hl ht
    induction cs with
    | nil => exact fun c h => absurd h List.not_mem_nil
    | cons d ds ih =>
      intro c h
      cases List.mem_cons.mp h with
      | inl h => rw [h, hn.1]; exact decide_eq_true (Nat.le_add_right _ _)
      | inr h => exact ih hn.2 c h
  have none : m.log.takeWhile (fun c => decide (m.size ≤ c.seq)) = [] := by
    unfold size
    cases m.log with
    | nil => rfl
    | cons c t =>
      rw [List.takeWhile_cons_of_neg]
      simp only [decide_eq_true_eq]
      omega
  unfold since entries
  rw [hl, List.takeWhile_append_of_pos all, none, List.append_nil, List.map_append, List.reverse_append]

theorem entries_prefix {m n : M} (e : Extends m n) : m.entries <+: n.entries := ⟨_, (entries_since e).symm⟩

theorem since_ne_nil {m n : M} (e : Extends m n) (l : m.size < n.size) : n.since m.size ≠ [] := by
  intro h
  have := entries_since e
  rw [h, List.append_nil] at this
  have hlen := congrArg List.length this
  rw [entries_length, entries_length] at hlen
  obtain ⟨cs, hl, hn, _⟩ := e.new
  have hs := size_eq_of_append hl hn
  rw [hl, List.length_append] at hlen
  omega

/-- The entry that `n` has next after those of `m`. -/
def Firsts (m n : M) (e : Id × Event) : Prop := m.entries ++ [e] <+: n.entries

theorem Firsts.of_record {m n : M} {id : Id} {event : Event} {s : State} (e : Extends (m.record id event s) n) :
    Firsts m n (id, event) := by
  have := entries_prefix e
  rw [entries_record] at this
  exact this

theorem Firsts.of_inward {m n : M} (r : RecordsInward m n) (l : m.log.length < n.log.length) :
    ∃ e, Firsts m n e ∧ Inward e.1 e.2 := by
  obtain ⟨cs, hl, hc⟩ := r
  have hne : cs ≠ [] := by
    intro h
    rw [hl, h] at l
    exact Nat.lt_irrefl _ l
  obtain ⟨c, hlast⟩ : ∃ c, cs = cs.dropLast ++ [c] := ⟨cs.getLast hne, (List.dropLast_concat_getLast hne).symm⟩
  refine ⟨c.entry, ?_, hc c (by rw [hlast]; exact List.mem_append_right _ List.mem_cons_self)⟩
  refine ⟨(cs.dropLast.map Commit.entry).reverse, ?_⟩
  unfold entries
  rw [hl, hlast]
  simp only [List.map_append, List.map_cons, List.map_nil, List.reverse_append, List.reverse_cons, List.reverse_nil,
    List.nil_append, List.append_assoc, List.dropLast_concat]

theorem Firsts.congr {m m' n : M} {e : Id × Event} (h : Firsts m n e) (l : m'.log = m.log) : Firsts m' n e := by
  unfold Firsts entries at h ⊢
  rw [l]; exact h

/-! ## Advancing -/

theorem advance_recorded {m q n : M} (h : Quiet m q) (s : q.step = some n) (l : q.size < n.size) :
    ∃ b₀, ∀ b, b₀ ≤ b → m.advance b = .recorded n := by
  induction h with
  | refl m =>
    refine ⟨1, fun b hb => ?_⟩
    cases b with
    | zero => cases hb
    | succ b => simp only [advance, s, if_pos l]
  | @step m p q sp e _ k =>
    obtain ⟨b₀, k⟩ := k s l
    refine ⟨b₀ + 1, fun b hb => ?_⟩
    cases b with
    | zero => cases hb
    | succ b =>
      simp only [advance, sp]
      rw [if_neg (by omega)]
      exact k b (Nat.le_of_succ_le_succ hb)

theorem advance_stopped {m q : M} (h : Quiet m q) (s : q.step = none) : ∃ b₀, ∀ b, b₀ ≤ b → m.advance b = .stopped q := by
  induction h with
  | refl m =>
    refine ⟨1, fun b hb => ?_⟩
    cases b with
    | zero => cases hb
    | succ b => simp only [advance, s]
  | @step m p q sp e _ k =>
    obtain ⟨b₀, k⟩ := k s
    refine ⟨b₀ + 1, fun b hb => ?_⟩
    cases b with
    | zero => cases hb
    | succ b =>
      simp only [advance, sp]
      rw [if_neg (by omega)]
      exact k b (Nat.le_of_succ_le_succ hb)

theorem of_advance {m : M} (w : Wf m) {b : Nat} :
    (∀ n, m.advance b = .recorded n → ∃ q, Quiet m q ∧ q.step = some n ∧ q.size < n.size) ∧
      (∀ q, m.advance b = .stopped q → Quiet m q ∧ q.step = none) := by
  induction b generalizing m with
  | zero => exact ⟨fun n h => (nomatch h), fun q h => (nomatch h)⟩
  | succ b ih =>
    cases s : m.step with
    | none =>
      simp only [advance, s]
      refine ⟨fun n h => (nomatch h), fun q h => ?_⟩
      cases h
      exact ⟨.refl m, s⟩
    | some p =>
      simp only [advance, s]
      have f := follows_step w s
      have k := ih f.1
      split
      · next l =>
        refine ⟨fun n h => ?_, fun q h => (nomatch h)⟩
        cases h
        exact ⟨m, .refl m, s, l⟩
      · next l =>
        have e : p.size = m.size := Nat.le_antisymm (Nat.le_of_not_lt l) f.2.size_le
        refine ⟨fun n h => ?_, fun q h => ?_⟩
        · obtain ⟨q, hq, hs⟩ := k.1 n h
          exact ⟨q, .step s e hq, hs⟩
        · have := k.2 q h
          exact ⟨.step s e this.1, this.2⟩

theorem advance_mono {m : M} {b b' : Nat} (le : b ≤ b') (h : m.advance b ≠ .more) : m.advance b' = m.advance b := by
  induction b generalizing m b' with
  | zero => exact absurd rfl h
  | succ b ih =>
    cases b' with
    | zero => cases le
    | succ b' =>
      simp only [advance] at h ⊢
      cases s : m.step with
      | none => rfl
      | some p =>
        rw [s] at h
        simp only at h ⊢
        split
        · rfl
        · next l =>
          rw [if_neg l] at h
          exact ih (Nat.le_of_succ_le_succ le) h

end M

end Shepherd
