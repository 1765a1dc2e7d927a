import Shepherd.Reference

/-!
# The reference interpreter, as a program

Apart from `Shepherd.Reference`, so that what runs is compiled once and a start elaborates nothing.
-/

/-- Answers requests line by line until the end of the input. -/
def main : IO Unit := Shepherd.Shepref.serve
