import Shepherd.Laws.Support.Forest
import Shepherd.Oracle

/-!
# Well-formed trees

What holds of every tree that can be reached, and the preorder in which trees only grow.
-/

namespace Shepherd

/-! ## Traces with the right indices -/

/-- Every commit of a trace stands at its index. -/
def Trace.Indexed : Trace → Prop
  | [] => True
  | c :: t => c.index = t.length ∧ Indexed t

/-- The places in the log of new commits, newest first, go on from `n`. -/
def Numbered (n : Nat) : List Commit → Prop
  | [] => True
  | c :: cs => c.seq = n + cs.length ∧ Numbered n cs

namespace Trace

theorem Indexed.size {t : Trace} (h : Indexed t) : Trace.size t = t.length := by
  cases t with
  | nil => rfl
  | cons c t => simp only [Trace.size, h.1, List.length_cons]

theorem Indexed.of_append {s t : Trace} (h : Indexed (s ++ t)) : Indexed t := by
  induction s with
  | nil => exact h
  | cons c s ih => exact ih h.2

theorem Indexed.of_suffix {s t : Trace} (h : Indexed t) (hs : s <:+ t) : Indexed s := by
  obtain ⟨p, rfl⟩ := hs
  exact h.of_append

theorem upTo_suffix (t : Trace) (k : Nat) : upTo t k <:+ t := List.dropWhile_suffix _

theorem nth_cons (c : Commit) (t : Trace) (k : Nat) : nth (c :: t) k = if c.index = k then some c else nth t k := by
  unfold nth upTo
  rw [List.dropWhile_cons]
  by_cases e : c.index = k
  · have : (c.index != k) = false := by rw [e, bne_self_eq_false]
    rw [this, if_pos e]; rfl
  · have : (c.index != k) = true := bne_iff_ne.mpr e
    rw [this, if_neg e, if_pos rfl]

theorem nth_index {t : Trace} {k : Nat} {c : Commit} (h : nth t k = some c) : c.index = k := by
  induction t with
  | nil => cases h
  | cons x t ih =>
    rw [nth_cons] at h
    split at h
    · next e => cases h; exact e
    · exact ih h

theorem nth_mem {t : Trace} {k : Nat} {c : Commit} (h : nth t k = some c) : c ∈ t := by
  induction t with
  | nil => cases h
  | cons x t ih =>
    rw [nth_cons] at h
    split at h
    · cases h; exact List.mem_cons_self
    · exact List.mem_cons_of_mem _ (ih h)

theorem nth_lt {t : Trace} (ht : Indexed t) {k : Nat} {c : Commit} (h : nth t k = some c) : k < t.length := by
  induction t with
  | nil => cases h
  | cons x t ih =>
    rw [nth_cons] at h
    split at h
    · next e => rw [← e, ht.1]; exact Nat.lt_succ_self _
    · exact Nat.lt_succ_of_lt (ih ht.2 h)

/-- The commit of an event stays when a trace grows. -/
theorem nth_append {s t : Trace} (hst : Indexed (s ++ t)) {k : Nat} {c : Commit} (h : nth t k = some c) :
    nth (s ++ t) k = some c := by
  induction s with
  | nil => exact h
  | cons x s ih =>
    have hk := nth_lt hst.of_append h
    rw [List.cons_append, nth_cons, if_neg, ih hst.2]
    have hx : x.index = (s ++ t).length := hst.1
    rw [List.length_append] at hx
    omega

end Trace

namespace Numbered

theorem append {n : Nat} {cs ds : List Commit} (hd : Numbered n ds) (hc : Numbered (n + ds.length) cs) :
    Numbered n (cs ++ ds) := by
  induction cs with
  | nil => exact hd
  | cons c cs ih =>
    have hl : (cs ++ ds).length = cs.length + ds.length := List.length_append
    refine ⟨?_, ih hc.2⟩
    show c.seq = n + (cs ++ ds).length
    rw [hc.1, hl]; omega

theorem lt {n : Nat} {cs : List Commit} (h : Numbered n cs) : ∀ c ∈ cs, c.seq < n + cs.length := by
  induction cs with
  | nil => exact fun _ hc => absurd hc List.not_mem_nil
  | cons d cs ih =>
    intro c hc
    rw [List.length_cons]
    rcases List.mem_cons.mp hc with e | e
    · rw [e, h.1]; omega
    · have := ih h.2 c e
      omega

/-- The place of a commit in the log tells which one it is. -/
theorem unique {n : Nat} {cs : List Commit} (h : Numbered n cs) {c d : Commit} (hc : c ∈ cs) (hd : d ∈ cs) (e : c.seq = d.seq) :
    c = d := by
  induction cs with
  | nil => exact absurd hc List.not_mem_nil
  | cons x cs ih =>
    have first := h.1
    rcases List.mem_cons.mp hc with ec | hc'
    · rcases List.mem_cons.mp hd with ed | hd'
      · rw [ec, ed]
      · have := h.2.lt d hd'
        rw [ec] at e
        omega
    · rcases List.mem_cons.mp hd with ed | hd'
      · have := h.2.lt c hc'
        rw [ed] at e
        omega
      · exact ih h.2 hc' hd'

end Numbered

/-! ## Well-formed trees -/

namespace M

/-- The runs that code names are there; and for a run that is being taken back, which the world is not, so is what stood below it
then. `run.pick` is nobody's question but its own run's. -/
def CodeOk (m : M) : Code → Prop
  | .settled _ => True
  | .driving _ _ => True
  | .passing chain op _ _ => op ≠ "run.pick" ∧ ∀ x ∈ chain, m.has x = true
  | .undoing u _ => u.run ≠ .world ∧ m.has u.run = true ∧ (∀ d ∈ u.todo, m.has d.run = true ∧ d.op ≠ "run.pick") ∧
      ∀ k, u.to = some k → ∃ c, (m.run u.run).trace.nth k = some c ∧
        ∀ h ∈ c.heads, m.has (Id.today c.run u.run h.id) = true

/-- Code of the outermost owner where it is not in the middle of an operation that a single step makes: it has no program. -/
def Calm : Code → Prop
  | .settled (.running ..) => False
  | .settled (.waiting _) => False
  | .passing .. => False
  | _ => True

/-- Whether a run can record an event by itself: neither an operation of the outermost owner nor a fork of the whole tree. -/
def Inward (id : Id) (event : Event) : Prop :=
  (id = .world → ∀ op args, event ≠ .intent op args) ∧ ∀ k, event ≠ .forked id k

/-- The id was given out: whoever made it has counted it. -/
def Stamped (m : M) : Id → Prop
  | .made a n => n < (m.run a).made
  | .copy (.made a n) _ => n < (m.run a).made
  | _ => True

/-- `n` is `m` with more recorded: program and contents are the same, runs stay, `cs` is what the log has more, newest first, and
each run that was there has what of it is its own on top of its trace. -/
structure Extends (m n : M) : Prop where
  program : n.program = m.program
  contents : n.contents = m.contents
  has : ∀ id, m.has id = true → n.has id = true
  made : ∀ id, (m.run id).made ≤ (n.run id).made
  new : ∃ cs, n.log = cs ++ m.log ∧ Numbered m.size cs ∧
    ∀ id, m.has id = true → (n.run id).trace = cs.filter (fun c => c.run == id) ++ (m.run id).trace

/-- What holds of every tree of runs. `busy`: but for the outermost owner, which is in the middle of an operation. -/
structure Wf (m : M) (busy : Prop := False) : Prop where
  world : m.has .world = true
  codes : ∀ id, m.CodeOk (m.run id).code
  fresh : ∀ id, m.has id = true → m.Stamped id
  indexed : ∀ id, Trace.Indexed (m.run id).trace
  /-- How many runs a run has made stands in its last commit. -/
  counted : ∀ id c t, (m.run id).trace = c :: t → c.made = (m.run id).made
  recorders : ∀ id, ∀ c ∈ (m.run id).trace, m.has c.run = true
  /-- What a run recorded itself is what the log has of it. -/
  own : ∀ id, (m.run id).trace.filter (fun c => c.run == id) = m.log.filter (fun c => c.run == id)
  numbered : Numbered 0 m.log
  owner : ∀ r ∈ m.runs, r.id = .world → r.owner = none
  heads : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, h.id ≠ .world
  calm : busy ∨ Calm (m.run .world).code

/-! ## The preorder -/

theorem size_eq_of_append {m n : M} {cs : List Commit} (h : n.log = cs ++ m.log) (hn : Numbered m.size cs) :
    n.size = m.size + cs.length := by
  cases cs with
  | nil => unfold size; rw [h]; rfl
  | cons c cs =>
    have : n.size = c.seq + 1 := by unfold size; rw [h]; rfl
    rw [this, hn.1, List.length_cons, Nat.add_assoc]

namespace Extends

theorem refl (m : M) : Extends m m where
  program := rfl
  contents := rfl
  has := fun _ h => h
  made := fun _ => Nat.le_refl _
  new := ⟨[], rfl, trivial, fun _ _ => rfl⟩

theorem trans {m n p : M} (h : Extends m n) (g : Extends n p) : Extends m p where
  program := g.program.trans h.program
  contents := g.contents.trans h.contents
  has := fun id i => g.has id (h.has id i)
  made := fun id => Nat.le_trans (h.made id) (g.made id)
  new := by
    obtain ⟨cs, hl, hn, ht⟩ := h.new
    obtain ⟨ds, gl, gn, gt⟩ := g.new
    refine ⟨ds ++ cs, ?_, ?_, ?_⟩
    · rw [gl, hl, List.append_assoc]
    · rw [size_eq_of_append hl hn] at gn
      exact hn.append gn
    · intro id i
      rw [gt id (h.has id i), ht id i, List.filter_append, List.append_assoc]

theorem log {m n : M} (h : Extends m n) : m.log <:+ n.log := by
  obtain ⟨cs, hl, _⟩ := h.new
  exact ⟨cs, hl.symm⟩

theorem trace {m n : M} (h : Extends m n) (id : Id) : (m.run id).trace <:+ (n.run id).trace := by
  cases i : m.has id with
  | true =>
    obtain ⟨cs, _, _, ht⟩ := h.new
    exact ⟨_, (ht id i).symm⟩
  | false => rw [run_of_not_has i]; exact List.nil_suffix

theorem size_le {m n : M} (h : Extends m n) : m.size ≤ n.size := by
  obtain ⟨cs, hl, hn, _⟩ := h.new
  rw [size_eq_of_append hl hn]; exact Nat.le_add_right _ _

/-- Nothing was recorded where the log did not get longer. -/
theorem log_eq {m n : M} (h : Extends m n) (e : n.size = m.size) : n.log = m.log := by
  obtain ⟨cs, hl, hn, _⟩ := h.new
  have := size_eq_of_append hl hn
  have hc : cs = [] := List.eq_nil_of_length_eq_zero (by omega)
  rw [hl, hc]; rfl

theorem trace_eq {m n : M} (h : Extends m n) (e : n.size = m.size) {id : Id} (i : m.has id = true) :
    (n.run id).trace = (m.run id).trace := by
  obtain ⟨cs, hl, hn, ht⟩ := h.new
  have := size_eq_of_append hl hn
  have hc : cs = [] := List.eq_nil_of_length_eq_zero (by omega)
  rw [ht id i, hc]; rfl

end Extends

theorem Stamped.mono {m n : M} (h : ∀ id, (m.run id).made ≤ (n.run id).made) {id : Id} (i : m.Stamped id) : n.Stamped id := by
  unfold Stamped at i ⊢
  split
  · exact Nat.lt_of_lt_of_le i (h _)
  · exact Nat.lt_of_lt_of_le i (h _)
  · trivial

theorem CodeOk.mono {m n : M} (hh : ∀ id, m.has id = true → n.has id = true)
    (ht : ∀ id, m.has id = true → ∃ s, (n.run id).trace = s ++ (m.run id).trace)
    (hi : ∀ id, Trace.Indexed (n.run id).trace) {code : Code} (h : m.CodeOk code) : n.CodeOk code := by
  cases code with
  | settled s => trivial
  | driving r w => trivial
  | passing chain op args w => exact ⟨h.1, fun x hx => hh x (h.2 x hx)⟩
  | undoing u o =>
    refine ⟨h.1, hh _ h.2.1, fun d hd => ⟨hh _ (h.2.2.1 d hd).1, (h.2.2.1 d hd).2⟩, fun k hk => ?_⟩
    obtain ⟨c, hc, hheads⟩ := h.2.2.2 k hk
    obtain ⟨s, hs⟩ := ht u.run h.2.1
    refine ⟨c, ?_, fun x hx => hh _ (hheads x hx)⟩
    rw [hs]
    exact Trace.nth_append (hs ▸ hi u.run) hc

theorem CodeOk.extends {m n : M} {B : Prop} (e : Extends m n) (w : Wf n B) {code : Code} (h : m.CodeOk code) : n.CodeOk code := by
  refine h.mono e.has (fun id i => ?_) w.indexed
  obtain ⟨cs, _, _, ht⟩ := e.new
  exact ⟨_, ht id i⟩

end M

end Shepherd
