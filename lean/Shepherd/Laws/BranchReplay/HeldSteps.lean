import Shepherd.Laws.BranchReplay.HeldOperations

/-!
# Who waits for whom: steps that put no run back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {B O : Prop} {z : Id} {m : M}

/-- A step of `z`: of the others, only what waited for it, or was taken back, changes; and `z` may do what it does. -/
structure Acted (O : Prop) (z : Id) (m n : M) : Prop where
  mild : Mild O z m n
  ok : n.WatchOk z

theorem plain_born {n : M} (w : Wf m B) (e : Plain m n B) {x : Id} (h : n.has x = true) : m.has x = true :=
  ((e.kept w fun _ h => False.elim h).born x h).resolve_right id

theorem WatchOk.absent {n : M} {x : Id} (h : n.has x = false) : n.WatchOk x :=
  .of_settled (s := .discarded) (by rw [run_of_not_has h]; rfl)

/-- What stands above the active run. -/
theorem Line.below {stack : List Id} : ∀ {z : Id}, m.Line (z :: stack) → ∀ a ∈ stack, m.Below z a := by
  induction stack with
  | nil => exact fun _ a ha => absurd ha List.not_mem_nil
  | cons b rest ih =>
    intro z l a ha
    cases List.mem_cons.mp ha with
    | inl e => rw [e]; exact .own l.1
    | inr e => exact .up l.1 (ih l.2.2 a e)

theorem Line.keep {n : M} (td : Tied m) {rest : List Id} (l : m.Line (z :: rest))
    (owner : ∀ p, (m.run z).owner = some p → p = z ∨ (n.run z).owner = some p)
    (same : ∀ a, ¬ Over z a → n.run a = m.run a) : n.Line (z :: rest) := by
  have above : ∀ a ∈ rest, n.run a = m.run a := fun a ha => same a fun o => by
    have b := l.below a ha
    exact (b.ne td.forest) (o.antisymm (td.over_of_below b))
  cases rest with
  | nil => exact l
  | cons b rest =>
    have h2 : n.Line (b :: rest) := l.2.2.same (b :: rest) (fun a ha => by rw [above a ha])
      fun a ha => by rw [above a (List.mem_cons_of_mem _ ha)]
    refine ⟨(owner b l.1).resolve_left fun e => ?_, ?_, h2⟩
    · exact (td.owner l.1).ne e
    · obtain ⟨r, w, h⟩ := l.2.1
      exact ⟨r, w, by rw [above b List.mem_cons_self]; exact h⟩

/-- What such a step keeps of those who watch. -/
theorem Mild.watch {n : M} (w : Wf m B) (td : Tied m) (watch : ∀ x, m.WatchOk x) {rest : List Id} (line : m.Line (z :: rest))
    (mi : Mild O z m n) (quiet : O → ¬ (m.run z).code.Watches) (e : Extends m n) (idx : ∀ id, Trace.Indexed (n.run id).trace)
    (hz : n.WatchOk z) (new : ∀ x, m.has x = false → x ≠ z → n.WatchOk x) : ∀ x, n.WatchOk x := by
  intro x
  by_cases ez : x = z
  · rw [ez]; exact hz
  · cases i : m.has x with
    | false => exact new x i ez
    | true => exact WatchOk.keep w td.forest e idx mi line quiet (mi.code x ez i) (watch x)

/-- The root run stays the world's. -/
theorem Mild.root {n : M} (mi : Mild O z m n) (h : (m.run .root).owner = some .world) (nz : O → z ≠ .world) :
    (n.run .root).owner = some .world := (mi.owner _ _ h).resolve_left fun e => nz e.1 e.2.symm

/-! ## Operations on runs -/

namespace Acted

theorem reply {n : M} (k : Mild O z m n) (w : Waiting) (answer : Value) (change : Change := []) :
    Acted O z m (n.reply z w answer change) :=
  ⟨k.reply w answer change, .of_settled (s := w.told answer) (by rw [reply_eq, run_record_same]; rfl)⟩

theorem ownerAnswers (w : Waiting) (v answer : Value) : Acted O z m (m.ownerAnswers z w v answer) := by
  unfold M.ownerAnswers
  split
  · exact reply (.refl m) _ _
  · split
    · exact reply (.refl m) _ _
    · exact reply ((Mild.refl m).deliver _ _ _ _ _) _ _

theorem takeBack (wf : Wf m B) (td : Tied m) (q : AllAsked m) (w : Waiting) {id : Id} (own : m.owns z id = true)
    (to : Option Nat) : Acted O z m (m.takeBack z w id to) := by
  unfold M.takeBack
  split
  · exact reply (.refl m) _ _
  · next hb =>
    obtain ⟨h1, h2⟩ := begin_ok wf td q own hb
    exact ⟨h1, h2⟩

/-- Every operation of the machine but those that make runs. -/
theorem perform {n : M} (wf : Wf m B) (td : Tied m) (q : AllAsked m) (watch : ∀ x, m.WatchOk x) {w : Waiting}
    (spawn : w.op ≠ "run.spawn") (fork : w.op ≠ "run.fork") (next : w.op ≠ "run.next") (i : m.has z = true) (p : m.perform z w = some n) : Acted O z m n := by
  have rep : ∀ answer change, Acted O z m (m.reply z w answer change) := fun answer change => reply (.refl m) _ _ _
  unfold M.perform at p
  split at p
  · cases p
    unfold M.take
    split
    · exact rep _ _
    · refine ⟨(Mild.refl m).record (.inl rfl), .of_settled (s := w.told (.ok (.some ‹Value›))) ?_⟩
      rw [run_record_same]; rfl
  · cases p
    unfold M.answerOp M.wrong
    split
    · exact ownerAnswers _ _ _
    · exact rep _ _
  · cases p
    unfold M.denyOp M.wrong
    split
    · exact ownerAnswers _ _ _
    · exact rep _ _
  · cases p
    unfold M.discardOp M.wrong
    split
    · split
      · exact rep _ _
      · next ho =>
        split
        · exact rep _ _
        · exact takeBack wf td q _ (owns_of_owned ho) _
    · exact rep _ _
  · next e => exact absurd e fork
  · cases p
    unfold M.inject M.wrong
    split
    · split
      · exact rep _ _
      · split
        · exact rep _ _
        · split
          · exact rep _ _
          · exact reply ((Mild.refl m).record (.inr (.inr (.same _)))) _ _
    · exact rep _ _
  · cases p
    unfold M.merge
    split
    · split
      · exact rep _ _
      · simp only
        split
        · exact rep _ _
        · split
          · exact rep _ _
          · exact rep _ _
    · exact rep _ _
  · next e => exact absurd e next
  · cases p
    unfold M.pass
    split
    · split
      · exact rep _ _
      · next id qn ha =>
        have ha := of_atIntent ha
        refine ⟨(Mild.refl m).setCode (.inl rfl), fun chain op args w' hc => ?_, fun u o hu => ?_⟩
        · rw [run_setCode_same] at hc
          cases hc
          refine pass_ok td (fun x => ?_) ha.1 (watch id) ha.2 fun y ne => ?_
          · rw [run_setCode]; split
            · next e => subst e; rfl
            · rfl
          · rw [run_setCode_ne _ _ ne.symm]
        · rw [run_setCode_same] at hu; cases hu
    · exact rep _ _
  · unfold M.pick at p
    split at p
    · split at p
      · cases p; exact rep _ _
      · cases p
    · cases p; exact rep _ _
  · cases p
    unfold M.revert M.wrong
    split
    · split
      · exact rep _ _
      · next ho =>
        split
        · exact takeBack wf td q _ (owns_of_owned ho) _
        · exact rep _ _
    · exact rep _ _
  · next e => exact absurd e spawn
  · cases p
    unfold M.traceOp M.wrong
    split
    · split
      · exact rep _ _
      · simp only
        split
        · exact rep _ _
        · exact reply ((Mild.refl m).setHandles i) _ _
    · exact rep _ _
  · cases p; exact rep _ _

/-! ## Ends -/

theorem code_giveBack (m : M) (id x : Id) : ((m.giveBack id).run x).code = (m.run x).code := by
  unfold M.giveBack
  refine foldl_keeps (P := fun n => (n.run x).code = (m.run x).code) rfl fun n k _ e => ?_
  split
  · rw [run_own]; split
    · next h => subst h; exact e
    · exact e
  · exact e

theorem giveBack {n : M} (k : Mild True z m n) (kids : ∀ x ∈ n.kids z, (m.run x).owner = some z) : Mild True z m (n.giveBack z) := by
  unfold M.giveBack
  refine foldl_keeps (P := Mild True z m) k fun p x hx k => ?_
  split
  · next g gs hgv =>
    refine k.own trivial (fun q e => ?_) fun _ hp => ?_
    · rw [kids x hx] at e
      exact (Option.some.inj e).symm
    · exact ⟨hp.givers x g (by rw [hgv]; exact List.mem_cons_self), fun y hy =>
        hp.givers x y (by rw [hgv]; exact List.mem_cons_of_mem _ hy)⟩
  · exact k

theorem finish (wf : Wf m B) (td : Tied m) (q : AllAsked m) (again : Comp) (kind : EndKind) (v : Value) (code : Settled)
    (i : m.has z = true) : Acted True z m (m.finish z again kind v code) := by
  unfold M.finish
  split
  · next n h =>
    unfold M.discardMade at h
    split at h
    · cases h
    · next kid hk =>
      have ik : kid ∈ m.kids z := by
        unfold newestMade at hk
        exact (List.mem_filter.mp (List.mem_of_getLast? hk)).1
      split at h
      · next hb =>
        cases h
        obtain ⟨h1, h2⟩ := begin_ok wf td q (beq_iff_eq.mpr ((Runs.mem_kids_iff td.forest.nodup).mp ik)) hb
        exact ⟨h1, h2⟩
      · cases h
  · have k : Mild True z m (m.recordCode z (.ended kind v) (.settled code)) := (Mild.refl m).recordCode (.inl rfl)
    refine ⟨giveBack k fun x hx => ?_, .of_settled (s := code) ?_⟩
    · obtain ⟨r, hr, ho, hx⟩ := Runs.mem_kids.mp hx
      rcases Runs.mem_put hr with e | e
      · rw [e] at ho hx
        simp only at ho hx
        have hx : z = x := by rw [← hx]; exact (run_id m z).symm
        rw [← hx]; exact ho
      · exact (Runs.mem_kids_iff td.forest.nodup).mp (Runs.mem_kids.mpr ⟨r, e, ho, hx⟩)
    · rw [code_giveBack, run_recordCode_same]

end Acted

end M

end Shepherd
