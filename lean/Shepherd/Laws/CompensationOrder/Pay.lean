import Shepherd.Laws.CompensationOrder.Drives

/-!
# The outcome of an undo

It settles the debt, and what is to be done yet is again what is owed.
-/

namespace Shepherd

namespace M

/-- What a run takes back does not depend on what is recorded later. -/
theorem keptOf_grow {m n : M} {u : Undoing} {s : List Commit} (ht : (n.run u.run).trace = s ++ (m.run u.run).trace)
    (hi : Trace.Indexed (n.run u.run).trace) (hk : ∀ k, u.to = some k → ∃ c, (m.run u.run).trace.nth k = some c) (x : Id) :
    n.keptOf u x = m.keptOf u x := by
  unfold keptOf
  cases hto : u.to with
  | none => rfl
  | some k =>
    simp only
    obtain ⟨c, hc⟩ := hk k hto
    have : (n.run u.run).trace.nth k = some c := by
      rw [ht] at hi ⊢
      exact Trace.nth_append hi hc
    rw [this, hc]

/-- The rest of what is owed, once the first is repaid. -/
theorem mem_rest {d e : Debt} {ds : List Debt} (once : (d :: ds).Pairwise fun a b => ¬(a.run = b.run ∧ a.at = b.at)) :
    e ∈ ds ↔ e ∈ d :: ds ∧ ¬(d.run = e.run ∧ d.at = e.at) := by
  have h := List.pairwise_cons.mp once
  constructor
  · exact fun he => ⟨List.mem_cons_of_mem _ he, h.1 e he⟩
  · rintro ⟨he, ne⟩
    rcases List.mem_cons.mp he with rfl | he
    · exact absurd ⟨rfl, rfl⟩ ne
    · exact he

/-- What two trees have in common where only some runs have got an outcome. -/
structure Passed (m : M) (touched : Id → Prop) (n : M) : Prop where
  prog : n.program = m.program
  stack : n.stack = m.stack
  run : ∀ y, ¬ touched y → n.run y = m.run y
  owner : ∀ y, (n.run y).owner = (m.run y).owner
  handles : ∀ y, (n.run y).handles = (m.run y).handles
  undoing : ∀ a, (∀ u o, (n.run a).code = .undoing u o → ∃ v p, (m.run a).code = .undoing v p ∧ v.run = u.run ∧ v.to = u.to) ∧
    ∀ v p, (m.run a).code = .undoing v p → ∃ u o, (n.run a).code = .undoing u o ∧ v.run = u.run ∧ v.to = u.to
  passing : ∀ a chain op args w, (n.run a).code = .passing chain op args w → (m.run a).code = .passing chain op args w
  has : ∀ y, m.has y = true → n.has y = true

theorem Passed.held {R : Regions} {m n : M} {touched : Id → Prop} (h : Passed m touched n) (x : Id) : n.Taken R x ↔ m.Taken R x := by
  constructor
  · rintro ⟨b, u, o, hb, hr⟩
    obtain ⟨v, p, hv, _⟩ := (h.undoing b).1 u o hb
    exact ⟨b, v, p, hv, hr⟩
  · rintro ⟨b, v, p, hb, hr⟩
    obtain ⟨u, o, hu, _⟩ := (h.undoing b).2 v p hb
    exact ⟨b, u, o, hu, hr⟩

/-- A run that does not wait keeps its code with an outcome. -/
theorem answerAsked_idle {m : M} {id : Id} (idle : ∀ w, (m.run id).code.settle ≠ .waiting w) (answer : Value) (change : Change)
    (by' : By) : m.answerAsked id answer change by' = m.record id (.outcome answer change by')
      { m.state id with code := (m.run id).code, files := (m.run id).files.apply change } := by
  unfold answerAsked
  simp only
  split
  · next w h => exact absurd (by rw [h]; rfl) (idle w)
  · rfl

/-- The undo that was raised gets its outcome, and the run that takes back goes on to its next debt. -/
theorem Unwinds.pay {R : Regions} {m : M} (k : Unwinds R m) (w : Wf m True) (f : Runs.Forest m.runs) {b : Id} {u : Undoing} {o : Settled}
    (hb : (m.run b).code = .undoing u o) (free : ¬ m.Taken R b) {d : Debt} {ds : List Debt} (hr : u.raised = true) (hd : u.todo = d :: ds)
    {answer : Value} {change : Change} {by' : By} (given : (Event.outcome answer change by').isAbandoned = false) :
    Unwinds R ((m.answerAsked d.run answer change by').relay b answer by') (some b) ∧
      Passed m (fun y => y = b ∨ y = d.run) ((m.answerAsked d.run answer change by').relay b answer by') := by
  have l := (k.live b u o hb).resolve_left free
  have region := k.region b u o hb
  have owed := (l.owed d).mp (by rw [hd]; exact List.mem_cons_self)
  obtain ⟨d', ds', q, hd', hq, he⟩ := l.raised hr
  rw [hd] at hd'
  cases hd'
  have held : m.Taken R d.run := ⟨b, u, o, hb, owed.1⟩
  have idle := k.idle d.run held
  have below : Runs.Below m.runs d.run b := (region.within _ owed.1).below (k.owns b u o hb)
  have ne : d.run ≠ b := below.ne f
  have i : m.has d.run = true := below.has
  have ib : m.has b = true := has_of_code (by rw [hb]; exact nofun)
  have once : (d :: ds).Pairwise fun a b => ¬(a.run = b.run ∧ a.at = b.at) := hd ▸ l.once
  have sorted : (d :: ds).Pairwise fun a b => b.seq ≤ a.seq := hd ▸ l.sorted
  rw [answerAsked_idle idle]
  generalize hs : ({ m.state d.run with code := (m.run d.run).code, files := (m.run d.run).files.apply change } : State) = s
  have scode : s.code = (m.run d.run).code := by rw [← hs]
  have shandles : s.handles = (m.run d.run).handles := by rw [← hs]; rfl
  have same := run_record_same m d.run (.outcome answer change by') s
  have other : ∀ y, d.run ≠ y → (m.record d.run (.outcome answer change by') s).run y = m.run y := fun y e => run_record_ne m _ s e
  generalize hn : m.record d.run (.outcome answer change by') s = n₁ at same other
  have hb₁ : (n₁.run b).code = .undoing u o := by rw [other b ne]; exact hb
  have hrelay : n₁.relay b answer by' = n₁.setCode b (.undoing (u.next answer) o) := by
    unfold relay
    rw [hb₁]
  rw [hrelay]
  generalize hc : m.commitOf d.run (.outcome answer change by') s = c at same
  have cevent : c.event = .outcome answer change by' := by rw [← hc]; rfl
  have ccode : c.code = (m.run d.run).code.settle := by rw [← hc, ← scode]; rfl
  have cindex : c.index = (m.run d.run).trace.size := by rw [← hc]; rfl
  generalize hn' : n₁.setCode b (.undoing (u.next answer) o) = n
  have runB : n.run b = { m.run b with code := .undoing (u.next answer) o } := by
    rw [← hn', run_setCode_same, other b ne]
  have runD : n.run d.run = { m.run d.run with
      code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := c :: (m.run d.run).trace } := by
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
    · rw [e', runD]; exact scode
    · rw [runY y e e']
  have traces : ∀ y, y ≠ d.run → (n.run y).trace = (m.run y).trace := fun y e => by
    rcases Classical.em (y = b) with e' | e'
    · rw [e', runB]
    · rw [runY y e' e]
  have owners : ∀ y, (n.run y).owner = (m.run y).owner :=
    cases' (by rw [runB]) (by rw [runD]) fun y h₁ h₂ => by rw [runY y h₁ h₂]
  have codeB : (n.run b).code = .undoing (u.next answer) o := by rw [runB]
  have nextRun := next_run u answer
  have nextTo := next_to u answer
  have nextTodo : (u.next answer).todo = ds := by unfold Undoing.next; rw [hd]; simp only; split <;> rfl
  have nextRaised : (u.next answer).raised = false := by unfold Undoing.next; rw [hd]; simp only; split <;> rfl
  have delivered : Passed m (fun y => y = b ∨ y = d.run) n :=
    { prog := by rw [← hn', ← hn]; rfl
      stack := by rw [← hn', ← hn]; rfl
      run := fun y h => runY y (fun e => h (.inl e)) fun e => h (.inr e)
      owner := owners
      handles := cases' (by rw [runB]) (by rw [runD]; exact shandles) fun y h₁ h₂ => by rw [runY y h₁ h₂]
      undoing := fun a => by
        rcases Classical.em (a = b) with e | e
        · subst e
          refine ⟨fun v p hv => ?_, fun v p hv => ?_⟩
          · rw [codeB] at hv; cases hv; exact ⟨u, o, hb, nextRun.symm, nextTo.symm⟩
          · rw [hb] at hv; cases hv; exact ⟨_, _, codeB, nextRun.symm, nextTo.symm⟩
        · rw [codes a e]
          exact ⟨fun v p hv => ⟨v, p, hv, rfl, rfl⟩, fun v p hv => ⟨v, p, hv, rfl, rfl⟩⟩
      passing := fun a chain op args w' hw => by
        rcases Classical.em (a = b) with e | e
        · rw [e, codeB] at hw; cases hw
        · rw [codes a e] at hw; exact hw
      has := fun y h => by rw [← hn', has_setCode, ← hn, has_record, h, Bool.or_true, Bool.or_true] }
  have heldEq : ∀ x, n.Taken R x ↔ m.Taken R x := delivered.held
  have indexed : Trace.Indexed (c :: (m.run d.run).trace) := ⟨by rw [cindex, (w.indexed d.run).size], w.indexed d.run⟩
  have idleC : Trace.Idle (m.run d.run).trace c := by
    refine ⟨by rw [cevent]; exact fun _ _ => nofun, fun q' hq' ⟨op, args, e⟩ => ?_⟩
    rw [hq] at hq'
    cases hq'
    rw [he] at e; cases e
  refine ⟨⟨?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_⟩, delivered⟩
  · intro y
    rw [delivered.prog]
    rcases Classical.em (y = d.run) with e | e
    · rw [e, runD]
      exact (k.fine d.run).other (by rw [cevent]; exact fun _ _ _ => nofun) fun w' hw => absurd (ccode ▸ hw) (idle w')
    · rw [traces y e]; exact k.fine y
  · refine cases' ?_ ?_ fun y h₁ h₂ => by rw [runY y h₁ h₂]; exact k.waits y
    · have := k.waits b
      rw [hb] at this
      rw [runB]; exact this
    · rw [runD]
      intro _ w' hw
      simp only [scode] at hw
      exact absurd hw (idle w')
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
      refine ⟨?_, ?_, fun e => ?_, fun h => ?_⟩
      · rw [nextTodo]; exact (List.pairwise_cons.mp sorted).2
      · rw [nextTodo]; exact (List.pairwise_cons.mp once).2
      · have kept : ∀ x, n.keptOf (u.next answer) x = m.keptOf u x := fun x => by
          have h₁ : n.keptOf (u.next answer) x = n.keptOf u x := by unfold keptOf; rw [nextRun, nextTo]
          rw [h₁]
          have cu := w.codes a
          rw [hb] at cu
          have : ∃ s, (n.run u.run).trace = s ++ (m.run u.run).trace ∧ Trace.Indexed (n.run u.run).trace := by
            rcases Classical.em (u.run = d.run) with e | e
            · refine ⟨[c], ?_, ?_⟩
              · rw [e, runD]; rfl
              · rw [e, runD]; exact indexed
            · exact ⟨[], traces _ e, by rw [traces _ e]; exact w.indexed _⟩
          obtain ⟨s', h₁, h₂⟩ := this
          exact keptOf_grow h₁ h₂ (fun k' hk => (cu.2.2.2 k' hk).imp fun _ h => h.1) x
        rw [nextTodo, mem_rest once, ← hd, l.owed]
        unfold Owed
        rw [kept, delivered.prog]
        rcases Classical.em (e.run = d.run) with er | er
        · rw [er, runD, Trace.shows_cons idleC, Trace.repaid_cons_undo cevent (by rw [cevent]; exact given) hq he]
          constructor
          · rintro ⟨⟨h₁, h₂, h₃, h₄⟩, h₅⟩
            exact ⟨h₁, h₂, h₃, fun h => h.elim (fun e' => h₅ ⟨rfl, e'.symm⟩) h₄⟩
          · rintro ⟨h₁, h₂, h₃, h₄⟩
            exact ⟨⟨h₁, h₂, h₃, fun h => h₄ (.inr h)⟩, fun h => h₄ (.inl h.2.symm)⟩
        · rw [traces _ er]
          exact ⟨fun h => h.1, fun h => ⟨h, fun h' => er h'.1.symm⟩⟩
      · rw [nextRaised] at h; cases h
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
  · intro a chain op args w' hw hbut
    have hw := delivered.passing a chain op args w' hw
    obtain ⟨e, q', rfl, ho, hs, rfl, rfl⟩ := k.passes a chain op args w' hw (.inr rfl)
    have ne' : e ≠ b := fun e' => by
      rcases hbut with h | h
      · exact h (by rw [e']; rfl)
      · cases h
    exact ⟨e, q', rfl, (owners e).trans ho, (shown_congr (codes e ne')).trans hs, rfl, rfl⟩

end M

end Shepherd
