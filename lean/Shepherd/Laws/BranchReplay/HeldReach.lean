import Shepherd.Laws.BranchReplay.HeldEverything
import Shepherd.Laws.BranchReplay.Everything

/-!
# Who waits for whom, step by step
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B O : Prop} {m : M}

theorem Acted.localMove (wf : Wf m B) (td : Tied m) (q : AllAsked m) {z : Id} (i : m.has z = true) (c : Comp) (ρ : Env) (K : Stack)
    (k : Nat) : Acted True z m (m.localMove z c ρ K k) := by
  have fault : ∀ f, Acted True z m (m.fault z f) := fun f => Acted.finish wf td q _ _ _ _ i
  unfold M.localMove
  split
  · exact fault _
  · split
    · exact ⟨(Mild.refl m).setCode (.inl rfl), .of_settled (by rw [run_setCode_same])⟩
    · exact Acted.finish wf td q _ _ _ _ i
    · exact fault _
    · next op args K' _ =>
      unfold M.ask
      simp only
      split
      · have k : Mild True z m { m with used := charge m.used (m.run z).grant op args } :=
          (Mild.refl m).same (fun _ => rfl) (fun _ _ => rfl) (fun _ => rfl) rfl (fun _ => rfl) fun _ => rfl
        exact ⟨k.recordCode (.inl rfl), .of_settled (by rw [run_recordCode_same])⟩
      · exact ⟨(Mild.refl m).recordCode (.inl rfl), .of_settled (s := _) (by rw [run_recordCode_same]; rfl)⟩

theorem plain_perform {n : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) {wt : Waiting} (spawn : wt.op ≠ "run.spawn")
    (fork : wt.op ≠ "run.fork") (h : m.perform asker wt = some n) : Plain m n B := by
  unfold M.perform at h
  split at h
  · cases h; exact plain_take i wt
  · cases h; exact plain_answerOp w i wt
  · cases h; exact plain_denyOp w i wt
  · cases h; exact plain_discardOp w i wt
  · next e => exact absurd e fork
  · cases h; exact plain_inject w i wt
  · cases h; exact plain_merge i wt
  · cases h; exact plain_next i wt
  · cases h; exact plain_pass w i wt
  · exact plain_pick i h
  · cases h; exact plain_revert w i wt
  · next e => exact absurd e spawn
  · cases h; exact plain_traceOp w i wt
  · cases h; exact plain_reply i wt _

theorem Plain.absent {n : M} (w : Wf m B) (e : Plain m n B) {x : Id} (i : m.has x = false) : n.WatchOk x := by
  refine .absent ?_
  cases h : n.has x with
  | false => rfl
  | true => rw [plain_born w e h] at i; cases i

/-- Only the stack, the counts and the texts written are others. -/
theorem WatchOk.alike {n : M} (h : n.runs = m.runs) {x : Id} (w : m.WatchOk x) : n.WatchOk x := by
  have run : ∀ y, n.run y = m.run y := fun y => by unfold M.run; rw [h]
  have below : ∀ {d y}, m.Below d y → n.Below d y := fun b => Below.of_owner (fun j p e => by rw [run]; exact e) b
  refine ⟨fun chain op args wt e => ?_, fun u o e => ?_⟩
  · rw [run] at e
    have := w.pass chain op args wt e
    exact ⟨below this.1, by rw [run]; exact this.2⟩
  · rw [run] at e
    have := w.undo u o e
    refine ⟨by rw [run]; exact this.1, fun d hd => ?_⟩
    have hd : m.Stake u d := by
      rcases hd with hd | hd | ⟨k, c, h1, h2, h3⟩
      · exact .inl hd
      · exact .inr (.inl hd)
      · rw [run] at h2; exact .inr (.inr ⟨k, c, h1, h2, h3⟩)
    have := this.2 d hd
    exact ⟨this.1.imp_right below, by rw [run]; exact this.2⟩

theorem Line.alike {n : M} (h : n.runs = m.runs) {l : List Id} (w : m.Line l) : n.Line l := by
  have run : ∀ y, n.run y = m.run y := fun y => by unfold M.run; rw [h]
  exact w.same l (fun a _ => by rw [run]) fun a _ => by rw [run]

/-- `run.next`. -/
theorem held_next (s : Sound m) (h : Held m) {z : Id} {rest : List Id} (top : m.stack = z :: rest) {wt : Waiting}
    (hc : (m.run z).code = .settled (.waiting wt)) (nw : z ≠ .world)
    (reply : ∀ answer, Held (m.reply z wt answer)) : Held (m.next z wt) := by
  have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.next
  split
  · split
    · exact reply _
    · next id ho =>
      have own : (m.run id).owner = some z := beq_iff_eq.mp (owns_of_owned ho)
      have mi : Mild False z m (m.setCode z (.driving id wt)) := (Mild.refl m).setCode (.inl rfl)
      have e : Plain m (m.setCode z (.driving id wt)) True := plain_setCode i _ trivial fun _ => .inr trivial
      have w : Wf m True := s.wf.weaken
      have driving : ((m.setCode z (.driving id wt)).run z).code = .driving id wt := by rw [run_setCode_same]
      have held : Held (m.setCode z (.driving id wt)) := by
        refine h.acted w s.bound.tied top hc mi (.of_driving driving) (fun h => h.elim) (e.extends w) (e.wf w).indexed
          (fun a ha => run_setCode_ne _ _ fun e => ha (e ▸ .refl z)) fun x hx _ => e.absent w hx
      refine ⟨held.root, ?_, fun x =>
        WatchOk.alike (m := m.setCode z (.driving id wt))
          (n := { m.setCode z (.driving id wt) with stack := id :: m.stack }) rfl (held.watch x)⟩
      show M.Line _ (id :: m.stack)
      have line : ({ m.setCode z (.driving id wt) with stack := id :: m.stack } : M).Line m.stack :=
        Line.alike (n := { m.setCode z (.driving id wt) with stack := id :: m.stack }) (m := m.setCode z (.driving id wt)) rfl (by have := held.line; rw [mi.stack] at this; exact this)
      rw [top] at line ⊢
      refine ⟨?_, ⟨id, wt, driving⟩, line⟩
      exact (mi.owner id z own).resolve_left fun h => h.1
  · exact reply _

/-- `run.fork`. -/
theorem fork_acted (s : Sound m) {z : Id} {wt : Waiting} (hc : (m.run z).code = .settled (.waiting wt))
    (idx : ∀ id, Trace.Indexed ((m.fork z wt).run id).trace) :
    Mild True z m (m.fork z wt) ∧ (m.fork z wt).WatchOk z ∧ ∀ x, m.has x = false → x ≠ z → (m.fork z wt).WatchOk x := by
  have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
  have rep : ∀ answer, Mild True z m (m.reply z wt answer) ∧ (m.reply z wt answer).WatchOk z ∧
      ∀ x, m.has x = false → x ≠ z → (m.reply z wt answer).WatchOk x := fun answer => by
    have a : Acted True z m (m.reply z wt answer) := .reply (.refl m) _ _
    have e : Plain m (m.reply z wt answer) True := plain_reply ⟨i, fun _ => trivial⟩ _ _
    exact ⟨a.mild, a.ok, fun x hx _ => e.absent s.wf.weaken hx⟩
  revert idx
  unfold M.fork M.wrong
  split
  · split
    · exact fun _ => rep _
    · next id ho =>
      simp only
      split
      · exact fun _ => rep _
      · next c t ht =>
        intro idx
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht] at idx ⊢
        obtain ⟨h1, h2⟩ := fork_held s.wf s.bound.tied s.granted.named s.bound.tabled
          ⟨s.bound.tied, fun _ _ => trivial, i, hc⟩ (owns_of_owned ho) hs
        revert idx
        have code : ((m.copyTree id (c :: t) c (.made z (m.run z).made) z).run z).code = .settled (.waiting wt) := by
          rw [run_copyTree_busy s.wf _ _ _ i]; exact hc
        generalize m.copyTree id (c :: t) c (.made z (m.run z).made) z = q at h1 h2 code
        intro idx
        have k₂ : Mild True z m (q.put { q.run z with
            handles := (hold (q.run z).handles (.copy (.made z (m.run z).made) id)).1
            made := (q.run z).made + 1 }) := by
          refine h1.same (fun x => ?_) (fun x nx => ?_) (fun x => ?_) rfl (fun x => ?_) fun x => ?_
          · rw [run_put]; simp only [run_id]; split
            · next e => subst e; rfl
            · rfl
          · rw [run_put_ne _ (by simp only [run_id]; exact nx.symm)]
          · exact Runs.has_put_same (by simp only [run_id]; exact h1.has z i) x
          · rw [run_put]; simp only [run_id]; split
            · next e => subst e; rfl
            · rfl
          · rw [run_put]; simp only [run_id]; split
            · next e => subst e; rfl
            · rfl
        have r := Acted.reply k₂ wt (.ok (.run (hold (q.run z).handles (.copy (.made z (m.run z).made) id)).2))
        refine ⟨r.mild, r.ok, fun x hx nx => ?_⟩
        have same : ∀ y, z ≠ y → (q.answerRun z wt (.copy (.made z (m.run z).made) id)).run y = q.run y := fun y ny => run_answerRun ny
        have rz : ((q.answerRun z wt (.copy (.made z (m.run z).made) id)).run z).owner = (q.run z).owner ∧
            (q.run z).trace <:+ ((q.answerRun z wt (.copy (.made z (m.run z).made) id)).run z).trace ∧
            ((q.answerRun z wt (.copy (.made z (m.run z).made) id)).run z).code =
              resume (.ok (.run (hold (q.run z).handles (.copy (.made z (m.run z).made) id)).2)) wt.stack := by
          unfold M.answerRun
          simp only [reply_eq]
          rw [run_record_same, run_put, if_pos (by exact run_id q z)]
          exact ⟨rfl, List.suffix_cons _ _, rfl⟩
        obtain ⟨w, nu⟩ := h2 x hx
        refine WatchOk.calm (m := q) (fun y => ?_) idx (fun y => ?_) (fun y => ?_) (fun u o e => absurd e (nu u o)) w
        · by_cases e : z = y
          · subst e; exact rz.2.1
          · rw [same y e]; exact List.suffix_refl _
        · by_cases e : z = y
          · subst e; exact rz.1
          · rw [same y e]
        · by_cases e : z = y
          · subst e; rw [rz.2.2]; exact calmer_resume _ _ _
          · rw [same y e]; exact .same _
  · exact fun _ => rep _

theorem held_perform {n : M} (s : Sound m) (k : Retold World m) (h : Held m) {z : Id} {rest : List Id} (top : m.stack = z :: rest)
    {wt : Waiting} (hc : (m.run z).code = .settled (.waiting wt)) (nw : z ≠ .world) (p : m.perform z wt = some n) : Held n := by
  have w : Wf m True := s.wf.weaken
  have td := s.bound.tied
  have i : m.has z = true := has_of_code (by rw [hc]; exact nofun)
  have e : Extends m n := (grows_perform w ⟨i, fun _ => trivial⟩ p).extends w
  have wn : Wf n True := (grows_perform w ⟨i, fun _ => trivial⟩ p).wf w
  have same : ∀ a, ¬ Over z a → n.run a = m.run a := by
    obtain ⟨F, _, _, d⟩ := gives_perform (T := Over z) s.granted.named w s.bound.tabled ⟨td, fun _ h => h, i, hc⟩ ⟨rest, top⟩ p e.made
    exact fun a ha => d.run ha
  by_cases sp : wt.op = "run.spawn"
  · have hn : n = m.spawn z wt := by
      unfold M.perform at p
      rw [sp] at p
      exact (Option.some.inj p).symm
    obtain ⟨h1, h2, h3⟩ := spawn_held w (wt := wt) i
    subst hn
    exact h.acted w td top hc h1 h2 (fun _ => nw) e wn.indexed same fun x hx _ => h3 x hx
  · by_cases fk : wt.op = "run.fork"
    · have hn : n = m.fork z wt := by
        unfold M.perform at p
        rw [fk] at p
        exact (Option.some.inj p).symm
      subst hn
      obtain ⟨h1, h2, h3⟩ := fork_acted s hc wn.indexed
      exact h.acted w td top hc h1 h2 (fun _ => nw) e wn.indexed same h3
    · by_cases nx : wt.op = "run.next"
      · have hn : n = m.next z wt := by
          unfold M.perform at p
          rw [nx] at p
          exact (Option.some.inj p).symm
        subst hn
        refine held_next s h top hc nw fun answer => ?_
        have a : Acted False z m (m.reply z wt answer) := .reply (.refl m) _ _
        have e : Plain m (m.reply z wt answer) True := plain_reply ⟨i, fun _ => trivial⟩ _ _
        exact h.acted w td top hc a.mild a.ok (fun h => h.elim) (e.extends w) (e.wf w).indexed
          (fun a ha => by rw [reply_eq]; exact run_record_ne _ _ _ fun e => ha (e ▸ .refl z)) fun x hx _ => e.absent w hx
      · have a : Acted False z m n := Acted.perform w td (k.allAsked w) h.watch sp fk nx i p
        have pl := plain_perform w ⟨i, fun _ => trivial⟩ sp fk p
        exact h.acted w td top hc a.mild a.ok (fun h => h.elim) e wn.indexed same fun x hx _ => pl.absent w hx

end M

end Shepherd
