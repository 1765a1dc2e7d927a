import Shepherd.Laws.Support.TiedSteps

/-!
# Ownership in every tree that can be reached
-/

namespace Shepherd

open Id (MayOwn Over)

namespace M

/-- The invariants of ownership, and that all ids in tables were given out. -/
structure Bound (m : M) : Prop where
  tied : Tied m
  tabled : Tabled m.Stamped m

theorem Gives.bound {T : Id → Prop} {m n : M} (b : Bound m) (mono : ∀ id, (m.run id).made ≤ (n.run id).made)
    (g : Gives T m n) : Bound n := by
  obtain ⟨F, h₁, h₂, d⟩ := g mono
  have t : Tabled F m := ⟨fun id h hh => h₁ h (b.tabled.tables id h hh), fun id c hc h hh => h₁ h (b.tabled.kept id c hc h hh)⟩
  have t := d.tabled t
  exact ⟨d.tied b.tied, fun id h hh => h₂ h (t.tables id h hh), fun id c hc h hh => h₂ h (t.kept id c hc h hh)⟩

theorem Deeds.bound {T : Id → Prop} {m n : M} (b : Bound m) (mono : ∀ id, (m.run id).made ≤ (n.run id).made)
    (d : Deeds T m.Stamped m n) : Bound n :=
  Gives.bound b mono fun mono => ⟨m.Stamped, fun _ h => h, fun _ => Stamped.mono mono, d⟩

theorem bound_worldAsks {m n : M} (b : Bound m) (g : Granted m) (w : Wf m) {op : String} {args : List Value}
    (h : m.worldAsks op args = some n) : Bound n := by
  have st := b.tied.stack
  unfold worldAsks at h
  revert h
  generalize hb : m.stack = before at st
  intro h
  split at h
  · cases h
  · split at h
    · cases h
    · simp only at h
      split at h
      · cases h
      · next after hp =>
        have k := asks_kept w op args
        have w₁ : Wf _ True := k.wf w fun _ h => h.elim
        have d₁ : Deeds (fun _ => True) m.Stamped m ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          .record .world _ _ (.stack [.world] .refl (List.pairwise_singleton _ _)) trivial w.world trivial fun _ h => .inl h
        have b₁ := d₁.bound b k.ext.made
        have nm₁ : Named ({ m with stack := [.world] }.recordCode .world (.intent op args)
            (.settled (.waiting { op, args, stack := [] }))) :=
          (((Narrow.refl g.named).same (n := { m with stack := [.world] }) (fun _ => rfl) (fun _ => rfl) fun _ => rfl).record
            w.world _ _).named
        have g₂ := gives_perform (T := fun _ => True) nm₁ w₁ b₁.tabled
          ⟨b₁.tied, fun _ _ => trivial, k.world, by rw [run_recordCode_same]⟩ ⟨[], rfl⟩ hp
        have e₂ := (grows_perform w₁ ⟨k.world, fun _ => trivial⟩ hp).extends w₁
        have b₂ := g₂.bound b₁ e₂.made
        have back : Bound { after.setCode .world (m.run .world).code with stack := before } := by
          have i : after.has .world = true := e₂.has _ k.world
          have d : Deeds (fun _ => True) after.Stamped after { after.setCode .world (m.run .world).code with stack := before } :=
            .stack before (deeds_setCode trivial i (b.tied.codes .world) (.inl rfl)) st
          refine d.bound b₂ fun id => ?_
          show _ ≤ ((after.setCode .world (m.run .world).code).run id).made
          rw [run_setCode]
          split
          · next e => rw [← e]; exact Nat.le_refl _
          · exact Nat.le_refl _
        split at h
        · cases h; exact back
        · split at h
          · cases h; exact back
          · cases h; exact b₂

/-! ## Forks of the whole tree -/

theorem bound_asForked {m : M} (b : Bound m) (nm : Named m) (w : Wf m) {c : Commit} (hr : m.has .root = true) (hc : c ∈ (m.run .root).trace) :
    Bound { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used } := by
  have td := b.tied
  have fid : ∀ r, (m.asForked c r).id = r.id := fun r => by
    unfold asForked
    repeat' split
    · rfl
    · exact asOf_id _ _ _
    · exact asOf_id _ _ _
    · rfl
  let n : M := { m with runs := m.runs.map (m.asForked c), stack := [.root, .world], used := c.used }
  have hhas : ∀ id, n.has id = m.has id := fun id => has_map fid _ _
  have run : ∀ id, n.run id = if m.has id then m.asForked c (m.run id) else m.run id := fun id => by
    split
    · next h => exact find_map fid _ _ h
    · next h =>
      rw [Bool.not_eq_true] at h
      rw [run_of_not_has h, run_of_not_has ((hhas id).trans h)]
  -- What holds of every run as it was, and of it as it was right after its last event, holds.
  have each : ∀ (p : Id → Run → Prop), (∀ id, p id (m.run id)) → p .world { m.run .world with code := worldRun.code } →
      p .root (asOf (m.run .root) (some .world) []) →
      (∀ h ∈ m.heads .root c, p h.id (asOf (m.run h.id) (some h.owner) h.givers)) → ∀ id, p id (n.run id) := by
    intro p h₁ h₂ h₃ h₄ id
    rw [run]
    split
    · unfold asForked
      by_cases e : id = .world
      · rw [if_pos (by rw [run_id]; exact e)]
        subst e
        exact h₂
      · rw [if_neg (by rw [run_id]; exact e)]
        by_cases e : id = .root
        · rw [if_pos (by rw [run_id]; exact e)]
          subst e
          exact h₃
        · rw [if_neg (by rw [run_id]; exact e)]
          split
          · next h hf =>
            have e := List.find?_some (p := fun h : Then => h.id == (m.run id).id) hf
            rw [run_id] at e
            have := h₄ h (List.mem_of_find?_eq_some hf)
            rwa [beq_iff_eq.mp e] at this
          · exact h₁ id
    · exact h₁ id
  have heads := fun h hh => td.thens nm (id := .root) hr hc (h := h) hh
  have asOfCode : ∀ r o g, (∃ s, (asOf r o g).code = .settled s) ∨ (asOf r o g).code = r.code := fun r o g => by
    unfold asOf
    split
    · exact .inr rfl
    · exact .inl ⟨_, rfl⟩
  have asOfTied : ∀ id o g, CodeTied id (asOf (m.run id) o g).code := fun id o g => by
    rcases asOfCode (m.run id) o g with ⟨s, h⟩ | h
    · rw [h]; trivial
    · rw [h]; exact td.codes id
  have asOfSnap : ∀ id o g c t, (asOf (m.run id) o g).trace = c :: t → Snap m.program c (asOf (m.run id) o g) := by
    intro id o g c t h
    rw [asOf_trace] at h
    unfold asOf
    rw [h]
    exact ⟨.refl, rfl, rfl, fun _ => rfl⟩
  have asOfOwner : ∀ id o g, (asOf (m.run id) o g).owner = o ∨ (asOf (m.run id) o g).owner = (m.run id).owner := fun id o g => by
    unfold asOf
    split
    · exact .inr rfl
    · exact .inl rfl
  have asOfGivers : ∀ id o g, (asOf (m.run id) o g).givers = g ∨ (asOf (m.run id) o g).givers = (m.run id).givers :=
    fun id o g => by
      unfold asOf
      split
      · exact .inr rfl
      · exact .inl rfl
  have asOfHandles : ∀ id o g, ∀ h ∈ (asOf (m.run id) o g).handles, m.Stamped h := fun id o g h hh => by
    unfold asOf at hh
    split at hh
    · exact b.tabled.tables id h hh
    · next d t ht => exact b.tabled.kept id d (by rw [ht]; exact List.mem_cons_self) h hh
  have stamped : ∀ h, m.Stamped h → n.Stamped h := fun h => Stamped.mono (follows_asForked w c).2.made
  refine ⟨⟨⟨⟨?_, ?_⟩, ?_, ?_, ?_, ?_, fun f x h => td.copies f x (hhas _ ▸ h), ?_⟩, ?_⟩, ?_, ?_⟩
  · show ((m.runs.map (m.asForked c)).map Run.id).Nodup
    rw [List.map_map, List.map_congr_left (f := Run.id ∘ m.asForked c) (g := Run.id) fun r _ => fid r]
    exact td.forest.nodup
  · refine each (fun id r => ∀ o, r.owner = some o → MayOwn o id) td.forest.owner (td.forest.owner .world) (fun o h => ?_) fun h hh o e => ?_
    · rcases asOfOwner .root (some .world) [] with e | e
      · rw [e] at h; cases h; exact .root
      · rw [e] at h; exact td.owner h
    · rcases asOfOwner h.id (some h.owner) h.givers with e' | e'
      · rw [e'] at e; cases e; exact (heads h hh).1
      · rw [e'] at e; exact td.owner e
  · refine each (fun id r => ∀ g ∈ r.givers, MayOwn g id) td.givers (td.givers .world) (fun g hg => ?_) fun h hh g hg => ?_
    · rcases asOfGivers .root (some .world) [] with e | e
      · rw [e] at hg; exact absurd hg List.not_mem_nil
      · rw [e] at hg; exact td.givers _ g hg
    · rcases asOfGivers h.id (some h.owner) h.givers with e | e
      · rw [e] at hg; exact (heads h hh).2.1 g hg
      · rw [e] at hg; exact td.givers _ g hg
  · exact each (fun id r => CodeTied id r.code) td.codes trivial (asOfTied _ _ _) fun h _ => asOfTied _ _ _
  · exact each (fun id r => ∀ c ∈ r.trace, CommitTied c) td.commits (td.commits .world)
      (fun c hc => td.commits .root c (asOf_trace _ _ _ ▸ hc)) fun h _ c hc => td.commits h.id c (asOf_trace _ _ _ ▸ hc)
  · have up : ∀ id, ∀ c ∈ (m.run id).trace, ∀ h ∈ c.heads, n.has h.id = true := fun id c hc h hh =>
      (hhas _).trans (td.heads id c hc h hh)
    exact each (fun id r => ∀ c ∈ r.trace, ∀ h ∈ c.heads, n.has h.id = true) up (up .world)
      (fun c hc => up .root c (asOf_trace _ _ _ ▸ hc)) fun h _ c hc => up h.id c (asOf_trace _ _ _ ▸ hc)
  · refine List.pairwise_cons.mpr ⟨fun z hz => ?_, List.pairwise_singleton _ _⟩
    rw [List.mem_singleton.mp hz]
    exact MayOwn.root.over
  · exact each (fun id r => id ≠ .world → ∀ c t, r.trace = c :: t → Snap m.program c r) td.snaps (fun h => absurd rfl h)
      (fun _ => asOfSnap _ _ _) fun h _ _ => asOfSnap _ _ _
  · exact each (fun id r => ∀ h ∈ r.handles, n.Stamped h) (fun id h hh => stamped h (b.tabled.tables id h hh))
      (fun h hh => stamped h (b.tabled.tables .world h hh)) (fun h hh => stamped h (asOfHandles _ _ _ h hh))
      fun x _ h hh => stamped h (asOfHandles _ _ _ h hh)
  · exact each (fun id r => ∀ c ∈ r.trace, ∀ h ∈ c.handles, n.Stamped h) (fun id c hc h hh => stamped h (b.tabled.kept id c hc h hh))
      (fun c hc h hh => stamped h (b.tabled.kept .world c hc h hh))
      (fun c hc h hh => stamped h (b.tabled.kept .root c (asOf_trace _ _ _ ▸ hc) h hh))
      fun x _ c hc h hh => stamped h (b.tabled.kept x.id c (asOf_trace _ _ _ ▸ hc) h hh)

theorem bound_forkRoot {m n : M} (b : Bound m) (g : Granted m) (w : Wf m) (h : m.forkRoot = some n) : Bound n := by
  have e := (follows_forkRoot w h).2
  obtain ⟨c, t, ht, rfl⟩ := forkRoot_eq h
  have hr : m.has .root = true := has_of_trace (by rw [ht]; exact nofun)
  have f := follows_asForked w c
  have b₁ := bound_asForked b g.named w hr (c := c) (by rw [ht]; exact List.mem_cons_self)
  have root := f.2.has _ hr
  refine Deeds.bound b₁ (fun id => ?_) (T := fun _ => True) (Deeds.foldl b₁.tied fun n x hx d tn => ?_)
  · refine foldl_keeps (P := fun n => _ ≤ (n.run id).made) (Nat.le_refl _) fun n x _ k => ?_
    show _ ≤ ((markFork c n x).run id).made
    unfold markFork
    rw [recordCode_eq, made_record]
    exact k
  · unfold markFork
    refine deeds_recordCode trivial (d.has (has_of_mem_family root hx)) _ ?_
    split
    · trivial
    · exact tn.takenUp _ _ _

theorem bound_start (i : Init) : Bound i.start := by
  let w : Run := { worldRun with files := i.files, base := i.files }
  let r : Run :=
    { id := .root, owner := some .world, givers := [], agent := i.agent, args := i.args, code := bodyOf i.agent i.args,
      files := i.files, base := i.files, grant := [{ origin := .root, clauses := i.request }],
      handles := [], trace := [], inbox := [], made := 0 }
  let m : M := { program := i.program, contents := i.contents, runs := [w, r], stack := [.root, .world],
                 log := [], used := [], written := [] }
  have each : ∀ (p : Id → Run → Prop), p .world w → p .root r → (∀ id, p id (Run.absent id)) → ∀ id, p id (m.run id) := by
    intro p hw hr ha id
    show p id (Runs.find [w, r] id)
    by_cases e : id = .world
    · subst e; exact hw
    · by_cases e' : id = .root
      · subst e'; exact hr
      · have : Runs.find [w, r] id = Run.absent id := by
          simp only [Runs.find]
          rw [if_neg (show ¬ w.id = id from Ne.symm e), if_neg (show ¬ r.id = id from Ne.symm e')]
        rw [this]; exact ha id
  have hs : m.stack.Pairwise fun a b => Over b a := by
    refine List.pairwise_cons.mpr ⟨fun z hz => ?_, List.pairwise_singleton _ _⟩
    rw [List.mem_singleton.mp hz]
    exact MayOwn.root.over
  have nil : ∀ {α : Type} {p : α → Prop}, ∀ x ∈ ([] : List α), p x := fun x hx => absurd hx List.not_mem_nil
  have b : Bound m := by
    refine ⟨⟨⟨⟨?_, ?_⟩, ?_, ?_, ?_, ?_, fun f x h => ?_, hs⟩, ?_⟩, ?_, ?_⟩
    · show ([.world, .root] : List Id).Nodup
      decide
    · exact each (fun id r => ∀ o, r.owner = some o → MayOwn o id) nofun (fun o h => Option.some.inj h ▸ .root) fun _ => nofun
    · exact each (fun id r => ∀ g ∈ r.givers, MayOwn g id) nil nil fun _ => nil
    · exact each (fun id r => CodeTied id r.code) trivial trivial fun _ => trivial
    · exact each (fun id r => ∀ c ∈ r.trace, CommitTied c) nil nil fun _ => nil
    · exact each (fun id r => ∀ c ∈ r.trace, ∀ h ∈ c.heads, m.has h.id = true) nil nil fun _ => nil
    · obtain ⟨x, hx, e⟩ := (Runs.has_iff _ _).mp h
      cases List.mem_cons.mp hx with
      | inl h => rw [h] at e; cases e
      | inr h => rw [List.mem_singleton.mp h] at e; cases e
    · exact each (fun id r => id ≠ .world → ∀ c t, r.trace = c :: t → Snap m.program c r) (fun h => absurd rfl h)
        (fun _ _ _ => nofun) fun _ _ _ _ => nofun
    · refine each (fun id r => ∀ h ∈ r.handles, m.Stamped h) (fun h hh => ?_) nil fun _ => nil
      rw [List.mem_singleton.mp hh]; trivial
    · exact each (fun id r => ∀ c ∈ r.trace, ∀ h ∈ c.handles, m.Stamped h) nil nil fun _ => nil
  have i' : m.has .root = true := rfl
  refine Deeds.bound b (fun id => ?_) (T := fun _ => True)
    (deeds_recordCode trivial i' (.start formatVersion i.program.digest i.agent i.args
      (grantValue [{ origin := .root, clauses := i.request }]) i.files.hash) (code := bodyOf i.agent i.args) trivial)
  show (m.run id).made ≤ ((m.recordCode .root _ _).run id).made
  rw [recordCode_eq, made_record]
  exact Nat.le_refl _

/-! ## Everything that comes later -/

theorem bound_step {m n : M} (b : Bound m) (g : Granted m) (w : Wf m) (h : m.step = some n) : Bound n := by
  cases st : m.stack with
  | nil => unfold M.step at h; rw [st] at h; cases h
  | cons id rest => exact (gives_step b.tied g.named w b.tabled (.inl ⟨rest, st⟩) h).bound b (follows_step w h).2.made

theorem bound_outer {ω : Oracle} {m n : M} (b : Bound m) (w : Wf m) (h : m.outer ω = some n) : Bound n := by
  have h' := h
  unfold M.outer at h'
  split at h'
  · cases h'
  · next a ha => exact (gives_outer b.tied w (.inr ⟨a, ha, rfl⟩) h).bound b (follows_outer w h).2.made

theorem After.bound {ω : Oracle} {m n : M} (w : Wf m) (g : Granted m) (b : Bound m) (h : After ω m n) : Bound n := by
  induction h with
  | refl => exact b
  | step k s ih => exact bound_step ih (k.stable w g).granted (k.follows w).1 s
  | answer k s ih => exact bound_outer ih (k.follows w).1 s
  | world op args k s ih => exact bound_worldAsks ih (k.stable w g).granted (k.follows w).1 s
  | fork k s ih => exact bound_forkRoot ih (k.stable w g).granted (k.follows w).1 s

/-- What holds of every tree that can be reached. -/
structure Sound (m : M) : Prop where
  wf : Wf m
  granted : Granted m
  bound : Bound m

theorem After.sound {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : Sound m :=
  ⟨(h.follows i.wf).1, (h.stable i.wf (granted_start i)).granted, h.bound i.wf (granted_start i) (bound_start i)⟩

theorem Sound.after {ω : Oracle} {m n : M} (s : Sound m) (h : After ω m n) : Sound n :=
  ⟨(h.follows s.wf).1, (h.stable s.wf s.granted).granted, h.bound s.wf s.granted s.bound⟩

/-- One move of a tree changes only runs along the one that acts, and makes none but along it. -/
theorem Sound.along {ω : Oracle} {m n : M} (s : Sound m) {x : Id} (act : m.Acts x) (h : m.step = some n ∨ m.outer ω = some n) :
    ∃ F : Id → Prop, Deeds (Id.Along x) F m n := by
  rcases h with h | h
  · obtain ⟨F, _, _, d⟩ := gives_step s.bound.tied s.granted.named s.wf s.bound.tabled act h (follows_step s.wf h).2.made
    exact ⟨F, d⟩
  · obtain ⟨F, _, _, d⟩ := gives_outer s.bound.tied s.wf act h (follows_outer s.wf h).2.made
    exact ⟨F, d⟩

end M

end Shepherd
