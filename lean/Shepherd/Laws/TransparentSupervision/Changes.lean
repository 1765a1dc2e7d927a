import Shepherd.Laws.TransparentSupervision.Agree

/-!
# Elementary changes of two trees that agree on some runs
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

variable {G : Field} {φ : Nat → Nat} {m m' : M}

theorem _root_.Shepherd.Runs.Forest.put {rs : List Run} (f : Runs.Forest rs) {r : Run} (h : ∀ o, r.owner = some o → MayOwn o r.id) :
    Runs.Forest (Runs.put rs r) := by
  refine ⟨?_, fun x o ho => ?_⟩
  · rw [Runs.ids_put]
    split
    · exact f.nodup
    · next hn =>
      refine List.nodup_append.mpr ⟨f.nodup, List.pairwise_singleton _ _, fun x hx y hy e => hn ?_⟩
      rw [List.mem_singleton] at hy
      obtain ⟨z, hz, rfl⟩ := List.mem_map.mp hx
      exact (Runs.has_iff _ _).mpr ⟨z, hz, e.trans hy⟩
  · rw [Runs.find_put] at ho
    split at ho
    · next e => exact e ▸ h o ho
    · exact f.owner x o ho

/-- What may be put in for a marked run, in both trees. -/
structure Fits (G : Field) (φ : Nat → Nat) (n : Nat) (r r' : Run) : Prop where
  id : r'.id = r.id
  mark : G r.id = true
  like : Run.Like φ r r'
  owner : SameOwner G r.id r r'
  own : ∀ o, r.owner = some o → MayOwn o r.id
  own' : ∀ o, r'.owner = some o → MayOwn o r.id
  givers : ∀ g ∈ r.givers, MayOwn g r.id
  tables : ∀ h ∈ r.handles, Known G h
  commits : ∀ c ∈ r.trace, c.Within G n

theorem logged_put {r : Run} {i : Nat} (h : Logged G (m.put r) i) : Logged G m i ∨ ∃ c ∈ r.trace, c.seq = i := by
  obtain ⟨x, c, g, hc, e⟩ := h
  rw [run_put] at hc
  split at hc
  · exact .inr ⟨c, hc, e⟩
  · exact .inl ⟨x, c, g, hc, e⟩

theorem _root_.Shepherd.Commit.Within.more {n j : Nat} (l : n ≤ j) {c : Commit} (h : c.Within G n) : c.Within G j :=
  { h with seq := Nat.lt_of_lt_of_le h.seq l }

/-- A marked run is put in, and the log grows. -/
theorem Agree.update (k : Agree G φ m m') {r r' : Run} (log log' : List Commit)
    (f : Fits G φ ({ m with runs := Runs.put m.runs r, log } : M).size r r')
    (more : m.size ≤ ({ m with runs := Runs.put m.runs r, log } : M).size)
    (mono : ∀ i j, Logged G (m.put r) i → Logged G (m.put r) j → i < j → φ i < φ j)
    (bound : ∀ i, Logged G (m.put r) i → φ i < ({ m' with runs := Runs.put m'.runs r', log := log' } : M).size) :
    Agree G φ { m with runs := Runs.put m.runs r, log } { m' with runs := Runs.put m'.runs r', log := log' } := by
  have run : ∀ x, M.run { m with runs := Runs.put m.runs r, log } x = if r.id = x then r else m.run x := run_put m r
  have run' : ∀ x, M.run { m' with runs := Runs.put m'.runs r', log := log' } x = if r.id = x then r' else m'.run x := fun x => by
    rw [← f.id]; exact run_put m' r' x
  refine
    { program := k.program, contents := k.contents, written := k.written, used := k.used
      forest := k.forest.put f.own, forest' := k.forest'.put (fun o h => f.id ▸ f.own' o h)
      up := fun x o ho go => ?_, up' := fun x o ho go => ?_, ids := ?_
      owner := fun x g => ?_, givers := fun x g => ?_, tables := fun x g => ?_, commits := fun x g => ?_
      mono := mono, bound := bound, runs := fun x g => ?_
      world := ⟨Runs.has_put_of_has r k.world.1, Runs.has_put_of_has r' k.world.2⟩, out := k.out
      quiet := by
        have ne : r.id ≠ .world := fun e => by have := f.mark; rw [e, k.out] at this; cases this
        rw [run, run', if_neg ne, if_neg ne]; exact k.quiet }
  · rw [run] at ho
    split at ho
    · next e => exact e ▸ f.mark
    · exact k.up x o ho go
  · rw [run'] at ho
    split at ho
    · next e => exact e ▸ f.mark
    · exact k.up' x o ho go
  · show ((Runs.put m'.runs r').map Run.id).filter G.mark = ((Runs.put m.runs r).map Run.id).filter G.mark
    have h : Runs.has m'.runs r'.id = Runs.has m.runs r.id := by rw [f.id]; exact k.has f.mark
    rw [Runs.ids_put, Runs.ids_put, h, f.id]
    split
    · exact k.ids
    · rw [List.filter_append, List.filter_append, k.ids]
  · rw [run, run']; split
    · next e => exact e ▸ f.owner
    · exact k.owner x g
  · rw [run]; split
    · next e => exact e ▸ f.givers
    · exact k.givers x g
  · rw [run]; split
    · exact f.tables
    · exact k.tables x g
  · rw [run]; split
    · exact f.commits
    · exact fun c hc => (k.commits x g c hc).more more
  · rw [run, run']; split
    · exact f.like
    · exact k.runs x g

theorem Agree.put (k : Agree G φ m m') {r r' : Run} (f : Fits G φ m.size r r') (seqs : ∀ c ∈ r.trace, Logged G m c.seq) :
    Agree G φ (m.put r) (m'.put r') := by
  have old : ∀ {i}, Logged G (m.put r) i → Logged G m i := fun h => by
    rcases logged_put h with h | ⟨c, hc, e⟩
    · exact h
    · exact e ▸ seqs c hc
  exact k.update m.log m'.log f (Nat.le_refl _) (fun i j hi hj => k.mono i j (old hi) (old hj)) fun i hi => k.bound i (old hi)

/-- A marked run with other code, another table, or other counts. -/
theorem Agree.edit (k : Agree G φ m m') {id : Id} (g : G id = true) {r r' : Run} (hid : r.id = id) (hid' : r'.id = id)
    (core : r'.core = r.core) (code : Code.Like r.code r'.code) (trace : r.trace = (m.run id).trace)
    (trace' : r'.trace = (m'.run id).trace) (owner : r.owner = (m.run id).owner ∧ r.givers = (m.run id).givers)
    (owner' : r'.owner = (m'.run id).owner ∧ r'.givers = (m'.run id).givers) (tables : ∀ h ∈ r.handles, Known G h) :
    Agree G φ (m.put r) (m'.put r') := by
  subst hid
  refine k.put ⟨hid', g, ⟨core, code, by rw [trace, trace', k.trace g]⟩, ?_, fun o h => ?_, fun o h => ?_, ?_, tables, ?_⟩
    fun c hc => ⟨_, c, g, trace ▸ hc, rfl⟩
  · unfold SameOwner
    rw [owner.1, owner.2, owner'.1, owner'.2]
    exact k.owner _ g
  · exact k.forest.owner _ o (owner.1 ▸ h)
  · exact k.forest'.owner _ o (owner'.1 ▸ h)
  · rw [owner.2]; exact k.givers _ g
  · rw [trace]; exact k.commits _ g

theorem Agree.setCode (k : Agree G φ m m') {id : Id} (g : G id = true) {c c' : Code} (h : Code.Like c c') :
    Agree G φ (m.setCode id c) (m'.setCode id c') :=
  k.edit g (run_id m id) (run_id m' id) (k.runs id g).core h rfl rfl ⟨rfl, rfl⟩ ⟨rfl, rfl⟩ (k.tables id g)

theorem Agree.setCode' (k : Agree G φ m m') {id : Id} (g : G id = true) (c : Code) :
    Agree G φ (m.setCode id c) (m'.setCode id c) := k.setCode g (.same c)

theorem _root_.Shepherd.Run.core_handles {r r' : Run} (h : r'.core = r.core) (hs : List Id) (n : Nat) :
    ({ r' with handles := hs, made := n } : Run).core = ({ r with handles := hs, made := n } : Run).core :=
  congrArg (fun r => ({ r with handles := hs, made := n } : Run)) h

theorem Agree.setHandles (k : Agree G φ m m') {id : Id} (g : G id = true) {hs : List Id} (h : ∀ x ∈ hs, Known G x) :
    Agree G φ (m.setHandles id hs) (m'.setHandles id hs) :=
  k.edit g (run_id m id) (run_id m' id) (congrArg (fun r => ({ r with handles := hs } : Run)) (k.runs id g).core) (k.code g) rfl rfl
    ⟨rfl, rfl⟩ ⟨rfl, rfl⟩ h

theorem Agree.answered (k : Agree G φ m m') {id : Id} (g : G id = true) {hs : List Id} (h : ∀ x ∈ hs, Known G x) (n : Nat) :
    Agree G φ (m.put { m.run id with handles := hs, made := n }) (m'.put { m'.run id with handles := hs, made := n }) :=
  k.edit g (run_id m id) (run_id m' id) (Run.core_handles (k.runs id g).core hs n) (k.code g) rfl rfl ⟨rfl, rfl⟩ ⟨rfl, rfl⟩ h

theorem Agree.own (k : Agree G φ m m') {id o : Id} {gs : List Id} (g : G id = true) (ho : MayOwn o id) (hg : ∀ x ∈ gs, MayOwn x id) :
    Agree G φ (m.own id o gs) (m'.own id o gs) := by
  have e := run_id m id
  refine k.put ⟨(run_id m' id).trans e.symm, by rw [e]; exact g, ?_, .inl ⟨rfl, rfl⟩, fun x h => ?_, fun x h => ?_, by rw [e]; exact hg, k.tables id g, k.commits id g⟩
    fun c hc => ⟨id, c, g, hc, rfl⟩
  · exact ⟨(k.runs id g).core, k.code g, k.trace g⟩
  · rw [e]; exact Option.some.inj h ▸ ho
  · rw [e]; exact Option.some.inj h ▸ ho

/-! ## Records -/

theorem _root_.Shepherd.Trace.at_congr {ψ : Nat → Nat} {t : Trace} (h : ∀ c ∈ t, ψ c.seq = φ c.seq) : t.at ψ = t.at φ :=
  List.map_congr_left fun c hc => by unfold Commit.at; rw [h c hc]

theorem Logged.lt (k : Agree G φ m m') {i : Nat} (h : Logged G m i) : i < m.size := by
  obtain ⟨x, c, g, hc, rfl⟩ := h
  exact (k.commits x g c hc).seq

theorem Agree.remap (k : Agree G φ m m') {ψ : Nat → Nat} (h : ∀ i, i < m.size → ψ i = φ i) : Agree G ψ m m' :=
  { k with
    mono := fun i j hi hj l => by rw [h i (hi.lt k), h j (hj.lt k)]; exact k.mono i j hi hj l
    bound := fun i hi => by rw [h i (hi.lt k)]; exact k.bound i hi
    runs := fun x g => ⟨(k.runs x g).core, k.code g, by
      rw [k.trace g, Trace.at_congr fun c hc => h c.seq (k.commits x g c hc).seq]⟩ }

/-- The places in the log once both trees have recorded an event. -/
def onward (m m' : M) (φ : Nat → Nat) (i : Nat) : Nat := if i < m.size then φ i else m'.size

theorem onward_old (m m' : M) (φ : Nat → Nat) {i : Nat} (h : i < m.size) : onward m m' φ i = φ i := if_pos h

theorem onward_new (m m' : M) (φ : Nat → Nat) : onward m m' φ m.size = m'.size := if_neg (Nat.lt_irrefl _)

/-- The states after an event, in both trees. -/
structure _root_.Shepherd.State.Like (G : Field) (s s' : State) : Prop where
  code : Code.Like s.code s'.code
  files : s'.files = s.files
  handles : s'.handles = s.handles
  inbox : s'.inbox = s.inbox
  marks : ∀ h ∈ s.handles, Known G h

theorem Agree.state (k : Agree G φ m m') {id : Id} (g : G id = true) : State.Like G (m.state id) (m'.state id) :=
  ⟨k.code g, k.files g, k.handles g, k.inbox g, k.tables id g⟩

theorem Agree.commitOf (k : Agree G φ m m') {id : Id} (g : G id = true) {s s' : State} (h : State.Like G s s') (ev : Event) :
    m'.commitOf id ev s' = (m.commitOf id ev s).at (onward m m' φ) := by
  unfold M.commitOf Commit.at
  simp only [onward_new, h.code.settle, h.files, h.handles, h.inbox, k.headsAt g, k.made g, k.used, k.trace g, Trace.size_at]

theorem Agree.headsAt_mark (k : Agree G φ m m') {id : Id} (g : G id = true) (ev : Event) : ∀ h ∈ m.headsAt id ev, G h.id = true := by
  obtain ⟨l, hl, e⟩ := m.headsAt_eq id ev
  intro h hh
  rw [e] at hh
  obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
  exact k.under_mark _ _ (fun s hs => k.kids_mark g (hl.subset hs)) x hx

theorem Agree.record (k : Agree G φ m m') {id : Id} (g : G id = true) (ev : Event) {s s' : State} (h : State.Like G s s') :
    Agree G (onward m m' φ) (m.record id ev s) (m'.record id ev s') := by
  have k₁ := k.remap (ψ := onward m m' φ) fun i => onward_old m m' φ
  have e := run_id m id
  have core : (m'.run id).core = (m.run id).core := (k.runs id g).core
  let r : Run := { m.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                                 trace := m.commitOf id ev s :: (m.run id).trace }
  let r' : Run := { m'.run id with code := s'.code, files := s'.files, handles := s'.handles, inbox := s'.inbox,
                                   trace := m'.commitOf id ev s' :: (m'.run id).trace }
  have f : Fits G (onward m m' φ) (m.size + 1) r r' := by
    refine ⟨(run_id m' id).trans e.symm, e ▸ g, ⟨?_, h.code, ?_⟩, e.symm ▸ k.owner id g, ?_, ?_, ?_, h.marks, ?_⟩
    · simp only [r, r', h.files, h.handles, h.inbox]
      exact congrArg (fun r => ({ r with files := s.files, handles := s.handles, inbox := s.inbox } : Run)) core
    · show m'.commitOf id ev s' :: (m'.run id).trace = (m.commitOf id ev s).at _ :: (m.run id).trace.at _
      rw [k.commitOf g h, k₁.trace g]
    · simp only [r]; rw [e]; exact k.forest.owner id
    · simp only [r, r']; rw [e]; exact k.forest'.owner id
    · simp only [r]; rw [e]; exact k.givers id g
    · intro c hc
      cases List.mem_cons.mp hc with
      | inl e => rw [e]; exact ⟨g, h.marks, k.headsAt_mark g ev, Nat.lt_succ_self m.size⟩
      | inr hc => exact (k.commits id g c hc).more (Nat.le_succ m.size)
  have new : ∀ {i}, Logged G (m.record id ev s) i → Logged G m i ∨ i = m.size := fun h => by
    rcases logged_put (m := m) (r := r) h with h | ⟨c, hc, e⟩
    · exact .inl h
    · cases List.mem_cons.mp hc with
      | inl e' => exact .inr (e.symm.trans (congrArg Commit.seq e'))
      | inr hc => exact .inl ⟨id, c, g, hc, e⟩
  refine k₁.update (m.commitOf id ev s :: m.log) (m'.commitOf id ev s' :: m'.log) f (Nat.le_succ m.size) (fun i j hi hj l => ?_)
    fun i hi => ?_
  · rcases new hi with hi | rfl
    · rcases new hj with hj | rfl
      · exact k₁.mono i j hi hj l
      · rw [onward_new, onward_old _ _ _ l]; exact k.bound i hi
    · rcases new hj with hj | rfl
      · exact absurd (hj.lt k) (Nat.lt_asymm l)
      · exact absurd l (Nat.lt_irrefl _)
  · show _ < m'.size + 1
    rcases new hi with hi | rfl
    · exact Nat.lt_succ_of_lt (k₁.bound i hi)
    · rw [onward_new]; exact Nat.lt_succ_self _

/-- Both trees agree on the marked runs. -/
def Alike (G : Field) (m m' : M) : Prop := ∃ φ, Agree G φ m m'

theorem Agree.alike (k : Agree G φ m m') : Alike G m m' := ⟨φ, k⟩

theorem Alike.record (k : Alike G m m') {id : Id} (g : G id = true) (ev : Event) {s s' : State} (h : State.Like G s s') :
    Alike G (m.record id ev s) (m'.record id ev s') := ⟨_, k.choose_spec.record g ev h⟩

theorem Alike.setCode (k : Alike G m m') {id : Id} (g : G id = true) {c c' : Code} (h : Code.Like c c') :
    Alike G (m.setCode id c) (m'.setCode id c') := k.elim fun _ k => (k.setCode g h).alike

theorem Alike.recordCode (k : Alike G m m') {id : Id} (g : G id = true) (ev : Event) {c c' : Code} (h : Code.Like c c') :
    Alike G (m.recordCode id ev c) (m'.recordCode id ev c') :=
  k.elim fun _ k => (k.record g ev (s := { m.state id with code := c }) (s' := { m'.state id with code := c' })
    { k.state g with code := h }).alike

theorem Alike.reply (k : Alike G m m') {id : Id} (g : G id = true) (w : Waiting) (answer : Value) (change : Change := []) :
    Alike G (m.reply id w answer change) (m'.reply id w answer change) := by
  obtain ⟨φ, k⟩ := k
  rw [reply_eq, reply_eq, k.files g]
  exact (k.record g _ (s := { m.state id with code := resume answer w.stack, files := (m.run id).files.apply change })
    (s' := { m'.state id with code := resume answer w.stack, files := (m.run id).files.apply change })
    ⟨.same _, rfl, k.handles g, k.inbox g, k.tables id g⟩).alike

theorem Alike.foldl {α : Type} {f f' : M → α → M} {l : List α} (h : ∀ n n' x, x ∈ l → Alike G n n' → Alike G (f n x) (f' n' x))
    (k : Alike G m m') : Alike G (l.foldl f m) (l.foldl f' m') := by
  induction l generalizing m m' with
  | nil => exact k
  | cons x l ih =>
    exact ih (fun n n' y hy => h n n' y (List.mem_cons_of_mem _ hy)) (h m m' x List.mem_cons_self k)

/-! ## Changes beside the marked runs -/

theorem SameOwner.refl (x : Id) (r : Run) : SameOwner G x r r := .inl ⟨rfl, rfl⟩

/-- From `m` to `n` the marked runs stay, but for who, outside of them, owns them. -/
structure Beside (G : Field) (m n : M) : Prop where
  program : n.program = m.program
  contents : n.contents = m.contents
  written : n.written = m.written
  used : n.used = m.used
  up : ∀ x o, G x = false → (n.run x).owner = some o → G o = true → (m.run x).owner = some o
  ids : (n.runs.map Run.id).filter G.mark = (m.runs.map Run.id).filter G.mark
  size : m.size ≤ n.size
  runs : ∀ x, G x = true → n.run x = { m.run x with owner := (n.run x).owner, givers := (n.run x).givers }
  owner : ∀ x, G x = true → SameOwner G x (m.run x) (n.run x)
  world : m.has .world = true → n.has .world = true
  quiet : (m.run .world).trace = [] → (n.run .world).trace = []

theorem Beside.refl (m : M) : Beside G m m :=
  ⟨rfl, rfl, rfl, rfl, fun _ _ _ h _ => h, rfl, Nat.le_refl _, fun _ _ => rfl, fun _ _ => .refl _ _, fun h => h, fun h => h⟩

theorem SameOwner.trans {x : Id} {r s t : Run} (h : SameOwner G x r s) (h' : SameOwner G x s t) : SameOwner G x r t := by
  rcases h with h | h
  · rcases h' with h' | h'
    · exact .inl ⟨h'.1.trans h.1, h'.2.trans h.2⟩
    · exact .inr ⟨h'.1, h.1 ▸ h'.2.1, h'.2.2⟩
  · rcases h' with h' | h'
    · exact .inr ⟨h.1, h.2.1, h'.1 ▸ h.2.2⟩
    · exact .inr ⟨h.1, h.2.1, h'.2.2⟩

theorem SameOwner.symm {x : Id} {r s : Run} (h : SameOwner G x r s) : SameOwner G x s r := by
  rcases h with h | h
  · exact .inl ⟨h.1.symm, h.2.symm⟩
  · exact .inr ⟨h.1, h.2.2, h.2.1⟩

theorem Beside.trans {n p : M} (b : Beside G m n) (c : Beside G n p) : Beside G m p where
  program := c.program.trans b.program
  contents := c.contents.trans b.contents
  written := c.written.trans b.written
  used := c.used.trans b.used
  up x o gx h go := b.up x o gx (c.up x o gx h go) go
  ids := c.ids.trans b.ids
  size := Nat.le_trans b.size c.size
  runs x g := by
    have h := c.runs x g
    rw [b.runs x g] at h
    exact h
  owner x g := (b.owner x g).trans (c.owner x g)
  world h := c.world (b.world h)
  quiet h := c.quiet (b.quiet h)

/-- A run outside of the marked ones is put in. -/
theorem Beside.put {n : M} (b : Beside G m n) {r : Run} (g : G r.id = false)
    (ho : r.owner = (n.run r.id).owner) (hq : r.id = .world → r.trace = (n.run r.id).trace) : Beside G m (n.put r) :=
  b.trans
    { program := rfl, contents := rfl, written := rfl, used := rfl, size := Nat.le_refl _
      up := fun x o gx h _ => by
        rw [run_put] at h
        split at h
        · next e => rw [← e, ← ho]; exact h
        · exact h
      ids := by
        show ((Runs.put n.runs r).map Run.id).filter G.mark = _
        rw [Runs.ids_put]
        split
        · rfl
        · rw [List.filter_append, List.filter_cons_of_neg (by rw [g]; exact Bool.false_ne_true), List.filter_nil, List.append_nil]
      runs := fun x gx => by
        rw [run_put_ne _ fun e => by rw [e, gx] at g; cases g]
      owner := fun x gx => by
        rw [run_put_ne _ fun e => by rw [e, gx] at g; cases g]
        exact .refl _ _
      world := Runs.has_put_of_has r
      quiet := fun h => by
        rw [run_put]
        split
        · next e => rw [hq e, e]; exact h
        · exact h }

theorem Beside.setCode {n : M} (b : Beside G m n) {id : Id} (g : G id = false) (c : Code) : Beside G m (n.setCode id c) :=
  b.put (r := { n.run id with code := c }) (by rw [run_id]; exact g) (by rw [run_id]) fun _ => by rw [run_id]

theorem Beside.setHandles {n : M} (b : Beside G m n) {id : Id} (g : G id = false) (hs : List Id) :
    Beside G m (n.setHandles id hs) :=
  b.put (r := { n.run id with handles := hs }) (by rw [run_id]; exact g) (by rw [run_id]) fun _ => by rw [run_id]

theorem Beside.record {n : M} (b : Beside G m n) {id : Id} (g : G id = false) (nw : id ≠ .world) (ev : Event) (s : State) :
    Beside G m (n.record id ev s) := by
  have b₁ : Beside G m { n with log := n.commitOf id ev s :: n.log } :=
    b.trans { Beside.refl n with size := Nat.le_succ n.size }
  exact b₁.put (r := { n.run id with code := s.code, files := s.files, handles := s.handles, inbox := s.inbox,
                                     trace := n.commitOf id ev s :: (n.run id).trace })
    (by rw [run_id]; exact g) (by simp only [run_id]; rfl) fun e => absurd ((run_id n id).symm.trans e) nw

theorem Beside.stack {n : M} (b : Beside G m n) (stack : List Id) : Beside G m { n with stack } :=
  b.trans { Beside.refl n with }

/-- Where both trees change beside the marked runs, they still agree on these. -/
theorem Agree.beside (k : Agree G φ m m') {n n' : M} (b : Beside G m n) (b' : Beside G m' n') (t : Tied n) (t' : Tied n') :
    Agree G φ n n' :=
  have old : ∀ {i}, Logged G n i → Logged G m i := fun h => by
    obtain ⟨x, c, g, hc, e⟩ := h
    rw [b.runs x g] at hc
    exact ⟨x, c, g, hc, e⟩
  {
  program := by rw [b.program, b'.program, k.program]
  contents := by rw [b.contents, b'.contents, k.contents]
  written := by rw [b.written, b'.written, k.written]
  used := by rw [b.used, b'.used, k.used]
  forest := t.forest
  forest' := t'.forest
  up x o h go := by
    cases gx : G x with
    | true => rfl
    | false => rw [← gx]; exact k.up x o (b.up x o gx h go) go
  up' x o h go := by
    cases gx : G x with
    | true => rfl
    | false => rw [← gx]; exact k.up' x o (b'.up x o gx h go) go
  ids := by rw [b.ids, b'.ids, k.ids]
  owner x g := ((b.owner x g).symm.trans (k.owner x g)).trans (b'.owner x g)
  givers x _ := t.givers x
  tables x g := by rw [b.runs x g]; exact k.tables x g
  world := ⟨b.world k.world.1, b'.world k.world.2⟩
  out := k.out
  quiet := ⟨b.quiet k.quiet.1, b'.quiet k.quiet.2⟩
  commits x g := by
    rw [b.runs x g]
    exact fun c hc => (k.commits x g c hc).more b.size
  mono i j hi hj := k.mono i j (old hi) (old hj)
  bound i hi := Nat.lt_of_lt_of_le (k.bound i (old hi)) b'.size
  runs x g := by
    rw [b.runs x g, b'.runs x g]
    exact ⟨(k.runs x g).core, k.code g, k.trace g⟩ }

end M

end Shepherd
