import Shepherd.Laws.OutcomeAnswersIntent.Invariant
import Shepherd.Laws.GrantSafe.Copies

/-!
# What stood below a run at the last event is below it still

Between two events owners stay, but for runs that go back to those who lent them where a run ends; and these its last event leaves out.
The outermost owner's own events change no owners.
-/

namespace Shepherd

namespace M

/-- No two runs have the same id. -/
def Nod (m : M) : Prop := (m.runs.map Run.id).Nodup

/-- What stood below a run when it recorded the last event, those of the outermost owner apart, is below it still. -/
structure Tidy (m : M) : Prop where
  nod : m.Nod
  last : ∀ c, m.lastInside = some c → ∀ h ∈ c.heads, m.Beneath h.id c.run

theorem nod_put {m : M} (h : m.Nod) (r : Run) : (m.put r).Nod := by
  cases i : m.has r.id with
  | true => exact nodup_put h i
  | false => exact nodup_put_new h i

theorem nod_setCode {m : M} (h : m.Nod) (id : Id) (code : Code) : (m.setCode id code).Nod := nod_put h _
theorem nod_own {m : M} (h : m.Nod) (id owner : Id) (givers : List Id) : (m.own id owner givers).Nod := nod_put h _

theorem nod_record {m : M} (h : m.Nod) (id : Id) (event : Event) (s : State) : (m.record id event s).Nod :=
  nod_put (m := m) h _

theorem Within.same {m n : M} {x y : Id} (h : m.Within x y) (same : ∀ z, (n.run z).owner = (m.run z).owner) : n.Within x y :=
  h.of_owners fun z _ _ => same z

theorem Tidy.same {m n : M} (t : m.Tidy) (nod : n.Nod) (same : ∀ z, (n.run z).owner = (m.run z).owner) (log : n.log = m.log) :
    n.Tidy := ⟨nod, fun c h g hg => (t.last c ((lastInside_of_log log).symm.trans h) g hg).of_owners fun z _ _ => same z⟩

/-- Who is below a run when it records an event. -/
theorem headsAt_beneath {m : M} (h : m.Nod) {id : Id} {event : Event} : ∀ g ∈ m.headsAt id event, ∃ k, m.Within g.id k ∧
    (m.run k).owner = some id ∧ ((∃ v, event = .ended .done v ∨ event = .ended .failed v) → (m.run k).givers = []) := by
  intro g hg
  unfold headsAt at hg
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hg
  obtain ⟨k, hk, hw⟩ := within_of_mem_under h hx
  split at hk
  · obtain ⟨a, b⟩ := List.mem_filter.mp hk
    exact ⟨k, hw, (mem_kids_iff h).mp a, fun _ => List.isEmpty_iff.mp b⟩
  · obtain ⟨a, b⟩ := List.mem_filter.mp hk
    exact ⟨k, hw, (mem_kids_iff h).mp a, fun _ => List.isEmpty_iff.mp b⟩
  · next h₁ h₂ =>
    refine ⟨k, hw, (mem_kids_iff h).mp hk, fun ⟨v, e⟩ => ?_⟩
    rcases e with e | e
    · exact absurd e (h₁ v)
    · exact absurd e (h₂ v)

/-- Right after an event it is so; after one of the outermost owner, where it was so before. -/
theorem tidy_record_of {m : M} (h : m.Nod) {id : Id} (world : id = .world → m.Tidy) (event : Event) (s : State) :
    (m.record id event s).Tidy := by
  refine ⟨nod_record h id event s, fun c hl g hg => ?_⟩
  have owners : ∀ z, ((m.record id event s).run z).owner = (m.run z).owner := owner_record m id event s
  by_cases e : id = .world
  · subst e
    rw [lastInside_record_world] at hl
    exact ((world rfl).last c hl g hg).of_owners fun z _ _ => owners z
  · rw [lastInside_record_ne _ e] at hl
    cases hl
    obtain ⟨k, hw, ho, _⟩ := headsAt_beneath h g hg
    exact (hw.trans_beneath (.of_owner ho)).of_owners fun z _ _ => owners z

theorem tidy_record {m : M} (t : m.Tidy) (id : Id) (event : Event) (s : State) : (m.record id event s).Tidy :=
  tidy_record_of t.nod (fun _ => t) event s

theorem tidy_record_ne {m : M} (h : m.Nod) {id : Id} (ne : id ≠ .world) (event : Event) (s : State) : (m.record id event s).Tidy :=
  tidy_record_of h (fun e => absurd e ne) event s

theorem tidy_recordCode {m : M} (t : m.Tidy) (id : Id) (event : Event) (code : Code) : (m.recordCode id event code).Tidy :=
  tidy_record t id event _

theorem tidy_setCode {m : M} (t : m.Tidy) (id : Id) (code : Code) : (m.setCode id code).Tidy :=
  t.same (nod_setCode t.nod id code) (fun z => by rw [run_setCode]; split <;> rename_i e <;> first | rw [← e] | rfl) rfl

theorem tidy_setHandles {m : M} (t : m.Tidy) (id : Id) (handles : List Id) : (m.setHandles id handles).Tidy :=
  t.same (nod_put t.nod _) (fun z => by rw [run_setHandles]; split <;> rename_i e <;> first | rw [← e] | rfl) rfl

theorem tidy_stack {m : M} (t : m.Tidy) (stack : List Id) : ({ m with stack } : M).Tidy := t.same t.nod (fun _ => rfl) rfl
theorem tidy_used {m : M} (t : m.Tidy) (used : Used) : ({ m with used } : M).Tidy := t.same t.nod (fun _ => rfl) rfl
theorem tidy_written {m : M} (t : m.Tidy) (w : List (String × String)) : ({ m with written := w } : M).Tidy :=
  t.same t.nod (fun _ => rfl) rfl

theorem tidy_foldl {α : Type} {f : M → α → M} (h : ∀ n x, n.Tidy → (f n x).Tidy) (l : List α) {m : M} (t : m.Tidy) :
    (l.foldl f m).Tidy := by
  induction l generalizing m with
  | nil => exact t
  | cons x l ih => exact ih (h m x t)

theorem nod_foldl {α : Type} {f : M → α → M} (h : ∀ n x, n.Nod → (f n x).Nod) (l : List α) {m : M} (t : m.Nod) :
    (l.foldl f m).Nod := by
  induction l generalizing m with
  | nil => exact t
  | cons x l ih => exact ih (h m x t)

theorem tidy_reply {m : M} (t : m.Tidy) (id : Id) (w : Waiting) (answer : Value) (change : Change := []) :
    (m.reply id w answer change).Tidy := tidy_record t id _ _

theorem tidy_relay {m : M} (t : m.Tidy) (id : Id) (answer : Value) (by' : By) : (m.relay id answer by').Tidy := by
  unfold relay
  split
  · exact tidy_recordCode t _ _ _
  · exact tidy_setCode t _ _
  · exact t

theorem tidy_deliver {m : M} (t : m.Tidy) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    (m.deliver id q answer change by').Tidy :=
  tidy_foldl (fun _ x t => tidy_relay t x answer by') _ (tidy_record t q.asked _ _)

theorem tidy_begin {m n : M} (t : m.Tidy) {asker id : Id} {origin : Settled} {to : Option Nat}
    (h : m.begin asker origin id to = .ok n) : n.Tidy := by
  unfold begin at h
  split at h
  · cases h
  · cases h
    refine tidy_setCode (tidy_foldl (fun n x t => ?_) _ t) _ _
    unfold abandonOne
    simp only
    repeat' split
    · exact t
    · exact tidy_recordCode t _ _ _
    · exact tidy_recordCode t _ _ _
    · exact t

theorem nod_discard {m : M} (h : m.Nod) (id : Id) : (m.discard id).Nod := by
  unfold discard
  split
  · exact h
  · exact nod_record h _ _ _

theorem tidy_restore {m : M} (t : m.Tidy) {id : Id} (ne : id ≠ .world) (to : Option Nat) : (m.restore id to).Tidy := by
  unfold restore
  split
  · refine tidy_foldl (fun n x t => ?_) _ t
    unfold discard
    split
    · exact t
    · exact tidy_recordCode t _ _ _
  · split
    · exact t
    · refine tidy_record_ne (nod_foldl (fun n x h => ?_) _ (nod_foldl (fun n t h => nod_own h _ _ _) _ t.nod)) ne _ _
      unfold restoreLower
      split
      · exact nod_discard h x
      · split
        · exact h
        · simp only
          split
          · exact nod_record h _ _ _
          · split
            · exact nod_setCode h _ _
            · exact h

theorem tidy_undoStep {m n : M} (t : m.Tidy) {id : Id} {u : Undoing} {origin : Settled} (ne : u.run ≠ .world) (h : m.undoStep id u origin = some n) :
    n.Tidy := by
  unfold undoStep at h
  split at h
  · cases h
  · split at h
    · cases h; exact tidy_setCode (tidy_recordCode t _ _ _) _ _
    · simp only at h
      split at h
      · cases h; exact tidy_reply (tidy_restore t ne _) _ _ _
      · cases h; exact tidy_setCode (tidy_restore t ne _) _ _

/-- The copy of the run that is forked is the last to record `forked`. -/
theorem tidy_copyTree {m : M} (h : m.Nod) (id : Id) {t : Trace} (c k : Commit) (f owner : Id) :
    (m.copyTree id (k :: t) c f owner).Tidy := by
  unfold copyTree forkParts
  simp only
  rw [List.foldl_append]
  refine tidy_record_ne (id := .copy f id) (nod_foldl (fun n x h => ?_) _ (nod_foldl (fun n x h => ?_) _ h)) nofun _ _
  · unfold markCopy
    split
    · exact h
    · exact nod_record h _ _ _
  · unfold M.copyOne
    split
    · exact h
    · exact nod_put (m := { n with used := _ }) h _

theorem tidy_answerRun {m : M} (t : m.Tidy) (asker : Id) (w : Waiting) (id : Id) : (m.answerRun asker w id).Tidy :=
  tidy_reply (t.same (nod_put t.nod _) (fun z => by
    rw [run_put]
    split
    · next e =>
      have e : asker = z := (run_id m asker).symm.trans e
      subst e
      rfl
    · rfl) rfl) _ _ _

theorem tidy_perform {m n : M} (t : m.Tidy) {asker : Id} {w : Waiting} (h : m.perform asker w = some n) : n.Tidy := by
  have reply : ∀ a (c : Change), (m.reply asker w a c).Tidy := fun a c => tidy_reply t _ _ _ _
  have owner : ∀ v a, (m.ownerAnswers asker w v a).Tidy := fun v a => by
    unfold ownerAnswers
    split
    · exact reply _ _
    · split
      · exact reply _ _
      · exact tidy_reply (tidy_deliver t _ _ _ _ _) _ _ _
  have back : ∀ id to, (m.takeBack asker w id to).Tidy := fun id to => by
    unfold takeBack
    split
    · exact reply _ _
    · next hb => exact tidy_begin t hb
  unfold perform at h
  split at h
  · cases h; unfold take; split
    · exact reply _ _
    · exact tidy_record t _ _ _
  · cases h; unfold answerOp; split
    · exact owner _ _
    · exact reply _ _
  · cases h; unfold denyOp; split
    · exact owner _ _
    · exact reply _ _
  · cases h; unfold discardOp
    repeat' split
    · exact reply _ _
    · exact reply _ _
    · exact back _ _
    · exact reply _ _
  · cases h; unfold fork
    split
    · split
      · exact reply _ _
      · simp only
        split
        · exact reply _ _
        · next c tr ht =>
          rw [ht]
          exact tidy_answerRun (tidy_copyTree t.nod _ _ _ _ _) _ _ _
    · exact reply _ _
  · cases h; unfold inject
    repeat' split
    · exact reply _ _
    · exact reply _ _
    · exact reply _ _
    · exact tidy_reply (tidy_record t _ _ _) _ _ _
    · exact reply _ _
  · cases h; unfold merge
    simp only
    repeat' split
    all_goals exact reply _ _
  · cases h; unfold next
    repeat' split
    · exact reply _ _
    · exact tidy_stack (tidy_setCode t _ _) _
    · exact reply _ _
  · cases h; unfold pass
    repeat' split
    · exact reply _ _
    · exact tidy_setCode t _ _
    · exact reply _ _
  · unfold pick at h
    split at h
    · split at h
      · cases h; exact reply _ _
      · cases h
    · cases h; exact reply _ _
  · cases h; unfold revert
    repeat' split
    · exact reply _ _
    · exact back _ _
    · exact reply _ _
    · exact reply _ _
  · cases h; unfold spawn
    repeat' split
    · exact reply _ _
    · exact reply _ _
    · simp only
      refine tidy_answerRun (tidy_record_ne (id := .made asker _) (nod_foldl (fun n x h => ?_) _ (nod_put t.nod _)) nofun _ _) _ _ _
      unfold lend
      split
      · exact nod_own h _ _ _
      · exact h
    · exact reply _ _
  · cases h; unfold traceOp
    repeat' split
    · exact reply _ _
    · simp only
      split
      · exact reply _ _
      · exact tidy_reply (tidy_setHandles t _ _) _ _ _
    · exact reply _ _
  · cases h; exact reply _ _

/-- Where a run ends, what it was lent goes back, and is not in its last event. -/
theorem tidy_finish {m : M} (t : m.Tidy) {id : Id} (ne : id ≠ .world) (loop : ¬ m.Beneath id id) (again : Comp) {kind : EndKind} (v : Value)
    (code : Settled) (hk : kind = .done ∨ kind = .failed) : (m.finish id again kind v code).Tidy := by
  unfold finish
  split
  · next h =>
    unfold discardMade at h
    split at h
    · cases h
    · split at h
      · next hb => cases h; exact tidy_begin t hb
      · cases h
  · have own : ∀ z, ((m.recordCode id (.ended kind v) (.settled code)).run z).owner = (m.run z).owner := fun z => owner_record m _ _ _ z
    have giv : ∀ z, ((m.recordCode id (.ended kind v) (.settled code)).run z).givers = (m.run z).givers := fun z => by
      rw [recordCode_eq, run_record]; split
      · next e => rw [← e]
      · rfl
    have nd : (m.recordCode id (.ended kind v) (.settled code)).Nod := nod_record t.nod _ _ _
    have hlast : (m.recordCode id (.ended kind v) (.settled code)).lastInside =
        some (m.commitOf id (.ended kind v) { m.state id with code := .settled code }) := lastInside_record_ne _ ne _ _
    generalize m.recordCode id (.ended kind v) (.settled code) = p at own giv nd hlast
    have go : ∀ (l : List Id) (q : M), (∀ k ∈ l, (m.run k).owner = some id) → q.Nod → q.log = p.log →
        (∀ z, (q.run z).owner = (m.run z).owner ∧ (q.run z).givers = (m.run z).givers ∨
          ((m.run z).owner = some id ∧ (m.run z).givers ≠ [])) →
        ∃ n, l.foldl (fun m k => match (m.run k).givers with
          | g :: gs => m.own k g gs
          | [] => m) q = n ∧ n.Nod ∧ n.log = p.log ∧ ∀ z, (n.run z).owner = (m.run z).owner ∨
            ((m.run z).owner = some id ∧ (m.run z).givers ≠ []) := by
      intro l
      induction l with
      | nil => exact fun q _ a b c => ⟨q, rfl, a, b, fun z => (c z).imp_left And.left⟩
      | cons k l ih =>
        intro q hl a b c
        rw [List.foldl_cons]
        split
        · next g gs hg =>
          refine ih _ (fun z hz => hl z (List.mem_cons_of_mem _ hz)) (nod_own a _ _ _) b fun z => ?_
          rw [run_own]
          by_cases e : k = z
          · right
            subst e
            refine (c k).elim (fun h => ⟨hl k List.mem_cons_self, fun e => ?_⟩) fun h => h
            rw [h.2, e] at hg; cases hg
          · rw [if_neg e]; exact c z
        · exact ih q (fun z hz => hl z (List.mem_cons_of_mem _ hz)) a b c
    have kids : ∀ k ∈ p.kids id, (m.run k).owner = some id := fun k hk => (own k).symm.trans ((mem_kids_iff nd).mp hk)
    obtain ⟨n, hn, nn, ln, on⟩ := go (p.kids id) p kids nd rfl fun z => .inl ⟨own z, giv z⟩
    rw [show p.giveBack id = n from hn]
    refine ⟨nn, fun c hl g hg => ?_⟩
    rw [lastInside_of_log ln, hlast] at hl
    cases hl
    obtain ⟨k, hw, ho, hgv⟩ := headsAt_beneath t.nod g hg
    have empty := hgv (hk.elim (fun e => ⟨v, .inl (by rw [e])⟩) fun e => ⟨v, .inr (by rw [e])⟩)
    have ok : (n.run k).owner = some id := by
      rcases on k with h | h
      · rw [h]; exact ho
      · exact absurd empty h.2
    refine (hw.of_owners fun z hz _ => ?_).trans_beneath (.of_owner ok)
    rcases on z with h | h
    · exact h
    · exfalso
      obtain ⟨o, ho', hz⟩ := hz
      rw [h.1] at ho'
      cases ho'
      exact loop (hz.trans_beneath (.of_owner ho))

end M

end Shepherd
