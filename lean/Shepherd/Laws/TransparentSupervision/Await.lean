import Shepherd.Laws.TransparentSupervision.Family
import Shepherd.Laws.HandlersAreOwners.Loop

/-!
# `await`

What `await r` is lowered to (`shepherd_dsl/lower/runtime.py`): a loop that drives `r` from stop to stop and passes on what it asks.
An agent whose body is `await r` is a supervisor that only passes.
-/

namespace Shepherd

namespace Await

open Lowered (part isA)

/-- The name of the run that is awaited. -/
abbrev run : Expr := .var "run"
/-- The outcome of an operation. -/
abbrev outcome : Expr := .var "outcome"
/-- What `run.next` told. -/
abbrev stop : Expr := .var "stop"

/-- `do'(outcome, op)`: the answer in `Ok`; `Err(e)` and `Unknown` end the run. -/
def unwrap (op : String) : Comp := .call (.lit (.agent "do'")) [outcome, .lit (.text op)]

/-- Whether the code of the error in an outcome is this one. -/
def errorIs (code : String) : Expr := .prim "eq" [.prim "field" [part outcome 0, .lit (.text "code")], .lit (.text code)]

/-- `rest` where an outcome is `Err` with that code, and the name of what is there instead; else the run ends with the error. -/
def gone (op code name : String) : Comp :=
  .ite (isA outcome "Err" 1) (.ite (errorIs code) (.ret (.lit (.con name []))) (unwrap op)) (unwrap op)

/-- What comes after `run.next`. -/
def nextRest : Comp := .ite (isA outcome "Ok" 1) (.ret (part outcome 0)) (gone "run.next" "ended" "Ended")

/-- `next'(run)`: the next stop of a run; `Ended` where it was discarded. -/
def nextDef : Def := { params := ["run"], body := .let "outcome" (.op "run.next" [run]) nextRest }

/-- What comes after `run.pass`. -/
def passRest : Comp := .ite (isA outcome "Ok" 1) (.ret (part outcome 0)) (gone "run.pass" "stop" "Left")

/-- `pass'(run)`: what came of the intent that the run stands at; `Left` where it stands at none any more. -/
def passDef : Def := { params := ["run"], body := .let "outcome" (.op "run.pass" [run]) passRest }

/-- Passing what the run asks, and driving it on. -/
def passOn : Comp := .let "outcome" (.call (.lit (.agent "pass'")) [run]) (.call (.lit (.agent "drive'")) [run])

/-- What comes after a stop. -/
def driveRest : Comp := .ite (isA stop "Intent" 3) passOn (.ret stop)

/-- `drive'(run)`: passes everything on until the run ends; `Done(v)`, `Failed(e)` or `Ended`. -/
def driveDef : Def := { params := ["run"], body := .let "stop" (.call (.lit (.agent "next'")) [run]) driveRest }

/-- What comes after the last stop. -/
def awaitRest : Comp :=
  .ite (isA stop "Done" 1) (.ret (part stop 0))
    (.ite (isA stop "Failed" 1) (.ret (.prim "raise" [part stop 0]))
      (.ret (.prim "fail" [.lit (.text "ended"), .lit (.text "the run was discarded")])))

/-- `await'(run)`: drives the run to its end and gives its value; its failure is the failure here. -/
def awaitDef : Def := { params := ["run"], body := .let "stop" (.call (.lit (.agent "drive'")) [run]) awaitRest }

/-- `do'(outcome, op)`: the answer in `Ok`; `Err(e)` and `Unknown` end the run. -/
def unwrapDef : Def :=
  { params := ["outcome", "op"]
    body := .ite (isA outcome "Ok" 1) (.ret (part outcome 0))
      (.ite (isA outcome "Err" 1) (.ret (.prim "raise" [part outcome 0]))
        (.ret (.prim "fail" [.lit (.text "unknown"),
          .prim "text" [.lit (.text "nobody knows whether `"), .var "op", .lit (.text "` happened")]]))) }

/-- `await e`. -/
def await (e : Expr) : Comp := .call (.lit (.agent "await'")) [e]

/-- `agent sup(r) { return await r }`: a supervisor that only passes. -/
def supDef (r : String) : Def := { params := [r], body := await (.var r) }

/-- `await e` through supervisors: `await (spawn sup(… spawn sup(e)))`, each spawned with `request`. There are as many as `names`, which
are those that the lowering gives to the outcome of each `run.spawn` and to the run in it. -/
def supervised (sup : String) (request : Value) : (names : List (String × String)) → Expr → Comp
  | [], e => await e
  | (o, v) :: names, e =>
    .let o (.op "run.spawn" [.lit (.agent sup), .prim "list" [e], .lit request])
      (.let v (.call (.lit (.agent "do'")) [.var o, .lit (.text "run.spawn")]) (supervised sup request names (.var v)))

/-- The program has the agents to which `await` is lowered, and its bound on the local steps between two events lets them go on. -/
structure LoweredIn (P : Program) : Prop where
  await : P.agent? "await'" = some awaitDef
  next : P.agent? "next'" = some nextDef
  pass : P.agent? "pass'" = some passDef
  drive : P.agent? "drive'" = some driveDef
  unwrap : P.agent? "do'" = some unwrapDef
  steps : 12 ≤ P.steps

/-! ## The frames of the loop -/

/-- The run that is awaited has the handle `h`. -/
abbrev env (h : Nat) : Env := [("run", .run h)]

/-- What waits for the stop. -/
def nextFrames (h : Nat) (K : Stack) : Stack := ⟨"outcome", nextRest, env h⟩ :: ⟨"stop", driveRest, env h⟩ :: K

/-- The environment after the stop `s`. -/
abbrev stopped (h : Nat) (s : Value) : Env := [("stop", s), ("run", .run h)]

/-- What waits for the outcome of `run.pass`. -/
def passFrames (h : Nat) (s : Value) (K : Stack) : Stack :=
  ⟨"outcome", passRest, env h⟩ :: ⟨"outcome", .call (.lit (.agent "drive'")) [run], stopped h s⟩ :: K

/-- The open `run.next`. -/
def wNext (h : Nat) (K : Stack) : Waiting := { op := "run.next", args := [.run h], stack := nextFrames h K }

/-- The open `run.pass`. -/
def wPass (h : Nat) (s : Value) (K : Stack) : Waiting := { op := "run.pass", args := [.run h], stack := passFrames h s K }

/-! ## Local steps -/

/-- A place of a computation. -/
abbrev Place := Comp × Env × Stack

/-- Local steps, one after the other. -/
def trip (P : Program) : Nat → Place → Place → Prop
  | 0, p, q => p = q
  | n + 1, p, q => ∃ r : Place, localStep P p.1 p.2.1 p.2.2 = .running r.1 r.2.1 r.2.2 ∧ trip P n r q

open Driving (eval_isA eval_part)

variable {P : Program} {h : Nat} {K : Stack}

theorem ok_outcome (ρ : Env) (v : Value) : eval (("outcome", .ok v) :: ρ) (isA outcome "Ok" 1) = .ok (.bool true) :=
  (eval_isA _ _ "Ok" "Ok" [v] 1 rfl).trans rfl

theorem in_outcome (ρ : Env) (v : Value) : eval (("outcome", .ok v) :: ρ) (part outcome 0) = .ok v :=
  eval_part _ _ "Ok" [v] v 0 rfl rfl

theorem local_ret (v : Value) (ρ : Env) (F : Frame) :
    localStep P (.ret (.lit v)) ρ (F :: K) = .running F.body ((F.name, v) :: F.env) K := rfl

theorem eval_var (x : String) (v : Value) (ρ : Env) : evalAll ((x, v) :: ρ) [.var x] = .ok [v] := by
  simp only [evalAll, eval, List.lookup_cons, beq_self_eq_true]

theorem local_enter {name r : String} {d : Def} {ρ : Env} {e : Expr} (hd : P.agent? name = some d) (hp : d.params = [r])
    (args : evalAll ρ [e] = .ok [.run h]) : localStep P (.call (.lit (.agent name)) [e]) ρ K = .running d.body [(r, .run h)] K := by
  have go : enter P ρ (.lit (.agent name)) [e] = .ok (d.body, [(r, .run h)]) := by
    unfold enter
    rw [show eval ρ (.lit (.agent name)) = .ok (.agent name) from rfl, args]
    simp only [hd, List.length_cons, List.length_nil, ne_eq, not_true_eq_false, if_false, hp]
    rfl
  unfold localStep
  simp only [go]

theorem local_call {name : String} {d : Def} {ρ : Env} (hd : P.agent? name = some d) (hp : d.params = ["run"])
    (hr : eval ρ run = .ok (.run h)) : localStep P (.call (.lit (.agent name)) [run]) ρ K = .running d.body (env h) K := by
  refine local_enter hd hp ?_
  unfold evalAll
  rw [show eval ρ run = .ok (.run h) from hr]
  rfl

/-- From the answer of `run.next` to the place that asks `run.pass`. -/
theorem trip_pass (l : LoweredIn P) (op : String) (args : List Value) (path : Value) :
    trip P 7 (.ret (.lit (.ok (Driving.intent op args path))), [], nextFrames h K)
      (.op "run.pass" [run], env h, passFrames h (Driving.intent op args path) K) := by
  have intent : eval (stopped h (Driving.intent op args path)) (isA stop "Intent" 3) = .ok (.bool true) :=
    (eval_isA _ _ "Intent" "Intent" _ 3 rfl).trans rfl
  refine ⟨(nextRest, ("outcome", .ok (Driving.intent op args path)) :: env h, ⟨"stop", driveRest, env h⟩ :: K), rfl,
    (.ret (part outcome 0), ("outcome", .ok (Driving.intent op args path)) :: env h, ⟨"stop", driveRest, env h⟩ :: K), ?_,
    (driveRest, stopped h (Driving.intent op args path), K), ?_,
    (passOn, stopped h (Driving.intent op args path), K), ?_,
    (.call (.lit (.agent "pass'")) [run], stopped h (Driving.intent op args path),
      ⟨"outcome", .call (.lit (.agent "drive'")) [run], stopped h (Driving.intent op args path)⟩ :: K), rfl,
    (passDef.body, env h, ⟨"outcome", .call (.lit (.agent "drive'")) [run], stopped h (Driving.intent op args path)⟩ :: K), ?_,
    (.op "run.pass" [run], env h, passFrames h (Driving.intent op args path) K), rfl, rfl⟩
  · simp only [nextRest, localStep, ok_outcome]
  · simp only [localStep, in_outcome]
  · simp only [driveRest, localStep, intent]
  · exact local_call l.pass rfl rfl

/-- From the answer of `run.pass` to the place that asks `run.next` again. -/
theorem trip_next (l : LoweredIn P) (answer s : Value) :
    trip P 7 (.ret (.lit (.ok answer)), [], passFrames h s K) (.op "run.next" [run], env h, nextFrames h K) := by
  refine ⟨(passRest, ("outcome", .ok answer) :: env h, ⟨"outcome", .call (.lit (.agent "drive'")) [run], stopped h s⟩ :: K), rfl,
    (.ret (part outcome 0), ("outcome", .ok answer) :: env h, ⟨"outcome", .call (.lit (.agent "drive'")) [run], stopped h s⟩ :: K), ?_,
    (.call (.lit (.agent "drive'")) [run], ("outcome", answer) :: stopped h s, K), ?_,
    (driveDef.body, env h, K), ?_,
    (.call (.lit (.agent "next'")) [run], env h, ⟨"stop", driveRest, env h⟩ :: K), rfl,
    (nextDef.body, env h, ⟨"stop", driveRest, env h⟩ :: K), ?_,
    (.op "run.next" [run], env h, nextFrames h K), rfl, rfl⟩
  · simp only [passRest, localStep, ok_outcome]
  · simp only [localStep, in_outcome]
  · exact local_call l.drive rfl rfl
  · exact local_call l.next rfl rfl

/-- What waits for the last stop. -/
abbrev lastFrame (h : Nat) : Frame := ⟨"stop", awaitRest, env h⟩

/-- From `await e` to the place that asks `run.next`. -/
theorem trip_await (l : LoweredIn P) {ρ : Env} {e : Expr} (he : evalAll ρ [e] = .ok [.run h]) :
    trip P 6 (await e, ρ, K) (.op "run.next" [run], env h, nextFrames h (lastFrame h :: K)) := by
  refine ⟨(awaitDef.body, env h, K), ?_,
    (.call (.lit (.agent "drive'")) [run], env h, lastFrame h :: K), rfl,
    (driveDef.body, env h, lastFrame h :: K), ?_,
    (.call (.lit (.agent "next'")) [run], env h, ⟨"stop", driveRest, env h⟩ :: lastFrame h :: K), rfl,
    (nextDef.body, env h, ⟨"stop", driveRest, env h⟩ :: lastFrame h :: K), ?_,
    (.op "run.next" [run], env h, nextFrames h (lastFrame h :: K)), rfl, rfl⟩
  · exact local_enter l.await rfl he
  · exact local_call l.drive rfl rfl
  · exact local_call l.next rfl rfl

theorem trip_append : ∀ (i : Nat) {j : Nat} {p q r : Place}, trip P i p q → trip P j q r → trip P (i + j) p r
  | 0, j, _, _, _, h, g => by cases h; rw [Nat.zero_add]; exact g
  | i + 1, j, _, _, _, ⟨s, h, h'⟩, g => by
    rw [Nat.add_right_comm]
    exact ⟨s, h, trip_append i h' g⟩

/-- From the start of a supervisor to the place that asks `run.next`. -/
theorem trip_sup (l : LoweredIn P) {sup r : String} (hs : P.agent? sup = some (supDef r)) :
    trip P 7 (.call (.lit (.agent sup)) [.lit (.run h)], [], K) (.op "run.next" [run], env h, nextFrames h (lastFrame h :: K)) :=
  trip_append 1 (p := (.call (.lit (.agent sup)) [.lit (.run h)], [], K)) (q := (await (.var r), [(r, .run h)], K))
    ⟨_, local_enter hs rfl rfl, rfl⟩ (trip_await l (eval_var r _ []))

/-- From the answer of `run.spawn` to what is done with the new run. -/
theorem trip_spawned (l : LoweredIn P) (o v : String) (c : Comp) (ρ : Env) :
    trip P 5 (.ret (.lit (.ok (.run h))), [], ⟨o, .let v (.call (.lit (.agent "do'")) [.var o, .lit (.text "run.spawn")]) c, ρ⟩ :: K)
      (c, (v, .run h) :: (o, .ok (.run h)) :: ρ, K) := by
  have hr : evalAll ((o, .ok (.run h)) :: ρ) [.var o, .lit (.text "run.spawn")] = .ok [.ok (.run h), .text "run.spawn"] := by
    simp only [evalAll, eval, List.lookup_cons, beq_self_eq_true]
  have go : enter P ((o, .ok (.run h)) :: ρ) (.lit (.agent "do'")) [.var o, .lit (.text "run.spawn")] =
      .ok (unwrapDef.body, [("op", .text "run.spawn"), ("outcome", .ok (.run h))]) := by
    unfold enter
    rw [show eval ((o, .ok (.run h)) :: ρ) (.lit (.agent "do'")) = .ok (.agent "do'") from rfl, hr]
    simp only [l.unwrap]
    rfl
  refine ⟨(.let v (.call (.lit (.agent "do'")) [.var o, .lit (.text "run.spawn")]) c, (o, .ok (.run h)) :: ρ, K), rfl,
    (.call (.lit (.agent "do'")) [.var o, .lit (.text "run.spawn")], (o, .ok (.run h)) :: ρ, ⟨v, c, (o, .ok (.run h)) :: ρ⟩ :: K), rfl,
    (unwrapDef.body, [("op", .text "run.spawn"), ("outcome", .ok (.run h))], ⟨v, c, (o, .ok (.run h)) :: ρ⟩ :: K), ?_,
    (.ret (part outcome 0), [("op", .text "run.spawn"), ("outcome", .ok (.run h))], ⟨v, c, (o, .ok (.run h)) :: ρ⟩ :: K), ?_,
    (c, (v, .run h) :: (o, .ok (.run h)) :: ρ, K), ?_, rfl⟩
  · simp only [localStep, go]
  · have ok : eval [("op", .text "run.spawn"), ("outcome", .ok (.run h))] (isA outcome "Ok" 1) = .ok (.bool true) :=
      (eval_isA _ _ "Ok" "Ok" [.run h] 1 rfl).trans rfl
    simp only [unwrapDef, localStep, ok]
  · have val : eval [("op", .text "run.spawn"), ("outcome", .ok (.run h))] (part outcome 0) = .ok (.run h) :=
      eval_part _ _ "Ok" [.run h] (.run h) 0 rfl rfl
    simp only [localStep, val]

/-- What asks for a supervisor. -/
theorem local_spawn {sup : String} {request : Value} {ρ : Env} {e : Expr} (he : evalAll ρ [e] = .ok [.run h])
    (hr : checkSize Limits.valueDepth request = .ok ()) :
    localStep P (.op "run.spawn" [.lit (.agent sup), .prim "list" [e], .lit request]) ρ K =
      .asks "run.spawn" [.agent sup, .list [.run h], request] K := by
  have args : evalAll ρ [.lit (.agent sup), .prim "list" [e], .lit request] = .ok [.agent sup, .list [.run h], request] := by
    have hl : eval ρ (.prim "list" [e]) = .ok (.list [.run h]) := by
      unfold eval
      rw [he]
      rfl
    have hn : evalAll ρ [.lit request] = .ok [request] := rfl
    have h2 : evalAll ρ [.prim "list" [e], .lit request] = .ok [.list [.run h], request] := by
      unfold evalAll
      rw [hl, hn]
    unfold evalAll
    rw [h2]
    rfl
  have ho : isRunOp "run.spawn" = true := by decide
  have hh : checkSize Limits.valueDepth (.list [.run h]) = .ok () := rfl
  have ha : checkSize Limits.valueDepth (.agent sup) = .ok () := rfl
  simp only [localStep, args, checkArgs, ha, hh, hr, ho, Bool.not_true, Bool.false_and, Bool.false_eq_true, if_false]

theorem local_ask (op : String) (ho : isRunOp op = true) : localStep P (.op op [run]) (env h) K = .asks op [.run h] K := by
  have hr : evalAll (env h) [run] = .ok [.run h] := rfl
  simp only [localStep, hr, checkArgs, Driving.checkSize_run, ho, Bool.not_true, Bool.false_and, Bool.false_eq_true, if_false]

end Await

end Shepherd
