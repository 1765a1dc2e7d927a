import Shepherd.Laws.TransparentSupervision.Traces

/-!
# Marked runs do the same in both trees: questions, outcomes, and taking back
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {G : Field} {φ : Nat → Nat} {m m' : M}

/-! ## Questions -/

theorem debt_bare {d e : Debt} (h : d.bare = e.bare) : d.run = e.run ∧ d.at = e.at ∧ d.op = e.op ∧ d.args = e.args :=
  have f {α : Type} (p : Debt → α) (hp : ∀ x : Debt, p x.bare = p x) : p d = p e := (hp d).symm.trans ((congrArg p h).trans (hp e))
  ⟨f Debt.run fun _ => rfl, f (fun x => x.at) fun _ => rfl, f Debt.op fun _ => rfl, f Debt.args fun _ => rfl⟩

/-- Two lists of the same debts: both empty, or with the same first one. -/
theorem todo_cases {l l' : List Debt} (h : l'.map Debt.bare = l.map Debt.bare) :
    (l = [] ∧ l' = []) ∨ ∃ d d' t t', l = d :: t ∧ l' = d' :: t' ∧ d'.bare = d.bare ∧ t'.map Debt.bare = t.map Debt.bare := by
  cases l with
  | nil => cases l' with
    | nil => exact .inl ⟨rfl, rfl⟩
    | cons d l => cases h
  | cons d l => cases l' with
    | nil => cases h
    | cons d' l' =>
      rw [List.map_cons, List.map_cons] at h
      injection h with h t
      exact .inr ⟨d, d', l, l', rfl, rfl, h, t⟩

theorem Agree.shown (k : Agree G φ m m') {id : Id} (g : G id = true) : m'.shown id = m.shown id := by
  have h := k.code g
  unfold M.shown
  generalize (m.run id).code = c, (m'.run id).code = c' at h
  cases h with
  | same => rfl
  | undoing u todo o h =>
    simp only
    rcases todo_cases h with ⟨e, e'⟩ | ⟨d, d', t, t', e, e', hd, _⟩
    · rw [e, e']
    · obtain ⟨h1, _, h3, h4⟩ := debt_bare hd
      rw [e, e']
      cases u.raised with
      | false => rfl
      | true =>
        show some _ = some _
        rw [h1, h3, h4]

theorem Agree.takenUp (k : Agree G φ m m') {id : Id} (g : G id = true) (handles : List Id) (s : Settled) :
    m'.takenUp id handles s = m.takenUp id handles s := by
  unfold M.takenUp
  split
  · split
    · split
      · next child _ =>
        rw [k.owns g]
        cases ho : m.owns id child with
        | false => rfl
        | true => rw [k.shown (k.up child id (beq_iff_eq.mp ho) g)]
      · rfl
    · rfl
  · rfl

theorem known_renumber {held table : List Id} (hh : ∀ h ∈ held, Known G h) (ht : ∀ h ∈ table, Known G h) (i : Nat) :
    ∀ h ∈ (renumber held table i).1, Known G h := fun h hx => by
  rcases of_mem_renumber hx with e | e | e
  · exact ht h e
  · exact hh h e
  · exact .inr e

theorem Agree.rehandle (k : Agree G φ m m') {source target : Id} (gs : G source = true) (gt : G target = true) (v : Value) :
    Agree G φ (m.rehandle v source target).1 (m'.rehandle v source target).1 ∧
      (m'.rehandle v source target).2 = (m.rehandle v source target).2 := by
  unfold M.rehandle
  simp only [k.handles gs, k.handles gt]
  refine ⟨k.setHandles gt ?_, trivial⟩
  exact Value.mapHandles_mem (P := fun l => ∀ h ∈ l, Known G h) (fun t h ht => known_renumber (k.tables source gs) ht h) v _
    (k.tables target gt)

/-- What a run shows names marked runs. -/
def NamesMarked (G : Field) (q : Question) : Prop := G q.asked = true ∧ ∀ x ∈ q.path, G x = true

theorem Agree.stopValue (k : Agree G φ m m') {owner id : Id} (go : G owner = true) (g : G id = true)
    (hq : ∀ q, m.shown id = some q → NamesMarked G q) : Agree G φ (m.stopValue owner id).1 (m'.stopValue owner id).1 ∧
      (m'.stopValue owner id).2 = (m.stopValue owner id).2 := by
  have h := k.code g
  unfold M.stopValue
  rw [k.shown g]
  generalize (m.run id).code = c, (m'.run id).code = c' at h
  have asks : Agree G φ (match m.shown id with
        | none => (m, Value.ok (.con "Failed" [.error "stop" "the run is at no stop"]))
        | some q =>
          let held := holdAll (m.run owner).handles q.path
          (m.setHandles owner held.1, .ok (.con "Intent" [.text q.op, .list q.args, .list (held.2.map .run)]))).1
      (match m.shown id with
        | none => (m', Value.ok (.con "Failed" [.error "stop" "the run is at no stop"]))
        | some q =>
          let held := holdAll (m'.run owner).handles q.path
          (m'.setHandles owner held.1, .ok (.con "Intent" [.text q.op, .list q.args, .list (held.2.map .run)]))).1 ∧
      (match m.shown id with
        | none => (m', Value.ok (.con "Failed" [.error "stop" "the run is at no stop"]))
        | some q =>
          let held := holdAll (m'.run owner).handles q.path
          (m'.setHandles owner held.1, .ok (.con "Intent" [.text q.op, .list q.args, .list (held.2.map .run)]))).2 =
      (match m.shown id with
        | none => (m, Value.ok (.con "Failed" [.error "stop" "the run is at no stop"]))
        | some q =>
          let held := holdAll (m.run owner).handles q.path
          (m.setHandles owner held.1, .ok (.con "Intent" [.text q.op, .list q.args, .list (held.2.map .run)]))).2 := by
    cases e : m.shown id with
    | none => exact ⟨k, rfl⟩
    | some q =>
      simp only [k.handles go]
      refine ⟨k.setHandles go fun h hh => ?_, trivial⟩
      rcases of_mem_holdAll hh with hh | hh
      · exact k.tables owner go h hh
      · exact .inl ((hq q e).2 h hh)
  cases h with
  | same =>
    cases c with
    | settled s =>
      cases s with
      | done v =>
        have r := k.rehandle g go v
        exact ⟨r.1, by simp only [r.2]⟩
      | failed e => exact ⟨k, rfl⟩
      | discarded => exact ⟨k, rfl⟩
      | running => exact asks
      | waiting => exact asks
    | _ => exact asks
  | undoing => exact asks

/-! ## Outcomes -/

theorem Alike.answerAsked (k : Alike G m m') {id : Id} (g : G id = true) (answer : Value) (change : Change) (by' : By) :
    Alike G (m.answerAsked id answer change by') (m'.answerAsked id answer change by') := by
  obtain ⟨φ, k⟩ := k
  have h := k.code g
  have rc : ∀ {c c' : Code}, Code.Like c c' →
      Alike G (m.record id (.outcome answer change by') { m.state id with code := c, files := (m.run id).files.apply change })
        (m'.record id (.outcome answer change by') { m'.state id with code := c', files := (m'.run id).files.apply change }) := by
    intro c c' h
    exact (k.record g _ ⟨h, by simp only [k.files g], k.handles g, k.inbox g, k.tables id g⟩).alike
  unfold M.answerAsked
  simp only
  refine rc ?_
  generalize (m.run id).code = c, (m'.run id).code = c' at h
  cases h with
  | same => exact .same _
  | undoing u todo o h => exact .undoing u todo o h

theorem next_like {u : Undoing} {todo : List Debt} (h : todo.map Debt.bare = u.todo.map Debt.bare) (answer : Value) (o : Settled) :
    Code.Like (.undoing (u.next answer) o) (.undoing (({ u with todo } : Undoing).next answer) o) := by
  obtain ⟨run, to, l, raised, paid, failed, undone, lasting⟩ := u
  simp only at h
  rcases todo_cases h with ⟨rfl, rfl⟩ | ⟨d, d', t, t', rfl, rfl, hd, ht⟩
  · exact .same _
  · unfold Undoing.next
    simp only [(debt_bare hd).2.2.1]
    split
    · exact .undoing { run, to, todo := t, raised := false, paid := paid ++ [d.op], failed, undone, lasting } t' o ht
    · exact .undoing { run, to, todo := t, raised := false, paid, failed := failed ++ [d.op], undone, lasting } t' o ht

theorem Alike.relay (k : Alike G m m') {id : Id} (g : G id = true) (answer : Value) (by' : By) :
    Alike G (m.relay id answer by') (m'.relay id answer by') := by
  have h := k.choose_spec.code g
  unfold M.relay
  generalize hc : (m.run id).code = c, hc' : (m'.run id).code = c' at h
  cases h with
  | same => cases c with
    | passing => exact k.recordCode g _ (.same _)
    | undoing => exact k.setCode g (.same _)
    | _ => exact k
  | undoing u todo o h => exact k.setCode g (next_like h answer o)

theorem Alike.deliver (k : Alike G m m') {id : Id} (g : G id = true) {q : Question} (hq : NamesMarked G q) (answer : Value) (change : Change)
    (by' : By) : Alike G (m.deliver id q answer change by') (m'.deliver id q answer change by') := by
  unfold M.deliver
  refine Alike.foldl (fun n n' x hx k => k.relay ?_ answer by') (k.answerAsked hq.1 answer change by')
  have := (List.dropLast_sublist _).subset (List.mem_reverse.mp hx)
  cases List.mem_cons.mp this with
  | inl e => exact e ▸ g
  | inr h => exact hq.2 x h

/-! ## Taking back -/

theorem Alike.abandonOne (k : Alike G m m') {id : Id} (g : G id = true) : Alike G (m.abandonOne id) (m'.abandonOne id) := by
  have k' := k
  obtain ⟨φ, k⟩ := k
  have h := k.code g
  unfold M.abandonOne
  simp only [k.trace g, Trace.question_event_at, h.settle]
  split
  · exact k'
  · exact k'.recordCode g _ h
  · split
    · exact k'.recordCode g _ (.same _)
    · exact k'

theorem Alike.abandon (k : Alike G m m') {id : Id} (g : G id = true) : Alike G (m.abandon id) (m'.abandon id) := by
  unfold M.abandon
  rw [k.choose_spec.family g]
  exact k.foldl fun n n' x hx kn => kn.abandonOne (k.choose_spec.family_mark g hx)

theorem Alike.discard (k : Alike G m m') {id : Id} (g : G id = true) : Alike G (m.discard id) (m'.discard id) := by
  have h := k.choose_spec.code g
  have rc := k.recordCode g (.ended .discarded .unit) (.same (.settled .discarded))
  unfold M.discard
  generalize (m.run id).code = c, (m'.run id).code = c' at h
  cases h with
  | same => split
            · exact k
            · exact rc
  | undoing => exact rc

theorem keptFrom_at (id : Id) (to : Option Nat) (hs : List Then) (x : Id) :
    keptFrom id to (hs.map (Then.at φ)) x = keptFrom id to hs x := by
  unfold keptFrom
  split
  · rfl
  · split
    · rfl
    · rw [List.find?_map]
      show (match (hs.find? fun h => h.id == x).map (Then.at φ) with
        | some h => Trace.size h.trace
        | none => 0) = _
      cases hs.find? fun h => h.id == x with
      | none => rfl
      | some h => exact Trace.size_at h.trace

theorem mem_answered {start : Nat} {t : Trace} {a : Answered} (h : a ∈ answered start t) : a.outcome ∈ t := by
  induction t with
  | nil => exact absurd h List.not_mem_nil
  | cons c t ih =>
    unfold answered at h
    split at h
    · exact absurd h List.not_mem_nil
    · split at h
      · cases List.mem_cons.mp h with
        | inl e => rw [e]; exact List.mem_cons_self
        | inr h => exact List.mem_cons_of_mem _ (ih h)
      · exact List.mem_cons_of_mem _ (ih h)

theorem seq_debts {P : Program} {id : Id} {t : Trace} {start : Nat} {d : Debt} (h : d ∈ debts P id t start) :
    ∃ c ∈ t, c.seq = d.seq := by
  have go : ∀ l : List Answered, (∀ a ∈ l, a.outcome ∈ t) → ∀ d ∈ l.foldr (owe P id) [], ∃ c ∈ t, c.seq = d.seq := by
    intro l hl
    induction l with
    | nil => exact fun d h => absurd h List.not_mem_nil
    | cons a l ih =>
      have ih := ih fun a h => hl a (List.mem_cons_of_mem _ h)
      intro d h
      rw [List.foldr_cons] at h
      generalize l.foldr (owe P id) [] = owed at h ih
      unfold owe at h
      split at h
      · split at h
        · exact ih d h
        · exact ih d (List.mem_filter.mp h).1
      · split at h
        · split at h
          · exact ih d h
          · cases List.mem_cons.mp h with
            | inl e => exact ⟨a.outcome, hl a List.mem_cons_self, by rw [e]⟩
            | inr h => exact ih d h
        · exact ih d h
      · exact ih d h
  have all := go (answered start t) fun a h => mem_answered h
  unfold debts at h
  simp only at h
  split at h
  · exact all d h
  · exact all d (List.mem_filter.mp h).1

theorem seq_lastingIn {P : Program} {t : Trace} {start : Nat} {s : Nat × String × Bool} (h : s ∈ lastingIn P t start) :
    ∃ c ∈ t, c.seq = s.1 := by
  have mem : ∀ (t : Trace) (want : Option Nat), ∀ p ∈ Trace.livesFrom want t, p.1 ∈ t := by
    intro t
    induction t with
    | nil => exact fun _ p h => absurd h List.not_mem_nil
    | cons c t ih =>
      intro want p h
      unfold Trace.livesFrom at h
      split at h
      · split at h
        · exact List.mem_cons_of_mem _ (ih _ p h)
        · cases List.mem_cons.mp h with
          | inl e => rw [e]; exact List.mem_cons_self
          | inr h => exact List.mem_cons_of_mem _ (ih _ p h)
      · exact List.mem_cons_of_mem _ (ih _ p h)
  unfold lastingIn at h
  obtain ⟨p, hp, e⟩ := List.mem_filterMap.mp h
  refine ⟨p.1, mem t none p ((List.takeWhile_sublist _).subset hp), ?_⟩
  unfold lasting at e
  repeat' split at e
  all_goals first | (cases e; rfl) | cases e

/-- Two plans that do the same. -/
structure _root_.Shepherd.Plan.Like (φ : Nat → Nat) (p p' : Plan) : Prop where
  heads : p'.heads = p.heads.map (Then.at φ)
  debts : p'.debts.map Debt.bare = p.debts.map Debt.bare
  undone : p'.undone = p.undone
  irreversible : p'.irreversible = p.irreversible
  unknown : p'.unknown = p.unknown

theorem Agree.order (k : Agree G φ m m') {i j : Nat} (hi : Logged G m i) (hj : Logged G m j) :
    decide (φ i ≤ φ j) = decide (i ≤ j) := by
  by_cases l : i ≤ j
  · rw [decide_eq_true l, decide_eq_true]
    by_cases e : i = j
    · rw [e]; exact Nat.le_refl _
    · exact Nat.le_of_lt (k.mono i j hi hj (by omega))
  · have := k.mono j i hj hi (by omega)
    rw [decide_eq_false l, decide_eq_false (by omega)]

theorem Agree.planFor (k : Agree G φ m m') {id : Id} (g : G id = true) (to : Option Nat) (hs : List Then) :
    Plan.Like φ (m.planFor id to hs) (m'.planFor id to (hs.map (Then.at φ))) := by
  have fam : m'.family id = m.family id := k.family g
  have mark : ∀ x ∈ m.family id, G x = true := fun x h => k.family_mark g h
  have owed : ((m.family id).flatMap fun x => Shepherd.debts m'.program x (m'.run x).trace (keptFrom id to (hs.map (Then.at φ)) x)) =
      ((m.family id).flatMap fun x => Shepherd.debts m.program x (m.run x).trace (keptFrom id to hs x)).map (Debt.shift φ) := by
    rw [List.map_flatMap, k.program]
    refine congrArg List.flatten (List.map_congr_left fun x hx => ?_)
    rw [keptFrom_at, k.trace (mark x hx), debts_at]
  have stays : ((m.family id).flatMap fun x => lastingIn m'.program (m'.run x).trace (keptFrom id to (hs.map (Then.at φ)) x)) =
      ((m.family id).flatMap fun x => lastingIn m.program (m.run x).trace (keptFrom id to hs x)).map fun s => (φ s.1, s.2) := by
    rw [List.map_flatMap, k.program]
    refine congrArg List.flatten (List.map_congr_left fun x hx => ?_)
    rw [keptFrom_at, k.trace (mark x hx), lastingIn_at]
  have undone : ((m.family id).map fun x => undoneIn (m'.run x).trace (keptFrom id to (hs.map (Then.at φ)) x)) =
      (m.family id).map fun x => undoneIn (m.run x).trace (keptFrom id to hs x) := by
    refine List.map_congr_left fun x hx => ?_
    rw [keptFrom_at, k.trace (mark x hx), undoneIn_at]
  have sorted := mergeSort_map (f := Debt.shift φ) (le := fun a b => decide (b.seq ≤ a.seq)) (le' := fun a b => decide (b.seq ≤ a.seq))
    ((m.family id).flatMap fun x => Shepherd.debts m.program x (m.run x).trace (keptFrom id to hs x)) (fun a ha b hb => by
      obtain ⟨x, hx, ha⟩ := List.mem_flatMap.mp ha
      obtain ⟨y, hy, hb⟩ := List.mem_flatMap.mp hb
      obtain ⟨c, hc, e⟩ := seq_debts ha
      obtain ⟨d, hd, f⟩ := seq_debts hb
      exact k.order ⟨y, d, mark y hy, hd, f⟩ ⟨x, c, mark x hx, hc, e⟩)
  have sorted' := mergeSort_map (f := fun s : Nat × String × Bool => (φ s.1, s.2)) (le := fun a b => decide (b.1 ≤ a.1))
    (le' := fun a b => decide (b.1 ≤ a.1))
    ((m.family id).flatMap fun x => lastingIn m.program (m.run x).trace (keptFrom id to hs x)) (fun a ha b hb => by
      obtain ⟨x, hx, ha⟩ := List.mem_flatMap.mp ha
      obtain ⟨y, hy, hb⟩ := List.mem_flatMap.mp hb
      obtain ⟨c, hc, e⟩ := seq_lastingIn ha
      obtain ⟨d, hd, f⟩ := seq_lastingIn hb
      exact k.order ⟨y, d, mark y hy, hd, f⟩ ⟨x, c, mark x hx, hc, e⟩)
  refine ⟨rfl, ?_, ?_, ?_, ?_⟩
  · unfold M.planFor
    simp only [fam, owed, sorted, List.map_map]
    rfl
  · unfold M.planFor
    simp only [fam, undone]
  · unfold M.planFor
    simp only [fam, stays, sorted', List.filter_map, List.map_map]
    rfl
  · unfold M.planFor
    simp only [fam, stays, sorted', List.filter_map, List.map_map]
    rfl

end M

end Shepherd
