import Shepherd.Laws.Support.TiedReach

/-!
# The branches of a fork are apart
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

/-- `q` comes from `p` by steps and answers, in any number, each of which is for a run of the branch `b`: the run `b` or one below
it, as the tree then is. -/
inductive InBranch (ω : Oracle) (b : Id) (p : M) : M → Prop where
  | refl : InBranch ω b p p
  | step {n q : M} {x : Id} : InBranch ω b p n → x ∈ n.family b → n.Acts x → n.step = some q ∨ n.outer ω = some q →
      InBranch ω b p q

theorem InBranch.after {ω : Oracle} {b : Id} {p q : M} (h : InBranch ω b p q) : After ω p q := by
  induction h with
  | refl => exact .refl _
  | step _ _ _ s ih => exact s.elim ih.step ih.answer

/-- A run that has made runs is there. -/
theorem has_of_made {m : M} {c : Id} {j : Nat} (h : j < (m.run c).made) : m.has c = true := by
  cases e : m.has c with
  | true => rfl
  | false => rw [run_of_not_has e] at h; exact absurd h (Nat.not_lt_zero _)

theorem not_inFork_of_stamped {m : M} (fresh : ∀ c, m.has c = true → m.Stamped c) (a : Id) :
    ∀ b, m.Stamped b → ¬ InFork a (m.run a).made b
  | .made c _, s, h => not_inFork_of_stamped fresh a c (fresh c (has_of_made s)) h
  | .copy (.made c j) x, s, h => by
    rcases h with ⟨rfl, rfl⟩ | h
    · exact Nat.lt_irrefl _ s
    · exact not_inFork_of_stamped fresh a c (fresh c (has_of_made s)) h
  | .world, _, h => h
  | .root, _, h => h
  | .copy .world _, _, h => h
  | .copy .root _, _, h => h
  | .copy (.copy _ _) _, _, h => h

/-- A run that was there before a fork is not of the fork. -/
theorem not_inFork {m : M} (w : Wf m) {a : Id} {b : Id} (i : m.has b = true) : ¬ InFork a (m.run a).made b :=
  not_inFork_of_stamped w.fresh a b (w.fresh b i)

/-- Where all that may come to stand below a run stays as it is, so does who stands below it. -/
theorem family_same {p q : M} (s : Sound p) (t : Sound q) {b : Id} (same : ∀ y, Over b y → q.run y = p.run y) (y : Id) :
    y ∈ q.family b ↔ y ∈ p.family b := by
  rw [t.bound.tied.mem_family, s.bound.tied.mem_family]
  have go : ∀ {p q : M}, Sound p → (∀ y, Over b y → q.run y = p.run y) → ∀ y, p.Below y b → q.Below y b := by
    intro p q s same y h
    generalize e : b = top at h
    induction h with
    | own h =>
      subst e
      refine .own ?_
      show (q.run _).owner = _
      rw [same _ (s.bound.tied.owner h).over]
      exact h
    | up h g ih =>
      subst e
      have o := (s.bound.tied.over_of_below g).step (s.bound.tied.owner h)
      refine .up (o := _) ?_ (ih rfl)
      show (q.run _).owner = _
      rw [same _ o]
      exact h
  exact ⟨Or.imp_right (go t (fun y h => (same y h).symm) y), Or.imp_right (go s same y)⟩

end M

/-- After a fork, steps of one branch change nothing in another.

The tree `m` can be reached, and its active run `asker` does `run.fork(r, k)`; `p` is any tree that can come of it later. One branch is
the copy of `r` and whatever stands below it in `p`; another is `b`, any run that the asker owned when it forked, and whatever stands
below that: the original `r` itself, or an earlier copy. Then

- no run is in both branches;
- a step of the machine or an answer from outside that is for a run of the one branch (it is the active run, or the one whose question
  waits: `M.Acts`), and any number of them one after the other (`M.InBranch`), leaves every run of the other branch literally as it
  was: code, files, trace, handles, inbox, grant, owner, and all else; and it is made of the same runs as before.

What is above both branches is of neither: an owner of both may merge or revert them, and takes the limits of grants from those that
it shares with them. -/
theorem fork_isolated {ω : Oracle} {i : Init} {m p : M} (h : M.After ω i.start m) {asker : Id} {rest : List Id} {w : Waiting}
    (_active : m.stack = asker :: rest) (_asks : (m.run asker).code = .settled (.waiting w)) (_op : w.op = "run.fork") {v : Value}
    {k : Int} (_args : w.args = [v, .int k]) {r : Id} (_original : m.owned asker v = .ok r) (later : M.After ω m p) {b : Id}
    (beside : m.owns asker b = true) :
    let copy := Id.copy (.made asker (m.run asker).made) r
    (∀ y, y ∈ p.family b → y ∉ p.family copy) ∧
    (∀ q, p.InBranch ω copy q → (∀ y ∈ p.family b, q.run y = p.run y) ∧ ∀ y, y ∈ q.family b ↔ y ∈ p.family b) ∧
    ∀ q, p.InBranch ω b q → (∀ y ∈ p.family copy, q.run y = p.run y) ∧ ∀ y, y ∈ q.family copy ↔ y ∈ p.family copy := by
  have s := h.sound
  have t := s.after later
  have stamped := s.wf.fresh b (M.has_of_owns beside)
  have outside : ∀ y, Over b y → ¬ InFork asker (m.run asker).made y := fun y o =>
    Id.not_inFork_of_over (s.bound.tied.owns beside) (fun j e => by rw [e] at stamped; exact stamped)
      (fun j x e => by rw [e] at stamped; exact stamped) (M.not_inFork s.wf (M.has_of_owns beside)) o
  have inside : ∀ y, Over (Id.copy (.made asker (m.run asker).made) r) y → InFork asker (m.run asker).made y := fun y o =>
    InFork.over o (.inl ⟨rfl, rfl⟩)
  refine ⟨fun y hb hc => outside y (t.bound.tied.over_of_family hb) (inside y (t.bound.tied.over_of_family hc)),
    fun q hq => ?_, fun q hq => ?_⟩
  · have same : ∀ y, Over b y → q.run y = p.run y := by
      induction hq with
      | refl => exact fun _ _ => rfl
      | @step n q x g hx act st ih =>
        intro y hy
        have sn := t.after g.after
        have ix := inside x (sn.bound.tied.over_of_family hx)
        obtain ⟨F, d⟩ := sn.along act st
        rw [d.run ?_, ih y hy]
        rintro (o | o)
        · exact outside y hy (InFork.over o ix)
        · exact outside x (hy.trans o) ix
    exact ⟨fun y hy => same y (t.bound.tied.over_of_family hy), M.family_same t (t.after hq.after) same⟩
  · have same : ∀ y, Over (Id.copy (.made asker (m.run asker).made) r) y → q.run y = p.run y := by
      induction hq with
      | refl => exact fun _ _ => rfl
      | @step n q x g hx act st ih =>
        intro y hy
        have sn := t.after g.after
        have ox := sn.bound.tied.over_of_family hx
        obtain ⟨F, d⟩ := sn.along act st
        rw [d.run ?_, ih y hy]
        rintro (o | o)
        · exact outside y (ox.trans o) (inside y hy)
        · exact outside x ox (InFork.over o (inside y hy))
    exact ⟨fun y hy => same y (t.bound.tied.over_of_family hy), M.family_same t (t.after hq.after) same⟩

end Shepherd
