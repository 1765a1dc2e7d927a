import Shepherd.Laws.CompensationOrder.Live

/-!
# What happens elsewhere

Changes of runs that nobody takes back leave everything that is being taken back as it is.
-/

namespace Shepherd

namespace M

theorem shown_congr {m n : M} {c : Id} (h : (n.run c).code = (m.run c).code) : n.shown c = m.shown c := by
  unfold shown; rw [h]

theorem keptOf_congr {m n : M} {u : Undoing} (h : (n.run u.run).trace = (m.run u.run).trace) (x : Id) :
    n.keptOf u x = m.keptOf u x := by
  unfold keptOf; rw [h]

/-- Where a run that is taken back, and the region, are the same, so is what is owed. -/
theorem owed_congr {m n : M} {region : Id → Prop} {u : Undoing} (hp : n.program = m.program) (top : region u.run)
    (ht : ∀ x, region x → (n.run x).trace = (m.run x).trace) (d : Debt) : n.Owed region u d ↔ m.Owed region u d := by
  unfold Owed
  rw [hp, keptOf_congr (ht _ top)]
  refine and_congr_right fun h => ?_
  rw [ht _ h]

theorem Live.congr {m n : M} {region : Id → Prop} {u : Undoing} (hp : n.program = m.program) (top : region u.run)
    (ht : ∀ x, region x → (n.run x).trace = (m.run x).trace) (l : m.Live region u) : n.Live region u where
  sorted := l.sorted
  once := l.once
  owed := fun d => (l.owed d).trans (owed_congr hp top ht d).symm
  raised := fun hr => by
    obtain ⟨d, ds, q, hd, hq, he⟩ := l.raised hr
    refine ⟨d, ds, q, hd, ?_, he⟩
    rw [ht]
    · exact hq
    · exact ((l.owed d).mp (by rw [hd]; exact List.mem_cons_self)).1

/-- A region stays one where its runs keep their owners. -/
theorem Region.congr {m n : M} {region : Id → Prop} {r : Id} (h : m.Region region r)
    (ho : ∀ x, region x → (n.run x).owner = (m.run x).owner) : n.Region region r where
  top := h.top
  within := fun x hx => by
    rcases h.within x hx with e | b
    · exact .inl e
    · induction b with
      | own b => exact .inr (.own ((ho _ hx).trans b))
      | @up x o above b b' ih =>
        rcases Classical.em (x = above) with e | e
        · exact .inl e
        · obtain ⟨o', ho', hr⟩ := h.closed x hx e
          rw [M.run, b] at ho'
          cases ho'
          rcases ih h hr with rfl | g
          · exact .inr (.own ((ho _ hx).trans b))
          · exact .inr (.up ((ho _ hx).trans b) g)
  closed := fun x hx e => by
    obtain ⟨o, h₁, h₂⟩ := h.closed x hx e
    exact ⟨o, (ho x hx).trans h₁, h₂⟩

/-- Changes of runs that nobody takes back. -/
theorem Unwinds.inside {R : Regions} {m n : M} {but but' : Option Id} (k : Unwinds R m but) (E : Id → Prop)
    (prog : n.program = m.program)
    (run : ∀ y, ¬ E y → n.run y = m.run y)
    (free : ∀ y, E y → ¬ m.Taken R y)
    (codes : ∀ a u o, (n.run a).code = .undoing u o ↔ (m.run a).code = .undoing u o)
    (fine : ∀ y, E y → Fine m.program y (n.run y).trace ∧ (y ≠ .world → Waits (n.run y).trace (n.run y).code))
    (passes : ∀ a chain op args w, (n.run a).code = .passing chain op args w → chain.head? ≠ but' ∨ but' = none →
      n.Passes a chain op args ∨
        ((m.run a).code = .passing chain op args w ∧ (chain.head? ≠ but ∨ but = none) ∧
          ∀ c, chain.head? = some c → (n.run c).owner = (m.run c).owner ∧ (n.run c).code = (m.run c).code)) :
    Unwinds R n but' := by
  have held : ∀ x, n.Taken R x ↔ m.Taken R x := fun x => by
    unfold Taken
    simp only [codes]
  have same : ∀ a u o, (m.run a).code = .undoing u o → ∀ x, R a x → n.run x = m.run x := fun a u o ha x hx =>
    run x fun e => free x e ⟨a, u, o, ha, hx⟩
  constructor
  · intro id
    rcases Classical.em (E id) with e | e
    · rw [prog]; exact (fine id e).1
    · rw [prog, run id e]; exact k.fine id
  · intro id ne
    rcases Classical.em (E id) with e | e
    · exact (fine id e).2 ne
    · rw [run id e]; exact k.waits id ne
  · intro a u o ha
    have ha := (codes a u o).mp ha
    rw [same a u o ha _ (k.region a u o ha).top]
    exact k.owns a u o ha
  · intro a u o ha
    have ha := (codes a u o).mp ha
    exact (k.region a u o ha).congr fun x hx => by rw [same a u o ha x hx]
  · intro a u o ha
    have ha := (codes a u o).mp ha
    rw [same a u o ha _ (k.region a u o ha).top]
    exact k.heads a u o ha
  · intro a b u v o p x ha hb
    exact k.nested a b u v o p x ((codes a u o).mp ha) ((codes b v p).mp hb)
  · intro a u o ha
    have ha := (codes a u o).mp ha
    rcases k.live a u o ha with h | l
    · exact .inl ((held a).mpr h)
    · exact .inr (l.congr prog (k.region a u o ha).top fun x hx => by rw [same a u o ha x hx])
  · intro x h
    have h := (held x).mp h
    rw [run x fun e => free x e h]
    exact k.idle x h
  · intro a chain op args w ha hb
    rcases passes a chain op args w ha hb with h | ⟨ha, hb, hc⟩
    · exact h
    · obtain ⟨c, q, rfl, ho, hs, rfl, rfl⟩ := k.passes a chain op args w ha hb
      obtain ⟨h₁, h₂⟩ := hc c rfl
      exact ⟨c, q, rfl, h₁.trans ho, (shown_congr h₂).trans hs, rfl, rfl⟩

/-- Nobody passes what run `id` asks. -/
def Alone (m : M) (id : Id) : Prop :=
  ∀ a, (m.run id).owner = some a → ∀ chain op args w, (m.run a).code ≠ .passing chain op args w

theorem Unwinds.alone {R : Regions} {m : M} {but : Option Id} (k : Unwinds R m but) {id a : Id} (h : m.Alone id) {chain : List Id} {op : String}
    {args : List Value} {w : Waiting} (ha : (m.run a).code = .passing chain op args w) (hb : chain.head? ≠ but ∨ but = none) :
    chain.head? ≠ some id := by
  obtain ⟨c, q, rfl, ho, _⟩ := k.passes a chain op args w ha hb
  intro e
  cases e
  exact h a ho _ _ _ _ ha

/-- One run changes, that nobody takes back. -/
theorem Unwinds.one {R : Regions} {m n : M} (k : Unwinds R m) {id : Id} (prog : n.program = m.program) (run : ∀ y, id ≠ y → n.run y = m.run y)
    (free : ¬ m.Taken R id)
    (codes : ∀ u o, (n.run id).code = .undoing u o ↔ (m.run id).code = .undoing u o)
    (fine : Fine m.program id (n.run id).trace) (waits : id ≠ .world → Waits (n.run id).trace (n.run id).code)
    (passes : ∀ chain op args w, (n.run id).code = .passing chain op args w → n.Passes id chain op args)
    (alone : m.Alone id ∨ ((n.run id).owner = (m.run id).owner ∧ (n.run id).code = (m.run id).code)) : Unwinds R n := by
  refine k.inside (fun y => id = y) prog run (fun y e => e ▸ free) (fun a u o => ?_) (fun y e => e ▸ ⟨fine, waits⟩) fun a chain op args w ha _ => ?_
  · rcases Classical.em (id = a) with e | e
    · subst e; exact codes u o
    · rw [run a e]
  · rcases Classical.em (id = a) with e | e
    · subst e; exact .inl (passes _ _ _ _ ha)
    · rw [run a e] at ha
      refine .inr ⟨ha, .inr rfl, fun c hc => ?_⟩
      rcases Classical.em (id = c) with e' | e'
      · subst e'
        rcases alone with h | h
        · exact absurd hc (k.alone h ha (.inr rfl))
        · exact h
      · rw [run c e']; exact ⟨rfl, rfl⟩

end M

/-! ## One more commit -/

theorem Fine.cons {P : Program} {id : Id} {c : Commit} {t : Trace} (h : Fine P id t) (due : c.run = id → Trace.Due P id t c)
    (back : ∀ j op args, c.event = .undo j op args → j < c.index)
    (waits : ∀ w, c.code = .waiting w → ∃ q, Trace.question (c :: t) = some q ∧ q.event = .intent w.op w.args) : Fine P id (c :: t) where
  due := fun u s hs => by
    rcases List.suffix_cons_iff.mp hs with e | hs
    · cases e; exact due
    · exact h.due u s hs
  backward := fun d hd => by
    rcases List.mem_cons.mp hd with rfl | hd
    · exact back
    · exact h.backward d hd
  waits := fun d s hs => by
    rcases List.suffix_cons_iff.mp hs with e | hs
    · cases e; exact waits
    · exact h.waits d s hs

theorem Fine.nil (P : Program) (id : Id) : Fine P id [] where
  due := fun _ _ hs => absurd (List.suffix_nil.mp hs) nofun
  backward := fun _ hd => absurd hd List.not_mem_nil
  waits := fun _ _ hs => absurd (List.suffix_nil.mp hs) nofun

/-- What another run inherits of a trace, recorded before it was there. -/
theorem Fine.inherit {P : Program} {id new : Id} {t s : Trace} (h : Fine P id t) (hs : s <:+ t) (ne : ∀ c ∈ s, c.run ≠ new) :
    Fine P new s where
  due := fun u _ hu e => absurd e (ne u (hu.subset List.mem_cons_self))
  backward := fun d hd => h.backward d (hs.subset hd)
  waits := fun d _ hd => h.waits d _ (hd.trans hs)

/-- An event that is no undo. -/
def Event.NotUndo (e : Event) : Prop := ∀ j op args, e ≠ .undo j op args

theorem Fine.other {P : Program} {id : Id} {c : Commit} {t : Trace} (h : Fine P id t) (hc : c.event.NotUndo)
    (waits : ∀ w, c.code = .waiting w → ∃ q, Trace.question (c :: t) = some q ∧ q.event = .intent w.op w.args) : Fine P id (c :: t) :=
  h.cons (fun _ => .of_not hc) (fun j op args e => absurd e (hc j op args)) waits

namespace M

/-- A run that nobody takes back records an event that is no undo. -/
theorem Unwinds.record {R : Regions} {m : M} (k : Unwinds R m) {id : Id} (event : Event) (s : State) (free : ¬ m.Taken R id)
    (codes : ∀ u o, s.code = .undoing u o ↔ (m.run id).code = .undoing u o) (no : event.NotUndo)
    (waits : Waits (m.commitOf id event s :: (m.run id).trace) s.code)
    (passes : ∀ chain op args w, s.code = .passing chain op args w → (m.record id event s).Passes id chain op args)
    (alone : m.Alone id ∨ s.code = (m.run id).code) : Unwinds R (m.record id event s) := by
  have same := run_record_same m id event s
  refine k.one (id := id) rfl (fun y h => run_record_ne m event s h) free ?_ ?_ ?_ ?_ ?_
  · rw [same]; exact codes
  · rw [same]; exact (k.fine id).other no waits
  · rw [same]; exact fun _ => waits
  · rw [same]; exact passes
  · rw [same]; exact alone.imp_right fun h => ⟨rfl, h⟩

/-- A run that nobody takes back gets other code, and records nothing. -/
theorem Unwinds.setCode {R : Regions} {m : M} (k : Unwinds R m) {id : Id} (code : Code) (free : ¬ m.Taken R id)
    (codes : ∀ u o, code = .undoing u o ↔ (m.run id).code = .undoing u o) (waits : id ≠ .world → Waits (m.run id).trace code)
    (passes : ∀ chain op args w, code = .passing chain op args w → (m.setCode id code).Passes id chain op args)
    (alone : m.Alone id) : Unwinds R (m.setCode id code) := by
  have same := run_setCode_same m id code
  refine k.one (id := id) rfl (fun y h => run_setCode_ne m code h) free ?_ ?_ ?_ ?_ ?_
  · rw [same]; exact codes
  · rw [same]; exact k.fine id
  · rw [same]; exact waits
  · rw [same]; exact passes
  · exact .inl alone

/-- Another table of handles, or another count, matters to nothing here. -/
theorem Unwinds.same {R : Regions} {m n : M} {but : Option Id} (k : Unwinds R m but) (prog : n.program = m.program)
    (codes : ∀ y, (n.run y).code = (m.run y).code) (traces : ∀ y, (n.run y).trace = (m.run y).trace)
    (owners : ∀ y, (n.run y).owner = (m.run y).owner) : Unwinds R n but := by
  have held : ∀ x, n.Taken R x ↔ m.Taken R x := fun x => by
    unfold Taken
    simp only [codes]
  constructor
  · intro id; rw [prog, traces]; exact k.fine id
  · intro id ne; rw [codes, traces]; exact k.waits id ne
  · intro a u o; rw [codes, owners]; exact k.owns a u o
  · intro a u o h
    rw [codes] at h
    exact (k.region a u o h).congr fun x _ => owners x
  · intro a u o h
    rw [codes] at h
    rw [traces]; exact k.heads a u o h
  · intro a b u v o p x; rw [codes, codes]; exact k.nested a b u v o p x
  · intro a u o h
    rw [codes] at h
    exact (k.live a u o h).imp (held a).mpr fun l => l.congr prog (k.region a u o h).top fun x _ => traces x
  · intro x h
    rw [codes]; exact k.idle x ((held x).mp h)
  · intro a chain op args w h hb
    rw [codes] at h
    obtain ⟨c, q, rfl, ho, hs, rfl, rfl⟩ := k.passes a chain op args w h hb
    exact ⟨c, q, rfl, (owners c).trans ho, (shown_congr (codes c)).trans hs, rfl, rfl⟩

end M

end Shepherd
