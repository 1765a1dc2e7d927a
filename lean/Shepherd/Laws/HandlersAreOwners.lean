import Shepherd.Laws.HandlersAreOwners.Start
import Shepherd.Laws.HandlersAreOwners.Steps

/-!
# Theorem 17

`handle c with H`, lowered to spawning c and driving it, is the textbook deep one-shot handler.
-/

namespace Shepherd

open Driving

/-- A program to which a handler is lowered: it has the agent that spawns the body, the agent that drives it and the clauses
(`Program.lower` adds them); the body can be spawned with its arguments, among them no run, and with `request`, which reads as the
clauses `body`; no operation is compensable; and the root run, granted `root`, may spawn, drive, pass and answer. -/
structure Handling.LoweredIn (H : Handling) (P : Program) (root body : Request) : Prop where
  main : P.agent? H.main = some (Lowered.mainDef H)
  loop : P.agent? H.loop = some (Lowered.loopDef H)
  clauses : ∀ k, k ∈ H.clauses → P.agent? k.agent = some { params := k.params, body := k.body }
  agent : ∃ d, P.agent? H.agent = some d ∧ d.params.length = H.args.length
  args : Value.hasHandleList H.args = false
  check : checkArgs "run.spawn" [.agent H.agent, .list H.args, H.request] = .ok ()
  request : requestOf H.request = .ok body
  undo : ∀ op, P.undoOf op = none
  drives : ∀ op, op ∈ ["run.spawn", "run.next", "run.pass", "run.answer"] → ∀ used args,
    allowed used [{ origin := .root, clauses := root }] op args = true

/-- What the body may ask is what both grants allow without a limit, and what the clauses may ask is what the root run's allows. -/
def Handling.setting (P : Program) (root body : Request) : Setting where
  program := P
  granted := fun op args => ∀ used,
    allowed used [{ origin := .root, clauses := root }, { origin := .made .root 0, clauses := body }] op args = true
  own := fun op args => ∀ used, allowed used [{ origin := .root, clauses := root }] op args = true

/-- Bodies and clauses without `file.*` and `run.*`: at every handled term that the start comes to, whatever well-formed answers it is
told, what is asked is neither an operation on files nor one of the machine's own, it is granted, and an operation with a clause has
as many arguments as the clause has parameters; and a value that the body ends with contains no run. (`HandlersAreOwners.Instance`
has two handlers that are so.) -/
def Handling.Behaves (H : Handling) (P : Program) (root body : Request) : Prop :=
  Driving.Behaves (Handling.setting P root body) H (.body (called H.agent H.args))

theorem Handling.starts {P : Program} {H : Handling} {root body : Request} (lowered : H.LoweredIn P root body) :
    Starts (Handling.setting P root body) H root body where
  fits :=
    { loop := lowered.loop, clauses := lowered.clauses, undo := lowered.undo
      next := fun args used => lowered.drives _ (by decide) used args
      pass := fun args used => lowered.drives _ (by decide) used args
      answer := fun args used => lowered.drives _ (by decide) used args }
  main := lowered.main
  agent := lowered.agent
  args := lowered.args
  check := lowered.check
  request := lowered.request
  spawn := fun args used => lowered.drives _ (by decide) used args
  own := fun used op args h => h used
  granted := fun used op args h => h used

/-- `handle c with H`, lowered to spawning c and driving it, is the textbook deep one-shot handler (for bodies and clauses without
`file.*` and `run.*`, no compensable operation, operations as labels).

The textbook is `Handled.Does`, by substitution: the body reduces; at an operation with a clause the clause's computation takes over,
outside of the handler, and its value is the answer, once, in the place of the `do`, and the rest of the body stays handled; what has
no clause, and what a clause asks, passes outward; a clause that faults ends the whole. The machine is `M.Shows`: the whole tree that
`M.start` makes of the agent `main`, by `M.step` and answers from outside. The labels are what reaches the outside, the answers to
it, and how the root run ends.

1. What the textbook does, given well-formed answers, the tree does, up to where one of its two runs uses up the local steps that the
   program allows between two events (`gaveUp`, which stands for nothing else).
2. What the tree does, the textbook does, up to there. -/
theorem handlers_are_owners {P : Program} {H : Handling} {root body : Request} (lowered : H.LoweredIn P root body)
    (behaves : H.Behaves P root body) (contents : String → Option Content) (files : Files) (labels : List Label) :
    (GoodAnswers P labels → Handled.Does P H.clauses (.body (called H.agent H.args)) labels →
      (M.start P contents H.main [] root files).Shows labels ∨
        ∃ before, before <+: labels ∧ (M.start P contents H.main [] root files).Shows (before ++ [.gaveUp])) ∧
    ((M.start P contents H.main [] root files).Shows labels →
      Handled.Does P H.clauses (.body (called H.agent H.args)) labels ∨
        ∃ before, labels = before ++ [.gaveUp] ∧ Handled.Does P H.clauses (.body (called H.agent H.args)) before) := by
  have starts := Handling.starts lowered
  refine ⟨fun good h => ?_, fun h => ?_⟩
  · obtain ⟨b, hb⟩ := tree_of_handled h good 0
    refine Or.imp_right And.right (doesOrGivesUp_of_leads (start_leads starts (Nat.le_max_left 6 b) contents files) (Nat.le_refl _) fun m h => ?_)
    exact (hb _ (fun t => rfl) starts.fits m behaves h).mono (Nat.le_max_right 6 b)
  · exact handled_of_tree starts.fits h _ behaves
      ⟨6, (start_leads starts (Nat.le_refl 6) contents files).trans fun n h => .now (Or.inl ⟨0, h⟩)⟩

/-! ## Enough local steps -/

theorem Handling.LoweredIn.withSteps {P : Program} {H : Handling} {root body : Request} (lowered : H.LoweredIn P root body)
    (steps : Nat) (digest : String) : H.LoweredIn { P with steps, digest } root body where
  main := lowered.main
  loop := lowered.loop
  clauses := lowered.clauses
  agent := lowered.agent
  args := lowered.args
  check := lowered.check
  request := lowered.request
  undo := lowered.undo
  drives := lowered.drives

theorem Handling.Behaves.withSteps {P : Program} {H : Handling} {root body : Request} (behaves : H.Behaves P root body)
    (steps : Nat) (digest : String) : H.Behaves { P with steps, digest } root body := by
  intro t ht
  obtain ⟨h1, h2⟩ := behaves t (reaches_steps ht)
  refine ⟨fun op args hw => ?_, fun v hv => h2 v ((step_steps P steps digest _ _).symm.trans hv)⟩
  obtain ⟨hp, hm, hk⟩ := h1 op args ((wants_steps P steps digest _).symm.trans hw)
  refine ⟨hp, ?_, hk⟩
  cases t with
  | body c => exact hm
  | clause d c => exact hm

/-- With enough local steps nothing gives up: the handled term does some labels, given well-formed answers, if and only if the tree
does them in every program that allows enough local steps between two events.

So in `handlers_are_owners` a tree gives up only because the program allows too few. How many are enough depends on the program, its
handler and the labels, and on nothing else: not on the digest, which is another for another bound, nor on the files, nor on what is
known of contents. (It is found along the labels: what the handled term reduces to between two of them, and the fixed number of steps
of the loop that drives it.) -/
theorem handlers_are_owners_enough {P : Program} {H : Handling} {root body : Request} (lowered : H.LoweredIn P root body)
    (behaves : H.Behaves P root body) (labels : List Label) :
    (GoodAnswers P labels ∧ Handled.Does P H.clauses (.body (called H.agent H.args)) labels) ↔
      .gaveUp ∉ labels ∧ ∃ enough, ∀ steps, enough ≤ steps → ∀ digest contents files,
        (M.start { P with steps, digest } contents H.main [] root files).Shows labels := by
  constructor
  · rintro ⟨good, does⟩
    obtain ⟨b, hb⟩ := tree_of_handled does good 0
    refine ⟨gaveUp_notMem does, max 6 b + 1, fun steps hle digest contents files => ?_⟩
    have starts := Handling.starts (lowered.withSteps steps digest)
    rcases doesOrGivesUp_of_leads (start_leads starts (Nat.le_max_left 6 b) contents files) (Nat.le_refl _) fun m h =>
      (hb _ (step_steps P steps digest _) starts.fits m (behaves.withSteps steps digest) h).mono (Nat.le_max_right 6 b) with h | ⟨h, _⟩
    · exact h
    · exact absurd (Nat.le_trans hle h) (Nat.not_succ_le_self _)
  · rintro ⟨never, enough, h⟩
    have shows := h enough (Nat.le_refl _) P.digest (fun _ => none) []
    refine ⟨good_of_shows shows P, ?_⟩
    rcases (handlers_are_owners (lowered.withSteps enough P.digest) (behaves.withSteps enough P.digest) _ _ _).2 shows with
      h | ⟨before, rfl, _⟩
    · exact does_steps h
    · exact absurd (List.mem_append_right _ List.mem_cons_self) never

/-! ## The lowering makes such programs -/

theorem lookup_clauses {ks : List OnOp} {rest : List (String × Def)} (hd : (ks.map OnOp.agent).Nodup) {k : OnOp} (hk : k ∈ ks) :
    ((ks.map fun k => (k.agent, ({ params := k.params, body := k.body } : Def))) ++ rest).lookup k.agent =
      some { params := k.params, body := k.body } := by
  induction ks with
  | nil => exact absurd hk List.not_mem_nil
  | cons k' ks ih =>
    rw [List.map_cons, List.nodup_cons] at hd
    simp only [List.map_cons, List.cons_append, List.lookup_cons]
    rcases List.mem_cons.mp hk with rfl | hk
    · simp only [beq_self_eq_true]
    · have hne : (k.agent == k'.agent) = false :=
        beq_eq_false_iff_ne.mpr fun e => hd.1 (e ▸ List.mem_map_of_mem hk)
      simp only [hne]
      exact ih hd.2 hk

/-- A lowered program has the agents of its handler, where these have different names. -/
theorem lower_agents (P : Program) (H : Handling) (names : (H.main :: H.loop :: H.clauses.map OnOp.agent).Nodup) :
    (P.lower H).agent? H.main = some (Lowered.mainDef H) ∧ (P.lower H).agent? H.loop = some (Lowered.loopDef H) ∧
      ∀ k, k ∈ H.clauses → (P.lower H).agent? k.agent = some { params := k.params, body := k.body } := by
  rw [List.nodup_cons, List.nodup_cons] at names
  obtain ⟨hm, hl, hc⟩ := names
  refine ⟨?_, ?_, fun k hk => ?_⟩
  · simp only [Program.agent?, Program.lower, List.cons_append, List.lookup_cons, beq_self_eq_true]
  · have h1 : (H.loop == H.main) = false := beq_eq_false_iff_ne.mpr fun e => hm (e ▸ List.mem_cons_self)
    simp only [Program.agent?, Program.lower, List.cons_append, List.lookup_cons, h1, beq_self_eq_true]
  · have h1 : (k.agent == H.main) = false :=
      beq_eq_false_iff_ne.mpr fun e => hm (List.mem_cons_of_mem _ (e ▸ List.mem_map_of_mem hk))
    have h2 : (k.agent == H.loop) = false := beq_eq_false_iff_ne.mpr fun e => hl (e ▸ List.mem_map_of_mem hk)
    simp only [Program.agent?, Program.lower, List.cons_append, List.lookup_cons, h1, h2]
    exact lookup_clauses hc hk

end Shepherd
