import Shepherd.Laws.Support.Extends

/-!
# Everything the machine does is made of elementary changes

For each operation up to `step`, `answer`, `worldAsks`, `forkRoot` and `Next`.
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

/-! ## Operations on runs -/

theorem plain_ownerAnswers {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) (v answer : Value) :
    Plain m (m.ownerAnswers asker wt v answer) B := by
  unfold ownerAnswers
  split
  · exact plain_reply i _ _
  · next id q ha =>
    split
    · exact plain_reply i _ _
    · exact (plain_deliver w id (has_of_shown w.codes (of_atIntent ha).2).1 _ _ _).reply w i _ _

theorem plain_answerOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.answerOp asker wt) B := by
  unfold answerOp
  split
  · exact plain_ownerAnswers w i _ _ _
  · exact plain_wrong i _

theorem plain_denyOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.denyOp asker wt) B := by
  unfold denyOp
  split
  · exact plain_ownerAnswers w i _ _ _
  · exact plain_wrong i _

theorem plain_next {m : M} {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.next asker wt) B := by
  unfold next
  split
  · split
    · exact plain_reply i _ _
    · exact .stack _ (plain_setCode i.1 _ trivial fun _ => .inr trivial)
  · exact plain_reply i _ _

theorem plain_pass {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.pass asker wt) B := by
  unfold pass
  split
  · split
    · exact plain_reply i _ _
    · next id q ha =>
      have hs := has_of_shown w.codes (of_atIntent ha).2
      refine plain_setCode i.1 _ ⟨hs.2.2, fun x hx => ?_⟩ fun e => .inl (i.2 e)
      cases List.mem_cons.mp hx with
      | inl h => rw [h]; exact has_of_owns (of_atIntent ha).1
      | inr h => exact hs.2.1 x h
  · exact plain_reply i _ _

theorem plain_pick {m n : M} {asker : Id} (i : Asker B m asker) {wt : Waiting} (h : m.pick asker wt = some n) :
    Plain m n B := by
  unfold pick at h
  split at h
  · split at h
    · cases h; exact plain_reply i _ _
    · cases h
  · cases h; exact plain_reply i _ _

theorem plain_traceOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.traceOp asker wt) B := by
  unfold traceOp
  split
  · split
    · exact plain_wrong i _
    · simp only
      split
      · exact plain_reply i _ _
      · exact (plain_setHandles i.1 _).reply w i _ _
  · exact plain_wrong i _

theorem plain_inject {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.inject asker wt) B := by
  unfold inject
  split
  · split
    · exact plain_reply i _ _
    · next id ho =>
      split
      · exact plain_reply i _ _
      · split
        · exact plain_reply i _ _
        · exact (plain_record (has_of_owned ho) _ (w.codes id) (w.calm_code id) (inward_injected _ _)).reply w i _ _
  · exact plain_wrong i _

theorem plain_take {m : M} {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.take asker wt) B := by
  unfold take
  split
  · exact plain_reply i _ _
  · exact plain_record i.1 _ trivial (fun e => .inl (i.2 e)) (inward_outcome _ _ _ _)

theorem plain_merge {m : M} {asker : Id} (i : Asker B m asker) (wt : Waiting) : Plain m (m.merge asker wt) B := by
  unfold merge
  split
  · split
    · exact plain_reply i _ _
    · simp only
      split
      · exact plain_reply i _ _
      · split
        · exact plain_reply i _ _
        · exact plain_reply i _ _ _
  · exact plain_reply i _ _

theorem plain_takeBack {m : M} (w : Wf m B) {asker id : Id} (i : Asker B m asker) (ii : m.owns asker id = true) (wt : Waiting)
    (to : Option Nat) : Plain m (m.takeBack asker wt id to) B := by
  unfold takeBack
  split
  · exact plain_reply i _ _
  · next hb => exact plain_begin w i.1 (has_of_owns ii) (ne_world_of_owns w.owner ii) hb

theorem plain_revert {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.revert asker wt) B := by
  unfold revert
  split
  · split
    · exact plain_reply i _ _
    · next ho =>
      split
      · exact plain_takeBack w i (owns_of_owned ho) _ _
      · exact plain_reply i _ _
  · exact plain_wrong i _

theorem plain_discardOp {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Plain m (m.discardOp asker wt) B := by
  unfold discardOp
  split
  · split
    · exact plain_reply i _ _
    · next ho =>
      split
      · exact plain_reply i _ _
      · exact plain_takeBack w i (owns_of_owned ho) _ _
  · exact plain_wrong i _

/-! ## New runs -/

/-- What a run just made is answered with. -/
theorem Edits.answerRun {F : Id → Prop} {m n : M} (e : Edits (.step F B) m n) {asker : Id} (i : n.has asker = true)
    (hb : asker = .world → B) (wt : Waiting) (id : Id) : Edits (.step F B) m (n.answerRun asker wt id) :=
  .count asker _ _ _ e i trivial ⟨fun h => .inl (hb h), fun _ _ h => nomatch h⟩ (.inr (inward_outcome _ _ _ _))

theorem made_answerRun (m : M) (asker : Id) (wt : Waiting) (id : Id) :
    ((m.answerRun asker wt id).run asker).made = (m.run asker).made + 1 := by
  unfold answerRun
  simp only [reply_eq]
  rw [made_record, run_put, if_pos (by exact run_id m asker)]

theorem not_has_made {m : M} (w : Wf m B) (asker : Id) : m.has (.made asker (m.run asker).made) = false := by
  cases h : m.has (.made asker (m.run asker).made) with
  | false => rfl
  | true => exact absurd (w.fresh _ h) (Nat.lt_irrefl _)

theorem not_has_copy {m : M} (w : Wf m B) (asker x : Id) : m.has (.copy (.made asker (m.run asker).made) x) = false := by
  cases h : m.has (.copy (.made asker (m.run asker).made) x) with
  | false => rfl
  | true => exact absurd (w.fresh _ h) (Nat.lt_irrefl _)

/-- What each of some changes keeps, all of them keep. -/
theorem foldl_keeps {α : Type} {P : M → Prop} {f : M → α → M} {l : List α} {m : M} (h₀ : P m)
    (h : ∀ n x, x ∈ l → P n → P (f n x)) : P (l.foldl f m) := by
  induction l generalizing m with
  | nil => exact h₀
  | cons x l ih => exact ih (h m x List.mem_cons_self h₀) fun n y hy => h n y (List.mem_cons_of_mem _ hy)

theorem Edits.lend {F : Id → Prop} {m n : M} (w : Wf m B) (hF : ∀ id, F id → m.has id = false) (e : Edits (.step F B) m n)
    (asker id held : Id) : Edits (.step F B) m (M.lend asker id n held) := by
  unfold M.lend
  split
  · next ho => exact .own _ _ _ e (has_of_owns ho) (ne_world_of_owns (e.kept w hF).owner ho)
  · exact e

/-- The ids that the next run made or fork of `asker` has, and the copies in it. -/
def Newly (m : M) (asker id : Id) : Prop :=
  id = .made asker (m.run asker).made ∨ ∃ x, id = .copy (.made asker (m.run asker).made) x

theorem Newly.absent {m : M} (w : Wf m B) {asker id : Id} (h : Newly m asker id) : m.has id = false := by
  cases h with
  | inl h => rw [h]; exact not_has_made w asker
  | inr h => obtain ⟨x, h⟩ := h; rw [h]; exact not_has_copy w asker x

theorem Newly.grows {m n : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (e : Edits (.step (Newly m asker) B) m n)
    (wt : Waiting) (id : Id) : Grows m (n.answerRun asker wt id) B := by
  have k := e.kept w fun _ => Newly.absent w
  have hm : (m.run asker).made < ((n.answerRun asker wt id).run asker).made := by
    rw [made_answerRun]; exact Nat.lt_succ_of_le (k.ext.made asker)
  refine ⟨Newly m asker, fun j h => ⟨h.absent w, ?_⟩, e.answerRun (k.ext.has asker i.1) i.2 wt id⟩
  cases h with
  | inl h => rw [h]; exact hm
  | inr h => obtain ⟨x, h⟩ := h; rw [h]; exact hm

theorem grows_spawn {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Grows m (m.spawn asker wt) B := by
  unfold spawn
  split
  · split
    · exact (plain_reply i _ _).grows
    · split
      · exact (plain_reply i _ _).grows
      · simp only
        refine Newly.grows w i ?_ wt _
        refine .record _ _ _ ?_ (.inr (.inl rfl)) trivial ⟨fun h => (nomatch h), fun _ _ h => (nomatch h)⟩
          (.inr ⟨fun _ _ _ => nofun, fun _ => nofun⟩)
        refine foldl_keeps (P := Edits (.step (Newly m asker) B) m) ?_
          fun n x _ e => e.lend w (fun _ => Newly.absent w) asker _ x
        exact .born _ _ .root .refl (.inl rfl) rfl rfl List.nil_suffix fun _ _ h => nomatch h
  · exact (plain_wrong i _).grows

theorem Edits.copyOne {F : Id → Prop} {m n : M} (e : Edits (.step F B) m n) (hl : n.log = m.log) (id fork owner : Id) (c : Commit)
    (parts : List Then) (h : Then) (hF : F (.copy fork h.id)) (hs : ∃ old, h.trace <:+ (m.run old).trace) :
    Edits (.step F B) m (M.copyOne m id fork owner c parts n h) ∧ (M.copyOne m id fork owner c parts n h).log = m.log := by
  unfold M.copyOne
  split
  · exact ⟨e, hl⟩
  · next k t ht =>
    obtain ⟨old, hs⟩ := hs
    refine ⟨.born _ _ old (.used _ e) hF hl rfl hs fun c' t' h' => ?_, hl⟩
    rw [ht] at h'
    cases h'
    rfl

theorem copy_ne (f : Id) : ∀ x : Id, Id.copy f x ≠ x := by
  intro x h
  have := congrArg sizeOf h
  simp only [Id.copy.sizeOf_spec] at this
  omega

theorem Edits.markCopy {F : Id → Prop} {m n : M} (w : Wf m B) (hF' : ∀ id, F id → m.has id = false)
    (e : Edits (.step F B) m n) (id fork : Id) (h : Then) (hF : F (.copy fork h.id)) :
    Edits (.step F B) m (M.markCopy id fork n h) := by
  unfold M.markCopy
  split
  · exact e
  · refine .record _ _ _ e (.inr hF) ?_ ⟨fun hw => (nomatch hw), fun u o hu => ?_⟩
      (.inr ⟨fun _ _ _ => nofun, fun _ hf => copy_ne fork h.id (Event.forked.inj hf).1.symm⟩)
    · simp only
      split
      · trivial
      · exact takenUp_ok (e.kept w hF').codes _ _ _
    · simp only at hu
      split at hu
      · cases hu
      · exact absurd hu (takenUp_not_undoing _ _ _ _ _ _)

theorem forkParts_trace {m : M} {id owner : Id} {t : Trace} {c : Commit} (ht : t <:+ (m.run id).trace) :
    ∀ h ∈ m.forkParts id owner t c, ∃ old, h.trace <:+ (m.run old).trace := by
  intro h hh
  unfold forkParts at hh
  cases List.mem_append.mp hh with
  | inl hh =>
    unfold heads at hh
    obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
    exact ⟨x.id, Trace.upTo_suffix _ _⟩
  | inr hh =>
    rw [List.mem_singleton.mp hh]
    exact ⟨id, ht⟩

theorem grows_fork {m : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) (wt : Waiting) :
    Grows m (m.fork asker wt) B := by
  unfold fork
  split
  · split
    · exact (plain_reply i _ _).grows
    · next id ho =>
      simp only
      split
      · exact (plain_reply i _ _).grows
      · next c t ht =>
        refine Newly.grows w i ?_ wt _
        unfold copyTree
        simp only
        refine foldl_keeps (P := Edits (.step (Newly m asker) B) m) ?_
          fun n x _ e => e.markCopy w (fun _ => Newly.absent w) _ _ x (.inr ⟨_, rfl⟩)
        refine (foldl_keeps (P := fun n => Edits (.step (Newly m asker) B) m n ∧ n.log = m.log) ⟨.refl, rfl⟩ fun n x hx e => ?_).1
        obtain ⟨r, _, hr⟩ := List.mem_filterMap.mp hx
        refine e.1.copyOne e.2 _ _ _ _ _ x (.inr ⟨_, rfl⟩) (forkParts_trace ?_ x (List.mem_of_find?_eq_some hr))
        split
        · exact Trace.upTo_suffix _ _
        · exact List.nil_suffix
  · exact (plain_wrong i _).grows

theorem grows_perform {m n : M} (w : Wf m B) {asker : Id} (i : Asker B m asker) {wt : Waiting}
    (h : m.perform asker wt = some n) : Grows m n B := by
  unfold perform at h
  split at h
  · cases h; exact (plain_take i wt).grows
  · cases h; exact (plain_answerOp w i wt).grows
  · cases h; exact (plain_denyOp w i wt).grows
  · cases h; exact (plain_discardOp w i wt).grows
  · cases h; exact grows_fork w i wt
  · cases h; exact (plain_inject w i wt).grows
  · cases h; exact (plain_merge i wt).grows
  · cases h; exact (plain_next i wt).grows
  · cases h; exact (plain_pass w i wt).grows
  · exact (plain_pick i h).grows
  · cases h; exact (plain_revert w i wt).grows
  · cases h; exact grows_spawn w i wt
  · cases h; exact (plain_traceOp w i wt).grows
  · cases h; exact (plain_reply i wt _).grows

/-! ## Steps -/

theorem plain_giveBack {m : M} (w : Wf m B) (id : Id) : Plain m (m.giveBack id) B := by
  refine Plain.foldl w fun n k hk e _ => ?_
  split
  · exact plain_own (e.has w (has_of_mem_kids hk)) (ne_world_of_mem_kids w.owner hk) _ _
  · exact .refl

theorem plain_finish {m : M} (w : Wf m B) {id : Id} (i : Asker B m id) (again : Comp) (kind : EndKind) (v : Value)
    (code : Settled) : Plain m (m.finish id again kind v code) B := by
  unfold finish
  split
  · next h => exact plain_discardMade w i.1 h
  · have e : Plain m (m.recordCode id (.ended kind v) (.settled code)) B :=
      plain_recordCode i.1 _ trivial (fun e => .inl (i.2 e)) (inward_ended _ _ _)
    exact e.trans (plain_giveBack (e.wf w) id)

theorem plain_ask {m : M} {id : Id} (i : m.has id = true) (ne : id ≠ .world) (op : String) (args : List Value) (K : Stack) :
    Plain m (m.ask id op args K) B := by
  unfold ask
  simp only
  split
  · exact .record id _ _ (.used _ .refl) (.inl i) trivial ⟨fun e => absurd e ne, fun _ _ _ h => h⟩
      (.inr ⟨fun e => absurd e ne, fun _ => nofun⟩)
  · exact plain_recordCode i _ trivial (fun e => absurd e ne) ⟨fun _ _ _ => nofun, fun _ => nofun⟩

theorem plain_fault {m : M} (w : Wf m B) {id : Id} (i : Asker B m id) (f : Fault) : Plain m (m.fault id f) B :=
  plain_finish w i _ _ _ _

theorem plain_localMove {m : M} (w : Wf m B) {id : Id} (i : m.has id = true) (ne : id ≠ .world) (c : Comp) (ρ : Env) (K : Stack)
    (n : Nat) : Plain m (m.localMove id c ρ K n) B := by
  have ia : Asker B m id := ⟨i, fun e => absurd e ne⟩
  unfold localMove
  split
  · exact plain_fault w ia _
  · split
    · exact plain_setCode i _ trivial fun e => absurd e ne
    · exact plain_finish w ia _ _ _ _
    · exact plain_fault w ia _
    · exact plain_ask i ne _ _ _

theorem plain_toOwner {m : M} (w : Wf m B) {owner : Id} (ne : owner ≠ .world) (id : Id) (rest : List Id) :
    Plain m (m.toOwner owner id rest) B := by
  unfold toOwner
  split
  · next hc =>
    have i : m.has owner = true := has_of_code (by rw [hc]; exact nofun)
    have e₁ : Plain m { m with stack := owner :: rest } B := .stack _ .refl
    exact (e₁.trans (plain_stopValue (m := { m with stack := owner :: rest }) i id)).reply w ⟨i, fun e => absurd e ne⟩ _ _
  · exact .refl

theorem plain_answerFile {m : M} (w : Wf m B) (id : Id) {q : Question} (i : m.has q.asked = true) :
    Plain m (m.answerFile id q) B := by
  unfold answerFile
  simp only
  split
  · next s _ _ _ _ _ =>
    have e : Plain m { m with written := (gitBlobHash s, s) :: m.written } B := .written _ .refl
    exact e.trans (plain_deliver (e.wf w) id i _ _ _)
  · exact plain_deliver w id i _ _ _

theorem plain_atStop {m n : M} (w : Wf m B) {id : Id} {rest : List Id} (h : m.atStop id rest = some n) : Plain m n B := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Plain m n B := fun h => by
    split at h
    · next hs =>
      split at h
      · cases h; exact plain_answerFile w id (has_of_shown w.codes hs).1
      · cases h
    · cases h
  unfold atStop at h
  split at h
  · split at h
    · next ne => cases h; exact plain_toOwner w ne _ _
    · exact file h
  · exact file h

theorem plain_driveRoot {m : M} (i : m.has .world = true) : Plain m m.driveRoot B :=
  .stack _ (plain_setCode i _ trivial fun _ => .inr trivial)

theorem plain_afterWorld {m : M} (i : m.has .world = true) (id : Id) : Plain m (m.afterWorld id) B := by
  unfold afterWorld
  split
  · exact .refl
  · split
    · exact plain_driveRoot i
    · exact .refl

/-- A tree in which the outermost owner may be in the middle of an operation, and is not. -/
theorem Wf.of_calm {m : M} (w : Wf m True) (h : Calm (m.run .world).code) : Wf m := { w with calm := .inr h }

/-- What the outermost owner does when its own operation is answered leaves it calm. -/
theorem calm_undoStep {m n : M} {u : Undoing} {origin : Settled} (h : m.undoStep .world u origin = some n) :
    Calm ((n.afterWorld .world).run .world).code := by
  have settled : ∀ (n : M) (s : Settled), (n.run .world).code = .settled s → (∀ q, s ≠ .waiting q) →
      Calm ((n.afterWorld .world).run .world).code := by
    intro n s hs hw
    unfold afterWorld
    rw [if_neg (fun h => h rfl), hs]
    cases s with
    | running c ρ K k =>
      simp only
      show Calm ((n.setCode .world _).run .world).code
      rw [run_setCode_same]; trivial
    | waiting q => exact absurd rfl (hw q)
    | done v => simp only [hs]; trivial
    | failed v => simp only [hs]; trivial
    | discarded => simp only [hs]; trivial
  unfold undoStep at h
  split at h
  · cases h
  · split at h
    · cases h
      unfold afterWorld
      rw [if_neg (fun h => h rfl), run_setCode_same]
      simp only
      rw [run_setCode_same]
      trivial
    · simp only at h
      split at h
      · next w =>
        cases h
        refine settled _ (.running (.ret (.lit (.ok u.report))) [] w.stack 0) ?_ nofun
        rw [reply_eq, run_record_same]; rfl
      · next hw =>
        cases h
        exact settled _ origin (by rw [run_setCode_same]) hw

/-- `n` is well-formed and extends `m`. -/
def Follows (m n : M) : Prop := Wf n ∧ Extends m n

theorem Grows.follows {m n : M} (w : Wf m) (g : Grows m n) : Follows m n := ⟨g.wf w, g.extends w⟩

theorem Plain.follows {m n : M} (e : Plain m n) (w : Wf m) : Follows m n := ⟨e.wf w, e.extends w⟩

theorem Follows.refl {m : M} (w : Wf m) : Follows m m := ⟨w, .refl m⟩

theorem Follows.trans {m n p : M} (e : Follows m n) (f : Follows n p) : Follows m p := ⟨f.1, e.2.trans f.2⟩

/-- What `n` has recorded since `m` was not recorded from outside. -/
def RecordsInward (m n : M) : Prop := ∃ cs, n.log = cs ++ m.log ∧ ∀ c ∈ cs, Inward c.run c.event

theorem step_follows {m n : M} (w : Wf m) (h : m.step = some n) : Follows m n ∧ RecordsInward m n := by
  have grows : ∀ {n}, Grows m n → Follows m n ∧ RecordsInward m n := fun g => ⟨g.follows w, g.inward w⟩
  have calm := w.calm.resolve_left id
  unfold step at h
  split at h
  · cases h
  · next id rest _ =>
    have ne : (m.run id).code ≠ (m.run .world).code → id ≠ .world := fun h e => h (e ▸ rfl)
    split at h
    · next hc =>
      cases h
      refine grows (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) (ne fun e => ?_) _ _ _ _).grows
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at h
      · refine grows (grows_perform w ⟨has_of_code (by rw [hc]; exact nofun), fun e => ?_⟩ h)
        rw [← e, hc] at calm; exact calm
      · exact grows (plain_atStop w h).grows
    · next hc =>
      split at h
      · next hu =>
        cases h
        by_cases hw : id = .world
        · subst hw
          have wt : Wf m True := w.weaken
          have e := plain_undoStep wt (fun _ => trivial) hc hu
          have g := e.trans (plain_afterWorld (e.has wt wt.world) .world)
          exact ⟨⟨(g.wf wt).of_calm (calm_undoStep hu), g.extends wt⟩, g.grows.inward wt⟩
        · have e := plain_undoStep w (fun e => absurd e hw) hc hu
          exact grows (e.trans (plain_afterWorld (e.has w w.world) id)).grows
      · exact grows (plain_atStop w h).grows
    · exact grows (plain_atStop w h).grows

theorem follows_step {m n : M} (w : Wf m) (h : m.step = some n) : Follows m n := (step_follows w h).1

/-! ## From outside -/

theorem plain_picked {m : M} (w : Wf m B) {id : Id} {wt : Waiting} (hc : (m.run id).code = .settled (.waiting wt))
    (answer : Value) : Plain m (m.picked id wt answer) B := by
  refine plain_recordCode (has_of_code (by rw [hc]; exact nofun)) _ trivial (fun e => ?_) (inward_outcome _ _ _ _)
  have := w.calm_code id e
  rw [hc] at this
  exact this.imp_right False.elim

theorem plain_answer {m n : M} (w : Wf m) {answer : Value} {change : Change} (h : m.answer answer change = some n) :
    Plain m n := by
  have deliver : ∀ {id : Id} {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Plain m n := by
    intro id n h
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
    exact plain_deliver w id (has_of_shown w.codes hq).1 _ _ _
  unfold M.answer at h
  split at h
  · split at h
    · cases h
    · split at h
      · next hc =>
        split at h
        · cases h; exact plain_picked w hc _
        · exact deliver h
      · exact deliver h
  · cases h

theorem follows_answer {m n : M} (w : Wf m) {answer : Value} {change : Change} (h : m.answer answer change = some n) :
    Follows m n := (plain_answer w h).follows w

/-- The world's intent, as `worldAsks` records it. -/
theorem asks_kept {m : M} (w : Wf m) (op : String) (args : List Value) :
    Kept ⟨fun _ => False, True, True⟩ m ({ m with stack := [.world] }.recordCode .world (.intent op args)
      (.settled (.waiting { op, args, stack := [] }))) := by
  refine Edits.kept (S := ⟨fun _ => False, True, True⟩) w.weaken (fun _ h => h.elim) ?_
  exact .record .world _ _ (.stack _ .refl) (.inl w.world) trivial ⟨fun _ => .inl trivial, fun _ _ _ h => h⟩ (.inl trivial)

/-- The code of the asker after the machine dealt with its operation, where it is `revert` or `discard`. -/
theorem code_takeBack {m : M} {asker : Id} {wt : Waiting} :
    ∀ {n : M}, (n = m.revert asker wt ∨ n = m.discardOp asker wt) →
      (∃ c ρ K k, (n.run asker).code = .settled (.running c ρ K k)) ∨ Calm (n.run asker).code := by
  have reply : ∀ v ch, ∃ c ρ K k, ((m.reply asker wt v ch).run asker).code = .settled (.running c ρ K k) := fun v ch =>
    ⟨_, _, _, _, by rw [reply_eq, run_record_same]; rfl⟩
  have back : ∀ id to, (∃ c ρ K k, ((m.takeBack asker wt id to).run asker).code = .settled (.running c ρ K k)) ∨
      Calm ((m.takeBack asker wt id to).run asker).code := by
    intro id to
    unfold takeBack
    split
    · exact .inl (reply _ _)
    · next hb =>
      unfold begin at hb
      split at hb
      · cases hb
      · cases hb
        rw [run_setCode_same]
        exact .inr trivial
  intro n hn
  rcases hn with rfl | rfl
  · unfold revert
    split
    · split
      · exact .inl (reply _ _)
      · split
        · exact back _ _
        · exact .inl (reply _ _)
    · exact .inl (reply _ _)
  · unfold discardOp
    split
    · split
      · exact .inl (reply _ _)
      · split
        · exact .inl (reply _ _)
        · exact back _ _
    · exact .inl (reply _ _)

theorem perform_worldOp {m n : M} {asker : Id} {wt : Waiting} (h : wt.op = "run.revert" ∨ wt.op = "run.discard")
    (hp : m.perform asker wt = some n) : n = m.revert asker wt ∨ n = m.discardOp asker wt := by
  unfold perform at hp
  split at hp
  all_goals first
    | (exfalso; rename_i e; rw [e] at h; revert h; decide)
    | (cases hp; exact .inl rfl)
    | (cases hp; exact .inr rfl)
    | grind

theorem follows_worldAsks {m n : M} (w : Wf m) {op : String} {args : List Value} (h : m.worldAsks op args = some n) :
    Follows m n ∧ Extends ({ m with stack := [.world] }.recordCode .world (.intent op args)
      (.settled (.waiting { op, args, stack := [] }))) n := by
  unfold worldAsks at h
  split at h
  · cases h
  · split at h
    · cases h
    · next hop =>
      simp only at h
      split at h
      · cases h
      · next after hp =>
        have k := asks_kept w op args
        have w₁ : Wf _ True := k.wf w fun _ h => h.elim
        have g := grows_perform w₁ ⟨k.world, fun _ => trivial⟩ hp
        have w₂ := g.wf w₁
        have e₂ := g.extends w₁
        have back : ∀ stack, Follows m { after.setCode .world (m.run .world).code with stack } ∧
            Extends ({ m with stack := [.world] }.recordCode .world (.intent op args)
              (.settled (.waiting { op, args, stack := [] }))) { after.setCode .world (m.run .world).code with stack } := by
          intro stack
          have e : Plain after { after.setCode .world (m.run .world).code with stack } True :=
            .stack stack (plain_setCode w₂.world _ ((w.codes _).extends (k.ext.trans e₂) w₂) fun _ => .inl trivial)
          refine ⟨⟨(e.wf w₂).of_calm ?_, (k.ext.trans e₂).trans (e.extends w₂)⟩, e₂.trans (e.extends w₂)⟩
          show Calm ((after.setCode .world (m.run .world).code).run .world).code
          rw [run_setCode_same]
          exact w.calm.resolve_left id
        split at h
        · cases h; exact back _
        · next hr =>
          split at h
          · cases h; exact back _
          · next hi =>
            cases h
            refine ⟨⟨w₂.of_calm ?_, k.ext.trans e₂⟩, e₂⟩
            simp only [isWorldOp, Bool.not_eq_true', Bool.not_eq_false, Bool.or_eq_true, beq_iff_eq] at hop hi
            rcases code_takeBack (perform_worldOp (hop.resolve_right hi) hp) with ⟨c, ρ, K, j, hc⟩ | hc
            · exact absurd hc (hr c ρ K j)
            · exact hc

theorem find_map {f : Run → Run} (hf : ∀ r, (f r).id = r.id) (rs : List Run) (id : Id) (h : Runs.has rs id = true) :
    Runs.find (rs.map f) id = f (Runs.find rs id) := by
  induction rs with
  | nil => exact absurd h Bool.false_ne_true
  | cons r rs ih =>
    rw [List.map_cons]
    simp only [Runs.find, hf]
    split
    · rfl
    · next e =>
      rw [Runs.has_cons, beq_eq_false_iff_ne.mpr e, Bool.false_or] at h
      exact ih h

theorem has_map {f : Run → Run} (hf : ∀ r, (f r).id = r.id) (rs : List Run) (id : Id) :
    Runs.has (rs.map f) id = Runs.has rs id := by
  induction rs with
  | nil => rfl
  | cons r rs ih => rw [List.map_cons, Runs.has_cons, Runs.has_cons, hf, ih]

/-- A change of every run that leaves id, trace and count. -/
theorem follows_map {m n : M} (w : Wf m) {f : Run → Run} (hid : ∀ r, (f r).id = r.id) (htrace : ∀ r, (f r).trace = r.trace)
    (hmade : ∀ id, (f (m.run id)).made = (m.run id).made)
    (hcode : ∀ r, (f r).code = r.code ∨ (r.id ≠ .world ∧ ∃ s, (f r).code = .settled s) ∨ ∃ r' w, (f r).code = .driving r' w)
    (howner : ∀ r, r.id = .world → (f r).owner = r.owner)
    (hruns : n.runs = m.runs.map f) (hlog : n.log = m.log) (hprog : n.program = m.program) (hcont : n.contents = m.contents) :
    Follows m n := by
  have hhas : ∀ id, n.has id = m.has id := fun id => by unfold has; rw [hruns]; exact has_map hid _ _
  have hrun : ∀ id, m.has id = true → n.run id = f (m.run id) := fun id h => by
    unfold run; rw [hruns]; exact find_map hid _ _ h
  have habs : ∀ id, m.has id = false → n.run id = m.run id := fun id h => by
    rw [run_of_not_has h, run_of_not_has ((hhas id).trans h)]
  have k : Kept (.step (fun _ => False) False) m n := by
    refine (Kept.refl (S := .step (fun _ => False) False) w fun _ h => h.elim).same hhas (fun id => ?_) (fun id => ?_) hlog hprog
      hcont (fun id => ?_) (fun h r hr hw => ?_)
    · cases h : m.has id with
      | true => rw [hrun id h, htrace]
      | false => rw [habs id h]
    · cases h : m.has id with
      | true => rw [hrun id h, hmade]
      | false => rw [habs id h]
    · cases h : m.has id with
      | true =>
        rw [hrun id h]
        rcases hcode (m.run id) with e | ⟨ne, s, e⟩ | ⟨r', q, e⟩
        · exact .inl e
        · rw [run_id] at ne
          exact .inr ⟨by rw [e]; trivial, fun e => absurd e ne, fun _ _ _ h => h⟩
        · exact .inr ⟨by rw [e]; trivial, fun _ => .inr (by rw [e]; trivial), fun _ _ _ h => h⟩
      | false => exact .inl (by rw [habs id h])
    · rw [hruns] at hr
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hr
      rw [hid] at hw
      rw [howner x hw]
      exact h x hx hw
  exact ⟨k.wf w fun _ h => h.elim, k.ext⟩

theorem asOf_id (r : Run) (owner : Option Id) (givers : List Id) : (asOf r owner givers).id = r.id := by
  unfold asOf; split <;> rfl

theorem asOf_trace (r : Run) (owner : Option Id) (givers : List Id) : (asOf r owner givers).trace = r.trace := by
  unfold asOf; split
  · rfl
  · rfl

theorem asOf_made {m : M} (w : Wf m) (id : Id) (owner : Option Id) (givers : List Id) :
    (asOf (m.run id) owner givers).made = (m.run id).made := by
  unfold asOf; split
  · rfl
  · next h => exact w.counted id _ _ h

theorem asOf_code (r : Run) (owner : Option Id) (givers : List Id) :
    (asOf r owner givers).code = r.code ∨ ∃ s, (asOf r owner givers).code = .settled s := by
  unfold asOf; split
  · exact .inl rfl
  · exact .inr ⟨_, rfl⟩

/-- The runs of a tree forked from outside, before they record it. -/
def asForked (m : M) (c : Commit) (r : Run) : Run :=
  if r.id = .world then { r with code := worldRun.code }
  else if r.id = .root then asOf r (some .world) []
  else match (m.heads .root c).find? fun h => h.id == r.id with
    | some h => asOf r (some h.owner) h.givers
    | none => r

/-- `forked` in one of them. -/
def markFork (c : Commit) (m : M) (id : Id) : M :=
  let r := m.run id
  m.recordCode id (.forked id (r.trace.size - 1))
    (if id = .root then .settled c.code else m.takenUp id r.handles r.code.settle)

theorem forkRoot_eq {m n : M} (h : m.forkRoot = some n) : ∃ c t, (m.run .root).trace = c :: t ∧
    n = ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used }.family .root).foldl (markFork c)
      { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } := by
  unfold forkRoot at h
  split at h
  · next c t last log ht hl =>
    split at h
    · cases h
    · simp only at h
      cases h
      exact ⟨c, t, ht, rfl⟩
  · cases h

theorem follows_asForked {m : M} (w : Wf m) (c : Commit) :
    Follows m { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } := by
  refine follows_map w (f := m.asForked c) (fun r => ?_) (fun r => ?_) (fun id => ?_) (fun r => ?_) (fun r hr => ?_) rfl rfl rfl rfl
  · unfold asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  · unfold asForked
    repeat' split
    · rfl
    · exact asOf_trace _ _ _
    · exact asOf_trace _ _ _
    · rfl
  · unfold asForked
    repeat' split
    · rfl
    · exact asOf_made w _ _ _
    · exact asOf_made w _ _ _
    · rfl
  · unfold asForked
    split
    · exact .inr (.inr ⟨_, _, rfl⟩)
    · next ne =>
      split
      · exact (asOf_code _ _ _).imp_right fun h => .inl ⟨ne, h⟩
      · split
        · exact (asOf_code _ _ _).imp_right fun h => .inl ⟨ne, h⟩
        · exact .inl rfl
  · unfold asForked
    rw [if_pos hr]

theorem edits_markFork {m n : M} (w : Wf m) (e : Edits ⟨fun _ => False, False, True⟩ m n) {id : Id} (i : m.has id = true)
    (ne : id ≠ .world) (c : Commit) : Edits ⟨fun _ => False, False, True⟩ m (markFork c n id) := by
  have k := e.kept w fun _ h => False.elim h
  refine .record id _ _ e (.inl (k.ext.has _ i)) ?_ ⟨fun h => absurd h ne, fun _ _ _ h => h⟩ (.inl trivial)
  simp only
  split
  · trivial
  · exact takenUp_ok k.codes _ _ _

theorem follows_forkRoot {m n : M} (w : Wf m) (h : m.forkRoot = some n) : Follows m n := by
  obtain ⟨c, t, ht, rfl⟩ := forkRoot_eq h
  have f := follows_asForked w c
  refine f.trans ?_
  have root : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M).has .root = true :=
    f.2.has _ (has_of_trace (by rw [ht]; exact nofun))
  have k := Edits.kept (S := ⟨fun _ => False, False, True⟩) f.1 (fun _ h => h.elim)
    (foldl_keeps (P := Edits ⟨fun _ => False, False, True⟩ _) (f := markFork c) .refl fun n x hx e =>
      edits_markFork f.1 e (has_of_mem_family root hx) (ne_world_of_mem_family (above := .root) f.1 (fun e => nomatch e) hx) c)
  exact ⟨k.wf f.1 fun _ h => h.elim, k.ext⟩

end M

end Shepherd
