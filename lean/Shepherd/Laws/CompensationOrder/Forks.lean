import Shepherd.Laws.CompensationOrder.Copies

/-!
# Steps that take nothing back: forks

The copies of a fork are new: nobody takes them back, and none of the undos that they inherit is theirs.
-/

namespace Shepherd

namespace M

/-- A copy while a fork is made: not there yet; as its original was after a commit; or with its `forked`. -/
inductive Cloned (m : M) (y : Id) (r : Run) : Prop where
  | absent : r = Run.absent y → Cloned m y r
  | made (k : Commit) (u : Trace) (o : Id) : k :: u <:+ (m.run o).trace → r.trace = k :: u → r.code = .settled k.code → Cloned m y r
  | marked (c k : Commit) (u : Trace) (o x : Id) (j : Nat) : k :: u <:+ (m.run o).trace → r.trace = c :: k :: u →
      c.event = .forked x j → c.code = k.code → r.code.settle = k.code → (∀ v p, r.code ≠ .undoing v p) → Cloned m y r

theorem Cloned.fine {R : Regions} {m : M} {y : Id} {r : Run} (k : Unwinds R m) (w : Wf m True) (new : m.has y = false)
    (h : Cloned m y r) : Fine m.program y r.trace ∧ Waits r.trace r.code ∧ ∀ v p, r.code ≠ .undoing v p := by
  have foreign : ∀ o, ∀ s, s <:+ (m.run o).trace → ∀ c ∈ s, c.run ≠ y := fun o s hs c hc e => by
    have := w.recorders o c (hs.subset hc)
    rw [e, new] at this; cases this
  cases h with
  | absent e =>
    subst e
    exact ⟨Fine.nil _ _, (fun _ hw => nomatch hw), (fun _ _ e => nomatch e)⟩
  | made k' u o hs ht hc =>
    rw [ht, hc]
    refine ⟨(k.fine o).inherit hs (foreign o _ hs), fun w hw => (k.fine o).waits k' u hs w hw, nofun⟩
  | marked c k' u o x j hs ht hc hcode hsettle hu =>
    have waits : ∀ w, k'.code = .waiting w → ∃ q, Trace.question (c :: k' :: u) = some q ∧ q.event = .intent w.op w.args := fun w hw => by
      obtain ⟨q, hq, he⟩ := (k.fine o).waits k' u hs w hw
      refine ⟨q, ?_, he⟩
      rw [Trace.question_cons, hc]; exact hq
    have no : c.event.NotUndo := by rw [hc]; exact fun _ _ _ => nofun
    rw [ht]
    refine ⟨((k.fine o).inherit hs (foreign o _ hs)).other no fun w hw => waits w (hcode ▸ hw), fun w hw => waits w (hsettle ▸ hw), hu⟩

/-- What holds while a fork is made. -/
structure Forks (m : M) (E : Id → Prop) (n : M) : Prop where
  prog : n.program = m.program
  stack : n.stack = m.stack
  run : ∀ y, ¬ E y → n.run y = m.run y
  copied : ∀ y, E y → Cloned m y (n.run y)
  passes : ∀ y, E y → ∀ chain op args w, (n.run y).code = .passing chain op args w → n.Passes y chain op args

namespace Forks

variable {m n : M} {E : Id → Prop}

/-- Before anything is marked, no copy passes. -/
structure Unmarked (m : M) (E : Id → Prop) (n : M) : Prop extends Forks m E n where
  settled : ∀ y, E y → ∃ s, (n.run y).code = .settled s

theorem Unmarked.copyOne (h : Unmarked m E n) {id fork owner : Id} {c : Commit} {parts : List Then} {x : Then}
    (hE : E (.copy fork x.id)) (inherits : ∃ o, x.trace <:+ (m.run o).trace) :
    Unmarked m E (M.copyOne m id fork owner c parts n x) := by
  cases e : x.trace with
  | nil => unfold M.copyOne; rw [e]; exact h
  | cons k u =>
    obtain ⟨grant, used, e'⟩ := copyOne_eq m id fork owner c parts n e
    rw [e']
    have run : ∀ y, ({ n with used }.put (copyRun m id fork owner c parts x k grant)).run y =
        if Id.copy fork x.id = y then copyRun m id fork owner c parts x k grant else n.run y := fun y => by
      rw [run_put]; rfl
    have set : ∀ y, E y → ∃ s, (({ n with used }.put (copyRun m id fork owner c parts x k grant)).run y).code = .settled s :=
      fun y hy => by
        rw [run]; split
        · exact ⟨k.code, rfl⟩
        · exact h.settled y hy
    refine ⟨⟨h.prog, h.stack, fun y hy => ?_, fun y hy => ?_, fun y hy chain op args w hw => ?_⟩, set⟩
    · rw [run, if_neg fun e : Id.copy fork x.id = y => hy (e ▸ hE)]; exact h.run y hy
    · rw [run]; split
      · obtain ⟨o, ho⟩ := inherits
        rw [e] at ho
        exact .made k u o ho e rfl
      · exact h.copied y hy
    · obtain ⟨s, hs⟩ := set y hy
      rw [hs] at hw; cases hw

/-- A copy records its `forked`. -/
theorem markCopy (h : Forks m E n) {id fork : Id} {x : Then} (hE : E (.copy fork x.id))
    (made : ∀ k u, x.trace = k :: u → (n.run (.copy fork x.id)).trace = k :: u ∧ (n.run (.copy fork x.id)).code = .settled k.code)
    (inherits : ∃ o, x.trace <:+ (m.run o).trace) : Forks m E (M.markCopy id fork n x) := by
  unfold M.markCopy
  split
  · exact h
  · next k u e =>
    simp only
    obtain ⟨ht, hc⟩ := made k u e
    obtain ⟨o, ho⟩ := inherits
    rw [e] at ho
    generalize hcode : (if x.id = id then Code.settled k.code else
      n.takenUp (.copy fork x.id) (n.run (.copy fork x.id)).handles k.code) = code
    have same := run_recordCode_same n (.copy fork x.id) (.forked x.id k.index) code
    have other : ∀ y, Id.copy fork x.id ≠ y → (n.recordCode (.copy fork x.id) (.forked x.id k.index) code).run y = n.run y :=
      fun y e => run_recordCode_ne n _ _ e
    have owners : ∀ y, ((n.recordCode (.copy fork x.id) (.forked x.id k.index) code).run y).owner = (n.run y).owner := fun y => by
      rw [recordCode_eq, owner_record]
    have settle : code.settle = k.code := by
      rw [← hcode]; split
      · rfl
      · exact settle_takenUp _ _ _ _
    -- Who shows a question before shows it still.
    have shows' : ∀ y q, n.shown y = some q → (n.recordCode (.copy fork x.id) (.forked x.id k.index) code).shown y = some q := by
      intro y q hq
      rcases Classical.em (Id.copy fork x.id = y) with e' | e'
      · subst e'
        rw [shown_congr (m := n), hq]
        rw [same, hc, ← hcode]
        simp only
        rw [takenUp_of_shown hc hq, ite_self]
      · exact (shown_congr (by rw [other y e'])).trans hq
    refine ⟨h.prog, h.stack, fun y hy => ?_, fun y hy => ?_, fun y hy chain op args w hw => ?_⟩
    · rw [other y fun e => hy (e ▸ hE)]; exact h.run y hy
    · rcases Classical.em (Id.copy fork x.id = y) with e' | e'
      · subst e'
        rw [same]
        refine .marked _ k u o x.id k.index ho (by rw [ht]) rfl settle settle fun v p e => ?_
        simp only at e
        rw [← hcode] at e
        split at e
        · cases e
        · exact takenUp_not_undoing _ _ _ _ _ _ e
      · rw [other y e']; exact h.copied y hy
    · have p : n.Passes y chain op args := by
        rcases Classical.em (Id.copy fork x.id = y) with e' | e'
        · subst e'
          rw [same] at hw
          simp only at hw
          rw [← hcode] at hw
          split at hw
          · cases hw
          · exact (of_takenUp hw).2.2
        · rw [other y e'] at hw; exact h.passes y hy chain op args w hw
      obtain ⟨b, q, rfl, ho, hs, rfl, rfl⟩ := p
      exact ⟨b, q, rfl, (owners b).trans ho, shows' b q hs, rfl, rfl⟩

theorem markAll {parts : List Then} (h : Forks m E n) {id fork : Id} (hE : ∀ x ∈ parts, E (.copy fork x.id))
    (nodup : (parts.map Then.id).Nodup)
    (made : ∀ x ∈ parts, ∀ k u, x.trace = k :: u →
      (n.run (.copy fork x.id)).trace = k :: u ∧ (n.run (.copy fork x.id)).code = .settled k.code)
    (inherits : ∀ x ∈ parts, ∃ o, x.trace <:+ (m.run o).trace) : Forks m E (parts.foldl (M.markCopy id fork) n) := by
  induction parts generalizing n with
  | nil => exact h
  | cons x parts ih =>
    rw [List.foldl_cons]
    have nodup := List.nodup_cons.mp nodup
    refine ih (h.markCopy (hE x List.mem_cons_self) (made x List.mem_cons_self) (inherits x List.mem_cons_self))
      (fun y hy => hE y (List.mem_cons_of_mem _ hy)) nodup.2 (fun y hy k u e => ?_) fun y hy => inherits y (List.mem_cons_of_mem _ hy)
    rw [run_markCopy]
    · exact made y (List.mem_cons_of_mem _ hy) k u e
    · intro e
      exact nodup.1 (List.mem_map.mpr ⟨y, hy, (Id.copy.inj e).2.symm⟩)

end Forks

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- New runs are there, which nobody takes back. -/
theorem forks (g : Good R m) (w : Wf m True) {E : Id → Prop} {n : M} (new : ∀ y, E y → m.has y = false) (h : Forks m E n) :
    Good R n := by
  have off : ∀ y, E y → y ∉ m.stack := fun y hy => g.off_stack w.world (new y hy)
  have notE : ∀ y, m.has y = true → ¬ E y := fun y i e => by rw [new y e] at i; cases i
  have facts : ∀ y, E y → _ := fun y hy => (h.copied y hy).fine g.unwinds w (new y hy)
  have nu : ∀ y, E y → ∀ u o, (m.run y).code ≠ .undoing u o := fun y hy u o e => by
    rw [run_of_not_has (new y hy)] at e; cases e
  have rootThere : m.has .root = true := Runs.has_of_owner g.root
  refine ⟨?_, ?_, ?_, ?_, ?_, ?_⟩
  · refine g.unwinds.inside E h.prog h.run (fun y hy => ?_) (fun b u o => ?_) (fun y hy => ⟨(facts y hy).1, fun _ => (facts y hy).2.1⟩) fun b chain op args w' hb _ => ?_
    · rintro ⟨b, u, o, hb, hr⟩
      rcases Classical.em (y = u.run) with e | e
      · have := g.unwinds.owns b u o hb
        rw [← e, run_of_not_has (new y hy)] at this; cases this
      · obtain ⟨z, hz, _⟩ := (g.unwinds.region b u o hb).closed y hr e
        rw [run_of_not_has (new y hy)] at hz; cases hz
    · rcases Classical.em (E b) with e | e
      · exact ⟨fun hb => absurd hb ((facts b e).2.2 u o), fun hb => absurd hb (nu b e u o)⟩
      · rw [h.run b e]
    · rcases Classical.em (E b) with e | e
      · exact .inl (h.passes b e _ _ _ _ hb)
      · rw [h.run b e] at hb
        refine .inr ⟨hb, .inr rfl, fun c hc => ?_⟩
        obtain ⟨c', q, rfl, ho, _⟩ := g.unwinds.passes b chain op args w' hb (.inr rfl)
        have e : c' = c := Option.some.inj hc
        subst e
        have i : m.has c' = true := Runs.has_of_owner ho
        rw [h.run c' (notE c' i)]
        exact ⟨rfl, rfl⟩
  · rw [h.stack]
    exact g.path.congr (fun y hy => by rw [h.run y fun e => off y e hy])
      fun y hy => by rw [h.run y fun e => off y e (List.mem_of_mem_tail hy)]
  · rw [h.run _ (notE _ w.world)]; exact g.top
  · rw [h.run _ (notE _ rootThere)]; exact g.root
  · rw [h.run _ (notE _ w.world)]; exact g.table
  · rw [h.run _ (notE _ w.world)]; exact g.world

theorem fork (g : Good R m) (w : Wf m True) (td : Tied m) (nm : Named m) (h : m.stack = a :: rest) {wt : Waiting}
    (hc : (m.run a).code = .settled (.waiting wt)) (ne : a ≠ .world) : Good R (m.fork a wt) := by
  unfold M.fork
  split
  · split
    · exact g.reply h hc _ _
    · next id ho =>
      simp only
      split
      · exact g.reply h hc _ _
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have hm : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
        have inherits := forkParts_trace (m := m) (owner := a) (c := c) hs
        have new : ∀ y, (∃ x, y = Id.copy (.made a (m.run a).made) x) → m.has y = false := by
          rintro y ⟨x, rfl⟩; exact not_has_copy w a x
        have start : Forks.Unmarked m (fun y => ∃ x, y = Id.copy (.made a (m.run a).made) x) m :=
          { prog := rfl, stack := rfl, run := fun _ _ => rfl
            copied := fun y hy => .absent (run_of_not_has (new y hy))
            passes := fun y hy chain op args w' hw => by rw [run_of_not_has (new y hy)] at hw; cases hw
            settled := fun y hy => ⟨_, by rw [run_of_not_has (new y hy)]; rfl⟩ }
        have copied := foldl_keeps (f := M.copyOne m id (.made a (m.run a).made) a c (m.forkParts id a (c :: t) c))
          (l := m.bornOf (m.forkParts id a (c :: t) c)) start fun n x hx u => u.copyOne ⟨_, rfl⟩ (inherits x (of_mem_bornOf hx).1)
        have marked := copied.toForks.markAll (parts := m.forkParts id a (c :: t) c) (id := id) (fork := .made a (m.run a).made)
          (fun x _ => ⟨_, rfl⟩) (nodup_ids nm hm (fun _ h => h) (forkParts_nodup (td.commits id c hm)))
          (fun x hx k u e => by
            obtain ⟨grant, hr, _⟩ := run_bornOf td nm (asker := a) (fork := .made a (m.run a).made) hm hx e
            rw [hr]
            exact ⟨e, rfl⟩) inherits
        have g' : Good R (m.copyTree id (c :: t) c (.made a (m.run a).made) a) := g.forks w new marked
        refine g'.answerRun (marked.stack.trans h) (c := .waiting wt) ?_ ne wt _
        rw [copyTree_eq, marked.run a]
        · exact hc
        · rintro ⟨x, e⟩
          have i : m.has a = true := has_of_code (by rw [hc]; exact nofun)
          have := new a ⟨x, e⟩
          rw [i] at this; cases this
  · exact g.wrong h hc wt

end Good

end M

end Shepherd
