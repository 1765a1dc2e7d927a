import Shepherd.Files
import Shepherd.Json
import Shepherd.Names
import Shepherd.Sha1

/-!
# The hash of files

The Git hash of the state tree `{"files": tree, "manifest.json": manifest}`, each where it is not empty: what the event `start`
records (`spec/contract.md`, "Names of files"; `core/folder.py`). The manifest holds what a Git tree cannot: empty folders,
and full modes.
-/

namespace Shepherd

namespace Files

/-- The mode of a symbolic link. -/
def link : Nat := 0o120000
/-- The usual mode of a file in a Git tree. -/
def plain : Nat := 0o100644
/-- The usual mode of a file that its owner may execute. -/
def executable : Nat := 0o100755

/-- The mode of an entry in a Git tree: a file is executable there when its owner may execute it. -/
def gitMode (mode : Nat) : Nat :=
  if mode = link then link else if mode / 64 % 2 = 1 then executable else plain

/-! ## The Git tree -/

/-- Entries below a folder, each with the components of its path from there. -/
abbrev Inside := List (List String × Entry)

/-- One more entry in front of what was grouped by first component. -/
def group (x : List String × Entry) (groups : List (String × Inside)) : List (String × Inside) :=
  match x.1 with
  | [] => groups
  | name :: path => match groups with
    | [] => [(name, [(path, x.2)])]
    | (other, inside) :: rest =>
      if other = name then (name, (path, x.2) :: inside) :: rest else (name, [(path, x.2)]) :: groups

/-- One line of a Git tree: by what Git sorts it, and its bytes. A folder sorts as its name and `/`. -/
def treeLine (name : String) (mode : String) (hash : List UInt8) (isFolder : Bool) : List UInt8 × List UInt8 :=
  let raw := gitName name
  (if isFolder then raw ++ [47] else raw, utf8 (mode ++ " ") ++ raw ++ 0 :: hash)

/-- Whether some bytes sort before others, or are equal. -/
def notAfter : List UInt8 → List UInt8 → Bool
  | [], _ => true
  | _ :: _, [] => false
  | a :: as, b :: bs => a < b || a == b && notAfter as bs

/-- The hash of the Git tree of what lies inside a folder; none where the tree would be empty. Folders nest less than `fuel`
deep. -/
def tree : (fuel : Nat) → Inside → Option (List UInt8)
  | 0, _ => none
  | fuel + 1, inside =>
    let lines := (inside.foldr group []).filterMap fun x => match x.2 with
      | [([], e)] =>
        if e = Entry.emptyFolder then none
        else some (treeLine x.1 (octalText (gitMode e.mode)) (hexBytes e.hash) false)
      | inside => (tree fuel inside).map fun hash => treeLine x.1 "40000" hash true
    match lines.mergeSort fun a b => notAfter a.1 b.1 with
    | [] => none
    | lines => some (gitHashBytes "tree" (lines.flatMap Prod.snd))

/-- The hash of the Git tree of some files; none where it would be empty. -/
def gitTree (fs : Files) : Option (List UInt8) :=
  let inside := fs.map fun x => (x.1.splitOn "/", x.2)
  tree (1 + inside.foldl (fun most x => max most x.1.length) 0) inside

/-! ## The manifest -/

/-- The modes of the regular files that are `kind` in the Git tree. -/
def modesOf (fs : Files) (kind : Nat) : List Nat :=
  fs.filterMap fun x =>
    if x.2.mode ≠ link ∧ x.2.mode ≠ Entry.emptyFolder.mode ∧ gitMode x.2.mode = kind then some x.2.mode else none

/-- The commonest of some modes; in a tie `kind`, then the least. `kind` where there are none. -/
def usualMode (kind : Nat) (modes : List Nat) : Nat :=
  modes.eraseDups.foldl (fun best mode =>
    let n := modes.count best
    let m := modes.count mode
    if n < m ∨ n = m ∧ best ≠ kind ∧ (mode = kind ∨ mode < best) then mode else best) kind

/-- What a Git tree cannot hold, as canonical text; empty where there is nothing. `empty` lists the empty folders, `plain` and
`exec` are the usual full modes of the files that are 100644 and 100755 in the Git tree, `modes` lists those with another. -/
def manifest (fs : Files) : String :=
  let usual := usualMode plain (modesOf fs plain)
  let usualExec := usualMode executable (modesOf fs executable)
  let holes := fs.filter fun x => x.2 = Entry.emptyFolder
  let odd := fs.filter fun x =>
    x.2 ≠ Entry.emptyFolder && x.2.mode ≠ link && x.2.mode ≠ usual && x.2.mode ≠ usualExec
  let parts :=
    (if holes.isEmpty then [] else [("empty", Json.arr (holes.map fun x => .str x.1))])
    ++ (if usualExec = executable then [] else [("exec", Json.str (octalText usualExec))])
    ++ (if odd.isEmpty then [] else [("modes", Json.obj (odd.map fun x => (x.1, .str (octalText x.2.mode))))])
    ++ (if usual = plain then [] else [("plain", Json.str (octalText usual))])
  if parts.isEmpty then "" else (Json.obj parts).print

/-- The Git hash of some files, 40 hexadecimal digits. -/
def hash (fs : Files) : String :=
  let files := match gitTree fs with
    | none => []
    | some tree => utf8 "40000 files" ++ 0 :: tree
  let manifest := match fs.manifest with
    | "" => []
    | text => utf8 "100644 manifest.json" ++ 0 :: gitHashBytes "blob" (utf8 text)
  gitHash "tree" (files ++ manifest)

end Files

end Shepherd
