import Shepherd.Handlers

/-!
# The local steps of the loop that drives the body
-/

namespace Shepherd

namespace Driving

theorem prim_conArg (v w : Value) : prim "con_arg" [v, w] = Prim.conArg v w := rfl
theorem prim_isCon (u v w : Value) : prim "is_con" [u, v, w] = Prim.isCon u v w := rfl
theorem prim_eq (v w : Value) : prim "eq" [v, w] = Prim.eq v w := rfl
theorem prim_get (v w : Value) : prim "get" [v, w] = Prim.get v w := rfl
theorem prim_raise (v : Value) : prim "raise" [v] = Prim.raise v := rfl

theorem raise_error (f : Fault) : prim "raise" [f.error] = .error f := rfl

/-- The environment of the loop once it knows the stop. -/
abbrev env (s h : Value) : Env := [("s", s), ("r", h)]

theorem eval_part (ρ : Env) (e : Expr) (c : String) (args : List Value) (v : Value) (i : Nat) (he : eval ρ e = .ok (.con c args))
    (hv : args[i]? = some v) : eval ρ (Lowered.part e i) = .ok v := by
  have hi : (0 : Int) ≤ (i : Int) := Int.natCast_nonneg i
  simp only [Lowered.part, eval, evalAll, he, prim_conArg, Prim.conArg, Prim.asInt, Bind.bind, Except.bind, if_pos hi,
    Int.toNat_natCast, hv]
  rfl

theorem eval_isA (ρ : Env) (e : Expr) (c name : String) (args : List Value) (n : Nat) (he : eval ρ e = .ok (.con c args)) :
    eval ρ (Lowered.isA e name n) = .ok (.bool (c == name && decide ((n : Int) = args.length))) := by
  simp only [Lowered.isA, eval, evalAll, he, prim_isCon, Prim.isCon, Prim.asInt, Bind.bind, Except.bind]
  rfl

theorem eval_r (s h : Value) : eval (env s h) (.var "r") = .ok h := rfl
theorem eval_s (s h : Value) : eval (env s h) (.var "s") = .ok s := rfl

theorem eval_stop (s h : Value) : eval (env (.ok s) h) Lowered.stop = .ok s :=
  eval_part _ _ "Ok" [s] s 0 rfl rfl

/-- What the loop reads of the stop `Intent(op, args, path)`. -/
abbrev intent (op : String) (args : List Value) (path : Value) : Value := .con "Intent" [.text op, .list args, path]

theorem eval_argument (op : String) (args : List Value) (path h v : Value) (i : Nat) (hv : args[i]? = some v) :
    eval (env (.ok (intent op args path)) h) (Lowered.argument i) = .ok v := by
  have hp : eval (env (.ok (intent op args path)) h) (Lowered.part Lowered.stop 1) = .ok (.list args) :=
    eval_part _ _ "Intent" _ _ 1 (eval_stop _ _) rfl
  have hi : (0 : Int) ≤ (i : Int) := Int.natCast_nonneg i
  simp only [Lowered.argument, eval, evalAll, hp, prim_get, Prim.get, Prim.asList, Prim.asInt, Bind.bind, Except.bind,
    if_pos hi, Int.toNat_natCast, hv]
  rfl

theorem evalAll_map (ρ : Env) (f : Nat → Expr) (vs : List Value) (is : List Nat) (hl : is.length = vs.length)
    (h : ∀ (j i : Nat) (v : Value), is[j]? = some i → vs[j]? = some v → eval ρ (f i) = .ok v) : evalAll ρ (is.map f) = .ok vs := by
  induction is generalizing vs with
  | nil => cases vs with
    | nil => rfl
    | cons v vs => exact absurd hl nofun
  | cons i is ih => cases vs with
    | nil => exact absurd hl nofun
    | cons v vs =>
      have h0 := h 0 i v rfl rfl
      have hr := ih vs (Nat.succ.inj hl) fun j i v hi hv => h (j + 1) i v hi hv
      simp only [List.map_cons, evalAll, h0, hr]

/-- All arguments of the operation, in order. -/
theorem eval_arguments (op : String) (args : List Value) (path h : Value) (n : Nat) (hn : args.length = n) :
    evalAll (env (.ok (intent op args path)) h) ((List.range n).map Lowered.argument) = .ok args := by
  refine evalAll_map _ _ _ _ (by rw [List.length_range, hn]) fun j i v hi hv => ?_
  have : i = j := by
    have := List.getElem?_range (n := n) (i := j)
    grind
  subst this
  exact eval_argument op args path h v i hv

theorem isRunOp_next : isMachineOp "run.next" = true := by decide
theorem isRunOp_pass : isMachineOp "run.pass" = true := by decide
theorem isRunOp_answer : isMachineOp "run.answer" = true := by decide
theorem isRunOp_spawn : isMachineOp "run.spawn" = true := by decide

theorem checkSize_run (h : Nat) : checkSize Limits.valueDepth (.run h) = .ok () := by
  simp only [checkSize, checkLevels, gather, Value.children, charsOf, List.foldl, List.length]
  rfl

end Driving

end Shepherd
