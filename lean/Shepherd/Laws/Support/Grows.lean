import Shepherd.Laws.Support.Extends

/-!
# Everything the machine does is made of elementary changes

For each operation up to `step`, `answer`, `worldAsks`, `forkRoot` and `Next`.
-/

namespace Shepherd

namespace M

/-- Code that is not `undoing` runs and names none that are not there. -/
theorem resume_ok (m : M) (answer : Value) (K : Stack) : m.CodeOk (resume answer K) := trivial

theorem plain_reply {m : M} {id : Id} (i : m.has id = true) (w : Waiting) (answer : Value) (change : Change := []) :
    Plain m (m.reply id w answer change) :=
  .record id _ _ .refl (.inl i) trivial fun _ _ _ h => h

theorem plain_wrong {m : M} {id : Id} (i : m.has id = true) (w : Waiting) : Plain m (m.wrong id w) := plain_reply i w _

theorem plain_record {m : M} {id : Id} (i : m.has id = true) (event : Event) (s : State) (ok : m.CodeOk s.code) :
    Plain m (m.record id event s) := .record id event s .refl (.inl i) ok fun _ _ _ h => h

theorem plain_recordCode {m : M} {id : Id} (i : m.has id = true) (event : Event) (code : Code) (ok : m.CodeOk code) :
    Plain m (m.recordCode id event code) := plain_record i event _ ok

theorem plain_setCode {m : M} {id : Id} (i : m.has id = true) (code : Code) (ok : m.CodeOk code) :
    Plain m (m.setCode id code) := .code id code .refl i ok fun _ _ _ h => h

theorem plain_setHandles {m : M} {id : Id} (i : m.has id = true) (handles : List Id) : Plain m (m.setHandles id handles) :=
  .handles id handles .refl i

theorem plain_own {m : M} {id : Id} (i : m.has id = true) (owner : Id) (givers : List Id) :
    Plain m (m.own id owner givers) := .own id owner givers .refl i

theorem Plain.has {m n : M} (e : Plain m n) (w : Wf m) {id : Id} (i : m.has id = true) : n.has id = true :=
  (e.extends w).has id i

/-- Then an answer of the machine. -/
theorem Plain.reply {m n : M} (e : Plain m n) (w : Wf m) {id : Id} (i : m.has id = true) (q : Waiting) (answer : Value)
    (change : Change := []) : Plain m (n.reply id q answer change) := e.trans (plain_reply (e.has w i) q answer change)

/-! ## Questions -/

theorem has_of_shown {m : M} (w : ∀ id, m.CodeOk (m.run id).code) {id : Id} {q : Question} (h : m.shown id = some q) :
    m.has q.asked = true ∧ ∀ x ∈ q.path, m.has x = true := by
  have ok := w id
  unfold shown at h
  split at h
  · next wt hc =>
    split at h
    · cases h
    · cases h
      exact ⟨has_of_code (by rw [hc]; exact nofun), fun x hx => absurd hx List.not_mem_nil⟩
  · next chain op args wt hc =>
    cases h
    rw [hc] at ok
    refine ⟨?_, ok⟩
    show m.has (chain.getLastD id) = true
    cases chain with
    | nil => exact has_of_code (id := id) (by rw [hc]; exact nofun)
    | cons x xs =>
      rw [List.getLastD_cons]
      exact ok _ (by rw [List.getLastD_eq_getLast?]; grind)
  · next u o hc =>
    rw [hc] at ok
    split at h
    · next d ds _ hd =>
      cases h
      have := ok.2.1 d (by rw [hd]; exact List.mem_cons_self)
      refine ⟨this, fun x hx => ?_⟩
      rw [List.mem_singleton.mp hx]; exact this
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

theorem takenUp_ok {m : M} (w : ∀ id, m.CodeOk (m.run id).code) (id : Id) (handles : List Id) (s : Settled) : m.CodeOk (m.takenUp id handles s) := by
  unfold takenUp
  split
  · split
    · split
      · split
        · next ho hs =>
          intro x hx
          cases List.mem_cons.mp hx with
          | inl h => rw [h]; exact has_of_owns ho
          | inr h => exact (has_of_shown w hs).2 x h
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
    Plain m (m.rehandle v source target).1 := plain_setHandles i _

theorem plain_stopValue {m : M} {owner : Id} (i : m.has owner = true) (id : Id) : Plain m (m.stopValue owner id).1 := by
  unfold stopValue
  split
  · exact plain_rehandle _ _ i
  · exact .refl
  · exact .refl
  · split
    · exact .refl
    · exact plain_setHandles i _

/-! ## Outcomes -/

theorem plain_answerAsked {m : M} (w : Wf m) {id : Id} (i : m.has id = true) (answer : Value) (change : Change) (by' : By) :
    Plain m (m.answerAsked id answer change by') := by
  unfold answerAsked
  refine plain_record i _ _ ?_
  split
  · trivial
  · exact w.codes id

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

theorem plain_relay {m : M} (w : Wf m) (id : Id) (answer : Value) (by' : By) : Plain m (m.relay id answer by') := by
  have ok := w.codes id
  unfold relay
  split
  · next hc => exact plain_recordCode (has_of_code (by rw [hc]; exact nofun)) _ _ trivial
  · next u o hc =>
    rw [hc] at ok
    refine plain_setCode (has_of_code (by rw [hc]; exact nofun)) _ ?_
    refine ⟨?_, fun d hd => ok.2.1 d (next_todo u answer d hd), ?_⟩
    · rw [next_run]; exact ok.1
    · rw [next_run, next_to]; exact ok.2.2
  · exact .refl

theorem plain_deliver {m : M} (w : Wf m) (id : Id) {q : Question} (i : m.has q.asked = true) (answer : Value) (change : Change)
    (by' : By) : Plain m (m.deliver id q answer change by') := by
  unfold deliver
  have e := plain_answerAsked w i answer change by'
  exact e.trans (Plain.foldl (e.wf w) fun n x _ _ wn => plain_relay wn x answer by')

/-! ## Taking back -/

theorem owe_run {P : Program} {id : Id} {a : Answered} {owed : List Debt} (h : ∀ d ∈ owed, d.run = id) :
    ∀ d ∈ owe P id a owed, d.run = id := by
  intro d hd
  unfold owe at hd
  split at hd
  · split at hd
    · exact h d hd
    · exact h d (List.mem_filter.mp hd).1
  · split at hd
    · cases List.mem_cons.mp hd with
      | inl e => rw [e]
      | inr e => exact h d e
    · exact h d hd
  · exact h d hd

theorem debts_run {P : Program} {id : Id} {t : Trace} {start : Nat} : ∀ d ∈ debts P id t start, d.run = id := by
  have fold : ∀ l : List Answered, ∀ d ∈ l.foldr (owe P id) [], d.run = id := by
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
    ∀ d ∈ (m.planFor id to hs).debts, m.has d.run = true := by
  intro d hd
  unfold planFor at hd
  simp only [List.mem_mergeSort, List.mem_flatMap] at hd
  obtain ⟨x, hx, hd⟩ := hd
  rw [debts_run d hd]
  exact has_of_mem_family i hx

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

theorem plan_ok {m : M} {id : Id} (i : m.has id = true) {to : Option Nat} {p : Plan} (h : m.plan id to = .ok p) :
    (∀ d ∈ p.debts, m.has d.run = true) ∧
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

theorem plain_abandonOne {m : M} (w : Wf m) {id : Id} (i : m.has id = true) : Plain m (m.abandonOne id) := by
  unfold abandonOne
  simp only
  split
  · exact .refl
  · exact plain_recordCode i _ _ (w.codes id)
  · split
    · exact plain_recordCode i _ _ trivial
    · exact .refl

theorem plain_abandon {m : M} (w : Wf m) {id : Id} (i : m.has id = true) : Plain m (m.abandon id) :=
  Plain.foldl w fun _ _ hx e wn => plain_abandonOne wn (e.has w (has_of_mem_family i hx))

theorem plain_begin {m n : M} (w : Wf m) {asker id : Id} (ia : m.has asker = true) (i : m.has id = true) {origin : Settled}
    {to : Option Nat} (h : m.begin asker origin id to = .ok n) : Plain m n := by
  unfold begin at h
  split at h
  · cases h
  · next p hp =>
    cases h
    have e := plain_abandon w i
    refine e.trans (plain_setCode (e.has w ia) _ ?_)
    have ok := plan_ok i hp
    refine CodeOk.extends (e.extends w) (e.wf w) (m := m) ?_
    exact ⟨i, ok.1, ok.2⟩

theorem plain_discard {m : M} (id : Id) : Plain m (m.discard id) := by
  unfold discard
  split
  · exact .refl
  · next hc => exact plain_recordCode (has_of_code fun e => hc e) _ _ trivial

theorem plain_rewind {m : M} (w : Wf m) {id : Id} (i : m.has id = true) (c : Commit) (lower : Bool) :
    Plain m (m.rewind id c lower) := by
  unfold rewind
  refine plain_record i _ _ ?_
  simp only
  split
  · exact takenUp_ok w.codes _ _ _
  · trivial

theorem plain_restoreLower {m : M} (w : Wf m) (hs : List Then) {id : Id} (i : m.has id = true) :
    Plain m (restoreLower hs m id) := by
  unfold restoreLower
  split
  · exact plain_discard id
  · split
    · exact .refl
    · simp only
      split
      · exact plain_rewind w i _ _
      · split
        · exact plain_setCode i _ trivial
        · exact .refl

theorem plain_restore {m : M} (w : Wf m) {id : Id} (i : m.has id = true) {to : Option Nat}
    (ok : ∀ k, to = some k → ∃ c, (m.run id).trace.nth k = some c ∧ ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true) :
    Plain m (m.restore id to) := by
  unfold restore
  split
  · exact Plain.foldl w fun n x _ _ _ => plain_discard x
  · next k =>
    obtain ⟨c, hc, hh⟩ := ok k rfl
    rw [hc]
    simp only
    have e₁ : Plain m ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) :=
      Plain.foldl w fun n t ht e _ => plain_own (e.has w (heads_has hh t ht)) _ _
    have w₁ := e₁.wf w
    have e₂ := Plain.foldl (f := restoreLower (m.heads id c)) w₁
      (l := ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m).below id)
      fun n x hx e wn => plain_restoreLower wn (m.heads id c) (e.has w₁ (has_of_mem_below hx))
    have e := e₁.trans e₂
    exact e.trans (plain_rewind (e.wf w) (e.has w i) c false)

theorem plain_undoStep {m n : M} (w : Wf m) {id : Id} {u : Undoing} {origin : Settled}
    (hc : (m.run id).code = .undoing u origin) (h : m.undoStep id u origin = some n) : Plain m n := by
  have ok := w.codes id
  rw [hc] at ok
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  unfold undoStep at h
  split at h
  · cases h
  · split at h
    · next d ds hd =>
      cases h
      have id' : m.has d.run = true := ok.2.1 d (by rw [hd]; exact List.mem_cons_self)
      have e := plain_recordCode id' (.undo d.at d.op d.args) _ (w.codes d.run)
      refine e.trans (plain_setCode (e.has w i) _ ?_)
      exact CodeOk.extends (e.extends w) (e.wf w) (m := m) ok
    · have e := plain_restore w ok.1 ok.2.2
      simp only at h
      split at h
      · cases h
        exact e.reply w i _ _
      · cases h
        exact e.trans (plain_setCode (e.has w i) _ trivial)

theorem plain_discardMade {m n : M} (w : Wf m) {id : Id} (i : m.has id = true) {again : Comp}
    (h : m.discardMade id again = some n) : Plain m n := by
  unfold discardMade at h
  split at h
  · cases h
  · next kid hk =>
    have ik : m.has kid = true := by
      unfold newestMade at hk
      exact has_of_mem_kids (List.mem_filter.mp (List.mem_of_getLast? hk)).1
    split at h
    · next hb => cases h; exact plain_begin w i ik hb
    · cases h

/-! ## Operations on runs -/

theorem plain_ownerAnswers {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) (v answer : Value) :
    Plain m (m.ownerAnswers asker wt v answer) := by
  unfold ownerAnswers
  split
  · exact plain_reply i _ _
  · next id q ha =>
    split
    · exact plain_reply i _ _
    · exact (plain_deliver w id (has_of_shown w.codes (of_atIntent ha).2).1 _ _ _).reply w i _ _

theorem plain_answerOp {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Plain m (m.answerOp asker wt) := by
  unfold answerOp
  split
  · exact plain_ownerAnswers w i _ _ _
  · exact plain_wrong i _

theorem plain_denyOp {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Plain m (m.denyOp asker wt) := by
  unfold denyOp
  split
  · exact plain_ownerAnswers w i _ _ _
  · exact plain_wrong i _

theorem plain_next {m : M} {asker : Id} (i : m.has asker = true) (wt : Waiting) : Plain m (m.next asker wt) := by
  unfold next
  split
  · split
    · exact plain_reply i _ _
    · exact .stack _ (plain_setCode i _ trivial)
  · exact plain_reply i _ _

theorem plain_pass {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) : Plain m (m.pass asker wt) := by
  unfold pass
  split
  · split
    · exact plain_reply i _ _
    · next id q ha =>
      refine plain_setCode i _ fun x hx => ?_
      cases List.mem_cons.mp hx with
      | inl h => rw [h]; exact has_of_owns (of_atIntent ha).1
      | inr h => exact (has_of_shown w.codes (of_atIntent ha).2).2 x h
  · exact plain_reply i _ _

theorem plain_pick {m n : M} {asker : Id} (i : m.has asker = true) {wt : Waiting} (h : m.pick asker wt = some n) :
    Plain m n := by
  unfold pick at h
  split at h
  · split at h
    · cases h; exact plain_reply i _ _
    · cases h
  · cases h; exact plain_reply i _ _

theorem plain_traceOp {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Plain m (m.traceOp asker wt) := by
  unfold traceOp
  split
  · split
    · exact plain_wrong i _
    · simp only
      split
      · exact plain_reply i _ _
      · exact (plain_setHandles i _).reply w i _ _
  · exact plain_wrong i _

theorem plain_inject {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Plain m (m.inject asker wt) := by
  unfold inject
  split
  · split
    · exact plain_reply i _ _
    · next id ho =>
      split
      · exact plain_reply i _ _
      · split
        · exact plain_reply i _ _
        · exact (plain_record (has_of_owned ho) _ _ (w.codes id)).reply w i _ _
  · exact plain_wrong i _

theorem plain_take {m : M} {asker : Id} (i : m.has asker = true) (wt : Waiting) : Plain m (m.take asker wt) := by
  unfold take
  split
  · exact plain_reply i _ _
  · exact plain_record i _ _ trivial

theorem plain_merge {m : M} {asker : Id} (i : m.has asker = true) (wt : Waiting) : Plain m (m.merge asker wt) := by
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

theorem plain_takeBack {m : M} (w : Wf m) {asker id : Id} (i : m.has asker = true) (ii : m.has id = true) (wt : Waiting)
    (to : Option Nat) : Plain m (m.takeBack asker wt id to) := by
  unfold takeBack
  split
  · exact plain_reply i _ _
  · next hb => exact plain_begin w i ii hb

theorem plain_revert {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Plain m (m.revert asker wt) := by
  unfold revert
  split
  · split
    · exact plain_reply i _ _
    · next ho =>
      split
      · exact plain_takeBack w i (has_of_owned ho) _ _
      · exact plain_reply i _ _
  · exact plain_wrong i _

theorem plain_discardOp {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Plain m (m.discardOp asker wt) := by
  unfold discardOp
  split
  · split
    · exact plain_reply i _ _
    · next ho =>
      split
      · exact plain_reply i _ _
      · exact plain_takeBack w i (has_of_owned ho) _ _
  · exact plain_wrong i _

/-! ## New runs -/

/-- What a run just made is answered with. -/
theorem Edits.answerRun {F : Id → Prop} {m n : M} (e : Edits F m n) {asker : Id} (i : n.has asker = true) (wt : Waiting) (id : Id) :
    Edits F m (n.answerRun asker wt id) := by
  unfold M.answerRun
  refine .count asker _ _ _ e i trivial ?_
  exact fun _ _ h => absurd h (by unfold resume; exact nofun)

theorem made_answerRun (m : M) (asker : Id) (wt : Waiting) (id : Id) :
    ((m.answerRun asker wt id).run asker).made = (m.run asker).made + 1 := by
  unfold answerRun
  simp only [reply_eq]
  rw [made_record, run_put, if_pos (by exact run_id m asker)]

theorem not_has_made {m : M} (w : Wf m) (asker : Id) : m.has (.made asker (m.run asker).made) = false := by
  cases h : m.has (.made asker (m.run asker).made) with
  | false => rfl
  | true => exact absurd (w.fresh _ h) (Nat.lt_irrefl _)

theorem not_has_copy {m : M} (w : Wf m) (asker x : Id) : m.has (.copy (.made asker (m.run asker).made) x) = false := by
  cases h : m.has (.copy (.made asker (m.run asker).made) x) with
  | false => rfl
  | true => exact absurd (w.fresh _ h) (Nat.lt_irrefl _)

/-- What each of some changes keeps, all of them keep. -/
theorem foldl_keeps {α : Type} {P : M → Prop} {f : M → α → M} {l : List α} {m : M} (h₀ : P m)
    (h : ∀ n x, x ∈ l → P n → P (f n x)) : P (l.foldl f m) := by
  induction l generalizing m with
  | nil => exact h₀
  | cons x l ih => exact ih (h m x List.mem_cons_self h₀) fun n y hy => h n y (List.mem_cons_of_mem _ hy)

theorem Edits.lend {F : Id → Prop} {m n : M} (e : Edits F m n) (asker id held : Id) : Edits F m (M.lend asker id n held) := by
  unfold M.lend
  split
  · next ho => exact .own _ _ _ e (has_of_owns ho)
  · exact e

/-- The ids that the next run made or fork of `asker` has, and the copies in it. -/
def Newly (m : M) (asker id : Id) : Prop :=
  id = .made asker (m.run asker).made ∨ ∃ x, id = .copy (.made asker (m.run asker).made) x

theorem Newly.absent {m : M} (w : Wf m) {asker id : Id} (h : Newly m asker id) : m.has id = false := by
  cases h with
  | inl h => rw [h]; exact not_has_made w asker
  | inr h => obtain ⟨x, h⟩ := h; rw [h]; exact not_has_copy w asker x

theorem Newly.grows {m n : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (e : Edits (Newly m asker) m n) (wt : Waiting)
    (id : Id) : Grows m (n.answerRun asker wt id) := by
  have k := e.kept w fun _ => Newly.absent w
  have hm : (m.run asker).made < ((n.answerRun asker wt id).run asker).made := by
    rw [made_answerRun]; exact Nat.lt_succ_of_le (k.ext.made asker)
  refine ⟨Newly m asker, fun j h => ⟨h.absent w, ?_⟩, e.answerRun (k.ext.has asker i) wt id⟩
  cases h with
  | inl h => rw [h]; exact hm
  | inr h => obtain ⟨x, h⟩ := h; rw [h]; exact hm

theorem grows_spawn {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Grows m (m.spawn asker wt) := by
  unfold spawn
  split
  · split
    · exact (plain_reply i _ _).grows
    · split
      · exact (plain_reply i _ _).grows
      · simp only
        refine Newly.grows w i ?_ wt _
        refine .record _ _ _ ?_ (.inr (.inl rfl)) trivial fun _ _ h => nomatch h
        refine foldl_keeps (P := Edits (Newly m asker) m) ?_ fun n x _ e => e.lend asker _ x
        exact .born _ _ .root .refl (.inl rfl) rfl rfl List.nil_suffix fun _ _ h => nomatch h
  · exact (plain_wrong i _).grows

theorem Edits.copyOne {F : Id → Prop} {m n : M} (e : Edits F m n) (hl : n.log = m.log) (id fork owner : Id) (c : Commit)
    (parts : List Then) (h : Then) (hF : F (.copy fork h.id)) (hs : ∃ old, h.trace <:+ (m.run old).trace) :
    Edits F m (M.copyOne m id fork owner c parts n h) ∧ (M.copyOne m id fork owner c parts n h).log = m.log := by
  unfold M.copyOne
  split
  · exact ⟨e, hl⟩
  · next k t ht =>
    obtain ⟨old, hs⟩ := hs
    refine ⟨.born _ _ old (.used _ e) hF hl rfl hs fun c' t' h' => ?_, hl⟩
    rw [ht] at h'
    cases h'
    rfl

theorem Edits.markCopy {F : Id → Prop} {m n : M} (w : Wf m) (hF' : ∀ id, F id → m.has id = false) (e : Edits F m n) (id fork : Id)
    (h : Then) (hF : F (.copy fork h.id)) : Edits F m (M.markCopy id fork n h) := by
  unfold M.markCopy
  split
  · exact e
  · refine .record _ _ _ e (.inr hF) ?_ fun u o hu => ?_
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

theorem grows_fork {m : M} (w : Wf m) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    Grows m (m.fork asker wt) := by
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
        refine foldl_keeps (P := Edits (Newly m asker) m) ?_
          fun n x _ e => e.markCopy w (fun _ => Newly.absent w) _ _ x (.inr ⟨_, rfl⟩)
        refine (foldl_keeps (P := fun n => Edits (Newly m asker) m n ∧ n.log = m.log) ⟨.refl, rfl⟩ fun n x hx e => ?_).1
        obtain ⟨r, _, hr⟩ := List.mem_filterMap.mp hx
        refine e.1.copyOne e.2 _ _ _ _ _ x (.inr ⟨_, rfl⟩) (forkParts_trace ?_ x (List.mem_of_find?_eq_some hr))
        split
        · exact Trace.upTo_suffix _ _
        · exact List.nil_suffix
  · exact (plain_wrong i _).grows

theorem grows_perform {m n : M} (w : Wf m) {asker : Id} (i : m.has asker = true) {wt : Waiting}
    (h : m.perform asker wt = some n) : Grows m n := by
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

theorem plain_giveBack {m : M} (w : Wf m) (id : Id) : Plain m (m.giveBack id) := by
  refine Plain.foldl w fun n k hk e _ => ?_
  split
  · exact plain_own (e.has w (has_of_mem_kids hk)) _ _
  · exact .refl

theorem plain_finish {m : M} (w : Wf m) {id : Id} (i : m.has id = true) (again : Comp) (kind : EndKind) (v : Value)
    (code : Settled) : Plain m (m.finish id again kind v code) := by
  unfold finish
  split
  · next h => exact plain_discardMade w i h
  · have e := plain_recordCode i (.ended kind v) (.settled code) trivial
    exact e.trans (plain_giveBack (e.wf w) id)

theorem plain_ask {m : M} {id : Id} (i : m.has id = true) (op : String) (args : List Value) (K : Stack) :
    Plain m (m.ask id op args K) := by
  unfold ask
  simp only
  split
  · exact .record id _ _ (.used _ .refl) (.inl i) trivial fun _ _ _ h => h
  · exact plain_recordCode i _ _ trivial

theorem plain_fault {m : M} (w : Wf m) {id : Id} (i : m.has id = true) (f : Fault) : Plain m (m.fault id f) :=
  plain_finish w i _ _ _ _

theorem plain_localMove {m : M} (w : Wf m) {id : Id} (i : m.has id = true) (c : Comp) (ρ : Env) (K : Stack) (n : Nat) :
    Plain m (m.localMove id c ρ K n) := by
  unfold localMove
  split
  · exact plain_fault w i _
  · split
    · exact plain_setCode i _ trivial
    · exact plain_finish w i _ _ _ _
    · exact plain_fault w i _
    · exact plain_ask i _ _ _

theorem plain_toOwner {m : M} (w : Wf m) (owner id : Id) (rest : List Id) : Plain m (m.toOwner owner id rest) := by
  unfold toOwner
  split
  · next hc =>
    have i : m.has owner = true := has_of_code (by rw [hc]; exact nofun)
    have e₁ : Plain m { m with stack := owner :: rest } := .stack _ .refl
    exact (e₁.trans (plain_stopValue (m := { m with stack := owner :: rest }) i id)).reply w i _ _
  · exact .refl

theorem plain_answerFile {m : M} (w : Wf m) (id : Id) {q : Question} (i : m.has q.asked = true) :
    Plain m (m.answerFile id q) := by
  unfold answerFile
  simp only
  split
  · next s _ _ _ _ _ =>
    have e : Plain m { m with written := (gitBlobHash s, s) :: m.written } := .written _ .refl
    exact e.trans (plain_deliver (e.wf w) id i _ _ _)
  · exact plain_deliver w id i _ _ _

theorem plain_atStop {m n : M} (w : Wf m) {id : Id} {rest : List Id} (h : m.atStop id rest = some n) : Plain m n := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Plain m n := fun h => by
    split at h
    · next hs =>
      split at h
      · cases h; exact plain_answerFile w id (has_of_shown w.codes hs).1
      · cases h
    · cases h
  unfold atStop at h
  split at h
  · split at h
    · cases h; exact plain_toOwner w _ _ _
    · exact file h
  · exact file h

theorem plain_driveRoot {m : M} (i : m.has .world = true) : Plain m m.driveRoot := .stack _ (plain_setCode i _ trivial)

theorem plain_afterWorld {m : M} (i : m.has .world = true) (id : Id) : Plain m (m.afterWorld id) := by
  unfold afterWorld
  split
  · exact .refl
  · split
    · exact plain_driveRoot i
    · exact .refl

theorem grows_step {m n : M} (w : Wf m) (h : m.step = some n) : Grows m n := by
  unfold step at h
  split at h
  · cases h
  · next id rest _ =>
    split at h
    · next hc =>
      cases h
      exact (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) _ _ _ _).grows
    · next hc =>
      split at h
      · exact grows_perform w (has_of_code (by rw [hc]; exact nofun)) h
      · exact (plain_atStop w h).grows
    · next hc =>
      split at h
      · next hu =>
        cases h
        have e := plain_undoStep w hc hu
        exact (e.trans (plain_afterWorld (e.has w w.world) id)).grows
      · exact (plain_atStop w h).grows
    · exact (plain_atStop w h).grows

/-! ## From outside -/

theorem plain_picked {m : M} {id : Id} (i : m.has id = true) (w : Waiting) (answer : Value) : Plain m (m.picked id w answer) :=
  plain_recordCode i _ _ trivial

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
        · cases h; exact plain_picked (has_of_code (by rw [hc]; exact nofun)) _ _
        · exact deliver h
      · exact deliver h
  · cases h

/-- `n` is well-formed and extends `m`. -/
def Follows (m n : M) : Prop := Wf n ∧ Extends m n

theorem Grows.follows {m n : M} (w : Wf m) (g : Grows m n) : Follows m n := ⟨g.wf w, g.extends w⟩

theorem Plain.follows {m n : M} (e : Plain m n) (w : Wf m) : Follows m n := ⟨e.wf w, e.extends w⟩

theorem Follows.refl {m : M} (w : Wf m) : Follows m m := ⟨w, .refl m⟩

theorem Follows.trans {m n p : M} (e : Follows m n) (f : Follows n p) : Follows m p := ⟨f.1, e.2.trans f.2⟩

theorem follows_step {m n : M} (w : Wf m) (h : m.step = some n) : Follows m n := (grows_step w h).follows w

theorem follows_answer {m n : M} (w : Wf m) {answer : Value} {change : Change} (h : m.answer answer change = some n) :
    Follows m n := (plain_answer w h).follows w

theorem follows_worldAsks {m n : M} (w : Wf m) {op : String} {args : List Value} (h : m.worldAsks op args = some n) :
    Follows m n := by
  unfold worldAsks at h
  split at h
  · cases h
  · split at h
    · cases h
    · simp only at h
      split at h
      · cases h
      · next after hp =>
        have e₁ : Plain m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          .record .world _ _ (.stack _ .refl) (.inl w.world) trivial fun _ _ _ h => h
        have f := (e₁.follows w).trans ((grows_perform (e₁.wf w) (e₁.has w w.world) hp).follows (e₁.wf w))
        have back : ∀ stack, Follows m { after.setCode .world (m.run .world).code with stack } := fun stack =>
          f.trans (Plain.follows (.stack stack
            (plain_setCode (f.2.has _ w.world) _ ((w.codes _).extends f.2 f.1))) f.1)
        split at h
        · cases h; exact back _
        · split at h
          · cases h; exact back _
          · cases h; exact f

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
    (hcode : ∀ r, (f r).code = r.code ∨ (∃ s, (f r).code = .settled s) ∨ ∃ r' w, (f r).code = .driving r' w)
    (hruns : n.runs = m.runs.map f) (hlog : n.log = m.log) (hprog : n.program = m.program) (hcont : n.contents = m.contents) :
    Follows m n := by
  have hhas : ∀ id, n.has id = m.has id := fun id => by unfold has; rw [hruns]; exact has_map hid _ _
  have hrun : ∀ id, m.has id = true → n.run id = f (m.run id) := fun id h => by
    unfold run; rw [hruns]; exact find_map hid _ _ h
  have habs : ∀ id, m.has id = false → n.run id = m.run id := fun id h => by
    rw [run_of_not_has h, run_of_not_has ((hhas id).trans h)]
  have k : Kept (fun _ => False) m n := by
    refine (Kept.refl (F := fun _ => False) w fun _ h => h.elim).same hhas (fun id => ?_) (fun id => ?_) hlog hprog hcont
      (fun id => ?_)
    · cases h : m.has id with
      | true => rw [hrun id h, htrace]
      | false => rw [habs id h]
    · cases h : m.has id with
      | true => rw [hrun id h, hmade]
      | false => rw [habs id h]
    · cases h : m.has id with
      | true =>
        rw [hrun id h]
        rcases hcode (m.run id) with e | ⟨s, e⟩ | ⟨r', q, e⟩
        · exact .inl e
        · exact .inr ⟨by rw [e]; trivial, fun _ _ _ h => h⟩
        · exact .inr ⟨by rw [e]; trivial, fun _ _ _ h => h⟩
      | false => exact .inl (by rw [habs id h])
  exact ⟨{ world := k.world, codes := k.codes, indexed := k.indexed, counted := k.counted, recorders := k.recorders, own := k.own,
           numbered := k.numbered
           fresh := fun id h => (w.fresh id (hhas id ▸ h)).mono k.ext.made }, k.ext⟩

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

theorem follows_forkRoot {m n : M} (w : Wf m) (h : m.forkRoot = some n) : Follows m n := by
  unfold forkRoot at h
  split at h
  · next c t last log ht hl =>
    split at h
    · cases h
    · simp only at h
      cases h
      let f : Run → Run := fun r =>
        if r.id = .world then { r with code := worldRun.code }
        else if r.id = .root then asOf r (some .world) []
        else match (m.heads .root c).find? fun h => h.id == r.id with
          | some h => asOf r (some h.owner) h.givers
          | none => r
      have fw : Follows m { m with runs := m.runs.map f, stack := [.root, .world], used := c.used } := ?_
      · refine fw.trans (Plain.follows (Plain.foldl fw.1 fun n x hx e wn => ?_) fw.1)
        refine plain_recordCode (e.has fw.1 (has_of_mem_family (fw.2.has _ ?_) hx)) _ _ ?_
        · exact has_of_trace (by rw [ht]; exact nofun)
        · split
          · trivial
          · exact takenUp_ok wn.codes _ _ _
      · refine follows_map w (f := f) (fun r => ?_) (fun r => ?_) (fun id => ?_) (fun r => ?_) rfl rfl rfl rfl
        · simp only [f]
          repeat' split
          · rfl
          · exact asOf_id _ _ _
          · exact asOf_id _ _ _
          · rfl
        · simp only [f]
          repeat' split
          · rfl
          · exact asOf_trace _ _ _
          · exact asOf_trace _ _ _
          · rfl
        · simp only [f]
          repeat' split
          · rfl
          · exact asOf_made w _ _ _
          · exact asOf_made w _ _ _
          · rfl
        · simp only [f]
          repeat' split
          · exact .inr (.inr ⟨_, _, rfl⟩)
          · exact (asOf_code _ _ _).imp_right .inl
          · exact (asOf_code _ _ _).imp_right .inl
          · exact .inl rfl
  · cases h

end M

end Shepherd
