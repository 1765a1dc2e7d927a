import Shepherd.Json
import Shepherd.Limits
import Shepherd.Value

/-!
# Values in canonical form

`Value.toJson` and `Value.ofJson`, and what the readers of programs and events share (`spec/contract.md`, "Values in
canonical text"; `core/wire_value.py`). Reading refuses unknown and missing keys, what is beyond the limits, and values
nested more than `Limits.wireDepth` deep.
-/

namespace Shepherd

namespace Wire

/-- The error of a reader that expected something else. -/
def expected {α : Type} (what : String) : Except String α := .error s!"expected {what}"

/-- The error of a reader whose input nests too deep. -/
def tooDeep {α : Type} : Except String α := .error s!"nesting deeper than {Limits.wireDepth}"

/-- An integer that is not beyond the limit. -/
def int (n : Int) : Except String Int :=
  if Nat.log2 n.natAbs < Limits.intBits then .ok n else .error "an integer too large"

/-- A number from 0 on. -/
def natural : Json → Except String Nat
  | .int n => if n < 0 then expected "a number from 0 on" else (int n).map Int.toNat
  | _ => expected "a number from 0 on"

/-- A text. -/
def text : Json → Except String String
  | .str s => .ok s
  | _ => expected "a text"

/-- The elements of a list. -/
def list : Json → Except String (List Json)
  | .arr vs => .ok vs
  | _ => expected "a list"

/-- What `read` makes of each element, in order. -/
def each {α : Type} (read : Json → Except String α) : List Json → (done : List α) → Except String (List α)
  | [], done => .ok done.reverse
  | v :: vs, done => match read v with
    | .ok x => each read vs (x :: done)
    | .error e => .error e

/-- Whether some bytes are lower-case hexadecimal digits. -/
def hexDigits : List Nat → Bool
  | [] => true
  | c :: cs => if (48 ≤ c && c ≤ 57) || (97 ≤ c && c ≤ 102) then hexDigits cs else false

/-- Whether a text is a hash: 40 lower-case hexadecimal digits. -/
def isHash (s : String) : Bool := s.utf8ByteSize = 40 && hexDigits (Json.bytes s)

/-- A hash. -/
def hash : Json → Except String String
  | .str s => if isHash s then .ok s else expected "a hash of 40 hexadecimal digits"
  | _ => expected "a hash of 40 hexadecimal digits"

/-! ## Decimals -/

/-- `s` with zeros before it, at least `n` characters long. -/
def padLeft (n : Nat) (s : String) : String := "".pushn '0' (n - s.length) ++ s

/-- The digits of a decimal: `-0.05`, `12`, `1.5`; no exponent, and no zero that could be left out. -/
def decText (coef : Int) (scale : Nat) : String :=
  let sign := if coef < 0 then "-" else ""
  let digits := toString coef.natAbs
  if scale = 0 then sign ++ digits
  else
    let digits := padLeft (scale + 1) digits
    let point : String.Pos.Raw := ⟨digits.utf8ByteSize - scale⟩
    sign ++ String.Pos.Raw.extract digits 0 point ++ "." ++ String.Pos.Raw.extract digits point digits.rawEndPos

/-- `n` continued by decimal digits; nothing where one is no digit. -/
def digits : List Nat → (n : Nat) → Option Nat
  | [], n => some n
  | c :: cs, n => if 48 ≤ c && c ≤ 57 then digits cs (10 * n + (c - 48)) else none

/-- The decimal that a text without sign says: its digits, and how many follow the point. -/
def unsignedDec (s : String) : Option (List Nat × Nat) :=
  match (s.splitOn ".").map Json.bytes with
  | [whole] => if wholeFits whole then some (whole, 0) else none
  | [whole, part] => if wholeFits whole && lastFits part then some (whole ++ part, part.length) else none
  | _ => none
where
  /-- No zero that could be left out. -/
  wholeFits : List Nat → Bool
    | [] => false
    | [_] => true
    | c :: _ => c != 48
  /-- No zero that could be left out. -/
  lastFits (part : List Nat) : Bool := match part.getLast? with
    | none => false
    | some c => c != 48

/-- The decimal that a text says. -/
def dec (s : String) : Except String Value :=
  let negative := String.Pos.Raw.get s 0 = '-'
  let rest := if negative then String.Pos.Raw.extract s ⟨1⟩ s.rawEndPos else s
  match unsignedDec rest with
  | none => expected "a decimal"
  | some (ds, scale) =>
    if ds.length > Limits.intDigits || scale > Limits.decScale then .error "a decimal too large"
    else match digits ds 0 with
      | none => expected "a decimal"
      | some n =>
        if negative && n = 0 then expected "a decimal"
        else (int (if negative then -(n : Int) else n)).map fun coef => .dec coef scale

end Wire

/-! ## Printing -/

mutual
/-- The canonical form of a value. -/
def Value.toJson : Value → Json
  | .unit => .null
  | .bool b => .bool b
  | .int n => .int n
  | .dec coef scale => .obj [("dec", .str (Wire.decText coef scale))]
  | .text s => .str s
  | .blob hash size => .obj [("blob", .arr [.str hash, .int size])]
  | .list vs => .arr (Value.toJsonList vs)
  | .record fs => .obj [("rec", .obj (Value.toJsonFields fs))]
  | .con name vs => .obj [("con", .arr (.str name :: Value.toJsonList vs))]
  | .agent name => .obj [("agent", .str name)]
  | .run h => .obj [("run", .int h)]

/-- The canonical forms of values. -/
def Value.toJsonList : List Value → List Json
  | [] => []
  | v :: vs => v.toJson :: Value.toJsonList vs

/-- The canonical forms of fields. -/
def Value.toJsonFields : List (String × Value) → List (String × Json)
  | [] => []
  | (l, v) :: fs => (l, v.toJson) :: Value.toJsonFields fs
end

/-- The canonical text of a value. -/
def Value.canonical (v : Value) : String := v.toJson.print

/-! ## Reading -/

mutual
/-- The value that a JSON value says. Containers may nest `room` deep. -/
def Value.read : Json → (room : Nat) → Except String Value
  | .null, _ => .ok .unit
  | .bool b, _ => .ok (.bool b)
  | .int n, _ => (Wire.int n).map Value.int
  | .str s, _ => .ok (.text s)
  | .arr _, 0 => Wire.tooDeep
  | .arr vs, room + 1 => match Value.readList vs room [] with
    | .ok vs => .ok (.list vs)
    | .error e => .error e
  | .obj [(tag, .arr vs)], room =>
    if tag = "con" then
      match vs, room with
      | .str name :: vs, room + 1 => match Value.readList vs room [] with
        | .ok vs => .ok (.con name vs)
        | .error e => .error e
      | _, _ => Wire.expected "a list with a name, not nested too deep"
    else if tag = "blob" then
      match vs with
      | [hash, size] => do return .blob (← Wire.hash hash) (← Wire.natural size)
      | _ => Wire.expected "[hash, size]"
    else Wire.expected "a value"
  | .obj [(tag, .obj fs)], room =>
    if tag = "rec" then
      match room with
      | 0 => Wire.tooDeep
      | room + 1 => match Value.readFields fs room [] with
        | .ok fs => .ok (.record fs)
        | .error e => .error e
    else Wire.expected "a value"
  | .obj [(tag, .str s)], _ =>
    if tag = "dec" then Wire.dec s
    else if tag = "agent" then .ok (.agent s)
    else Wire.expected "a value"
  | .obj [(tag, .int n)], _ =>
    if tag = "run" then (Wire.natural (.int n)).map Value.run else Wire.expected "a value"
  | .obj _, _ => Wire.expected "a value"

/-- The values that JSON values say. -/
def Value.readList : List Json → (room : Nat) → (done : List Value) → Except String (List Value)
  | [], _, done => .ok done.reverse
  | v :: vs, room, done => match Value.read v room with
    | .ok v => Value.readList vs room (v :: done)
    | .error e => .error e

/-- The fields that JSON fields say. -/
def Value.readFields : List (String × Json) → (room : Nat) → (done : List (String × Value)) →
    Except String (List (String × Value))
  | [], _, done => .ok done.reverse
  | (l, v) :: fs, room, done => match Value.read v room with
    | .ok v => Value.readFields fs room ((l, v) :: done)
    | .error e => .error e
end

/-- The value that a JSON value says. -/
def Value.ofJson (j : Json) : Except String Value := Value.read j Limits.wireDepth

namespace Wire

/-- A list of values, such as the arguments of an operation. -/
def values : Json → Except String (List Value)
  | .arr vs => match Limits.wireDepth with
    | 0 => tooDeep
    | room + 1 => Value.readList vs room []
  | _ => expected "a list"

end Wire

end Shepherd
