import Shepherd.RunOps

/-!
# The machine

`step` is the rule book: local steps and steps of the machine, none where the tree is at an outer stop. `outer` gives it the
answer from outside.
-/

namespace Shepherd

namespace M

/-! ## Starting -/

/-- The outermost owner: a run without program or start, whose trace records what it does to the root run. -/
def worldRun : Run := { Run.absent .world with code := .driving .root { op := "run.next", args := [.run 0], stack := [] },
                                                handles := [.root] }

/-- The world drives the root run, as it does whenever it is not busy with an operation of its own. -/
def driveRoot (m : M) : M :=
  { m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] }) with stack := [.root, .world] }

/-- Why `agent(args…)` cannot be the root run of a program. -/
def _root_.Shepherd.startProblem (P : Program) (agent : String) (args : List Value) : Option String :=
  match P.agent? agent with
  | none => some s!"the program has no agent `{agent}`"
  | some d =>
    if d.params.length ≠ args.length then some s!"`{agent}` takes {d.params.length} arguments, not {args.length}"
    else if args.any Value.hasHandle then some "the root run cannot be started with a run"
    else match checkSize Limits.valueDepth (.list args) with
      | .error f => some f.text
      | .ok () => none

/-- The tree of a program with its root run just started: `agent(args…)` with `request` as its grant, on `files`. -/
def start (P : Program) (contents : String → Option Content) (agent : String) (args : List Value) (request : Request)
    (files : Files) : M :=
  let grant := [{ origin := .root, clauses := request }]
  let root : Run :=
    { id := .root, owner := some .world, givers := [], agent, args, code := bodyOf agent args, files, base := files, grant,
      handles := [], trace := [], inbox := [], made := 0 }
  let m : M := { program := P, contents, runs := [{ worldRun with files, base := files }, root], stack := [.root, .world],
                 log := [], used := [], written := [] }
  m.recordCode .root (.start formatVersion P.digest agent args (grantValue grant) files.hash) (bodyOf agent args)

/-! ## One step -/

/-- Runs that were lent to an ended run go back to those who lent them. -/
def giveBack (m : M) (id : Id) : M :=
  (m.kids id).foldl (fun m k => match (m.run k).givers with
    | g :: gs => m.own k g gs
    | [] => m) m

/-- The run ends with a value, or with a fault, once the live runs it made are discarded. -/
def finish (m : M) (id : Id) (again : Comp) (kind : EndKind) (v : Value) (code : Settled) : M :=
  match m.discardMade id again with
  | some m => m
  | none => (m.recordCode id (.ended kind v) (.settled code)).giveBack id

/-- `do op(args)`: an intent inside the grant, `denied` outside it. -/
def ask (m : M) (id : Id) (op : String) (args : List Value) (K : Stack) : M :=
  let grant := (m.run id).grant
  if allowed m.used grant op args then
    { m with used := charge m.used grant op args }.recordCode id (.intent op args)
      (.settled (.waiting { op, args, stack := K }))
  else m.recordCode id (.denied op args) (resume (.err "denied" (refusal m.used grant op args)) K)

/-- A fault ends the run. -/
def fault (m : M) (id : Id) (f : Fault) : M :=
  m.finish id (.ret (.prim "raise" [.lit f.error])) .failed f.error (.failed f.error)

/-- One step of a run that is running. -/
def localMove (m : M) (id : Id) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) : M :=
  if m.program.steps < n + 1 then m.fault id (tooMany m.program)
  else match localStep m.program c ρ K with
    | .running c ρ K => m.setCode id (.settled (.running c ρ K (n + 1)))
    | .ends v => m.finish id (.ret (.lit v)) .done v (.done v)
    | .faults f => m.fault id f
    | .asks op args K => m.ask id op args K

/-- The active run is at a stop: the `run.next` of the owner that drives it is answered with it. -/
def toOwner (m : M) (owner id : Id) (rest : List Id) : M :=
  match (m.run owner).code with
  | .driving _ w =>
    let told := { m with stack := owner :: rest }.stopValue owner id
    told.1.reply owner w told.2
  | _ => m

/-- What is known of the content of a file: what a run of this tree wrote, or what the trace holds. -/
def content (m : M) (hash : String) : Option Content :=
  match m.written.lookup hash with
  | some s => some (.text s)
  | none => m.contents hash

/-- The machine answers a file operation that has reached the outermost level, from the files of the run that asked. -/
def answerFile (m : M) (id : Id) (q : Question) : M :=
  let answer := FileOps.perform (m.run q.asked).files m.content q.op q.args
  let m := match q.op, q.args, answer.2 with
    | "file.write", [_, .text s], _ :: _ => { m with written := (gitBlobHash s, s) :: m.written }
    | _, _, _ => m
  m.deliver id q answer.1 answer.2 .machine

/-- A run at a stop: it is shown to the owner that drives it; at the outermost level the machine answers `file.*`. -/
def atStop (m : M) (id : Id) (rest : List Id) : Option M :=
  match rest with
  | owner :: _ =>
    if owner ≠ .world then some (m.toOwner owner id rest.tail)
    else match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none
  | [] => match m.shown id with
    | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
    | none => none

/-- When the world's own operation is answered, it drives the root run again. -/
def afterWorld (m : M) (id : Id) : M :=
  if id ≠ .world then m
  else match (m.run .world).code with
    | .settled (.running ..) => m.driveRoot
    | _ => m

/-- One local step or step of the machine; none where the tree is at an outer stop. -/
def step (m : M) : Option M :=
  match m.stack with
  | [] => none
  | id :: rest => match (m.run id).code with
    | .settled (.running c ρ K n) => some (m.localMove id c ρ K n)
    | .settled (.waiting w) => if isMachineOp w.op then m.perform id w else m.atStop id rest
    | .undoing u origin => match m.undoStep id u origin with
      | some m => some (m.afterWorld id)
      | none => m.atStop id rest
    | _ => m.atStop id rest

/-! ## From outside -/

/-- An outer stop with an open question: run `run` asked `op(args)`. -/
structure Asked where
  run : Id
  op : String
  args : List Value
  deriving Repr, Inhabited

/-- The question that waits for an answer from outside, where `step` gives none. A run that waits for `run.pick` asks it itself,
and nobody passes it. -/
def asked (m : M) : Option Asked :=
  match m.stack with
  | [] => none
  | id :: _ => match (m.run id).code with
    | .settled (.waiting w) =>
      if w.op = "run.pick" then some { run := id, op := w.op, args := w.args }
      else (m.shown id).map fun q => { run := q.asked, op := q.op, args := q.args }
    | _ => (m.shown id).map fun q => { run := q.asked, op := q.op, args := q.args }

/-- Whether a value is an outcome: `Ok(v)`, `Err({code, text})` or `Unknown`. -/
def _root_.Shepherd.isOutcome : Value → Bool
  | .con "Ok" [_] => true
  | .con "Err" [.record [("code", .text _), ("text", .text _)]] => true
  | .con "Unknown" [] => true
  | _ => false

/-- Whether a change to files is well-formed: normal paths, sorted, each once, real entries. -/
def _root_.Shepherd.goodChange (change : Change) : Bool :=
  (change.all fun p => (normalPath p.1).isSome && (match p.2 with | some e => FileOps.goodEntry e | none => true)) &&
    Files.sorted (change.map Prod.fst)

/-- Whether an answer from outside is well-formed: an outcome without handles, within the limits; and no change to files for a
pure operation. -/
def _root_.Shepherd.goodAnswer (P : Program) (op : String) (answer : Value) (change : Change) : Bool :=
  isOutcome answer && !answer.hasHandle && (checkSize (Limits.valueDepth + 1) answer).isOk &&
    (change.isEmpty || (op != "run.pick" && P.classOf op != .pure)) && goodChange change

/-- The oracle's answer to `run.pick`, an index into the list, as it is recorded: the run at that index. -/
def _root_.Shepherd.pickedValue (answer : Value) (args : List Value) : Value :=
  match answer, args with
  | .con "Ok" [.int (.ofNat i)], [.list vs] => match vs[i]? with
    | some v => .ok v
    | none => .err "index" "the index picked is not in the list"
  | .con "Ok" _, _ => .err "index" "the index picked is not in the list"
  | e, _ => e

/-- The oracle's answer to the `run.pick` of run `id`. -/
def picked (m : M) (id : Id) (w : Waiting) (answer : Value) : M :=
  let answer := pickedValue answer w.args
  m.recordCode id (.outcome answer [] .world) (resume answer w.stack)

/-- The outcome from outside for the open question, delivered to all who wait for it; none where nothing waits or the answer is not
well-formed. -/
def answer (m : M) (answer : Value) (change : Change) : Option M :=
  match m.asked, m.stack with
  | some a, id :: _ =>
    if !goodAnswer m.program a.op answer change then none
    else match (m.run id).code with
      | .settled (.waiting w) =>
        if w.op = "run.pick" then some (m.picked id w answer)
        else (m.shown id).map fun q => m.deliver id q answer change .world
      | _ => (m.shown id).map fun q => m.deliver id q answer change .world
  | _, _ => none

/-- The operations that the outermost owner can ask for. -/
def _root_.Shepherd.isWorldOp (op : String) : Bool := op == "run.revert" || op == "run.discard" || op == "run.inject"

/-- The outermost owner asks for an operation on the root run (`run 0`). Its own trace records it, as any owner's does. None for
another operation, or where it is taking the root run back already. Where nothing was taken back the runs go on as they were. -/
def worldAsks (m : M) (op : String) (args : List Value) : Option M :=
  match m.stack with
  | .world :: _ => none
  | before =>
    if !isWorldOp op then none
    else
      let driving := (m.run .world).code
      let w : Waiting := { op, args, stack := [] }
      let asks := { m with stack := [.world] }.recordCode .world (.intent op args) (.settled (.waiting w))
      match asks.perform .world w with
      | none => none
      | some after => match (after.run .world).code with
        | .settled (.running ..) => some { after.setCode .world driving with stack := before }
        | _ => if op == "run.inject" then some { after.setCode .world driving with stack := before } else some after

/-- A run as it was right after the last event of its trace, with the owner and the givers that it then had. -/
def asOf (r : Run) (owner : Option Id) (givers : List Id) : Run :=
  match r.trace with
  | [] => r
  | c :: _ => { r with owner, givers, code := .settled c.code, files := c.files, handles := c.handles, inbox := c.inbox,
                       made := c.made }

/-- The whole tree forked from outside, right after an event of the root run, which is the last of the log but for what the
outermost owner recorded since (so every other trace is as it was then): a tree of its own with the same ids. `forked` is then
recorded in every run, lower ones first, the root run last. None where the last event is another run's. An operation of the
outermost owner that is under way is given up: its trace keeps the intent, and the new tree is driven on. -/
def forkRoot (m : M) : Option M :=
  match (m.run .root).trace, m.lastInside with
  | c :: _, some last =>
    if c.seq ≠ last.seq then none
    else
      let hs := m.heads .root c
      let runs := m.runs.map fun r =>
        if r.id = .world then { r with code := worldRun.code }
        else if r.id = .root then asOf r (some .world) []
        else match hs.find? fun h => h.id == r.id with
          | some h => asOf r (some h.owner) h.givers
          | none => r
      let forked := { m with runs, stack := [.root, .world], used := c.used }
      some ((forked.family .root).foldl (fun m id =>
        let r := m.run id
        m.recordCode id (.forked id (r.trace.size - 1))
          (if id = .root then .settled c.code else m.takenUp id r.handles r.code.settle)) forked)
  | _, _ => none

end M

end Shepherd
