import Shepherd.Laws.Support.Grows

/-!
# The trees that can be reached

Every tree that can be reached from a start is well-formed, and what comes later extends it.
-/

namespace Shepherd

namespace M

/-- `n` is what becomes of `m` by steps of the tree, answers of the oracle, operations of the outermost owner and forks of the whole
tree, in any number and order, whether they record something or not. -/
inductive After (ω : Oracle) : M → M → Prop where
  | refl (m : M) : After ω m m
  | step {m n p : M} : After ω m n → n.step = some p → After ω m p
  | answer {m n p : M} : After ω m n → n.outer ω = some p → After ω m p
  | world {m n p : M} (op : String) (args : List Value) : After ω m n → n.worldAsks op args = some p → After ω m p
  | fork {m n p : M} : After ω m n → n.forkRoot = some p → After ω m p

namespace After

theorem trans {ω : Oracle} {m n p : M} (h : After ω m n) (g : After ω n p) : After ω m p := by
  induction g with
  | refl => exact h
  | step _ s k => exact k.step s
  | answer _ s k => exact k.answer s
  | world op args _ s k => exact k.world op args s
  | fork _ s k => exact k.fork s

end After

theorem Quiet.after (ω : Oracle) {m n : M} (h : Quiet m n) : After ω m n := by
  induction h with
  | refl m => exact .refl m
  | step s _ _ k => exact ((After.refl _).step s).trans k

theorem Next.after {ω : Oracle} {m n : M} (h : Next ω m n) : After ω m n := by
  cases h with
  | own q s _ => exact (q.after ω).step s
  | answer q _ s => exact (q.after ω).answer s
  | world op args s => exact (After.refl m).world op args s
  | fork s => exact (After.refl m).fork s

theorem follows_outer {ω : Oracle} {m n : M} (w : Wf m) (h : m.outer ω = some n) : Follows m n := by
  unfold outer at h
  split at h
  · cases h
  · exact follows_answer w h

theorem After.follows {ω : Oracle} {m n : M} (w : Wf m) (h : After ω m n) : Follows m n := by
  induction h with
  | refl => exact .refl w
  | step _ s k => exact k.trans (follows_step k.1 s)
  | answer _ s k => exact k.trans (follows_outer k.1 s)
  | world op args _ s k => exact k.trans (follows_worldAsks k.1 s).1
  | fork _ s k => exact k.trans (follows_forkRoot k.1 s)

theorem Quiet.follows {m n : M} (w : Wf m) (h : Quiet m n) : Follows m n :=
  (h.after fun _ _ _ _ => (.unknown, [])).follows w

theorem Next.follows {ω : Oracle} {m n : M} (w : Wf m) (h : Next ω m n) : Follows m n := h.after.follows w

/-- The two runs that every tree begins with, before anything is recorded. -/
theorem wf_of_two {m : M} {w r : Run} {k : Waiting} {s : Settled} (hr : m.runs = [w, r]) (hl : m.log = []) (hw : w.id = .world)
    (hid : r.id = .root) (hwt : w.trace = []) (hrt : r.trace = []) (hwc : w.code = .driving .root k)
    (hwo : w.owner = none) (hrc : r.code = .settled s) :
    Wf m := by
  have run : ∀ id, m.run id = w ∨ m.run id = r ∨ m.run id = Run.absent id := fun id => by
    unfold M.run; rw [hr]
    simp only [Runs.find]
    split
    · exact .inl rfl
    · split
      · exact .inr (.inl rfl)
      · exact .inr (.inr rfl)
  have trace : ∀ id, (m.run id).trace = [] := fun id => by
    rcases run id with h | h | h
    · rw [h, hwt]
    · rw [h, hrt]
    · rw [h]; rfl
  constructor
  · unfold has; rw [hr, Runs.has_cons, hw, beq_self_eq_true, Bool.true_or]
  · intro id
    rcases run id with h | h | h
    · rw [h, hwc]; trivial
    · rw [h, hrc]; trivial
    · rw [h]; trivial
  · intro id h
    unfold has at h
    rw [hr, Runs.has_iff] at h
    obtain ⟨x, hx, rfl⟩ := h
    cases List.mem_cons.mp hx with
    | inl h => rw [h, hw]; trivial
    | inr h => rw [List.mem_singleton.mp h, hid]; trivial
  · intro id; rw [trace]; trivial
  · intro id c t h; rw [trace] at h; cases h
  · intro id c h; rw [trace] at h; exact absurd h List.not_mem_nil
  · intro id; rw [trace, hl]
  · rw [hl]; trivial
  · intro x hx e
    rw [hr] at hx
    cases List.mem_cons.mp hx with
    | inl h => rw [h]; exact hwo
    | inr h => rw [List.mem_singleton.mp h, hid] at e; cases e
  · intro id c h; rw [trace] at h; exact absurd h List.not_mem_nil
  · refine .inr ?_
    have : m.run .world = w := by unfold M.run; rw [hr]; simp only [Runs.find, hw, if_true]
    rw [this, hwc]; trivial

theorem wf_start (P : Program) (contents : String → Option Content) (agent : String) (args : List Value) (request : Request)
    (files : Files) : Wf (start P contents agent args request files) := by
  unfold start
  simp only
  refine Plain.wf (plain_recordCode ?_ _ trivial (fun e => nomatch e) ⟨fun _ _ _ => nofun, fun _ => nofun⟩)
    (wf_of_two rfl rfl rfl rfl rfl rfl rfl rfl rfl)
  exact (Runs.has_iff _ _).mpr ⟨_, List.mem_cons_of_mem _ List.mem_cons_self, rfl⟩

end M

theorem Init.wf (i : Init) : M.Wf i.start := M.wf_start _ _ _ _ _ _

theorem Reach.after {ω : Oracle} {i : Init} {m : M} (h : Reach ω i m) : M.After ω i.start m := by
  induction h with
  | start => exact .refl _
  | next _ n k => exact k.trans n.after

theorem Reach.wf {ω : Oracle} {i : Init} {m : M} (h : Reach ω i m) : M.Wf m := (h.after.follows i.wf).1

theorem Reach.extends {ω : Oracle} {i : Init} {m : M} (h : Reach ω i m) : M.Extends i.start m := (h.after.follows i.wf).2

theorem Reach.program {ω : Oracle} {i : Init} {m : M} (h : Reach ω i m) : m.program = i.program := h.extends.program

end Shepherd
