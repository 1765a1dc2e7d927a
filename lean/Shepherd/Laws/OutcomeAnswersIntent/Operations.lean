import Shepherd.Laws.OutcomeAnswersIntent.Undo
import Shepherd.Laws.OutcomeAnswersIntent.HoldsOperations

/-!
# Operations on runs that start none
-/

namespace Shepherd

namespace M

/-- The active run, which takes none back, changes, and makes runs; of the runs that it owns, some may get another owner. -/
theorem Inv.block {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (ne : x ≠ .world)
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) (sound : n.Steady) (hxn : n.Link x)
    (same : ∀ y, m.has y = true → x ≠ y → (n.run y).code = (m.run y).code ∧ (n.run y).trace = (m.run y).trace)
    (ownx : (n.run x).owner = (m.run x).owner)
    (owner : ∀ y, m.has y = true → (n.run y).owner = (m.run y).owner ∨ (m.run y).owner = some x)
    (new : ∀ y, m.has y = false → n.Link y) (handles : (n.run .world).handles = (m.run .world).handles)
    (stack : n.stack = m.stack) : n.Inv := by
  have hw := k.sound.world
  have path := k.path
  rw [hs] at path
  have sm : ∀ y, m.has y = true → x ≠ y → Same m n y := fun y hy e =>
    ⟨(same y hy e).1, by rw [(same y hy e).2], fun j c h => by rw [(same y hy e).2]; exact h⟩
  have stay : ∀ y, m.has y = true → (m.run y).owner ≠ some x → (n.run y).owner = (m.run y).owner := fun y hy h =>
    (owner y hy).resolve_right h
  refine ⟨⟨sound, ?_, handles.trans k.handles, fun y => ?_⟩, ?_⟩
  · rw [stay _ (has_of_owner k.root) (by rw [k.root]; exact fun h => ne (Option.some.inj h).symm)]; exact k.root
  · by_cases e : x = y
    · exact .inr (e ▸ hxn)
    · cases hy : m.has y with
      | false => exact .inr (new y hy)
      | true =>
        have has : ∀ z, m.Within z y → m.has z = true := fun z hz => hz.cases.elim (fun e => e ▸ hy) Beneath.has
        by_cases w : m.Within y x
        · have b : m.Beneath y x := w.cases.resolve_left fun h => e h.symm
          have nz : ∀ z, m.Within z y → x ≠ z := fun z hz e => by
            subst e
            exact path.rooted.irrefl hw (hz.trans_beneath b)
          refine k.links.inside hw path hx (fun a u o na ha hyu hou => ⟨u, o, ?_, rfl⟩) (fun z hz h => stay z hz h) fun l =>
            .inr (l.frame (fun z hz => sm z (has z hz) (nz z hz)) fun z hz => stay z hz.has fun h => ?_)
          · rw [(sm a (has_of_code (by rw [ha]; exact nofun)) (Ne.symm na)).code]; exact ha
          · obtain ⟨o, ho, hz⟩ := hz
            rw [h] at ho
            cases ho
            exact nz x hz rfl
        · refine k.links.outside hw path (fun z hz out => ⟨sm z hz fun e => out (e ▸ .refl _), stay z hz fun h => ?_⟩) hy w
          exact out (.up h (.refl _))
  · rw [stack, hs]
    refine path.frame ownx fun y hy => ?_
    have b := path.beneath hy
    have iy : m.has y = true := by
      obtain ⟨r, w, h⟩ := path.driving hy
      exact has_of_code (by rw [h]; exact nofun)
    refine ⟨stay y iy fun h => ?_, (sm y iy (path.ne hw hy).symm).code⟩
    exact path.rooted.irrefl hw (b.trans_within (.up h (.refl _)))

/-- Nothing changes but a trace, and no question. -/
theorem Inv.noted {m n : M} (k : m.Inv) (sound : n.Steady) (same : ∀ y, Same m n y)
    (owner : ∀ y, (n.run y).owner = (m.run y).owner) (handles : (n.run .world).handles = (m.run .world).handles)
    (stack : n.stack = m.stack) : n.Inv := by
  refine ⟨⟨sound, (owner _).trans k.root, handles.trans k.handles, k.links.frame same owner⟩, ?_⟩
  have path := k.path
  rw [stack]
  cases hs : m.stack with
  | nil => rw [hs] at path; exact path
  | cons x rest =>
    rw [hs] at path
    exact path.frame (owner x) fun y _ => ⟨owner y, (same y).code⟩

theorem Upward.congr {m n : M} {l : List Id} (h : m.Upward l) (same : ∀ y, n.run y = m.run y) : n.Upward l := by
  cases l with
  | nil => exact h
  | cons x rest => exact h.frame (by rw [same]) fun y _ => by rw [same]; exact ⟨rfl, rfl⟩

/-! ## The asker's operations -/

variable {m : M} {x : Id} {rest : List Id} {w : Waiting}

theorem Inv.answered (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) (answer : Value)
    (change : Change := []) : (m.reply x w answer change).Inv :=
  k.reply hs (fun u o => by rw [hc]; exact nofun) (k.sound.waiting hc) w answer change

theorem Inv.next (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) : (m.next x w).Inv := by
  have i : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.next
  split
  · next v _ =>
    split
    · exact k.answered hs hc _
    · next id ho =>
      have own : (m.run id).owner = some x := by
        have := owns_of_owned ho
        unfold owns at this
        exact beq_iff_eq.mp this
      obtain ⟨b, p⟩ := k.solo (n := m.setCode x (.driving id w)) hs (fun u o => by rw [hc]; exact nofun)
        (k.sound.setCode i _ fun _ => by rw [k.sound.waiting hc]; rfl) (fun y e => run_setCode_ne m _ e)
        (by rw [run_setCode_same]) (fun _ => by rw [run_setCode_same])
        (fun y hy => by
          rw [has_setCode, Bool.or_eq_true, beq_iff_eq] at hy
          exact hy.elim (fun e => e ▸ i) fun h => h)
        (by unfold Link; rw [run_setCode_same]; trivial)
      refine ⟨b.stack _, Upward.congr (m := m.setCode x (.driving id w)) ?_ fun _ => rfl⟩
      show (m.setCode x (.driving id w)).Upward (id :: m.stack)
      rw [hs]
      refine ⟨?_, ⟨w, by rw [run_setCode_same]⟩, p⟩
      rw [run_setCode]; split
      · next e => rw [← e] at own; exact own
      · exact own
  · exact k.answered hs hc _

/-- An owned run that is at an intent, shows it. -/
theorem Inv.atIntent (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) {v : Value} {id : Id}
    {q : Question} (h : m.atIntent x v = .ok (id, q)) : (m.run id).owner = some x ∧ m.Exposes id q := by
  obtain ⟨ho, hsh⟩ := of_atIntent h
  unfold owns at ho
  have own := beq_iff_eq.mp ho
  have path := k.path
  rw [hs] at path
  have nf := path.child_not_frozen k.sound.world (fun u o => by rw [hc]; exact nofun) own
  exact ⟨own, ((k.links id).resolve_left nf).shows hsh⟩

theorem Inv.pass (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) : (m.pass x w).Inv := by
  have i : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  have path := k.path
  rw [hs] at path
  unfold M.pass
  split
  · split
    · exact k.answered hs hc _
    · next id q ha =>
      obtain ⟨own, sh⟩ := k.atIntent hs hc ha
      have apart : ∀ z, m.Within z id → x ≠ z := fun z hz e => by
        subst e
        exact path.rooted.irrefl k.sound.world (hz.trans_beneath (.of_owner own))
      have other : ∀ y, x ≠ y → (m.setCode x (.passing (id :: q.path) q.op q.args w)).run y = m.run y :=
        fun y e => run_setCode_ne m _ e
      refine k.solo' hs (fun u o => by rw [hc]; exact nofun) (k.sound.setCode i _ fun _ => by rw [k.sound.waiting hc]; rfl) other
        (by rw [run_setCode_same]) (fun _ => by rw [run_setCode_same])
        (fun y hy => by
          rw [has_setCode, Bool.or_eq_true, beq_iff_eq] at hy
          exact hy.elim (fun e => e ▸ i) fun h => h) ?_ rfl
      unfold Link
      rw [run_setCode_same]
      refine ⟨_, .passes (c := id) (q := q) (w := w) (by rw [run_setCode_same]) (by rw [other id (apart id (.refl _))]; exact own) ?_⟩
      exact sh.frame (fun z hz => .of_run (other z (apart z hz))) fun z hz => by rw [other z (apart z hz.within)]
  · exact k.answered hs hc _

theorem Inv.ownerAnswers (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) (v answer : Value) :
    (m.ownerAnswers x w v answer).Inv := by
  unfold M.ownerAnswers
  split
  · exact k.answered hs hc _
  · next id q ha =>
    split
    · exact k.answered hs hc _
    · obtain ⟨own, sh⟩ := k.atIntent hs hc ha
      have path := k.path
      rw [hs] at path
      have ne : id ≠ x := fun e => path.rooted.irrefl k.sound.world (.of_owner (e ▸ own))
      obtain ⟨a, b⟩ := k.deliver hs sh (.inr ⟨own, w, hc⟩) answer [] .owner
      have st : (m.deliver id q answer [] .owner).stack = x :: rest := by
        have D := delivered k.sound sh (path.rooted.of_within (.up own (.refl _))) answer [] .owner
        rw [D.stack, hs]
      exact a.answered st (by rw [b ne]; exact hc) _

theorem Inv.inject (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) :
    (m.inject x w).Inv := by
  have path := k.path
  rw [hs] at path
  unfold M.inject
  split
  · next v message _ =>
    split
    · exact k.answered hs hc _
    · next id ho =>
      split
      · exact k.answered hs hc _
      · split
        · exact k.answered hs hc _
        · have own : (m.run id).owner = some x := by
            have := owns_of_owned ho
            unfold owns at this
            exact beq_iff_eq.mp this
          have ne : id ≠ x := fun e => path.rooted.irrefl k.sound.world (.of_owner (e ▸ own))
          have iw : id ≠ .world := ne_world_of_owner k.sound.world own
          simp only
          generalize hst : ({ m.state id with inbox := (m.state id).inbox ++ [message] } : State) = st
          have code : st.code = (m.run id).code := by rw [← hst]; rfl
          have s : (m.record id (.injected message) st).Steady := by
            refine k.sound.record (has_of_owner own) (path.rooted.of_within (.up own (.refl _))) (.inl rfl) _ _ (fun h => nomatch h) ?_
            rw [Trace.asksIntent_of_question (Trace.question_between rfl _), code]
            exact k.sound.agrees id fun e => absurd e iw
          have n : (m.record id (.injected message) st).Inv := by
            refine k.noted s (fun y => ?_) (owner_record m id _ _) ?_ rfl
            · by_cases e : id = y
              · subst e
                refine ⟨by rw [run_record_same]; exact code, ?_, fun j c h => nth_record _ _ s id j c h⟩
                rw [trace_record_same]
                exact Trace.question_between rfl _
              · exact .of_run (run_record_ne m _ _ e)
            · rw [run_record_ne m _ _ iw]
          exact n.answered hs (by rw [run_record_ne m _ _ ne]; exact hc) _
  · exact k.answered hs hc _

end M

end Shepherd
