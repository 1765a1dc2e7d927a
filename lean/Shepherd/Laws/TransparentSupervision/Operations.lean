import Shepherd.Laws.TransparentSupervision.Taking

/-!
# Marked runs do the same in both trees: operations on runs
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {G : Field} {φ : Nat → Nat} {m m' : M}

theorem Agree.stack (k : Agree G φ m m') (s s' : List Id) : Agree G φ { m with stack := s } { m' with stack := s' } := { k with }

theorem Alike.stack (k : Alike G m m') (s s' : List Id) : Alike G { m with stack := s } { m' with stack := s' } :=
  ⟨_, k.choose_spec.stack s s'⟩

theorem Agree.owned (k : Agree G φ m m') {a : Id} (g : G a = true) (v : Value) : m'.owned a v = m.owned a v := by
  unfold M.owned
  split
  · rw [k.handles g]
    split
    · rw [k.owns g]
    · rfl
  · rfl

theorem Agree.mark_owned (k : Agree G φ m m') {a id : Id} (g : G a = true) {v : Value} (h : m.owned a v = .ok id) : G id = true :=
  k.up id a (beq_iff_eq.mp (owns_of_owned h)) g

theorem Agree.atIntent (k : Agree G φ m m') {a : Id} (g : G a = true) (v : Value) : m'.atIntent a v = m.atIntent a v := by
  unfold M.atIntent
  rw [k.owned g]
  split
  · rfl
  · next id h => rw [k.shown (k.mark_owned g h)]

/-- What the runs that `a` owns show names marked runs. -/
def ShowsMarked (G : Field) (m : M) (a : Id) : Prop := ∀ id q, m.owns a id = true → m.shown id = some q → NamesMarked G q

theorem Alike.ownerAnswers (k : Alike G m m') {a : Id} (g : G a = true) (hq : ShowsMarked G m a) (w : Waiting) (v answer : Value) :
    Alike G (m.ownerAnswers a w v answer) (m'.ownerAnswers a w v answer) := by
  unfold M.ownerAnswers
  rw [k.choose_spec.atIntent g]
  split
  · exact k.reply g _ _
  · next id q h =>
    have h := of_atIntent h
    split
    · exact k.reply g _ _
    · exact (k.deliver (k.choose_spec.up id a (beq_iff_eq.mp h.1) g) (hq id q h.1 h.2) _ _ _).reply g _ _

theorem Alike.wrong (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Alike G (m.wrong a w) (m'.wrong a w) := k.reply g _ _

theorem Alike.next (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Alike G (m.next a w) (m'.next a w) := by
  unfold M.next
  split
  · rw [k.choose_spec.owned g]
    split
    · exact k.reply g _ _
    · exact (k.setCode g (.same _)).stack _ _
  · exact k.reply g _ _

theorem Alike.pass (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Alike G (m.pass a w) (m'.pass a w) := by
  unfold M.pass
  split
  · rw [k.choose_spec.atIntent g]
    split
    · exact k.reply g _ _
    · exact k.setCode g (.same _)
  · exact k.reply g _ _

theorem Agree.firstNotAtIntent (k : Agree G φ m m') {a : Id} (g : G a = true) (vs : List Value) :
    m'.firstNotAtIntent a vs = m.firstNotAtIntent a vs := by
  induction vs with
  | nil => rfl
  | cons v vs ih =>
    unfold M.firstNotAtIntent
    rw [k.atIntent g, ih]

theorem Alike.pick (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Twin G (m.pick a w) (m'.pick a w) := by
  unfold M.pick
  split
  · rw [k.choose_spec.firstNotAtIntent g]
    split
    · exact .go (k.reply g _ _)
    · exact .rest
  · exact .go (k.reply g _ _)

theorem Alike.inject (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Alike G (m.inject a w) (m'.inject a w) := by
  unfold M.inject
  split
  · rw [k.choose_spec.owned g]
    split
    · exact k.reply g _ _
    · next id h =>
      have gi := k.choose_spec.mark_owned g h
      rw [(k.choose_spec.code gi).isLive]
      split
      · exact k.reply g _ _
      · split
        · exact k.reply g _ _
        · have s := k.choose_spec.state gi
          refine Alike.reply ?_ g _ _
          exact k.record gi _ ⟨s.code, s.files, s.handles, by simp only [s.inbox], s.marks⟩
  · exact k.wrong g _

theorem Alike.take (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Alike G (m.take a w) (m'.take a w) := by
  unfold M.take
  rw [k.choose_spec.inbox g]
  split
  · exact k.reply g _ _
  · have s := k.choose_spec.state g
    exact k.record g _ { s with code := .same _, inbox := rfl }

theorem Alike.merge (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) : Alike G (m.merge a w) (m'.merge a w) := by
  unfold M.merge
  split
  · rw [k.choose_spec.owned g]
    split
    · exact k.reply g _ _
    · next id h =>
      have gi := k.choose_spec.mark_owned g h
      have c := k.choose_spec.code gi
      simp only [k.choose_spec.base gi, k.choose_spec.files gi, k.choose_spec.files g]
      have rest : Alike G
          (match Files.merge (m.run id).base (m.run a).files (m.run id).files with
            | .error paths => m.reply a w (.ok (.con "Conflict" [.list (paths.map .text)]))
            | .ok merged => m.reply a w (.ok (.con "Merged" [])) (Files.diff (m.run a).files merged))
          (match Files.merge (m.run id).base (m.run a).files (m.run id).files with
            | .error paths => m'.reply a w (.ok (.con "Conflict" [.list (paths.map .text)]))
            | .ok merged => m'.reply a w (.ok (.con "Merged" [])) (Files.diff (m.run a).files merged)) := by
        split
        · exact k.reply g _ _
        · exact k.reply g _ _ _
      generalize (m.run id).code = x, (m'.run id).code = y at c
      cases c with
      | same =>
        split
        · exact k.reply g _ _
        · exact rest
      | undoing => exact rest
  · exact k.reply g _ _

theorem Alike.takeBack (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') {a id : Id} (g : G a = true) (gi : G id = true) (w : Waiting)
    (to : Option Nat) : Alike G (m.takeBack a w id to) (m'.takeBack a w id to) := by
  unfold M.takeBack
  have b := k.begin o g gi (.waiting w) to (.inr mk)
  generalize m.begin a (.waiting w) id to = x, m'.begin a (.waiting w) id to = y at b
  cases b with
  | error => exact k.reply g _ _
  | ok k => exact k

theorem Alike.revert (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') {a : Id} (g : G a = true) (w : Waiting) :
    Alike G (m.revert a w) (m'.revert a w) := by
  unfold M.revert
  split
  · rw [k.choose_spec.owned g]
    split
    · exact k.reply g _ _
    · next id h =>
      have gi := k.choose_spec.mark_owned g h
      split
      · exact k.takeBack o mk g gi _ _
      · unfold noEvent
        rw [k.choose_spec.trace gi, Trace.size_at]
        exact k.reply g _ _
  · exact k.wrong g _

theorem Alike.discardOp (k : Alike G m m') (o : Closed G) (mk : SameMakers m m') {a : Id} (g : G a = true) (w : Waiting) :
    Alike G (m.discardOp a w) (m'.discardOp a w) := by
  unfold M.discardOp
  split
  · rw [k.choose_spec.owned g]
    split
    · exact k.reply g _ _
    · next id h =>
      have gi := k.choose_spec.mark_owned g h
      have c := k.choose_spec.code gi
      generalize (m.run id).code = x, (m'.run id).code = y at c
      cases c with
      | same =>
        split
        · exact k.reply g _ _
        · exact k.takeBack o mk g gi _ _
      | undoing => exact k.takeBack o mk g gi _ _
  · exact k.wrong g _

/-! ## Looking -/

theorem Agree.seenHandle (k : Agree G φ m m') {id : Id} (g : G id = true) {held : List Id} (hh : ∀ x ∈ held, Known G x) :
    m'.seenHandle id held = m.seenHandle id held := by
  funext table h
  unfold M.seenHandle
  split
  · rfl
  · next other e => rw [k.has_known (hh other (List.mem_of_getElem? e)), k.isBelow g]

theorem Agree.seenEvents (k : Agree G φ m m') (o : Closed G) {id : Id} (g : G id = true) (cs : List Commit)
    (hc : ∀ c ∈ cs, ∀ x ∈ c.handles, Known G x) (table : List Id) :
    m'.seenEvents id table (cs.map (Commit.at φ)) = m.seenEvents id table cs := by
  induction cs generalizing table with
  | nil => rfl
  | cons c cs ih =>
    have hc0 := hc c List.mem_cons_self
    rw [List.map_cons]
    unfold M.seenEvents
    rw [k.handlesToday o, k.seenHandle g (handlesToday_mark o hc0)]
    simp only [show (c.at φ).event = c.event from rfl, ih fun c h => hc c (List.mem_cons_of_mem _ h)]

theorem seenEvents_known (o : Closed G) {id : Id} (cs : List Commit) (hc : ∀ c ∈ cs, ∀ x ∈ c.handles, Known G x) {table : List Id}
    (ht : ∀ x ∈ table, Known G x) : ∀ x ∈ (m.seenEvents id table cs).1, Known G x := by
  induction cs generalizing table with
  | nil => exact ht
  | cons c cs ih =>
    have hc0 := hc c List.mem_cons_self
    unfold M.seenEvents
    refine ih (fun c h => hc c (List.mem_cons_of_mem _ h)) ?_
    refine Value.mapHandles_mem (P := fun l => ∀ h ∈ l, Known G h) (fun t h ht => ?_) _ _ ht
    unfold M.seenHandle
    split
    · exact ht
    · next other e =>
      split
      · intro x hx
        rcases of_mem_hold hx with hx | rfl
        · exact ht x hx
        · exact handlesToday_mark o hc0 _ (List.mem_of_getElem? e)
      · exact ht

theorem Alike.traceOp (k : Alike G m m') (o : Closed G) {a : Id} (g : G a = true) (w : Waiting) :
    Alike G (m.traceOp a w) (m'.traceOp a w) := by
  have k' := k
  obtain ⟨φ, k⟩ := k
  have look : ∀ id, G id = true → ∀ start, Alike G
      (match checkSize Limits.traceDepth (.list (m.traceValue a id start).2) with
        | .error f => m.reply a w (.err f.code s!"the events cannot be read: {f.text}")
        | .ok () => (m.setHandles a (m.traceValue a id start).1).reply a w (.ok (.list (m.traceValue a id start).2)))
      (match checkSize Limits.traceDepth (.list (m'.traceValue a id start).2) with
        | .error f => m'.reply a w (.err f.code s!"the events cannot be read: {f.text}")
        | .ok () => (m'.setHandles a (m'.traceValue a id start).1).reply a w (.ok (.list (m'.traceValue a id start).2))) := by
    intro id gi start
    have known : ∀ c ∈ (((m.run id).trace.takeWhile fun c => start ≤ c.index).reverse), ∀ x ∈ c.handles, Known G x :=
      fun c hc => (k.commits id gi c ((List.takeWhile_sublist _).subset (List.mem_reverse.mp hc))).handles
    have same : m'.traceValue a id start = m.traceValue a id start := by
      unfold M.traceValue
      rw [k.trace gi, k.handles g]
      unfold Trace.at
      rw [List.takeWhile_map, ← List.map_reverse]
      exact k.seenEvents o gi _ known _
    rw [same]
    split
    · exact k'.reply g _ _
    · refine Alike.reply ⟨φ, k.setHandles g ?_⟩ g _ _
      exact seenEvents_known o _ known (k.tables a g)
  unfold M.traceOp
  split
  · rw [k.handles g]
    split
    · exact k'.wrong g _
    · next id e =>
      have mem := List.mem_of_getElem? e
      rcases k.tables a g id mem with gi | rfl
      · exact look id gi _
      · have none : ∀ start, m.traceValue a .world start = ((m.run a).handles, []) := fun start => by
          unfold M.traceValue; rw [k.quiet.1]; rfl
        have none' : ∀ start, m'.traceValue a .world start = ((m.run a).handles, []) := fun start => by
          unfold M.traceValue; rw [k.quiet.2, k.handles g]; rfl
        simp only [none, none']
        split
        · exact k'.reply g _ _
        · exact Alike.reply ⟨φ, k.setHandles g (k.tables a g)⟩ g _ _
  · exact k'.wrong g _

/-! ## New runs -/

theorem Alike.answerRun (k : Alike G m m') {a : Id} (g : G a = true) (w : Waiting) {id : Id} (gi : G id = true) :
    Alike G (m.answerRun a w id) (m'.answerRun a w id) := by
  obtain ⟨φ, k⟩ := k
  unfold M.answerRun
  simp only [k.handles g, k.made g]
  refine Alike.reply ⟨φ, k.answered g (fun x hx => ?_) _⟩ g _ _
  rcases of_mem_hold hx with h | rfl
  · exact k.tables a g x h
  · exact .inl gi

theorem Alike.lend (k : Alike G m m') {a held : Id} (g : G a = true) {n : Nat} (hm : ∀ j, held = .made a j → j < n)
    (hc : ∀ j x, held = .copy (.made a j) x → j < n) : Alike G (M.lend a (.made a n) m held) (M.lend a (.made a n) m' held) := by
  unfold M.lend
  rw [k.choose_spec.owns g]
  split
  · next ho =>
    have own := beq_iff_eq.mp ho
    have may := k.choose_spec.forest.owner held a own
    have gh := k.choose_spec.up held a own g
    rw [(k.choose_spec.kid g own).2]
    refine k.own gh (.lent _ may hm hc) fun x hx => ?_
    cases List.mem_cons.mp hx with
    | inl e => exact e ▸ may
    | inr h => exact k.choose_spec.givers held gh x h
  · exact k

theorem Alike.spawn (k : Alike G m m') (o : Closed G) {a : Id} (g : G a = true)
    (stamped : ∀ args, ∀ h ∈ (Value.mapHandlesList (give (m.run a).handles) [] args).1, m.Stamped h) (w : Waiting) :
    Alike G (m.spawn a w) (m'.spawn a w) := by
  have k' := k
  obtain ⟨φ, k⟩ := k
  unfold M.spawn
  split
  · next agent args value _ =>
    rw [k.program]
    split
    · exact k'.reply g _ _
    · split
      · exact k'.reply g _ _
      · next request _ =>
        have st := stamped args
        have known : ∀ h ∈ (Value.mapHandlesList (give (m.run a).handles) [] args).1, Known G h :=
          Value.mapHandlesList_mem (P := fun l => ∀ h ∈ l, Known G h) (fun t h ht => known_renumber (k.tables a g) ht h) args []
            fun _ h => absurd h List.not_mem_nil
        have gn : G (.made a (m.run a).made) = true := o.made a _ g
        simp only [k.handles g, k.made g, k.files g, k.grant g]
        generalize Value.mapHandlesList (give (m.run a).handles) [] args = given at st known
        have born : Alike G (m.put
            { id := .made a (m.run a).made, owner := some a, givers := [], agent, args := given.2, code := bodyOf agent given.2,
              files := (m.run a).files, base := (m.run a).files,
              grant := (m.run a).grant ++ [{ origin := .made a (m.run a).made, clauses := request }], handles := given.1, trace := [],
              inbox := [], made := 0 })
            (m'.put
            { id := .made a (m.run a).made, owner := some a, givers := [], agent, args := given.2, code := bodyOf agent given.2,
              files := (m.run a).files, base := (m.run a).files,
              grant := (m.run a).grant ++ [{ origin := .made a (m.run a).made, clauses := request }], handles := given.1, trace := [],
              inbox := [], made := 0 }) := by
          refine ⟨φ, k.put ⟨rfl, gn, ⟨rfl, .same _, rfl⟩, .inl ⟨rfl, rfl⟩, fun x h => ?_, fun x h => ?_,
            fun x h => absurd h List.not_mem_nil, known, fun x h => absurd h List.not_mem_nil⟩ fun x h => absurd h List.not_mem_nil⟩
          · exact Option.some.inj h ▸ .made a _
          · exact Option.some.inj h ▸ .made a _
        have lent := born.foldl (l := given.1) (f := M.lend a (.made a (m.run a).made)) (f' := M.lend a (.made a (m.run a).made))
          fun n n' x hx kn => kn.lend g (fun j e => by have := st x hx; rw [e] at this; exact this)
            fun j y e => by have := st x hx; rw [e] at this; exact this
        rw [lent.choose_spec.program]
        exact (lent.recordCode gn _ (.same _)).answerRun g _ gn
  · exact k'.wrong g _

end M

end Shepherd
