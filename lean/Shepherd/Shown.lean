import Shepherd.Forest
import Shepherd.Step

/-!
# Who answers

What a run at a stop shows its owner, and how an outcome reaches all who wait for it.
-/

namespace Shepherd

/-- An open question: `asked` is the run that asks, `path` the runs from below the one looked at down to it. -/
structure Question where
  asked : Id
  op : String
  args : List Value
  path : List Id
  deriving Repr, Inhabited

/-- Operations that the machine answers and owners do not see. -/
def isMachineOp (op : String) : Bool := isRunOp op || op == "inbox.take"

namespace M

/-- The question that run `id` shows its owner; none where it is not at an intent. -/
def shown (m : M) (id : Id) : Option Question :=
  match (m.run id).code with
  | .settled (.waiting w) => if isMachineOp w.op then none else some { asked := id, op := w.op, args := w.args, path := [] }
  | .passing chain op args _ => some { asked := chain.getLastD id, op, args, path := chain }
  | .undoing u _ => match u.raised, u.todo with
    | true, d :: _ => some { asked := d.run, op := d.op, args := d.args, path := [d.run] }
    | _, _ => none
  | _ => none

/-- The code of a run put back to an earlier commit: where it was passing an intent that is open again, it is again. A commit
holds settled code; and a run below another was at a stop, and no one drives it anew. -/
def takenUp (m : M) (id : Id) (handles : List Id) (s : Settled) : Code :=
  match s with
  | .waiting w => match w.op, w.args with
    | "run.pass", [.run h] => match handles[h]? with
      | some child => match m.owns id child, m.shown child with
        | true, some q => .passing (child :: q.path) q.op q.args w
        | _, _ => .settled s
      | none => .settled s
    | _, _ => .settled s
  | _ => .settled s

/-! ## Handles from one run to another -/

/-- One handle of run `source` as a run with the table `table` reads it. -/
def renumber (held : List Id) (table : List Id) (h : Nat) : List Id × Value :=
  let kept := hold table (held.getD h .world)
  (kept.1, .run kept.2)

/-- `v` of run `source` as run `target` reads it: handles re-numbered, and held in its table. -/
def rehandle (m : M) (v : Value) (source target : Id) : M × Value :=
  let r := v.mapHandles (renumber (m.run source).handles) (m.run target).handles
  (m.setHandles target r.1, r.2)

/-- What `run.next` tells `owner` of `id` at its stop: `Intent(op, args, path)`, `Done(v)` or `Failed(e)`. -/
def stopValue (m : M) (owner id : Id) : M × Value :=
  match (m.run id).code with
  | .settled (.done v) => let r := m.rehandle v id owner; (r.1, .ok (.con "Done" [r.2]))
  | .settled (.failed e) => (m, .ok (.con "Failed" [e]))
  | .settled .discarded => (m, .ok (.con "Failed" [.error "discarded" "the run was discarded"]))
  | _ => match m.shown id with
    | none => (m, .ok (.con "Failed" [.error "stop" "the run is at no stop"]))
    | some q =>
      let held := holdAll (m.run owner).handles q.path
      (m.setHandles owner held.1,
        .ok (.con "Intent" [.text q.op, .list q.args, .list (held.2.map .run)]))

/-! ## Outcomes -/

/-- The machine's own answer to the open intent of run `id`, with a change to that run's files. -/
def reply (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change := []) : M :=
  m.record id (.outcome answer change .machine)
    { m.state id with code := resume answer w.stack, files := (m.run id).files.apply change }

/-- The code of a run that was `undoing` when its first debt is answered: noted as paid or failed, and done with. -/
def _root_.Shepherd.Undoing.next (u : Undoing) (answer : Value) : Undoing :=
  match u.todo with
  | [] => { u with raised := false }
  | d :: todo => match answer with
    | .con "Ok" _ => { u with todo, raised := false, paid := u.paid ++ [d.op] }
    | _ => { u with todo, raised := false, failed := u.failed ++ [d.op] }

/-- The run that asked gets its outcome, and its files change. Where the question is an undo its code stays as it is, for it is
about to be taken back. -/
def answerAsked (m : M) (id : Id) (answer : Value) (change : Change) (by' : By) : M :=
  let r := m.run id
  let code := match r.code with
    | .settled (.waiting w) => resume answer w.stack
    | code => code
  m.record id (.outcome answer change by') { m.state id with code, files := r.files.apply change }

/-- A run that waits for the outcome of a question further down: one that passes it records that its `run.pass` has the outcome,
one that compensates goes on to its next debt, and gets no event of its own. -/
def relay (m : M) (id : Id) (answer : Value) (by' : By) : M :=
  match (m.run id).code with
  | .passing _ _ _ w => m.recordCode id (.outcome (.ok answer) [] by') (resume (.ok answer) w.stack)
  | .undoing u origin => m.setCode id (.undoing (u.next answer) origin)
  | _ => m

/-- The outcome of what run `id` shows, in one step to every run that waits for it, innermost first. Only the files of the run
that asked change. -/
def deliver (m : M) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) : M :=
  ((id :: q.path).dropLast.reverse).foldl (fun m member => m.relay member answer by') (m.answerAsked q.asked answer change by')

end M

end Shepherd
