import Shepherd.Laws.BranchReplay.HeldOutside
import Shepherd.Laws.Support.SeenReach

/-!
# Who owns a run, and who has lent it, is there: new runs, and runs put back
-/

namespace Shepherd

open Id (MayOwn Over InFork Prec key)

namespace M

variable {B : Prop} {m : M}

theorem Housed.setCode (k : Housed m) {id : Id} (i : m.has id = true) (code : Code) : Housed (m.setCode id code) :=
  ((Mild.refl (O := False) (z := id) m).setCode (.inl rfl)).house (fun x h => by
    rw [has_setCode, Bool.or_eq_true] at h
    exact h.elim (fun e => beq_iff_eq.mp e ▸ i) fun h => h) k

theorem Housed.reply (k : Housed m) {id : Id} (i : m.has id = true) (w : Waiting) (answer : Value) (change : Change := []) :
    Housed (m.reply id w answer change) := by
  rw [reply_eq]; exact k.record i _ _

theorem Housed.answerRun (k : Housed m) {id : Id} (i : m.has id = true) (w : Waiting) (x : Id) : Housed (m.answerRun id w x) := by
  unfold M.answerRun
  have h : ∀ hs n, Housed (m.put { m.run id with handles := hs, made := n }) := fun hs n => by
    refine k.same (fun y => Runs.has_put_same (by simp only [run_id]; exact i) y) (fun y => ?_) (fun y => ?_) fun y => ?_
    all_goals
      rw [run_put]; simp only [run_id]; split
      · next e => subst e; rfl
      · rfl
  exact (h _ _).reply (by rw [M.has_put, i, Bool.or_true]) _ _

theorem housed_spawn (w : Wf m B) (k : Housed m) {asker : Id} {wt : Waiting} (i : m.has asker = true) : Housed (m.spawn asker wt) := by
  have absent := not_has_made w asker
  unfold M.spawn M.wrong
  split
  · split
    · exact k.reply i _ _
    · split
      · exact k.reply i _ _
      · simp only
        generalize hid : Id.made asker (m.run asker).made = id at absent
        have fin : ∀ n : M, (Housed n ∧ n.has id = true ∧ n.has asker = true) → ∀ ev c,
            Housed ((n.recordCode id ev c).answerRun asker wt id) := by
          intro n ⟨k, h1, h2⟩ ev c
          refine Housed.answerRun (k.record h1 _ _) ?_ _ _
          rw [has_record, h2, Bool.or_true]
        refine fin _ (foldl_keeps (P := fun n : M => Housed n ∧ n.has id = true ∧ n.has asker = true) ⟨⟨?_, ?_, ?_⟩, ?_, ?_⟩ ?_) _ _
        · intro y iy nw
          by_cases e : id = y
          · refine ⟨asker, ?_, by rw [M.has_put, i, Bool.or_true]⟩
            rw [run_put, if_pos e]
          · rw [M.has_put, beq_eq_false_iff_ne.mpr e, Bool.false_or] at iy
            obtain ⟨o, h1, h2⟩ := k.owner y iy nw
            exact ⟨o, by rw [run_put_ne _ e]; exact h1, by rw [M.has_put, h2, Bool.or_true]⟩
        · intro y g hg
          by_cases e : id = y
          · rw [run_put, if_pos e] at hg; exact absurd hg List.not_mem_nil
          · rw [run_put_ne _ e] at hg
            rw [M.has_put, k.givers y g hg, Bool.or_true]
        · intro y c hc h hh g hg
          by_cases e : id = y
          · rw [run_put, if_pos e] at hc; exact absurd hc List.not_mem_nil
          · rw [run_put_ne _ e] at hc
            rw [M.has_put, k.heads y c hc h hh g hg, Bool.or_true]
        · exact Runs.has_put_self _ _
        · rw [M.has_put, i, Bool.or_true]
        · intro n x _ ⟨k, h1, h2⟩
          unfold M.lend
          split
          · next ho =>
            refine ⟨k.own (has_of_owns ho) h1 fun g hg => ?_, by rw [has_own, h1, Bool.or_true], by rw [has_own, h2, Bool.or_true]⟩
            cases List.mem_cons.mp hg with
            | inl e => rw [e]; exact h2
            | inr hg => exact k.givers x g hg
          · exact ⟨k, h1, h2⟩
  · exact k.reply i _ _

/-- Who has lent a run that stood below another is there, in copies too: the one who made the last fork is, at least. -/
theorem has_lender (w : Wf m B) (td : Tied m) {id : Id} (i : m.has id = true) {c : Commit} {g : Id} (h : m.has g = true) :
    m.has (m.lender id c g) = true := by
  unfold M.lender
  cases e : (Id.lenders c.run id g).find? m.has with
  | some l => exact List.find?_some e
  | none =>
    have none : ∀ l ∈ Id.lenders c.run id g, ¬ m.has l = true := List.find?_eq_none.mp e
    unfold Id.lenders at none
    split at none
    · next f old =>
      split at none
      · exact absurd h (none g (List.mem_singleton.mpr rfl))
      · obtain ⟨a, n, rfl⟩ := td.copies f old i
        refine absurd ?_ (none a (List.mem_append_right _ (List.mem_singleton.mpr rfl)))
        cases e : m.has a with
        | true => rfl
        | false =>
          have fresh : n < (m.run a).made := w.fresh _ i
          rw [run_of_not_has e] at fresh
          exact absurd fresh (Nat.not_lt_zero _)
    · exact absurd h (none g (List.mem_singleton.mpr rfl))

/-- What stood below a run, and is there: so are its owners and givers. -/
theorem thens_there (w : Wf m B) (td : Tied m) (nm : Named m) (k : Housed m) {id : Id} (i : m.has id = true) {c : Commit}
    (hc : c ∈ (m.run id).trace) (there : ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true) {x : Then}
    (hx : x ∈ m.heads id c) : m.has x.owner = true ∧ ∀ g ∈ x.givers, m.has g = true := by
  have ct := td.commits id c hc
  have today := nm.today id c hc
  unfold M.heads at hx
  obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
  have inside : ∀ o, (o = c.run ∨ ∃ g ∈ c.heads, g.id = o) → m.has (Id.today c.run id o) = true := fun o ho => by
    rcases ho with rfl | ⟨g, hg, rfl⟩
    · rw [today]; exact i
    · exact there g hg
  refine ⟨inside _ (ct.inside hy), fun g hg => ?_⟩
  unfold giversToday at hg
  rcases List.mem_append.mp hg with hg | hg
  · obtain ⟨v, hv, rfl⟩ := List.mem_map.mp hg
    refine inside v ?_
    have := (List.mem_filter.mp hv).2
    simp only [List.contains_eq_mem, decide_eq_true_eq] at this
    cases List.mem_cons.mp this with
    | inl e => exact .inl e
    | inr h => exact .inr ((List.mem_map.mp h).imp fun _ h => ⟨h.1, h.2⟩)
  · obtain ⟨v, hv, rfl⟩ := List.mem_map.mp (mem_of_mem_eraseDups hg)
    exact has_lender w td i (k.heads id c hc y hy v (List.mem_filter.mp hv).1)

theorem housed_restoreLower (k : Housed m) (hs : List Then) {x : Id} (i : m.has x = true) : Housed (restoreLower hs m x) := by
  have disc : Housed (m.discard x) := by
    unfold M.discard
    split
    · exact k
    · exact k.record i _ _
  unfold M.restoreLower
  split
  · exact disc
  · split
    · exact k
    · simp only
      split
      · exact k.record i _ _
      · split
        · exact k.setCode i _
        · exact k

theorem housed_restore (w : Wf m B) (td : Tied m) (nm : Named m) (k : Housed m) {id : Id} (i : m.has id = true) (_ : id ≠ .world)
    {to : Option Nat} (ok : ∀ j, to = some j → ∃ c, (m.run id).trace.nth j = some c ∧
      ∀ h ∈ c.heads, m.has (Id.today c.run id h.id) = true) : Housed (m.restore id to) := by
  unfold M.restore
  split
  · refine (foldl_keeps (P := fun n : M => Mild False .world m n) (.refl m) fun n x _ k => k.discard x).house (fun x h => ?_) k
    exact plain_born w (Plain.foldl (f := M.discard) (l := m.family id) w fun n y _ _ _ => plain_discard y) h
  · next j =>
    obtain ⟨c, hc, hh⟩ := ok j rfl
    rw [hc]
    simp only
    have hw : ∀ x ∈ c.heads, x.id ≠ .world := w.heads id c (Trace.nth_mem hc)
    have one := foldl_keeps (P := fun n => (∀ x, m.has x = true → n.has x = true) ∧ Housed n)
      (f := fun (m : M) (h : Then) => m.own h.id h.owner h.givers) (l := m.heads id c) ⟨fun _ h => h, k⟩
      fun n t ht ⟨e, kn⟩ => by
        have th := thens_there w td nm k i (Trace.nth_mem hc) hh ht
        refine ⟨fun x hx => ?_, kn.own (e _ (heads_has hh t ht)) (e _ th.1) fun g hg => e _ (th.2 g hg)⟩
        show M.has (n.own t.id t.owner t.givers) x = true
        rw [has_own, e x hx, Bool.or_true]
    obtain ⟨e₁, k₁⟩ := one
    have two := foldl_keeps (P := fun n : M => (∀ x, M.has ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) x = true →
        n.has x = true) ∧ Housed n) (f := restoreLower (m.heads id c))
      (l := M.below ((m.heads id c).foldl (fun m h => m.own h.id h.owner h.givers) m) id) ⟨fun _ h => h, k₁⟩
      fun n x hx ⟨e, kn⟩ => by
        refine ⟨fun y hy => ?_, housed_restoreLower kn _ (e x (has_of_mem_below hx))⟩
        have ey := e y hy
        unfold M.restoreLower M.discard M.rewind
        split
        · split
          · exact ey
          · rw [recordCode_eq, has_record, ey, Bool.or_true]
        · split
          · exact ey
          · simp only
            split
            · rw [has_record, ey, Bool.or_true]
            · split
              · rw [has_setCode, ey, Bool.or_true]
              · exact ey
    exact two.2.record (two.1 _ (e₁ _ i)) _ _

/-- Everyone who is there stands below the root run, or is it, or the world. -/
theorem Housed.under {n : M} (k : Housed n) (f : Runs.Forest n.runs) (w : ∀ x, n.has x = true → n.Stamped x) (idle : (n.run .world).made = 0) :
    ∀ x, n.has x = true → x = .world ∨ x = .root ∨ n.Below x .root := by
  have all : ∀ x ∈ n.runs.map Run.id, x = .world ∨ x = .root ∨ n.Below x .root := by
    refine finite_induction (fun a b => Prec (key a) (key b)) (fun _ => Prec.irrefl _)
      (fun x y z (h : Prec (key x) (key y)) (g : Prec (key y) (key z)) => Prec.trans h g) fun x hx ih => ?_
    have i : n.has x = true := by
      obtain ⟨r, hr, e⟩ := List.mem_map.mp hx
      exact (Runs.has_iff _ _).mpr ⟨r, hr, e⟩
    by_cases nw : x = .world
    · exact .inl nw
    · right
      obtain ⟨o, ho, io⟩ := k.owner x i nw
      have mo := f.owner x o ho
      obtain ⟨r, hr, e⟩ := (Runs.has_iff _ _).mp io
      rcases ih o (List.mem_map.mpr ⟨r, hr, e⟩) mo.prec with eo | eo | bo
      · left
        subst eo
        have st := w x i
        have no : ∀ j, ¬ j < (n.run .world).made := fun j => by rw [idle]; exact Nat.not_lt_zero _
        have made : ∀ j, x = .made .world j → False := fun j e => by subst e; exact no j st
        have copied : ∀ j y, x = .copy (.made .world j) y → False := fun j y e => by subst e; exact no j st
        cases mo with
        | root => rfl
        | made => exact (made _ rfl).elim
        | copied => exact (copied _ _ rfl).elim
      · exact .inr (.own (eo ▸ ho))
      · exact .inr (.up ho bo)
  intro x i
  obtain ⟨r, hr, e⟩ := (Runs.has_iff _ _).mp i
  exact all x (List.mem_map.mpr ⟨r, hr, e⟩)

/-! ## Forks -/

/-- The copies that are put in, with what lent them and what they have recorded. -/
structure PutInHoused (m : M) (id fork owner : Id) (parts : List Then) (n : M) : Prop where
  has : ∀ j, m.has j = true → n.has j = true
  same : ∀ j, m.has j = true → n.run j = m.run j
  new : ∀ j, m.has j = false → n.has j = true → (∃ y ∈ parts, j = .copy fork y.id ∧
      (n.run j).owner = some (if y.id = id then owner else .copy fork y.owner)) ∧
    (∀ g ∈ (n.run j).givers, g = owner ∨ ∃ y ∈ parts, g = .copy fork y.id) ∧ ∀ c ∈ (n.run j).trace, ∃ y, c ∈ (m.run y).trace

theorem PutInHoused.copyOne {id fork owner : Id} {parts : List Then} {n : M} (k : PutInHoused m id fork owner parts n)
    (absent : ∀ x, m.has (.copy fork x) = false) (traces : ∀ x ∈ parts, ∃ old, x.trace <:+ (m.run old).trace) (c : Commit) {x : Then}
    (hx : x ∈ parts) : PutInHoused m id fork owner parts (M.copyOne m id fork owner c parts n x) := by
  cases ht : x.trace with
  | nil => unfold M.copyOne; rw [ht]; exact k
  | cons d u =>
    obtain ⟨grant, used, e⟩ := copyOne_eq m id fork owner c parts n ht
    rw [e]
    have rid : (copyRun m id fork owner c parts x d grant).id = .copy fork x.id := rfl
    refine ⟨fun j i => ?_, fun j i => ?_, fun j i h => ?_⟩
    · rw [M.has_put]
      show (_ || n.has j) = true
      rw [k.has j i, Bool.or_true]
    · rw [run_put_ne]
      · exact k.same j i
      · rw [rid]; intro e; rw [← e, absent] at i; cases i
    · rw [M.has_put] at h
      rw [run_put]
      by_cases ej : (copyRun m id fork owner c parts x d grant).id = j
      · rw [if_pos ej]
        refine ⟨⟨x, hx, ej.symm.trans rid, rfl⟩, fun g hg => ?_, fun c' hc' => ?_⟩
        · have lent : ∀ g ∈ (x.givers.filter (parts.map Then.id).contains).map (Id.copy fork), ∃ y ∈ parts, g = .copy fork y.id := by
            intro g hg
            obtain ⟨v, hv, rfl⟩ := List.mem_map.mp hg
            have := (List.mem_filter.mp hv).2
            simp only [List.contains_eq_mem, decide_eq_true_eq] at this
            obtain ⟨y, hy, e⟩ := List.mem_map.mp this
            exact ⟨y, hy, by rw [e]⟩
          unfold M.copyRun at hg
          simp only at hg
          split at hg
          · rcases List.mem_append.mp hg with hg | hg
            · exact .inr (lent g hg)
            · exact .inl (List.mem_singleton.mp hg)
          · exact .inr (lent g hg)
        · obtain ⟨old, ho⟩ := traces x hx
          exact ⟨old, ho.subset hc'⟩
      · rw [if_neg ej]
        rw [beq_eq_false_iff_ne.mpr ej, Bool.false_or] at h
        exact k.new j i h

theorem housed_fork (w : Wf m) (td : Tied m) (nm : Named m) (am : AllMarked m) (k : Housed m) {asker : Id} {wt : Waiting}
    (i : m.has asker = true) : Housed (m.fork asker wt) := by
  unfold M.fork M.wrong
  split
  · split
    · exact k.reply i _ _
    · next id ho =>
      simp only
      split
      · exact k.reply i _ _
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have hcm : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
        have absent := not_has_copy w asker
        have ct := td.commits id c hcm
        have full : ∀ x ∈ m.forkParts id asker (c :: t) c, ∃ d u, x.trace = d :: u := by
          intro x hx
          unfold forkParts at hx
          rcases List.mem_append.mp hx with hx | hx
          · unfold M.heads at hx
            obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
            have ne := Trace.upTo_ne_nil (w.indexed y.id) _ (nm.heads id c hcm y hy)
              (am y.id (td.heads id c hcm y hy) (w.heads id c hcm y hy)).1
            show ∃ d u, (m.run y.id).trace.upTo (y.length - 1) = d :: u
            cases e : (m.run y.id).trace.upTo (y.length - 1) with
            | nil => exact absurd e ne
            | cons d u => exact ⟨d, u, rfl⟩
          · rw [List.mem_singleton.mp hx]; exact ⟨c, t, rfl⟩
        have inside : ∀ x ∈ m.forkParts id asker (c :: t) c, x.id = id ∨ ∃ y ∈ m.forkParts id asker (c :: t) c, y.id = x.owner := by
          intro x hx
          unfold forkParts at hx ⊢
          rcases List.mem_append.mp hx with hx | hx
          · right
            unfold M.heads at hx ⊢
            obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
            rcases ct.inside hy with h | ⟨v, hv, h⟩
            · refine ⟨_, List.mem_append_right _ (List.mem_singleton.mpr rfl), ?_⟩
              show id = Id.today c.run id y.owner
              rw [h, nm.today id c hcm]
            · refine ⟨_, List.mem_append_left _ (List.mem_map.mpr ⟨v, hv, rfl⟩), ?_⟩
              show Id.today c.run id v.id = Id.today c.run id y.owner
              rw [h]
          · rw [List.mem_singleton.mp hx]; exact .inl rfl
        have there : ∀ x ∈ m.forkParts id asker (c :: t) c,
            ((m.bornOf (m.forkParts id asker (c :: t) c)).foldl (M.copyOne m id (.made asker (m.run asker).made) asker c
              (m.forkParts id asker (c :: t) c)) m).has (.copy (.made asker (m.run asker).made) x.id) = true := by
          intro x hx
          obtain ⟨d, u, e⟩ := full x hx
          exact (run_bornOf (fork := .made asker (m.run asker).made) td nm hcm hx e).choose_spec.2
        have putIn : PutInHoused m id (.made asker (m.run asker).made) asker (m.forkParts id asker (c :: t) c)
            ((m.bornOf (m.forkParts id asker (c :: t) c)).foldl (M.copyOne m id (.made asker (m.run asker).made) asker c
              (m.forkParts id asker (c :: t) c)) m) := by
          refine foldl_keeps (P := PutInHoused m id (.made asker (m.run asker).made) asker (m.forkParts id asker (c :: t) c))
            ⟨fun _ h => h, fun _ _ => rfl, fun j h h' => by rw [h] at h'; cases h'⟩
            fun n x hx kn => kn.copyOne absent (forkParts_trace hs) c (of_mem_bornOf hx).1
        rw [copyTree_eq]
        revert putIn there
        generalize (m.bornOf (m.forkParts id asker (c :: t) c)).foldl (M.copyOne m id (.made asker (m.run asker).made) asker c
              (m.forkParts id asker (c :: t) c)) m = p
        generalize m.forkParts id asker (c :: t) c = parts at full inside
        generalize Id.made asker (m.run asker).made = fork at absent ⊢
        intro there putIn
        have kp : Housed p := by
          refine ⟨fun y iy nw => ?_, fun y g hg => ?_, fun y d hd x hx g hg => ?_⟩
          · cases im : m.has y with
            | true =>
              obtain ⟨o, h1, h2⟩ := k.owner y im nw
              exact ⟨o, by rw [putIn.same y im]; exact h1, putIn.has o h2⟩
            | false =>
              obtain ⟨⟨x, hx, _, h⟩, _⟩ := putIn.new y im iy
              refine ⟨_, h, ?_⟩
              split
              · exact putIn.has asker i
              · next ne =>
                obtain ⟨v, hv, e⟩ := (inside x hx).resolve_left ne
                rw [← e]; exact there v hv
          · cases im : m.has y with
            | true => rw [putIn.same y im] at hg; exact putIn.has g (k.givers y g hg)
            | false =>
              cases ip : p.has y with
              | false => rw [run_of_not_has ip] at hg; exact absurd hg List.not_mem_nil
              | true =>
                rcases (putIn.new y im ip).2.1 g hg with e | ⟨x, hx, e⟩
                · rw [e]; exact putIn.has asker i
                · rw [e]; exact there x hx
          · cases im : m.has y with
            | true => rw [putIn.same y im] at hd; exact putIn.has g (k.heads y d hd x hx g hg)
            | false =>
              cases ip : p.has y with
              | false => rw [run_of_not_has ip] at hd; exact absurd hd List.not_mem_nil
              | true =>
                obtain ⟨v, hv⟩ := (putIn.new y im ip).2.2 d hd
                exact putIn.has g (k.heads v d hv x hx g hg)
        have marked := foldl_keeps (P := fun n : M => Housed n ∧ ∀ x, p.has x = true → n.has x = true) (f := markCopy id fork) (l := parts)
          ⟨kp, fun _ h => h⟩ fun n x hx ⟨kn, hn⟩ => by
            unfold M.markCopy
            split
            · exact ⟨kn, hn⟩
            · refine ⟨kn.record (hn _ (there x hx)) _ _, fun y hy => ?_⟩
              rw [recordCode_eq, has_record, hn y hy, Bool.or_true]
        exact marked.1.answerRun (marked.2 _ (putIn.has asker i)) _ _
  · exact k.reply i _ _

end M

end Shepherd
