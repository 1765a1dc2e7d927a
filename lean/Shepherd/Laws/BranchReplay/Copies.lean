import Shepherd.Laws.BranchReplay.Births
import Shepherd.Laws.GrantNarrows.Springs

/-!
# Every run is what its recorded events make of it: copies
-/

namespace Shepherd

theorem Id.today_injective {r id x y : Id} (h : Id.today r id x = Id.today r id y) : x = y := by
  induction id with
  | copy f old _ ih =>
    rw [M.today_copy, M.today_copy] at h
    split at h
    · exact h
    · exact ih (Id.copy.inj h).2
  | _ => exact h

namespace M

variable {B : Prop}

namespace Retold

/-- What of a fork of run `id` at the head of `c :: t` is copied from whom. -/
structure Parts (m : M) (parts : List Then) : Prop where
  from' : ∀ x ∈ parts, ∀ k ds, x.trace = k :: ds → ∃ o, o ≠ .world ∧ m.has o = true ∧ k :: ds <:+ (m.run o).trace ∧
    (m.run x.old).agent = (m.run o).agent ∧ (m.run x.old).args = (m.run o).args ∧ (m.run x.old).base = (m.run o).base
  same : ∀ x ∈ parts, ∀ y ∈ parts, x.id = y.id → x.trace = y.trace
  there : ∀ x ∈ parts, x.trace ≠ [] → m.has x.old = true
  ids : ∀ x ∈ parts, ∀ y ∈ parts, x.old = y.old → x.id = y.id

theorem parts {m : M} (w : Wf m B) (named : Named m) (a : Apart m) (k : Retold World m) {id owner : Id} (ne : id ≠ .world)
    {c : Commit} {t : Trace} (ht : c :: t <:+ (m.run id).trace) : Parts m (m.forkParts id owner (c :: t) c) := by
  have hc : c ∈ (m.run id).trace := ht.subset List.mem_cons_self
  have cases' : ∀ x ∈ m.forkParts id owner (c :: t) c,
      (∃ h ∈ c.heads, x.id = Id.today c.run id h.id ∧ x.old = h.id ∧ x.trace = (m.run h.id).trace.upTo (h.length - 1)) ∨
        (x.id = id ∧ x.old = c.run ∧ x.trace = c :: t) := by
    intro x hx
    unfold forkParts at hx
    cases List.mem_append.mp hx with
    | inl hx =>
      unfold M.heads at hx
      obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
      exact .inl ⟨y, hy, rfl, rfl, rfl⟩
    | inr hx => rw [List.mem_singleton.mp hx]; exact .inr ⟨rfl, rfl, rfl⟩
  have ids : ∀ x ∈ m.forkParts id owner (c :: t) c, x.id = Id.today c.run id x.old := by
    intro x hx
    rcases cases' x hx with ⟨h, _, h1, h2, _⟩ | ⟨h1, h2, _⟩
    · rw [h1, h2]
    · rw [h1, h2]; exact (named.today id c hc).symm
  have top : ∀ h ∈ c.heads, Id.today c.run id h.id ≠ id := fun h hh e =>
    a.heads id c hc h hh (Id.today_injective (e.trans (named.today id c hc).symm))
  refine ⟨fun x hx d ds hd => ?_, fun x hx y hy e => ?_, fun x hx hn => ?_, fun x hx y hy e => ?_⟩
  · rcases cases' x hx with ⟨h, hh, _, h2, h3⟩ | ⟨_, h2, h3⟩
    · have s : d :: ds <:+ (m.run h.id).trace := by rw [← hd, h3]; exact Trace.upTo_suffix _ _
      refine ⟨h.id, w.heads id c hc h hh, has_of_trace fun e => ?_, s, by rw [h2], by rw [h2], by rw [h2]⟩
      rw [e] at s; exact absurd (List.suffix_nil.mp s) nofun
    · refine ⟨id, ne, has_of_trace fun e => ?_, ?_, ?_⟩
      · rw [e] at hc; exact absurd hc List.not_mem_nil
      · rw [← hd, h3]; exact ht
      · rw [h2]; exact (k.kin id ne c hc).2
  · rcases cases' x hx with ⟨h, hh, h1, _, h3⟩ | ⟨h1, _, h3⟩
    · rcases cases' y hy with ⟨g, hg, g1, _, g3⟩ | ⟨g1, _, g3⟩
      · have e : h.id = g.id := Id.today_injective (h1.symm.trans (e.trans g1))
        rw [h3, g3, e, k.once id ne c hc h hh g hg e]
      · exact absurd (h1.symm.trans (e.trans g1)) (top h hh)
    · rcases cases' y hy with ⟨g, hg, g1, _, g3⟩ | ⟨g1, _, g3⟩
      · exact absurd (g1.symm.trans (e.symm.trans h1)) (top g hg)
      · rw [h3, g3]
  · rcases cases' x hx with ⟨h, hh, _, h2, h3⟩ | ⟨_, h2, h3⟩
    · rw [h2]
      refine has_of_trace fun e => hn ?_
      rw [h3, e]; rfl
    · rw [h2]; exact w.recorders id c hc
  · rw [ids x hx, ids y hy, e]

/-- While copies are put in. -/
structure Copied (m : M) (fork : Id) (parts : List Then) (n : M) : Prop where
  retold : Retold World n
  program : n.program = m.program
  has : ∀ j, m.has j = true → n.has j = true
  run : ∀ j, m.has j = true → n.run j = m.run j
  recorders : ∀ j, ∀ c ∈ (n.run j).trace, m.has c.run = true
  code : ∀ x ∈ parts, ∀ k ds, x.trace = k :: ds → n.has (.copy fork x.id) = true →
    (n.run (.copy fork x.id)).code.settle = k.code

theorem Copied.copyOne {m n : M} {parts : List Then} (P : Parts m parts) (k : Retold World m) {fork : Id} (C : Copied m fork parts n)
    (w : Wf m B) (absent : ∀ x, m.has (.copy fork x) = false) (id owner : Id) (c : Commit) {x : Then} (hx : x ∈ parts) :
    Copied m fork parts (M.copyOne m id fork owner c parts n x) := by
  unfold M.copyOne
  split
  · exact C
  · next d ds hd =>
    simp only
    obtain ⟨o, no, io, suffix, ag, ar, ba⟩ := P.from' x hx d ds hd
    generalize hr : (Run.mk (.copy fork x.id) _ _ _ _ _ _ _ _ _ _ _ _) = r
    generalize hu : (copyGrant m id fork c (parts.map Then.old) n.used (m.run x.old).grant).1 = used
    have rid : r.id = .copy fork x.id := by rw [← hr]
    have rtrace : r.trace = d :: ds := by rw [← hr]; exact hd
    have rkin : r.agent = (m.run o).agent ∧ r.args = (m.run o).args ∧ r.base = (m.run o).base := by
      rw [← hr]; exact ⟨ag, ar, ba⟩
    have ralone : r.alone = d.alone := by rw [← hr]; rfl
    have rcode : r.code.settle = d.code := by rw [← hr]; rfl
    have run' : ∀ j, (({ n with used := used } : M).put r).run j = if r.id = j then r else n.run j := fun j => run_put _ _ _
    have has' : ∀ j, (({ n with used := used } : M).put r).has j = (r.id == j || n.has j) := fun j => M.has_put _ _ _
    have old : ∀ j, m.has j = true → (({ n with used := used } : M).put r).run j = m.run j := fun j i => by
      rw [run', if_neg, C.run j i]
      intro e; rw [← e, rid, absent] at i; cases i
    refine ⟨⟨fun j xj i => ?_, fun j xj i => ?_, fun j xj c' t' hs => ?_, fun j xj c' hc => ?_, fun j xj c' hc => ?_⟩, C.program,
      fun j i => ?_, old, fun j c' hc => ?_, fun y hy e es he i => ?_⟩
    · rw [run']; split
      · rw [rtrace]; exact nofun
      · next ne => rw [has', beq_eq_false_iff_ne.mpr ne, Bool.false_or] at i; exact C.retold.trace j xj i
    · show Rerun n.program _ _ _ _ _
      rw [run']; split
      · rw [rkin.1, rkin.2.1, rkin.2.2, rtrace, ralone, C.program]
        exact k.past o no d ds suffix
      · next ne => rw [has', beq_eq_false_iff_ne.mpr ne, Bool.false_or] at i; exact C.retold.now j xj i
    · show Rerun n.program _ _ _ _ _
      rw [run'] at hs ⊢; split
      · next e =>
        rw [if_pos e, rtrace] at hs
        rw [rkin.1, rkin.2.1, rkin.2.2, C.program]
        exact k.past o no c' t' (hs.trans suffix)
      · next ne => rw [if_neg ne] at hs; exact C.retold.past j xj c' t' hs
    · rw [run'] at hc
      split at hc
      · next e =>
        rw [rtrace] at hc
        have kin := k.kin o no c' (suffix.subset hc)
        rw [old _ (w.recorders o c' (suffix.subset hc)), ← e, run', if_pos rfl, rkin.1, rkin.2.1, rkin.2.2]
        exact kin
      · next ne =>
        have ic := C.recorders j c' hc
        have kin := C.retold.kin j xj c' hc
        rw [C.run _ ic] at kin
        rw [old _ ic, run', if_neg ne]
        exact kin
    · rw [run'] at hc
      split at hc
      · rw [rtrace] at hc; exact k.once o no c' (suffix.subset hc)
      · exact C.retold.once j xj c' hc
    · rw [has', C.has j i, Bool.or_true]
    · rw [run'] at hc
      split at hc
      · rw [rtrace] at hc; exact w.recorders o c' (suffix.subset hc)
      · exact C.recorders j c' hc
    · rw [run']; split
      · next e' =>
        rw [rid] at e'
        have := P.same x hx y hy (Id.copy.inj e').2
        rw [hd, he] at this
        rw [rcode, (List.cons.inj this).1]
      · next ne =>
        rw [has', rid, beq_eq_false_iff_ne.mpr (rid ▸ ne), Bool.false_or] at i
        exact C.code y hy e es he i

theorem copyTree {m : M} (w : Wf m B) (named : Named m) (a : Apart m) (k : Retold World m) {asker id : Id} (ne : id ≠ .world)
    {c : Commit} {t : Trace} (ht : c :: t <:+ (m.run id).trace) :
    Retold World (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker) ∧
      ∀ j, m.has j = true → (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker).has j = true ∧
        (m.copyTree id (c :: t) c (.made asker (m.run asker).made) asker).run j = m.run j := by
  have P : Parts m (m.forkParts id asker (c :: t) c) := k.parts w named a ne ht
  have absent := not_has_copy w asker
  unfold M.copyTree
  simp only
  generalize m.forkParts id asker (c :: t) c = parts at P ⊢
  generalize hborn : m.runs.filterMap (fun r => parts.find? fun h => h.old == r.id) = born
  generalize Id.made asker (m.run asker).made = fork at absent ⊢
  have inBorn : ∀ x ∈ born, x ∈ parts := by
    intro x hx
    rw [← hborn] at hx
    obtain ⟨r, _, hf⟩ := List.mem_filterMap.mp hx
    exact List.mem_of_find?_eq_some hf
  have born' : ∀ x ∈ parts, x.trace ≠ [] → ∃ y ∈ born, y.id = x.id ∧ y.trace ≠ [] := by
    intro x hx hn
    obtain ⟨r, hr, hi⟩ := (Runs.has_iff _ _).mp (P.there x hx hn)
    cases hf : parts.find? fun h => h.old == r.id with
    | none =>
      have := List.find?_eq_none.mp hf x hx
      rw [hi, beq_self_eq_true] at this
      exact absurd rfl this
    | some y =>
      have hy := List.mem_of_find?_eq_some hf
      have hb : (y.old == r.id) = true := List.find?_some (p := fun h : Then => h.old == r.id) hf
      have e := P.ids y hy x hx ((beq_iff_eq.mp hb).trans hi)
      refine ⟨y, ?_, e, ?_⟩
      · rw [← hborn]; exact List.mem_filterMap.mpr ⟨r, hr, hf⟩
      · rw [P.same y hy x hx e]; exact hn
  have copied : Copied m fork parts (born.foldl (M.copyOne m id fork asker c parts) m) := by
    refine foldl_keeps (P := Copied m fork parts) ?_ fun n x hx C => C.copyOne P k w absent id asker c (inBorn x hx)
    refine ⟨k, rfl, fun _ i => i, fun _ _ => rfl, fun j => w.recorders j, fun x _ _ _ _ i => ?_⟩
    rw [absent] at i; cases i
  have there : ∀ x ∈ parts, x.trace ≠ [] → (born.foldl (M.copyOne m id fork asker c parts) m).has (.copy fork x.id) = true := by
    intro x hx hn
    obtain ⟨y, hy, hi, hn⟩ := born' x hx hn
    have go : ∀ (l : List Then) (n : M), (n.has (.copy fork x.id) = true ∨ y ∈ l) →
        (l.foldl (M.copyOne m id fork asker c parts) n).has (.copy fork x.id) = true := by
      intro l
      induction l with
      | nil => exact fun n h => h.elim (fun h => h) fun h => absurd h List.not_mem_nil
      | cons z l ih =>
        intro n h
        refine ih _ ?_
        rcases h with h | h
        · exact .inl (has_copyOne _ _ _ _ _ _ _ _ _ (.inl h))
        · cases List.mem_cons.mp h with
          | inl h => exact .inl (has_copyOne _ _ _ _ _ _ _ _ _ (.inr ⟨h ▸ hn, by rw [← h, hi]⟩))
          | inr h => exact .inr h
    exact go born m (.inr hy)
  have marked := foldl_keeps (P := fun n : M => Retold World n ∧ (∀ j, m.has j = true → n.has j = true ∧ n.run j = m.run j) ∧
      ∀ x ∈ parts, ∀ d ds, x.trace = d :: ds → n.has (.copy fork x.id) = true ∧ (n.run (.copy fork x.id)).code.settle = d.code)
    (f := M.markCopy id fork) (l := parts)
    ⟨copied.retold, fun j i => ⟨copied.has j i, copied.run j i⟩, fun x hx d ds hd =>
      ⟨there x hx (by rw [hd]; exact nofun), copied.code x hx d ds hd (there x hx (by rw [hd]; exact nofun))⟩⟩
    fun n x hx ⟨kn, hn, code⟩ => by
      unfold M.markCopy
      split
      · exact ⟨kn, hn, code⟩
      · next d ds hd =>
        obtain ⟨i, hc⟩ := code x hx d ds hd
        have same : ∀ cd : Code, cd.settle = d.code → Retold World (n.recordCode (.copy fork x.id) (.forked x.id d.index) cd) ∧
            (∀ j, m.has j = true → (n.recordCode (.copy fork x.id) (.forked x.id d.index) cd).has j = true ∧
              (n.recordCode (.copy fork x.id) (.forked x.id d.index) cd).run j = m.run j) ∧
            ∀ y ∈ parts, ∀ e es, y.trace = e :: es →
              (n.recordCode (.copy fork x.id) (.forked x.id d.index) cd).has (.copy fork y.id) = true ∧
              ((n.recordCode (.copy fork x.id) (.forked x.id d.index) cd).run (.copy fork y.id)).code.settle = e.code := by
          intro cd hcd
          refine ⟨kn.recordCode i _ _ fun xw => ?_, fun j h => ⟨?_, ?_⟩, fun y hy e es he => ⟨?_, ?_⟩⟩
          · have := (kn.now _ xw i).forked x.id d.index cd.settle.refused
            rw [hcd, ← hc] at *
            exact this
          · rw [recordCode_eq, has_record, (hn j h).1, Bool.or_true]
          · rw [run_recordCode_ne _ _ _ fun e => ?_, (hn j h).2]
            rw [← e, absent] at h; cases h
          · rw [recordCode_eq, has_record, (code y hy e es he).1, Bool.or_true]
          · by_cases ne : Id.copy fork x.id = .copy fork y.id
            · rw [← ne, run_recordCode_same]
              have := P.same x hx y hy (Id.copy.inj ne).2
              rw [hd, he] at this
              rw [← (List.cons.inj this).1]
              exact hcd
            · rw [run_recordCode_ne _ _ _ ne]; exact (code y hy e es he).2
        refine same _ ?_
        split
        · rfl
        · exact takenUp_settle _ _ _ _
  exact ⟨marked.1, marked.2.1⟩

theorem fork {m : M} (w : Wf m B) (named : Named m) (a : Apart m) (k : Retold World m) {asker : Id} {wt : Waiting}
    (o : Open World m asker wt) (nt : wt.op ≠ "inbox.take") : Retold World (m.fork asker wt) := by
  unfold M.fork M.wrong
  split
  · split
    · exact k.replyOpen o _ _ (.inl nt)
    · next id ho =>
      simp only
      split
      · exact k.replyOpen o _ _ (.inl nt)
      · next c t ht =>
        have hs : c :: t <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        obtain ⟨k', hh⟩ := k.copyTree w named a (asker := asker) (ne_world_of_owns w.owner (owns_of_owned ho)) hs
        refine k'.answerRun ⟨(hh _ o.1).1, fun x => ?_⟩ nt _
        rw [(hh _ o.1).2]
        exact o.2 x
  · exact k.replyOpen o _ _ (.inl nt)

end Retold

end M

end Shepherd
