import Shepherd.Laws.Support.TiedReach

/-!
# The runs of a fork, and families that stay as they are
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

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

end Shepherd
