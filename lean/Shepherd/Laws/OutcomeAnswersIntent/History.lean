import Shepherd.Laws.OutcomeAnswersIntent.Owners
import Shepherd.Laws.GrantNarrows.Springs

/-!
# What the commits of traces say of each other

A commit keeps what stood below its run. That was a tree; and what is read of it later, also by copies, is in the traces that runs
have today.
-/

namespace Shepherd

/-- Who owned whom in what stood below a run at a commit leads up to that run. -/
inductive Commit.Up (c : Commit) : Id → Prop where
  | top {h : Head} : h ∈ c.heads → h.owner = c.run → Up c h.id
  | step {h g : Head} : h ∈ c.heads → g ∈ c.heads → h.owner = g.id → Up c g.id → Up c h.id

/-- What stood below a run at a commit, as a tree. -/
structure Commit.Tree (c : Commit) : Prop where
  nodup : (c.run :: c.heads.map Head.id).Nodup
  up : ∀ h ∈ c.heads, c.Up h.id

/-- A run that recorded a commit, or stood below the one that did, and how long its trace was then. -/
def Commit.Member (c : Commit) (y : Id) (n : Nat) : Prop := (y = c.run ∧ n = c.index + 1) ∨ ∃ h ∈ c.heads, h.id = y ∧ h.length = n

namespace Trace

theorem upTo_length {t : Trace} (ht : Indexed t) {k : Nat} (h : k < t.length) : (upTo t k).length = k + 1 := by
  induction t with
  | nil => exact absurd h (Nat.not_lt_zero _)
  | cons c t ih =>
    unfold upTo
    rw [List.dropWhile_cons]
    by_cases e : c.index = k
    · rw [e, bne_self_eq_false, if_neg Bool.false_ne_true, List.length_cons, ← e, ht.1]
    · rw [bne_iff_ne.mpr e, if_pos rfl]
      have := ht.1
      rw [List.length_cons] at h
      exact ih ht.2 (by omega)

theorem upTo_append {s t : Trace} (hst : Indexed (s ++ t)) {k : Nat} (h : k < t.length) : upTo (s ++ t) k = upTo t k := by
  induction s with
  | nil => rfl
  | cons c s ih =>
    unfold upTo
    rw [List.cons_append, List.dropWhile_cons]
    have hc : c.index = (s ++ t).length := hst.1
    rw [List.length_append] at hc
    rw [bne_iff_ne.mpr (show c.index ≠ k by omega), if_pos rfl]
    exact ih hst.2

theorem upTo_suffix_eq {s t : Trace} (h : s <:+ t) (ht : Indexed t) {k : Nat} (hk : k < s.length) : upTo t k = upTo s k := by
  obtain ⟨p, rfl⟩ := h
  exact upTo_append ht hk

theorem index_lt_of_mem {t : Trace} (ht : Indexed t) {c : Commit} (h : c ∈ t) : c.index < t.length := by
  induction t with
  | nil => exact absurd h List.not_mem_nil
  | cons d t ih =>
    rw [List.length_cons]
    cases List.mem_cons.mp h with
    | inl e => rw [e, ht.1]; exact Nat.lt_succ_self _
    | inr h => exact Nat.lt_succ_of_lt (ih ht.2 h)

theorem suffix_of_length {s t u : Trace} (hs : s <:+ u) (ht : t <:+ u) (h : s.length ≤ t.length) : s <:+ t :=
  List.suffix_of_suffix_length_le hs ht h

end Trace

namespace M

theorem today_same (r x : Id) : Id.today r r x = x := by
  cases r with
  | copy f old => rw [today_copy, if_pos rfl]
  | _ => rfl

/-- What holds of the commits in traces, while run `e` may not have recorded anything yet. -/
structure HistBut (m : M) (e : Id) : Prop where
  named : Named m
  full : ∀ x, m.has x = true → x ≠ .world → x ≠ e → (m.run x).trace ≠ []
  own : ∀ x c t, c :: t <:+ (m.run x).trace → c :: t <:+ (m.run c.run).trace
  heads : ∀ x, ∀ c ∈ (m.run x).trace, ∀ h ∈ c.heads, m.has h.id = true ∧ 0 < h.length
  tree : ∀ x, ∀ c ∈ (m.run x).trace, c.Tree
  inherits : ∀ x, ∀ c ∈ (m.run x).trace, ∀ h ∈ c.heads, m.has (Id.today c.run x h.id) = true →
    (m.run h.id).trace.upTo (h.length - 1) <:+ (m.run (Id.today c.run x h.id)).trace
  since : ∀ x, ∀ c₀ ∈ (m.run x).trace, ∀ y n y' n', c₀.Member y n → c₀.Member y' n' → ∀ c ∈ (m.run y).trace, c.index < n →
    ∀ h ∈ c.heads, Id.today c.run y h.id = y' → h.length ≤ n'

/-- What holds of the commits in traces. -/
abbrev Hist (m : M) : Prop := HistBut m .world

theorem HistBut.own_mem {m : M} {e : Id} (k : HistBut m e) {x : Id} {c : Commit} (hc : c ∈ (m.run x).trace) :
    c ∈ (m.run c.run).trace := by
  obtain ⟨s, t, h⟩ := List.append_of_mem hc
  exact (k.own x c t ⟨s, h.symm⟩).subset List.mem_cons_self

theorem HistBut.member {m : M} {e : Id} (k : HistBut m e) {x : Id} {c : Commit} (hc : c ∈ (m.run x).trace) {y : Id} {n : Nat} (h : c.Member y n) :
    m.has y = true ∧ 0 < n ∧ n ≤ (m.run y).trace.length := by
  rcases h with ⟨rfl, rfl⟩ | ⟨h, hh, rfl, rfl⟩
  · have hm := k.own_mem hc
    exact ⟨has_of_trace (List.ne_nil_of_mem hm), Nat.succ_pos _, Trace.index_lt_of_mem (k.named.indexed _) hm⟩
  · exact ⟨(k.heads x c hc h hh).1, (k.heads x c hc h hh).2, k.named.heads x c hc h hh⟩

/-- Where traces stay, and no run is new. -/
theorem HistBut.same {m n : M} {e : Id} (k : HistBut m e) (has : ∀ x, n.has x = m.has x) (trace : ∀ x, (n.run x).trace = (m.run x).trace) :
    HistBut n e where
  named := {
    today := fun x c hc => k.named.today x c (trace x ▸ hc)
    recorded := fun x c hc => by rw [trace]; exact k.named.recorded x c (trace x ▸ hc)
    heads := fun x c hc h hh => by rw [trace]; exact k.named.heads x c (trace x ▸ hc) h hh
    indexed := fun x => by rw [trace]; exact k.named.indexed x }
  full := fun x h ne ne' => by rw [trace]; exact k.full x ((has x).symm.trans h) ne ne'
  own := fun x c t hc => by rw [trace] at hc ⊢; exact k.own x c t hc
  heads := fun x c hc h hh => by rw [trace] at hc; rw [has]; exact k.heads x c hc h hh
  tree := fun x c hc => by rw [trace] at hc; exact k.tree x c hc
  inherits := fun x c hc h hh hi => by rw [trace] at hc; rw [trace, trace]; exact k.inherits x c hc h hh ((has _).symm.trans hi)
  since := fun x c₀ hc₀ y n y' n' h h' c hc => by
    rw [trace] at hc₀ hc
    exact k.since x c₀ hc₀ y n y' n' h h' c hc

/-- What stands below a run when it records an event, as a tree. -/
theorem tree_commitOf {m : M} (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {id : Id} (r : m.Rooted id)
    (event : Event) (s : State) : (m.commitOf id event s).Tree ∧
      ∀ h ∈ (m.commitOf id event s).heads, m.has h.id = true ∧ h.id ≠ .world ∧ h.id ≠ id ∧
        h.length = (m.run h.id).trace.size := by
  have key : ∀ kids : List Id, (∀ k ∈ kids, (m.run k).owner = some id) → kids.Nodup →
      (id :: ((Runs.under m.runs m.runs.length kids).map m.headOf).map Head.id).Nodup ∧
      (∀ h ∈ (Runs.under m.runs m.runs.length kids).map m.headOf, m.has h.id = true ∧ h.id ≠ .world ∧
        h.id ≠ id ∧ h.length = (m.run h.id).trace.size) ∧
      ∀ c : Commit, c.run = id → c.heads = (Runs.under m.runs m.runs.length kids).map m.headOf → ∀ h ∈ c.heads, c.Up h.id := by
    intro kids hk hn
    have ids : ((Runs.under m.runs m.runs.length kids).map m.headOf).map Head.id = Runs.under m.runs m.runs.length kids := by
      rw [List.map_map]
      exact List.map_id _
    have beneath : ∀ x ∈ Runs.under m.runs m.runs.length kids, m.Beneath x id := by
      intro x hx
      obtain ⟨k, hk', hx⟩ := within_of_mem_under nodup hx
      exact hx.trans_beneath (.of_owner (hk k hk'))
    refine ⟨?_, fun h hh => ?_, fun c hr hc h hh => ?_⟩
    · rw [ids, List.nodup_cons]
      refine ⟨fun h => r.irrefl hw (beneath id h), ?_⟩
      exact (under_pairwise nodup hw r hk hn).imp fun {a b} h (e : a = b) => h (e ▸ Within.refl a)
    · obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
      have b := beneath x hx
      refine ⟨b.has, fun e => ?_, fun e => r.irrefl hw ?_, rfl⟩
      have e : x = .world := e
      obtain ⟨o, ho, _⟩ := b
      rw [e, hw] at ho; cases ho
      · have e : x = id := e
        rw [← e]; rw [← e] at b; exact b
    · rw [hc] at hh
      obtain ⟨x, hx, rfl⟩ := List.mem_map.mp hh
      show c.Up x
      obtain ⟨d, hd⟩ := r.of_within (beneath x hx).within
      clear hh
      induction d using Nat.strongRecOn generalizing x with
      | ind d ih =>
        have mem : ∀ y ∈ Runs.under m.runs m.runs.length kids, m.headOf y ∈ c.heads := fun y hy => by
          rw [hc]; exact List.mem_map.mpr ⟨y, hy, rfl⟩
        rcases owner_mem_under nodup hx with hs | ⟨o, ho, hxo⟩
        · refine Commit.Up.top (h := m.headOf x) (mem x hx) ?_
          show (m.run x).owner.getD .world = _
          rw [hk x hs, hr]; rfl
        · obtain ⟨d', hd'⟩ := r.of_within (beneath o ho).within
          have : d = d' + 1 := hd.unique hw ⟨o, hxo, hd'⟩
          refine Commit.Up.step (h := m.headOf x) (g := m.headOf o) (mem x hx) (mem o ho) ?_ (ih d' (by omega) o ho hd')
          show (m.run x).owner.getD .world = _
          rw [hxo]; rfl
  have sub : ∃ kids : List Id, (∀ k ∈ kids, (m.run k).owner = some id) ∧ kids.Nodup ∧
      m.headsAt id event = (Runs.under m.runs m.runs.length kids).map m.headOf := by
    have all := kids_nodup nodup id
    unfold headsAt
    split
    · exact ⟨_, fun k hk => (mem_kids_iff nodup).mp (List.mem_filter.mp hk).1, all.filter _, rfl⟩
    · exact ⟨_, fun k hk => (mem_kids_iff nodup).mp (List.mem_filter.mp hk).1, all.filter _, rfl⟩
    · exact ⟨_, fun k hk => (mem_kids_iff nodup).mp hk, all, rfl⟩
  obtain ⟨kids, hk, hn, e⟩ := sub
  obtain ⟨a, b, c⟩ := key kids hk hn
  refine ⟨⟨?_, c _ rfl e⟩, ?_⟩
  · show (id :: (m.headsAt id event).map Head.id).Nodup
    rw [e]; exact a
  · show ∀ h ∈ m.headsAt id event, _
    rw [e]; exact b

/-- A run records an event. -/
theorem HistBut.record {m : M} {e : Id} (k : HistBut m e) (nodup : (m.runs.map Run.id).Nodup) (hw : (m.run .world).owner = none) {id : Id}
    (i : m.has id = true) (r : m.Rooted id) (he : e = .world ∨ e = id) (event : Event) (s : State) : Hist (m.record id event s) := by
  have named : Named (m.record id event s) := ((Narrow.refl k.named).record i event s).named
  obtain ⟨tree, heads⟩ := tree_commitOf nodup hw r event s
  generalize hc : m.commitOf id event s = c at tree heads
  have hrun : c.run = id := by rw [← hc]; rfl
  have hindex : c.index = (m.run id).trace.length := by rw [← hc, commitOf_index, (k.named.indexed id).size]
  have has : ∀ j, (m.record id event s).has j = m.has j := fun j =>
    Runs.has_put_same (by simp only [run_id]; exact i) j
  have tsame : ((m.record id event s).run id).trace = c :: (m.run id).trace := by rw [trace_record_same, hc]
  have tne : ∀ {j}, id ≠ j → ((m.record id event s).run j).trace = (m.run j).trace := fun h => trace_record_ne m event s h
  have grow : ∀ j, (m.run j).trace <:+ ((m.record id event s).run j).trace := fun j => by
    by_cases e : id = j
    · subst e; rw [tsame]; exact List.suffix_cons _ _
    · rw [tne e]; exact List.suffix_refl _
  have mem : ∀ {j d}, d ∈ ((m.record id event s).run j).trace → (j = id ∧ d = c) ∨ d ∈ (m.run j).trace := fun {j d} hd => by
    by_cases e : id = j
    · subst e; rw [tsame] at hd; exact (List.mem_cons.mp hd).imp_left fun h => ⟨rfl, h⟩
    · rw [tne e] at hd; exact .inr hd
  have positive : ∀ h ∈ c.heads, 0 < h.length ∧ h.length = (m.run h.id).trace.length := fun h hh => by
    obtain ⟨a, b, ne, e⟩ := heads h hh
    rw [(k.named.indexed _).size] at e
    exact ⟨e ▸ List.length_pos_iff.mpr (k.full _ a b (he.elim (fun e => e ▸ b) fun e => e ▸ ne)), e⟩
  have upTo : ∀ j l, 0 < l → l ≤ (m.run j).trace.length →
      ((m.record id event s).run j).trace.upTo (l - 1) = (m.run j).trace.upTo (l - 1) := fun j l hl hle =>
    Trace.upTo_suffix_eq (grow j) (named.indexed j) (by omega)
  have length : ∀ j l, 0 < l → l ≤ (m.run j).trace.length → ((m.run j).trace.upTo (l - 1)).length = l := fun j l hl hle => by
    rw [Trace.upTo_length (k.named.indexed j) (by omega)]; omega
  refine ⟨named, fun x hx ne _ => ?_, fun x d u hd => ?_, fun x d hd h hh => ?_, fun x d hd => ?_, fun x d hd h hh hi => ?_,
    fun x c₀ hc₀ y n y' n' hy hy' d hd lt h hh ht => ?_⟩
  · rw [has] at hx
    intro e
    by_cases ei : id = x
    · rw [← ei, tsame] at e; cases e
    · have := grow x
      rw [e] at this
      exact k.full x hx ne (he.elim (fun h => h ▸ ne) fun h => h ▸ Ne.symm ei) (List.suffix_nil.mp this)
  · by_cases e : id = x
    · subst e
      rw [tsame, List.suffix_cons_iff] at hd
      rcases hd with hd | hd
      · have e := (List.cons.inj hd).1
        rw [e, hrun, tsame, (List.cons.inj hd).2]
        exact List.suffix_refl _
      · exact (k.own id d u hd).trans (grow _)
    · rw [tne e] at hd
      exact (k.own x d u hd).trans (grow _)
  · rw [has]
    rcases mem hd with ⟨rfl, rfl⟩ | hd
    · exact ⟨(heads h hh).1, (positive h hh).1⟩
    · exact k.heads x d hd h hh
  · rcases mem hd with ⟨rfl, rfl⟩ | hd
    · exact tree
    · exact k.tree x d hd
  · rw [has] at hi
    rcases mem hd with ⟨rfl, rfl⟩ | hd
    · rw [hrun, today_same]; exact Trace.upTo_suffix _ _
    · have ml := k.member hd (.inr ⟨h, hh, rfl, rfl⟩)
      rw [upTo h.id h.length ml.2.1 ml.2.2]
      exact (k.inherits x d hd h hh hi).trans (grow _)
  · rcases mem hc₀ with ⟨rfl, rfl⟩ | hc₀
    · -- The new commit: then is now.
      have now : ∀ {z l}, c₀.Member z l → m.has z = true ∧ (m.run z).trace.length ≤ l := by
        intro z l hz
        rcases hz with ⟨rfl, rfl⟩ | ⟨g, hg, rfl, rfl⟩
        · rw [hrun]; exact ⟨i, by omega⟩
        · exact ⟨(heads g hg).1, by rw [(positive g hg).2]; exact Nat.le_refl _⟩
      rcases mem hd with ⟨rfl, rfl⟩ | hd
      · rw [hrun, today_same] at ht
        have := (now hy').2
        rw [← ht, ← (positive h hh).2] at this
        exact this
      · have ml := k.member hd (.inr ⟨h, hh, rfl, rfl⟩)
        have := k.inherits y d hd h hh (ht ▸ (now hy').1)
        have := this.length_le
        rw [length h.id h.length ml.2.1 ml.2.2, ht] at this
        exact Nat.le_trans this (now hy').2
    · have ml := k.member hc₀ hy
      rcases mem hd with ⟨rfl, rfl⟩ | hd
      · omega
      · exact k.since x c₀ hc₀ y n y' n' hy hy' d hd lt h hh ht

end M

end Shepherd
