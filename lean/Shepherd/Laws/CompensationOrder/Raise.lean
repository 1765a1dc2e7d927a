import Shepherd.Laws.CompensationOrder.Begin

/-!
# An undo is raised
-/

namespace Shepherd

namespace M

theorem _root_.Shepherd.Trace.Indexed.lt_length {t : Trace} (i : Trace.Indexed t) : ∀ d ∈ t, d.index < t.length := by
  induction t with
  | nil => exact fun d hd => absurd hd List.not_mem_nil
  | cons c t ih =>
    intro d hd
    rw [List.length_cons]
    rcases List.mem_cons.mp hd with rfl | h
    · rw [i.1]; exact Nat.lt_succ_self _
    · exact Nat.lt_succ_of_lt (ih i.2 d h)

theorem shows_lt {P : Program} {t : Trace} {d : Debt} (h : Trace.Shows P t d) (i : Trace.Indexed t) : d.at < t.length := by
  obtain ⟨⟨o, q, ha, ho⟩, _⟩ := h
  rw [← ho.index]
  exact i.lt_length o ha.mem.1

/-- A run that takes back, and that nobody takes back, raises the undo of its first debt. -/
theorem Unwinds.raise {R : Regions} {m : M} (k : Unwinds R m) (w : Wf m True) (f : Runs.Forest m.runs) {b : Id} {u : Undoing} {o : Settled}
    (hb : (m.run b).code = .undoing u o) (free : ¬ m.Taken R b) (alone : m.Alone b) {d : Debt} {ds : List Debt} (hr : u.raised = false)
    (hd : u.todo = d :: ds) :
    Unwinds R ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).setCode b (.undoing { u with raised := true } o)) ∧
      Passed m (fun y => y = b ∨ y = d.run)
        ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).setCode b (.undoing { u with raised := true } o)) := by
  have l := (k.live b u o hb).resolve_left free
  have region := k.region b u o hb
  have owed := (l.owed d).mp (by rw [hd]; exact List.mem_cons_self)
  have held : m.Taken R d.run := ⟨b, u, o, hb, owed.1⟩
  have idle := k.idle d.run held
  have below : Runs.Below m.runs d.run b := (region.within _ owed.1).below (k.owns b u o hb)
  have ne : d.run ≠ b := below.ne f
  have same := run_recordCode_same m d.run (.undo d.at d.op d.args) (m.run d.run).code
  have other : ∀ y, d.run ≠ y → (m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).run y = m.run y :=
    fun y e => run_recordCode_ne m _ _ e
  generalize hc : m.commitOf d.run (.undo d.at d.op d.args) { m.state d.run with code := (m.run d.run).code } = c at same
  have cevent : c.event = .undo d.at d.op d.args := by rw [← hc]; rfl
  have ccode : c.code = (m.run d.run).code.settle := by rw [← hc]; rfl
  have crun : c.run = d.run := by rw [← hc]; rfl
  have cindex : c.index = (m.run d.run).trace.size := by rw [← hc]; rfl
  generalize hn : m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code = n₁ at same other
  generalize hn' : n₁.setCode b (.undoing { u with raised := true } o) = n
  have runB : n.run b = { m.run b with code := .undoing { u with raised := true } o } := by
    rw [← hn', run_setCode_same, other b ne]
  have runD : n.run d.run = { m.run d.run with trace := c :: (m.run d.run).trace } := by
    rw [← hn', run_setCode_ne _ _ ne.symm, same]
  have runY : ∀ y, y ≠ b → y ≠ d.run → n.run y = m.run y := fun y h₁ h₂ => by
    rw [← hn', run_setCode_ne _ _ h₁.symm, other y h₂.symm]
  have cases' : ∀ {p : Id → Prop}, p b → p d.run → (∀ y, y ≠ b → y ≠ d.run → p y) → ∀ y, p y := fun {p} h₁ h₂ h₃ y => by
    rcases Classical.em (y = b) with e | e
    · exact e ▸ h₁
    · rcases Classical.em (y = d.run) with e' | e'
      · exact e' ▸ h₂
      · exact h₃ y e e'
  have codes : ∀ y, y ≠ b → (n.run y).code = (m.run y).code := fun y e => by
    rcases Classical.em (y = d.run) with e' | e'
    · rw [e', runD]
    · rw [runY y e e']
  have traces : ∀ y, y ≠ d.run → (n.run y).trace = (m.run y).trace := fun y e => by
    rcases Classical.em (y = b) with e' | e'
    · rw [e', runB]
    · rw [runY y e' e]
  have owners : ∀ y, (n.run y).owner = (m.run y).owner :=
    cases' (by rw [runB]) (by rw [runD]) fun y h₁ h₂ => by rw [runY y h₁ h₂]
  have codeB : (n.run b).code = .undoing { u with raised := true } o := by rw [runB]
  have delivered : Passed m (fun y => y = b ∨ y = d.run) n :=
    { prog := by rw [← hn', ← hn]; rfl
      stack := by rw [← hn', ← hn]; rfl
      run := fun y h => runY y (fun e => h (.inl e)) fun e => h (.inr e)
      owner := owners
      handles := cases' (by rw [runB]) (by rw [runD]) fun y h₁ h₂ => by rw [runY y h₁ h₂]
      undoing := fun a => by
        rcases Classical.em (a = b) with e | e
        · subst e
          refine ⟨fun v p hv => ?_, fun v p hv => ?_⟩
          · rw [codeB] at hv; cases hv; exact ⟨u, o, hb, rfl, rfl⟩
          · rw [hb] at hv; cases hv; exact ⟨_, _, codeB, rfl, rfl⟩
        · rw [codes a e]
          exact ⟨fun v p hv => ⟨v, p, hv, rfl, rfl⟩, fun v p hv => ⟨v, p, hv, rfl, rfl⟩⟩
      passing := fun a chain op args w' hw => by
        rcases Classical.em (a = b) with e | e
        · rw [e, codeB] at hw; cases hw
        · rw [codes a e] at hw; exact hw
      has := fun y h => by rw [← hn', has_setCode, ← hn, recordCode_eq, has_record, h, Bool.or_true, Bool.or_true] }
  have heldEq : ∀ x, n.Taken R x ↔ m.Taken R x := delivered.held
  have indexed : Trace.Indexed (c :: (m.run d.run).trace) := ⟨by rw [cindex, (w.indexed d.run).size], w.indexed d.run⟩
  have idleC : Trace.Idle (m.run d.run).trace c :=
    ⟨by rw [cevent]; exact fun _ _ => nofun, fun _ _ _ _ _ _ e => by rw [cevent] at e; cases e⟩
  have noOutcome : ∀ a ch b', c.event = .outcome a ch b' → c.event.isAbandoned = true := fun _ _ _ e => by rw [cevent] at e; cases e
  refine ⟨⟨?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_⟩, delivered⟩
  · intro y
    rw [delivered.prog]
    rcases Classical.em (y = d.run) with e | e
    · rw [e, runD]
      refine (k.fine d.run).cons (fun _ j op args e => ?_) (fun j op args e => ?_) fun w' hw => absurd (ccode ▸ hw) (idle w')
      · rw [cevent] at e
        cases e
        exact ⟨⟨d.seq, owed.2.2.1⟩, owed.2.2.2⟩
      · rw [cevent] at e
        cases e
        rw [cindex, (w.indexed d.run).size]
        exact shows_lt owed.2.2.1 (w.indexed d.run)
    · rw [traces y e]; exact k.fine y
  · refine cases' ?_ ?_ fun y h₁ h₂ => by rw [runY y h₁ h₂]; exact k.waits y
    · have := k.waits b
      rw [hb] at this
      rw [runB]; exact this
    · rw [runD]
      exact fun _ w' hw => absurd hw (idle w')
  · intro a v p hv
    obtain ⟨v', p', hv', e, _⟩ := (delivered.undoing a).1 v p hv
    rw [owners, ← e]; exact k.owns a v' p' hv'
  · intro a v p hv
    obtain ⟨v', p', hv', e, _⟩ := (delivered.undoing a).1 v p hv
    rw [← e]; exact (k.region a v' p' hv').congr fun x _ => owners x
  · intro a v p hv k' e hto hnth
    obtain ⟨v', p', hv', hrun, hto'⟩ := (delivered.undoing a).1 v p hv
    rw [← hrun] at hnth ⊢
    have cu := w.codes a
    rw [hv'] at cu
    obtain ⟨e', he', _⟩ := cu.2.2.2 k' (hto'.trans hto)
    have grown : (n.run v'.run).trace.nth k' = some e' := by
      rcases Classical.em (v'.run = d.run) with e | e
      · rw [e] at he'
        rw [e, runD]; exact Trace.nth_append (s := [c]) indexed he'
      · rw [traces _ e]; exact he'
    rw [grown] at hnth
    cases hnth
    exact k.heads a v' p' hv' k' e (hto'.trans hto) he'
  · intro a a' v v' p p' x hv hv'
    obtain ⟨_, _, h₁, _⟩ := (delivered.undoing a).1 v p hv
    obtain ⟨_, _, h₂, _⟩ := (delivered.undoing a').1 v' p' hv'
    exact k.nested a a' _ _ _ _ x h₁ h₂
  · intro a v p hv
    rcases Classical.em (a = b) with e | e
    · subst e
      rw [codeB] at hv
      cases hv
      right
      refine ⟨l.sorted, l.once, fun e => ?_, fun _ => ⟨d, ds, c, hd, ?_, cevent⟩⟩
      · have kept : ∀ x, n.keptOf { u with raised := true } x = m.keptOf u x := fun x => by
          have cu := w.codes a
          rw [hb] at cu
          have : ∃ s, (n.run u.run).trace = s ++ (m.run u.run).trace ∧ Trace.Indexed (n.run u.run).trace := by
            rcases Classical.em (u.run = d.run) with e | e
            · exact ⟨[c], by rw [e, runD]; rfl, by rw [e, runD]; exact indexed⟩
            · exact ⟨[], traces _ e, by rw [traces _ e]; exact w.indexed _⟩
          obtain ⟨s', h₁, h₂⟩ := this
          exact keptOf_grow (u := { u with raised := true }) h₁ h₂ (fun k' hk => (cu.2.2.2 k' hk).imp fun _ h => h.1) x
        show e ∈ u.todo ↔ _
        rw [l.owed]
        unfold Owed
        rw [kept, delivered.prog]
        rcases Classical.em (e.run = d.run) with er | er
        · rw [er, runD, Trace.shows_cons idleC, Trace.repaid_cons noOutcome]
        · rw [traces _ er]
      · rw [runD]
        show Trace.question (c :: _) = some c
        rw [Trace.question_cons, cevent]
    · rw [codes a e] at hv
      rcases Classical.em (R a d.run) with hR | hR
      · left
        refine (heldEq a).mpr ?_
        rcases k.nested b a u v o p d.run hb hv owed.1 hR with e' | h | h
        · exact absurd e'.symm e
        · exact absurd ⟨a, v, p, hv, h⟩ free
        · exact ⟨b, u, o, hb, h⟩
      · refine (k.live a v p hv).imp (heldEq a).mpr fun l' => l'.congr delivered.prog (k.region a v p hv).top fun x hx => ?_
        exact traces x fun e' => hR (e' ▸ hx)
  · intro x hx w'
    have hx := (heldEq x).mp hx
    rw [codes x fun e => free (e ▸ hx)]
    exact k.idle x hx w'
  · intro a chain op args w' hw _
    have hw := delivered.passing a chain op args w' hw
    obtain ⟨e, q', rfl, ho, hs, rfl, rfl⟩ := k.passes a chain op args w' hw (.inr rfl)
    have ne' : e ≠ b := fun e' => by
      subst e'
      exact alone a ho _ _ _ _ hw
    exact ⟨e, q', rfl, (owners e).trans ho, (shown_congr (codes e ne')).trans hs, rfl, rfl⟩

/-- The active run raises the undo of its first debt. -/
theorem Good.raise {R : Regions} {m : M} {a : Id} {rest : List Id} (g : Good R m) (w : Wf m True) (f : Runs.Forest m.runs)
    (h : m.stack = a :: rest) {u : Undoing} {o : Settled} (hc : (m.run a).code = .undoing u o) {d : Debt} {ds : List Debt}
    (hr : u.raised = false) (hd : u.todo = d :: ds) :
    Good R ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).setCode a (.undoing { u with raised := true } o)) := by
  obtain ⟨k, e⟩ := g.unwinds.raise w f hc (g.free h) (g.alone h) hr hd
  have l := (g.unwinds.live a u o hc).resolve_left (g.free h)
  have owed := (l.owed d).mp (by rw [hd]; exact List.mem_cons_self)
  have below := ((g.unwinds.region a u o hc).within _ owed.1).below (g.unwinds.owns a u o hc)
  have p := g.path
  rw [h] at p
  refine g.delivered h k e fun y hy ht => ?_
  have up := p.drivers y hy
  rcases ht with e | e
  · subst e; exact absurd rfl (up.ne f)
  · subst e; exact absurd rfl ((up.trans below).ne f)

end M

end Shepherd
