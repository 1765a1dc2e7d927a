import Shepherd.Laws.Support.GrowsOperations

/-!
# Everything the machine does is made of elementary changes

For `step`, `answer`, `worldAsks`, `forkRoot` and `Next`; operations on runs stand in `GrowsOperations`.
-/

namespace Shepherd

namespace M

variable {B : Prop}

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
  · next c t last ht hl =>
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
