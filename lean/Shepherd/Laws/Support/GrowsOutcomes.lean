import Shepherd.Laws.Support.Extends

/-!
# Questions, outcomes and taking back are made of elementary changes
-/

namespace Shepherd

namespace M

variable {B : Prop}

/-- A run that is there, and that may be left in the middle of an operation. -/
def Asker (B : Prop) (m : M) (id : Id) : Prop := m.has id = true ∧ (id = .world → B)

theorem inward_outcome (id : Id) (answer : Value) (change : Change) (by' : By) : Inward id (.outcome answer change by') :=
  ⟨fun _ _ _ => nofun, fun _ => nofun⟩

theorem inward_injected (id : Id) (v : Value) : Inward id (.injected v) := ⟨fun _ _ _ => nofun, fun _ => nofun⟩

theorem plain_record {m : M} {id : Id} (i : m.has id = true) {event : Event} (s : State) (ok : m.CodeOk s.code)
    (hc : id = .world → B ∨ Calm s.code) (hm : Inward id event) : Plain m (m.record id event s) B :=
  .record id event s .refl (.inl i) ok ⟨hc, fun _ _ _ h => h⟩ (.inr hm)

theorem plain_recordCode {m : M} {id : Id} (i : m.has id = true) {event : Event} (code : Code) (ok : m.CodeOk code)
    (hc : id = .world → B ∨ Calm code) (hm : Inward id event) : Plain m (m.recordCode id event code) B :=
  plain_record i _ ok hc hm

theorem plain_reply {m : M} {id : Id} (i : Asker B m id) (w : Waiting) (answer : Value) (change : Change := []) :
    Plain m (m.reply id w answer change) B :=
  plain_record i.1 _ trivial (fun e => .inl (i.2 e)) (inward_outcome _ _ _ _)

theorem plain_wrong {m : M} {id : Id} (i : Asker B m id) (w : Waiting) : Plain m (m.wrong id w) B := plain_reply i w _

theorem plain_setCode {m : M} {id : Id} (i : m.has id = true) (code : Code) (ok : m.CodeOk code)
    (hc : id = .world → B ∨ Calm code) : Plain m (m.setCode id code) B :=
  .code id code .refl i ok ⟨hc, fun _ _ _ h => h⟩

theorem plain_setHandles {m : M} {id : Id} (i : m.has id = true) (handles : List Id) : Plain m (m.setHandles id handles) B :=
  .handles id handles .refl i

theorem plain_own {m : M} {id : Id} (i : m.has id = true) (ne : id ≠ .world) (owner : Id) (givers : List Id) :
    Plain m (m.own id owner givers) B := .own id owner givers .refl i ne

/-- The code that a run has, it may have. -/
theorem Wf.calm_code {m : M} (w : Wf m B) (id : Id) : id = .world → B ∨ Calm (m.run id).code := fun e => e ▸ w.calm

theorem Plain.has {m n : M} (e : Plain m n B) (w : Wf m B) {id : Id} (i : m.has id = true) : n.has id = true :=
  (e.extends w).has id i

theorem Plain.asker {m n : M} (e : Plain m n B) (w : Wf m B) {id : Id} (i : Asker B m id) : Asker B n id :=
  ⟨e.has w i.1, i.2⟩

/-- Then an answer of the machine. -/
theorem Plain.reply {m n : M} (e : Plain m n B) (w : Wf m B) {id : Id} (i : Asker B m id) (q : Waiting) (answer : Value)
    (change : Change := []) : Plain m (n.reply id q answer change) B := e.trans (plain_reply (e.asker w i) q answer change)

/-! ## Questions -/

theorem has_of_shown {m : M} (w : ∀ id, m.CodeOk (m.run id).code) {id : Id} {q : Question} (h : m.shown id = some q) :
    m.has q.asked = true ∧ (∀ x ∈ q.path, m.has x = true) ∧ q.op ≠ "run.pick" := by
  have ok := w id
  unfold shown at h
  split at h
  · next wt hc =>
    split at h
    · cases h
    · next hm =>
      cases h
      refine ⟨has_of_code (by rw [hc]; exact nofun), fun x hx => absurd hx List.not_mem_nil, fun e => hm ?_⟩
      show isMachineOp wt.op = true
      rw [show wt.op = "run.pick" from e]
      decide
  · next chain op args wt hc =>
    cases h
    rw [hc] at ok
    refine ⟨?_, ok.2, ok.1⟩
    show m.has (chain.getLastD id) = true
    cases chain with
    | nil => exact has_of_code (id := id) (by rw [hc]; exact nofun)
    | cons x xs =>
      rw [List.getLastD_cons]
      exact ok.2 _ (by rw [List.getLastD_eq_getLast?]; grind)
  · next u o hc =>
    rw [hc] at ok
    split at h
    · next d ds _ hd =>
      cases h
      have := ok.2.2.1 d (by rw [hd]; exact List.mem_cons_self)
      refine ⟨this.1, fun x hx => ?_, this.2⟩
      rw [List.mem_singleton.mp hx]; exact this.1
    · cases h
  · cases h

theorem owns_of_owned {m : M} {asker : Id} {v : Value} {id : Id} (h : m.owned asker v = .ok id) : m.owns asker id = true := by
  unfold owned at h
  split at h
  · split at h
    · split at h
      · next ho => cases h; exact ho
      · cases h
    · cases h
  · cases h

theorem has_of_owned {m : M} {asker : Id} {v : Value} {id : Id} (h : m.owned asker v = .ok id) : m.has id = true :=
  has_of_owns (owns_of_owned h)

theorem of_atIntent {m : M} {asker : Id} {v : Value} {id : Id} {q : Question} (h : m.atIntent asker v = .ok (id, q)) :
    m.owns asker id = true ∧ m.shown id = some q := by
  unfold atIntent at h
  split at h
  · cases h
  · next ho =>
    split at h
    · next hs => cases h; exact ⟨owns_of_owned ho, hs⟩
    · cases h

theorem takenUp_ok {m : M} (w : ∀ id, m.CodeOk (m.run id).code) (id : Id) (handles : List Id) (s : Settled) :
    m.CodeOk (m.takenUp id handles s) := by
  unfold takenUp
  split
  · split
    · split
      · split
        · next ho hs =>
          refine ⟨(has_of_shown w hs).2.2, fun x hx => ?_⟩
          cases List.mem_cons.mp hx with
          | inl h => rw [h]; exact has_of_owns ho
          | inr h => exact (has_of_shown w hs).2.1 x h
        · trivial
      · trivial
    · trivial
  · trivial

theorem takenUp_not_undoing (m : M) (id : Id) (handles : List Id) (s : Settled) (u : Undoing) (o : Settled) :
    m.takenUp id handles s ≠ .undoing u o := by
  unfold takenUp
  repeat' split
  all_goals exact nofun

theorem plain_rehandle {m : M} (v : Value) (source : Id) {target : Id} (i : m.has target = true) :
    Plain m (m.rehandle v source target).1 B := plain_setHandles i _

theorem plain_stopValue {m : M} {owner : Id} (i : m.has owner = true) (id : Id) : Plain m (m.stopValue owner id).1 B := by
  unfold stopValue
  split
  · exact plain_rehandle _ _ i
  · exact .refl
  · exact .refl
  · split
    · exact .refl
    · exact plain_setHandles i _

/-! ## Outcomes -/

theorem plain_answerAsked {m : M} (w : Wf m B) {id : Id} (i : m.has id = true) (answer : Value) (change : Change) (by' : By) :
    Plain m (m.answerAsked id answer change by') B := by
  unfold answerAsked
  refine plain_record i _ ?_ ?_ (inward_outcome _ _ _ _)
  · simp only
    split
    · trivial
    · exact w.codes id
  · intro e
    have c := w.calm_code id e
    simp only
    split
    · next hc => rw [hc] at c; exact c.imp_right False.elim
    · exact c

theorem next_todo (u : Undoing) (answer : Value) : ∀ d ∈ (u.next answer).todo, d ∈ u.todo := by
  intro d hd
  unfold Undoing.next at hd
  split at hd
  · exact hd
  · next e =>
    rw [e]
    split at hd <;> exact List.mem_cons_of_mem _ hd

theorem next_run (u : Undoing) (answer : Value) : (u.next answer).run = u.run := by
  unfold Undoing.next; repeat' split
  all_goals rfl

theorem next_to (u : Undoing) (answer : Value) : (u.next answer).to = u.to := by
  unfold Undoing.next; repeat' split
  all_goals rfl

theorem plain_relay {m : M} (w : Wf m B) (id : Id) (answer : Value) (by' : By) : Plain m (m.relay id answer by') B := by
  have ok := w.codes id
  have calm := w.calm_code id
  unfold relay
  split
  · next hc =>
    rw [hc] at calm
    exact plain_recordCode (has_of_code (by rw [hc]; exact nofun)) _ trivial (fun e => (calm e).imp_right False.elim)
      (inward_outcome _ _ _ _)
  · next u o hc =>
    rw [hc] at ok
    refine plain_setCode (has_of_code (by rw [hc]; exact nofun)) _ ?_ fun _ => .inr trivial
    refine ⟨?_, ?_, fun d hd => ok.2.2.1 d (next_todo u answer d hd), ?_⟩
    · rw [next_run]; exact ok.1
    · rw [next_run]; exact ok.2.1
    · rw [next_run, next_to]; exact ok.2.2.2
  · exact .refl

theorem plain_deliver {m : M} (w : Wf m B) (id : Id) {q : Question} (i : m.has q.asked = true) (answer : Value) (change : Change)
    (by' : By) : Plain m (m.deliver id q answer change by') B := by
  unfold deliver
  have e := plain_answerAsked w i answer change by'
  exact e.trans (Plain.foldl (e.wf w) fun n x _ _ wn => plain_relay wn x answer by')

/-! ## Taking back -/

theorem owe_run {P : Program} {id : Id} {a : Answered} {owed : List Debt}
    (h : ∀ d ∈ owed, d.run = id ∧ d.op ≠ "run.pick") : ∀ d ∈ owe P id a owed, d.run = id ∧ d.op ≠ "run.pick" := by
  intro d hd
  unfold owe at hd
  split at hd
  · split at hd
    · exact h d hd
    · exact h d (List.mem_filter.mp hd).1
  · split at hd
    · split at hd
      · exact h d hd
      · next undo _ _ hm =>
        cases List.mem_cons.mp hd with
        | inl e =>
          rw [e]
          refine ⟨rfl, fun o => hm ?_⟩
          rw [show undo = "run.pick" from o]
          decide
        | inr e => exact h d e
    · exact h d hd
  · exact h d hd

theorem debts_run {P : Program} {id : Id} {t : Trace} {start : Nat} :
    ∀ d ∈ debts P id t start, d.run = id ∧ d.op ≠ "run.pick" := by
  have fold : ∀ l : List Answered, ∀ d ∈ l.foldr (owe P id) [], d.run = id ∧ d.op ≠ "run.pick" := by
    intro l
    induction l with
    | nil => exact fun d hd => absurd hd List.not_mem_nil
    | cons a l ih => exact owe_run ih
  intro d hd
  unfold debts at hd
  split at hd
  · exact fold _ d hd
  · exact fold _ d (List.mem_filter.mp hd).1

theorem planFor_debts {m : M} {id : Id} (i : m.has id = true) (to : Option Nat) (hs : List Then) :
    ∀ d ∈ (m.planFor id to hs).debts, m.has d.run = true ∧ d.op ≠ "run.pick" := by
  intro d hd
  unfold planFor at hd
  simp only [List.mem_mergeSort, List.mem_flatMap] at hd
  obtain ⟨x, hx, hd⟩ := hd
  have := debts_run d hd
  rw [this.1]
  exact ⟨has_of_mem_family i hx, this.2⟩

theorem heads_id {m : M} {id : Id} {c : Commit} {h : Head} (hh : h ∈ c.heads) :
    ∃ t ∈ m.heads id c, t.id = Id.today c.run id h.id ∧ t.old = h.id := by
  unfold heads
  exact ⟨_, List.mem_map.mpr ⟨h, hh, rfl⟩, rfl, rfl⟩

theorem heads_has {m : M} {id : Id} {c : Commit} (h : ∀ x ∈ c.heads, m.has (Id.today c.run id x.id) = true) {n : M} :
    ∀ t ∈ n.heads id c, m.has t.id = true := by
  intro t ht
  unfold heads at ht
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp ht
  exact h x hx

theorem today_ne_world {recorder id other : Id} (h : other ≠ .world) : Id.today recorder id other ≠ .world := by
  cases id with
  | copy f old =>
    unfold Id.today
    split
    · exact h
    · exact nofun
  | world => exact h
  | root => exact h
  | made m n => exact h

theorem heads_ne_world {c : Commit} (h : ∀ x ∈ c.heads, x.id ≠ .world) {n : M} {id : Id} : ∀ t ∈ n.heads id c, t.id ≠ .world := by
  intro t ht
  unfold heads at ht
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp ht
  exact today_ne_world (h x hx)

theorem plan_ok {m : M} {id : Id} (i : m.has id = true) {to : Option Nat} {p : Plan} (h : m.plan id to = .ok p) :
    (∀ d ∈ p.debts, m.has d.run = true ∧ d.op ≠ "run.pick") ∧
      ∀ k, to = some k → ∃ c, (m.run id).trace.nth k = some c ∧ ∀ x ∈ c.heads, m.has (Id.today c.run id x.id) = true := by
  unfold plan at h
  split at h
  · cases h
    exact ⟨planFor_debts i _ _, fun k hk => nomatch hk⟩
  · next k =>
    simp only at h
    split at h
    · cases h
    · next c hc =>
      split at h
      · cases h
      · next hm =>
        split at h
        · cases h
        · cases h
          refine ⟨planFor_debts i _ _, fun k' hk => ?_⟩
          cases hk
          refine ⟨c, hc, fun x hx => ?_⟩
          obtain ⟨t, ht, hid, _⟩ := heads_id (m := m) (id := id) hx
          rw [← hid]
          simp only [Bool.not_eq_true', Bool.not_eq_false, List.isEmpty_iff, moved, List.filter_eq_nil_iff] at hm
          have := hm t ht
          simp only [Bool.and_eq_true] at this
          exact this.1

theorem plain_abandonOne {m : M} (w : Wf m B) {id : Id} (i : m.has id = true) (ne : id ≠ .world) :
    Plain m (m.abandonOne id) B := by
  unfold abandonOne
  simp only
  split
  · exact .refl
  · exact plain_recordCode i _ (w.codes id) (fun e => absurd e ne) (inward_outcome _ _ _ _)
  · split
    · exact plain_recordCode i _ trivial (fun e => absurd e ne) (inward_outcome _ _ _ _)
    · exact .refl

theorem ne_world_of_mem_family {m : M} (w : Wf m B) {above id : Id} (ne : above ≠ .world) (h : id ∈ m.family above) :
    id ≠ .world := by
  rw [family, List.mem_append, List.mem_singleton] at h
  cases h with
  | inl h => exact ne_world_of_mem_below w.owner h
  | inr h => rw [h]; exact ne

theorem plain_abandon {m : M} (w : Wf m B) {id : Id} (i : m.has id = true) (ne : id ≠ .world) : Plain m (m.abandon id) B :=
  Plain.foldl w fun _ _ hx e wn =>
    plain_abandonOne wn (e.has w (has_of_mem_family i hx)) (ne_world_of_mem_family w ne hx)

theorem plain_begin {m n : M} (w : Wf m B) {asker id : Id} (ia : m.has asker = true) (i : m.has id = true) (ne : id ≠ .world)
    {origin : Settled} {to : Option Nat} (h : m.begin asker origin id to = .ok n) : Plain m n B := by
  unfold begin at h
  split at h
  · cases h
  · next p hp =>
    cases h
    have e := plain_abandon w i ne
    refine e.trans (plain_setCode (e.has w ia) _ ?_ fun _ => .inr trivial)
    have ok := plan_ok i hp
    refine CodeOk.extends (e.extends w) (e.wf w) (m := m) ?_
    exact ⟨ne, i, ok.1, ok.2⟩

theorem inward_ended (id : Id) (kind : EndKind) (v : Value) : Inward id (.ended kind v) :=
  ⟨fun _ _ _ => nofun, fun _ => nofun⟩

theorem plain_discard {m : M} (id : Id) : Plain m (m.discard id) B := by
  unfold discard
  split
  · exact .refl
  · next hc =>
    exact plain_recordCode (has_of_code fun e => hc e) _ trivial (fun _ => .inr trivial) (inward_ended _ _ _)

theorem plain_rewind {m : M} (w : Wf m B) {id : Id} (i : m.has id = true) (ne : id ≠ .world) (c : Commit) (lower : Bool) :
    Plain m (m.rewind id c lower) B := by
  unfold rewind
  refine plain_record i _ ?_ (fun e => absurd e ne) ⟨fun _ _ _ => nofun, fun _ => nofun⟩
  simp only
  split
  · exact takenUp_ok w.codes _ _ _
  · trivial

theorem plain_restoreLower {m : M} (w : Wf m B) (hs : List Then) {id : Id} (i : m.has id = true) (ne : id ≠ .world) :
    Plain m (restoreLower hs m id) B := by
  unfold restoreLower
  split
  · exact plain_discard id
  · split
    · exact .refl
    · simp only
      split
      · exact plain_rewind w i ne _ _
      · split
        · exact plain_setCode i _ trivial fun e => absurd e ne
        · exact .refl

theorem plain_restore {m : M} (w : Wf m B) {id : Id} (i : m.has id = true) (ne : id ≠ .world) {to : Option Nat}
    (ok : ∀ k, to = some k → ∃ c, (m.run id).trace.nth k = some c ∧ ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true) :
    Plain m (m.restore id to) B := by
  unfold restore
  split
  · exact Plain.foldl w fun n x _ _ _ => plain_discard x
  · next k =>
    obtain ⟨c, hc, hh⟩ := ok k rfl
    rw [hc]
    simp only
    have hw : ∀ x ∈ c.heads, x.id ≠ .world := w.heads id c (Trace.nth_mem hc)
    have e₁ : Plain m ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) B :=
      Plain.foldl w fun n t ht e _ => plain_own (e.has w (heads_has hh t ht)) (heads_ne_world hw t ht) _ _
    have w₁ := e₁.wf w
    have e₂ := Plain.foldl (f := restoreLower (m.heads id c)) w₁
      (l := ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m).below id)
      fun n x hx e wn => plain_restoreLower wn (m.heads id c) (e.has w₁ (has_of_mem_below hx))
        (ne_world_of_mem_below w₁.owner hx)
    have e := e₁.trans e₂
    exact e.trans (plain_rewind (e.wf w) (e.has w i) ne c false)

theorem plain_undoStep {m n : M} (w : Wf m B) {id : Id} (hb : id = .world → B) {u : Undoing} {origin : Settled}
    (hc : (m.run id).code = .undoing u origin) (h : m.undoStep id u origin = some n) : Plain m n B := by
  have ok := w.codes id
  rw [hc] at ok
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  unfold undoStep at h
  split at h
  · cases h
  · split at h
    · next d ds hd =>
      cases h
      have id' : m.has d.run = true := (ok.2.2.1 d (by rw [hd]; exact List.mem_cons_self)).1
      have e : Plain m (m.recordCode d.run (.undo d.at d.op d.args) (m.run d.run).code) B :=
        plain_recordCode id' _ (w.codes d.run) (w.calm_code d.run) ⟨fun _ _ _ => nofun, fun _ => nofun⟩
      refine e.trans (plain_setCode (e.has w i) _ ?_ fun _ => .inr trivial)
      exact CodeOk.extends (e.extends w) (e.wf w) (m := m) ok
    · have e := plain_restore w ok.2.1 ok.1 ok.2.2.2
      simp only at h
      split at h
      · cases h
        exact e.reply w ⟨i, hb⟩ _ _
      · cases h
        exact e.trans (plain_setCode (e.has w i) _ trivial fun e => .inl (hb e))

theorem plain_discardMade {m n : M} (w : Wf m B) {id : Id} (i : m.has id = true) {again : Comp}
    (h : m.discardMade id again = some n) : Plain m n B := by
  unfold discardMade at h
  split at h
  · cases h
  · next kid hk =>
    have ik : kid ∈ m.kids id := by
      unfold newestMade at hk
      exact (List.mem_filter.mp (List.mem_of_getLast? hk)).1
    split at h
    · next hb => cases h; exact plain_begin w i (has_of_mem_kids ik) (ne_world_of_mem_kids w.owner ik) hb
    · cases h

end M

end Shepherd
