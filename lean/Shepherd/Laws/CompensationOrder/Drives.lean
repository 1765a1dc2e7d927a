import Shepherd.Laws.CompensationOrder.Inside

/-!
# The runs on the stack

Each is driven by the next one, which owns it, up to the outermost owner. So the active run, and all that drive it, are not being taken
back.
-/

namespace Shepherd

namespace M

/-- The active run and those that drive it, up to the outermost owner. -/
inductive Drives (m : M) : List Id → Prop where
  | world : Drives m [.world]
  | drives {a b : Id} {rest : List Id} {w : Waiting} : (m.run a).owner = some b → (m.run b).code = .driving a w → Drives m (b :: rest) →
      Drives m (a :: b :: rest)

/-- What holds of every tree that can be reached, the stack included. -/
structure Good (R : Regions) (m : M) : Prop where
  unwinds : Unwinds R m
  path : m.Drives m.stack
  top : (m.run .world).owner = none
  root : (m.run .root).owner = some .world
  table : (m.run .world).handles = [.root]
  world : ∀ u o, (m.run .world).code = .undoing u o → u.run = .root

theorem Drives.congr {m n : M} {l : List Id} (p : m.Drives l) (owner : ∀ y ∈ l, (n.run y).owner = (m.run y).owner)
    (code : ∀ y ∈ l.tail, (n.run y).code = (m.run y).code) : n.Drives l := by
  induction p with
  | world => exact .world
  | @drives a b rest w ho hc _ ih =>
    refine .drives ((owner a List.mem_cons_self).trans ho) ((code b List.mem_cons_self).trans hc) (ih ?_ ?_)
    · exact fun y hy => owner y (List.mem_cons_of_mem _ hy)
    · exact fun y hy => code y (List.mem_cons_of_mem _ hy)

/-- Who is above a run of the stack drives one. -/
theorem Drives.above {m : M} (top : (m.run .world).owner = none) {a b : Id} {rest : List Id} (p : m.Drives (a :: rest))
    (h : Runs.Below m.runs a b) : b ∈ rest ∧ ∃ c w, (m.run b).code = .driving c w := by
  have go : ∀ l, m.Drives l → ∀ a rest, l = a :: rest → Runs.Below m.runs a b → b ∈ rest ∧ ∃ c w, (m.run b).code = .driving c w := by
    intro l p
    induction p with
    | world =>
      intro a rest e h
      cases e
      exfalso
      cases h with
      | own h => rw [M.run, h] at top; cases top
      | up h _ => rw [M.run, h] at top; cases top
    | @drives a b' rest w ho hc _ ih =>
      intro a' rest' e h
      cases e
      rcases above_owner ho h with rfl | g
      · exact ⟨List.mem_cons_self, _, _, hc⟩
      · obtain ⟨h₁, h₂⟩ := ih _ _ rfl g
        exact ⟨List.mem_cons_of_mem _ h₁, h₂⟩
  exact go _ p a rest rfl h

/-- Nobody takes back the active run, nor those that drive it. -/
theorem Drives.free {R : Regions} {m : M} {but : Option Id} (k : Unwinds R m but) (top : (m.run .world).owner = none) {a : Id}
    {rest : List Id} (p : m.Drives (a :: rest)) : ¬ m.Taken R a := by
  rintro ⟨b, u, o, hb, hr⟩
  obtain ⟨_, c, w, hc⟩ := p.above top (((k.region b u o hb).within a hr).below (k.owns b u o hb))
  rw [hb] at hc; cases hc

/-- The one that drives the active run does not pass. -/
theorem Drives.alone {m : M} (top : (m.run .world).owner = none) {a : Id} {rest : List Id} (p : m.Drives (a :: rest)) : m.Alone a := by
  intro b ho chain op args w hb
  obtain ⟨_, c, w', hc⟩ := p.above top (.own ho)
  rw [hb] at hc; cases hc

theorem Drives.tail {m : M} {a b : Id} {rest : List Id} (p : m.Drives (a :: b :: rest)) : m.Drives (b :: rest) := by
  cases p with
  | drives _ _ p => exact p

theorem Drives.driven {m : M} {a b : Id} {rest : List Id} (p : m.Drives (a :: b :: rest)) :
    (m.run a).owner = some b ∧ ∃ w, (m.run b).code = .driving a w := by
  cases p with
  | drives h g _ => exact ⟨h, _, g⟩

/-- Where the active run does not drive, it is not one of those that do. -/
theorem Drives.ne {m : M} {a : Id} {rest : List Id} (p : m.Drives (a :: rest)) (h : ∀ c w, (m.run a).code ≠ .driving c w) :
    ∀ y ∈ rest, a ≠ y := by
  have go : ∀ l, m.Drives l → ∀ y ∈ l.tail, ∃ c w, (m.run y).code = .driving c w := by
    intro l p
    induction p with
    | world => exact fun y hy => absurd hy List.not_mem_nil
    | @drives a b rest w _ hc _ ih =>
      intro y hy
      rcases List.mem_cons.mp hy with rfl | hy
      · exact ⟨_, _, hc⟩
      · exact ih y hy
  intro y hy e
  subst e
  obtain ⟨c, w, hc⟩ := go _ p a hy
  exact h c w hc

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

theorem free (g : Good R m) (h : m.stack = a :: rest) : ¬ m.Taken R a := (h ▸ g.path).free g.unwinds g.top

theorem alone (g : Good R m) (h : m.stack = a :: rest) : m.Alone a := (h ▸ g.path).alone g.top

/-- The active run changes, and stands at settled code before and after. -/
theorem one (g : Good R m) {n : M} (h : m.stack = a :: rest) {s t : Settled} (hc : (m.run a).code = .settled s)
    (hn : (n.run a).code = .settled t) (prog : n.program = m.program) (run : ∀ y, a ≠ y → n.run y = m.run y)
    (owner : (n.run a).owner = (m.run a).owner) (stack : n.stack = m.stack) (table : a = .world → (n.run a).handles = (m.run a).handles)
    (fine : Fine m.program a (n.run a).trace) (waits : Waits (n.run a).trace (n.run a).code) :
    Good R n where
  unwinds := g.unwinds.one prog run (g.free h) (fun u o => by rw [hc, hn]; exact ⟨nofun, nofun⟩) fine (fun _ => waits)
    (fun _ _ _ _ e => by rw [hn] at e; cases e) (.inl (g.alone h))
  path := by
    have p := g.path
    rw [stack]
    rw [h] at p ⊢
    refine p.congr (fun y hy => ?_) fun y hy => ?_
    · rcases Classical.em (a = y) with e | e
      · subst e; exact owner
      · rw [run y e]
    · rw [run y (p.ne (by rw [hc]; exact nofun) y hy)]
  top := by
    rcases Classical.em (a = .world) with e | e
    · subst e; exact owner.trans g.top
    · rw [run _ e]; exact g.top
  root := by
    rcases Classical.em (a = .root) with e | e
    · subst e; exact owner.trans g.root
    · rw [run _ e]; exact g.root
  table := by
    rcases Classical.em (a = .world) with e | e
    · subst e; exact (table rfl).trans g.table
    · rw [run _ e]; exact g.table
  world := by
    rcases Classical.em (a = .world) with e | e
    · subst e; rw [hn]; exact nofun
    · rw [run _ e]; exact g.world

/-- The active run records an event that is no undo. -/
theorem record (g : Good R m) (h : m.stack = a :: rest) {c t : Settled} (hc : (m.run a).code = .settled c) (event : Event) (s : State)
    (hs : s.code = .settled t) (no : event.NotUndo) (table : a = .world → s.handles = (m.run a).handles)
    (waits : Waits (m.commitOf a event s :: (m.run a).trace) s.code) : Good R (m.record a event s) := by
  have same := run_record_same m a event s
  refine g.one h hc (t := t) (by rw [same]; exact hs) rfl (fun y e => run_record_ne m event s e) ?_ rfl ?_ ?_ ?_
  · rw [same]
  · rw [same]; exact table
  · rw [same]; exact (g.unwinds.fine a).other no waits
  · rw [same]; exact waits

theorem recordCode (g : Good R m) (h : m.stack = a :: rest) {c t : Settled} (hc : (m.run a).code = .settled c) (event : Event)
    (no : event.NotUndo) (waits : Waits (m.commitOf a event { m.state a with code := .settled t } :: (m.run a).trace) (.settled t)) :
    Good R (m.recordCode a event (.settled t)) := g.record h hc event _ rfl no (fun _ => rfl) waits

theorem waits_running {t : Trace} {c : Comp} {ρ : Env} {K : Stack} {n : Nat} : Waits t (.settled (.running c ρ K n)) :=
  fun _ h => nomatch h

theorem outcome_notUndo (v : Value) (ch : Change) (b : By) : (Event.outcome v ch b).NotUndo := fun _ _ _ => nofun

/-- The machine answers the active run. -/
theorem reply (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) (w : Waiting) (answer : Value)
    (change : Change := []) : Good R (m.reply a w answer change) :=
  g.record h hc _ _ rfl (outcome_notUndo _ _ _) (fun _ => rfl) waits_running

/-- Another table, another count, other counts of grants or texts. -/
theorem same (g : Good R m) {n : M} (prog : n.program = m.program) (codes : ∀ y, (n.run y).code = (m.run y).code)
    (traces : ∀ y, (n.run y).trace = (m.run y).trace) (owners : ∀ y, (n.run y).owner = (m.run y).owner)
    (stack : n.stack = m.stack) (table : (n.run .world).handles = (m.run .world).handles) : Good R n where
  unwinds := g.unwinds.same prog codes traces owners
  path := by rw [stack]; exact g.path.congr (fun y _ => owners y) fun y _ => codes y
  top := (owners _).trans g.top
  root := (owners _).trans g.root
  table := table.trans g.table
  world := by rw [codes]; exact g.world

theorem setHandles (g : Good R m) {id : Id} (ne : id ≠ .world) (handles : List Id) : Good R (m.setHandles id handles) := by
  have each : ∀ {α : Type} (f : Run → α), (∀ r hs, f { r with handles := hs } = f r) → ∀ y, f ((m.setHandles id handles).run y) = f (m.run y) :=
    fun f hf y => by
      rw [run_setHandles]; split
      · next e => subst e; exact hf _ _
      · rfl
  refine g.same rfl (each Run.code fun _ _ => rfl) (each Run.trace fun _ _ => rfl) (each Run.owner fun _ _ => rfl) rfl ?_
  rw [run_setHandles_ne m handles ne]

end Good

end M

end Shepherd
