import Shepherd.Laws.TransparentSupervision.Stacks

/-!
# A step of a family, in two trees that agree on it

The family of a run is that run and all that may come to stand below it.
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {G : Field} {m m' : M} {w z : Id}

/-- A run is at a stop: only who drives it, or the outside, goes on. -/
def Stops (m : M) (z : Id) : Prop :=
  match (m.run z).code with
  | .settled (.running ..) => False
  | .settled (.waiting q) => isMachineOp q.op = false
  | .undoing u _ => u.raised = true
  | _ => True

theorem step_active {rest : List Id} (top : m.stack = z :: rest) : m.step = (match (m.run z).code with
    | .settled (.running c ρ K n) => some (m.localMove z c ρ K n)
    | .settled (.waiting q) => if isMachineOp q.op then m.perform z q else m.atStop z rest
    | .undoing u origin => match m.undoStep z u origin with
      | some n => some (n.afterWorld z)
      | none => m.atStop z rest
    | _ => m.atStop z rest) := by
  unfold M.step
  rw [top]
  rfl

theorem _root_.Shepherd.Code.Like.settled {st : Settled} {c : Code} (h : Code.Like (.settled st) c) : c = .settled st := by
  cases h; rfl

theorem step_stops {rest : List Id} (top : m.stack = z :: rest) (h : m.Stops z) : m.step = m.atStop z rest := by
  unfold M.step
  rw [top]
  unfold M.Stops at h
  simp only
  generalize (m.run z).code = c at h ⊢
  cases c with
  | settled s =>
    cases s with
    | running => exact h.elim
    | waiting q => simp only [h, Bool.false_eq_true, if_false]
    | _ => rfl
  | undoing u o => simp only [M.undoStep, h, if_true]
  | _ => rfl

theorem Alike.stops (k : Alike G m m') (g : G z = true) : m'.Stops z ↔ m.Stops z := by
  have c := k.choose_spec.code g
  unfold M.Stops
  generalize (m.run z).code = x, (m'.run z).code = y at c
  cases c <;> exact Iff.rfl

/-- What the runs of a family show names runs of the family. -/
theorem Tied.asks (td : Tied m) (hF : ∀ x, Over w x → G x = true) {id : Id} (ho : Over w id) {q : Question}
    (hq : m.shown id = some q) : NamesMarked G q := by
  have s := td.shown hq
  refine ⟨hF _ (ho.trans (s.2 id List.mem_cons_self)), fun x hx => hF _ (ho.trans ?_)⟩
  exact (List.pairwise_cons.mp s.1).1 x hx

theorem Sound.regains (s : Sound m) {id : Id} (i : m.has id = true) (to : Option Nat) : m.Regains id to :=
  fun _ _ _ hc _ hh =>
    have t := s.bound.tied.thens s.granted.named i (Trace.nth_mem hc) hh
    ⟨t.1, t.2.1⟩

/-- A step of a run of the family that is at no stop: it is the same in both trees. The first two cannot happen together with another
outcome: both trees wait for an answer to `run.pick`. -/
theorem Alike.moves (k : Alike G m m') (o : Closed G) (s : Sound m) (s' : Sound m')
    (hF : ∀ x, Over w x → G x = true) (hz : Over w z) (nz : z ≠ .world)
    {rest rest' : List Id} (top : m.stack = z :: rest) (top' : m'.stack = z :: rest')
    (ns : ¬ m.Stops z) : (m.step = none ∧ m'.step = none ∧ ∃ q, (m.run z).code = .settled (.waiting q) ∧ q.op = "run.pick") ∨
      ∃ n n' F, m.step = some n ∧ m'.step = some n' ∧ Alike G n n' ∧ n.stack = F ++ m.stack ∧ n'.stack = F ++ m'.stack ∧
        ∀ x ∈ F, Over w x := by
  have g := hF z hz
  have c := k.choose_spec.code g
  have td := s.bound.tied
  have level : ∀ {n n' : M}, Alike G n n' → m.step = some n → m'.step = some n' → Level m n → Level m' n' →
      ∃ n n' F, m.step = some n ∧ m'.step = some n' ∧ Alike G n n' ∧ n.stack = F ++ m.stack ∧ n'.stack = F ++ m'.stack ∧
        ∀ x ∈ F, Over w x := fun k h h' l l' => ⟨_, _, [], h, h', k, l, l', fun _ h => absurd h List.not_mem_nil⟩
  unfold M.Stops at ns
  have hc := step_active top
  have hc' := step_active top'
  cases e : (m.run z).code with
  | settled st =>
    have e' : (m'.run z).code = .settled st := by rw [e] at c; exact c.settled
    rw [e] at hc ns; rw [e'] at hc'
    cases st with
    | running c ρ K n =>
      exact .inr (level (k.localMove o g c ρ K n) hc hc' (level_localMove _ _ _ _ _) (level_localMove _ _ _ _ _))
    | waiting q =>
      simp only [Bool.not_eq_false] at ns
      simp only [ns, if_true] at hc hc'
      by_cases nx : q.op = "run.next"
      · right
        have p : m.perform z q = some (m.next z q) := by unfold M.perform; rw [nx]; rfl
        have p' : m'.perform z q = some (m'.next z q) := by unfold M.perform; rw [nx]; rfl
        have own := k.choose_spec.owned g
        have stacks : ∃ F, (m.next z q).stack = F ++ m.stack ∧ (m'.next z q).stack = F ++ m'.stack ∧ ∀ x ∈ F, Over w x := by
          unfold M.next
          split
          · rw [own]
            split
            · exact ⟨[], rfl, rfl, fun _ h => absurd h List.not_mem_nil⟩
            · next id ho =>
              refine ⟨[id], rfl, rfl, fun x hx => ?_⟩
              rw [List.mem_singleton.mp hx]
              exact hz.step (td.owns (owns_of_owned ho))
          · exact ⟨[], rfl, rfl, fun _ h => absurd h List.not_mem_nil⟩
        obtain ⟨F, h1, h2, h3⟩ := stacks
        exact ⟨_, _, F, hc.trans p, hc'.trans p', k.next g q, h1, h2, h3⟩
      · have shows : ShowsMarked G m z := fun id x ho hx => td.asks hF (hz.step (td.owns ho)) hx
        have p := k.perform o (s.wf.sameMakers s'.wf) s.wf td s.granted.named s.bound.tabled g shows q
        generalize hx : m.perform z q = a, hx' : m'.perform z q = b at p
        cases p with
        | rest =>
          left
          refine ⟨hc.trans hx, hc'.trans hx', q, rfl, ?_⟩
          unfold M.perform at hx
          split at hx
          all_goals first | assumption | cases hx
        | go kn =>
          exact .inr (level kn (hc.trans hx) (hc'.trans hx') (level_perform nx hx) (level_perform nx hx'))
    | _ => exact (ns trivial).elim
  | undoing u st =>
    rw [e] at hc ns
    have nr : u.raised = false := Bool.not_eq_true _ ▸ ns
    have ok := s.wf.codes z
    have ct := td.codes z
    rw [e] at ok ct
    have hu : Over w u.run := hz.step ct.1
    have go : ∀ todo, todo.map Debt.bare = u.todo.map Debt.bare → (m'.run z).code = .undoing { u with todo } st →
        ∃ n n' F, m.step = some n ∧ m'.step = some n' ∧ Alike G n n' ∧ n.stack = F ++ m.stack ∧ n'.stack = F ++ m'.stack ∧
        ∀ x ∈ F, Over w x := fun todo h e' => by
      rw [e'] at hc'
      have t := k.undoStep (s := st) o (s.wf.sameMakers s'.wf) g h (hF _ hu) (fun d hd => hF _ (hu.trans (ct.2 d hd))) (s.regains ok.2.1 u.to)
      generalize hx : m.undoStep z u st = a, hx' : m'.undoStep z { u with todo } st = b at t
      have some' : ∃ n, a = some n := by
        unfold M.undoStep at hx
        rw [nr] at hx
        simp only [Bool.false_eq_true, if_false] at hx
        split at hx
        · exact ⟨_, hx.symm⟩
        · split at hx
          · exact ⟨_, hx.symm⟩
          · exact ⟨_, hx.symm⟩
      have aw : ∀ n : M, n.afterWorld z = n := fun n => by unfold M.afterWorld; rw [if_pos nz]
      cases t with
      | rest => obtain ⟨n, h⟩ := some'; cases h
      | go kn =>
        simp only [hx, hx', aw] at hc hc'
        exact level kn hc hc' (level_undoStep hx) (level_undoStep hx')
    rw [e] at c
    right
    generalize hy : (m'.run z).code = y at c
    cases c with
    | same => exact go u.todo rfl hy
    | undoing _ todo _ h => exact go todo h hy
  | _ => rw [e] at ns; exact (ns trivial).elim

/-- A run of the family at a stop, driven by one of the family. -/
theorem Alike.inner (k : Alike G m m') (td : Tied m) (hF : ∀ x, Over w x → G x = true) (hz : Over w z) {owner : Id} (ho : Over w owner)
    (no : owner ≠ .world) {rest rest' : List Id} (top : m.stack = z :: owner :: rest) (top' : m'.stack = z :: owner :: rest')
    (st : m.Stops z) : ∃ n n', m.step = some n ∧ m'.step = some n' ∧ Alike G n n' ∧
      ((n.stack = m.stack ∧ n'.stack = m'.stack) ∨ (n.stack = owner :: rest ∧ n'.stack = owner :: rest')) := by
  have g := hF z hz
  have go := hF owner ho
  have hs := step_stops top st
  have hs' := step_stops top' ((k.stops g).mpr st)
  simp only [M.atStop, if_pos no, List.tail_cons] at hs hs'
  refine ⟨_, _, hs, hs', ?_⟩
  have c := k.choose_spec.code go
  unfold M.toOwner
  generalize (m.run owner).code = x, (m'.run owner).code = y at c
  cases c with
  | undoing => exact ⟨k, .inl ⟨rfl, rfl⟩⟩
  | same =>
    cases x with
    | driving _ q =>
      simp only
      have ks := k.stack (owner :: rest) (owner :: rest')
      obtain ⟨φ, ks⟩ := ks
      have told := ks.stopValue go g fun x hx => td.asks hF hz (m := m) hx
      rw [told.2]
      refine ⟨Alike.reply ⟨φ, told.1⟩ go _ _, .inr ⟨?_, ?_⟩⟩
      · have l : ∀ p : M, (p.stopValue owner z).1.stack = p.stack := fun p => by
          unfold M.stopValue
          split
          · rfl
          · rfl
          · rfl
          · split <;> rfl
        exact l _
      · have l : ∀ p : M, (p.stopValue owner z).1.stack = p.stack := fun p => by
          unfold M.stopValue
          split
          · rfl
          · rfl
          · rfl
          · split <;> rfl
        exact l _
    | _ => exact ⟨k, .inl ⟨rfl, rfl⟩⟩

end M

end Shepherd
