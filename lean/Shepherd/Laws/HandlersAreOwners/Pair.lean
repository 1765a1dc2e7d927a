import Shepherd.Laws.HandlersAreOwners.Driver
import Shepherd.Laws.ForwardSimulation.Tree

/-!
# A tree of two runs

The root run, which drives, and the one run that it made, the body.
-/

namespace Shepherd

namespace Driving

open Simulation

/-- The run that the root run makes first. -/
abbrev child : Id := .made .root 0

/-- What both sides of the theorem speak of: the program, which operations are asked for, and with which grant. -/
structure Setting where
  program : Program
  granted : String → List Value → Prop

/-- The tree has the world, the root run with code `rc` and its child with code `cc`; nobody else. -/
structure Pair (S : Setting) (m : M) (stack : List Id) (rc cc : Code) : Prop where
  program : m.program = S.program
  stack : m.stack = stack
  runs : ∃ W R C : Run, m.runs = [W, R, C] ∧ W.id = .world ∧ R.id = .root ∧ C.id = child ∧ W.owner = none ∧
    R.owner = some .world ∧ C.owner = some .root ∧ R.code = rc ∧ C.code = cc ∧ C.givers = [] ∧ R.handles = [child] ∧
    (∀ used op args, S.granted op args → allowed used R.grant op args = true) ∧
    (∀ used op args, S.granted op args → allowed used C.grant op args = true)

namespace Pair

variable {S : Setting} {m : M} {stack : List Id} {rc cc : Code}

theorem root_code (h : Pair S m stack rc cc) : (m.run .root).code = rc := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, _, hc, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true, hc]

theorem child_code (h : Pair S m stack rc cc) : (m.run child).code = cc := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, _, _, hc, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, hC, reduceCtorEq, if_false, if_true, hc]

theorem root_handles (h : Pair S m stack rc cc) : (m.run .root).handles = [child] := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, _, _, _, _, hc, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true, hc]

theorem child_owner (h : Pair S m stack rc cc) : (m.run child).owner = some .root := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, ho, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, hC, reduceCtorEq, if_false, if_true, ho]

theorem child_givers (h : Pair S m stack rc cc) : (m.run child).givers = [] := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, _, _, _, ho, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, hC, reduceCtorEq, if_false, if_true, ho]

theorem root_grant (h : Pair S m stack rc cc) (used : Used) (op : String) (args : List Value) (hg : S.granted op args) :
    allowed used (m.run .root).grant op args = true := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, _, _, _, _, _, hc, _⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true, hc used op args hg]

theorem child_grant (h : Pair S m stack rc cc) (used : Used) (op : String) (args : List Value) (hg : S.granted op args) :
    allowed used (m.run child).grant op args = true := by
  obtain ⟨W, R, C, hr, hw, hR, hC, _, _, _, _, _, _, _, _, hc⟩ := h.runs
  simp only [M.run, hr, Runs.find, hw, hR, hC, reduceCtorEq, if_false, if_true, hc used op args hg]

theorem owns (h : Pair S m stack rc cc) : m.owns .root child = true := by
  rw [M.owns, h.child_owner]; decide

theorem kids_root (h : Pair S m stack rc cc) : m.kids .root = [child] := by
  obtain ⟨W, R, C, hr, hw, hR, hC, hWo, hRo, hCo, _⟩ := h.runs
  have h1 : (none == some Id.root) = false := by decide
  have h2 : (some Id.world == some Id.root) = false := by decide
  have h3 : (some Id.root == some Id.root) = true := by decide
  simp only [M.kids, Runs.kids, hr, List.filter, hWo, hRo, hCo, h1, h2, h3, List.map, hC]

theorem kids_child (h : Pair S m stack rc cc) : m.kids child = [] := by
  obtain ⟨W, R, C, hr, hw, hR, hC, hWo, hRo, hCo, _⟩ := h.runs
  have h1 : (none == some child) = false := by decide
  have h2 : (some Id.world == some child) = false := by decide
  have h3 : (some Id.root == some child) = false := by decide
  simp only [M.kids, Runs.kids, hr, List.filter, hWo, hRo, hCo, h1, h2, h3, List.map]

theorem family_child (h : Pair S m stack rc cc) : m.family child = [child] := by
  rw [M.family, M.below, h.kids_child]
  cases m.runs.length <;> simp only [Runs.under, List.reverse_nil, List.flatMap_nil, List.nil_append]

/-! ### What changes -/

/-- Another root run with the same id, owner, table and grant. -/
theorem put_root (h : Pair S m stack rc cc) (r : Run) (hid : r.id = .root) (ho : r.owner = (m.run .root).owner)
    (hh : r.handles = [child]) (hg : r.grant = (m.run .root).grant) : Pair S (m.put r) stack r.code cc := by
  obtain ⟨W, R, C, hr, hw, hR, hC, hWo, hRo, hCo, hrc, hcc, hgv, hhd, hgr, hgc⟩ := h.runs
  have hrun : m.run .root = R := by
    simp only [M.run, hr, Runs.find, hw, hR, reduceCtorEq, if_false, if_true]
  rw [hrun] at ho hg
  refine ⟨h.program, h.stack, W, r, C, ?_, hw, hid, hC, hWo, ho.trans hRo, hCo, rfl, hcc, hgv, hh, hg ▸ hgr, hgc⟩
  simp only [M.put, hr, Runs.put, hw, hR, hid, reduceCtorEq, if_false, if_true]

/-- Another child with the same id, owner and grant. -/
theorem put_child (h : Pair S m stack rc cc) (r : Run) (hid : r.id = child) (ho : r.owner = (m.run child).owner)
    (hv : r.givers = (m.run child).givers) (hg : r.grant = (m.run child).grant) : Pair S (m.put r) stack rc r.code := by
  obtain ⟨W, R, C, hr, hw, hR, hC, hWo, hRo, hCo, hrc, hcc, hgv, hhd, hgr, hgc⟩ := h.runs
  have hrun : m.run child = C := by
    simp only [M.run, hr, Runs.find, hw, hR, hC, reduceCtorEq, if_false, if_true]
  rw [hrun] at ho hg hv
  refine ⟨h.program, h.stack, W, R, r, ?_, hw, hR, hid, hWo, hRo, ho.trans hCo, hrc, rfl, hv.trans hgv, hhd, hgr, hg ▸ hgc⟩
  simp only [M.put, hr, Runs.put, hw, hR, hC, hid, reduceCtorEq, if_false, if_true]

/-- Log, counts and texts do not matter. -/
theorem of_same (h : Pair S m stack rc cc) (n : M) (stack' : List Id) (hp : n.program = m.program) (hr : n.runs = m.runs)
    (hs : n.stack = stack') : Pair S n stack' rc cc :=
  ⟨hp.trans h.program, hs, hr ▸ h.runs⟩

theorem setCode_root (h : Pair S m stack rc cc) (code : Code) : Pair S (m.setCode .root code) stack code cc :=
  h.put_root { m.run .root with code } (run_id m .root) rfl h.root_handles rfl

theorem setCode_child (h : Pair S m stack rc cc) (code : Code) : Pair S (m.setCode child code) stack rc code :=
  h.put_child { m.run child with code } (run_id m child) rfl rfl rfl

theorem record_root (h : Pair S m stack rc cc) (event : Event) (s : State) (hh : s.handles = [child]) :
    Pair S (m.record .root event s) stack s.code cc :=
  (h.put_root { m.run .root with
      code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := m.commitOf .root event s :: (m.run .root).trace }
    (run_id m .root) rfl hh rfl).of_same _ _ rfl rfl h.stack

theorem record_child (h : Pair S m stack rc cc) (event : Event) (s : State) :
    Pair S (m.record child event s) stack rc s.code :=
  (h.put_child { m.run child with
      code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := m.commitOf child event s :: (m.run child).trace }
    (run_id m child) rfl rfl rfl).of_same _ _ rfl rfl h.stack

theorem recordCode_root (h : Pair S m stack rc cc) (event : Event) (code : Code) :
    Pair S (m.recordCode .root event code) stack code cc := h.record_root event _ h.root_handles

theorem recordCode_child (h : Pair S m stack rc cc) (event : Event) (code : Code) :
    Pair S (m.recordCode child event code) stack rc code := h.record_child event _

theorem reply_root (h : Pair S m stack rc cc) (w : Waiting) (answer : Value) (change : Change) :
    Pair S (m.reply .root w answer change) stack (resume answer w.stack) cc := h.record_root _ _ h.root_handles

end Pair

end Driving

end Shepherd
