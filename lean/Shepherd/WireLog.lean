import Shepherd.WireEvent

/-!
# Logs, scripts, verdicts and files in canonical form

What passes between two implementations of the core (`spec/contract.md`, "Logs, oracle scripts, verdicts";
`core/wire_log.py`).

    log     [{"run":id,"event":{…}}…]                         the events of a tree, in their order
    script  [{"run":id,"at":n,"answer":v,"files":[…]}…]       what the oracle says to `run` when it has n events
    verdict {"accepted":true,"followed":n} or
            {"accepted":false,"followed":n,"problem":text,"expected":{"run":id,"event":{…}}|null}
-/

namespace Shepherd

/-- What an oracle says to a run that has `at'` events: an outcome, and a change to the run's files. -/
structure Line where
  run : Id
  at' : Nat
  answer : Value
  files : Change
  deriving Repr, DecidableEq, Inhabited

/-- A finite oracle: each run and number of events once. -/
abbrev Script := List Line

namespace Wire

/-- The canonical form of an event of a log. -/
def entryToJson (x : Id × Event) : Json := .obj [("event", x.2.toJson), ("run", .str x.1.text)]

/-- The canonical form of a log. -/
def logToJson (log : Log) : Json := .arr (log.map entryToJson)

/-- The canonical text of a log. -/
def logText (log : Log) : String := (logToJson log).print

/-- The event of a log that a JSON value says. -/
def logEntry : Json → Except String (Id × Event)
  | .obj [("event", event), ("run", run)] => do return (← Id.ofJson run, ← Event.ofJson event)
  | _ => expected "an event of a log"

/-- The log that a JSON value says. -/
def log : Json → Except String Log
  | .arr items => each logEntry items []
  | _ => expected "a list"

/-- Where a line of a script belongs: the text of its run, and the number of events. -/
def place (l : Line) : String × Nat := (l.run.text, l.at')

/-- Whether one place comes before another: by the text of the run, then by the number of events. -/
def before (a b : String × Nat) : Bool := a.1 < b.1 || a.1 = b.1 && a.2 < b.2

/-- The lines of a script in the order of their places. -/
def sortScript (s : Script) : List ((String × Nat) × Line) :=
  (s.map fun l => (place l, l)).mergeSort fun a b => !before b.1 a.1

/-- The canonical form of a script, sorted by run and by number of events. -/
def scriptToJson (s : Script) : Json :=
  .arr ((sortScript s).map fun x => .obj [
    ("answer", x.2.answer.toJson), ("at", .int x.2.at'), ("files", changeToJson x.2.files), ("run", .str x.1.1)])

/-- The canonical text of a script. -/
def scriptText (s : Script) : String := (scriptToJson s).print

/-- The line of a script that a JSON value says. -/
def scriptLine : Json → Except String Line
  | .obj [("answer", said), ("at", n), ("files", files), ("run", run)] => do
    return { run := ← Id.ofJson run, at' := ← natural n, answer := ← answer said, files := ← change files }
  | _ => expected "a line of a script"

/-- Whether two neighbours are at the same place. -/
def twice : List ((String × Nat) × Line) → Bool
  | a :: b :: rest => a.1 = b.1 || twice (b :: rest)
  | _ => false

/-- The script that a JSON value says. Refused where a place is given twice. -/
def script : Json → Except String Script
  | .arr items => do
    let lines ← each scriptLine items []
    if twice (sortScript lines) then .error "the same run and number of events given twice"
    return lines
  | _ => expected "a list"

/-- The canonical text of a verdict: accepted where there is no `problem`. -/
def verdictText (followed : Nat) (problem : Option String) (expected : Option (Id × Event)) : String :=
  Json.print <| match problem with
    | none => .obj [("accepted", .bool true), ("followed", .int followed)]
    | some problem => .obj [
        ("accepted", .bool false),
        ("expected", match expected with | none => .null | some x => entryToJson x),
        ("followed", .int followed),
        ("problem", .str problem)]

/-! ## Files

Files are written as the change that makes them from nothing. -/

/-- The canonical form of files. -/
def filesToJson (fs : Files) : Json := changeToJson (fs.map fun x => (x.1, some x.2))

/-- The files that a JSON value says: those after a change to none. -/
def files (j : Json) : Except String Files := (change j).map (Files.apply [])

end Wire

end Shepherd
