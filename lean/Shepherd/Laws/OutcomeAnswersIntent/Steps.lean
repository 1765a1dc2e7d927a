import Shepherd.Laws.OutcomeAnswersIntent.Fork

/-!
# Steps keep what holds
-/

namespace Shepherd

namespace M

theorem Inv.congr {m n : M} (k : m.Inv) (sound : n.Steady) (same : ∀ y, n.run y = m.run y) (stack : n.stack = m.stack) : n.Inv :=
  k.noted sound (fun y => .of_run (same y)) (fun y => by rw [same]) (by rw [same]) stack

theorem Inv.used {m : M} (k : m.Inv) (used : Used) : ({ m with used } : M).Inv := k.congr (k.sound.used _) (fun _ => rfl) rfl

theorem Inv.written {m : M} (k : m.Inv) (written : List (String × String)) : ({ m with written } : M).Inv :=
  k.congr (k.sound.written _) (fun _ => rfl) rfl

variable {m : M} {x : Id} {rest : List Id} {w : Waiting}

/-- An owned run of the outermost owner is the root run. -/
theorem Inv.owned_root (k : m.Inv) {v : Value} {id : Id} (h : m.owned x v = .ok id) : x = .world → id = .root := by
  intro e
  unfold owned at h
  split at h
  · next j =>
    split at h
    · next i hi =>
      split at h
      · cases h
        rw [e, k.handles] at hi
        cases j with
        | zero => exact (Option.some.inj hi).symm
        | succ j => cases hi
      · cases h
    · cases h
  · cases h

theorem Inv.takeBack (k : m.Inv) (hs : m.stack = x :: rest) (hc : (m.run x).code = .settled (.waiting w)) {v : Value} {id : Id}
    (ho : m.owned x v = .ok id) (to : Option Nat) : (m.takeBack x w id to).Inv := by
  have i : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.takeBack
  split
  · exact k.answered hs hc _
  · next hb =>
    have own : (m.run id).owner = some x := by
      have := owns_of_owned ho
      unfold owns at this
      exact beq_iff_eq.mp this
    exact (k.begin (origin := .waiting w) hs i (fun u o => by rw [hc]; exact nofun) own (k.owned_root ho) (k.sound.waiting hc) hb).1

theorem Inv.perform {n : M} (k : m.Inv) (held : m.Holds) (wf : Wf m True) (hs : m.stack = x :: rest)
    (hc : (m.run x).code = .settled (.waiting w)) (nw : x = .world → isWorldOp w.op = true) (h : m.perform x w = some n) : n.Inv := by
  have i : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  have ne : isWorldOp w.op = false → x ≠ .world := fun h e => by rw [nw e] at h; cases h
  unfold M.perform at h
  split at h
  · cases h
    unfold take
    split
    · exact k.answered hs hc _
    · exact k.recordSolo hs i (fun u o => by rw [hc]; exact nofun) _ _ (fun _ => .inl (k.sound.waiting hc))
        (Trace.asksIntent_none (Trace.question_closes rfl _)) ⟨_, rfl⟩ fun _ => rfl
  · cases h
    unfold answerOp
    split
    · exact k.ownerAnswers hs hc _ _
    · exact k.answered hs hc _
  · cases h
    unfold denyOp
    split
    · exact k.ownerAnswers hs hc _ _
    · exact k.answered hs hc _
  · cases h
    unfold discardOp
    split
    · split
      · exact k.answered hs hc _
      · next ho =>
        split
        · exact k.answered hs hc _
        · exact k.takeBack hs hc ho _
    · exact k.answered hs hc _
  · next e => cases h; exact k.fork wf hs hc (ne (by rw [e]; decide))
  · cases h; exact k.inject hs hc
  · cases h
    unfold merge
    split
    · split
      · exact k.answered hs hc _
      · simp only
        split
        · exact k.answered hs hc _
        · split
          · exact k.answered hs hc _
          · exact k.answered hs hc _ _
    · exact k.answered hs hc _
  · cases h; exact k.next hs hc
  · cases h; exact k.pass hs hc
  · unfold pick at h
    split at h
    · split at h
      · cases h; exact k.answered hs hc _
      · cases h
    · cases h; exact k.answered hs hc _
  · cases h
    unfold revert
    split
    · split
      · exact k.answered hs hc _
      · next ho =>
        split
        · exact k.takeBack hs hc ho _
        · exact k.answered hs hc _
    · exact k.answered hs hc _
  · next e => cases h; exact k.spawn held wf hs hc (ne (by rw [e]; decide))
  · next e =>
    cases h
    unfold traceOp
    split
    · split
      · exact k.answered hs hc _
      · simp only
        split
        · exact k.answered hs hc _
        · have k' := k.setHandles hs i (ne (by rw [e]; decide)) (fun u o => by rw [hc]; exact nofun)
            (fun c op a v => by rw [hc]; exact nofun)
          exact (k' _).answered hs (by rw [run_setHandles_same]; exact hc) _
    · exact k.answered hs hc _
  · cases h; exact k.answered hs hc _

/-! ## Steps -/

theorem Inv.localMove (k : m.Inv) (hs : m.stack = x :: rest) (ne : x ≠ .world) {c : Comp} {ρ : Env} {K : Stack} {j : Nat}
    (hc : (m.run x).code = .settled (.running c ρ K j)) : (m.localMove x c ρ K j).Inv := by
  have i : m.has x = true := has_of_code (by rw [hc]; exact nofun)
  have nu : ∀ u o, (m.run x).code ≠ .undoing u o := fun u o => by rw [hc]; exact nofun
  have quiet : Trace.asksIntent (m.run x).trace = false := by rw [k.sound.agrees x fun e => absurd e ne, hc]; rfl
  unfold M.localMove
  split
  · exact k.finish hs i ne hc _ _ _ rfl
  · split
    · refine k.solo' hs nu (k.sound.setCode i _ fun _ => by rw [quiet]; rfl) (fun y e => run_setCode_ne m _ e)
        (by rw [run_setCode_same]) (fun _ => by rw [run_setCode_same]) (fun y hy => ?_)
        (by unfold Link; rw [run_setCode_same]; trivial) rfl
      rw [has_setCode, Bool.or_eq_true, beq_iff_eq] at hy
      exact hy.elim (fun e => e ▸ i) fun h => h
    · exact k.finish hs i ne hc _ _ _ rfl
    · exact k.finish hs i ne hc _ _ _ rfl
    · next op args K' _ =>
      unfold ask
      simp only
      split
      · refine (k.used (charge m.used (m.run x).grant op args)).recordSolo hs i nu _ _ (fun h => nomatch h) ?_ ⟨_, rfl⟩ fun _ => rfl
        unfold Trace.asksIntent
        rw [Trace.question_intent rfl]
        rfl
      · exact k.recordSolo hs i nu _ _ (fun h => nomatch h) (Trace.asksIntent_none (Trace.question_closes rfl _)) ⟨_, rfl⟩ fun _ => rfl

theorem Inv.toOwner {owner : Id} (k : m.Inv) (hs : m.stack = x :: owner :: rest) (ne : owner ≠ .world) :
    (m.toOwner owner x rest).Inv := by
  have path := k.path
  rw [hs] at path
  unfold M.toOwner
  split
  · next r w hc =>
    have k₁ : ({ m with stack := owner :: rest } : M).Inv :=
      ⟨k.toBase.stack _, Upward.congr (m := m) path.tail fun _ => rfl⟩
    have i : m.has owner = true := has_of_code (by rw [hc]; exact nofun)
    have asks : Trace.asksIntent (m.run owner).trace = true := by rw [k.sound.agrees owner fun e => absurd e ne, hc]; rfl
    have nu : ∀ u o, (M.run { m with stack := owner :: rest } owner).code ≠ .undoing u o := fun u o h => by
      have h : (m.run owner).code = .undoing u o := h
      rw [hc] at h; cases h
    have np : ∀ c op a v, (M.run { m with stack := owner :: rest } owner).code ≠ .passing c op a v := fun c op a v h => by
      have h : (m.run owner).code = .passing c op a v := h
      rw [hc] at h; cases h
    have plain : ∀ v, (({ m with stack := owner :: rest } : M).reply owner w v).Inv := fun v =>
      k₁.reply (x := owner) (rest := rest) rfl nu asks w v
    have held : ∀ hs v, ((({ m with stack := owner :: rest } : M).setHandles owner hs).reply owner w v).Inv := fun hs v => by
      have k₂ := k₁.setHandles (x := owner) (rest := rest) rfl i ne nu np hs
      refine k₂.reply (x := owner) (rest := rest) rfl (fun u o => ?_) ?_ w v
      · rw [run_setHandles_same]; exact nu u o
      · rw [run_setHandles_same]; exact asks
    simp only
    unfold stopValue
    split
    · exact held _ _
    · exact plain _
    · exact plain _
    · split
      · exact plain _
      · exact held _ _
  · exact k

/-- What the active run shows, it shows. -/
theorem Inv.shows (k : m.Inv) (hs : m.stack = x :: rest) {q : Question} (h : m.shown x = some q) : m.Exposes x q := by
  have path := k.path
  rw [hs] at path
  exact ((k.links x).resolve_left (path.not_frozen k.sound.world)).shows h

theorem Inv.atStop {n : M} (k : m.Inv) (hs : m.stack = x :: rest) (h : m.atStop x rest = some n) : n.Inv := by
  have file : ∀ {n : M}, (match m.shown x with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile x q) else none
      | none => none) = some n → n.Inv := fun h => by
    split at h
    · next q hq =>
      split at h
      · cases h
        unfold answerFile
        simp only
        have sh := k.shows hs hq
        split
        · next s _ _ _ _ _ =>
          have k' := k.written ((gitBlobHash s, s) :: m.written)
          exact (k'.deliver hs (k'.shows hs (q := q) hq) (.inl rfl) _ _ _).1
        · exact (k.deliver hs sh (.inl rfl) _ _ _).1
      · cases h
    · cases h
  unfold M.atStop at h
  split at h
  · split at h
    · next ne => cases h; exact k.toOwner hs ne
    · exact file h
  · exact file h

theorem Inv.step {n : M} (k : m.Inv) (held : m.Holds) (wf : Wf m) (h : m.step = some n) : n.Inv := by
  have calm := wf.calm.resolve_left id
  unfold M.step at h
  split at h
  · cases h
  · next id rest hs =>
    split at h
    · next hc =>
      cases h
      refine k.localMove hs (fun e => ?_) hc
      rw [← e, hc] at calm; exact calm
    · next w hc =>
      split at h
      · refine k.perform held wf.weaken hs hc (fun e => ?_) h
        rw [← e, hc] at calm; exact calm.elim
      · exact k.atStop hs h
    · next u origin hc =>
      split at h
      · next n' hu =>
        cases h
        obtain ⟨k', st⟩ := k.undoStep hs hc hu
        exact k'.afterWorld (st.trans hs)
      · exact k.atStop hs h
    · exact k.atStop hs h

/-! ## Answers from outside -/

theorem Inv.answer {n : M} (k : m.Inv) {answer : Value} {change : Change} (h : m.answer answer change = some n) : n.Inv := by
  unfold M.answer at h
  split at h
  · next a id rest _ hs =>
    have deliver : ∀ {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → n.Inv := by
      intro n h
      obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
      exact (k.deliver hs (k.shows hs hq) (.inl rfl) _ _ _).1
    split at h
    · cases h
    · split at h
      · next w hc =>
        split at h
        · cases h
          unfold picked
          exact k.recordSolo hs (has_of_code (by rw [hc]; exact nofun)) (fun u o => by rw [hc]; exact nofun) _ _
            (fun _ => .inl (k.sound.waiting hc)) (Trace.asksIntent_none (Trace.question_closes rfl _)) ⟨_, rfl⟩ fun _ => rfl
        · exact deliver h
      · exact deliver h
  · cases h

end M

end Shepherd
