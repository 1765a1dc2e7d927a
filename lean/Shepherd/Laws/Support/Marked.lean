import Shepherd.Laws.Support.Marks

/-!
# Every run has recorded something, and every copy that it is one
-/

namespace Shepherd

namespace M

/-- The run has a trace, the last commit of which it has recorded itself; and where it is a copy, its trace says so, and of which
commit. -/
def Marked (m : M) (y : Id) : Prop :=
  (m.run y).trace ≠ [] ∧ (∀ f x, y = .copy f x → ∃ d k t, d :: k :: t <:+ (m.run y).trace ∧ Forking d y x k) ∧
    ∀ c t, (m.run y).trace = c :: t → c.run = y

/-- All runs but the outermost owner. -/
def AllMarked (m : M) : Prop := ∀ y, m.has y = true → y ≠ .world → Marked m y

/-- The runs that are new have a trace, and copies are marked. -/
def New (m n : M) : Prop := ∀ y, n.has y = true → m.has y = true ∨ Marked n y

theorem Marked.grows {m n : M} {y : Id} (s : ∃ cs, (n.run y).trace = cs ++ (m.run y).trace ∧ ∀ c ∈ cs, c.run = y)
    (h : Marked m y) : Marked n y := by
  obtain ⟨cs, e, own⟩ := s
  refine ⟨fun e' => h.1 ?_, fun f x hy => ?_, fun c t hc => ?_⟩
  · rw [e'] at e; exact (List.append_eq_nil_iff.mp e.symm).2
  · obtain ⟨d, k, t, hs, hf⟩ := h.2.1 f x hy
    exact ⟨d, k, t, hs.trans ⟨cs, e.symm⟩, hf⟩
  · rw [hc] at e
    cases cs with
    | nil => exact h.2.2 c t e.symm
    | cons d cs => cases e; exact own c List.mem_cons_self

theorem AllMarked.extends {m n : M} (a : AllMarked m) (e : Extends m n) (h : New m n) : AllMarked n := fun y i ne => by
  refine (h y i).elim (fun i => (a y i ne).grows ?_) fun h => h
  obtain ⟨cs, _, _, ht⟩ := e.new
  exact ⟨_, ht y i, fun c hc => beq_iff_eq.mp (List.mem_filter.mp hc).2⟩

variable {B : Prop}

theorem Plain.new {m n : M} (e : Plain m n B) (w : Wf m B) : New m n := fun y i =>
  .inl (((Edits.kept (S := .step (fun _ => False) B) w (fun _ h => h.elim) e).born y i).resolve_right id)

theorem has_answerRun {m : M} {asker : Id} {wt : Waiting} {id y : Id} (i : m.has asker = true) :
    (m.answerRun asker wt id).has y = m.has y := by
  unfold answerRun
  simp only [reply_eq]
  rw [has_record]
  show (asker == y || Runs.has (Runs.put _ _) y) = _
  rw [Runs.has_put]
  simp only [run_id]
  by_cases e : asker = y
  · rw [← e, beq_self_eq_true, Bool.true_or]; exact i.symm
  · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or, Bool.false_or]; rfl

theorem new_spawn {m : M} (w : Wf m B) {asker : Id} (i : m.has asker = true) (hb : asker = .world → B) (wt : Waiting) :
    New m (m.spawn asker wt) := by
  have fin : ∀ X : M, (∀ y, X.has y = true → m.has y = true ∨ y = .made asker (m.run asker).made) → X.has asker = true → ∀ ev c,
      New m ((X.recordCode (.made asker (m.run asker).made) ev c).answerRun asker wt (.made asker (m.run asker).made)) := by
    intro X hX ia ev c y hy
    have ne : asker ≠ .made asker (m.run asker).made := fun e => by
      have := not_has_made w asker
      rw [← e, i] at this; cases this
    rw [has_answerRun (by rw [recordCode_eq, has_record, ia, Bool.or_true]), recordCode_eq, has_record, Bool.or_eq_true] at hy
    have new : y = .made asker (m.run asker).made → m.has y = true ∨ Marked ((X.recordCode (.made asker (m.run asker).made) ev
        c).answerRun asker wt (.made asker (m.run asker).made)) y := by
      rintro rfl
      have e : ((X.recordCode (.made asker (m.run asker).made) ev c).answerRun asker wt (.made asker (m.run asker).made)).run
          (.made asker (m.run asker).made) = (X.record (.made asker (m.run asker).made) ev
            { X.state (.made asker (m.run asker).made) with code := c }).run (.made asker (m.run asker).made) := run_answerRun ne
      refine .inr ⟨?_, fun f x e => (nomatch e), fun d t hd => ?_⟩
      · rw [e, trace_record_same]; exact nofun
      · rw [e, trace_record_same] at hd; cases hd; rfl
    rcases hy with hy | hy
    · exact new (beq_iff_eq.mp hy).symm
    · exact (hX y hy).elim .inl new
  have reply : ∀ v, New m (m.reply asker wt v) := fun v => (plain_reply ⟨i, hb⟩ wt v).new w
  unfold M.spawn
  split
  · split
    · exact reply _
    · split
      · exact reply _
      · simp only
        refine fin _ (fun y => ?_) ?_ _ _
        · refine foldl_keeps (P := fun n => n.has y = true → m.has y = true ∨ y = .made asker (m.run asker).made) (fun h => ?_)
            fun n x _ ih => ?_
          · rw [has_put, Bool.or_eq_true] at h
            exact h.elim (fun h => .inr (beq_iff_eq.mp h).symm) .inl
          · unfold lend
            split
            · next ho =>
              intro h
              rw [has_own, Bool.or_eq_true] at h
              rcases h with h | h
              · exact ih (beq_iff_eq.mp h ▸ has_of_owns ho)
              · exact ih h
            · exact ih
        · refine foldl_keeps (P := fun n => n.has asker = true) (Runs.has_put_of_has _ i) fun n x _ ih => ?_
          unfold lend
          split
          · rw [has_own, ih, Bool.or_true]
          · exact ih
  · exact reply _

theorem new_fork {m : M} (td : Tied m) (nm : Named m) (w : Wf m B) {asker : Id} (i : m.has asker = true) (hb : asker = .world → B)
    (wt : Waiting) : New m (m.fork asker wt) := by
  have reply : ∀ v, New m (m.reply asker wt v) := fun v => (plain_reply ⟨i, hb⟩ wt v).new w
  unfold M.fork
  split
  · split
    · exact reply _
    · next id ho =>
      simp only
      split
      · exact reply _
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have hcm : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
        intro y hy
        have ia : (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker).has asker = true := by
          cases e : (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker).has asker with
          | true => rfl
          | false =>
            rw [copyTree_eq] at e
            have : ∀ n : M, n.has asker = true → ∀ (l : List Then),
                (l.foldl (markCopy id (.made asker (m.run asker).made)) n).has asker = true := by
              intro n hn l
              refine foldl_keeps (P := fun n => n.has asker = true) hn fun n x _ ih => ?_
              unfold markCopy
              split
              · exact ih
              · rw [recordCode_eq, has_record, ih, Bool.or_true]
            rw [this _ (foldl_keeps (P := fun n => n.has asker = true) i fun n x _ ih => has_copyOne _ _ _ _ _ _ _ _ _ (.inl ih))] at e
            cases e
        rw [has_answerRun ia] at hy
        rcases of_has_copyTree hy with h | ⟨x, hx, ne, rfl⟩
        · exact .inl h
        · cases hk : x.trace with
          | nil => exact absurd hk ne
          | cons k u =>
            have j := (run_copyTree_copy (fork := .made asker (m.run asker).made) td nm hcm hx hk).1
            obtain ⟨d, hd, hf⟩ := j.trace
            have ne : asker ≠ .copy (.made asker (m.run asker).made) x.id := fun e => by
              have := not_has_copy w asker x.id
              rw [← e, i] at this; cases this
            refine .inr ⟨?_, fun f x' e => ?_, fun d' t' e => ?_⟩
            · rw [run_answerRun ne, hd]; exact nofun
            · cases e
              refine ⟨d, k, u, ?_, hf⟩
              rw [run_answerRun ne, hd]
              exact List.suffix_refl _
            · rw [run_answerRun ne, hd] at e
              cases e
              exact hf.run
  · exact reply _

theorem new_perform {m n : M} (td : Tied m) (nm : Named m) (w : Wf m B) {asker : Id} (i : Asker B m asker) {wt : Waiting}
    (p : m.perform asker wt = some n) : New m n := by
  unfold perform at p
  split at p
  · cases p; exact (plain_take i wt).new w
  · cases p; exact (plain_answerOp w i wt).new w
  · cases p; exact (plain_denyOp w i wt).new w
  · cases p; exact (plain_discardOp w i wt).new w
  · cases p; exact new_fork td nm w i.1 i.2 wt
  · cases p; exact (plain_inject w i wt).new w
  · cases p; exact (plain_merge i wt).new w
  · cases p; exact (plain_next i wt).new w
  · cases p; exact (plain_pass w i wt).new w
  · exact (plain_pick i p).new w
  · cases p; exact (plain_revert w i wt).new w
  · cases p; exact new_spawn w i.1 i.2 wt
  · cases p; exact (plain_traceOp w i wt).new w
  · cases p; exact (plain_reply i wt _).new w

theorem new_step {m n : M} (s : Sound m) (h : m.step = some n) : New m n := by
  have w := s.wf
  have calm := w.calm.resolve_left id
  unfold step at h
  split at h
  · cases h
  · next id rest _ =>
    split at h
    · next hc =>
      cases h
      refine (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) (fun e => ?_) _ _ _ _).new w
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at h
      · refine new_perform s.bound.tied s.granted.named w ⟨has_of_code (by rw [hc]; exact nofun), fun e => ?_⟩ h
        rw [← e, hc] at calm; exact calm
      · exact (plain_atStop w h).new w
    · next hc =>
      split at h
      · next hu =>
        cases h
        have wt : Wf m True := w.weaken
        have e := plain_undoStep wt (fun _ => trivial) hc hu
        exact (e.trans (plain_afterWorld (e.has wt wt.world) id)).new wt
      · exact (plain_atStop w h).new w
    · exact (plain_atStop w h).new w

theorem allMarked_worldAsks {m n : M} (s : Sound m) (a : AllMarked m) {op : String} {args : List Value}
    (h : m.worldAsks op args = some n) : AllMarked n := by
  have e := (follows_worldAsks s.wf h).1.2
  refine a.extends e fun y i => ?_
  unfold worldAsks at h
  split at h
  · cases h
  · split at h
    · cases h
    · simp only at h
      split at h
      · cases h
      · next after hp =>
        have k := asks_kept s.wf op args
        have w₁ : Wf _ True := k.wf s.wf fun _ h => h.elim
        have d₁ : Deeds (fun _ => True) m.Stamped m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial s.wf.world trivial fun _ h => .inl h
        have nm₁ : Named ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          (((Narrow.refl s.granted.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            s.wf.world _ _).named
        have new := new_perform (d₁.tied s.bound.tied) nm₁ w₁ ⟨k.world, fun _ => trivial⟩ hp y
        have old : (({ m with stack := [.world] } : M).recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))).has y = true → m.has y = true := fun h => by
          rw [recordCode_eq, has_record, Bool.or_eq_true] at h
          rcases h with h | h
          · rw [← beq_iff_eq.mp h]; exact s.wf.world
          · exact h
        have iw : after.has .world = true := ((grows_perform w₁ ⟨k.world, fun _ => trivial⟩ hp).extends w₁).has _ k.world
        have back : ∀ stack, n = { after.setCode .world (m.run .world).code with stack } → m.has y = true ∨ Marked n y := by
          rintro stack rfl
          have i : (after.setCode .world (m.run .world).code).has y = true := i
          rw [has_setCode, Bool.or_eq_true] at i
          have i : after.has y = true := i.elim (fun h => beq_iff_eq.mp h ▸ iw) fun h => h
          exact (new i).imp old fun h => h.grows ⟨[], trace_setCode _ _ _ _, fun _ h => absurd h List.not_mem_nil⟩
        split at h
        · cases h; exact back _ rfl
        · split at h
          · cases h; exact back _ rfl
          · cases h; exact (new i).imp old fun h => h

theorem allMarked_forkRoot {m n : M} (s : Sound m) (a : AllMarked m) (h : m.forkRoot = some n) : AllMarked n := by
  have e := (follows_forkRoot s.wf h).2
  refine a.extends e fun y i => .inl ?_
  obtain ⟨c, t, ht, rfl⟩ := forkRoot_eq h
  have hr : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
  have root := (follows_asForked s.wf c).2.has _ hr
  have fid : ∀ r, (m.asForked c r).id = r.id := fun r => by
    unfold asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  refine foldl_keeps (m := { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used })
    (P := fun n => n.has y = true → m.has y = true)
    (fun h => (has_map fid m.runs y).symm.trans (show Runs.has (m.runs.map (m.asForked c)) y = true from h)) (fun n x hx ih h => ?_) i
  unfold markFork at h
  rw [recordCode_eq, has_record, Bool.or_eq_true] at h
  rcases h with h | h
  · have hx := has_of_mem_family root hx
    rw [beq_iff_eq.mp h] at hx
    exact (has_map fid m.runs y).symm.trans (show Runs.has (m.runs.map (m.asForked c)) y = true from hx)
  · exact ih h

theorem allMarked_start (i : Init) : AllMarked i.start := by
  intro y iy ne
  have e : y = .root := by
    unfold Init.start M.start at iy
    simp only at iy
    rw [recordCode_eq, has_record, Bool.or_eq_true] at iy
    rcases iy with h | h
    · exact (beq_iff_eq.mp h).symm
    · obtain ⟨x, hx, rfl⟩ := (Runs.has_iff _ _).mp h
      cases List.mem_cons.mp hx with
      | inl h => rw [h] at ne; exact absurd rfl ne
      | inr h => rw [List.mem_singleton.mp h]
  subst e
  unfold Init.start M.start
  simp only
  refine ⟨?_, fun f x e => (nomatch e), fun c t hc => ?_⟩
  · rw [recordCode_eq, trace_record_same]; exact nofun
  · rw [recordCode_eq, trace_record_same] at hc; cases hc; rfl

/-- In every tree that can be reached, every run has recorded something, and every copy that it is one. -/
theorem After.allMarked {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : AllMarked m := by
  induction h with
  | refl => exact allMarked_start i
  | step k s ih => exact ih.extends (follows_step k.sound.wf s).2 (new_step k.sound s)
  | answer k s ih =>
    have w := k.sound.wf
    refine ih.extends (follows_outer w s).2 ?_
    unfold outer at s
    split at s
    · cases s
    · exact (plain_answer w s).new w
  | world op args k s ih => exact allMarked_worldAsks k.sound ih s
  | fork k s ih => exact allMarked_forkRoot k.sound ih s

end M

end Shepherd
