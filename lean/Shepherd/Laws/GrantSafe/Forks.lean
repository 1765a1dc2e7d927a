import Shepherd.Laws.GrantSafe.Asking
import Shepherd.Laws.GrantSafe.Born
import Shepherd.Laws.Support.Marked

/-!
# The counts after a fork
-/

namespace Shepherd

namespace M

theorem used_lastInside {m : M} {id : Id} (ne : id ≠ .world) {event : Event} {code : Code} {d : Commit}
    (h : (m.recordCode id event code).lastInside = some d) : d.used = (m.recordCode id event code).used := by
  rw [recordCode_eq, lastInside_record_ne _ ne] at h
  cases h
  rfl

theorem Tally.fork {m : M} {before : Id → Nat → Nat} (w : Wf m True) (h : Named m) (t : Tally m before) {asker : Id}
    (i : m.has asker = true) (wt : Waiting) : ∃ before', Tally (m.fork asker wt) before' := by
  have ia : Asker True m asker := ⟨i, fun _ => trivial⟩
  have born := newborn_fork w i wt
  have grows := grows_fork w ia wt
  have narrow := Narrow.fork w h i wt
  have ext := grows.extends w
  have recorders := (grows.wf w).log_recorders
  have plain : ∀ {n}, Plain m n True → Mute m n → ∃ before', Tally n before' := fun e q =>
    t.mute q (e.narrow h) w.world (e.wf w).log_recorders (e.extends w) (e.newborn w) fun f x hx => e.old w hx
  revert born grows narrow ext recorders
  unfold M.fork
  split
  · split
    · exact fun _ _ _ _ _ => plain (plain_reply ia _ _) (mute_reply _ _ _ _)
    · next id ho =>
      simp only
      split
      · exact fun _ _ _ _ _ => plain (plain_reply ia _ _) (mute_reply _ _ _ _)
      · next c tr ht =>
        have hs : c :: tr <:+ (m.run id).trace := by
          rw [← ht]
          split
          · exact Trace.upTo_suffix _ _
          · exact List.nil_suffix
        rw [ht]
        intro born grows narrow ext recorders
        have hc : c ∈ (m.run id).trace := hs.subset List.mem_cons_self
        have ids : ∀ x ∈ m.forkParts id asker (c :: tr) c, x.id = Id.today c.run id x.old := by
          intro x hx
          unfold forkParts at hx
          cases List.mem_append.mp hx with
          | inl hx => unfold M.heads at hx; obtain ⟨y, _, rfl⟩ := List.mem_map.mp hx; rfl
          | inr hx => rw [List.mem_singleton.mp hx]; exact (h.today id c hc).symm
        have full : ∀ x ∈ m.forkParts id asker (c :: tr) c, (m.run x.old).trace ≠ [] → x.trace ≠ [] := by
          intro x hx ne
          unfold forkParts at hx
          cases List.mem_append.mp hx with
          | inl hx =>
            unfold M.heads at hx
            obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
            exact Trace.upTo_ne_nil (h.indexed y.id) _ (h.heads id c hc y hy) ne
          | inr hx => rw [List.mem_singleton.mp hx]; exact nofun
        have names : ∀ x ∈ m.forkParts id asker (c :: tr) c, c.Names x.old := by
          intro x hx
          unfold forkParts at hx
          cases List.mem_append.mp hx with
          | inl hx =>
            unfold M.heads at hx
            obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
            exact .inr ⟨y, hy, rfl⟩
          | inr hx => rw [List.mem_singleton.mp hx]; exact .inl rfl
        have olds : ∀ o, c.Names o → (m.run o).trace ≠ [] := by
          intro o ho
          rcases ho with rfl | ⟨y, hy, rfl⟩
          · exact List.length_pos_iff.mp (h.recorded id c hc)
          · exact t.traces _ (t.heads c (t.logged id c hc) y hy) (w.heads id c hc y hy)
        have ne : ∀ x ∈ m.forkParts id asker (c :: tr) c, x.old ≠ .world := by
          intro x hx
          rcases names x hx with e | ⟨y, hy, e⟩
          · intro e'
            have owned := owns_of_owned ho
            obtain ⟨_, _, _, hb⟩ := t.own id (has_of_owns owned) (ne_world_of_owns w.owner owned)
            have : id.base = .world := by rw [← h.today id c hc, Id.base_today, ← e, e']; rfl
            rw [this, t.world] at hb
            exact absurd hb List.not_mem_nil
          · exact e ▸ w.heads id c hc y hy
        have absent : ∀ x, m.has (.copy (.made asker (m.run asker).made) x) = false := not_has_copy w asker
        have there := fun (x : Then) (hx : x ∈ m.forkParts id asker (c :: tr) c) =>
          has_copies (fork := .made asker (m.run asker).made) ids full hx (olds _ (names x hx))
        have topLast : m.forkParts id asker (c :: tr) c = m.heads id c ++
            [{ id, old := c.run, owner := asker, givers := [], trace := c :: tr }] := rfl
        unfold copyTree at *
        simp only at *
        generalize hP : m.forkParts id asker (c :: tr) c = P at *
        generalize hf : Id.made asker (m.run asker).made = f at *
        have k : Counting m id f c P ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl
            (M.copyOne m id f asker c P) m) := by
          refine foldl_keeps (P := Counting m id f c P) ⟨rfl, fun j h => .inl h, fun key => .inl rfl, fun x hx hh => ?_⟩
            fun n x hx k => k.copyOne ids asker ?_
          · rw [absent] at hh; cases hh
          · obtain ⟨r, _, hr⟩ := List.mem_filterMap.mp hx
            exact List.mem_of_find?_eq_some hr
        have mono : ∀ j, m.has j = true → M.has ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl
            (M.copyOne m id f asker c P) m) j = true := fun j hj =>
          foldl_keeps (P := fun n => n.has j = true) hj fun n x _ h => has_copyOne _ _ _ _ _ _ _ _ _ (.inl h)
        generalize ((m.runs.filterMap fun r => P.find? fun h => h.old == r.id).foldl (M.copyOne m id f asker c P) m) = C at *
        have e₂ : Mute C ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)) :=
          (mute_foldl (mute_markCopy id f) P C).trans (mute_answerRun _ _ _ _)
        have hg : ∀ j, (((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)).run j).grant = (C.run j).grant := by
          intro j
          rw [grant_answerRun]
          exact foldl_keeps (P := fun n => (n.run j).grant = (C.run j).grant) rfl fun n x _ e => (grant_markCopy id f n x j).trans e
        have last : ∀ d, ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)).lastInside = some d →
            d.used = ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)).used := by
          intro d hd
          have q := mute_answerRun (P.foldl (M.markCopy id f) C) asker wt (.copy f id)
          obtain ⟨cs, hl, hm⟩ := q.new
          rw [q.counts]
          refine (lastInside_append hl hd).elim (fun hc => (hm d hc).2.1) fun h => ?_
          rw [topLast, List.foldl_append] at h ⊢
          exact used_lastInside (id := .copy f id) nofun h
        have marked : ∃ e ∈ ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)).log,
            e.run = .copy f id ∧ e.event = .forked id c.index := by
          obtain ⟨cs, hl, _⟩ := (mute_answerRun (P.foldl (M.markCopy id f) C) asker wt (.copy f id)).new
          rw [hl, topLast, List.foldl_append]
          exact ⟨_, List.mem_append_right _ List.mem_cons_self, rfl, rfl⟩
        have only : ∀ j, M.has ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)) j = true → C.has j = true := by
          intro j hj
          rw [has_answerRun ((mute_foldl (mute_markCopy id f) P C).has _ (mono _ i))] at hj
          refine foldl_keeps (P := fun n => n.has j = true → C.has j = true) (fun h => h) (fun n x hx k h => ?_) hj
          unfold M.markCopy at h
          split at h
          · exact k h
          · simp only at h
            rw [recordCode_eq, has_record, Bool.or_eq_true, beq_iff_eq] at h
            exact h.elim (fun e => e ▸ there x hx) k
        have copyFound : ∀ j, M.has ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)) j = true → m.has j = false →
            ∃ x ∈ P, j = .copy f x.id := by
          intro j hj absent
          rcases k.new j (only j hj) with h | ⟨x, hx, e, _⟩
          · rw [absent] at h; cases h
          · exact ⟨x, hx, e⟩
        generalize ((P.foldl (M.markCopy id f) C).answerRun asker wt (.copy f id)) = n at *
        -- What a copy holds, and where it comes from.
        have comes : ∀ j l, m.has j = false → l ∈ (n.run j).grant → ∃ x ∈ P, j = .copy f x.id ∧ C.has j = true ∧
            (n.run j).grant = (m.run x.old).grant.map (copyOf m id f c (P.map Then.old)) := by
          intro j l hj hl
          rw [hg] at hl ⊢
          have hC := has_of_mem_grant hl
          rcases k.new j hC with h | ⟨x, hx, e, g⟩
          · rw [hj] at h; cases h
          · exact ⟨x, hx, e, hC, g⟩
        have inside : ∀ o, (P.map Then.old).contains o = true → ∃ x ∈ P, x.old = o := fun o ho => by
          obtain ⟨x, hx, e⟩ := List.mem_map.mp (List.contains_iff_mem.mp ho)
          exact ⟨x, hx, e⟩
        have copied : ∀ x ∈ P, n.has (.copy f x.id) = true ∧
            (n.run (.copy f x.id)).grant = (m.run x.old).grant.map (copyOf m id f c (P.map Then.old)) := by
          intro x hx
          have hC := there x hx
          refine ⟨e₂.has _ hC, ?_⟩
          rw [hg]
          rcases k.new _ hC with h | ⟨y, hy, e, g⟩
          · rw [absent] at h; cases h
          · rw [g]
            have e := (Id.copy.inj e).2
            rw [ids x hx, ids y hy] at e
            rw [Id.today_inj e]
        refine ⟨_, t.grow narrow.grants (MuteTo.trans ⟨mono, rfl, [], k.log, fun _ h => absurd h List.not_mem_nil⟩
          e₂ |> fun e => e₂.counts.symm ▸ e) (fun o j ho => ?_) (fun o j ho => ?_) last recorders w.world ext born
          (fun j hj => ?_) (fun j hj hi => ?_) fun f' x l hx hl hlo => ?_⟩
        · rw [e₂.counts]
          rcases k.used (o, j) with e | ⟨o', _, e, _⟩
          · exact e
          · have e : o = .copy f (Id.today c.run id o') := e
            rcases ho with ho | ho
            · rw [e, absent] at ho; cases ho
            · exact absurd e (ho _ _)
        · rw [e₂.counts]
          rcases k.used (o, j) with e | ⟨o', ho', e, _⟩
          · rw [e]
            refine t.keys o j ?_
            cases h' : m.has o with
            | false => rfl
            | true => rw [e₂.has o (mono o h')] at ho; cases ho
          · have e : o = .copy f (Id.today c.run id o') := e
            obtain ⟨y, hy, rfl⟩ := inside o' ho'
            rw [← ids y hy] at e
            rw [e, (copied y hy).1] at ho; cases ho
        · cases hn : (n.run j).grant with
          | nil => exact ⟨List.nodup_nil, fun l hl => absurd hl List.not_mem_nil⟩
          | cons l₀ ls =>
            obtain ⟨x, hx, e, _, g⟩ := comes j l₀ hj (by rw [hn]; exact List.mem_cons_self)
            rw [← hn, g]
            refine ⟨?_, fun l hl => ?_⟩
            · rw [List.map_map, show (fun l : Layer => l.origin.base) ∘ copyOf m id f c (P.map Then.old) = fun l => l.origin.base
                from funext fun l => copyOf_base m id f c _ l]
              exact t.bases x.old
            · obtain ⟨l', hl', rfl⟩ := List.mem_map.mp hl
              have old := t.origins _ l' hl'
              unfold copyOf
              split
              · next hi =>
                obtain ⟨y, hy, ey⟩ := inside _ hi
                have := copied y hy
                rw [ids y hy, ey] at this
                refine ⟨this.1, ?_⟩
                show _ ∈ (n.run (Id.copy f (Id.today c.run id l'.origin))).grant
                rw [this.2]
                refine List.mem_map.mpr ⟨l', old.2, ?_⟩
                unfold copyOf
                rw [if_pos hi]
              · have im := has_meant old.1 c.run id
                exact ⟨e₂.has _ (mono _ im), by
                  rw [narrow.grants _ im]; exact t.alike hl' im (m.base_meant c.run id l'.origin)⟩
        · obtain ⟨x, hx, rfl⟩ := copyFound j hi hj
          obtain ⟨l, hl, ho, hb⟩ := t.own x.old (has_of_trace (olds _ (names x hx))) (ne x hx)
          have into : (P.map Then.old).contains l.origin = true :=
            List.contains_iff_mem.mpr (List.mem_map.mpr ⟨x, hx, ho.symm⟩)
          have eq : copyOf m id f c (P.map Then.old) l = { l with origin := .copy f x.id } := by
            unfold copyOf
            rw [if_pos into, ho, ← ids x hx]
          refine ⟨{ l with origin := .copy f x.id }, by rw [(copied x hx).2, ← eq]; exact List.mem_map.mpr ⟨l, hl, rfl⟩, rfl, ?_⟩
          have base : (Id.copy f x.id).base = x.old.base := by
            rw [ids x hx]; exact Id.base_today c.run id x.old
          rw [base, narrow.grants _ (has_of_mem_grant hb)]
          exact hb
        · obtain ⟨y, hy, e, hC, g⟩ := comes _ l hx hl
          obtain ⟨rfl, rfl⟩ := Id.copy.inj e
          rw [g] at hl
          obtain ⟨l', hl', rfl⟩ := List.mem_map.mp hl
          unfold copyOf at hlo
          split at hlo
          · next hi =>
            have ho : l'.origin = y.old := by
              have := (Id.copy.inj hlo).2
              rw [ids y hy] at this
              exact Id.today_inj this
            obtain ⟨s, r, hlog⟩ := List.append_of_mem (t.logged id c hc)
            obtain ⟨e, he, hr, hev⟩ := marked
            refine ⟨c, r, y.old, ⟨s, hlog.symm⟩, ⟨id, e, (ext.trace id).subset hc, he, hr, hev⟩, ids y hy ▸ Id.copyOf_today _ _ _, names y hy, ?_, fun j q hq lim => ?_⟩
            · unfold copyOf
              rw [if_pos hi, ← ho]
              exact (t.origins _ l' hl').2
            · rw [copyOf_clauses] at hq
              have := k.own y hy hC l' hl' hi j q hq lim
              rw [e₂.counts, ids y hy, ← ho]
              exact this
          · have := has_meant (t.origins _ l' hl').1 c.run id
            rw [show m.meant c.run id l'.origin = _ from hlo, absent] at this; cases this
  · exact fun _ _ _ _ _ => plain (plain_wrong ia _) (mute_reply _ _ _ _)

end M

end Shepherd
