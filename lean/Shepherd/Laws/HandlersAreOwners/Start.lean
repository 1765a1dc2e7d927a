import Shepherd.Laws.HandlersAreOwners.Labels

/-!
# The start: the root run spawns the body
-/

namespace Shepherd

namespace Driving

open Simulation

/-- The tree has the world and the root run, which made no run yet. -/
structure Solo (S : Setting) (request : Request) (m : M) (rc : Code) : Prop where
  program : m.program = S.program
  stack : m.stack = [.root, .world]
  runs : ∃ W R : Run, m.runs = [W, R] ∧ W.id = .world ∧ R.id = .root ∧ W.owner = none ∧ R.owner = some .world ∧ R.code = rc ∧
    R.handles = [] ∧ R.made = 0 ∧ R.grant = [{ origin := .root, clauses := request }]

/-- What the program, its handler and the grants are like. -/
structure Starts (S : Setting) (H : Handling) (root body : Request) : Prop where
  fits : Fits S H
  main : S.program.agent? H.main = some (Lowered.mainDef H)
  agent : ∃ d, S.program.agent? H.agent = some d ∧ d.params.length = H.args.length
  args : Value.hasHandleList H.args = false
  check : checkArgs "run.spawn" [.agent H.agent, .list H.args, H.request] = .ok ()
  request : requestOf H.request = .ok body
  spawn : ∀ args, S.own "run.spawn" args
  own : ∀ used op args, S.own op args → allowed used [{ origin := .root, clauses := root }] op args = true
  granted : ∀ used op args, S.granted op args →
    allowed used [{ origin := .root, clauses := root }, { origin := child, clauses := body }] op args = true

variable {S : Setting} {H : Handling} {m : M} {root body : Request} {rc : Code} {c : Comp} {ρ : Env} {K : Stack} {n b : Nat}
  {Q : M → Prop}

theorem Solo.code (h : Solo S root m rc) : (m.run .root).code = rc := by
  obtain ⟨W, R, hr, hw, hR, _, _, hc, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true, hc]

theorem Solo.grant (h : Solo S root m rc) : (m.run .root).grant = [{ origin := .root, clauses := root }] := by
  obtain ⟨W, R, hr, hw, hR, _, _, _, _, _, hg⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true, hg]

theorem Solo.setCode (h : Solo S root m rc) (code : Code) : Solo S root (m.setCode .root code) code := by
  obtain ⟨W, R, hr, hw, hR, hWo, hRo, hc, hh, hm, hg⟩ := h.runs
  have hrun : m.run .root = R := by simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true]
  refine ⟨h.program, h.stack, W, { R with code }, ?_, hw, hR, hWo, hRo, rfl, hh, hm, hg⟩
  simp only [M.setCode, hrun, M.put, hr, Runs.put, hw, hR, reduceCtorEq, if_false, if_true]

theorem Solo.recordCode (h : Solo S root m rc) (event : Event) (code : Code) :
    Solo S root (m.recordCode .root event code) code := by
  obtain ⟨W, R, hr, hw, hR, hWo, hRo, hc, hh, hm, hg⟩ := h.runs
  have hrun : m.run .root = R := by simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true]
  refine ⟨h.program, h.stack, W, { R with code, trace := m.commitOf .root event { m.state .root with code } :: R.trace }, ?_, hw, hR, hWo, hRo, rfl, hh, hm, hg⟩
  simp only [M.recordCode, M.record, hrun, M.state, hr, Runs.put, hw, hR, reduceCtorEq, if_false, if_true]

theorem Solo.step (h : Solo S root m (.settled (.running c ρ K n))) : m.step = some (m.localMove .root c ρ K n) := by
  rw [M.step, h.stack]; simp only [h.code]

theorem Solo.free (h : Solo S root m (.settled (.running c ρ K n))) (hn : n < S.program.steps) : ¬m.AtBound := by
  refine not_atBound h.stack fun c' ρ' K' n' hc => ?_
  rw [h.code] at hc
  cases hc
  rw [h.program]; exact hn

theorem Solo.atBound (h : Solo S root m (.settled (.running c ρ K n))) (hb : n ≤ b)
    (hn : ¬n < S.program.steps) : m.AtBound ∧ S.program.steps ≤ b :=
  ⟨⟨.root, [.world], c, ρ, K, n, h.stack, h.code, by rw [h.program]; exact Nat.le_of_not_lt hn⟩, Nat.le_trans (Nat.le_of_not_lt hn) hb⟩

theorem Solo.local {c' : Comp} {ρ' : Env} {K' : Stack} (h : Solo S root m (.settled (.running c ρ K n))) (hb : n ≤ b)
    (hs : localStep S.program c ρ K = .running c' ρ' K')
    (hq : ∀ m', Solo S root m' (.settled (.running c' ρ' K' (n + 1))) → Leads S b Q m') : Leads S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .step (h.free hn) h.step (hq _ ?_)
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    exact h.setCode _
  · exact .stuck (h.atBound hb hn).1 (h.atBound hb hn).2

theorem Solo.asks {op : String} {args : List Value} {K' : Stack} (h : Solo S root m (.settled (.running c ρ K n))) (hb : n ≤ b)
    (hs : localStep S.program c ρ K = .asks op args K')
    (hg : ∀ used, allowed used [{ origin := .root, clauses := root }] op args = true)
    (hq : ∀ m', Solo S root m' (.settled (.waiting { op, args, stack := K' })) → Leads S b Q m') : Leads S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .step (h.free hn) h.step (hq _ ?_)
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    simp only [M.ask, h.grant, hg, if_true]
    have h' : Solo S root { m with used := charge m.used [{ origin := .root, clauses := root }] op args } _ :=
      ⟨h.program, h.stack, h.runs⟩
    exact h'.recordCode _ _
  · exact .stuck (h.atBound hb hn).1 (h.atBound hb hn).2

/-- Another run stands beside the root run, whose first handle is for it. -/
theorem pair_of_solo (ht : Starts S H root body) (h : Solo S root m rc) (C : Run) (event : Event) (hC : C.id = child)
    (ho : C.owner = some .root) (hv : C.givers = [])
    (hg : C.grant = [{ origin := .root, clauses := root }, { origin := child, clauses := body }]) :
    (((m.put C).recordCode child event C.code).run .root).handles = [] ∧
      (((m.put C).recordCode child event C.code).run .root).made = 0 ∧
      ∀ k, Pair S (((m.put C).recordCode child event C.code).put
        { ((m.put C).recordCode child event C.code).run .root with handles := [child], made := k }) [.root, .world] rc C.code := by
  obtain ⟨W, R, hr, hw, hR, hWo, hRo, hc, hh, hm, hgr⟩ := h.runs
  have h1 : (m.put C).runs = [W, R, C] := by
    simp only [M.put, hr, Runs.put, hw, hR, hC, reduceCtorEq, if_false]
  have hrun : (m.put C).run child = C := by
    simp only [M.run, h1, Runs.find, hw, hR, hC, reduceCtorEq, if_false, if_true]
  have h2 : ((m.put C).recordCode child event C.code).runs =
      [W, R, { C with trace := (m.put C).commitOf child event { (m.put C).state child with code := C.code } :: C.trace }] := by
    simp only [M.recordCode, M.record, hrun, M.state, h1, Runs.put, hw, hR, hC, reduceCtorEq, if_false, if_true]
  have hroot : ((m.put C).recordCode child event C.code).run .root = R := by
    simp only [M.run, h2, Runs.find, hw, hR, reduceCtorEq, if_false, if_true]
  have hst : ((m.put C).recordCode child event C.code).stack = [.root, .world] := h.stack
  have hpr : ((m.put C).recordCode child event C.code).program = S.program := h.program
  rw [hroot]
  refine ⟨hh, hm, fun k => ⟨hpr, hst, W, { R with handles := [child], made := k },
    { C with trace := (m.put C).commitOf child event { (m.put C).state child with code := C.code } :: C.trace }, ?_, hw, hR, hC, hWo, hRo, ho, hc, rfl, hv, rfl,
    ?_, ?_⟩⟩
  · show Runs.put ((m.put C).recordCode child event C.code).runs _ = _
    rw [h2]
    simp only [Runs.put, hw, hR, reduceCtorEq, if_false, if_true]
  · intro used op args hq; rw [hgr]; exact ht.own used op args hq
  · intro used op args hq
    show allowed used C.grant op args = true
    rw [hg]; exact ht.granted used op args hq

/-- The root run is told of the run that it made. -/
theorem answerRun_pair {cc : Code} (w : Waiting)
    (h : (m.run .root).handles = [] ∧ (m.run .root).made = 0 ∧
      ∀ k, Pair S (m.put { m.run .root with handles := [child], made := k }) [.root, .world] rc cc) :
    Pair S (m.answerRun .root w child) [.root, .world] (resume (.ok (.run 0)) w.stack) cc := by
  have hold1 : hold [] child = ([child], 0) := rfl
  simp only [M.answerRun, h.1, hold1]
  exact (h.2.2 _).reply_root w (.ok (.run 0)) []

/-- `run.spawn`: the body stands at its call. -/
theorem Solo.spawn (ht : Starts S H root body)
    (h : Solo S root m (.settled (.waiting
      { op := "run.spawn", args := [.agent H.agent, .list H.args, H.request], stack := K })))
    (hq : ∀ m', Pair S m' [.root, .world] (resume (.ok (.run 0)) K) (bodyOf H.agent H.args) → Leads S b Q m') : Leads S b Q m := by
  have hn : m.perform .root { op := "run.spawn", args := [.agent H.agent, .list H.args, H.request], stack := K } =
      some (m.spawn .root { op := "run.spawn", args := [.agent H.agent, .list H.args, H.request], stack := K }) := by
    simp only [M.perform]
  have hst : m.step = m.perform .root { op := "run.spawn", args := [.agent H.agent, .list H.args, H.request], stack := K } := by
    rw [M.step, h.stack]; simp only [h.code, isRunOp_spawn, if_true]
  refine .step (not_atBound h.stack fun c ρ K n hc => by rw [h.code] at hc; cases hc) (hst.trans hn) (hq _ ?_)
  obtain ⟨W, R, hr, hw, hR, hWo, hRo, hc, hh, hm, hgr⟩ := h.runs
  have hrun : m.run .root = R := by simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true]
  obtain ⟨d, hd, hl⟩ := ht.agent
  have hg : Value.mapHandlesList (M.give []) [] H.args = ([], H.args) := mapHandlesList_none _ _ _ ht.args
  simp only [M.spawn, h.program, hd, Option.map_some, hl, ne_eq, not_true_eq_false, if_false, ht.request, hrun, hh, hm, hgr, hg,
    List.foldl_nil, List.cons_append, List.nil_append]
  exact answerRun_pair { op := "run.spawn", args := [.agent H.agent, .list H.args, H.request], stack := K } (pair_of_solo ht h
    { id := child, owner := some .root, givers := [], agent := H.agent, args := H.args, code := bodyOf H.agent H.args,
      files := R.files, base := R.files,
      grant := [{ origin := .root, clauses := root }, { origin := child, clauses := body }], handles := [], trace := [], inbox := [], made := 0 }
    _ rfl rfl rfl rfl)

/-- From the start of the lowered handler the tree comes to the handled term. -/
theorem start_leads (ht : Starts S H root body) (hb : 6 ≤ b) (contents : String → Option Content) (files : Files) :
    Leads S b (Stands S H 0 (.body (called H.agent H.args))) (M.start S.program contents H.main [] root files) := by
  have h0 : Solo S root (M.start S.program contents H.main [] root files) (bodyOf H.main []) := by
    refine Solo.recordCode (rc := bodyOf H.main []) ?_ _ _
    exact ⟨rfl, rfl, _, _, rfl, rfl, rfl, rfl, rfl, rfl, rfl, rfl, rfl⟩
  refine Solo.local (c := .call (.lit (.agent H.main)) []) (ρ := []) (K := []) (n := 0) (c' := (Lowered.mainDef H).body) (ρ' := []) (K' := []) h0 (by omega) ?_
    fun m h => ?_
  · have hp : (Lowered.mainDef H).params = [] := rfl
    simp only [localStep, enter, eval, ht.main, hp, List.length_nil, ne_eq, not_true_eq_false, if_false, evalAll]
    rfl
  refine Solo.local h (by omega) (localStep_let _ _ _ _ _ _).1 fun m h => ?_
  refine Solo.asks (op := "run.spawn") (args := [.agent H.agent, .list H.args, H.request])
    (K' := [⟨"w", Lowered.unwrap "w" (.call (.lit (.agent H.loop)) [Lowered.part (.var "w") 0]), []⟩]) h (by omega) ?_
    (fun used => ht.own used _ _ (ht.spawn _)) fun m h => ?_
  · simp only [localStep, evalAll, eval, ht.check]
  refine h.spawn ht fun m h => ?_
  refine loop_return (j := 0) ⟨_, Nat.le_refl 0, h⟩ (by omega) fun m h => ?_
  obtain ⟨n, hn, h⟩ := h
  have hi : eval [("w", Value.ok (.run 0))] (Lowered.isA (.var "w") "Ok" 1) = .ok (.bool true) :=
    (eval_isA _ _ "Ok" "Ok" [.run 0] 1 rfl).trans rfl
  refine (root_local h (by omega) (c' := .call (.lit (.agent H.loop)) [Lowered.part (.var "w") 0]) (ρ' := [("w", Value.ok (.run 0))]) (K' := []) ?_
    fun m h => ?_).leads
  · simp only [Lowered.unwrap, localStep]; rw [hi]
  refine (loop_call (j := 2) ht.fits (eval_part _ _ "Ok" [.run 0] (.run 0) 0 rfl rfl) (by omega) ⟨_, Nat.succ_le_succ hn, h⟩).trans fun m h => .now ?_
  exact .body (c := called H.agent H.args) (ρ := []) (K := []) (Nat.le_refl 0) h

end Driving

end Shepherd
