import Shepherd.Value
import Shepherd.Limits

/-!
# Plain JSON

The text of JSON as `json_print` writes and `json_parse` reads it (`shepherd_dsl/core/jsontext.py`). Reading is strict,
and says the same of a text that is no JSON as Python does: what is wrong, and at which character.

The text is first cut into tokens; then one pass over the tokens builds the value.
-/

namespace Shepherd

namespace JsonPlain

/-! ## Writing -/

/-- The last two hexadecimal digits of a number, in lower case. -/
def hex2 (n : Nat) : String := String.ofList [Nat.digitChar (n / 16 % 16), Nat.digitChar (n % 16)]

/-- `out` and characters as a JSON string has them. -/
def escapeTo (out : String) : List Char → String
  | [] => out
  | c :: cs =>
    if c == '"' then escapeTo (out ++ "\\\"") cs
    else if c == '\\' then escapeTo (out ++ "\\\\") cs
    else if 0x20 ≤ c.toNat then escapeTo (out.push c) cs
    else if c == '\n' then escapeTo (out ++ "\\n") cs
    else if c == '\r' then escapeTo (out ++ "\\r") cs
    else if c == '\t' then escapeTo (out ++ "\\t") cs
    else if c.toNat == 8 then escapeTo (out ++ "\\b") cs
    else if c.toNat == 12 then escapeTo (out ++ "\\f") cs
    else escapeTo (out ++ "\\u00" ++ hex2 c.toNat) cs

/-- A text as a JSON string: short escapes where JSON has them, `\u00xx` for the rest below U+0020. -/
def quote (text : String) : String := (escapeTo "\"" text.toList).push '"'

/-! ## Tokens -/

/-- A number as it is written: sign, digits, those after the point, and the sign (if any) and the digits of the
exponent. -/
structure Number where
  negative : Bool
  whole : List Char
  part : Option (List Char)
  power : Option (List Char × List Char)

/-- How many characters a number takes. -/
def Number.size (n : Number) : Nat :=
  (if n.negative then 1 else 0) + n.whole.length
    + (match n.part with | some digits => 1 + digits.length | none => 0)
    + match n.power with | some (sign, digits) => 1 + sign.length + digits.length | none => 0

/-- A token. `text none` has a lone surrogate, `word none` is null; `bad` is what is no token, and the last one. -/
inductive Token where
  | mark (c : Char)
  | text (s : Option String)
  | number (n : Number)
  | word (b : Option Bool)
  | bad

/-- The value of a hexadecimal digit. -/
def hexValue (c : Char) : Option Nat :=
  if c.isDigit then some (c.toNat - 48)
  else if 'a' ≤ c ∧ c ≤ 'f' then some (c.toNat - 87)
  else if 'A' ≤ c ∧ c ≤ 'F' then some (c.toNat - 55)
  else none

/-- The number that four hexadecimal digits write. -/
def hex4 (a b c d : Char) : Option Nat := do
  return ((16 * (← hexValue a) + (← hexValue b)) * 16 + (← hexValue c)) * 16 + (← hexValue d)

/-- The character for a short escape. -/
def short (c : Char) : Option Char :=
  match c with
  | '"' => some '"'
  | '\\' => some '\\'
  | '/' => some '/'
  | 'b' => some (Char.ofNat 8)
  | 'f' => some (Char.ofNat 12)
  | 'n' => some '\n'
  | 'r' => some '\r'
  | 't' => some '\t'
  | _ => none

/-- The rest of a string after its first quotation mark: its text (`none`: it has a lone surrogate) and how many
characters it takes. `out` is reversed, `high` the first half of a surrogate pair that ended just before, `size` what
was taken. -/
def stringFrom (out : List Char) (high : Option Nat) (lone : Bool) (size : Nat) :
    List Char → Option (Option String × Nat)
  | [] => none
  | '"' :: _ => some (if lone || high.isSome then none else some (String.ofList out.reverse), size + 1)
  | '\\' :: 'u' :: a :: b :: c :: d :: cs => match hex4 a b c d with
    | none => none
    | some n =>
      if 0xD800 ≤ n ∧ n < 0xDC00 then stringFrom out (some n) (lone || high.isSome) (size + 6) cs
      else if 0xDC00 ≤ n ∧ n < 0xE000 then match high with
        | some h =>
          stringFrom (Char.ofNat (0x10000 + (h - 0xD800) * 1024 + (n - 0xDC00)) :: out) none lone (size + 6) cs
        | none => stringFrom out none true (size + 6) cs
      else stringFrom (Char.ofNat n :: out) none (lone || high.isSome) (size + 6) cs
  | '\\' :: e :: cs => match short e with
    | none => none
    | some c => stringFrom (c :: out) none (lone || high.isSome) (size + 2) cs
  | c :: cs =>
    if c.toNat < 0x20 || c == '\\' then none
    else stringFrom (c :: out) none (lone || high.isSome) (size + 1) cs

/-- The digits that a text begins with, and what follows them. -/
def digitsOf (text : List Char) : List Char × List Char := text.span Char.isDigit

/-- The fraction of a number, if one follows, and what follows it. -/
def partOf (text : List Char) : Option (List Char) × List Char :=
  match text with
  | '.' :: cs => match digitsOf cs with
    | ([], _) => (none, text)
    | (digits, rest) => (some digits, rest)
  | _ => (none, text)

/-- The exponent of a number, if one follows. -/
def powerOf (text : List Char) : Option (List Char × List Char) :=
  match text with
  | [] => none
  | e :: cs =>
    let (sign, cs) := match cs with
      | '-' :: cs => (['-'], cs)
      | '+' :: cs => (['+'], cs)
      | cs => ([], cs)
    match digitsOf cs with
    | ([], _) => none
    | (digits, _) => if e == 'e' || e == 'E' then some (sign, digits) else none

/-- The number that a text begins with, after its sign. -/
def numberOf (negative : Bool) (text : List Char) : Option Number :=
  let (whole, rest) := match text with
    | '0' :: cs => (['0'], cs)
    | cs => digitsOf cs
  if whole.isEmpty then none
  else
    let (part, rest) := partOf rest
    some ⟨negative, whole, part, powerOf rest⟩

/-- The token that a text begins with, and how many characters it takes. -/
def tokenOf : List Char → Option (Token × Nat)
  | [] => none
  | '"' :: cs => (stringFrom [] none false 1 cs).map fun (s, size) => (.text s, size)
  | 't' :: 'r' :: 'u' :: 'e' :: _ => some (.word (some true), 4)
  | 'f' :: 'a' :: 'l' :: 's' :: 'e' :: _ => some (.word (some false), 5)
  | 'n' :: 'u' :: 'l' :: 'l' :: _ => some (.word none, 4)
  | '-' :: cs => (numberOf true cs).map fun n => (.number n, n.size)
  | c :: cs =>
    if c == '[' || c == ']' || c == '{' || c == '}' || c == ',' || c == ':' then some (.mark c, 1)
    else if c.isDigit then (numberOf false (c :: cs)).map fun n => (.number n, n.size)
    else none

/-- White space of JSON. -/
def isSpace (c : Char) : Bool := c == ' ' || c == '\t' || c == '\n' || c == '\r'

/-- The tokens of a text from place `at'` on, each with its place. `skip` characters belong to the token last found, and
`found` is reversed. -/
def tokensFrom (skip at' : Nat) (found : List (Nat × Token)) : List Char → List (Nat × Token)
  | [] => found.reverse
  | c :: cs => match skip with
    | skip + 1 => tokensFrom skip (at' + 1) found cs
    | 0 =>
      if isSpace c then tokensFrom 0 (at' + 1) found cs
      else match tokenOf (c :: cs) with
        | some (token, size) => tokensFrom (size - 1) (at' + 1) ((at', token) :: found) cs
        | none => ((at', .bad) :: found).reverse

/-! ## Reading -/

/-- A set of keys: a search tree over their hashes, which are as good as random. -/
inductive Keys where
  | none
  | node (left : Keys) (hash : UInt64) (keys : List String) (right : Keys)

/-- Whether a key with this hash is in the set. -/
def Keys.has (hash : UInt64) (key : String) : Keys → Bool
  | .none => false
  | .node left h keys right =>
    if hash < h then left.has hash key else if h < hash then right.has hash key else keys.contains key

/-- The set with one more key. -/
def Keys.add (hash : UInt64) (key : String) : Keys → Keys
  | .none => .node .none hash [key] .none
  | .node left h keys right =>
    if hash < h then .node (left.add hash key) h keys right
    else if h < hash then .node left h keys (right.add hash key)
    else .node left h (key :: keys) right

/-- An array or an object that is open: what is in it, reversed, and for an object its keys so far and the last of them,
whose value comes next. -/
inductive Holder where
  | array (items : List Value)
  | object (fields : List (String × Value)) (keys : Keys) (key : String)

/-- What may come next. -/
inductive Wants where
  /-- A value, or the end of an array that has just been opened. -/
  | value (first : Bool)
  /-- A key, or the end of an object that has just been opened. -/
  | key (first : Bool)
  | colon
  /-- A comma, or the end of the holder. -/
  | comma
  /-- Nothing: the value is read. -/
  | done (v : Value)

/-- What a place is in: what may come next, and the holders that are open, innermost first. -/
structure State where
  wants : Wants
  holders : List Holder

/-- What is wrong, and at which character. -/
abbrev Error := String × Nat

/-- A value was read: it goes into the innermost holder, or it is the whole. -/
def put (v : Value) : List Holder → State
  | [] => ⟨.done v, []⟩
  | .array items :: holders => ⟨.comma, .array (v :: items) :: holders⟩
  | .object fields keys key :: holders => ⟨.comma, .object ((key, v) :: fields) keys key :: holders⟩

/-- A record of fields, sorted. -/
def recordOf (fields : List (String × Value)) : Value := .record (fields.mergeSort fun a b => !decide (b.1 < a.1))

/-- The state after a mark where a value, a comma or an end may stand. -/
def afterMark (depth : Nat) (c : Char) (at' : Nat) : State → Except Error State
  | ⟨.value first, holders⟩ =>
    if c == '[' || c == '{' then
      if holders.length ≥ depth then .error (s!"nesting deeper than {depth}", at')
      else if c == '[' then .ok ⟨.value true, .array [] :: holders⟩
      else .ok ⟨.key true, .object [] .none "" :: holders⟩
    else match c, first, holders with
      | ']', true, .array _ :: holders => .ok (put (.list []) holders)
      | _, _, _ => .error ("unexpected character", at')
  | ⟨.comma, holders⟩ => match c, holders with
    | ',', .array _ :: _ => .ok ⟨.value false, holders⟩
    | ',', .object _ _ _ :: _ => .ok ⟨.key false, holders⟩
    | ']', .array items :: holders => .ok (put (.list items.reverse) holders)
    | '}', .object fields _ _ :: holders => .ok (put (recordOf fields) holders)
    | _, _ => .error ("unexpected character", at')
  | _ => .error ("unexpected character", at')

/-- The state after a key. -/
def afterKey (text : Option String) (at' : Nat) : List Holder → Except Error State
  | .object fields keys _ :: holders => match text with
    | none => .error ("lone surrogate in the text", at')
    | some key =>
      let hash := key.hash
      if keys.has hash key then .error (s!"key given twice: {quote key}", at')
      else .ok ⟨.colon, .object fields (keys.add hash key) key :: holders⟩
  | _ => .error ("unexpected character", at')

/-- The state after a token. `number` makes the value of a number, or says what is wrong with it. -/
def step (depth : Nat) (number : Number → Except String Value) (state : State) (at' : Nat) (token : Token) :
    Except Error State :=
  match state.wants, token with
  | .done _, _ => .error ("text after the value", at')
  | .key _, .text s => afterKey s at' state.holders
  | .key true, .mark '}' => .ok (put (.record []) (state.holders.drop 1))
  | .key _, _ => .error ("expected a key", at')
  | .colon, .mark ':' => .ok ⟨.value false, state.holders⟩
  | .colon, _ => .error ("expected `:`", at')
  | _, .mark c => afterMark depth c at' state
  | .value _, .word (some b) => .ok (put (.bool b) state.holders)
  | .value _, .word none => .ok (put .unit state.holders)
  | .value _, .text (some s) => .ok (put (.text s) state.holders)
  | .value _, .text none => .error ("lone surrogate in the text", at')
  | .value _, .number n => match number n with
    | .ok v => .ok (put v state.holders)
    | .error what => .error (what, at')
  | _, _ => .error ("unexpected character", at')

/-- The value that tokens write; `size` is the place of the end. -/
def readFrom (depth : Nat) (number : Number → Except String Value) (size : Nat) (state : State) :
    List (Nat × Token) → Except Error Value
  | [] => match state.wants with
    | .done v => .ok v
    | _ => .error ("unexpected end", size)
  | (at', token) :: tokens => match step depth number state at' token with
    | .ok state => readFrom depth number size state tokens
    | .error e => .error e

/-- The JSON value of a text: objects are records, arrays lists, null is unit. Refused are a key given twice, a lone
surrogate, nesting deeper than `depth`, and what `number` refuses. -/
def read (depth : Nat) (number : Number → Except String Value) (text : String) : Except Error Value :=
  readFrom depth number text.length ⟨.value false, []⟩ (tokensFrom 0 0 [] text.toList)

end JsonPlain

end Shepherd
