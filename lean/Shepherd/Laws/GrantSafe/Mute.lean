import Shepherd.Laws.Support.LastInside

/-!
# What asks for nothing

Everything the machine does but `ask` and `fork` records no intent of a run, and leaves the counts of limited clauses.
-/

namespace Shepherd

/-- No intent, or one of the outermost owner, which has no grant. -/
def Commit.Mute (c : Commit) : Prop := c.run = .world ∨ ∀ op args, c.event ≠ .intent op args

namespace M

/-- Runs stay, the counts are `used`, and what was recorded since has these counts, is no intent of a run, and names only runs
that are there. -/
structure MuteTo (m : M) (used : Used) (n : M) : Prop where
  has : ∀ id, m.has id = true → n.has id = true
  counts : n.used = used
  new : ∃ cs, n.log = cs ++ m.log ∧ ∀ c ∈ cs, c.Mute ∧ c.used = used ∧ ∀ h ∈ c.heads, n.has h.id = true

/-- The same where the counts stay. -/
abbrev Mute (m n : M) : Prop := MuteTo m m.used n

theorem Mute.refl (m : M) : Mute m m := ⟨fun _ h => h, rfl, [], rfl, fun _ h => absurd h List.not_mem_nil⟩

theorem MuteTo.trans {u : Used} {m n p : M} (e : MuteTo m u n) (f : Mute n p) : MuteTo m u p := by
  obtain ⟨cs, hl, hm⟩ := e.new
  obtain ⟨ds, gl, gm⟩ := f.new
  refine ⟨fun id h => f.has id (e.has id h), f.counts.trans e.counts, ds ++ cs, by rw [gl, hl, List.append_assoc], fun c hc => ?_⟩
  cases List.mem_append.mp hc with
  | inl hc => exact ⟨(gm c hc).1, (gm c hc).2.1.trans e.counts, (gm c hc).2.2⟩
  | inr hc => exact ⟨(hm c hc).1, (hm c hc).2.1, fun h hh => f.has _ ((hm c hc).2.2 h hh)⟩

theorem Mute.trans {m n p : M} (e : Mute m n) (f : Mute n p) : Mute m p := MuteTo.trans e f

/-- A change that records nothing. -/
theorem Mute.same {m n : M} (has : ∀ id, m.has id = true → n.has id = true) (used : n.used = m.used) (log : n.log = m.log) :
    Mute m n := ⟨has, used, [], log, fun _ h => absurd h List.not_mem_nil⟩

theorem mute_put (m : M) (r : Run) : Mute m (m.put r) := .same (fun _ => Runs.has_put_of_has r) rfl rfl
theorem mute_setCode (m : M) (id : Id) (code : Code) : Mute m (m.setCode id code) := mute_put m _
theorem mute_setHandles (m : M) (id : Id) (handles : List Id) : Mute m (m.setHandles id handles) := mute_put m _
theorem mute_own (m : M) (id owner : Id) (givers : List Id) : Mute m (m.own id owner givers) := mute_put m _
theorem mute_stack (m : M) (stack : List Id) : Mute m { m with stack } := .same (fun _ h => h) rfl rfl
theorem mute_written (m : M) (written : List (String × String)) : Mute m { m with written } := .same (fun _ h => h) rfl rfl

theorem mute_record (m : M) (id : Id) (event : Event) (s : State) (h : (m.commitOf id event s).Mute) :
    Mute m (m.record id event s) := by
  have has : ∀ j, m.has j = true → (m.record id event s).has j = true := fun j i => by rw [has_record, i, Bool.or_true]
  refine ⟨has, rfl, [m.commitOf id event s], rfl, fun c hc => ?_⟩
  rw [List.mem_singleton.mp hc]
  refine ⟨h, rfl, fun x hx => has _ ?_⟩
  obtain ⟨j, hj, rfl⟩ := List.mem_map.mp hx
  refine Runs.has_of_mem_under ?_ hj
  intro k hk
  split at hk
  · exact Runs.has_of_mem_kids (List.mem_filter.mp hk).1
  · exact Runs.has_of_mem_kids (List.mem_filter.mp hk).1
  · exact Runs.has_of_mem_kids hk

theorem mute_recordCode (m : M) (id : Id) (event : Event) (code : Code) (h : ∀ op args, event ≠ .intent op args) :
    Mute m (m.recordCode id event code) := mute_record m id event _ (.inr h)

theorem mute_reply (m : M) (id : Id) (w : Waiting) (answer : Value) (change : Change := []) :
    Mute m (m.reply id w answer change) := mute_record m id _ _ (.inr fun _ _ => nofun)

theorem mute_foldl {α : Type} {f : M → α → M} (h : ∀ n x, Mute n (f n x)) (l : List α) (m : M) : Mute m (l.foldl f m) := by
  induction l generalizing m with
  | nil => exact .refl m
  | cons x l ih => exact (h m x).trans (ih (f m x))

/-! ## Outcomes, and taking back -/

theorem mute_answerAsked (m : M) (id : Id) (answer : Value) (change : Change) (by' : By) :
    Mute m (m.answerAsked id answer change by') := mute_record m id _ _ (.inr fun _ _ => nofun)

theorem mute_relay (m : M) (id : Id) (answer : Value) (by' : By) : Mute m (m.relay id answer by') := by
  unfold relay
  split
  · exact mute_recordCode _ _ _ _ fun _ _ => nofun
  · exact mute_setCode _ _ _
  · exact .refl m

theorem mute_deliver (m : M) (id : Id) (q : Question) (answer : Value) (change : Change) (by' : By) :
    Mute m (m.deliver id q answer change by') :=
  (mute_answerAsked m _ _ _ _).trans (mute_foldl (fun n x => mute_relay n x answer by') _ _)

theorem mute_stopValue (m : M) (owner id : Id) : Mute m (m.stopValue owner id).1 := by
  unfold stopValue
  repeat' split
  · exact mute_setHandles _ _ _
  · exact .refl m
  · exact .refl m
  · exact .refl m
  · exact mute_setHandles _ _ _

theorem mute_abandonOne (m : M) (id : Id) : Mute m (m.abandonOne id) := by
  unfold abandonOne
  simp only
  repeat' split
  · exact .refl m
  · exact mute_recordCode _ _ _ _ fun _ _ => nofun
  · exact mute_recordCode _ _ _ _ fun _ _ => nofun
  · exact .refl m

theorem mute_begin {m n : M} {asker id : Id} {origin : Settled} {to : Option Nat} (h : m.begin asker origin id to = .ok n) :
    Mute m n := by
  unfold begin at h
  split at h
  · cases h
  · cases h
    exact (mute_foldl mute_abandonOne _ _).trans (mute_setCode _ _ _)

theorem mute_discard (m : M) (id : Id) : Mute m (m.discard id) := by
  unfold discard
  split
  · exact .refl m
  · exact mute_recordCode _ _ _ _ fun _ _ => nofun

theorem mute_rewind (m : M) (id : Id) (c : Commit) (lower : Bool) : Mute m (m.rewind id c lower) :=
  mute_record m id _ _ (.inr fun _ _ => nofun)

theorem mute_restoreLower (hs : List Then) (m : M) (id : Id) : Mute m (restoreLower hs m id) := by
  unfold restoreLower
  split
  · exact mute_discard m id
  · split
    · exact .refl m
    · simp only
      split
      · exact mute_rewind _ _ _ _
      · split
        · exact mute_setCode _ _ _
        · exact .refl m

theorem mute_restore (m : M) (id : Id) (to : Option Nat) : Mute m (m.restore id to) := by
  unfold restore
  split
  · exact mute_foldl mute_discard _ _
  · split
    · exact .refl m
    · exact ((mute_foldl (fun n h => mute_own n _ _ _) _ _).trans (mute_foldl (mute_restoreLower _) _ _)).trans
        (mute_rewind _ _ _ _)

theorem mute_undoStep {m n : M} {id : Id} {u : Undoing} {origin : Settled} (h : m.undoStep id u origin = some n) : Mute m n := by
  unfold undoStep at h
  split at h
  · cases h
  · split at h
    · cases h
      exact (mute_recordCode _ _ _ _ (by exact fun _ _ => nofun)).trans (mute_setCode _ _ _)
    · simp only at h
      split at h
      · cases h; exact (mute_restore _ _ _).trans (mute_reply _ _ _ _)
      · cases h; exact (mute_restore _ _ _).trans (mute_setCode _ _ _)

theorem mute_discardMade {m n : M} {id : Id} {again : Comp} (h : m.discardMade id again = some n) : Mute m n := by
  unfold discardMade at h
  split at h
  · cases h
  · split at h
    · next hb => cases h; exact mute_begin hb
    · cases h

/-! ## Operations on runs -/

theorem mute_ownerAnswers (m : M) (asker : Id) (w : Waiting) (v answer : Value) : Mute m (m.ownerAnswers asker w v answer) := by
  unfold ownerAnswers
  split
  · exact mute_reply _ _ _ _
  · split
    · exact mute_reply _ _ _ _
    · exact (mute_deliver _ _ _ _ _ _).trans (mute_reply _ _ _ _)

theorem mute_inject (m : M) (asker : Id) (w : Waiting) : Mute m (m.inject asker w) := by
  unfold inject
  repeat' split
  · exact mute_reply _ _ _ _
  · exact mute_reply _ _ _ _
  · exact mute_reply _ _ _ _
  · exact (mute_record _ _ _ _ (.inr (by exact fun _ _ => nofun))).trans (mute_reply _ _ _ _)
  · exact mute_reply _ _ _ _

theorem mute_takeBack (m : M) (asker : Id) (w : Waiting) (id : Id) (to : Option Nat) : Mute m (m.takeBack asker w id to) := by
  unfold takeBack
  split
  · exact mute_reply _ _ _ _
  · next hb => exact mute_begin hb

theorem mute_answerRun (m : M) (asker : Id) (w : Waiting) (id : Id) : Mute m (m.answerRun asker w id) :=
  (mute_put m _).trans (mute_reply _ _ _ _)

theorem mute_lend (asker id : Id) (m : M) (held : Id) : Mute m (lend asker id m held) := by
  unfold lend
  split
  · exact mute_own _ _ _ _
  · exact .refl m

theorem mute_spawn (m : M) (asker : Id) (w : Waiting) : Mute m (m.spawn asker w) := by
  unfold spawn
  repeat' split
  · exact mute_reply _ _ _ _
  · exact mute_reply _ _ _ _
  · simp only
    exact (((mute_put m _).trans (mute_foldl (mute_lend _ _) _ _)).trans
      (mute_recordCode _ _ _ _ (by exact fun _ _ => nofun))).trans (mute_answerRun _ _ _ _)
  · exact mute_reply _ _ _ _

theorem mute_perform {m n : M} {asker : Id} {w : Waiting} (h : m.perform asker w = some n) :
    Mute m n ∨ (w.op = "run.fork" ∧ n = m.fork asker w) := by
  unfold perform at h
  split at h
  · cases h; left; unfold take; split
    · exact mute_reply _ _ _ _
    · exact mute_record _ _ _ _ (.inr fun _ _ => nofun)
  · cases h; left; unfold answerOp; split
    · exact mute_ownerAnswers _ _ _ _ _
    · exact mute_reply _ _ _ _
  · cases h; left; unfold denyOp; split
    · exact mute_ownerAnswers _ _ _ _ _
    · exact mute_reply _ _ _ _
  · cases h; left; unfold discardOp
    repeat' split
    · exact mute_reply _ _ _ _
    · exact mute_reply _ _ _ _
    · exact mute_takeBack _ _ _ _ _
    · exact mute_reply _ _ _ _
  · next e => cases h; exact .inr ⟨e, rfl⟩
  · cases h; exact .inl (mute_inject _ _ _)
  · cases h; left; unfold merge
    simp only
    repeat' split
    all_goals exact mute_reply _ _ _ _ _
  · cases h; left; unfold next
    repeat' split
    · exact mute_reply _ _ _ _
    · exact (mute_setCode _ _ _).trans (mute_stack _ _)
    · exact mute_reply _ _ _ _
  · cases h; left; unfold pass
    repeat' split
    · exact mute_reply _ _ _ _
    · exact mute_setCode _ _ _
    · exact mute_reply _ _ _ _
  · left; unfold pick at h
    split at h
    · split at h
      · cases h; exact mute_reply _ _ _ _
      · cases h
    · cases h; exact mute_reply _ _ _ _
  · cases h; left; unfold revert
    repeat' split
    · exact mute_reply _ _ _ _
    · exact mute_takeBack _ _ _ _ _
    · exact mute_reply _ _ _ _
    · exact mute_reply _ _ _ _
  · cases h; exact .inl (mute_spawn _ _ _)
  · cases h; left; unfold traceOp
    simp only
    repeat' split
    · exact mute_reply _ _ _ _
    · exact mute_reply _ _ _ _
    · exact (mute_setHandles _ _ _).trans (mute_reply _ _ _ _)
    · exact mute_reply _ _ _ _
  · cases h; exact .inl (mute_reply _ _ _ _)

/-! ## Steps -/

theorem mute_giveBack (m : M) (id : Id) : Mute m (m.giveBack id) :=
  mute_foldl (fun n k => by
    split
    · exact mute_own _ _ _ _
    · exact .refl n) _ _

theorem mute_finish (m : M) (id : Id) (again : Comp) (kind : EndKind) (v : Value) (code : Settled) :
    Mute m (m.finish id again kind v code) := by
  unfold finish
  split
  · next h => exact mute_discardMade h
  · exact (mute_recordCode _ _ _ _ (by exact fun _ _ => nofun)).trans (mute_giveBack _ _)

/-- A run asks for what its grant allows. -/
def MayAsk (m n : M) : Prop := ∃ id op args K, (m.run id).code ≠ .settled .discarded ∧ allowed m.used (m.run id).grant op args = true ∧
  n = { m with used := charge m.used (m.run id).grant op args }.recordCode id (.intent op args)
    (.settled (.waiting { op, args, stack := K }))

theorem mute_localMove (m : M) {id : Id} (hd : (m.run id).code ≠ .settled .discarded) (c : Comp) (ρ : Env) (K : Stack) (k : Nat) :
    Mute m (m.localMove id c ρ K k) ∨ MayAsk m (m.localMove id c ρ K k) := by
  unfold localMove
  split
  · exact .inl (mute_finish _ _ _ _ _ _)
  · split
    · exact .inl (mute_setCode _ _ _)
    · exact .inl (mute_finish _ _ _ _ _ _)
    · exact .inl (mute_finish _ _ _ _ _ _)
    · next op args K' _ =>
      unfold ask
      simp only
      split
      · next ha => exact .inr ⟨id, op, args, K', hd, ha, rfl⟩
      · exact .inl (mute_recordCode _ _ _ _ (by exact fun _ _ => nofun))

theorem mute_atStop {m n : M} {id : Id} {rest : List Id} (h : m.atStop id rest = some n) : Mute m n := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Mute m n := fun h => by
    split at h
    · split at h
      · cases h
        unfold answerFile
        simp only
        split
        · exact (mute_written m _).trans (mute_deliver _ _ _ _ _ _)
        · exact mute_deliver _ _ _ _ _ _
      · cases h
    · cases h
  unfold atStop at h
  split at h
  · split at h
    · cases h
      unfold toOwner
      split
      · exact ((mute_stack m _).trans (mute_stopValue _ _ _)).trans (mute_reply _ _ _ _)
      · exact .refl m
    · exact file h
  · exact file h

theorem mute_step {m n : M} (h : m.step = some n) :
    Mute m n ∨ MayAsk m n ∨ ∃ asker w, (m.run asker).code = .settled (.waiting w) ∧ n = m.fork asker w := by
  unfold step at h
  split at h
  · cases h
  · split at h
    · next hc => cases h; exact (mute_localMove m (by rw [hc]; exact nofun) _ _ _ _).imp_right .inl
    · next hc =>
      split at h
      · exact (mute_perform h).imp_right fun e => .inr ⟨_, _, hc, e.2⟩
      · exact .inl (mute_atStop h)
    · split at h
      · next hu =>
        cases h
        left
        refine (mute_undoStep hu).trans ?_
        unfold afterWorld driveRoot
        repeat' split
        · exact .refl _
        · exact (mute_setCode _ _ _).trans (mute_stack _ _)
        · exact .refl _
      · exact .inl (mute_atStop h)
    · exact .inl (mute_atStop h)

/-! ## From outside -/

theorem mute_answer {m n : M} {answer : Value} {change : Change} (h : m.answer answer change = some n) : Mute m n := by
  have deliver : ∀ {id : Id} {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Mute m n := by
    intro id n h
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
    exact mute_deliver _ _ _ _ _ _
  unfold M.answer at h
  split at h
  · split at h
    · cases h
    · split at h
      · split at h
        · cases h; exact mute_recordCode _ _ _ _ fun _ _ => nofun
        · exact deliver h
      · exact deliver h
  · cases h

theorem mute_worldAsks {m n : M} {op : String} {args : List Value} (h : m.worldAsks op args = some n) : Mute m n := by
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
        have k : Mute m after := by
          refine ((mute_stack m [.world]).trans (mute_record _ .world (.intent op args) _ (.inl rfl))).trans
            ((mute_perform hp).resolve_right fun e => ?_)
          simp only [isWorldOp, Bool.not_eq_true', Bool.not_eq_false, Bool.or_eq_true, beq_iff_eq] at hop
          have e : op = "run.fork" := e.1
          rw [e] at hop
          exact absurd hop (by decide)
        split at h
        · cases h; exact (k.trans (mute_setCode _ _ _)).trans (mute_stack _ _)
        · split at h
          · cases h; exact (k.trans (mute_setCode _ _ _)).trans (mute_stack _ _)
          · cases h; exact k

end M

end Shepherd
