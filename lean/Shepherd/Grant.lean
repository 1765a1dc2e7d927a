import Shepherd.Event
import Shepherd.Match

/-!
# Grants: clauses

A clause says which operation may be asked for, with which arguments, and how often at most. A *request* is a list of clauses,
what one spawn asks for. A *grant* (`Permit`) is a list of layers, one a spawn.
-/

namespace Shepherd

/-- What one argument must look like. `path` and `words` are globs over normalised paths and over the words of a command. -/
inductive Pattern where
  | any
  | is (v : Value)
  | text (glob : String)
  | path (glob : String)
  | words (glob : String)
  deriving Repr, DecidableEq, Inhabited

/-- `op` is an operation or `family.*`; fewer patterns than arguments leave the rest free; `limit` is how often at most. -/
structure Clause where
  op : String
  args : List Pattern
  limit : Option Nat
  deriving Repr, DecidableEq, Inhabited

/-- What a spawn asks for: the clauses of one layer. -/
abbrev Request := List Clause

/-- Whether an argument looks as the pattern says. -/
def Pattern.allows : Pattern → Value → Bool
  | .any, _ => true
  | .is v, w => v == w
  | .text g, .text t => matchText t g
  | .path g, .text t => matchPath t g
  | .words g, .text t => matchWords t g
  | _, _ => false

/-- Whether arguments look as patterns say. A pattern without an argument must be `any`. -/
def Pattern.allowAll : List Pattern → List Value → Bool
  | [], _ => true
  | p :: ps, [] => p == .any && allowAll ps []
  | p :: ps, v :: vs => p.allows v && allowAll ps vs

/-- Whether `op` says a family of operations, `family.*`. The characters are looked at as a list, of which things can be proved. -/
def isFamily (op : String) : Bool := ".*".toList.isSuffixOf op.toList

/-- Whether a clause is about an operation of this name. -/
def Clause.names (c : Clause) (op : String) : Bool :=
  c.op == op || (isFamily c.op && c.op.toList.dropLast.isPrefixOf op.toList)

/-- Whether the clause allows `op(args)`, its limit apart. -/
def Clause.allows (c : Clause) (op : String) (args : List Value) : Bool :=
  c.names op && Pattern.allowAll c.args args

/-! ## Clauses as values -/

/-- `Any`, `Is(v)`, `Text(glob)`, `Path(glob)` or `Words(glob)`. -/
def Pattern.toValue : Pattern → Value
  | .any => .con "Any" []
  | .is v => .con "Is" [v]
  | .text g => .con "Text" [.text g]
  | .path g => .con "Path" [.text g]
  | .words g => .con "Words" [.text g]

/-- `{args: [pattern…], limit: Some(n) | None, op: Text}`. -/
def Clause.toValue (c : Clause) : Value :=
  .record [("args", .list (c.args.map Pattern.toValue)),
    ("limit", match c.limit with | none => Value.none | some n => Value.some (.int n)), ("op", .text c.op)]

/-- The list of the clauses as values. -/
def requestValue (r : Request) : Value := .list (r.map Clause.toValue)

/-- The pattern that a value says, or why it says none. -/
def Pattern.ofValue : Value → Except String Pattern
  | .con "Any" [] => .ok .any
  | .con "Is" [v] => .ok (.is v)
  | .con "Text" [.text g] => .ok (.text g)
  | .con "Path" [.text g] => .ok (.path g)
  | .con "Words" [.text g] => .ok (.words g)
  | _ => .error "expected a pattern: Any, Is(v), Text(glob), Path(glob) or Words(glob)"

/-- The name of an operation, or `family.*`. -/
def Clause.opOf (op : String) : Except String String :=
  let stem := if isFamily op then op.toList.dropLast.dropLast else op.toList
  if stem.isEmpty || stem.contains '*' then .error "`op` must be the name of an operation or `family.*`" else .ok op

/-- `Some(n)` or `None`, as a limit. -/
def Clause.limitOf : Value → Except String (Option Nat)
  | .con "None" [] => .ok none
  | .con "Some" [.int (.ofNat n)] => .ok (some n)
  | _ => .error "`limit` must be Some of an int from 0 on, or None"

/-- The clause that a value says, or why it says none. -/
def Clause.ofValue : Value → Except String Clause
  | .record [("args", .list args), ("limit", limit), ("op", .text op)] => do
    let op ← Clause.opOf op
    let args ← args.mapM Pattern.ofValue
    let limit ← Clause.limitOf limit
    return { op, args, limit }
  | _ => .error "expected a clause: {op: Text, args: List[pattern], limit: Option[Int]}"

/-- The clauses of a list of values, or why it is none. -/
def requestOf : Value → Except String Request
  | .list vs => vs.mapM Clause.ofValue
  | _ => .error "expected a list of clauses"

end Shepherd
