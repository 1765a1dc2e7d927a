import Shepherd.Laws.Support.Kept

/-!
# How a tree of runs grows

`M.Extends m n`: `n` is `m` with more recorded. `M.Wf m`: what holds of every tree. Each elementary change (`M.Edits`) keeps a tree
well-formed and extends it.
-/

namespace Shepherd

namespace M

/-- The world stands below nobody. -/
theorem ne_world_of_mem_under {rs : List Run} (h : ∀ r ∈ rs, r.id = .world → r.owner = none) {n : Nat} {siblings : List Id}
    (hs : ∀ k ∈ siblings, k ≠ .world) {id : Id} (hi : id ∈ Runs.under rs n siblings) : id ≠ .world := by
  induction n generalizing siblings with
  | zero => exact absurd hi List.not_mem_nil
  | succ n ih =>
    simp only [Runs.under, List.mem_flatMap, List.mem_reverse, List.mem_append, List.mem_singleton] at hi
    obtain ⟨k, hk, hi⟩ := hi
    cases hi with
    | inl hi =>
      refine ih (fun j hj e => ?_) hi
      obtain ⟨r, hr, ho, hid⟩ := Runs.mem_kids.mp hj
      rw [h r hr (hid.trans e)] at ho
      cases ho
    | inr hi => rw [hi]; exact hs k hk

theorem ne_world_of_mem_kids {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {above id : Id}
    (hk : id ∈ m.kids above) : id ≠ .world := by
  intro e
  obtain ⟨r, hr, ho, hid⟩ := Runs.mem_kids.mp hk
  rw [h r hr (hid.trans e)] at ho
  cases ho

theorem ne_world_of_mem_below {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {above id : Id}
    (hk : id ∈ m.below above) : id ≠ .world :=
  ne_world_of_mem_under h (fun _ => ne_world_of_mem_kids h) hk

theorem ne_world_of_owns {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {asker id : Id}
    (ho : m.owns asker id = true) : id ≠ .world := by
  intro e
  have i := has_of_owns ho
  rw [owns, h _ (run_mem i) ((run_id m id).trans e)] at ho
  exact Bool.false_ne_true ho

theorem headsAt_ne_world {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {id : Id} {event : Event} :
    ∀ x ∈ m.headsAt id event, x.id ≠ .world := by
  intro x hx
  unfold headsAt at hx
  obtain ⟨j, hj, rfl⟩ := List.mem_map.mp hx
  show j ≠ _
  refine ne_world_of_mem_under h ?_ hj
  intro k hk
  split at hk
  · exact ne_world_of_mem_kids h (List.mem_filter.mp hk).1
  · exact ne_world_of_mem_kids h (List.mem_filter.mp hk).1
  · exact ne_world_of_mem_kids h hk

/-- Where a run keeps its owner, the world has none. -/
theorem owner_put {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) {r : Run}
    (hr : r.id = .world → r.owner = none) : ∀ x ∈ Runs.put m.runs r, x.id = .world → x.owner = none := by
  intro x hx
  cases Runs.mem_put hx with
  | inl e => rw [e]; exact hr
  | inr e => exact h x e

theorem owner_run {m : M} (h : ∀ r ∈ m.runs, r.id = .world → r.owner = none) (id : Id) :
    (m.run id).id = .world → (m.run id).owner = none := by
  intro e
  cases i : m.has id with
  | true => exact h _ (run_mem i) e
  | false => rw [run_of_not_has i]; rfl

theorem Edits.kept {S : Scope} {m₀ m : M} (w : Wf m₀ S.busy) (hF : ∀ id, S.fresh id → m₀.has id = false) (e : Edits S m₀ m) :
    Kept S m₀ m := by
  induction e with
  | refl => exact .refl w hF
  | @code m id code _ i ok free k =>
    refine k.same (fun j => ?_) (trace_setCode m id code) (fun j => ?_) rfl rfl rfl (fun j => ?_)
      fun h => owner_put h (owner_run h id)
    · exact Runs.has_put_same (by rw [run_id]; exact i) j
    · rw [run_setCode]; split
      · next h => subst h; rfl
      · rfl
    · rw [run_setCode]; split
      · next h => subst h; exact .inr ⟨ok, free⟩
      · exact .inl rfl
  | @handles m id hs _ i k =>
    refine k.same (fun j => ?_) (trace_setHandles m id hs) (fun j => ?_) rfl rfl rfl (fun j => .inl ?_)
      fun h => owner_put h (owner_run h id)
    · exact Runs.has_put_same (by rw [run_id]; exact i) j
    · rw [run_setHandles]; split
      · next h => subst h; rfl
      · rfl
    · rw [run_setHandles]; split
      · next h => subst h; rfl
      · rfl
  | @own m id owner givers _ i ne k =>
    refine k.same (fun j => ?_) (trace_own m id owner givers) (fun j => ?_) rfl rfl rfl (fun j => .inl ?_)
      fun h => owner_put h fun e => absurd ((run_id m id).symm.trans e) ne
    · exact Runs.has_put_same (by rw [run_id]; exact i) j
    · rw [run_own]; split
      · next h => subst h; rfl
      · rfl
    · rw [run_own]; split
      · next h => subst h; rfl
      · rfl
  | @record m id event s _ i ok free may k =>
    refine k.record id (m.commitOf id event s) i (has_record m id event s) (trace_record_same m id event s)
      (fun j h => run_record_ne m event s h) ?_ rfl rfl rfl rfl rfl rfl ?_ ?_ ?_ may
      (fun h => owner_put h (owner_run h id)) (headsAt_ne_world k.owner)
    · rw [made_record]; exact Nat.le_refl _
    · rw [made_record]; rfl
    · rw [run_record_same]; exact ok
    · rw [run_record_same]; exact free
  | @count m id hs event s _ i ok free may k =>
    have hid : ({ m.run id with handles := hs, made := (m.run id).made + 1 } : Run).id = id := run_id m id
    have hr : (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }).run id
        = { m.run id with handles := hs, made := (m.run id).made + 1 } := by
      rw [run_put, if_pos hid]
    have hp : ∀ j, (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }).has j = m.has j :=
      fun j => Runs.has_put_same (by rw [hid]; exact i) j
    refine k.record id (commitOf (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }) id event s)
      (.inl i) (fun j => ?_) ?_ (fun j h => ?_) ?_ rfl rfl rfl rfl rfl ?_ ?_ ?_ ?_ may ?_ ?_
    · rw [has_record, hp]
    · rw [trace_record_same, hr]
    · rw [run_record_ne _ event s h, run_put, if_neg (by rw [hid]; exact h)]
    · rw [made_record, hr]; exact Nat.le_succ _
    · rw [commitOf_index, hr]
    · rw [made_record]; rfl
    · rw [run_record_same]; exact ok
    · rw [run_record_same]; exact free
    · intro h
      have h' : ∀ x ∈ (m.put { m.run id with handles := hs, made := (m.run id).made + 1 }).runs, x.id = .world → x.owner = none :=
        owner_put h (owner_run h id)
      exact owner_put h' (owner_run h' id)
    · exact headsAt_ne_world (m := m.put { m.run id with handles := hs, made := (m.run id).made + 1 })
        (owner_put k.owner (owner_run k.owner id))
  | @born m r s old _ new hlog hcode htrace hmade k =>
    have absent : m₀.has r.id = false := hF _ new
    have hrec : ∀ c ∈ r.trace, m₀.has c.run = true := fun c hc => w.recorders old c (htrace.subset hc)
    have hhas : ∀ j, m.has j = true → (m.put r).has j = true := fun j => Runs.has_put_of_has r
    have hindexed : ∀ j, Trace.Indexed ((m.put r).run j).trace := fun j => by
      rw [run_put]; split
      · exact (w.indexed old).of_suffix htrace
      · exact k.indexed j
    have hl₀ : m.log.filter (fun c => c.run == r.id) = [] := by
      rw [hlog, ← w.own r.id, run_of_not_has absent]; rfl
    have ne : r.id ≠ .world := fun e => by rw [e, w.world] at absent; cases absent
    have up : ∀ {code : Code}, (∀ u o, code = .undoing u o → ¬ S.fresh u.run) → m.CodeOk code → (m.put r).CodeOk code := by
      intro code free ok
      cases code with
      | settled s => trivial
      | driving r w => trivial
      | passing chain op args w => exact ⟨ok.1, fun x hx => hhas x (ok.2 x hx)⟩
      | undoing u o =>
        refine ⟨ok.1, hhas _ ok.2.1, fun d hd => ⟨hhas _ (ok.2.2.1 d hd).1, (ok.2.2.1 d hd).2⟩, fun n hn => ?_⟩
        obtain ⟨c, hc, hheads⟩ := ok.2.2.2 n hn
        refine ⟨c, ?_, fun x hx => hhas _ (hheads x hx)⟩
        rw [run_put, if_neg]
        · exact hc
        · exact fun e => free u o rfl (e ▸ new)
    constructor
    · exact hhas _ k.world
    · intro j
      by_cases e : r.id = j
      · rw [run_put, if_pos e, hcode]; trivial
      · rw [run_put, if_neg e]; exact up (k.free j) (k.codes j)
    · intro j u o h
      by_cases e : r.id = j
      · rw [run_put, if_pos e, hcode] at h; cases h
      · rw [run_put, if_neg e] at h; exact k.free j u o h
    · intro j h
      rw [has_put] at h
      by_cases e : r.id = j
      · exact .inr (e ▸ new)
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
        exact k.born j h
    · exact hindexed
    · intro j c t h
      by_cases e : r.id = j
      · rw [run_put, if_pos e] at h ⊢; exact hmade c t h
      · rw [run_put, if_neg e] at h ⊢; exact k.counted j c t h
    · intro j c h
      by_cases e : r.id = j
      · rw [run_put, if_pos e] at h
        exact hhas _ (k.ext.has _ (hrec c h))
      · rw [run_put, if_neg e] at h
        exact hhas _ (k.recorders j c h)
    · intro j
      rw [put_log]
      by_cases e : r.id = j
      · rw [run_put, if_pos e, ← e, hl₀, List.filter_eq_nil_iff]
        intro c hc hb
        have := hrec c hc
        rw [beq_iff_eq.mp hb, absent] at this
        exact Bool.false_ne_true this
      · rw [run_put, if_neg e]; exact k.own j
    · exact k.numbered
    · exact owner_put k.owner fun e => absurd e ne
    · intro j c h
      by_cases e : r.id = j
      · rw [run_put, if_pos e] at h
        exact w.heads old c (htrace.subset h)
      · rw [run_put, if_neg e] at h
        exact k.heads j c h
    · rw [run_put, if_neg ne]; exact k.calm
    · constructor
      · exact k.ext.program
      · exact k.ext.contents
      · exact fun j h => hhas j (k.ext.has j h)
      · intro j
        by_cases e : r.id = j
        · rw [← e, run_of_not_has absent]; exact Nat.zero_le _
        · rw [run_put, if_neg e]; exact k.ext.made j
      · obtain ⟨cs, hl, hn, ht⟩ := k.ext.new
        refine ⟨cs, hl, hn, fun j h => ?_⟩
        rw [run_put, if_neg, ht j h]
        intro e
        rw [← e, absent] at h
        exact Bool.false_ne_true h
    · exact k.may
  | stack st _ k => exact k.same (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl rfl (fun _ => .inl rfl) fun h => h
  | used u _ k => exact k.same (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl rfl (fun _ => .inl rfl) fun h => h
  | written u _ k => exact k.same (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl rfl (fun _ => .inl rfl) fun h => h

theorem Kept.wf {S : Scope} {m n : M} {B : Prop} (k : Kept S m n) (w : Wf m B) (hF : ∀ id, S.fresh id → n.Stamped id) :
    Wf n S.busy :=
  { world := k.world, codes := k.codes, indexed := k.indexed, counted := k.counted, recorders := k.recorders, own := k.own,
    numbered := k.numbered, owner := k.owner, heads := k.heads, calm := k.calm
    fresh := fun id h => match k.born id h with
      | .inl h => (w.fresh id h).mono k.ext.made
      | .inr h => hF id h }

/-- The outermost owner may be in the middle of an operation. -/
theorem Wf.weaken {m : M} {B : Prop} (w : Wf m) : Wf m B :=
  { w with calm := w.calm.elim False.elim .inr }

/-- Within a step of the tree: the outermost owner may be left in the middle of an operation if `busy`. -/
def Scope.step (fresh : Id → Prop) (busy : Prop) : Scope := ⟨fresh, busy, False⟩

/-- `n` comes from `m` by elementary changes, and ids of new runs are counted. -/
def Grows (m n : M) (busy : Prop := False) : Prop :=
  ∃ F : Id → Prop, (∀ id, F id → m.has id = false ∧ n.Stamped id) ∧ Edits (.step F busy) m n

theorem Grows.kept {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) : ∃ F, Kept (.step F B) m n := by
  obtain ⟨F, hF, e⟩ := g
  exact ⟨F, e.kept w fun id h => (hF id h).1⟩

theorem Grows.extends {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) : Extends m n := by
  obtain ⟨F, k⟩ := g.kept w
  exact k.ext

/-- What a step of the tree records is not of the outside. -/
theorem Grows.inward {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) :
    ∃ cs, n.log = cs ++ m.log ∧ ∀ c ∈ cs, Inward c.run c.event := by
  obtain ⟨F, k⟩ := g.kept w
  obtain ⟨cs, hl, hm⟩ := k.may
  exact ⟨cs, hl, fun c hc => (hm c hc).resolve_left id⟩

theorem Grows.wf {m n : M} {B : Prop} (w : Wf m B) (g : Grows m n B) : Wf n B := by
  obtain ⟨F, hF, e⟩ := g
  exact (e.kept w fun id h => (hF id h).1).wf w fun id h => (hF id h).2

/-- Elementary changes that make no run. -/
abbrev Plain (m n : M) (busy : Prop := False) : Prop := Edits (.step (fun _ => False) busy) m n

namespace Plain

variable {B : Prop}

theorem grows {m n : M} (e : Plain m n B) : Grows m n B := ⟨_, fun _ h => h.elim, e⟩

theorem wf {m n : M} (e : Plain m n B) (w : Wf m B) : Wf n B := e.grows.wf w

theorem «extends» {m n : M} (e : Plain m n B) (w : Wf m B) : Extends m n := e.grows.extends w

theorem trans {m n p : M} (e : Plain m n B) (f : Plain n p B) : Plain m p B := by
  induction f with
  | refl => exact e
  | code id code _ i ok free k => exact .code id code k i ok free
  | handles id hs _ i k => exact .handles id hs k i
  | own id o g _ i ne k => exact .own id o g k i ne
  | record id ev s _ i ok free may k => exact .record id ev s k i ok free may
  | count id hs ev s _ i ok free may k => exact .count id hs ev s k i ok free may
  | born r s old _ new => exact new.elim
  | stack st _ k => exact .stack st k
  | used u _ k => exact .used u k
  | written u _ k => exact .written u k

/-- Changes one after the other. -/
theorem foldl {α : Type} {m : M} {f : M → α → M} {l : List α} (w : Wf m B)
    (h : ∀ n x, x ∈ l → Plain m n B → Wf n B → Plain n (f n x) B) : Plain m (l.foldl f m) B := by
  suffices ∀ (l' : List α) (n : M), (∀ x ∈ l', x ∈ l) → Plain m n B → Plain m (l'.foldl f n) B from
    this l m (fun _ h => h) .refl
  intro l'
  induction l' with
  | nil => exact fun n _ e => e
  | cons x l' ih =>
    intro n hl e
    exact ih (f n x) (fun y hy => hl y (List.mem_cons_of_mem _ hy))
      (e.trans (h n x (hl x List.mem_cons_self) e (e.wf w)))

end Plain

end M

end Shepherd
