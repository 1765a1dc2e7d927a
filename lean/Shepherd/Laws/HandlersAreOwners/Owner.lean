import Shepherd.Laws.HandlersAreOwners.Moves

/-!
# What passes between the two runs, and to the outside
-/

namespace Shepherd

namespace Driving

open Simulation

/-! ## Values without handles -/

mutual
theorem mapHandles_none {σ : Type} (f : σ → Nat → σ × Value) (s : σ) : (v : Value) → v.hasHandle = false → v.mapHandles f s = (s, v)
  | .run h, e => absurd e (by simp only [Value.hasHandle, Bool.true_eq_false, not_false_eq_true])
  | .list vs, e => by
    rw [Value.hasHandle] at e
    simp only [Value.mapHandles, mapHandlesList_none f s vs e]
  | .record fs, e => by
    rw [Value.hasHandle] at e
    simp only [Value.mapHandles, mapHandlesFields_none f s fs e]
  | .con c vs, e => by
    rw [Value.hasHandle] at e
    simp only [Value.mapHandles, mapHandlesList_none f s vs e]
  | .unit, _ | .bool _, _ | .int _, _ | .dec .., _ | .text _, _ | .blob .., _ | .agent _, _ => by simp only [Value.mapHandles]

theorem mapHandlesList_none {σ : Type} (f : σ → Nat → σ × Value) (s : σ) :
    (vs : List Value) → Value.hasHandleList vs = false → Value.mapHandlesList f s vs = (s, vs)
  | [], _ => by simp only [Value.mapHandlesList]
  | v :: vs, e => by
    rw [Value.hasHandleList, Bool.or_eq_false_iff] at e
    simp only [Value.mapHandlesList, mapHandles_none f s v e.1, mapHandlesList_none f s vs e.2]

theorem mapHandlesFields_none {σ : Type} (f : σ → Nat → σ × Value) (s : σ) :
    (fs : List (String × Value)) → Value.hasHandleFields fs = false → Value.mapHandlesFields f s fs = (s, fs)
  | [], _ => by simp only [Value.mapHandlesFields]
  | (l, v) :: fs, e => by
    rw [Value.hasHandleFields, Bool.or_eq_false_iff] at e
    simp only [Value.mapHandlesFields, mapHandles_none f s v e.1, mapHandlesFields_none f s fs e.2]
end

/-! ## Between the two -/

variable {S : Setting} {m : M} {cc rc : Code} {K K' : Stack} {b : Nat}

/-- An operation that is answered outside: neither the machine's own nor one on files. -/
def Plain (op : String) : Prop := isMachineOp op = false ∧ FileOps.isFileOp op = false

/-- The open `run.next` of the root run. -/
abbrev wNext (K : Stack) : Waiting := { op := "run.next", args := [.run 0], stack := K }

theorem owned_child {stack : List Id} (h : Pair S m stack rc cc) : m.owned .root (.run 0) = .ok child := by
  simp only [M.owned, h.root_handles, List.getElem?_cons_zero, h.owns, if_true]

theorem shown_child {stack : List Id} {w : Waiting} (h : Pair S m stack rc (.settled (.waiting w))) (hp : isMachineOp w.op = false) :
    m.shown child = some { asked := child, op := w.op, args := w.args, path := [] } := by
  simp only [M.shown, h.child_code, hp, Bool.false_eq_true, if_false]

theorem atIntent_child {stack : List Id} {w : Waiting} (h : Pair S m stack rc (.settled (.waiting w)))
    (hp : isMachineOp w.op = false) :
    m.atIntent .root (.run 0) = .ok (child, { asked := child, op := w.op, args := w.args, path := [] }) := by
  simp only [M.atIntent, owned_child h, shown_child h hp]

/-- The machine answers an operation on runs of the root run in a step of its own. -/
theorem step_perform {w : Waiting} (h : Pair S m [.root, .world] (.settled (.waiting w)) cc) (hw : isMachineOp w.op = true) :
    m.step = m.perform .root w := by
  rw [M.step, h.stack]; simp only [h.root_code, hw, if_true]

theorem free_perform {w : Waiting} (h : Pair S m [.root, .world] (.settled (.waiting w)) cc) : ¬m.AtBound :=
  not_atBound h.stack fun c ρ K n hc => by rw [h.root_code] at hc; cases hc

/-- `run.next`: the body goes on. -/
theorem root_next {Q : M → Prop} (h : Pair S m [.root, .world] (.settled (.waiting (wNext K))) cc)
    (hq : ∀ m', Pair S m' down (.driving child (wNext K)) cc → Leads S b Q m') : Leads S b Q m := by
  have hn : m.perform .root (wNext K) = some (m.next .root (wNext K)) := by simp only [M.perform]
  refine .step (free_perform h) ((step_perform h isRunOp_next).trans hn) (hq _ ?_)
  simp only [M.next, owned_child h]
  exact (h.setCode_root _).of_same _ _ rfl rfl (by rw [h.stack])

theorem step_stop (h : Pair S m down (.driving child (wNext K)) cc)
    (hc : (∃ w, cc = .settled (.waiting w) ∧ isMachineOp w.op = false) ∨ (∃ v, cc = .settled (.done v)) ∨ ∃ e, cc = .settled (.failed e)) :
    m.step = some (m.toOwner .root child [.world]) := by
  rw [M.step, h.stack]
  rcases hc with ⟨w, rfl, hw⟩ | ⟨v, rfl⟩ | ⟨e, rfl⟩
  · simp only [h.child_code, hw, Bool.false_eq_true, if_false, M.atStop, ne_eq, reduceCtorEq, not_false_eq_true, if_true, List.tail_cons]
  · simp only [h.child_code, M.atStop, ne_eq, reduceCtorEq, not_false_eq_true, if_true, List.tail_cons]
  · simp only [h.child_code, M.atStop, ne_eq, reduceCtorEq, not_false_eq_true, if_true, List.tail_cons]

theorem free_stop (h : Pair S m down (.driving child (wNext K)) cc)
    (hc : (∃ w, cc = .settled (.waiting w) ∧ isMachineOp w.op = false) ∨ (∃ v, cc = .settled (.done v)) ∨ ∃ e, cc = .settled (.failed e)) :
    ¬m.AtBound := by
  refine not_atBound h.stack fun c ρ K n hr => ?_
  rw [h.child_code] at hr
  rcases hc with ⟨w, rfl, _⟩ | ⟨v, rfl⟩ | ⟨e, rfl⟩ <;> cases hr

/-- The table of the root run stays as it is. -/
theorem setHandles_root {stack : List Id} (h : Pair S m stack rc cc) :
    Pair S (m.setHandles .root (m.run .root).handles) stack rc cc := by
  have hp := h.put_root { m.run .root with handles := (m.run .root).handles } (run_id m .root) rfl h.root_handles rfl
  have hc : ({ m.run .root with handles := (m.run .root).handles } : Run).code = rc := h.root_code
  rw [hc] at hp
  exact hp

/-- The body asks: the root run is told so. -/
theorem told_intent {Q : M → Prop} {w : Waiting} (h : Pair S m down (.driving child (wNext K)) (.settled (.waiting w)))
    (hp : isMachineOp w.op = false)
    (hq : ∀ m', Pair S m' [.root, .world] (resume (.ok (intent w.op w.args (.list []))) K) (.settled (.waiting w)) → Leads S b Q m') :
    Leads S b Q m := by
  refine .step (free_stop h (.inl ⟨w, rfl, hp⟩)) (step_stop h (.inl ⟨w, rfl, hp⟩)) (hq _ ?_)
  have h1 : Pair S { m with stack := [.root, .world] } [.root, .world] (.driving child (wNext K)) (.settled (.waiting w)) :=
    h.of_same _ _ rfl rfl rfl
  simp only [M.toOwner, h.root_code, M.stopValue, h1.child_code, shown_child h1 hp, holdAll, List.map_nil]
  exact (setHandles_root h1).reply_root (wNext K) _ []

/-- The body has a value: the root run is told so. -/
theorem told_done {Q : M → Prop} {v : Value} (h : Pair S m down (.driving child (wNext K)) (.settled (.done v)))
    (hv : v.hasHandle = false)
    (hq : ∀ m', Pair S m' [.root, .world] (resume (.ok (.con "Done" [v])) K) (.settled (.done v)) → Leads S b Q m') : Leads S b Q m := by
  refine .step (free_stop h (.inr (.inl ⟨v, rfl⟩))) (step_stop h (.inr (.inl ⟨v, rfl⟩))) (hq _ ?_)
  have h1 : Pair S { m with stack := [.root, .world] } [.root, .world] (.driving child (wNext K)) (.settled (.done v)) :=
    h.of_same _ _ rfl rfl rfl
  simp only [M.toOwner, h.root_code, M.stopValue, h1.child_code, M.rehandle, mapHandles_none _ _ v hv]
  exact (setHandles_root h1).reply_root (wNext K) _ []

/-- The body has failed: the root run is told so. -/
theorem told_failed {Q : M → Prop} {e : Value} (h : Pair S m down (.driving child (wNext K)) (.settled (.failed e)))
    (hq : ∀ m', Pair S m' [.root, .world] (resume (.ok (.con "Failed" [e])) K) (.settled (.failed e)) → Leads S b Q m') : Leads S b Q m := by
  refine .step (free_stop h (.inr (.inr ⟨e, rfl⟩))) (step_stop h (.inr (.inr ⟨e, rfl⟩))) (hq _ ?_)
  have h1 : Pair S { m with stack := [.root, .world] } [.root, .world] (.driving child (wNext K)) (.settled (.failed e)) :=
    h.of_same _ _ rfl rfl rfl
  simp only [M.toOwner, h.root_code, M.stopValue, h1.child_code]
  exact h1.reply_root (wNext K) _ []

/-- The body gets an outcome. -/
theorem answerAsked_child {stack : List Id} {w : Waiting} (h : Pair S m stack rc (.settled (.waiting w))) (answer : Value)
    (change : Change) (by' : By) : Pair S (m.answerAsked child answer change by') stack rc (resume answer w.stack) := by
  have := h.record_child (.outcome answer change by')
    { m.state child with code := resume answer w.stack, files := (m.run child).files.apply change }
  simp only [M.answerAsked, h.child_code]
  exact this

/-- `run.answer` with a value that can be one. -/
theorem root_answer {Q : M → Prop} {v : Value} {w : Waiting} (hv : v.hasHandle = false) (hw : isMachineOp w.op = false)
    (h : Pair S m [.root, .world] (.settled (.waiting { op := "run.answer", args := [.run 0, v], stack := K })) (.settled (.waiting w)))
    (hq : ∀ m', Pair S m' [.root, .world] (resume (.ok .unit) K) (resume (.ok v) w.stack) → Leads S b Q m') : Leads S b Q m := by
  have hn : m.perform .root { op := "run.answer", args := [.run 0, v], stack := K } =
      some (m.answerOp .root { op := "run.answer", args := [.run 0, v], stack := K }) := by simp only [M.perform]
  refine .step (free_perform h) ((step_perform h isRunOp_answer).trans hn) (hq _ ?_)
  have hk : (Value.ok v).hasHandle = false := by
    simp only [Value.ok, Value.hasHandle, Value.hasHandleList, hv, Bool.or_false]
  simp only [M.answerOp, M.ownerAnswers, atIntent_child h hw, hk, Bool.false_eq_true, if_false, M.deliver, List.dropLast_singleton,
    List.reverse_nil, List.foldl_nil]
  exact (answerAsked_child h (.ok v) [] .owner).reply_root { op := "run.answer", args := [.run 0, v], stack := K } (.ok .unit) []

/-- `run.answer` with a run in the value is refused. -/
theorem root_answer_refused {Q : M → Prop} {v : Value} {w : Waiting} (hv : v.hasHandle = true) (hw : isMachineOp w.op = false)
    (h : Pair S m [.root, .world] (.settled (.waiting { op := "run.answer", args := [.run 0, v], stack := K })) (.settled (.waiting w)))
    (hq : ∀ m', Pair S m' [.root, .world] (resume (.err "handle" "an answer contains no run") K) (.settled (.waiting w)) → Leads S b Q m') :
    Leads S b Q m := by
  have hn : m.perform .root { op := "run.answer", args := [.run 0, v], stack := K } =
      some (m.answerOp .root { op := "run.answer", args := [.run 0, v], stack := K }) := by simp only [M.perform]
  refine .step (free_perform h) ((step_perform h isRunOp_answer).trans hn) (hq _ ?_)
  have hk : (Value.ok v).hasHandle = true := by
    simp only [Value.ok, Value.hasHandle, Value.hasHandleList, hv, Bool.or_false]
  simp only [M.answerOp, M.ownerAnswers, atIntent_child h hw, hk, if_true]
  exact h.reply_root { op := "run.answer", args := [.run 0, v], stack := K } (.err "handle" "an answer contains no run") []

/-! ## To the outside -/

/-- The tree waits for an answer from outside to `op(args)`; after it `Q` holds, and every well-formed answer is taken. -/
def Outside (op : String) (args : List Value) (Q : Value → M → Prop) (m : M) : Prop :=
  m.step = none ∧ (∃ a, m.asked = some a ∧ a.op = op ∧ a.args = args) ∧ (m.run .root).code.isLive = true ∧
    (∀ answer change n, m.answer answer change = some n → Q answer n) ∧
    ∀ answer, goodAnswer m.program op answer [] = true → ∃ n, m.answer answer [] = some n

/-- The abbreviation for the open `run.pass`. -/
abbrev wPass (K : Stack) : Waiting := { op := "run.pass", args := [.run 0], stack := K }

/-- `run.pass`: what the body asks reaches the outside; the answer goes to both. -/
theorem root_pass {w : Waiting} (hw : Plain w.op)
    (h : Pair S m [.root, .world] (.settled (.waiting (wPass K))) (.settled (.waiting w))) :
    Leads S b (Outside w.op w.args fun answer n => Pair S n [.root, .world] (resume (.ok answer) K) (resume answer w.stack)) m := by
  have hn : m.perform .root (wPass K) = some (m.pass .root (wPass K)) := by simp only [M.perform]
  refine .step (free_perform h) ((step_perform h isRunOp_pass).trans hn) (.now ?_)
  simp only [M.pass, atIntent_child h hw.1]
  have hp := h.setCode_root (.passing [child] w.op w.args (wPass K))
  generalize M.setCode _ _ _ = m at hp ⊢
  have hs : m.shown .root = some { asked := child, op := w.op, args := w.args, path := [child] } := by
    simp only [M.shown, hp.root_code, List.getLastD]; rfl
  have ha : m.asked = some { run := child, op := w.op, args := w.args } := by
    simp only [M.asked, hp.stack, hp.root_code, hs, Option.map_some]
  have hd : ∀ answer change, m.answer answer change =
      if goodAnswer m.program w.op answer change = false then none
      else some (m.deliver .root { asked := child, op := w.op, args := w.args, path := [child] } answer change .world) := by
    intro answer change
    simp only [M.answer, ha, hp.stack, hp.root_code, hs, Option.map_some, Bool.not_eq_true']
  refine ⟨?_, ⟨_, ha, rfl, rfl⟩, by rw [hp.root_code]; rfl, ?_, ?_⟩
  · rw [M.step, hp.stack]
    simp only [hp.root_code, M.atStop, ne_eq, not_true_eq_false, if_false, hs, hw.2, Bool.false_eq_true]
  · intro answer change n hn
    rw [hd] at hn
    split at hn
    · exact absurd hn nofun
    · injection hn with hn
      subst hn
      have h1 := answerAsked_child hp answer change .world
      have : ((Id.root :: [child]).dropLast.reverse) = [.root] := rfl
      simp only [M.deliver, this, List.foldl_cons, List.foldl_nil, M.relay, h1.root_code]
      exact h1.recordCode_root _ _
  · intro answer hg
    rw [hd, hg]
    exact ⟨_, rfl⟩

/-- The root run itself asks. -/
theorem root_outside {op : String} {args : List Value} (hw : Plain op)
    (h : Pair S m [.root, .world] (.settled (.waiting { op, args, stack := K })) cc) :
    Outside op args (fun answer n => Pair S n [.root, .world] (resume answer K) cc) m := by
  have hs : m.shown .root = some { asked := .root, op, args, path := [] } := by
    simp only [M.shown, h.root_code, hw.1, Bool.false_eq_true, if_false]
  have hpick : ¬op = "run.pick" := by
    intro e
    have : isMachineOp "run.pick" = true := by decide
    rw [← e, hw.1] at this
    exact absurd this nofun
  have ha : m.asked = some { run := .root, op, args } := by
    simp only [M.asked, h.stack, h.root_code, hs, Option.map_some, hpick, if_false]
  have hd : ∀ answer change, m.answer answer change =
      if goodAnswer m.program op answer change = false then none
      else some (m.deliver .root { asked := .root, op, args, path := [] } answer change .world) := by
    intro answer change
    simp only [M.answer, ha, h.stack, h.root_code, hs, hpick, if_false, Option.map_some, Bool.not_eq_true']
  refine ⟨?_, ⟨_, ha, rfl, rfl⟩, by rw [h.root_code]; rfl, ?_, ?_⟩
  · rw [M.step, h.stack]
    simp only [h.root_code, hw.1, M.atStop, ne_eq, not_true_eq_false, if_false, hs, hw.2, Bool.false_eq_true]
  · intro answer change n hn
    rw [hd] at hn
    split at hn
    · exact absurd hn nofun
    · injection hn with hn
      subst hn
      simp only [M.deliver, List.dropLast_singleton, List.reverse_nil, List.foldl_nil, M.answerAsked, h.root_code]
      exact h.record_root (.outcome answer change .world) _ h.root_handles
  · intro answer hg
    rw [hd, hg]
    exact ⟨_, rfl⟩

end Driving

end Shepherd
