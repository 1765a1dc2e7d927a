import Shepherd.Laws.ForwardSimulation.Tree

/-!
# Theorem 9

The machine implements the textbook substitution semantics of a run, operations as labels; being deterministic, nothing else.
-/

namespace Shepherd

open Simulation

/-- The machine implements the textbook substitution semantics of a run, operations as labels; being deterministic, nothing else.

The source is `Shepherd.Textbook`: terms, substitution of values, reduction inside `let`s, with no environment and no stack. A
configuration `running c ρ K n` of the machine stands for the term `termOf c ρ K`: `ρ` put into `c`, within `K` as `let`s; a run that
starts stands for `agent(args…)` (`forward_simulation_start`). A sequence of labels says what the run asks, what it is told and how it
ends. The three parts:

1. The textbook does a sequence if and only if the machine does, once its bound on local steps between two events is large enough.
   (`gaveUp` is the fault `steps`, the one thing that the textbook does not know.)
2. With the bound of the program, the machine does what the textbook does, up to where it gives up.
3. What it does, the textbook does, up to where it gives up.

No term needs to be closed: a variable that nothing binds is the same fault on both sides. -/
theorem forward_simulation (P : Program) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) (labels : List Label) :
    (Textbook.Does P (termOf c ρ K) labels ↔
      .gaveUp ∉ labels ∧ ∃ enough, ∀ steps, enough ≤ steps → Local.Does { P with steps } c ρ K n labels) ∧
    (Textbook.Does P (termOf c ρ K) labels →
      Local.Does P c ρ K n labels ∨ ∃ before, before <+: labels ∧ Local.Does P c ρ K n (before ++ [.gaveUp])) ∧
    (Local.Does P c ρ K n labels →
      Textbook.Does P (termOf c ρ K) labels ∨
        ∃ before, labels = before ++ [.gaveUp] ∧ Textbook.Does P (termOf c ρ K) before) :=
  ⟨⟨fun h => ⟨gaveUp_notMem h, atLength_of_does h c ρ K n rfl⟩, fun h => does_of_atLength h.2 h.1⟩,
    fun h => local_of_does h c ρ K n rfl, does_of_local⟩

/-- A run starts at the term `agent(args…)`. -/
theorem forward_simulation_start (agent : String) (args : List Value) :
    bodyOf agent args = .settled (.running (called agent args) [] [] 0) ∧
      termOf (called agent args) [] [] = called agent args := ⟨rfl, rfl⟩

/-- One local step is at most one reduction: entering a `let` reduces nothing, and there is one `let` less to enter, so that the
machine does not go on without reducing; every other local step goes on, ends, faults or asks exactly as the term does. The
machine asks with frames into which an answer goes as into the place of the `do`. -/
theorem forward_simulation_step (P : Program) (c : Comp) (ρ : Env) (K : Stack) :
    ((∃ c' ρ' K', localStep P c ρ K = .running c' ρ' K' ∧ termOf c' ρ' K' = termOf c ρ K ∧ c'.lets < c.lets) ∨
      textbook P (termOf c ρ K) = match localStep P c ρ K with
        | .running c' ρ' K' => .reduces (termOf c' ρ' K')
        | .ends v => .ends v
        | .faults f => .faults f
        | .asks op args _ => .asks op args) ∧
    ∀ op args K', localStep P c ρ K = .asks op args K' → ∀ answer,
      resume answer K' = .settled (.running (.ret (.lit answer)) [] K' 0) ∧
        termOf (.ret (.lit answer)) [] K' = (termOf c ρ K).resumeWith answer := by
  refine ⟨?_, fun op args K' h answer => ⟨rfl, termOf_resume h answer []⟩⟩
  cases hl : c.isLet with
  | true =>
    cases c with
    | «let» x bound body =>
      exact .inl ⟨_, _, _, (localStep_let P x bound body ρ K).1, (localStep_let P x bound body ρ K).2, Nat.lt_succ_self _⟩
    | _ => exact absurd hl nofun
  | false =>
    refine .inr ((localStep_other P c ρ K hl).trans ?_)
    cases localStep P c ρ K <;> rfl

/-- The same in a tree: where the active run is running, a step of the whole tree makes of it what the textbook says of its term,
and records the textbook's label (`Follows`), unless its local steps are used up. -/
theorem forward_simulation_tree {m : M} {id : Id} {rest : List Id} {c : Comp} {ρ : Env} {K : Stack} {n : Nat}
    (hstack : m.stack = id :: rest) (hcode : (m.run id).code = .settled (.running c ρ K n)) :
    ∃ m', m.step = some m' ∧
      (n < m.program.steps → Follows m m' id (termOf c ρ K) c.lets) ∧ (m.program.steps ≤ n → GivesUp m m' id) := by
  refine ⟨m.localMove id c ρ K n, ?_, Simulation.localMove_follows m id c ρ K n, Simulation.localMove_givesUp m id c ρ K n⟩
  rw [M.step, hstack]
  simp only [hcode]

end Shepherd
