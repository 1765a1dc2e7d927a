import Shepherd.Laws.Support.TiedReach

/-!
# Two trees that agree on some runs

`Agree G φ m m'`: the runs that `G` marks are the same in both trees, but for their places in the log and for who owns one of them.
Whatever such a run does, it does in both.
-/

namespace Shepherd

open Id (MayOwn Over)

/-- A commit at another place of the log. -/
def Commit.at (φ : Nat → Nat) (c : Commit) : Commit := { c with seq := φ c.seq }

/-- A trace at other places of the log. -/
def Trace.at (φ : Nat → Nat) (t : Trace) : Trace := t.map (Commit.at φ)

/-- A debt without its place in the log. -/
def Debt.bare (d : Debt) : Debt := { d with seq := 0 }

/-- The same code, but for the places in the log of debts. -/
inductive Code.Like : Code → Code → Prop where
  | same (c : Code) : Like c c
  | undoing (u : Undoing) (todo : List Debt) (o : Settled) : todo.map Debt.bare = u.todo.map Debt.bare →
      Like (.undoing u o) (.undoing { u with todo } o)

/-- What stays of a run without its owner, its code and its trace. -/
def Run.core (r : Run) : Run := { r with owner := none, givers := [], code := .settled .discarded, trace := [] }

/-- The same run at other places of the log, its owner apart. -/
structure Run.Like (φ : Nat → Nat) (r r' : Run) : Prop where
  core : r'.core = r.core
  code : Code.Like r.code r'.code
  trace : r'.trace = r.trace.at φ

/-- Which runs two trees agree on, and of these the one that may be owned otherwise. -/
structure Field where
  mark : Id → Bool
  lone : Id

instance : CoeFun Field fun _ => Id → Bool := ⟨Field.mark⟩

/-- What a marked run may hold: another one; or the world, to which a handle that was never given out is renumbered: a program with a
run among its literals could make one. -/
def Known (G : Field) (h : Id) : Prop := G h = true ∨ h = .world

/-- What a commit speaks of is among the marked runs, and in the log. -/
structure Commit.Within (G : Field) (n : Nat) (c : Commit) : Prop where
  run : G c.run = true
  handles : ∀ h ∈ c.handles, Known G h
  heads : ∀ h ∈ c.heads, G h.id = true
  seq : c.seq < n

namespace M

/-- Who owns the run `x` is the same; or `x` is the one that may be owned otherwise, and who owns it is in both trees outside of `G`. -/
def SameOwner (G : Field) (x : Id) (r r' : Run) : Prop :=
  (r'.owner = r.owner ∧ r'.givers = r.givers) ∨
    (x = G.lone ∧ (∀ o, r.owner = some o → G o = false) ∧ ∀ o, r'.owner = some o → G o = false)

/-- The place `i` of the log is that of a commit in the trace of a marked run. -/
def Logged (G : Field) (m : M) (i : Nat) : Prop := ∃ x c, G x = true ∧ c ∈ (m.run x).trace ∧ c.seq = i

/-- The runs that `G` marks are the same in both trees, but for their places in the log, which `φ` maps to each other, and for who owns
one of them, which runs outside of `G` own; and they hold only each other. What no run owns alone (what is known of contents, the counts of
limited clauses) is the same too. The outermost owner, which is not marked, has done nothing of its own. -/
structure Agree (G : Field) (φ : Nat → Nat) (m m' : M) : Prop where
  program : m'.program = m.program
  contents : m'.contents = m.contents
  written : m'.written = m.written
  used : m'.used = m.used
  forest : Runs.Forest m.runs
  forest' : Runs.Forest m'.runs
  up : ∀ x o, (m.run x).owner = some o → G o = true → G x = true
  up' : ∀ x o, (m'.run x).owner = some o → G o = true → G x = true
  ids : (m'.runs.map Run.id).filter G.mark = (m.runs.map Run.id).filter G.mark
  owner : ∀ x, G x = true → SameOwner G x (m.run x) (m'.run x)
  givers : ∀ x, G x = true → ∀ g ∈ (m.run x).givers, MayOwn g x
  tables : ∀ x, G x = true → ∀ h ∈ (m.run x).handles, Known G h
  commits : ∀ x, G x = true → ∀ c ∈ (m.run x).trace, c.Within G m.size
  mono : ∀ i j, Logged G m i → Logged G m j → i < j → φ i < φ j
  bound : ∀ i, Logged G m i → φ i < m'.size
  runs : ∀ x, G x = true → Run.Like φ (m.run x) (m'.run x)
  world : m.has .world = true ∧ m'.has .world = true
  out : G .world = false
  quiet : (m.run .world).trace = [] ∧ (m'.run .world).trace = []

variable {G : Field} {φ : Nat → Nat} {m m' : M}

/-! ## Fields -/

section
variable (k : Agree G φ m m') {x : Id} (g : G x = true)
include k g

theorem Agree.agent : (m'.run x).agent = (m.run x).agent := congrArg (fun r => r.agent) (k.runs x g).core
theorem Agree.args : (m'.run x).args = (m.run x).args := congrArg (fun r => r.args) (k.runs x g).core
theorem Agree.files : (m'.run x).files = (m.run x).files := congrArg (fun r => r.files) (k.runs x g).core
theorem Agree.base : (m'.run x).base = (m.run x).base := congrArg (fun r => r.base) (k.runs x g).core
theorem Agree.grant : (m'.run x).grant = (m.run x).grant := congrArg (fun r => r.grant) (k.runs x g).core
theorem Agree.handles : (m'.run x).handles = (m.run x).handles := congrArg (fun r => r.handles) (k.runs x g).core
theorem Agree.inbox : (m'.run x).inbox = (m.run x).inbox := congrArg (fun r => r.inbox) (k.runs x g).core
theorem Agree.made : (m'.run x).made = (m.run x).made := congrArg (fun r => r.made) (k.runs x g).core
theorem Agree.trace : (m'.run x).trace = (m.run x).trace.at φ := (k.runs x g).trace
theorem Agree.code : Code.Like (m.run x).code (m'.run x).code := (k.runs x g).code
end

theorem _root_.Shepherd.Trace.size_at (t : Trace) : (t.at φ).size = t.size := by
  cases t <;> rfl

theorem _root_.Shepherd.Code.Like.settle {c c' : Code} (h : Code.Like c c') : c'.settle = c.settle := by
  cases h <;> rfl

theorem _root_.Shepherd.Code.Like.isLive {c c' : Code} (h : Code.Like c c') : c'.isLive = c.isLive := by
  cases h <;> rfl

/-! ## Who stands below -/

theorem _root_.Shepherd.Runs.kids_of_ids {rs : List Run} (f : (rs.map Run.id).Nodup) (a : Id) :
    Runs.kids rs a = (rs.map Run.id).filter fun x => (Runs.find rs x).owner == some a := by
  rw [List.filter_map]
  unfold Runs.kids
  congr 1
  refine List.filter_congr fun r hr => ?_
  show _ = ((Runs.find rs r.id).owner == some a)
  rw [Runs.find_of_mem f hr]

theorem Agree.has (k : Agree G φ m m') {x : Id} (g : G x = true) : m'.has x = m.has x := by
  have mem : ∀ n : M, n.has x = true ↔ x ∈ (n.runs.map Run.id).filter G.mark := fun n => by
    rw [List.mem_filter, List.mem_map]
    exact (Runs.has_iff _ _).trans ⟨fun h => ⟨h, g⟩, fun h => h.1⟩
  have this : m'.has x = true ↔ m.has x = true := by rw [mem, mem, k.ids]
  cases h : m.has x with
  | true => exact this.mpr h
  | false =>
    cases h' : m'.has x with
    | true => rw [this.mp h'] at h; cases h
    | false => rfl

theorem Agree.has_known (k : Agree G φ m m') {x : Id} (g : Known G x) : m'.has x = m.has x := by
  rcases g with g | rfl
  · exact k.has g
  · rw [k.world.1, k.world.2]

theorem Agree.owns (k : Agree G φ m m') {a x : Id} (ga : G a = true) : m'.owns a x = m.owns a x := by
  unfold M.owns
  by_cases g : G x = true
  · rcases k.owner x g with h | ⟨_, h, h'⟩
    · rw [h.1]
    · have no : ∀ r : Run, (∀ o, r.owner = some o → G o = false) → (r.owner == some a) = false := fun r h => by
        refine beq_eq_false_iff_ne.mpr fun e => ?_
        rw [h a e] at ga; cases ga
      rw [no _ h, no _ h']
  · have no : ∀ r : Run, (∀ o, r.owner = some o → G o = true → G x = true) → (r.owner == some a) = false := fun r h =>
      beq_eq_false_iff_ne.mpr fun e => g (h a e ga)
    rw [no _ (k.up x), no _ (k.up' x)]

theorem Agree.kids (k : Agree G φ m m') {a : Id} (ga : G a = true) : m'.kids a = m.kids a := by
  unfold M.kids
  rw [Runs.kids_of_ids k.forest'.nodup, Runs.kids_of_ids k.forest.nodup]
  have go : ∀ (l : List Id) (p : Id → Bool), (∀ x, p x = true → G x = true) → l.filter p = (l.filter G.mark).filter p := fun l p h => by
    rw [List.filter_filter]
    refine List.filter_congr fun x _ => ?_
    cases e : p x with
    | false => rfl
    | true => rw [h x e]; rfl
  have e' := go (m'.runs.map Run.id) (fun x => (m'.run x).owner == some a) fun x h => k.up' x a (beq_iff_eq.mp h) ga
  have e := go (m.runs.map Run.id) (fun x => (m.run x).owner == some a) fun x h => k.up x a (beq_iff_eq.mp h) ga
  refine e'.trans (Eq.trans ?_ e.symm)
  rw [k.ids]
  exact List.filter_congr fun x _ => k.owns (x := x) ga

theorem Agree.kids_mark (k : Agree G φ m m') {a x : Id} (ga : G a = true) (h : x ∈ m.kids a) : G x = true :=
  k.up x a ((Runs.mem_kids_iff k.forest.nodup).mp h) ga

theorem _root_.Shepherd.Runs.under_more {rs : List Run} (f : Runs.Forest rs) : ∀ (n : Nat) (S siblings : List Id), S.Nodup →
    (∀ s ∈ S, Runs.has rs s = true) → (∀ k ∈ siblings, Runs.has rs k = true) → (∀ s ∈ S, ∀ k ∈ siblings, Over s k ∧ s ≠ k) →
    rs.length ≤ S.length + n → Runs.under rs (n + 1) siblings = Runs.under rs n siblings
  | 0, S, siblings, nodup, hS, hk, apart, len => by
    cases siblings with
    | nil => rfl
    | cons x xs =>
      have : (x :: S).length ≤ (rs.map Run.id).length := by
        refine length_le_of_nodup (List.nodup_cons.mpr ⟨fun h => (apart x h x List.mem_cons_self).2 rfl, nodup⟩) fun y hy => ?_
        have hy : Runs.has rs y = true := by
          cases List.mem_cons.mp hy with
          | inl e => rw [e]; exact hk x List.mem_cons_self
          | inr h => exact hS y h
        exact List.mem_map.mpr ((Runs.has_iff rs y).mp hy)
      rw [List.length_map, List.length_cons] at this
      omega
  | n + 1, S, siblings, nodup, hS, hk, apart, len => by
    unfold Runs.under
    refine congrArg List.flatten (List.map_congr_left fun x hx => ?_)
    have hx := List.mem_reverse.mp hx
    rw [Runs.under_more f n (x :: S) _ (List.nodup_cons.mpr ⟨fun h => (apart x h x hx).2 rfl, nodup⟩) ?_
      (fun y hy => Runs.has_of_mem_kids hy) ?_ (by rw [List.length_cons]; omega)]
    · intro s hs
      cases List.mem_cons.mp hs with
      | inl e => rw [e]; exact hk x hx
      | inr h => exact hS s h
    · intro s hs y hy
      have own := f.owner y x ((Runs.mem_kids_iff f.nodup).mp hy)
      cases List.mem_cons.mp hs with
      | inl e => rw [e]; exact ⟨own.over, own.ne⟩
      | inr h => exact ⟨(apart s h x hx).1.step own, fun e => own.acyclic (e ▸ (apart s h x hx).1)⟩

theorem _root_.Shepherd.Runs.under_enough {rs : List Run} (f : Runs.Forest rs) (siblings : List Id)
    (hk : ∀ k ∈ siblings, Runs.has rs k = true) (j : Nat) :
    Runs.under rs (rs.length + j) siblings = Runs.under rs rs.length siblings := by
  induction j with
  | zero => rfl
  | succ j ih =>
    rw [← ih]
    exact Runs.under_more f (rs.length + j) [] siblings List.nodup_nil (fun _ h => absurd h List.not_mem_nil) hk
      (fun _ h => absurd h List.not_mem_nil) (by rw [List.length_nil]; omega)

theorem Agree.under_mark (k : Agree G φ m m') : ∀ (n : Nat) (siblings : List Id), (∀ s ∈ siblings, G s = true) →
    ∀ x ∈ Runs.under m.runs n siblings, G x = true
  | 0, _, _, x, hx => absurd hx List.not_mem_nil
  | n + 1, siblings, hs, x, hx => by
    obtain ⟨y, hy, h⟩ := Runs.mem_under_succ.mp hx
    rcases h with h | rfl
    · exact k.under_mark n _ (fun s h => k.kids_mark (hs y hy) h) x h
    · exact hs x hy

theorem Agree.under (k : Agree G φ m m') {siblings : List Id} (hs : ∀ s ∈ siblings, G s = true)
    (hk : ∀ s ∈ siblings, m.has s = true) :
    Runs.under m'.runs m'.runs.length siblings = Runs.under m.runs m.runs.length siblings := by
  have go : ∀ (n : Nat) (siblings : List Id), (∀ s ∈ siblings, G s = true) →
      Runs.under m'.runs n siblings = Runs.under m.runs n siblings := by
    intro n
    induction n with
    | zero => exact fun _ _ => rfl
    | succ n ih =>
      intro siblings hs
      unfold Runs.under
      refine congrArg List.flatten (List.map_congr_left fun x hx => ?_)
      have g := hs x (List.mem_reverse.mp hx)
      have e : Runs.kids m'.runs x = Runs.kids m.runs x := k.kids g
      rw [e, ih (Runs.kids m.runs x) fun s h => k.kids_mark g h]
  rw [← Runs.under_enough k.forest siblings hk m'.runs.length, ← Runs.under_enough k.forest' siblings
    (fun s h => (k.has (hs s h)).trans (hk s h)) m.runs.length, go _ _ hs, Nat.add_comm]

theorem Agree.below (k : Agree G φ m m') {a : Id} (g : G a = true) : m'.below a = m.below a := by
  unfold M.below
  rw [k.kids g]
  exact k.under (fun s h => k.kids_mark g h) fun s h => M.has_of_mem_kids h

theorem Agree.family (k : Agree G φ m m') {a : Id} (g : G a = true) : m'.family a = m.family a := by
  unfold M.family
  rw [k.below g]

theorem Agree.below_mark (k : Agree G φ m m') {a x : Id} (g : G a = true) (h : x ∈ m.below a) : G x = true :=
  k.under_mark _ _ (fun _ h => k.kids_mark g h) x h

theorem Agree.family_mark (k : Agree G φ m m') {a x : Id} (g : G a = true) (h : x ∈ m.family a) : G x = true := by
  rcases List.mem_append.mp h with h | h
  · exact k.below_mark g h
  · rw [List.mem_singleton.mp h]; exact g

theorem Agree.isBelow (k : Agree G φ m m') {a x : Id} (g : G a = true) : m'.isBelow x a = m.isBelow x a := by
  have climb : ∀ {rs : List Run}, (∀ x o, (Runs.find rs x).owner = some o → G o = true → G x = true) →
      ∀ {x b}, Runs.Below rs x b → G b = true → G x = true := fun u _ _ h g => by
    induction h with
    | own h => exact u _ _ h g
    | up h _ ih => exact u _ _ h (ih g)
  have mark : ∀ {x b}, Runs.Below m.runs x b → G b = true → G x = true := climb k.up
  have mark' : ∀ {x b}, Runs.Below m'.runs x b → G b = true → G x = true := climb k.up'
  have own : ∀ {o x}, G o = true → ((m.run x).owner = some o ↔ (m'.run x).owner = some o) := fun {o x} go => by
    have := k.owns (x := x) go
    unfold M.owns at this
    rw [← beq_iff_eq, ← beq_iff_eq (a := (m'.run x).owner), this]
  have one : ∀ {x b}, G b = true → Runs.Below m.runs x b → Runs.Below m'.runs x b := fun g h => by
    induction h with
    | own h => exact .own ((own g).mp h)
    | up h h' ih => exact .up ((own (mark h' g)).mp h) (ih g)
  have two : ∀ {x b}, G b = true → Runs.Below m'.runs x b → Runs.Below m.runs x b := fun g h => by
    induction h with
    | own h => exact .own ((own g).mpr h)
    | up h h' ih => exact .up ((own (mark' h' g)).mpr h) (ih g)
  have i := Runs.isBelow_iff k.forest (x := x) (a := a)
  have i' := Runs.isBelow_iff k.forest' (x := x) (a := a)
  have : m'.isBelow x a = true ↔ m.isBelow x a = true := i'.trans ((⟨two g, one g⟩ : _ ↔ _).trans i.symm)
  cases h : m.isBelow x a with
  | true => exact this.mpr h
  | false =>
    cases h' : m'.isBelow x a with
    | true => rw [this.mp h'] at h; cases h
    | false => rfl

theorem Agree.headOf (k : Agree G φ m m') {x o : Id} (g : G x = true) (ho : (m.run x).owner = some o) (go : G o = true) :
    m'.headOf x = m.headOf x := by
  unfold M.headOf
  rcases k.owner x g with ⟨e, e'⟩ | ⟨_, h, _⟩
  · simp only [e, e', k.trace g, Trace.size_at]
  · rw [h o ho] at go; cases go

theorem Agree.headsAt (k : Agree G φ m m') {a : Id} (g : G a = true) (event : Event) : m'.headsAt a event = m.headsAt a event := by
  have main : ∀ l : List Id, l.Sublist (m.kids a) → (Runs.under m'.runs m'.runs.length l).map m'.headOf =
      (Runs.under m.runs m.runs.length l).map m.headOf := fun l hl => by
    have mark : ∀ s ∈ l, G s = true := fun s h => k.kids_mark g (hl.subset h)
    rw [k.under mark fun s h => M.has_of_mem_kids (hl.subset h)]
    refine List.map_congr_left fun x hx => ?_
    rcases Runs.owner_of_mem_under k.forest.nodup hx with h | ⟨o, ho, e⟩
    · exact k.headOf (mark x h) ((Runs.mem_kids_iff k.forest.nodup).mp (hl.subset h)) g
    · exact k.headOf (k.under_mark _ _ mark x hx) e (k.under_mark _ _ mark o ho)
  have filt : ((m'.kids a).filter fun x => (m'.run x).givers.isEmpty) = (m.kids a).filter fun x => (m.run x).givers.isEmpty := by
    rw [k.kids g]
    refine List.filter_congr fun x hx => ?_
    have ho := (Runs.mem_kids_iff k.forest.nodup).mp hx
    rcases k.owner x (k.kids_mark g hx) with ⟨_, e⟩ | ⟨_, h, _⟩
    · rw [e]
    · rw [h a ho] at g; cases g
  unfold M.headsAt
  split
  · simp only [filt]; exact main _ List.filter_sublist
  · simp only [filt]; exact main _ List.filter_sublist
  · simp only [k.kids g]; exact main _ (List.Sublist.refl _)

end M

end Shepherd
