import Shepherd.Run
import Shepherd.FileOps
import Shepherd.FilesHash

/-!
# The forest of runs

The state of the machine: all runs, who drives whom, the log. Runs stand in a flat list in the order of their birth; who is below
whom follows from their owners. A run is never removed.
-/

namespace Shepherd

/-- A run that is not there. -/
def Run.absent (id : Id) : Run :=
  { id, owner := none, givers := [], agent := "", args := [], code := .settled .discarded, files := [], base := [], grant := [],
    handles := [], trace := [], inbox := [], made := 0 }

/-! ## Lists of runs -/

namespace Runs

/-- The run of an id. -/
def find (rs : List Run) (id : Id) : Run :=
  match rs with
  | [] => Run.absent id
  | r :: rs => if r.id = id then r else find rs id

/-- Whether there is a run of that id. -/
def has (rs : List Run) (id : Id) : Bool := rs.any fun r => r.id == id

/-- The runs with `r` in place of the run of that id; a new run stands last. -/
def put (rs : List Run) (r : Run) : List Run :=
  match rs with
  | [] => [r]
  | x :: xs => if x.id = r.id then r :: xs else x :: put xs r

/-- The runs that `id` owns, oldest first. -/
def kids (rs : List Run) (id : Id) : List Id := (rs.filter fun r => r.owner == some id).map Run.id

/-- The runs strictly below some siblings, and these themselves: those further down first, younger before older. The order
matters: the commit of a run keeps how the runs below it then were, so they are dealt with before it. `n` bounds the depth. -/
def under (rs : List Run) : Nat → List Id → List Id
  | 0, _ => []
  | n + 1, siblings => siblings.reverse.flatMap fun k => under rs n (kids rs k) ++ [k]

/-- Whether `id` is strictly below `above`; `n` bounds how far up is looked. -/
def isBelow (rs : List Run) : Nat → Id → Id → Bool
  | 0, _, _ => false
  | n + 1, id, above => match (find rs id).owner with
    | none => false
    | some o => o == above || isBelow rs n o above

end Runs

/-- The whole tree of runs at one moment. `stack` is the active run and those that drive it, active first; it ends in the world.
`log` is append-only, newest first. `contents` gives what is known of the content of a file by its hash, and `written` the texts
that `file.write` put into files. -/
structure M where
  program : Program
  contents : String → Option Content
  runs : List Run
  stack : List Id
  log : List Commit
  used : Used
  written : List (String × String)

/-- What changes in a run when it records an event. -/
structure State where
  code : Code
  files : Files
  handles : List Id
  inbox : List Value

namespace M

/-- The run of an id. -/
def run (m : M) (id : Id) : Run := Runs.find m.runs id

/-- Whether there is a run of that id. -/
def has (m : M) (id : Id) : Bool := Runs.has m.runs id

/-- How long the log is. -/
def size (m : M) : Nat := match m.log with
  | [] => 0
  | c :: _ => c.seq + 1

/-- The last commit of the log, those of the outermost owner apart. -/
def lastInside (m : M) : Option Commit := m.log.find? fun c => c.run != .world

/-- The machine with `r` in place of the run of that id. -/
def put (m : M) (r : Run) : M := { m with runs := Runs.put m.runs r }

/-- The machine in which run `id` has other code. -/
def setCode (m : M) (id : Id) (code : Code) : M := m.put { m.run id with code }

/-- The machine in which run `id` has another table of handles. -/
def setHandles (m : M) (id : Id) (handles : List Id) : M := m.put { m.run id with handles }

/-- The runs that `id` owns, oldest first. -/
def kids (m : M) (id : Id) : List Id := Runs.kids m.runs id

/-- The runs strictly below `id`, those further down first. -/
def below (m : M) (id : Id) : List Id := Runs.under m.runs m.runs.length (m.kids id)

/-- The same, and `id` itself, last. -/
def family (m : M) (id : Id) : List Id := m.below id ++ [id]

/-- Whether `id` is strictly below `above`. -/
def isBelow (m : M) (id above : Id) : Bool := Runs.isBelow m.runs m.runs.length id above

/-- Whether `asker` owns `id` now. -/
def owns (m : M) (asker id : Id) : Bool := (m.run id).owner == some asker

/-- The machine in which `owner` owns run `id`. -/
def own (m : M) (id owner : Id) (givers : List Id) : M := m.put { m.run id with owner := some owner, givers }

/-- A run as it stands now, for a commit of a run above it. -/
def headOf (m : M) (id : Id) : Head :=
  let r := m.run id
  { id, owner := r.owner.getD .world, givers := r.givers, length := r.trace.size }

/-- What stands below run `id` when it records `event`. With its end, what it was lent goes back. -/
def headsAt (m : M) (id : Id) (event : Event) : List Head :=
  let kids := match event with
    | .ended .done _ | .ended .failed _ => (m.kids id).filter fun k => (m.run k).givers.isEmpty
    | _ => m.kids id
  (Runs.under m.runs m.runs.length kids).map m.headOf

/-- What of a run may change with an event, as it is now. -/
def state (m : M) (id : Id) : State :=
  let r := m.run id
  { code := r.code, files := r.files, handles := r.handles, inbox := r.inbox }

/-- The commit of `event` in run `id`, with the state after it. -/
def commitOf (m : M) (id : Id) (event : Event) (s : State) : Commit :=
  let r := m.run id
  { run := id, index := r.trace.size, seq := m.size, event, code := s.code.settle, files := s.files, handles := s.handles,
    inbox := s.inbox, made := r.made, heads := m.headsAt id event, used := m.used }

/-- Append `event` to the trace of run `id` and to the log, with the state after it. The only writer of traces. -/
def record (m : M) (id : Id) (event : Event) (s : State) : M :=
  let r := m.run id
  let c := m.commitOf id event s
  { m with
    runs := Runs.put m.runs
      { r with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := c :: r.trace }
    log := c :: m.log }

/-- `record` where only the code changes. -/
def recordCode (m : M) (id : Id) (event : Event) (code : Code) : M := m.record id event { m.state id with code }

end M

/-! ## What was below a run at an earlier event -/

/-- A run as it stood at a commit of a run above it: its trace then, who owned it and had lent it. `id` and the owners are
today's ids, `old` is its id of that time. -/
structure Then where
  id : Id
  old : Id
  owner : Id
  givers : List Id
  trace : Trace
  deriving Inhabited

namespace M

/-- Who has lent today, in run `id`, what `giver` had lent from above at commit `c` of its trace: the first who is there. A copy
inherits the commits of its original. Where its fork copied the giver too, the giver's copy has lent the copy; else the one who
made the fork has. -/
def lender (m : M) (id : Id) (c : Commit) (giver : Id) : Id :=
  ((Id.lenders c.run id giver).find? m.has).getD (Id.today c.run id giver)

/-- Those who have lent today, in run `id`, the run that stood below it as `h` at commit `c` of its trace, the last one first. -/
def giversToday (m : M) (id : Id) (c : Commit) (h : Head) : List Id :=
  let inside := c.run :: c.heads.map Head.id
  let near := (h.givers.filter inside.contains).map (Id.today c.run id)
  let far := (h.givers.filter fun g => !inside.contains g).map (m.lender id c)
  near ++ far.eraseDups

/-- What stood below run `id` at commit `c` of its trace, those further down first. A run may not be there under its id of
today: a copy inherits the commits of its original, but only those runs were copied that stood below it when it was forked. -/
def heads (m : M) (id : Id) (c : Commit) : List Then :=
  c.heads.map fun h =>
    { id := Id.today c.run id h.id, old := h.id, owner := Id.today c.run id h.owner, givers := m.giversToday id c h,
      trace := (m.run h.id).trace.upTo (h.length - 1) }

/-- The run that an id in a commit recorded by `recorder` means in the run `id`, which has it in its trace: at each fork, the copy
where the run was copied too, and else what it meant before. -/
def meant (m : M) (recorder : Id) : Id → Id → Id
  | .copy f old, other =>
    if Id.copy f old = recorder then other
    else
      let now := Id.copy f (Id.today recorder old other)
      let before := meant m recorder old other
      if m.has now then now else if m.has (.copy f before) then .copy f before else before
  | _, other => other

/-- The table of handles at commit `c` as it reads for run `id` today. -/
def handlesToday (m : M) (id : Id) (c : Commit) : List Id :=
  if c.run = id then c.handles else c.handles.map (m.meant c.run id)

end M

/-! ## Handles -/

/-- A table that holds `id`, and its index there. A run that is held already keeps its first index. -/
def hold (table : List Id) (id : Id) : List Id × Nat :=
  match table.findIdx? (· == id) with
  | some h => (table, h)
  | none => (table ++ [id], table.length)

/-- `hold` for each of some ids in turn. -/
def holdAll (table : List Id) : List Id → List Id × List Nat
  | [] => (table, [])
  | id :: ids =>
    let held := hold table id
    let rest := holdAll held.1 ids
    (rest.1, held.2 :: rest.2)

end Shepherd
