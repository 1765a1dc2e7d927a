import Shepherd.Laws.TransparentSupervision.Simulation

/-!
# The whole course of two trees in which the same run is awaited
-/

namespace Shepherd

open Id (MayOwn Over)

namespace Supervision

open M

variable {G : Field} {ω : Oracle} {m m' n n' : M} {w : Id} {os os' : List Watch}

/-- `n` is what becomes of `m` after that many moves: each a step of the tree, or where it has none, an answer of the oracle. -/
def Moves (ω : Oracle) : Nat → M → M → Prop
  | 0, m, n => m = n
  | j + 1, m, n => ∃ p, Move ω m p ∧ Moves ω j p n

/-- `n` is what becomes of `m` by moves of the tree and answers of the oracle. -/
def Comes (ω : Oracle) (m n : M) : Prop := ∃ j, Moves ω j m n

theorem Comes.refl (m : M) : Comes ω m m := ⟨0, rfl⟩

theorem Moves.after : ∀ {j : Nat} {m : M}, Moves ω j m n → After ω m n
  | 0, _, h => by cases h; exact .refl _
  | _ + 1, _, ⟨_, h, g⟩ => h.after.trans (Moves.after g)

theorem Comes.after (h : Comes ω m n) : After ω m n := h.choose_spec.after

theorem Moves.trans : ∀ {i j : Nat} {m p : M}, Moves ω i m p → Moves ω j p n → Moves ω (i + j) m n
  | 0, j, _, _, h, g => by cases h; rw [Nat.zero_add]; exact g
  | i + 1, j, _, _, ⟨q, h, h'⟩, g => by
    rw [Nat.add_right_comm]
    exact ⟨q, h, Moves.trans h' g⟩

theorem Comes.trans {p : M} (h : Comes ω m n) (g : Comes ω n p) : Comes ω m p := ⟨_, h.choose_spec.trans g.choose_spec⟩

theorem Move.comes (h : Move ω m n) : Comes ω m n := ⟨1, n, h, rfl⟩

theorem Path.comes (h : Path G m n) : Comes ω m n := by
  induction h with
  | refl => exact .refl _
  | step s _ _ ih => exact (Move.comes (.inl s)).trans ih

theorem Trail.comes {b : M} (h : Trail ω G b m n) : Comes ω m n := by
  induction h with
  | last _ h => exact h.comes
  | move _ h _ ih => exact h.comes.trans ih

/-- What a tree comes to on a trail, or beyond it. -/
theorem Trail.split {b d k : M} (t : Trail ω G b m d) : ∀ {j : Nat}, Moves ω j m k → Beside G b k ∨ ∃ i, i < j ∧ Moves ω i d k := by
  induction t with
  | last hb mv =>
    intro j h
    cases j with
    | zero => cases h; exact .inl hb
    | succ j =>
      obtain ⟨p, h, g⟩ := h
      rw [h.unique mv] at g
      exact .inr ⟨j, Nat.lt_succ_self j, g⟩
  | move hb mv _ ih =>
    intro j h
    cases j with
    | zero => cases h; exact .inl hb
    | succ j =>
      obtain ⟨p, h, g⟩ := h
      rw [h.unique mv] at g
      exact (ih g).imp_right fun ⟨i, l, g⟩ => ⟨i, Nat.lt_succ_of_lt l, g⟩

theorem Path.split {k : M} (t : Path G m n) : ∀ {j : Nat}, Moves ω j m k → Beside G m k ∨ ∃ i, i ≤ j ∧ Moves ω i n k := by
  induction t with
  | refl m => exact fun {j} h => .inr ⟨j, Nat.le_refl j, h⟩
  | step s b _ ih =>
    intro j h
    cases j with
    | zero => cases h; exact .inl (.refl _)
    | succ j =>
      obtain ⟨p, h, g⟩ := h
      rw [h.unique (.inl s)] at g
      rcases ih g with c | ⟨i, l, g⟩
      · exact .inl (b.trans c)
      · exact .inr ⟨i, Nat.le_succ_of_le l, g⟩

theorem Stuck.moves {k : M} (s : Stuck ω m) {j : Nat} (h : Moves ω j m k) : k = m := by
  cases j with
  | zero => exact h.symm
  | succ j =>
    obtain ⟨p, h, _⟩ := h
    rcases h with h | ⟨_, h⟩
    · rw [s.1] at h; cases h
    · rw [s.2] at h; cases h

/-- Both awaits have come to their ends, with the same family, and `k` is one of the two trees, later. -/
def Ended (ω : Oracle) (G : Field) (w : Id) (os os' : List Watch) (m m' : M) (late : M → M → Prop) : Prop :=
  ∃ e e', Comes ω m e ∧ Comes ω m' e' ∧ Sync ω G w os os' e e' ∧ LastStop w os e ∧ LastStop w os' e' ∧ late e e'

theorem Sync.forth (marks : Marks G w) : ∀ (j : Nat) {m m' k : M}, Sync ω G w os os' m m' → Moves ω j m k →
    (∃ k', Comes ω m' k' ∧ Alike G k k') ∨ Ended ω G w os os' m m' fun e _ => Comes ω e k := by
  intro j
  induction j using Nat.strongRecOn with
  | ind j ih =>
    intro m m' k y h
    have sk : Sound k := y.left.sound.after h.after
    obtain ⟨φ, ag⟩ := y.alike
    cases y.next marks with
    | ends o o' => exact .inr ⟨m, m', .refl m, .refl m', y, o, o', ⟨j, h⟩⟩
    | @stuck q q' p p' s s' =>
      left
      have q'' : Sound q' := y.right.sound.after (ω := ω) p'.after
      rcases p.split h with b | ⟨i, _, h⟩
      · exact ⟨m', .refl m', (ag.beside b (.refl m') sk.bound.tied y.right.sound.bound.tied).alike⟩
      · have e := s.moves h
        subst e
        exact ⟨q', p'.comes, (ag.beside p.beside p'.beside sk.bound.tied q''.bound.tied).alike⟩
    | @on d d' n n' t t' dd p p' yn =>
      rcases t.split h with b | ⟨i, l, h⟩
      · exact .inl ⟨m', .refl m', (ag.beside b (.refl m') sk.bound.tied y.right.sound.bound.tied).alike⟩
      · have sd' : Sound d' := y.right.sound.after (ω := ω) t'.after
        rcases p.split h with b | ⟨i', l', h⟩
        · exact .inl ⟨d', t'.comes, (dd.choose_spec.beside b (.refl d') sk.bound.tied sd'.bound.tied).alike⟩
        · have c : Comes ω m n := t.comes.trans p.comes
          have c' : Comes ω m' n' := t'.comes.trans p'.comes
          rcases ih i' (Nat.lt_of_le_of_lt l' l) yn h with ⟨k', hk, a⟩ | ⟨e, e', he, he', rest⟩
          · exact .inl ⟨k', c'.trans hk, a⟩
          · exact .inr ⟨e, e', c.trans he, c'.trans he', rest⟩

theorem Sync.back (marks : Marks G w) : ∀ (j : Nat) {m m' k' : M}, Sync ω G w os os' m m' → Moves ω j m' k' →
    (∃ k, Comes ω m k ∧ Alike G k k') ∨ Ended ω G w os os' m m' fun _ e' => Comes ω e' k' := by
  intro j
  induction j using Nat.strongRecOn with
  | ind j ih =>
    intro m m' k' y h
    have sk : Sound k' := y.right.sound.after h.after
    obtain ⟨φ, ag⟩ := y.alike
    cases y.next marks with
    | ends o o' => exact .inr ⟨m, m', .refl m, .refl m', y, o, o', ⟨j, h⟩⟩
    | @stuck q q' p p' s s' =>
      left
      have q'' : Sound q := y.left.sound.after (ω := ω) p.after
      rcases p'.split h with b | ⟨i, _, h⟩
      · exact ⟨m, .refl m, (ag.beside (.refl m) b y.left.sound.bound.tied sk.bound.tied).alike⟩
      · have e := s'.moves h
        subst e
        exact ⟨q, p.comes, (ag.beside p.beside p'.beside q''.bound.tied sk.bound.tied).alike⟩
    | @on d d' n n' t t' dd p p' yn =>
      rcases t'.split h with b | ⟨i, l, h⟩
      · exact .inl ⟨m, .refl m, (ag.beside (.refl m) b y.left.sound.bound.tied sk.bound.tied).alike⟩
      · have sd : Sound d := y.left.sound.after (ω := ω) t.after
        rcases p'.split h with b | ⟨i', l', h⟩
        · exact .inl ⟨d, t.comes, (dd.choose_spec.beside (.refl d) b sd.bound.tied sk.bound.tied).alike⟩
        · have c : Comes ω m n := t.comes.trans p.comes
          have c' : Comes ω m' n' := t'.comes.trans p'.comes
          rcases ih i' (Nat.lt_of_le_of_lt l' l) yn h with ⟨k, hk, a⟩ | ⟨e, e', he, he', rest⟩
          · exact .inl ⟨k, c.trans hk, a⟩
          · exact .inr ⟨e, e', c.trans he, c'.trans he', rest⟩

end Supervision

end Shepherd
