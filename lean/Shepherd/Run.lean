import Shepherd.Program
import Shepherd.Event
import Shepherd.Files
import Shepherd.Grant

/-!
# Runs as data

    Run  = { id, owner, givers, agent, args, code, files, base, grant, handles, trace }
    code = running c ρ K | waiting op v | passing chain op v | driving r | undoing r k todo | done v | failed e | discarded

A trace is a list of commits, **newest first**, so that a trace that grows has the old one as its tail and a fork shares what it
inherits.
-/

namespace Shepherd

/-- The bindings in scope, innermost first. -/
abbrev Env := List (String × Value)

/-- `let(x, c, ρ)`: what waits for the value of a computation. -/
structure Frame where
  name : String
  body : Comp
  env : Env
  deriving Repr, Inhabited

/-- `K`, the frames, innermost first. -/
abbrev Stack := List Frame

/-- An open intent, and the frames to which its outcome returns. -/
structure Waiting where
  op : String
  args : List Value
  stack : Stack
  deriving Repr, Inhabited

/-- Code as a commit keeps it. It names no run, only handles, so that a fork shares it: an operation of the machine that is under
way is taken up from its intent. `running` counts the local steps since the last event. -/
inductive Settled where
  | running (c : Comp) (ρ : Env) (K : Stack) (steps : Nat)
  | waiting (w : Waiting)
  | done (v : Value)
  | failed (e : Value)
  | discarded
  deriving Repr, Inhabited

/-- A compensation that is due: `run` undoes its outcome `at` by `op(args)`. `seq` is the outcome's place in the log. -/
structure Debt where
  run : Id
  «at» : Nat
  op : String
  args : List Value
  seq : Nat
  deriving Repr, Inhabited

/-- Compensations are being made before `run` goes back to event `to`, or is discarded (`to` none). `raised`: the undo of the
first of `todo` is recorded and open. `paid` and `failed` name the compensations answered so far; `undone` and `lasting` are the
plan's count of events and its irreversible operations, for the answer. -/
structure Undoing where
  run : Id
  to : Option Nat
  todo : List Debt
  raised : Bool
  paid : List String
  failed : List String
  undone : Nat
  lasting : List String
  deriving Repr, Inhabited

/-- The code of a run. `origin` is what is taken up again when the step of the machine that is under way is redone: the open
intent, or, where an ending run discards what it made, the code that ends it. -/
inductive Code where
  | settled (s : Settled)
  /-- The open `run.pass` shows the intent of the last run of `chain` outward; `chain` begins with the run passed. -/
  | passing (chain : List Id) (op : String) (args : List Value) (origin : Waiting)
  /-- The open `run.next` waits for the next stop of `run`. -/
  | driving (run : Id) (origin : Waiting)
  | undoing (u : Undoing) (origin : Settled)
  deriving Repr, Inhabited

/-- The code as a commit keeps it. -/
def Code.settle : Code → Settled
  | .settled s => s
  | .passing _ _ _ w => .waiting w
  | .driving _ w => .waiting w
  | .undoing _ s => s

/-- Whether a run with this code has not ended. -/
def Code.isLive : Code → Bool
  | .settled (.done _) | .settled (.failed _) | .settled .discarded => false
  | _ => true

/-- A run that stood below another when that one recorded an event: who owned it and had lent it, how long its trace was. -/
structure Head where
  id : Id
  owner : Id
  givers : List Id
  length : Nat
  deriving Repr, DecidableEq, Inhabited

/-- How often each limited clause was used: `((run it was given to, index of the clause), count)`. -/
abbrev Used := List ((Id × Nat) × Nat)

/-- One event and the state right after it. `run` is who recorded it (a copy inherits the commits of its original as they are),
`index` its place in the trace, `seq` in the log. `heads` is what stood below the run. -/
structure Commit where
  run : Id
  index : Nat
  seq : Nat
  event : Event
  code : Settled
  files : Files
  handles : List Id
  inbox : List Value
  made : Nat
  heads : List Head
  used : Used
  deriving Repr, Inhabited

/-- A trace, newest commit first. -/
abbrev Trace := List Commit

/-- One layer of a grant. `origin` is the run that was spawned with it: its counts include all that run made. -/
structure Layer where
  origin : Id
  clauses : Request
  deriving Repr, Inhabited

/-- A run. `handles[h]` is the id that `run h` stands for; `inbox` holds the messages not yet taken; `made` counts the runs that
this one made, reverted ones included; `givers` are those who lent it, the last one first. -/
structure Run where
  id : Id
  owner : Option Id
  givers : List Id
  agent : String
  args : List Value
  code : Code
  files : Files
  base : Files
  grant : List Layer
  handles : List Id
  trace : Trace
  inbox : List Value
  made : Nat
  deriving Repr, Inhabited

/-! ## Traces -/

namespace Trace

/-- How many events a trace has. -/
def size : Trace → Nat
  | [] => 0
  | c :: _ => c.index + 1

/-- The trace up to event `k`: nothing where there is no such event. -/
def upTo (t : Trace) (k : Nat) : Trace := t.dropWhile fun c => c.index != k

/-- The commit of event `k`. -/
def nth (t : Trace) (k : Nat) : Option Commit := (upTo t k).head?

/-- The events, oldest first. -/
def events (t : Trace) : List Event := (t.map Commit.event).reverse

/-- The live commits, newest first, each with the trace before it: what was reverted, and the reverts, are left out. `want` is the
index at which to go on: everything newer was taken back. -/
def livesFrom : Option Nat → Trace → List (Commit × Trace)
  | _, [] => []
  | want, c :: t =>
    if want.all (· == c.index) then
      match c.event with
      | .reverted k => livesFrom (some k) t
      | _ => (c, t) :: livesFrom none t
    else livesFrom want t

/-- The live commits of a trace, newest first. -/
def live (t : Trace) : Trace := (livesFrom none t).map Prod.fst

/-- The newest live commit that is neither a message nor `forked`, if it is an intent or an undo. -/
def questionFrom : Option Nat → Trace → Option Commit
  | _, [] => none
  | want, c :: t =>
    if want.all (· == c.index) then
      match c.event with
      | .reverted k => questionFrom (some k) t
      | .intent .. | .undo .. => some c
      | .injected _ | .forked .. => questionFrom none t
      | _ => none
    else questionFrom want t

/-- The intent or undo that the next outcome of the trace answers: the last live event but for messages, and for `forked`, after
which a copy goes on where its original was. None where no question is open. -/
def question (t : Trace) : Option Commit := questionFrom none t

/-- The index of the last `forked`, if there is one. -/
def lastForked (t : Trace) : Option Nat :=
  (t.find? fun c => match c.event with | .forked .. => true | _ => false).map Commit.index

end Trace

/-! ## Ids of copies -/

/-- The run that made this one. -/
def Id.maker : Id → Option Id
  | .made m _ => some m
  | _ => none

/-- How an id in a commit recorded by `recorder` reads in the run `id`, which has it in its trace: a copy inherits its original's
commits as they are, with the ids of the original's time in them. -/
def Id.today (recorder : Id) : Id → Id → Id
  | .copy f old, other => if Id.copy f old = recorder then other else .copy f (Id.today recorder old other)
  | _, other => other

/-- Who may stand, in the run `id`, for a giver from above `recorder`, whose commit `id` has in its trace: the giver's copy, if every
fork copied it too; else the one who made the first fork, or that one's copy; and so on, up to the one who made the last fork. -/
def Id.lenders (recorder : Id) : Id → Id → List Id
  | .copy f old, giver =>
    if Id.copy f old = recorder then [giver] else (Id.lenders recorder old giver).map (.copy f) ++ f.maker.toList
  | _, giver => [giver]

end Shepherd
