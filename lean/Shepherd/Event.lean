import Shepherd.Value

/-!
# Events

What a trace is made of. Positions are indices: `start` is event 0, and "after event k" keeps events 0 to k. An event carries
no clock, no machine name and no chance.
-/

namespace Shepherd

/-- The id of a run. `world` is the outermost owner; `made m n` is the run that `m` made after `n` others; `copy f old` is
the copy of `old` in the fork for which the id `f` was made. It never depends on owner, arrival order or chance. -/
inductive Id where
  | world
  | root
  | made (maker : Id) (count : Nat)
  | copy (fork old : Id)
  deriving Repr, DecidableEq, Inhabited

/-- One file of a scope: its full mode and the Git blob hash of its bytes. An empty folder has the mode 040000 and an empty
hash; a symbolic link has the mode 120000, its bytes are its target. -/
structure Entry where
  mode : Nat
  hash : String
  deriving Repr, DecidableEq, Inhabited

/-- A change to a scope: what stands at a path from now on, `none` where the path is removed. Sorted by path, each once. -/
abbrev Change := List (String × Option Entry)

/-- Who answered: the world, an owner in its place, or the machine. -/
inductive By where
  | world
  | owner
  | machine
  deriving Repr, DecidableEq, Inhabited

/-- How a run ended. -/
inductive EndKind where
  | done
  | failed
  | discarded
  deriving Repr, DecidableEq, Inhabited

/-- An event of a trace. -/
inductive Event where
  /-- First: format version, digest of the program, agent, arguments, grant (its layers, as values), hash of the files. -/
  | start (version : Nat) (program agent : String) (args : List Value) (grant : Value) (files : String)
  /-- The run wants `op(args)`; recorded before anything is done. -/
  | intent (op : String) (args : List Value)
  /-- Answers the intent or undo before it: `Ok(v)`, `Err(e)` or `Unknown`, with the change to the run's files. -/
  | outcome (answer : Value) (files : Change) (by' : By)
  /-- Instead of an intent: the operation is outside the grant. -/
  | denied (op : String) (args : List Value)
  /-- The owner put a message in. -/
  | injected (v : Value)
  /-- In a copy, after the inherited events 0 to `k` of the run `of'`. -/
  | forked (of' : Id) (k : Nat)
  /-- Compensation of the outcome `j` by `op(args)`; recorded before it is done. -/
  | undo (j : Nat) (op : String) (args : List Value)
  /-- Code and files are again those after event `k`. -/
  | reverted (k : Nat)
  /-- Last: a value, an error value, or unit where the run was discarded. -/
  | ended (kind : EndKind) (v : Value)
  deriving Repr, DecidableEq, Inhabited

/-- The log of a tree, oldest first: which run recorded which event. -/
abbrev Log := List (Id × Event)

/-! ## Names, as canonical text and errors write them -/

/-- `acc` followed by the text of an id. -/
def Id.render : Id → (acc : String) → String
  | .world, acc => acc ++ "world"
  | .root, acc => acc ++ "root"
  | .made maker count, acc => maker.render acc ++ "." ++ toString count
  | .copy fork old, acc => old.render (fork.render acc ++ "(") ++ ")"

/-- The text of an id: `made m n` is `m.n`, `copy f old` is `f(old)`. -/
def Id.text (id : Id) : String := id.render ""

/-- The canonical name of who answered. -/
def By.text : By → String
  | .world => "world"
  | .owner => "owner"
  | .machine => "machine"

/-- The canonical name of how a run ended. -/
def EndKind.text : EndKind → String
  | .done => "done"
  | .failed => "failed"
  | .discarded => "discarded"

end Shepherd
