import Shepherd.Laws.ForwardSimulation.Substitution

/-!
# One local step and one reduction
-/

namespace Shepherd

namespace Simulation

/-! ## Reduction within the frames -/

/-- What a local step leads to, as the textbook sees it. -/
def _root_.Shepherd.Local.seen : Local → Textbook
  | .running c ρ K => .reduces (termOf c ρ K)
  | .ends v => .ends v
  | .faults f => .faults f
  | .asks op args _ => .asks op args

/-- What a part of a term does, as the whole within the frames does it: a value goes to the innermost frame. -/
def _root_.Shepherd.Reduct.within (K : Stack) : Reduct → Reduct
  | .value v => match K with
    | [] => .value v
    | k :: K => .term (termOf k.body ((k.name, v) :: k.env) K)
  | .term c => .term (plug K c)
  | .fault f => .fault f
  | .asks op args => .asks op args

theorem reduce_let (P : Program) (x : String) (bound body : Comp) :
    (Comp.let x bound body).reduce P = match bound.reduce P with
      | .value v => .term (body.subst x v)
      | .term bound => .term (.let x bound body)
      | .fault f => .fault f
      | .asks op args => .asks op args := by
  rw [Comp.reduce]; cases bound.reduce P <;> rfl

/-- A term that is no value reduces where it stands. -/
theorem reduce_plug_other (P : Program) (K : Stack) (c : Comp) (h : ∀ v, c.reduce P ≠ .value v) :
    (plug K c).reduce P = (c.reduce P).within K := by
  induction K generalizing c with
  | nil => cases hr : c.reduce P <;> simp only [plug, hr, Reduct.within]
  | cons k K ih =>
    have hl := reduce_let P k.name c (k.body.close (k.env.without k.name))
    cases hr : c.reduce P with
    | value v => exact absurd hr (h v)
    | term d =>
      rw [hr] at hl
      rw [plug, ih _ (by intro v; rw [hl]; exact nofun), hl]
      rfl
    | fault f =>
      rw [hr] at hl
      rw [plug, ih _ (by intro v; rw [hl]; exact nofun), hl]
      rfl
    | asks op args =>
      rw [hr] at hl
      rw [plug, ih _ (by intro v; rw [hl]; exact nofun), hl]
      rfl

/-- What a part does, the whole does. -/
theorem reduce_plug (P : Program) (K : Stack) (c : Comp) : (plug K c).reduce P = (c.reduce P).within K := by
  cases hr : c.reduce P with
  | value v =>
    cases K with
    | nil => simp only [plug, hr, Reduct.within]
    | cons k K =>
      have hl := reduce_let P k.name c (k.body.close (k.env.without k.name))
      rw [hr] at hl
      rw [plug, reduce_plug_other _ _ _ (by intro v; rw [hl]; exact nofun), hl]
      simp only [Reduct.within, termOf, Comp.close_cons]
  | term d => rw [reduce_plug_other _ _ _ (by intro v; rw [hr]; exact nofun), hr]
  | fault f => rw [reduce_plug_other _ _ _ (by intro v; rw [hr]; exact nofun), hr]
  | asks op args => rw [reduce_plug_other _ _ _ (by intro v; rw [hr]; exact nofun), hr]

/-! ## The step -/

/-- Whether a computation is a `let`: entering it is the machine's only step that reduces nothing. -/
def _root_.Shepherd.Comp.isLet : Comp → Bool
  | .let .. => true
  | _ => false

/-- Entering a `let` leaves the term as it is, and there is one `let` less to enter. -/
theorem localStep_let (P : Program) (x : String) (bound body : Comp) (ρ : Env) (K : Stack) :
    localStep P (.let x bound body) ρ K = .running bound ρ (⟨x, body, ρ⟩ :: K) ∧
      termOf bound ρ (⟨x, body, ρ⟩ :: K) = termOf (.let x bound body) ρ K := by
  refine ⟨rfl, ?_⟩
  simp only [termOf, plug, Comp.close_let]

/-- Entering a call is unfolding it. -/
theorem unfold_close (P : Program) (ρ : Env) (f : Expr) (es : List Expr) :
    Comp.unfold P (f.close ρ) (Expr.closeAll ρ es) = match enter P ρ f es with
      | .error e => .fault e
      | .ok (body, σ) => .term (body.close σ) := by
  simp only [Comp.unfold, enter, valueOf_close, valuesOf_close, Expr.closeAll_length]
  cases eval ρ f with
  | error e => rfl
  | ok v =>
    cases v with
    | agent a =>
      simp only
      cases P.agent? a with
      | none => rfl
      | some d =>
        simp only
        by_cases hl : d.params.length = es.length
        · simp only [hl, ne_eq, not_true_eq_false, if_false]
          cases evalAll ρ es with
          | error e => rfl
          | ok vs => simp only [Comp.close_bind]
        · simp only [ne_eq, hl, not_false_eq_true, if_true]
    | _ => rfl

/-- Every other local step is one step of the textbook: the machine goes on, ends, faults or asks exactly as the term does. -/
theorem localStep_other (P : Program) (c : Comp) (ρ : Env) (K : Stack) (h : c.isLet = false) :
    textbook P (termOf c ρ K) = (localStep P c ρ K).seen := by
  cases c with
  | «let» x bound body => exact absurd h (by simp only [Comp.isLet, Bool.true_eq_false, not_false_eq_true])
  | ret e =>
    simp only [textbook, termOf, reduce_plug, Comp.close_ret, Comp.reduce, valueOf_close, localStep]
    cases eval ρ e with
    | error f => rfl
    | ok v =>
      cases K with
      | nil =>
        simp only [Reduct.within]
        cases checkSize Limits.valueDepth v <;> rfl
      | cons k K => rfl
  | ite cond yes no =>
    simp only [textbook, termOf, reduce_plug, Comp.close_ite, Comp.reduce, valueOf_close, localStep]
    cases eval ρ cond with
    | error f => rfl
    | ok v =>
      cases v with
      | bool b => cases b <;> rfl
      | _ => rfl
  | call f es =>
    simp only [textbook, termOf, reduce_plug, Comp.close_call, Comp.reduce, unfold_close, localStep]
    cases enter P ρ f es with
    | error e => rfl
    | ok p => rfl
  | op name es =>
    simp only [textbook, termOf, reduce_plug, Comp.close_op, Comp.reduce, valuesOf_close, localStep]
    cases evalAll ρ es with
    | error f => rfl
    | ok vs =>
      simp only
      cases checkArgs name vs <;> rfl

/-! ## Answers -/

theorem resumeWith_plug (answer : Value) (K : Stack) (name : String) (es : List Expr) :
    (plug K (.op name es)).resumeWith answer = plug K (.ret (.lit answer)) := by
  suffices ∀ (K : Stack) (c d : Comp), c.resumeWith answer = d → (plug K c).resumeWith answer = plug K d by
    exact this K _ _ rfl
  intro K
  induction K with
  | nil => intro c d hd; exact hd
  | cons k K ih =>
    intro c d hd
    refine ih _ _ ?_
    rw [Comp.resumeWith, hd]

/-- The machine asks with the frames that it has. -/
theorem localStep_asks {P : Program} {c : Comp} {ρ : Env} {K K' : Stack} {op : String} {args : List Value}
    (h : localStep P c ρ K = .asks op args K') : K' = K ∧ ∃ es, c = .op op es := by
  cases c with
  | «let» x bound body => exact absurd h nofun
  | ret e =>
    simp only [localStep] at h
    cases he : eval ρ e with
    | error f => rw [he] at h; exact absurd h nofun
    | ok v =>
      rw [he] at h
      cases K with
      | nil =>
        simp only at h
        cases hs : checkSize Limits.valueDepth v with
        | error f => rw [hs] at h; exact absurd h nofun
        | ok u => rw [hs] at h; exact absurd h nofun
      | cons k K => exact absurd h nofun
  | ite cond yes no =>
    simp only [localStep] at h
    split at h <;> exact absurd h nofun
  | call f es =>
    simp only [localStep] at h
    split at h <;> exact absurd h nofun
  | op name es =>
    simp only [localStep] at h
    split at h
    · exact absurd h nofun
    · split at h
      · exact absurd h nofun
      · injection h with h1 h2 h3
        exact ⟨h3.symm, es, by rw [h1]⟩

/-- The answer goes to the place of the `do` that asked. -/
theorem termOf_resume {P : Program} {c : Comp} {ρ : Env} {K K' : Stack} {op : String} {args : List Value}
    (h : localStep P c ρ K = .asks op args K') (answer : Value) (σ : Env) :
    termOf (.ret (.lit answer)) σ K' = (termOf c ρ K).resumeWith answer := by
  obtain ⟨rfl, es, rfl⟩ := localStep_asks h
  rw [termOf, termOf, Comp.close_op, resumeWith_plug, Comp.close_ret, Expr.close_lit]

/-- The machine's bound on local steps is not seen by a single one. -/
theorem localStep_steps (P : Program) (N : Nat) (c : Comp) (ρ : Env) (K : Stack) :
    localStep { P with steps := N } c ρ K = localStep P c ρ K := by
  cases c <;> rfl

end Simulation

end Shepherd
