import Shepherd.Laws.BranchReplay.HeldAll
import Shepherd.Laws.BranchReplay.Outside

/-!
# Who waits for whom: steps, answers from outside, and the outermost owner
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B O : Prop} {m : M}

theorem held_driveRoot (w : Wf m True) (td : Tied m) (h : Held m) (top : m.stack = [.world]) {s : Settled}
    (hc : (m.run .world).code = .settled s) : Held m.driveRoot := by
  have mi : Mild False .world m (m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] })) :=
    (Mild.refl m).setCode (.inl rfl)
  have e : Plain m (m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] })) True :=
    plain_setCode w.world _ trivial fun _ => .inr trivial
  have driving : ((m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] })).run .world).code =
      .driving .root { op := "run.next", args := [.run 0], stack := [] } := by rw [run_setCode_same]
  have held : Held (m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] })) :=
    h.acted w td top hc mi (.of_driving driving) (fun h => h.elim) (e.extends w) (e.wf w).indexed
      (fun a ha => run_setCode_ne _ _ fun e => ha (e ▸ .refl _)) fun x hx _ => e.absent w hx
  exact ⟨held.root, ⟨held.root, ⟨_, _, driving⟩, rfl⟩, fun x =>
    WatchOk.alike (m := m.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] }))
      (n := m.driveRoot) rfl (held.watch x)⟩

theorem held_step {n : M} (s : Sound m) (seen : Seen m) (k : Retold World m) (h : Held m) (st : m.step = some n) : Held n := by
  have w := s.wf
  have td := s.bound.tied
  have calm := w.calm.resolve_left id
  have e := (follows_step w st).2
  have wn := (follows_step w st).1
  unfold M.step at st
  split at st
  · cases st
  · next z rest top =>
    have nw : (∀ c, (m.run z).code = c → ¬ Calm c) → z ≠ .world := fun hn e => hn _ rfl (e ▸ calm)
    split at st
    · next c ρ K j hc =>
      cases st
      have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
      have ne : z ≠ .world := fun e => by rw [← e, hc] at calm; exact calm
      have a := Acted.localMove w td (k.allAsked w) i c ρ K j
      have pl := plain_localMove (B := False) w i ne c ρ K j
      have d : Deeds (Over z) (fun _ => True) m (m.localMove z c ρ K j) := deeds_localMove td (fun _ h => h) hc
      exact h.acted w td top hc a.mild a.ok (fun _ => ne) e wn.indexed (fun a ha => d.run ha) fun x hx _ => pl.absent w hx
    · next wt hc =>
      split at st
      · refine held_perform s k h top hc (fun e => ?_) st
        rw [← e, hc] at calm; exact calm
      · exact held_atStop w td h top st
    · next u o hc =>
      split at st
      · next q hu =>
        cases st
        obtain ⟨hq, sq⟩ := held_undoStep s seen h top hc hu
        by_cases ez : z = .world
        · subst ez
          unfold M.afterWorld
          rw [if_neg fun h => h rfl]
          split
          · next hr =>
            have line := h.line
            rw [top] at line
            have nil : rest = [] := by
              cases rest with
              | nil => rfl
              | cons b rest =>
                have : (m.run .world).owner = none := w.owner _ (run_mem w.world) (run_id m .world)
                exact nomatch this.symm.trans line.1
            have pl := plain_undoStep w.weaken (fun _ => trivial) hc hu
            have wq : Wf q True := pl.wf w.weaken
            have tq : Tied q := by
              have d := deeds_undoStep (B := True) (T := Over .world) (F := m.Stamped) td s.granted.named w.weaken s.bound.tabled (fun _ h => h)
                (fun _ h => h) hc hu
              exact d.tied td
            exact held_driveRoot wq tq hq (by rw [sq, top, nil]) hr
          · exact hq
        · unfold M.afterWorld
          rw [if_pos ez]
          exact hq
      · exact held_atStop w td h top st
    · exact held_atStop w td h top st

theorem held_answer {n : M} (w : Wf m) (td : Tied m) (h : Held m) {answer : Value} {change : Change}
    (p : m.answer answer change = some n) : Held n := by
  unfold M.answer at p
  split at p
  · next a id rest ha top =>
    have deliver : ∀ {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Held n := by
      intro n p
      obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp p
      exact held_deliver w td h top hq _ _ _
    split at p
    · cases p
    · split at p
      · next wt hc =>
        split at p
        · cases p
          have pl := plain_picked w hc answer
          have mi : Mild False id m (m.picked id wt answer) := (Mild.refl m).recordCode (.inl rfl)
          refine h.acted w td top hc mi (.of_settled (s := wt.told (pickedValue answer wt.args)) ?_) (fun h => h.elim) (pl.extends w)
            (pl.wf w).indexed (fun a ha => ?_) fun x hx _ => pl.absent w hx
          · unfold M.picked; rw [run_recordCode_same]; rfl
          · unfold M.picked; rw [run_recordCode_ne _ _ _ fun e => ha (by rw [← e]; exact .refl id)]
        · exact deliver p
      · exact deliver p
  · cases p

/-- Where only the outermost owner changes, those who watch still may. -/
theorem watch_of_world {n : M} (w : Wf m B) (idx : ∀ id, Trace.Indexed (n.run id).trace)
    (ne : ∀ x, x ≠ .world → n.run x = m.run x) (own : (n.run .world).owner = none) {x : Id} (e : x ≠ .world) (h : m.WatchOk x) :
    n.WatchOk x := by
  have hw : (m.run .world).owner = none := w.owner _ (run_mem w.world) (run_id m .world)
  have nwd : ∀ {d y}, m.Below d y → d ≠ .world := fun b e => by
    subst e
    cases b with
    | own ho => exact nomatch hw.symm.trans ho
    | up ho _ => exact nomatch hw.symm.trans ho
  have ow : ∀ y, (n.run y).owner = (m.run y).owner := fun y => by
    by_cases e : y = .world
    · subst e; rw [own, hw]
    · rw [ne y e]
  have below : ∀ {d y}, m.Below d y → n.Below d y := fun b => Below.of_owner (fun j p e => (ow j).trans e) b
  refine ⟨fun chain aop aargs wt hp => ?_, fun u o hu => ?_⟩
  · rw [ne x e] at hp
    have ok := h.pass chain aop aargs wt hp
    exact ⟨below ok.1, by rw [ne _ (nwd ok.1)]; exact ok.2⟩
  · rw [ne x e] at hu
    have ok := h.undo u o hu
    have nu : u.run ≠ .world := nwd (.own ok.1)
    refine ⟨(ow _).trans ok.1, fun d hd => ?_⟩
    have hd : m.Stake u d := by
      rcases hd with hd | hd | ⟨k, c, h1, h2, h3⟩
      · exact .inl hd
      · exact .inr (.inl hd)
      · rw [ne _ nu] at h2; exact .inr (.inr ⟨k, c, h1, h2, h3⟩)
    obtain ⟨hb, hn⟩ := ok.2 d hd
    have bx : m.Below d x := by
      rcases hb with rfl | hb
      · exact .own ok.1
      · exact hb.trans (.own ok.1)
    exact ⟨hb.imp_right below, by rw [ne d (nwd bx)]; exact hn⟩

/-- The outermost owner has asked. -/
theorem held_asking (w : Wf m) (h : Held m) (op : String) (args : List Value) : Held (m.asking op args) := by
  have kept := asks_kept w op args
  have hw : (m.run .world).owner = none := w.owner _ (run_mem w.world) (run_id m .world)
  have own : ∀ x, ((m.asking op args).run x).owner = (m.run x).owner := fun x => owner_record _ _ _ _ _
  have ne : ∀ x, x ≠ .world → (m.asking op args).run x = m.run x := fun x nx => by
    unfold M.asking
    rw [run_recordCode_ne _ _ _ nx.symm]; rfl
  refine ⟨(own .root).trans h.root, rfl, fun x => ?_⟩
  by_cases e : x = .world
  · subst e
    exact .of_settled (s := .waiting { op, args, stack := [] }) (by unfold M.asking; rw [run_recordCode_same])
  · exact watch_of_world w kept.indexed ne ((own .world).trans hw) e (h.watch x)

/-- What the outermost owner asks for is begun, or changes no code but its own. -/
theorem quiet_perform {n : M} {z : Id} {wt : Waiting} (op : wt.op = "run.revert" ∨ wt.op = "run.discard" ∨ wt.op = "run.inject")
    (p : m.perform z wt = some n) : (wt.op ≠ "run.inject" ∧ ∃ u o, (n.run z).code = .undoing u o) ∨
      ∀ x, x ≠ z → (n.run x).code = (m.run x).code ∧ (n.run x).owner = (m.run x).owner := by
  have rep : ∀ answer, (wt.op ≠ "run.inject" ∧ ∃ u o, ((m.reply z wt answer).run z).code = .undoing u o) ∨
      ∀ x, x ≠ z → ((m.reply z wt answer).run x).code = (m.run x).code ∧ ((m.reply z wt answer).run x).owner = (m.run x).owner :=
    fun answer => .inr fun x nx => by rw [reply_eq, run_record_ne _ _ _ nx.symm]; exact ⟨rfl, rfl⟩
  have back : wt.op ≠ "run.inject" → ∀ id to, (wt.op ≠ "run.inject" ∧ ∃ u o, ((m.takeBack z wt id to).run z).code = .undoing u o) ∨
      ∀ x, x ≠ z → ((m.takeBack z wt id to).run x).code = (m.run x).code ∧ ((m.takeBack z wt id to).run x).owner = (m.run x).owner := by
    intro ni id to
    unfold M.takeBack
    split
    · exact rep _
    · next hb =>
      unfold M.begin at hb
      split at hb
      · cases hb
      · cases hb
        exact .inl ⟨ni, _, _, by rw [run_setCode_same]⟩
  unfold M.perform at p
  rcases op with op | op | op <;> rw [op] at p
  · cases p
    unfold M.revert M.wrong
    split
    · split
      · exact rep _
      · split
        · exact back (by rw [op]; decide) _ _
        · exact rep _
    · exact rep _
  · cases p
    unfold M.discardOp M.wrong
    split
    · split
      · exact rep _
      · split
        · exact rep _
        · exact back (by rw [op]; decide) _ _
    · exact rep _
  · cases p
    unfold M.inject M.wrong
    split
    · split
      · exact rep _
      · split
        · exact rep _
        · split
          · exact rep _
          · refine .inr fun x nx => ?_
            rw [reply_eq, run_record_ne _ _ _ nx.symm]
            refine ⟨?_, owner_record _ _ _ _ _⟩
            rw [run_record]; split
            · next e => subst e; rfl
            · rfl
    · exact rep _

theorem held_worldAsks {n : M} (s : Sound m) (k : Retold World m) (h : Held m) {op : String} {args : List Value}
    (p : m.worldAsks op args = some n) : Held n := by
  have w := s.wf
  have wn := (follows_worldAsks w p).1.1
  unfold M.worldAsks at p
  revert p
  generalize hb : m.stack = before
  intro p
  split at p
  · cases p
  · next nst =>
    split at p
    · cases p
    · next hop =>
      simp only at p
      split at p
      · cases p
      · next after hp =>
        replace hp : (m.asking op args).perform .world { op, args, stack := [] } = some after := hp
        have kept := asks_kept w op args
        have w₁ : Wf (m.asking op args) True := kept.wf w fun _ h => h.elim
        have d₁ : Deeds (fun _ => True) m.Stamped m (m.asking op args) :=
          .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial w.world trivial fun _ h => .inl h
        have b₁ := d₁.bound s.bound kept.ext.made
        have n₁ : Narrow m (m.asking op args) :=
          ((Narrow.refl s.granted.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            w.world _ _
        have k₁ : Retold World (m.asking op args) := (k.stack [.world]).recordCode (id := .world) w.world _ _ fun x => absurd rfl x
        have h₁ := held_asking w h op args
        have code₁ : ((m.asking op args).run .world).code = .settled (.waiting { op, args, stack := [] }) := by
          unfold M.asking; rw [run_recordCode_same]
        have ops : op = "run.revert" ∨ op = "run.discard" ∨ op = "run.inject" := by
          simp only [isWorldOp, Bool.not_eq_true', Bool.not_eq_false, Bool.or_eq_true, beq_iff_eq, or_assoc] at hop
          exact hop
        have no : ∀ {o : String}, o ≠ "run.revert" → o ≠ "run.discard" → o ≠ "run.inject" → op ≠ o := fun h1 h2 h3 e => by
          rcases ops with x | x | x
          · exact h1 (e.symm.trans x)
          · exact h2 (e.symm.trans x)
          · exact h3 (e.symm.trans x)
        have gr := grows_perform w₁ ⟨kept.world, fun _ => trivial⟩ hp
        have a : Acted False .world (m.asking op args) after := Acted.perform w₁ b₁.tied (k₁.allAsked w₁) h₁.watch
          (no (by decide) (by decide) (by decide)) (no (by decide) (by decide) (by decide)) (no (by decide) (by decide) (by decide))
          kept.world hp
        have same : ∀ x, ¬ Over .world x → after.run x = (m.asking op args).run x := by
          obtain ⟨F, _, _, d⟩ := gives_perform (T := Over .world) n₁.named w₁ b₁.tabled
            ⟨b₁.tied, fun _ h => h, kept.world, code₁⟩ ⟨[], rfl⟩ hp (gr.extends w₁).made
          exact fun a ha => d.run ha
        have pl := plain_perform w₁ ⟨kept.world, fun _ => trivial⟩ (no (by decide) (by decide) (by decide))
          (no (by decide) (by decide) (by decide)) hp
        have held : Held after := h₁.acted w₁ b₁.tied rfl code₁ a.mild a.ok (fun h => h.elim) (gr.extends w₁) (gr.wf w₁).indexed
          same fun x hx _ => pl.absent w₁ hx
        have quiet := quiet_perform ops hp
        have hw : (after.run .world).owner = none := (gr.wf w₁).owner _ (run_mem (gr.wf w₁).world) (run_id after .world)
        have hwm : (m.run .world).owner = none := w.owner _ (run_mem w.world) (run_id m .world)
        have back : (∀ id, Trace.Indexed (M.run { after.setCode .world (m.run .world).code with stack := before } id).trace) →
            ¬ (op ≠ "run.inject" ∧ ∃ u o, (after.run .world).code = .undoing u o) →
            Held { after.setCode .world (m.run .world).code with stack := before } := by
          intro idx nu
          have quiet := quiet.resolve_left nu
          have ne : ∀ x, x ≠ .world → M.run { after.setCode .world (m.run .world).code with stack := before } x = after.run x :=
            fun x nx => run_setCode_ne _ _ nx.symm
          have wc : (M.run { after.setCode .world (m.run .world).code with stack := before } .world).code = (m.run .world).code ∧
              (M.run { after.setCode .world (m.run .world).code with stack := before } .world).owner = (after.run .world).owner := by
            show ((after.setCode .world (m.run .world).code).run .world).code = _ ∧
              ((after.setCode .world (m.run .world).code).run .world).owner = _
            rw [run_setCode_same]; exact ⟨rfl, rfl⟩
          have askne : ∀ x, x ≠ .world → (m.asking op args).run x = m.run x := fun x nx => by
            unfold M.asking
            rw [run_recordCode_ne _ _ _ nx.symm]; rfl
          have line := h.line
          rw [hb] at line
          have driving : ∃ r q, (m.run .world).code = .driving r q := by
            cases hbf : before with
            | nil => rw [hbf] at line; exact line.elim
            | cons z rest =>
              rw [hbf] at line
              have nz : z ≠ .world := fun e => nst _ (by rw [hbf, e])
              have top : ∀ {rest z}, z ≠ .world → m.Line (z :: rest) → ∃ r q, (m.run .world).code = .driving r q := by
                intro rest
                induction rest with
                | nil => exact fun nz l => absurd l nz
                | cons b rest ih =>
                  intro z nz l
                  by_cases eb : b = .world
                  · exact eb ▸ l.2.1
                  · exact ih eb l.2.2
              exact top nz line
          refine ⟨?_, ?_, fun x => ?_⟩
          · rw [ne .root fun e => nomatch e]; exact held.root
          · refine line.same before (fun a _ => ?_) fun a _ => ?_
            · by_cases e : a = .world
              · subst e; rw [wc.2, hw, hwm]
              · rw [ne a e, (quiet a e).2, askne a e]
            · by_cases e : a = .world
              · subst e; exact wc.1
              · rw [ne a e, (quiet a e).1, askne a e]
          · by_cases e : x = .world
            · subst e
              obtain ⟨r, q, hd⟩ := driving
              exact .of_driving (wc.1.trans hd)
            · exact watch_of_world (gr.wf w₁) idx ne (wc.2.trans hw) e (held.watch x)
        split at p
        · next hr =>
          cases p
          exact back wn.indexed fun ⟨_, u, o, e⟩ => nomatch hr.symm.trans e
        · split at p
          · next hi =>
            cases p
            exact back wn.indexed fun h => h.1 (beq_iff_eq.mp hi)
          · cases p; exact held

end M

end Shepherd
