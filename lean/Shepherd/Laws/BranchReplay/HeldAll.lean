import Shepherd.Laws.BranchReplay.HeldReach
import Shepherd.Laws.Support.SeenReach

/-!
# Who waits for whom, in every tree
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B O : Prop} {m : M}

/-! ## At a stop -/

theorem owner_answerAsked (id : Id) (answer : Value) (change : Change) (by' : By) (x : Id) :
    ((m.answerAsked id answer change by').run x).owner = (m.run x).owner := owner_record _ _ _ _ _

theorem held_deliver (w : Wf m B) (td : Tied m) (h : Held m) {z : Id} {rest : List Id} (top : m.stack = z :: rest) {q : Question}
    (hq : m.shown z = some q) (answer : Value) (change : Change) (by' : By) : Held (m.deliver z q answer change by') := by
  have line := h.line
  rw [top] at line
  have i := has_of_shown w.codes hq
  have iz : m.has z = true := by
    refine has_of_code fun e => ?_
    unfold M.shown at hq
    rw [e] at hq
    cases hq
  have pl := plain_deliver w z i.1 answer change by'
  have e := pl.extends w
  have mi : Mild False z m (m.deliver z q answer change by') := (Mild.refl m).deliver _ _ _ _ _
  have other : Mild False (.made z 0) m (m.deliver z q answer change by') := (Mild.refl m).deliver _ _ _ _ _
  have ne : z ≠ .made z 0 := fun e => by
    have := congrArg sizeOf e
    rw [Id.made.sizeOf_spec] at this
    omega
  have s := td.shown hq
  refine ⟨mi.root h.root fun h => h.elim, ?_, mi.watch w td h.watch line (fun h => h.elim) e (pl.wf w).indexed
    (WatchOk.keep w td.forest e (pl.wf w).indexed mi line (fun h => h.elim) (other.code z ne iz) (h.watch z)) fun x hx _ =>
      pl.absent w hx⟩
  rw [mi.stack, top]
  refine line.keep td (fun p hp => (mi.owner z p hp).elim (fun h => h.1.elim) .inr) fun a ha => ?_
  refine Retold.run_deliver_ne answer change by' fun hm => ha ?_
  cases List.mem_cons.mp hm with
  | inl e => rw [e]; exact s.2 z List.mem_cons_self
  | inr e =>
    cases List.mem_cons.mp e with
    | inl e => rw [e]; exact .refl z
    | inr e => exact (List.pairwise_cons.mp s.1).1 a e

theorem held_toOwner (w : Wf m) (td : Tied m) (h : Held m) {z owner : Id} {rest : List Id} (top : m.stack = z :: owner :: rest)
    (ne : owner ≠ .world) : Held (m.toOwner owner z rest) := by
  have pl := plain_toOwner w ne z rest
  have wn := (pl.wf w).indexed
  have ext := pl.extends w
  revert pl wn ext
  unfold M.toOwner
  split
  · next r wt hc =>
    intro pl wn ext
    have line := h.line
    rw [top] at line
    have below := line.below
    have io : M.has ({ m with stack := owner :: rest } : M) owner = true :=
      has_of_code (m := { m with stack := owner :: rest }) (id := owner) (by
        show (m.run owner).code ≠ _
        rw [hc]; exact nofun)
    have apart : owner ≠ z := fun e => ((below owner List.mem_cons_self).ne td.forest) e.symm
    have td' : Tied ({ m with stack := owner :: rest } : M) := by
      have st := td.stack
      rw [top] at st
      exact (Deeds.stack (T := fun _ => True) (F := fun _ => True) _ .refl (List.pairwise_cons.mp st).2).tied td
    have w' : Wf ({ m with stack := owner :: rest } : M) := (Plain.wf (.stack _ .refl) w)
    have line' : M.Line { m with stack := owner :: rest } (z :: owner :: rest) := Line.alike (m := m) (n := { m with stack := owner :: rest }) rfl line
    have watch' : ∀ x, M.WatchOk { m with stack := owner :: rest } x := fun x =>
      WatchOk.alike (m := m) (n := { m with stack := owner :: rest }) rfl (h.watch x)
    have told : ∀ n : M, Mild False z { m with stack := owner :: rest } n →
        (∀ x, x ≠ owner → (n.run x).code = (m.run x).code) → (∀ x, (n.run x).owner = (m.run x).owner) →
        Plain m n → (∀ id, Trace.Indexed (n.run id).trace) → Extends m n → Held n := by
      intro n mi code own pl wn ext
      have ext' : Extends { m with stack := owner :: rest } n := ⟨ext.program, ext.contents, ext.has, ext.made, ext.new⟩
      refine ⟨(own .root).trans h.root, ?_, mi.watch w' td' watch' line' (fun h => h.elim) ext' wn
        (WatchOk.keep w' td'.forest ext' wn mi line' (fun h => h.elim) ?_ (watch' z)) fun x hx _ => pl.absent w hx⟩
      · rw [mi.stack]
        refine line.2.2.same (owner :: rest) (fun a _ => own a) fun a ha => code a fun e => ?_
        have b := Line.below line.2.2 a ha
        exact (b.ne td.forest) e.symm
      · rw [code z apart.symm]; exact .same _
    have reply : ∀ (X : M) answer, Mild False z { m with stack := owner :: rest } X →
        (∀ x, x ≠ owner → (X.run x).code = (m.run x).code) → (∀ x, (X.run x).owner = (m.run x).owner) →
        Plain m (X.reply owner wt answer) → (∀ id, Trace.Indexed ((X.reply owner wt answer).run id).trace) →
        Extends m (X.reply owner wt answer) → Held (X.reply owner wt answer) := fun X answer mi code own pl wn ext =>
      told _ (mi.record (.inr (.inr (calmer_resume _ _ _))))
        (fun x nx => by rw [reply_eq, run_record_ne _ _ _ nx.symm]; exact code x nx)
        (fun x => (owner_record _ _ _ _ _).trans (own x)) pl wn ext
    have none : ∀ answer, Plain m (({ m with stack := owner :: rest } : M).reply owner wt answer) →
        (∀ id, Trace.Indexed ((({ m with stack := owner :: rest } : M).reply owner wt answer).run id).trace) →
        Extends m (({ m with stack := owner :: rest } : M).reply owner wt answer) →
        Held (({ m with stack := owner :: rest } : M).reply owner wt answer) := fun answer =>
      reply _ answer (.refl _) (fun _ _ => rfl) fun _ => rfl
    have some : ∀ hs answer, Plain m ((({ m with stack := owner :: rest } : M).setHandles owner hs).reply owner wt answer) →
        (∀ id, Trace.Indexed (((({ m with stack := owner :: rest } : M).setHandles owner hs).reply owner wt answer).run id).trace) →
        Extends m ((({ m with stack := owner :: rest } : M).setHandles owner hs).reply owner wt answer) →
        Held ((({ m with stack := owner :: rest } : M).setHandles owner hs).reply owner wt answer) := fun hs answer =>
      reply _ answer ((Mild.refl _).setHandles io) (fun x nx => by rw [run_setHandles_ne _ _ nx.symm]; rfl) fun x => by
        rw [run_setHandles]; split
        · next e => subst e; rfl
        · rfl
    revert pl wn ext
    simp only
    unfold M.stopValue
    split
    · exact some _ _
    · exact none _
    · exact none _
    · split
      · exact none _
      · exact some _ _
  · exact fun _ _ _ => h

theorem held_atStop {n : M} (w : Wf m) (td : Tied m) (h : Held m) {z : Id} {rest : List Id} (top : m.stack = z :: rest)
    (p : m.atStop z rest = some n) : Held n := by
  have file : ∀ {n : M}, (match m.shown z with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile z q) else none
      | none => none) = some n → Held n := fun p => by
    split at p
    · next q hq =>
      split at p
      · cases p
        unfold M.answerFile
        simp only
        split
        · next s _ _ _ _ _ =>
          have w' : Wf ({ m with written := (gitBlobHash s, s) :: m.written } : M) := Plain.wf (.written _ .refl) w
          have h' : Held ({ m with written := (gitBlobHash s, s) :: m.written } : M) :=
            ⟨h.root, Line.alike (m := m) (n := { m with written := (gitBlobHash s, s) :: m.written }) rfl h.line, fun x =>
              WatchOk.alike (m := m) (n := { m with written := (gitBlobHash s, s) :: m.written }) rfl (h.watch x)⟩
          have t' : Tied ({ m with written := (gitBlobHash s, s) :: m.written } : M) :=
            (Deeds.written (T := fun _ => True) (F := fun _ => True) _ .refl).tied td
          exact held_deliver w' t' h' top hq _ _ _
        · exact held_deliver w td h top hq _ _ _
      · cases p
    · cases p
  unfold M.atStop at p
  split at p
  · split at p
    · next ne => cases p; exact held_toOwner w td h top ne
    · exact file p
  · exact file p

/-! ## Taking back -/

theorem held_undoStep {n : M} (s : Sound m) (seen : Seen m) (h : Held m) {z : Id} {rest : List Id} (top : m.stack = z :: rest)
    {u : Undoing} {o : Settled} (hc : (m.run z).code = .undoing u o) (p : m.undoStep z u o = some n) :
    Held n ∧ n.stack = m.stack := by
  have w : Wf m True := s.wf.weaken
  have td := s.bound.tied
  have ck := w.codes z
  rw [hc] at ck
  have ct := td.codes z
  rw [hc] at ct
  have line := h.line
  rw [top] at line
  have pl := plain_undoStep w (fun _ => trivial) hc p
  have same : ∀ a, ¬ Over z a → n.run a = m.run a := by
    have d := deeds_undoStep (T := Over z) (F := m.Stamped) td s.granted.named w s.bound.tabled (fun _ h => h) (fun _ h => h) hc p
    exact fun a ha => d.run ha
  unfold M.undoStep at p
  split at p
  · cases p
  · split at p
    · next d ds hd =>
      cases p
      have mi : Mild False z m ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).setCode z
          (.undoing { u with raised := true } o)) := ((Mild.refl m).recordCode (.inr (.inr (.same _)))).setCode (.inl rfl)
      refine ⟨⟨mi.root h.root fun h => h.elim, ?_, mi.watch w td h.watch line (fun h => h.elim) (pl.extends w) (pl.wf w).indexed
        (WatchOk.keep w td.forest (pl.extends w) (pl.wf w).indexed mi line (fun h => h.elim) ?_ (h.watch z)) fun x hx _ =>
          pl.absent w hx⟩, mi.stack⟩
      · rw [mi.stack, top]
        exact line.keep td (fun p hp => (mi.owner z p hp).elim (fun h => h.1.elim) .inr) same
      · rw [run_setCode_same, hc]
        exact .next rfl rfl fun _ h => h
    · have full : ∀ k c, u.to = some k → (m.run u.run).trace.nth k = some c → ∀ x ∈ m.heads u.run c, x.trace ≠ [] := by
        intro k c _ hk x hx e
        have hcm := Trace.nth_mem hk
        unfold M.heads at hx
        obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
        have e : (m.run y.id).trace.upTo (y.length - 1) = [] := e
        rw [seen.upTo w.indexed hcm hy] at e
        obtain ⟨pos, len⟩ := seen.length u.run c hcm y hy
        rw [e] at len
        have : (0 : Nat) = y.length := len
        omega
      obtain ⟨root, watch⟩ := restore_watch w td s.granted.named h top hc full
      have stack := m.stack_restore u.run u.to
      have plq := plain_restore (B := True) w ck.2.1 ck.1 ck.2.2.2
      have wq := plq.wf w
      have eq := plq.extends w
      have rz : (m.restore u.run u.to).run z = m.run z := by
        have d := deeds_restore (T := Over u.run) (F := m.Stamped) td s.granted.named (fun _ h => h) w s.bound.tabled
          (fun _ h => h) ck.2.1 ck.2.2.2
        exact d.run ct.1.acyclic
      simp only at p
      revert p
      generalize m.restore u.run u.to = q at root watch stack plq wq eq rz ⊢
      intro p
      have fin : ∀ s, (∀ wt, s ≠ .waiting wt) → (n.run z).code = .settled s → (∀ x, x ≠ z → n.run x = q.run x) →
          (n.run z).owner = (q.run z).owner → (q.run z).trace <:+ (n.run z).trace → n.stack = q.stack → Held n ∧ n.stack = m.stack := by
        intro s hs hz ho hw ht hst
        have owner : ∀ x, (n.run x).owner = (q.run x).owner := fun x => by
          by_cases e : x = z
          · subst e; exact hw
          · rw [ho x e]
        refine ⟨⟨(owner .root).trans root, ?_, fun x => ?_⟩, hst.trans stack⟩
        · rw [hst, stack, top]
          refine line.keep td (fun p hp => .inr ?_) same
          rw [hw, rz]; exact hp
        · by_cases e : x = z
          · subst e; exact .of_settled hz
          · refine WatchOk.calm (m := q) (fun y => ?_) (pl.wf w).indexed owner (fun y => ?_) (fun v o' hv => ?_) (watch x e)
            · by_cases ey : y = z
              · subst ey; exact ht
              · rw [ho y ey]; exact List.suffix_refl _
            · by_cases ey : y = z
              · subst ey; rw [hz]; exact .rest hs
              · rw [ho y ey]; exact .same _
            · have cx := wq.codes x
              rw [hv] at cx
              exact fun k hk => (cx.2.2.2 k hk).imp fun _ h => h.1
      split at p
      · next wt =>
        cases p
        exact fin (wt.told (.ok u.report)) (fun _ => nofun) (by rw [reply_eq, run_record_same]; rfl)
          (fun x nx => by rw [reply_eq, run_record_ne _ _ _ nx.symm]) (owner_record _ _ _ _ _)
          (by rw [reply_eq, trace_record_same]; exact List.suffix_cons _ _) rfl
      · next nw =>
        cases p
        exact fin o nw (by rw [run_setCode_same]) (fun x nx => by rw [run_setCode_ne _ _ nx.symm])
          (by rw [run_setCode_same]) (by rw [run_setCode_same]; exact List.suffix_refl _) rfl

end M

end Shepherd
