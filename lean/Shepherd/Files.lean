import Shepherd.Event

/-!
# Files

A run's files: a map from paths to entries. A folder that holds something is no entry, so the map alone says everything.

Here the map is a list, strictly sorted by path (by code point), in which no path stands below another (`Files.wf`). The
Python core keeps the same map as a tree of folders that share what did not change; what is said here of paths is what that
tree does on normal paths (`spec/contract.md`, "Names of files").
-/

namespace Shepherd

/-- What stands at which path, strictly sorted by path; nothing stands below an entry. -/
abbrev Files := List (String × Entry)

/-- The entry of a folder that holds nothing. -/
def Entry.emptyFolder : Entry := ⟨0o040000, ""⟩

/-- A mode in octal digits. -/
def octalText (mode : Nat) : String := digits (mode + 1) mode
where
  /-- At most `fuel` digits. -/
  digits : (fuel mode : Nat) → String
    | 0, _ => ""
    | fuel + 1, mode => (if mode < 8 then "" else digits fuel (mode / 8)).push (Nat.digitChar (mode % 8))

/-- Whether the path `path` lies below the path `above`: `a/b` lies below `a`. -/
def liesBelow (above path : String) : Bool := (above.toList ++ ['/']).isPrefixOf path.toList

namespace Files

/-- No files. -/
def empty : Files := []

/-- The paths of some files, in order. -/
def paths (fs : Files) : List String := fs.map Prod.fst

/-- Whether some paths are strictly sorted by code point. -/
def sorted : List String → Bool
  | a :: b :: rest => a < b && sorted (b :: rest)
  | _ => true

/-- Whether `fs` says what files can be: paths strictly sorted, and nothing below another entry. -/
def wf (fs : Files) : Prop :=
  fs.paths.Pairwise (· < ·) ∧ fs.paths.Pairwise fun p q => liesBelow p q = false

/-- The entry at a path; `none` where there is nothing or a folder that holds something. -/
def get (fs : Files) (path : String) : Option Entry := fs.lookup path

/-- What lies below a folder, paths in full, in order. The empty text names the top. -/
def under (fs : Files) (folder : String) : Files :=
  if folder = "" then fs else fs.filter fun x => liesBelow folder x.1

/-- Whether a path is a folder, empty or not. The empty text names the top, which is one. -/
def isFolder (fs : Files) (path : String) : Bool :=
  path = "" || fs.get path = some Entry.emptyFolder || fs.any fun x => liesBelow path x.1

/-! ## Changes -/

/-- `entry` at `path`, in the place of what stood there; everything else stays. -/
def insert (path : String) (entry : Entry) : Files → Files
  | [] => [(path, entry)]
  | (p, e) :: fs =>
    if path < p then (path, entry) :: (p, e) :: fs
    else if path = p then (path, entry) :: fs
    else (p, e) :: insert path entry fs

/-- `entry` at `path`, displacing what stands in its way: what is there, above it or below it. An empty folder's entry means
nothing where a folder is already. -/
def put (fs : Files) (path : String) (entry : Entry) : Files :=
  if entry = Entry.emptyFolder ∧ fs.isFolder path then fs
  else insert path entry (fs.filter fun x => !liesBelow path x.1 && !liesBelow x.1 path)

/-- The files without what stands at the paths that `ch` removes. What lies below such a path stays. -/
def removeAll (fs : Files) (ch : Change) : Files := fs.filter fun x => ch.lookup x.1 != some none

/-- The files with the entries that `ch` puts, one after the other. -/
def putAll (fs : Files) (ch : Change) : Files :=
  ch.foldl (fun fs x => match x.2 with | none => fs | some entry => fs.put x.1 entry) fs

/-- The files after a change: first what it removes goes (a folder whose last file goes, goes too), then its entries are put
in the order of their paths. -/
def apply (fs : Files) (ch : Change) : Files := (fs.removeAll ch).putAll ch

/-- The change that turns `a` into `b`: each path at which they differ, with what `b` has there. -/
def diff : (a b : Files) → Change
  | [], b => b.map fun x => (x.1, some x.2)
  | a, [] => a.map fun x => (x.1, none)
  | (p, e) :: a, (q, f) :: b =>
    if p < q then (p, none) :: diff a ((q, f) :: b)
    else if q < p then (q, some f) :: diff ((p, e) :: a) b
    else if e = f then diff a b
    else (p, some f) :: diff a b
termination_by a b => a.length + b.length

/-! ## Merging -/

/-- What `theirs` changed against `base` and `ours` did not change alike. -/
def news (base ours theirs : Files) : Change :=
  let mine := diff base ours
  (diff base theirs).filter fun x => mine.lookup x.1 != some x.2

/-- The paths that get in each other's way where `entry` is put at `path` into `kept`: `path` itself and the files above it,
or, unless an empty folder is put, what lies below it. None where nothing does. -/
def clash (kept : Files) (path : String) (entry : Entry) : List String :=
  let above := kept.filter fun x => liesBelow x.1 path && x.2 != Entry.emptyFolder
  let below := if entry = Entry.emptyFolder then [] else kept.under path
  match above ++ below with
  | [] => []
  | others => path :: paths others

/-- Paths in order, each once. -/
def sortPaths (ps : List String) : List String :=
  ps.foldr insertPath []
where
  /-- `p` in its place, unless it is there already. -/
  insertPath (p : String) : List String → List String
    | [] => [p]
    | q :: ps => if p < q then p :: q :: ps else if p = q then q :: ps else q :: insertPath p ps

/-- The paths at which a merge fails, sorted: those that both sides changed, not alike; and a file of one side together with
what the other newly put below it. -/
def conflicts (base ours theirs : Files) : List String :=
  let mine := diff base ours
  let new := news base ours theirs
  let both := fun (path : String) => (mine.lookup path).isSome
  let kept := ours.removeAll (new.filter fun x => !both x.1)
  sortPaths (new.flatMap fun x =>
    if both x.1 then [x.1]
    else match x.2 with
      | none => []
      | some entry => clash kept x.1 entry)

/-- Three-way merge, path by path: a path that only one side changed, or both changed alike, gets that change. Where there
are conflicts, nothing is merged, and these are the paths. -/
def merge (base ours theirs : Files) : Except (List String) Files :=
  match conflicts base ours theirs with
  | [] => .ok (ours.apply (news base ours theirs))
  | ps => .error ps

end Files

end Shepherd
