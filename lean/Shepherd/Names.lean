/-!
# Names of files

One text for every name, reversibly (`contract.md`, "Names of files"; `shepherd_dsl/core/names.py`). Three spellings of
a name, each a function of the others:

    text    what a program sees; a byte that is not UTF-8 stands as U+EF00 + byte
    os      the bytes of the file system
    git     the bytes in a Git tree: those of `os`, but a name that Git would refuse or read is written with `%XX`
-/

namespace Shepherd

namespace Names

/-- Most bytes of a path. -/
def maxPath : Nat := 4096
/-- Most bytes of one component of a path. -/
def maxName : Nat := 255

/-- Whether a character stands for a byte: U+EF80 to U+EFFF. -/
def isRaw (c : Char) : Bool := 0xEF80 ≤ c.toNat && c.toNat ≤ 0xEFFF

/-- The character that stands for a byte that is not ASCII. -/
def rawChar (b : UInt8) : Char := Char.ofNat (0xEF00 + b.toNat)

/-- The bytes for one character: its UTF-8, or the byte for which it stands. -/
def charBytes (c : Char) : List UInt8 :=
  if isRaw c then [UInt8.ofNat (c.toNat - 0xEF00)] else String.utf8EncodeChar c

/-- The parts of `text` between the characters `sep`; one more than there are such characters. -/
def split (sep : Char) (text : List Char) : List (List Char) := go [] [] text
where
  /-- `word` and `found` are reversed. -/
  go (word : List Char) (found : List (List Char)) : List Char → List (List Char)
    | [] => (word.reverse :: found).reverse
    | c :: cs => if c == sep then go [] (word.reverse :: found) cs else go (c :: word) found cs

/-- What a byte of UTF-8 that is not the first one of a character says. -/
def tail (b : UInt8) : Nat := b.toNat % 64

/-- The number that the first bytes write, were they the UTF-8 of a character. -/
def headCode : List UInt8 → Nat
  | a :: rest =>
    if a < 0x80 then a.toNat
    else if a < 0xE0 then match rest with
      | b :: _ => a.toNat % 32 * 64 + tail b
      | _ => 0
    else if a < 0xF0 then match rest with
      | b :: c :: _ => (a.toNat % 16 * 64 + tail b) * 64 + tail c
      | _ => 0
    else match rest with
      | b :: c :: d :: _ => ((a.toNat % 8 * 64 + tail b) * 64 + tail c) * 64 + tail d
      | _ => 0
  | [] => 0

/-- The character whose UTF-8 the bytes begin with. -/
def headChar (bytes : List UInt8) : Option Char :=
  let c := Char.ofNat (headCode bytes)
  if (String.utf8EncodeChar c).isPrefixOf bytes then some c else none

end Names

open Names

/-- The bytes of the file system for a path or a component. -/
def osName (text : String) : List UInt8 := text.toList.flatMap charBytes

/-- The text for bytes of the file system, a path or a component. Total, and `osName` undoes it.

Bytes that are not the UTF-8 of a character, and those of a character that stands for a byte, are written one by one. -/
def pathOfOs (bytes : List UInt8) : String := String.ofList (go 0 [] bytes)
where
  /-- `skip` bytes are those of the character last found; `out` is reversed. -/
  go (skip : Nat) (out : List Char) : List UInt8 → List Char
    | [] => out.reverse
    | b :: rest => match skip with
      | skip + 1 => go skip out rest
      | 0 => match headChar (b :: rest) with
        | some c =>
          if isRaw c then go (c.utf8Size - 1) (((String.utf8EncodeChar c).map rawChar).reverse ++ out) rest
          else go (c.utf8Size - 1) (c :: out) rest
        | none => go 0 (rawChar b :: out) rest

namespace Names

/-- Whether a component may stand in a normal path: not empty, not `.` or `..`, and not too long. -/
def isNormalName (name : List Char) : Bool :=
  !name.isEmpty && name != ['.'] && name != ['.', '.'] && (name.flatMap charBytes).length ≤ maxName

end Names

/-- Whether `text` is a normal relative path.

Not normal: the empty text, an absolute path, an empty, `.` or `..` component, NUL, more than 4096 bytes or a component
of more than 255, and a second spelling of a name (U+EFC3 U+EFA9 names what `é` names). -/
def isNormalPath (text : String) : Bool :=
  let chars := text.toList
  text.length ≤ maxPath && !chars.contains '\x00' && (osName text).length ≤ maxPath
    && (split '/' chars).all isNormalName && pathOfOs (osName text) == text

/-- `text` where it is a normal relative path. -/
def normalPath (text : String) : Option String := if isNormalPath text then some text else none

namespace Names

/-- What HFS+ ignores inside a name, so that `.g<U+200C>it` is `.git` there: `git fsck` refuses it. -/
def isIgnored (c : Char) : Bool :=
  let n := c.toNat
  (0x200C ≤ n && n ≤ 0x200F) || (0x202A ≤ n && n ≤ 0x202E) || (0x206A ≤ n && n ≤ 0x206F) || n == 0xFEFF

/-- The lower case of a character, as far as it can be ASCII: of all other letters only U+212A has such a one, `k`. -/
def lower (c : Char) : Char := if c.toNat == 0x212A then 'k' else c.toLower

/-- What follows `start` in `text`. -/
def after (start : String) (text : List Char) : Option (List Char) :=
  if start.toList.isPrefixOf text then some (text.drop start.length) else none

/-- `.git`, `.gitmodules` or `.gitattributes`, with the trailing spaces, periods and streams of NTFS. -/
def isGitFile (part : List Char) : Bool :=
  match after ".git" part with
  | none => false
  | some rest =>
    let rest := ((after "modules" rest).orElse fun _ => after "attributes" rest).getD rest
    match rest.dropWhile fun c => c == ' ' || c == '.' with
    | [] => true
    | c :: _ => c == ':'

/-- `text` without at most `n` letters and digits at its beginning. -/
def dropWord : (n : Nat) → (text : List Char) → List Char
  | n + 1, c :: cs => if c.isDigit || c.isLower then dropWord n cs else c :: cs
  | _, cs => cs

/-- A short name that NTFS may give `.git` and its like: `~1`, `git~1`, `gi7eba~1`. -/
def isShortName (part : List Char) : Bool :=
  let rest := match part with
    | 'g' :: cs => dropWord 5 cs
    | cs => cs
  match rest with
  | '~' :: c :: _ => c.isDigit
  | _ => false

/-- Whether Git refuses a component, reads it, or could take it for one written with `%XX`. Wider than Git's own rule,
and fixed for good: hashes depend on it. -/
def isTaken (component : String) : Bool :=
  match component.toList with
  | '%' :: _ => true
  | chars =>
    let plain := (chars.filter fun c => !isIgnored c).map lower
    (split '\\' plain).any fun part => isGitFile part || isShortName part

/-- The ASCII byte of an upper-case hexadecimal digit. -/
def hexDigit (n : Nat) : UInt8 := UInt8.ofNat (if n < 10 then 48 + n else 55 + n)

/-- A byte as `%XX`. -/
def percent (b : UInt8) : List UInt8 := [0x25, hexDigit (b.toNat / 16), hexDigit (b.toNat % 16)]

end Names

/-- The bytes of one component in a Git tree.

A component that begins with `%` or that Git refuses or reads has its first byte and every `%` and backslash written
`%XX` (Git takes a backslash for a separator when it looks for `.git`). -/
def gitName (component : String) : List UInt8 :=
  match isTaken component, osName component with
  | true, b :: rest => percent b ++ rest.flatMap fun c => if c == 0x25 || c == 0x5C then percent c else [c]
  | _, raw => raw

end Shepherd
