import Shepherd.Decimal
import Shepherd.Fault
import Shepherd.Limits

/-!
# Primitives on booleans, numbers, lists, records and variants

`primitives.md`; `shepherd_dsl/core/prim_data.py`. Each checks its arguments in the order in which Python does, so that
the fault is the same where several are wrong.
-/

namespace Shepherd

namespace Prim

/-- What a primitive gives: a value or a fault. -/
abbrev Result := Except Fault Value

/-- The fault `type`. -/
def wrong {α : Type} (primitive : String) (position : Nat) (expected : String) (got : Value) : Except Fault α :=
  .error (Fault.wrong primitive position expected got)

/-- The fault `size`. -/
def tooLarge {α : Type} (primitive what : String) : Except Fault α := .error (Fault.tooLarge primitive what)

/-- Structural equality; values of different kinds are unequal. -/
def eq (left right : Value) : Result := .ok (.bool (decide (left = right)))

/-- Negation. -/
def not : Value → Result
  | .bool b => .ok (.bool !b)
  | v => wrong "not" 1 "a bool" v

/-! ## Numbers -/

/-- The bits of an integer, without its sign. -/
def bits (n : Int) : Nat := if n = 0 then 0 else n.natAbs.log2 + 1

/-- `n`, if it is not beyond the limit of integers. -/
def checkInt (name : String) (n : Int) : Except Fault Int :=
  if bits n > Limits.intBits then tooLarge name s!"an integer has at most {Limits.intBits} bits" else .ok n

/-- The value `n`, if it is not beyond the limit of integers. -/
def smallInt (name : String) (n : Int) : Result := do return .int (← checkInt name n)

/-- The value `d`, if it is not beyond the limits of decimals. -/
def smallDec (name : String) (d : Decimal) : Result :=
  if d.scale > Limits.decScale then tooLarge name s!"a decimal has at most {Limits.decScale} digits after the point"
  else do
    let coef ← checkInt name d.coef
    return .dec coef d.scale

/-- A number as a decimal. -/
def asDec (name : String) (position : Nat) : Value → Except Fault Decimal
  | .dec coef scale => .ok ⟨coef, scale⟩
  | .int n => .ok ⟨n, 0⟩
  | v => wrong name position "a number" v

/-- An int. -/
def asInt (name : String) (position : Nat) : Value → Except Fault Int
  | .int n => .ok n
  | v => wrong name position "an int" v

/-- Both coefficients at the larger scale, and that scale. -/
def aligned (a b : Decimal) : Int × Int × Nat :=
  (a.coef * 10 ^ (b.scale - a.scale), b.coef * 10 ^ (a.scale - b.scale), max a.scale b.scale)

/-- The sum; an int with a dec counts as a dec. -/
def add : Value → Value → Result
  | .int a, .int b => smallInt "add" (a + b)
  | left, right => do
    let (a, b, scale) := aligned (← asDec "add" 1 left) (← asDec "add" 2 right)
    smallDec "add" (.ofInt (a + b) scale)

/-- The difference; an int with a dec counts as a dec. -/
def sub : Value → Value → Result
  | .int a, .int b => smallInt "sub" (a - b)
  | left, right => do
    let (a, b, scale) := aligned (← asDec "sub" 1 left) (← asDec "sub" 2 right)
    smallDec "sub" (.ofInt (a - b) scale)

/-- The product; an int with a dec counts as a dec. -/
def mul : Value → Value → Result
  | .int a, .int b => smallInt "mul" (a * b)
  | left, right => do
    let a ← asDec "mul" 1 left
    let b ← asDec "mul" 2 right
    smallDec "mul" (.ofInt (a.coef * b.coef) (a.scale + b.scale))

/-- The number with the other sign. -/
def neg : Value → Result
  | .int n => .ok (.int (-n))
  | .dec coef scale => .ok (.dec (-coef) scale)
  | v => wrong "neg" 1 "a number" v

/-- The quotient of two ints, rounded down. -/
def div (left right : Value) : Result := do
  let a ← asInt "div" 1 left
  let b ← asInt "div" 2 right
  if b = 0 then .error ⟨"zero", "div: division by zero"⟩ else return .int (a.fdiv b)

/-- What `div` leaves; it has the sign of `right`. -/
def mod (left right : Value) : Result := do
  let a ← asInt "mod" 1 left
  let b ← asInt "mod" 2 right
  if b = 0 then .error ⟨"zero", "mod: division by zero"⟩ else return .int (a.fmod b)

/-- A comparison: of two numbers, or of two texts by code point. -/
def compare (name : String) (numbers : Int → Int → Bool) (texts : String → String → Bool) : Value → Value → Result
  | .int a, .int b => .ok (.bool (numbers a b))
  | .text a, .text b => .ok (.bool (texts a b))
  | .text _, right => wrong name 2 "a text" right
  | left, right => match left with
    | .int _ | .dec .. => do
      let (a, b, _) := aligned (← asDec name 1 left) (← asDec name 2 right)
      return .bool (numbers a b)
    | _ => wrong name 1 "a number or a text" left

/-- Whether `left` is less: two numbers, or two texts by code point. -/
def lt : Value → Value → Result := compare "lt" (fun a b => decide (a < b)) (fun a b => decide (a < b))

/-- Whether `left` is less or equal: two numbers, or two texts by code point. -/
def le : Value → Value → Result := compare "le" (fun a b => decide (a ≤ b)) (fun a b => !decide (b < a))

/-- The largest int that is not above the dec. -/
def decInt : Value → Result
  | .dec coef scale => .ok (.int (coef.fdiv (10 ^ scale)))
  | v => wrong "dec_int" 1 "a dec" v

/-- The dec of an int. -/
def intDec (number : Value) : Result := do return .dec (← asInt "int_dec" 1 number) 0

/-! ## Lists -/

/-- A list. -/
def asList (name : String) (position : Nat) : Value → Except Fault (List Value)
  | .list vs => .ok vs
  | v => wrong name position "a list" v

/-- The fault `size` of a list. -/
def longList {α : Type} (name : String) : Except Fault α :=
  tooLarge name s!"a list has at most {Limits.listItems} elements"

/-- The list of the arguments. -/
def list (items : List Value) : Result := .ok (.list items)

/-- The number of elements. -/
def len (items : Value) : Result := do return .int (← asList "len" 1 items).length

/-- The element at `index`, from 0. -/
def get (items index : Value) : Result := do
  let vs ← asList "get" 1 items
  let i ← asInt "get" 2 index
  match if 0 ≤ i then vs[i.toNat]? else none with
  | some v => return v
  | none => .error ⟨"index", s!"get: no element at the index given; the list has {vs.length}"⟩

/-- The list with `item` before it. -/
def cons (item items : Value) : Result := do
  let vs ← asList "cons" 2 items
  if vs.length ≥ Limits.listItems then longList "cons" else return .list (item :: vs)

/-- The list with `item` behind it. -/
def append (items item : Value) : Result := do
  let vs ← asList "append" 1 items
  if vs.length ≥ Limits.listItems then longList "append" else return .list (vs ++ [item])

/-- The elements of `left`, then those of `right`. -/
def concat (left right : Value) : Result := do
  let a ← asList "concat" 1 left
  let b ← asList "concat" 2 right
  if a.length + b.length > Limits.listItems then longList "concat" else return .list (a ++ b)

/-- The elements from index `start` up to before `stop`; what is outside the list is cut off. -/
def cut {α : Type} (items : List α) (start stop : Int) : List α :=
  (items.drop start.toNat).take (stop.toNat - start.toNat)

/-- The elements from index `start` up to before `end`; what is outside the list is cut off. -/
def slice (items start stop : Value) : Result := do
  let vs ← asList "slice" 1 items
  let i ← asInt "slice" 2 start
  let j ← asInt "slice" 3 stop
  return .list (cut vs i j)

/-- The elements, last first. -/
def reverse (items : Value) : Result := do return .list (← asList "reverse" 1 items).reverse

/-- Whether an element equals `item`. -/
def contains (items item : Value) : Result := do
  return .bool ((← asList "contains" 1 items).any fun v => decide (v = item))

/-- The ints from `start` up to before `end`. -/
def range (start stop : Value) : Result := do
  let low ← asInt "range" 1 start
  let high ← asInt "range" 2 stop
  if high - low > Limits.listItems then longList "range"
  else return .list ((List.range (high - low).toNat).map fun (i : Nat) => .int (low + i))

/-! ## Records -/

/-- Fields sorted by label. -/
def sortFields {α : Type} (fields : List (String × α)) : List (String × α) :=
  fields.mergeSort fun a b => !decide (b.1 < a.1)

/-- Labels and values in turn as fields; `at` arguments went before, and `fields`, reversed, came of them. -/
def fieldsFrom (at' : Nat) (fields : List (String × Value)) : List Value → Except Fault (List (String × Value))
  | label :: value :: parts => match label with
    | .text l =>
      if fields.any (·.1 == l) then .error ⟨"type", s!"record: label given twice: {l}"⟩
      else fieldsFrom (at' + 2) ((l, value) :: fields) parts
    | v => wrong "record" (at' + 1) "a text" v
  | _ => .ok fields.reverse

/-- The record of the labels and values given in turn. -/
def record (parts : List Value) : Result :=
  if parts.length % 2 = 1 then
    .error ⟨"name", s!"record: labels and values in turn, got {parts.length} arguments"⟩
  else do return .record (sortFields (← fieldsFrom 0 [] parts))

/-- The value under `label`. -/
def field (holder label : Value) : Result :=
  match holder with
  | .record fs => match label with
    | .text l => match fs.lookup l with
      | some v => .ok v
      | none => .error ⟨"type", s!"field: no label {l}"⟩
    | v => wrong "field" 2 "a text" v
  | v => wrong "field" 1 "a record" v

/-- Fields with another value under `label`, if there is that label. -/
def replaceField (label : String) (value : Value) : List (String × Value) → Option (List (String × Value))
  | [] => none
  | (l, v) :: fs =>
    if l == label then some ((l, value) :: fs) else (replaceField label value fs).map ((l, v) :: ·)

/-- The record with another value under `label`, which it must have. -/
def «with» (holder label value : Value) : Result :=
  match holder with
  | .record fs => match label with
    | .text l => match replaceField l value fs with
      | some fs => .ok (.record fs)
      | none => .error ⟨"type", s!"with: no label {l}"⟩
    | v => wrong "with" 2 "a text" v
  | v => wrong "with" 1 "a record" v

/-- The labels, in the order of their code points. -/
def labels : Value → Result
  | .record fs => .ok (.list (fs.map fun f => .text f.1))
  | v => wrong "labels" 1 "a record" v

/-! ## Variants, agents, blobs, kinds -/

/-- The variant `name` of the arguments. -/
def con (name : Value) (args : List Value) : Result :=
  match name with
  | .text c => .ok (.con c args)
  | v => wrong "con" 1 "a text" v

/-- The name of a variant. -/
def conName : Value → Result
  | .con c _ => .ok (.text c)
  | v => wrong "con_name" 1 "a variant" v

/-- The argument of a variant at `index`, from 0. -/
def conArg (value index : Value) : Result :=
  match value with
  | .con c args => do
    let i ← asInt "con_arg" 2 index
    match if 0 ≤ i then args[i.toNat]? else none with
    | some v => return v
    | none => .error ⟨"index", s!"con_arg: no argument at the index given; {c} has {args.length}"⟩
  | v => wrong "con_arg" 1 "a variant" v

/-- Whether `value` is the variant `name` with `arity` arguments; any value may be asked. -/
def isCon (value name arity : Value) : Result :=
  match name with
  | .text n => do
    let k ← asInt "is_con" 3 arity
    match value with
    | .con c args => return .bool (c == n && decide (k = args.length))
    | _ => return .bool false
  | v => wrong "is_con" 2 "a text" v

/-- What sort of value it is, as a text. -/
def kind (value : Value) : Result := .ok (.text value.kind)

/-- The name of an agent value. -/
def agentName : Value → Result
  | .agent a => .ok (.text a)
  | v => wrong "agent_name" 1 "an agent" v

/-- The bytes of a blob, counted. -/
def blobSize : Value → Result
  | .blob _ size => .ok (.int size)
  | v => wrong "blob_size" 1 "a blob" v

/-- The Git blob hash of a blob, as 40 hexadecimal digits. -/
def blobHash : Value → Result
  | .blob hash _ => .ok (.text hash)
  | v => wrong "blob_hash" 1 "a blob" v

/-! ## Ending the run -/

/-- Always the fault `{code, text}`. -/
def fail : Value → Value → Result
  | .text code, .text text => .error ⟨code, text⟩
  | .text _, v => wrong "fail" 2 "a text" v
  | v, _ => wrong "fail" 1 "a text" v

/-- Always the fault that the error value `{code, text}` says. -/
def raise : Value → Result
  | .record [("code", .text code), ("text", .text text)] => .error ⟨code, text⟩
  | v => wrong "raise" 1 "an error {code: Text, text: Text}" v

end Prim

end Shepherd
