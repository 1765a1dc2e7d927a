import Shepherd.Laws.HandlersAreOwners.Progress

/-!
# Sequences of labels, of the tree and of the handled term
-/

namespace Shepherd

/-- The tree does `labels` at its outside: its own steps, where no run uses up its local steps (`gaveUp` where one does); what it asks
where it has no step of its own; the answers from outside, with any change to files; and how the root run has ended. -/
inductive M.Shows : M → List Label → Prop where
  | nil (m : M) : Shows m []
  | step {m n : M} {labels : List Label} : ¬m.AtBound → m.step = some n → Shows n labels → Shows m labels
  | ask {m : M} {a : M.Asked} : m.step = none → m.asked = some a → Shows m [.ask a.op a.args]
  | told {m n : M} {a : M.Asked} {labels : List Label} (answer : Value) (change : Change) : m.step = none → m.asked = some a →
      m.answer answer change = some n → Shows n labels → Shows m (.ask a.op a.args :: .told answer :: labels)
  | done {m : M} {v : Value} : m.step = none → (m.run .root).code = .settled (.done v) → Shows m [.done v]
  | failed {m : M} {f : Fault} : m.step = none → (m.run .root).code = .settled (.failed f.error) → Shows m [.failed f]
  | gaveUp {m : M} : m.AtBound → Shows m [.gaveUp]

/-- The answers in some labels are well-formed outcomes, as the tree takes them. -/
def GoodAnswers (P : Program) (labels : List Label) : Prop :=
  ∀ op answer, .told answer ∈ labels → goodAnswer P op answer [] = true

namespace Driving

variable {S : Setting} {H : Handling} {m : M} {s : Handled} {labels : List Label} {b j : Nat}

theorem goodAnswer_any (P P' : Program) (op op' : String) (answer : Value) :
    goodAnswer P op answer [] = goodAnswer P' op' answer [] := by
  simp only [goodAnswer, List.isEmpty_nil, Bool.true_or]

theorem goodAnswer_nil {P : Program} {op : String} {answer : Value} {change : Change} (h : goodAnswer P op answer change = true) :
    goodAnswer P op answer [] = true := by
  simp only [goodAnswer, Bool.and_eq_true] at h
  simp only [goodAnswer, h.1.1.1.1, h.1.1.1.2, h.1.1.2, List.isEmpty_nil, Bool.true_or, Bool.and_self]
  rfl

/-- The tree takes only a well-formed answer. -/
theorem good_of_answer {n : M} {a : M.Asked} {answer : Value} {change : Change} (ha : m.asked = some a)
    (h : m.answer answer change = some n) (P : Program) (op : String) : goodAnswer P op answer [] = true := by
  simp only [M.answer, ha] at h
  split at h
  · next a' _ _ e _ =>
    cases e
    cases hg : goodAnswer m.program a.op answer change with
    | true => exact (goodAnswer_any _ _ _ _ _).trans (goodAnswer_nil hg)
    | false => rw [hg] at h; exact absurd h nofun
  · exact absurd h nofun

theorem step_of_atBound (h : m.AtBound) : ∃ n, m.step = some n := by
  obtain ⟨id, rest, c, ρ, K, n, hs, hc, _⟩ := h
  exact ⟨m.localMove id c ρ K n, by rw [M.step, hs]; simp only [hc]⟩

/-! ## From the handled term to the tree -/

/-- The tree does the labels, or it gives up on the way; and that only where the program allows no more than `b` local steps between
two events. -/
def DoesOrGivesUp (S : Setting) (b : Nat) (labels : List Label) (m : M) : Prop :=
  m.Shows labels ∨ (S.program.steps ≤ b ∧ ∃ before, before <+: labels ∧ m.Shows (before ++ [.gaveUp]))

theorem DoesOrGivesUp.mono {b' : Nat} (h : DoesOrGivesUp S b labels m) (hb : b ≤ b') : DoesOrGivesUp S b' labels m :=
  h.imp_right fun h => ⟨Nat.le_trans h.1 hb, h.2⟩

theorem doesOrGivesUp_of_leads {b' : Nat} {Q : M → Prop} (h : Leads S b' Q m) (hb : b' ≤ b)
    (hq : ∀ n, Q n → DoesOrGivesUp S b labels n) : DoesOrGivesUp S b labels m := by
  induction h with
  | now h => exact hq _ h
  | step ha hs _ ih =>
    rcases ih with ih | ⟨hl, before, hp, ih⟩
    · exact .inl (.step ha hs ih)
    · exact .inr ⟨hl, before, hp, .step ha hs ih⟩
  | stuck ha hl => exact .inr ⟨Nat.le_trans hl hb, [], List.nil_prefix, .gaveUp ha⟩

theorem stops_ask {op : String} {args : List Value} (hs : s.step S.program H.clauses = .asks op args) (h : After S H b s m) :
    Outside op args (fun answer n => Leads S b (Stands S H 0 (s.told answer)) n) m := by
  rcases h with ⟨s', h, _⟩ | ⟨op', args', h, ho⟩ | ⟨v, h, _⟩ | ⟨f, h, _⟩
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h
    injection h with h1 h2
    subst h1 h2
    exact ho
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h; exact absurd h nofun

theorem stops_done {v : Value} (hs : s.step S.program H.clauses = .ends v) (h : After S H b s m) : Done v m := by
  rcases h with ⟨s', h, _⟩ | ⟨op', args', h, _⟩ | ⟨u, h, hd⟩ | ⟨f, h, _⟩
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h
    injection h with h1
    subst h1
    exact hd
  · rw [hs] at h; exact absurd h nofun

theorem stops_failed {f : Fault} (hs : s.step S.program H.clauses = .faults f) (h : After S H b s m) : Failed f m := by
  rcases h with ⟨s', h, _⟩ | ⟨op', args', h, _⟩ | ⟨u, h, _⟩ | ⟨g, h, hd⟩
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h
    injection h with h1
    subst h1
    exact hd

theorem goes_on {s' : Handled} (hs : s.step S.program H.clauses = .goesOn s') (h : After S H b s m) : Stands S H b s' m := by
  rcases h with ⟨t, h, hd⟩ | ⟨op', args', h, _⟩ | ⟨u, h, _⟩ | ⟨g, h, _⟩
  · rw [hs] at h
    injection h with h1
    subst h1
    exact hd
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h; exact absurd h nofun
  · rw [hs] at h; exact absurd h nofun

/-- What the handled term does, the tree does, or it gives up on the way; and that only where the program allows few local steps:
`b` depends on the labels, and on what the handled term reduces to between them. `P` is the program, or one in which handled terms
reduce as they do in it. -/
theorem tree_of_handled {P : Program} (hd : Handled.Does P H.clauses s labels) (hg : GoodAnswers P labels) : ∀ j, ∃ b, ∀ S : Setting,
    (∀ t, Handled.step S.program H.clauses t = Handled.step P H.clauses t) → Fits S H → ∀ m, Behaves S H s → Stands S H j s m →
      DoesOrGivesUp S b labels m := by
  induction hd with
  | nil s => exact fun j => ⟨0, fun S _ _ m _ _ => .inl (.nil m)⟩
  | @step s s' labels hs _ ih =>
    intro j
    obtain ⟨b, ih⟩ := ih hg (enough H j s)
    refine ⟨max (enough H j s) b, fun S hp hf m hb h => ?_⟩
    have hs : s.step S.program H.clauses = .goesOn s' := (hp s).trans hs
    refine doesOrGivesUp_of_leads (progress hf h hb).leads (Nat.le_max_left ..) fun n h => ?_
    exact (ih S hp hf n (hb.step hs) (goes_on hs h)).mono (Nat.le_max_right ..)
  | @ask s op args hs =>
    refine fun j => ⟨enough H j s, fun S hp hf m hb h => ?_⟩
    have hs : s.step S.program H.clauses = .asks op args := (hp s).trans hs
    refine doesOrGivesUp_of_leads (progress hf h hb).leads (Nat.le_refl _) fun n h => ?_
    obtain ⟨h1, ⟨a, ha, rfl, rfl⟩, _⟩ := stops_ask hs h
    exact .inl (.ask h1 ha)
  | @told s op args labels answer hs _ ih =>
    have good : goodAnswer P op answer [] = true := hg op answer (List.mem_cons_of_mem _ List.mem_cons_self)
    have hg' : GoodAnswers P labels := fun op x hx => hg op x (List.mem_cons_of_mem _ (List.mem_cons_of_mem _ hx))
    obtain ⟨b, ih⟩ := ih hg' 0
    refine fun j => ⟨max (enough H j s) b, fun S hp hf m hb h => ?_⟩
    have hs : s.step S.program H.clauses = .asks op args := (hp s).trans hs
    refine doesOrGivesUp_of_leads (progress hf h hb).leads (Nat.le_max_left ..) fun n h => ?_
    obtain ⟨h1, ⟨a, ha, rfl, rfl⟩, _, hq, hall⟩ := stops_ask hs h
    obtain ⟨n', hn'⟩ := hall answer ((goodAnswer_any _ _ _ _ _).trans good)
    have hb' := hb.told answer hs ((goodAnswer_any _ _ _ _ _).trans good)
    rcases doesOrGivesUp_of_leads (hq answer [] n' hn') (Nat.le_max_left _ b)
      fun n h => (ih S hp hf n hb' h).mono (Nat.le_max_right _ _) with h | ⟨hl, before, hp, h⟩
    · exact .inl (.told answer [] h1 ha hn' h)
    · refine .inr ⟨hl, .ask _ _ :: .told answer :: before, ?_, .told answer [] h1 ha hn' h⟩
      exact (List.prefix_cons_inj _).mpr ((List.prefix_cons_inj _).mpr hp)
  | @done s v hs =>
    refine fun j => ⟨enough H j s, fun S hp hf m hb h => ?_⟩
    have hs : s.step S.program H.clauses = .ends v := (hp s).trans hs
    refine doesOrGivesUp_of_leads (progress hf h hb).leads (Nat.le_refl _) fun n h => ?_
    have h := stops_done hs h
    exact .inl (.done h.2.1 h.1)
  | @failed s f hs =>
    refine fun j => ⟨enough H j s, fun S hp hf m hb h => ?_⟩
    have hs : s.step S.program H.clauses = .faults f := (hp s).trans hs
    refine doesOrGivesUp_of_leads (progress hf h hb).leads (Nat.le_refl _) fun n h => ?_
    have h := stops_failed hs h
    exact .inl (.failed h.2.1 h.1)

/-! ## From the tree to the handled term -/

/-- The tree stands at the handled term, or it stops as that does. -/
def Is (S : Setting) (H : Handling) (s : Handled) (m : M) : Prop := (∃ j, Stands S H j s m) ∨ ∃ b, Stops S H b s m

/-- The tree comes to the handled term, or to where that stops. -/
def Comes (S : Setting) (H : Handling) (s : Handled) (m : M) : Prop := ∃ b, Leads S b (Is S H s) m

theorem root_code_of_stands (h : Stands S H j s m) : (m.run .root).code.isLive = true := by
  cases h with
  | body _ h => rw [h.root_code]; rfl
  | clause _ h _ _ => rw [h.root_code]; rfl

theorem moves_of_stands (hf : Fits S H) (hb : Behaves S H s) (h : Stands S H j s m) : ∃ n, m.step = some n := by
  rcases progress hf h hb with h | ⟨_, n, h, _⟩
  · exact step_of_atBound h.1
  · exact ⟨n, h⟩

/-- A tree at rest that leads to the handled term stops as that does. -/
theorem stops_of_rest (hf : Fits S H) (hb : Behaves S H s) (h : Comes S H s m) (hn : m.step = none) : ∃ b, Stops S H b s m := by
  obtain ⟨b, h⟩ := h
  cases h with
  | now h =>
    rcases h with ⟨j, h⟩ | h
    · obtain ⟨n, h⟩ := moves_of_stands hf hb h
      rw [hn] at h; exact absurd h nofun
    · exact h
  | step _ h _ => rw [hn] at h; exact absurd h nofun
  | stuck h _ =>
    obtain ⟨n, h⟩ := step_of_atBound h
    rw [hn] at h; exact absurd h nofun

theorem error_inj {f g : Fault} (h : f.error = g.error) : f = g := by
  obtain ⟨a, b⟩ := f
  obtain ⟨c, d⟩ := g
  simp only [Fault.error, Value.error, Value.record.injEq, List.cons.injEq, Prod.mk.injEq, Value.text.injEq, true_and, and_true] at h
  rw [h.1, h.2]

/-- What the tree does, the handled term does, up to where a run gives up. -/
theorem handled_of_tree (hf : Fits S H) (hd : m.Shows labels) : ∀ s, Behaves S H s → Comes S H s m →
    Handled.Does S.program H.clauses s labels ∨
      ∃ before, labels = before ++ [.gaveUp] ∧ Handled.Does S.program H.clauses s before := by
  induction hd with
  | nil m => intro s _ _; exact .inl (.nil s)
  | @step m n labels hbound hstep _ ih =>
    intro s hb ⟨b, h⟩
    cases h with
    | now h =>
      rcases h with ⟨j, h⟩ | ⟨b, h⟩
      · rcases progress hf h hb with h | ⟨_, n', hn', h⟩
        · exact absurd h.1 hbound
        · rw [hstep] at hn'
          injection hn' with hn'
          subst hn'
          cases hs : s.step S.program H.clauses with
          | goesOn s' =>
            rcases ih s' (hb.step hs) ⟨_, h.trans fun n h => .now (.inl ⟨_, goes_on hs h⟩)⟩ with h | ⟨before, hp, h⟩
            · exact .inl (.step hs h)
            · exact .inr ⟨before, hp, .step hs h⟩
          | ends v => exact ih s hb ⟨_, h.trans fun n h => .now (.inr ⟨0, .inr (.inl ⟨v, hs, stops_done hs h⟩)⟩)⟩
          | faults f => exact ih s hb ⟨_, h.trans fun n h => .now (.inr ⟨0, .inr (.inr ⟨f, hs, stops_failed hs h⟩)⟩)⟩
          | asks op args => exact ih s hb ⟨_, h.trans fun n h => .now (.inr ⟨_, .inl ⟨op, args, hs, stops_ask hs h⟩⟩)⟩
      · rcases h with ⟨op, args, _, h⟩ | ⟨v, _, h⟩ | ⟨f, _, h⟩
        · rw [h.1] at hstep; exact absurd hstep nofun
        · rw [h.2.1] at hstep; exact absurd hstep nofun
        · rw [h.2.1] at hstep; exact absurd hstep nofun
    | step _ hn h =>
      rw [hstep] at hn
      injection hn with hn
      subst hn
      exact ih s hb ⟨_, h⟩
    | stuck h _ => exact absurd h hbound
  | @ask m a hn ha =>
    intro s hb h
    rcases stops_of_rest hf hb h hn with ⟨b, ⟨op, args, hs, h⟩ | ⟨v, _, h⟩ | ⟨f, _, h⟩⟩
    · obtain ⟨_, ⟨a', ha', rfl, rfl⟩, _⟩ := h
      rw [ha] at ha'
      injection ha' with ha'
      subst ha'
      exact .inl (.ask hs)
    · rw [h.2.2] at ha; exact absurd ha nofun
    · rw [h.2.2] at ha; exact absurd ha nofun
  | @told m n a labels answer change hn ha hans _ ih =>
    intro s hb h
    rcases stops_of_rest hf hb h hn with ⟨b, ⟨op, args, hs, h⟩ | ⟨v, _, h⟩ | ⟨f, _, h⟩⟩
    · obtain ⟨_, ⟨a', ha', rfl, rfl⟩, _, hq, _⟩ := h
      rw [ha] at ha'
      injection ha' with ha'
      subst ha'
      rcases ih (s.told answer) (hb.told answer hs (good_of_answer ha hans _ _))
        ⟨_, (hq answer change n hans).trans fun n h => .now (.inl ⟨_, h⟩)⟩ with h | ⟨before, hp, h⟩
      · exact .inl (.told answer hs h)
      · exact .inr ⟨.ask a.op a.args :: .told answer :: before, by rw [hp]; rfl, .told answer hs h⟩
    · rw [h.2.2] at ha; exact absurd ha nofun
    · rw [h.2.2] at ha; exact absurd ha nofun
  | @done m v hn hc =>
    intro s hb h
    rcases stops_of_rest hf hb h hn with ⟨b, ⟨op, args, hs, h⟩ | ⟨u, hs, h⟩ | ⟨f, _, h⟩⟩
    · have := h.2.2.1
      rw [hc] at this; exact absurd this nofun
    · have := h.1
      rw [hc] at this
      injection this with this
      injection this with this
      subst this
      exact .inl (.done hs)
    · have := h.1
      rw [hc] at this
      injection this with this
      exact absurd this nofun
  | @failed m f hn hc =>
    intro s hb h
    rcases stops_of_rest hf hb h hn with ⟨b, ⟨op, args, hs, h⟩ | ⟨u, hs, h⟩ | ⟨g, hs, h⟩⟩
    · have := h.2.2.1
      rw [hc] at this; exact absurd this nofun
    · have := h.1
      rw [hc] at this
      injection this with this
      exact absurd this nofun
    · have := h.1
      rw [hc] at this
      injection this with this
      injection this with this
      have := error_inj this
      subst this
      exact .inl (.failed hs)
  | gaveUp hb => intro s _ _; exact .inr ⟨[], rfl, .nil s⟩

end Driving

end Shepherd
