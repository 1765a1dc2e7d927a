import Shepherd.Laws.BranchReplay.Housed
import Shepherd.Laws.BranchReplay.HeldOutside

/-!
# Everyone stands below the root run: step by step
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B : Prop} {m : M}

/-- Owners and givers are there, and the outermost owner has made no run. -/
structure Placed (m : M) : Prop where
  housed : Housed m
  idle : (m.run .world).made = 0

/-! ## How many runs a run has made -/

theorem made_setCode (m : M) (id : Id) (code : Code) (y : Id) : ((m.setCode id code).run y).made = (m.run y).made := by
  rw [run_setCode]; split
  · next e => subst e; rfl
  · rfl

theorem made_setHandles (m : M) (id : Id) (hs : List Id) (y : Id) : ((m.setHandles id hs).run y).made = (m.run y).made := by
  rw [run_setHandles]; split
  · next e => subst e; rfl
  · rfl

theorem made_own (m : M) (id o : Id) (g : List Id) (y : Id) : ((m.own id o g).run y).made = (m.run y).made := by
  rw [run_own]; split
  · next e => subst e; rfl
  · rfl

theorem made_deliver (m : M) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) (y : Id) :
    ((m.deliver id q answer change by').run y).made = (m.run y).made := by
  unfold M.deliver
  refine foldl_keeps (P := fun n : M => (n.run y).made = (m.run y).made) (made_record _ _ _ _ _) fun n x _ e => ?_
  unfold M.relay
  split
  · rw [recordCode_eq, made_record]; exact e
  · rw [made_setCode]; exact e
  · exact e

theorem made_abandon (m : M) (id y : Id) : ((m.abandon id).run y).made = (m.run y).made := by
  unfold M.abandon
  refine foldl_keeps (P := fun n : M => (n.run y).made = (m.run y).made) rfl fun n x _ e => ?_
  unfold M.abandonOne
  simp only
  split
  · exact e
  · rw [recordCode_eq, made_record]; exact e
  · split
    · rw [recordCode_eq, made_record]; exact e
    · exact e

theorem made_restore (m : M) (id : Id) (to : Option Nat) (y : Id) : ((m.restore id to).run y).made = (m.run y).made := by
  have disc : ∀ (n : M) x, (n.run y).made = (m.run y).made → ((n.discard x).run y).made = (m.run y).made := fun n x e => by
    unfold M.discard
    split
    · exact e
    · rw [recordCode_eq, made_record]; exact e
  unfold M.restore
  split
  · exact foldl_keeps (P := fun n : M => (n.run y).made = (m.run y).made) rfl fun n x _ e => disc n x e
  · split
    · rfl
    · next c _ =>
      simp only
      unfold M.rewind
      rw [made_record]
      refine foldl_keeps (P := fun n : M => (n.run y).made = (m.run y).made) ?_ fun n x _ e => ?_
      · exact foldl_keeps (P := fun n : M => (n.run y).made = (m.run y).made) rfl fun n x _ e => by
          show ((n.own x.id x.owner x.givers).run y).made = _
          rw [made_own]; exact e
      · unfold M.restoreLower
        split
        · exact disc n x e
        · split
          · exact e
          · simp only
            split
            · unfold M.rewind; rw [made_record]; exact e
            · split
              · rw [made_setCode]; exact e
              · exact e

theorem over_world {x : Id} (h : Over x .world) : x = .world := by
  cases h with
  | refl => rfl
  | step _ o =>
    have p := o.prec
    rw [show Id.key .world = [] from rfl] at p
    revert p
    generalize Id.key _ = l
    intro p
    cases l with
    | nil => exact p.elim
    | cons a l => exact p.elim

/-! ## Steps -/

theorem placed_deliver (w : Wf m B) (p : Placed m) {id : Id} {q : Question} (hq : m.shown id = some q) (answer : Value)
    (change : Change) (by' : By) : Placed (m.deliver id q answer change by') := by
  have pl := plain_deliver w id (has_of_shown w.codes hq).1 answer change by'
  refine ⟨((Mild.refl (O := False) (z := id) m).deliver _ _ _ _ _).house (fun x h => plain_born w pl h) p.housed, ?_⟩
  rw [made_deliver]; exact p.idle

theorem Placed.reply (p : Placed m) {id : Id} (i : m.has id = true) (w : Waiting) (answer : Value) (change : Change := []) :
    Placed (m.reply id w answer change) := ⟨p.housed.reply i _ _ _, by rw [reply_eq, made_record]; exact p.idle⟩

theorem Placed.setCode (p : Placed m) {id : Id} (i : m.has id = true) (code : Code) : Placed (m.setCode id code) :=
  ⟨p.housed.setCode i _, by rw [made_setCode]; exact p.idle⟩

theorem Placed.alike {n : M} (p : Placed m) (h : n.runs = m.runs) : Placed n := by
  have run : ∀ y, n.run y = m.run y := fun y => by unfold M.run; rw [h]
  refine ⟨p.housed.same (fun x => by unfold M.has; rw [h]) (fun x => by rw [run]) (fun x => by rw [run]) fun x => by rw [run], ?_⟩
  rw [run]; exact p.idle

theorem placed_toOwner (p : Placed m) (owner id : Id) (rest : List Id) : Placed (m.toOwner owner id rest) := by
  unfold M.toOwner
  split
  · next r wt hc =>
    have i : m.has owner = true := has_of_code (by rw [hc]; exact nofun)
    have q : Placed ({ m with stack := owner :: rest } : M) := Placed.alike (n := { m with stack := owner :: rest }) p rfl
    have none : ∀ answer, Placed (({ m with stack := owner :: rest } : M).reply owner wt answer) := fun answer => q.reply (id := owner) i _ _
    have some : ∀ hs answer, Placed ((({ m with stack := owner :: rest } : M).setHandles owner hs).reply owner wt answer) :=
      fun hs answer => by
        have k : Mild False owner ({ m with stack := owner :: rest } : M) (({ m with stack := owner :: rest } : M).setHandles owner hs) :=
          (Mild.refl ({ m with stack := owner :: rest } : M)).setHandles (id := owner) i
        have hn : ∀ x, M.has (({ m with stack := owner :: rest } : M).setHandles owner hs) x = true →
            M.has ({ m with stack := owner :: rest } : M) x = true := fun x h => by
          rw [has_setHandles, Bool.or_eq_true] at h
          exact h.elim (fun e => beq_iff_eq.mp e ▸ i) fun h => h
        have s : Placed (({ m with stack := owner :: rest } : M).setHandles owner hs) :=
          ⟨k.house hn q.housed, by rw [made_setHandles]; exact q.idle⟩
        exact s.reply (by rw [has_setHandles, beq_self_eq_true, Bool.true_or]) _ _
    simp only
    unfold M.stopValue
    split
    · exact some _ _
    · exact none _
    · exact none _
    · split
      · exact none _
      · exact some _ _
  · exact p

theorem placed_atStop {n : M} (w : Wf m) (p : Placed m) {z : Id} {rest : List Id} (h : m.atStop z rest = some n) : Placed n := by
  have file : ∀ {n : M}, (match m.shown z with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile z q) else none
      | none => none) = some n → Placed n := fun h => by
    split at h
    · next q hq =>
      split at h
      · cases h
        unfold M.answerFile
        simp only
        split
        · next s _ _ _ _ _ =>
          have w' : Wf ({ m with written := (gitBlobHash s, s) :: m.written } : M) := Plain.wf (.written _ .refl) w
          exact placed_deliver w' (Placed.alike (n := { m with written := (gitBlobHash s, s) :: m.written }) p rfl) (id := z) hq _ _ _
        · exact placed_deliver w p hq _ _ _
      · cases h
    · cases h
  unfold M.atStop at h
  split at h
  · split at h
    · cases h; exact placed_toOwner p _ _ _
    · exact file h
  · exact file h

theorem placed_undoStep {n : M} (w : Wf m B) (td : Tied m) (nm : Named m) (p : Placed m) {z : Id} {u : Undoing} {o : Settled}
    (hc : (m.run z).code = .undoing u o) (h : m.undoStep z u o = some n) : Placed n := by
  have ck := w.codes z
  rw [hc] at ck
  have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.undoStep at h
  split at h
  · cases h
  · split at h
    · next d ds hd =>
      cases h
      have id' : m.has d.run = true := (ck.2.2.1 d (by rw [hd]; exact List.mem_cons_self)).1
      have q : Placed (m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code) :=
        ⟨p.housed.record id' _ _, by rw [recordCode_eq, made_record]; exact p.idle⟩
      exact q.setCode (by rw [recordCode_eq, has_record, i, Bool.or_true]) _
    · have q : Placed (m.restore u.run u.to) :=
        ⟨housed_restore w td nm p.housed ck.2.1 ck.1 ck.2.2.2, by rw [made_restore]; exact p.idle⟩
      have iz := (plain_restore (B := B) w ck.2.1 ck.1 ck.2.2.2).has w i
      simp only at h
      split at h
      · cases h; exact q.reply iz _ _
      · cases h; exact q.setCode iz _

theorem placed_perform {n : M} (s : Sound m) (am : AllMarked m) (k : Retold World m) (h : Held m) (p : Placed m) {z : Id}
    {rest : List Id} (top : m.stack = z :: rest) {wt : Waiting} (hc : (m.run z).code = .settled (.waiting wt)) (nw : z ≠ .world)
    (hp : m.perform z wt = some n) : Placed n := by
  have w : Wf m True := s.wf.weaken
  have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
  have e : Extends m n := (grows_perform w ⟨i, fun _ => trivial⟩ hp).extends w
  have idle : (n.run .world).made = 0 := by
    obtain ⟨F, _, _, d⟩ := gives_perform (T := Over z) s.granted.named w s.bound.tabled ⟨s.bound.tied, fun _ h => h, i, hc⟩
      ⟨rest, top⟩ hp e.made
    rw [d.run fun o => nw (over_world o)]
    exact p.idle
  refine ⟨?_, idle⟩
  by_cases sp : wt.op = "run.spawn"
  · have hn : n = m.spawn z wt := by
      unfold M.perform at hp
      rw [sp] at hp
      exact (Option.some.inj hp).symm
    subst hn
    exact housed_spawn w p.housed i
  · by_cases fk : wt.op = "run.fork"
    · have hn : n = m.fork z wt := by
        unfold M.perform at hp
        rw [fk] at hp
        exact (Option.some.inj hp).symm
      subst hn
      exact housed_fork s.wf s.bound.tied s.granted.named am p.housed i
    · by_cases nx : wt.op = "run.next"
      · have hn : n = m.next z wt := by
          unfold M.perform at hp
          rw [nx] at hp
          exact (Option.some.inj hp).symm
        subst hn
        unfold M.next
        split
        · split
          · exact p.housed.reply i _ _
          · next id _ =>
            exact (Placed.alike (m := m.setCode z (.driving id wt)) (n := { m.setCode z (.driving id wt) with stack := id :: m.stack })
              (p.setCode i _) rfl).housed
        · exact p.housed.reply i _ _
      · have a : Acted False z m n := Acted.perform w s.bound.tied (k.allAsked w) h.watch sp fk nx i hp
        have pl := plain_perform w ⟨i, fun _ => trivial⟩ sp fk hp
        exact a.mild.house (fun x hx => plain_born w pl hx) p.housed

theorem placed_step {n : M} (s : Sound m) (am : AllMarked m) (k : Retold World m) (h : Held m) (p : Placed m)
    (st : m.step = some n) : Placed n := by
  have w := s.wf
  have td := s.bound.tied
  have calm := w.calm.resolve_left id
  unfold M.step at st
  split at st
  · cases st
  · next z rest top =>
    split at st
    · next c ρ K j hc =>
      cases st
      have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
      have ne : z ≠ .world := fun e => by rw [← e, hc] at calm; exact calm
      have a := Acted.localMove w td (k.allAsked w) i c ρ K j
      have pl := plain_localMove (B := False) w i ne c ρ K j
      have d : Deeds (Over z) (fun _ => True) m (m.localMove z c ρ K j) := deeds_localMove td (fun _ h => h) hc
      refine ⟨a.mild.house (fun x hx => plain_born w pl hx) p.housed, ?_⟩
      rw [d.run fun o => ne (over_world o)]
      exact p.idle
    · next wt hc =>
      split at st
      · refine placed_perform s am k h p top hc (fun e => ?_) st
        rw [← e, hc] at calm; exact calm
      · exact placed_atStop w p st
    · next u o hc =>
      split at st
      · next q hu =>
        cases st
        have pq := placed_undoStep w td s.granted.named p hc hu
        have iw := (plain_undoStep (B := True) w.weaken (fun _ => trivial) hc hu).has w.weaken w.world
        unfold M.afterWorld
        split
        · exact pq
        · split
          · exact Placed.alike (m := q.setCode .world (.driving .root { op := "run.next", args := [.run 0], stack := [] }))
              (n := q.driveRoot) (pq.setCode iw _) rfl
          · exact pq
      · exact placed_atStop w p st
    · exact placed_atStop w p st

theorem placed_answer {n : M} (w : Wf m) (p : Placed m) {answer : Value} {change : Change} (h : m.answer answer change = some n) :
    Placed n := by
  have deliver : ∀ {id : Id} {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Placed n := by
    intro id n h
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
    exact placed_deliver w p hq _ _ _
  unfold M.answer at h
  split at h
  · split at h
    · cases h
    · split at h
      · next wt hc =>
        split at h
        · cases h
          exact ⟨p.housed.record (has_of_code (by rw [hc]; exact nofun)) _ _, by unfold M.picked; rw [recordCode_eq, made_record]; exact p.idle⟩
        · exact deliver h
      · exact deliver h
  · cases h

theorem placed_worldAsks {n : M} (s : Sound m) (k : Retold World m) (h : Held m) (p : Placed m) {op : String} {args : List Value}
    (hn : m.worldAsks op args = some n) : Placed n := by
  have w := s.wf
  unfold M.worldAsks at hn
  split at hn
  · cases hn
  · split at hn
    · cases hn
    · next hop =>
      simp only at hn
      split at hn
      · cases hn
      · next after hp =>
        replace hp : (m.asking op args).perform .world { op, args, stack := [] } = some after := hp
        have kept := asks_kept w op args
        have w₁ : Wf (m.asking op args) True := kept.wf w fun _ h => h.elim
        have d₁ : Deeds (fun _ => True) m.Stamped m (m.asking op args) :=
          .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial w.world trivial fun _ h => .inl h
        have b₁ := d₁.bound s.bound kept.ext.made
        have k₁ : Retold World (m.asking op args) := (k.stack [.world]).recordCode (id := .world) w.world _ _ fun x => absurd rfl x
        have p₁ : Placed (m.asking op args) := by
          have q : Placed ({ m with stack := [.world] } : M) := Placed.alike (n := { m with stack := [.world] }) p rfl
          exact ⟨q.housed.record w.world _ _, by unfold M.asking; rw [recordCode_eq, made_record]; exact q.idle⟩
        have ops : op = "run.revert" ∨ op = "run.discard" ∨ op = "run.inject" := by
          simp only [isWorldOp, Bool.not_eq_true', Bool.not_eq_false, Bool.or_eq_true, beq_iff_eq, or_assoc] at hop
          exact hop
        have no : ∀ {o : String}, o ≠ "run.revert" → o ≠ "run.discard" → o ≠ "run.inject" → op ≠ o := fun h1 h2 h3 e => by
          rcases ops with x | x | x
          · exact h1 (e.symm.trans x)
          · exact h2 (e.symm.trans x)
          · exact h3 (e.symm.trans x)
        have a : Acted False .world (m.asking op args) after := Acted.perform w₁ b₁.tied (k₁.allAsked w₁) (held_asking w h op args).watch
          (no (by decide) (by decide) (by decide)) (no (by decide) (by decide) (by decide)) (no (by decide) (by decide) (by decide))
          kept.world hp
        have pl := plain_perform w₁ ⟨kept.world, fun _ => trivial⟩ (no (by decide) (by decide) (by decide))
          (no (by decide) (by decide) (by decide)) hp
        have made : (after.run .world).made = 0 := by
          rw [← p₁.idle]
          exact made_worldOp ops hp
        have pa : Placed after := ⟨a.mild.house (fun x hx => plain_born w₁ pl hx) p₁.housed, made⟩
        have ia : after.has .world = true := (pl.extends w₁).has _ kept.world
        have back : ∀ code stack, Placed { after.setCode .world code with stack } := fun code stack =>
          Placed.alike (m := after.setCode .world code) (n := { after.setCode .world code with stack }) (pa.setCode ia code) rfl
        split at hn
        · cases hn; exact back _ _
        · split at hn
          · cases hn; exact back _ _
          · cases hn; exact pa
where
  made_worldOp {p q : M} {z : Id} {wt : Waiting} (op : wt.op = "run.revert" ∨ wt.op = "run.discard" ∨ wt.op = "run.inject")
      (hp : p.perform z wt = some q) : (q.run .world).made = (p.run .world).made := by
    have rep : ∀ answer, ((p.reply z wt answer).run .world).made = (p.run .world).made := fun answer => by rw [reply_eq, made_record]
    have back : ∀ id to, ((p.takeBack z wt id to).run .world).made = (p.run .world).made := by
      intro id to
      unfold M.takeBack
      split
      · exact rep _
      · next hb =>
        unfold M.begin at hb
        split at hb
        · cases hb
        · cases hb
          rw [made_setCode, made_abandon]
    unfold M.perform at hp
    rcases op with op | op | op <;> rw [op] at hp
    · cases hp
      unfold M.revert M.wrong
      split
      · split
        · exact rep _
        · split
          · exact back _ _
          · exact rep _
      · exact rep _
    · cases hp
      unfold M.discardOp M.wrong
      split
      · split
        · exact rep _
        · split
          · exact rep _
          · exact back _ _
      · exact rep _
    · cases hp
      unfold M.inject M.wrong
      split
      · split
        · exact rep _
        · split
          · exact rep _
          · split
            · exact rep _
            · rw [reply_eq, made_record, made_record]
      · exact rep _

end M

end Shepherd
