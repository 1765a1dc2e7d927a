import Shepherd.Laws.BranchReplay.Placed

/-!
# Who waits for whom in a tree forked from outside
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {m : M}

theorem placed_asForked (s : Sound m) (p : Placed m) {c : Commit} {t : Trace} (ht : (m.run .root).trace = c :: t) :
    Placed { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } ∧
      (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } .root).owner = some .world ∧
      ∃ r w, (M.run { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } .world).code = .driving r w := by
  have hr : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
  have hc : c ∈ (m.run .root).trace := by rw [ht]; exact List.mem_cons_self
  have fid : ∀ r, (m.asForked c r).id = r.id := fun r => by
    unfold asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  generalize hn : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M) = n
  have hhas : ∀ id, n.has id = m.has id := fun id => by rw [← hn]; exact has_map fid _ _
  have run : ∀ id, m.has id = true → n.run id = m.asForked c (m.run id) := fun id h => by rw [← hn]; exact find_map fid _ _ h
  have gone : ∀ id, m.has id = false → n.run id = m.run id := fun id h => by
    rw [run_of_not_has h, run_of_not_has ((hhas id).trans h)]
  have there : ∀ h ∈ c.heads, m.has (Id.today c.run .root h.id) = true := fun h hh => s.bound.tied.heads .root c hc h hh
  have thens := fun x hx => thens_there s.wf s.bound.tied s.granted.named p.housed hr hc there (x := x) hx
  have keep : ∀ r o g, ((asOf r o g).owner = o ∨ (asOf r o g).owner = r.owner) ∧
      ((asOf r o g).givers = g ∨ (asOf r o g).givers = r.givers) := fun r o g => by
    unfold asOf
    split
    · exact ⟨.inr rfl, .inr rfl⟩
    · exact ⟨.inl rfl, .inl rfl⟩
  have trace : ∀ id, (n.run id).trace = (m.run id).trace := fun id => by
    cases i : m.has id with
    | false => rw [gone id i]
    | true =>
      rw [run id i]
      unfold asForked
      repeat' split
      · rfl
      · exact asOf_trace _ _ _
      · exact asOf_trace _ _ _
      · rfl
  have root : (n.run .root).owner = some .world := by
    rw [run _ hr]
    unfold asForked
    rw [if_neg (by rw [run_id]; exact nofun), if_pos (run_id _ _)]
    unfold asOf
    rw [ht]
  have world : n.run .world = { m.run .world with code := worldRun.code } := by
    rw [run _ s.wf.world]
    unfold asForked
    rw [if_pos (run_id _ _)]
  refine ⟨⟨⟨fun y iy nw => ?_, fun y g hg => ?_, fun y d hd h hh g hg => ?_⟩, ?_⟩, root, ?_⟩
  · have i := (hhas y).symm.trans iy
    obtain ⟨o, h1, h2⟩ := p.housed.owner y i nw
    rw [run y i]
    unfold asForked
    rw [if_neg (by rw [run_id]; exact nw)]
    split
    · rcases (keep (m.run y) (some .world) []).1 with e | e
      · exact ⟨.world, e, (hhas _).trans s.wf.world⟩
      · exact ⟨o, e.trans h1, (hhas o).trans h2⟩
    · split
      · next x hf =>
        have hx := List.mem_of_find?_eq_some hf
        rcases (keep (m.run y) (some x.owner) x.givers).1 with e | e
        · exact ⟨x.owner, e, (hhas _).trans (thens x hx).1⟩
        · exact ⟨o, e.trans h1, (hhas o).trans h2⟩
      · exact ⟨o, h1, (hhas o).trans h2⟩
  · rw [hhas]
    have old : g ∈ (m.run y).givers → m.has g = true := p.housed.givers y g
    cases i : m.has y with
    | false => rw [gone y i] at hg; exact old hg
    | true =>
      rw [run y i] at hg
      unfold asForked at hg
      split at hg
      · exact old hg
      · split at hg
        · rcases (keep (m.run y) (some .world) []).2 with e | e
          · rw [e] at hg; exact absurd hg List.not_mem_nil
          · rw [e] at hg; exact old hg
        · split at hg
          · next x hf =>
            have hx := List.mem_of_find?_eq_some hf
            rcases (keep (m.run y) (some x.owner) x.givers).2 with e | e
            · rw [e] at hg; exact (thens x hx).2 g hg
            · rw [e] at hg; exact old hg
          · exact old hg
  · rw [trace] at hd
    rw [hhas]; exact p.housed.heads y d hd h hh g hg
  · rw [world]; exact p.idle
  · rw [world]; exact ⟨_, _, rfl⟩

theorem held_forkRoot {n : M} (s : Sound m) (p : Placed m) (hn : m.forkRoot = some n) : Held n ∧ Placed n := by
  obtain ⟨c, t, ht, rfl⟩ := forkRoot_eq hn
  have hr : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
  have f := follows_asForked s.wf c
  have b₁ := bound_asForked s.bound s.granted.named s.wf hr (c := c) (by rw [ht]; exact List.mem_cons_self)
  obtain ⟨p₁, root, world⟩ := placed_asForked s p ht
  have ip := f.2.has .root hr
  have fresh := f.1.fresh
  revert b₁ p₁ root world ip fresh
  generalize hq : ({ m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } : M) = q
  intro b₁ p₁ root world ip fresh
  have stack : q.stack = [.root, .world] := by rw [← hq]
  have td := b₁.tied
  have wn : (q.run .world).owner = none := by
    cases e : (q.run .world).owner with
    | none => rfl
    | some o =>
      have o' := (td.owner e).over
      cases over_world o'
      exact absurd rfl (td.owner e).ne
  have nb : Id.root ∉ q.below .root := fun h => ((td.mem_below.mp h).ne td.forest) rfl
  have fold := resets td (fun y : Id => y) (markFork c) (L := q.family .root)
    (by
      rw [List.map_id']
      unfold M.family
      exact List.nodup_append.mpr ⟨td.nodup_below .root, List.pairwise_singleton _ _, fun x hx y hy e => nb (by
        rw [List.mem_singleton.mp hy] at e; exact e ▸ hx)⟩)
    (fun a x b hl d ho => by
      rw [List.map_id']
      unfold M.family at hl
      rcases List.eq_nil_or_concat b with rfl | ⟨b', y, rfl⟩
      · obtain ⟨h1, h2⟩ := List.append_inj' hl rfl
        rw [← h1]
        have : x = .root := (List.cons.inj h2).1.symm
        subst this
        exact td.mem_below.mpr (.own ho)
      · have hl : q.below .root ++ [.root] = (a ++ x :: b') ++ [y] := by rw [hl]; simp only [List.append_assoc, List.cons_append, List.concat_eq_append]
        obtain ⟨h1, _⟩ := List.append_inj' hl rfl
        exact td.before .root h1 ho) (fun _ => True)
    (fun a x b n _ _ _ _ => by
      refine ⟨trivial, fun j => owner_record _ _ _ _ _, fun j ne => ?_, ?_⟩
      · unfold markFork; rw [run_recordCode_ne _ _ _ ne.symm]
      · unfold markFork
        rw [run_recordCode_same]
        simp only
        split
        · exact .settled _
        · exact .takenUp _ _) trivial
  obtain ⟨_, fo, fc, fw⟩ := fold
  rw [List.map_id'] at fc fw
  have nf : Id.world ∉ q.family .root := fun h => by
    rcases td.mem_family.mp h with e | b
    · cases e
    · cases b with
      | own ho => exact nomatch wn.symm.trans ho
      | up ho _ => exact nomatch wn.symm.trans ho
  have marks := foldl_keeps (P := fun n : M => Placed n ∧ n.stack = q.stack ∧ ∀ x, q.has x = true → n.has x = true) (f := markFork c)
    (l := q.family .root) ⟨p₁, rfl, fun _ h => h⟩ fun n x hx ⟨kn, hs, hh⟩ => by
      have ix := hh x (has_of_mem_family ip hx)
      unfold markFork
      refine ⟨⟨kn.housed.record ix _ _, by rw [recordCode_eq, made_record]; exact kn.idle⟩, hs, fun y hy => ?_⟩
      rw [recordCode_eq, has_record, hh y hy, Bool.or_true]
  refine ⟨⟨(fo .root).trans root, ?_, fun x => ?_⟩, marks.1⟩
  · rw [marks.2.1, stack]
    refine ⟨(fo .root).trans root, ?_, rfl⟩
    rw [fc .world nf]; exact world
  · by_cases hx : x ∈ q.family .root
    · exact (fw x hx).1
    · by_cases ew : x = .world
      · subst ew
        obtain ⟨r, w, h⟩ := world
        exact .of_driving ((fc _ nf).trans h)
      · cases i : q.has x with
        | true =>
          refine absurd (td.mem_family.mpr ?_) hx
          exact (p₁.housed.under td.forest fresh p₁.idle x i).resolve_left ew
        | false => exact .of_settled (s := .discarded) (by rw [fc x hx, run_of_not_has i]; rfl)

end M

end Shepherd
