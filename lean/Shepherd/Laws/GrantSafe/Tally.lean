import Shepherd.Laws.GrantSafe.Counts
import Shepherd.Laws.GrantSafe.Mute
import Shepherd.Laws.GrantSafe.Bases

/-!
# The counts of limited clauses are what the log tells
-/

namespace Shepherd

/-- A commit of a run itself, or of one above it. -/
def Commit.Names (c : Commit) (id : Id) : Prop := id = c.run ∨ ∃ h ∈ c.heads, h.id = id

theorem suffix_append {α : Type} {x : α} {l cs ds : List α} (h : x :: l <:+ cs ++ ds) :
    x :: l <:+ ds ∨ ∃ cs', x ∈ cs ∧ cs' <:+ cs ∧ l = cs' ++ ds := by
  induction cs with
  | nil => exact .inl h
  | cons c cs ih =>
    rw [List.cons_append, List.suffix_cons_iff] at h
    rcases h with h | h
    · cases h
      exact .inr ⟨cs, List.mem_cons_self, List.suffix_cons _ _, rfl⟩
    · exact (ih h).imp_right fun ⟨cs', hx, hs, e⟩ =>
        ⟨cs', List.mem_cons_of_mem _ hx, hs.trans (List.suffix_cons _ _), e⟩

theorem eq_of_origin {g : List Layer} (h : (g.map Layer.origin).Nodup) {l l' : Layer} (hl : l ∈ g) (hl' : l' ∈ g)
    (e : l.origin = l'.origin) : l = l' := by
  induction g with
  | nil => exact absurd hl List.not_mem_nil
  | cons x g ih =>
    rw [List.map_cons, List.nodup_cons] at h
    cases List.mem_cons.mp hl with
    | inl a => cases List.mem_cons.mp hl' with
      | inl b => rw [a, b]
      | inr b => exact absurd (List.mem_map.mpr ⟨l', b, by rw [← e, a]⟩) h.1
    | inr a => cases List.mem_cons.mp hl' with
      | inl b => exact absurd (List.mem_map.mpr ⟨l, a, by rw [e, b]⟩) h.1
      | inr b => exact ih h.2 a b

namespace M

/-- The fork `f` was made of a run right after its event `c`. -/
def ForkedAt (m : M) (f : Id) (c : Commit) : Prop :=
  ∃ top e, c ∈ (m.run top).trace ∧ e ∈ m.log ∧ e.run = .copy f top ∧ e.event = .forked top c.index

theorem ForkedAt.extends {m n : M} {f : Id} {c : Commit} (h : ForkedAt m f c) (e : Extends m n) : ForkedAt n f c := by
  obtain ⟨top, x, hc, hx, hr, he⟩ := h
  exact ⟨top, x, (e.trace top).subset hc, e.log.subset hx, hr, he⟩

/-- A run that is in `n` and not in `m` has recorded something, and its trace is made of what is in the log and what was in a trace
before. -/
def Newborn (m n : M) : Prop := ∀ id, n.has id = true → m.has id = true ∨
  ((n.run id).trace ≠ [] ∧ ∀ c ∈ (n.run id).trace, c ∈ n.log ∨ ∃ o, c ∈ (m.run o).trace)

/-- What holds of the counts of limited clauses: `before o n` is how often the clause `n` of the layer given to `o` counts as used
when that layer comes to be, and what is counted later is what the log tells. -/
structure Tally (m : M) (before : Id → Nat → Nat) : Prop where
  world : (m.run .world).grant = []
  origins : ∀ r, ∀ l ∈ (m.run r).grant, m.has l.origin = true ∧ l ∈ (m.run l.origin).grant
  bases : ∀ r, ((m.run r).grant.map fun l => l.origin.base).Nodup
  own : ∀ r, m.has r = true → r ≠ .world → ∃ l ∈ (m.run r).grant, l.origin = r ∧ { l with origin := r.base } ∈ (m.run r.base).grant
  keys : ∀ o n, m.has o = false → m.used.get (o, n) = 0
  recorders : ∀ c ∈ m.log, m.has c.run = true
  heads : ∀ c ∈ m.log, ∀ h ∈ c.heads, m.has h.id = true
  traces : ∀ id, m.has id = true → id ≠ .world → (m.run id).trace ≠ []
  logged : ∀ id, ∀ c ∈ (m.run id).trace, c ∈ m.log
  last : ∀ c, m.lastInside = some c → c.used = m.used
  counts : ∀ r l n k, l ∈ (m.run r).grant → l.clauses[n]? = some k → k.limit.isSome = true →
    m.used.get (l.origin, n) = before l.origin n + m.uses m.log l.origin k
  commits : ∀ c log, c :: log <:+ m.log → ∀ o, c.Names o → ∀ l n k, l ∈ (m.run o).grant → l.origin = o →
    l.clauses[n]? = some k → k.limit.isSome = true → c.used.get (o, n) = before o n + m.uses (c :: log) o k
  intents : ∀ c log op args, c :: log <:+ m.log → c.event = .intent op args → ∀ l ∈ (m.run c.run).grant,
    ∃ n k, l.clauses[n]? = some k ∧ k.allows op args = true ∧
      ∀ most, k.limit = some most → before l.origin n + m.uses log l.origin k < most
  zero : ∀ o n, (∀ f x, o ≠ .copy f x) → before o n = 0
  copies : ∀ f x l, l ∈ (m.run (.copy f x)).grant → l.origin = .copy f x → ∃ c log o, c :: log <:+ m.log ∧ m.ForkedAt f c ∧
    Id.CopyOf o x ∧ c.Names o ∧ { l with origin := o } ∈ (m.run o).grant ∧
    ∀ n k, l.clauses[n]? = some k → k.limit.isSome = true → before (.copy f x) n = before o n + m.uses (c :: log) o k

theorem has_of_mem_grant {m : M} {id : Id} {l : Layer} (h : l ∈ (m.run id).grant) : m.has id = true := by
  cases e : m.has id with
  | true => rfl
  | false => rw [run_of_not_has e] at h; exact absurd h List.not_mem_nil

theorem Tally.nodup {m : M} {before : Id → Nat → Nat} (t : Tally m before) (r : Id) : ((m.run r).grant.map Layer.origin).Nodup := by
  refine nodup_of_map (f := Id.base) ?_
  rw [List.map_map]
  exact t.bases r

/-- Who holds a layer is not the world, nor a copy of it. -/
theorem Tally.base_of_layer {m : M} {before : Id → Nat → Nat} (t : Tally m before) {r : Id} {l : Layer} (hl : l ∈ (m.run r).grant) :
    l.origin.base ≠ .world ∧ { l with origin := l.origin.base } ∈ (m.run l.origin.base).grant := by
  obtain ⟨i, h⟩ := t.origins r l hl
  have ne : l.origin ≠ .world := fun e => by rw [e, t.world] at h; exact absurd h List.not_mem_nil
  obtain ⟨x, hx, e, hb⟩ := t.own _ i ne
  obtain rfl := eq_of_origin (t.nodup _) hx h e
  exact ⟨fun e => by rw [e, t.world] at hb; exact absurd hb List.not_mem_nil, hb⟩

/-- A layer of some grant, as it is where the other run of a name with the same base was given it. -/
theorem Tally.alike {m : M} {before : Id → Nat → Nat} (t : Tally m before) {r q : Id} {l : Layer} (hl : l ∈ (m.run r).grant)
    (i : m.has q = true) (e : q.base = l.origin.base) : { l with origin := q } ∈ (m.run q).grant := by
  obtain ⟨ne, h⟩ := t.base_of_layer hl
  obtain ⟨x, hx, ho, hb⟩ := t.own q i fun w => ne (by rw [← e, w]; rfl)
  rw [e] at hb
  have same := congrArg Layer.clauses (eq_of_origin (t.nodup _) hb h rfl)
  have : ({ l with origin := q } : Layer) = x := by
    cases x
    cases ho
    cases same
    rfl
  rw [this]
  exact hx

/-- New runs, and what is no intent of a run. -/
theorem Tally.grow {m n : M} {before : Id → Nat → Nat} (t : Tally m before)
    (grants : ∀ id, m.has id = true → (n.run id).grant = (m.run id).grant) (e : MuteTo m n.used n)
    (kept : ∀ o i, (m.has o = true ∨ ∀ f x, o ≠ .copy f x) → n.used.get (o, i) = m.used.get (o, i))
    (keys : ∀ o i, n.has o = false → n.used.get (o, i) = 0)
    (last : ∀ c, n.lastInside = some c → c.used = n.used)
    (recorders : ∀ c ∈ n.log, n.has c.run = true)
    (world : m.has .world = true) (ext : Extends m n) (born : Newborn m n)
    (new : ∀ id, m.has id = false → ((n.run id).grant.map fun l => l.origin.base).Nodup ∧
      ∀ l ∈ (n.run id).grant, n.has l.origin = true ∧ l ∈ (n.run l.origin).grant)
    (own : ∀ id, m.has id = false → n.has id = true →
      ∃ l ∈ (n.run id).grant, l.origin = id ∧ { l with origin := id.base } ∈ (n.run id.base).grant)
    (copies : ∀ f x l, m.has (.copy f x) = false → l ∈ (n.run (.copy f x)).grant → l.origin = .copy f x →
      ∃ c log o, c :: log <:+ m.log ∧ n.ForkedAt f c ∧ Id.CopyOf o x ∧ c.Names o ∧ { l with origin := o } ∈ (m.run o).grant ∧
        ∀ j k, l.clauses[j]? = some k → k.limit.isSome = true → n.used.get (.copy f x, j) = c.used.get (o, j)) :
    Tally n (fun o i => if m.has o then before o i else n.used.get (o, i)) := by
  obtain ⟨cs, hl, hm⟩ := e.new
  have hg : ∀ c ∈ m.log, (n.run c.run).grant = (m.run c.run).grant := fun c hc => grants _ (t.recorders c hc)
  have hworld : (n.run .world).grant = [] := by rw [grants _ world]; exact t.world
  have mute : ∀ c ∈ cs, ∀ o, (∀ op args, c.event ≠ .intent op args) ∨ ∀ l ∈ (n.run c.run).grant, l.origin ≠ o := by
    intro c hc o
    rcases (hm c hc).1 with h | h
    · right; rw [h, hworld]; exact fun l hl => absurd hl List.not_mem_nil
    · exact .inl h
  have uses : ∀ cs' : List Commit, (∀ c ∈ cs', c ∈ cs) → ∀ o k, n.uses (cs' ++ m.log) o k = m.uses m.log o k := by
    intro cs' h o k
    rw [uses_append, uses_eq_zero (fun c hc => mute c (h c hc) o) k, Nat.zero_add, uses_congr hg]
  have fresh : ∀ o k, m.has o = false → m.uses m.log o k = 0 := by
    intro o k h
    refine uses_eq_zero (fun c hc => .inr fun l hl e => ?_) k
    have := (t.origins _ l hl).1
    rw [e, h] at this; cases this
  have origins : ∀ r, ∀ l ∈ (n.run r).grant, n.has l.origin = true ∧ l ∈ (n.run l.origin).grant := by
    intro r l hl
    cases h : m.has r with
    | false => exact (new r h).2 l hl
    | true =>
      rw [grants r h] at hl
      have := t.origins r l hl
      exact ⟨e.has _ this.1, by rw [grants _ this.1]; exact this.2⟩
  have counts : ∀ r l i k, l ∈ (n.run r).grant → l.clauses[i]? = some k → k.limit.isSome = true →
      n.used.get (l.origin, i) = (if m.has l.origin then before l.origin i else n.used.get (l.origin, i)) +
        n.uses n.log l.origin k := by
    intro r l i k hg' hk lim
    rw [hl, uses cs fun _ h => h]
    have := (origins r l hg').2
    cases h : m.has l.origin with
    | true =>
      rw [grants _ h] at this
      rw [if_pos rfl, kept _ i (.inl h)]
      exact t.counts _ l i k this hk lim
    | false =>
      rw [if_neg Bool.false_ne_true, fresh _ _ h]; rfl
  have suffix : m.log <:+ n.log := ⟨cs, hl.symm⟩
  have sub : ∀ {log : List Commit}, log <:+ m.log → ∀ o k, n.uses log o k = m.uses log o k := fun h o k =>
    uses_congr (fun c hc => hg c (h.subset hc)) o k
  have names : ∀ {c : Commit}, c ∈ m.log → ∀ {o : Id}, c.Names o → m.has o = true := by
    intro c hc o h
    rcases h with rfl | ⟨x, hx, rfl⟩
    · exact t.recorders c hc
    · exact t.heads c hc x hx
  constructor
  · exact hworld
  · exact origins
  · intro r
    cases h : m.has r with
    | false => exact (new r h).1
    | true => rw [grants r h]; exact t.bases r
  · intro r i ne
    cases h : m.has r with
    | false => exact own r h i
    | true =>
      obtain ⟨l, hl, ho, hb⟩ := t.own r h ne
      exact ⟨l, by rw [grants r h]; exact hl, ho, by rw [grants _ (has_of_mem_grant hb)]; exact hb⟩
  · exact keys
  · exact recorders
  · intro c hc h hh
    rw [hl] at hc
    cases List.mem_append.mp hc with
    | inl hc => exact (hm c hc).2.2 h hh
    | inr hc => exact e.has _ (t.heads c hc h hh)
  · intro id i ne
    rcases born id i with h | h
    · intro hn
      have := ext.trace id
      rw [hn] at this
      exact t.traces id h ne (List.suffix_nil.mp this)
    · exact h.1
  · intro id c hc
    have old : ∀ o, c ∈ (m.run o).trace → c ∈ n.log := fun o h => suffix.subset (t.logged o c h)
    cases i : n.has id with
    | false => rw [run_of_not_has i] at hc; exact absurd hc List.not_mem_nil
    | true =>
      rcases born id i with h | h
      · obtain ⟨ds, hd, _, ht⟩ := ext.new
        rw [ht id h] at hc
        cases List.mem_append.mp hc with
        | inl hc => rw [hd]; exact List.mem_append_left _ (List.mem_filter.mp hc).1
        | inr hc => exact old id hc
      · exact (h.2 c hc).elim (fun h => h) fun ⟨o, ho⟩ => old o ho
  · exact last
  · exact counts
  · intro c log hs o ho l i k hl' hlo hk lim
    rw [hl] at hs
    rcases suffix_append hs with hs | ⟨cs', hc, hcs, rfl⟩
    · have i' := names (hs.subset List.mem_cons_self) ho
      rw [if_pos i', sub hs]
      rw [grants o i'] at hl'
      exact t.commits c log hs o ho l i k hl' hlo hk lim
    · rw [(hm c hc).2.1]
      have := counts o l i k hl' hk lim
      rw [hlo, hl, uses cs fun _ h => h] at this
      refine this.trans ?_
      rw [← List.cons_append, uses (c :: cs') fun x hx => ?_]
      cases List.mem_cons.mp hx with
      | inl h => rw [h]; exact hc
      | inr h => exact hcs.subset h
  · intro c log op args hs hc l hl'
    rw [hl] at hs
    rcases suffix_append hs with hs | ⟨cs', hcs, _, rfl⟩
    · have i' := t.recorders c (hs.subset List.mem_cons_self)
      rw [grants _ i'] at hl'
      obtain ⟨i, k, hk, ha, hmost⟩ := t.intents c log op args hs hc l hl'
      refine ⟨i, k, hk, ha, ?_⟩
      rw [if_pos (t.origins _ l hl').1, sub ((List.suffix_cons _ _).trans hs)]
      exact hmost
    · rcases (hm c hcs).1 with h | h
      · rw [h, hworld] at hl'; exact absurd hl' List.not_mem_nil
      · exact absurd hc (h op args)
  · intro o i h
    cases ho : m.has o with
    | true => rw [if_pos rfl]; exact t.zero o i h
    | false => rw [if_neg Bool.false_ne_true, kept o i (.inr h)]; exact t.keys o i ho
  · intro f x l hl' hlo
    cases h : m.has (.copy f x) with
    | true =>
      rw [grants _ h] at hl'
      obtain ⟨c, log, o, hs, hf, hco, hn, hlo', hb⟩ := t.copies f x l hl' hlo
      have io := has_of_mem_grant hlo'
      refine ⟨c, log, o, hs.trans suffix, hf.extends ext, hco, hn, by rw [grants _ io]; exact hlo', fun i k hk lim => ?_⟩
      rw [if_pos rfl, if_pos io, sub hs]
      exact hb i k hk lim
    | false =>
      obtain ⟨c, log, o, hs, hf, hco, hn, hlo', hb⟩ := copies f x l h hl' hlo
      have io := has_of_mem_grant hlo'
      refine ⟨c, log, o, hs.trans suffix, hf, hco, hn, by rw [grants _ io]; exact hlo', fun i k hk lim => ?_⟩
      rw [if_neg Bool.false_ne_true, if_pos io, sub hs, hb i k hk lim]
      exact t.commits c log hs o hn _ i k hlo' rfl hk lim

/-- Nothing is asked, and no copies are made. -/
theorem Tally.mute {m n : M} {before : Id → Nat → Nat} (t : Tally m before) (e : Mute m n) (k : Narrow m n)
    (world : m.has .world = true) (recorders : ∀ c ∈ n.log, n.has c.run = true) (ext : Extends m n) (born : Newborn m n)
    (copies : ∀ f x, n.has (.copy f x) = true → m.has (.copy f x) = true) : ∃ before', Tally n before' := by
  have new : ∀ id, n.has id = true → m.has id = false → ∃ a j layer, id = .made a j ∧ m.has a = true ∧ layer.origin = id ∧
      (n.run id).grant = (m.run a).grant ++ [layer] := by
    intro id i h
    rcases k.new id i with g | g | ⟨f, x, _, rfl, _⟩
    · rw [h] at g; cases g
    · exact g
    · rw [copies f x i] at h; cases h
  refine ⟨_, t.grow k.grants (e.counts.symm ▸ e) (fun _ _ _ => by rw [e.counts]) (fun o i h => ?_) (fun c h => ?_) recorders world
    ext born (fun id h => ?_) (fun id h i => ?_) fun f x l h hl _ => ?_⟩
  · rw [e.counts]
    refine t.keys o i ?_
    cases h' : m.has o with
    | false => rfl
    | true => rw [e.has o h'] at h; cases h
  · obtain ⟨cs, hl, hm⟩ := e.new
    rw [e.counts]
    exact (lastInside_append hl h).elim (fun hc => (hm c hc).2.1) (t.last c)
  · cases i : n.has id with
    | false => rw [run_of_not_has i]; exact ⟨List.nodup_nil, fun l hl => absurd hl List.not_mem_nil⟩
    | true =>
      obtain ⟨a, j, layer, hid, ia, ho, hg⟩ := new id i h
      rw [hg]
      refine ⟨?_, fun l hl => ?_⟩
      · rw [List.map_append, List.nodup_append]
        refine ⟨t.bases a, by simp only [List.map_cons, List.map_nil, List.nodup_cons, List.not_mem_nil, not_false_eq_true,
          List.nodup_nil, and_self], fun x hx y hy e => ?_⟩
        obtain ⟨l, hl, rfl⟩ := List.mem_map.mp hx
        rw [List.map_cons, List.map_nil, List.mem_singleton] at hy
        have := has_of_mem_grant (t.base_of_layer hl).2
        rw [e, hy, ho, hid, show (Id.made a j).base = .made a j from rfl, ← hid, h] at this
        cases this
      · cases List.mem_append.mp hl with
        | inl hl =>
          have := t.origins a l hl
          exact ⟨e.has _ this.1, by rw [k.grants _ this.1]; exact this.2⟩
        | inr hl =>
          rw [List.mem_singleton.mp hl, ho]
          exact ⟨i, by rw [hg]; exact List.mem_append_right _ List.mem_cons_self⟩
  · obtain ⟨a, j, layer, hid, _, ho, hg⟩ := new id i h
    have hl : layer ∈ (n.run id).grant := by rw [hg]; exact List.mem_append_right _ List.mem_cons_self
    have hb : id.base = layer.origin := by rw [ho, hid]; rfl
    exact ⟨layer, hl, ho, by rw [hb, ho]; exact ho ▸ hl⟩
  · rw [run_of_not_has (m := n) (id := .copy f x) (by
      cases i : n.has (.copy f x) with
      | false => rfl
      | true => rw [copies f x i] at h; cases h)] at hl
    exact absurd hl List.not_mem_nil

end M

end Shepherd
