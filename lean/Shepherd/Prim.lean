import Shepherd.PrimJson

/-!
# The primitives

Total functions on values: a value or a fault, and nothing else (`primitives.md`; `shepherd_dsl/core/prim.py`). None
looks at the clock, at chance or at the world.
-/

namespace Shepherd

namespace Prim

/-- What is called on the arguments: a function of one, two, three, or of `low` to `high` of them. -/
inductive Call where
  | one (f : Value → Result)
  | two (f : Value → Value → Result)
  | three (f : Value → Value → Value → Result)
  | many (low high : Nat) (f : List Value → Result)

/-- The least and the greatest number of arguments. -/
def Call.arity : Call → Nat × Nat
  | .one _ => (1, 1)
  | .two _ => (2, 2)
  | .three _ => (3, 3)
  | .many low high _ => (low, high)

/-- The fault for a wrong number of arguments. -/
def wrongNumber (name : String) (low high count : Nat) : Fault :=
  let wanted := if low = high then s!"{low}" else if count < low then s!"at least {low}" else s!"at most {high}"
  ⟨"name", s!"{name}: expected {wanted} arguments, got {count}"⟩

/-- A call on arguments. -/
def Call.apply (name : String) (call : Call) (args : List Value) : Result :=
  match call, args with
  | .one f, [a] => f a
  | .two f, [a, b] => f a b
  | .three f, [a, b, c] => f a b c
  | .many low high f, args =>
    if args.length < low ∨ high < args.length then .error (wrongNumber name low high args.length) else f args
  | call, args => .error (wrongNumber name call.arity.1 call.arity.2 args.length)

/-- `con` on all its arguments; there is at least one. -/
def conOf : List Value → Result
  | name :: args => con name args
  | [] => .error (wrongNumber "con" 1 Limits.listItems 0)

/-- Every primitive by its name. -/
def table : List (String × Call) := [
  ("eq", .two eq), ("add", .two add), ("sub", .two sub), ("mul", .two mul), ("div", .two div), ("mod", .two mod),
  ("lt", .two lt), ("le", .two le), ("not", .one not), ("neg", .one neg), ("dec_int", .one decInt),
  ("int_dec", .one intDec), ("text", .many 0 Limits.listItems text), ("text_len", .one textLen),
  ("text_trim", .one textTrim), ("text_lower", .one textLower), ("text_upper", .one textUpper),
  ("text_int", .one textInt), ("words", .one words), ("text_split", .two textSplit), ("text_join", .two textJoin),
  ("text_contains", .two textContains), ("text_starts", .two textStarts), ("text_ends", .two textEnds),
  ("text_find", .two textFind), ("text_slice", .three textSlice), ("text_replace", .three textReplace),
  ("match_text", .two matchText), ("match_path", .two matchPath), ("match_words", .two matchWords),
  ("list", .many 0 Limits.listItems list), ("len", .one len), ("reverse", .one reverse), ("get", .two get),
  ("cons", .two cons), ("append", .two append), ("concat", .two concat), ("contains", .two contains),
  ("range", .two range), ("slice", .three slice), ("record", .many 0 (2 * Limits.listItems) record),
  ("field", .two field), ("with", .three «with»), ("labels", .one labels), ("con", .many 1 Limits.listItems conOf),
  ("con_name", .one conName), ("kind", .one kind), ("agent_name", .one agentName), ("blob_size", .one blobSize),
  ("blob_hash", .one blobHash), ("raise", .one raise), ("con_arg", .two conArg), ("fail", .two fail),
  ("decode", .two decode), ("is_con", .three isCon), ("json_print", .one jsonPrint), ("json_parse", .one jsonParse)]

end Prim

/-- The value of the primitive `name` on `args`, or a fault; the fault `name` for an unknown one or a wrong number of
arguments. -/
def prim (name : String) (args : List Value) : Except Fault Value :=
  match Prim.table.lookup name with
  | some call => call.apply name args
  | none => .error ⟨"name", s!"no primitive `{name}`"⟩

end Shepherd
