import Shepherd.Laws.BranchReplay.Forked

/-!
# Who is apart from whom
-/

namespace Shepherd

open Id (MayOwn Over InFork)

namespace M

variable {B : Prop} {m : M}

/-- What the invariants say of who is apart from whom. -/
theorem Held.apart (w : Wf m B) (td : Tied m) (nm : Named m) (tab : Tabled m.Stamped m) (k : Retold World m) (h : Held m)
    (seen : Seen m) : Apart m where
  shown := fun id q hq wt hs => by
    have ok := shown_ok (h.watch id) hq
    have nb : ∃ s, (m.run q.asked).code = .settled s := Classical.byContradiction fun n =>
      ok.2 ⟨⟨wt, hs⟩, fun s e => n ⟨s, e⟩⟩
    obtain ⟨s, e⟩ := nb
    rw [e] at hs ⊢
    have hs : s = .waiting wt := hs
    rw [hs]
  undo := fun id c j op args nw hq he wt hs => by
    obtain ⟨c', hc', he'⟩ := k.allAsked w id wt nw hs
    rw [hq] at hc'
    cases hc'
    rw [he] at he'
    cases he'
  owing := fun id u o hc d hd wt hs => by
    exact (((h.watch id).undo u o hc).2 d.run (.inr (.inl ⟨d, hd, rfl⟩))).2 ⟨wt, hs⟩
  kids := fun a id hk => beq_iff_eq.mpr ((Runs.mem_kids_iff td.forest.nodup).mp hk)
  family := fun a id own hm => (td.owns own).acyclic (td.over_of_family hm)
  chain := fun a id q own hq hm => by
    have s := td.shown hq
    have o := td.owns own
    have no : ∀ {z}, Over id z → a ≠ z := fun ov e => o.acyclic (e ▸ ov)
    cases List.mem_cons.mp hm with
    | inl e => exact no (s.2 id List.mem_cons_self) e
    | inr e =>
      cases List.mem_cons.mp e with
      | inl e => exact no (.refl id) e
      | inr e => exact no ((List.pairwise_cons.mp s.1).1 a e) rfl
  undoing := fun id u o hc => by
    have ck := w.codes id
    have ct := td.codes id
    rw [hc] at ck ct
    have d := deeds_restore (T := Over u.run) (F := m.Stamped) td nm (fun _ h => h) w tab (fun _ h => h) ck.2.1 ck.2.2.2
    rw [d.run ct.1.acyclic, hc]
  shares := fun id u o j c hc hj hk x hx => by
    have ck := w.codes id
    rw [hc] at ck
    obtain ⟨c', hk', hh⟩ := ck.2.2.2 j hj
    rw [hk] at hk'
    cases hk'
    have hcm := Trace.nth_mem hk
    unfold M.heads at hx
    obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
    show (m.run y.id).trace.upTo (y.length - 1) <:+ (m.run (Id.today c.run u.run y.id)).trace
    rw [seen.upTo w.indexed hcm hy, ← seen.same u.run c hcm y hy (hh y hy)]
    have sorted := seen.sorted (Id.today c.run u.run y.id)
    generalize (m.run (Id.today c.run u.run y.id)).trace = t at sorted
    induction t with
    | nil => exact List.suffix_refl _
    | cons d t ih =>
      have sorted := List.pairwise_cons.mp sorted
      by_cases e : d.seq < c.seq
      · rw [before_all fun x hx => ?_]
        · exact List.suffix_refl _
        · cases List.mem_cons.mp hx with
          | inl h => rw [h]; exact e
          | inr h => exact Nat.lt_trans (sorted.1 x h) e
      · rw [before_cons_ge (by omega)]
        exact (ih sorted.2).trans (List.suffix_cons _ _)
  heads := fun id c hc x hx => ((td.commits id c hc).over x hx).2

theorem seen_asking (s : Sound m) (a : AllMarked m) (t : Seen m) (op : String) (args : List Value) : Seen (m.asking op args) := by
  have r₀ : Writable ({ m with stack := [.world] } : M) :=
    ⟨t.unchanged (fun _ h => h) (fun _ => rfl) rfl, s.wf.indexed, s.wf.owner, fun y i nw => (a y i nw).1⟩
  exact (r₀.record s.wf.world (.intent op args) { (({ m with stack := [.world] } : M).state .world) with
    code := .settled (.waiting { op, args, stack := [] }) }).seen

theorem held_start (i : Init) : Held i.start ∧ Placed i.start := by
  unfold Init.start M.start
  simp only
  have held : ∀ (p : M) (W R : Run), p.runs = [W, R] → p.stack = [.root, .world] → W.id = .world → R.id = .root →
      R.owner = some .world → (∃ r q, W.code = .driving r q) → W.givers = [] → R.givers = [] → W.trace = [] → R.trace = [] →
      W.made = 0 → ∀ e s, Held (p.recordCode .root e (.settled s)) ∧ Placed (p.recordCode .root e (.settled s)) := by
    intro p W R hruns hstack hW hR ho hd wg rg wt rt wm e s
    have run : ∀ x, x ≠ .root → x ≠ .world → p.run x = Run.absent x := fun x nr nw => by
      unfold M.run
      rw [hruns]
      simp only [Runs.find, hW, hR]
      rw [if_neg (Ne.symm nw), if_neg (Ne.symm nr)]
    have root : p.run .root = R := by
      unfold M.run
      rw [hruns]
      simp only [Runs.find, hW, hR, reduceCtorEq, if_false, if_true]
    have world : p.run .world = W := by
      unfold M.run
      rw [hruns]
      simp only [Runs.find, hW, if_true]
    have own : ((p.recordCode .root e (.settled s)).run .root).owner = some .world := by rw [run_recordCode_same, root]; exact ho
    have drives : ∃ r q, ((p.recordCode .root e (.settled s)).run .world).code = .driving r q := by
      obtain ⟨r, q, hd⟩ := hd
      have ne : Id.root ≠ .world := nofun
      exact ⟨r, q, by rw [run_recordCode_ne _ _ _ ne, world]; exact hd⟩
    have each : ∀ x, p.run x = W ∨ p.run x = R ∨ p.run x = Run.absent x := fun x => by
      by_cases er : x = .root
      · rw [er, root]; exact .inr (.inl rfl)
      · by_cases ew : x = .world
        · rw [ew, world]; exact .inl rfl
        · exact .inr (.inr (run x er ew))
    have hroot : p.has .root = true := (Runs.has_iff _ _).mpr ⟨R, by rw [hruns]; exact List.mem_cons_of_mem _ List.mem_cons_self, hR⟩
    have hworld : p.has .world = true := (Runs.has_iff _ _).mpr ⟨W, by rw [hruns]; exact List.mem_cons_self, hW⟩
    have house : Housed p := by
      refine ⟨fun y iy nw => ?_, fun y g hg => ?_, fun y c hc => ?_⟩
      · obtain ⟨r, hr, hy⟩ := (Runs.has_iff _ _).mp iy
        rw [hruns] at hr
        cases List.mem_cons.mp hr with
        | inl h => rw [h, hW] at hy; exact absurd hy.symm nw
        | inr h =>
          rw [List.mem_singleton.mp h, hR] at hy
          subst hy
          exact ⟨.world, by rw [root]; exact ho, hworld⟩
      · rcases each y with h | h | h <;> rw [h] at hg
        · rw [wg] at hg; exact absurd hg List.not_mem_nil
        · rw [rg] at hg; exact absurd hg List.not_mem_nil
        · exact absurd hg List.not_mem_nil
      · rcases each y with h | h | h <;> rw [h] at hc
        · rw [wt] at hc; exact absurd hc List.not_mem_nil
        · rw [rt] at hc; exact absurd hc List.not_mem_nil
        · exact absurd hc List.not_mem_nil
    refine ⟨⟨own, ?_, fun x => ?_⟩, house.record hroot _ _, by rw [recordCode_eq, made_record, world]; exact wm⟩
    · show M.Line _ p.stack
      rw [hstack]
      exact ⟨own, drives, rfl⟩
    · by_cases er : x = .root
      · subst er
        exact .of_settled (by rw [run_recordCode_same])
      · by_cases ew : x = .world
        · subst ew
          obtain ⟨r, q, hd⟩ := drives
          exact .of_driving hd
        · refine .of_settled (s := .discarded) ?_
          rw [run_recordCode_ne _ _ _ (Ne.symm er), run x er ew]; rfl
  exact held _ _ _ rfl rfl rfl rfl rfl ⟨_, _, rfl⟩ rfl rfl rfl rfl rfl _ _

/-- In every tree every run is what its recorded events make of it, and whoever waits for another's question may. -/
theorem After.replays {ω : Oracle} {i : Init} (h : After ω i.start m) : Retold World m ∧ Held m ∧ Placed m := by
  induction h with
  | refl => exact ⟨.start i, held_start i⟩
  | @step p q b st ih =>
    obtain ⟨k, h, pl⟩ := ih
    have s := b.sound
    have a := h.apart s.wf s.bound.tied s.granted.named s.bound.tabled k b.seen
    exact ⟨k.step s.wf s.granted.named a st, held_step s b.seen k h st, placed_step s b.allMarked k h pl st⟩
  | @answer p q b st ih =>
    obtain ⟨k, h, pl⟩ := ih
    have s := b.sound
    have a := h.apart s.wf s.bound.tied s.granted.named s.bound.tabled k b.seen
    unfold outer at st
    split at st
    · cases st
    · exact ⟨k.answer s.wf a st, held_answer s.wf s.bound.tied h st, placed_answer s.wf pl st⟩
  | @world p q op args b st ih =>
    obtain ⟨k, h, pl⟩ := ih
    have s := b.sound
    have kept := asks_kept s.wf op args
    have d₁ : Deeds (fun _ => True) p.Stamped p (p.asking op args) :=
      .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial s.wf.world trivial fun _ h => .inl h
    have b₁ := d₁.bound s.bound kept.ext.made
    have n₁ : Narrow p (p.asking op args) :=
      ((Narrow.refl s.granted.named).same (n := { p with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
        s.wf.world _ _
    have k₁ : Retold World (p.asking op args) := (k.stack [.world]).recordCode (id := .world) s.wf.world _ _ fun x => absurd rfl x
    have a : Apart (p.asking op args) := (held_asking s.wf h op args).apart (kept.wf s.wf fun _ h => h.elim) b₁.tied n₁.named
      b₁.tabled k₁ (seen_asking s b.allMarked b.seen op args)
    exact ⟨k.worldAsks s.wf s.granted a st, held_worldAsks s k h st, placed_worldAsks s k h pl st⟩
  | fork b st ih =>
    exact ⟨ih.1.forkRoot b.sound.wf st, held_forkRoot b.sound ih.2.2 st⟩

end M

end Shepherd
