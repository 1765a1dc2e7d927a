import Shepherd.Laws.Support.Branches

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

end M

/-- After a fork, steps of one branch change nothing in another.

The tree `m` can be reached, and its active run `asker` does `run.fork(r, k)`; `p` is any tree that can come of it later. One branch is
the copy of `r` and whatever stands below it in `p`; another is `b`, any run that the asker owned when it forked, and whatever stands
below that: the original `r` itself, or an earlier copy. Then

- no run is in both branches;
- a step of the machine or an answer from outside that is for a run of the one branch (it is the active run, or the one whose question
  waits: `M.Acts`), and any number of them one after the other (`M.InBranch`), leaves every run of the other branch literally as it
  was: code, files, trace, handles, inbox, grant, owner, and all else; and it is made of the same runs as before.

What stands above both branches is of neither: an owner of both may answer, merge or revert them. And two things are no run's: a limit
of a grant that was given to a run above both is counted for both (`M.used`), and a text that one writes is known by its hash to all
(`M.written`). -/
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
