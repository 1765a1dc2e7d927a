import Shepherd.Laws.CompensationOrder.World

/-!
# What the last commit of the log tells
-/

namespace Shepherd

namespace M

/-- What stood below the run that recorded the last commit of the log stands below it yet. -/
def Last (m : M) : Prop := ∀ l log, m.log = l :: log → ∀ h ∈ l.heads, Runs.Below m.runs h.id l.run

theorem below_owners {m n : M} (o : ∀ y, (n.run y).owner = (m.run y).owner) {x r : Id} (h : Runs.Below m.runs x r) : Runs.Below n.runs x r := by
  induction h with
  | own h => exact .own ((o _).trans h)
  | up h _ ih => exact .up ((o _).trans h) ih

theorem Last.same {m n : M} (h : Last m) (log : n.log = m.log) (o : ∀ y, (n.run y).owner = (m.run y).owner) : Last n :=
  fun l rest e x hx => below_owners o (h l rest (log ▸ e) x hx)

/-- A commit tells what stands below when it is recorded. -/
theorem last_record {X : M} {id : Id} {ev : Event} {s : State} (nd : ((X.record id ev s).runs.map Run.id).Nodup) :
    Last (X.record id ev s) := by
  have ndX : (X.runs.map Run.id).Nodup := by
    have e : (X.record id ev s).runs.map Run.id = _ := Runs.ids_put X.runs _
    rw [e] at nd
    split at nd
    · exact nd
    · exact (List.nodup_append.mp nd).1
  intro l rest e x hx
  rw [log_record] at e
  cases e
  obtain ⟨k, hk, eq⟩ := X.headsAt_eq id ev
  have hx : x ∈ X.headsAt id ev := hx
  rw [eq] at hx
  obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
  show Runs.Below _ y id
  refine below_owners (owner_record X id ev s) ?_
  rcases Runs.of_mem_under ndX hy with h | ⟨z, hz, h⟩
  · exact .own ((Runs.mem_kids_iff ndX).mp (hk.subset h))
  · exact h.trans (.own ((Runs.mem_kids_iff ndX).mp (hk.subset hz)))

/-- The same, while a move is made: and each run is there once. -/
structure Lasts (m : M) : Prop where
  last : Last m
  nodup : (m.runs.map Run.id).Nodup

theorem nodup_put' {m : M} (nd : (m.runs.map Run.id).Nodup) (r : Run) : ((m.put r).runs.map Run.id).Nodup := by
  show ((Runs.put m.runs r).map Run.id).Nodup
  rw [Runs.ids_put]
  split
  · exact nd
  · next h =>
    refine List.nodup_append.mpr ⟨nd, List.pairwise_singleton _ _, fun x hx y hy e => h ?_⟩
    rw [List.mem_singleton] at hy
    obtain ⟨z, hz, rfl⟩ := List.mem_map.mp hx
    exact (Runs.has_iff _ _).mpr ⟨z, hz, e.trans hy⟩

theorem nodup_record' {m : M} (nd : (m.runs.map Run.id).Nodup) (id : Id) (ev : Event) (s : State) :
    ((m.record id ev s).runs.map Run.id).Nodup := nodup_put' (m := m) nd
  { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox, trace := m.commitOf id ev s :: (m.run id).trace }

namespace Lasts

variable {m n : M}

theorem record (nd : (m.runs.map Run.id).Nodup) (id : Id) (ev : Event) (s : State) : Lasts (m.record id ev s) :=
  ⟨last_record (nodup_record' nd id ev s), nodup_record' nd id ev s⟩

theorem reply (nd : (m.runs.map Run.id).Nodup) (id : Id) (w : Waiting) (v : Value) (ch : Change := []) : Lasts (m.reply id w v ch) :=
  record nd _ _ _

theorem setCode (h : Lasts m) (id : Id) (code : Code) : Lasts (m.setCode id code) :=
  ⟨h.last.same rfl fun y => by
    rw [run_setCode]; split
    · next e => subst e; rfl
    · rfl, nodup_put' h.nodup _⟩

theorem stack (h : Lasts m) (st : List Id) : Lasts { m with stack := st } := ⟨h.last.same rfl fun _ => rfl, h.nodup⟩

theorem answerAsked (nd : (m.runs.map Run.id).Nodup) (id : Id) (answer : Value) (ch : Change) (b : By) :
    Lasts (m.answerAsked id answer ch b) := record nd _ _ _

theorem relay (h : Lasts m) (id : Id) (answer : Value) (b : By) : Lasts (m.relay id answer b) := by
  unfold M.relay
  split
  · exact record h.nodup _ _ _
  · exact h.setCode _ _
  · exact h

theorem deliver (nd : (m.runs.map Run.id).Nodup) (id : Id) (q : Question) (answer : Value) (ch : Change) (b : By) :
    Lasts (m.deliver id q answer ch b) := by
  unfold M.deliver
  exact foldl_keeps (P := Lasts) (answerAsked nd _ _ _ _) fun n x _ h => h.relay x _ _

theorem abandonOne (h : Lasts m) (id : Id) : Lasts (m.abandonOne id) := by
  unfold M.abandonOne
  simp only
  split
  · exact h
  · exact record h.nodup _ _ _
  · split
    · exact record h.nodup _ _ _
    · exact h

theorem begin (h : Lasts m) {a id : Id} {o : Settled} {to : Option Nat} (hb : m.begin a o id to = .ok n) : Lasts n := by
  unfold M.begin at hb
  split at hb
  · cases hb
  · cases hb
    exact (foldl_keeps (P := Lasts) (f := M.abandonOne) (l := m.family id) h fun p x _ hp => hp.abandonOne x).setCode _ _

theorem discard (h : Lasts m) (id : Id) : Lasts (m.discard id) := by
  unfold M.discard
  split
  · exact h
  · exact record h.nodup _ _ _

theorem nodup_restoreLower (hs : List Then) (nd : (m.runs.map Run.id).Nodup) (y : Id) : ((restoreLower hs m y).runs.map Run.id).Nodup := by
  unfold restoreLower
  split
  · unfold M.discard; split
    · exact nd
    · exact nodup_record' nd _ _ _
  · split
    · exact nd
    · simp only
      split
      · exact nodup_record' nd _ _ _
      · split
        · exact nodup_put' nd _
        · exact nd

theorem restore (h : Lasts m) (id : Id) (to : Option Nat) : Lasts (m.restore id to) := by
  unfold M.restore
  split
  · exact foldl_keeps (P := Lasts) (f := M.discard) h fun p x _ hp => hp.discard x
  · split
    · exact h
    · refine record ?_ _ _ _
      refine foldl_keeps (P := fun p : M => (p.runs.map Run.id).Nodup) ?_ fun p x _ hp => nodup_restoreLower _ hp x
      exact foldl_keeps (P := fun p : M => (p.runs.map Run.id).Nodup) h.nodup fun p x _ hp => nodup_put' hp _

theorem undoStep (h : Lasts m) {a : Id} {u : Undoing} {o : Settled} (hn : m.undoStep a u o = some n) : Lasts n := by
  unfold M.undoStep at hn
  split at hn
  · cases hn
  · split at hn
    · cases hn; exact (record h.nodup _ _ _).setCode _ _
    · simp only at hn
      split at hn
      · cases hn; exact reply (h.restore _ _).nodup _ _ _
      · cases hn; exact (h.restore _ _).setCode _ _

theorem afterWorld (h : Lasts m) (a : Id) : Lasts (m.afterWorld a) := by
  unfold M.afterWorld
  split
  · exact h
  · split
    · exact (h.setCode _ _).stack _
    · exact h

end Lasts

end M

end Shepherd
