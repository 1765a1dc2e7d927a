/-!
# JSON text

What canonical text is made of (`spec/contract.md`, "Values in canonical text"): a small JSON, read strictly and printed
canonically. There are no fractions and no exponents. `core/jsontext.py` is the counterpart.

Interpreted code costs a microsecond for each small step, the library's compiled code a hundredth of that. So reading cuts
the text at its quotation marks first, and steps through single characters only outside of strings.
-/

namespace Shepherd

/-- JSON without fractions. The fields of an object are strictly sorted by key; `Json.object` sees to it. -/
inductive Json where
  | null
  | bool (b : Bool)
  | int (n : Int)
  | str (s : String)
  | arr (vs : List Json)
  | obj (fs : List (String × Json))
  deriving Repr, Inhabited

namespace Json

/-- Whether the keys of some fields are strictly sorted by code point. -/
def ascending : List (String × Json) → Bool
  | [] => true
  | [_] => true
  | a :: b :: fs => a.1 < b.1 && ascending (b :: fs)

/-- The fields in the order of their keys. -/
def sortFields (fs : List (String × Json)) : List (String × Json) :=
  if ascending fs then fs else fs.mergeSort fun a b => !(b.1 < a.1)

/-- The object of some fields, in any order, no key twice. -/
def object (fs : List (String × Json)) : Json := .obj (sortFields fs)

/-- The bytes of a text, as numbers. -/
def bytes (s : String) : List Nat := s.toUTF8.toList.map UInt8.toNat

/-- Whether a text has no character below U+0020. -/
def noControls (s : String) : Bool := (bytes s).all (Nat.ble 32)

/-! ## Printing -/

/-- `s` with every `old` written `new`. -/
def swap (old new s : String) : String := new.intercalate (s.splitOn old)

/-- `\u00xx` for a character below U+0020, other characters as they are. -/
def escapeControl (c : Char) : String :=
  if c < ' ' then s!"\\u00{Nat.digitChar (c.toNat / 16)}{Nat.digitChar (c.toNat % 16)}" else c.toString

/-- A text as a JSON string: the short escapes where JSON has them, `\u00xx` (lower case) for the rest below U+0020. -/
def quote (s : String) : String :=
  let s := swap "\"" "\\\"" (swap "\\" "\\\\" s)
  let s :=
    if noControls s then s
    else
      let s := swap "\u0008" "\\b" <| swap "\u000c" "\\f" <| swap "\r" "\\r" <| swap "\t" "\\t" <| swap "\n" "\\n" s
      if noControls s then s else String.join (s.toList.map escapeControl)
  "\"" ++ s ++ "\""

mutual
/-- `acc` followed by the canonical text of a JSON value. -/
def render : Json → String → String
  | .null, acc => acc ++ "null"
  | .bool true, acc => acc ++ "true"
  | .bool false, acc => acc ++ "false"
  | .int n, acc => acc ++ toString n
  | .str s, acc => acc ++ quote s
  | .arr [], acc => acc ++ "[]"
  | .arr (v :: vs), acc => renderItems vs (render v (acc ++ "["))
  | .obj [], acc => acc ++ "{}"
  | .obj ((k, v) :: fs), acc => renderFields fs (render v (acc ++ "{" ++ quote k ++ ":"))

/-- `acc` followed by the elements of an array after the first, and its end. -/
def renderItems : List Json → String → String
  | [], acc => acc ++ "]"
  | v :: vs, acc => renderItems vs (render v (acc ++ ","))

/-- `acc` followed by the fields of an object after the first, and its end. -/
def renderFields : List (String × Json) → String → String
  | [], acc => acc ++ "}"
  | (k, v) :: fs, acc => renderFields fs (render v (acc ++ "," ++ quote k ++ ":"))
end

/-- The canonical text of a JSON value. -/
def print (j : Json) : String := render j ""

/-! ## Reading strings

A text is cut at its quotation marks: between two of them stands a string, unless a backslash before the second one escapes
it. A string is cut at its backslashes: each further piece begins with what is escaped. -/

/-- The digit that a byte stands for in a hexadecimal number. -/
def hexDigit (c : Nat) : Option Nat :=
  if 48 ≤ c ∧ c ≤ 57 then some (c - 48)
  else if 97 ≤ c ∧ c ≤ 102 then some (c - 87)
  else if 65 ≤ c ∧ c ≤ 70 then some (c - 55)
  else none

/-- The number of four hexadecimal digits, and the text after them. `piece` begins with a `u`. -/
def hex4 (piece : String) : Option (Nat × String) :=
  match bytes (String.Pos.Raw.extract piece 0 ⟨5⟩) with
  | [117, a, b, c, d] => do
    let a ← hexDigit a
    let b ← hexDigit b
    let c ← hexDigit c
    let d ← hexDigit d
    return (4096 * a + 256 * b + 16 * c + d, String.Pos.Raw.extract piece ⟨5⟩ piece.rawEndPos)
  | _ => none

/-- The character of a short escape. -/
def shortEscape : Char → Option String
  | '/' => some "/"
  | 'b' => some "\u0008"
  | 'f' => some "\u000c"
  | 'n' => some "\n"
  | 'r' => some "\r"
  | 't' => some "\t"
  | _ => none

/-- The end of a string in which there may be escapes: `pieces` each follow a backslash, `cuts` is the text after the next
quotation mark, cut at the further ones, and `acc` is what was read. Gives the string and what follows it. -/
def readEscapes : (fuel : Nat) → (pieces cuts : List String) → (acc : String) → Except String (String × List String)
  | 0, _, _, _ => .error "unexpected end"
  | _, [], cuts, acc => .ok (acc, cuts)
  | fuel + 1, piece :: pieces, cuts, acc =>
    if piece.isEmpty then
      match pieces, cuts with
      | plain :: pieces, cuts => readEscapes fuel pieces cuts (acc ++ "\\" ++ plain)
      | [], [] => .error "unexpected end"
      | [], next :: cuts =>
        if !noControls next then .error "a control character in a string"
        else
          match next.splitOn "\\" with
          | [] => .error "unexpected end"
          | plain :: pieces => readEscapes fuel pieces cuts (acc ++ "\"" ++ plain)
    else
      match shortEscape (String.Pos.Raw.get piece 0) with
      | some c => readEscapes fuel pieces cuts (acc ++ c ++ String.Pos.Raw.extract piece ⟨1⟩ piece.rawEndPos)
      | none =>
        match hex4 piece with
        | none => .error "unexpected escape"
        | some (n, rest) =>
          if n < 0xd800 ∨ 0xdfff < n then readEscapes fuel pieces cuts ((acc.push (Char.ofNat n)) ++ rest)
          else
            match (if n < 0xdc00 ∧ rest.isEmpty then pieces else []) with
            | [] => .error "lone surrogate in the text"
            | low :: pieces =>
              match hex4 low with
              | none => .error "lone surrogate in the text"
              | some (m, rest) =>
                if 0xdc00 ≤ m ∧ m ≤ 0xdfff then
                  let c := Char.ofNat (0x10000 + 1024 * (n - 0xd800) + (m - 0xdc00))
                  readEscapes fuel pieces cuts (acc.push c ++ rest)
                else .error "lone surrogate in the text"

/-- What is known of a whole text before it is read: whether it has a backslash or a control character, and how many bytes. -/
structure Facts where
  escapes : Bool
  controls : Bool
  size : Nat

/-- The string whose text begins with `first`, up to a quotation mark; `cuts` as in `readEscapes`. Gives the string, the bytes
up to the next quotation mark, and the cuts after it. -/
def readString (facts : Facts) (first : String) (cuts : List String) : Except String (String × List Nat × List String) :=
  if facts.controls && !noControls first then .error "a control character in a string"
  else if !facts.escapes then
    match cuts with
    | [] => .error "unexpected end"
    | after :: cuts => .ok (first, bytes after, cuts)
  else
    match first.splitOn "\\" with
    | [] => .error "unexpected end"
    | plain :: pieces =>
      match readEscapes (facts.size + 1) pieces cuts plain with
      | .error e => .error e
      | .ok (_, []) => .error "unexpected end"
      | .ok (s, after :: cuts) => .ok (s, bytes after, cuts)

/-! ## Reading -/

/-- The most decimal digits of an integer that is read: one with more has more than 65,536 bits. -/
def mostDigits : Nat := 19729

/-- `n`, written in `count` digits so far, continued by the digits at the beginning of `cs`. -/
def readDigits : (cs : List Nat) → (count n : Nat) → Except String (Nat × List Nat)
  | [], _, n => .ok (n, [])
  | c :: cs, count, n =>
    if 48 ≤ c ∧ c ≤ 57 then
      if count < mostDigits then readDigits cs (count + 1) (10 * n + (c - 48)) else .error "an integer too large"
    else if c = 46 ∨ c = 101 ∨ c = 69 then .error "a number with a fraction or an exponent"
    else .ok (n, c :: cs)

/-- The number without sign at the beginning of `cs`. -/
def readNatural : (cs : List Nat) → Except String (Nat × List Nat)
  | 48 :: c :: cs => if 48 ≤ c ∧ c ≤ 57 then .error "unexpected character" else readDigits (c :: cs) 1 0
  | c :: cs => if 48 ≤ c ∧ c ≤ 57 then readDigits (c :: cs) 0 0 else .error "unexpected character"
  | [] => .error "unexpected end"

/-- A constant or a number at the beginning of `cs`. -/
def readWord : (cs : List Nat) → Except String (Json × List Nat)
  | 45 :: cs => match readNatural cs with
    | .ok (n, cs) => .ok (.int (-n), cs)
    | .error e => .error e
  | 110 :: 117 :: 108 :: 108 :: cs => .ok (.null, cs)
  | 116 :: 114 :: 117 :: 101 :: cs => .ok (.bool true, cs)
  | 102 :: 97 :: 108 :: 115 :: 101 :: cs => .ok (.bool false, cs)
  | cs => match readNatural cs with
    | .ok (n, cs) => .ok (.int n, cs)
    | .error e => .error e

/-- An array or object that is open: what it holds so far, last first, and of an object the key whose value comes next. -/
inductive Frame where
  | arr (done : List Json)
  | obj (done : List (String × Json)) (key : String)

/-- What comes next: a value (in an array just opened perhaps its end), a key (in an object just opened perhaps its end), the
colon after a key, or what follows a value. -/
inductive Mode where
  | value
  | first
  | key
  | firstKey
  | colon (key : String)
  | after (v : Json)

/-- The object of some fields, last first. -/
def close (done : List (String × Json)) : Except String Json :=
  let fs := sortFields done.reverse
  if ascending fs then .ok (.obj fs) else .error "key given twice"

/-- Space, tab, line feed or carriage return. -/
def isSpace (c : Nat) : Bool := c = 32 || c = 10 || c = 13 || c = 9

/-- The reader: one loop. `cs` are the bytes up to the next quotation mark, `cuts` the text after it, cut at the further ones;
`room` more arrays and objects may be opened. Each turn uses up a byte or a quotation mark. -/
def loop (facts : Facts) : (fuel : Nat) → Mode → (cs : List Nat) → (cuts : List String) → List Frame → (room : Nat) →
    Except String Json
  | 0, _, _, _, _, _ => .error "unexpected end"
  | _ + 1, .after v, [], cuts, stack, _ => match cuts, stack with
    | [], [] => .ok v
    | [], _ => .error "unexpected end"
    | _, _ => .error "unexpected character"
  | fuel + 1, .after v, c :: cs, cuts, stack, room => match stack with
    | [] => if isSpace c then loop facts fuel (.after v) cs cuts [] room else .error "text after the value"
    | .arr done :: outer =>
      if c = 44 then loop facts fuel .value cs cuts (.arr (v :: done) :: outer) room
      else if c = 93 then loop facts fuel (.after (.arr (v :: done).reverse)) cs cuts outer (room + 1)
      else if isSpace c then loop facts fuel (.after v) cs cuts stack room
      else .error "unexpected character"
    | .obj done key :: outer =>
      if c = 44 then loop facts fuel .key cs cuts (.obj ((key, v) :: done) "" :: outer) room
      else if c = 125 then
        match close ((key, v) :: done) with
        | .ok v => loop facts fuel (.after v) cs cuts outer (room + 1)
        | .error e => .error e
      else if isSpace c then loop facts fuel (.after v) cs cuts stack room
      else .error "unexpected character"
  | _ + 1, .colon _, [], _, _, _ => .error "expected `:`"
  | fuel + 1, .colon key, c :: cs, cuts, stack, room =>
    if c = 58 then
      match stack with
      | .obj done _ :: outer => loop facts fuel .value cs cuts (.obj done key :: outer) room
      | _ => .error "unexpected character"
    else if isSpace c then loop facts fuel (.colon key) cs cuts stack room
    else .error "expected `:`"
  | _, _, [], [], _, _ => .error "unexpected end"
  | fuel + 1, mode, [], first :: cuts, stack, room => match readString facts first cuts with
    | .error e => .error e
    | .ok (s, cs, cuts) => match mode with
      | .key | .firstKey => loop facts fuel (.colon s) cs cuts stack room
      | _ => loop facts fuel (.after (.str s)) cs cuts stack room
  | fuel + 1, mode, c :: cs, cuts, stack, room =>
    if isSpace c then loop facts fuel mode cs cuts stack room
    else match mode with
      | .key => .error "expected a key"
      | .firstKey => match stack with
        | .obj _ _ :: outer =>
          if c = 125 then loop facts fuel (.after (.obj [])) cs cuts outer (room + 1) else .error "expected a key"
        | _ => .error "expected a key"
      | _ =>
        if c = 91 ∨ c = 123 then
          match room with
          | 0 => .error "nested too deep"
          | room + 1 =>
            if c = 91 then loop facts fuel .first cs cuts (.arr [] :: stack) room
            else loop facts fuel .firstKey cs cuts (.obj [] "" :: stack) room
        else if c = 93 then
          match mode, stack with
          | .first, .arr _ :: outer => loop facts fuel (.after (.arr [])) cs cuts outer (room + 1)
          | _, _ => .error "unexpected character"
        else match readWord (c :: cs) with
          | .ok (v, cs) => loop facts fuel (.after v) cs cuts stack room
          | .error e => .error e

/-- Nesting of arrays and objects in any text that is read; the parts have stricter limits of their own. -/
def depth : Nat := 20000

/-- The JSON value of a text. Refused: what is no JSON, a key twice in an object, a lone surrogate, a fraction or exponent,
text after the value. -/
def parse (text : String) : Except String Json :=
  let facts : Facts :=
    { escapes := (text.splitOn "\\").length > 1, controls := !noControls text, size := text.utf8ByteSize }
  match text.splitOn "\"" with
  | [] => .error "unexpected end"
  | first :: cuts => loop facts (facts.size + 2) .value (bytes first) cuts [] depth

end Json

end Shepherd
