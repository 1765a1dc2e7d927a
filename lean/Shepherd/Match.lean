import Shepherd.Names

/-!
# Globs

Over texts, paths and commands, as grants and the primitives `match_…` use them (`contract.md`, "Globs";
`shepherd_dsl/core/match.py`).

- Text: `*` any characters, none too; `?` one character; everything else is itself.
- Path: component by component; within one, as for a text. A component `**` is any number of components, none too, but
  as the last one it is at least one. Only a normal path matches.
- Words: the text and the glob are split into words as a command is; each word of the glob matches one word, as for a
  text, but a last word `*` matches any further words, none too. Quoted or escaped, `*` and `?` stand for themselves in
  the glob. A text or a glob with an open quote matches nothing.
-/

namespace Shepherd

namespace Match

/-- A part of a glob over things of type `α` (characters, components): any number of them, or one that fits. -/
inductive Part (α : Type) where
  | many
  | one (fits : α → Bool)

/-- Whether `p` holds of a suffix of a list, the list itself and the empty one among them. -/
def anySuffix {α : Type} (p : List α → Bool) : List α → Bool
  | [] => p []
  | x :: xs => p (x :: xs) || anySuffix p xs

/-- Whether the whole of a list matches a glob. This is what globs mean; `matchesFast` computes it. -/
def «matches» {α : Type} : (glob : List (Part α)) → (text : List α) → Bool
  | [], text => text.isEmpty
  | .many :: glob, text => anySuffix («matches» glob) text
  | .one _ :: _, [] => false
  | .one fits :: glob, x :: text => fits x && «matches» glob text

/-! ## The same without backtracking

The first place where what stands between two stars fits is always a right choice. So a star that finds nothing in the
rest of the text says to those before it that they need not try again. -/

/-- Whether a list matches, and if not, whether none of its suffixes does. -/
inductive Found where
  | yes
  | no
  | never
  deriving DecidableEq

/-- The first answer along the suffixes of a list that is not `no`. -/
def firstSuffix {α : Type} (find : List α → Found) : List α → Found
  | [] => match find [] with
    | .no => .never
    | found => found
  | x :: xs => match find (x :: xs) with
    | .no => firstSuffix find xs
    | found => found

/-- Whether a list matches a glob. -/
def search {α : Type} : (glob : List (Part α)) → (text : List α) → Found
  | [], text => if text.isEmpty then .yes else .no
  | .many :: glob, text => firstSuffix (search glob) text
  | .one _ :: _, [] => .never
  | .one fits :: glob, x :: text => if fits x then search glob text else .no

/-- Whether the whole of a list matches a glob, in time O(text × glob). -/
def matchesFast {α : Type} (glob : List (Part α)) (text : List α) : Bool := search glob text == .yes

/-- What `search` says of a list is so: `found` is right for `p` and `text`. -/
def Right {α : Type} (p : List α → Bool) (text : List α) : Found → Prop
  | .yes => p text = true
  | .no => p text = false
  | .never => anySuffix p text = false

theorem anySuffix_self {α : Type} {p : List α → Bool} {text : List α} (h : anySuffix p text = false) :
    p text = false := by
  cases text with
  | nil => exact h
  | cons x xs => simp [anySuffix] at h; exact h.1

theorem anySuffix_idem {α : Type} (p : List α → Bool) (text : List α) :
    anySuffix (anySuffix p) text = anySuffix p text := by
  induction text with
  | nil => rfl
  | cons x xs ih => simp [anySuffix, ih]

theorem firstSuffix_right {α : Type} (p : List α → Bool) (find : List α → Found)
    (h : ∀ text, Right p text (find text)) (text : List α) :
    Right (anySuffix p) text (firstSuffix find text) := by
  induction text with
  | nil =>
    have := h []
    unfold firstSuffix
    cases e : find [] <;> simp_all [Right, anySuffix]
  | cons x xs ih =>
    have := h (x :: xs)
    unfold firstSuffix
    cases e : find (x :: xs) with
    | yes => simp_all [Right, anySuffix]
    | never => rw [e] at this; simp only [Right] at this ⊢; rw [anySuffix_idem]; exact this
    | no =>
      rw [e] at this
      simp only [Right] at this
      cases e' : firstSuffix find xs <;> rw [e'] at ih <;> simp_all [Right, anySuffix, anySuffix_idem]

theorem search_right {α : Type} (glob : List (Part α)) :
    ∀ text, Right («matches» glob) text (search glob text) := by
  induction glob with
  | nil => intro text; cases text <;> simp [search, Right, «matches»]
  | cons part glob ih =>
    cases part with
    | many => exact firstSuffix_right _ _ ih
    | one fits =>
      intro text
      cases text with
      | nil => simp [search, Right, anySuffix, «matches»]
      | cons x xs =>
        have := ih xs
        unfold search
        cases hf : fits x with
        | false => simp [Right, «matches», hf]
        | true =>
          cases e : search glob xs <;> rw [e] at this <;> simp only [Right] at this <;>
            simp [Right, «matches», hf, this, anySuffix]
          · exact ⟨anySuffix_self this, anySuffix_one fits glob xs this⟩
where
  /-- A list none of whose suffixes matches has none that matches with one thing before it. -/
  anySuffix_one {α : Type} (fits : α → Bool) (glob : List (Part α)) (xs : List α)
      (h : anySuffix («matches» glob) xs = false) : anySuffix («matches» (.one fits :: glob)) xs = false := by
    induction xs with
    | nil => rfl
    | cons x xs ih =>
      simp only [anySuffix, Bool.or_eq_false_iff] at h
      simp [anySuffix, «matches», ih h.2, anySuffix_self h.2]

/-- The compiler takes the fast way. -/
@[csimp] theorem matches_eq_fast : @«matches» = @matchesFast := by
  funext α glob text
  have := search_right glob text
  unfold matchesFast
  cases e : search glob text <;> rw [e] at this <;> simp only [Right] at this
  · simp [this]
  · rw [this]; rfl
  · rw [anySuffix_self this]; rfl

end Match

open Match

/-! ## Texts -/

/-- A character of a glob, and whether it may be a wildcard: whether it stood unquoted and unescaped. -/
abbrev Symbol := Char × Bool

namespace Match

/-- What a character of a glob matches. -/
def symbolPart : Symbol → Part Char
  | ('*', true) => .many
  | ('?', true) => .one fun _ => true
  | (c, _) => .one (· == c)

/-- Whether the whole of `text` matches a glob of symbols. -/
def matchSymbols (text : String) (glob : List Symbol) : Bool := «matches» (glob.map symbolPart) text.toList

end Match

/-- Whether the whole of `text` matches the text glob. -/
def matchText (text glob : String) : Bool := matchSymbols text (glob.toList.map (·, true))

/-! ## Paths -/

namespace Match

/-- What a component of a path glob matches; `**` is any number of components, but as the last one at least one. -/
def pathParts : List String → List (Part String)
  | [] => []
  | ["**"] => [.many, .one fun _ => true]
  | "**" :: rest => .many :: pathParts rest
  | part :: rest => .one (matchText · part) :: pathParts rest

/-- The components of a path or a path glob. -/
def components (path : String) : List String := (Names.split '/' path.toList).map String.ofList

end Match

/-- Whether `path` is a normal path that matches the path glob. -/
def matchPath (path glob : String) : Bool :=
  isNormalPath path && «matches» (pathParts (components glob)) (components path)

/-! ## Words -/

namespace Match

/-- Where in a command its next character stands. -/
inductive Quoting where
  | bare
  | single
  | double

/-- The words of a command from a place on; `word` (if one has begun) and `found` are reversed. -/
def splitFrom (quoting : Quoting) (word : Option (List Symbol)) (found : List (List Symbol)) :
    List Char → Option (List (List Symbol))
  | [] => match quoting with
    | .bare => some (close word found).reverse
    | _ => none
  | c :: cs => match quoting with
    | .single =>
      if c == '\'' then splitFrom .bare word found cs else splitFrom .single (push word c false) found cs
    | .double =>
      if c == '"' then splitFrom .bare word found cs
      else if c == '\\' then match cs with
        | d :: cs' =>
          if d == '"' || d == '\\' then splitFrom .double (push word d false) found cs'
          else splitFrom .double (push word c false) found (d :: cs')
        | [] => none
      else splitFrom .double (push word c false) found cs
    | .bare =>
      if c == ' ' || c == '\t' || c == '\r' || c == '\n' then splitFrom .bare none (close word found) cs
      else if c == '\'' then splitFrom .single (begun word) found cs
      else if c == '"' then splitFrom .double (begun word) found cs
      else if c == '\\' then match cs with
        | d :: cs' => splitFrom .bare (push word d false) found cs'
        | [] => none
      else splitFrom .bare (push word c true) found cs
where
  /-- The word that has begun, or an empty one. -/
  begun (word : Option (List Symbol)) : Option (List Symbol) := some (word.getD [])
  /-- The word with one more character. -/
  push (word : Option (List Symbol)) (c : Char) (bare : Bool) : Option (List Symbol) :=
    some ((c, bare) :: word.getD [])
  /-- The words found with the one that ends here, if one has begun. -/
  close (word : Option (List Symbol)) (found : List (List Symbol)) : List (List Symbol) :=
    match word with
    | none => found
    | some symbols => symbols.reverse :: found

end Match

/-- The words of a command, each character with whether it stood unquoted and unescaped; `none` where a quote is open
or a last backslash escapes nothing.

Words are separated by spaces, tabs and line ends. `'…'` is literal; within `"…"` a backslash escapes `"` and itself and
is otherwise literal; outside it escapes the next character. `''` is an empty word. -/
def splitWords (text : String) : Option (List (List Symbol)) := splitFrom .bare none [] text.toList

/-- The words of a command, quotes resolved. -/
def words (text : String) : Option (List String) :=
  (splitWords text).map fun found => found.map fun word => String.ofList (word.map Prod.fst)

namespace Match

/-- Whether words match the globs of a words glob, one each; a last glob `*` is any further words. -/
def wordsMatch : (globs : List (List Symbol)) → (found : List String) → Bool
  | [], found => found.isEmpty
  | [[('*', true)]], _ => true
  | _ :: _, [] => false
  | glob :: globs, word :: found => matchSymbols word glob && wordsMatch globs found

end Match

/-- Whether a command, already split into words, matches the words glob. -/
def matchWordList (command : List String) (glob : String) : Bool :=
  match splitWords glob with
  | none => false
  | some globs => wordsMatch globs command

/-- Whether a command matches the words glob. -/
def matchWords (command glob : String) : Bool :=
  match words command with
  | none => false
  | some found => matchWordList found glob

end Shepherd
