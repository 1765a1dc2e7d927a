import Shepherd.Laws.CompensationOrder.Raise
import Shepherd.Laws.CompensationOrder.Copies

/-!
# What was taken back is as it was
-/

namespace Shepherd

namespace Runs

/-- In the list of the runs below, those further down come first. -/
theorem under_order {rs : List Run} (f : Forest rs) (n : Nat) {siblings : List Id} (hn : siblings.Nodup)
    (apart : ∀ s ∈ siblings, ∀ t ∈ siblings, ¬ Below rs s t) : (under rs n siblings).Pairwise fun p q => ¬ Below rs q p := by
  induction n generalizing siblings with
  | zero => exact List.Pairwise.nil
  | succ n ih =>
    have below : ∀ k x, x ∈ under rs n (kids rs k) → Below rs x k := fun k x h => by
      rcases of_mem_under f.nodup h with h | ⟨s, hs, h⟩
      · exact .own ((mem_kids_iff f.nodup).mp h)
      · exact h.trans (.own ((mem_kids_iff f.nodup).mp hs))
    unfold under
    refine List.pairwise_flatMap.mpr ⟨fun k hk => ?_, ?_⟩
    · refine List.pairwise_append.mpr ⟨ih (nodup_kids f k) fun s hs t ht => kids_apart f hs ht, List.pairwise_singleton _ _,
        fun x hx y hy b => ?_⟩
      rw [List.mem_singleton.mp hy] at b
      exact absurd rfl ((b.trans (below k x hx)).ne f)
    · have rev : siblings.reverse.Nodup := List.pairwise_reverse.mpr (hn.imp fun h => h.symm)
      refine List.Pairwise.imp_of_mem ?_ rev
      intro k j hk hj ne x hx y hy b
      have hk := List.mem_reverse.mp hk
      have hj := List.mem_reverse.mp hj
      simp only [List.mem_append, List.mem_singleton] at hx hy
      have bk : Below rs y k := by
        rcases hx with hx | hx
        · exact b.trans (below k x hx)
        · exact hx ▸ b
      rcases hy with hy | hy
      · rcases bk.linear (below j y hy) with e | b' | b'
        · exact ne e
        · exact apart k hk j hj b'
        · exact apart j hj k hk b'
      · exact apart j hj k hk (hy ▸ bk)

end Runs

namespace Trace

theorem questionFrom_upTo (t : Trace) (k : Nat) : questionFrom (some k) t = question (t.upTo k) := by
  induction t with
  | nil => rfl
  | cons c t ih =>
    unfold upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = k
    · rw [e, bne_self_eq_false, if_neg Bool.false_ne_true]
      unfold question questionFrom
      simp only [Option.all_some, Option.all_none, e, beq_self_eq_true, if_true]
    · rw [bne_iff_ne.mpr e, if_pos rfl]
      rw [questionFrom]
      simp only [Option.all_some]
      rw [if_neg]
      · exact ih
      · intro h; exact e (beq_iff_eq.mp h).symm

theorem before_suffix {t : Trace} (s : t.Pairwise fun a b => b.seq < a.seq) (n : Nat) : before n t <:+ t := by
  induction t with
  | nil => exact List.suffix_refl _
  | cons c t ih =>
    have s := List.pairwise_cons.mp s
    by_cases h : c.seq < n
    · rw [M.before_all fun d hd => ?_]
      · exact List.suffix_refl _
      · rcases List.mem_cons.mp hd with rfl | hd
        · exact h
        · exact Nat.lt_trans (s.1 d hd) h
    · rw [M.before_cons_ge (Nat.le_of_not_lt h)]
      exact (ih s.2).trans (List.suffix_cons _ _)

theorem upTo_index {t : Trace} (i : Indexed t) {e : Commit} {s : Trace} (h : e :: s <:+ t) : t.upTo e.index = e :: s := by
  induction t with
  | nil => exact absurd (List.suffix_nil.mp h) nofun
  | cons c t ih =>
    unfold upTo
    rw [List.dropWhile_cons]
    rcases List.suffix_cons_iff.mp h with h | h
    · cases h
      rw [bne_self_eq_false, if_neg Bool.false_ne_true]
    · have := i.lt e (h.subset List.mem_cons_self)
      rw [bne_iff_ne.mpr (by omega), if_pos rfl]
      exact ih i.2 h

end Trace

namespace M

/-- What a run that was taken back is then; `n` is the tree. -/
structure Back (m n : M) (x : Id) : Prop where
  fine : Fine m.program x (n.run x).trace
  waits : Waits (n.run x).trace (n.run x).code
  undoing : ∀ u o, (n.run x).code ≠ .undoing u o
  passes : ∀ chain op args w, (n.run x).code = .passing chain op args w → n.Passes x chain op args

/-- A run that is put back to a commit of its own. -/
theorem back_rewind {R : Regions} {m n : M} {but : Option Id} (k : Unwinds R m but) {x : Id}
    (ix : Trace.Indexed (m.run x).trace) (tr : (n.run x).trace = (m.run x).trace) {e : Commit} {t : Trace}
    (he : e :: t <:+ (m.run x).trace) (lower : Bool) :
    Fine m.program x ((n.rewind x e lower).run x).trace ∧ Waits ((n.rewind x e lower).run x).trace ((n.rewind x e lower).run x).code ∧
      (∀ u o, ((n.rewind x e lower).run x).code ≠ .undoing u o) := by
  unfold rewind
  simp only
  rw [run_record_same]
  simp only
  rw [tr]
  generalize hcode : (if lower = true then n.takenUp x (n.handlesToday x e) e.code else Code.settled e.code) = code
  have settle : code.settle = e.code := by
    rw [← hcode]; split
    · exact settle_takenUp _ _ _ _
    · rfl
  generalize hc : n.commitOf x (.reverted e.index) { code, files := e.files, handles := n.handlesToday x e, inbox := e.inbox } = c
  have ce : c.event = .reverted e.index := by rw [← hc]; rfl
  have cc : c.code = code.settle := by rw [← hc]; rfl
  have no : c.event.NotUndo := by rw [ce]; exact fun _ _ _ => nofun
  have waits : ∀ w, e.code = .waiting w → ∃ q, Trace.question (c :: (m.run x).trace) = some q ∧ q.event = .intent w.op w.args :=
    fun w hw => by
      obtain ⟨q, hq, h⟩ := (k.fine x).waits e t he w hw
      refine ⟨q, ?_, h⟩
      rw [Trace.question_cons, ce]
      simp only
      rw [Trace.questionFrom_upTo, Trace.upTo_index ix he]; exact hq
  refine ⟨(k.fine x).other no fun w hw => waits w (by rw [← settle, ← cc]; exact hw), fun w hw => waits w (settle ▸ hw), fun u o h => ?_⟩
  rw [← hcode] at h
  split at h
  · exact takenUp_not_undoing _ _ _ _ _ _ h
  · cases h

/-- A run that is discarded. -/
theorem back_discard {R : Regions} {m n : M} {but : Option Id} (k : Unwinds R m but) {x : Id}
    (tr : (n.run x).trace = (m.run x).trace) : Back m (n.discard x) x := by
  have code := code_discard n x
  unfold discard at code ⊢
  split
  · next hd =>
    exact ⟨by (rw [tr]; exact k.fine x), by (rw [hd]; exact fun _ h => nomatch h), by (rw [hd]; exact fun _ _ h => nomatch h),
      fun _ _ _ _ h => by (rw [hd] at h; cases h)⟩
  · next hd =>
    have same := run_recordCode_same n x (.ended .discarded .unit) (.settled .discarded)
    refine ⟨?_, ?_, ?_, fun _ _ _ _ h => ?_⟩
    · rw [same, tr]
      exact (k.fine x).other (fun _ _ _ => nofun) fun w hw => nomatch hw
    · rw [same]; exact fun _ h => nomatch h
    · rw [same]; exact fun _ _ h => nomatch h
    · rw [same] at h; cases h

end M

end Shepherd
