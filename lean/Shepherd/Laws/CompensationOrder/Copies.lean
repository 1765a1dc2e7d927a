import Shepherd.Laws.CompensationOrder.Owners
import Shepherd.Laws.Support.TiedReach

/-!
# Steps that take nothing back: spawn and fork
-/

namespace Shepherd

namespace M

/-- A run that is taken up again passes what one that it owns shows. -/
theorem of_takenUp {m : M} {y : Id} {hs : List Id} {s : Settled} {chain : List Id} {op : String} {args : List Value} {w : Waiting}
    (h : m.takenUp y hs s = .passing chain op args w) : s = .waiting w ∧ w.op = "run.pass" ∧ m.Passes y chain op args := by
  unfold takenUp at h
  split at h
  · next w' =>
    split at h
    · next hop hargs =>
      split at h
      · next child _ =>
        split at h
        · next q ho hs =>
          cases h
          exact ⟨rfl, hop, child, q, rfl, beq_iff_eq.mp ho, hs, rfl, rfl⟩
        · cases h
      · cases h
    · cases h
  · cases h

/-- A run that shows a question, and passes none, is taken up as it is. -/
theorem takenUp_of_shown {m n : M} {x y : Id} {hs : List Id} {s : Settled} {q : Question} (hc : (m.run y).code = .settled s)
    (h : m.shown y = some q) : n.takenUp x hs s = .settled s := by
  unfold shown at h
  rw [hc] at h
  cases s with
  | waiting w =>
    simp only at h
    split at h
    · cases h
    · next hm =>
      unfold takenUp
      simp only
      split
      · next ho _ => rw [ho] at hm; exact absurd (by decide) hm
      · rfl
  | _ => simp only at h; cases h

/-- A run at an operation of the machine shows nothing. -/
theorem shown_machine {m : M} {y : Id} {w : Waiting} (hc : (m.run y).code = .settled (.waiting w)) (hw : w.op = "run.pass") :
    m.shown y = none := by
  unfold shown
  rw [hc]
  simp only [hw]
  rw [if_pos (by decide)]

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- The active run is told of a run that it has made. -/
theorem answerRun (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) (ne : a ≠ .world)
    (w : Waiting) (id : Id) : Good R (m.answerRun a w id) := by
  unfold M.answerRun
  simp only
  have hid : ∀ hs n, ({ m.run a with handles := hs, made := n } : Run).id = a := fun _ _ => run_id m a
  have each : ∀ {α : Type} (f : Run → α) (hs : List Id) (n : Nat), (∀ r, f { r with handles := hs, made := n } = f r) →
      ∀ y, f ((m.put { m.run a with handles := hs, made := n }).run y) = f (m.run y) := fun f hs n hf y => by
    rw [run_put, hid]; split
    · next e => subst e; exact hf _
    · rfl
  refine Good.reply (m := m.put _) (g.same rfl (each Run.code _ _ fun _ => rfl) (each Run.trace _ _ fun _ => rfl)
    (each Run.owner _ _ fun _ => rfl) rfl ?_) h (c := c) ((each Run.code _ _ (fun _ => rfl) a).trans hc) _ _
  rw [run_put_ne m (by rw [hid]; exact ne)]

/-- What is on the stack is there, and no new run is. -/
theorem off_stack (g : Good R m) (w : m.has .world = true) {id : Id} (new : m.has id = false) : id ∉ m.stack := by
  have go : ∀ l, m.Drives l → id ∉ l := by
    intro l p
    induction p with
    | world =>
      intro h
      rw [List.mem_singleton.mp h, w] at new; cases new
    | @drives a b rest w ho _ _ ih =>
      intro h
      rcases List.mem_cons.mp h with rfl | h
      · have i : m.has id = true := Runs.has_of_owner ho
        rw [i] at new; cases new
      · exact ih h
  exact go _ g.path

/-- A run off the stack, that nobody takes back, records an event; it stands at settled code before and after. -/
theorem recordFree (g : Good R m) {id : Id} (off : id ∉ m.stack) (ne : id ≠ .world) (free : ¬ m.Taken R id) (alone : m.Alone id)
    {c t : Settled} (hc : (m.run id).code = .settled c) (event : Event) (no : event.NotUndo)
    (waits : Waits (m.commitOf id event { m.state id with code := .settled t } :: (m.run id).trace) (.settled t)) :
    Good R (m.recordCode id event (.settled t)) := by
  have other : ∀ y, id ≠ y → (m.recordCode id event (.settled t)).run y = m.run y := fun y e => run_recordCode_ne m event _ e
  refine ⟨?_, ?_, by rw [other _ ne]; exact g.top, (owner_record m id event _ .root).trans g.root, by rw [other _ ne]; exact g.table, by rw [other _ ne]; exact g.world⟩
  · exact g.unwinds.record _ _ free (fun u o => by rw [hc]; exact ⟨nofun, nofun⟩) no waits (fun _ _ _ _ e => nomatch e) (.inl alone)
  · show Drives _ m.stack
    exact g.path.congr (fun y hy => by rw [other y fun e => off (e ▸ hy)])
      fun y hy => by rw [other y fun e => off (e ▸ List.mem_of_mem_tail hy)]

/-- A new run, with what it is lent, on its start. -/
theorem spawned (g : Good R m) (w : Wf m True) (h : m.stack = a :: rest) {wt : Waiting} {s : Settled}
    (hc : (m.run a).code = .settled s) (ne : a ≠ .world) (r : Run) (hid : r.id = .made a (m.run a).made) (ho : r.owner = some a)
    {agent : String} {args : List Value} (code : r.code = bodyOf agent args) (trace : r.trace = []) (given : List Id)
    (others : .made a (m.run a).made ∉ given) (event : Event) (no : event.NotUndo) :
    Good R ((((given.foldl (M.lend a (.made a (m.run a).made)) (m.put r))).recordCode (.made a (m.run a).made) event
      (bodyOf agent args)).answerRun a wt (.made a (m.run a).made)) := by
  rw [← hid] at others ⊢
  unfold bodyOf at code ⊢
  generalize Comp.call (.lit (.agent agent)) (args.map .lit) = c at code ⊢
  have absent : m.has r.id = false := by rw [hid]; exact not_has_made w a
  have nw : r.id ≠ .world := by rw [hid]; exact nofun
  have off := g.off_stack w.world absent
  have na : r.id ≠ a := fun e => by
    exact off (by rw [h, e]; exact List.mem_cons_self)
  have b : Good R (m.put r) := g.born r absent nw (by rw [hid]; exact nofun) off _ code (by rw [trace]; exact .nil _ _)
    (by rw [code]; exact waits_running)
  have b' : (m.put r).stack = a :: rest ∧ ((m.put r).run a).code = .settled s ∧ ((m.put r).run r.id).owner = some a ∧
      ((m.put r).run r.id).code = .settled (.running c [] [] 0) :=
    ⟨h, by rw [run_put_ne m na]; exact hc, by rw [run_put_same]; exact ho, by rw [run_put_same]; exact code⟩
  have l := foldl_keeps (P := fun n => Good R n ∧ n.stack = a :: rest ∧ (n.run a).code = .settled s ∧ (n.run r.id).owner = some a ∧
    (n.run r.id).code = .settled (.running c [] [] 0)) (f := M.lend a r.id) (l := given) ⟨b, b'⟩ fun n x hg ⟨g, hs, ha, hr, hr'⟩ => by
      unfold M.lend
      split
      · next hx =>
        have hx : (n.run x).owner = some a := beq_iff_eq.mp hx
        refine ⟨g.own hs ha hx ne _ _, hs, by rw [run_own_code]; exact ha, ?_, by rw [run_own_code]; exact hr'⟩
        rw [run_own_ne n _ _ fun e : x = r.id => others (e ▸ hg)]; exact hr
      · exact ⟨g, hs, ha, hr, hr'⟩
  obtain ⟨g, hs, ha, hr, hr'⟩ := l
  have k := g.recordFree (t := .running c [] [] 0) (by rw [hs, ← h]; exact off) nw (g.kid_free hs (by rw [ha]; exact nofun) hr) (fun b hb _ _ _ _ hp => by
    rw [hr] at hb; cases hb; rw [ha] at hp; cases hp) hr' event no waits_running
  exact k.answerRun hs (c := s) (by rw [run_recordCode_ne _ _ _ na]; exact ha) ne wt r.id

theorem spawn (g : Good R m) (w : Wf m True) (tab : Tabled m.Stamped m) (h : m.stack = a :: rest) {wt : Waiting}
    (hc : (m.run a).code = .settled (.waiting wt)) (ne : a ≠ .world) : Good R (m.spawn a wt) := by
  unfold M.spawn
  split
  · split
    · exact g.reply h hc _ _
    · split
      · exact g.reply h hc _ _
      · simp only
        generalize hgiven : Value.mapHandlesList (give (m.run a).handles) [] _ = given
        have stamped : ∀ h ∈ given.1, m.Stamped h := by
          rw [← hgiven]
          refine Value.mapHandlesList_mem (P := fun l => ∀ h ∈ l, m.Stamped h) (fun l n hl h hh => ?_) _ _
            fun h hh => absurd hh List.not_mem_nil
          rcases of_mem_renumber hh with e | e | e
          · exact hl h e
          · exact tab.tables a h e
          · rw [e]; trivial
        refine g.spawned w h hc ne _ rfl rfl rfl rfl _ ?_ _ ?_
        · exact fun hh => Nat.lt_irrefl _ (stamped _ hh)
        · exact fun _ _ _ => nofun
  · exact g.wrong h hc wt

end Good

end M

end Shepherd
