import Shepherd.Shown

/-!
# Taking back

Debts, compensation, revert and discard. A debt is a fold over a trace, never a second list.
-/

namespace Shepherd

/-- The answer to a question that was given up because the run was taken back. -/
def abandoned : Value := .err "abandoned" "the run was taken back before the answer came"

/-! ## What is owed -/

/-- An outcome of a trace with the intent or undo that it answers. -/
structure Answered where
  question : Commit
  outcome : Commit

/-- The answered questions of a trace whose outcome has an index of at least `start`, newest first. -/
def answered (start : Nat) : Trace → List Answered
  | [] => []
  | c :: t =>
    if c.index < start then []
    else match c.event, Trace.question t with
      | .outcome .., some q => ⟨q, c⟩ :: answered start t
      | _, _ => answered start t

/-- Whether an event says only that a question was given up. -/
def Event.isAbandoned : Event → Bool
  | .outcome answer _ .machine => answer == abandoned
  | _ => false

/-- One answered question in the fold that gives the debts: a compensable `Ok(v)` by the world is owed, an undo with an outcome
settles it. A run that passed another's intent owes nothing for it; and what the machine answers compensates nothing. -/
def owe (P : Program) (run : Id) (a : Answered) (owed : List Debt) : List Debt :=
  match a.question.event, a.outcome.event with
  | .undo j _ _, e => if e.isAbandoned then owed else owed.filter fun d => d.at != j
  | .intent op _, .outcome (.con "Ok" vs) _ .world => match isMachineOp op, P.undoOf op with
    | false, some undo =>
      if isMachineOp undo then owed
      else { run, «at» := a.outcome.index, op := undo, args := vs, seq := a.outcome.seq } :: owed
    | _, _ => owed
  | _, _ => owed

/-- What run `id` owes for outcomes with an index of at least `start`, newest first: its compensable outcomes `Ok(v)` by the world
since its last `forked`, but for those whose undo has an outcome. -/
def debts (P : Program) (id : Id) (t : Trace) (start : Nat) : List Debt :=
  let owed := (answered start t).foldr (owe P id) []
  match t.lastForked with
  | none => owed
  | some floor => owed.filter fun d => floor < d.at

/-- Operations whose effects the state after event `k` counts on, but which were compensated since; oldest first. -/
def madeUndone (t : Trace) (k : Nat) : List String :=
  let counted := (t.upTo k).live.map Commit.index
  ((answered (k + 1) t).filterMap fun a => match a.question.event, a.outcome.event with
    | .undo j op _, .outcome (.con answer _) _ _ => if j ≤ k && answer != "Err" && counted.contains j then some op else none
    | _, _ => none).reverse

/-- Why an outcome stays, if it cannot be taken back: `(place in the log, operation, whether it is unknown)`. An irreversible
operation that the world did, or may have done; or one with a compensation which is not made, for nobody knows whether it was
done. -/
def lasting (P : Program) (c : Commit) (before : Trace) : Option (Nat × String × Bool) :=
  match c.event, (Trace.question before).map Commit.event with
  | .outcome (.con answer _) _ .world, some (.intent op _) =>
    if isMachineOp op then none
    else match P.classOf op with
      | .irreversible => if answer != "Err" then some (c.seq, op, false) else none
      | .compensable _ => if answer == "Unknown" then some (c.seq, op, true) else none
      | _ => none
  | _, _ => none

/-! ## The plan -/

/-- What taking a run back would do: what stood below it then, what is owed, how many live events are taken back, which operations
cannot be taken back, and which are unknown; newest first. -/
structure Plan where
  heads : List Then
  debts : List Debt
  undone : Nat
  irreversible : List String
  unknown : List String

/-- How many live events from index `start` on a trace has, `forked` apart. -/
def undoneIn (t : Trace) (start : Nat) : Nat :=
  ((t.live.takeWhile fun c => start ≤ c.index).filter fun c => match c.event with | .forked .. => false | _ => true).length

/-- What stays of the live events from index `start` on; a copy's only since it was forked. -/
def lastingIn (P : Program) (t : Trace) (start : Nat) : List (Nat × String × Bool) :=
  let start := match t.lastForked with
    | none => start
    | some floor => max start (floor + 1)
  ((Trace.livesFrom none t).takeWhile fun p => start ≤ p.1.index).filterMap fun p => lasting P p.1 p.2

/-- The error that there is no event `k`. -/
def noEvent (t : Trace) (k : Int) : Value :=
  .err "step" s!"there is no event {k}; the last one is {(t.size : Int) - 1}"

namespace M

/-- Those of some heads that are no longer below run `id`. -/
def moved (m : M) (id : Id) (hs : List Then) : List Then := hs.filter fun h => !(m.has h.id && m.isBelow h.id id)

/-- The index from which on the events of run `member` go: 0 where it was not there. -/
def keptFrom (id : Id) (to : Option Nat) (hs : List Then) (member : Id) : Nat :=
  match to with
  | none => 0
  | some k => if member = id then k + 1 else match hs.find? fun h => h.id == member with
    | some h => Trace.size h.trace
    | none => 0

/-- The plan for taking run `id` back to event `to` (none: discarding it), given what stood below it then. -/
def planFor (m : M) (id : Id) (to : Option Nat) (hs : List Then) : Plan :=
  let P := m.program
  let members := m.family id
  let start := keptFrom id to hs
  let owed := (members.flatMap fun x => Shepherd.debts P x (m.run x).trace (start x)).mergeSort fun a b => b.seq ≤ a.seq
  let stays := (members.flatMap fun x => lastingIn P (m.run x).trace (start x)).mergeSort fun a b => b.1 ≤ a.1
  { heads := hs
    debts := owed
    undone := (members.map fun x => undoneIn (m.run x).trace (start x)).sum
    irreversible := (stays.filter fun s => !s.2.2).map fun s => s.2.1
    unknown := (stays.filter fun s => s.2.2).map fun s => s.2.1 }

/-- What taking run `id` back would do, or the `Err` that refuses it: no such event (`step`), a run owned then that is no longer
below (`moved`), effects the earlier state counts on that were compensated since (`compensated`). Nothing is changed by a plan. -/
def plan (m : M) (id : Id) (to : Option Nat) : Except Value Plan :=
  match to with
  | none => .ok (m.planFor id none [])
  | some k =>
    let t := (m.run id).trace
    match t.nth k with
    | none => .error (noEvent t k)
    | some c =>
      let hs := m.heads id c
      let moved := m.moved id hs
      if !moved.isEmpty then
        .error (.err "moved" ("no longer below the run: " ++ ", ".intercalate (moved.map fun h => h.id.text)))
      else
        let gone := madeUndone t k ++ hs.flatMap fun h => madeUndone (m.run h.id).trace (Trace.size h.trace - 1)
        if !gone.isEmpty then
          .error (.err "compensated" ("these effects were compensated and are gone: " ++ ", ".intercalate gone))
        else .ok (m.planFor id to hs)

/-! ## Doing it -/

/-- The open intent or undo of run `id`, if there is one, gets `Err(abandoned)` by the machine. -/
def abandonOne (m : M) (id : Id) : M :=
  let r := m.run id
  match (Trace.question r.trace).map Commit.event with
  | none => m
  | some (.undo ..) => m.recordCode id (.outcome abandoned [] .machine) r.code
  | some _ => match r.code.settle with
    | .waiting w => m.recordCode id (.outcome abandoned [] .machine) (resume abandoned w.stack)
    | _ => m

/-- Open intents and undos of run `id` and of all below are abandoned; lower runs first. -/
def abandon (m : M) (id : Id) : M := (m.family id).foldl abandonOne m

/-- The asker starts taking run `id` back: open intents are abandoned, the debts are listed. -/
def begin (m : M) (asker : Id) (origin : Settled) (id : Id) (to : Option Nat) : Except Value M :=
  match m.plan id to with
  | .error e => .error e
  | .ok p => .ok ((m.abandon id).setCode asker (.undoing
      { run := id, to, todo := p.debts, raised := false, paid := [], failed := p.unknown, undone := p.undone,
        lasting := p.irreversible } origin))

/-- `end(discarded)`, unless the run was discarded before. -/
def discard (m : M) (id : Id) : M :=
  match (m.run id).code with
  | .settled .discarded => m
  | _ => m.recordCode id (.ended .discarded .unit) (.settled .discarded)

/-- `reverted(k)`: code, files, handles and inbox of run `id` are again those after commit `c`. `lower`: the run is not the one that
is taken back but stood below it, at a stop. -/
def rewind (m : M) (id : Id) (c : Commit) (lower : Bool) : M :=
  let handles := m.handlesToday id c
  m.record id (.reverted c.index)
    { code := if lower then m.takenUp id handles c.code else .settled c.code
      files := c.files, handles, inbox := c.inbox }

/-- Put one run below the one that is taken back to where it then stood, or discard it. -/
def restoreLower (hs : List Then) (m : M) (id : Id) : M :=
  match hs.find? fun h => h.id == id with
  | none => m.discard id
  | some h => match h.trace with
    | [] => m
    | c :: _ =>
      let now := m.run id
      if now.trace.size ≠ Trace.size h.trace then m.rewind id c true
      else match now.code with
        -- It was about to end, discarding what it made: that begins again, for those runs are as they were.
        | .undoing _ origin => m.setCode id (.settled origin)
        | _ => m

/-- Put run `id` and what it owned then back to event `to`, and discard what else is below; lower runs first. Which run is lower is
a matter of who owned whom then. -/
def restore (m : M) (id : Id) (to : Option Nat) : M :=
  match to with
  | none => (m.family id).foldl discard m
  | some k => match (m.run id).trace.nth k with
    | none => m
    | some c =>
      let hs := m.heads id c
      let m := hs.foldl (fun m h => m.own h.id h.owner h.givers) m
      ((m.below id).foldl (restoreLower hs) m).rewind id c false

/-- What `run.revert` and `run.discard` answer. -/
def _root_.Shepherd.Undoing.report (u : Undoing) : Value :=
  .record [("compensated", .list (u.paid.map .text)), ("failed", .list (u.failed.map .text)),
    ("irreversible", .list (u.lasting.map .text)), ("undone", .int u.undone)]

/-- One step of a run that is `undoing`: raise the next undo, or finish; none while an undo is open. -/
def undoStep (m : M) (id : Id) (u : Undoing) (origin : Settled) : Option M :=
  if u.raised then none
  else match u.todo with
    | d :: _ =>
      let m := m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code
      some (m.setCode id (.undoing { u with raised := true } origin))
    | [] =>
      let m := m.restore u.run u.to
      match origin with
      | .waiting w => some (m.reply id w (.ok u.report))
      | _ => some (m.setCode id (.settled origin))

/-! ## Ending -/

/-- The newest live run that `id` made, lent ones apart. -/
def newestMade (m : M) (id : Id) : Option Id :=
  ((m.kids id).filter fun k => (m.run k).givers.isEmpty && (m.run k).code.isLive).getLast?

/-- An agent about to end first discards the live runs it made, newest first; none when there is none left. `again` is the code
that ends it. -/
def discardMade (m : M) (id : Id) (again : Comp) : Option M :=
  match m.newestMade id with
  | none => none
  | some kid => match m.begin id (.running again [] [] 0) kid none with
    | .ok m => some m
    | .error _ => none

end M

end Shepherd
