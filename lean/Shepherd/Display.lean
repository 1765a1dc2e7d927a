import Shepherd.Decimal

/-!
# Display

Values as a person writes them in the language: what the primitive `text` and interpolation show (`contract.md`,
"Primitives"; `shepherd_dsl/core/display.py`).

    ()  true  -3  1.5  "a\n"  [1, 2]  { a: 1, b: "x" }  {}  Some("x")  None  implement  blob <hash>  run 0

A label or a name of a variant that the language could not write stands in quotes.
-/

namespace Shepherd

namespace Display

/-- An ASCII letter, a digit or `_`: what the words of the language are made of. -/
def isWordChar (c : Char) : Bool := c.isAlphanum || c == '_'

/-- Whether the first character that is no `_` is an upper-case letter. -/
def isUpperWord (name : List Char) : Bool :=
  match name.dropWhile (· == '_') with
  | [] => false
  | c :: _ => c.isUpper

/-- Whether the language can write this name of a variant. -/
def isVariant (name : List Char) : Bool := name.all isWordChar && isUpperWord name

/-- Whether the language can write this label. -/
def isLabel (name : List Char) : Bool :=
  match name with
  | [] => false
  | c :: _ => !c.isDigit && name.all isWordChar && name != ['_'] && !isUpperWord name

/-- Whether a text shows a character as `\u{…}`: control characters, and what ends a line or turns the direction of
writing. -/
def isHidden (c : Char) : Bool :=
  let n := c.toNat
  n < 0x20 || (0x7F ≤ n && n ≤ 0x9F) || (0x2028 ≤ n && n ≤ 0x202E) || (0x2066 ≤ n && n ≤ 0x2069)

/-- `out` and the characters of a text with the escapes of the language. -/
def escapeTo (out : String) : List Char → String
  | [] => out
  | '$' :: cs => match cs with
    | '{' :: _ => escapeTo (out ++ "\\$") cs
    | _ => escapeTo (out.push '$') cs
  | c :: cs =>
    if c == '\n' then escapeTo (out ++ "\\n") cs
    else if c == '\t' then escapeTo (out ++ "\\t") cs
    else if c == '\r' then escapeTo (out ++ "\\r") cs
    else if c == '"' then escapeTo (out ++ "\\\"") cs
    else if c == '\\' then escapeTo (out ++ "\\\\") cs
    else if isHidden c then escapeTo (out ++ "\\u{" ++ String.ofList (Nat.toDigits 16 c.toNat) ++ "}") cs
    else escapeTo (out.push c) cs

/-- A text between quotation marks, with the escapes of the language. -/
def quoted (text : String) : String := (escapeTo "\"" text.toList).push '"'

/-- A label as the language writes it, else in quotes. -/
def label (name : String) : String := if isLabel name.toList then name else quoted name

/-- A name of a variant as the language writes it, else in quotes. -/
def variant (name : String) : String := if isVariant name.toList then name else quoted name

mutual
/-- `out` and the display of a value. -/
def showTo (out : String) : Value → String
  | .unit => out ++ "()"
  | .bool b => out ++ if b then "true" else "false"
  | .int n => out ++ toString n
  | .dec coef scale => out ++ (Decimal.mk coef scale).text
  | .text s => out ++ quoted s
  | .blob hash _ => out ++ "blob " ++ hash
  | .list vs => showListTo (out ++ "[") "" vs ++ "]"
  | .record [] => out ++ "{}"
  | .record (f :: fs) => showFieldsTo (out ++ "{ ") "" (f :: fs) ++ " }"
  | .con name [] => out ++ variant name
  | .con name (v :: vs) => showListTo (out ++ variant name ++ "(") "" (v :: vs) ++ ")"
  | .agent name => out ++ name
  | .run h => out ++ "run " ++ toString h

/-- `out` and the displays of values with commas between, after `lead`. -/
def showListTo (out lead : String) : List Value → String
  | [] => out
  | v :: vs => showListTo (showTo (out ++ lead) v) ", " vs

/-- `out` and the displays of fields with commas between, after `lead`. -/
def showFieldsTo (out lead : String) : List (String × Value) → String
  | [] => out
  | (l, v) :: fs => showFieldsTo (showTo (out ++ lead ++ label l ++ ": ") v) ", " fs
end

end Display

/-- A value on one line, a text in quotes. -/
def display (v : Value) : String := Display.showTo "" v

end Shepherd
