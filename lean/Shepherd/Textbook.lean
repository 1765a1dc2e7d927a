import Shepherd.Step

/-!
# The textbook semantics of one run

Substitution of closed values and small steps of closed terms, operations as labels. There is no environment, no stack and no
count of steps. It shares with the machine the primitives, what may enter a trace (`checkSize`, `checkArgs`) and the definitions of
the program, and nothing else.

A variable that nothing binds stays in the term, and is the fault `name` when its value is wanted; so nothing here asks for a term
to be closed.
-/

namespace Shepherd

/-! ## Substitution -/

mutual
/-- `e[v/x]`. Values are closed, so nothing is captured. -/
def Expr.subst (x : String) (v : Value) : Expr → Expr
  | .var y => if y = x then .lit v else .var y
  | .lit w => .lit w
  | .prim p es => .prim p (Expr.substAll x v es)

/-- The same for each of some expressions. -/
def Expr.substAll (x : String) (v : Value) : List Expr → List Expr
  | [] => []
  | e :: es => e.subst x v :: Expr.substAll x v es
end

/-- `c[v/x]`. A `let` that binds `x` again shadows it in its body. -/
def Comp.subst (x : String) (v : Value) : Comp → Comp
  | .ret e => .ret (e.subst x v)
  | .let y bound body => .let y (bound.subst x v) (if y = x then body else body.subst x v)
  | .ite cond yes no => .ite (cond.subst x v) (yes.subst x v) (no.subst x v)
  | .call f es => .call (f.subst x v) (Expr.substAll x v es)
  | .op name es => .op name (Expr.substAll x v es)

/-- `c` with each argument in the place of its parameter. Where two parameters have one name the later one counts. -/
def Comp.instantiate : List String → List Value → Comp → Comp
  | x :: xs, v :: vs, c => (c.instantiate xs vs).subst x v
  | _, _, c => c

/-! ## The value of a closed expression -/

mutual
/-- The value of a closed expression, or its fault. -/
def valueOf : Expr → Except Fault Value
  | .var x => .error ⟨"name", s!"no variable `{x}`"⟩
  | .lit v => .ok v
  | .prim p es => match valuesOf es with
    | .ok vs => prim p vs
    | .error f => .error f

/-- The values of some closed expressions, left to right, or the first fault. -/
def valuesOf : List Expr → Except Fault (List Value)
  | [] => .ok []
  | e :: es => match valueOf e with
    | .ok v => match valuesOf es with
      | .ok vs => .ok (v :: vs)
      | .error f => .error f
    | .error f => .error f
end

/-! ## One reduction -/

/-- What a term does next: it is a value, it reduces, it faults, or it wants `op(args)`. -/
inductive Reduct where
  | value (v : Value)
  | term (c : Comp)
  | fault (f : Fault)
  | asks (op : String) (args : List Value)
  deriving Repr, Inhabited

/-- A call: the body of the agent with the arguments in it. -/
def Comp.unfold (P : Program) (f : Expr) (es : List Expr) : Reduct :=
  match valueOf f with
  | .error e => .fault e
  | .ok (.agent a) => match P.agent? a with
    | none => .fault ⟨"name", s!"no agent `{a}`"⟩
    | some d =>
      if d.params.length ≠ es.length then
        .fault ⟨"name", s!"`{a}` takes {d.params.length} arguments, not {es.length}"⟩
      else match valuesOf es with
        | .error e => .fault e
        | .ok vs => .term (d.body.instantiate d.params vs)
  | .ok _ => .fault ⟨"type", "what is called is not an agent"⟩

/-- One reduction of a closed term, where it stands: within the `let`s around it. -/
def Comp.reduce (P : Program) : Comp → Reduct
  | .ret e => match valueOf e with
    | .ok v => .value v
    | .error f => .fault f
  | .let x bound body => match bound.reduce P with
    | .value v => .term (body.subst x v)
    | .term bound => .term (.let x bound body)
    | .fault f => .fault f
    | .asks name args => .asks name args
  | .ite cond yes no => match valueOf cond with
    | .ok (.bool true) => .term yes
    | .ok (.bool false) => .term no
    | .ok _ => .fault ⟨"type", "the condition of an `if` is not a boolean"⟩
    | .error f => .fault f
  | .call f es => Comp.unfold P f es
  | .op name es => match valuesOf es with
    | .error f => .fault f
    | .ok vs => match checkArgs name vs with
      | .error f => .fault f
      | .ok () => .asks name vs

/-- The term with the outcome in the place of the `do` that asked. -/
def Comp.resumeWith (answer : Value) : Comp → Comp
  | .let x bound body => .let x (bound.resumeWith answer) body
  | .op .. => .ret (.lit answer)
  | c => c

/-- `agent(args…)` as a term. -/
def called (agent : String) (args : List Value) : Comp := .call (.lit (.agent agent)) (args.map .lit)

/-! ## A run -/

/-- What the textbook says of a whole run's next step. -/
inductive Textbook where
  | reduces (c : Comp)
  /-- The run returns a value. -/
  | ends (v : Value)
  /-- The run faults. -/
  | faults (f : Fault)
  /-- The run wants `op(args)`. -/
  | asks (op : String) (args : List Value)
  deriving Repr, Inhabited

/-- The next step of a run that stands at the term `c`. The value of a run must be one that may enter a trace. -/
def textbook (P : Program) (c : Comp) : Textbook :=
  match c.reduce P with
  | .value v => match checkSize Limits.valueDepth v with
    | .error f => .faults f
    | .ok () => .ends v
  | .term c => .reduces c
  | .fault f => .faults f
  | .asks op args => .asks op args

/-- What is seen of a run from outside: it asks, it is told an answer, it ends with a value or with a fault. `gaveUp` is the fault
`steps`, the machine's bound on the number of local steps between two events, which the textbook does not know. -/
inductive Label where
  | ask (op : String) (args : List Value)
  | told (answer : Value)
  | done (v : Value)
  | failed (f : Fault)
  | gaveUp
  deriving Repr, Inhabited

/-- `c` does `labels`, given the answers in them, and perhaps more after that: it reduces between two labels. -/
inductive Textbook.Does (P : Program) : Comp → List Label → Prop where
  | nil (c : Comp) : Does P c []
  | reduce {c c' : Comp} {labels : List Label} : textbook P c = .reduces c' → Does P c' labels → Does P c labels
  | ask {c : Comp} {op : String} {args : List Value} : textbook P c = .asks op args → Does P c [.ask op args]
  | told {c : Comp} {op : String} {args : List Value} {labels : List Label} (answer : Value) : textbook P c = .asks op args →
      Does P (c.resumeWith answer) labels → Does P c (.ask op args :: .told answer :: labels)
  | done {c : Comp} {v : Value} : textbook P c = .ends v → Does P c [.done v]
  | failed {c : Comp} {f : Fault} : textbook P c = .faults f → Does P c [.failed f]

/-! ## What the machine does with one run -/

/-- The same of the machine: `running c ρ K n` does `labels` by the local steps of `localStep`, at most `P.steps` of them since
the last event (`n` so far); an answer takes it to `resume answer K`. -/
inductive Local.Does (P : Program) : Comp → Env → Stack → Nat → List Label → Prop where
  | nil (c : Comp) (ρ : Env) (K : Stack) (n : Nat) : Does P c ρ K n []
  | step {c c' : Comp} {ρ ρ' : Env} {K K' : Stack} {n : Nat} {labels : List Label} : n < P.steps →
      localStep P c ρ K = .running c' ρ' K' → Does P c' ρ' K' (n + 1) labels → Does P c ρ K n labels
  | ask {c : Comp} {ρ : Env} {K K' : Stack} {n : Nat} {op : String} {args : List Value} : n < P.steps →
      localStep P c ρ K = .asks op args K' → Does P c ρ K n [.ask op args]
  | told {c c' : Comp} {ρ ρ' : Env} {K K' K'' : Stack} {n n' : Nat} {op : String} {args : List Value} {labels : List Label}
      (answer : Value) : n < P.steps → localStep P c ρ K = .asks op args K' →
      resume answer K' = .settled (.running c' ρ' K'' n') → Does P c' ρ' K'' n' labels →
      Does P c ρ K n (.ask op args :: .told answer :: labels)
  | done {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {v : Value} : n < P.steps → localStep P c ρ K = .ends v →
      Does P c ρ K n [.done v]
  | failed {c : Comp} {ρ : Env} {K : Stack} {n : Nat} {f : Fault} : n < P.steps → localStep P c ρ K = .faults f →
      Does P c ρ K n [.failed f]
  | gaveUp {c : Comp} {ρ : Env} {K : Stack} {n : Nat} : P.steps ≤ n → Does P c ρ K n [.gaveUp]

/-! ## The term that a configuration of the machine stands for -/

/-- `ρ` put into an expression, the innermost binding first. -/
def Expr.close : Env → Expr → Expr
  | [], e => e
  | (x, v) :: ρ, e => (e.subst x v).close ρ

/-- `ρ` put into a computation, the innermost binding first: it shadows the outer ones of its name. -/
def Comp.close : Env → Comp → Comp
  | [], c => c
  | (x, v) :: ρ, c => (c.subst x v).close ρ

/-- The bindings of an environment but those of `x`. -/
def Env.without (x : String) (ρ : Env) : Env := ρ.filter fun p => p.1 != x

/-- The frames wrapped around a term, as the `let`s that they are. -/
def plug : Stack → Comp → Comp
  | [], c => c
  | k :: K, c => plug K (.let k.name c (k.body.close (k.env.without k.name)))

/-- The term that `running c ρ K` stands for: `ρ` put into `c`, within the `let`s of `K`. -/
def termOf (c : Comp) (ρ : Env) (K : Stack) : Comp := plug K (c.close ρ)

/-- How many `let`s are entered before something is reduced. -/
def Comp.lets : Comp → Nat
  | .let _ bound _ => bound.lets + 1
  | _ => 0

end Shepherd
