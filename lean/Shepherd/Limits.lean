/-!
# Limits of values

A larger value is the fault `size`, a deeper one `depth`.
-/

namespace Shepherd.Limits

/-- Bits of an integer, and of the coefficient of a decimal, without the sign. -/
def intBits : Nat := 65536
/-- Decimal digits of the largest integer that fits. -/
def intDigits : Nat := 19729
/-- Digits of a decimal after the point. -/
def decScale : Nat := 16384
/-- Unicode scalar values of a text. -/
def textChars : Nat := 16777216
/-- Elements of a list. -/
def listItems : Nat := 1048576
/-- Values within a value that is printed, counted as often as they occur. -/
def valueNodes : Nat := 1048576
/-- Nesting of arguments of operations and spawns, of values that end a run, and of JSON. -/
def valueDepth : Nat := 100
/-- Nesting of the events that `run.trace` gives: those events may hold values of `valueDepth` within others. -/
def traceDepth : Nat := 200
/-- Nesting of a value or a program in canonical text. -/
def wireDepth : Nat := 400

end Shepherd.Limits
