import Shepherd.Laws.OutcomeAnswersIntent.Links
import Shepherd.Laws.OutcomeAnswersIntent.History

/-!
# What holds of every tree

`m.Steady`: each trace is good, and code is at an intent just where the trace is. `m.Inv`: also, what is on the stack is a path of
owners that drive, and what runs show is open.
-/

namespace Shepherd

namespace M

/-- What each elementary change keeps, while run `e` may not have recorded anything yet. -/
structure SteadyBut (m : M) (e : Id) : Prop where
  nodup : (m.runs.map Run.id).Nodup
  world : (m.run .world).owner = none
  hist : m.HistBut e
  good : ∀ x, Trace.Good (m.run x).trace
  agrees : ∀ x, (x = .world → ∀ r w, (m.run x).code ≠ .driving r w) →
    Trace.asksIntent (m.run x).trace = (m.run x).code.settle.waits

/-- What each elementary change keeps. -/
abbrev Steady (m : M) : Prop := SteadyBut m .world

/-- What holds between steps, the stack apart. -/
structure Base (m : M) : Prop where
  sound : m.Steady
  root : (m.run .root).owner = some .world
  handles : (m.run .world).handles = [.root]
  links : m.Links

/-- What holds between steps. -/
structure Inv (m : M) : Prop extends Base m where
  path : m.Upward m.stack

theorem nodup_put {m : M} (h : (m.runs.map Run.id).Nodup) {r : Run} (i : m.has r.id = true) :
    ((m.put r).runs.map Run.id).Nodup := by
  show ((Runs.put m.runs r).map Run.id).Nodup
  rw [Runs.ids_put, if_pos (show Runs.has m.runs r.id = true from i)]; exact h

theorem nodup_put_new {m : M} (h : (m.runs.map Run.id).Nodup) {r : Run} (i : m.has r.id = false) :
    ((m.put r).runs.map Run.id).Nodup := by
  show ((Runs.put m.runs r).map Run.id).Nodup
  rw [Runs.ids_put, if_neg (by rw [show Runs.has m.runs r.id = false from i]; exact Bool.false_ne_true), List.nodup_append]
  refine ⟨h, List.nodup_cons.mpr ⟨List.not_mem_nil, List.nodup_nil⟩, fun x hx y hy e => ?_⟩
  rw [List.mem_singleton] at hy
  obtain ⟨s, hs, hi⟩ := List.mem_map.mp hx
  have : m.has r.id = true := (Runs.has_iff _ _).mpr ⟨s, hs, by rw [hi, e, hy]⟩
  rw [this] at i; cases i

namespace SteadyBut

variable {e : Id}

/-- A run that is there is put in another form, with the same trace. -/
theorem put {m : M} (k : m.SteadyBut e) (r : Run) (i : m.has r.id = true) (trace : r.trace = (m.run r.id).trace)
    (owner : r.id = .world → r.owner = none)
    (agrees : (r.id = .world → ∀ a w, r.code ≠ .driving a w) → Trace.asksIntent r.trace = r.code.settle.waits) :
    (m.put r).SteadyBut e where
  nodup := nodup_put k.nodup i
  world := by
    rw [run_put]; split
    · next e => exact owner e
    · exact k.world
  hist := k.hist.same (fun x => Runs.has_put_same i x) fun x => by
    rw [run_put]; split
    · next e => rw [trace, e]
    · rfl
  good := fun x => by
    rw [run_put]; split
    · next e => rw [trace, e]; exact k.good x
    · exact k.good x
  agrees := fun x h => by
    rw [run_put] at h ⊢
    split
    · next e =>
      rw [if_pos e] at h
      exact agrees fun hr => h (e ▸ hr)
    · next e =>
      rw [if_neg e] at h
      exact k.agrees x h

theorem setCode {m : M} (k : m.SteadyBut e) {id : Id} (i : m.has id = true) (code : Code)
    (agrees : (id = .world → ∀ a w, code ≠ .driving a w) → Trace.asksIntent (m.run id).trace = code.settle.waits) :
    (m.setCode id code).SteadyBut e := by
  refine k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (fun e => ?_) fun h => ?_
  · simp only [run_id] at e
    simp only [e]; exact k.world
  · simp only [run_id] at h
    exact agrees h

theorem setHandles {m : M} (k : m.SteadyBut e) {id : Id} (i : m.has id = true) (handles : List Id) : (m.setHandles id handles).SteadyBut e := by
  refine k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (fun e => ?_) fun h => ?_
  · simp only [run_id] at e
    simp only [e]; exact k.world
  · simp only [run_id] at h
    exact k.agrees id h

theorem own {m : M} (k : m.SteadyBut e) {id : Id} (i : m.has id = true) (ne : id ≠ .world) (owner : Id) (givers : List Id) :
    (m.own id owner givers).SteadyBut e := by
  refine k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]) (fun e => ?_) fun h => ?_
  · simp only [run_id] at e
    exact absurd e ne
  · simp only [run_id] at h
    exact k.agrees id h

theorem stack {m : M} (k : m.SteadyBut e) (stack : List Id) : ({ m with stack } : M).SteadyBut e :=
  ⟨k.nodup, k.world, k.hist.same (fun _ => rfl) fun _ => rfl, k.good, k.agrees⟩

theorem used {m : M} (k : m.SteadyBut e) (used : Used) : ({ m with used } : M).SteadyBut e :=
  ⟨k.nodup, k.world, k.hist.same (fun _ => rfl) fun _ => rfl, k.good, k.agrees⟩

theorem written {m : M} (k : m.SteadyBut e) (written : List (String × String)) : ({ m with written } : M).SteadyBut e :=
  ⟨k.nodup, k.world, k.hist.same (fun _ => rfl) fun _ => rfl, k.good, k.agrees⟩

/-- A run records an event: an outcome where a question is open; and its code is at an intent where its trace is then. -/
theorem record {m : M} (k : m.SteadyBut e) {id : Id} (i : m.has id = true) (r : m.Rooted id) (he : e = .world ∨ e = id) (event : Event) (s : State)
    (asked : event.isOutcome = true → Trace.asksIntent (m.run id).trace = true ∨ Trace.asksUndo (m.run id).trace = true)
    (agrees : Trace.asksIntent (m.commitOf id event s :: (m.run id).trace) = s.code.settle.waits) :
    (m.record id event s).Steady where
  nodup := by
    show ((Runs.put m.runs _).map Run.id).Nodup
    rw [Runs.ids_put, if_pos (by simp only [run_id]; exact i)]
    exact k.nodup
  world := by rw [owner_record]; exact k.world
  hist := k.hist.record k.nodup k.world i r he event s
  good := fun x => by
    by_cases e : id = x
    · subst e
      rw [trace_record_same]
      exact (k.good id).cons asked agrees
    · rw [trace_record_ne m event s e]; exact k.good x
  agrees := fun x h => by
    by_cases e : id = x
    · subst e
      rw [run_record_same]
      exact agrees
    · rw [run_record_ne m event s e] at h ⊢
      exact k.agrees x h

/-- An event that closes the question; the code is not at an intent then. -/
theorem closes {m : M} (k : m.SteadyBut e) {id : Id} (i : m.has id = true) (r : m.Rooted id) (he : e = .world ∨ e = id) (event : Event) (s : State)
    (asked : event.isOutcome = true → Trace.asksIntent (m.run id).trace = true ∨ Trace.asksUndo (m.run id).trace = true)
    (hc : event.closes = true) (hs : s.code.settle.waits = false) : (m.record id event s).Steady := by
  refine k.record i r he event s asked ?_
  rw [hs, Trace.asksIntent_none (Trace.question_closes hc _)]

end SteadyBut

/-! ## Changes of the active run alone -/

/-- Only the active run changes, which takes none back. -/
theorem Inv.solo {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest)
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) (sound : n.Steady) (other : ∀ y, x ≠ y → n.run y = m.run y)
    (owner : (n.run x).owner = (m.run x).owner) (handles : x = .world → (n.run x).handles = (m.run x).handles)
    (has : ∀ y, n.has y = true → m.has y = true) (link : n.Link x) : n.Base ∧ n.Upward (x :: rest) := by
  have path := k.path
  rw [hs] at path
  have hw := k.sound.world
  have owners : ∀ y, (n.run y).owner = (m.run y).owner := fun y => by
    by_cases e : x = y
    · rw [← e]; exact owner
    · rw [other y e]
  refine ⟨⟨sound, (owners _).trans k.root, ?_, fun y => ?_⟩, ?_⟩
  · by_cases e : x = .world
    · rw [← e, handles e, e]; exact k.handles
    · rw [other _ e]; exact k.handles
  · by_cases e : x = y
    · exact .inr (e ▸ link)
    · cases hy : m.has y with
      | false =>
        right
        have : n.has y = false := by
          cases h : n.has y with
          | false => rfl
          | true => rw [has y h] at hy; cases hy
        unfold Link
        rw [run_of_not_has this]; trivial
      | true =>
        by_cases w : m.Within y x
        · have b : m.Beneath y x := w.cases.resolve_left fun h => e h.symm
          refine k.links.inside hw path hx (fun a u o ne hc _ _ => ⟨u, o, by rw [other a (Ne.symm ne)]; exact hc, rfl⟩)
            (fun z _ _ => owners z) fun h => .inr (h.frame (fun z hz => .of_run (other z fun e => ?_)) fun z _ => owners z)
          subst e
          exact path.rooted.irrefl hw (hz.trans_beneath b)
        · refine k.links.outside hw path (fun z _ hz => ⟨.of_run (other z fun e => hz (e ▸ .refl _)), owners z⟩) hy w
  · exact path.frame owner fun y hy => ⟨owners y, by rw [other y (path.ne hw hy).symm]⟩

theorem Inv.solo' {m n : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest)
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) (sound : n.Steady) (other : ∀ y, x ≠ y → n.run y = m.run y)
    (owner : (n.run x).owner = (m.run x).owner) (handles : x = .world → (n.run x).handles = (m.run x).handles)
    (has : ∀ y, n.has y = true → m.has y = true) (link : n.Link x) (stack : n.stack = m.stack) : n.Inv := by
  obtain ⟨b, p⟩ := k.solo hs hx sound other owner handles has link
  exact ⟨b, by rw [stack, hs]; exact p⟩

theorem Inv.rooted {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) : m.Rooted x := by
  have := k.path
  rw [hs] at this
  exact this.rooted

/-- The active run records an event and takes none back, before and after. -/
theorem Inv.recordSolo {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (i : m.has x = true)
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) (event : Event) (s : State)
    (asked : event.isOutcome = true → Trace.asksIntent (m.run x).trace = true ∨ Trace.asksUndo (m.run x).trace = true)
    (agrees : Trace.asksIntent (m.commitOf x event s :: (m.run x).trace) = s.code.settle.waits)
    (settled : ∃ t, s.code = .settled t) (handles : x = .world → s.handles = (m.run x).handles) : (m.record x event s).Inv := by
  refine k.solo' hs hx (k.sound.record i (k.rooted hs) (.inl rfl) event s asked agrees) (fun y e => run_record_ne m event s e)
    (owner_record m x event s x) (fun e => ?_) (fun y hy => ?_) ?_ rfl
  · rw [run_record_same]; exact handles e
  · rw [has_record, Bool.or_eq_true, beq_iff_eq] at hy
    exact hy.elim (fun e => e ▸ i) fun h => h
  · unfold Link
    rw [run_record_same]
    obtain ⟨t, ht⟩ := settled
    simp only [ht]
    trivial

/-- The machine answers the active run, at whose intent it is. -/
theorem Inv.reply {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest)
    (hx : ∀ u o, (m.run x).code ≠ .undoing u o) (asks : Trace.asksIntent (m.run x).trace = true) (w : Waiting) (answer : Value)
    (change : Change := []) : (m.reply x w answer change).Inv := by
  have i : m.has x = true := has_of_trace fun e => by rw [e] at asks; cases asks
  exact k.recordSolo hs i hx _ _ (fun _ => .inl asks) (Trace.asksIntent_none (Trace.question_closes rfl _)) ⟨_, rfl⟩ fun _ => rfl

theorem Steady.waiting {m : M} (k : m.Steady) {x : Id} {w : Waiting} (h : (m.run x).code = .settled (.waiting w)) :
    Trace.asksIntent (m.run x).trace = true := by
  rw [k.agrees x fun _ r v => by rw [h]; exact nofun, h]; rfl

theorem Inv.setHandles {m : M} (k : m.Inv) {x : Id} {rest : List Id} (hs : m.stack = x :: rest) (i : m.has x = true)
    (ne : x ≠ .world) (hx : ∀ u o, (m.run x).code ≠ .undoing u o) (hp : ∀ c op a w, (m.run x).code ≠ .passing c op a w)
    (handles : List Id) : (m.setHandles x handles).Inv := by
  refine k.solo' hs hx (k.sound.setHandles i handles) (fun y e => run_setHandles_ne m _ e) (by rw [run_setHandles_same])
    (fun e => absurd e ne) (fun y hy => ?_) ?_ rfl
  · rw [has_setHandles, Bool.or_eq_true, beq_iff_eq] at hy
    exact hy.elim (fun e => e ▸ i) fun h => h
  · unfold Link
    rw [run_setHandles_same]
    cases hc : (m.run x).code with
    | settled s => trivial
    | driving r w => trivial
    | passing c op a w => exact absurd hc (hp c op a w)
    | undoing u o => exact absurd hc (hx u o)

end M

end Shepherd
