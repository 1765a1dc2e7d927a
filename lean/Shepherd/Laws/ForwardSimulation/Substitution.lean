import Shepherd.Textbook

/-!
# Substitution and environments

Putting an environment into a term: shadowing, and that evaluation under an environment is the value of the closed expression.
-/

namespace Shepherd

/-! ## Two substitutions -/

mutual
theorem Expr.subst_subst_same (x : String) (v w : Value) : (e : Expr) → (e.subst x v).subst x w = e.subst x v
  | .var y => by
    by_cases h : y = x
    · simp only [Expr.subst, if_pos h]
    · simp only [Expr.subst, if_neg h]
  | .lit _ => by simp only [Expr.subst]
  | .prim p es => by simp only [Expr.subst, Expr.substAll_substAll_same x v w es]

theorem Expr.substAll_substAll_same (x : String) (v w : Value) :
    (es : List Expr) → Expr.substAll x w (Expr.substAll x v es) = Expr.substAll x v es
  | [] => by simp only [Expr.substAll]
  | e :: es => by simp only [Expr.substAll, Expr.subst_subst_same x v w e, Expr.substAll_substAll_same x v w es]
end

mutual
theorem Expr.subst_comm {x y : String} (h : x ≠ y) (v w : Value) :
    (e : Expr) → (e.subst x v).subst y w = (e.subst y w).subst x v
  | .var z => by
    by_cases hx : z = x
    · have hy : z ≠ y := fun e => h (hx.symm.trans e)
      simp only [Expr.subst, if_pos hx, if_neg hy]
    · by_cases hy : z = y
      · simp only [Expr.subst, if_neg hx, if_pos hy]
      · simp only [Expr.subst, if_neg hx, if_neg hy]
  | .lit _ => by simp only [Expr.subst]
  | .prim p es => by simp only [Expr.subst, Expr.substAll_comm h v w es]

theorem Expr.substAll_comm {x y : String} (h : x ≠ y) (v w : Value) :
    (es : List Expr) → Expr.substAll y w (Expr.substAll x v es) = Expr.substAll x v (Expr.substAll y w es)
  | [] => by simp only [Expr.substAll]
  | e :: es => by simp only [Expr.substAll, Expr.subst_comm h v w e, Expr.substAll_comm h v w es]
end

/-- A second substitution for the same variable does nothing. -/
theorem Comp.subst_subst_same (x : String) (v w : Value) (c : Comp) : (c.subst x v).subst x w = c.subst x v := by
  induction c with
  | ret e => simp only [Comp.subst, Expr.subst_subst_same]
  | «let» y bound body hb hc =>
    by_cases h : y = x
    · simp only [Comp.subst, hb, if_pos h]
    · simp only [Comp.subst, hb, if_neg h, hc]
  | ite cond yes no hy hn => simp only [Comp.subst, Expr.subst_subst_same, hy, hn]
  | call f es => simp only [Comp.subst, Expr.subst_subst_same, Expr.substAll_substAll_same]
  | op name es => simp only [Comp.subst, Expr.substAll_substAll_same]

/-- Substitutions for different variables commute. -/
theorem Comp.subst_comm {x y : String} (h : x ≠ y) (v w : Value) (c : Comp) :
    (c.subst x v).subst y w = (c.subst y w).subst x v := by
  induction c with
  | ret e => simp only [Comp.subst, Expr.subst_comm h]
  | «let» z bound body hb hc =>
    by_cases hx : z = x
    · have hy : z ≠ y := fun e => h (hx.symm.trans e)
      simp only [Comp.subst, hb, if_pos hx, if_neg hy]
    · by_cases hy : z = y
      · simp only [Comp.subst, hb, if_neg hx, if_pos hy]
      · simp only [Comp.subst, hb, if_neg hx, if_neg hy, hc]
  | ite cond yes no hy hn => simp only [Comp.subst, Expr.subst_comm h, hy, hn]
  | call f es => simp only [Comp.subst, Expr.subst_comm h, Expr.substAll_comm h]
  | op name es => simp only [Comp.subst, Expr.substAll_comm h]

/-! ## Environments -/

theorem Env.without_cons_same (x : String) (v : Value) (ρ : Env) : Env.without x ((x, v) :: ρ) = Env.without x ρ := by
  simp only [Env.without, List.filter_cons, bne_self_eq_false, Bool.false_eq_true, if_false]

theorem Env.without_cons_other {x y : String} (h : y ≠ x) (v : Value) (ρ : Env) :
    Env.without x ((y, v) :: ρ) = (y, v) :: Env.without x ρ := by
  simp only [Env.without, List.filter_cons, bne_iff_ne.mpr h, if_true]

/-- Once `x` has its value, the outer bindings of `x` do nothing; and the others do not meet it. -/
theorem Comp.close_subst (x : String) (v : Value) (ρ : Env) (c : Comp) :
    (c.subst x v).close ρ = (c.close (ρ.without x)).subst x v := by
  induction ρ generalizing c with
  | nil => rfl
  | cons p ρ ih =>
    obtain ⟨y, w⟩ := p
    by_cases h : y = x
    · subst h
      simp only [Comp.close, Comp.subst_subst_same, Env.without_cons_same, ih]
    · simp only [Comp.close, Env.without_cons_other h, Comp.subst_comm (Ne.symm h), ih]

/-- Putting in the bindings of an environment with one more in front. -/
theorem Comp.close_cons (x : String) (v : Value) (ρ : Env) (c : Comp) :
    c.close ((x, v) :: ρ) = (c.close (ρ.without x)).subst x v := Comp.close_subst x v ρ c

theorem Comp.close_ret (ρ : Env) (e : Expr) : (Comp.ret e).close ρ = .ret (e.close ρ) := by
  induction ρ generalizing e with
  | nil => rfl
  | cons p ρ ih => simp only [Comp.close, Comp.subst, Expr.close, ih]

theorem Comp.close_let (ρ : Env) (x : String) (bound body : Comp) :
    (Comp.let x bound body).close ρ = .let x (bound.close ρ) (body.close (ρ.without x)) := by
  induction ρ generalizing bound body with
  | nil => rfl
  | cons p ρ ih =>
    obtain ⟨y, w⟩ := p
    by_cases h : y = x
    · subst h
      simp only [Comp.close, Comp.subst, if_pos, Env.without_cons_same, ih]
    · simp only [Comp.close, Comp.subst, if_neg (Ne.symm h), Env.without_cons_other h, ih]

theorem Comp.close_ite (ρ : Env) (cond : Expr) (yes no : Comp) :
    (Comp.ite cond yes no).close ρ = .ite (cond.close ρ) (yes.close ρ) (no.close ρ) := by
  induction ρ generalizing cond yes no with
  | nil => rfl
  | cons p ρ ih => simp only [Comp.close, Comp.subst, Expr.close, ih]

/-- `ρ` put into each of some expressions. -/
def Expr.closeAll (ρ : Env) (es : List Expr) : List Expr := es.map (Expr.close ρ)

theorem Expr.closeAll_nil (es : List Expr) : Expr.closeAll [] es = es := by
  induction es with
  | nil => rfl
  | cons e es ih => rw [Expr.closeAll, List.map_cons, ← Expr.closeAll, ih]; rfl

theorem Expr.closeAll_cons (x : String) (v : Value) (ρ : Env) (es : List Expr) :
    Expr.closeAll ((x, v) :: ρ) es = Expr.closeAll ρ (Expr.substAll x v es) := by
  induction es with
  | nil => rfl
  | cons e es ih => simp only [Expr.substAll, Expr.closeAll, List.map_cons, Expr.close] at ih ⊢; rw [ih]

theorem Comp.close_call (ρ : Env) (f : Expr) (es : List Expr) :
    (Comp.call f es).close ρ = .call (f.close ρ) (Expr.closeAll ρ es) := by
  induction ρ generalizing f es with
  | nil => rw [Expr.closeAll_nil]; rfl
  | cons p ρ ih =>
    obtain ⟨y, w⟩ := p
    simp only [Comp.close, Comp.subst, Expr.close, Expr.closeAll_cons, ih]

theorem Comp.close_op (ρ : Env) (name : String) (es : List Expr) :
    (Comp.op name es).close ρ = .op name (Expr.closeAll ρ es) := by
  induction ρ generalizing es with
  | nil => rw [Expr.closeAll_nil]; rfl
  | cons p ρ ih =>
    obtain ⟨y, w⟩ := p
    simp only [Comp.close, Comp.subst, Expr.closeAll_cons, ih]

theorem Expr.close_lit (ρ : Env) (v : Value) : (Expr.lit v).close ρ = .lit v := by
  induction ρ with
  | nil => rfl
  | cons p ρ ih => simp only [Expr.close, Expr.subst, ih]

theorem Expr.close_prim (ρ : Env) (p : String) (es : List Expr) :
    (Expr.prim p es).close ρ = .prim p (Expr.closeAll ρ es) := by
  induction ρ generalizing es with
  | nil => rw [Expr.closeAll_nil]; rfl
  | cons b ρ ih =>
    obtain ⟨y, w⟩ := b
    simp only [Expr.close, Expr.subst, Expr.closeAll_cons, ih]

theorem Expr.close_var (ρ : Env) (x : String) :
    (Expr.var x).close ρ = match ρ.lookup x with | some v => .lit v | none => .var x := by
  induction ρ with
  | nil => rfl
  | cons p ρ ih =>
    obtain ⟨y, w⟩ := p
    by_cases h : x = y
    · subst h
      simp only [Expr.close, Expr.subst, if_pos, Expr.close_lit, List.lookup_cons, beq_self_eq_true]
    · have hb : (x == y) = false := beq_eq_false_iff_ne.mpr h
      simp only [Expr.close, Expr.subst, if_neg h, ih, List.lookup_cons, hb]

/-! ## Evaluation -/

mutual
/-- Evaluation under an environment is the value of the closed expression, the same fault included. -/
theorem valueOf_close (ρ : Env) : (e : Expr) → valueOf (e.close ρ) = eval ρ e
  | .var x => by
    rw [Expr.close_var]
    cases h : ρ.lookup x with
    | none => simp only [valueOf, eval, h]
    | some v => simp only [valueOf, eval, h]
  | .lit v => by simp only [Expr.close_lit, valueOf, eval]
  | .prim p es => by rw [Expr.close_prim, valueOf, eval, valuesOf_close ρ es]; cases evalAll ρ es <;> rfl

theorem valuesOf_close (ρ : Env) : (es : List Expr) → valuesOf (Expr.closeAll ρ es) = evalAll ρ es
  | [] => by simp only [Expr.closeAll, List.map_nil, valuesOf, evalAll]
  | e :: es => by
    have ih := valuesOf_close ρ es
    simp only [Expr.closeAll] at ih
    simp only [Expr.closeAll, List.map_cons, valuesOf, evalAll, valueOf_close ρ e, ih]
    cases eval ρ e with
    | error f => rfl
    | ok v => cases evalAll ρ es <;> rfl
end

theorem Expr.closeAll_length (ρ : Env) (es : List Expr) : (Expr.closeAll ρ es).length = es.length := List.length_map ..

/-! ## Calls -/

theorem Comp.close_append (ρ σ : Env) (c : Comp) : c.close (ρ ++ σ) = (c.close ρ).close σ := by
  induction ρ generalizing c with
  | nil => rfl
  | cons p ρ ih => simp only [List.cons_append, Comp.close, ih]

/-- The parameters bound to the arguments as the machine binds them. -/
theorem Comp.close_bind (xs : List String) (vs : List Value) (c : Comp) : c.close (bind xs vs) = c.instantiate xs vs := by
  induction xs generalizing vs with
  | nil => cases vs <;> rfl
  | cons x xs ih =>
    cases vs with
    | nil => rfl
    | cons v vs =>
      have hb : bind (x :: xs) (v :: vs) = bind xs vs ++ [(x, v)] := by
        simp only [bind, List.zip_cons_cons, List.reverse_cons]
      rw [hb, Comp.close_append, ih]
      rfl

end Shepherd
