import Shepherd.Laws.CompensationOrder.Moves

/-!
# Steps, answers from outside, and the outermost owner
-/

namespace Shepherd

namespace M

variable {R : Regions} {m n : M} {a : Id} {rest : List Id}

theorem Drives.of_world {l : List Id} (top : (m.run .world).owner = none) (p : m.Drives (.world :: l)) : l = [] := by
  cases p with
  | world => rfl
  | drives h _ _ => rw [top] at h; cases h

/-- The stack ends in the outermost owner. -/
theorem Drives.mem_world {l : List Id} (p : m.Drives l) : .world ∈ l := by
  induction p with
  | world => exact List.mem_cons_self
  | drives _ _ _ ih => exact List.mem_cons_of_mem _ ih

theorem Drives.driving {a : Id} {rest : List Id} (p : m.Drives (a :: rest)) : ∀ y ∈ rest, ∃ c w, (m.run y).code = .driving c w := by
  have go : ∀ l, m.Drives l → ∀ y ∈ l.tail, ∃ c w, (m.run y).code = .driving c w := by
    intro l p
    induction p with
    | world => exact fun y hy => absurd hy List.not_mem_nil
    | @drives a b rest w _ hc _ ih =>
      intro y hy
      rcases List.mem_cons.mp hy with rfl | hy
      · exact ⟨_, _, hc⟩
      · exact ih y hy
  exact go _ p

/-- Once the outermost owner's operation is done, it drives the root run again. -/
theorem good_afterWorld (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c)
    (root : a = .world → (m.run .root).owner = some .world) : Good R (m.afterWorld a) := by
  unfold M.afterWorld
  split
  · exact g
  · next e =>
    have e : a = .world := Decidable.of_not_not e
    subst e
    split
    · have p := g.path
      rw [h] at p
      exact good_driveRoot g (by rw [h, p.of_world g.top]) hc (root rfl)
    · exact g

theorem goes_step (g : Good R m) (k : Known m) (hn : m.step = some n) : Goes R m n := by
  have calm := k.sound.wf.calm.resolve_left id
  have f := k.sound.bound.tied.forest
  unfold M.step at hn
  split at hn
  · cases hn
  · next id rest h =>
    have ne : (m.run id).code ≠ (m.run .world).code → id ≠ .world := fun h e => h (e ▸ rfl)
    split at hn
    · next hc =>
      cases hn
      refine goes_localMove g k h hc (ne fun e => ?_)
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at hn
      · refine goes_perform g k h hc (ne fun e => ?_) hn
        rw [← e, hc] at calm; exact calm
      · exact .of_good g fun R' g' => good_atStop g' k h hn
    · next u o hc =>
      split at hn
      · next hu =>
        cases hn
        refine .of_good g fun R' g' => ?_
        unfold M.undoStep at hu
        split at hu
        · cases hu
        · next hr =>
          split at hu
          · next d ds hd =>
            cases hu
            have g₁ := g'.raise k.sound.wf.weaken f h hc (by simpa only [Bool.not_eq_true] using hr) hd
            unfold M.afterWorld
            split
            · exact g₁
            · next e =>
              have e : id = .world := Decidable.of_not_not e
              subst e
              split
              · next hcode => rw [run_setCode_same] at hcode; cases hcode
              · exact g₁
          · obtain ⟨f₁, f₂, f₃⟩ := g'.finish k.sound k.marked k.seen h hc
            have root : id = .world → ((m.restore u.run u.to).run .root).owner = some .world := fun e => by
              subst e
              exact (congrArg (fun x => ((m.restore u.run u.to).run x).owner) (g'.world u o hc)).symm.trans f₃
            have stack : (m.restore u.run u.to).stack = m.stack := by
              have : Restores m u.run (m.restore u.run u.to) := by
                cases hto : u.to with
                | none => exact restored_none g'.unwinds k.sound.bound.tied u.run
                | some j => exact restored_some g'.unwinds k.sound k.marked k.seen hc hto
              exact this.stack
            simp only at hu
            split at hu
            · next w =>
              cases hu
              refine good_afterWorld (f₁ w _ rfl) (stack.trans h) (c := .running (.ret (.lit (.ok u.report))) [] w.stack 0) ?_ fun e => ?_
              · rw [reply_eq, run_record_same]; rfl
              · rw [reply_eq, owner_record]; exact root e
            · next hw =>
              cases hu
              refine good_afterWorld (f₂ hw) (stack.trans h) (c := o) (by rw [run_setCode_same]) fun e => ?_
              rw [run_setCode]; split
              · next e' => exact absurd (e.symm.trans e') nofun
              · exact root e
      · exact .of_good g fun R' g' => good_atStop g' k h hn
    · exact .of_good g fun R' g' => good_atStop g' k h hn

/-- An answer from outside. -/
theorem good_answer (g : Good R m) (k : Known m) {answer : Value} {change : Change} (hn : m.answer answer change = some n) :
    Good R n := by
  have f := k.sound.bound.tied.forest
  have deliver : ∀ {id : Id} {rest : List Id} {n : M}, m.stack = id :: rest →
      (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Good R n := by
    intro id rest n h hn
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp hn
    exact g.deliver k.sound.wf.weaken f h hq rfl
  unfold M.answer at hn
  split at hn
  · next h =>
    split at hn
    · cases hn
    · split at hn
      · next hc =>
        split at hn
        · cases hn; exact g.picked h hc _
        · exact deliver h hn
      · exact deliver h hn
  · cases hn

theorem good_outer {ω : Oracle} (g : Good R m) (k : Known m) (hn : m.outer ω = some n) : Good R n := by
  unfold M.outer at hn
  split at hn
  · cases hn
  · exact good_answer g k hn

/-- The outermost owner is the active run, with its own intent. -/
theorem good_asks (g : Good R m) {b : Id} (h : m.stack = b :: rest) (nb : b ≠ .world) (op : String) (args : List Value) :
    Good R ({ m with stack := [.world] }.recordCode .world (.intent op args) (.settled (.waiting { op, args, stack := [] }))) := by
  have p := g.path
  rw [h] at p
  obtain ⟨c, w, hw⟩ := p.driving .world ((List.mem_cons.mp p.mem_world).resolve_left fun e => nb e.symm)
  have k₀ : Unwinds R ({ m with stack := [.world] } : M) := g.unwinds.same rfl (fun _ => rfl) (fun _ => rfl) fun _ => rfl
  have p₀ : ({ m with stack := [.world] } : M).Drives [.world] := .world
  have same := run_recordCode_same ({ m with stack := [.world] } : M) .world (.intent op args) (.settled (.waiting { op, args, stack := [] }))
  refine ⟨?_, .world, ?_, ?_, ?_, ?_⟩
  · refine k₀.record _ _ (p₀.free k₀ g.top) (fun u o => ?_) (fun _ _ _ => nofun) (fun w' hw' => ?_) (fun _ _ _ _ e => nomatch e)
      (.inl (Drives.alone (m := { m with stack := [.world] }) g.top p₀))
    · show _ ↔ (m.run .world).code = _
      rw [hw]; exact ⟨nofun, nofun⟩
    · cases hw'
      exact ⟨_, Trace.question_cons _ _, rfl⟩
  · rw [recordCode_eq, owner_record]; exact g.top
  · rw [recordCode_eq, owner_record]; exact g.root
  · rw [same]; exact g.table
  · rw [same]; exact fun _ _ e => nomatch e

/-- After an operation of the outermost owner that takes nothing back, the runs go on as they were. -/
theorem good_back {before : List Id} (g : Good R m) (stackM : m.Drives before) {after : M} (ga : Good R after)
    (sa : after.stack = [.world]) {c : Settled} (hc : (after.run .world).code = .settled c)
    (codes : ∀ y, y ≠ .world → (after.run y).code = (m.run y).code) (owners : ∀ y, (after.run y).owner = (m.run y).owner)
    {r : Id} {w : Waiting} (hw : (m.run .world).code = .driving r w) :
    Good R { after.setCode .world (m.run .world).code with stack := before } := by
  rw [hw]
  have same := run_setCode_same after .world (.driving r w)
  have other : ∀ y, Id.world ≠ y → (after.setCode .world (.driving r w)).run y = after.run y := fun y e => run_setCode_ne after _ e
  have k : Unwinds R (after.setCode .world (.driving r w)) :=
    ga.unwinds.setCode _ (ga.free sa) (fun u o => by rw [hc]; exact ⟨nofun, nofun⟩) (fun e => absurd rfl e) (fun _ _ _ _ e => nomatch e)
      (ga.alone sa)
  have owners' : ∀ y, ((after.setCode .world (.driving r w)).run y).owner = (m.run y).owner := fun y => by
    rw [run_setCode]; split
    · next e => subst e; exact owners _
    · exact owners y
  refine ⟨k.same rfl (fun _ => rfl) (fun _ => rfl) fun _ => rfl, ?_, (owners' _).trans g.top, (owners' _).trans g.root, ?_, ?_⟩
  · refine stackM.congr (fun y _ => owners' y) fun y _ => ?_
    show ((after.setCode .world (.driving r w)).run y).code = _
    rcases Classical.em (Id.world = y) with e | e
    · subst e; rw [same, hw]
    · rw [other y e]; exact codes y fun h => e h.symm
  · show ((after.setCode .world (.driving r w)).run .world).handles = _
    rw [same]; exact ga.table
  · show ∀ u o, ((after.setCode .world (.driving r w)).run .world).code = _ → _
    rw [same]; exact fun _ _ e => nomatch e

/-- What an operation of the outermost owner comes to. -/
inductive WorldDoes (m : M) (w : Waiting) (n : M) : Prop where
  | reply (v : Value) : n = m.reply .world w v → WorldDoes m w n
  | note (v r : Value) (inbox : List Value) (id : Id) : (m.run id).owner = some .world →
      n = (m.record id (.injected v) { m.state id with inbox }).reply .world w r → WorldDoes m w n
  | begin (id : Id) (to : Option Nat) : w.op ≠ "run.inject" → m.owns .world id = true → id ∈ (m.run .world).handles →
      m.begin .world (.waiting w) id to = .ok n → WorldDoes m w n

theorem of_owned {asker : Id} {v : Value} {id : Id} (ho : m.owned asker v = .ok id) :
    m.owns asker id = true ∧ id ∈ (m.run asker).handles := by
  refine ⟨owns_of_owned ho, ?_⟩
  unfold owned at ho
  split at ho
  · split at ho
    · next hh =>
      split at ho
      · cases ho; exact List.mem_of_getElem? hh
      · cases ho
    · cases ho
  · cases ho

theorem worldDoes {w : Waiting} (op : w.op = "run.revert" ∨ w.op = "run.discard" ∨ w.op = "run.inject")
    (hn : m.perform .world w = some n) : WorldDoes m w n := by
  have back : w.op ≠ "run.inject" → ∀ id to, m.owns .world id = true → id ∈ (m.run .world).handles → WorldDoes m w (m.takeBack .world w id to) := by
    intro h₀ id to h₁ h₂
    unfold takeBack
    split
    · exact .reply _ rfl
    · next hb => exact .begin id to h₀ h₁ h₂ hb
  rcases op with op | op | op
  · have e : m.perform .world w = some (m.revert .world w) := by simp only [perform, op]
    rw [e] at hn
    cases hn
    unfold revert
    split
    · split
      · exact .reply _ rfl
      · next ho =>
        obtain ⟨h₁, h₂⟩ := of_owned ho
        split
        · exact back (by rw [op]; decide) _ _ h₁ h₂
        · exact .reply _ rfl
    · exact .reply _ rfl
  · have e : m.perform .world w = some (m.discardOp .world w) := by simp only [perform, op]
    rw [e] at hn
    cases hn
    unfold discardOp
    split
    · split
      · exact .reply _ rfl
      · next ho =>
        obtain ⟨h₁, h₂⟩ := of_owned ho
        split
        · exact .reply _ rfl
        · exact back (by rw [op]; decide) _ _ h₁ h₂
    · exact .reply _ rfl
  · have e : m.perform .world w = some (m.inject .world w) := by simp only [perform, op]
    rw [e] at hn
    cases hn
    unfold inject
    split
    · split
      · exact .reply _ rfl
      · next ho =>
        split
        · exact .reply _ rfl
        · split
          · exact .reply _ rfl
          · exact .note _ _ _ _ (beq_iff_eq.mp (owns_of_owned ho)) rfl
    · exact .reply _ rfl

/-- The outermost owner asks for an operation. -/
theorem goes_worldAsks (g : Good R m) (k : Known m) {op : String} {args : List Value} (h : m.worldAsks op args = some n) : Goes R m n := by
  have s := k.sound
  have path := g.path
  unfold worldAsks at h
  revert h
  generalize hb : m.stack = before at path
  intro h
  split at h
  · cases h
  · next nw =>
    obtain ⟨b, rest, rfl⟩ : ∃ b rest, before = b :: rest := by
      cases path with
      | world => exact ⟨_, _, rfl⟩
      | drives _ _ _ => exact ⟨_, _, rfl⟩
    have nb : b ≠ .world := fun e => nw rest (by rw [e])
    obtain ⟨r, wd, hwd⟩ := path.driving .world ((List.mem_cons.mp path.mem_world).resolve_left fun e => nb e.symm)
    split at h
    · cases h
    · next hop =>
      simp only at h
      split at h
      · cases h
      · next after hp =>
        have ka := asks_kept s.wf op args
        have w₁ : Wf _ True := ka.wf s.wf fun _ h => h.elim
        have d₁ : Deeds (fun _ => True) m.Stamped m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial s.wf.world trivial fun _ h => .inl h
        have td₁ := (d₁.bound s.bound ka.ext.made).tied
        have nm₁ : Named ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          (((Narrow.refl s.granted.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            s.wf.world _ _).named
        have r₀ : Writable ({ m with stack := [.world] } : M) :=
          ⟨k.seen.unchanged (fun _ h => h) (fun _ => rfl) rfl, s.wf.indexed, s.wf.owner, fun y i nw => (k.marked y i nw).1⟩
        have r₁ : Writable ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) := r₀.record s.wf.world _ _
        have asksGood := fun R' (g' : Good R' m) => good_asks g' hb nb op args
        have same := run_recordCode_same ({ m with stack := [.world] } : M) .world (.intent op args)
          (.settled (.waiting { op, args, stack := [] }))
        have other : ∀ y, Id.world ≠ y → ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))).run y = m.run y := fun y e => run_recordCode_ne ({ m with stack := [.world] } : M) _ _ e
        have owners₁ : ∀ y, (({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))).run y).owner = (m.run y).owner := fun y => by
          rw [recordCode_eq, owner_record]; rfl
        have question₁ : Waits (({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))).run .world).trace (.settled (.waiting { op, args, stack := [] })) := by
          rw [same]
          intro w' hw'
          cases hw'
          exact ⟨_, Trace.question_cons _ _, rfl⟩
        have stack₁ : ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))).stack = [.world] := rfl
        generalize hm₁ : ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] })) : M) = m₁ at w₁ td₁ nm₁ r₁ asksGood same other owners₁ question₁ stack₁ hp
        have code₁ : (m₁.run .world).code = .settled (.waiting { op, args, stack := [] }) := by rw [same]
        have codes₁ : ∀ y, y ≠ .world → (m₁.run y).code = (m.run y).code := fun y e => by rw [other y e.symm]
        have ops : op = "run.revert" ∨ op = "run.discard" ∨ op = "run.inject" := by
          simp only [isWorldOp, Bool.not_eq_true', Bool.not_eq_false, Bool.or_eq_true, beq_iff_eq] at hop
          rcases hop with (h | h) | h
          · exact .inl h
          · exact .inr (.inl h)
          · exact .inr (.inr h)
        have back : ∀ {c : Comp} {K : Stack} {j : Nat}, (after.run .world).code = .settled (.running c [] K j) → after.stack = [.world] →
            (∀ y, y ≠ .world → (after.run y).code = (m.run y).code) → (∀ y, (after.run y).owner = (m.run y).owner) →
            (∀ R', Good R' m → Good R' after) →
            Goes R m { after.setCode .world (m.run .world).code with stack := b :: rest } := fun hc hs codes owners ga =>
          .of_good g fun R' g' => good_back g' path (ga R' g') hs hc codes owners hwd
        rcases worldDoes ops hp with ⟨v, e⟩ | ⟨v, r', inbox, id, ho, e⟩ | ⟨id, to, h₀, h₁, h₂, hbeg⟩
        · have hs : after.stack = [.world] := by rw [e]; exact stack₁
          have hc : (after.run .world).code = .settled (.running (.ret (.lit v)) [] [] 0) := by rw [e, reply_eq, run_record_same]; rfl
          have ga : ∀ R', Good R' m → Good R' after := fun R' g' => by rw [e]; exact (asksGood R' g').reply stack₁ code₁ _ _
          have codes : ∀ y, y ≠ .world → (after.run y).code = (m.run y).code := fun y ne => by
            rw [e, reply_eq, run_record_ne _ _ _ ne.symm]; exact codes₁ y ne
          have owners : ∀ y, (after.run y).owner = (m.run y).owner := fun y => by rw [e, reply_eq, owner_record]; exact owners₁ y
          split at h
          · cases h; exact back hc hs codes owners ga
          · next hnr => exact absurd hc (hnr _ _ _ _)
        · have nid : id ≠ .world := (asksGood R g).ne_world ho
          have hs : after.stack = [.world] := by rw [e]; exact stack₁
          have hc : (after.run .world).code = .settled (.running (.ret (.lit r')) [] [] 0) := by rw [e, reply_eq, run_record_same]; rfl
          have codes' : ∀ y, ((m₁.record id (.injected v) { m₁.state id with inbox }).run y).code = (m₁.run y).code := fun y => by
            rw [run_record]; split
            · next e => subst e; rfl
            · rfl
          have ga : ∀ R', Good R' m → Good R' after := fun R' g' => by
            rw [e]
            exact ((asksGood R' g').note nid ((asksGood R' g').kid_free stack₁ (by rw [code₁]; exact nofun) ho) v inbox).reply stack₁
              ((codes' _).trans code₁) _ _
          have codes : ∀ y, y ≠ .world → (after.run y).code = (m.run y).code := fun y ne => by
            rw [e, reply_eq, run_record_ne _ _ _ ne.symm, codes']; exact codes₁ y ne
          have owners : ∀ y, (after.run y).owner = (m.run y).owner := fun y => by
            rw [e, reply_eq, owner_record, owner_record]; exact owners₁ y
          split at h
          · cases h; exact back hc hs codes owners ga
          · next hnr => exact absurd hc (hnr _ _ _ _)
        · have root : id = .root := by
            have := (asksGood R g).table
            rw [this] at h₂
            exact List.mem_singleton.mp h₂
          obtain ⟨R', g', k₁, k₂⟩ := Goes.of_begin (asksGood R g) w₁ td₁ nm₁ r₁.seen stack₁ code₁ (beq_iff_eq.mp h₁) (fun _ => root)
            question₁ hbeg
          have undoingWorld : ∃ u, (after.run .world).code = .undoing u (.waiting { op, args, stack := [] }) := by
            unfold M.begin at hbeg
            split at hbeg
            · cases hbeg
            · injection hbeg with hbeg
              exact ⟨_, by rw [← hbeg, run_setCode_same]⟩
          obtain ⟨u, hu⟩ := undoingWorld
          have result : n = after := by
            split at h
            · next hr => rw [hu] at hr; cases hr
            · rw [if_neg (by rw [beq_iff_eq]; exact h₀)] at h
              exact (Option.some.inj h).symm
          subst result
          have undoing₁ : ∀ y v q, (m₁.run y).code = .undoing v q ↔ (m.run y).code = .undoing v q := fun y v q => by
            rcases Classical.em (y = .world) with e | e
            · subst e; rw [code₁, hwd]; exact ⟨nofun, nofun⟩
            · rw [codes₁ y e]
          refine ⟨R', g', fun y v q hv => k₁ y v q ((undoing₁ y v q).mpr hv), fun y v q hn hv x => ?_⟩
          rw [k₂ y v q (fun v' q' hv' => hn v' q' ((undoing₁ y v' q').mp hv')) hv x, td₁.mem_family, s.bound.tied.mem_family]
          have go : ∀ {m m' : M}, (∀ y, (m'.run y).owner = (m.run y).owner) → ∀ {x r}, Runs.Below m'.runs x r → Runs.Below m.runs x r := by
            intro m m' owners x r h
            induction h with
            | own h => exact .own ((owners _).symm.trans h)
            | up h _ ih => exact .up ((owners _).symm.trans h) ih
          exact or_congr_right ⟨go owners₁, go fun y => (owners₁ y).symm⟩

end M

end Shepherd
