import Shepherd.Laws.OutcomeAnswersIntent.Questions
import Shepherd.Laws.OutcomeAnswersIntent.Owners

/-!
# What a run shows is an open question

`m.Link x`: what the code of `x` says of the runs below it is so. That need not hold of runs that are being taken back
(`m.Frozen x`): nobody reads what they show before they are put back or discarded.
-/

namespace Shepherd

namespace M

/-- The question that run `x` shows is open: the run that asked is at that intent, or has that undo open, and those between pass it. -/
inductive Exposes (m : M) : Id → Question → Prop where
  | waits {x : Id} {w : Waiting} : (m.run x).code = .settled (.waiting w) → isMachineOp w.op = false →
      Exposes m x { asked := x, op := w.op, args := w.args, path := [] }
  | undo {x : Id} {u : Undoing} {o : Settled} {d : Debt} {ds : List Debt} : (m.run x).code = .undoing u o → u.raised = true →
      u.todo = d :: ds → (m.run u.run).owner = some x → (x = .world → u.run = .root) → m.Within d.run u.run →
      Trace.asksUndo (m.run d.run).trace = true →
      Exposes m x { asked := d.run, op := d.op, args := d.args, path := [d.run] }
  | passes {x c : Id} {q : Question} {w : Waiting} : (m.run x).code = .passing (c :: q.path) q.op q.args w →
      (m.run c).owner = some x → Exposes m c q → Exposes m x { asked := q.asked, op := q.op, args := q.args, path := c :: q.path }

/-- What holds while run `x` takes another back. -/
structure BackTaking (m : M) (x : Id) (u : Undoing) : Prop where
  owner : (m.run u.run).owner = some x
  root : x = .world → u.run = .root
  todo : ∀ d ∈ u.todo, m.Within d.run u.run ∧ Trace.asksIntent (m.run d.run).trace = false
  raised : u.raised = true → ∀ d ds, u.todo = d :: ds → Trace.asksUndo (m.run d.run).trace = true
  heads : ∀ k, u.to = some k → ∃ c, (m.run u.run).trace.nth k = some c ∧ ∀ h ∈ c.heads,
    m.Beneath (Id.today c.run u.run h.id) u.run ∧ Trace.asksIntent (m.run (Id.today c.run u.run h.id)).trace = false

/-- What code of run `x` says of the runs below it is so. -/
def LinkOf (m : M) (x : Id) : Code → Prop
  | .passing .. => ∃ q, m.Exposes x q
  | .undoing u _ => m.BackTaking x u
  | _ => True

/-- What the code of run `x` says of the runs below it is so. -/
def Link (m : M) (x : Id) : Prop := m.LinkOf x (m.run x).code

/-- Run `x` is being taken back. -/
def Frozen (m : M) (x : Id) : Prop := ∃ a u o, (m.run a).code = .undoing u o ∧ (m.run u.run).owner = some a ∧
  (a = .world → u.run = .root) ∧ m.Within x u.run

/-- What runs show is open, but for those that are being taken back. -/
def Links (m : M) : Prop := ∀ x, m.Frozen x ∨ m.Link x

/-! ## Questions that are shown -/

theorem Exposes.last {m : M} {x : Id} {q : Question} (h : m.Exposes x q) (y : Id) : (x :: q.path).getLastD y = q.asked := by
  induction h generalizing y with
  | waits => rfl
  | undo => rfl
  | @passes x c q w _ _ _ ih => exact ih x

theorem Exposes.shown {m : M} {x : Id} {q : Question} (h : m.Exposes x q) : m.shown x = some q := by
  cases h with
  | waits hc hm => unfold M.shown; rw [hc]; simp only [hm, Bool.false_eq_true, if_false]
  | undo hc hr ht _ _ _ _ => unfold M.shown; rw [hc]; simp only [hr, ht]
  | passes hc _ h =>
    unfold M.shown
    rw [hc]
    simp only [h.last]

theorem Exposes.within {m : M} {x : Id} {q : Question} (h : m.Exposes x q) : m.Within q.asked x ∧ ∀ y ∈ q.path, m.Beneath y x := by
  induction h with
  | waits => exact ⟨.refl _, fun y hy => absurd hy List.not_mem_nil⟩
  | undo _ _ _ ho _ hd _ =>
    have hb : m.Beneath _ _ := hd.trans_beneath (.of_owner ho)
    exact ⟨hb.within, fun y hy => by rw [List.mem_singleton.mp hy]; exact hb⟩
  | passes _ ho _ ih =>
    have b : m.Beneath _ _ := .of_owner ho
    refine ⟨(ih.1.trans_beneath b).within, fun y hy => ?_⟩
    cases List.mem_cons.mp hy with
    | inl e => rw [e]; exact b
    | inr hy => exact (ih.2 y hy).trans_within b.within

/-- The run that asked is at an intent that owners see, or has an undo open. -/
theorem Exposes.asked {m : M} {x : Id} {q : Question} (h : m.Exposes x q) :
    (∃ w, (m.run q.asked).code = .settled (.waiting w) ∧ isMachineOp w.op = false) ∨
      Trace.asksUndo (m.run q.asked).trace = true := by
  induction h with
  | waits hc hm => exact .inl ⟨_, hc, hm⟩
  | undo _ _ _ _ _ _ hu => exact .inr hu
  | passes _ _ _ ih => exact ih

/-- What is shown, is so; of runs that are not being taken back. -/
theorem Link.shows {m : M} {x : Id} {q : Question} (l : m.Link x) (h : m.shown x = some q) : m.Exposes x q := by
  unfold Link at l
  have h' := h
  unfold M.shown at h
  split at h
  · next w hc =>
    split at h
    · cases h
    · next hm => cases h; exact .waits hc (Bool.eq_false_iff.mpr hm)
  · next hc =>
    rw [hc] at l
    obtain ⟨q', hq⟩ := l
    have e := hq.shown
    rw [h'] at e
    cases e
    exact hq
  · next u o hc =>
    rw [hc] at l
    split at h
    · next d ds hr ht =>
      cases h
      exact .undo hc hr ht l.owner l.root (l.todo d (by rw [ht]; exact List.mem_cons_self)).1 (l.raised hr d ds ht)
    · cases h
  · cases h

/-! ## Where little changes -/

/-- As far as others look at it, run `x` is the same in `n`. -/
structure Same (m n : M) (x : Id) : Prop where
  code : (n.run x).code = (m.run x).code
  question : Trace.question (n.run x).trace = Trace.question (m.run x).trace
  nth : ∀ k c, (m.run x).trace.nth k = some c → (n.run x).trace.nth k = some c

theorem Same.of_run {m n : M} {x : Id} (h : n.run x = m.run x) : Same m n x :=
  ⟨by rw [h], by rw [h], fun k c hc => by rw [h]; exact hc⟩

theorem Same.intent {m n : M} {x : Id} (h : Same m n x) : Trace.asksIntent (n.run x).trace = Trace.asksIntent (m.run x).trace :=
  Trace.asksIntent_of_question h.question

theorem Same.undo {m n : M} {x : Id} (h : Same m n x) : Trace.asksUndo (n.run x).trace = Trace.asksUndo (m.run x).trace :=
  Trace.asksUndo_of_question h.question

theorem Exposes.frame {m n : M} {x : Id} {q : Question} (h : m.Exposes x q) (same : ∀ y, m.Within y x → Same m n y)
    (owners : ∀ y, m.Beneath y x → (n.run y).owner = (m.run y).owner) : n.Exposes x q := by
  induction h with
  | waits hc hm => exact .waits ((same _ (.refl _)).code.trans hc) hm
  | undo hc hr ht ho hroot hd hu =>
    have b : m.Beneath _ _ := .of_owner ho
    exact .undo ((same _ (.refl _)).code.trans hc) hr ht ((owners _ b).trans ho) hroot
      (hd.of_owners fun z hz _ => owners z (hz.trans_within b.within)) ((same _ (hd.trans_beneath b).within).undo.trans hu)
  | passes hc ho _ ih =>
    have b : m.Beneath _ _ := .of_owner ho
    exact .passes ((same _ (.refl _)).code.trans hc) ((owners _ b).trans ho)
      (ih (fun y hy => same y (hy.trans b.within)) fun y hy => owners y (hy.trans_within b.within))

theorem BackTaking.frame {m n : M} {x : Id} {u : Undoing} (h : m.BackTaking x u) (same : ∀ y, m.Beneath y x → Same m n y)
    (owners : ∀ y, m.Beneath y x → (n.run y).owner = (m.run y).owner) : n.BackTaking x u := by
  have b : m.Beneath u.run x := .of_owner h.owner
  have inside : ∀ {y}, m.Within y u.run → m.Beneath y x := fun hy => hy.trans_beneath b
  refine ⟨(owners _ b).trans h.owner, h.root, fun d hd => ?_, fun hr d ds ht => ?_, fun k hk => ?_⟩
  · have := h.todo d hd
    exact ⟨this.1.of_owners fun z hz _ => owners z (hz.trans_within b.within), (same _ (inside this.1)).intent.trans this.2⟩
  · have := h.todo d (by rw [ht]; exact List.mem_cons_self)
    exact (same _ (inside this.1)).undo.trans (h.raised hr d ds ht)
  · obtain ⟨c, hc, hh⟩ := h.heads k hk
    refine ⟨c, (same _ b).nth k c hc, fun y hy => ?_⟩
    have := hh y hy
    exact ⟨this.1.of_owners fun z hz _ => owners z (hz.trans_within b.within),
      (same _ (inside this.1.within)).intent.trans this.2⟩

theorem Link.frame {m n : M} {x : Id} (h : m.Link x) (same : ∀ y, m.Within y x → Same m n y)
    (owners : ∀ y, m.Beneath y x → (n.run y).owner = (m.run y).owner) : n.Link x := by
  unfold Link at h ⊢
  rw [(same x (.refl x)).code]
  cases hc : (m.run x).code with
  | settled s => trivial
  | driving r w => trivial
  | passing chain op args w =>
    rw [hc] at h
    obtain ⟨q, hq⟩ := h
    exact ⟨q, hq.frame same owners⟩
  | undoing u o =>
    rw [hc] at h
    exact BackTaking.frame h (fun y hy => same y hy.within) owners

theorem Frozen.frame {m n : M} {x : Id} (h : m.Frozen x) (same : ∀ a u o, (m.run a).code = .undoing u o →
    (m.run u.run).owner = some a → m.Within x u.run → (∃ u' o', (n.run a).code = .undoing u' o' ∧ u'.run = u.run) ∧
      ∀ y, m.Within x y → m.Within y u.run → (n.run y).owner = (m.run y).owner) : n.Frozen x := by
  obtain ⟨a, u, o, hc, ho, hr, hx⟩ := h
  obtain ⟨⟨u', o', hc', hu⟩, hs⟩ := same a u o hc ho hx
  refine ⟨a, u', o', hc', ?_, fun e => hu ▸ hr e, ?_⟩
  · rw [hu, hs _ hx (.refl _)]; exact ho
  · rw [hu]; exact hx.of_owners fun z hz hz' => hs z hz' hz.within

/-- Where code, questions and owners stay. -/
theorem Links.frame {m n : M} (l : m.Links) (same : ∀ y, Same m n y) (owners : ∀ y, (n.run y).owner = (m.run y).owner) : n.Links :=
  fun x => (l x).imp
    (fun h => h.frame fun a u o hc _ _ => ⟨⟨u, o, (same a).code.trans hc, rfl⟩, fun y _ _ => owners y⟩)
    (fun h => h.frame (fun y _ => same y) fun y _ => owners y)

/-! ## The stack -/

/-- From the active run up, each run is owned and driven by the next; the outermost owner is last. -/
def Upward (m : M) : List Id → Prop
  | [] => False
  | [x] => x = .world
  | x :: o :: rest => (m.run x).owner = some o ∧ (∃ w, (m.run o).code = .driving x w) ∧ Upward m (o :: rest)

theorem Upward.tail {m : M} {x o : Id} {rest : List Id} (h : m.Upward (x :: o :: rest)) : m.Upward (o :: rest) := h.2.2

theorem Upward.rooted {m : M} {x : Id} {rest : List Id} (h : m.Upward (x :: rest)) : m.Rooted x := by
  induction rest generalizing x with
  | nil => exact ⟨0, h⟩
  | cons o rest ih =>
    obtain ⟨d, hd⟩ := ih h.2.2
    exact ⟨d + 1, o, h.1, hd⟩

theorem Upward.above {m : M} (hw : (m.run .world).owner = none) {x y : Id} {rest : List Id} (h : m.Upward (x :: rest))
    (b : m.Beneath x y) : y ∈ rest := by
  induction rest generalizing x with
  | nil =>
    obtain ⟨o, ho, _⟩ := b
    rw [show x = Id.world from h, hw] at ho; cases ho
  | cons o rest ih =>
    obtain ⟨o', ho, g⟩ := b
    rw [h.1] at ho
    cases ho
    rcases g.cases with rfl | g
    · exact List.mem_cons_self
    · exact List.mem_cons_of_mem _ (ih h.2.2 g)

theorem Upward.beneath {m : M} {x y : Id} {rest : List Id} (h : m.Upward (x :: rest)) (hy : y ∈ rest) : m.Beneath x y := by
  induction rest generalizing x with
  | nil => exact absurd hy List.not_mem_nil
  | cons o rest ih =>
    cases List.mem_cons.mp hy with
    | inl e => rw [e]; exact .of_owner h.1
    | inr hy => exact ⟨o, h.1, (ih h.2.2 hy).within⟩

theorem Upward.driving {m : M} {x y : Id} {rest : List Id} (h : m.Upward (x :: rest)) (hy : y ∈ rest) :
    ∃ r w, (m.run y).code = .driving r w := by
  induction rest generalizing x with
  | nil => exact absurd hy List.not_mem_nil
  | cons o rest ih =>
    cases List.mem_cons.mp hy with
    | inl e => obtain ⟨w, hw⟩ := h.2.1; rw [e]; exact ⟨_, w, hw⟩
    | inr hy => exact ih h.2.2 hy

/-- What changes at the active run and below it leaves the path, if it keeps its owner. -/
theorem Upward.frame {m n : M} {x : Id} {rest : List Id} (h : m.Upward (x :: rest)) (owner : (n.run x).owner = (m.run x).owner)
    (same : ∀ y ∈ rest, (n.run y).owner = (m.run y).owner ∧ (n.run y).code = (m.run y).code) : n.Upward (x :: rest) := by
  induction rest generalizing x with
  | nil => exact h
  | cons o rest ih =>
    obtain ⟨w, hw⟩ := h.2.1
    have := same o List.mem_cons_self
    exact ⟨owner.trans h.1, ⟨w, this.2.trans hw⟩, ih h.2.2 this.1 fun y hy => same y (List.mem_cons_of_mem _ hy)⟩

theorem Upward.ne {m : M} (hw : (m.run .world).owner = none) {x y : Id} {rest : List Id} (h : m.Upward (x :: rest)) (hy : y ∈ rest) :
    y ≠ x := fun e => h.rooted.irrefl hw (e ▸ h.beneath hy)

/-- The active run is not being taken back. -/
theorem Upward.not_frozen {m : M} (hw : (m.run .world).owner = none) {x : Id} {rest : List Id} (h : m.Upward (x :: rest)) :
    ¬ m.Frozen x := by
  intro ⟨a, u, o, hc, ho, _, hx⟩
  obtain ⟨r, w, hd⟩ := h.driving (h.above hw (hx.trans_beneath (.of_owner ho)))
  rw [hc] at hd; cases hd

/-- Nor is a run that it owns, if it takes none back itself. -/
theorem Upward.child_not_frozen {m : M} (hw : (m.run .world).owner = none) {x c : Id} {rest : List Id} (h : m.Upward (x :: rest))
    (hc : ∀ u o, (m.run x).code ≠ .undoing u o) (owner : (m.run c).owner = some x) : ¬ m.Frozen c := by
  intro ⟨a, u, o, ha, ho, hr, hx⟩
  rcases hx.cases with rfl | ⟨o', ho', hx⟩
  · rw [owner] at ho; cases ho; exact hc u o ha
  · rw [owner] at ho'
    cases ho'
    exact h.not_frozen hw ⟨a, u, o, ha, ho, hr, hx⟩

/-- A run that the active one does not stand above: what is at it and below is not at or below the active one, unless it drives. -/
theorem Upward.apart {m : M} (hw : (m.run .world).owner = none) {x y z : Id} {rest : List Id} (h : m.Upward (x :: rest))
    (out : ¬ m.Within y x) (hy : ∀ r w, (m.run y).code ≠ .driving r w) (hz : m.Within z y) : ¬ m.Within z x := by
  intro hzx
  rcases hz.compare hzx with g | g
  · exact out g
  · rcases g.cases with rfl | g
    · exact out (.refl _)
    · obtain ⟨r, w, hd⟩ := h.driving (h.above hw g)
      exact hy r w hd

/-- Runs that are neither the active one nor below it, where what is outside stays. -/
theorem Links.outside {m n : M} (hw : (m.run .world).owner = none) (l : m.Links) {x : Id} {rest : List Id} (h : m.Upward (x :: rest))
    (same : ∀ y, m.has y = true → ¬ m.Within y x → Same m n y ∧ (n.run y).owner = (m.run y).owner) {y : Id} (hy : m.has y = true)
    (out : ¬ m.Within y x) : n.Frozen y ∨ n.Link y := by
  rcases l y with f | f
  · left
    refine f.frame fun a u o hc ho hyu => ?_
    have up : ∀ z, m.Within y z → ¬ m.Within z x := fun z hz g => out (hz.trans g)
    have b : m.Within y a := (hyu.trans_beneath (.of_owner ho)).within
    have ha : m.has a = true := has_of_code (by rw [hc]; exact nofun)
    refine ⟨⟨u, o, (same a ha (up a b)).1.code.trans hc, rfl⟩, fun z hz hzu => ?_⟩
    have hz' : m.has z = true := (hzu.trans_beneath (.of_owner ho)).has
    exact (same z hz' (up z hz)).2
  · right
    by_cases hd : ∃ r w, (m.run y).code = .driving r w
    · obtain ⟨r, w, hd⟩ := hd
      unfold Link
      rw [(same y hy out).1.code, hd]; trivial
    · have hd : ∀ r w, (m.run y).code ≠ .driving r w := fun r w e => hd ⟨r, w, e⟩
      have has : ∀ z, m.Within z y → m.has z = true := fun z hz => hz.cases.elim (fun e => e ▸ hy) Beneath.has
      exact f.frame (fun z hz => (same z (has z hz) (h.apart hw out hd hz)).1)
        fun z hz => (same z (has z hz.within) (h.apart hw out hd hz.within)).2

/-- A run below the active one, where what is at it and below stays, and the active run takes none back before and after. -/
theorem Links.inside {m n : M} (hw : (m.run .world).owner = none) (l : m.Links) {x : Id} {rest : List Id} (h : m.Upward (x :: rest))
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) {y : Id}
    (codes : ∀ a u o, a ≠ x → (m.run a).code = .undoing u o → m.Within y u.run → (m.run u.run).owner = some a →
      ∃ u' o', (n.run a).code = .undoing u' o' ∧ u'.run = u.run)
    (owners : ∀ z, m.has z = true → (m.run z).owner ≠ some x → (n.run z).owner = (m.run z).owner)
    (link : m.Link y → n.Frozen y ∨ n.Link y) : n.Frozen y ∨ n.Link y := by
  rcases l y with f | f
  · left
    refine f.frame fun a u o hc ho hyu => ⟨codes a u o (fun e => hx u o (e ▸ hc)) hc hyu ho, fun z hz hzu =>
      owners z (hzu.trans_beneath (.of_owner ho)).has fun e => ?_⟩
    -- If `z` were the active run's own, that run would be taken back itself.
    rcases hzu.cases with rfl | ⟨o', ho', hzu⟩
    · rw [e] at ho; cases ho; exact hx u o hc
    · rw [e] at ho'
      cases ho'
      obtain ⟨r, w, hd⟩ := h.driving (h.above hw (hzu.trans_beneath (.of_owner ho)))
      rw [hc] at hd; cases hd
  · exact link f

end M

end Shepherd
