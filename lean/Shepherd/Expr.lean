import Shepherd.Value

/-!
# Expressions and computations

    e ::= x | v | p(e…)
    c ::= return e | let x = c in c | if e then c else c | call e(e…) | do op(e…)

Three expressions, five computations, and nothing else. Pattern matching, loops, `supervise`, `observe` and the rest of the
surface language lower to these.
-/

namespace Shepherd

/-- An expression: a variable, a value, or a total primitive applied to expressions. -/
inductive Expr where
  | var (x : String)
  | lit (v : Value)
  | prim (p : String) (args : List Expr)
  deriving Repr, Inhabited

/-- A computation. `op e…` is the only one that can touch the world. -/
inductive Comp where
  | ret (e : Expr)
  | «let» (x : String) (bound body : Comp)
  | ite (cond : Expr) (yes no : Comp)
  | call (agent : Expr) (args : List Expr)
  | op (name : String) (args : List Expr)
  deriving Repr, Inhabited

end Shepherd
