import Shepherd.Laws.CompensationOrder.Drives

/-!
# Steps that take nothing back: the active run by itself
-/

namespace Shepherd

namespace M

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- Nothing has an active run above itself. -/
theorem ne_kid (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) {id : Id}
    (ho : (m.run id).owner = some a) : a ≠ id := by
  rintro rfl
  have p := g.path
  rw [h] at p
  obtain ⟨_, x, w, hx⟩ := p.above g.top (.own ho)
  rw [hc] at hx; cases hx

/-- Nobody takes back what the active run owns, where that takes nothing back. -/
theorem kid_free (g : Good R m) (h : m.stack = a :: rest) (hc : ∀ u o, (m.run a).code ≠ .undoing u o) {id : Id}
    (ho : (m.run id).owner = some a) : ¬ m.Taken R id := by
  rintro ⟨b, u, o, hb, hr⟩
  rcases Classical.em (id = u.run) with e | e
  · have := g.unwinds.owns b u o hb
    rw [← e, ho] at this
    cases this
    exact hc u o hb
  · obtain ⟨z, hz, hzr⟩ := (g.unwinds.region b u o hb).closed id hr e
    rw [ho] at hz
    cases hz
    exact g.free h ⟨b, u, o, hb, hzr⟩

theorem ne_world (g : Good R m) {id o : Id} (h : (m.run id).owner = some o) : id ≠ .world := by
  rintro rfl
  rw [g.top] at h; cases h

/-- The active run gets other settled code. -/
theorem setCode (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) (t : Settled)
    (waits : Waits (m.run a).trace (.settled t)) : Good R (m.setCode a (.settled t)) := by
  have same := run_setCode_same m a (.settled t)
  refine g.one h hc (t := t) (by rw [same]) rfl (fun y e => run_setCode_ne m _ e) (by rw [same]) rfl (fun _ => by rw [same]) ?_ ?_
  · rw [same]; exact g.unwinds.fine a
  · rw [same]; exact waits

theorem ask (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) (op : String)
    (args : List Value) (K : Stack) : Good R (m.ask a op args K) := by
  unfold M.ask
  simp only
  split
  · have g' : Good R { m with used := charge m.used (m.run a).grant op args } :=
      g.same rfl (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl
    refine g'.recordCode h hc _ (fun _ _ _ => nofun) fun w hw => ?_
    cases hw
    exact ⟨_, Trace.question_cons _ _, rfl⟩
  · exact g.recordCode h hc _ (fun _ _ _ => nofun) waits_running

theorem wrong (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) (w : Waiting) :
    Good R (m.wrong a w) := g.reply h hc w _

/-- The active run drives one that it owns. -/
theorem drive (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) {id : Id}
    (ho : (m.run id).owner = some a) : Good R { m.setCode a (.driving id w) with stack := id :: m.stack } := by
  have p := g.path
  rw [h] at p
  have same := run_setCode_same m a (.driving id w)
  have ne : ∀ y ∈ rest, a ≠ y := p.ne (by rw [hc]; exact nofun)
  have k : Unwinds R (m.setCode a (.driving id w)) := by
    refine g.unwinds.setCode _ (g.free h) (fun u o => by rw [hc]; exact ⟨nofun, nofun⟩) ?_ (fun _ _ _ _ e => nomatch e) (g.alone h)
    intro nw
    have := g.unwinds.waits a nw
    rw [hc] at this
    exact this
  have owners : ∀ y, ((m.setCode a (.driving id w)).run y).owner = (m.run y).owner := fun y => by
    rw [run_setCode]; split
    · next e => subst e; rfl
    · rfl
  refine ⟨k.same rfl (fun _ => rfl) (fun _ => rfl) fun _ => rfl, ?_, (owners .world).trans g.top, (owners .root).trans g.root, ?_, ?_⟩
  · have p' : Drives { m.setCode a (.driving id w) with stack := id :: m.stack } (a :: rest) :=
      p.congr (fun y _ => owners y) fun y hy => by
        show ((m.setCode a (.driving id w)).run y).code = _
        rw [run_setCode_ne m _ (ne y hy)]
    refine Eq.mp (congrArg (Drives _) (show id :: a :: rest = id :: m.stack by rw [h])) (.drives (w := w) ((owners id).trans ho) ?_ p')
    show ((m.setCode a (.driving id w)).run a).code = _
    rw [same]
  · show ((m.setCode a (.driving id w)).run .world).handles = _
    rw [run_setCode]; split
    · next e => subst e; exact g.table
    · exact g.table
  · show ∀ u o, ((m.setCode a (.driving id w)).run .world).code = _ → _
    rw [run_setCode]; split
    · exact fun _ _ e => nomatch e
    · exact g.world

theorem next (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) :
    Good R (m.next a w) := by
  unfold M.next
  split
  · split
    · exact g.reply h hc _ _
    · next ho => exact g.drive h hc (beq_iff_eq.mp (owns_of_owned ho))
  · exact g.reply h hc _ _

theorem pass (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) :
    Good R (m.pass a w) := by
  unfold M.pass
  split
  · split
    · exact g.reply h hc _ _
    · next id q ha =>
      obtain ⟨ho, hs⟩ := of_atIntent ha
      have ho : (m.run id).owner = some a := beq_iff_eq.mp ho
      have ne := g.ne_kid h hc ho
      have p := g.path
      rw [h] at p
      have same := run_setCode_same m a (.passing (id :: q.path) q.op q.args w)
      have other := run_setCode_ne m (.passing (id :: q.path) q.op q.args w) ne
      refine ⟨g.unwinds.setCode _ (g.free h) (fun u o => by rw [hc]; exact ⟨nofun, nofun⟩) ?_ ?_ (g.alone h), ?_, ?_, ?_, ?_, ?_⟩
      · intro nw
        have := g.unwinds.waits a nw
        rw [hc] at this
        exact this
      · intro chain op args w' e
        cases e
        exact ⟨id, q, rfl, by rw [other]; exact ho, (shown_congr (by rw [other])).trans hs, rfl, rfl⟩
      · show Drives _ m.stack
        rw [h]
        refine p.congr (fun y _ => ?_) fun y hy => ?_
        · rw [run_setCode]; split
          · next e => subst e; rfl
          · rfl
        · rw [run_setCode_ne m _ (p.ne (by rw [hc]; exact nofun) y hy)]
      · rw [run_setCode]; split
        · next e => subst e; exact g.top
        · exact g.top
      · rw [run_setCode]; split
        · next e => subst e; exact g.root
        · exact g.root
      · rw [run_setCode]; split
        · next e => subst e; exact g.table
        · exact g.table
      · rw [run_setCode]; split
        · exact fun _ _ e => nomatch e
        · exact g.world
  · exact g.reply h hc _ _

theorem code_setHandles (m : M) (id : Id) (hs : List Id) (y : Id) : ((m.setHandles id hs).run y).code = (m.run y).code := by
  rw [run_setHandles]; split
  · next e => subst e; rfl
  · rfl

theorem traceOp (g : Good R m) (h : m.stack = a :: rest) (ne : a ≠ .world) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) :
    Good R (m.traceOp a w) := by
  unfold M.traceOp
  split
  · split
    · exact g.wrong h hc w
    · simp only
      split
      · exact g.reply h hc _ _
      · exact (g.setHandles ne _).reply h ((code_setHandles m a _ a).trans hc) _ _
  · exact g.wrong h hc w

theorem take (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) :
    Good R (m.take a w) := by
  unfold M.take
  split
  · exact g.reply h hc _ _
  · exact g.record h hc _ _ rfl (outcome_notUndo _ _ _) (fun _ => rfl) waits_running

theorem merge (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) :
    Good R (m.merge a w) := by
  unfold M.merge
  split
  · split
    · exact g.reply h hc _ _
    · simp only
      split
      · exact g.reply h hc _ _
      · split
        · exact g.reply h hc _ _
        · exact g.reply h hc _ _ _
  · exact g.reply h hc _ _

theorem pick (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) {n : M}
    (hn : m.pick a w = some n) : Good R n := by
  unfold M.pick at hn
  split at hn
  · split at hn
    · cases hn; exact g.reply h hc _ _
    · cases hn
  · cases hn; exact g.reply h hc _ _

theorem picked (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) (answer : Value) :
    Good R (m.picked a w answer) :=
  g.recordCode h hc _ (outcome_notUndo _ _ _) waits_running

/-- A message is put into a run that the active one owns. -/
theorem note (g : Good R m) {id : Id} (nw : id ≠ .world) (free : ¬ m.Taken R id) (v : Value) (inbox : List Value) :
    Good R (m.record id (.injected v) { m.state id with inbox }) := by
  have same := run_record_same m id (.injected v) { m.state id with inbox }
  have each : ∀ {α : Type} (f : Run → α),
      (∀ r t, f { r with code := r.code, files := r.files, handles := r.handles, inbox := inbox, trace := t } = f r) →
      ∀ y, f ((m.record id (.injected v) { m.state id with inbox }).run y) = f (m.run y) := fun f hf y => by
    rw [run_record]; split
    · next e => subst e; exact hf _ _
    · rfl
  have codes := each Run.code fun _ _ => rfl
  have owners := each Run.owner fun _ _ => rfl
  refine ⟨g.unwinds.record _ _ free (fun u o => Iff.rfl) (fun _ _ _ => nofun) ?_ ?_ (.inr rfl),
    g.path.congr (fun y _ => owners y) fun y _ => codes y, (owners _).trans g.top, (owners _).trans g.root,
    (each Run.handles fun _ _ => rfl) _ |>.trans g.table, by rw [codes]; exact g.world⟩
  · intro w hw
    obtain ⟨q, hq, he⟩ := g.unwinds.waits id nw w hw
    exact ⟨q, (Trace.question_cons _ _).trans hq, he⟩
  · intro chain op args w hw
    obtain ⟨c, q, rfl, ho, hs, rfl, rfl⟩ := g.unwinds.passes id chain op args w hw (.inr rfl)
    exact ⟨c, q, rfl, (owners c).trans ho, (shown_congr (codes c)).trans hs, rfl, rfl⟩

theorem inject (g : Good R m) (h : m.stack = a :: rest) {w : Waiting} (hc : (m.run a).code = .settled (.waiting w)) :
    Good R (m.inject a w) := by
  unfold M.inject
  split
  · split
    · exact g.reply h hc _ _
    · next id ho =>
      have ho : (m.run id).owner = some a := beq_iff_eq.mp (owns_of_owned ho)
      split
      · exact g.reply h hc _ _
      · split
        · exact g.reply h hc _ _
        · have ne := g.ne_kid h hc ho
          refine (g.note (g.ne_world ho) (g.kid_free h (by rw [hc]; exact nofun) ho) _ _).reply h (c := .waiting w) ?_ _ _
          rw [run_record_ne _ _ _ ne.symm]; exact hc
  · exact g.wrong h hc w

theorem _root_.Shepherd.M.Drives.drivers {a : Id} {rest : List Id} (p : m.Drives (a :: rest)) : ∀ y ∈ rest, Runs.Below m.runs a y := by
  have go : ∀ l, m.Drives l → ∀ a rest, l = a :: rest → ∀ y ∈ rest, Runs.Below m.runs a y := by
    intro l p
    induction p with
    | world => intro a rest e y hy; cases e; exact absurd hy List.not_mem_nil
    | @drives a b rest w ho _ _ ih =>
      intro a' rest' e y hy
      cases e
      rcases List.mem_cons.mp hy with rfl | hy
      · exact .own ho
      · exact .up ho (ih _ _ rfl y hy)
  exact go _ p a rest rfl

/-- The one that drives the active run gets an answer, and is the active run now. -/
theorem answerOwner {b : Id} (g : Good R m) (f : Runs.Forest m.runs) (h : m.stack = a :: b :: rest) {w : Waiting}
    (hb : (m.run b).code = .driving a w) {n : M} (prog : n.program = m.program)
    (codes : ∀ y, (n.run y).code = (m.run y).code) (traces : ∀ y, (n.run y).trace = (m.run y).trace)
    (owners : ∀ y, (n.run y).owner = (m.run y).owner) (stack : n.stack = b :: rest)
    (table : (n.run .world).handles = (m.run .world).handles) (v : Value) : Good R (n.reply b w v) := by
  have p := g.path
  rw [h] at p
  have q := p.tail
  have k : Unwinds R n := g.unwinds.same prog codes traces owners
  have q' : n.Drives (b :: rest) := q.congr (fun y _ => owners y) fun y _ => codes y
  have top : (n.run .world).owner = none := (owners _).trans g.top
  have hn : (n.run b).code = .driving a w := (codes b).trans hb
  have same : ((n.reply b w v).run b).code = resume v w.stack := by rw [reply_eq, run_record_same]
  have other : ∀ y, b ≠ y → (n.reply b w v).run y = n.run y := fun y e => by rw [reply_eq, run_record_ne _ _ _ e]
  have owners' : ∀ y, ((n.reply b w v).run y).owner = (n.run y).owner := fun y => by rw [reply_eq, owner_record]
  refine ⟨?_, ?_, (owners' _).trans top, (owners' _).trans ((owners _).trans g.root), ?_, ?_⟩
  · rw [reply_eq]
    exact k.record _ _ (q'.free k top) (fun u o => by rw [hn]; exact ⟨nofun, nofun⟩) (outcome_notUndo _ _ _) waits_running
      (fun _ _ _ _ e => nomatch e) (.inl (q'.alone top))
  · show Drives _ n.stack
    rw [stack]
    refine q'.congr (fun y _ => owners' y) fun y hy => ?_
    rw [other y fun e => ?_]
    subst e
    exact absurd rfl ((q.drivers b hy).ne f)
  · rcases Classical.em (b = .world) with e | e
    · subst e
      rw [reply_eq, run_record_same]
      exact table.trans g.table
    · rw [other _ e]; exact table.trans g.table
  · rcases Classical.em (b = .world) with e | e
    · subst e; rw [same]; exact fun _ _ e => nomatch e
    · rw [other _ e, codes]; exact g.world

/-- The stop of the active run is told to the one that drives it. -/
theorem toOwner {b : Id} (g : Good R m) (f : Runs.Forest m.runs) (h : m.stack = a :: b :: rest) (ne : b ≠ .world) :
    Good R (m.toOwner b a rest) := by
  have p := g.path
  rw [h] at p
  obtain ⟨ho, w, hw⟩ := p.driven
  unfold M.toOwner
  rw [hw]
  simp only
  have plain : ∀ v, Good R ({ m with stack := b :: rest }.reply b w v) := fun v =>
    g.answerOwner f h hw (n := { m with stack := b :: rest }) rfl (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl v
  have held : ∀ hs v, Good R (({ m with stack := b :: rest }.setHandles b hs).reply b w v) := fun hs v => by
    refine g.answerOwner f h hw (n := { m with stack := b :: rest }.setHandles b hs) rfl
      (code_setHandles { m with stack := b :: rest } b hs) (trace_setHandles { m with stack := b :: rest } b hs) (fun y => ?_) rfl ?_ v
    · rw [run_setHandles]; split
      · next e => subst e; rfl
      · rfl
    · rw [run_setHandles_ne _ _ ne]; rfl
  unfold M.stopValue
  split
  · simp only [M.rehandle]; exact held _ _
  · exact plain _
  · exact plain _
  · split
    · exact plain _
    · exact held _ _

end Good

end M

end Shepherd
