import Shepherd.Laws.CompensationOrder.Finish

/-!
# After taking back
-/

namespace Shepherd

namespace M

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- The active run has taken back what it wanted to. -/
theorem over (g : Good R m) (f : Runs.Forest m.runs) (h : m.stack = a :: rest) {u : Undoing} {o : Settled}
    (hc : (m.run a).code = .undoing u o) {N n : M} (r : Restores m u.run N) (prog : n.program = N.program) (stack : n.stack = N.stack)
    (run : ∀ y, a ≠ y → n.run y = N.run y) (owner : (n.run a).owner = (m.run a).owner) (handles : (n.run a).handles = (m.run a).handles)
    {t : Settled} (code : (n.run a).code = .settled t) (fine : Fine m.program a (n.run a).trace)
    (waits : Waits (n.run a).trace (.settled t)) : Good R n := by
  have k := g.unwinds
  have path := g.path
  rw [h] at path
  have ho := k.owns a u o hc
  have below : ∀ x, m.Covers u.run x → Runs.Below m.runs x a := fun x hx => hx.below ho
  have out : ¬ m.Covers u.run a := fun h => absurd rfl ((below a h).ne f)
  have free := g.free h
  have runIn : ∀ y, m.Covers u.run y → n.run y = N.run y := fun y hy => run y fun e => out (e ▸ hy)
  have runOut : ∀ y, y ≠ a → ¬ m.Covers u.run y → n.run y = m.run y := fun y ne hy => (run y ne.symm).trans (r.run y hy)
  have owners : ∀ y, ¬ m.Covers u.run y → (n.run y).owner = (m.run y).owner := fun y hy => by
    rcases Classical.em (y = a) with e | e
    · rw [e]; exact owner
    · rw [runOut y e hy]
  -- Who is undoing yet is elsewhere, and so is what it takes back.
  have elsewhere : ∀ b v q, (n.run b).code = .undoing v q → b ≠ a ∧ ¬ m.Covers u.run b ∧ (m.run b).code = .undoing v q := by
    intro b v q hv
    have ne : b ≠ a := fun e => by rw [e, code] at hv; cases hv
    have nb : ¬ m.Covers u.run b := fun hi => by
      rw [runIn b hi] at hv; exact (r.back b hi).undoing v q hv
    exact ⟨ne, nb, by rw [runOut b ne nb] at hv; exact hv⟩
  have apart : ∀ b v q, (m.run b).code = .undoing v q → b ≠ a → ¬ m.Covers u.run b → ∀ x, R b x → ¬ m.Covers u.run x ∧ x ≠ a := by
    intro b v q hv ne nb x hx
    have hw := (k.region b v q hv).within x hx
    have up : ¬ Runs.Below m.runs a b := fun hb => by
      obtain ⟨_, y, w', hy⟩ := path.above g.top hb
      rw [hv] at hy; cases hy
    refine ⟨fun hi => ?_, fun e => ?_⟩
    · rcases meet f ho (k.owns b v q hv) hi hw with e | ⟨_, e⟩ | ⟨e, _⟩
      · exact ne e.symm
      · exact up e
      · exact nb e
    · subst e
      exact up (hw.below (k.owns b v q hv))
  have same : ∀ b v q, (m.run b).code = .undoing v q → b ≠ a → ¬ m.Covers u.run b → ∀ x, R b x → n.run x = m.run x :=
    fun b v q hv ne nb x hx => by
      obtain ⟨h₁, h₂⟩ := apart b v q hv ne nb x hx
      exact runOut x h₂ h₁
  have ofHeld : ∀ x, n.Taken R x → m.Taken R x ∧ ¬ m.Covers u.run x ∧ x ≠ a := by
    rintro x ⟨b, v, q, hv, hx⟩
    obtain ⟨ne, nb, hv⟩ := elsewhere b v q hv
    exact ⟨⟨b, v, q, hv, hx⟩, apart b v q hv ne nb x hx⟩
  have toHeld : ∀ x, m.Taken R x → ¬ m.Covers u.run x → n.Taken R x := by
    rintro x ⟨b, v, q, hv, hx⟩ hi
    have hw := ((k.region b v q hv).within x hx).below (k.owns b v q hv)
    have nb : ¬ m.Covers u.run b := fun hb => hi (by
      rcases hb with rfl | hb
      · exact .inr hw
      · exact .inr (hw.trans hb))
    have ne : b ≠ a := fun e => by
      subst e
      rw [hc] at hv
      cases hv
      exact hi ((k.region b u o hc).within x hx)
    exact ⟨b, v, q, by rw [runOut b ne nb]; exact hv, hx⟩
  have three : ∀ {p : Id → Prop}, p a → (∀ y, m.Covers u.run y → p y) → (∀ y, y ≠ a → ¬ m.Covers u.run y → p y) → ∀ y, p y :=
    fun {p} h₁ h₂ h₃ y => by
      rcases Classical.em (m.Covers u.run y) with e | e
      · exact h₂ y e
      · rcases Classical.em (y = a) with e' | e'
        · exact e' ▸ h₁
        · exact h₃ y e' e
  have notWorld : ¬ m.Covers u.run .world := by
    rintro (e | e)
    · rw [← e, g.top] at ho; cases ho
    · cases e with
      | own e => have := g.top; rw [M.run, e] at this; cases this
      | up e _ => have := g.top; rw [M.run, e] at this; cases this
  have prog' : n.program = m.program := prog.trans r.prog
  refine ⟨⟨?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_⟩, ?_, (owners _ notWorld).trans g.top, ?_, ?_, ?_⟩
  · rw [prog']
    exact three fine (fun y hy => by rw [runIn y hy]; exact (r.back y hy).fine) fun y h₁ h₂ => by rw [runOut y h₁ h₂]; exact k.fine y
  · exact three (by rw [code]; exact fun _ => waits) (fun y hy => by rw [runIn y hy]; exact fun _ => (r.back y hy).waits)
      fun y h₁ h₂ => by rw [runOut y h₁ h₂]; exact k.waits y
  · intro b v q hv
    obtain ⟨ne, nb, hv⟩ := elsewhere b v q hv
    rw [same b v q hv ne nb _ (k.region b v q hv).top]
    exact k.owns b v q hv
  · intro b v q hv
    obtain ⟨ne, nb, hv⟩ := elsewhere b v q hv
    exact (k.region b v q hv).congr fun x hx => by rw [same b v q hv ne nb x hx]
  · intro b v q hv
    obtain ⟨ne, nb, hv⟩ := elsewhere b v q hv
    rw [same b v q hv ne nb _ (k.region b v q hv).top]
    exact k.heads b v q hv
  · intro b b' v v' q q' x hv hv'
    exact k.nested b b' v v' q q' x (elsewhere b v q hv).2.2 (elsewhere b' v' q' hv').2.2
  · intro b v q hv
    obtain ⟨ne, nb, hv⟩ := elsewhere b v q hv
    exact (k.live b v q hv).imp (fun h => toHeld b h nb) fun l =>
      l.congr prog' (k.region b v q hv).top fun x hx => by rw [same b v q hv ne nb x hx]
  · intro x hx w' hw
    obtain ⟨hx, h₁, h₂⟩ := ofHeld x hx
    rw [runOut x h₂ h₁] at hw
    exact k.idle x hx w' hw
  · intro b chain op args w' hw _
    rcases Classical.em (m.Covers u.run b) with e | e
    · rw [runIn b e] at hw
      obtain ⟨z, q, rfl, hz, hs, rfl, rfl⟩ := (r.back b e).passes _ _ _ _ hw
      have nz : a ≠ z := fun e' => by
        subst e'
        rw [r.run _ out] at hz
        -- Then what is taken back owns the one that takes it back.
        exact absurd rfl (((below b e).trans (.own hz)).ne f)
      exact ⟨z, q, rfl, by rw [run z nz]; exact hz, (shown_congr (by rw [run z nz])).trans hs, rfl, rfl⟩
    · have ne : b ≠ a := fun e' => by rw [e', code] at hw; cases hw
      rw [runOut b ne e] at hw
      obtain ⟨z, q, rfl, hz, hs, rfl, rfl⟩ := k.passes b chain op args w' hw (.inr rfl)
      have nz : ¬ m.Covers u.run z := fun hi => by
        rcases hi with rfl | hi
        · rw [ho] at hz; exact ne (Option.some.inj hz).symm
        · rcases above_owner hz hi with e' | e'
          · exact e (.inl e'.symm)
          · exact e (.inr e')
      have na : z ≠ a := fun e' => by
        subst e'
        exact g.alone h b hz _ _ _ _ hw
      exact ⟨z, q, rfl, (owners z nz).trans hz, (shown_congr (by rw [runOut z na nz])).trans hs, rfl, rfl⟩
  · rw [stack, r.stack, h]
    refine path.congr (fun y hy => owners y fun hi => ?_) fun y hy => ?_
    · rcases List.mem_cons.mp hy with rfl | hy
      · exact out hi
      · exact absurd rfl (((path.drivers y hy).trans (below y hi)).ne f)
    · have up := path.drivers y hy
      rw [runOut y (fun e => absurd rfl ((e ▸ up : Runs.Below m.runs a a).ne f)) fun hi => absurd rfl ((up.trans (below y hi)).ne f)]
  · rcases Classical.em (m.Covers u.run .root) with e | e
    · rcases e with e | e
      · rw [runIn _ (.inl e), e, r.owner, ← e]; exact g.root
      · exfalso
        rcases above_owner g.root e with e' | e'
        · exact notWorld (.inl e'.symm)
        · have := g.top
          cases e' with
          | own e' => rw [M.run, e'] at this; cases this
          | up e' _ => rw [M.run, e'] at this; cases this
    · exact (owners _ e).trans g.root
  · rcases Classical.em (Id.world = a) with e | e
    · subst e; exact handles.trans g.table
    · rw [runOut _ e notWorld]; exact g.table
  · intro v q hv
    exact g.world v q (elsewhere _ v q hv).2.2

/-- The last step of taking back. -/
theorem finish (g : Good R m) (s : Sound m) (am : AllMarked m) (t : Seen m) (h : m.stack = a :: rest) {u : Undoing} {o : Settled}
    (hc : (m.run a).code = .undoing u o) : (∀ w v, o = .waiting w → Good R ((m.restore u.run u.to).reply a w v)) ∧
      ((∀ w, o ≠ .waiting w) → Good R ((m.restore u.run u.to).setCode a (.settled o))) ∧
      ((m.restore u.run u.to).run u.run).owner = some a := by
  have td := s.bound.tied
  have f := td.forest
  have r : Restores m u.run (m.restore u.run u.to) := by
    cases hto : u.to with
    | none => exact restored_none g.unwinds td u.run
    | some j => exact restored_some g.unwinds s am t hc hto
  have out : ¬ m.Covers u.run a := fun h => absurd rfl ((h.below (g.unwinds.owns a u o hc)).ne f)
  have ra : (m.restore u.run u.to).run a = m.run a := r.run a out
  refine ⟨fun w v e => ?_, fun e => ?_, r.owner.trans (g.unwinds.owns a u o hc)⟩
  · rw [reply_eq]
    have same := run_record_same (m.restore u.run u.to) a (.outcome v [] .machine)
      { (m.restore u.run u.to).state a with code := resume v w.stack, files := ((m.restore u.run u.to).run a).files.apply [] }
    refine g.over f h hc r rfl rfl (fun y e => run_record_ne _ _ _ e) ?_ ?_ (t := .running (.ret (.lit v)) [] w.stack 0) ?_ ?_ waits_running
    · rw [owner_record, ra]
    · rw [same]; show ((m.restore u.run u.to).run a).handles = _; rw [ra]
    · rw [same]; rfl
    · rw [same, ra]
      exact (g.unwinds.fine a).other (fun _ _ _ => nofun) fun w' hw => nomatch hw
  · have same := run_setCode_same (m.restore u.run u.to) a (.settled o)
    refine g.over f h hc r rfl rfl (fun y e => run_setCode_ne _ _ e) ?_ ?_ (t := o) ?_ ?_ fun w hw => absurd hw (e w)
    · rw [same]; show ((m.restore u.run u.to).run a).owner = _; rw [ra]
    · rw [same]; show ((m.restore u.run u.to).run a).handles = _; rw [ra]
    · rw [same]
    · rw [trace_setCode, ra]; exact g.unwinds.fine a

end Good

end M

end Shepherd
