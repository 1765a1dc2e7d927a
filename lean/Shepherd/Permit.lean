import Shepherd.Run

/-!
# Grants: what is permitted, and the counts of limited clauses

Every layer of a grant must allow an operation, and a layer allows it when one of its clauses does. Spawning appends a layer, so
a grant only narrows. A limited clause is shared by the run it was given to and all that run made.
-/

namespace Shepherd

namespace Used

/-- How often a limited clause was used. -/
def get (u : Used) (key : Id × Nat) : Nat := (u.lookup key).getD 0

/-- The counts with another count for one clause. -/
def set (u : Used) (key : Id × Nat) (n : Nat) : Used := (key, n) :: u.filter fun p => p.1 != key

end Used

/-- Whether a clause of a layer allows `op(args)` once more: it matches, and its limit is not used up. -/
def Clause.allowsNow (used : Used) (origin : Id) (index : Nat) (c : Clause) (op : String) (args : List Value) : Bool :=
  c.allows op args && (match c.limit with | none => true | some n => used.get (origin, index) < n)

/-- Whether a layer allows `op(args)` once more. -/
def Layer.allowsNow (used : Used) (l : Layer) (op : String) (args : List Value) : Bool :=
  l.clauses.zipIdx.any fun p => p.1.allowsNow used l.origin p.2 op args

/-- Why a layer that does not allow `op(args)` refuses it. -/
def Layer.refusal (l : Layer) (op : String) (args : List Value) : String :=
  if l.clauses.any (·.allows op args) then s!"`{op}` was granted a limited number of times, and they are used up"
  else s!"`{op}` with these arguments is not granted"

/-- Whether a grant allows `op(args)` once more. -/
def allowed (used : Used) (grant : List Layer) (op : String) (args : List Value) : Bool :=
  grant.all fun l => l.allowsNow used op args

/-- Why a grant that does not allow `op(args)` refuses it: what the outermost layer that does not allow it says. -/
def refusal (used : Used) (grant : List Layer) (op : String) (args : List Value) : String :=
  match grant.find? fun l => !l.allowsNow used op args with
  | some l => l.refusal op args
  | none => ""

/-- The keys of the limited clauses of a layer that match `op(args)`. -/
def Layer.charged (l : Layer) (op : String) (args : List Value) : List (Id × Nat) :=
  (l.clauses.zipIdx.filter fun p => p.1.limit.isSome && p.1.allows op args).map fun p => (l.origin, p.2)

/-- The counts after one more intent: every limited clause that matches it counts it. -/
def charge (used : Used) (grant : List Layer) (op : String) (args : List Value) : Used :=
  (grant.flatMap fun l => l.charged op args).foldl (fun u key => u.set key (u.get key + 1)) used

/-- The grant as the `start` event holds it: its layers, outermost first. -/
def grantValue (grant : List Layer) : Value := .list (grant.map fun l => requestValue l.clauses)

end Shepherd
