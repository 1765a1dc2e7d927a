import Shepherd.Laws.HandlersAreOwners.Owner

/-!
# The loop, from one stop of the body to the next
-/

namespace Shepherd

namespace Driving

open Simulation

/-- The program has the agents of the lowered handler, no compensable operation, and the loop may do what it does. -/
structure Fits (S : Setting) (H : Handling) : Prop where
  loop : S.program.agent? H.loop = some (Lowered.loopDef H)
  clauses : ∀ k, k ∈ H.clauses → S.program.agent? k.agent = some { params := k.params, body := k.body }
  undo : NoUndo S
  next : ∀ args, S.own "run.next" args
  pass : ∀ args, S.own "run.pass" args
  answer : ∀ args, S.own "run.answer" args

/-- What waits for the stop of the body. -/
abbrev frameStop (H : Handling) : Frame :=
  ⟨"s", .ite (Lowered.isA Lowered.stop "Intent" 3) (Lowered.dispatch H.loop H.clauses) Lowered.over, [("r", .run 0)]⟩

/-- What waits for the value of a clause. -/
abbrev frameValue (H : Handling) (s : Value) : Frame :=
  ⟨"v", .let "a" (.op "run.answer" [.var "r", .var "v"]) (Lowered.unwrap "a" (Lowered.again H.loop)), env s (.run 0)⟩

/-- What waits for the outcome of `run.answer`. -/
abbrev frameAnswer (H : Handling) (v s : Value) : Frame :=
  ⟨"a", Lowered.unwrap "a" (Lowered.again H.loop), ("v", v) :: env s (.run 0)⟩

/-- What waits for the outcome of `run.pass`. -/
abbrev framePass (H : Handling) (s : Value) : Frame :=
  ⟨"p", Lowered.unwrap "p" (Lowered.again H.loop), env s (.run 0)⟩

variable {S : Setting} {H : Handling} {m : M} {cc : Code} {n j b : Nat} {Q : M → Prop}

/-- The root run is at a computation, and has made at most `j` local steps since its last event. -/
abbrev At (S : Setting) (j : Nat) (c : Comp) (ρ : Env) (K : Stack) (cc : Code) (m : M) : Prop :=
  ∃ n, n ≤ j ∧ Pair S m [.root, .world] (.settled (.running c ρ K n)) cc

/-- The body is driven, and `cc` is its code. -/
abbrev Driven (S : Setting) (H : Handling) (cc : Code) (m : M) : Prop :=
  Pair S m down (.driving child (wNext [frameStop H])) cc

theorem checkArgs_run (op : String) (ho : isRunOp op = true) (vs : List Value) : checkArgs op (.run 0 :: vs) = checkArgs op vs := by
  rw [checkArgs, checkSize_run]
  simp only [ho, Bool.not_true, Bool.false_and, Bool.false_eq_true, if_false]

theorem checkArgs_nil (op : String) : checkArgs op [] = .ok () := rfl

theorem checkArgs_one (op : String) (ho : isRunOp op = true) (v : Value) :
    checkArgs op [v] = checkSize Limits.valueDepth v := by
  rw [checkArgs]
  cases checkSize Limits.valueDepth v with
  | error f => rfl
  | ok u => simp only [ho, Bool.not_true, Bool.false_and, Bool.false_eq_true, if_false, checkArgs]

/-- Calling the loop: `run.next`, and the body goes on. -/
theorem loop_call (hf : Fits S H) {ρ : Env} {e : Expr} (he : eval ρ e = .ok (.run 0)) (hb : j + 2 ≤ b)
    (h : At S j (.call (.lit (.agent H.loop)) [e]) ρ [] cc m) : Leads S b (Driven S H cc) m := by
  obtain ⟨n, hn, h⟩ := h
  have h1 : localStep S.program (.call (.lit (.agent H.loop)) [e]) ρ [] =
      .running (Lowered.loopBody H) [("r", .run 0)] [] := by
    simp only [localStep, enter, eval, hf.loop, Lowered.loopDef, List.length_cons, List.length_nil, ne_eq, not_true_eq_false, if_false,
      evalAll, he]
    rfl
  refine (root_local h (by omega) h1 fun m h => ?_).leads
  refine (root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_).leads
  refine (root_asks (op := "run.next") (args := [.run 0]) (K' := [frameStop H]) h (by omega) ?_ (hf.next _) fun m h => ?_).leads
  · have hr : evalAll [("r", .run 0)] [.var "r"] = .ok [.run 0] := rfl
    have ho : isRunOp "run.next" = true := by decide
    simp only [localStep, hr, checkArgs_run _ ho, checkArgs_nil]
  · exact root_next h fun m h => .now h

/-- An outcome `Ok` lets the loop go on. -/
theorem loop_unwrap (hf : Fits S H) {x : String} {ρ : Env} {v : Value} (hx : eval ρ (.var x) = .ok (.ok v))
    (hr : eval ρ (.var "r") = .ok (.run 0)) (hb : j + 3 ≤ b) (h : At S j (Lowered.unwrap x (Lowered.again H.loop)) ρ [] cc m) :
    Leads S b (Driven S H cc) m := by
  obtain ⟨n, hn, h⟩ := h
  have hi : eval ρ (Lowered.isA (.var x) "Ok" 1) = .ok (.bool true) := (eval_isA ρ _ "Ok" "Ok" [v] 1 hx).trans rfl
  refine (root_local h (by omega) (by simp only [Lowered.unwrap, localStep, hi]; rfl) fun m h => ?_).leads
  exact loop_call (j := j + 1) hf hr hb ⟨_, by omega, h⟩

/-- An outcome `Err` ends the run with its error. -/
theorem loop_unwrap_err (hu : NoUndo S) {x : String} {ρ : Env} {f : Fault} (rest : Comp)
    (hx : eval ρ (.var x) = .ok (.con "Err" [f.error])) (hb : j + 1 ≤ b)
    (h : At S j (Lowered.unwrap x rest) ρ [] cc m) : Leads S b (Failed f) m := by
  obtain ⟨n, hn, h⟩ := h
  have hi : eval ρ (Lowered.isA (.var x) "Ok" 1) = .ok (.bool false) := (eval_isA ρ _ "Err" "Ok" [f.error] 1 hx).trans rfl
  have hp : eval ρ (Lowered.part (.var x) 0) = .ok f.error := eval_part ρ _ "Err" [f.error] f.error 0 hx rfl
  refine (root_local h (by omega) (by simp only [Lowered.unwrap, localStep, hi]; rfl) fun m h => ?_).leads
  exact (root_fault hu h (by omega) (by simp only [localStep, eval, evalAll, hp, raise_error])).leads

/-- Returning a value into the innermost frame. -/
theorem loop_return {F : Frame} {K : Stack} {v : Value} {ρ : Env} (h : At S j (.ret (.lit v)) ρ (F :: K) cc m)
    (hb : j ≤ b)
    (hq : ∀ m', At S (j + 1) F.body ((F.name, v) :: F.env) K cc m' → Leads S b Q m') : Leads S b Q m := by
  obtain ⟨n, hn, h⟩ := h
  refine (root_local h (by omega) (c' := F.body) (ρ' := (F.name, v) :: F.env) (K' := K) ?_ fun m h => hq m ⟨_, Nat.succ_le_succ hn, h⟩).leads
  simp only [localStep, eval]

/-- An operation without a clause is passed. -/
theorem loop_dispatch_none {op : String} {args : List Value} {path : Value} {ks : List OnOp} (hk : clauseOf ks op = none)
    (h : At S j (Lowered.dispatch H.loop ks) (env (.ok (intent op args path)) (.run 0)) [] cc m)
    (hb : j + ks.length ≤ b)
    (hq : ∀ m', At S (j + ks.length) (Lowered.dispatch H.loop []) (env (.ok (intent op args path)) (.run 0)) [] cc m' → Leads S b Q m') :
    Leads S b Q m := by
  induction ks generalizing m j with
  | nil => exact hq m h
  | cons k ks ih =>
    obtain ⟨n, hn, h⟩ := h
    rw [List.length_cons] at hb hq
    rw [clauseOf, List.find?_cons] at hk
    cases he : k.op == op with
    | true => rw [he] at hk; exact absurd hk nofun
    | false =>
      rw [he] at hk
      have hp : eval (env (.ok (intent op args path)) (.run 0)) (Lowered.part Lowered.stop 0) = .ok (.text op) :=
        eval_part _ _ "Intent" _ _ 0 (eval_stop _ _) rfl
      have hd : decide (Value.text op = Value.text k.op) = false :=
        decide_eq_false fun e => by rw [Value.text.inj e, beq_self_eq_true] at he; exact absurd he nofun
      refine (root_local h (by omega) (c' := Lowered.dispatch H.loop ks) ?_ fun m h =>
        ih (j := j + 1) hk ⟨_, Nat.succ_le_succ hn, h⟩ (by omega) (by rw [Nat.add_right_comm]; exact hq)).leads
      simp only [Lowered.dispatch, localStep, eval, evalAll, hp, prim_eq, Prim.eq, hd]

/-- An operation with a clause goes to that clause. -/
theorem loop_dispatch_some {op : String} {args : List Value} {path : Value} {ks : List OnOp} {k : OnOp}
    (hk : clauseOf ks op = some k)
    (h : At S j (Lowered.dispatch H.loop ks) (env (.ok (intent op args path)) (.run 0)) [] cc m)
    (hb : j + ks.length ≤ b)
    (hq : ∀ m', At S (j + ks.length) (Lowered.answer H.loop k) (env (.ok (intent op args path)) (.run 0)) [] cc m' → Leads S b Q m') :
    Leads S b Q m := by
  induction ks generalizing m j with
  | nil => exact absurd hk nofun
  | cons k' ks ih =>
    obtain ⟨n, hn, h⟩ := h
    rw [List.length_cons] at hb hq
    rw [clauseOf, List.find?_cons] at hk
    have hp : eval (env (.ok (intent op args path)) (.run 0)) (Lowered.part Lowered.stop 0) = .ok (.text op) :=
      eval_part _ _ "Intent" _ _ 0 (eval_stop _ _) rfl
    cases he : k'.op == op with
    | true =>
      rw [he] at hk
      injection hk with hk
      subst hk
      have hd : decide (Value.text op = Value.text k'.op) = true := decide_eq_true (by rw [beq_iff_eq.mp he])
      refine (root_local h (by omega) (c' := Lowered.answer H.loop k') ?_ fun m h => hq m ⟨_, by omega, h⟩).leads
      simp only [Lowered.dispatch, localStep, eval, evalAll, hp, prim_eq, Prim.eq, hd]
    | false =>
      rw [he] at hk
      have hd : decide (Value.text op = Value.text k'.op) = false :=
        decide_eq_false fun e => by rw [Value.text.inj e, beq_self_eq_true] at he; exact absurd he nofun
      refine (root_local h (by omega) (c' := Lowered.dispatch H.loop ks) ?_ fun m h =>
        ih (j := j + 1) hk ⟨_, Nat.succ_le_succ hn, h⟩ (by omega) (by rw [Nat.add_right_comm]; exact hq)).leads
      simp only [Lowered.dispatch, localStep, eval, evalAll, hp, prim_eq, Prim.eq, hd]

/-- The loop is told an intent: it looks for the clause. -/
theorem loop_intent {op : String} {args : List Value} {path : Value}
    (h : At S j (.ret (.lit (.ok (intent op args path)))) [] [frameStop H] cc m)
    (hb : j + 1 ≤ b)
    (hq : ∀ m', At S (j + 2) (Lowered.dispatch H.loop H.clauses) (env (.ok (intent op args path)) (.run 0)) [] cc m' → Leads S b Q m') :
    Leads S b Q m := by
  refine loop_return h (by omega) fun m h => ?_
  obtain ⟨n, hn, h⟩ := h
  have hi : eval (env (.ok (intent op args path)) (.run 0)) (Lowered.isA Lowered.stop "Intent" 3) = .ok (.bool true) :=
    (eval_isA _ _ "Intent" "Intent" _ 3 (eval_stop _ _)).trans rfl
  refine (root_local h (by omega) (c' := Lowered.dispatch H.loop H.clauses) ?_ fun m h => hq m ⟨_, Nat.succ_le_succ hn, h⟩).leads
  simp only [localStep]
  rw [hi]

/-- The loop is told that the body has ended with `v`. -/
theorem loop_done {v : Value} (hv : checkSize Limits.valueDepth v = .ok ()) (hc : cc.isLive = false) (hb : j + 3 ≤ b)
    (h : At S j (.ret (.lit (.ok (.con "Done" [v])))) [] [frameStop H] cc m) : Leads S b (Done v) m := by
  refine loop_return h (by omega) fun m h => ?_
  obtain ⟨n, hn, h⟩ := h
  have hi : eval (env (.ok (.con "Done" [v])) (.run 0)) (Lowered.isA Lowered.stop "Intent" 3) = .ok (.bool false) :=
    (eval_isA _ _ "Done" "Intent" _ 3 (eval_stop _ _)).trans rfl
  have hd : eval (env (.ok (.con "Done" [v])) (.run 0)) (Lowered.isA Lowered.stop "Done" 1) = .ok (.bool true) :=
    (eval_isA _ _ "Done" "Done" _ 1 (eval_stop _ _)).trans rfl
  have hp : eval (env (.ok (.con "Done" [v])) (.run 0)) (Lowered.part Lowered.stop 0) = .ok v :=
    eval_part _ _ "Done" [v] v 0 (eval_stop _ _) rfl
  refine (root_local h (by omega) (c' := Lowered.over) (ρ' := env (.ok (.con "Done" [v])) (.run 0)) (K' := []) ?_ fun m h => ?_).leads
  · simp only [localStep]; rw [hi]
  · refine (root_local h (by omega) (c' := .ret (Lowered.part Lowered.stop 0)) (ρ' := env (.ok (.con "Done" [v])) (.run 0)) (K' := []) ?_ fun m h => ?_).leads
    · simp only [Lowered.over, localStep]; rw [hd]
    · exact (root_ends h (by omega) hc (by simp only [localStep, hp, hv])).leads

/-- The loop is told that the body has failed. -/
theorem loop_failed (hu : NoUndo S) {f : Fault} (hb : j + 3 ≤ b) (h : At S j (.ret (.lit (.ok (.con "Failed" [f.error])))) [] [frameStop H] cc m) :
    Leads S b (Failed f) m := by
  refine loop_return h (by omega) fun m h => ?_
  obtain ⟨n, hn, h⟩ := h
  have hi : eval (env (.ok (.con "Failed" [f.error])) (.run 0)) (Lowered.isA Lowered.stop "Intent" 3) = .ok (.bool false) :=
    (eval_isA _ _ "Failed" "Intent" _ 3 (eval_stop _ _)).trans rfl
  have hd : eval (env (.ok (.con "Failed" [f.error])) (.run 0)) (Lowered.isA Lowered.stop "Done" 1) = .ok (.bool false) :=
    (eval_isA _ _ "Failed" "Done" _ 1 (eval_stop _ _)).trans rfl
  have hp : eval (env (.ok (.con "Failed" [f.error])) (.run 0)) (Lowered.part Lowered.stop 0) = .ok f.error :=
    eval_part _ _ "Failed" [f.error] f.error 0 (eval_stop _ _) rfl
  refine (root_local h (by omega) (c' := Lowered.over) (ρ' := env (.ok (.con "Failed" [f.error])) (.run 0)) (K' := []) ?_ fun m h => ?_).leads
  · simp only [localStep]; rw [hi]
  · refine (root_local h (by omega) (c' := .ret (.prim "raise" [Lowered.part Lowered.stop 0])) (ρ' := env (.ok (.con "Failed" [f.error])) (.run 0)) (K' := []) ?_ fun m h => ?_).leads
    · simp only [Lowered.over, localStep]; rw [hd]
    · exact (root_fault hu h (by omega) (by simp only [localStep, eval, evalAll, hp, raise_error])).leads

/-- The loop passes what the body asks. -/
theorem loop_pass (hf : Fits S H) {w : Waiting} {s : Value} (hw : Plain w.op) (hb : j + 4 ≤ b)
    (h : At S j (Lowered.dispatch H.loop []) (env s (.run 0)) [] (.settled (.waiting w)) m) :
    Leads S b (Outside w.op w.args fun answer n => Leads S b (Driven S H (resume answer w.stack)) n) m := by
  obtain ⟨n, hn, h⟩ := h
  refine (root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_).leads
  refine (root_asks (op := "run.pass") (args := [.run 0]) (K' := [framePass H s]) h (by omega) ?_ (hf.pass _) fun m h => ?_).leads
  · have hr : evalAll (env s (.run 0)) [.var "r"] = .ok [.run 0] := rfl
    have ho : isRunOp "run.pass" = true := by decide
    simp only [localStep, hr, checkArgs_run _ ho, checkArgs_nil]
  · refine (root_pass hw h).trans fun m ⟨h1, h2, hl, h3, h4⟩ => .now ⟨h1, h2, hl, fun answer change n ha => ?_, h4⟩
    have h := h3 answer change n ha
    refine loop_return (j := 0) ⟨_, Nat.le_refl 0, h⟩ (by omega) fun m h => ?_
    exact loop_unwrap hf (v := answer) rfl rfl (by omega) h

/-- The clause has the value `v`: it is the answer, if it can be one. -/
theorem loop_answer (hf : Fits S H) {w : Waiting} {s v : Value} (hw : isMachineOp w.op = false) (hb : j + 4 ≤ b)
    (h : At S j (.let "a" (.op "run.answer" [.var "r", .var "v"]) (Lowered.unwrap "a" (Lowered.again H.loop))) (("v", v) :: env s (.run 0)) []
      (.settled (.waiting w)) m) :
    (checkAnswer v = .ok () ∧ Leads S b (Driven S H (resume (.ok v) w.stack)) m) ∨ ∃ f, checkAnswer v = .error f ∧ Leads S b (Failed f) m := by
  obtain ⟨n, hn, h⟩ := h
  have hr : evalAll (("v", v) :: env s (.run 0)) [.var "r", .var "v"] = .ok [.run 0, v] := rfl
  have ho : isRunOp "run.answer" = true := by decide
  cases hs : checkSize Limits.valueDepth v with
  | error f =>
    refine .inr ⟨f, by simp only [checkAnswer, hs], ?_⟩
    refine (root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_).leads
    exact (root_fault hf.undo h (by omega) (by simp only [localStep, hr, checkArgs_run _ ho, checkArgs_one _ ho, hs])).leads
  | ok u =>
    have ha : localStep S.program (.op "run.answer" [.var "r", .var "v"]) (("v", v) :: env s (.run 0)) [frameAnswer H v s] =
        .asks "run.answer" [.run 0, v] [frameAnswer H v s] := by
      simp only [localStep, hr, checkArgs_run _ ho, checkArgs_one _ ho, hs]
    cases hh : v.hasHandle with
    | true =>
      refine .inr ⟨⟨"handle", "an answer contains no run"⟩, by simp only [checkAnswer, hs, hh, if_true], ?_⟩
      refine (root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_).leads
      refine (root_asks h (by omega) ha (hf.answer _) fun m h => ?_).leads
      refine root_answer_refused hh hw h fun m h => ?_
      refine loop_return (j := 0) ⟨_, Nat.le_refl 0, h⟩ (by omega) fun m h => ?_
      exact loop_unwrap_err hf.undo _ rfl (by omega) h
    | false =>
      refine .inl ⟨by simp only [checkAnswer, hs, hh, Bool.false_eq_true, if_false], ?_⟩
      refine (root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_).leads
      refine (root_asks h (by omega) ha (hf.answer _) fun m h => ?_).leads
      refine root_answer hh hw h fun m h => ?_
      refine loop_return (j := 0) ⟨_, Nat.le_refl 0, h⟩ (by omega) fun m h => ?_
      exact loop_unwrap hf (v := .unit) rfl rfl (by omega) h

/-- The clause is entered: it stands within the frame that takes its value. -/
theorem loop_clause (hf : Fits S H) {op : String} {args : List Value} {path : Value} {k : OnOp} (hk : k ∈ H.clauses)
    (hl : args.length = k.params.length) (hb : j + 1 ≤ b)
    (h : At S j (Lowered.answer H.loop k) (env (.ok (intent op args path)) (.run 0)) [] cc m) :
    Leads S b (At S (j + 2) k.body (bind k.params args) [frameValue H (.ok (intent op args path))] cc) m := by
  obtain ⟨n, hn, h⟩ := h
  refine (root_local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_).leads
  refine (root_local h (by omega) (c' := k.body) (ρ' := bind k.params args) (K' := [frameValue H (.ok (intent op args path))]) ?_
    fun m h => .now ⟨_, by omega, h⟩).leads
  simp only [localStep, enter, eval, hf.clauses k hk, List.length_map, List.length_range, ne_eq, not_true_eq_false, if_false,
    eval_arguments op args path (.run 0) k.params.length hl]

end Driving

end Shepherd
