import Shepherd.Laws.CompensationOrder.ForkRoot

/-!
# What the last commit of the log tells, through all moves
-/

namespace Shepherd

namespace M

namespace Lasts

variable {m n : M}

theorem giveBack_same {X : M} {id z : Id} (nd : (X.runs.map Run.id).Nodup) (h : (X.run z).owner ≠ some id ∨ (X.run z).givers = []) :
    (X.giveBack id).run z = X.run z := by
  unfold M.giveBack
  refine foldl_keeps (P := fun p : M => p.run z = X.run z) rfl fun p y hy e => ?_
  have oy : (X.run y).owner = some id := (Runs.mem_kids_iff nd).mp hy
  split
  · next g gs hg =>
    rcases Classical.em (y = z) with ez | ez
    · subst ez
      rcases h with h | h
      · exact absurd oy h
      · rw [e, h] at hg; cases hg
    · show (p.own y g gs).run z = X.run z
      rw [run_own_ne _ _ _ ez]; exact e
  · exact e

theorem giveBack_log (X : M) (id : Id) : (X.giveBack id).log = X.log := by
  unfold M.giveBack
  refine foldl_keeps (P := fun p : M => p.log = X.log) rfl fun p y _ e => ?_
  split
  · exact e
  · exact e

theorem nodup_giveBack {X : M} (nd : (X.runs.map Run.id).Nodup) (id : Id) : (((X.giveBack id).runs).map Run.id).Nodup := by
  unfold M.giveBack
  refine foldl_keeps (P := fun p : M => (p.runs.map Run.id).Nodup) nd fun p y _ e => ?_
  split
  · exact nodup_put' e _
  · exact e

/-- With its end, a run's commit tells only of what stays with it. -/
theorem ended (f : Runs.Forest m.runs) (id : Id) (kind : EndKind) (hk : kind ≠ .discarded) (v : Value) (code : Code) :
    Lasts ((m.recordCode id (.ended kind v) code).giveBack id) := by
  have ndX : ((m.recordCode id (.ended kind v) code).runs.map Run.id).Nodup :=
    nodup_record' f.nodup id (.ended kind v) { m.state id with code }
  refine ⟨fun l rest e x hx => ?_, nodup_giveBack ndX id⟩
  rw [giveBack_log] at e
  have e : m.commitOf id (.ended kind v) { m.state id with code } :: m.log = l :: rest := e
  cases e
  have hx : x ∈ m.headsAt id (.ended kind v) := hx
  have eq : m.headsAt id (.ended kind v) =
      (Runs.under m.runs m.runs.length ((m.kids id).filter fun k => (m.run k).givers.isEmpty)).map m.headOf := by
    cases kind with
    | done => rfl
    | failed => rfl
    | discarded => exact absurd rfl hk
  rw [eq] at hx
  obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
  show Runs.Below _ y id
  have owners : ∀ z, ((m.recordCode id (.ended kind v) code).run z).owner = (m.run z).owner := fun z => by
    rw [recordCode_eq, owner_record]
  have givers : ∀ z, ((m.recordCode id (.ended kind v) code).run z).givers = (m.run z).givers := fun z => by
    rw [recordCode_eq, run_record]; split
    · next e => subst e; rfl
    · rfl
  have stays : ∀ z, (m.run z).owner ≠ some id ∨ (m.run z).givers = [] →
      (((m.recordCode id (.ended kind v) code).giveBack id).run z).owner = (m.run z).owner := fun z h => by
    rw [giveBack_same ndX (by rw [owners, givers]; exact h), owners]
  have kid : ∀ s, s ∈ (m.kids id).filter (fun k => (m.run k).givers.isEmpty) →
      (m.run s).owner = some id ∧ Runs.Below ((m.recordCode id (.ended kind v) code).giveBack id).runs s id := fun s hs => by
    obtain ⟨h₁, h₂⟩ := List.mem_filter.mp hs
    have ho : (m.run s).owner = some id := (Runs.mem_kids_iff f.nodup).mp h₁
    exact ⟨ho, .own ((stays s (.inr (List.isEmpty_iff.mp h₂))).trans ho)⟩
  rcases Runs.of_mem_under f.nodup hy with h | ⟨s, hs, h⟩
  · exact (kid y h).2
  · obtain ⟨hso, hsb⟩ := kid s hs
    have go : ∀ z r, Runs.Below m.runs z r → r = s → Runs.Below ((m.recordCode id (.ended kind v) code).giveBack id).runs z s := by
      intro z r hz
      induction hz with
      | @own z r hq =>
        intro e
        subst e
        have hq : (m.run z).owner = some r := hq
        refine .own ((stays z (.inl fun e => ?_)).trans hq)
        rw [hq] at e
        cases e
        exact absurd rfl ((Runs.Below.own (rs := m.runs) hso).ne f)
      | @up z o r hq g ih =>
        intro e
        have t := ih e
        subst e
        have hq : (m.run z).owner = some o := hq
        refine .up ((stays z (.inl fun e => ?_)).trans hq) t
        rw [hq] at e
        cases e
        exact absurd rfl ((Runs.Below.trans g (.own hso)).ne f)
    exact (go y s h rfl).trans hsb

theorem same {n : M} (h : Lasts m) (log : n.log = m.log) (runs : n.runs = m.runs) : Lasts n :=
  ⟨h.last.same log fun y => by unfold M.run; rw [runs], by rw [runs]; exact h.nodup⟩

theorem finish (h : Lasts m) (f : Runs.Forest m.runs) (id : Id) (again : Comp) (kind : EndKind) (hk : kind ≠ .discarded) (v : Value)
    (code : Settled) : Lasts (m.finish id again kind v code) := by
  unfold M.finish
  split
  · next hd =>
    unfold discardMade at hd
    split at hd
    · cases hd
    · split at hd
      · next hb => cases hd; exact h.begin hb
      · cases hd
  · exact ended f id kind hk v _

theorem localMove (h : Lasts m) (f : Runs.Forest m.runs) (id : Id) (c : Comp) (ρ : Env) (K : Stack) (j : Nat) :
    Lasts (m.localMove id c ρ K j) := by
  unfold M.localMove
  split
  · exact h.finish f _ _ .failed nofun _ _
  · split
    · exact h.setCode _ _
    · exact h.finish f _ _ .done nofun _ _
    · exact h.finish f _ _ .failed nofun _ _
    · unfold M.ask
      simp only
      split
      · exact record (m := { m with used := charge m.used (m.run id).grant _ _ }) h.nodup _ _ _
      · exact record h.nodup _ _ _

/-- What ends in an answer of the machine. -/
theorem answerRun (nd : (m.runs.map Run.id).Nodup) (id : Id) (w : Waiting) (x : Id) : Lasts (m.answerRun id w x) :=
  reply (nodup_put' nd _) _ _ _

theorem nodup_spawned {X : M} (nd : (X.runs.map Run.id).Nodup) (a id : Id) (given : List Id) :
    (((given.foldl (M.lend a id) X).runs).map Run.id).Nodup := by
  refine foldl_keeps (P := fun p : M => (p.runs.map Run.id).Nodup) nd fun p y _ e => ?_
  unfold M.lend
  split
  · exact nodup_put' e _
  · exact e

theorem nodup_copyTree (nd : (m.runs.map Run.id).Nodup) (id : Id) (t : Trace) (c : Commit) (fork owner : Id) :
    (((m.copyTree id t c fork owner).runs).map Run.id).Nodup := by
  unfold M.copyTree
  simp only
  refine foldl_keeps (P := fun p : M => (p.runs.map Run.id).Nodup) ?_ fun p y _ e => ?_
  · refine foldl_keeps (P := fun p : M => (p.runs.map Run.id).Nodup) nd fun p y _ e => ?_
    unfold M.copyOne
    split
    · exact e
    · exact nodup_put' (m := { p with used := _ }) e _
  · unfold M.markCopy
    split
    · exact e
    · exact nodup_record' e _ _ _

theorem takeBack (h : Lasts m) (a : Id) (w : Waiting) (id : Id) (to : Option Nat) : Lasts (m.takeBack a w id to) := by
  unfold M.takeBack
  split
  · exact reply h.nodup _ _ _
  · next hb => exact h.begin hb

theorem ownerAnswers (h : Lasts m) (a : Id) (w : Waiting) (v answer : Value) : Lasts (m.ownerAnswers a w v answer) := by
  unfold M.ownerAnswers
  split
  · exact reply h.nodup _ _ _
  · split
    · exact reply h.nodup _ _ _
    · exact reply (deliver h.nodup _ _ _ _ _).nodup _ _ _

theorem perform (h : Lasts m) {a : Id} {w : Waiting} (hn : m.perform a w = some n) : Lasts n := by
  have r : ∀ v ch, Lasts (m.reply a w v ch) := fun v ch => reply h.nodup _ _ _ ch
  unfold M.perform at hn
  split at hn
  · cases hn; unfold M.take; split
    · exact r _ _
    · exact record h.nodup _ _ _
  · cases hn; unfold M.answerOp; split
    · exact h.ownerAnswers _ _ _ _
    · exact r _ _
  · cases hn; unfold M.denyOp; split
    · exact h.ownerAnswers _ _ _ _
    · exact r _ _
  · cases hn; unfold M.discardOp; split
    · split
      · exact r _ _
      · split
        · exact r _ _
        · exact h.takeBack _ _ _ _
    · exact r _ _
  · cases hn; unfold M.fork; split
    · split
      · exact r _ _
      · simp only
        split
        · exact r _ _
        · exact answerRun (nodup_copyTree h.nodup _ _ _ _ _) _ _ _
    · exact r _ _
  · cases hn; unfold M.inject; split
    · split
      · exact r _ _
      · split
        · exact r _ _
        · split
          · exact r _ _
          · exact reply (record h.nodup _ _ _).nodup _ _ _
    · exact r _ _
  · cases hn; unfold M.merge; split
    · split
      · exact r _ _
      · simp only
        split
        · exact r _ _
        · split
          · exact r _ _
          · exact r _ _
    · exact r _ _
  · cases hn; unfold M.next; split
    · split
      · exact r _ _
      · exact (h.setCode _ _).stack _
    · exact r _ _
  · cases hn; unfold M.pass; split
    · split
      · exact r _ _
      · exact h.setCode _ _
    · exact r _ _
  · unfold M.pick at hn; split at hn
    · split at hn
      · cases hn; exact r _ _
      · cases hn
    · cases hn; exact r _ _
  · cases hn; unfold M.revert; split
    · split
      · exact r _ _
      · split
        · exact h.takeBack _ _ _ _
        · exact r _ _
    · exact r _ _
  · cases hn; unfold M.spawn; split
    · split
      · exact r _ _
      · split
        · exact r _ _
        · exact answerRun (nodup_record' (nodup_spawned (nodup_put' h.nodup _) _ _ _) _ _ _) _ _ _
    · exact r _ _
  · cases hn; unfold M.traceOp; split
    · split
      · exact r _ _
      · simp only
        split
        · exact r _ _
        · exact reply (nodup_put' h.nodup _) _ _ _
    · exact r _ _
  · cases hn; exact r _ _

theorem atStop (h : Lasts m) {id : Id} {rest : List Id} (hn : m.atStop id rest = some n) : Lasts n := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Lasts n := fun hn => by
    split at hn
    · split at hn
      · cases hn
        unfold M.answerFile
        simp only
        split
        · next s _ _ _ _ _ => exact deliver (m := { m with written := (gitBlobHash s, s) :: m.written }) h.nodup _ _ _ _ _
        · exact deliver h.nodup _ _ _ _ _
      · cases hn
    · cases hn
  unfold M.atStop at hn
  split at hn
  · split at hn
    · cases hn
      unfold M.toOwner
      split
      · simp only
        refine reply ?_ _ _ _
        unfold M.stopValue
        split
        · exact nodup_put' (m := { m with stack := _ }) h.nodup _
        · exact h.nodup
        · exact h.nodup
        · split
          · exact h.nodup
          · exact nodup_put' (m := { m with stack := _ }) h.nodup _
      · exact h
    · exact file hn
  · exact file hn

theorem step (h : Lasts m) (f : Runs.Forest m.runs) (hn : m.step = some n) : Lasts n := by
  unfold M.step at hn
  split at hn
  · cases hn
  · split at hn
    · cases hn; exact h.localMove f _ _ _ _ _
    · split at hn
      · exact h.perform hn
      · exact h.atStop hn
    · split at hn
      · next hu => cases hn; exact (h.undoStep hu).afterWorld _
      · exact h.atStop hn
    · exact h.atStop hn

theorem outer {ω : Oracle} (h : Lasts m) (hn : m.outer ω = some n) : Lasts n := by
  have d : ∀ {id : Id} {n : M} {answer : Value} {change : Change},
      (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Lasts n := fun hn => by
    obtain ⟨q, _, rfl⟩ := Option.map_eq_some_iff.mp hn
    exact deliver h.nodup _ _ _ _ _
  unfold M.outer at hn
  split at hn
  · cases hn
  · simp only at hn
    unfold M.answer at hn
    split at hn
    · split at hn
      · cases hn
      · split at hn
        · split at hn
          · cases hn; exact record h.nodup _ _ _
          · exact d hn
        · exact d hn
    · cases hn

theorem worldAsks (h : Lasts m) {op : String} {args : List Value} (hn : m.worldAsks op args = some n) : Lasts n := by
  unfold M.worldAsks at hn
  split at hn
  · cases hn
  · split at hn
    · cases hn
    · simp only at hn
      split at hn
      · cases hn
      · next after hp =>
        have b : Lasts ({ m with stack := [.world] }.recordCode .world (.intent op args) (.settled (.waiting { op, args, stack := [] }))) :=
          record (m := { m with stack := [.world] }) h.nodup _ _ _
        have a : Lasts after := b.perform hp
        split at hn
        · cases hn; exact (a.setCode _ _).stack _
        · split at hn
          · cases hn; exact (a.setCode _ _).stack _
          · cases hn; exact a

end Lasts

end M

end Shepherd
