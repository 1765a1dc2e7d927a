import Shepherd.Laws.Support.Grows

/-!
# Who may come to own whom

An id says who made a run, and which copies came about together. From that alone follows who may come to own it, whatever
happens: this order has no cycle, and it keeps the branches of a fork apart.
-/

namespace Shepherd

namespace Id

/-- Run `o` may come to own run `k`: it made it, or copied it, or it is a copy made together with `k` of one that may own the
original, or it was made by one that may own `k`, later than `k`. -/
inductive MayOwn : Id → Id → Prop where
  | root : MayOwn .world .root
  | made (a : Id) (n : Nat) : MayOwn a (.made a n)
  | copied (a : Id) (n : Nat) (x : Id) : MayOwn a (.copy (.made a n) x)
  | copies (f : Id) {o k : Id} : MayOwn o k → MayOwn (.copy f o) (.copy f k)
  | lent {a k : Id} (n : Nat) : MayOwn a k → (∀ j, k = .made a j → j < n) → (∀ j x, k = .copy (.made a j) x → j < n) →
      MayOwn (.made a n) k

/-- `y` is `x`, or may come to stand below it. -/
inductive Over : Id → Id → Prop where
  | refl (x : Id) : Over x x
  | step {x o k : Id} : Over x o → MayOwn o k → Over x k

theorem MayOwn.over {o k : Id} (h : MayOwn o k) : Over o k := .step (.refl o) h

theorem Over.trans {x y z : Id} (h : Over x y) (g : Over y z) : Over x z := by
  induction g with
  | refl => exact h
  | step _ o k => exact k.step o

/-! ## No cycles -/

/-- Where the names of two runs part: who stands above. -/
def Beats (a b : Nat) : Prop := b ≠ 0 ∧ (a = 0 ∨ b < a)

/-- The name of a run as a list of numbers, from the outermost owner on. -/
def key : Id → List Nat
  | world => []
  | root => [1]
  | made a n => key a ++ [n + 2]
  | copy (made a n) x => key a ++ ((n + 2) :: (key x ++ [0]))
  | copy f x => key f ++ (1 :: (key x ++ [0]))

/-- A name stands above another: it is the beginning of it, or beats it where they part. -/
def Prec : List Nat → List Nat → Prop
  | [], [] => False
  | [], _ :: _ => True
  | _ :: _, [] => False
  | a :: as, b :: bs => Beats a b ∨ (a = b ∧ Prec as bs)

theorem Prec.irrefl (l : List Nat) : ¬ Prec l l := by
  induction l with
  | nil => exact id
  | cons a l ih =>
    intro h
    rcases h with h | h
    · unfold Beats at h; omega
    · exact ih h.2

theorem Prec.trans {a b c : List Nat} (h : Prec a b) (g : Prec b c) : Prec a c := by
  induction a generalizing b c with
  | nil =>
    cases c with
    | nil => cases b <;> exact g.elim
    | cons z c => trivial
  | cons x a ih =>
    cases b with
    | nil => exact h.elim
    | cons y b =>
      cases c with
      | nil => exact g.elim
      | cons z c =>
        rcases h with h | ⟨h, h'⟩
        · rcases g with g | ⟨g, g'⟩
          · left; unfold Beats at *; omega
          · left; exact g ▸ h
        · rcases g with g | ⟨g, g'⟩
          · left; exact h ▸ g
          · exact .inr ⟨h.trans g, ih h' g'⟩

theorem Prec.append (p : List Nat) {s t : List Nat} (h : Prec s t) : Prec (p ++ s) (p ++ t) := by
  induction p with
  | nil => exact h
  | cons a p ih => exact .inr ⟨rfl, ih⟩

theorem Prec.prefix (p : List Nat) (a : Nat) (s : List Nat) : Prec p (p ++ a :: s) := by
  have : Prec (p ++ []) (p ++ a :: s) := Prec.append p trivial
  rwa [List.append_nil] at this

/-- Two names part, and the first beats the second there. -/
def Parts (s t : List Nat) : Prop := ∃ p a b s' t', s = p ++ a :: s' ∧ t = p ++ b :: t' ∧ Beats a b

theorem Parts.prec {s t : List Nat} (h : Parts s t) : Prec s t := by
  obtain ⟨p, a, b, s', t', rfl, rfl, h⟩ := h
  exact Prec.append p (.inl h)

theorem Parts.append {s t : List Nat} (h : Parts s t) (p u v : List Nat) : Parts (p ++ (s ++ u)) (p ++ (t ++ v)) := by
  obtain ⟨q, a, b, s', t', rfl, rfl, h⟩ := h
  exact ⟨p ++ q, a, b, s' ++ u, t' ++ v, by simp only [List.append_assoc, List.cons_append],
    by simp only [List.append_assoc, List.cons_append], h⟩

theorem Parts.more {s t : List Nat} (h : Parts s t) (u : List Nat) : Parts (s ++ u) t := by
  have := h.append [] u []
  rwa [List.append_nil, List.nil_append, List.nil_append] at this

theorem key_copy (f : Id) : ∃ p, ∀ x, key (.copy f x) = p ++ (key x ++ [0]) := by
  cases f with
  | made a n => exact ⟨key a ++ [n + 2], fun x => by simp only [key, List.append_assoc, List.singleton_append]⟩
  | world => exact ⟨key .world ++ [1], fun x => by simp only [key, List.append_assoc, List.singleton_append]⟩
  | root => exact ⟨[1, 1], fun x => rfl⟩
  | copy g y => exact ⟨key (.copy g y) ++ [1], fun x => by simp only [key, List.append_assoc, List.singleton_append]⟩

/-- Who may own a run beats it, or made or copied it, or is the outermost owner. -/
theorem MayOwn.parts {o k : Id} (h : MayOwn o k) :
    Parts (key o) (key k) ∨ (o = .world ∧ k = .root) ∨ (∃ n, k = .made o n) ∨ ∃ n x, k = .copy (.made o n) x := by
  induction h with
  | root => exact .inr (.inl ⟨rfl, rfl⟩)
  | made a n => exact .inr (.inr (.inl ⟨n, rfl⟩))
  | copied a n x => exact .inr (.inr (.inr ⟨n, x, rfl⟩))
  | @copies f o k _ ih =>
    obtain ⟨p, hp⟩ := key_copy f
    left
    rw [hp, hp]
    have here : ∀ b t, key k = key o ++ b :: t → b ≠ 0 → Parts (p ++ (key o ++ [0])) (p ++ (key k ++ [0])) := by
      intro b t e nz
      refine ⟨p ++ key o, 0, b, [], t ++ [0], ?_, ?_, nz, .inl rfl⟩
      · rw [List.append_assoc]
      · rw [e]; simp only [List.append_assoc, List.cons_append]
    rcases ih with ih | ⟨rfl, rfl⟩ | ⟨n, rfl⟩ | ⟨n, x, rfl⟩
    · exact ih.append p _ _
    · exact here 1 [] rfl nofun
    · exact here (n + 2) [] rfl nofun
    · exact here (n + 2) _ rfl nofun
  | @lent a k n _ hm hc ih =>
    left
    have here : ∀ b t, key k = key a ++ b :: t → b ≠ 0 → b < n + 2 → Parts (key a ++ [n + 2]) (key k) :=
      fun b t e nz l => ⟨key a, n + 2, b, [], t, rfl, e, nz, .inr l⟩
    rcases ih with ih | ⟨rfl, rfl⟩ | ⟨j, rfl⟩ | ⟨j, x, rfl⟩
    · exact ih.more _
    · exact here 1 [] rfl nofun (by omega)
    · exact here (j + 2) [] rfl nofun (by have := hm j rfl; omega)
    · exact here (j + 2) _ rfl nofun (by have := hc j x rfl; omega)

/-- Who may own a run stands above it. -/
theorem MayOwn.prec {o k : Id} (h : MayOwn o k) : Prec (key o) (key k) := by
  rcases h.parts with h | ⟨rfl, rfl⟩ | ⟨n, rfl⟩ | ⟨n, x, rfl⟩
  · exact h.prec
  · trivial
  · exact Prec.prefix _ _ _
  · exact Prec.prefix _ _ _

theorem Over.prec {x y : Id} (h : Over x y) : x = y ∨ Prec (key x) (key y) := by
  induction h with
  | refl => exact .inl rfl
  | step _ o ih =>
    rcases ih with rfl | ih
    · exact .inr o.prec
    · exact .inr (ih.trans o.prec)

/-- Ownership has no cycle. -/
theorem MayOwn.acyclic {o k : Id} (h : MayOwn o k) : ¬ Over k o := by
  intro g
  rcases g.prec with rfl | g
  · exact Prec.irrefl _ h.prec
  · exact Prec.irrefl _ (g.trans h.prec)

theorem MayOwn.ne {o k : Id} (h : MayOwn o k) : o ≠ k := fun e => h.acyclic (e ▸ .refl o)

theorem Over.antisymm {x y : Id} (h : Over x y) (g : Over y x) : x = y := by
  rcases h.prec with e | h
  · exact e
  · rcases g.prec with e | g
    · exact e.symm
    · exact absurd (h.trans g) (Prec.irrefl _)

/-! ## The copies of a fork -/

/-- The runs of a fork that `a` made as its `n`-th run: the copies, and all that they make and copy. -/
def InFork (a : Id) (n : Nat) : Id → Prop
  | made b _ => InFork a n b
  | copy (made b j) _ => (b = a ∧ j = n) ∨ InFork a n b
  | _ => False

theorem inFork_copy {a g : Id} {n : Nat} (o k : Id) (h : InFork a n (.copy g o)) : InFork a n (.copy g k) := by
  cases g with
  | made b j => exact h
  | _ => exact h.elim

/-- What a run of the fork may own is of the fork. -/
theorem InFork.mayOwn {a : Id} {n : Nat} {o k : Id} (h : MayOwn o k) (i : InFork a n o) : InFork a n k := by
  induction h with
  | root => exact i.elim
  | made b j => exact i
  | copied b j x => exact .inr i
  | copies f _ _ => exact inFork_copy _ _ i
  | lent j _ _ _ ih => exact ih i

theorem InFork.over {a : Id} {n : Nat} {x y : Id} (h : Over x y) (i : InFork a n x) : InFork a n y := by
  induction h with
  | refl => exact i
  | step _ o ih => exact InFork.mayOwn o ih

/-- Who may own a run of the fork, and is not of it, made the fork, or was made by that one later. -/
theorem MayOwn.enter {a : Id} {n : Nat} {o k : Id} (h : MayOwn o k) (i : InFork a n k) (out : ¬ InFork a n o) :
    (o = a ∧ ∃ x, k = .copy (.made a n) x) ∨ ∃ e s, key o = key a ++ e :: s ∧ n + 2 < e := by
  induction h with
  | root => exact i.elim
  | made b j => exact absurd i out
  | copied b j x =>
    rcases i with ⟨rfl, rfl⟩ | i
    · exact .inl ⟨rfl, x, rfl⟩
    · exact absurd i out
  | copies f _ _ => exact absurd (inFork_copy _ _ i) out
  | @lent b k j _ _ hc ih =>
    rcases ih i out with ⟨rfl, x, rfl⟩ | ⟨e, s, he, l⟩
    · exact .inr ⟨j + 2, [], rfl, by have := hc n x rfl; omega⟩
    · exact .inr ⟨e, s ++ [j + 2], by rw [key, he, List.append_assoc, List.cons_append], l⟩

/-- Nothing that may come to stand below a run that was there before is of the fork. -/
theorem not_inFork_of_over {a r y : Id} {n : Nat} (own : MayOwn a r) (hm : ∀ j, r = .made a j → j < n)
    (hc : ∀ j x, r = .copy (.made a j) x → j < n) (out : ¬ InFork a n r) (h : Over r y) : ¬ InFork a n y := by
  induction h with
  | refl => exact out
  | @step o k ho own' ih =>
    intro i
    have prec : Prec (key o) (key r) := by
      rcases own'.enter i ih with ⟨rfl, _⟩ | ⟨e, s, he, l⟩
      · exact own.prec
      · rw [he]
        have here : ∀ b t, key r = key a ++ b :: t → b ≠ 0 → b < e → Prec (key a ++ e :: s) (key r) :=
          fun b t h nz l => Parts.prec ⟨key a, e, b, s, t, rfl, h, nz, .inr l⟩
        rcases own.parts with h | ⟨rfl, rfl⟩ | ⟨j, rfl⟩ | ⟨j, x, rfl⟩
        · exact (h.more _).prec
        · exact here 1 [] rfl nofun (by omega)
        · exact here (j + 2) [] rfl nofun (by have := hm j rfl; omega)
        · exact here (j + 2) _ rfl nofun (by have := hc j x rfl; omega)
    rcases ho.prec with rfl | g
    · exact Prec.irrefl _ prec
    · exact Prec.irrefl _ (g.trans prec)

/-! ## Ids of copies, today -/

/-- Who may own whom is the same in the copies. -/
theorem MayOwn.today {r o k : Id} (id : Id) (h : MayOwn o k) : MayOwn (Id.today r id o) (Id.today r id k) := by
  induction id with
  | copy f old _ ih =>
    unfold Id.today
    split
    · exact h
    · exact .copies f ih
  | _ => exact h

theorem Over.today {r x y : Id} (id : Id) (h : Over x y) : Over (Id.today r id x) (Id.today r id y) := by
  induction h with
  | refl => exact .refl _
  | step _ o ih => exact ih.step (o.today id)

theorem today_inj {r id x y : Id} (h : Id.today r id x = Id.today r id y) : x = y := by
  induction id with
  | copy f old _ ih =>
    unfold Id.today at h
    split at h
    · exact h
    · exact ih (Id.copy.inj h).2
  | _ => exact h

end Id

end Shepherd
