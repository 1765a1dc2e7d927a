import Shepherd.Laws.CompensationOrder.ForkRoot

/-!
# Every tree that can be reached
-/

namespace Shepherd

namespace M

/-- One move: a step of the tree, an answer of the oracle, an operation of the outermost owner, or a fork of the whole tree. -/
def Turn (ω : Oracle) (m n : M) : Prop :=
  m.step = some n ∨ m.outer ω = some n ∨ (∃ op args, m.worldAsks op args = some n) ∨ m.forkRoot = some n

theorem Turn.after {ω : Oracle} {m n p : M} (h : After ω m n) (g : Turn ω n p) : After ω m p := by
  rcases g with g | g | ⟨op, args, g⟩ | g
  · exact h.step g
  · exact h.answer g
  · exact h.world op args g
  · exact h.fork g

theorem After.known {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : Known m := ⟨h.sound, h.allMarked, h.seen⟩

theorem goes_move {R : Regions} {ω : Oracle} {m n : M} (g : Good R m) (k : Known m) (t : m.Tidy) (h : Turn ω m n) : Goes R m n := by
  rcases h with h | h | ⟨op, args, h⟩ | h
  · exact goes_step g k h
  · exact .of_good g fun R' g' => good_outer g' k h
  · exact goes_worldAsks g k h
  · exact .of_good g fun R' g' => good_forkRoot g' k t h

/-- Run `a` is taking back, and `family` is the run that it takes back with all that stood below when it began. -/
inductive TakesBack (ω : Oracle) (i : Init) (a : Id) (family : List Id) : M → Prop where
  | begins {m n : M} {u : Undoing} {o : Settled} : After ω i.start m → (∀ v p, (m.run a).code ≠ .undoing v p) → Turn ω m n →
      (n.run a).code = .undoing u o → family = m.family u.run → TakesBack ω i a family n
  | goesOn {m n : M} {u : Undoing} {o : Settled} : TakesBack ω i a family m → Turn ω m n → (n.run a).code = .undoing u o →
      TakesBack ω i a family n

theorem good_start (i : Init) : Good (fun _ _ => False) i.start := by
  have held : ∀ {m : M} x, ¬ m.Taken (fun _ _ => False) x := fun x ⟨_, _, _, _, h⟩ => h
  unfold Init.start M.start
  simp only
  generalize hroot : (Run.mk .root (some .world) [] i.agent i.args (bodyOf i.agent i.args) i.files i.files
    [{ origin := .root, clauses := i.request }] [] [] [] 0) = root
  generalize hm : M.mk i.program i.contents [{ worldRun with files := i.files, base := i.files }, root] [.root, .world] [] [] [] = m
  have world : m.run .world = { worldRun with files := i.files, base := i.files } := by rw [← hm]; rfl
  have rootRun : m.run .root = root := by rw [← hm, ← hroot]; rfl
  have runs : ∀ y, m.run y = { worldRun with files := i.files, base := i.files } ∨ m.run y = root ∨ m.run y = Run.absent y := fun y => by
    rw [← hm]
    unfold M.run
    simp only [Runs.find]
    split
    · exact .inl rfl
    · split
      · exact .inr (.inl rfl)
      · exact .inr (.inr rfl)
  have traces : ∀ y, (m.run y).trace = [] := fun y => by
    rcases runs y with h | h | h
    · rw [h]; rfl
    · rw [h, ← hroot]
    · rw [h]; rfl
  have codes : ∀ y, (∀ u o, (m.run y).code ≠ .undoing u o) ∧ (∀ c op as w, (m.run y).code ≠ .passing c op as w) ∧
      (y ≠ .world → ∀ w, (m.run y).code.settle ≠ .waiting w) := fun y => by
    refine ⟨?_, ?_, fun ne => ?_⟩
    · rcases runs y with h | h | h
      · rw [h]; exact nofun
      · rw [h, ← hroot]; exact nofun
      · rw [h]; exact nofun
    · rcases runs y with h | h | h
      · rw [h]; exact nofun
      · rw [h, ← hroot]; exact nofun
      · rw [h]; exact nofun
    · rcases runs y with h | h | h
      · have := run_id m y
        rw [h] at this
        exact absurd this.symm ne
      · rw [h, ← hroot]; exact nofun
      · rw [h]; exact nofun
  have g : Good (fun _ _ => False) m := by
    refine ⟨⟨fun y => by rw [traces]; exact .nil _ _, fun y ne w hw => absurd hw ((codes y).2.2 ne w), fun y u o h => absurd h ((codes y).1 u o),
      fun y u o h => absurd h ((codes y).1 u o), fun y u o h => absurd h ((codes y).1 u o), fun y _ u _ o _ _ h => absurd h ((codes y).1 u o),
      fun y u o h => absurd h ((codes y).1 u o), fun x h => absurd h (held x), fun y c op as w h => absurd h ((codes y).2.1 c op as w)⟩,
      ?_, by rw [world]; rfl, by (rw [rootRun, ← hroot]), by rw [world]; rfl, fun u o h => absurd h ((codes _).1 u o)⟩
    rw [← hm]
    exact .drives (w := { op := "run.next", args := [.run 0], stack := [] }) (by rw [hm, rootRun, ← hroot]) (by rw [hm, world]; rfl) .world
  have code : (m.run .root).code = bodyOf i.agent i.args := by rw [rootRun, ← hroot]
  exact g.recordCode (rest := [.world]) (by rw [← hm]) (c := .running _ [] [] 0) code _ (fun _ _ _ => nofun) Good.waits_running

theorem After.good {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : ∃ R, Good R m := by
  have go : ∀ {m n : M}, After ω i.start m → (∃ R, Good R m) → Turn ω m n → ∃ R, Good R n := fun h ⟨R, g⟩ t => by
    obtain ⟨R', g', _⟩ := goes_move g h.known h.whole.tidy t
    exact ⟨R', g'⟩
  induction h with
  | refl => exact ⟨_, good_start i⟩
  | step h s ih => exact go h ih (.inl s)
  | answer h s ih => exact go h ih (.inr (.inl s))
  | world op args h s ih => exact go h ih (.inr (.inr (.inl ⟨op, args, s⟩)))
  | fork h s ih => exact go h ih (.inr (.inr (.inr s)))

theorem TakesBack.good {ω : Oracle} {i : Init} {a : Id} {family : List Id} {m : M} (h : TakesBack ω i a family m) :
    ∃ R, Good R m ∧ Known m ∧ After ω i.start m ∧ (∃ u o, (m.run a).code = .undoing u o) ∧ ∀ x, R a x ↔ x ∈ family := by
  induction h with
  | @begins m n u o h hn g hu hf =>
    obtain ⟨R, gr⟩ := h.good
    obtain ⟨R', g', _, k₂⟩ := goes_move gr h.known h.whole.tidy g
    have af := g.after h
    refine ⟨R', g', af.known, af, ⟨u, o, hu⟩, fun x => ?_⟩
    rw [hf]; exact k₂ a u o hn hu x
  | @goesOn m n u o h g hu ih =>
    obtain ⟨R, gr, k, af, ⟨u', o', hu'⟩, hR⟩ := ih
    obtain ⟨R', g', k₁, _⟩ := goes_move gr k af.whole.tidy g
    have af' := g.after af
    exact ⟨R', g', af'.known, af', ⟨u, o, hu⟩, fun x => (k₁ a u' o' hu' x).trans (hR x)⟩

end M

end Shepherd
