import Shepherd.Laws.CompensationOrder.Pay
import Shepherd.Laws.CompensationOrder.Steps

/-!
# Outcomes reach all who wait for them
-/

namespace Shepherd

namespace M

/-- What a run shows: its own intent, the undo that it has raised, or what one that it owns shows. -/
inductive Chain (m : M) : Id → Question → Prop where
  | here {id : Id} {w : Waiting} : (m.run id).code = .settled (.waiting w) → Chain m id ⟨id, w.op, w.args, []⟩
  | undo {id : Id} {u : Undoing} {o : Settled} {d : Debt} {ds : List Debt} : (m.run id).code = .undoing u o → u.raised = true →
      u.todo = d :: ds → Chain m id ⟨d.run, d.op, d.args, [d.run]⟩
  | pass {id c : Id} {q : Question} {w : Waiting} : (m.run id).code = .passing (c :: q.path) q.op q.args w →
      (m.run c).owner = some id → Chain m c q → Chain m id ⟨q.asked, q.op, q.args, c :: q.path⟩

theorem Chain.asked {m : M} {id : Id} {q : Question} (h : Chain m id q) : q.asked = q.path.getLastD id := by
  induction h with
  | here _ => rfl
  | undo _ _ _ => rfl
  | @pass id c q _ _ _ _ ih => rw [List.getLastD_cons]; exact ih

theorem Unwinds.chain {R : Regions} {m : M} (k : Unwinds R m) {id : Id} {q : Question} (h : m.shown id = some q) : Chain m id q := by
  have go : ∀ n id q, q.path.length ≤ n → m.shown id = some q → Chain m id q := by
    intro n
    induction n with
    | zero =>
      intro id q hn h
      unfold shown at h
      split at h
      · next w hc =>
        split at h
        · cases h
        · cases h; exact .here hc
      · next chain op args w hc =>
        cases h
        obtain ⟨c, q, e, _⟩ := k.passes id chain op args w hc (.inr rfl)
        subst e
        exact absurd hn (Nat.not_succ_le_zero _)
      · next u o hc =>
        split at h
        · cases h; exact absurd hn (Nat.not_succ_le_zero _)
        · cases h
      · cases h
    | succ n ih =>
      intro id q hn h
      unfold shown at h
      split at h
      · next w hc =>
        split at h
        · cases h
        · cases h; exact .here hc
      · next chain op args w hc =>
        cases h
        obtain ⟨c, q, e, ho, shows', rfl, rfl⟩ := k.passes id chain op args w hc (.inr rfl)
        subst e
        have hq := ih c q (by
          have : (c :: q.path).length ≤ n + 1 := hn
          rw [List.length_cons] at this; omega) shows'
        have := Chain.pass hc ho hq
        rw [hq.asked] at this
        rw [List.getLastD_cons]; exact this
      · next u o hc =>
        split at h
        · next d ds hr hd => cases h; exact .undo hc hr hd
        · cases h
      · cases h
  exact go _ id q (Nat.le_refl _) h

/-- All of a chain but its first run stand below that. -/
theorem Unwinds.path_below {R : Regions} {m : M} (k : Unwinds R m) {id : Id} {q : Question} (h : Chain m id q)
    (free : ¬ m.Taken R id) : ∀ y ∈ q.path, Runs.Below m.runs y id := by
  induction h with
  | here _ => exact fun y hy => absurd hy List.not_mem_nil
  | @undo id u o d ds hc hr hd =>
    intro y hy
    rw [List.mem_singleton.mp hy]
    have l := (k.live id u o hc).resolve_left free
    exact ((k.region id u o hc).within _ ((l.owed d).mp (by rw [hd]; exact List.mem_cons_self)).1).below (k.owns id u o hc)
  | @pass id c q w hc ho _ ih =>
    have freec : ¬ m.Taken R c := by
      rintro ⟨b, u, o, hb, hr⟩
      rcases Classical.em (c = u.run) with e | e
      · have := k.owns b u o hb
        rw [← e, ho] at this
        cases this
        rw [hc] at hb; cases hb
      · obtain ⟨z, hz, hzr⟩ := (k.region b u o hb).closed c hr e
        rw [ho] at hz
        cases hz
        exact free ⟨b, u, o, hb, hzr⟩
    intro y hy
    rcases List.mem_cons.mp hy with rfl | hy
    · exact .own ho
    · exact (ih freec y hy).trans (.own ho)

/-- Passing on what was delivered below. -/
theorem deliver_pass (m : M) (id c : Id) (asked : Id) (op : String) (args : List Value) (path : List Id) (answer : Value) (change : Change)
    (by' : By) : m.deliver id ⟨asked, op, args, c :: path⟩ answer change by' =
      (m.deliver c ⟨asked, op, args, path⟩ answer change by').relay id answer by' := by
  unfold deliver
  simp only [List.dropLast_cons₂, List.reverse_cons, List.foldl_append, List.foldl_cons, List.foldl_nil]

theorem Passed.trans {m n p : M} {S T U : Id → Prop} (h : Passed m S n) (g : Passed n T p) (hs : ∀ y, S y → U y)
    (ht : ∀ y, T y → U y) : Passed m U p where
  prog := g.prog.trans h.prog
  stack := g.stack.trans h.stack
  run := fun y hy => (g.run y fun e => hy (ht y e)).trans (h.run y fun e => hy (hs y e))
  owner := fun y => (g.owner y).trans (h.owner y)
  handles := fun y => (g.handles y).trans (h.handles y)
  undoing := fun a => by
    refine ⟨fun u o hu => ?_, fun v p hv => ?_⟩
    · obtain ⟨v, p, hv, e, t⟩ := (g.undoing a).1 u o hu
      obtain ⟨v', p', hv', e', t'⟩ := (h.undoing a).1 v p hv
      exact ⟨v', p', hv', e'.trans e, t'.trans t⟩
    · obtain ⟨u, o, hu, e, t⟩ := (h.undoing a).2 v p hv
      obtain ⟨u', o', hu', e', t'⟩ := (g.undoing a).2 u o hu
      exact ⟨u', o', hu', e.trans e', t.trans t'⟩
  passing := fun a chain op args w hw => h.passing a chain op args w (g.passing a chain op args w hw)
  has := fun y i => g.has y (h.has y i)

/-- A run records the outcome that it waits for. -/
theorem Unwinds.outcome {R : Regions} {m : M} {but : Option Id} (k : Unwinds R m but) {id : Id} (free : ¬ m.Taken R id)
    (nu : ∀ u o, (m.run id).code ≠ .undoing u o) (event : Event) (s : State) (no : event.NotUndo)
    {c : Comp} {K : Stack} (hs : s.code = .settled (.running c [] K 0)) (hh : s.handles = (m.run id).handles)
    (only : ∀ a chain op args w, (m.run a).code = .passing chain op args w → chain.head? = but → a = id ∨ but = none) :
    Unwinds R (m.record id event s) (some id) ∧ Passed m (fun y => y = id) (m.record id event s) := by
  have same := run_record_same m id event s
  have other : ∀ y, id ≠ y → (m.record id event s).run y = m.run y := fun y e => run_record_ne m event s e
  have code : ((m.record id event s).run id).code = .settled (.running c [] K 0) := by rw [same]; exact hs
  have owners : ∀ y, ((m.record id event s).run y).owner = (m.run y).owner := owner_record m id event s
  refine ⟨k.inside (fun y => y = id) rfl (fun y e => other y fun h => e h.symm) (fun y e => e ▸ free) (fun a u o => ?_)
    (fun y e => ?_) fun a chain op args w hw hb => ?_, ?_⟩
  · rcases Classical.em (id = a) with e | e
    · subst e; rw [code]; exact ⟨(fun h => nomatch h), (fun h => absurd h (nu u o))⟩
    · rw [other a e]
  · subst e
    have waits : Waits ((m.record y event s).run y).trace ((m.record y event s).run y).code := by
      rw [code]; exact fun _ h => nomatch h
    refine ⟨?_, fun _ => waits⟩
    rw [same]
    refine (k.fine y).other no fun w hw => ?_
    have hw : s.code.settle = .waiting w := hw
    rw [hs] at hw; cases hw
  · rcases Classical.em (id = a) with e | e
    · subst e; rw [code] at hw; cases hw
    · rw [other a e] at hw
      refine .inr ⟨hw, ?_, fun x hx => ?_⟩
      · rcases Classical.em (chain.head? = but) with h | h
        · rcases only a chain op args w hw h with e' | h
          · exact absurd e'.symm e
          · exact .inr h
        · exact .inl h
      · have ne : id ≠ x := fun e' => by
          rcases hb with h | h
          · exact h (by rw [hx, e'])
          · cases h
        rw [other x ne]; exact ⟨rfl, rfl⟩
  · refine ⟨rfl, rfl, fun y e => other y fun h => e h.symm, owners, fun y => ?_, fun a => ?_, fun a chain op args w hw => ?_, fun y h => ?_⟩
    · rcases Classical.em (id = y) with e | e
      · subst e; rw [same]; exact hh
      · rw [other y e]
    · rcases Classical.em (id = a) with e | e
      · subst e
        exact ⟨fun u o h => by (rw [code] at h; cases h), fun v p h => absurd h (nu v p)⟩
      · rw [other a e]
        exact ⟨fun v p hv => ⟨v, p, hv, rfl, rfl⟩, fun v p hv => ⟨v, p, hv, rfl, rfl⟩⟩
    · rcases Classical.em (id = a) with e | e
      · subst e; rw [code] at hw; cases hw
      · rw [other a e] at hw; exact hw
    · rw [has_record, h, Bool.or_true]

/-- An outcome is delivered along the chain. -/
theorem Unwinds.deliver {R : Regions} {m : M} (k : Unwinds R m) (w : Wf m True) (f : Runs.Forest m.runs) {answer : Value}
    {change : Change} {by' : By} (given : (Event.outcome answer change by').isAbandoned = false) {id : Id} {q : Question}
    (h : Chain m id q) (free : ¬ m.Taken R id) :
    Unwinds R (m.deliver id q answer change by') (some id) ∧
      Passed m (fun y => y ∈ id :: q.path) (m.deliver id q answer change by') := by
  induction h with
  | @here id wt hc =>
    have e : m.deliver id ⟨id, wt.op, wt.args, []⟩ answer change by' = m.answerAsked id answer change by' := rfl
    rw [e]
    unfold answerAsked
    simp only
    rw [hc]
    simp only
    obtain ⟨h₁, h₂⟩ := k.outcome free (by rw [hc]; exact nofun) (.outcome answer change by')
      { m.state id with code := resume answer wt.stack, files := (m.run id).files.apply change } (fun _ _ _ => nofun) rfl rfl
      (fun _ _ _ _ _ _ _ => .inr rfl)
    refine ⟨h₁, ?_⟩
    exact { h₂ with run := fun y hy => h₂.run y fun e => hy (e ▸ List.mem_cons_self) }
  | @undo id u o d ds hc hr hd =>
    have e : m.deliver id ⟨d.run, d.op, d.args, [d.run]⟩ answer change by' =
      (m.answerAsked d.run answer change by').relay id answer by' := rfl
    rw [e]
    obtain ⟨h₁, h₂⟩ := k.pay w f hc free hr hd given
    refine ⟨h₁, { h₂ with run := fun y hy => h₂.run y fun e => hy ?_ }⟩
    rcases e with e | e
    · exact e ▸ List.mem_cons_self
    · exact e ▸ List.mem_cons_of_mem _ List.mem_cons_self
  | @pass id c q wt hc ho hq ih =>
    have freec : ¬ m.Taken R c := by
      rintro ⟨b, u, o, hb, hr⟩
      rcases Classical.em (c = u.run) with e | e
      · have := k.owns b u o hb
        rw [← e, ho] at this
        cases this
        rw [hc] at hb; cases hb
      · obtain ⟨z, hz, hzr⟩ := (k.region b u o hb).closed c hr e
        rw [ho] at hz
        cases hz
        exact free ⟨b, u, o, hb, hzr⟩
    obtain ⟨h₁, h₂⟩ := ih freec
    have below : ∀ y ∈ c :: q.path, Runs.Below m.runs y id := fun y hy => by
      rcases List.mem_cons.mp hy with rfl | hy
      · exact .own ho
      · exact (k.path_below hq freec y hy).trans (.own ho)
    have off : id ∉ c :: q.path := fun h => absurd rfl ((below id h).ne f)
    have same : (m.deliver c q answer change by').run id = m.run id := h₂.run id off
    have e : m.deliver id ⟨q.asked, q.op, q.args, c :: q.path⟩ answer change by' =
        (m.deliver c q answer change by').recordCode id (.outcome (.ok answer) [] by') (resume (.ok answer) wt.stack) := by
      rw [deliver_pass]
      unfold relay
      rw [show (m.deliver c ⟨q.asked, q.op, q.args, q.path⟩ answer change by').run id = m.run id from same, hc]
    rw [e]
    obtain ⟨h₃, h₄⟩ := h₁.outcome (id := id) (fun h => free ((h₂.held id).mp h)) (by rw [same, hc]; exact nofun)
      (.outcome (.ok answer) [] by') { (m.deliver c q answer change by').state id with code := resume (.ok answer) wt.stack }
      (fun _ _ _ => nofun) rfl rfl (fun a chain op args w' hw hh => by
        obtain ⟨e', q', rfl, ho', _⟩ := k.passes a chain op args w' (h₂.passing a chain op args w' hw) (.inr rfl)
        have : e' = c := Option.some.inj hh
        subst this
        rw [ho] at ho'
        exact .inl (Option.some.inj ho').symm)
    refine ⟨h₃, h₂.trans h₄ (fun y hy => List.mem_cons_of_mem _ hy) fun y hy => ?_⟩
    rw [hy]; exact List.mem_cons_self

/-- Where nobody passes the run that showed the question, all is well again. -/
theorem Unwinds.settled {R : Regions} {m n : M} {id : Id} (k : Unwinds R m) (k' : Unwinds R n (some id)) {touched : Id → Prop}
    (h : Passed m touched n) (alone : m.Alone id) : Unwinds R n :=
  { k' with
    passes := fun a chain op args w hw _ => k'.passes a chain op args w hw
      (.inl (k.alone alone (h.passing a chain op args w hw) (.inr rfl))) }

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- The runs of a chain from a run that the active one owns, or from itself, are not those that drive. -/
theorem delivered (g : Good R m) {n : M} {touched : Id → Prop} (h : m.stack = a :: rest) (k : Unwinds R n) (d : Passed m touched n)
    (off : ∀ y ∈ rest, ¬ touched y) : Good R n where
  unwinds := k
  path := by
    have p := g.path
    rw [d.stack, h]
    rw [h] at p
    exact p.congr (fun y _ => d.owner y) fun y hy => by rw [d.run y (off y hy)]
  top := (d.owner _).trans g.top
  root := (d.owner _).trans g.root
  table := (d.handles _).trans g.table
  world := fun u o hu => by
    obtain ⟨v, p, hv, e, _⟩ := (d.undoing _).1 u o hu
    exact e ▸ g.world v p hv

/-- The active run's question is answered. -/
theorem deliver (g : Good R m) (w : Wf m True) (f : Runs.Forest m.runs) (h : m.stack = a :: rest) {q : Question}
    (hq : m.shown a = some q) {answer : Value} {change : Change} {by' : By}
    (given : (Event.outcome answer change by').isAbandoned = false) : Good R (m.deliver a q answer change by') := by
  have free := g.free h
  have chain := g.unwinds.chain hq
  obtain ⟨k, d⟩ := g.unwinds.deliver w f given chain free
  refine g.delivered h (g.unwinds.settled k d (g.alone h)) d fun y hy ht => ?_
  have p := g.path
  rw [h] at p
  have up := p.drivers y hy
  rcases List.mem_cons.mp ht with e | e
  · subst e; exact absurd rfl (up.ne f)
  · exact absurd rfl ((up.trans (g.unwinds.path_below chain free y e)).ne f)

/-- The active run answers one that it owns. -/
theorem ownerAnswers (g : Good R m) (w : Wf m True) (f : Runs.Forest m.runs) (h : m.stack = a :: rest) {wt : Waiting}
    (hc : (m.run a).code = .settled (.waiting wt)) (v answer : Value) : Good R (m.ownerAnswers a wt v answer) := by
  unfold M.ownerAnswers
  split
  · exact g.reply h hc _ _
  · next id q ha =>
    split
    · exact g.reply h hc _ _
    · obtain ⟨ho, hs⟩ := of_atIntent ha
      have ho : (m.run id).owner = some a := beq_iff_eq.mp ho
      have free := g.kid_free h (by rw [hc]; exact nofun) ho
      have chain := g.unwinds.chain hs
      obtain ⟨k, d⟩ := g.unwinds.deliver (answer := answer) (change := []) (by' := .owner) w f rfl chain free
      have below : ∀ y ∈ id :: q.path, Runs.Below m.runs y a := fun y hy => by
        rcases List.mem_cons.mp hy with rfl | hy
        · exact .own ho
        · exact (g.unwinds.path_below chain free y hy).trans (.own ho)
      have alone : m.Alone id := fun b hb _ _ _ _ hp => by
        rw [ho] at hb; cases hb; rw [hc] at hp; cases hp
      have p := g.path
      rw [h] at p
      have g' := g.delivered h (g.unwinds.settled k d alone) d fun y hy ht =>
        absurd rfl (((p.drivers y hy).trans (below y ht)).ne f)
      refine g'.reply (d.stack.trans h) (c := .waiting wt) ?_ _ _
      rw [d.run a fun ht => absurd rfl ((below a ht).ne f)]
      exact hc

end Good

end M

end Shepherd
