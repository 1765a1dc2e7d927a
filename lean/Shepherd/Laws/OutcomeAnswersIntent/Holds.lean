import Shepherd.Laws.GrantSafe.Mute
import Shepherd.Laws.Support.Handles
import Shepherd.Laws.Support.Meant

/-!
# Tables of handles name runs that are there
-/

namespace Shepherd

namespace M

/-- Whatever a table of handles names, today's or one kept in a commit, is there. -/
structure Holds (m : M) : Prop where
  runs : ∀ x, ∀ h ∈ (m.run x).handles, m.has h = true
  commits : ∀ x, ∀ c ∈ (m.run x).trace, ∀ h ∈ c.handles, m.has h = true

/-- Runs stay, and tables name runs that are there if they did. -/
def Holding (m n : M) : Prop := (∀ id, m.has id = true → n.has id = true) ∧ (Holds m → Holds n)

theorem Holding.refl (m : M) : Holding m m := ⟨fun _ h => h, fun h => h⟩

theorem Holding.trans {m n p : M} (e : Holding m n) (f : Holding n p) : Holding m p :=
  ⟨fun id h => f.1 id (e.1 id h), fun h => f.2 (e.2 h)⟩

theorem holding_same {m n : M} (has : ∀ x, m.has x = true → n.has x = true)
    (handles : ∀ x, (n.run x).handles = (m.run x).handles) (trace : ∀ x, (n.run x).trace = (m.run x).trace) : Holding m n :=
  ⟨has, fun k => ⟨fun x h hh => has h (k.runs x h (handles x ▸ hh)), fun x c hc h hh => has h (k.commits x c (trace x ▸ hc) h hh)⟩⟩

theorem holding_put (m : M) (r : Run) (handles : Holds m → ∀ h ∈ r.handles, m.has h = true)
    (trace : Holds m → ∀ c ∈ r.trace, ∀ h ∈ c.handles, m.has h = true) : Holding m (m.put r) := by
  have has : ∀ x, m.has x = true → (m.put r).has x = true := fun x => Runs.has_put_of_has r
  refine ⟨has, fun k => ⟨fun x h hh => has h ?_, fun x c hc h hh => has h ?_⟩⟩
  · rw [run_put] at hh; split at hh
    · exact handles k h hh
    · exact k.runs x h hh
  · rw [run_put] at hc; split at hc
    · exact trace k c hc h hh
    · exact k.commits x c hc h hh

theorem holding_setCode (m : M) (id : Id) (code : Code) : Holding m (m.setCode id code) :=
  holding_put m _ (fun k => k.runs id) fun k => k.commits id

theorem holding_own (m : M) (id owner : Id) (givers : List Id) : Holding m (m.own id owner givers) :=
  holding_put m _ (fun k => k.runs id) fun k => k.commits id

theorem holding_setHandles (m : M) (id : Id) (handles : List Id) (hh : Holds m → ∀ h ∈ handles, m.has h = true) :
    Holding m (m.setHandles id handles) := holding_put m _ hh fun k => k.commits id

theorem holding_stack (m : M) (stack : List Id) : Holding m { m with stack } :=
  holding_same (fun _ h => h) (fun _ => rfl) fun _ => rfl

theorem holding_used (m : M) (used : Used) : Holding m { m with used } := holding_same (fun _ h => h) (fun _ => rfl) fun _ => rfl

theorem holding_written (m : M) (written : List (String × String)) : Holding m { m with written } :=
  holding_same (fun _ h => h) (fun _ => rfl) fun _ => rfl

theorem holding_record (m : M) (id : Id) (event : Event) (s : State) (hs : Holds m → ∀ h ∈ s.handles, m.has h = true) :
    Holding m (m.record id event s) := by
  have has : ∀ x, m.has x = true → (m.record id event s).has x = true := fun x h => by rw [has_record, h, Bool.or_true]
  refine ⟨has, fun k => ⟨fun x h hh => has h ?_, fun x c hc h hh => has h ?_⟩⟩
  · rw [run_record] at hh; split at hh
    · exact hs k h hh
    · exact k.runs x h hh
  · rw [run_record] at hc; split at hc
    · rcases List.mem_cons.mp hc with rfl | hc
      · exact hs k h hh
      · exact k.commits _ c hc h hh
    · exact k.commits x c hc h hh

theorem holding_recordCode (m : M) (id : Id) (event : Event) (code : Code) : Holding m (m.recordCode id event code) :=
  holding_record m id event _ fun k => k.runs id

theorem holding_reply (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change := []) :
    Holding m (m.reply id w answer change) := holding_record m id _ _ fun k => k.runs id

theorem holding_foldl {α : Type} {f : M → α → M} (l : List α) (m : M) (h : ∀ n x, x ∈ l → Holding m n → Holding n (f n x)) :
    Holding m (l.foldl f m) := by
  suffices ∀ (l' : List α) (n : M), (∀ x ∈ l', x ∈ l) → Holding m n → Holding m (l'.foldl f n) from
    this l m (fun _ h => h) (.refl m)
  intro l'
  induction l' with
  | nil => exact fun n _ e => e
  | cons x l' ih =>
    exact fun n hl e => ih (f n x) (fun y hy => hl y (List.mem_cons_of_mem _ hy)) (e.trans (h n x (hl x List.mem_cons_self) e))

/-! ## Tables -/

theorem mem_hold {table : List Id} {id h : Id} (hh : h ∈ (hold table id).1) : h ∈ table ∨ h = id := by
  unfold hold at hh
  split at hh
  · exact .inl hh
  · rw [List.mem_append, List.mem_singleton] at hh; exact hh

theorem mem_holdAll {table ids : List Id} {h : Id} (hh : h ∈ (holdAll table ids).1) : h ∈ table ∨ h ∈ ids := by
  induction ids generalizing table with
  | nil => exact .inl hh
  | cons x ids ih =>
    unfold holdAll at hh
    rcases ih hh with h | h
    · exact (mem_hold h).imp_right fun e => by rw [e]; exact List.mem_cons_self
    · exact .inr (List.mem_cons_of_mem _ h)

mutual
/-- What every change of the table at a handle keeps, a change over a value keeps. -/
theorem _root_.Shepherd.Value.mapHandles_keeps {f : List Id → Nat → List Id × Value} {P : List Id → Prop}
    (hf : ∀ t h, P t → P (f t h).1) : ∀ (v : Value) (t : List Id), P t → P (Value.mapHandles f t v).1
  | .run h, t => by unfold Value.mapHandles; exact hf t h
  | .list vs, t => by unfold Value.mapHandles; exact Value.mapHandlesList_keeps hf vs t
  | .record fs, t => by unfold Value.mapHandles; exact Value.mapHandlesFields_keeps hf fs t
  | .con _ vs, t => by unfold Value.mapHandles; exact Value.mapHandlesList_keeps hf vs t
  | .unit, t => by unfold Value.mapHandles; exact fun h => h
  | .bool _, t => by unfold Value.mapHandles; exact fun h => h
  | .int _, t => by unfold Value.mapHandles; exact fun h => h
  | .dec _ _, t => by unfold Value.mapHandles; exact fun h => h
  | .text _, t => by unfold Value.mapHandles; exact fun h => h
  | .blob _ _, t => by unfold Value.mapHandles; exact fun h => h
  | .agent _, t => by unfold Value.mapHandles; exact fun h => h

theorem _root_.Shepherd.Value.mapHandlesList_keeps {f : List Id → Nat → List Id × Value} {P : List Id → Prop}
    (hf : ∀ t h, P t → P (f t h).1) : ∀ (vs : List Value) (t : List Id), P t → P (Value.mapHandlesList f t vs).1
  | [], t => by unfold Value.mapHandlesList; exact fun h => h
  | v :: vs, t => by
    unfold Value.mapHandlesList
    exact fun h => Value.mapHandlesList_keeps hf vs _ (Value.mapHandles_keeps hf v t h)

theorem _root_.Shepherd.Value.mapHandlesFields_keeps {f : List Id → Nat → List Id × Value} {P : List Id → Prop}
    (hf : ∀ t h, P t → P (f t h).1) : ∀ (fs : List (String × Value)) (t : List Id), P t → P (Value.mapHandlesFields f t fs).1
  | [], t => by unfold Value.mapHandlesFields; exact fun h => h
  | (_, v) :: fs, t => by
    unfold Value.mapHandlesFields
    exact fun h => Value.mapHandlesFields_keeps hf fs _ (Value.mapHandles_keeps hf v t h)
end

theorem renumber_keeps {m : M} (w : m.has .world = true) {held : List Id} (hh : ∀ h ∈ held, m.has h = true) (t : List Id) (h : Nat)
    (k : ∀ h ∈ t, m.has h = true) : ∀ g ∈ (renumber held t h).1, m.has g = true := by
  intro g hg
  unfold renumber at hg
  rcases mem_hold hg with hg | rfl
  · exact k g hg
  · rw [List.getD_eq_getElem?_getD]
    cases e : held[h]? with
    | none => exact w
    | some x => exact hh x (List.mem_of_getElem? e)

theorem traceValue_keeps {m : M} (reader id : Id) (start : Nat) (k : ∀ h ∈ (m.run reader).handles, m.has h = true) :
    ∀ h ∈ (m.traceValue reader id start).1, m.has h = true := by
  have seen : ∀ held t h, (∀ g ∈ t, m.has g = true) → ∀ g ∈ (m.seenHandle id held t h).1, m.has g = true := by
    intro held t h kt g hg
    unfold seenHandle at hg
    split at hg
    · exact kt g hg
    · split at hg
      · next hi =>
        rw [Bool.and_eq_true] at hi
        rcases mem_hold hg with hg | rfl
        · exact kt g hg
        · exact hi.1
      · exact kt g hg
  unfold traceValue
  generalize ((m.run id).trace.takeWhile fun c => start ≤ c.index).reverse = cs
  generalize (m.run reader).handles = t at k
  induction cs generalizing t with
  | nil => exact k
  | cons c cs ih =>
    unfold seenEvents
    exact ih _ (Value.mapHandles_keeps (P := fun t => ∀ g ∈ t, m.has g = true) (seen (m.handlesToday id c)) _ t k)

theorem handlesToday_keeps {m : M} (id : Id) {c : Commit} (k : ∀ h ∈ c.handles, m.has h = true) :
    ∀ h ∈ m.handlesToday id c, m.has h = true := by
  intro h hh
  unfold handlesToday at hh
  split at hh
  · exact k h hh
  · obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
    rcases m.meant_cases c.run id x with i | e
    · exact i
    · exact e.symm ▸ k x hx

/-! ## Outcomes, and taking back -/

theorem holding_relay (m : M) (id : Id) (answer : Value) (by' : By) : Holding m (m.relay id answer by') := by
  unfold relay
  split
  · exact holding_recordCode _ _ _ _
  · exact holding_setCode _ _ _
  · exact .refl m

theorem holding_deliver (m : M) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    Holding m (m.deliver id q answer change by') :=
  (holding_record m _ _ _ fun k => k.runs _).trans (holding_foldl _ _ fun n x _ _ => holding_relay n x answer by')

theorem holding_abandonOne (m : M) (id : Id) : Holding m (m.abandonOne id) := by
  unfold abandonOne
  simp only
  repeat' split
  · exact .refl m
  · exact holding_recordCode _ _ _ _
  · exact holding_recordCode _ _ _ _
  · exact .refl m

theorem holding_begin {m n : M} {asker id : Id} {origin : Settled} {to : Option Nat} (h : m.begin asker origin id to = .ok n) :
    Holding m n := by
  unfold begin at h
  split at h
  · cases h
  · cases h
    exact (holding_foldl _ _ fun n x _ _ => holding_abandonOne n x).trans (holding_setCode _ _ _)

theorem holding_discard (m : M) (id : Id) : Holding m (m.discard id) := by
  unfold discard
  split
  · exact .refl m
  · exact holding_recordCode _ _ _ _

/-- What is put back is what a commit that is in a trace has. -/
theorem holding_rewind (m : M) (id : Id) (c : Commit) (lower : Bool) (hc : ∃ o, c ∈ (m.run o).trace) :
    Holding m (m.rewind id c lower) := by
  obtain ⟨o, ho⟩ := hc
  exact holding_record m id _ _ fun k => handlesToday_keeps id (k.commits o c ho)

/-- Traces only grow. -/
def Grown (m n : M) : Prop := ∀ x, ∀ c ∈ (m.run x).trace, c ∈ (n.run x).trace

theorem grown_record (m : M) (id : Id) (event : Event) (s : State) : Grown m (m.record id event s) := fun x c hc => by
  by_cases e : id = x
  · subst e; rw [trace_record_same]; exact List.mem_cons_of_mem _ hc
  · rw [trace_record_ne m event s e]; exact hc

theorem grown_restoreLower (hs : List Then) (m : M) (id : Id) : Grown m (restoreLower hs m id) := by
  unfold restoreLower
  split
  · unfold discard
    split
    · exact fun _ _ h => h
    · exact grown_record _ _ _ _
  · split
    · exact fun _ _ h => h
    · simp only
      split
      · exact grown_record _ _ _ _
      · split
        · exact fun x c hc => by rw [trace_setCode]; exact hc
        · exact fun _ _ h => h

theorem holding_restore (m : M) (id : Id) (to : Option Nat) : Holding m (m.restore id to) := by
  unfold restore
  split
  · exact holding_foldl _ _ fun n x _ _ => holding_discard n x
  · split
    · exact .refl m
    · next c hc =>
      simp only
      have owns : ∀ (hs : List Then) (p : M), Holding p (hs.foldl (fun m h => m.own h.id h.owner h.givers) p) ∧
          Grown p (hs.foldl (fun m h => m.own h.id h.owner h.givers) p) := by
        intro hs
        induction hs with
        | nil => exact fun p => ⟨.refl p, fun _ _ h => h⟩
        | cons t hs ih =>
          intro p
          obtain ⟨a, b⟩ := ih (p.own t.id t.owner t.givers)
          exact ⟨(holding_own p _ _ _).trans a, fun x c hc => b x c (by rw [trace_own]; exact hc)⟩
      have lower : ∀ (hs : List Then) (l : List Id) (p : M), (∀ t ∈ hs, ∀ d ∈ t.trace, ∃ o, d ∈ (p.run o).trace) →
          Holding p (l.foldl (restoreLower hs) p) ∧ Grown p (l.foldl (restoreLower hs) p) := by
        intro hs l
        induction l with
        | nil => exact fun p _ => ⟨.refl p, fun _ _ h => h⟩
        | cons x l ih =>
          intro p ht
          have g := grown_restoreLower hs p x
          obtain ⟨a, b⟩ := ih (restoreLower hs p x) fun t h d hd => by
            obtain ⟨o, ho⟩ := ht t h d hd
            exact ⟨o, g o d ho⟩
          refine ⟨Holding.trans ?_ a, fun y c hc => b y c (g y c hc)⟩
          unfold restoreLower
          split
          · exact holding_discard p x
          · next t hf =>
            split
            · exact .refl p
            · next d ds e =>
              simp only
              split
              · exact holding_rewind p x d true (ht t (List.mem_of_find?_eq_some hf) d (by rw [e]; exact List.mem_cons_self))
              · split
                · exact holding_setCode _ _ _
                · exact .refl p
      obtain ⟨a, ga⟩ := owns (m.heads id c) m
      obtain ⟨b, gb⟩ := lower (m.heads id c)
        (((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m).below id)
        ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) fun t ht d hd => by
          unfold M.heads at ht
          obtain ⟨g, hg, rfl⟩ := List.mem_map.mp ht
          exact ⟨g.id, ga _ d ((Trace.upTo_suffix _ _).subset hd)⟩
      exact (a.trans b).trans (holding_rewind _ _ _ _ ⟨id, gb id c (ga id c (Trace.nth_mem hc))⟩)

theorem holding_undoStep {m n : M} {id : Id} {u : Undoing} {origin : Settled} (h : m.undoStep id u origin = some n) :
    Holding m n := by
  unfold undoStep at h
  split at h
  · cases h
  · split at h
    · cases h
      exact (holding_recordCode _ _ _ _).trans (holding_setCode _ _ _)
    · simp only at h
      split at h
      · cases h; exact (holding_restore _ _ _).trans (holding_reply _ _ _ _)
      · cases h; exact (holding_restore _ _ _).trans (holding_setCode _ _ _)

theorem holding_discardMade {m n : M} {id : Id} {again : Comp} (h : m.discardMade id again = some n) : Holding m n := by
  unfold discardMade at h
  split at h
  · cases h
  · split at h
    · next hb => cases h; exact holding_begin hb
    · cases h

end M

end Shepherd
