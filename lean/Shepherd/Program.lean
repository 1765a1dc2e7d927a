import Shepherd.Expr

/-!
# Programs

Agents are top-level, first-order, named functions; operations are declared with how their effect can be taken back.
-/

namespace Shepherd

/-- How the effect of an operation can be taken back. `compensable undo` names the compensating operation. -/
inductive EffectClass where
  | pure
  | reversible
  | compensable (undo : String)
  | irreversible
  deriving Repr, DecidableEq, Inhabited

/-- One agent: its parameters, in order, and its body. -/
structure Def where
  params : List String
  body : Comp
  deriving Repr, Inhabited

/-- A core program. `steps` bounds the local steps between two events. `digest` is the Git blob hash of the program's
canonical text, under which the trace store keeps it: the machine only records it. -/
structure Program where
  defs : List (String × Def)
  ops : List (String × EffectClass)
  steps : Nat
  digest : String
  deriving Repr, Inhabited

/-- The version of programs, events and traces that this specification describes. -/
def formatVersion : Nat := 1

namespace Program

/-- The agent of a name. -/
def agent? (P : Program) (name : String) : Option Def := P.defs.lookup name

/-- How an operation can be taken back; one that the program does not declare is irreversible. -/
def classOf (P : Program) (op : String) : EffectClass := (P.ops.lookup op).getD .irreversible

/-- The operation that compensates `op`, if there is one. -/
def undoOf (P : Program) (op : String) : Option String :=
  match P.classOf op with
  | .compensable undo => some undo
  | _ => none

end Program

end Shepherd
