import Shepherd.Check
import Shepherd.WireLog
import Shepherd.WireProgram

/-!
# The reference interpreter

One JSON object a line in, one a line out, in canonical text. A request that makes no sense is answered `{"error":text}`; nothing
ends the program but the end of its input.

    {"do":"run",     "program":P,"contents":C,"files":F,"agent":a,"args":[v…],"grant":request,"script":S,"acts":A}
    {"do":"replay",  "program":P,"contents":C,"files":F,"log":L}
    {"do":"check",   …the same…}
    {"do":"diverge", …the same; P is the other program…}
    {"do":"fork",    …the same…,"script":S,"acts":A}                the tree forked from outside after the last event of L
    {"do":"revert",  …the same…,"script":S,"acts":A,"to":k}         the root run taken back to its event k

`C` gives what is known of contents by their hashes: a text, or the number of bytes of what is none. `F` are files, written as the
change that makes them from nothing. `S` is an oracle script. `A` lists what the outside does of its own, each right after the log
has the length `after`: `{"after":n,"op":op,"args":[v…]}` or `{"after":n,"fork":true}`. `"rules":true` asks for how often each rule
was used.

`run`, `fork` and `revert` go on until the script has no answer, or the root run has ended, and answer
`{"log":L,"runs":[…],"stop":"waits"|"ended"|"more"}`; `replay` answers `{"runs":[…]}`, `check` and `diverge` a verdict.
-/

namespace Shepherd.Shepref

open Shepherd

/-! ## Reading requests -/

/-- A field of a request. -/
def field (fs : List (String × Json)) (name : String) : Except String Json :=
  match fs.lookup name with
  | some j => .ok j
  | none => .error s!"the request has no `{name}`"

/-- What is known of one content. -/
def contentOf : Json → Except String Content
  | .str s => .ok (.text s)
  | .int (.ofNat n) => .ok (.bytes n)
  | _ => .error "a content is a text, or the number of bytes of what is none"

/-- What is known of contents by their hashes. -/
def contentsOf : Json → Except String (List (String × Content))
  | .obj fs => fs.mapM fun p => do return (p.1, ← contentOf p.2)
  | _ => .error "`contents` is an object"

/-- What the outside does of its own, right after the log has a certain length. -/
inductive Act where
  | ask (op : String) (args : List Value)
  | fork

/-- One of `acts`. -/
def actOf : Json → Except String (Nat × Act)
  | .obj [("after", .int (.ofNat n)), ("fork", .bool true)] => .ok (n, .fork)
  | .obj [("after", .int (.ofNat n)), ("args", args), ("op", .str op)] => do return (n, .ask op (← Wire.values args))
  | _ => .error "an act is {\"after\",\"op\",\"args\"} or {\"after\",\"fork\":true}"

/-- An optional list. -/
def listOf {α : Type} (fs : List (String × Json)) (name : String) (read : Json → Except String α) : Except String (List α) :=
  match fs.lookup name with
  | none => .ok []
  | some (.arr js) => js.mapM read
  | some _ => .error s!"`{name}` is a list"

/-- A request, as far as all kinds share it. -/
structure Request where
  fields : List (String × Json)
  program : Program
  contents : List (String × Content)
  files : Files
  script : Script
  acts : List (Nat × Act)
  rules : Bool

/-- Programs that were given before, by the names that they were given; the newest first. -/
abbrev Kept := List (String × Program)

/-- How many programs are kept. -/
def mostKept : Nat := 64

/-- The program of a request: given, or kept. -/
def programOf (kept : Kept) : Json → Except String Program
  | .str name => match kept.lookup name with
    | some P => .ok P
    | none => .error s!"no program `{name}` is kept"
  | j => Program.ofJson j

/-- The parts of a request that all kinds share. -/
def requestOf (kept : Kept) (fs : List (String × Json)) : Except String Request := do
  let program ← programOf kept (← field fs "program")
  let contents ← match fs.lookup "contents" with
    | none => .ok []
    | some j => contentsOf j
  let files ← Wire.files (← field fs "files")
  let script ← match fs.lookup "script" with
    | none => .ok []
    | some j => Wire.script j
  let acts ← listOf fs "acts" actOf
  return { fields := fs, program, contents, files, script, acts, rules := match fs.lookup "rules" with | some (.bool b) => b | _ => false }

/-- What is known of contents, as the machine asks for it. -/
def Request.known (r : Request) : String → Option Content := fun hash => r.contents.lookup hash

/-! ## Printing answers -/

/-- The name of the code of a run. -/
def codeName : Code → String
  | .settled (.running ..) => "running"
  | .settled (.waiting _) => "waiting"
  | .settled (.done _) => "done"
  | .settled (.failed _) => "failed"
  | .settled .discarded => "discarded"
  | .passing .. => "passing"
  | .driving .. => "driving"
  | .undoing .. => "undoing"

/-- A run, as far as both sides are compared. -/
def runToJson (r : Run) : Json :=
  .obj [("base", Wire.filesToJson r.base), ("code", .str (codeName r.code)), ("files", Wire.filesToJson r.files),
    ("givers", .arr (r.givers.map fun g => .str g.text)), ("handles", .arr (r.handles.map fun h => .str h.text)),
    ("id", .str r.id.text), ("inbox", .arr (r.inbox.map Value.toJson)), ("made", .int r.made),
    ("owner", match r.owner with | none => .null | some o => .str o.text)]

/-- All runs, the oldest first. -/
def runsToJson (m : M) : Json := .arr (m.runs.map runToJson)

/-! ## Which rules were used -/

/-- The rule that the next step of a tree uses. -/
def ruleOf (m : M) : String :=
  match m.stack with
  | [] => "none"
  | id :: rest =>
    let stop := match rest with
      | owner :: _ => if owner == .world then "stop at the outermost level" else "stop shown to its owner"
      | [] => "stop of the world"
    match (m.run id).code with
    | .settled (.running c _ K n) =>
      if m.program.steps < n + 1 then "local steps used up"
      else match c, K with
        | .ret _, [] => "return with no frame left"
        | .ret _, _ => "return into a frame"
        | .let .., _ => "let"
        | .ite .., _ => "if"
        | .call .., _ => "call"
        | .op .., _ => "do"
    | .settled (.waiting w) => if isMachineOp w.op then w.op else stop
    | .undoing u _ => if u.raised then stop else if u.todo.isEmpty then "unwinding done" else "undo raised"
    | _ => stop

/-- What the newest commit says of the rule that recorded it. -/
def eventRule (c : Commit) : String :=
  match c.event with
  | .start .. => "start"
  | .intent .. => "intent"
  | .denied .. => "denied"
  | .injected _ => "injected"
  | .forked .. => "forked"
  | .undo .. => "undo"
  | .reverted _ => "reverted"
  | .ended kind _ => s!"end {kind.text}"
  | .outcome answer _ by' => match answer with
    | .con "Err" [.record [("code", .text code), _]] => s!"outcome Err {code} by {by'.text}"
    | .con name _ => s!"outcome {name} by {by'.text}"
    | _ => "outcome"

/-- Counts of names. -/
abbrev Counts := List (String × Nat)

/-- One more of a name. -/
def Counts.add (name : String) : Counts → Counts
  | [] => [(name, 1)]
  | (x, n) :: rest => if x == name then (x, n + 1) :: rest else (x, n) :: Counts.add name rest

/-- One more of the rule of a step, and of each event that it recorded. -/
def Counts.step (counts : Counts) (before after : M) : Counts :=
  let counts := Counts.add (ruleOf before) counts
  (after.log.takeWhile fun c => before.size ≤ c.seq).foldl (fun u c => Counts.add (eventRule c) u) counts

/-! ## Running -/

/-- Where a run of a tree stopped, and the rules that were used. -/
structure Ran where
  m : M
  stop : String
  counts : Counts

/-- A script by runs, each with its lines in the order in which they are asked for: so is the next one found at once. -/
abbrev Lines := List (Id × List Line)

/-- The lines of a script, by runs. -/
def linesOf (script : Script) : Lines :=
  (Wire.sortScript script).foldr (fun x found => match found with
    | (run, lines) :: rest => if run == x.2.run then (run, x.2 :: lines) :: rest else (x.2.run, [x.2]) :: found
    | [] => [(x.2.run, [x.2])]) []

/-- What a script says to a run with so many events, and what is left of it: a trace only grows, so that what was said to a
shorter one is not asked for again. -/
def said (lines : Lines) (run : Id) (n : Nat) : Option (Line × Lines) :=
  match lines with
  | [] => none
  | (id, mine) :: rest =>
    if id == run then
      match mine.dropWhile fun l => l.at' < n with
      | l :: later => if l.at' == n then some (l, (id, later) :: rest) else none
      | [] => none
    else (said rest run n).map fun found => (found.1, (id, mine) :: found.2)

/-- Go on with a tree until its script has no answer or its root run has ended. `fresh`: the tree stands right after an event. -/
def go (r : Request) : Nat → M → List (Nat × Act) → Lines → Bool → Counts → Ran
  | 0, m, _, _, _, counts => ⟨m, "more", counts⟩
  | fuel + 1, m, acts, lines, fresh, counts =>
    let count (n : M) : Counts := if r.rules then counts.step m n else counts
    let act : Option (M × List (Nat × Act)) := match acts with
      | (n, a) :: rest =>
        if fresh && n == m.size then
          match a with
          | .ask op args => (m.worldAsks op args).map fun n => (n, rest)
          | .fork => m.forkRoot.map fun n => (n, rest)
        else none
      | [] => none
    match act with
    | some (n, rest) => go r fuel n rest lines true (count n)
    | none => match m.step with
      | some n => go r fuel n acts lines (m.size < n.size) (count n)
      | none => match m.asked with
        | none => ⟨m, "ended", counts⟩
        | some a => match said lines a.run (m.run a.run).trace.size with
          | none => ⟨m, "waits", counts⟩
          | some (l, left) => match m.answer l.answer l.files with
            | none => ⟨m, "waits", counts⟩
            | some n => go r fuel n acts left true (count n)

/-- The most steps of one request. -/
def mostSteps : Nat := 1000000000

/-- The answer to a request that goes on with a tree. -/
def goOn (r : Request) (m : M) (fresh : Bool) : Json :=
  let ran := go r mostSteps m r.acts (linesOf r.script) fresh []
  .obj ([("log", Wire.logToJson ran.m.entries)] ++
    (if r.rules then [("rules", Json.object (ran.counts.map fun p => (p.1, .int p.2)))] else []) ++
    [("runs", runsToJson ran.m), ("stop", .str ran.stop)])

/-! ## The requests -/

/-- The log of a request. -/
def logOf (r : Request) : Except String Log := do Wire.log (← field r.fields "log")

/-- The tree that the log of a request records. -/
def replayed (r : Request) : Except String M := do
  let log ← logOf r
  match replay (quietBound r.program log.length) r.program r.known r.files log with
  | some m => return m
  | none => .error "the program cannot have produced the log"

/-- A verdict as JSON. With `quietBound` there is always one (`check_decides`). -/
def verdictToJson (length : Nat) : Verdict → Except String Json
  | .accepted => .ok (.obj [("accepted", .bool true), ("followed", .int length)])
  | .rejected n expected => .ok (.obj [("accepted", .bool false),
      ("expected", match expected with | none => .null | some e => Wire.entryToJson e), ("followed", .int n)])
  | .more => .error "the checker gave up"

/-- `run`. -/
def run (r : Request) : Except String Json := do
  let agent ← Wire.text (← field r.fields "agent")
  let args ← Wire.values (← field r.fields "args")
  let request ← Shepherd.requestOf (← Value.ofJson (← field r.fields "grant"))
  match startProblem r.program agent args with
  | some why => .error why
  | none => return goOn r (M.start r.program r.known agent args request r.files) true

/-- `fork`: of the whole tree, after the last event, which must be the root run's. -/
def fork (r : Request) : Except String Json := do
  match (← replayed r).forkRoot with
  | some m => return goOn r m true
  | none => .error "the last event of the log, those of the world apart, is not the root run's"

/-- `revert`: the root run is taken back to its event `to`. -/
def revert (r : Request) : Except String Json := do
  let k ← Wire.natural (← field r.fields "to")
  match (← replayed r).worldAsks "run.revert" [.run 0, .int k] with
  | some m => return goOn r m true
  | none => .error "the root run is being taken back already"

/-- The answer to a request that keeps nothing. -/
def answer (kept : Kept) (what : String) (fs : List (String × Json)) : Except String Json := do
  let r ← requestOf kept fs
  match what with
  | "run" => run r
  | "replay" => return .obj [("runs", runsToJson (← replayed r))]
  | "check" => do
    let log ← logOf r
    verdictToJson log.length (check (quietBound r.program log.length) r.program r.known r.files log)
  | "diverge" => do
    let log ← logOf r
    verdictToJson log.length (diverge (quietBound r.program log.length) r.program r.known r.files log)
  | "fork" => fork r
  | "revert" => revert r
  | _ => .error s!"no request `{what}`"

/-- The answer to a request, and the programs that are kept after it. -/
def answerAndKeep (kept : Kept) (fs : List (String × Json)) : Except String (Json × Kept) := do
  match ← Wire.text (← field fs "do") with
  | "keep" =>
    let name ← Wire.text (← field fs "name")
    let P ← Program.ofJson (← field fs "program")
    return (.obj [("digest", .str P.digest), ("kept", .str name)], ((name, P) :: kept).take mostKept)
  | what => return (← answer kept what fs, kept)

/-- The line that answers a line, and the programs that are kept after it. -/
def answerLine (kept : Kept) (line : String) : String × Kept :=
  let answered : Except String (Json × Kept) := do
    match ← Json.parse line with
    | .obj fs => answerAndKeep kept fs
    | _ => .error "a request is an object"
  match answered with
  | .ok (j, kept) => (j.print, kept)
  | .error why => ((Json.obj [("error", .str why)]).print, kept)

/-- Answers line by line until the end of the input. -/
def serve : IO Unit := do
  let input ← IO.getStdin
  let output ← IO.getStdout
  let mut going := true
  let mut kept : Kept := []
  while going do
    let line ← input.getLine
    if line.isEmpty then
      going := false
    else
      let (answer, rest) := answerLine kept line
      kept := rest
      output.putStr (answer ++ "\n")
      output.flush

end Shepherd.Shepref
