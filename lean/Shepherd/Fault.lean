import Shepherd.Value

/-!
# Faults

How a primitive says that it has no value. A fault ends the run with the error value `{code, text}` and is not caught inside.
-/

namespace Shepherd

/-- A fault: a stable code and a text. -/
structure Fault where
  code : String
  text : String
  deriving Repr, DecidableEq, Inhabited

/-- The error value with which a run that faults ends. -/
def Fault.error (f : Fault) : Value := Value.error f.code f.text

/-- The fault `type`: argument `position` (from 1) of `primitive` is not what it must be. -/
def Fault.wrong (primitive : String) (position : Nat) (expected : String) (got : Value) : Fault :=
  ⟨"type", s!"{primitive}: argument {position} must be {expected}, got {got.kind}"⟩

/-- The fault `size`: the result of `primitive` is beyond a limit. -/
def Fault.tooLarge (primitive what : String) : Fault := ⟨"size", s!"{primitive}: {what}"⟩

end Shepherd
