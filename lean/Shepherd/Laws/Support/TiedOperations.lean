import Shepherd.Laws.Support.TiedOutcomes

/-!
# Ownership through the operations on runs
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {T F : Id → Prop} {B : Prop}

theorem deeds_undoStep {m n : M} (td : Tied m) (nm : Named m) (w : Wf m B) (tab : Tabled F m) (fresh : ∀ h, m.Stamped h → F h)
    {id : Id} (t : ∀ x, Over id x → T x) {u : Undoing} {origin : Settled} (hc : (m.run id).code = .undoing u origin)
    (h : m.undoStep id u origin = some n) : Deeds T F m n := by
  have ok := w.codes id
  have ct := td.codes id
  rw [hc] at ok ct
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.undoStep at h
  split at h
  · cases h
  · split at h
    · next d ds hd =>
      cases h
      have hd' : d ∈ u.todo := by rw [hd]; exact List.mem_cons_self
      have e : Deeds T F m (m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code) :=
        deeds_recordCode (t _ (ct.1.over.trans (ct.2 d hd'))) (ok.2.2.1 d hd').1 _ (td.codes d.run)
      refine e.trans (deeds_setCode (t id (.refl _)) (e.has i) ct (.inr ?_))
      have : ((m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code).run id).code = (m.run id).code := by
        by_cases e : d.run = id
        · rw [e, run_recordCode_same]
        · rw [run_recordCode_ne _ _ _ e]
      rw [this, hc]
      exact .refl
    · simp only at h
      have e₀ : Deeds (Over u.run) F m (m.restore u.run u.to) :=
        deeds_restore td nm fresh w tab (fun _ h => h) ok.2.1 ok.2.2.2
      have e : Deeds T F m (m.restore u.run u.to) := e₀.mono fun x h => t x (ct.1.over.trans h)
      split at h
      · cases h
        exact e.trans (deeds_reply (t id (.refl _)) (e.has i) _ _)
      · cases h
        refine e.trans (deeds_setCode (t id (.refl _)) (e.has i) trivial (.inr ?_))
        rw [e₀.run ct.1.acyclic, hc]
        exact .refl

theorem deeds_discardMade {m n : M} (td : Tied m) {id : Id} (t : ∀ x, Over id x → T x) (i : m.has id = true) {again : Comp}
    (lead : (m.run id).code.settle.Leads m.program (.running again [] [] 0)) (h : m.discardMade id again = some n) :
    Deeds T F m n := by
  unfold M.discardMade at h
  split at h
  · cases h
  · next kid hk =>
    have ik : kid ∈ m.kids id := by
      unfold newestMade at hk
      exact (List.mem_filter.mp (List.mem_of_getLast? hk)).1
    split at h
    · next hb =>
      cases h
      exact deeds_begin td t i (td.owner ((Runs.mem_kids_iff td.forest.nodup).mp ik)) (has_of_mem_kids ik) lead hb
    · cases h

/-! ## Operations on runs -/

/-- Everything that an asker may do to what may come to stand below it. -/
structure Asks (T : Id → Prop) (m : M) (asker : Id) (wt : Waiting) : Prop where
  tied : Tied m
  may : ∀ x, Over asker x → T x
  has : m.has asker = true
  code : (m.run asker).code = .settled (.waiting wt)

theorem Asks.self {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : T asker := a.may _ (.refl _)

theorem Asks.reply {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) (answer : Value) (change : Change := []) :
    Deeds T F m (m.reply asker wt answer change) := deeds_reply a.self a.has _ _ _

theorem deeds_ownerAnswers {m : M} (w : Wf m B) {asker : Id} {wt : Waiting} (a : Asks T m asker wt) (v answer : Value) :
    Deeds T F m (m.ownerAnswers asker wt v answer) := by
  unfold M.ownerAnswers
  split
  · exact a.reply _
  · next id q ha =>
    split
    · exact a.reply _
    · have ha := of_atIntent ha
      have o := (a.tied.owns ha.1).over
      have s := a.tied.shown ha.2
      have e : Deeds T F m (m.deliver id q answer [] .owner) := by
        refine deeds_deliver a.tied (has_of_shown w.codes ha.2).1 (a.may _ (o.trans (s.2 id List.mem_cons_self)))
          (fun z hz => a.may z ?_) _ _ _
        cases List.mem_cons.mp hz with
        | inl e => rw [e]; exact o
        | inr e => exact o.trans ((List.pairwise_cons.mp s.1).1 z e)
      exact e.trans (deeds_reply a.self (e.has a.has) _ _)

theorem deeds_next {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt)
    (top : ∃ rest, m.stack = asker :: rest) : Deeds T F m (m.next asker wt) := by
  unfold M.next
  split
  · split
    · exact a.reply _
    · next id ho =>
      refine .stack _ (deeds_setCode a.self a.has trivial (.inr (by rw [a.code]; exact .refl))) ?_
      obtain ⟨rest, hs⟩ := top
      have o := (a.tied.owns (owns_of_owned ho)).over
      have st := a.tied.stack
      rw [hs] at st ⊢
      refine List.pairwise_cons.mpr ⟨fun z hz => ?_, st⟩
      cases List.mem_cons.mp hz with
      | inl e => rw [e]; exact o
      | inr e => exact ((List.pairwise_cons.mp st).1 z e).trans o
  · exact a.reply _

theorem deeds_pass {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : Deeds T F m (m.pass asker wt) := by
  unfold M.pass
  split
  · split
    · exact a.reply _
    · next id q ha =>
      have ha := of_atIntent ha
      exact deeds_setCode a.self a.has (a.tied.passing ha.1 ha.2) (.inr (by rw [a.code]; exact .refl))
  · exact a.reply _

theorem deeds_pick {m n : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) (h : m.pick asker wt = some n) :
    Deeds T F m n := by
  unfold M.pick at h
  split at h
  · split at h
    · cases h; exact a.reply _
    · cases h
  · cases h; exact a.reply _

theorem mem_seenEvents {m : M} {id : Id} {P : Id → Prop} (hP : ∀ x, m.has x = true → P x) (cs : List Commit) (table : List Id)
    (ht : ∀ h ∈ table, P h) : ∀ h ∈ (m.seenEvents id table cs).1, P h := by
  induction cs generalizing table with
  | nil => exact ht
  | cons c cs ih =>
    unfold seenEvents
    refine ih _ (Value.mapHandles_mem (P := fun l => ∀ h ∈ l, P h) (fun l n hl h hh => ?_) _ _ ht)
    unfold seenHandle at hh
    split at hh
    · exact hl h hh
    · next other _ =>
      split at hh
      · next hs =>
        rw [Bool.and_eq_true] at hs
        rcases of_mem_hold hh with e | e
        · exact hl h e
        · exact hP h (e ▸ hs.1)
      · exact hl h hh

theorem deeds_traceOp {m : M} (w : Wf m B) (fresh : ∀ h, m.Stamped h → F h) {asker : Id} {wt : Waiting}
    (a : Asks T m asker wt) : Deeds T F m (m.traceOp asker wt) := by
  unfold M.traceOp
  split
  · split
    · exact a.reply _
    · next id _ =>
      simp only
      split
      · exact a.reply _
      · exact deeds_tell a.self a.has (mem_seenEvents (P := fun h => h ∈ (m.run asker).handles ∨ F h)
          (fun x i => .inr (fresh x (w.fresh x i))) _ _ fun h hh => .inl hh) _ _
  · exact a.reply _

theorem deeds_inject {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : Deeds T F m (m.inject asker wt) := by
  unfold M.inject
  split
  · split
    · exact a.reply _
    · next id ho =>
      split
      · exact a.reply _
      · split
        · exact a.reply _
        · simp only
          have e : ∀ ev s, s.code = (m.run id).code → s.handles = (m.run id).handles → Deeds T F m (m.record id ev s) :=
            fun ev s hc hh => .record id ev s .refl (a.may id (a.tied.owns (owns_of_owned ho)).over) (has_of_owned ho)
              (hc ▸ a.tied.codes id) fun h hx => .inl (hh ▸ hx)
          exact (e _ _ rfl rfl).trans (deeds_reply a.self ((e _ _ rfl rfl).has a.has) _ _)
  · exact a.reply _

theorem deeds_take {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : Deeds T F m (m.take asker wt) := by
  unfold M.take
  split
  · exact a.reply _
  · exact .record asker _ _ .refl a.self a.has trivial fun _ h => .inl h

theorem deeds_merge {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : Deeds T F m (m.merge asker wt) := by
  unfold M.merge
  split
  · split
    · exact a.reply _
    · simp only
      split
      · exact a.reply _
      · split
        · exact a.reply _
        · exact a.reply _ _
  · exact a.reply _

theorem deeds_takeBack {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) {id : Id}
    (ho : m.owns asker id = true) (to : Option Nat) : Deeds T F m (m.takeBack asker wt id to) := by
  unfold M.takeBack
  split
  · exact a.reply _
  · next hb =>
    exact deeds_begin a.tied a.may a.has (a.tied.owns ho) (has_of_owns ho) (by rw [a.code]; exact .refl) hb

theorem deeds_revert {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : Deeds T F m (m.revert asker wt) := by
  unfold M.revert
  split
  · split
    · exact a.reply _
    · next ho =>
      split
      · exact deeds_takeBack a (owns_of_owned ho) _
      · exact a.reply _
  · exact a.reply _

theorem deeds_discardOp {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) : Deeds T F m (m.discardOp asker wt) := by
  unfold M.discardOp
  split
  · split
    · exact a.reply _
    · next ho =>
      split
      · exact a.reply _
      · exact deeds_takeBack a (owns_of_owned ho) _
  · exact a.reply _

/-! ## New runs -/

/-- By elementary changes of runs of `T`, after which all ids in tables are given out. -/
def Gives (T : Id → Prop) (m n : M) : Prop :=
  (∀ id, (m.run id).made ≤ (n.run id).made) → ∃ F : Id → Prop, (∀ h, m.Stamped h → F h) ∧ (∀ h, F h → n.Stamped h) ∧ Deeds T F m n

theorem Deeds.gives {m n : M} (d : ∀ F : Id → Prop, (∀ h, m.Stamped h → F h) → Deeds T F m n) : Gives T m n :=
  fun mono => ⟨m.Stamped, fun _ h => h, fun _ => Stamped.mono mono, d _ fun _ h => h⟩

theorem Asks.gives {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) (answer : Value) :
    Gives T m (m.reply asker wt answer) := Deeds.gives fun _ _ => a.reply _

/-- The asker has made a run more. -/
theorem gives_answerRun {m X : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) {id : Id} (new : Newly m asker id)
    (d : Deeds T (fun h => m.Stamped h ∨ Newly m asker h) m X) (made : (m.run asker).made ≤ (X.run asker).made) :
    Gives T m (X.answerRun asker wt id) := by
  intro mono
  have lt : (m.run asker).made < ((X.answerRun asker wt id).run asker).made := by
    rw [made_answerRun]; omega
  refine ⟨fun h => m.Stamped h ∨ Newly m asker h, fun _ => .inl, fun h hh => ?_, d.trans ?_⟩
  · rcases hh with h | h | ⟨x, h⟩
    · exact Stamped.mono mono h
    · rw [h]; exact lt
    · rw [h]; exact lt
  · have i := d.has a.has
    unfold M.answerRun
    refine .tell asker _ _ _ _ .refl a.self i trivial fun h hx => ?_
    have hx : h ∈ ((X.put { X.run asker with handles := (hold (X.run asker).handles id).1, made := (X.run asker).made + 1 }).run
      asker).handles := hx
    rw [run_put, if_pos (run_id X asker)] at hx
    exact (of_mem_hold hx).imp_right fun e : h = id => .inr (e ▸ new)

/-- A new run, and what it is lent. -/
theorem deeds_lends {m : M} {asker : Id} {wt : Waiting} (a : Asks T m asker wt) (r : Run)
    (hid : r.id = .made asker (m.run asker).made) (ho : r.owner = some asker) (hg : r.givers = []) (hc : ∃ s, r.code = .settled s)
    (ht : r.trace = []) (hh : ∀ h ∈ r.handles, m.Stamped h) {l : List Id} (hl : ∀ h ∈ l, m.Stamped h) :
    Deeds T (fun h => m.Stamped h ∨ Newly m asker h) m
      (l.foldl (lend asker (.made asker (m.run asker).made)) (m.put r)) := by
  have d₀ : Deeds T (fun h => m.Stamped h ∨ Newly m asker h) m (m.put r) := by
    refine .born r .refl (hid ▸ a.may _ (MayOwn.made asker _).over) (.inr (.inl hid)) (fun o e => ?_)
      (fun g h => absurd (hg ▸ h) List.not_mem_nil) (by obtain ⟨s, hs⟩ := hc; rw [hs]; trivial)
      (fun c h => absurd (ht ▸ h) List.not_mem_nil) (fun h hx => .inl (hh h hx)) (fun _ _ e => ?_) fun c u hu => ?_
    · rw [ho] at e; cases e; rw [hid]; exact .made asker _
    · rw [hid] at e; cases e
    · rw [ht] at hu; cases hu
  refine d₀.trans (Deeds.foldl (d₀.tied a.tied) fun n x hx _ tn => ?_)
  unfold lend
  split
  · next ho =>
    have o := tn.owns ho
    refine .own _ _ _ .refl (a.may x o.over) (has_of_owns ho) (.lent _ o (fun j e => ?_) fun j y e => ?_) fun g hg => ?_
    · have := hl x hx
      rw [e] at this; exact this
    · have := hl x hx
      rw [e] at this; exact this
    · cases List.mem_cons.mp hg with
      | inl e => rw [e]; exact o
      | inr e => exact tn.givers x g e
  · exact .refl

/-- What is lent to a new run was given out. -/
theorem stamped_given {m : M} (tab : Tabled m.Stamped m) (asker : Id) (args : List Value) :
    ∀ h ∈ (Value.mapHandlesList (give (m.run asker).handles) [] args).1, m.Stamped h := by
  refine Value.mapHandlesList_mem (P := fun l => ∀ h ∈ l, m.Stamped h) (fun l n hl h hh => ?_) _ _
    fun h hh => absurd hh List.not_mem_nil
  rcases of_mem_renumber hh with e | e | e
  · exact hl h e
  · exact tab.tables asker h e
  · rw [e]; trivial

theorem gives_spawn {m : M} (tab : Tabled m.Stamped m) {asker : Id} (absent : m.has (.made asker (m.run asker).made) = false)
    {wt : Waiting} (a : Asks T m asker wt) : Gives T m (m.spawn asker wt) := by
  have tnew : T (.made asker (m.run asker).made) := a.may _ (MayOwn.made asker _).over
  have fin : ∀ X : M, Deeds T (fun h => m.Stamped h ∨ Newly m asker h) m X ∧ X.has (.made asker (m.run asker).made) = true ∧
      (X.run asker).made = (m.run asker).made → ∀ ev c, CodeTied (.made asker (m.run asker).made) c →
      Gives T m ((X.recordCode (.made asker (m.run asker).made) ev c).answerRun asker wt (.made asker (m.run asker).made)) := by
    intro X d ev c hc
    refine gives_answerRun a (.inl rfl) (d.1.trans (deeds_recordCode tnew d.2.1 ev hc)) ?_
    rw [recordCode_eq, made_record, d.2.2]
    exact Nat.le_refl _
  unfold M.spawn
  split
  · split
    · exact a.gives _
    · split
      · exact a.gives _
      · next request _ =>
        simp only
        refine fin _ ⟨?_, ?_, ?_⟩ _ _ trivial
        · refine deeds_lends a _ ?_ ?_ ?_ ?_ ?_ ?_ ?_
          · rfl
          · rfl
          · rfl
          · exact ⟨_, rfl⟩
          · rfl
          · exact stamped_given tab asker _
          · exact stamped_given tab asker _
        · refine foldl_keeps (P := fun n => n.has (.made asker (m.run asker).made) = true) (Runs.has_put_self _ _) fun n x _ h => ?_
          unfold lend
          split
          · rw [has_own, h, Bool.or_true]
          · exact h
        · refine foldl_keeps (P := fun n => (n.run asker).made = (m.run asker).made) ?_ fun n x _ h => ?_
          · show (M.run (M.put m _) asker).made = _
            rw [run_put_ne]
            intro e
            have e : Id.made asker (m.run asker).made = asker := e
            rw [e, a.has] at absent; cases absent
          · unfold lend
            split
            · rw [run_own]
              split
              · next e => rw [← h, ← e]
              · exact h
            · exact h
  · exact a.gives _

end M

end Shepherd
