import Shepherd.Laws.BranchReplay.Rerun
import Shepherd.Laws.Support.Reach

/-!
# Every run is what its recorded events make of it: elementary changes
-/

namespace Shepherd

namespace M

/-- Every run but those of `X` is, after each event of its trace and now, what a run alone comes to that is told the events again. A
run has the agent, the arguments and the first files of whoever recorded an event of its trace: a copy has those of its original. -/
structure Retold (X : Id → Prop) (m : M) : Prop where
  trace : ∀ id, ¬ X id → m.has id = true → (m.run id).trace ≠ []
  now : ∀ id, ¬ X id → m.has id = true →
    Rerun m.program (m.run id).agent (m.run id).args (m.run id).base (m.run id).trace.fixed (m.run id).alone
  past : ∀ id, ¬ X id → ∀ c t, c :: t <:+ (m.run id).trace →
    Rerun m.program (m.run id).agent (m.run id).args (m.run id).base (Trace.fixed (c :: t)) c.alone
  kin : ∀ id, ¬ X id → ∀ c ∈ (m.run id).trace, ¬ X c.run ∧ (m.run c.run).agent = (m.run id).agent ∧
    (m.run c.run).args = (m.run id).args ∧ (m.run c.run).base = (m.run id).base
  once : ∀ id, ¬ X id → ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, ∀ g ∈ c.heads, h.id = g.id → h.length = g.length

/-- The runs apart from which every run is so: the outermost owner, which has no agent. -/
abbrev World : Id → Prop := fun id => id = .world

namespace Retold

variable {X : Id → Prop} {m : M}

/-- A change that records nothing and leaves every run what it is, local steps apart. -/
theorem same {n : M} (k : Retold X m) (hprog : n.program = m.program) (hhas : ∀ id, n.has id = m.has id)
    (h : ∀ id, (n.run id).agent = (m.run id).agent ∧ (n.run id).args = (m.run id).args ∧ (n.run id).base = (m.run id).base ∧
      (n.run id).trace = (m.run id).trace ∧ (n.run id).files = (m.run id).files ∧ (n.run id).inbox = (m.run id).inbox)
    (hcode : ∀ id, ¬ X id → Goes m.program (m.run id).code.settle (n.run id).code.settle) : Retold X n where
  trace := fun id x i => by rw [(h id).2.2.2.1]; exact k.trace id x (hhas id ▸ i)
  now := fun id x i => by
    obtain ⟨h1, h2, h3, h4, h5, h6⟩ := h id
    have := (k.now id x (hhas id ▸ i)).goes (hcode id x)
    rw [hprog, h1, h2, h3, h4]
    have e : (n.run id).alone = { (m.run id).alone with code := (n.run id).code.settle } := by
      unfold Run.alone; rw [h5, h6]
    rw [e]; exact this
  past := fun id x c t s => by
    obtain ⟨h1, h2, h3, h4, _⟩ := h id
    rw [hprog, h1, h2, h3]
    exact k.past id x c t (h4 ▸ s)
  kin := fun id x c hc => by
    obtain ⟨h1, h2, h3, h4, _⟩ := h id
    obtain ⟨g1, g2, g3, _⟩ := h c.run
    rw [h1, h2, h3, g1, g2, g3]
    exact k.kin id x c (h4 ▸ hc)
  once := fun id x c hc => k.once id x c ((h id).2.2.2.1 ▸ hc)

/-- A run is put in another form: only owner, givers, handles, counts and the code differ, the code by local steps. -/
theorem put (k : Retold X m) (r : Run) (i : m.has r.id = true) (h : r.agent = (m.run r.id).agent ∧ r.args = (m.run r.id).args ∧
      r.base = (m.run r.id).base ∧ r.trace = (m.run r.id).trace ∧ r.files = (m.run r.id).files ∧ r.inbox = (m.run r.id).inbox)
    (hcode : ¬ X r.id → Goes m.program (m.run r.id).code.settle r.code.settle) : Retold X (m.put r) := by
  refine k.same rfl (fun j => Runs.has_put_same i j) (fun j => ?_) fun j x => ?_
  · rw [run_put]; split
    · next e => subst e; exact h
    · exact ⟨rfl, rfl, rfl, rfl, rfl, rfl⟩
  · rw [run_put]; split
    · next e => subst e; exact hcode x
    · exact .refl _

theorem setCode (k : Retold X m) {id : Id} (i : m.has id = true) (code : Code)
    (h : ¬ X id → Goes m.program (m.run id).code.settle code.settle) : Retold X (m.setCode id code) :=
  k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]; exact ⟨trivial, trivial, trivial, trivial, trivial, trivial⟩)
    (by simp only [run_id]; exact h)

theorem setHandles (k : Retold X m) {id : Id} (i : m.has id = true) (handles : List Id) : Retold X (m.setHandles id handles) :=
  k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]; exact ⟨trivial, trivial, trivial, trivial, trivial, trivial⟩)
    (by simp only [run_id]; exact fun _ => .refl _)

theorem own (k : Retold X m) {id : Id} (i : m.has id = true) (owner : Id) (givers : List Id) : Retold X (m.own id owner givers) :=
  k.put _ (by simp only [run_id]; exact i) (by simp only [run_id]; exact ⟨trivial, trivial, trivial, trivial, trivial, trivial⟩)
    (by simp only [run_id]; exact fun _ => .refl _)

theorem stack (k : Retold X m) (stack : List Id) : Retold X { m with stack } :=
  k.same rfl (fun _ => rfl) (fun _ => ⟨rfl, rfl, rfl, rfl, rfl, rfl⟩) fun _ _ => .refl _

theorem used (k : Retold X m) (used : Used) : Retold X { m with used } :=
  k.same rfl (fun _ => rfl) (fun _ => ⟨rfl, rfl, rfl, rfl, rfl, rfl⟩) fun _ _ => .refl _

theorem written (k : Retold X m) (written : List (String × String)) : Retold X { m with written } :=
  k.same rfl (fun _ => rfl) (fun _ => ⟨rfl, rfl, rfl, rfl, rfl, rfl⟩) fun _ _ => .refl _

theorem headsAt_once {id : Id} {event : Event} {h g : Head} (hh : h ∈ m.headsAt id event) (hg : g ∈ m.headsAt id event)
    (e : h.id = g.id) : h.length = g.length := by
  unfold headsAt at hh hg
  obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
  obtain ⟨y, _, rfl⟩ := List.mem_map.mp hg
  have e : x = y := e
  rw [e]

/-- A run records an event. A run of `Y` may get out of it by its first event. -/
theorem recordOut {Y : Id → Prop} (k : Retold Y m) {id : Id} (more : ∀ j, X j → Y j) (out : ∀ j, id ≠ j → ¬ X j → ¬ Y j)
    (first : ¬ X id → ¬ Y id ∨ (m.run id).trace = []) (i : m.has id = true) (event : Event) (s : State)
    (h : ¬ X id → Rerun m.program (m.run id).agent (m.run id).args (m.run id).base
      (⟨event, s.code.settle.refused⟩ :: (m.run id).trace.fixed) ⟨s.code.settle, s.files, s.inbox⟩) :
    Retold X (m.record id event s) := by
  have hhas : ∀ j, (m.record id event s).has j = m.has j := fun j =>
    Runs.has_put_same (by simp only [run_id]; exact i) j
  have kin : ∀ j, ((m.record id event s).run j).agent = (m.run j).agent ∧ ((m.record id event s).run j).args = (m.run j).args ∧
      ((m.record id event s).run j).base = (m.run j).base := fun j => by
    rw [run_record]; split
    · next e => subst e; exact ⟨rfl, rfl, rfl⟩
    · exact ⟨rfl, rfl, rfl⟩
  have key : ¬ X id → Rerun m.program (m.run id).agent (m.run id).args (m.run id).base
      (Trace.fixed (m.commitOf id event s :: (m.run id).trace)) (m.commitOf id event s).alone := fun x => h x
  have old : ∀ j, ¬ X j → ∀ c ∈ (m.run j).trace, ¬ Y j := fun j x c hc => by
    by_cases e : id = j
    · subst e
      rcases first x with y | t
      · exact y
      · rw [t] at hc; exact absurd hc List.not_mem_nil
    · exact out j e x
  have now : ∀ j c, c ∈ ((m.record id event s).run j).trace → (j = id ∧ c = m.commitOf id event s) ∨ c ∈ (m.run j).trace := by
    intro j c hc
    by_cases e : id = j
    · subst e
      rw [trace_record_same] at hc
      exact (List.mem_cons.mp hc).imp_left fun h => ⟨rfl, h⟩
    · rw [run_record_ne m event s e] at hc; exact .inr hc
  refine ⟨fun j x g => ?_, fun j x g => ?_, fun j x c t hs => ?_, fun j x c hc => ?_, fun j x c hc => ?_⟩
  · by_cases e : id = j
    · subst e; rw [trace_record_same]; exact nofun
    · rw [run_record_ne m event s e]; exact k.trace j (out j e x) (hhas j ▸ g)
  · by_cases e : id = j
    · subst e; rw [run_record_same]; exact key x
    · rw [run_record_ne m event s e]; exact k.now j (out j e x) (hhas j ▸ g)
  · rw [(kin j).1, (kin j).2.1, (kin j).2.2]
    by_cases e : id = j
    · subst e
      rw [trace_record_same] at hs
      rcases List.suffix_cons_iff.mp hs with hs | hs
      · cases hs; exact key x
      · exact k.past id (old id x c (hs.subset List.mem_cons_self)) c t hs
    · rw [run_record_ne m event s e] at hs; exact k.past j (out j e x) c t hs
  · rw [(kin j).1, (kin j).2.1, (kin j).2.2, (kin _).1, (kin _).2.1, (kin _).2.2]
    rcases now j c hc with ⟨rfl, rfl⟩ | hc
    · exact ⟨x, rfl, rfl, rfl⟩
    · have := k.kin j (old j x c hc) c hc
      exact ⟨fun xc => this.1 (more _ xc), this.2⟩
  · rcases now j c hc with ⟨rfl, rfl⟩ | hc
    · exact fun h hh g hg e => headsAt_once hh hg e
    · exact k.once j (old j x c hc) c hc

/-- A run records an event. -/
theorem record (k : Retold X m) {id : Id} (i : m.has id = true) (event : Event) (s : State)
    (h : ¬ X id → Rerun m.program (m.run id).agent (m.run id).args (m.run id).base
      (⟨event, s.code.settle.refused⟩ :: (m.run id).trace.fixed) ⟨s.code.settle, s.files, s.inbox⟩) :
    Retold X (m.record id event s) :=
  k.recordOut (fun _ x => x) (fun _ _ x => x) .inl i event s h

/-- A run records an event with which only its code changes. -/
theorem recordCode (k : Retold X m) {id : Id} (i : m.has id = true) (event : Event) (code : Code)
    (h : ¬ X id → Rerun m.program (m.run id).agent (m.run id).args (m.run id).base
      (⟨event, code.settle.refused⟩ :: (m.run id).trace.fixed) { (m.run id).alone with code := code.settle }) :
    Retold X (m.recordCode id event code) := k.record i event _ h

/-- The machine answers an open intent. -/
theorem reply (k : Retold X m) {id : Id} (i : m.has id = true) {w : Waiting} (hc : ¬ X id → (m.run id).code.settle = .waiting w)
    (answer : Value) (change : Change) (keep : w.op ≠ "inbox.take" ∨ ∀ v, answer ≠ .ok (.some v)) :
    Retold X (m.reply id w answer change) := by
  rw [reply_eq]
  refine k.record i _ _ fun x => ?_
  have := (k.now id x i).outcome answer change .machine (Code.settle (resume answer w.stack)).refused (w := w) (hc x)
  rw [Waiting.leaves_same (keep.imp_right .inr)] at this
  exact this

end Retold

theorem err_ne (code text : String) (v : Value) : Value.err code text ≠ .ok (.some v) := by
  intro h
  have := (Value.con.inj h).1
  revert this; decide

theorem ok_ne {a : Value} (h : ∀ v, a ≠ .some v) (v : Value) : Value.ok a ≠ .ok (.some v) := by
  intro e
  exact h v (List.cons.inj (Value.con.inj e).2).1


end M

end Shepherd
