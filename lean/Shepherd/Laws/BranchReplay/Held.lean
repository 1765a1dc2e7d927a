import Shepherd.Laws.Support.TiedReach

/-!
# Who waits for whom

A run that passes an intent, or takes another back, stands above the run that it waits for, and that one does nothing meanwhile: the
runs above the active one all drive.
-/

namespace Shepherd

/-- The code of a run that waits for the outcome of its intent. -/
def Code.Waits (c : Code) : Prop := ∃ w, c.settle = .waiting w

/-- And the operation on another run is under way. -/
def Code.Busy (c : Code) : Prop := c.Waits ∧ ∀ s, c ≠ .settled s

/-- The code of a run that waits for the outcome of another's question. -/
def Code.Watches (c : Code) : Prop := (∃ chain op args w, c = .passing chain op args w) ∨ ∃ u o, c = .undoing u o

theorem Code.Watches.not_driving {c : Code} (h : c.Watches) {r : Id} {w : Waiting} : c ≠ .driving r w := by
  rcases h with ⟨_, _, _, _, h⟩ | ⟨_, _, h⟩ <;> rw [h] <;> exact nofun

namespace M

/-- From the active run up to the world: each is owned by the next, which drives. -/
def Line (m : M) : List Id → Prop
  | [] => False
  | [x] => x = .world
  | a :: b :: rest => (m.run a).owner = some b ∧ (∃ r w, (m.run b).code = .driving r w) ∧ Line m (b :: rest)

/-- The run whose intent `x` passes stands below it, and is not in the middle of an operation of its own. -/
def PassOk (m : M) (x : Id) (chain : List Id) : Prop :=
  m.Below (chain.getLastD x) x ∧ ¬ (m.run (chain.getLastD x)).code.Busy

/-- The runs whose state matters while `u` is under way: the one taken back, those that owe, those that stood below it then. -/
def Stake (m : M) (u : Undoing) (d : Id) : Prop :=
  d = u.run ∨ (∃ e ∈ u.todo, e.run = d) ∨ ∃ k c, u.to = some k ∧ (m.run u.run).trace.nth k = some c ∧
    ∃ h ∈ c.heads, d = Id.today c.run u.run h.id

/-- They stand below the one who takes back, and none waits for anything. -/
def UndoOk (m : M) (a : Id) (u : Undoing) : Prop :=
  (m.run u.run).owner = some a ∧ ∀ d, m.Stake u d → (d = u.run ∨ m.Below d u.run) ∧ ¬ (m.run d).code.Waits

/-- Whoever waits for another's question may. -/
structure WatchOk (m : M) (x : Id) : Prop where
  pass : ∀ chain op args w, (m.run x).code = .passing chain op args w → m.PassOk x chain
  undo : ∀ u o, (m.run x).code = .undoing u o → m.UndoOk x u

/-- The invariants. -/
structure Held (m : M) : Prop where
  root : (m.run .root).owner = some .world
  line : m.Line m.stack
  watch : ∀ x, m.WatchOk x

theorem WatchOk.of_settled {m : M} {x : Id} {s : Settled} (h : (m.run x).code = .settled s) : m.WatchOk x :=
  ⟨fun _ _ _ _ e => (nomatch h.symm.trans e), fun _ _ e => (nomatch h.symm.trans e)⟩

theorem WatchOk.of_driving {m : M} {x r : Id} {w : Waiting} (h : (m.run x).code = .driving r w) : m.WatchOk x :=
  ⟨fun _ _ _ _ e => (nomatch h.symm.trans e), fun _ _ e => (nomatch h.symm.trans e)⟩

/-- Whoever stands above the active run drives. -/
theorem Line.above {m : M} (hw : (m.run .world).owner = none) {z x : Id} (b : m.Below z x) :
    ∀ {rest}, m.Line (z :: rest) → ∃ r w, (m.run x).code = .driving r w := by
  induction b with
  | @own z x h =>
    intro rest l
    cases rest with
    | nil =>
      have l : z = .world := l
      have h : (m.run z).owner = some x := h
      rw [l, hw] at h; cases h
    | cons b rest =>
      have h : (m.run z).owner = some x := h
      rw [l.1] at h; cases h; exact l.2.1
  | @up z o x h _ ih =>
    intro rest l
    cases rest with
    | nil =>
      have l : z = .world := l
      have h : (m.run z).owner = some o := h
      rw [l, hw] at h; cases h
    | cons b rest =>
      have h : (m.run z).owner = some o := h
      rw [l.1] at h; cases h; exact ih l.2.2

theorem Line.same {m n : M} (stack : List Id) (l : m.Line stack) (owner : ∀ a ∈ stack, (n.run a).owner = (m.run a).owner)
    (code : ∀ a ∈ stack.tail, (n.run a).code = (m.run a).code) : n.Line stack := by
  induction stack with
  | nil => exact l
  | cons a rest ih =>
    cases rest with
    | nil => exact l
    | cons b rest =>
      refine ⟨(owner a List.mem_cons_self).trans l.1, ?_, ih l.2.2 (fun x hx => owner x (List.mem_cons_of_mem _ hx))
        fun x hx => code x (List.mem_cons_of_mem _ hx)⟩
      obtain ⟨r, w, h⟩ := l.2.1
      exact ⟨r, w, (code b List.mem_cons_self).trans h⟩

/-! ## Changes that let nobody wait who did not -/

/-- What happens to the code of a run that does not act: nothing, or it waits for nothing any more, or its compensation goes on. -/
inductive Calmer : Code → Code → Prop where
  | same (c : Code) : Calmer c c
  | rest {c : Code} {s : Settled} : (∀ w, s ≠ .waiting w) → Calmer c (.settled s)
  | next {u v : Undoing} {o : Settled} : v.run = u.run → v.to = u.to → (∀ d ∈ v.todo, d ∈ u.todo) →
      Calmer (.undoing u o) (.undoing v o)

theorem Calmer.trans {a b c : Code} (h : Calmer a b) (g : Calmer b c) : Calmer a c := by
  cases g with
  | same => exact h
  | rest r => exact .rest r
  | next h1 h2 h3 =>
    cases h with
    | same => exact .next h1 h2 h3
    | next g1 g2 g3 => exact .next (h1.trans g1) (h2.trans g2) fun d hd => g3 d (h3 d hd)

theorem Calmer.waits {a b : Code} (h : Calmer a b) (w : b.Waits) : a.Waits := by
  cases h with
  | same => exact w
  | rest r => obtain ⟨w, hw⟩ := w; exact absurd hw (r w)
  | next => exact w

theorem Calmer.busy {a b : Code} (h : Calmer a b) (w : b.Busy) : a.Busy := by
  cases h with
  | same => exact w
  | rest r => exact absurd rfl (w.2 _)
  | next => exact ⟨w.1, fun s => nofun⟩

/-- Who owns a run that is there, and who has lent it, is there; and so it was when a commit told of it. -/
structure Housed (m : M) : Prop where
  owner : ∀ y, m.has y = true → y ≠ .world → ∃ o, (m.run y).owner = some o ∧ m.has o = true
  givers : ∀ y, ∀ g ∈ (m.run y).givers, m.has g = true
  heads : ∀ y, ∀ c ∈ (m.run y).trace, ∀ h ∈ c.heads, ∀ g ∈ h.givers, m.has g = true

theorem Housed.same {m n : M} (k : Housed m) (has : ∀ x, n.has x = m.has x) (owner : ∀ x, (n.run x).owner = (m.run x).owner)
    (givers : ∀ x, (n.run x).givers = (m.run x).givers) (trace : ∀ x, (n.run x).trace = (m.run x).trace) : Housed n where
  owner := fun y i nw => by
    obtain ⟨o, h1, h2⟩ := k.owner y (has y ▸ i) nw
    exact ⟨o, (owner y).trans h1, (has o).trans h2⟩
  givers := fun y g hg => (has g).trans (k.givers y g (givers y ▸ hg))
  heads := fun y c hc h hh g hg => (has g).trans (k.heads y c (trace y ▸ hc) h hh g hg)

theorem Housed.record {m : M} (k : Housed m) {id : Id} (i : m.has id = true) (event : Event) (s : State) :
    Housed (m.record id event s) where
  owner := fun y iy nw => by
    have has : ∀ j, (m.record id event s).has j = m.has j := fun j => Runs.has_put_same (by simp only [run_id]; exact i) j
    obtain ⟨o, h1, h2⟩ := k.owner y (has y ▸ iy) nw
    exact ⟨o, (owner_record _ _ _ _ _).trans h1, (has o).trans h2⟩
  givers := fun y g hg => by
    rw [has_record, k.givers y g ?_, Bool.or_true]
    rw [run_record] at hg
    split at hg
    · next e => subst e; exact hg
    · exact hg
  heads := fun y c hc h hh g hg => by
    rw [has_record]
    have old : c ∈ (m.run y).trace → m.has g = true := fun hc => k.heads y c hc h hh g hg
    by_cases e : id = y
    · subst e
      rw [trace_record_same] at hc
      rcases List.mem_cons.mp hc with hc | hc
      · rw [hc] at hh
        have hh : h ∈ m.headsAt id event := hh
        unfold headsAt at hh
        obtain ⟨x, _, rfl⟩ := List.mem_map.mp hh
        rw [k.givers x g hg, Bool.or_true]
      · rw [old hc, Bool.or_true]
    · rw [trace_record_ne m event s e] at hc; rw [old hc, Bool.or_true]

theorem Housed.own {m : M} (k : Housed m) {id o : Id} {g : List Id} (i : m.has id = true) (ho : m.has o = true)
    (hg : ∀ x ∈ g, m.has x = true) : Housed (m.own id o g) where
  owner := fun y iy nw => by
    have has : ∀ j, (m.own id o g).has j = m.has j := fun j => Runs.has_put_same (by simp only [run_id]; exact i) j
    by_cases e : id = y
    · subst e; exact ⟨o, by rw [run_own_same], (has o).trans ho⟩
    · obtain ⟨p, h1, h2⟩ := k.owner y (has y ▸ iy) nw
      exact ⟨p, by rw [run_own_ne _ _ _ e]; exact h1, (has p).trans h2⟩
  givers := fun y x hx => by
    rw [has_own]
    by_cases e : id = y
    · subst e; rw [run_own_same] at hx; rw [hg x hx, Bool.or_true]
    · rw [run_own_ne _ _ _ e] at hx; rw [k.givers y x hx, Bool.or_true]
  heads := fun y c hc h hh x hx => by
    rw [trace_own] at hc
    rw [has_own, k.heads y c hc h hh x hx, Bool.or_true]

/-- Of the runs that are there, only `z` does something; its own runs may change hands if `O`. -/
structure Mild (O : Prop) (z : Id) (m n : M) : Prop where
  code : ∀ x, x ≠ z → m.has x = true → Calmer (m.run x).code (n.run x).code
  owner : ∀ y p, (m.run y).owner = some p → (O ∧ p = z) ∨ (n.run y).owner = some p
  has : ∀ x, m.has x = true → n.has x = true
  stack : n.stack = m.stack
  house : (∀ x, n.has x = true → m.has x = true) → Housed m → Housed n

variable {O : Prop} {z : Id}

theorem Mild.refl (m : M) : Mild O z m m := ⟨fun _ _ _ => .same _, fun _ _ h => .inr h, fun _ h => h, rfl, fun _ h => h⟩

/-- What keeps owners and codes. -/
theorem Mild.same {m n p : M} (k : Mild O z m n) (owner : ∀ x, (p.run x).owner = (n.run x).owner)
    (code : ∀ x, x ≠ z → (p.run x).code = (n.run x).code) (has : ∀ x, p.has x = n.has x)
    (stack : p.stack = n.stack) (givers : ∀ x, (p.run x).givers = (n.run x).givers)
    (trace : ∀ x, (p.run x).trace = (n.run x).trace) : Mild O z m p :=
  ⟨fun x ne i => by rw [code x ne]; exact k.code x ne i, fun y q h => (k.owner y q h).imp_right (owner y).trans,
    fun x i => (has x).trans (k.has x i), stack.trans k.stack, fun no h =>
      (k.house (fun x i => no x ((has x).trans i)) h).same has owner givers trace⟩

theorem Mild.record {m n : M} (k : Mild O z m n) {id : Id} {event : Event} {s : State}
    (h : id = z ∨ m.has id = false ∨ Calmer (n.run id).code s.code) : Mild O z m (n.record id event s) := by
  refine ⟨fun x ne i => ?_, fun y p e => (k.owner y p e).imp_right (owner_record n id event s y).trans, fun x i => ?_, k.stack,
    fun no hm => ?_⟩
  · rw [run_record]
    split
    · next e =>
      subst e
      rcases h with h | h | h
      · exact absurd h ne
      · rw [h] at i; cases i
      · exact (k.code _ ne i).trans h
    · exact k.code x ne i
  · rw [has_record, k.has x i, Bool.or_true]
  · have i : m.has id = true := no id (by rw [has_record, beq_self_eq_true, Bool.true_or])
    exact (k.house (fun x ix => no x (by rw [has_record, ix, Bool.or_true])) hm).record (k.has id i) event s

theorem Mild.recordCode {m n : M} (k : Mild O z m n) {id : Id} {event : Event} {code : Code}
    (h : id = z ∨ m.has id = false ∨ Calmer (n.run id).code code) : Mild O z m (n.recordCode id event code) :=
  k.record (s := { n.state id with code }) h

theorem Mild.setCode {m n : M} (k : Mild O z m n) {id : Id} {code : Code} (h : id = z ∨ Calmer (n.run id).code code) :
    Mild O z m (n.setCode id code) := by
  refine ⟨fun x ne i => ?_, fun y p e => (k.owner y p e).imp_right fun e => ?_, fun x i => ?_, k.stack, fun no hm => ?_⟩
  · rw [run_setCode]
    split
    · next e => subst e; exact (k.code _ ne i).trans (h.resolve_left ne)
    · exact k.code x ne i
  · rw [run_setCode]; split
    · next e' => subst e'; exact e
    · exact e
  · rw [has_setCode, k.has x i, Bool.or_true]
  · have i : m.has id = true := no id (by rw [has_setCode, beq_self_eq_true, Bool.true_or])
    refine (k.house (fun x ix => no x (by rw [has_setCode, ix, Bool.or_true])) hm).same (fun x => ?_) (fun x => ?_) (fun x => ?_)
      (trace_setCode _ _ _)
    · rw [has_setCode]
      by_cases e : id = x
      · rw [← e, k.has id i, Bool.or_true]
      · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
    · rw [run_setCode]; split
      · next e => subst e; rfl
      · rfl
    · rw [run_setCode]; split
      · next e => subst e; rfl
      · rfl

theorem Mild.setHandles {m n : M} (k : Mild O z m n) {id : Id} (i : n.has id = true) {handles : List Id} :
    Mild O z m (n.setHandles id handles) := by
  refine k.same (fun x => ?_) (fun x _ => ?_) (fun x => ?_) rfl (fun x => ?_) (trace_setHandles _ _ _)
  · rw [run_setHandles]; split
    · next e => subst e; rfl
    · rfl
  · rw [run_setHandles]; split
    · next e => subst e; rfl
    · rfl
  · rw [has_setHandles]
    by_cases e : id = x
    · rw [← e, i, Bool.or_true]
    · rw [beq_eq_false_iff_ne.mpr e, Bool.false_or]
  · rw [run_setHandles]; split
    · next e => subst e; rfl
    · rfl

/-- A run of `z` changes hands. -/
theorem Mild.own {m n : M} (k : Mild O z m n) {id o : Id} {g : List Id} (h : O)
    (ho : ∀ p, (m.run id).owner = some p → p = z)
    (good : (∀ x, n.has x = true → m.has x = true) → Housed n → n.has o = true ∧ ∀ x ∈ g, n.has x = true) :
    Mild O z m (n.own id o g) := by
  refine ⟨fun x ne i => ?_, fun y p e => ?_, fun x i => ?_, k.stack, fun no hm => ?_⟩
  · rw [run_own]; split
    · next e => subst e; exact k.code _ ne i
    · exact k.code x ne i
  · by_cases ey : id = y
    · subst ey; exact .inl ⟨h, ho p e⟩
    · rw [run_own_ne _ _ _ ey]; exact k.owner y p e
  · rw [has_own, k.has x i, Bool.or_true]
  · have i : m.has id = true := no id (by rw [has_own, beq_self_eq_true, Bool.true_or])
    have no' : ∀ x, n.has x = true → m.has x = true := fun x ix => no x (by rw [has_own, ix, Bool.or_true])
    have hn := k.house no' hm
    exact hn.own (k.has id i) (good no' hn).1 (good no' hn).2

/-- A new run is put in. -/
theorem Mild.put {m n : M} (k : Mild O z m n) {r : Run} (absent : m.has r.id = false) : Mild O z m (n.put r) := by
  have ne : ∀ {x}, m.has x = true → r.id ≠ x := fun i e => by rw [e, i] at absent; cases absent
  refine ⟨fun x nz i => ?_, fun y p e => ?_, fun x i => ?_, k.stack, fun no _ => ?_⟩
  · rw [run_put_ne _ (ne i)]; exact k.code x nz i
  · have i : m.has y = true := Runs.has_of_owner e
    rw [run_put_ne _ (ne i)]; exact k.owner y p e
  · rw [M.has_put, k.has x i, Bool.or_true]
  · have := no r.id (by rw [M.has_put, beq_self_eq_true, Bool.true_or])
    rw [absent] at this; cases this

/-! ## What such changes keep -/

/-- The way up to one that watches stays. -/
theorem Mild.below {m n : M} (mi : Mild O z m n) {rest : List Id} (hw : (m.run .world).owner = none) (line : m.Line (z :: rest))
    (quiet : O → ¬ (m.run z).code.Watches) {d x : Id} (w : (m.run x).code.Watches) (b : m.Below d x) : n.Below d x := by
  induction b with
  | @own d x h =>
    rcases mi.owner d x h with ⟨o, e⟩ | h
    · exact absurd (e ▸ w) (quiet o)
    · exact .own h
  | @up d p x h g ih =>
    rcases mi.owner d p h with ⟨_, e⟩ | h
    · subst e
      obtain ⟨r, q, hd⟩ := Line.above hw g line
      exact absurd hd (Code.Watches.not_driving w)
    · exact .up h (ih w)

/-- The same up to a run that stands below, or is the one, that one that watches owns. -/
theorem Mild.below_inner {m n : M} (mi : Mild O z m n) {rest : List Id} (hw : (m.run .world).owner = none) (line : m.Line (z :: rest))
    {d r x : Id} (w : (m.run x).code.Watches) (top : m.Below r x) (b : m.Below d r) : n.Below d r := by
  have no : ∀ p, m.Below p x → p = z → False := fun p hp e => by
    subst e
    obtain ⟨r, q, hd⟩ := Line.above hw hp line
    exact Code.Watches.not_driving w hd
  induction b with
  | @own d r h =>
    rcases mi.owner d r h with ⟨_, e⟩ | h
    · exact (no r top e).elim
    · exact .own h
  | @up d p r h g ih =>
    rcases mi.owner d p h with ⟨_, e⟩ | h
    · exact (no p (g.trans top) e).elim
    · exact .up h (ih top)

theorem Stake.mono {m n : M} (wn : ∀ id, Trace.Indexed (n.run id).trace) (ht : ∀ id, (m.run id).trace <:+ (n.run id).trace)
    {u v : Undoing} (h1 : v.run = u.run) (h2 : v.to = u.to) (h3 : ∀ d ∈ v.todo, d ∈ u.todo)
    (there : ∀ k, u.to = some k → ∃ c, (m.run u.run).trace.nth k = some c) {d : Id} (s : n.Stake v d) : m.Stake u d := by
  rcases s with s | ⟨e, he, hd⟩ | ⟨k, c, hk, hc, hd⟩
  · exact .inl (s.trans h1)
  · exact .inr (.inl ⟨e, h3 e he, hd⟩)
  · right; right
    rw [h1] at hc hd
    rw [h2] at hk
    obtain ⟨c', hc'⟩ := there k hk
    obtain ⟨p, hp⟩ := ht u.run
    have := Trace.nth_append (hp ▸ wn u.run) hc'
    rw [hp, hc] at this
    cases this
    exact ⟨k, c, hk, hc', hd⟩

/-- Who watches, and goes on to watch, may. -/
theorem WatchOk.keep {m n : M} (wf : Wf m B) (hf : Runs.Forest m.runs) (e : Extends m n) (wn : ∀ id, Trace.Indexed (n.run id).trace)
    (mi : Mild O z m n) {rest : List Id} (line : m.Line (z :: rest)) (quiet : O → ¬ (m.run z).code.Watches) {x : Id}
    (c : Calmer (m.run x).code (n.run x).code) (h : m.WatchOk x) : n.WatchOk x := by
  have hw : (m.run .world).owner = none := wf.owner _ (run_mem wf.world) (run_id m .world)
  have still : ∀ {d}, (m.run x).code.Watches → m.Below d x → Calmer (m.run d).code (n.run d).code := fun {d} w b => by
    refine mi.code d (fun ez => ?_) b.has
    subst ez
    obtain ⟨r, q, hd⟩ := Line.above hw b line
    exact Code.Watches.not_driving w hd
  refine ⟨fun chain op args w hc => ?_, fun v o hv => ?_⟩
  · have hm : (m.run x).code = .passing chain op args w := by
      rw [hc] at c
      generalize (m.run x).code = a at c ⊢
      cases c with
      | same => rfl
    have ok := h.pass chain op args w hm
    have wt : (m.run x).code.Watches := .inl ⟨_, _, _, _, hm⟩
    exact ⟨mi.below hw line quiet wt ok.1, fun b => ok.2 ((still wt ok.1).busy b)⟩
  · have hm : ∃ u, (m.run x).code = .undoing u o ∧ v.run = u.run ∧ v.to = u.to ∧ ∀ d ∈ v.todo, d ∈ u.todo := by
      rw [hv] at c
      generalize (m.run x).code = a at c ⊢
      cases c with
      | same => exact ⟨v, rfl, rfl, rfl, fun _ h => h⟩
      | next h1 h2 h3 => exact ⟨_, rfl, h1, h2, h3⟩
    obtain ⟨u, hu, h1, h2, h3⟩ := hm
    have ok := h.undo u o hu
    have wt : (m.run x).code.Watches := .inr ⟨_, _, hu⟩
    have ck := wf.codes x
    rw [hu] at ck
    have there : ∀ k, u.to = some k → ∃ c, (m.run u.run).trace.nth k = some c := fun k hk =>
      (ck.2.2.2 k hk).imp fun _ h => h.1
    have own : (n.run v.run).owner = some x := by
      rw [h1]
      rcases mi.owner _ _ ok.1 with ⟨o, e⟩ | h
      · exact absurd (e ▸ wt) (quiet o)
      · exact h
    have top : m.Below u.run x := .own ok.1
    refine ⟨own, fun d hd => ?_⟩
    obtain ⟨hb, hn⟩ := ok.2 d (hd.mono wn (fun id => e.trace id) h1 h2 h3 there)
    have hbx : m.Below d x := by
      rcases hb with hb | hb
      · rw [hb]; exact top
      · exact hb.trans top
    refine ⟨?_, fun w => hn ((still wt hbx).waits w)⟩
    rw [h1]
    exact hb.imp_right fun hb => mi.below_inner hw line wt top hb

/-- Where all become calmer, and nobody changes hands, those who watch still may. -/
theorem WatchOk.calm {m n : M} (ht : ∀ id, (m.run id).trace <:+ (n.run id).trace) (wn : ∀ id, Trace.Indexed (n.run id).trace)
    (owner : ∀ x, (n.run x).owner = (m.run x).owner) (code : ∀ x, Calmer (m.run x).code (n.run x).code) {x : Id}
    (there : ∀ u o, (m.run x).code = .undoing u o → ∀ k, u.to = some k → ∃ c, (m.run u.run).trace.nth k = some c)
    (h : m.WatchOk x) : n.WatchOk x := by
  have below : ∀ {d y}, m.Below d y → n.Below d y := fun b => by
    induction b with
    | @own d y ho => exact .own ((owner d).trans ho)
    | @up d p y ho _ ih => exact .up ((owner d).trans ho) ih
  have c := code x
  refine ⟨fun chain op args w hc => ?_, fun v o hv => ?_⟩
  · have hm : (m.run x).code = .passing chain op args w := by
      rw [hc] at c
      generalize (m.run x).code = a at c ⊢
      cases c with
      | same => rfl
    have ok := h.pass chain op args w hm
    exact ⟨below ok.1, fun b => ok.2 ((code _).busy b)⟩
  · have hm : ∃ u, (m.run x).code = .undoing u o ∧ v.run = u.run ∧ v.to = u.to ∧ ∀ d ∈ v.todo, d ∈ u.todo := by
      rw [hv] at c
      generalize (m.run x).code = a at c ⊢
      cases c with
      | same => exact ⟨v, rfl, rfl, rfl, fun _ h => h⟩
      | next h1 h2 h3 => exact ⟨_, rfl, h1, h2, h3⟩
    obtain ⟨u, hu, h1, h2, h3⟩ := hm
    have ok := h.undo u o hu
    refine ⟨h1 ▸ (owner _).trans ok.1, fun d hd => ?_⟩
    obtain ⟨hb, hn⟩ := ok.2 d (hd.mono wn ht h1 h2 h3 (there u o hu))
    refine ⟨?_, fun w => hn ((code d).waits w)⟩
    rw [h1]
    exact hb.imp_right below

end M

end Shepherd
