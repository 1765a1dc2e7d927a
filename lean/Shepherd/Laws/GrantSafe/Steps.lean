import Shepherd.Laws.GrantSafe.Forks

/-!
# The counts through everything that can happen
-/

namespace Shepherd

theorem Id.CopyOf.sizeOf_le {y x : Id} (h : Id.CopyOf y x) : sizeOf y ≤ sizeOf x := by
  induction h with
  | self => exact Nat.le_refl _
  | copy f _ ih => simp only [Id.copy.sizeOf_spec]; omega

namespace M

variable {before : Id → Nat → Nat}

/-- The runs that a step makes, if it makes no fork, are spawned. -/
def OnlyMade (m n : M) : Prop := ∀ f x, n.has (.copy f x) = true → m.has (.copy f x) = true

theorem Plain.onlyMade {B : Prop} {m n : M} (w : Wf m B) (e : Plain m n B) : OnlyMade m n := fun _ _ h => e.old w h

theorem onlyMade_spawn {m : M} (w : Wf m True) {asker : Id} (i : m.has asker = true) (wt : Waiting) :
    OnlyMade m (m.spawn asker wt) := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  have fin : ∀ X : M, OnlyMade m X ∧ X.has asker = true → ∀ ev code,
      OnlyMade m ((X.recordCode (.made asker (m.run asker).made) ev code).answerRun asker wt (.made asker (m.run asker).made)) := by
    intro X h ev code f x hx
    unfold M.answerRun at hx
    simp only [reply_eq] at hx
    rw [has_record, Bool.or_eq_true, beq_iff_eq] at hx
    rcases hx with hx | hx
    · exact h.1 f x (hx ▸ h.2)
    · rw [M.has_put, recordCode_eq, Bool.or_eq_true, beq_iff_eq] at hx
      rcases hx with hx | hx
      · simp only [run_id] at hx
        exact h.1 f x (hx ▸ h.2)
      · rw [has_record, Bool.or_eq_true, beq_iff_eq] at hx
        exact h.1 f x (hx.resolve_left nofun)
  unfold spawn
  split
  · split
    · exact (plain_reply ia _ _).onlyMade w
    · split
      · exact (plain_reply ia _ _).onlyMade w
      · simp only
        refine fin _ (foldl_keeps (P := fun X : M => OnlyMade m X ∧ X.has asker = true) ⟨fun f x h => ?_, ?_⟩
          fun n x _ e => ?_) _ _
        · rw [M.has_put, Bool.or_eq_true, beq_iff_eq] at h
          exact h.resolve_left nofun
        · rw [M.has_put, i, Bool.or_true]
        · unfold M.lend
          split
          · next ho =>
            refine ⟨fun f y h => ?_, by rw [has_own, e.2, Bool.or_true]⟩
            rw [has_own, Bool.or_eq_true, beq_iff_eq] at h
            rcases h with h | h
            · exact e.1 f y (h ▸ has_of_owns ho)
            · exact e.1 f y h
          · exact e
  · exact (plain_wrong ia _).onlyMade w

theorem onlyMade_perform {m n : M} (w : Wf m True) {asker : Id} (i : m.has asker = true) {wt : Waiting}
    (p : m.perform asker wt = some n) : OnlyMade m n ∨ n = m.fork asker wt := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  unfold perform at p
  split at p
  · cases p; exact .inl ((plain_take ia wt).onlyMade w)
  · cases p; exact .inl ((plain_answerOp w ia wt).onlyMade w)
  · cases p; exact .inl ((plain_denyOp w ia wt).onlyMade w)
  · cases p; exact .inl ((plain_discardOp w ia wt).onlyMade w)
  · cases p; exact .inr rfl
  · cases p; exact .inl ((plain_inject w ia wt).onlyMade w)
  · cases p; exact .inl ((plain_merge ia wt).onlyMade w)
  · cases p; exact .inl ((plain_next ia wt).onlyMade w)
  · cases p; exact .inl ((plain_pass w ia wt).onlyMade w)
  · exact .inl ((plain_pick ia p).onlyMade w)
  · cases p; exact .inl ((plain_revert w ia wt).onlyMade w)
  · cases p; exact .inl (onlyMade_spawn w i wt)
  · cases p; exact .inl ((plain_traceOp w ia wt).onlyMade w)
  · cases p; exact .inl ((plain_reply ia wt _).onlyMade w)

/-- The counts after the machine answered an operation. -/
theorem Tally.perform {m n : M} (w : Wf m True) (h : Named m) (t : Tally m before) {asker : Id} (i : m.has asker = true)
    {wt : Waiting} (p : m.perform asker wt = some n) : ∃ before', Tally n before' := by
  rcases onlyMade_perform w i p with o | rfl
  · rcases mute_perform p with q | ⟨_, rfl⟩
    · have g := grows_perform w ⟨i, fun _ => trivial⟩ p
      exact t.mute q (narrow_perform w h i p) w.world (g.wf w).log_recorders (g.extends w) (newborn_perform w i p) o
    · exact t.fork w h i wt
  · exact t.fork w h i wt

/-- Changes that make no run. -/
theorem Tally.plain {B : Prop} {m n : M} (w : Wf m B) (h : Named m) (t : Tally m before) (e : Plain m n B) (q : Mute m n) :
    ∃ before', Tally n before' :=
  t.mute q (e.narrow h) w.world (e.wf w).log_recorders (e.extends w) (e.newborn w) (e.onlyMade w)

theorem Tally.step {m n : M} (w : Wf m) (h : Named m) (t : Tally m before) (s : m.step = some n) : ∃ before', Tally n before' := by
  rcases mute_step s with q | q | ⟨asker, wt, hc, rfl⟩
  · have calm := w.calm.resolve_left id
    unfold M.step at s
    split at s
    · cases s
    · next id rest _ =>
      have ne : (m.run id).code ≠ (m.run .world).code → id ≠ .world := fun h e => h (e ▸ rfl)
      split at s
      · next hc =>
        cases s
        refine t.plain w h (plain_localMove w (has_of_code (by rw [hc]; exact nofun)) (ne fun e => ?_) _ _ _ _) q
        rw [← e, hc] at calm; exact calm
      · next hc =>
        split at s
        · exact t.perform w.weaken h (has_of_code (by rw [hc]; exact nofun)) s
        · exact t.plain w h (plain_atStop w s) q
      · next hc =>
        split at s
        · next hu =>
          cases s
          have wt : Wf m True := w.weaken
          have e := plain_undoStep wt (fun _ => trivial) hc hu
          exact t.plain wt h (e.trans (plain_afterWorld (e.has wt wt.world) id)) q
        · exact t.plain w h (plain_atStop w s) q
      · exact t.plain w h (plain_atStop w s) q
  · exact ⟨before, t.asks q⟩
  · exact t.fork w.weaken h (has_of_code (by rw [hc]; exact nofun)) wt

theorem Tally.worldAsks {m n : M} (w : Wf m) (g : Granted m) (t : Tally m before) {op : String} {args : List Value}
    (h : m.worldAsks op args = some n) : ∃ before', Tally n before' := by
  have q := mute_worldAsks h
  have f := (follows_worldAsks w h).1
  have s := stable_worldAsks w g h
  unfold M.worldAsks at h
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
        have n₁ : Narrow m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          ((Narrow.refl g.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            w.world _ _
        have w₁ := k.wf w fun _ h => h.elim
        have t₁ : ∃ b, Tally ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) b :=
          t.mute ((mute_stack m [.world]).trans (mute_record _ .world (.intent op args) _ (.inl rfl))) n₁ w.world
            w₁.log_recorders k.ext (fun j hj => .inl ((k.born j hj).resolve_right fun h => h))
            fun f x hx => (k.born _ hx).resolve_right fun h => h
        obtain ⟨b, t₁⟩ := t₁
        obtain ⟨b, t₂⟩ := t₁.perform w₁ (n₁.granted g).named k.world hp
        have g₂ := grows_perform w₁ ⟨k.world, fun _ => trivial⟩ hp
        have w₂ := g₂.wf w₁
        have named₂ := (narrow_perform w₁ (n₁.granted g).named k.world hp).named
        have back : ∀ stack, ∃ b, Tally { after.setCode .world (m.run .world).code with stack } b := by
          intro stack
          have e : Plain after { after.setCode .world (m.run .world).code with stack } True :=
            .stack stack (plain_setCode w₂.world _ ((w.codes _).extends (k.ext.trans (g₂.extends w₁)) w₂) fun _ => .inl trivial)
          exact t₂.plain w₂ named₂ e ((mute_setCode _ _ _).trans (mute_stack _ _))
        split at h
        · cases h; exact back _
        · split at h
          · cases h; exact back _
          · cases h; exact ⟨_, t₂⟩

theorem Tally.forkRoot {m n : M} (w : Wf m) (g : Granted m) (t : Tally m before) (h : m.forkRoot = some n) :
    ∃ before', Tally n before' := by
  have f := follows_forkRoot w h
  have s := stable_forkRoot g h
  have hq : Mute m n ∧ ∀ j, n.has j = true → m.has j = true := by
    obtain ⟨c, tr, ht, hl, rfl⟩ := forkRoot_last w (t.logged .root) h
    have e : c.used = m.used := t.last c hl
    have id_same : ∀ r, (m.asForked c r).id = r.id := fun r => by
      unfold asForked
      repeat' split
      · rfl
      · exact asOf_id _ _ _
      · exact asOf_id _ _ _
      · rfl
    have hhas : ∀ j, M.has { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } j = m.has j :=
      fun j => has_map id_same _ _
    have root : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
    refine ⟨Mute.trans (n := { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used })
      (.same (fun j hj => (hhas j).trans hj) e rfl)
      (mute_foldl (fun p x => mute_recordCode _ _ _ _ (by exact fun _ _ => nofun)) _ _), ?_⟩
    refine foldl_keeps (P := fun p => ∀ j, p.has j = true → m.has j = true) (fun j hj => (hhas j).symm.trans hj)
      fun p x hx hp j hj => ?_
    unfold markFork at hj
    rw [recordCode_eq, has_record, Bool.or_eq_true, beq_iff_eq] at hj
    rcases hj with hj | hj
    · rw [← hj, ← hhas]
      exact has_of_mem_family ((hhas _).trans root) hx
    · exact hp j hj
  obtain ⟨q, old⟩ := hq
  refine ⟨_, t.grow s.grants (q.counts.symm ▸ q) (fun _ _ _ => by rw [q.counts]) (fun o j hj => ?_) (fun c hl => ?_)
    f.1.log_recorders w.world f.2 (fun j hj => .inl (old j hj)) (fun j hj => ?_) (fun j hj i => by rw [old j i] at hj; cases hj)
    fun f' x l hx hl _ => ?_⟩
  · rw [q.counts]
    refine t.keys o j ?_
    cases h' : m.has o with
    | false => rfl
    | true => rw [q.has o h'] at hj; cases hj
  · obtain ⟨cs, hc, hm⟩ := q.new
    rw [q.counts]
    exact (lastInside_append hc hl).elim (fun h => (hm c h).2.1) (t.last c)
  · have : n.has j = false := by
      cases i : n.has j with
      | false => rfl
      | true => rw [old j i] at hj; cases hj
    rw [run_of_not_has this]
    exact ⟨List.nodup_nil, fun l hl => absurd hl List.not_mem_nil⟩
  · rw [old _ (has_of_mem_grant hl)] at hx; cases hx

/-- The counts of every tree are what its log tells. -/
theorem After.tally {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : ∃ before, Tally m before := by
  generalize hs : i.start = s at h
  induction h with
  | refl => rw [← hs]; exact ⟨_, i.tally⟩
  | step b s k =>
    obtain ⟨_, t⟩ := k
    exact t.step (b.follows (hs ▸ i.wf)).1 (b.stable (hs ▸ i.wf) (hs ▸ granted_start i)).granted.named s
  | answer b s k =>
    obtain ⟨_, t⟩ := k
    unfold outer at s
    split at s
    · cases s
    · exact t.plain (b.follows (hs ▸ i.wf)).1 (b.stable (hs ▸ i.wf) (hs ▸ granted_start i)).granted.named
        (plain_answer (b.follows (hs ▸ i.wf)).1 s) (mute_answer s)
  | world op args b s k =>
    obtain ⟨_, t⟩ := k
    exact t.worldAsks (b.follows (hs ▸ i.wf)).1 (b.stable (hs ▸ i.wf) (hs ▸ granted_start i)).granted s
  | fork b s k =>
    obtain ⟨_, t⟩ := k
    exact t.forkRoot (b.follows (hs ▸ i.wf)).1 (b.stable (hs ▸ i.wf) (hs ▸ granted_start i)).granted s

/-! ## Clauses that alone allow what they allow -/

/-- No other clause of the layer allows anything that its clause `n` allows. -/
def _root_.Shepherd.Layer.Alone (l : Layer) (n : Nat) : Prop := ∀ k k' n' op args, l.clauses[n]? = some k →
  l.clauses[n']? = some k' → k.allows op args = true → k'.allows op args = true → n' = n

theorem uses_one (m : M) (c : Commit) (o : Id) (k : Clause) : m.uses [c] o k = 0 ∨ (m.uses [c] o k = 1 ∧ ∃ op args,
    c.event = .intent op args ∧ (∃ l ∈ (m.run c.run).grant, l.origin = o) ∧ k.allows op args = true) := by
  unfold M.uses
  rw [List.countP_cons, List.countP_nil, Nat.zero_add]
  split
  · next op args he =>
    by_cases hp : ((m.run c.run).grant.any (fun l => l.origin == o) && k.allows op args) = true
    · refine .inr ⟨if_pos hp, op, args, he, ?_⟩
      rw [Bool.and_eq_true, List.any_eq_true] at hp
      obtain ⟨⟨l, hl, e⟩, ha⟩ := hp
      exact ⟨⟨l, hl, beq_iff_eq.mp e⟩, ha⟩
    · exact .inl (if_neg hp)
  · exact .inl (if_neg Bool.false_ne_true)

/-- Such a clause is never used more often than its limit says, along the whole log. -/
theorem Tally.alone {m : M} (t : Tally m before) : ∀ (o : Id) (r : Id) (l : Layer) (n : Nat) (k : Clause) (most : Nat),
    l.origin = o → l ∈ (m.run r).grant → l.clauses[n]? = some k → k.limit = some most → l.Alone n →
    before o n + m.uses m.log o k ≤ most := by
  suffices ∀ s o, sizeOf o ≤ s → ∀ (r : Id) (l : Layer) (n : Nat) (k : Clause) (most : Nat),
      l.origin = o → l ∈ (m.run r).grant → l.clauses[n]? = some k → k.limit = some most → l.Alone n →
      before o n + m.uses m.log o k ≤ most from fun o => this _ o (Nat.le_refl _)
  intro s
  induction s with
  | zero => intro o h; cases o <;> simp only [Id.world.sizeOf_spec, Id.root.sizeOf_spec, Id.made.sizeOf_spec, Id.copy.sizeOf_spec] at h <;> omega
  | succ s ih =>
    intro o ho r l n k most hlo hl hk hm alone
    have lim : k.limit.isSome = true := by rw [hm]; rfl
    have base : before o n ≤ most := by
      by_cases hcopy : ∃ f x, o = .copy f x
      · obtain ⟨f, x, rfl⟩ := hcopy
        have hl' := (t.origins r l hl).2
        rw [hlo] at hl'
        obtain ⟨c, log, y, hs, _, hc, _, hy, hb⟩ := t.copies f x l hl' hlo
        rw [hb n k hk lim]
        have le := hc.sizeOf_le
        have := ih y (by simp only [Id.copy.sizeOf_spec] at ho; omega) y { l with origin := y } n k most rfl hy hk hm alone
        have := m.uses_suffix hs y k
        omega
      · rw [t.zero o n fun f x e => hcopy ⟨f, x, e⟩]; exact Nat.zero_le _
    suffices ∀ log, log <:+ m.log → before o n + m.uses log o k ≤ most from this _ (List.suffix_refl _)
    intro log
    induction log with
    | nil => exact fun _ => base
    | cons c log ih' =>
      intro hs
      have old := ih' ((List.suffix_cons _ _).trans hs)
      rw [show c :: log = [c] ++ log from rfl, uses_append]
      rcases m.uses_one c o k with e | ⟨e, op, args, he, ⟨l', hl', hlo'⟩, ha⟩
      · omega
      · have a := (t.origins _ l' hl').2
        have b := (t.origins r l hl).2
        rw [hlo', ← hlo] at a
        have : l' = l := eq_of_origin (t.nodup _) a b (hlo'.trans hlo.symm)
        subst this
        obtain ⟨n', k', hk', ha', hmost⟩ := t.intents c log op args hs he l' hl'
        have := alone k k' n' op args hk hk' ha ha'
        subst this
        rw [hk] at hk'
        cases hk'
        have := hmost most hm
        rw [hlo] at this
        omega

end M

end Shepherd
