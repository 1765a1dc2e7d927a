import Shepherd.Laws.OutcomeAnswersIntent.ForkRoot

/-!
# What holds of every tree that can be reached
-/

namespace Shepherd

namespace M

/-- What holds of every tree that can be reached. -/
structure Whole (m : M) : Prop where
  inv : m.Inv
  holds : m.Holds
  tidy : m.Tidy

/-! ## Tables of handles, through steps -/

theorem holding_toOwner {m : M} (wf : Wf m) (owner id : Id) (rest : List Id) : Holding m (m.toOwner owner id rest) := by
  unfold toOwner
  split
  · simp only
    refine (Holding.trans (holding_stack m (owner :: rest)) ?_).trans (holding_reply _ _ _ _)
    unfold stopValue
    split
    · refine holding_setHandles _ _ _ fun k => ?_
      exact Value.mapHandles_keeps (P := fun t => ∀ g ∈ t, M.has { m with stack := owner :: rest } g = true)
        (fun t h ht => renumber_keeps wf.world (k.runs id) t h ht) _ _ (k.runs owner)
    · exact .refl _
    · exact .refl _
    · split
      · exact .refl _
      · next q hq =>
        refine holding_setHandles _ _ _ fun k h hh => ?_
        rcases mem_holdAll hh with hh | hh
        · exact k.runs owner h hh
        · exact (has_of_shown (m := m) wf.codes (q := q) hq).2.1 h hh
  · exact .refl m

theorem holding_atStop {m n : M} (wf : Wf m) {id : Id} {rest : List Id} (h : m.atStop id rest = some n) : Holding m n := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Holding m n := fun h => by
    split at h
    · split at h
      · cases h
        unfold answerFile
        simp only
        split
        · exact (holding_written m _).trans (holding_deliver _ _ _ _ _ _)
        · exact holding_deliver _ _ _ _ _ _
      · cases h
    · cases h
  unfold atStop at h
  split at h
  · split at h
    · cases h; exact holding_toOwner wf _ _ _
    · exact file h
  · exact file h

theorem holding_finish (m : M) (id : Id) (again : Comp) (kind : EndKind) (v : Value) (code : Settled) :
    Holding m (m.finish id again kind v code) := by
  unfold finish
  split
  · next h => exact holding_discardMade h
  · refine (holding_recordCode _ _ _ _).trans (holding_foldl _ _ fun p k _ _ => ?_)
    split
    · exact holding_own _ _ _ _
    · exact .refl p

theorem holding_localMove (m : M) (id : Id) (c : Comp) (ρ : Env) (K : Stack) (j : Nat) : Holding m (m.localMove id c ρ K j) := by
  unfold localMove
  split
  · exact holding_finish _ _ _ _ _ _
  · split
    · exact holding_setCode _ _ _
    · exact holding_finish _ _ _ _ _ _
    · exact holding_finish _ _ _ _ _ _
    · unfold ask
      simp only
      split
      · exact (holding_used _ _).trans (holding_recordCode _ _ _ _)
      · exact holding_recordCode _ _ _ _

theorem Inv.holds_fork {m : M} (k : m.Inv) (held : m.Holds) (wf : Wf m True) {x : Id} (w : Waiting) :
    (m.fork x w).Holds := by
  unfold M.fork
  split
  · split
    · exact (holding_reply _ _ _ _).2 held
    · next id ho =>
      simp only
      split
      · exact (holding_reply _ _ _ _).2 held
      · next c t ht =>
        have hsu : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        have hcm : c ∈ (m.run id).trace := hsu.subset List.mem_cons_self
        have absent : ∀ z, m.has (.copy (.made x (m.run x).made) z) = false := not_has_copy wf x
        have pt := parts k.sound hsu (asker := x)
        have full : ∀ p ∈ m.forkParts id x (c :: t) c, (m.run p.old).trace ≠ [] → p.trace ≠ [] := fun p hp _ e => by
          obtain ⟨l, hm, hl, _⟩ := pt.trace p hp
          have := (k.sound.hist.member hcm hm).2.1
          rw [e] at hl
          have hl : 0 = l := hl
          omega
        have there := fun (p : Then) (hp : p ∈ m.forkParts id x (c :: t) c) =>
          has_copies (fork := .made x (m.run x).made) pt.ids full hp (fun e => by
            obtain ⟨l, hm, _, _⟩ := pt.trace p hp
            have := k.sound.hist.member hcm hm
            rw [e] at this
            exact absurd (Nat.lt_of_lt_of_le this.2.1 this.2.2) (Nat.lt_irrefl 0))
        unfold copyTree
        simp only
        generalize m.forkParts id x (c :: t) c = P at pt there
        generalize hf : Id.made x (m.run x).made = f at absent there
        have born : ∀ p ∈ m.runs.filterMap (fun r => P.find? fun h => h.old == r.id), p ∈ P := by
          intro p hp
          obtain ⟨r, hr, hfi⟩ := List.mem_filterMap.mp hp
          exact List.mem_of_find?_eq_some hfi
        have C : (∀ j, m.has j = true → M.has ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl
            (M.copyOne m id f x c P) m) j = true) ∧ ∀ j, (∀ h ∈ (M.run ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl
            (M.copyOne m id f x c P) m) j).handles, (∃ q ∈ P, h = .copy f q.id) ∨ m.has h = true) ∧
            ∀ d ∈ (M.run ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl (M.copyOne m id f x c P) m) j).trace,
              ∃ o, d ∈ (m.run o).trace := by
          refine foldl_keeps (P := fun n => (∀ j, m.has j = true → n.has j = true) ∧ ∀ j, (∀ h ∈ (n.run j).handles,
            (∃ q ∈ P, h = .copy f q.id) ∨ m.has h = true) ∧ ∀ d ∈ (n.run j).trace, ∃ o, d ∈ (m.run o).trace)
            ⟨fun _ h => h, fun j => ⟨fun h hh => .inr (held.runs j h hh), fun d hd => ⟨j, hd⟩⟩⟩ fun n p hp hn => ?_
          unfold M.copyOne
          split
          · exact hn
          · next d ds et =>
            obtain ⟨_, _, _, hsp⟩ := pt.trace p (born p hp)
            simp only
            generalize hr : Run.mk (Id.copy f p.id) _ _ _ _ _ _ _ _ _ _ _ _ = r
            have rt : r.trace = p.trace := by rw [← hr]
            have rh : r.handles = copyHandles m id f c (P.map Then.id) d.handles := by rw [← hr]
            refine ⟨fun j h => Runs.has_put_of_has r (hn.1 j h), fun j => ?_⟩
            show (∀ h ∈ (Runs.find (Runs.put n.runs r) j).handles, _) ∧ ∀ d ∈ (Runs.find (Runs.put n.runs r) j).trace, _
            rw [Runs.find_put]
            split
            · refine ⟨fun h hh => ?_, fun e he => ⟨p.old, hsp.subset (rt ▸ he)⟩⟩
              rw [rh] at hh
              unfold copyHandles at hh
              obtain ⟨g, hg, rfl⟩ := List.mem_map.mp hh
              simp only
              split
              · next hc' =>
                obtain ⟨q, hq, eq⟩ := List.mem_map.mp (List.contains_iff_mem.mp hc')
                exact .inl ⟨q, hq, by rw [eq]⟩
              · rcases m.meant_cases c.run id g with i | e
                · exact .inr i
                · exact .inr (e.symm ▸ held.commits p.old d (hsp.subset (by rw [et]; exact List.mem_cons_self)) g hg)
            · exact hn.2 j
        generalize ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl (M.copyOne m id f x c P) m) = n at C there
        have hn : n.Holds := by
          refine ⟨fun j h hh => ?_, fun j d hd h hh => ?_⟩
          · rcases (C.2 j).1 h hh with ⟨q, hq, rfl⟩ | h'
            · exact there q hq
            · exact C.1 h h'
          · obtain ⟨o, ho⟩ := (C.2 j).2 d hd
            exact C.1 h (held.commits o d ho h hh)
        obtain ⟨top, htop, etop⟩ := pt.top
        have marks := holding_foldl (f := markCopy id f) P n fun p q _ _ => by
          unfold markCopy
          split
          · exact .refl p
          · exact holding_recordCode _ _ _ _
        exact (holding_answerRun _ _ _ _ (marks.1 _ (etop ▸ there top htop))).2 (marks.2 hn)
  · exact (holding_reply _ _ _ _).2 held

/-! ## Steps -/

theorem tidy_atStop {m n : M} (t : m.Tidy) {id : Id} {rest : List Id} (h : m.atStop id rest = some n) : n.Tidy := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → n.Tidy := fun h => by
    split at h
    · split at h
      · cases h
        unfold answerFile
        simp only
        split
        · exact tidy_deliver (tidy_written t _) _ _ _ _ _
        · exact tidy_deliver t _ _ _ _ _
      · cases h
    · cases h
  unfold atStop at h
  split at h
  · split at h
    · cases h
      unfold toOwner
      split
      · simp only
        refine tidy_reply ?_ _ _ _
        unfold stopValue
        repeat' split
        · exact tidy_setHandles (tidy_stack t _) _ _
        · exact tidy_stack t _
        · exact tidy_stack t _
        · exact tidy_stack t _
        · exact tidy_setHandles (tidy_stack t _) _ _
      · exact t
    · exact file h
  · exact file h

theorem Whole.step {m n : M} (k : m.Whole) (wf : Wf m) (h : m.step = some n) : n.Whole := by
  have hinv := k.inv.step k.holds wf h
  have calm := wf.calm.resolve_left id
  unfold M.step at h
  split at h
  · cases h
  · next id rest hs =>
    have path := k.inv.path
    rw [hs] at path
    have loop := path.rooted.irrefl k.inv.sound.world
    split at h
    · next hc =>
      cases h
      have ne : id ≠ .world := fun e => by rw [← e, hc] at calm; exact calm
      refine ⟨hinv, (holding_localMove _ _ _ _ _ _).2 k.holds, ?_⟩
      unfold localMove
      split
      · exact tidy_finish k.tidy ne loop _ _ _ (.inr rfl)
      · split
        · exact tidy_setCode k.tidy _ _
        · exact tidy_finish k.tidy ne loop _ _ _ (.inl rfl)
        · exact tidy_finish k.tidy ne loop _ _ _ (.inr rfl)
        · unfold ask
          simp only
          split
          · exact tidy_recordCode (tidy_used k.tidy _) _ _ _
          · exact tidy_recordCode k.tidy _ _ _
    · next w _ =>
      split at h
      · refine ⟨hinv, ?_, tidy_perform k.tidy h⟩
        rcases holding_perform wf.world h with a | ⟨_, rfl⟩
        · exact a.2 k.holds
        · exact k.inv.holds_fork k.holds wf.weaken w
      · exact ⟨hinv, (holding_atStop wf h).2 k.holds, tidy_atStop k.tidy h⟩
    · next hc =>
      split at h
      · next hu =>
        cases h
        have ok := wf.codes id
        rw [hc] at ok
        refine ⟨hinv, ((holding_undoStep hu).trans ?_).2 k.holds, ?_⟩
        · unfold M.afterWorld driveRoot
          repeat' split
          · exact .refl _
          · exact (holding_setCode _ _ _).trans (holding_stack _ _)
          · exact .refl _
        · have t := tidy_undoStep k.tidy ok.1 hu
          unfold M.afterWorld driveRoot
          repeat' split
          · exact t
          · exact tidy_stack (tidy_setCode t _ _) _
          · exact t
      · exact ⟨hinv, (holding_atStop wf h).2 k.holds, tidy_atStop k.tidy h⟩
    · exact ⟨hinv, (holding_atStop wf h).2 k.holds, tidy_atStop k.tidy h⟩

theorem Whole.answer {m n : M} (k : m.Whole) {answer : Value} {change : Change} (h : m.answer answer change = some n) : n.Whole := by
  have hinv := k.inv.answer h
  have deliver : ∀ {id : Id} {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n →
      n.Holds ∧ n.Tidy := by
    intro id n h
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
    exact ⟨(holding_deliver _ _ _ _ _ _).2 k.holds, tidy_deliver k.tidy _ _ _ _ _⟩
  suffices n.Holds ∧ n.Tidy from ⟨hinv, this.1, this.2⟩
  clear hinv
  unfold M.answer at h
  split at h
  · split at h
    · cases h
    · split at h
      · split at h
        · cases h; exact ⟨(holding_recordCode _ _ _ _).2 k.holds, tidy_recordCode k.tidy _ _ _⟩
        · exact deliver h
      · exact deliver h
  · cases h

/-! ## The start -/

theorem whole_start (P : Program) (contents : String → Option Content) (agent : String) (args : List Value) (request : Request)
    (files : Files) : (start P contents agent args request files).Whole := by
  unfold start
  simp only
  generalize hm : ({ program := P, contents, runs := _, stack := _, log := _, used := _, written := _ } : M) = m
  generalize hev : Event.start _ _ _ _ _ _ = ev
  have evc : ev.closes = true := by rw [← hev]; rfl
  have evo : ev.isOutcome = false := by rw [← hev]; rfl
  have cases' : ∀ j, m.has j = true → j = .world ∨ j = .root := fun j h => by
    rw [← hm] at h
    have h : (Id.world == j || (Id.root == j || false)) = true := h
    rw [Bool.or_false, Bool.or_eq_true, beq_iff_eq, beq_iff_eq] at h
    exact h.imp Eq.symm Eq.symm
  have hworld : (m.run .world).code = worldRun.code ∧ (m.run .world).owner = none ∧ (m.run .world).handles = [.root] ∧
      (m.run .world).trace = [] := by rw [← hm]; exact ⟨rfl, rfl, rfl, rfl⟩
  have hroot : (m.run .root).code = bodyOf agent args ∧ (m.run .root).owner = some .world ∧ (m.run .root).handles = [] ∧
      (m.run .root).trace = [] := by rw [← hm]; exact ⟨rfl, rfl, rfl, rfl⟩
  have ir : m.has .root = true := by rw [← hm]; rfl
  have nod : m.Nod := by
    rw [← hm]
    show [Id.world, Id.root].Nodup
    decide
  have stack : m.stack = [.root, .world] := by rw [← hm]
  have trace : ∀ j, (m.run j).trace = [] := fun j => by
    cases h : m.has j with
    | false => rw [run_of_not_has h]; rfl
    | true => rcases cases' j h with rfl | rfl
              · exact hworld.2.2.2
              · exact hroot.2.2.2
  have none' : ∀ {j} {c : Commit}, c ∈ (m.run j).trace → False := fun {j c} h => by rw [trace] at h; exact absurd h List.not_mem_nil
  have hb : (bodyOf agent args).settle.waits = false ∧ ∃ t, bodyOf agent args = .settled t := ⟨rfl, _, rfl⟩
  generalize bodyOf agent args = body at hroot hb
  have owner : ∀ j o, (m.run j).owner = some o → j = .root := fun j o h => by
    rcases cases' j (has_of_owner h) with rfl | rfl
    · rw [hworld.2.1] at h; cases h
    · rfl
  have sb : m.SteadyBut .root := by
    refine ⟨nod, hworld.2.1, ⟨⟨fun _ _ h => (none' h).elim, fun _ _ h => (none' h).elim, fun _ _ h => (none' h).elim, fun j => by
      rw [trace]; trivial⟩, fun j h nw nr => ?_, fun j c t h => ?_, fun _ _ h => (none' h).elim, fun _ _ h => (none' h).elim,
      fun _ _ h => (none' h).elim, fun _ _ h => (none' h).elim⟩, fun j => by rw [trace]; exact .nil, fun j hj => ?_⟩
    · exact ((cases' j h).elim nw nr).elim
    · rw [trace] at h; exact absurd (List.suffix_nil.mp h) nofun
    · rw [trace]
      cases h : m.has j with
      | false => rw [run_of_not_has h]; rfl
      | true =>
        rcases cases' j h with rfl | rfl
        · exact absurd hworld.1 (hj rfl _ _)
        · rw [hroot.1, hb.1]; rfl
  have rr : m.Rooted .root := ⟨1, .world, hroot.2.1, rfl⟩
  have s : (m.recordCode .root ev body).Steady :=
    sb.closes ir rr (.inr rfl) ev _ (fun h => by rw [evo] at h; cases h) evc hb.1
  have other : ∀ j, Id.root ≠ j → (m.recordCode .root ev body).run j = m.run j := fun j e => run_recordCode_ne _ _ _ e
  have croot : ((m.recordCode .root ev body).run .root).code = body := by rw [run_recordCode_same]
  have oroot : ((m.recordCode .root ev body).run .root).owner = some .world := by rw [recordCode_eq, owner_record]; exact hroot.2.1
  have hh : m.Holds := by
    refine ⟨fun j h hj => ?_, fun _ _ h => (none' h).elim⟩
    cases i : m.has j with
    | false => rw [run_of_not_has i] at hj; exact absurd hj List.not_mem_nil
    | true =>
      rcases cases' j i with rfl | rfl
      · rw [hworld.2.2.1] at hj; rw [List.mem_singleton.mp hj]; exact ir
      · rw [hroot.2.2.1] at hj; exact absurd hj List.not_mem_nil
  refine ⟨⟨⟨s, oroot, ?_, fun j => .inr ?_⟩, ?_⟩, (holding_recordCode _ _ _ _).2 hh, tidy_record_ne (id := .root) nod nofun _ _⟩
  · rw [other .world nofun]; exact hworld.2.2.1
  · unfold Link
    by_cases e : Id.root = j
    · rw [← e, croot]
      obtain ⟨t, ht⟩ := hb.2
      rw [ht]; trivial
    · rw [other j e]
      cases i : m.has j with
      | false => rw [run_of_not_has i]; trivial
      | true =>
        rcases cases' j i with rfl | rfl
        · rw [hworld.1]; trivial
        · exact absurd rfl e
  · show (m.recordCode .root ev body).Upward m.stack
    rw [stack]
    exact ⟨oroot, ⟨{ op := "run.next", args := [.run 0], stack := [] }, by rw [other .world nofun]; exact hworld.1⟩, rfl⟩

/-- What holds of every tree that can be reached. -/
theorem After.whole {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : m.Whole := by
  generalize hs : i.start = s at h
  induction h with
  | refl => rw [← hs]; exact whole_start _ _ _ _ _ _
  | step b s k => exact k.step (b.follows (hs ▸ i.wf)).1 s
  | answer b s k =>
    unfold outer at s
    split at s
    · cases s
    · exact k.answer s
  | world op args b s k =>
    obtain ⟨a, b', c⟩ := k.inv.worldAsks k.holds k.tidy (b.follows (hs ▸ i.wf)).1 s
    exact ⟨a, b', c⟩
  | fork b s k =>
    obtain ⟨_, t⟩ := After.tally (hs ▸ b)
    obtain ⟨a, b', c⟩ := k.inv.forkRoot k.holds k.tidy (b.follows (hs ▸ i.wf)).1 (fun c hc => t.logged .root c hc) s
    exact ⟨a, b', c⟩

end M

end Shepherd
