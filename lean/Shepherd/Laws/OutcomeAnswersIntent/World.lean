import Shepherd.Laws.OutcomeAnswersIntent.Steps
import Shepherd.Laws.OutcomeAnswersIntent.Tidy

/-!
# The outermost owner asks
-/

namespace Shepherd

namespace M

theorem Upward.world_mem {m : M} {x : Id} {rest : List Id} (h : m.Upward (x :: rest)) (ne : x ≠ .world) : .world ∈ rest := by
  induction rest generalizing x with
  | nil => exact absurd h ne
  | cons o rest ih =>
    by_cases e : o = .world
    · rw [e]; exact List.mem_cons_self
    · exact List.mem_cons_of_mem _ (ih h.2.2 e)

theorem stack_abandon (m : M) (l : List Id) : (l.foldl abandonOne m).stack = m.stack := by
  induction l generalizing m with
  | nil => rfl
  | cons x l ih =>
    rw [List.foldl_cons, ih]
    unfold abandonOne
    simp only
    repeat' split
    all_goals rfl

/-- What an operation of the outermost owner comes to: it takes back, or it is answered at once and nothing else happens but for a
message. -/
theorem worldOp_result {m n : M} {x : Id} {w : Waiting} (hop : isWorldOp w.op = true)
    (h : m.perform x w = some n) :
    ((∃ u o, (n.run x).code = .undoing u o) ∧ w.op ≠ "run.inject") ∨
      ((∀ z, x ≠ z → (n.run z).code = (m.run z).code ∧ (n.run z).owner = (m.run z).owner) ∧
        (n.run x).owner = (m.run x).owner ∧ (∃ s, (n.run x).code = .settled s) ∧ n.stack = m.stack) := by
  have reply : ∀ a, (∀ z, x ≠ z → ((m.reply x w a).run z).code = (m.run z).code ∧ ((m.reply x w a).run z).owner = (m.run z).owner) ∧
      ((m.reply x w a).run x).owner = (m.run x).owner ∧ (∃ s, ((m.reply x w a).run x).code = .settled s) ∧
      (m.reply x w a).stack = m.stack := fun a => by
    refine ⟨fun z e => ?_, owner_record m x _ _ x, ?_, rfl⟩
    · rw [reply_eq, run_record_ne _ _ _ e]; exact ⟨rfl, rfl⟩
    · rw [reply_eq, run_record_same]; exact ⟨_, rfl⟩
  have back : w.op ≠ "run.inject" → ∀ id to, ((∃ u o, ((m.takeBack x w id to).run x).code = .undoing u o) ∧ w.op ≠ "run.inject") ∨
      ((∀ z, x ≠ z → ((m.takeBack x w id to).run z).code = (m.run z).code ∧
        ((m.takeBack x w id to).run z).owner = (m.run z).owner) ∧ ((m.takeBack x w id to).run x).owner = (m.run x).owner ∧
        (∃ s, ((m.takeBack x w id to).run x).code = .settled s) ∧ (m.takeBack x w id to).stack = m.stack) := fun ne id to => by
    unfold M.takeBack
    split
    · exact .inr (reply _)
    · next hb =>
      unfold begin at hb
      split at hb
      · cases hb
      · cases hb
        exact .inl ⟨⟨_, _, by rw [run_setCode_same]⟩, ne⟩
  unfold isWorldOp at hop
  simp only [Bool.or_eq_true, beq_iff_eq] at hop
  rcases hop with (e | e) | e
  · have ne : w.op ≠ "run.inject" := by rw [e]; decide
    have h : some (m.revert x w) = some n := by rw [← h]; unfold perform; simp only [e]
    cases h
    unfold revert
    repeat' split
    · exact .inr (reply _)
    · exact back ne _ _
    · exact .inr (reply _)
    · exact .inr (reply _)
  · have ne : w.op ≠ "run.inject" := by rw [e]; decide
    have h : some (m.discardOp x w) = some n := by rw [← h]; unfold perform; simp only [e]
    cases h
    unfold discardOp
    repeat' split
    · exact .inr (reply _)
    · exact .inr (reply _)
    · exact back ne _ _
    · exact .inr (reply _)
  · have h : some (m.inject x w) = some n := by rw [← h]; unfold perform; simp only [e]
    cases h
    unfold M.inject
    split
    · split
      · exact .inr (reply _)
      · next id ho =>
        split
        · exact .inr (reply _)
        · split
          · exact .inr (reply _)
          · right
            have own : (m.run id).owner = some x := by
              have := owns_of_owned ho
              unfold owns at this
              exact beq_iff_eq.mp this
            simp only
            refine ⟨fun z e => ?_, ?_, ?_, rfl⟩
            · rw [reply_eq, run_record_ne _ _ _ e, run_record]
              split
              · next e => rw [← e]; exact ⟨rfl, rfl⟩
              · exact ⟨rfl, rfl⟩
            · rw [reply_eq, owner_record, owner_record]
            · rw [reply_eq, run_record_same]; exact ⟨_, rfl⟩
    · exact .inr (reply _)

theorem Inv.worldAsks {m n : M} (k : m.Inv) (held : m.Holds) (t : m.Tidy) (wf : Wf m) {op : String} {args : List Value}
    (h : m.worldAsks op args = some n) : n.Inv ∧ n.Holds ∧ n.Tidy := by
  have hw := k.sound.world
  unfold M.worldAsks at h
  split at h
  · cases h
  · next before hb =>
    split at h
    · cases h
    · next hop =>
      have hop : isWorldOp op = true := by
        cases e : isWorldOp op with
        | true => rfl
        | false => rw [e] at hop; exact absurd rfl hop
      simp only at h
      split at h
      · cases h
      · next after hp =>
        have path := k.path
        cases hs : m.stack with
        | nil => rw [hs] at path; exact path.elim
        | cons y rest =>
          rw [hs] at path
          have ny : y ≠ .world := fun e => hb rest (by rw [hs, e])
          obtain ⟨r, w₀, hd⟩ := path.driving (path.world_mem ny)
          have k₀ : ({ m with stack := [.world] } : M).Inv := ⟨k.toBase.stack _, rfl⟩
          have hd₀ : (M.run { m with stack := [.world] } .world).code = .driving r w₀ := hd
          have asks := k₀.recordSolo (x := .world) (rest := []) rfl wf.world (fun u o => by rw [hd₀]; exact nofun) (.intent op args)
            { M.state { m with stack := [.world] } .world with code := .settled (.waiting { op, args, stack := [] }) }
            (fun h => nomatch h) (by unfold Trace.asksIntent; rw [Trace.question_intent rfl]; rfl) ⟨_, rfl⟩ fun _ => rfl
          have ka := asks_kept wf op args
          have wa := ka.wf wf fun _ h => h.elim
          have ha : Holding m ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))) := (holding_stack m [.world]).trans (holding_recordCode _ _ _ _)
          have ta : ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))).Tidy := tidy_recordCode (tidy_stack t [.world]) _ _ _
          have ca : (({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))).run .world).code = .settled (.waiting { op, args, stack := [] }) := by
            rw [run_recordCode_same]
          have oa : ∀ z, Id.world ≠ z → ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))).run z = m.run z := fun z e => run_recordCode_ne _ _ _ e
          have owa : (({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))).run .world).owner = none := by
            rw [recordCode_eq, owner_record]; exact hw
          have sa : ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))).stack = [.world] := rfl
          have asks : ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))).Inv := asks
          generalize ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))) = a at hp asks ka wa ha ta ca oa owa sa
          have kp : after.Inv := asks.perform (ha.2 held) wa sa ca (fun _ => hop) hp
          have hp' : Holding a after := (holding_perform wa.world hp).resolve_right fun e => by
            have e : op = "run.fork" := e.1
            rw [e] at hop
            exact absurd hop (by decide)
          have tp := tidy_perform ta hp
          have res := worldOp_result (w := { op, args, stack := [] }) hop hp
          have back : ((∀ z, Id.world ≠ z → (after.run z).code = (a.run z).code ∧ (after.run z).owner = (a.run z).owner) ∧
              (after.run .world).owner = (a.run .world).owner ∧ (∃ s, (after.run .world).code = .settled s) ∧
              after.stack = a.stack) → ∀ st, st = m.stack →
              ({ after.setCode .world (m.run .world).code with stack := st } : M).Inv ∧
              ({ after.setCode .world (m.run .world).code with stack := st } : M).Holds ∧
              ({ after.setCode .world (m.run .world).code with stack := st } : M).Tidy := by
            intro ⟨others, ow, ⟨s, hc⟩, st⟩ l el
            have iw : after.has .world = true := hp'.1 _ wa.world
            obtain ⟨b, _⟩ := kp.solo (n := after.setCode .world (m.run .world).code) (x := .world) (rest := []) (st.trans sa)
              (fun u o => by rw [hc]; exact nofun) (kp.sound.setCode iw _ fun h => absurd hd (h rfl _ _))
              (fun y e => run_setCode_ne _ _ e) (by rw [run_setCode_same]) (fun _ => by rw [run_setCode_same])
              (fun y hy => by
                rw [has_setCode, Bool.or_eq_true, beq_iff_eq] at hy
                exact hy.elim (fun e => e ▸ iw) fun h => h)
              (by unfold Link; rw [run_setCode_same, hd]; trivial)
            refine ⟨⟨b.stack _, ?_⟩, ((hp'.trans (holding_setCode _ _ _)).trans (holding_stack _ _)).2 (ha.2 held),
              tidy_stack (tidy_setCode tp _ _) _⟩
            refine Upward.congr (m := after.setCode .world (m.run .world).code) ?_ fun _ => rfl
            show Upward _ l
            rw [el, hs]
            have each : ∀ z, ((after.setCode .world (m.run .world).code).run z).owner = (m.run z).owner ∧
                ((after.setCode .world (m.run .world).code).run z).code = (m.run z).code := fun z => by
              rw [run_setCode]
              split
              · next e =>
                subst e
                exact ⟨(ow.trans owa).trans hw.symm, rfl⟩
              · next e => rw [(others z e).1, (others z e).2, oa z e]; exact ⟨rfl, rfl⟩
            exact path.frame (each y).1 fun z _ => each z
          split at h
          · next hc =>
            cases h
            refine back (res.resolve_left fun ⟨⟨u, o, hu⟩, _⟩ => ?_) _ rfl
            rw [hc] at hu; cases hu
          · split at h
            · next hi =>
              cases h
              exact back (res.resolve_left fun ⟨_, hn⟩ => hn (beq_iff_eq.mp hi)) _ rfl
            · cases h
              exact ⟨kp, hp'.2 (ha.2 held), tp⟩

end M

end Shepherd
