import Shepherd.JsonPlain
import Shepherd.PrimText

/-!
# Primitives that exchange JSON with models

`json_print`, `json_parse` and `decode` (`primitives.md`, "JSON and types"; `shepherd_dsl/core/prim_json.py`).
-/

namespace Shepherd

namespace Prim

open JsonPlain (quote)

/-! ## json_print -/

mutual
/-- `out` and the JSON of a value that stands `level` deep. -/
def printTo (level : Nat) (out : String) (v : Value) : Except Fault String :=
  if level > Limits.valueDepth then .error ⟨"depth", s!"json_print: nesting deeper than {Limits.valueDepth}"⟩
  else match v with
    | .text s => .ok (out ++ quote s)
    | .bool b => .ok (out ++ if b then "true" else "false")
    | .int n => .ok (out ++ toString n)
    | .unit => .ok (out ++ "null")
    | .dec coef scale => .ok (out ++ (Decimal.mk coef scale).text)
    | .list vs => printListTo level (out ++ "[") "" vs
    | .record fs => printFieldsTo level (out ++ "{") "" fs
    | .con name [] => .ok (out ++ if name == "None" then "null" else quote name)
    | .con name [v] =>
      if name == "Some" then printTo (level + 1) out v
      else do return (← printTo (level + 1) (out ++ "{" ++ quote name ++ ":") v) ++ "}"
    | .con name (v :: w :: vs) => do
      return (← printListTo level (out ++ "{" ++ quote name ++ ":[") "" (v :: w :: vs)) ++ "}"
    | .blob .. | .agent _ | .run _ => .error ⟨"type", s!"json_print: a value of the kind {v.kind} has no JSON"⟩

/-- `out`, the JSON of values with commas between, after `lead`, and the end of the array. -/
def printListTo (level : Nat) (out lead : String) : List Value → Except Fault String
  | [] => .ok (out ++ "]")
  | v :: vs => do printListTo level (← printTo (level + 1) (out ++ lead) v) "," vs

/-- `out`, the JSON of fields with commas between, after `lead`, and the end of the object. -/
def printFieldsTo (level : Nat) (out lead : String) : List (String × Value) → Except Fault String
  | [] => .ok (out ++ "}")
  | (l, v) :: fs => do printFieldsTo level (← printTo (level + 1) (out ++ lead ++ quote l ++ ":") v) "," fs
end

/-- Plain JSON: records as objects, lists as arrays, unit as null, decs as numbers.

`Some(v)` is `v` and `None` null; any other variant is `"C"` without arguments, `{"C":v}` with one, `{"C":[v…]}` with
more. Fault `type` on blobs, agents and runs, `depth` and `size` beyond the limits. -/
def jsonPrint (value : Value) : Result := do
  bounded "json_print" value
  let s ← printTo 0 "" value
  if s.length > Limits.textChars then longText "json_print" else return .text s

/-! ## json_parse -/

/-- The int that digits write. -/
def numberInt (negative : Bool) (digits : List Char) : Except String Int :=
  match intFrom negative digits with
  | some n => .ok n
  | none => .error "a number too large"

/-- The value of a number: an int, with a fraction or an exponent a dec, both exactly. -/
def numberValue (n : JsonPlain.Number) : Except String Value :=
  match n.part, n.power with
  | none, none => do return .int (← numberInt n.negative n.whole)
  | _, _ => do
    let part := n.part.getD []
    let coef ← numberInt n.negative ((n.whole ++ part).dropWhile (· == '0'))
    if coef = 0 then return .dec 0 0
    else
      let (sign, digits) := n.power.getD ([], [])
      let digits := digits.dropWhile (· == '0')
      let shift : Int := if digits.length < 7 then digitsValue digits else 1000000
      let scale : Int := part.length + if sign == ['-'] then shift else -shift
      if scale < -Limits.intDigits ∨ scale > Limits.decScale + Limits.intDigits then .error "a number too large"
      else
        let made := Decimal.ofInt coef scale
        if made.scale > Limits.decScale ∨ bits made.coef > Limits.intBits then .error "a number too large"
        else return made.value

mutual
/-- Whether a value holds a list that is too long. -/
def holdsLong : Value → Bool
  | .list vs => decide (vs.length > Limits.listItems) || holdsLongList vs
  | .record fs => holdsLongFields fs
  | _ => false

/-- The same for values. -/
def holdsLongList : List Value → Bool
  | [] => false
  | v :: vs => holdsLong v || holdsLongList vs

/-- The same for fields. -/
def holdsLongFields : List (String × Value) → Bool
  | [] => false
  | (_, v) :: fs => holdsLong v || holdsLongFields fs
end

/-- `Ok` of the value of a JSON text, or `Err` of what is wrong with it.

Objects become records, arrays lists, null unit; a number becomes an int, with a fraction or an exponent a dec. A key
given twice, a lone surrogate, nesting deeper than 100 and numbers beyond the limits are errors. -/
def jsonParse (text : Value) : Result := do
  match JsonPlain.read Limits.valueDepth numberValue (← asText "json_parse" 1 text) with
  | .error (what, at') => return .con "Err" [.text s!"not JSON: {what} at character {at'}"]
  | .ok v => if holdsLong v then longList "json_parse" else return Value.ok v

/-! ## decode -/

/-- Why there is no decoded value: a fault, or the place where the value does not fit and why. -/
inductive Stop where
  | fault (f : Fault)
  | misfit (place what : String)

/-- What decoding gives. -/
abbrev Decoded := Except Stop Value

/-- The value does not fit here. -/
def misfit {α : Type} (what : String) : Except Stop α := .error (.misfit "" what)

/-- The type is no type. -/
def noType {α : Type} (expected : String) (got : Value) : Except Stop α :=
  .error (.fault (.wrong "decode" 1 expected got))

/-- What decoding gave at `place`, as its holder sees it. -/
def inside (place : String) : Decoded → Decoded
  | .error (.misfit inner what) => .error (.misfit (place ++ inner) what)
  | other => other

/-- What `Rec` and `Var` hold: a list of `[name, …]`, each name once. `found` is reversed. -/
def pairsFrom (found : List (String × Value)) : List Value → Except Stop (List (String × Value))
  | [] => .ok found.reverse
  | item :: items => match item with
    | .list [.text name, type] =>
      if found.any (·.1 == name) then noType "a type: pairs of a name and a type, each name once" item
      else pairsFrom ((name, type) :: found) items
    | _ => noType "a type: pairs of a name and a type, each name once" item

/-- Whether a type is an option. -/
def isOption : Value → Bool
  | .con "Option" [_] => true
  | _ => false

/-- The elements of a list by one type, the first at index `at'`. -/
def decodeItems (decode : Value → Decoded) (at' : Nat) : List Value → Except Stop (List Value)
  | [] => .ok []
  | v :: vs => do
    let v ← inside s!"[{at'}]" (decode v)
    return v :: (← decodeItems decode (at' + 1) vs)

/-- The value under `label`; an option may be missing. -/
def decodeField (decode : Value → Value → Decoded) (given : List (String × Value)) (label : String) (type : Value) :
    Decoded :=
  match given.lookup label with
  | some v => inside s!".{label}" (decode type v)
  | none => if isOption type then .ok Value.none else misfit s!"missing label {quote label}"

/-- The fields of a record, in the order of the types. -/
def decodeFields (decode : Value → Value → Decoded) (given : List (String × Value)) :
    List (String × Value) → Except Stop (List (String × Value))
  | [] => .ok []
  | (label, type) :: types => do
    let v ← decodeField decode given label type
    return (label, v) :: (← decodeFields decode given types)

/-- A record by the labels and types of `Rec`. -/
def decodeRecord (decode : Value → Value → Decoded) (items : List Value) (v : Value) : Decoded := do
  let types ← pairsFrom [] items
  match v with
  | .record given => match given.find? fun f => !types.any (·.1 == f.1) with
    | some (label, _) => misfit s!"unknown label {quote label}"
    | none => return .record (← decodeFields decode given (sortFields types))
  | _ => misfit s!"expected a record, got {v.kind}"

/-- The arguments of the variant `name`, the first at index `at'`. -/
def decodeArgs (decode : Value → Value → Decoded) (name : String) (at' : Nat) :
    List Value → List Value → Except Stop (List Value)
  | type :: types, v :: vs => do
    let v ← inside s!".{name}[{at'}]" (decode type v)
    return v :: (← decodeArgs decode name (at' + 1) types vs)
  | _, _ => .ok []

/-- The variant `name` with what was given for its arguments, by their types. -/
def decodeCase (decode : Value → Value → Decoded) (name : String) (given : Option Value) (types : List Value) :
    Decoded :=
  match types, given with
  | [], none => .ok (.con name [])
  | [], some _ => misfit s!"{name} has no arguments: write the text {quote name}"
  | _ :: _, none => misfit s!"{name} has {types.length} arguments, got none"
  | [type], some v => do return .con name [← inside s!".{name}" (decode type v)]
  | _, some (.list vs) =>
    if vs.length = types.length then do return .con name (← decodeArgs decode name 0 types vs)
    else misfit s!"expected a list of the {types.length} arguments of {name}, got a list of {vs.length}"
  | _, some v => misfit s!"expected a list of the {types.length} arguments of {name}, got {v.kind}"

/-- The name of a variant and what is given for its arguments. -/
def caseOf (v : Value) : Except Stop (String × Option Value) :=
  match v with
  | .text name => .ok (name, none)
  | .record [(name, inner)] => .ok (name, some inner)
  | _ => misfit s!"expected a variant, got {v.kind}"

/-- A variant by the names and types of `Var`. -/
def decodeVariant (decode : Value → Value → Decoded) (items : List Value) (v : Value) : Decoded := do
  let cases ← pairsFrom [] items
  let (name, given) ← caseOf v
  match cases.lookup name with
  | none =>
    misfit s!"expected one of {String.intercalate ", " ((sortFields cases).map Prod.fst)}, got {quote name}"
  | some (.list types) => decodeCase decode name given types
  | some other => noType "a type: a variant with a list of types" other

/-- The value that `v` says for a type; it stands at most `levels` above the deepest that may be. -/
def decodeAt : (levels : Nat) → (type v : Value) → Decoded
  | 0, _, _ => .error (.fault ⟨"depth", s!"decode: nesting deeper than {Limits.valueDepth}"⟩)
  | levels + 1, type, v => match type with
    | .text name => match name, v with
      | "Unit", .unit | "Bool", .bool _ | "Int", .int _ | "Dec", .dec .. | "Text", .text _ => .ok v
      | "Int", .dec coef 0 => .ok (.int coef)
      | "Dec", .int n => .ok (.dec n 0)
      | _, _ =>
        if ["Unit", "Bool", "Int", "Dec", "Text"].contains name then misfit s!"expected {name}, got {v.kind}"
        else noType "a type" type
    | .con "List" [inner] => match v with
      | .list vs => do return .list (← decodeItems (decodeAt levels inner) 0 vs)
      | _ => misfit s!"expected a list, got {v.kind}"
    | .con "Option" [inner] => match v with
      | .unit => .ok Value.none
      | _ => do return Value.some (← decodeAt levels inner v)
    | .con "Rec" [.list fields] => decodeRecord (decodeAt levels) fields v
    | .con "Var" [.list cases] => decodeVariant (decodeAt levels) cases v
    | _ => noType "a type" type

/-- `Ok` of the value that parsed JSON says for a type, or `Err` of a text that says where it does not fit.

Fault `type` where `schema` is no type, `depth` where it or the value nests deeper than 100. -/
def decode (schema value : Value) : Result :=
  match decodeAt (Limits.valueDepth + 1) schema value with
  | .ok v => .ok (Value.ok v)
  | .error (.fault f) => .error f
  | .error (.misfit place what) =>
    .ok (.con "Err" [.text s!"at {if place.isEmpty then "the top" else place}: {what}"])

end Prim

end Shepherd
