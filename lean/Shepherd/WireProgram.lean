import Shepherd.Program
import Shepherd.Sha1
import Shepherd.WireValue

/-!
# Programs in canonical form

`spec/contract.md`, "Programs in canonical text"; `core/wire_program.py`, `core/digest.py`.

    {"version":1,"steps":n,"ops":{op:{"class":…}…},"defs":{name:{"params":[x…],"body":c}…}}
    e ::= {"var":x} | {"val":v} | {"prim":[p,e…]}
    c ::= {"return":e} | {"lets":[[x,c]…],"in":c} | {"if":[e,c,c]} | {"call":[e,e…]} | {"do":[op,e…]}

`lets` is maximal: its `in` is never itself a `lets`. Bodies of `lets` and else-branches do not count as nesting.
-/

namespace Shepherd

/-! ## Printing -/

mutual
/-- The canonical form of an expression. -/
def Expr.toJson : Expr → Json
  | .var x => .obj [("var", .str x)]
  | .lit v => .obj [("val", v.toJson)]
  | .prim p args => .obj [("prim", .arr (.str p :: Expr.toJsonList args))]

/-- The canonical forms of expressions. -/
def Expr.toJsonList : List Expr → List Json
  | [] => []
  | e :: es => e.toJson :: Expr.toJsonList es
end

/-- The computation `body` below the bindings `lets`, last first, in canonical form. -/
def Wire.bound : (lets : List Json) → (body : Json) → Json
  | [], body => body
  | lets, body => .obj [("in", body), ("lets", .arr lets.reverse)]

/-- The canonical form of a computation below the bindings `lets`, last first. -/
def Comp.toJsonBelow : Comp → (lets : List Json) → Json
  | .let x c body, lets => body.toJsonBelow (.arr [.str x, c.toJsonBelow []] :: lets)
  | .ret e, lets => Wire.bound lets (.obj [("return", e.toJson)])
  | .ite e yes no, lets => Wire.bound lets (.obj [("if", .arr [e.toJson, yes.toJsonBelow [], no.toJsonBelow []])])
  | .call agent args, lets => Wire.bound lets (.obj [("call", .arr (agent.toJson :: Expr.toJsonList args))])
  | .op name args, lets => Wire.bound lets (.obj [("do", .arr (.str name :: Expr.toJsonList args))])

/-- The canonical form of a computation. -/
def Comp.toJson (c : Comp) : Json := c.toJsonBelow []

/-- The canonical form of how an operation can be taken back. -/
def EffectClass.toJson : EffectClass → Json
  | .pure => .obj [("class", .str "pure")]
  | .reversible => .obj [("class", .str "reversible")]
  | .compensable undo => .obj [("class", .str "compensable"), ("undo", .str undo)]
  | .irreversible => .obj [("class", .str "irreversible")]

/-- The canonical form of an agent. -/
def Def.toJson (d : Def) : Json := .obj [("body", d.body.toJson), ("params", .arr (d.params.map Json.str))]

/-- The canonical form of a program. -/
def Program.toJson (P : Program) : Json :=
  .obj [("defs", Json.object (P.defs.map fun x => (x.1, x.2.toJson))),
    ("ops", Json.object (P.ops.map fun x => (x.1, x.2.toJson))),
    ("steps", .int P.steps),
    ("version", .int formatVersion)]

/-- The canonical text of a program. -/
def Program.canonical (P : Program) : String := P.toJson.print

/-- What the digest of a program must be: the Git blob hash of its canonical text. -/
def Program.digestOf (P : Program) : String := gitBlobHash P.canonical

/-! ## Reading -/

mutual
/-- The expression that a JSON value says. Parts may nest `room` deep. -/
def Expr.read : Json → (room : Nat) → Except String Expr
  | _, 0 => Wire.tooDeep
  | .obj [(tag, .arr (.str p :: args))], room + 1 =>
    if tag = "prim" then
      match Expr.readList args room [] with
      | .ok args => .ok (.prim p args)
      | .error e => .error e
    else if tag = "val" then (Value.read (.arr (.str p :: args)) (room + 1)).map Expr.lit
    else Wire.expected "an expression"
  | .obj [(tag, body)], room + 1 =>
    if tag = "var" then (Wire.text body).map Expr.var
    else if tag = "val" then (Value.read body (room + 1)).map Expr.lit
    else Wire.expected "an expression"
  | _, _ => Wire.expected "an expression"

/-- The expressions that JSON values say. -/
def Expr.readList : List Json → (room : Nat) → (done : List Expr) → Except String (List Expr)
  | [], _, done => .ok done.reverse
  | e :: es, room, done => match Expr.read e room with
    | .ok e => Expr.readList es room (e :: done)
    | .error e => .error e
end

/-- The computation `body` below the bindings `lets`, last first. -/
def Wire.letAll (lets : List (String × Comp)) (body : Comp) : Comp :=
  lets.foldl (fun body x => .let x.1 x.2 body) body

mutual
/-- The computation that a JSON value says. Parts may nest `room` deep; bodies of `lets` and else-branches do not count. -/
def Comp.read : Json → (room : Nat) → (inLets : Bool) → Except String Comp
  | _, 0, _ => Wire.tooDeep
  | .obj [("in", _), ("lets", _)], _, true => .error "`in` is itself a `lets`"
  | .obj [("in", body), ("lets", .arr (pair :: pairs))], room + 1, false =>
    match Comp.readBindings (pair :: pairs) room [] with
    | .error e => .error e
    | .ok lets => match Comp.read body (room + 1) true with
      | .ok body => .ok (Wire.letAll lets body)
      | .error e => .error e
  | .obj [("if", .arr [cond, yes, no])], room + 1, _ =>
    match Expr.read cond room, Comp.read yes room false, Comp.read no (room + 1) false with
    | .ok cond, .ok yes, .ok no => .ok (.ite cond yes no)
    | .error e, _, _ | _, .error e, _ | _, _, .error e => .error e
  | .obj [("return", e)], room + 1, _ => (Expr.read e room).map Comp.ret
  | .obj [("call", .arr (agent :: args))], room + 1, _ =>
    match Expr.readList (agent :: args) room [] with
    | .ok (agent :: args) => .ok (.call agent args)
    | .ok [] => Wire.expected "[agent, e…]"
    | .error e => .error e
  | .obj [("do", .arr (.str name :: args))], room + 1, _ => (Expr.readList args room []).map fun args => .op name args
  | _, _, _ => Wire.expected "a computation"

/-- The bindings that JSON values say, last first. -/
def Comp.readBindings : List Json → (room : Nat) → (done : List (String × Comp)) → Except String (List (String × Comp))
  | [], _, done => .ok done
  | .arr [.str x, c] :: pairs, room, done => match Comp.read c room false with
    | .ok c => Comp.readBindings pairs room ((x, c) :: done)
    | .error e => .error e
  | _, _, _ => Wire.expected "[name, computation]"
end

/-- The computation that a JSON value says. -/
def Comp.ofJson (j : Json) : Except String Comp := Comp.read j Limits.wireDepth false

/-- How an operation can be taken back, as a JSON value says it. -/
def EffectClass.ofJson : Json → Except String EffectClass
  | .obj [("class", .str "pure")] => .ok .pure
  | .obj [("class", .str "reversible")] => .ok .reversible
  | .obj [("class", .str "irreversible")] => .ok .irreversible
  | .obj [("class", .str "compensable"), ("undo", .str undo)] => .ok (.compensable undo)
  | _ => Wire.expected "the class of an operation"

/-- The agent that a JSON value says. -/
def Def.ofJson : Json → Except String Def
  | .obj [("body", body), ("params", .arr params)] => do
    let params ← Wire.each Wire.text params []
    if params.eraseDups.length < params.length then .error "a parameter given twice"
    return ⟨params, ← Comp.ofJson body⟩
  | _ => Wire.expected "an agent"

/-- What `read` makes of each field, in order. -/
def Wire.named {α : Type} (read : Json → Except String α) :
    List (String × Json) → (done : List (String × α)) → Except String (List (String × α))
  | [], done => .ok done.reverse
  | (name, j) :: fs, done => match read j with
    | .ok x => Wire.named read fs ((name, x) :: done)
    | .error e => .error e

/-! ## Literals that hold runs -/

mutual
/-- Whether a literal in an expression holds a run. -/
def Expr.holdsRun : Expr → Bool
  | .var _ => false
  | .lit v => v.hasHandle
  | .prim _ args => Expr.holdsRunList args

/-- Whether a literal in one of some expressions holds a run. -/
def Expr.holdsRunList : List Expr → Bool
  | [] => false
  | e :: es => e.holdsRun || Expr.holdsRunList es
end

/-- Whether a literal in a computation holds a run. -/
def Comp.holdsRun : Comp → Bool
  | .ret e => e.holdsRun
  | .let _ c body => c.holdsRun || body.holdsRun
  | .ite e yes no => e.holdsRun || yes.holdsRun || no.holdsRun
  | .call agent args => agent.holdsRun || Expr.holdsRunList args
  | .op _ args => Expr.holdsRunList args

/-- The program that a JSON value says, with its digest. Refused where a literal holds a run: a run is only ever reached by
having made it or having been given it. -/
def Program.ofJson : Json → Except String Program
  | .obj [("defs", .obj defs), ("ops", .obj ops), ("steps", steps), ("version", .int version)] => do
    if version ≠ formatVersion then .error "expected the format version"
    let P : Program :=
      { defs := ← Wire.named Def.ofJson defs [], ops := ← Wire.named EffectClass.ofJson ops [],
        steps := ← Wire.natural steps, digest := "" }
    if P.defs.any fun x => x.2.body.holdsRun then .error "a literal of the program holds a run"
    return { P with digest := P.digestOf }
  | _ => Wire.expected "a program"

end Shepherd
