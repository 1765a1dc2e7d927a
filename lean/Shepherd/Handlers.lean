import Shepherd.Textbook
import Shepherd.Machine

/-!
# Handlers, and their lowering to owners

`handle agent(args…) with H`: deep handlers, one answer for each operation. A clause says which computation gives the answer to an
operation; what has no clause passes outward, and so do the clause's own operations. In the core this is no construct of its own: it
is lowered to an agent that spawns the body and drives it, one stop after the other.
-/

namespace Shepherd

/-- A clause: the answer to `op(params…)` is the value of `body`. `agent` is the name that the lowered program has for it. -/
structure OnOp where
  op : String
  params : List String
  body : Comp
  agent : String
  deriving Repr, Inhabited

/-- `handle agent(args…) with clauses`. `request` is what the body is spawned with, `main` and `loop` are the names that the lowered
program has for the agent that spawns the body and for the one that drives it. -/
structure Handling where
  agent : String
  args : List Value
  clauses : List OnOp
  request : Value
  main : String
  loop : String
  deriving Repr, Inhabited

/-! ## The textbook semantics -/

/-- A handled term: the body, or a clause `d` whose value is the answer to what the body asks. -/
inductive Handled where
  | body (c : Comp)
  | clause (d c : Comp)
  deriving Repr, Inhabited

/-- What a handled term does next. -/
inductive Handled.Step where
  | goesOn (s : Handled)
  | ends (v : Value)
  | faults (f : Fault)
  | asks (op : String) (args : List Value)
  deriving Repr, Inhabited

/-- Faults where a value cannot be an answer: too large, or with a run in it. -/
def checkAnswer (v : Value) : Except Fault Unit :=
  match checkSize Limits.valueDepth v with
  | .error f => .error f
  | .ok () => if v.hasHandle then .error ⟨"handle", "an answer contains no run"⟩ else .ok ()

/-- The first clause for an operation. -/
def clauseOf (H : List OnOp) (op : String) : Option OnOp := H.find? fun k => k.op == op

/-- One step of `handle c with H`. The body asks: its clause is taken up, or the operation passes outward. A clause has a value:
that is the answer, and the rest of the body stays handled. A clause asks: that is not handled here. A clause faults: so does the
whole. -/
def Handled.step (P : Program) (H : List OnOp) : Handled → Handled.Step
  | .body c => match textbook P c with
    | .reduces c => .goesOn (.body c)
    | .ends v => .ends v
    | .faults f => .faults f
    | .asks op args => match clauseOf H op with
      | some k => .goesOn (.clause (k.body.instantiate k.params args) c)
      | none => .asks op args
  | .clause d c => match d.reduce P with
    | .term d => .goesOn (.clause d c)
    | .fault f => .faults f
    | .asks op args => .asks op args
    | .value v => match checkAnswer v with
      | .error f => .faults f
      | .ok () => .goesOn (.body (c.resumeWith (.ok v)))

/-- The handled term with the outcome, from outside, in the place of the `do` that asked. -/
def Handled.told (answer : Value) : Handled → Handled
  | .body c => .body (c.resumeWith answer)
  | .clause d c => .clause (d.resumeWith answer) c

/-- The handled term `s` does `labels`: what reaches the outside, the answers to it, and the result. -/
inductive Handled.Does (P : Program) (H : List OnOp) : Handled → List Label → Prop where
  | nil (s : Handled) : Does P H s []
  | step {s s' : Handled} {labels : List Label} : s.step P H = .goesOn s' → Does P H s' labels → Does P H s labels
  | ask {s : Handled} {op : String} {args : List Value} : s.step P H = .asks op args → Does P H s [.ask op args]
  | told {s : Handled} {op : String} {args : List Value} {labels : List Label} (answer : Value) : s.step P H = .asks op args →
      Does P H (s.told answer) labels → Does P H s (.ask op args :: .told answer :: labels)
  | done {s : Handled} {v : Value} : s.step P H = .ends v → Does P H s [.done v]
  | failed {s : Handled} {f : Fault} : s.step P H = .faults f → Does P H s [.failed f]

/-! ## The lowering -/

namespace Lowered

/-- The argument of a variant. -/
def part (e : Expr) (i : Nat) : Expr := .prim "con_arg" [e, .lit (.int i)]

/-- Whether a variant is `name` with `n` arguments. -/
def isA (e : Expr) (name : String) (n : Nat) : Expr := .prim "is_con" [e, .lit (.text name), .lit (.int n)]

/-- `rest` where the outcome `x` is `Ok`; else the run fails with its error. -/
def unwrap (x : String) (rest : Comp) : Comp := .ite (isA (.var x) "Ok" 1) rest (.ret (.prim "raise" [part (.var x) 0]))

/-- What `run.next` told. -/
def stop : Expr := part (.var "s") 0

/-- The argument `i` of the operation at which the body stands. -/
def argument (i : Nat) : Expr := .prim "get" [part stop 1, .lit (.int i)]

/-- Drive the body on. -/
def again (loop : String) : Comp := .call (.lit (.agent loop)) [.var "r"]

/-- The value of the clause is the answer. -/
def answer (loop : String) (k : OnOp) : Comp :=
  .let "v" (.call (.lit (.agent k.agent)) ((List.range k.params.length).map argument))
    (.let "a" (.op "run.answer" [.var "r", .var "v"]) (unwrap "a" (again loop)))

/-- The body is at an operation: which clause, or none. -/
def dispatch (loop : String) : List OnOp → Comp
  | [] => .let "p" (.op "run.pass" [.var "r"]) (unwrap "p" (again loop))
  | k :: ks => .ite (.prim "eq" [part stop 0, .lit (.text k.op)]) (answer loop k) (dispatch loop ks)

/-- The body has ended: so does the whole. -/
def over : Comp := .ite (isA stop "Done" 1) (.ret (part stop 0)) (.ret (.prim "raise" [part stop 0]))

/-- The loop: the next stop of the run `r`. -/
def loopBody (H : Handling) : Comp :=
  .let "s" (.op "run.next" [.var "r"]) (.ite (isA stop "Intent" 3) (dispatch H.loop H.clauses) over)

/-- The agent that drives the body. -/
def loopDef (H : Handling) : Def := { params := ["r"], body := loopBody H }

/-- The agent that spawns the body and drives it. -/
def mainDef (H : Handling) : Def :=
  { params := []
    body := .let "w" (.op "run.spawn" [.lit (.agent H.agent), .lit (.list H.args), .lit H.request])
      (unwrap "w" (.call (.lit (.agent H.loop)) [part (.var "w") 0])) }

end Lowered

/-- The program with the agents that the handler is lowered to. -/
def Program.lower (P : Program) (H : Handling) : Program :=
  { P with
    defs := (H.main, Lowered.mainDef H) :: (H.loop, Lowered.loopDef H) ::
      (H.clauses.map fun k => (k.agent, { params := k.params, body := k.body })) ++ P.defs }

end Shepherd
