import Shepherd.Laws.OutcomeAnswersIntent.Invariant

/-!
# An outcome reaches all who wait for it
-/

namespace Shepherd

namespace M

/-- What an outcome, delivered to run `id` and all that it shows the question of, leaves. -/
structure Delivered (m n : M) (id : Id) (q : Question) : Prop where
  sound : n.Steady
  other : ∀ y, y ∉ id :: q.path → n.run y = m.run y
  owner : ∀ y, (n.run y).owner = (m.run y).owner
  handles : ∀ y, (n.run y).handles = (m.run y).handles
  has : ∀ y, n.has y = m.has y
  stack : n.stack = m.stack
  codes : ∀ y ∈ id :: q.path, ((∀ u o, (m.run y).code ≠ .undoing u o) ∧ ∃ s, (n.run y).code = .settled s) ∨
    (∃ u o d ds u', (m.run y).code = .undoing u o ∧ (n.run y).code = .undoing u' o ∧ u.raised = true ∧ u.todo = d :: ds ∧
      q.asked = d.run ∧ u'.run = u.run ∧ u'.to = u.to ∧ u'.todo = ds ∧ u'.raised = false) ∨
    ((n.run y).code = (m.run y).code ∧ m.Frozen y)
  closed : Trace.question (n.run q.asked).trace = none
  questions : ∀ y, Trace.question (n.run y).trace = Trace.question (m.run y).trace ∨ Trace.question (n.run y).trace = none
  nth : ∀ y k c, (m.run y).trace.nth k = some c → (n.run y).trace.nth k = some c

theorem nth_record {m : M} {id : Id} (event : Event) (s : State) (sound : (m.record id event s).Steady) :
    ∀ y j c, (m.run y).trace.nth j = some c → ((m.record id event s).run y).trace.nth j = some c := by
  intro y j c h
  have ix := sound.hist.named.indexed y
  by_cases e : id = y
  · subst e
    rw [trace_record_same] at ix ⊢
    exact Trace.nth_append (s := [_]) ix h
  · rw [trace_record_ne m event s e]; exact h

theorem question_record {m : M} {id : Id} (event : Event) (s : State) (hc : event.closes = true) : ∀ y,
    Trace.question ((m.record id event s).run y).trace = Trace.question (m.run y).trace ∨
      Trace.question ((m.record id event s).run y).trace = none := by
  intro y
  by_cases e : id = y
  · subst e
    rw [trace_record_same]
    exact .inr (Trace.question_closes hc _)
  · rw [trace_record_ne m event s e]; exact .inl rfl

theorem answered_code {m : M} {id : Id} {answer : Value} {change : Change} {by' : By} :
    ((m.answerAsked id answer change by').run id).code = match (m.run id).code with
      | .settled (.waiting w) => resume answer w.stack
      | code => code := by
  unfold answerAsked
  rw [run_record_same]
  rfl

/-- The run that asked gets its outcome. -/
theorem sound_answerAsked {m : M} (k : m.Steady) {id : Id} (r : m.Rooted id) (answer : Value) (change : Change) (by' : By)
    (h : (∃ w, (m.run id).code = .settled (.waiting w)) ∨ Trace.asksUndo (m.run id).trace = true)
    (hd : ∀ r w, (m.run id).code ≠ .driving r w) : (m.answerAsked id answer change by').Steady := by
  have asked : Trace.asksIntent (m.run id).trace = true ∨ Trace.asksUndo (m.run id).trace = true :=
    h.imp_left fun ⟨w, hw⟩ => k.waiting hw
  have i : m.has id = true := has_of_trace fun e => by
    rw [e] at asked
    exact asked.elim (fun h => nomatch h) fun h => nomatch h
  unfold answerAsked
  refine k.closes i r (.inl rfl) _ _ (fun _ => asked) rfl ?_
  simp only
  split
  · rfl
  · next hw =>
    rcases h with ⟨w, hc⟩ | h
    · exact absurd hc (hw w)
    · rw [← k.agrees id fun _ => hd]
      exact Trace.not_intent_of_undo h

theorem frozen_of_undo {m : M} {x : Id} {u : Undoing} {o : Settled} {y : Id} (hc : (m.run x).code = .undoing u o)
    (ho : (m.run u.run).owner = some x) (hr : x = .world → u.run = .root) (hy : m.Within y u.run) : m.Frozen y :=
  ⟨x, u, o, hc, ho, hr, hy⟩

theorem delivered {m : M} (k : m.Steady) {id : Id} {q : Question} (h : m.Exposes id q) (r : m.Rooted id) (answer : Value)
    (change : Change) (by' : By) : Delivered m (m.deliver id q answer change by') id q := by
  induction h with
  | @waits x w hc hm =>
    have s := sound_answerAsked k r answer change by' (.inl ⟨w, hc⟩) fun _ _ => by rw [hc]; exact nofun
    show Delivered m (m.answerAsked x answer change by') x _
    refine ⟨s, fun y hy => ?_, fun y => owner_record m x _ _ y, fun y => ?_, fun y => ?_, rfl, fun y hy => ?_, ?_, ?_, ?_⟩
    · exact run_record_ne m _ _ fun e => hy (by rw [← e]; exact List.mem_cons_self)
    · unfold answerAsked
      rw [run_record]; split
      · next e => rw [← e]; rfl
      · rfl
    · unfold answerAsked
      rw [has_record]
      by_cases e : x = y
      · rw [← e, beq_self_eq_true, Bool.true_or, has_of_code (by rw [hc]; exact nofun)]
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
    · rw [List.mem_singleton.mp hy]
      refine .inl ⟨fun u o => by rw [hc]; exact nofun, ?_⟩
      rw [answered_code, hc]
      exact ⟨_, rfl⟩
    · show Trace.question ((m.answerAsked x answer change by').run x).trace = none
      unfold answerAsked
      rw [trace_record_same]
      exact Trace.question_closes rfl _
    · exact question_record _ _ rfl
    · exact nth_record _ _ s
  | @undo x u o d ds hc hr ht ho hroot hd hu =>
    have b : m.Beneath d.run x := hd.trans_beneath (.of_owner ho)
    have ne : x ≠ d.run := fun e => r.irrefl k.world (e ▸ b : m.Beneath x x)
    have rd : m.Rooted d.run := r.of_within b.within
    have hdrive : ∀ r w, (m.run d.run).code ≠ .driving r w := by
      intro r' w hdr
      have := k.agrees d.run
      by_cases e : d.run = .world
      · obtain ⟨o', ho', _⟩ := b
        rw [e, k.world] at ho'; cases ho'
      · have := this fun h => absurd h e
        rw [hdr, Trace.not_intent_of_undo hu] at this
        cases this
    have s := sound_answerAsked k rd answer change by' (.inr hu) hdrive
    have id' : m.has d.run = true := b.has
    show Delivered m ((m.answerAsked d.run answer change by').relay x answer by') x _
    have hx : (m.answerAsked d.run answer change by').run x = m.run x := run_record_ne m _ _ (Ne.symm ne)
    have e : (m.answerAsked d.run answer change by').relay x answer by' =
        (m.answerAsked d.run answer change by').setCode x (.undoing (u.next answer) o) := by
      unfold relay
      rw [hx, hc]
    rw [e]
    have ix : m.has x = true := has_of_code (by rw [hc]; exact nofun)
    have hasA : ∀ y, (m.answerAsked d.run answer change by').has y = m.has y := fun y => by
      unfold answerAsked
      rw [has_record]
      by_cases e : d.run = y
      · rw [← e, beq_self_eq_true, Bool.true_or, id']
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
    have nx : (u.next answer).run = u.run ∧ (u.next answer).to = u.to ∧ (u.next answer).todo = ds ∧ (u.next answer).raised = false := by
      refine ⟨next_run u answer, next_to u answer, ?_, ?_⟩
      · unfold Undoing.next
        rw [ht]
        simp only
        split <;> rfl
      · unfold Undoing.next
        rw [ht]
        simp only
        split <;> rfl
    refine ⟨s.setCode ((hasA x).trans ix) _ fun h => ?_, fun y hy => ?_, fun y => ?_, fun y => ?_, fun y => ?_, rfl, fun y hy => ?_,
      ?_, fun y => ?_, fun y j c hj => ?_⟩
    · rw [hx]
      have := k.agrees x fun _ r w => by rw [hc]; exact nofun
      rw [this, hc]; rfl
    · rw [run_setCode_ne _ _ fun e => hy (by rw [← e]; exact List.mem_cons_self)]
      exact run_record_ne m _ _ fun e => hy (by rw [← e]; exact List.mem_cons_of_mem _ List.mem_cons_self)
    · rw [run_setCode]; split
      · next e => rw [← e, hx]
      · exact owner_record m d.run _ _ y
    · rw [run_setCode]; split
      · next e => rw [← e, hx]
      · unfold answerAsked
        rw [run_record]; split
        · next e => rw [← e]; rfl
        · rfl
    · rw [has_setCode, hasA]
      by_cases e : x = y
      · rw [← e, beq_self_eq_true, Bool.true_or, ix]
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
    · rcases List.mem_cons.mp hy with rfl | hy
      · refine .inr (.inl ⟨u, o, d, ds, u.next answer, hc, by rw [run_setCode_same], hr, ht, rfl, nx⟩)
      · have hy : y = d.run := List.mem_singleton.mp hy
        subst hy
        refine .inr (.inr ⟨?_, frozen_of_undo hc ho hroot hd⟩)
        rw [run_setCode_ne _ _ ne, answered_code]
        split
        · next w hw =>
          have := k.waiting hw
          rw [Trace.not_intent_of_undo hu] at this
          cases this
        · rfl
    · show Trace.question (((m.answerAsked d.run answer change by').setCode x _).run d.run).trace = none
      rw [trace_setCode]
      unfold answerAsked
      rw [trace_record_same]
      exact Trace.question_closes rfl _
    · rw [trace_setCode]
      exact question_record _ _ rfl y
    · rw [trace_setCode]
      exact nth_record _ _ s y j c hj
  | @passes x c q w hc ho hs ih =>
    have b : m.Beneath c x := .of_owner ho
    have D := ih (r.of_within b.within)
    have e : m.deliver x { asked := q.asked, op := q.op, args := q.args, path := c :: q.path } answer change by' =
        (m.deliver c q answer change by').relay x answer by' := by
      unfold deliver
      simp only
      rw [List.dropLast_cons_of_ne_nil (List.cons_ne_nil _ _), List.reverse_cons, List.foldl_append]
      rfl
    rw [e]
    generalize hn : m.deliver c q answer change by' = n at D
    have out : x ∉ c :: q.path := by
      intro h
      refine r.irrefl k.world ?_
      rcases List.mem_cons.mp h with rfl | h
      · exact b
      · exact (hs.within.2 x h).trans_within b.within
    have hx : n.run x = m.run x := D.other x out
    have e : n.relay x answer by' = n.recordCode x (.outcome (.ok answer) [] by') (resume (.ok answer) w.stack) := by
      unfold relay
      rw [hx, hc]
    rw [e]
    have ix : m.has x = true := has_of_code (by rw [hc]; exact nofun)
    have rn : n.Rooted x := r.of_owners fun z _ => D.owner z
    have asks : Trace.asksIntent (n.run x).trace = true := by
      rw [hx, k.agrees x fun _ r w => by rw [hc]; exact nofun, hc]; rfl
    have s : (n.recordCode x (.outcome (.ok answer) [] by') (resume (.ok answer) w.stack)).Steady :=
      D.sound.closes ((D.has x).trans ix) rn (.inl rfl) _ _ (fun _ => .inl asks) rfl rfl
    have na : x ≠ q.asked := fun e => by
      have h : m.Beneath q.asked x := hs.within.1.trans_beneath b
      rw [← e] at h
      exact r.irrefl k.world h
    refine ⟨s, fun y hy => ?_, fun y => ?_, fun y => ?_, fun y => ?_, D.stack, fun y hy => ?_, ?_, fun y => ?_, fun y j c' hj => ?_⟩
    · rw [run_recordCode_ne _ _ _ fun e => hy (by rw [← e]; exact List.mem_cons_self)]
      exact D.other y fun h => hy (List.mem_cons_of_mem _ h)
    · rw [recordCode_eq, owner_record]; exact D.owner y
    · rw [recordCode_eq, run_record]; split
      · next e => rw [← e]; exact D.handles x
      · exact D.handles y
    · rw [recordCode_eq, has_record, D.has]
      by_cases e : x = y
      · rw [← e, beq_self_eq_true, Bool.true_or, ix]
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
    · by_cases ex : x = y
      · subst ex
        exact .inl ⟨fun u o => by rw [hc]; exact nofun, _, by rw [run_recordCode_same]; rfl⟩
      · rw [run_recordCode_ne _ _ _ ex]
        exact D.codes y ((List.mem_cons.mp hy).resolve_left fun e => ex e.symm)
    · show Trace.question ((n.recordCode x _ _).run q.asked).trace = none
      rw [run_recordCode_ne _ _ _ na]
      exact D.closed
    · rcases question_record (m := n) (id := x) (.outcome (.ok answer) [] by') { n.state x with code := resume (.ok answer) w.stack } rfl y
        with h | h
      · rw [recordCode_eq, h]; exact D.questions y
      · rw [recordCode_eq, h]; exact .inr rfl
    · exact nth_record _ _ s y j c' (D.nth y j c' hj)

/-- What stands above one of those who wait for an outcome. -/
theorem Exposes.above {m : M} {id : Id} {q : Question} (h : m.Exposes id q) {z y : Id} (hz : z ∈ id :: q.path) (hy : m.Within z y) :
    y ∈ id :: q.path ∨ m.Beneath id y ∨ m.Frozen y := by
  have self : ∀ {x y : Id} {l : List Id}, m.Within x y → y ∈ x :: l ∨ m.Beneath x y ∨ m.Frozen y := fun h => by
    rcases h.cases with rfl | h
    · exact .inl List.mem_cons_self
    · exact .inr (.inl h)
  induction h with
  | waits => rw [List.mem_singleton.mp hz] at hy; exact self hy
  | @undo x u o d ds hc hr ht ho hroot hd hu =>
    rcases List.mem_cons.mp hz with rfl | hz
    · exact self hy
    · rw [List.mem_singleton.mp hz] at hy
      rcases hy.compare hd with g | g
      · exact .inr (.inr (frozen_of_undo hc ho hroot g))
      · rcases g.cases with rfl | ⟨o', ho', g⟩
        · exact .inr (.inr (frozen_of_undo hc ho hroot (.refl _)))
        · rw [ho] at ho'
          cases ho'
          exact self g
  | @passes x c q w hc ho hs ih =>
    rcases List.mem_cons.mp hz with rfl | hz
    · exact self hy
    · rcases ih hz with g | ⟨o', ho', g⟩ | g
      · exact .inl (List.mem_cons_of_mem _ g)
      · rw [ho] at ho'
        cases ho'
        exact self g
      · exact .inr (.inr g)

/-- An outcome is delivered to the active run, or to one that it owns. -/
theorem Inv.deliver {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) {id : Id} {q : Question}
    (h : m.Exposes id q) (hid : id = x ∨ (m.run id).owner = some x ∧ ∃ w, (m.run x).code = .settled (.waiting w))
    (answer : Value) (change : Change) (by' : By) :
    (m.deliver id q answer change by').Inv ∧ (id ≠ x → (m.deliver id q answer change by').run x = m.run x) := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have wx : m.Within id x := by
    rcases hid with rfl | ⟨ho, _⟩
    · exact .refl _
    · exact .up ho (.refl _)
  have D := delivered k.sound h (path.rooted.of_within wx) answer change by'
  generalize m.deliver id q answer change by' = n at D
  have chain : ∀ z ∈ id :: q.path, m.Within z x := fun z hz => by
    rcases List.mem_cons.mp hz with rfl | hz
    · exact wx
    · exact (h.within.2 z hz).within.trans wx
  have notx : id ≠ x → x ∉ id :: q.path := fun ne hx => by
    have ho := (hid.resolve_left ne).1
    rcases List.mem_cons.mp hx with e | hx
    · exact ne e.symm
    · exact path.rooted.irrefl hw ((h.within.2 x hx).trans_within wx)
  have intent : ∀ y, Trace.asksIntent (m.run y).trace = false → Trace.asksIntent (n.run y).trace = false := fun y hy => by
    rcases D.questions y with e | e
    · rw [Trace.asksIntent_of_question e]; exact hy
    · exact Trace.asksIntent_none e
  have frozen : ∀ y, m.Frozen y → n.Frozen y := fun y f => by
    refine f.frame fun a u o hc ho _ => ⟨?_, fun z _ _ => D.owner z⟩
    by_cases ha : a ∈ id :: q.path
    · rcases D.codes a ha with ⟨e, _⟩ | ⟨u₀, o₀, d, ds, u', e, e', _, _, _, er, _⟩ | ⟨e, _⟩
      · exact absurd hc (e u o)
      · rw [hc] at e
        cases e
        exact ⟨_, _, e', er⟩
      · exact ⟨u, o, e.trans hc, rfl⟩
    · exact ⟨u, o, by rw [D.other a ha]; exact hc, rfl⟩
  refine ⟨⟨⟨D.sound, (D.owner _).trans k.root, (D.handles _).trans k.handles, fun y => ?_⟩, ?_⟩, fun ne => D.other x (notx ne)⟩
  · by_cases hy : y ∈ id :: q.path
    · rcases D.codes y hy with ⟨_, s, e⟩ | ⟨u, o, d, ds, u', e, e', hr, ht, ha, er, eto, etodo, erais⟩ | ⟨_, f⟩
      · right; unfold Link; rw [e]; trivial
      · rcases k.links y with f | l
        · exact .inl (frozen y f)
        · right
          unfold Link at l ⊢
          rw [e] at l
          rw [e']
          have l : m.BackTaking y u := l
          refine BackTaking.mk ?_ (fun h => er ▸ l.root h) (fun d' hd' => ?_) (fun h => ?_) fun j hj => ?_
          · rw [er, D.owner]; exact l.owner
          · rw [etodo] at hd'
            have := l.todo d' (by rw [ht]; exact List.mem_cons_of_mem _ hd')
            rw [er]
            exact ⟨this.1.of_owners fun z _ _ => D.owner z, intent _ this.2⟩
          · rw [erais] at h; cases h
          · rw [eto] at hj
            obtain ⟨c, hc, hh⟩ := l.heads j hj
            rw [er]
            exact ⟨c, D.nth _ j c hc, fun g hg => ⟨(hh g hg).1.of_owners fun z _ _ => D.owner z, intent _ (hh g hg).2⟩⟩
      · exact .inl (frozen y f)
    · cases hm : m.has y with
      | false =>
        right
        unfold Link
        rw [D.other y hy, run_of_not_has hm]; trivial
      | true =>
        by_cases w : m.Within y x
        · rcases k.links y with f | l
          · exact .inl (frozen y f)
          · by_cases some : ∃ z ∈ id :: q.path, m.Within z y
            · obtain ⟨z, hz, hzy⟩ := some
              rcases h.above hz hzy with g | g | g
              · exact absurd g hy
              · rcases hid with rfl | ⟨ho, v, hv⟩
                · exact absurd (g.trans_within w) (path.rooted.irrefl hw)
                · obtain ⟨o', ho', g⟩ := g
                  rw [ho] at ho'
                  cases ho'
                  rcases g.cases with rfl | g
                  · right
                    unfold Link
                    rw [D.other _ hy, hv]; trivial
                  · exact absurd (g.trans_within w) (path.rooted.irrefl hw)
              · exact .inl (frozen y g)
            · exact .inr (l.frame (fun z hz => .of_run (D.other z fun h => some ⟨z, h, hz⟩)) fun z _ => D.owner z)
        · exact k.links.outside hw path (fun z _ hz => ⟨.of_run (D.other z fun h => hz (chain z h)), D.owner z⟩) hm w
  · rw [D.stack, hs]
    refine path.frame (D.owner x) fun y hy => ⟨D.owner y, ?_⟩
    rw [D.other y]
    intro h
    exact path.rooted.irrefl hw ((path.beneath hy).trans_within (chain y h))

end M

end Shepherd
