import Shepherd.Laws.Support.Follow

/-!
# What is followed is what an oracle makes

A log that is followed to its end was made by moves of the tree, and so by an oracle that answers as the log says.
-/

namespace Shepherd

/-! ## Sound -/

namespace M

/-- A move that some oracle allows. -/
inductive Moves : M → M → Prop where
  | own {m q n : M} : Quiet m q → q.step = some n → q.size < n.size → Moves m n
  | answer {m q n : M} {a : Asked} {answer : Value} {change : Change} : Quiet m q → q.step = none → q.asked = some a →
      q.answer answer change = some n → Moves m n
  | world {m n : M} (op : String) (args : List Value) : m.worldAsks op args = some n → Moves m n
  | fork {m n : M} : m.forkRoot = some n → Moves m n

/-- Such moves, one after the other. -/
inductive Path : M → M → Prop where
  | nil (m : M) : Path m m
  | cons {m n p : M} : Moves m n → Path n p → Path m p

theorem Moves.follows {m n : M} (w : Wf m) (h : Moves m n) : Follows m n := by
  cases h with
  | own q s _ => exact (q.follows w).trans (follows_step (q.follows w).1 s)
  | answer q _ _ o => exact (q.follows w).trans (follows_answer (q.follows w).1 o)
  | world op args s => exact (follows_worldAsks w s).1
  | fork s => exact follows_forkRoot w s

theorem Path.follows {m n : M} (w : Wf m) (h : Path m n) : Follows m n := by
  induction h with
  | nil => exact .refl w
  | cons d _ k => exact (d.follows w).trans (k (d.follows w).1)

theorem move_sound {m n : M} (w : Wf m) {b : Nat} {rest : Log} (h : m.move b rest = .to n) : Moves m n := by
  cases rest with
  | nil => cases h
  | cons e rest =>
    simp only [move] at h
    split at h
    · next n' ho =>
      cases h
      unfold outsideMove at ho
      split at ho
      · exact .world _ _ ho
      · split at ho
        · exact .fork ho
        · cases ho
      · cases ho
    · split at h
      · next n' ha =>
        cases h
        obtain ⟨q, hq, s, l⟩ := (of_advance w).1 _ ha
        exact .own hq s l
      · cases h
      · next q ha =>
        have hq := (of_advance w).2 q ha
        split at h
        · next hans =>
          cases h
          unfold answerAs at hans
          cases hk : q.asked with
          | none => rw [hk] at hans; cases hans
          | some a =>
            rw [hk] at hans
            split at hans
            · next ha _ =>
              cases ha
              split at hans
              · exact .answer hq.1 hq.2 hk hans
              · cases hans
            · cases hans
        · cases h

/-- The oracle that answers as the traces of a tree say: at a trace, what stands in the tree after it, where that is an answer from
outside that is well-formed; else `Unknown`. -/
def oracleOf (P : Program) (m : M) : Oracle := fun id trace op args =>
  match (m.run id).trace.events[trace.length]? with
  | some (.outcome answer change .world) =>
    if goodAnswer P op (asGiven ⟨id, op, args⟩ answer) change then (asGiven ⟨id, op, args⟩ answer, change) else (.unknown, [])
  | _ => (.unknown, [])

theorem oracleOf_wf (P : Program) (m : M) : (oracleOf P m).wf P := by
  intro id trace op args
  unfold oracleOf
  split
  · split
    · next h => exact h
    · exact unknown_good P op
  · exact unknown_good P op

theorem events_get {t : Trace} {s : List Commit} {c : Commit} :
    (Trace.events (s ++ c :: t))[(Trace.events t).length]? = some c.event := by
  unfold Trace.events
  rw [List.map_append, List.map_cons, List.reverse_append, List.reverse_cons, List.append_assoc,
    List.getElem?_append_right (Nat.le_refl _), Nat.sub_self]
  rfl

/-- A move on the way to a tree is one that the oracle of that tree allows. -/
theorem Moves.next {m n M' : M} (w : Wf m) (h : Moves m n) (later : Extends n M') : Next (oracleOf m.program M') m n := by
  cases h with
  | own q s l => exact .own q s l
  | world op args s => exact .world op args s
  | fork s => exact .fork s
  | @answer q _ a answer change hq s ha o =>
    refine .answer hq s ?_
    have f := hq.follows w
    obtain ⟨x, st, hi, ext, hgiven, hgood⟩ := answer_given f.1 ha o
    have trace := (ext.trans later).trace a.run
    rw [trace_record_same] at trace
    obtain ⟨u, hu⟩ := trace
    have hω : oracleOf m.program M' a.run (q.run a.run).trace.events a.op a.args = (asGiven a x, change) := by
      unfold oracleOf
      rw [← hu, events_get, commitOf_event]
      simp only
      rw [← f.2.program, if_pos hgood]
    unfold outer
    rw [ha]
    simp only [hω]
    exact hgiven

/-- A path is an execution with the oracle of where it ends. -/
theorem Path.reach {i : Init} {m M' : M} (h : Path m M') (r : Reach (oracleOf i.program M') i m) :
    Reach (oracleOf i.program M') i M' := by
  induction h with
  | nil => exact r
  | cons d p k =>
    have w := r.wf
    refine k (r.next ?_)
    have := d.next w (p.follows (d.follows w).1).2
    rw [r.program] at this
    exact this

end M

theorem followFrom_sound {other : Bool} {b fuel : Nat} {m : M} (w : M.Wf m) {done : Nat} {rest : Log} :
    (∀ m', followFrom other b fuel m done rest = .all m' →
      M.Path m m' ∧ ∃ t, m.entries ++ t <+: m'.entries ∧ alike other t rest) ∧
    (∀ n x, followFrom other b fuel m done rest = .only n x → ∃ m' s r t, M.Path m m' ∧ rest = s ++ r ∧ r ≠ [] ∧
      n = done + s.length ∧ m.entries ++ t <+: m'.entries ∧ alike other t s) := by
  induction fuel generalizing m done rest with
  | zero =>
    cases rest with
    | nil =>
      refine ⟨fun m' h => ?_, fun n x h => nomatch h⟩
      cases h
      exact ⟨.nil m, [], by rw [List.append_nil]; exact List.prefix_rfl, trivial⟩
    | cons e rest => exact ⟨fun m' h => (nomatch h), fun n x h => (nomatch h)⟩
  | succ fuel ih =>
    cases rest with
    | nil =>
      refine ⟨fun m' h => ?_, fun n x h => nomatch h⟩
      cases h
      exact ⟨.nil m, [], by rw [List.append_nil]; exact List.prefix_rfl, trivial⟩
    | cons e rest =>
      simp only [followFrom]
      split
      · exact ⟨fun m' h => (nomatch h), fun n x h => (nomatch h)⟩
      · refine ⟨fun m' h => (nomatch h), fun n x h => ?_⟩
        cases h
        exact ⟨m, [], e :: rest, [], .nil m, rfl, nofun, rfl, by rw [List.append_nil]; exact List.prefix_rfl, trivial⟩
      · next n hn =>
        have d := M.move_sound w hn
        have f := d.follows w
        have hmade := M.entries_since f.2
        split
        · next r hr =>
          obtain ⟨s, hs, ha⟩ := of_agree_first hr
          have k := ih f.1 (done := done + (n.since m.size).length) (rest := r)
          refine ⟨fun m' h => ?_, fun n' x h => ?_⟩
          · obtain ⟨p, t, ht, hat⟩ := k.1 m' h
            refine ⟨.cons d p, n.since m.size ++ t, ?_, ?_⟩
            · rw [← List.append_assoc, ← hmade]; exact ht
            · rw [hs]; exact ha.append hat
          · obtain ⟨m', s', r', t, p, hr', hne, hlen, ht, hat⟩ := k.2 n' x h
            refine ⟨m', s ++ s', r', n.since m.size ++ t, .cons d p, ?_, hne, ?_, ?_, ha.append hat⟩
            · rw [hs, hr', List.append_assoc]
            · rw [hlen, ha.length, List.length_append]; omega
            · rw [← List.append_assoc, ← hmade]; exact ht
        · next hr =>
          obtain ⟨t, y, u, hsplit, ha⟩ := of_agree_second hr
          refine ⟨fun m' h => ?_, fun n' x h => (nomatch h)⟩
          cases h
          refine ⟨.cons d (.nil n), t, ?_, ha⟩
          rw [hmade, hsplit]
          exact (List.prefix_append_right_inj _).mpr (List.prefix_append _ _)
        · next k z hr =>
          obtain ⟨t, u, s, r, hsplit, hrest, hne, ha, hlen⟩ := of_agree_differ hr
          refine ⟨fun m' h => (nomatch h), fun n' x h => ?_⟩
          cases h
          refine ⟨n, s, r, t, .cons d (.nil n), hrest, hne, by rw [hlen, Nat.zero_add], ?_, ha⟩
          rw [hmade, hsplit]
          exact (List.prefix_append_right_inj _).mpr (List.prefix_append _ _)

end Shepherd
