import Shepherd.Laws.HandlersAreOwners.Pair

/-!
# The moves of a tree of two runs
-/

namespace Shepherd

/-- The active run has used up its local steps: its next step is the fault `steps`. -/
def M.AtBound (m : M) : Prop :=
  ∃ id rest c ρ K n, m.stack = id :: rest ∧ (m.run id).code = .settled (.running c ρ K n) ∧ m.program.steps ≤ n

namespace Driving

open Simulation

/-- From `m` the tree goes by its own steps to where `Q` holds, unless a run uses up its local steps on the way; and that only where
the program allows no more than `b` of them. -/
inductive Leads (S : Setting) (b : Nat) (Q : M → Prop) : M → Prop where
  | now {m : M} : Q m → Leads S b Q m
  | step {m n : M} : ¬m.AtBound → m.step = some n → Leads S b Q n → Leads S b Q m
  | stuck {m : M} : m.AtBound → S.program.steps ≤ b → Leads S b Q m

theorem Leads.trans {S : Setting} {b : Nat} {Q Q' : M → Prop} {m : M} (h : Leads S b Q m) (hq : ∀ n, Q n → Leads S b Q' n) :
    Leads S b Q' m := by
  induction h with
  | now h => exact hq _ h
  | step hn hs _ ih => exact .step hn hs ih
  | stuck ha hb => exact .stuck ha hb

/-- The same, with at least one step. -/
def Moves (S : Setting) (b : Nat) (Q : M → Prop) (m : M) : Prop :=
  (m.AtBound ∧ S.program.steps ≤ b) ∨ (¬m.AtBound ∧ ∃ n, m.step = some n ∧ Leads S b Q n)

theorem Moves.leads {S : Setting} {b : Nat} {Q : M → Prop} {m : M} (h : Moves S b Q m) : Leads S b Q m := by
  rcases h with h | ⟨hn, n, hs, h⟩
  · exact .stuck h.1 h.2
  · exact .step hn hs h

theorem Moves.trans {S : Setting} {b : Nat} {Q Q' : M → Prop} {m : M} (h : Moves S b Q m) (hq : ∀ n, Q n → Leads S b Q' n) :
    Moves S b Q' m := by
  rcases h with h | ⟨hn, n, hs, h⟩
  · exact .inl h
  · exact .inr ⟨hn, n, hs, h.trans hq⟩

theorem not_atBound {m : M} {id : Id} {rest : List Id} (hs : m.stack = id :: rest)
    (hc : ∀ c ρ K n, (m.run id).code = .settled (.running c ρ K n) → n < m.program.steps) : ¬m.AtBound := by
  rintro ⟨id', rest', c, ρ, K, n, hs', hc', hn⟩
  rw [hs] at hs'
  injection hs' with h1
  subst h1
  exact absurd (hc c ρ K n hc') (Nat.not_lt.mpr hn)

/-- Where nothing owes anything: the program has no compensable operation. -/
def NoUndo (S : Setting) : Prop := ∀ op, S.program.undoOf op = none

variable {S : Setting} {m : M} {cc rc : Code} {c : Comp} {ρ : Env} {K : Stack} {n b : Nat}

/-! ## The root run by itself -/

theorem step_root (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) :
    m.step = some (m.localMove .root c ρ K n) := by
  rw [M.step, h.stack]; simp only [h.root_code]

theorem free_root (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) (hn : n < S.program.steps) : ¬m.AtBound := by
  refine not_atBound h.stack fun c' ρ' K' n' hc => ?_
  rw [h.root_code] at hc
  cases hc
  rw [h.program]; exact hn

theorem atBound_root (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) (hb : n ≤ b) (hn : ¬n < S.program.steps) :
    m.AtBound ∧ S.program.steps ≤ b :=
  ⟨⟨.root, [.world], c, ρ, K, n, h.stack, h.root_code, by rw [h.program]; exact Nat.le_of_not_lt hn⟩, Nat.le_trans (Nat.le_of_not_lt hn) hb⟩

/-- One local step of the root run. -/
theorem root_local {Q : M → Prop} {c' : Comp} {ρ' : Env} {K' : Stack}
    (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) (hb : n ≤ b) (hs : localStep S.program c ρ K = .running c' ρ' K')
    (hq : ∀ m', Pair S m' [.root, .world] (.settled (.running c' ρ' K' (n + 1))) cc → Leads S b Q m') : Moves S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_root h hn, _, step_root h, hq _ ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    exact h.setCode_root _
  · exact .inl (atBound_root h hb hn)

/-- The root run asks for what it was granted. -/
theorem root_asks {Q : M → Prop} {op : String} {args : List Value} {K' : Stack}
    (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) (hb : n ≤ b) (hs : localStep S.program c ρ K = .asks op args K')
    (hg : S.own op args)
    (hq : ∀ m', Pair S m' [.root, .world] (.settled (.waiting { op, args, stack := K' })) cc → Leads S b Q m') : Moves S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_root h hn, _, step_root h, hq _ ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    simp only [M.ask, h.root_grant m.used op args hg, if_true]
    exact (h.of_same { m with used := charge m.used (m.run .root).grant op args } _ rfl rfl h.stack).recordCode_root _ _
  · exact .inl (atBound_root h hb hn)

/-! ## Discarding the body -/

theorem owe_nil {P : Program} (hu : ∀ op, P.undoOf op = none) (id : Id) (a : Answered) : owe P id a [] = [] := by
  rw [owe]
  split
  · split <;> rfl
  · rw [hu]; split <;> first | rfl | (rename_i heq; exact absurd heq nofun)
  · rfl

theorem debts_nil {P : Program} (hu : ∀ op, P.undoOf op = none) (id : Id) (t : Trace) (start : Nat) : debts P id t start = [] := by
  have h : ∀ as : List Answered, as.foldr (owe P id) [] = [] := by
    intro as
    induction as with
    | nil => rfl
    | cons a as ih => rw [List.foldr_cons, ih, owe_nil hu]
  rw [debts]
  simp only [h]
  split <;> rfl

theorem plan_debts_nil (hu : ∀ op, m.program.undoOf op = none) (id : Id) (to : Option Nat) (hs : List Then) :
    (m.planFor id to hs).debts = [] := by
  have h : ∀ (xs : List Id) (f : Id → Nat), (xs.flatMap fun x => debts m.program x (m.run x).trace (f x)) = [] := by
    intro xs f
    induction xs with
    | nil => rfl
    | cons x xs ih => rw [List.flatMap_cons, debts_nil hu, ih]; rfl
  rw [M.planFor]
  simp only [h, List.mergeSort_nil]

/-- The open intents of the body are abandoned: only its code changes. -/
theorem abandon_pair {stack : List Id} (h : Pair S m stack rc cc) : ∃ cc', Pair S (m.abandon child) stack rc cc' := by
  rw [M.abandon, h.family_child, List.foldl_cons, List.foldl_nil, M.abandonOne]
  split
  · exact ⟨cc, h⟩
  · exact ⟨_, h.recordCode_child _ _⟩
  · split
    · exact ⟨_, h.recordCode_child _ _⟩
    · exact ⟨cc, h⟩

theorem discard_pair {stack : List Id} (h : Pair S m stack rc cc) : Pair S (m.discard child) stack rc (.settled .discarded) := by
  rw [M.discard]
  split
  · rename_i hc
    rw [h.child_code] at hc
    exact hc ▸ h
  · exact h.recordCode_child _ _

/-- The root run failed with the fault `f`, and the tree is at rest. -/
def Failed (f : Fault) (m : M) : Prop :=
  (m.run .root).code = .settled (.failed f.error) ∧ m.step = none ∧ m.asked = none

/-- The root run ended with the value `v`, and the tree is at rest. -/
def Done (v : Value) (m : M) : Prop := (m.run .root).code = .settled (.done v) ∧ m.step = none ∧ m.asked = none

theorem newestMade_dead (h : Pair S m [.root, .world] rc cc) (hc : cc.isLive = false) : m.newestMade .root = none := by
  simp only [M.newestMade, h.kids_root, List.filter, h.child_givers, h.child_code, hc, List.isEmpty_nil, Bool.and_false,
    List.getLast?_nil]

theorem newestMade_live (h : Pair S m [.root, .world] rc cc) (hc : cc.isLive = true) : m.newestMade .root = some child := by
  simp only [M.newestMade, h.kids_root, List.filter, h.child_givers, h.child_code, hc, List.isEmpty_nil, Bool.and_true,
    List.getLast?_singleton]

/-- The root run ends where the body has ended. -/
theorem finish_dead (h : Pair S m [.root, .world] rc cc) (hc : cc.isLive = false) (again : Comp) (kind : EndKind) (v : Value)
    (code : Settled) : Pair S (m.finish .root again kind v code) [.root, .world] (.settled code) cc := by
  have hp := h.recordCode_root (.ended kind v) (.settled code)
  rw [M.finish, M.discardMade, newestMade_dead h hc]
  simp only [M.giveBack, hp.kids_root, List.foldl_cons, List.foldl_nil, hp.child_givers]
  exact hp

theorem failed_of_pair {f : Fault} (h : Pair S m [.root, .world] (.settled (.failed f.error)) cc) : Failed f m := by
  refine ⟨h.root_code, ?_, ?_⟩
  · rw [M.step, h.stack]
    simp only [h.root_code, M.atStop, ne_eq, not_true_eq_false, if_false, M.shown]
  · simp only [M.asked, h.stack, h.root_code, M.shown, Option.map_none]

theorem done_of_pair {v : Value} (h : Pair S m [.root, .world] (.settled (.done v)) cc) : Done v m := by
  refine ⟨h.root_code, ?_, ?_⟩
  · rw [M.step, h.stack]
    simp only [h.root_code, M.atStop, ne_eq, not_true_eq_false, if_false, M.shown]
  · simp only [M.asked, h.stack, h.root_code, M.shown, Option.map_none]

/-- The root run faults: the body is discarded if it has not ended, and the root run fails. -/
theorem root_fault {f : Fault} (hu : NoUndo S) (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) (hb : n ≤ b)
    (hs : localStep S.program c ρ K = .faults f) : Moves S b (Failed f) m := by
  have dead : ∀ {m : M} {cc : Code} {c : Comp} {ρ : Env} {K : Stack} {n : Nat},
      Pair S m [.root, .world] (.settled (.running c ρ K n)) cc → n ≤ b → cc.isLive = false →
      localStep S.program c ρ K = .faults f → Moves S b (Failed f) m := by
    intro m cc c ρ K n h hb hc hs
    by_cases hn : n < S.program.steps
    · refine .inr ⟨free_root h hn, _, step_root h, .now ?_⟩
      rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
      exact failed_of_pair (finish_dead h hc _ _ _ _)
    · exact .inl (atBound_root h hb hn)
  cases hc : cc.isLive with
  | false => exact dead h hb hc hs
  | true =>
    by_cases hn : n < S.program.steps
    · have hu' : ∀ op, m.program.undoOf op = none := by rw [h.program]; exact hu
      obtain ⟨cc', ha⟩ := abandon_pair h
      refine .inr ⟨free_root h hn, _, step_root h, ?_⟩
      rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
      simp only [M.fault, M.finish, M.discardMade, newestMade_live h hc, M.begin, M.plan, plan_debts_nil hu']
      have hp := ha.setCode_root (.undoing { run := child, to := none, todo := [], raised := false, paid := [], failed := (m.planFor child none []).unknown, undone := (m.planFor child none []).undone, lasting := (m.planFor child none []).irreversible } (.running (.ret (.prim "raise" [.lit f.error])) [] [] 0))
      generalize (m.planFor child none []).unknown = x1 at hp ⊢
      generalize (m.planFor child none []).undone = x2 at hp ⊢
      generalize (m.planFor child none []).irreversible = x3 at hp ⊢
      generalize M.setCode _ _ _ = m' at hp ⊢
      have hd := discard_pair hp
      refine .step (not_atBound hp.stack fun c' ρ' K' n' hc => by rw [hp.root_code] at hc; cases hc) (n := (m'.discard child).setCode .root (.settled (.running (.ret (.prim "raise" [.lit f.error])) [] [] 0))) ?_ ?_
      · rw [M.step, hp.stack]
        simp only [hp.root_code, M.undoStep, Bool.false_eq_true, if_false, M.restore, hp.family_child, List.foldl_cons, List.foldl_nil,
          M.afterWorld, ne_eq, reduceCtorEq, not_false_eq_true, if_true]
      · exact (dead (hd.setCode_root _) (Nat.zero_le b) rfl (by simp only [localStep, eval, evalAll, raise_error])).leads
    · exact .inl (atBound_root h hb hn)

/-- The root run ends with a value where the body has ended. -/
theorem root_ends {v : Value} (h : Pair S m [.root, .world] (.settled (.running c ρ K n)) cc) (hb : n ≤ b) (hc : cc.isLive = false)
    (hs : localStep S.program c ρ K = .ends v) : Moves S b (Done v) m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_root h hn, _, step_root h, .now ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    exact done_of_pair (finish_dead h hc _ _ _ _)
  · exact .inl (atBound_root h hb hn)

/-! ## The body by itself -/

/-- While the body runs, the root run drives it. -/
abbrev down : List Id := [child, .root, .world]

theorem step_child (h : Pair S m down rc (.settled (.running c ρ K n))) : m.step = some (m.localMove child c ρ K n) := by
  rw [M.step, h.stack]; simp only [h.child_code]

theorem free_child (h : Pair S m down rc (.settled (.running c ρ K n))) (hn : n < S.program.steps) : ¬m.AtBound := by
  refine not_atBound h.stack fun c' ρ' K' n' hc => ?_
  rw [h.child_code] at hc
  cases hc
  rw [h.program]; exact hn

theorem atBound_child (h : Pair S m down rc (.settled (.running c ρ K n))) (hb : n ≤ b) (hn : ¬n < S.program.steps) :
    m.AtBound ∧ S.program.steps ≤ b :=
  ⟨⟨child, [.root, .world], c, ρ, K, n, h.stack, h.child_code, by rw [h.program]; exact Nat.le_of_not_lt hn⟩, Nat.le_trans (Nat.le_of_not_lt hn) hb⟩

theorem child_local {Q : M → Prop} {c' : Comp} {ρ' : Env} {K' : Stack}
    (h : Pair S m down rc (.settled (.running c ρ K n))) (hb : n ≤ b) (hs : localStep S.program c ρ K = .running c' ρ' K')
    (hq : ∀ m', Pair S m' down rc (.settled (.running c' ρ' K' (n + 1))) → Leads S b Q m') : Moves S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_child h hn, _, step_child h, hq _ ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    exact h.setCode_child _
  · exact .inl (atBound_child h hb hn)

theorem child_asks {Q : M → Prop} {op : String} {args : List Value} {K' : Stack}
    (h : Pair S m down rc (.settled (.running c ρ K n))) (hb : n ≤ b) (hs : localStep S.program c ρ K = .asks op args K')
    (hg : S.granted op args)
    (hq : ∀ m', Pair S m' down rc (.settled (.waiting { op, args, stack := K' })) → Leads S b Q m') : Moves S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_child h hn, _, step_child h, hq _ ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    simp only [M.ask, h.child_grant m.used op args hg, if_true]
    exact (h.of_same { m with used := charge m.used (m.run child).grant op args } _ rfl rfl h.stack).recordCode_child _ _
  · exact .inl (atBound_child h hb hn)

theorem finish_child (h : Pair S m down rc cc) (again : Comp) (kind : EndKind) (v : Value) (code : Settled) :
    Pair S (m.finish child again kind v code) down rc (.settled code) := by
  have hp := h.recordCode_child (.ended kind v) (.settled code)
  rw [M.finish, M.discardMade]
  simp only [M.newestMade, h.kids_child, List.filter, List.getLast?_nil, M.giveBack, hp.kids_child, List.foldl_nil]
  exact hp

theorem child_ends {Q : M → Prop} {v : Value} (h : Pair S m down rc (.settled (.running c ρ K n))) (hb : n ≤ b)
    (hs : localStep S.program c ρ K = .ends v) (hq : ∀ m', Pair S m' down rc (.settled (.done v)) → Leads S b Q m') :
    Moves S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_child h hn, _, step_child h, hq _ ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    exact finish_child h _ _ _ _
  · exact .inl (atBound_child h hb hn)

theorem child_faults {Q : M → Prop} {f : Fault} (h : Pair S m down rc (.settled (.running c ρ K n))) (hb : n ≤ b)
    (hs : localStep S.program c ρ K = .faults f) (hq : ∀ m', Pair S m' down rc (.settled (.failed f.error)) → Leads S b Q m') :
    Moves S b Q m := by
  by_cases hn : n < S.program.steps
  · refine .inr ⟨free_child h hn, _, step_child h, hq _ ?_⟩
    rw [M.localMove, h.program, if_neg (Nat.not_lt.mpr hn), hs]
    exact finish_child h _ _ _ _
  · exact .inl (atBound_child h hb hn)

end Driving

end Shepherd
