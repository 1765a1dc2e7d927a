import Shepherd.Display
import Shepherd.Match
import Shepherd.PrimData

/-!
# Primitives on texts and globs

`primitives.md`; `shepherd_dsl/core/prim_text.py`. Lengths and indices count Unicode scalar values.
-/

namespace Shepherd

namespace Prim

/-- A text. -/
def asText (name : String) (position : Nat) : Value → Except Fault String
  | .text s => .ok s
  | v => wrong name position "a text" v

/-- The fault `size` of a text. -/
def longText {α : Type} (name : String) : Except Fault α :=
  tooLarge name s!"a text has at most {Limits.textChars} characters"

/-! ## Showing -/

mutual
/-- What is left of room for `nodes` values with `chars` characters in texts when a value has taken its part. -/
def room (nodes chars : Nat) : Value → Option (Nat × Nat)
  | .text s => match nodes with
    | nodes + 1 => if s.length ≤ chars then some (nodes, chars - s.length) else none
    | 0 => none
  | .list vs => match nodes with
    | nodes + 1 => roomList nodes chars vs
    | 0 => none
  | .record fs => match nodes with
    | nodes + 1 => roomFields nodes chars fs
    | 0 => none
  | .con _ vs => match nodes with
    | nodes + 1 => roomList nodes chars vs
    | 0 => none
  | _ => match nodes with
    | nodes + 1 => some (nodes, chars)
    | 0 => none

/-- The same for values. -/
def roomList (nodes chars : Nat) : List Value → Option (Nat × Nat)
  | [] => some (nodes, chars)
  | v :: vs => match room nodes chars v with
    | some (nodes, chars) => roomList nodes chars vs
    | none => none

/-- The same for fields. -/
def roomFields (nodes chars : Nat) : List (String × Value) → Option (Nat × Nat)
  | [] => some (nodes, chars)
  | (_, v) :: fs => match room nodes chars v with
    | some (nodes, chars) => roomFields nodes chars fs
    | none => none
end

/-- Fault `size` where a value holds too many values or characters to be printed. Values share their parts, so a few
steps can build one whose text would not fit into any memory. -/
def bounded (name : String) (v : Value) : Except Fault Unit :=
  match room Limits.valueNodes Limits.textChars v with
  | some _ => .ok ()
  | none => tooLarge name s!"a value that is printed holds at most {Limits.valueNodes} values"

/-- How `text` shows a value: a text as it is, the rest as it is displayed. A run faults `handle`. -/
def shown (name : String) : Value → Except Fault String
  | .text s => .ok s
  | v => do
    bounded name v
    if v.hasHandle then .error ⟨"handle", s!"{name}: a run has no text"⟩ else return display v

/-- The parts of a text, shown one after the other behind `out`. -/
def textFrom (out : String) : List Value → Except Fault String
  | [] => .ok out
  | v :: vs => do textFrom (out ++ (← shown "text" v)) vs

/-- The display of each argument, one after the other. -/
def text (parts : List Value) : Result := do
  let joined ← textFrom "" parts
  if joined.length > Limits.textChars then longText "text" else return .text joined

/-! ## Parts of texts -/

/-- The number of characters. -/
def textLen (value : Value) : Result := do return .int (← asText "text_len" 1 value).length

/-- The characters from index `start` up to before `end`; what is outside the text is cut off. -/
def textSlice (value start stop : Value) : Result := do
  let s ← asText "text_slice" 1 value
  let i ← asInt "text_slice" 2 start
  let j ← asInt "text_slice" 3 stop
  let i := min i.toNat s.length
  let j := min j.toNat s.length
  return .text ((s.drop i).take (j - i)).copy

/-- The parts of `text` between the occurrences of `sep`, which is not empty, left to right.

`skip` characters belong to the occurrence last found; `word` and `found` are reversed. -/
def splitFrom (sep : List Char) (skip : Nat) (word : List Char) (found : List String) : List Char → List String
  | [] => (String.ofList word.reverse :: found).reverse
  | c :: cs => match skip with
    | skip + 1 => splitFrom sep skip word found cs
    | 0 =>
      if sep.isPrefixOf (c :: cs) then splitFrom sep (sep.length - 1) [] (String.ofList word.reverse :: found) cs
      else splitFrom sep 0 (c :: word) found cs

/-- The parts of `text` between the occurrences of `sep`; its characters where `sep` is empty. -/
def splitText (text sep : String) : List String :=
  if sep.isEmpty then text.toList.map fun c => String.ofList [c] else splitFrom sep.toList 0 [] [] text.toList

/-- The parts between the separators; an empty separator splits into characters. -/
def textSplit (value separator : Value) : Result := do
  let s ← asText "text_split" 1 value
  let sep ← asText "text_split" 2 separator
  let parts := splitText s sep
  if parts.length > Limits.listItems then longList "text_split" else return .list (parts.map .text)

/-- The texts of a list. -/
def asTexts (name expected : String) : List Value → Except Fault (List String)
  | [] => .ok []
  | .text s :: vs => do return s :: (← asTexts name expected vs)
  | v :: _ => wrong name 1 expected v

/-- The characters of texts, counted. -/
def lengths (parts : List String) : Nat := parts.foldl (fun n s => n + s.length) 0

/-- The texts of a list with the separator between. -/
def textJoin (parts separator : Value) : Result := do
  let vs ← asList "text_join" 1 parts
  let sep ← asText "text_join" 2 separator
  let texts ← asTexts "text_join" "a list of texts" vs
  if lengths texts + sep.length * (texts.length - 1) > Limits.textChars then longText "text_join"
  else return .text (String.intercalate sep texts)

/-- ASCII white space. -/
def isWhite (c : Char) : Bool := c == ' ' || (9 ≤ c.toNat && c.toNat ≤ 13)

/-- Without the ASCII white space at both ends. -/
def textTrim (value : Value) : Result := do
  let s ← asText "text_trim" 1 value
  return .text (String.ofList ((s.toList.dropWhile isWhite).reverse.dropWhile isWhite).reverse)

/-- With `a` to `z` for `A` to `Z`. -/
def textLower (value : Value) : Result := do return .text ((← asText "text_lower" 1 value).map Char.toLower)

/-- With `A` to `Z` for `a` to `z`. -/
def textUpper (value : Value) : Result := do return .text ((← asText "text_upper" 1 value).map Char.toUpper)

/-- The index where `part` occurs first in a text, of which `at'` characters went before. -/
def findFrom (part : List Char) (at' : Nat) : List Char → Option Nat
  | [] => if part.isEmpty then some at' else none
  | c :: cs => if part.isPrefixOf (c :: cs) then some at' else findFrom part (at' + 1) cs

/-- The index where `part` occurs first. -/
def findText (text part : String) : Option Nat := findFrom part.toList 0 text.toList

/-- Whether `part` occurs. The second argument is looked at first. -/
def textContains (value part : Value) : Result := do
  let p ← asText "text_contains" 2 part
  let s ← asText "text_contains" 1 value
  return .bool (findText s p).isSome

/-- Whether the text begins with `part`. -/
def textStarts (value part : Value) : Result := do
  let s ← asText "text_starts" 1 value
  let p ← asText "text_starts" 2 part
  return .bool (p.toList.isPrefixOf s.toList)

/-- Whether the text ends with `part`. -/
def textEnds (value part : Value) : Result := do
  let s ← asText "text_ends" 1 value
  let p ← asText "text_ends" 2 part
  return .bool (p.toList.reverse.isPrefixOf s.toList.reverse)

/-- `Some` of the index where `part` occurs first, or `None`. -/
def textFind (value part : Value) : Result := do
  let s ← asText "text_find" 1 value
  let p ← asText "text_find" 2 part
  match findText s p with
  | some i => return Value.some (.int i)
  | none => return Value.none

/-- Every non-overlapping occurrence of `old`, left to right, replaced; an empty `old` occurs nowhere. -/
def textReplace (value old new : Value) : Result := do
  let s ← asText "text_replace" 1 value
  let before ← asText "text_replace" 2 old
  let after ← asText "text_replace" 3 new
  if before.isEmpty then return .text s
  else
    let parts := splitText s before
    if lengths parts + after.length * (parts.length - 1) > Limits.textChars then longText "text_replace"
    else return .text (String.intercalate after parts)

/-! ## Numbers and words -/

/-- The number that ASCII digits write. -/
def digitsValue (digits : List Char) : Nat := digits.foldl (fun n c => 10 * n + (c.toNat - 48)) 0

/-- The int that ASCII digits, without needless zeros, write after `negative`; `none` beyond the limits. -/
def intFrom (negative : Bool) (digits : List Char) : Option Int :=
  if digits.length > Limits.intDigits then none
  else
    let n := Int.ofNat (digitsValue digits)
    if bits n > Limits.intBits then none else some (if negative then -n else n)

/-- `Some` of the int that ASCII digits, perhaps after a `-`, say; else `None`. -/
def textInt (value : Value) : Result := do
  let s ← asText "text_int" 1 value
  let (negative, digits) := match s.toList with
    | '-' :: cs => (true, cs)
    | cs => (false, cs)
  if digits.isEmpty || !digits.all Char.isDigit then return Value.none
  else match intFrom negative (digits.dropWhile (· == '0')) with
    | some n => return Value.some (.int n)
    | none => tooLarge "text_int" s!"an integer has at most {Limits.intBits} bits"

/-- `Some` of the words of a command, quotes resolved; `None` where a quote is open. -/
def words (value : Value) : Result := do
  match Shepherd.words (← asText "words" 1 value) with
  | none => return Value.none
  | some found =>
    if found.length > Limits.listItems then longList "words" else return Value.some (.list (found.map .text))

/-! ## Globs -/

/-- Whether the text matches the text glob. -/
def matchText (value glob : Value) : Result := do
  let s ← asText "match_text" 1 value
  let g ← asText "match_text" 2 glob
  return .bool (Shepherd.matchText s g)

/-- Whether the text is a normal path that matches the path glob. -/
def matchPath (value glob : Value) : Result := do
  let s ← asText "match_path" 1 value
  let g ← asText "match_path" 2 glob
  return .bool (Shepherd.matchPath s g)

/-- Whether the command, as a text or a list of its words, matches the words glob. -/
def matchWords (value glob : Value) : Result := do
  let g ← asText "match_words" 2 glob
  match value with
  | .text s => return .bool (Shepherd.matchWords s g)
  | .list vs => return .bool (matchWordList (← asTexts "match_words" "a text or a list of texts" vs) g)
  | v => wrong "match_words" 1 "a text or a list of texts" v

end Prim

end Shepherd
