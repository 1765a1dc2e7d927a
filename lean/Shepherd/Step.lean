import Shepherd.Run
import Shepherd.Prim

/-!
# Local steps

The rules that need neither an event nor the world: evaluate an expression, push a `let` frame, take an `if`, enter a `call`,
return into a frame.
-/

namespace Shepherd

mutual
/-- The value of an expression, or its fault. The innermost binding of a variable counts. -/
def eval (ρ : Env) : Expr → Except Fault Value
  | .var x => match ρ.lookup x with
    | some v => .ok v
    | none => .error ⟨"name", s!"no variable `{x}`"⟩
  | .lit v => .ok v
  | .prim p es => match evalAll ρ es with
    | .ok vs => prim p vs
    | .error f => .error f

/-- The values of some expressions, left to right, or the first fault. -/
def evalAll (ρ : Env) : List Expr → Except Fault (List Value)
  | [] => .ok []
  | e :: es => match eval ρ e with
    | .ok v => match evalAll ρ es with
      | .ok vs => .ok (v :: vs)
      | .error f => .error f
    | .error f => .error f
end

/-! ## What may enter a trace -/

/-- The characters of the texts among some values. -/
def charsOf (vs : List Value) : Nat :=
  vs.foldl (fun n v => match v with | .text s => n + s.length | _ => n) 0

/-- The values directly inside some values, in any order, and `room` less their number; none where there is no room. -/
def gather (room : Nat) : List Value → List Value → Option (Nat × List Value)
  | [], acc => some (room, acc)
  | v :: vs, acc =>
    let inner := v.children
    if inner.length ≤ room then gather (room - inner.length) vs (inner.foldl (fun a x => x :: a) acc) else none

/-- Level by level: `room` is how many values there may still be, `chars` how many characters; the first argument is how many more
levels there may be. -/
def checkLevels (most : Nat) : Nat → Nat → Nat → List Value → Except Fault Unit
  | 0, _, _, _ => .error ⟨"depth", s!"a value in a trace nests at most {most} deep"⟩
  | n + 1, room, chars, level =>
    match gather room level [] with
    | none => .error ⟨"size", s!"a value in a trace holds at most {Limits.valueNodes} values"⟩
    | some (room, inner) =>
      let here := charsOf level
      if chars < here then .error ⟨"size", s!"a value in a trace holds at most {Limits.textChars} characters"⟩
      else match inner with
        | [] => .ok ()
        | _ => checkLevels most n room (chars - here) inner

/-- Faults where a value may not enter the trace: `depth` where it nests more than `most` deep, `size` where it is too large. -/
def checkSize (most : Nat) (v : Value) : Except Fault Unit :=
  match v with
  | .text _ | .int _ | .bool _ | .agent _ => .ok ()
  | _ => checkLevels most (most + 1) (Limits.valueNodes - 1) Limits.textChars [v]

/-- Operations on runs, whose arguments may contain handles. -/
def isRunOp (op : String) : Bool := "run.".toList.isPrefixOf op.toList

/-- Faults where arguments of an operation may not enter the trace: too large, or handles outside `run.*`. -/
def checkArgs (op : String) : List Value → Except Fault Unit
  | [] => .ok ()
  | v :: vs => match checkSize Limits.valueDepth v with
    | .error f => .error f
    | .ok () =>
      if !isRunOp op && v.hasHandle then .error ⟨"handle", s!"`{op}` cannot take a run"⟩ else checkArgs op vs

/-! ## One step -/

/-- What a local step leads to: another configuration, or the end of the local steps. -/
inductive Local where
  | running (c : Comp) (ρ : Env) (K : Stack)
  /-- The run returns a value with no frame left. -/
  | ends (v : Value)
  /-- The run faults. -/
  | faults (f : Fault)
  /-- The run wants `op(args)`. -/
  | asks (op : String) (args : List Value) (K : Stack)
  deriving Repr, Inhabited

/-- `p` bound to `v` in front of `ρ`, for each of the parameters and arguments in turn. -/
def bind (params : List String) (args : List Value) : Env := (params.zip args).reverse

/-- Entering a call: the body of the agent, its parameters bound to the arguments. -/
def enter (P : Program) (ρ : Env) (f : Expr) (es : List Expr) : Except Fault (Comp × Env) :=
  match eval ρ f with
  | .error e => .error e
  | .ok (.agent a) => match P.agent? a with
    | none => .error ⟨"name", s!"no agent `{a}`"⟩
    | some d =>
      if d.params.length ≠ es.length then
        .error ⟨"name", s!"`{a}` takes {d.params.length} arguments, not {es.length}"⟩
      else match evalAll ρ es with
        | .error e => .error e
        | .ok vs => .ok (d.body, bind d.params vs)
  | .ok _ => .error ⟨"type", "what is called is not an agent"⟩

/-- One local step of `running c ρ K`, the bound on their number apart. -/
def localStep (P : Program) (c : Comp) (ρ : Env) (K : Stack) : Local :=
  match c with
  | .ret e => match eval ρ e with
    | .error f => .faults f
    | .ok v => match K with
      | [] => match checkSize Limits.valueDepth v with
        | .error f => .faults f
        | .ok () => .ends v
      | k :: K => .running k.body ((k.name, v) :: k.env) K
  | .let x bound body => .running bound ρ (⟨x, body, ρ⟩ :: K)
  | .ite cond yes no => match eval ρ cond with
    | .error f => .faults f
    | .ok (.bool true) => .running yes ρ K
    | .ok (.bool false) => .running no ρ K
    | .ok _ => .faults ⟨"type", "the condition of an `if` is not a boolean"⟩
  | .call f es => match enter P ρ f es with
    | .error e => .faults e
    | .ok (body, ρ) => .running body ρ K
  | .op name es => match evalAll ρ es with
    | .error f => .faults f
    | .ok vs => match checkArgs name vs with
      | .error f => .faults f
      | .ok () => .asks name vs K

/-- The fault of a run that takes more local steps between two events than the program allows. -/
def tooMany (P : Program) : Fault :=
  ⟨"steps", s!"more than {P.steps} local steps between two events; `shepherd run --steps N` allows N"⟩

/-- The code of a run whose intent got `answer`: it returns the outcome into its frames. -/
def resume (answer : Value) (K : Stack) : Code := .settled (.running (.ret (.lit answer)) [] K 0)

/-- The code a run of `agent(args…)` starts with. -/
def bodyOf (agent : String) (args : List Value) : Code :=
  .settled (.running (.call (.lit (.agent agent)) (args.map .lit)) [] [] 0)

end Shepherd
