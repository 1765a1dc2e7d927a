import Shepherd.Laws.TransparentSupervision.Chains
import Shepherd.Laws.BranchReplay.All

/-!
# Two trees in which the same run is awaited, through owners of its own in each

What a step of its family does to those above it: nothing.
-/

namespace Shepherd

open Id (MayOwn Over)

namespace Supervision

open M

variable {G : Field} {ω : Oracle} {m m' n n' : M} {w z : Id}

theorem step_apart (s : Sound m) {rest : List Id} (top : m.stack = z :: rest) (hz : Over w z) (nz : z ≠ .world) (h : m.step = some n)
    (inner : m.Stops z → ∃ owner rest', rest = owner :: rest' ∧ Over w owner ∧ owner ≠ .world) {y : Id} (hy : ¬ Over w y) :
    n.run y = m.run y := by
  have td := s.bound.tied
  have away : ¬ Over z y := fun o => hy (hz.trans o)
  have stop : m.Stops z → n.run y = m.run y := fun st => by
    obtain ⟨owner, rest', rfl, ho, no⟩ := inner st
    have hs := step_stops top st
    simp only [M.atStop, if_pos no, List.tail_cons] at hs
    rw [h] at hs
    cases hs
    have pw := td.stack
    rw [top] at pw
    exact (deeds_toOwner (T := fun x => x = owner) (F := m.Stamped) s.wf s.bound.tabled (fun _ h => h) rfl z (List.pairwise_cons.mp pw).2).run
      fun e => hy (e ▸ ho)
  have hc := step_active top
  rw [h] at hc
  cases e : (m.run z).code with
  | settled st =>
    rw [e] at hc
    cases st with
    | running c ρ K j =>
      cases hc
      exact (deeds_localMove (T := Over z) (F := m.Stamped) td (fun _ h => h) e).run away
    | waiting q =>
      simp only at hc
      by_cases mo : isMachineOp q.op = true
      · rw [if_pos mo] at hc
        have i : m.has z = true := has_of_code (by rw [e]; exact nofun)
        have wf := s.wf.weaken (B := True)
        have ext := (grows_perform wf ⟨i, fun _ => trivial⟩ hc.symm).extends wf
        obtain ⟨F, _, _, d⟩ := gives_perform (T := Over z) s.granted.named wf s.bound.tabled ⟨td, fun _ h => h, i, e⟩ ⟨rest, top⟩ hc.symm ext.made
        exact d.run away
      · refine stop ?_
        unfold M.Stops
        rw [e]
        exact Bool.eq_false_iff.mpr mo
    | _ => refine stop ?_; unfold M.Stops; rw [e]; trivial
  | undoing u st =>
    rw [e] at hc
    simp only at hc
    cases hu : m.undoStep z u st with
    | none =>
      refine stop ?_
      unfold M.Stops
      rw [e]
      unfold M.undoStep at hu
      split at hu
      · assumption
      · split at hu
        · cases hu
        · simp only at hu
          split at hu <;> cases hu
    | some p =>
      rw [hu] at hc
      have d := deeds_undoStep (T := Over z) (F := m.Stamped) td s.granted.named s.wf s.bound.tabled (fun _ h => h) (fun _ h => h) e hu
      have aw : p.afterWorld z = p := by unfold M.afterWorld; rw [if_pos nz]
      cases hc
      rw [aw]
      exact d.run away
  | _ => refine stop ?_; unfold M.Stops; rw [e]; trivial

theorem line_drop : ∀ {F : List Id} {a : Id} {rest : List Id}, m.Line (F ++ a :: rest) → m.Line (a :: rest)
  | [], _, _, h => h
  | [_], _, _, h => h.2.2
  | _ :: y :: F, _, _, h => line_drop (F := y :: F) h.2.2

theorem Chain.again : ∀ {os : List Watch} {c : Id} {rest : List Id}, Chain G m c os → n.Line (c :: idsOf os ++ rest) →
    (∀ o ∈ os, n.run o.id = m.run o.id) → Chain G n c os
  | [], _, _, _, _, _ => trivial
  | o :: os, c, rest, h, l, same => by
    have l : n.Line (c :: o.id :: (idsOf os ++ rest)) := l
    have ro := same o List.mem_cons_self
    refine ⟨⟨h.1.out, h.1.world, h.1.ne, ?_, by rw [ro]; exact h.1.handle, by rw [ro]; exact h.1.grant⟩,
      Chain.again h.2 (rest := rest) l.2.2 fun x hx => same x (List.mem_cons_of_mem _ hx)⟩
    unfold M.owns
    rw [l.1]
    exact beq_self_eq_true _

/-- A tree that can be reached, in which the run `w` is awaited: `os` await each other, the innermost one `w`, and all drive. -/
structure Awaited (ω : Oracle) (G : Field) (w : Id) (os : List Watch) (m : M) : Prop where
  reached : ∃ i : Init, After ω i.start m
  low : Await.LoweredIn m.program
  ne : os ≠ []
  nodup : (idsOf os).Nodup
  chain : Chain G m w os
  drives : Drives m w os

theorem Awaited.sound {os : List Watch} (a : Awaited ω G w os m) : Sound m := a.reached.choose_spec.sound

/-- What the family of `w` and the marked runs are. -/
structure Marks (G : Field) (w : Id) : Prop where
  closed : Closed G
  family : ∀ x, Over w x → G x = true
  world : G .world = false
  lone : G.lone = w

theorem Chain.out : ∀ {os : List Watch} {c : Id}, Chain G m c os → ∀ o ∈ os, G o.id = false
  | [], _, _, _, h => absurd h List.not_mem_nil
  | o :: os, _, h, x, hx => by
    cases List.mem_cons.mp hx with
    | inl e => exact e ▸ h.1.out
    | inr hx => exact Chain.out h.2 x hx

theorem Chain.nw : ∀ {os : List Watch} {c : Id}, Chain G m c os → ∀ o ∈ os, o.id ≠ .world
  | [], _, _, _, h => absurd h List.not_mem_nil
  | o :: os, _, h, x, hx => by
    cases List.mem_cons.mp hx with
    | inl e => exact e ▸ h.1.world
    | inr hx => exact Chain.nw h.2 x hx

/-- A step or an answer of the family leaves it awaited. -/
theorem Awaited.on {os : List Watch} (a : Awaited ω G w os m) (later : After ω m n) (marks : Marks G w)
    (apart : ∀ y, ¬ Over w y → n.run y = m.run y) {F : List Id} (stack : n.stack = F ++ w :: idsOf os ++ [.world]) :
    Awaited ω G w os n := by
  obtain ⟨i, r⟩ := a.reached
  have r' := r.trans later
  have same : ∀ o ∈ os, n.run o.id = m.run o.id := fun o ho => apart _ fun h => by
    have := marks.family _ h
    rw [a.chain.out o ho] at this; cases this
  have line := r'.replays.2.1.line
  rw [stack, List.append_assoc] at line
  exact ⟨⟨i, r'⟩, (later.follows a.sound.wf).2.program ▸ a.low, a.ne, a.nodup, a.chain.again (line_drop line) same, a.drives.same same⟩

/-- The tree goes on by itself, or where it has no step of its own, by the answer of the oracle. -/
def Move (ω : Oracle) (m n : M) : Prop := m.step = some n ∨ (m.step = none ∧ m.outer ω = some n)

theorem Move.after (h : Move ω m n) : After ω m n := by
  rcases h with h | h
  · exact (After.refl m).step h
  · exact (After.refl m).answer h.2

theorem Move.unique (h : Move ω m n) (g : Move ω m n') : n = n' := by
  rcases h with h | h
  · rcases g with g | g
    · exact Option.some.inj (h.symm.trans g)
    · rw [h] at g; cases g.1
  · rcases g with g | g
    · rw [g] at h; cases h.1
    · exact Option.some.inj (h.2.symm.trans g.2)

/-- From `m` on, through states that are all beside `b`, and then one move to `n`. -/
inductive Trail (ω : Oracle) (G : Field) (b : M) : M → M → Prop where
  | last {m n : M} : Beside G b m → Move ω m n → Trail ω G b m n
  | move {m n p : M} : Beside G b m → Move ω m n → Trail ω G b n p → Trail ω G b m p

theorem Trail.after {b : M} (h : Trail ω G b m n) : After ω m n := by
  induction h with
  | last _ h => exact h.after
  | move _ h _ ih => exact h.after.trans ih

theorem Path.after (h : Path G m n) : After ω m n := by
  induction h with
  | refl => exact .refl _
  | step s _ _ ih => exact ((After.refl _).step s).trans ih

theorem Path.trail {b : M} (h : Path G m n) (hb : Beside G b m) {p : M} (t : Trail ω G b n p) : Trail ω G b m p := by
  induction h with
  | refl => exact t
  | step s c _ ih => exact .move hb (.inl s) (ih (hb.trans c) t)

/-- Two trees in which the same run `w` is awaited and its family is active, in the same state. -/
structure Sync (ω : Oracle) (G : Field) (w : Id) (os os' : List Watch) (m m' : M) : Prop where
  left : Awaited ω G w os m
  right : Awaited ω G w os' m'
  alike : Alike G m m'
  stacks : ∃ F, m.stack = F ++ w :: idsOf os ++ [.world] ∧ m'.stack = F ++ w :: idsOf os' ++ [.world] ∧ ∀ x ∈ F, Over w x

/-- The await has come to its end: `w` is at a stop at which it asks for nothing. -/
def LastStop (w : Id) (os : List Watch) (m : M) : Prop := m.stack = w :: idsOf os ++ [.world] ∧ m.Stops w ∧ m.shown w = none

/-- Both trees wait for an answer from outside, and get none. -/
def Stuck (ω : Oracle) (m : M) : Prop := m.step = none ∧ m.outer ω = none

/-- What becomes of two trees that agree. -/
inductive Next (ω : Oracle) (G : Field) (w : Id) (os os' : List Watch) (m m' : M) : Prop where
  | ends : LastStop w os m → LastStop w os' m' → Next ω G w os os' m m'
  | stuck {k k' : M} : Path G m k → Path G m' k' → Stuck ω k → Stuck ω k' → Next ω G w os os' m m'
  | on {d d' n n' : M} : Trail ω G m m d → Trail ω G m' m' d' → Alike G d d' → Path G d n → Path G d' n' → Sync ω G w os os' n n' →
      Next ω G w os os' m m'

/-- What the family does by itself, it does in both trees. -/
theorem Sync.family {os os' : List Watch} (y : Sync ω G w os os' m m') (marks : Marks G w) {F' : List Id} {n n' : M}
    (h : m.step = some n ∨ (m.step = none ∧ m.outer ω = some n)) (h' : m'.step = some n' ∨ (m'.step = none ∧ m'.outer ω = some n'))
    (k : Alike G n n') (st : n.stack = F' ++ w :: idsOf os ++ [.world]) (st' : n'.stack = F' ++ w :: idsOf os' ++ [.world])
    (hF' : ∀ x ∈ F', Over w x) (apart : ∀ y, ¬ Over w y → n.run y = m.run y) (apart' : ∀ y, ¬ Over w y → n'.run y = m'.run y) :
    Next ω G w os os' m m' :=
  .on (.last (.refl m) h) (.last (.refl m') h') k (.refl n) (.refl n')
    ⟨y.left.on (Move.after h) marks apart st, y.right.on (Move.after h') marks apart' st', k, F', st, st', hF'⟩

end Supervision

end Shepherd
