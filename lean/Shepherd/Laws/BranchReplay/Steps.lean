import Shepherd.Laws.BranchReplay.Outcomes

/-!
# Every run is what its recorded events make of it: operations on runs that make none, and steps
-/

namespace Shepherd

namespace M

variable {B : Prop} {X : Id → Prop}

/-- The active run waits for an operation of the machine. -/
def Open (X : Id → Prop) (m : M) (id : Id) (w : Waiting) : Prop :=
  m.has id = true ∧ (¬ X id → (m.run id).code.settle = .waiting w)

namespace Retold

variable {m : M}

theorem replyOpen (k : Retold X m) {id : Id} {w : Waiting} (o : Open X m id w) (answer : Value) (change : Change)
    (keep : w.op ≠ "inbox.take" ∨ ∀ v, answer ≠ .ok (.some v)) : Retold X (m.reply id w answer change) :=
  k.reply o.1 o.2 answer change keep

theorem ownerAnswers (w : Wf m B) (a : Apart m) (k : Retold X m) {asker : Id} {wt : Waiting} (o : Open X m asker wt)
    (nt : wt.op ≠ "inbox.take") (v answer : Value) : Retold X (m.ownerAnswers asker wt v answer) := by
  unfold M.ownerAnswers
  split
  · exact k.replyOpen o _ _ (.inl nt)
  · next id q ha =>
    split
    · exact k.replyOpen o _ _ (.inl nt)
    · have sh := of_atIntent ha
      have e := plain_deliver w id (has_of_shown w.codes sh.2).1 answer [] .owner
      refine (k.deliver w sh.2 (a.shown id q sh.2) answer [] .owner (.inl nofun)).reply (e.has w o.1) (fun x => ?_) _ _ (.inl nt)
      rw [run_deliver_ne answer [] .owner (a.chain asker id q sh.1 sh.2)]
      exact o.2 x

theorem takeBack (w : Wf m B) (a : Apart m) (k : Retold X m) {asker id : Id} {wt : Waiting} (o : Open X m asker wt)
    (nt : wt.op ≠ "inbox.take") (own : m.owns asker id = true) (to : Option Nat) : Retold X (m.takeBack asker wt id to) := by
  unfold M.takeBack
  split
  · exact k.replyOpen o _ _ (.inl nt)
  · next hb => exact k.begin w a own o.1 (fun x => by rw [o.2 x]; exact .refl _) hb

theorem traceOp (k : Retold X m) {asker : Id} {wt : Waiting} (o : Open X m asker wt) (nt : wt.op ≠ "inbox.take") :
    Retold X (m.traceOp asker wt) := by
  unfold M.traceOp M.wrong
  split
  · split
    · exact k.replyOpen o _ _ (.inl nt)
    · simp only
      split
      · exact k.replyOpen o _ _ (.inl nt)
      · refine (k.setHandles o.1 _).reply ?_ (fun x => ?_) _ _ (.inl nt)
        · rw [has_setHandles, o.1, Bool.or_true]
        · rw [run_setHandles_same]; exact o.2 x
  · exact k.replyOpen o _ _ (.inl nt)

theorem inject (k : Retold X m) {asker : Id} {wt : Waiting} (o : Open X m asker wt) (nt : wt.op ≠ "inbox.take") :
    Retold X (m.inject asker wt) := by
  unfold M.inject M.wrong
  split
  · split
    · exact k.replyOpen o _ _ (.inl nt)
    · next id ho =>
      split
      · exact k.replyOpen o _ _ (.inl nt)
      · split
        · exact k.replyOpen o _ _ (.inl nt)
        · have i := has_of_owned ho
          refine (k.record i _ _ fun x => (k.now id x i).injected _ _).reply ?_ (fun x => ?_) _ _ (.inl nt)
          · rw [has_record, o.1, Bool.or_true]
          · by_cases e : id = asker
            · subst e; rw [run_record_same]; exact o.2 x
            · rw [run_record_ne _ _ _ e]; exact o.2 x
  · exact k.replyOpen o _ _ (.inl nt)

theorem take (k : Retold X m) {asker : Id} {wt : Waiting} (o : Open X m asker wt) (t : wt.op = "inbox.take") :
    Retold X (m.take asker wt) := by
  unfold M.take
  split
  · exact k.replyOpen o _ _ (.inr (ok_ne fun v => by intro h; have := (Value.con.inj h).1; revert this; decide))
  · next v inbox hi =>
    refine k.record o.1 _ _ fun x => ?_
    have := (k.now asker x o.1).outcome (.ok (.some v)) [] .machine (Code.settle (resume (.ok (.some v)) wt.stack)).refused
      (w := wt) (o.2 x)
    have e : (m.run asker).alone.inbox = v :: inbox := hi
    rw [e, Waiting.leaves, if_pos ⟨t, rfl, rfl⟩, Files.apply_nil] at this
    exact this

theorem merge (k : Retold X m) {asker : Id} {wt : Waiting} (o : Open X m asker wt) (nt : wt.op ≠ "inbox.take") :
    Retold X (m.merge asker wt) := by
  unfold M.merge
  split
  · split
    · exact k.replyOpen o _ _ (.inl nt)
    · simp only
      split
      · exact k.replyOpen o _ _ (.inl nt)
      · split
        · exact k.replyOpen o _ _ (.inl nt)
        · exact k.replyOpen o _ _ (.inl nt)
  · exact k.replyOpen o _ _ (.inl nt)

/-- Every operation of the machine but those that make runs. -/
theorem perform {n : M} (w : Wf m B) (a : Apart m) (k : Retold X m) {asker : Id} {wt : Waiting} (o : Open X m asker wt)
    (spawn : wt.op = "run.spawn" → Retold X (m.spawn asker wt)) (fork : wt.op = "run.fork" → Retold X (m.fork asker wt)) (p : m.perform asker wt = some n) :
    Retold X n := by
  have nt : ∀ {op : String}, op ≠ "inbox.take" → wt.op = op → wt.op ≠ "inbox.take" := fun h e => by rw [e]; exact h
  unfold M.perform at p
  split at p
  · next e => cases p; exact k.take o e
  · next e =>
    cases p
    unfold M.answerOp M.wrong
    split
    · exact k.ownerAnswers w a o (nt (by decide) e) _ _
    · exact k.replyOpen o _ _ (.inl (nt (by decide) e))
  · next e =>
    cases p
    unfold M.denyOp M.wrong
    split
    · exact k.ownerAnswers w a o (nt (by decide) e) _ _
    · exact k.replyOpen o _ _ (.inl (nt (by decide) e))
  · next e =>
    have nt := nt (by decide) e
    cases p
    unfold M.discardOp M.wrong
    split
    · split
      · exact k.replyOpen o _ _ (.inl nt)
      · next ho =>
        split
        · exact k.replyOpen o _ _ (.inl nt)
        · exact k.takeBack w a o nt (owns_of_owned ho) _
    · exact k.replyOpen o _ _ (.inl nt)
  · next e => cases p; exact fork e
  · next e => cases p; exact k.inject o (nt (by decide) e)
  · next e => cases p; exact k.merge o (nt (by decide) e)
  · next e =>
    have nt := nt (by decide) e
    cases p
    unfold M.next
    split
    · split
      · exact k.replyOpen o _ _ (.inl nt)
      · exact (k.setCode o.1 _ fun x => by rw [o.2 x]; exact .refl _).stack _
    · exact k.replyOpen o _ _ (.inl nt)
  · next e =>
    have nt := nt (by decide) e
    cases p
    unfold M.pass
    split
    · split
      · exact k.replyOpen o _ _ (.inl nt)
      · exact k.setCode o.1 _ fun x => by rw [o.2 x]; exact .refl _
    · exact k.replyOpen o _ _ (.inl nt)
  · next e =>
    have nt := nt (by decide) e
    unfold M.pick at p
    split at p
    · split at p
      · cases p; exact k.replyOpen o _ _ (.inl nt)
      · cases p
    · cases p; exact k.replyOpen o _ _ (.inl nt)
  · next e =>
    have nt := nt (by decide) e
    cases p
    unfold M.revert M.wrong
    split
    · split
      · exact k.replyOpen o _ _ (.inl nt)
      · next ho =>
        split
        · exact k.takeBack w a o nt (owns_of_owned ho) _
        · exact k.replyOpen o _ _ (.inl nt)
    · exact k.replyOpen o _ _ (.inl nt)
  · next e => cases p; exact spawn e
  · next e => cases p; exact k.traceOp o (nt (by decide) e)
  · cases p; exact k.replyOpen o _ _ (.inr (err_ne _ _))

/-! ## Steps -/

theorem giveBack (w : Wf m B) (k : Retold X m) (id : Id) : Retold X (m.giveBack id) := by
  unfold M.giveBack
  refine (foldl_keeps (P := fun n => Retold X n ∧ Plain m n B) ⟨k, .refl⟩ fun n x hx ⟨k, e⟩ => ?_).1
  split
  · exact ⟨k.own (e.has w (has_of_mem_kids hx)) _ _,
      e.trans (plain_own (e.has w (has_of_mem_kids hx)) (ne_world_of_mem_kids w.owner hx) _ _)⟩
  · exact ⟨k, e⟩

theorem finish (w : Wf m B) (a : Apart m) (k : Retold X m) {id : Id} (i : m.has id = true) {again : Comp} {kind : EndKind} {v : Value}
    {code : Settled} (hw : id = .world → B) (ho : ¬ X id → Goes m.program (m.run id).code.settle (.running again [] [] 0))
    (he : ¬ X id → Rerun m.program (m.run id).agent (m.run id).args (m.run id).base
      (⟨.ended kind v, code.refused⟩ :: (m.run id).trace.fixed) { (m.run id).alone with code }) :
    Retold X (m.finish id again kind v code) := by
  unfold M.finish
  split
  · next h => exact k.discardMade w a i ho h
  · have e : Plain m (m.recordCode id (.ended kind v) (.settled code)) B :=
      plain_recordCode i _ trivial (fun e => .inl (hw e)) (inward_ended _ _ _)
    exact (k.recordCode i _ _ he).giveBack (e.wf w) id

theorem localMove (w : Wf m B) (a : Apart m) (k : Retold X m) {id : Id} (ne : id ≠ .world) {c : Comp} {ρ : Env} {K : Stack} {n : Nat}
    (hc : (m.run id).code = .settled (.running c ρ K n)) : Retold X (m.localMove id c ρ K n) := by
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  have hs : (m.run id).alone.code = .running c ρ K n := by unfold Run.alone; rw [hc]; rfl
  have hs' : (m.run id).code.settle = .running c ρ K n := hs
  have fault : ∀ f, m.program.goesOn c ρ K n = .faults f → Retold X (m.fault id f) := fun f hf =>
    k.finish w a i (fun e => absurd e ne) (fun _ => by rw [hs']; exact .faults hf (.refl _))
      fun x => (k.now id x i).failed _ hs hf
  unfold M.localMove
  split
  · next l => exact fault _ (if_pos l)
  · next l =>
    have go : m.program.goesOn c ρ K n = localStep m.program c ρ K := if_neg l
    split
    · next h =>
      exact k.setCode i _ fun _ => by rw [hs']; exact .step (go.trans h) (.refl _)
    · next v h =>
      exact k.finish w a i (fun e => absurd e ne) (fun _ => by rw [hs']; exact .ends (go.trans h) (.refl _))
        fun x => (k.now id x i).done _ hs (go.trans h)
    · next f h => exact fault f (go.trans h)
    · next op args K' h =>
      unfold M.ask
      simp only
      split
      · refine (k.used (charge m.used (m.run id).grant op args)).recordCode i (.intent op args)
          (.settled (.waiting { op, args, stack := K' })) fun x => ?_
        exact (k.now id x i).intent _ hs (go.trans h)
      · exact k.recordCode i _ _ fun x => (k.now id x i).denied _ hs (go.trans h)

end Retold

end M

end Shepherd
